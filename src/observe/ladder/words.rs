//! The first words of messages: enough to know one from another, and nothing that somebody would rather keep to himself. Pure.

use std::fmt::Write as _;

use mucfocus_core::translate::phrases::quoted;
use mucfocus_core::wire::msrp::frame::{Ending, Frame, Start};

/// `INVITE sip:capulet@rooms.example.com`, or what a request within a dialog is for: `BYE (cause 200)`.
#[must_use]
pub fn sip_request(method: &str, uri: Option<&str>, reason: Option<&str>) -> String {
    let mut words = quoted(method);
    if let Some(uri) = uri {
        // Parameters and headers of a URI may hold what nobody is to see.
        let bare = uri.split([';', '?', '>']).next().unwrap_or_default();
        let _ = write!(words, " {}", without_password(bare));
    }
    if let Some(cause) = reason.and_then(cause) {
        let _ = write!(words, " (cause {cause})");
    }
    words
}

/// `200 OK (INVITE)`.
#[must_use]
pub fn sip_response(status: &str, cseq: Option<&str>) -> String {
    let method = cseq.and_then(|cseq| cseq.split_ascii_whitespace().nth(1)).unwrap_or("?");
    format!("{} ({})", quoted(status), quoted(method))
}

/// `SEND 1-5/5 message/cpim, 120 octets`, `200`.
#[must_use]
pub fn msrp_frame(frame: &Frame) -> String {
    let method = match &frame.head.start {
        Start::Response { code, .. } => return format!("{code:03}"),
        Start::Request(method) => method.as_str(),
    };
    let mut words = quoted(method);
    if let Some(range) = &frame.head.byte_range {
        let _ = write!(words, " {range}");
    }
    if let Some(kind) = &frame.head.content_type {
        let bare = kind.split(';').next().unwrap_or_default().trim();
        let _ = write!(words, " {}", quoted(bare));
    }
    if let Ending::Flag(flag) = frame.ending {
        let _ = write!(words, " {}", char::from(flag.flag()));
    }
    words
}

/// What [`msrp_frame`] says, of a head that was written: `MSRP <transaction> 200 OK` and what follows.
#[must_use]
pub fn msrp_head(head: &[u8]) -> String {
    let line = head.split(|octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    // The comment of a response is for people, and may quote some.
    quoted(line.split(' ').nth(2).unwrap_or("?"))
}

/// `message groupchat from Juliet`, `presence unavailable from Juliet (307, 110)`: of the root element only its name, its type
/// and whom of the room it is about; of a presence also its status codes.
#[must_use]
pub fn stanza(octets: &[u8], party: Party) -> String {
    let text = String::from_utf8_lossy(octets);
    let root = root_tag(&text);
    let name: String = root.chars().take_while(|c| !c.is_whitespace() && *c != '/').collect();
    let mut words = quoted(&name);
    if let Some(kind) = attribute(root, "type") {
        let _ = write!(words, " {}", quoted(kind));
    }
    let (attribute_name, word) = match party {
        Party::Sender => ("from", "from"),
        Party::Addressee => ("to", "to"),
    };
    match attribute(root, attribute_name).and_then(|jid| jid.split_once('/')) {
        Some((_, nickname)) => {
            let _ = write!(words, " {word} {}", quoted(nickname));
        }
        None => {
            let _ = write!(words, " {word} the room");
        }
    }
    if name == "presence" {
        let codes: Vec<&str> = text.split("<status").skip(1).filter_map(|rest| attribute(tag(rest), "code")).collect();
        if !codes.is_empty() {
            let _ = write!(words, " ({})", quoted(&codes.join(", ")));
        }
    }
    words
}

/// Whom a stanza is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Who sent it, to us.
    Sender,
    /// Whom we sent it.
    Addressee,
}

/// Cuts `text` to so many octets, at a character.
pub(super) fn cut(text: &mut String, octets: usize) {
    if text.len() > octets {
        let end = (0..=octets.saturating_sub(3)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// The number after `cause=` (RFC 3326).
fn cause(reason: &str) -> Option<u16> {
    reason.split(';').find_map(|part| part.trim().strip_prefix("cause=")?.trim().parse().ok())
}

/// RFC 3261 §19.1.1 still knows `user:password@host`.
fn without_password(uri: &str) -> String {
    let Some((user, host)) = uri.rsplit_once('@') else { return quoted(uri) };
    let mut parts = user.splitn(3, ':');
    let scheme_and_user: Vec<&str> = parts.by_ref().take(2).collect();
    quoted(&format!("{}@{host}", scheme_and_user.join(":")))
}

/// What stands between the first `<` and the `>` that ends it.
fn root_tag(text: &str) -> &str {
    text.split_once('<').map_or("", |(_, rest)| tag(rest))
}

/// What stands before the `>` that ends a tag; there may be others within quotes.
fn tag(inside: &str) -> &str {
    let mut quote = None;
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (None, '>') => return inside.get(..at).unwrap_or_default(),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    ""
}

/// The value of an attribute of a tag, as it is written.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = after.get(1..)?.split_once(quote)?;
        if before.split_ascii_whitespace().last() == Some(name) {
            return Some(value);
        }
        rest = behind;
    }
    None
}
