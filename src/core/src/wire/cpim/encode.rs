//! Writing CPIM, in the strict form of RFC 3862: CRLF, one space after each colon, and the blank line before the MIME part.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use bytes::Bytes;

use super::Address;
use crate::wire::imdn::{self, Tracking};

/// The name of the headers that are this project's own (RFC 3862 §3.4). Who does not know it ignores them.
pub const NAMESPACE: &str = "urn:mucfocus:cpim";

/// A CPIM message with nothing but a sender and a recipient, for reports (RFC 7701 §6.2).
#[must_use]
pub fn headers(from: &Address, to: &Address) -> Bytes {
    let mut message = String::with_capacity(256);
    push_address(&mut message, "From", from);
    push_address(&mut message, "To", to);
    message.push_str("\r\n");
    Bytes::from(Vec::from(message))
}

/// What a message has beside its sender, recipient, time and content.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    /// It was said before its reader came: `mucfocus.Delayed: true` tells that (FT-01).
    pub delayed: bool,
    /// Its name, and what is asked about it (IMDN-01).
    pub tracking: Option<&'a Tracking>,
    /// It is a notification about another message (RFC 5438 §7.2.1).
    pub notification: bool,
}

/// A CPIM message with UTF-8 content, which is passed through octet for octet.
///
/// Nothing in the arguments can add a header or leave an address: formal names are quoted and escaped where they have to be, and of the others what
/// cannot stand where it would is percent-encoded (URIs) or dropped. A trailing `gr` is not written; it belongs into the URI.
#[must_use]
pub fn encode(from: &Address, to: &Address, date_time: &str, content_type: &str, content: &str) -> Bytes {
    encode_with(from, to, date_time, Extras::default(), content_type, content)
}

/// The same with something more.
#[must_use]
pub fn encode_with(
    from: &Address,
    to: &Address,
    date_time: &str,
    extras: Extras<'_>,
    content_type: &str,
    content: &str,
) -> Bytes {
    let mut message = String::with_capacity(content.len().saturating_add(320));
    push_address(&mut message, "From", from);
    push_address(&mut message, "To", to);
    let is_stamp = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+');
    message.push_str("DateTime: ");
    message.extend(date_time.chars().filter(is_stamp));
    message.push_str("\r\n");
    if extras.delayed {
        message.push_str(&format!("NS: mucfocus <{NAMESPACE}>\r\nmucfocus.Delayed: true\r\n"));
    }
    if let Some(tracking) = extras.tracking {
        push_tracking(&mut message, tracking);
    }
    message.push_str("\r\nContent-Type: ");
    message.extend(content_type.chars().filter(|c| c.is_ascii_graphic() || *c == ' '));
    message.push_str("\r\n");
    if extras.notification {
        message.push_str("Content-Disposition: notification\r\n");
    }
    message.push_str("\r\n");
    message.push_str(content);
    Bytes::from(Vec::from(message))
}

/// What the headers of RFC 5438 begin with where we write them.
const IMDN: [&str; 2] = ["NS: imdn ", "imdn."];

/// A name holds visible characters only, and what is asked for is our own words: nothing here can end a line.
fn push_tracking(message: &mut String, tracking: &Tracking) {
    let Some(message_id) = &tracking.message_id else { return };
    let id = message_id.as_str();
    message.push_str(&format!("NS: imdn <{}>\r\nimdn.Message-ID: {id}\r\n", imdn::CPIM_NAMESPACE));
    if tracking.asks.anything() {
        message.push_str(&format!("imdn.Disposition-Notification: {}\r\n", tracking.asks.render()));
    }
}

/// `head`, the headers of something that [`encode_with`] wrote, without the name of the message and what is asked about it: for
/// the parts of a text that is sent as several messages, of which no two may have one name (RFC 5438 §6.3).
#[must_use]
pub fn without_tracking(head: &[u8]) -> Vec<u8> {
    let is_other = |line: &&[u8]| !IMDN.iter().any(|start| line.starts_with(start.as_bytes()));
    head.split_inclusive(|b| *b == b'\n').filter(is_other).flatten().copied().collect()
}

fn push_address(message: &mut String, header: &str, address: &Address) {
    message.push_str(header);
    message.push_str(": ");
    if let Some(name) = &address.formal_name {
        push_formal_name(message, name);
        message.push(' ');
    }
    message.push('<');
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"');
    message.push_str(&crate::address::escape::percent_encode(address.uri.as_bytes(), plain));
    message.push_str(">\r\n");
}

/// A formal name: as it is where the grammar allows, which is what the drafts print and every client reads, else quoted
/// (CPIM-05).
fn push_formal_name(message: &mut String, name: &str) {
    let is_token = |word: &str| !word.is_empty() && word.bytes().all(is_token_octet);
    if name.split(' ').all(is_token) {
        message.push_str(name);
    } else {
        push_quoted(message, name);
    }
}

/// TOKENCHAR of RFC 3862 §3.6.
const fn is_token_octet(octet: u8) -> bool {
    let mark = matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
    octet.is_ascii_alphanumeric() || mark
}

/// A String of RFC 3862 §3.6. Control characters are written as escapes (§2.3.2).
fn push_quoted(message: &mut String, text: &str) {
    message.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => message.extend(['\\', c]),
            '\n' => message.push_str("\\n"),
            '\r' => message.push_str("\\r"),
            '\t' => message.push_str("\\t"),
            // Controls and separators all lie below U+10000: one UTF-16 unit each.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                // Writing to a string does not fail.
                let _ = write!(message, "\\u{:04x}", u32::from(c));
            }
            c => message.push(c),
        }
    }
    message.push('"');
}
