//! The one table of errors: what an XMPP condition is called in SIP and in MSRP (RFC 7247 §7.1; ERR-01 … 03, 09).

use alloc::string::String;

use crate::address::sip_uri::is_scheme;
use crate::stanza::{Condition, ErrorKind, StanzaError};

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The condition of RFC 6120 §8.3.3.
    pub condition: Condition,
    /// What a call is refused with.
    pub sip: u16,
    /// The same for an error of type `wait`.
    pub sip_wait: u16,
    /// What an MSRP request for a room is answered with.
    pub msrp: u16,
}

/// A row whose type makes no difference.
const fn row(condition: Condition, sip: u16, msrp: u16) -> Row {
    Row { condition, sip, sip_wait: sip, msrp }
}

/// All conditions, in the order of [`Condition`].
pub const TABLE: [Row; 22] = [
    row(Condition::BadRequest, 400, 400),
    row(Condition::Conflict, 400, 400),
    row(Condition::FeatureNotImplemented, 405, 400),
    row(Condition::Forbidden, 403, 403),
    // 301 with an address.
    row(Condition::Gone, 410, 404),
    row(Condition::InternalServerError, 500, 400),
    row(Condition::ItemNotFound, 404, 404),
    row(Condition::JidMalformed, 400, 400),
    // To a message: the sender is no occupant (XEP-0045 §7.4), whatever he thinks.
    row(Condition::NotAcceptable, 406, 481),
    row(Condition::NotAllowed, 403, 403),
    row(Condition::NotAuthorized, 403, 403),
    // 413, unless the sender is told to wait.
    row(Condition::PolicyViolation, 403, 413),
    row(Condition::RecipientUnavailable, 480, 408),
    // 302 with a URI.
    row(Condition::Redirect, 404, 400),
    row(Condition::RegistrationRequired, 403, 403),
    row(Condition::RemoteServerNotFound, 404, 408),
    row(Condition::RemoteServerTimeout, 408, 408),
    // 413 when a smaller message would help.
    Row { condition: Condition::ResourceConstraint, sip: 500, sip_wait: 480, msrp: 403 },
    // Never 503, which would take the whole node out of service (ERR-03).
    Row { condition: Condition::ServiceUnavailable, sip: 403, sip_wait: 480, msrp: 403 },
    row(Condition::SubscriptionRequired, 403, 403),
    row(Condition::UndefinedCondition, 400, 400),
    row(Condition::UnexpectedRequest, 400, 400),
];

/// Seconds after which somebody who was told to wait may try again. RFC 6120 gives no number; a full room rarely empties faster.
pub const RETRY_AFTER: u32 = 30;

/// A final response to an INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipRefusal {
    /// The status code, 300 to 699 and never 503.
    pub code: u16,
    /// Seconds, for Retry-After.
    pub retry_after: Option<u32>,
    /// A URI without brackets, for Contact; with 301 and 302 only.
    pub contact: Option<String>,
}

/// What a caller is told whose join was refused with `error`. What can be tried again under another nickname (`conflict`,
/// `not-acceptable`) has been tried before.
#[must_use]
pub fn sip_for(error: &StanzaError) -> SipRefusal {
    let row = row_of(error.condition);
    let address = error.address.as_deref().filter(|address| is_usable_uri(address));
    let moved = match error.condition {
        Condition::Gone => Some(301),
        Condition::Redirect => Some(302),
        _ => None,
    };
    if let (Some(code), Some(address)) = (moved, address) {
        return SipRefusal { code, retry_after: None, contact: Some(address.into()) };
    }
    let waits = error.kind == ErrorKind::Wait;
    let code = if waits { row.sip_wait } else { row.sip };
    // The codes that RFC 3261 §20.33 names.
    let may_say_when = matches!(code, 404 | 413 | 480 | 486 | 500 | 503 | 600 | 603);
    SipRefusal { code, retry_after: (waits && may_say_when).then_some(RETRY_AFTER), contact: None }
}

/// The code of the MSRP response to a message for the room that came back with `error` (GC-MSG-06).
#[must_use]
pub fn msrp_for_message(error: &StanzaError) -> u16 {
    match (error.condition, error.kind) {
        (Condition::PolicyViolation, ErrorKind::Wait) => 403,
        (Condition::ResourceConstraint, ErrorKind::Modify) => 413,
        (condition, _) => row_of(condition).msrp,
    }
}

fn row_of(condition: Condition) -> Row {
    let unknown = row(Condition::UndefinedCondition, 400, 400);
    TABLE.iter().find(|row| row.condition == condition).copied().unwrap_or(unknown)
}

