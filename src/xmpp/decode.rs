//! Bytes into stanzas. Tolerant on purpose: what another occupant puts into a stanza must not make him invisible, so only what
//! makes a stanza useless is an error.

use jid::{BareJid, Jid};
use mucfocus_core::stanza::{
    Affiliation, Condition, Destroy, ErrorKind, Iq, IqAnswer, Message, MessageKind, MucItem, MucUser, Presence,
    PresenceKind, Role, Stanza, StanzaError,
};
use xmpp_parsers::minidom::Element;

const CLIENT: &str = "jabber:client";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
const STANZA_IDS: &str = "urn:xmpp:sid:0";
const DELAY: &str = "urn:xmpp:delay";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";

/// Why bytes are not a stanza for a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not well-formed, or beyond the limits of the parser.
    #[error("not well-formed XML: {0}")]
    Xml(String),
    /// Neither presence, message nor iq of `jabber:client`.
    #[error("not a stanza: <{0}/>")]
    NotAStanza(String),
    /// A presence or message without `from`.
    #[error("a stanza without from")]
    NoFrom,
    /// `from` is not a JID.
    #[error("from is not a JID")]
    BadFrom,
    /// An iq without `id` (RFC 6120 §8.2.3).
    #[error("an iq without id")]
    NoId,
    /// An iq that is no answer. Requests are answered by the stream.
    #[error("an iq that is no answer")]
    NotAnAnswer,
}

/// What one framed element says. The stream's default namespace is supplied, as a lone child does not repeat it.
///
/// # Errors
///
/// [`DecodeError`]; the stanza concerns nobody then.
pub fn decode(raw: &[u8]) -> Result<Stanza, DecodeError> {
    let root =
        Element::from_reader_with_prefixes(raw, CLIENT.to_owned()).map_err(|e| DecodeError::Xml(e.to_string()))?;
    match root.name() {
        _ if !root.has_ns(CLIENT) => Err(DecodeError::NotAStanza(root.name().to_owned())),
        "presence" => presence(&root).map(Stanza::Presence),
        "message" => message(&root).map(Stanza::Message),
        "iq" => iq(&root).map(Stanza::Iq),
        other => Err(DecodeError::NotAStanza(other.to_owned())),
    }
}

fn presence(root: &Element) -> Result<Presence, DecodeError> {
    let kind = match root.attr("type") {
        None => PresenceKind::Available,
        Some("unavailable") => PresenceKind::Unavailable,
        Some("error") => PresenceKind::Error(stanza_error(root)),
        Some(_) => PresenceKind::Other,
    };
    Ok(Presence {
        from: sender(root)?.ok_or(DecodeError::NoFrom)?,
        id: attribute(root, "id"),
        kind,
        status: text(root, "status"),
        muc: muc_user(root),
    })
}

fn message(root: &Element) -> Result<Message, DecodeError> {
    let kind = match root.attr("type") {
        Some("groupchat") => MessageKind::Groupchat,
        Some("chat") => MessageKind::Chat,
        Some("headline") => MessageKind::Headline,
        Some("error") => MessageKind::Error(stanza_error(root)),
        _ => MessageKind::Normal, // RFC 6121 §5.2.2
    };
    Ok(Message {
        from: sender(root)?.ok_or(DecodeError::NoFrom)?,
        kind,
        id: attribute(root, "id"),
        origin_id: root.get_child("origin-id", STANZA_IDS).and_then(|e| attribute(e, "id")),
        body: text(root, "body"),
        subject: text(root, "subject"),
        delayed: root.has_child("delay", DELAY),
        muc: muc_user(root),
    })
}

fn iq(root: &Element) -> Result<Iq, DecodeError> {
    let answer = match root.attr("type") {
        Some("result") => IqAnswer::Result { features: features(root) },
        Some("error") => IqAnswer::Error(stanza_error(root)),
        _ => return Err(DecodeError::NotAnAnswer),
    };
    Ok(Iq { from: sender(root)?, id: attribute(root, "id").ok_or(DecodeError::NoId)?, answer })
}

fn sender(root: &Element) -> Result<Option<Jid>, DecodeError> {
    root.attr("from").map(Jid::new).transpose().map_err(|_| DecodeError::BadFrom)
}

fn attribute(element: &Element, name: &str) -> Option<String> {
    element.attr(name).map(str::to_owned)
}

/// The text of a child that may come once per language: the one without a language, else the first.
fn text(root: &Element, name: &str) -> Option<String> {
    let mut first = None;
    for child in root.children().filter(|c| c.is(name, CLIENT)) {
        if child.attr_ns("http://www.w3.org/XML/1998/namespace", "lang").is_none() {
            return Some(child.text());
        }
        first = first.or(Some(child));
    }
    first.map(Element::text)
}

fn muc_user(root: &Element) -> Option<MucUser> {
    let x = root.get_child("x", MUC_USER)?;
    let codes =
        x.children().filter(|c| c.is("status", MUC_USER)).filter_map(|c| c.attr("code")?.parse().ok()).collect();
    let destroy = x.get_child("destroy", MUC_USER).map(|d| Destroy {
        alternate: d.attr("jid").and_then(|jid| BareJid::new(jid).ok()),
        reason: d.get_child("reason", MUC_USER).map(Element::text),
    });
    Some(MucUser { codes, item: x.get_child("item", MUC_USER).map(muc_item), destroy })
}

fn muc_item(item: &Element) -> MucItem {
    let affiliation = match item.attr("affiliation") {
        Some("owner") => Some(Affiliation::Owner),
        Some("admin") => Some(Affiliation::Admin),
        Some("member") => Some(Affiliation::Member),
        Some("none") => Some(Affiliation::None),
        Some("outcast") => Some(Affiliation::Outcast),
        _ => None,
    };
    let role = match item.attr("role") {
        Some("moderator") => Some(Role::Moderator),
        Some("participant") => Some(Role::Participant),
        Some("visitor") => Some(Role::Visitor),
        Some("none") => Some(Role::None),
        _ => None,
    };
    MucItem {
        affiliation,
        role,
        jid: item.attr("jid").and_then(|jid| Jid::new(jid).ok()),
        nick: attribute(item, "nick"),
        actor: item.get_child("actor", MUC_USER).and_then(|a| attribute(a, "nick")),
        reason: item.get_child("reason", MUC_USER).map(Element::text),
    }
}

fn features(root: &Element) -> Vec<String> {
    let Some(query) = root.get_child("query", DISCO_INFO) else { return Vec::new() };
    query.children().filter(|c| c.is("feature", DISCO_INFO)).filter_map(|c| attribute(c, "var")).collect()
}

/// The error of a stanza of type `error`. One that names nothing we know is `undefined-condition` of type `cancel`.
fn stanza_error(root: &Element) -> StanzaError {
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

#[cfg(test)]
mod tests;
