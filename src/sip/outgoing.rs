//! The last hand on what the stack sends: repairs of what it would print wrongly.

use std::borrow::Cow;
use std::sync::Arc;

use rsipstack::sip::{Header, Method, SipMessage};
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;

use super::ack::Refusals;
use super::gate::split_head;
use super::head::parameter;
use super::rewrite::{FROM, REQUEST_URI, TO};
use super::shared::random_token;
use super::{GateObserver, SERVER, rungs};
use crate::observe::ladder::Way;

/// Puts what travelled in fields of our own back where it belongs, exactly as the peer wrote it: the stack would escape the
/// escapes of a URI, and cannot read every From and To.
pub(super) fn for_the_wire(octets: &[u8]) -> Cow<'_, [u8]> {
    rewritten(octets).map_or(Cow::Borrowed(octets), Cow::Owned)
}

fn rewritten(octets: &[u8]) -> Option<Vec<u8>> {
    let (head, body) = split_head(octets)?;
    let head = std::str::from_utf8(head).ok()?;
    let (start, fields) = head.split_once("\r\n")?;
    let original = |name: &str| fields.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let (uri, from, to) = (original(REQUEST_URI), original(FROM), original(TO));
    if uri.is_none() && from.is_none() && to.is_none() {
        return None;
    }
    let mut out = match uri {
        Some(uri) => format!("{} {uri} SIP/2.0\r\n", start.split(' ').next()?),
        None => format!("{start}\r\n"),
    };
    for line in fields.split("\r\n") {
        match line.split_once(": ") {
            Some((REQUEST_URI | FROM | TO, _)) => continue,
            Some(("From", stand_in)) => out.push_str(&format!("From: {}", from.unwrap_or(stand_in))),
            Some(("To", stand_in)) => out.push_str(&format!("To: {}", to.unwrap_or(stand_in))),
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    Some(out)
}

/// Completes the responses and the ACKs that the stack makes on its own.
pub(super) struct Completion {
    pub(super) refused: Arc<Refusals>,
    pub(super) observer: Arc<dyn GateObserver>,
}

impl MessageInspector for Completion {
    fn before_send(&self, mut message: SipMessage, _to: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Response(response) = &mut message {
            let is_final = response.status_code.code() > 100;
            for header in response.headers.iter_mut() {
                match header {
                    // RFC 3261 §8.2.6.2: a tag on every response but 100.
                    Header::To(to) if is_final && parameter(to.value(), "tag").is_none() => {
                        let tagged = format!("{};tag={}", to.value(), random_token());
                        to.replace(tagged);
                    }
                    Header::UserAgent(_) => *header = Header::Server(SERVER.into()),
                    _ => {}
                }
            }
        }
        if let SipMessage::Request(request) = &mut message
            && request.method == Method::Ack
        {
            self.refused.complete(request);
        }
        rungs::note(self.observer.ladder(), &message, Way::Out);
        message
    }

    fn after_received(&self, message: SipMessage, _from: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Response(response) = &message {
            self.refused.heard(response);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_uri_goes_out_as_the_peer_wrote_it() {
        let stack =
            format!("BYE sip:x SIP/2.0\r\nVia: v\r\n{REQUEST_URI}: sip:room%40conf@h;p=%25\r\nCSeq: 1 BYE\r\n\r\nbody");
        let wire = for_the_wire(stack.as_bytes());
        assert_eq!(
            std::str::from_utf8(&wire).unwrap(),
            "BYE sip:room%40conf@h;p=%25 SIP/2.0\r\nVia: v\r\nCSeq: 1 BYE\r\n\r\nbody"
        );
    }

    #[test]
    fn a_response_goes_out_untouched() {
        assert!(matches!(for_the_wire(b"SIP/2.0 200 OK\r\n\r\n"), Cow::Borrowed(_)));
    }
}
