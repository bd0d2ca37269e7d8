//! The muc#user payload (XEP-0045 §7.2).

use jid::{BareJid, Jid};
use mucfocus_core::stanza::{Affiliation, Decline, Destroy, MucItem, MucUser, Role};
use xmpp_parsers::minidom::Element;

use super::attribute;

const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// Octets of an occupant id (XEP-0421 §4 says at most 128 characters); Prosody's are 44.
const MAX_ID: usize = 128;

/// The payload of a stanza that came from `from`.
pub(super) fn muc_user(root: &Element, from: &Jid) -> Option<MucUser> {
    let x = root.get_child("x", MUC_USER)?;
    let codes =
        x.children().filter(|c| c.is("status", MUC_USER)).filter_map(|c| c.attr("code")?.parse().ok()).collect();
    let destroy = x.get_child("destroy", MUC_USER).map(|d| Destroy {
        alternate: d.attr("jid").and_then(|jid| BareJid::new(jid).ok()),
        reason: d.get_child("reason", MUC_USER).map(Element::text),
    });
    let item = item(x).map(|item| MucItem { occupant_id: occupant_id(root), ..item });
    Some(MucUser { codes, item, destroy, decline: decline(x).filter(|_| from.is_bare()) })
}

/// XEP-0421 §4. Of several nobody knows which one is the room's.
fn occupant_id(root: &Element) -> Option<String> {
    let mut ids = root.children().filter(|c| c.is("occupant-id", OCCUPANT_ID));
    let id = attribute(ids.next()?, "id").filter(|id| !id.is_empty() && id.len() <= MAX_ID)?;
    ids.next().is_none().then_some(id)
}

/// Of several items the one that says most. Prosody sends one for each connection of an account, and not all of them need say
/// who did it and why.
fn item(x: &Element) -> Option<MucItem> {
    let items = x.children().filter(|c| c.is("item", MUC_USER)).map(muc_item);
    items.reduce(|best, item| if weight(&item) > weight(&best) { item } else { best })
}

fn weight(item: &MucItem) -> usize {
    let said = [
        item.affiliation.is_some(),
        item.role.is_some(),
        item.jid.is_some(),
        item.nick.is_some(),
        item.actor.is_some(),
        item.reason.is_some(),
    ];
    said.into_iter().filter(|said| *said).count()
}

/// Only a room forwards a decline: from an occupant it would be his word that somebody else declined.
fn decline(x: &Element) -> Option<Decline> {
    let decline = x.get_child("decline", MUC_USER)?;
    let from = decline.attr("from").and_then(|jid| Jid::new(jid).ok())?;
    Some(Decline { from, reason: decline.get_child("reason", MUC_USER).map(Element::text).filter(|r| !r.is_empty()) })
}

fn muc_item(item: &Element) -> MucItem {
    let affiliation = match item.attr("affiliation") {
        Some("owner") => Some(Affiliation::Owner),
        Some("admin") => Some(Affiliation::Admin),
        Some("member") => Some(Affiliation::Member),
        Some("none") => Some(Affiliation::None),
        Some("outcast") => Some(Affiliation::Outcast),
        _ => None,
    };
    let role = match item.attr("role") {
        Some("moderator") => Some(Role::Moderator),
        Some("participant") => Some(Role::Participant),
        Some("visitor") => Some(Role::Visitor),
        Some("none") => Some(Role::None),
        _ => None,
    };
    MucItem {
        affiliation,
        role,
        jid: item.attr("jid").and_then(|jid| Jid::new(jid).ok()),
        occupant_id: None,
        nick: attribute(item, "nick"),
        actor: item.get_child("actor", MUC_USER).and_then(|a| attribute(a, "nick")),
        reason: item.get_child("reason", MUC_USER).map(Element::text),
    }
}
