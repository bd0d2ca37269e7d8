//! The addresses in a conference document, and wherever else an XMPP user is named to SIP.

use alloc::format;
use alloc::string::String;

use jid::Jid;

use super::element;
use crate::address::escape::{is_percent_encoded, percent_encode};

/// One `entry` of a list of URIs.
pub(super) fn uri(out: &mut String, uri: &str, purpose: Option<&str>) {
    out.push_str("<entry>");
    element(out, "uri", uri);
    if let Some(purpose) = purpose {
        element(out, "purpose", purpose);
    }
    out.push_str("</entry>");
}

/// `jid` as a URI (RFC 5122 §2.2).
#[must_use]
pub fn xmpp_uri(jid: &Jid) -> String {
    let encode = |part: &str| percent_encode(part.as_bytes(), is_unreserved);
    let mut uri = String::from("xmpp:");
    if let Some(node) = jid.node() {
        uri.push_str(&encode(node.as_str()));
        uri.push('@');
    }
    uri.push_str(&encode(jid.domain().as_str()));
    if let Some(resource) = jid.resource() {
        uri.push('/');
        uri.push_str(&encode(resource.as_str()));
    }
    uri
}

/// `text` as a URI, if it is an address of the web with a plain host. A room's owner writes what he likes there, and clients
/// make links of it.
pub(super) fn web_address(text: &str) -> Option<String> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme))?;
    let rest = text.strip_prefix(scheme)?;
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let host_is_plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let port_is_right = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let path = percent_encode(path.as_bytes(), |b| is_uri_char(b) || matches!(b, b'%' | b'#'));
    let path_is_right = is_percent_encoded(&path, |b| is_uri_char(b) || b == b'#') && path.matches('#').count() <= 1;
    (host_is_plain && port_is_right && path_is_right).then(|| format!("{scheme}{authority}{path}"))
}

/// `unreserved` of RFC 3986 §2.3.
const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a path or query (RFC 3986 §3.3, §3.4), but for `%`.
const fn is_uri_char(b: u8) -> bool {
    is_unreserved(b)
        || matches!(
            b,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?'
        )
}
