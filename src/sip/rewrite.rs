//! Writes a message that passed the gate anew, in a form that the stack reads in exactly one way. Pure.
//!
//! What the stack prints wrongly or cannot read travels beside it in fields of our own; `outgoing` puts it
//! back. Those fields never come from or go to a peer.

use super::gate::split_head;
use super::head::{Field, Head, parameter, split_outside_quotes};

/// The field in which the Request-URI travels unchanged between this gate and the dispatcher, and back to the wire.
/// It never comes from or goes to a peer.
pub const REQUEST_URI: &str = "Mucfocus-Request-Uri";
/// What the stack sees as Request-URI.
pub const STAND_IN_URI: &str = "sip:request-uri.invalid";
/// The fields in which a From and a To travel that the stack cannot read; what it gets in their place has the same tag.
pub const FROM: &str = "Mucfocus-From";
/// See [`FROM`].
pub const TO: &str = "Mucfocus-To";
/// The field in which the reason phrase of a response travels: the stack has a phrase of its own for each code.
pub const PHRASE: &str = "Mucfocus-Phrase";
/// The field in which a message from a stranger says where it came from and, behind a blank, who he has proved to be, if he has.
/// Nobody else's has it.
pub const STRANGER: &str = "Mucfocus-Stranger";
/// How the names of our own fields begin, in lower case.
const OURS: &str = "mucfocus-";

/// A message that passed, with a From and a To that any parser can read.
#[must_use]
pub fn with_stand_ins(message: &[u8], head: &Head) -> Vec<u8> {
    rewrite(head, split_head(message).map_or(&[][..], |(_, body)| body), true)
}

/// The message with [`STRANGER`].
#[must_use]
pub fn of_stranger(message: &[u8], who: &str) -> Vec<u8> {
    let line = format!("\r\n{STRANGER}: {who}");
    let start = message.windows(2).position(|w| w == b"\r\n").unwrap_or(message.len());
    let (start, rest) = message.split_at_checked(start).unwrap_or((message, &[]));
    [start, line.as_bytes(), rest].concat()
}

/// What the stack reads in place of a From or a To.
#[must_use]
pub fn stand_in(value: &str) -> String {
    parameter(value, "tag").map_or("<sip:peer.invalid>".to_owned(), |tag| format!("<sip:peer.invalid>;tag={tag}"))
}

/// The message as the stack gets it.
pub(super) fn rewrite(head: &Head, body: &[u8], with_stand_ins: bool) -> Vec<u8> {
    let mut out = String::with_capacity(1024 + body.len());
    let mut start = head.start.splitn(3, ' ');
    if head.is_response() {
        out.push_str("SIP/2.0 ");
        out.push_str(start.nth(1).unwrap_or_default());
        out.push(' ');
        let phrase = start.next().unwrap_or_default();
        out.push_str(phrase);
        out.push_str("\r\n");
        out.push_str(PHRASE);
        out.push_str(": ");
        out.push_str(phrase);
    } else {
        out.push_str(head.method());
        out.push(' ');
        out.push_str(STAND_IN_URI);
        out.push_str(" SIP/2.0\r\n");
        out.push_str(REQUEST_URI);
        out.push_str(": ");
        out.push_str(start.nth(1).unwrap_or_default());
    }
    out.push_str("\r\n");
    for Field { name, written, value } in &head.fields {
        if *name == "content-length" || name.starts_with(OURS) {
            continue;
        }
        if with_stand_ins && matches!(name.as_str(), "from" | "to") {
            let ours = if name == "from" { FROM } else { TO };
            out.push_str(&format!("{ours}: {value}\r\n{written}: {}\r\n", stand_in(value)));
            continue;
        }
        out.push_str(written);
        out.push_str(": ");
        match name.as_str() {
            "via" => out.push_str(&tight_via(value)),
            "from" | "to" => out.push_str(&tight_parameters(value)),
            _ => out.push_str(value),
        }
        out.push_str("\r\n");
    }
    out.push_str("Content-Length: ");
    out.push_str(&body.len().to_string());
    out.push_str("\r\n\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out
}

/// Via without the blanks around `/`, `;`, `=` and `:` that the grammar allows and parsers stumble over.
fn tight_via(value: &str) -> String {
    let tight = split_outside_quotes(value, ',').into_iter().map(|via| {
        let mut parts = via.splitn(3, '/').map(str::trim);
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return via.to_owned();
        };
        let Some((transport, rest)) = rest.split_once([' ', '\t']) else { return via.to_owned() };
        let (sent_by, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let sent_by = sent_by.split(':').map(str::trim).collect::<Vec<_>>().join(":");
        let rest = if parameters.is_empty() { sent_by } else { tight_parameters(&format!("{sent_by};{parameters}")) };
        format!("{name}/{version}/{transport} {rest}")
    });
    tight.collect::<Vec<_>>().join(", ")
}

/// A value without the blanks that the grammar allows around `;` and `=`.
fn tight_parameters(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (index, part) in split_outside_quotes(value, ';').into_iter().enumerate() {
        if index == 0 {
            out.push_str(part);
            continue;
        }
        out.push(';');
        match part.split_once('=') {
            Some((name, value)) => {
                out.push_str(name.trim());
                out.push('=');
                out.push_str(value.trim());
            }
            None => out.push_str(part),
        }
    }
    out
}
