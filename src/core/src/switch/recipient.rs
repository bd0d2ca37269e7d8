//! Whom a CPIM To names (GC-PM-02).

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

use jid::Jid;

use super::{Objection, Speaker};
use crate::address::escape::percent_decode_text;
use crate::address::sip_uri::SipUri;
use crate::wire::cpim::Address;

/// Whom a message is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    Everybody,
    Occupant(String),
}

/// Whom `to` names. An address with a `gr`, inside the brackets or behind them, is an occupant and never the room: read as the
/// room it would publish what was meant for one (E-03).
///
/// # Errors
///
/// [`Objection::NobodyHere`], or [`Objection::BadRecipient`] for what is no address.
pub(super) fn find(to: &Address, speaker: Speaker<'_>) -> Result<Recipient, Objection> {
    let here = |nickname: &str| speaker.roster.get(nickname).map(|_| Recipient::Occupant(nickname.to_string()));
    if to.uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("xmpp")) {
        return occupant_with_jid(&to.uri, speaker).ok_or(Objection::NobodyHere);
    }
    let uri = SipUri::parse(&to.uri).map_err(|_| Objection::NobodyHere)?;
    if uri.headers().is_some() {
        return Err(Objection::BadRecipient);
    }
    let behind = to.trailing_gr.as_deref().map(|gr| percent_decode_text(gr).filter(|place| !place.is_empty()));
    let within = uri.has_gr().then(|| uri.gr());
    let is_room = speaker.rules.is_room_alias(&uri.without_params(), speaker.room);
    match (within, behind) {
        (None, None) if is_room => Ok(Recipient::Everybody),
        // What draft-saintandre-sip-xmpp-groupchat-03 §4.6.2 wrote: the nickname at the host of the room.
        (None, None) if speaker.rules.serves(uri.host()) => {
            uri.user_decoded().and_then(|nickname| here(&nickname)).ok_or(Objection::NobodyHere)
        }
        (None, None) => Err(Objection::NobodyHere),
        (Some(within), Some(behind)) if within != behind => Err(Objection::BadRecipient),
        (Some(place), _) | (None, Some(place)) if is_room => {
            let place: Cow<'_, str> = place.ok_or(Objection::BadRecipient)?;
            here(&place).ok_or(Objection::NobodyHere)
        }
        _ => Err(Objection::NobodyHere),
    }
}

/// The occupant whose real JID that is, in a room that shows it to everybody.
fn occupant_with_jid(uri: &str, speaker: Speaker<'_>) -> Option<Recipient> {
    let (_, address) = uri.split_once(':')?;
    let address = percent_decode_text(address.split(['?', ';']).next()?)?;
    let wanted = Jid::new(&address).ok()?;
    let mut found = speaker.roster.occupants().filter(|(_, occupant)| {
        occupant
            .jid
            .as_ref()
            .is_some_and(|jid| *jid == wanted || (wanted.resource().is_none() && jid.to_bare() == wanted))
    });
    let (nickname, _) = found.next()?;
    // Of two nobody knows which one is meant.
    found.next().is_none().then(|| Recipient::Occupant(nickname.to_string()))
}