/// Whether `text` can stand between the brackets of a Contact.
fn is_usable_uri(text: &str) -> bool {
    let printable =
        text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'));
    printable && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::{Cancel, Modify, Wait};

    fn error(condition: Condition, kind: ErrorKind) -> StanzaError {
        StanzaError { condition, kind, text: None, address: None }
    }

    #[test]
    fn every_condition_has_the_codes_that_were_agreed() {
        // ERR-01, ERR-09: SIP, SIP with Retry-After when told to wait, MSRP.
        let expected = [
            (Condition::BadRequest, 400, (400, false), 400),
            (Condition::Conflict, 400, (400, false), 400),
            (Condition::FeatureNotImplemented, 405, (405, false), 400),
            (Condition::Forbidden, 403, (403, false), 403),
            (Condition::Gone, 410, (410, false), 404),
            (Condition::InternalServerError, 500, (500, true), 400),
            (Condition::ItemNotFound, 404, (404, true), 404),
            (Condition::JidMalformed, 400, (400, false), 400),
            (Condition::NotAcceptable, 406, (406, false), 481),
            (Condition::NotAllowed, 403, (403, false), 403),
            (Condition::NotAuthorized, 403, (403, false), 403),
            (Condition::PolicyViolation, 403, (403, false), 413),
            (Condition::RecipientUnavailable, 480, (480, true), 408),
            (Condition::Redirect, 404, (404, true), 400),
            (Condition::RegistrationRequired, 403, (403, false), 403),
            (Condition::RemoteServerNotFound, 404, (404, true), 408),
            (Condition::RemoteServerTimeout, 408, (408, false), 408),
            (Condition::ResourceConstraint, 500, (480, true), 403),
            (Condition::ServiceUnavailable, 403, (480, true), 403),
            (Condition::SubscriptionRequired, 403, (403, false), 403),
            (Condition::UndefinedCondition, 400, (400, false), 400),
            (Condition::UnexpectedRequest, 400, (400, false), 400),
        ];
        for (condition, sip, (waiting, says_when), msrp) in expected {
            let refusal = SipRefusal { code: sip, retry_after: None, contact: None };
            assert_eq!(sip_for(&error(condition, Cancel)), refusal, "{condition:?}");
            let refusal = SipRefusal { code: waiting, retry_after: says_when.then_some(RETRY_AFTER), contact: None };
            assert_eq!(sip_for(&error(condition, Wait)), refusal, "{condition:?}, wait");
            assert_eq!(msrp_for_message(&error(condition, Cancel)), msrp, "{condition:?}");
        }
        let order: alloc::vec::Vec<_> = TABLE.iter().map(|row| row.condition).collect();
        assert!(order.is_sorted() && expected.map(|row| row.0).to_vec() == order);
    }

    #[test]
    fn nothing_is_ever_503() {
        // ERR-03
        assert!(TABLE.iter().all(|row| row.sip != 503 && row.sip_wait != 503));
    }

    #[test]
    fn a_room_that_moved_says_where_to_if_that_is_a_uri() {
        // ERR-02
        let moved = |condition, address: &str| {
            let error = StanzaError { address: Some(address.into()), ..error(condition, Cancel) };
            let refusal = sip_for(&error);
            (refusal.code, refusal.contact)
        };
        let uri = "xmpp:verona@muc.example.net";
        assert_eq!(moved(Condition::Gone, uri), (301, Some(uri.into())));
        assert_eq!(moved(Condition::Redirect, uri), (302, Some(uri.into())));
        for unusable in ["", "verona", "xmpp:", "xmpp:a b", "xmpp:a\r\nVia: b", "sip:a@h>;x", "sip:\u{fc}@h"] {
            assert_eq!(moved(Condition::Gone, unusable), (410, None), "{unusable:?}");
            assert_eq!(moved(Condition::Redirect, unusable), (404, None), "{unusable:?}");
        }
        assert_eq!(moved(Condition::Forbidden, uri), (403, None));
    }

    #[test]
    fn too_big_and_too_fast_are_told_apart() {
        // GC-MSG-06, XM-16
        assert_eq!(msrp_for_message(&error(Condition::PolicyViolation, Modify)), 413);
        assert_eq!(msrp_for_message(&error(Condition::PolicyViolation, Wait)), 403);
        assert_eq!(msrp_for_message(&error(Condition::ResourceConstraint, Modify)), 413);
        assert_eq!(msrp_for_message(&error(Condition::ResourceConstraint, Wait)), 403);
    }
}
