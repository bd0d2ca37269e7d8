//! MSRP on the wire (RFC 4975 §9, RFC 7701 §7): URIs, frames, the incremental decoder and the encoder.
//!
//! Owns the grammar and its limits. Never looks at what a body means, knows no session, and keeps no message longer than
//! it takes to hand it over.

pub mod collect;
pub mod decode;
pub mod encode;
mod end_line;
pub mod frame;
mod head;
pub mod uri;

/// The first word of every start line, with the space that follows it.
const PROTOCOL: &str = "MSRP ";

/// What the end-line begins with (RFC 4975 §7.1). Never another number of hyphens.
const HYPHENS: &str = "-------";

/// The longest line of a head, CRLF included, in octets. RFC 4975 sets no bound. A path of four relays and a content type
/// with parameters stay below 2 KiB.
pub const MAX_LINE: usize = 4 * 1024;

/// The longest head, from the start line to the empty line, in octets.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most headers of one message. RFC 4975 and the specifications that extend it define less than twenty.
pub const MAX_HEADERS: usize = 32;

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
    !text.chars().any(|c| c.is_control() && c != '\t')
}

/// A Message-ID: visible ASCII up to [`MAX_MESSAGE_ID`].
fn is_message_id(text: &str) -> bool {
    (1..=MAX_MESSAGE_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
