//! Answers to requests for which no transaction is made (RFC 3261 §8.2.7). Pure.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::head::{Head, parameter, split_outside_quotes};

/// An answer without a transaction.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// Status code.
    pub code: u16,
    /// Reason phrase.
    pub reason: &'a str,
    /// Further fields, each a name and a value that is fit for the wire.
    pub fields: &'a [(&'a str, String)],
}

/// The answer in octets; `None` when nobody answers this: an ACK, a response, or a request without a Via. What else the request
/// lacks its answer lacks too: somebody who looks for the fault finds it all the same (RFC 4475 §3.3.1). `to_tag` is the same each
/// time the same request comes.
#[must_use]
pub fn answer(request: &Head, source: SocketAddr, to_tag: &str, answer: &Answer<'_>) -> Option<Vec<u8>> {
    if request.is_response() || request.method() == "ACK" {
        return None;
    }
    let mut out = format!("SIP/2.0 {} {}\r\n", answer.code, answer.reason);
    let mut vias = request.all("via");
    writeln_field(&mut out, "Via", &received(vias.next()?, source));
    for via in vias {
        writeln_field(&mut out, "Via", via);
    }
    for name in ["From", "To", "Call-ID", "CSeq"] {
        match request.first(&name.to_ascii_lowercase()) {
            Some(to) if name == "To" && parameter(to, "tag").is_none() => {
                writeln_field(&mut out, name, &format!("{to};tag={to_tag}"));
            }
            Some(value) => writeln_field(&mut out, name, value),
            None => {}
        }
    }
    for (name, value) in answer.fields {
        writeln_field(&mut out, name, value);
    }
    out.push_str("Content-Length: 0\r\n\r\n");
    Some(out.into_bytes())
}

/// A field on the wire. Control characters of the peer's text do not come back as such.
fn writeln_field(out: &mut String, name: &str, value: &str) {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = write!(out, "{name}: {value}\r\n");
}

/// The topmost Via with where it really came from (RFC 3261 §18.2.1, RFC 3581 §4). Over a stream the port does no harm.
fn received(via: &str, source: SocketAddr) -> String {
    let mut values = split_outside_quotes(via, ',').into_iter();
    let top = values.next().unwrap_or_default();
    let mut out = String::new();
    for (index, part) in split_outside_quotes(top, ';').into_iter().enumerate() {
        let name = part.split('=').next().unwrap_or_default().trim();
        if index > 0 && (name.eq_ignore_ascii_case("rport") || name.eq_ignore_ascii_case("received")) {
            continue;
        }
        if index > 0 {
            out.push(';');
        }
        out.push_str(part);
    }
    let _ = write!(out, ";received={};rport={}", source.ip(), source.port());
    for value in values {
        out.push_str(", ");
        out.push_str(value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SocketAddr {
        "192.0.2.7:5071".parse().unwrap()
    }

    fn answer_400(head: &[u8]) -> Option<String> {
        let answer_ = Answer { code: 400, reason: "Bad Request", fields: &[("Warning", "399 n \"w\"".into())] };
        answer(&Head::parse(head), source(), "t1", &answer_).map(|a| String::from_utf8(a).unwrap())
    }

    const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h:5060;rport;branch=z9hG4bKx, SIP/2.0/UDP g\r\nVia: SIP/2.0/UDP f\r\n\
        f: <sip:c@d>;tag=1\r\nt: <sip:a@b>\r\ni: x@y\r\nCSeq: 7 OPTIONS\r\nSubject: gone";

    #[test]
    fn the_answer_keeps_what_finds_the_way_back() {
        let got = answer_400(HEAD.as_bytes()).unwrap();
        assert!(got.starts_with("SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP h:5060;branch=z9hG4bKx;received=192.0.2.7;rport=5071, SIP/2.0/UDP g\r\nVia: SIP/2.0/UDP f\r\n"), "{got}");
        assert!(got.contains("\r\nTo: <sip:a@b>;tag=t1\r\n"), "{got}");
        assert!(got.contains("\r\nCSeq: 7 OPTIONS\r\n") && got.contains("\r\nCall-ID: x@y\r\n"), "{got}");
        assert!(!got.contains("Subject"), "{got}");
    }

    #[test]
    fn an_ack_and_a_response_and_a_request_without_via_are_never_answered() {
        assert_eq!(answer_400(HEAD.replace("OPTIONS sip", "ACK sip").as_bytes()), None);
        assert_eq!(answer_400(HEAD.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 200 OK").as_bytes()), None);
        assert_eq!(answer_400(b"OPTIONS sip:a@b SIP/2.0\r\nFrom: <sip:a@b>;tag=1"), None);
    }

    #[test]
    fn an_answer_lacks_what_its_request_lacks() {
        let lacking = |field: &str| answer_400(HEAD.replace(field, "").as_bytes()).unwrap();
        assert!(!lacking("f: <sip:c@d>;tag=1\r\n").contains("From:"));
        assert!(!lacking("t: <sip:a@b>\r\n").contains("To:"));
        assert!(!lacking("i: x@y\r\n").contains("Call-ID:"));
        let without_cseq = lacking("CSeq: 7 OPTIONS\r\n");
        assert!(!without_cseq.contains("CSeq:") && without_cseq.contains("\r\nCall-ID: x@y\r\n"), "{without_cseq}");
    }

    #[test]
    fn control_characters_do_not_come_back() {
        let got = answer_400(HEAD.replace("x@y", "x\u{1}\n@y").as_bytes()).unwrap();
        assert!(got.contains("Call-ID: x  @y\r\n"), "{got}");
    }
}
