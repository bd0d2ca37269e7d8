//! What the ladder of a call says of its SIP messages. Nothing is decided here, and nothing kept.

use rsipstack::sip::{Header, Headers, Method, SipMessage};

use super::head::long_name;
use super::reply::request_uri;
use crate::observe::ladder::{Ladder, Side, Way, sip_request, sip_response};

/// Notes a message that came or goes. A call is known from its first request on; keep-alives of peers are not calls.
pub(super) fn note(ladder: &Ladder, message: &SipMessage, way: Way) {
    let (headers, begins) = match message {
        SipMessage::Request(request) => {
            let begins = matches!(request.method, Method::Invite | Method::Subscribe | Method::Refer);
            (&request.headers, begins)
        }
        SipMessage::Response(response) => (&response.headers, false),
    };
    let Some(call_id) = value(headers, "call-id") else { return };
    ladder.note(call_id, Side::Sip, way, begins, || match message {
        SipMessage::Request(request) => {
            // Of what we send, the URI is the peer's Contact, which says nothing about the call.
            let uri = (way == Way::In).then(|| request_uri(request));
            sip_request(&request.method.to_string(), uri, value(headers, "reason"))
        }
        SipMessage::Response(response) => sip_response(&response.status_code.to_string(), value(headers, "cseq")),
    });
}

/// The value of the first field of that name (long, lower case).
fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|header| long_name(header.name()) == name).map(Header::value)
}
