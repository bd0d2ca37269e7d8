//! Stanza errors (RFC 6120 §8.3).

use mucfocus_core::stanza::{Condition, ErrorKind, StanzaError};
use xmpp_parsers::minidom::Element;

use super::CLIENT;

const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// The error of a stanza of type `error`. One that names nothing we know is `undefined-condition` of type `cancel`.
pub(super) fn stanza_error(root: &Element) -> StanzaError {
    let error = root.get_child("error", CLIENT);
    let kind = match error.and_then(|e| e.attr("type")) {
        Some("auth") => ErrorKind::Auth,
        Some("continue") => ErrorKind::Continue,
        Some("modify") => ErrorKind::Modify,
        Some("wait") => ErrorKind::Wait,
        _ => ErrorKind::Cancel,
    };
    let condition = error.and_then(|e| e.children().find(|c| c.has_ns(STANZAS) && c.name() != "text"));
    let address = condition.filter(|c| matches!(c.name(), "gone" | "redirect")).map(Element::text);
    StanzaError {
        condition: condition.map_or(Condition::UndefinedCondition, |c| condition_named(c.name())),
        kind,
        text: error.and_then(|e| e.get_child("text", STANZAS)).map(Element::text),
        address: address.filter(|a| !a.is_empty()),
    }
}

/// RFC 6120 §8.3.3.
fn condition_named(name: &str) -> Condition {
    match name {
        "bad-request" => Condition::BadRequest,
        "conflict" => Condition::Conflict,
        "feature-not-implemented" => Condition::FeatureNotImplemented,
        "forbidden" => Condition::Forbidden,
        "gone" => Condition::Gone,
        "internal-server-error" => Condition::InternalServerError,
        "item-not-found" => Condition::ItemNotFound,
        "jid-malformed" => Condition::JidMalformed,
        "not-acceptable" => Condition::NotAcceptable,
        "not-allowed" => Condition::NotAllowed,
        "not-authorized" => Condition::NotAuthorized,
        "policy-violation" => Condition::PolicyViolation,
        "recipient-unavailable" => Condition::RecipientUnavailable,
        "redirect" => Condition::Redirect,
        "registration-required" => Condition::RegistrationRequired,
        "remote-server-not-found" => Condition::RemoteServerNotFound,
        "remote-server-timeout" => Condition::RemoteServerTimeout,
        "resource-constraint" => Condition::ResourceConstraint,
        "service-unavailable" => Condition::ServiceUnavailable,
        "subscription-required" => Condition::SubscriptionRequired,
        "unexpected-request" => Condition::UnexpectedRequest,
        _ => Condition::UndefinedCondition,
    }
}
