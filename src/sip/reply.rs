//! Responses of transactions: what each of them carries, and how a refusal says why.

use std::net::SocketAddr;

use rsipstack::sip::{Header, Headers, Method, Request, Response, StatusCode, Version};

use super::SERVER;
use super::head::parameter;
use super::port::Refusal;
use super::rewrite::{FROM, REQUEST_URI, TO};
use super::shared::{Shared, random_token, short_id};
use crate::observe::sparing::Sparing;

/// Gives the To of a request a tag, so that every response to it has the same one (RFC 3261 §8.2.6.2).
pub(super) fn tag_request(request: &mut Request) {
    let tag = random_token();
    for header in request.headers.iter_mut() {
        match header {
            Header::To(to) if parameter(to.value(), "tag").is_none() => to.replace(format!("{};tag={tag}", to.value())),
            Header::Other(name, to) if name == TO && parameter(to, "tag").is_none() => *to = format!("{to};tag={tag}"),
            _ => {}
        }
    }
}

/// A response with what every response has. `fields` are written as they are, so they are to be fit for the wire.
pub(super) fn response(request: &Request, code: u16, fields: Vec<Header>, body: Vec<u8>) -> Response {
    let mut headers = Headers::default();
    let opens_a_dialog = matches!(request.method, Method::Invite | Method::Subscribe | Method::Refer);
    let echoes_route = opens_a_dialog && (101..300).contains(&code);
    for header in request.headers.iter() {
        let is_echoed = match header {
            Header::Via(_) | Header::From(_) | Header::To(_) | Header::CallId(_) | Header::CSeq(_) => true,
            Header::Other(name, _) => name == FROM || name == TO,
            Header::Timestamp(_) => code == 100,
            // RFC 3261 §12.1.1.
            Header::RecordRoute(_) => echoes_route,
            _ => false,
        };
        if is_echoed {
            headers.push(header.clone());
        }
    }
    headers.push(Header::Server(SERVER.into()));
    headers.extend(fields);
    headers.push(Header::ContentLength(body.len().to_string().into()));
    Response {
        status_code: StatusCode::try_from((code, reason_phrase(code))).unwrap_or(StatusCode::ServerInternalError),
        wire_reason: None,
        version: Version::V2,
        headers,
        body,
    }
}

/// Phrases of codes that the stack has no name for.
fn reason_phrase(code: u16) -> &'static str {
    match code {
        100..=199 => "Progress",
        200..=299 => "OK",
        300..=399 => "Redirected",
        400..=499 => "Refused",
        500..=599 => "Server Failure",
        _ => "Declined",
    }
}

/// What callers are refused. Far above what happens to people, far below what a loop in somebody's proxy can do.
static LINES: Sparing = Sparing::new(100);

/// Who is refused what, for the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// Where the request came from.
    pub(super) source: SocketAddr,
    /// The verified caller.
    pub(super) caller: Option<&'a str>,
    /// A closed set, for metrics.
    pub(super) label: &'static str,
}

/// The response that refuses `request`, with a Warning whose id is in the log.
pub(super) fn refusal(
    shared: &Shared,
    request: &Request,
    refusal: &Refusal,
    about: About<'_>,
    mut fields: Vec<Header>,
) -> Response {
    let id = short_id();
    if let Some(kept_back) = LINES.line() {
        tracing::info!(
            id,
            code = refusal.code,
            reason = %refusal.text,
            method = %request.method,
            source = %about.source,
            user = about.caller,
            call_id = field(request, "call-id"),
            kept_back,
            "request refused"
        );
    }
    shared.observer.refused(about.label);
    fields.push(Header::Warning(warning(&shared.settings.node, &refusal.text, &id).into()));
    if let Some(seconds) = refusal.retry_after {
        fields.push(Header::RetryAfter(seconds.to_string().into()));
    }
    if let Some(contact) = refusal.contact.as_deref().map(sanitise) {
        fields.push(Header::Contact(format!("<{}>", contact.replace(['<', '>', '"'], "")).into()));
    }
    response(request, refusal.code, fields, Vec::new())
}

/// `399 node "why [id]"` (RFC 3261 §20.43). The node is a pseudonym, not an address.
pub(super) fn warning(node: &str, why: &str, id: &str) -> String {
    let node: String = node.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let node = if node.is_empty() { "mucfocus" } else { &node };
    format!("399 {node} \"{} [{id}]\"", quotable(why))
}

/// Text that stands between quotation marks in a header (P17: nothing that comes from elsewhere ends the line).
pub(super) fn quotable(text: &str) -> String {
    sanitise(text).chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// Text without control characters, at most 200 characters of it.
fn sanitise(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// The value of the first field of that name (long, lower case), as the peer wrote it.
pub(super) fn field<'a>(request: &'a Request, name: &'a str) -> Option<&'a str> {
    let ours = match name {
        "from" => own_field(request, FROM),
        "to" => own_field(request, TO),
        _ => None,
    };
    ours.or_else(|| fields(request, name).next())
}

fn own_field<'a>(request: &'a Request, wanted: &str) -> Option<&'a str> {
    request.headers.iter().find_map(|h| match h {
        Header::Other(name, value) if name == wanted => Some(value.as_str()),
        _ => None,
    })
}

/// Values of all fields of that name (long, lower case), compact forms included.
pub(super) fn fields<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = &'a str> {
    request.headers.iter().filter(move |h| super::head::long_name(h.name()) == name).map(Header::value)
}

/// The Request-URI as the peer wrote it.
pub(super) fn request_uri(request: &Request) -> &str {
    own_field(request, REQUEST_URI).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_warning_ends_its_line_or_its_quotes() {
        assert_eq!(warning("no de\"1", "a\r\nContact: \"x\" \\", "7"), "399 node1 \"a  Contact: \\\"x\\\" \\\\ [7]\"");
        assert_eq!(warning("\u{e9}", "b", "8"), "399 mucfocus \"b [8]\"");
    }
}
