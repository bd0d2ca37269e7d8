//! The one table of errors: what SIP, XMPP and MSRP call the same failure, and what the status codes of a MUC lead to.
//!
//! [`TABLE`] goes from XMPP to SIP and to MSRP (RFC 7247 §7.1; ERR-01 … 03, 09), [`sip`] and [`msrp`] go back (ERR-04 … 07, 09),
//! [`status`] says what comes of the status codes of a MUC. All of it is printed in `docs/errors.md`, and a test holds the two
//! together. What decides here is the table; the functions only look up.

use alloc::string::String;

use crate::address::sip_uri::is_scheme;
use crate::stanza::{Condition, ErrorKind, StanzaError};

use self::status::Watching;
use super::{phrases, text};

mod conditions;
pub mod msrp;
pub mod sip;
pub mod status;

pub use conditions::{Codes, Row, TABLE, row_of};

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
    if let Some((code, address)) = moved(&row, error) {
        return SipRefusal { code, retry_after: None, contact: Some(address.into()) };
    }
    let code = row.call.of(error.kind);
    // The codes that RFC 3261 §20.33 names.
    let may_say_when = matches!(code, 404 | 413 | 480 | 486 | 500 | 503 | 600 | 603);
    let waits = error.kind == ErrorKind::Wait;
    SipRefusal { code, retry_after: (waits && may_say_when).then_some(RETRY_AFTER), contact: None }
}

/// What becomes of the subscriptions of somebody who is not let back into a room with `error`: he may not, or later, or there is nothing
/// to see.
#[must_use]
pub fn watching_for(error: &StanzaError) -> Watching {
    let is_out_of_reach = matches!(error.condition, Condition::RemoteServerNotFound | Condition::RemoteServerTimeout);
    match sip_for(error).code {
        403 => Watching::Forbidden,
        408 | 480 | 500 => Watching::Later,
        _ if is_out_of_reach || error.kind == ErrorKind::Wait => Watching::Later,
        _ => Watching::Over,
    }
}

/// The code of the MSRP response to a message for the room that came back with `error` (GC-MSG-06).
#[must_use]
pub fn msrp_for_message(error: &StanzaError) -> u16 {
    row_of(error.condition).message.of(error.kind)
}

/// The code of the MSRP response to a private message that came back with `error` (GC-PM-06, annex A3 of the conformance matrix).
#[must_use]
pub fn msrp_for_private_message(error: &StanzaError) -> u16 {
    row_of(error.condition).private.of(error.kind)
}

/// The code of the MSRP response to a NICKNAME that came back with `error` (GC-NICK-03, GC-NICK-04).
#[must_use]
pub fn msrp_for_nickname(error: &StanzaError) -> u16 {
    row_of(error.condition).nickname.of(error.kind)
}

/// The code of the sipfrag that ends a referral whose invitation came back with `error` (GC-INV-05).
#[must_use]
pub fn sip_for_invitation(error: &StanzaError) -> u16 {
    let row = row_of(error.condition);
    moved(&row, error).map_or_else(|| row.invitation.of(error.kind), |(code, _)| code)
}

/// The code for an error that says where to go instead, and where that is.
fn moved<'a>(row: &Row, error: &'a StanzaError) -> Option<(u16, &'a str)> {
    let address = error.address.as_deref().filter(|address| is_usable_uri(address));
    row.moved.zip(address)
}

/// An error as we send it, of the type that is usual for its condition.
fn error_with(condition: Condition, words: &str) -> StanzaError {
    let words = phrases::quoted(&text::xml_clean(words));
    StanzaError { condition, kind: row_of(condition).kind, text: Some(words).filter(|w| !w.is_empty()), address: None }
}

/// Whether `text` can stand between the brackets of a Contact.
fn is_usable_uri(text: &str) -> bool {
    let printable =
        text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'));
    printable && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

#[cfg(test)]
mod tests;
