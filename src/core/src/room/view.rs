//! A room as an operator looks at it: both sides of it, and whether they agree. Only reads, and holds neither a text, nor a
//! credential, nor a session-id.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::io::{AccountKey, MembershipId};
use super::{Member, Participant, Room, Timer};
use crate::address::sip_uri::SipUri;
use crate::leg::LegId;
use crate::msrp::session::Link;
use crate::stanza::{Affiliation, Role};
use crate::time::{Instant, WallClock};

/// How much there is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Occupants as the MUC shows them.
    pub occupants: usize,
    /// Memberships of ours, inside or on the way there.
    pub memberships: usize,
    /// Legs.
    pub legs: usize,
    /// Conference subscriptions.
    pub subscriptions: usize,
    /// Whether the MUC is out of reach.
    pub unreachable: bool,
}

/// A room, looked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// How its SIP users call it; `None` while there is none.
    pub uri: Option<SipUri>,
    /// The numbers.
    pub summary: Summary,
    /// Who is in the MUC, by nickname: the roster that all SIP users are shown.
    pub occupants: Vec<OccupantView>,
    /// Our accounts in it.
    pub memberships: Vec<MembershipView>,
    /// Its legs, by number.
    pub legs: Vec<LegView>,
    /// Whether nothing is under way that changes who is where: only then has [`RoomView::differences`] to be empty.
    pub at_rest: bool,
}

/// An occupant of the MUC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccupantView {
    /// His nickname.
    pub nickname: String,
    /// His role.
    pub role: Role,
    /// His affiliation.
    pub affiliation: Affiliation,
    /// Since when he is here through this node; `None` of all others.
    pub dialed_in: Option<WallClock>,
}

/// An account of ours and the MUC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipView {
    /// Names it within its room.
    pub id: MembershipId,
    /// The account.
    pub account: AccountKey,
    /// The SIP user, verified.
    pub user: SipUri,
    /// Where he stands with the MUC.
    pub phase: Phase,
    /// His nickname, once he is inside.
    pub nickname: Option<String>,
    /// Whether the roster is what he sees.
    pub is_observer: bool,
    /// His legs.
    pub legs: Vec<LegId>,
}

/// Where a membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its stream is not up.
    Connecting,
    /// On the way in.
    Entering,
    /// In the MUC.
    Inside,
    /// It was inside and is on the way back.
    Returning,
}

/// One leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegView {
    /// Its name in this process.
    pub id: LegId,
    /// Who calls, verified.
    pub user: SipUri,
    /// The Call-ID of its dialog.
    pub call_id: String,
    /// Where the call stands.
    pub call: CallState,
    /// Where its MSRP connection stands, while the call stands.
    pub msrp: Option<Link>,
    /// When the leg ends for the lack of a connection, if it has none by then.
    pub ends_at: Option<Instant>,
    /// The membership that it belongs to.
    pub membership: Option<MembershipId>,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// Nothing final was said.
    Ringing,
    /// It was answered.
    Answered,
    /// It ends, and the last words are on their way.
    Ending,
}

/// What the two sides of a room do not agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A SIP user is inside, and the MUC shows nobody of this nickname.
    NotInMuc(String),
    /// The MUC shows somebody who came in here, and no SIP user is behind him.
    NoUserBehind(String),
    /// A leg stands, and belongs to nobody who is in the MUC.
    LegWithoutOccupant(LegId),
    /// Somebody is in the MUC for a SIP user who has no leg.
    OccupantWithoutLeg(String),
}

impl core::fmt::Display for Difference {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotInMuc(nickname) => write!(f, "{nickname} is inside on the SIP side, and not in the MUC"),
            Self::NoUserBehind(nickname) => {
                write!(f, "{nickname} is in the MUC through this node, with no SIP user behind")
            }
            Self::LegWithoutOccupant(leg) => write!(f, "leg {} stands, and nobody is in the MUC for it", leg.0),
            Self::OccupantWithoutLeg(nickname) => write!(f, "{nickname} is in the MUC, and has no leg"),
        }
    }
}

