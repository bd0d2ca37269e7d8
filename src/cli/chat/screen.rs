//! What the user sees: messages on standard output, what is going on and the ladder on standard error.
//!
//! Owns the certainty that nothing that others wrote moves the cursor, changes colours or pretends to be another line.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mucfocus_core::wire::cpim::Cpim;
use mucfocus_core::wire::msrp::frame::{Frame, Method, Start};

/// The longest text that is shown of a message to tell which one it is, in characters.
const SUMMARY: usize = 60;

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// The terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Whether every SIP message and MSRP frame is told.
    pub(super) ladder: bool,
}

impl Screen {
    /// A message: one line on standard output. Nobody may be reading.
    pub(super) fn show(self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}", harmless(line));
        let _ = out.flush();
    }

    /// What is going on: one line on standard error.
    pub(super) fn tell(self, line: &str) {
        super::super::tell(&harmless(line));
    }

    /// A rung of the ladder for a SIP message.
    pub(super) fn sip(self, way: Way, octets: &[u8]) {
        if self.ladder {
            let first = octets.split(|b| *b == b'\r').next().unwrap_or_default();
            self.rung("SIP", way, &String::from_utf8_lossy(first));
        }
    }

    /// A rung of the ladder for an MSRP frame.
    pub(super) fn msrp(self, way: Way, frame: &Frame) {
        if self.ladder {
            self.rung("MSRP", way, &summary(frame));
        }
    }

    /// A rung of the ladder for an MSRP frame of which we know what it is.
    pub(super) fn rung(self, protocol: &str, way: Way, what: &str) {
        if self.ladder {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            let arrow = if way == Way::Sent { "->" } else { "<-" };
            self.tell(&format!("ladder {now} {protocol} {arrow} {what}"));
        }
    }
}

/// What a frame is, without identifiers.
pub(super) fn summary(frame: &Frame) -> String {
    match &frame.head.start {
        Start::Response { code, comment } => with_comment(&code.to_string(), comment.as_deref()),
        Start::Request(Method::Send) => match &frame.head.content_type {
            None => "SEND".to_owned(),
            Some(content_type) => summary_of_send(content_type, &frame.body),
        },
        Start::Request(Method::Report) => match &frame.head.status {
            Some(status) => with_comment(&format!("REPORT {}", status.code), status.comment.as_deref()),
            None => "REPORT".to_owned(),
        },
        Start::Request(method) => method.as_str().to_owned(),
    }
}

/// What a SEND says; the type of what is no text.
pub(super) fn summary_of_send(content_type: &str, body: &Bytes) -> String {
    let Ok(cpim) = Cpim::parse(body) else { return format!("SEND ({content_type})") };
    format!("SEND \"{}\"", opening(&String::from_utf8_lossy(&cpim.content)))
}

/// How a text begins: enough of it to know it again.
pub(super) fn opening(text: &str) -> String {
    let mut shown: String = text.chars().take(SUMMARY).collect();
    if text.chars().nth(SUMMARY).is_some() {
        shown.push('…');
    }
    shown
}

/// A code and what was said about it.
pub(super) fn with_comment(code: &str, comment: Option<&str>) -> String {
    match comment {
        Some(comment) if !comment.is_empty() => format!("{code} {comment}"),
        _ => code.to_owned(),
    }
}

/// `text` on one line, which a terminal shows as it stands: line breaks become ` / `, a tab a space, every other control
/// character U+FFFD. So do the characters that embed, override and isolate directions (Unicode UAX #9): with them a text could
/// look like somebody else's.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => shown.push_str(" / "),
            '\t' => shown.push(' '),
            c if c.is_control() || is_bidi_control(c) => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// What embeds, overrides and isolates directions.
pub(super) const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_write_reaches_the_terminal_as_a_command() {
        assert_eq!(harmless("a\x1b[2Jb\x07\u{9b}31m"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}31m");
        assert_eq!(harmless("hi\r\nJuliet: I\tlie\n"), "hi / Juliet: I lie");
        assert_eq!(harmless("\u{202e}evil"), "\u{fffd}evil");
        assert_eq!(harmless("dépêche 👍🏽"), "dépêche 👍🏽");
    }

    #[test]
    fn the_ladder_shows_what_a_send_says_and_no_more_than_fits() {
        let cpim = |text: &str| {
            Bytes::from(format!("From: <sip:a@b>\r\nTo: <sip:r@b>\r\n\r\nContent-Type: text/plain\r\n\r\n{text}"))
        };
        assert_eq!(summary_of_send("message/cpim", &cpim("I am here")), "SEND \"I am here\"");
        assert_eq!(summary_of_send("message/cpim", &cpim(&"x".repeat(61))), format!("SEND \"{}…\"", "x".repeat(60)));
        assert_eq!(summary_of_send("image/png", &Bytes::from_static(b"\x89PNG")), "SEND (image/png)");
    }
}
