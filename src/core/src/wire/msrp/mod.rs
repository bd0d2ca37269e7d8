//! MSRP on the wire (RFC 4975 §9, RFC 7701 §7): URIs, frames, the incremental decoder and the encoder.
//!
//! Owns the grammar and its limits. Never looks at what a body means, knows no session, and keeps no message longer than
//! it takes to hand it over.

pub mod accepted;
pub mod collect;
pub mod decode;
pub mod encode;
mod end_line;
pub mod frame;
mod head;
mod limits;
pub mod uri;

pub use self::limits::{Limits, MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_PATH};

/// The first word of every start line, with the space that follows it.
const PROTOCOL: &str = "MSRP ";

/// What the end-line begins with (RFC 4975 §7.1). Never another number of hyphens.
const HYPHENS: &str = "-------";

/// The longest body of anything but a SEND, in octets (RFC 4975 §7.1).
pub const MAX_OTHER_BODY: usize = 10_240;

/// The longest Message-ID that is taken, in octets. RFC 4975 §9 has 32; UUIDs of 36 are seen in the field.
pub const MAX_MESSAGE_ID: usize = 256;

/// `token` of RFC 4975 §9.
const fn is_token_char(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x27 | 0x2A..=0x2B | 0x2D..=0x2E | 0x30..=0x39 | 0x41..=0x5A | 0x5E..=0x7E)
}

/// `utf8text` of RFC 4975 §9, also without the control characters that Unicode adds.
fn is_text(text: &str) -> bool {
    // Most text is ASCII, and then nothing has to be decoded.
    !has_control(text.as_bytes()) && (text.is_ascii() || !text.chars().any(|c| c.is_control() && c != '\t'))
}

/// Whether there is a control character of ASCII besides HTAB. Looks at all octets, which several at a time can be, whereas
/// stopping at the first would take them one by one.
fn has_control(octets: &[u8]) -> bool {
    octets.iter().fold(false, |found, b| found | (b.is_ascii_control() & (*b != b'\t')))
}

/// What stands before the first `octet` of `text`, and what after it. `octet` is ASCII.
///
/// Heads are many short values, in which the search of the standard library costs more than what is done with them.
fn split_at_octet(text: &str, octet: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(octet, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at.saturating_add(1)..)?))
}

/// A Message-ID: visible ASCII up to [`MAX_MESSAGE_ID`].
fn is_message_id(text: &str) -> bool {
    (1..=MAX_MESSAGE_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