impl RoomView {
    /// What the two sides do not agree about. Empty at rest (the fifth of the promises in the documentation).
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let inside = |m: &&MembershipView| matches!(m.phase, Phase::Inside | Phase::Returning);
        let ours: BTreeSet<&str> =
            self.memberships.iter().filter(inside).filter_map(|m| m.nickname.as_deref()).collect();
        let shown: BTreeSet<&str> = self.occupants.iter().map(|o| o.nickname.as_str()).collect();
        let through_us = self.occupants.iter().filter(|o| o.dialed_in.is_some());
        let mut found: Vec<Difference> = Vec::new();
        found.extend(ours.difference(&shown).map(|nickname| Difference::NotInMuc((*nickname).to_string())));
        found.extend(
            through_us
                .filter(|o| !ours.contains(o.nickname.as_str()))
                .map(|o| Difference::NoUserBehind(o.nickname.clone())),
        );
        let has_occupant = |leg: &LegView| {
            let member = self.memberships.iter().find(|m| Some(m.id) == leg.membership);
            member.is_some_and(|m| inside(&m))
        };
        let stands = self.legs.iter().filter(|leg| leg.call == CallState::Answered);
        found.extend(stands.filter(|leg| !has_occupant(leg)).map(|leg| Difference::LegWithoutOccupant(leg.id)));
        let idle = self.memberships.iter().filter(inside).filter(|m| m.legs.is_empty());
        found.extend(idle.filter_map(|m| m.nickname.clone()).map(Difference::OccupantWithoutLeg));
        found
    }
}

impl Room {
    /// How much there is in the room.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            occupants: self.roster.occupants().len(),
            memberships: self.members.len(),
            legs: self.legs.len(),
            subscriptions: self.watches.len(),
            unreachable: self.roster.about().unreachable,
        }
    }

    /// The room as it is. Costs a copy of the roster.
    #[must_use]
    pub fn view(&self) -> RoomView {
        let occupant = |(nickname, occupant): (&str, &crate::roster::Occupant)| OccupantView {
            nickname: nickname.to_string(),
            role: occupant.role,
            affiliation: occupant.affiliation,
            dialed_in: occupant.dialed_in.as_ref().map(|joined| joined.since),
        };
        RoomView {
            uri: self.legs.values().next().map(|p| p.leg.dial().room.uri.clone()),
            summary: self.summary(),
            occupants: self.roster.occupants().map(occupant).collect(),
            memberships: self.members.iter().map(|(id, member)| self.membership_view(*id, member)).collect(),
            legs: self.legs.iter().map(|(id, participant)| self.view_of(*id, participant)).collect(),
            at_rest: self.is_at_rest(),
        }
    }

    /// One leg as it is, and the membership that it belongs to.
    #[must_use]
    pub fn leg_view(&self, leg: LegId) -> Option<(LegView, Option<MembershipView>)> {
        let leg = self.view_of(leg, self.legs.get(&leg)?);
        let member = leg.membership.and_then(|id| Some(self.membership_view(id, self.members.get(&id)?)));
        Some((leg, member))
    }

    /// The legs of a membership.
    #[must_use]
    pub fn legs_of(&self, member: MembershipId) -> &[LegId] {
        self.members.get(&member).map_or(&[], |member| member.legs.as_slice())
    }

    fn membership_view(&self, id: MembershipId, member: &Member) -> MembershipView {
        let machine = &member.membership;
        let phase = match () {
            () if machine.is_inside() => Phase::Inside,
            () if machine.is_returning() => Phase::Returning,
            () if machine.is_connecting() => Phase::Connecting,
            () => Phase::Entering,
        };
        let was_called = || (phase == Phase::Returning).then(|| member.called.clone());
        MembershipView {
            id,
            account: member.account.clone(),
            user: member.caller.clone(),
            phase,
            nickname: machine.nickname().map(ToString::to_string).or_else(was_called),
            is_observer: self.observer.eyes() == Some(id),
            legs: member.legs.clone(),
        }
    }

    fn view_of(&self, id: LegId, participant: &Participant) -> LegView {
        let leg = &participant.leg;
        let call = match () {
            () if leg.is_ringing() => CallState::Ringing,
            () if leg.is_answered() => CallState::Answered,
            () => CallState::Ending,
        };
        LegView {
            id,
            user: leg.dial().caller.clone(),
            call_id: leg.dial().call_id.clone(),
            call,
            msrp: leg.link(),
            ends_at: self.timers.at(&Timer::LostLeg(id)),
            membership: participant.member,
        }
    }

    fn is_at_rest(&self) -> bool {
        let nobody_is_inside = !self.members.values().any(|m| m.membership.is_inside());
        (nobody_is_inside || self.observer.is_settled())
            && self.doubt.is_none()
            && self.members.values().all(|m| m.membership.is_inside())
            && !self.legs.values().any(|p| p.leg.is_ringing())
    }
}
