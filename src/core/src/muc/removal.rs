//! Why an occupant of ours is no longer in the room (XEP-0045 §16.6).

use alloc::string::String;

use jid::BareJid;

use super::StreamEnd;
use crate::stanza::{MucUser, Presence, StanzaError};
use crate::translate::errors::status::{Watching, Why};
use crate::translate::{errors, phrases};

/// Why an occupant of ours is no longer in the room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Removal {
    /// Status 307.
    #[error("removed from the room by {}{}", by(.actor), because(.reason))]
    Kicked {
        /// Who did it.
        actor: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Status 301.
    #[error("banned from the room by {}{}", by(.actor), because(.reason))]
    Banned {
        /// Who did it.
        actor: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Status 321: an affiliation that the room requires was taken away.
    #[error("removed from the room: no longer a member{}", because(.reason))]
    AffiliationLost {
        /// Why.
        reason: Option<String>,
    },
    /// Status 322.
    #[error("removed from the room: it is for members only now{}", because(.reason))]
    MembersOnly {
        /// Why.
        reason: Option<String>,
    },
    /// Status 332.
    #[error("removed from the room: its service is shutting down")]
    ServiceShutdown,
    /// Status 333, or no reason at all, and the way back in failed.
    #[error("removed from the room for a technical reason")]
    Technical,
    /// The same, and the room answered the way back in with an error.
    #[error("not let back into the room: {}", refusal_of(.0))]
    NotLetIn(StanzaError),
    /// The same, and there is no room to come back to.
    #[error("there is no such room any more")]
    NoSuchRoom,
    /// The room was destroyed.
    #[error("the room was destroyed{}{}", because(.reason), instead(.alternate))]
    Destroyed {
        /// Where to go instead.
        alternate: Option<BareJid>,
        /// Why.
        reason: Option<String>,
    },
    /// The stream broke.
    #[error("{}", .0.for_callers())]
    StreamLost(StreamEnd),
}

impl Removal {
    /// What an unavailable presence of our own occupant says. `None`: a way back in should be tried first. That is so with status
    /// 333, which beats 307 (XM-06), and where nobody says why: then it answers a leave of an earlier membership of the account,
    /// whose caller withdrew and dialled again.
    pub(super) fn read(presence: &Presence) -> Option<Self> {
        let nothing = MucUser::default();
        let muc = presence.muc.as_ref().unwrap_or(&nothing);
        let item = muc.item.clone().unwrap_or_default();
        let (actor, reason) = (item.actor, item.reason);
        if let Some(destroy) = &muc.destroy {
            return Some(Self::Destroyed { alternate: destroy.alternate.clone(), reason: destroy.reason.clone() });
        }
        let removal = match () {
            () if muc.has(333) => return None,
            () if muc.has(301) => Self::Banned { actor, reason },
            () if muc.has(321) => Self::AffiliationLost { reason },
            () if muc.has(322) => Self::MembersOnly { reason },
            () if muc.has(332) => Self::ServiceShutdown,
            () if muc.has(307) || actor.is_some() || reason.is_some() => Self::Kicked { actor, reason },
            () => return None,
        };
        Some(removal)
    }

    /// The row of the table of errors; where the way back in was refused, what is not said by the refusal.
    const fn why(&self) -> Why {
        match self {
            Self::Kicked { .. } => Why::Kicked,
            Self::Banned { .. } => Why::Banned,
            Self::AffiliationLost { .. } => Why::AffiliationLost,
            Self::MembersOnly { .. } => Why::MembersOnly,
            Self::ServiceShutdown => Why::ServiceShutdown,
            Self::Technical | Self::NotLetIn(_) | Self::NoSuchRoom => Why::Technical,
            Self::Destroyed { alternate: None, .. } => Why::Destroyed,
            Self::Destroyed { alternate: Some(_), .. } => Why::DestroyedForAnother,
            Self::StreamLost(_) => Why::StreamLost,
        }
    }

    /// The SIP status that the BYE names as its cause (RFC 3326).
    #[must_use]
    pub fn sip_cause(&self) -> u16 {
        match self {
            Self::NotLetIn(error) => errors::sip_for(error).code,
            Self::NoSuchRoom => 404,
            _ => self.why().sip_cause(),
        }
    }

    /// What becomes of subscriptions to the roster.
    #[must_use]
    pub fn watching(&self) -> Watching {
        match self {
            Self::NotLetIn(error) => errors::watching_for(error),
            Self::NoSuchRoom => Watching::Over,
            _ => self.why().watching(),
        }
    }
}

fn refusal_of(error: &StanzaError) -> &str {
    let words = error.text.as_deref().filter(|words| !words.trim().is_empty());
    words.unwrap_or(phrases::explain_join(error.condition))
}

fn by(actor: &Option<String>) -> &str {
    actor.as_deref().unwrap_or("a moderator")
}

fn because(reason: &Option<String>) -> String {
    reason.as_deref().filter(|r| !r.is_empty()).map_or_else(String::new, |r| alloc::format!(": {r}"))
}

fn instead(alternate: &Option<BareJid>) -> String {
    alternate.as_ref().map_or_else(String::new, |room| alloc::format!(", go to {room}"))
}
