//! Conference-info documents (RFC 4575 §5), as they are written. Nothing is decided here about who may see what, and nothing
//! is read: mucfocus is never a subscriber.
//!
//! Written by hand, since quick-xml needs std. The order of the elements is that of the schema (CI-02).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};
use jid::{BareJid, Jid};

use super::xml;
use crate::address::escape::{is_percent_encoded, percent_encode};
use crate::address::sip_uri::SipUri;
use crate::time::WallClock;

/// The media type of these documents.
pub const MEDIA_TYPE: &str = "application/conference-info+xml";

/// The most users that a document lists; `user-count` is the true number all the same. A list of this many is nothing that
/// people read.
pub const MAX_USERS: usize = 2000;

/// No user is added to a document that has grown so large, in octets. [`MAX_USERS`] users of ordinary names fit; the longest
/// names that XMPP knows would make it twenty times as much.
pub const MAX_OCTETS: usize = 2 * 1024 * 1024;

/// The label of the one medium of a room, and of the same medium at each endpoint (RFC 4575 §5.8.3, CI-16).
const LABEL: &str = "message";

/// The full state of a room (RFC 4575 §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    /// The room's canonical URI.
    pub room: &'a SipUri,
    /// The MUC that it mirrors.
    pub muc: &'a BareJid,
    /// What only those may know who may look inside.
    pub inside: Option<Inside<'a>>,
}

/// The inside of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside<'a> {
    /// Its name, for people.
    pub name: Option<&'a str>,
    /// Its subject. An empty one was set to be empty.
    pub subject: Option<&'a str>,
    /// Its description.
    pub description: Option<&'a str>,
    /// Where its log can be read. Left out unless it is an address of the web.
    pub logs: Option<&'a str>,
    /// How many users there are, listed or not.
    pub user_count: usize,
    /// Whether the room can be used now.
    pub active: bool,
    /// Whether only some may enter.
    pub locked: bool,
    /// The users. At most [`MAX_USERS`] and [`MAX_OCTETS`] of them are written.
    pub users: Vec<User<'a>>,
}

/// A user with his one endpoint (GC-PRES-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User<'a> {
    /// His nickname, which makes his address in the room. Not empty, and nobody else's.
    pub nickname: &'a str,
    /// What he is called beside it.
    pub display_name: Option<&'a str>,
    /// Who he really is.
    pub jid: Option<&'a Jid>,
    /// What he may do.
    pub part: Part,
    /// Whether he owns or administers the room.
    pub administrator: bool,
    /// Since when he is here, if he called this focus.
    pub dialed_in: Option<WallClock>,
}

/// What a user may do in a room (GC-PRES-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Speak, and more.
    Moderator,
    /// Speak.
    Participant,
    /// Listen.
    Observer,
}

/// A document that lacks nothing but its version. Rendered once for all subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    before: String,
    after: String,
}

impl Rendered {
    /// The document in this version: one copy of its octets.
    #[must_use]
    pub fn document(&self, version: u32) -> Bytes {
        let version = version.to_string();
        let len = self.before.len().saturating_add(version.len()).saturating_add(self.after.len());
        let mut document = BytesMut::with_capacity(len);
        for part in [&self.before, &version, &self.after] {
            document.put_slice(part.as_bytes());
        }
        document.freeze()
    }
}

/// Renders a full document (CI-01, CI-04, CI-05).
#[must_use]
pub fn full(document: &Document<'_>) -> Rendered {
    let mut before = String::from("<?xml version='1.0' encoding='UTF-8'?><conference-info");
    xml::attribute(&mut before, "xmlns", "urn:ietf:params:xml:ns:conference-info");
    if document.inside.as_ref().is_some_and(|inside| !inside.users.is_empty()) {
        xml::attribute(&mut before, "xmlns:xcon", "urn:ietf:params:xml:ns:xcon-conference-info");
    }
    xml::attribute(&mut before, "entity", &document.room.to_string());
    before.push_str(" state='full' version='");

    let mut after = String::from("'>");
    describe(&mut after, document);
    if let Some(inside) = &document.inside {
        after.push_str("<conference-state>");
        element(&mut after, "user-count", &inside.user_count.to_string());
        element(&mut after, "active", if inside.active { "true" } else { "false" });
        element(&mut after, "locked", if inside.locked { "true" } else { "false" });
        after.push_str("</conference-state>");
    }
    after.push_str("<users>");
    for shown in document.inside.iter().flat_map(|inside| &inside.users).take(MAX_USERS) {
        if after.len() >= MAX_OCTETS {
            break;
        }
        user(&mut after, document.room, shown);
    }
    after.push_str("</users></conference-info>");
    Rendered { before, after }
}

