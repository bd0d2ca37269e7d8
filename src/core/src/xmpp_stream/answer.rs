//! What a stream says by itself: its few requests, and the answers to the requests of others (XM-10).

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use jid::FullJid;

use super::framing::Framed;
use super::xml::{self, Node, Tag, Walk};

const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const CLIENT: &str = "jabber:client";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
const PING: &str = "urn:xmpp:ping";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const VERSION: &str = "jabber:iq:version";

/// RFC 6120 §7.7.1.
pub(super) fn bind(id: &str, resource: &str) -> String {
    let mut out = String::from("<iq type='set'");
    xml::attribute(&mut out, "id", id);
    out.push_str("><bind");
    xml::attribute(&mut out, "xmlns", BIND);
    out.push_str("><resource>");
    xml::text(&mut out, resource);
    out.push_str("</resource></bind></iq>");
    out
}

/// The full JID in the answer to [`bind`].
pub(super) fn bound_jid(answer: &str) -> Option<FullJid> {
    let mut walk = Walk::new(answer).skip_while(|node| !matches!(node, Node::Start(tag) if tag.name == "jid"));
    walk.next()?;
    let text: String = walk.map_while(|node| if let Node::Text(text) = node { Some(text) } else { None }).collect();
    FullJid::new(&text).ok()
}

/// A ping to the account's own server (XEP-0199 §4.2).
pub(super) fn ping(id: &str) -> String {
    let mut out = String::from("<iq type='get'");
    xml::attribute(&mut out, "id", id);
    out.push_str("><ping xmlns='urn:xmpp:ping'/></iq>");
    out
}

/// The condition and the text of the error in or at `element`: the first two children of whatever is called `error`, by whichever
/// prefix.
pub(super) fn error_of(element: &str) -> (String, String) {
    let mut walk = Walk::new(element);
    let is_error = |node: &Node<'_>| matches!(node, Node::Start(tag) if tag.name.rsplit(':').next() == Some("error"));
    if !walk.any(|node| is_error(&node)) {
        return ("no reason given".to_owned(), String::new());
    }
    let (mut condition, mut text, mut depth, mut in_text) = (String::new(), String::new(), 0_usize, false);
    for node in walk {
        match node {
            Node::Start(tag) => {
                depth += 1;
                in_text = depth == 1 && tag.name == "text";
                if depth == 1 && !in_text && condition.is_empty() {
                    condition = tag.name.to_owned();
                }
            }
            Node::Text(piece) if in_text => text.push_str(&piece),
            Node::Text(_) => {}
            Node::End if depth == 0 => break,
            Node::End => depth -= 1,
        }
    }
    (condition, text)
}

/// The answer to a request, whoever sent it: what this is, or `service-unavailable`.
pub(super) fn request(iq: &Framed) -> String {
    let payload =
        Walk::new(iq.as_str()).filter_map(|node| if let Node::Start(tag) = node { Some(tag) } else { None }).nth(1);
    let namespace = payload.and_then(|tag| tag.attribute("xmlns"));
    let get = iq.kind().as_deref() == Some("get");
    match (payload, namespace.as_deref()) {
        (Some(Tag { name: "ping", .. }), Some(PING)) if get => reply(iq, "result", ""),
        (Some(tag @ Tag { name: "query", .. }), Some(DISCO_INFO)) if get => match tag.attribute("node") {
            None => reply(iq, "result", DISCO),
            Some(_) => reply(iq, "error", ITEM_NOT_FOUND), // XEP-0030 §3.2
        },
        (Some(Tag { name: "query", .. }), Some(VERSION)) if get => reply(iq, "result", SOFTWARE),
        _ => reply(iq, "error", SERVICE_UNAVAILABLE),
    }
}

/// The answer to a message that nobody here knows what to do with: that it has reached nobody, where somebody wrote it for this one
/// account to read (RFC 6121 §8.5.1). `None` of what is not that, or must not be answered: errors, headlines, what goes to many or
/// keeps a conversation company without words, and private messages of occupants, whose room is one that was left.
pub(super) fn message(message: &Framed) -> Option<String> {
    let is_for_one = !matches!(message.kind().as_deref(), Some("error" | "groupchat" | "headline"));
    if message.name() != "message" || !is_for_one || message.from().is_none() {
        return None;
    }
    let (mut depth, mut has_body) = (0_usize, false);
    for node in Walk::new(message.as_str()) {
        match node {
            Node::Start(tag) => {
                let namespace = tag.attribute("xmlns").filter(|_| depth == 1);
                if namespace.as_deref() == Some(MUC_USER) {
                    return None;
                }
                has_body |= depth == 1 && tag.name == "body" && namespace.is_none_or(|namespace| namespace == CLIENT);
                depth = depth.saturating_add(1);
            }
            Node::End => depth = depth.saturating_sub(1),
            Node::Text(_) => {}
        }
    }
    has_body.then(|| reply(message, "error", SERVICE_UNAVAILABLE))
}

const DISCO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='gateway' type='sip' name='mucfocus'/>\
    <feature var='http://jabber.org/protocol/disco#info'/><feature var='jabber:iq:version'/><feature var='urn:xmpp:ping'/></query>";
const SOFTWARE: &str = concat!(
    "<query xmlns='jabber:iq:version'><name>mucfocus</name><version>",
    env!("CARGO_PKG_VERSION"),
    "</version></query>"
);
const SERVICE_UNAVAILABLE: &str =
    "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
const ITEM_NOT_FOUND: &str =
    "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

fn reply(to: &Framed, kind: &str, payload: &str) -> String {
    let mut out = alloc::format!("<{}", to.name());
    xml::attribute(&mut out, "type", kind);
    for (name, value) in [("to", to.from()), ("id", to.id())] {
        if let Some(value) = value.as_ref().map(Cow::as_ref) {
            xml::attribute(&mut out, name, value);
        }
    }
    out.push('>');
    out.push_str(payload);
    for part in ["</", to.name(), ">"] {
        out.push_str(part);
    }
    out
}
