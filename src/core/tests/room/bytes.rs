//! Stanzas as the octets of a stream, with the framer's view of them: what the room never parses it must not need.

use jid::BareJid;
use mucfocus_core::stanza::{MessageKind, PresenceKind, Stanza};
use mucfocus_core::wire::xml;
use mucfocus_core::xmpp_stream::framing::{Event, Framed, Framer};

/// A stanza to `to`. What is in it is written in a way of our own; the same is always the same octets.
pub fn framed(to: &BareJid, stanza: &Stanza) -> Framed {
    let (name, from, kind) = match stanza {
        Stanza::Presence(presence) => ("presence", Some(&presence.from), of_presence(&presence.kind)),
        Stanza::Message(message) => ("message", Some(&message.from), of_message(&message.kind)),
        Stanza::Archived(archived) => ("message", Some(&archived.from), None),
        Stanza::Iq(iq) => ("iq", iq.from.as_ref(), Some("result")),
    };
    let (to, from) = (format!("{to}/node1"), from.map(|from| from.as_str()));
    let mut xml = format!("<{name}");
    for (name, value) in [("from", from), ("to", Some(to.as_str())), ("type", kind)] {
        if let Some(value) = value {
            xml::attribute(&mut xml, name, value);
        }
    }
    xml.push('>');
    if let Stanza::Presence(presence) = stanza {
        for code in presence.muc.iter().flat_map(|muc| &muc.codes) {
            xml.push_str(&format!("<status code='{code}'/>"));
        }
    }
    xml.push_str("<x>");
    xml::text(&mut xml, &format!("{stanza:?}"));
    xml.push_str(&format!("</x></{name}>"));
    match Framer::new().push(&mut xml.as_bytes()) {
        Ok(Some(Event::Stanza(framed))) => framed,
        other => panic!("{other:?}: {xml}"),
    }
}

fn of_presence(kind: &PresenceKind) -> Option<&'static str> {
    match kind {
        PresenceKind::Available => None,
        PresenceKind::Unavailable => Some("unavailable"),
        PresenceKind::Error(_) => Some("error"),
        PresenceKind::Other => Some("subscribe"),
    }
}

fn of_message(kind: &MessageKind) -> Option<&'static str> {
    match kind {
        MessageKind::Groupchat => Some("groupchat"),
        MessageKind::Chat => Some("chat"),
        MessageKind::Normal => None,
        MessageKind::Headline => Some("headline"),
        MessageKind::Error(_) => Some("error"),
    }
}