/// `conference-description` (RFC 4575 §5.3): never in parts (CI-06).
fn describe(out: &mut String, document: &Document<'_>) {
    let room = document.room.to_string();
    out.push_str("<conference-description>");
    if let Some(inside) = &document.inside {
        let texts = [("display-text", inside.name), ("subject", inside.subject), ("free-text", inside.description)];
        for (name, value) in texts {
            if let Some(value) = value {
                element(out, name, value);
            }
        }
    }
    out.push_str("<conf-uris>");
    uri(out, &room, Some("participation"));
    uri(out, &format!("{}?join", xmpp_uri(document.muc)), Some("participation"));
    out.push_str("</conf-uris>");
    if let Some(inside) = &document.inside {
        out.push_str("<service-uris>");
        uri(out, &room, Some("event"));
        if let Some(logs) = inside.logs.and_then(web_address) {
            uri(out, &logs, Some("recording"));
        }
        out.push_str("</service-uris><available-media><entry");
        xml::attribute(out, "label", LABEL);
        out.push_str("><type>message</type><status>sendrecv</status></entry></available-media>");
    }
    out.push_str("</conference-description>");
}

/// One full user (RFC 4575 §5.6, §5.7; CI-10, CI-11). It says `state` nowhere, since full is what absence means, so that it
/// can stand in a partial document as it is.
fn user(out: &mut String, room: &SipUri, user: &User<'_>) {
    let entity = room.with_gr(user.nickname).to_string();
    out.push_str("<user");
    xml::attribute(out, "entity", &entity);
    xml::attribute(out, "xcon:nickname", user.nickname);
    out.push('>');
    element(out, "display-text", user.display_name.filter(|name| !name.is_empty()).unwrap_or(user.nickname));
    if let Some(jid) = user.jid {
        out.push_str("<associated-aors>");
        uri(out, &xmpp_uri(jid), None);
        out.push_str("</associated-aors>");
    }
    out.push_str("<roles>");
    element(
        out,
        "entry",
        match user.part {
            Part::Moderator => "moderator",
            Part::Participant => "participant",
            Part::Observer => "observer",
        },
    );
    if user.administrator {
        element(out, "entry", "administrator");
    }
    out.push_str("</roles><endpoint");
    xml::attribute(out, "entity", &entity);
    out.push_str("><status>connected</status>");
    if let Some(since) = user.dialed_in {
        out.push_str("<joining-method>dialed-in</joining-method><joining-info>");
        element(out, "when", &since.rfc3339());
        out.push_str("</joining-info>");
    }
    out.push_str("<media id='1'><type>message</type>");
    element(out, "label", LABEL);
    element(out, "status", if user.part == Part::Observer { "recvonly" } else { "sendrecv" });
    out.push_str("</media></endpoint></user>");
}

/// One `entry` of a list of URIs.
fn uri(out: &mut String, uri: &str, purpose: Option<&str>) {
    out.push_str("<entry>");
    element(out, "uri", uri);
    if let Some(purpose) = purpose {
        element(out, "purpose", purpose);
    }
    out.push_str("</entry>");
}

fn element(out: &mut String, name: &str, text: &str) {
    for part in ["<", name, ">"] {
        out.push_str(part);
    }
    xml::text(out, text);
    for part in ["</", name, ">"] {
        out.push_str(part);
    }
}

/// `jid` as a URI (RFC 5122 §2.2).
fn xmpp_uri(jid: &Jid) -> String {
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
fn web_address(text: &str) -> Option<String> {
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

#[cfg(test)]
mod tests;
