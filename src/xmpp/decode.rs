//! Bytes into stanzas. Tolerant on purpose: what another occupant puts into a stanza must not make him invisible, so only what
//! makes a stanza useless is an error.

use jid::Jid;
use mucfocus_core::stanza::{
    Asks, ChatState, Delay, Iq, IqAnswer, Message, MessageKind, Presence, PresenceKind, Receipt, ReceiptKind, Stanza,
};
use mucfocus_core::time::WallClock;
use xmpp_parsers::minidom::Element;

mod archive;
mod disco;
mod error;
mod muc_user;

use error::stanza_error;
use muc_user::muc_user;

const CLIENT: &str = "jabber:client";
const STANZA_IDS: &str = "urn:xmpp:sid:0";
const DELAY: &str = "urn:xmpp:delay";
const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
const RECEIPTS: &str = "urn:xmpp:receipts";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
const NICK: &str = "http://jabber.org/protocol/nick";
/// The longest display name in octets, which is the longest nickname (RFC 7622 §3.4). What is longer is none.
const MAX_DISPLAY_NAME: usize = 1023;

/// Why bytes are not a stanza for a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not well-formed, or beyond the limits of the parser.
    #[error("not well-formed XML: {0}")]
    Xml(String),
    /// Neither presence, message nor iq of `jabber:client`.
    #[error("not a stanza: <{0}/>")]
    NotAStanza(String),
    /// A presence or message without `from`.
    #[error("a stanza without from")]
    NoFrom,
    /// `from` is not a JID.
    #[error("from is not a JID")]
    BadFrom,
    /// An iq without `id` (RFC 6120 §8.2.3).
    #[error("an iq without id")]
    NoId,
    /// An iq that is no answer. Requests are answered by the stream.
    #[error("an iq that is no answer")]
    NotAnAnswer,
}

/// What one framed element says. The stream's default namespace is supplied, as a lone child does not repeat it.
///
/// # Errors
///
/// [`DecodeError`]; the stanza concerns nobody then.
pub fn decode(raw: &[u8]) -> Result<Stanza, DecodeError> {
    let root =
        Element::from_reader_with_prefixes(raw, CLIENT.to_owned()).map_err(|e| DecodeError::Xml(e.to_string()))?;
    match root.name() {
        _ if !root.has_ns(CLIENT) => Err(DecodeError::NotAStanza(root.name().to_owned())),
        "presence" => presence(&root).map(Stanza::Presence),
        "message" => match archive::archived(&root)? {
            Some(archived) => Ok(Stanza::Archived(archived)),
            None => message(&root).map(Stanza::Message),
        },
        "iq" => iq(&root).map(Stanza::Iq),
        other => Err(DecodeError::NotAStanza(other.to_owned())),
    }
}

fn presence(root: &Element) -> Result<Presence, DecodeError> {
    let kind = match root.attr("type") {
        None => PresenceKind::Available,
        Some("unavailable") => PresenceKind::Unavailable,
        Some("error") => PresenceKind::Error(stanza_error(root)),
        Some(_) => PresenceKind::Other,
    };
    let from = sender(root)?.ok_or(DecodeError::NoFrom)?;
    Ok(Presence {
        id: attribute(root, "id"),
        kind,
        status: text(root, "status"),
        display_name: display_name(root),
        muc: muc_user(root, &from),
        from,
    })
}

fn message(root: &Element) -> Result<Message, DecodeError> {
    let kind = match root.attr("type") {
        Some("groupchat") => MessageKind::Groupchat,
        Some("chat") => MessageKind::Chat,
        Some("headline") => MessageKind::Headline,
        Some("error") => MessageKind::Error(stanza_error(root)),
        _ => MessageKind::Normal, // RFC 6121 §5.2.2
    };
    let from = sender(root)?.ok_or(DecodeError::NoFrom)?;
    Ok(Message {
        kind,
        id: attribute(root, "id"),
        origin_id: root.get_child("origin-id", STANZA_IDS).and_then(|e| attribute(e, "id")),
        stanza_id: stanza_id(root, &from),
        body: text(root, "body"),
        subject: text(root, "subject"),
        delay: delay(root, &from),
        chat_state: chat_state(root),
        asks: Asks { received: root.has_child("request", RECEIPTS), displayed: root.has_child("markable", MARKERS) },
        receipts: receipts(root),
        muc: muc_user(root, &from),
        from,
    })
}

