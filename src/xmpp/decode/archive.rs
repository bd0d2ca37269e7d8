//! What comes out of archives (XEP-0313): messages, and the ends of their pages.

use mucfocus_core::stanza::{Archived, Fin};
use mucfocus_core::time::WallClock;
use xmpp_parsers::minidom::Element;

use super::{CLIENT, DELAY, DecodeError, attribute, message, sender};

const MAM: &str = "urn:xmpp:mam:2";
const FORWARD: &str = "urn:xmpp:forward:0";
const RSM: &str = "http://jabber.org/protocol/rsm";

/// The message that `root` brings out of an archive; `None` if it brings none. What an occupant sends is a message of his, whatever
/// he puts into it: rooms answer for their archives themselves.
pub(super) fn archived(root: &Element) -> Result<Option<Archived>, DecodeError> {
    let Some(result) = root.get_child("result", MAM) else { return Ok(None) };
    let from = sender(root)?.ok_or(DecodeError::NoFrom)?;
    if from.resource().is_some() || root.attr("type") == Some("groupchat") {
        return Ok(None);
    }
    let Some(forwarded) = result.get_child("forwarded", FORWARD) else { return Ok(None) };
    let Some(inner) = forwarded.get_child("message", CLIENT) else { return Ok(None) };
    let stamp = forwarded.get_child("delay", DELAY).and_then(|delay| delay.attr("stamp"));
    let mut message = message(inner)?;
    message.stanza_id = attribute(result, "id");
    Ok(Some(Archived {
        from,
        query: attribute(result, "queryid"),
        stamp: stamp.and_then(WallClock::parse_rfc3339),
        message,
    }))
}

/// The end of a page, if the answer `root` is one.
pub(super) fn fin(root: &Element) -> Option<Fin> {
    let fin = root.get_child("fin", MAM)?;
    let last = fin.get_child("set", RSM).and_then(|set| set.get_child("last", RSM)).map(Element::text);
    let complete = matches!(fin.attr("complete"), Some("true" | "1"));
    Some(Fin { complete, last: last.filter(|last| !last.is_empty()) })
}
