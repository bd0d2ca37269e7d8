//! The strict gate in front of the SIP stack: what passes is a message that the stack understands in exactly one way.
//!
//! Pure. The stack behind it stops silently at octets that are not UTF-8, drops what it cannot parse without an answer, takes
//! a display name for a URI and prints escapes twice; so what passes is written anew by [`rewrite`](super::rewrite).

use mucfocus_core::address::name_addr::NameAddr;

use super::head::{Head, parameter, split_outside_quotes, uri_text};
use super::rewrite::rewrite;
pub use super::violation::Violation;

/// Octets of a head; more is 513. RFC 3261 knows no limit; real heads are below 4 KiB.
pub const MAX_HEAD: usize = 16 * 1024;
/// Header fields of a message.
pub const MAX_FIELDS: usize = 200;
/// Octets of a body on a stream; more is 513.
pub const MAX_BODY: usize = 64 * 1024;

/// Methods that are known; any other is answered with 501.
pub const KNOWN_METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "UPDATE",
    "INFO",
    "MESSAGE",
    "NOTIFY",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
];
/// Methods that are carried out, as listed in `Allow`.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, SUBSCRIBE, REFER";
/// Event packages, as listed in `Allow-Events` (RFC 6665 §8.3.2): `refer` by REFER alone.
pub const ALLOW_EVENTS: &str = "conference, refer";
/// Extensions, as listed in `Supported`: RFC 4488, RFC 7614, RFC 3891, RFC 4538, RFC 4028.
pub const SUPPORTED: [&str; 5] = ["norefersub", "nosub", "replaces", "tdialog", "timer"];

/// Fields that a message has at most once (RFC 3261 §7.3.1).
const SINGLE: [&str; 9] =
    ["from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type", "event", "expires"];

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A good one, written anew.
    Pass {
        /// The message for the stack.
        message: Vec<u8>,
        /// Its head, as received.
        head: Head,
    },
    /// A bad request; it is answered if its head allows that.
    Refuse {
        /// What is wrong.
        violation: Violation,
        /// As much of the head as could be read.
        head: Head,
    },
    /// A bad response, which nobody answers.
    Drop(Violation),
}

/// How a message was delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One datagram: a missing Content-Length means "to the end", what is behind the body is dropped (RFC 3261 §18.3).
    Datagram,
    /// Cut out of a stream by its Content-Length.
    Stream,
}

/// Judges one message.
#[must_use]
pub fn judge(octets: &[u8], framing: Framing) -> Verdict {
    let octets = skip_line_ends(octets);
    let Some((head_octets, body)) = split_head(octets) else {
        let cut = octets.get(..MAX_HEAD).unwrap_or(octets);
        return refuse(Violation::Unterminated, Head::parse(cut));
    };
    if head_octets.len() > MAX_HEAD {
        return refuse(Violation::HeadTooLong, Head::parse(head_octets.get(..MAX_HEAD).unwrap_or_default()));
    }
    let head = Head::parse(head_octets);
    match check(&head, body, framing) {
        Ok(body) => Verdict::Pass { message: rewrite(&head, body, false), head },
        Err(violation) => refuse(violation, head),
    }
}

fn refuse(violation: Violation, head: Head) -> Verdict {
    if head.is_response() { Verdict::Drop(violation) } else { Verdict::Refuse { violation, head } }
}

/// Without the empty lines that may come before a message (RFC 3261 §7.5).
#[must_use]
pub fn skip_line_ends(mut octets: &[u8]) -> &[u8] {
    while let Some(rest) = octets.strip_prefix(b"\r\n") {
        octets = rest;
    }
    octets
}

/// Head and body, at the first empty line.
#[must_use]
pub fn split_head(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = octets.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, rest) = octets.split_at_checked(at)?;
    Some((head, rest.strip_prefix(b"\r\n\r\n")?))
}

/// The checks, in the order in which their answers make sense; yields the body.
fn check<'a>(head: &Head, body: &'a [u8], framing: Framing) -> Result<&'a [u8], Violation> {
    if head.is_response() {
        check_status_line(&head.start)?;
    } else {
        check_request_line(&head.start)?;
    }
    check_fields(head)?;
    check_identifying(head)?;
    let length = content_length(head)?;
    match (length, framing) {
        (Some(length), _) => body.get(..length).ok_or(Violation::ShortBody),
        (None, Framing::Datagram) => Ok(body),
        (None, Framing::Stream) => Err(Violation::NoContentLength),
    }
}