fn iq(root: &Element) -> Result<Iq, DecodeError> {
    let answer = match root.attr("type") {
        Some("result") => match archive::fin(root) {
            Some(fin) => IqAnswer::Fin(fin),
            None => IqAnswer::Result(disco::info(root)),
        },
        Some("error") => IqAnswer::Error(stanza_error(root)),
        _ => return Err(DecodeError::NotAnAnswer),
    };
    Ok(Iq { from: sender(root)?, id: attribute(root, "id").ok_or(DecodeError::NoId)?, answer })
}

fn sender(root: &Element) -> Result<Option<Jid>, DecodeError> {
    root.attr("from").map(Jid::new).transpose().map_err(|_| DecodeError::BadFrom)
}

fn attribute(element: &Element, name: &str) -> Option<String> {
    element.attr(name).map(str::to_owned)
}

/// The text of a child that may come once per language: the one without a language, else the first.
fn text(root: &Element, name: &str) -> Option<String> {
    let mut first = None;
    for child in root.children().filter(|c| c.is(name, CLIENT)) {
        if child.attr_ns("http://www.w3.org/XML/1998/namespace", "lang").is_none() {
            return Some(child.text());
        }
        first = first.or(Some(child));
    }
    first.map(Element::text)
}

/// The stamp of the room where it set one (XEP-0045 §7.2.13), else the first: an author can write stamps too.
fn delay(root: &Element, from: &Jid) -> Option<Delay> {
    let stamps = || root.children().filter(|c| c.is("delay", DELAY));
    let rooms = stamps().find(|c| c.attr("from") == Some(from.to_bare().as_str()));
    let stamp = rooms.or_else(|| stamps().next())?;
    Some(Delay { stamp: stamp.attr("stamp").and_then(WallClock::parse_rfc3339) })
}

/// The id that says it is the room's (XEP-0359 §3.1). Of several nobody knows which one is.
fn stanza_id(root: &Element, from: &Jid) -> Option<String> {
    let by_room = |c: &&Element| c.is("stanza-id", STANZA_IDS) && c.attr("by") == Some(from.to_bare().as_str());
    let mut ids = root.children().filter(by_room);
    let id = ids.next().and_then(|id| attribute(id, "id"))?;
    ids.next().is_none().then_some(id)
}

/// What it says of other messages: each thing once (XEP-0184 §5.4, XEP-0333 §4).
fn receipts(root: &Element) -> Vec<Receipt> {
    let kinds = [("received", RECEIPTS, ReceiptKind::Received), ("displayed", MARKERS, ReceiptKind::Displayed)];
    let said = |(name, ns, kind): (&str, &str, ReceiptKind)| {
        Some(Receipt { id: attribute(root.get_child(name, ns)?, "id")?, kind })
    };
    kinds.into_iter().filter_map(said).collect()
}

/// XEP-0085 §4.
fn chat_state(root: &Element) -> Option<ChatState> {
    root.children().filter(|c| c.has_ns(CHAT_STATES)).find_map(|c| match c.name() {
        "active" => Some(ChatState::Active),
        "composing" => Some(ChatState::Composing),
        "paused" => Some(ChatState::Paused),
        "inactive" => Some(ChatState::Inactive),
        "gone" => Some(ChatState::Gone),
        _ => None,
    })
}

/// XEP-0172 §3.
fn display_name(root: &Element) -> Option<String> {
    let name = root.get_child("nick", NICK)?.text();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name.len() <= MAX_DISPLAY_NAME)
}

#[cfg(test)]
mod tests;
