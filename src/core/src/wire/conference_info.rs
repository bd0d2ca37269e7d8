//! Conference-info documents (RFC 4575 §5), as they are written. Nothing is decided here about who may see what, and nothing
//! is read: mucfocus is never a subscriber.
//!
//! Written by hand, since quick-xml needs std. The order of the elements is that of the schema (CI-02).

pub mod uris;
mod user;

pub use user::{Disconnection, Fragment, Joined, Method, Part, User};

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};
use jid::BareJid;

use self::uris::{uri, web_address, xmpp_uri};
use super::xml;
use crate::address::sip_uri::SipUri;

/// The media type of these documents.
pub const MEDIA_TYPE: &str = "application/conference-info+xml";

/// No user is added to a document that has grown so large, in octets.
pub const MAX_OCTETS: usize = 2 * 1024 * 1024;

/// The namespace on the root (CI-01).
const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";

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
    /// What it says about itself.
    pub about: About<'a>,
    /// How it is.
    pub state: State,
    /// The users, each of them once. At most [`MAX_OCTETS`] of them are written.
    pub users: Vec<Fragment>,
}

/// What a room says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About<'a> {
    /// Its name, for people.
    pub name: Option<&'a str>,
    /// Its subject. An empty one was set to be empty.
    pub subject: Option<&'a str>,
    /// Its description.
    pub description: Option<&'a str>,
    /// Where its log can be read. Left out unless it is an address of the web.
    pub logs: Option<&'a str>,
}

/// How a room is (RFC 4575 §5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// How many users there are, listed or not.
    pub user_count: usize,
    /// Whether the room can be used now.
    pub active: bool,
    /// Whether only some may enter.
    pub locked: bool,
}

/// What has changed in a room (RFC 4575 §4.4). What is absent has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update<'a> {
    /// The room's canonical URI.
    pub room: &'a SipUri,
    /// The MUC that it mirrors.
    pub muc: &'a BareJid,
    /// What it says about itself: all of it, since that cannot be partial (CI-06).
    pub about: Option<About<'a>>,
    /// How it is: all of it, for the same reason.
    pub state: Option<State>,
    /// The users who have changed, each of them once.
    pub users: Vec<Entry<'a>>,
}

/// A user in an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// He is like that: new to the list, or changed, or about to go from it.
    Full(Fragment),
    /// Nobody of this nickname is on the list any more.
    Deleted(&'a str),
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

    /// Everything up to the version.
    fn begins(room: &SipUri, state: &str, has_nicknames: bool) -> Self {
        let mut before = String::from("<?xml version='1.0' encoding='UTF-8'?><conference-info");
        xml::attribute(&mut before, "xmlns", NAMESPACE);
        if has_nicknames {
            xml::attribute(&mut before, "xmlns:xcon", "urn:ietf:params:xml:ns:xcon-conference-info");
        }
        xml::attribute(&mut before, "entity", &room.to_string());
        xml::attribute(&mut before, "state", state);
        before.push_str(" version='");
        Self { before, after: String::from("'>") }
    }
}

/// Renders a full document (CI-01, CI-04, CI-05).
#[must_use]
pub fn full(document: &Document<'_>) -> Rendered {
    let users: &[Fragment] = document.inside.as_ref().map_or(&[], |inside| &inside.users);
    let mut rendered = Rendered::begins(document.room, "full", !users.is_empty());
    let out = &mut rendered.after;
    describe(out, document.room, document.muc, document.inside.as_ref().map(|inside| &inside.about));
    if let Some(inside) = &document.inside {
        state(out, inside.state);
    }
    out.push_str("<users>");
    for user in users {
        if out.len() >= MAX_OCTETS {
            break;
        }
        out.push_str(user.as_str());
    }
    out.push_str("</users></conference-info>");
    rendered
}

/// Renders a partial document (CI-06, GC-PRES-12, -13). It is the way from one version to the next, and to nothing else.
#[must_use]
pub fn partial(update: &Update<'_>) -> Rendered {
    let has_nicknames = update.users.iter().any(|entry| matches!(entry, Entry::Full(_)));
    let mut rendered = Rendered::begins(update.room, "partial", has_nicknames);
    let out = &mut rendered.after;
    if let Some(about) = &update.about {
        describe(out, update.room, update.muc, Some(about));
    }
    if let Some(now) = update.state {
        state(out, now);
    }
    if !update.users.is_empty() {
        out.push_str("<users state='partial'>");
        for entry in &update.users {
            match entry {
                Entry::Full(user) => out.push_str(user.as_str()),
                Entry::Deleted(nickname) => user::deleted(out, update.room, nickname),
            }
        }
        out.push_str("</users>");
    }
    out.push_str("</conference-info>");
    rendered
}

/// Renders the last document of a room that is no more (RFC 4575 §4.6, CI-22): nothing but its name.
#[must_use]
pub fn deleted(room: &SipUri) -> Rendered {
    let mut rendered = Rendered::begins(room, "deleted", false);
    rendered.after = String::from("'/>");
    rendered
}

/// `conference-state` (RFC 4575 §5.5): never in parts.
fn state(out: &mut String, state: State) {
    out.push_str("<conference-state>");
    element(out, "user-count", &state.user_count.to_string());
    element(out, "active", if state.active { "true" } else { "false" });
    element(out, "locked", if state.locked { "true" } else { "false" });
    out.push_str("</conference-state>");
}

/// `conference-description` (RFC 4575 §5.3): never in parts (CI-06).
fn describe(out: &mut String, room: &SipUri, muc: &BareJid, inside: Option<&About<'_>>) {
    let room = room.to_string();
    out.push_str("<conference-description>");
    if let Some(about) = inside {
        let texts = [("display-text", about.name), ("subject", about.subject), ("free-text", about.description)];
        for (name, value) in texts {
            if let Some(value) = value {
                element(out, name, value);
            }
        }
    }
    out.push_str("<conf-uris>");
    uri(out, &room, Some("participation"));
    uri(out, &format!("{}?join", xmpp_uri(muc)), Some("participation"));
    out.push_str("</conf-uris>");
    if let Some(about) = inside {
        out.push_str("<service-uris>");
        uri(out, &room, Some("event"));
        if let Some(logs) = about.logs.and_then(web_address) {
            uri(out, &logs, Some("recording"));
        }
        out.push_str("</service-uris><available-media><entry");
        xml::attribute(out, "label", LABEL);
        out.push_str("><type>message</type><status>sendrecv</status></entry></available-media>");
    }
    out.push_str("</conference-description>");
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

#[cfg(test)]
pub(crate) mod tests;