fn check_request_line(line: &str) -> Result<(), Violation> {
    if has_control_character(line) {
        return Err(Violation::ControlCharacter);
    }
    let mut parts = line.split(' ');
    let (Some(method), Some(uri), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Violation::StartLine);
    };
    if !is_token(method) {
        return Err(Violation::StartLine);
    }
    check_version(version)?;
    // RFC 3261 §7.1: no blanks, no brackets.
    if !is_absolute_uri(uri) {
        return Err(Violation::RequestUri);
    }
    if KNOWN_METHODS.contains(&method) { Ok(()) } else { Err(Violation::UnknownMethod) }
}

fn check_version(version: &str) -> Result<(), Violation> {
    if version.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let is_other = version
        .get(4..)
        .filter(|_| version.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/")))
        .and_then(|v| v.split_once('.'))
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    Err(if is_other { Violation::Version } else { Violation::StartLine })
}

fn check_status_line(line: &str) -> Result<(), Violation> {
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().is_some_and(|v| v.eq_ignore_ascii_case("SIP/2.0"));
    let code =
        parts.next().is_some_and(|c| c.len() == 3 && is_number(c) && c.starts_with(['1', '2', '3', '4', '5', '6']));
    if version && code && !has_control_character(line) { Ok(()) } else { Err(Violation::StatusLine) }
}

fn check_fields(head: &Head) -> Result<(), Violation> {
    if head.has_stray_lines {
        return Err(Violation::Field);
    }
    if head.fields.len() > MAX_FIELDS {
        return Err(Violation::TooManyFields);
    }
    for field in &head.fields {
        if !is_token(&field.written) {
            return Err(Violation::Field);
        }
        if has_control_character(&field.value) {
            return Err(Violation::ControlCharacter);
        }
    }
    if SINGLE.iter().any(|name| head.all(name).count() > 1) {
        return Err(Violation::Repeated);
    }
    Ok(())
}

/// The fields by which transactions and dialogs are told apart (RFC 3261 §8.1.1).
fn check_identifying(head: &Head) -> Result<(), Violation> {
    let [via, from, to, call_id, cseq] =
        ["via", "from", "to", "call-id", "cseq"].map(|name| head.first(name).filter(|v| !v.is_empty()));
    let (Some(via), Some(from), Some(to), Some(call_id), Some(cseq)) = (via, from, to, call_id, cseq) else {
        return Err(Violation::Missing);
    };
    check_via(via)?;
    check_cseq(cseq, head)?;
    if call_id.contains([' ', '\t']) {
        return Err(Violation::Field);
    }
    check_address(from)?;
    check_address(to)?;
    if !head.is_response() {
        if parameter(from, "tag").is_none_or(str::is_empty) {
            return Err(Violation::NoFromTag);
        }
        let max_forwards = head.first("max-forwards");
        if max_forwards.is_some_and(|v| !is_number(v) || v.parse::<u8>().is_err()) {
            return Err(Violation::MaxForwards);
        }
        for contact in head.all("contact").filter(|c| *c != "*") {
            split_outside_quotes(contact, ',').into_iter().try_for_each(check_address)?;
        }
    }
    Ok(())
}

fn check_cseq(cseq: &str, head: &Head) -> Result<(), Violation> {
    let (number, method) = cseq.split_once([' ', '\t']).ok_or(Violation::CSeq)?;
    // RFC 3261 §8.1.1.5: less than 2**31.
    if !is_number(number) || number.parse::<u32>().is_ok_and(|n| n >= 1 << 31) || number.parse::<u32>().is_err() {
        return Err(Violation::CSeq);
    }
    let method = method.trim();
    if head.is_response() {
        return if KNOWN_METHODS.contains(&method) { Ok(()) } else { Err(Violation::CSeq) };
    }
    if method == head.method() { Ok(()) } else { Err(Violation::CSeqMethod) }
}

/// One name-addr or addr-spec with parameters (RFC 3261 §20.10).
fn check_address(value: &str) -> Result<(), Violation> {
    let address = NameAddr::parse(value).map_err(|_| Violation::Address)?;
    // Two readings of one address are one too many.
    if uri_text(value) == Some(address.uri.as_str()) { Ok(()) } else { Err(Violation::Address) }
}

/// `SIP/2.0/TRANSPORT host[:port];…`, with blanks around the slashes (RFC 3261 §20.42).
fn check_via(value: &str) -> Result<(), Violation> {
    sent_by(value).map(|_| ()).ok_or(Violation::Via)
}

/// Host and port of the topmost Via value.
#[must_use]
pub fn sent_by(value: &str) -> Option<&str> {
    let top = *split_outside_quotes(value, ',').first()?;
    let mut slashes = top.splitn(3, '/');
    let (name, version, rest) = (slashes.next()?, slashes.next()?, slashes.next()?);
    if !name.trim().eq_ignore_ascii_case("SIP") || version.trim() != "2.0" {
        return None;
    }
    let (transport, sent_by) = rest.trim().split_once([' ', '\t'])?;
    let sent_by = sent_by.split(';').next()?.trim();
    let host = sent_by
        .strip_prefix('[')
        .map_or_else(|| sent_by.split(':').next().map(str::trim), |v6| v6.split_once(']').map(|(host, _)| host))?;
    let is_host =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    (is_token(transport) && is_host).then_some(sent_by)
}

fn content_length(head: &Head) -> Result<Option<usize>, Violation> {
    let Some(value) = head.first("content-length") else { return Ok(None) };
    if !is_number(value) {
        return Err(Violation::ContentLength);
    }
    value.parse().map(Some).map_err(|_| Violation::ContentLength)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// RFC 3261 §25.1.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

fn has_control_character(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_control() && c != '\t')
}

/// A scheme, a colon and something behind it, without what no URI has.
fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
        && !text.contains([' ', '\t', '<', '>', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INVITE sip:room@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:room@example.com>\r\nCall-ID: c@d\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h>\r\n\
        Content-Length: 4\r\n\r\nbody";

    fn violation(message: &str, framing: Framing) -> Option<Violation> {
        match judge(message.as_bytes(), framing) {
            Verdict::Pass { .. } => None,
            Verdict::Refuse { violation, .. } | Verdict::Drop(violation) => Some(violation),
        }
    }

    #[test]
    fn a_good_message_passes_and_its_request_uri_travels_beside_the_start_line() {
        let Verdict::Pass { message, .. } = judge(GOOD.as_bytes(), Framing::Stream) else { panic!("refused") };
        let message = String::from_utf8(message).unwrap();
        assert!(message.starts_with(
            "INVITE sip:request-uri.invalid SIP/2.0\r\nMucfocus-Request-Uri: sip:room@example.com\r\nVia: "
        ));
        assert!(message.ends_with("\r\nContent-Length: 4\r\n\r\nbody"));
    }

    #[test]
    fn our_own_fields_are_not_taken_from_a_peer() {
        let spoof =
            GOOD.replace("Call-ID", "mucfocus-Request-URI: sip:evil@h\r\nMucfocus-From: <sip:evil@h>\r\nCall-ID");
        let Verdict::Pass { message, head } = judge(spoof.as_bytes(), Framing::Stream) else { panic!("refused") };
        for message in [super::super::rewrite::with_stand_ins(&message, &head), message] {
            assert!(!String::from_utf8(message).unwrap().contains("evil"));
        }
    }

    #[test]
    fn every_mistake_has_its_name() {
        let long = format!("Subject: {}\r\nCall-ID", "x".repeat(MAX_HEAD));
        let many = format!("{}Call-ID", "Subject: x\r\n".repeat(MAX_FIELDS));
        let cases: &[(&str, &str, Violation)] = &[
            ("\r\n\r\nbody", "", Violation::Unterminated),
            ("Call-ID", &long, Violation::HeadTooLong),
            ("Call-ID", &many, Violation::TooManyFields),
            ("INVITE sip", "INVITE  sip", Violation::StartLine),
            (" SIP/2.0\r\nVia", " SIP/2.0 \r\nVia", Violation::StartLine),
            (" SIP/2.0\r\nVia", "\r\nVia", Violation::StartLine),
            ("INVITE sip", "INV\u{e9}TE sip", Violation::StartLine),
            (" SIP/2.0\r\nVia", " SIP/3.1\r\nVia", Violation::Version),
            ("INVITE sip", "invite sip", Violation::UnknownMethod),
            ("sip:room@example.com SIP", "<sip:room@example.com> SIP", Violation::RequestUri),
            ("sip:room@example.com SIP", "room SIP", Violation::RequestUri),
            ("Call-ID: ", "Call-ID ", Violation::Field),
            ("Call-ID: ", "Call ID: ", Violation::Field),
            ("\r\nVia", "\r\n folded: before any\r\nVia", Violation::Field),
            ("c@d", "c@d e", Violation::Field),
            ("c@d", "c\u{0}d", Violation::ControlCharacter),
            ("c@d", "c\nd", Violation::ControlCharacter),
            ("Call-ID", "i: other\r\nCall-ID", Violation::Repeated),
            ("Call-ID", "l: 4\r\nCall-ID", Violation::Repeated),
            ("Call-ID: c@d\r\n", "", Violation::Missing),
            ("To: <sip:room@example.com>\r\n", "", Violation::Missing),
            (";tag=1", "", Violation::NoFromTag),
            (";tag=1", ";tag=", Violation::Address),
            ("<sip:a@b>;tag=1", "\"Bell, Alexander <sip:a@b>;tag=1", Violation::Address),
            ("<sip:a@b>;tag=1", "< sip:a@b >;tag=1", Violation::Address),
            ("Contact: <sip:a@h>", "Contact: <sip:a@h", Violation::Address),
            ("CSeq: 1 ", "CSeq: one ", Violation::CSeq),
            ("CSeq: 1 ", "CSeq: 2147483648 ", Violation::CSeq),
            ("CSeq: 1 INVITE", "CSeq: 1", Violation::CSeq),
            ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS", Violation::CSeqMethod),
            ("Max-Forwards: 70", "Max-Forwards: 256", Violation::MaxForwards),
            ("Max-Forwards: 70", "Max-Forwards: -1", Violation::MaxForwards),
            ("SIP/2.0/UDP h", "SIP/2.0/UDP", Violation::Via),
            ("SIP/2.0/UDP h", "SIP/2.0/UDP [::1", Violation::Via),
            ("SIP/2.0/UDP h", "HTTP/1.1/UDP h", Violation::Via),
            ("Content-Length: 4", "Content-Length: four", Violation::ContentLength),
            ("Content-Length: 4", "Content-Length: 99999999999999999999", Violation::ContentLength),
            ("Content-Length: 4", "Content-Length: 5", Violation::ShortBody),
            ("INVITE sip:room@example.com SIP/2.0", "SIP/2.0 99 x", Violation::StatusLine),
            ("INVITE sip:room@example.com SIP/2.0", "SIP/2.0 4294967301 x", Violation::StatusLine),
        ];
        for (old, new, expected) in cases {
            assert!(GOOD.contains(old), "{old:?}");
            assert_eq!(violation(&GOOD.replacen(old, new, 1), Framing::Stream), Some(*expected), "{old:?} -> {new:?}");
        }
        let without = GOOD.replace("Content-Length: 4\r\n", "");
        assert_eq!(violation(&without, Framing::Stream), Some(Violation::NoContentLength));
        assert_eq!(violation(&without, Framing::Datagram), None);
    }

    #[test]
    fn what_nobody_answers_is_dropped() {
        let response = GOOD.replace("INVITE sip:room@example.com SIP/2.0", "SIP/2.0 200 OK");
        assert_eq!(violation(&response, Framing::Stream), None);
        let broken = response.replace("Call-ID: c@d\r\n", "");
        assert_eq!(judge(broken.as_bytes(), Framing::Stream), Verdict::Drop(Violation::Missing));
    }

    /// RFC 3261 §18.3: of two messages in a datagram the first one counts.
    #[test]
    fn what_is_behind_the_body_of_a_datagram_is_dropped() {
        let Verdict::Pass { message, .. } = judge(format!("\r\n\r\n{GOOD}more").as_bytes(), Framing::Datagram) else {
            panic!("refused")
        };
        assert!(message.ends_with(b"\r\n\r\nbody"));
    }
}
