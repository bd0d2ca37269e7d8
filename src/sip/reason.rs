//! The Reason header field (RFC 3326): why a call ended.

use rsipstack::sip::Request;

use super::head::{parameter, split_outside_quotes};
use super::reply::{fields, quotable};

/// A Reason of protocol SIP.
pub(super) fn reason(cause: u16, text: &str) -> String {
    format!("SIP;cause={cause};text=\"{}\"", quotable(text))
}

/// The text of the first Reason of protocol SIP that has one, else of any (RFC 3326).
pub(super) fn text_of(bye: &Request) -> Option<String> {
    let reasons: Vec<_> = fields(bye, "reason").flat_map(|value| split_outside_quotes(value, ',')).collect();
    let is_sip = |reason: &&&str| reason.split(';').next().is_some_and(|p| p.trim().eq_ignore_ascii_case("SIP"));
    let text = |reason: &&str| parameter(reason, "text").map(unquoted).filter(|text| !text.is_empty());
    reasons.iter().filter(is_sip).find_map(text).or_else(|| reasons.iter().find_map(text))
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return text.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bye(reason: &str) -> Request {
        let text = format!(
            "BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:r@o>;tag=r\r\nTo: <sip:x@d>;tag=l\r\n\
             Call-ID: c\r\nCSeq: 7 BYE\r\n{reason}Content-Length: 0\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    /// GC-EXIT-02.
    #[test]
    fn the_text_of_a_reason_is_read_and_unquoted() {
        let of = |reason: &str| text_of(&bye(reason));
        assert_eq!(
            of("Reason: SIP;cause=200;text=\"gone, \\\"home\\\"; bye\"\r\n").as_deref(),
            Some("gone, \"home\"; bye")
        );
        assert_eq!(of("Reason: Q.850;cause=16;text=\"q\", SIP ;text=\"s\"\r\n").as_deref(), Some("s"));
        assert_eq!(of("Reason: Q.850;cause=16;text=\"q\"\r\n").as_deref(), Some("q"));
        assert_eq!(of("Reason: SIP;cause=200\r\n"), None);
        assert_eq!(of(""), None);
    }
}
