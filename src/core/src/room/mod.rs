//! One MUC that is mirrored. The room composes memberships, legs and the switch; what it does itself is to know which leg
//! belongs to which membership, and to keep time.
//!
//! The MUC is the only serialiser: what a SIP user says goes to the MUC and nowhere else, and every leg is told what its own
//! occupant hears.

mod ending;
pub mod io;
mod joining;
mod talking;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use jid::BareJid;

use self::io::{EndCause, Input, MembershipId, Output, Trace};
use crate::address::mapping::RoomRules;
use crate::address::sip_uri::SipUri;
use crate::env::Env;
use crate::leg::{self, Leg, LegId, Ticket};
use crate::muc::{self, Membership};
use crate::time::Instant;
use crate::timers::Timers;

/// What a room is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The MUC.
    pub muc: BareJid,
    /// All mapping rules, for the spellings of room names.
    pub rules: Arc<RoomRules>,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// INVITE to final response.
    pub join: Duration,
    /// A message to its reflection.
    pub reflection: Duration,
    /// No MSRP connection to leaving the room.
    pub lost_leg: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { join: Duration::from_secs(15), reflection: Duration::from_secs(25), lost_leg: Duration::from_secs(45) }
    }
}

/// The timers of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The caller still waits: another provisional response (RFC 3261 §13.3.1.1).
    Progress(LegId),
    /// The caller has waited long enough.
    Join(LegId),
    /// The session has been without a connection for long enough.
    LostLeg(LegId),
    /// Something that the leg itself keeps time for.
    Leg(LegId),
    /// Something that the membership keeps time for.
    Membership(MembershipId),
}

/// Names a message in the MUC until its fate is known.
type Said = (LegId, Ticket);

/// An account's place in the MUC, and the legs that share it.
#[derive(Debug)]
struct Member {
    account: BareJid,
    caller: SipUri,
    membership: Membership<Said>,
    legs: Vec<LegId>,
}

/// A leg and the membership that it belongs to, while it does.
#[derive(Debug)]
struct Participant {
    leg: Leg,
    member: Option<MembershipId>,
}

/// When a frame came in, and when its sender may speak.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: Instant,
    turn: Option<Instant>,
}

/// One room.
#[derive(Debug)]
pub struct Room {
    settings: Settings,
    legs: BTreeMap<LegId, Participant>,
    members: BTreeMap<MembershipId, Member>,
    last_member: u64,
    timers: Timers<Timer>,
    /// Of the frame in hand; set only while it is being handled.
    arrival: Option<Arrival>,
    out: VecDeque<Output>,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            legs: BTreeMap::new(),
            members: BTreeMap::new(),
            last_member: 0,
            timers: Timers::new(),
            arrival: None,
            out: VecDeque::new(),
        }
    }

    /// Takes an input. [`Room::poll`] has to be drained afterwards.
    pub fn handle(&mut self, env: &mut Env<'_>, input: Input) {
        match input {
            Input::Dial { leg, account, nickname, dial } => self.dialled(env, leg, account, nickname, dial),
            Input::Cancelled(leg) => self.cancelled(env, leg),
            Input::Confirmed(leg) => self.with_leg(env, leg, |leg, _, out| leg.confirmed(out)),
            Input::Reoffered(leg, offer) => self.with_leg(env, leg, |leg, _, out| leg.reoffered(&offer, out)),
            Input::CallEnded(leg, end) => self.call_ended(env, leg, end),
            Input::Bound(leg) => self.session_bound(env, leg),
            Input::Frame { leg, frame, arrived, turn } => {
                self.heard_from_leg(env, leg, frame, Arrival { at: arrived, turn });
            }
            Input::BadFrame(leg, bad) => self.with_leg(env, leg, |leg, env, out| {
                leg.with_session(env, out, |session, _, events| session.receive_bad(&bad, events));
            }),
            Input::SessionLost { leg, why, ago } => self.session_lost(env, leg, why, ago),
            Input::SessionStalled(leg) => {
                self.end_leg(env, leg, EndCause::TooSlow, "The client does not read its MSRP connection");
            }
            Input::StreamReady(member, _) => self.with_member(env, member, |m, env, out| m.stream_ready(env, out)),
            Input::Stanza(member, stanza) => {
                self.with_member(env, member, |m, env, out| m.receive(env, stanza, out));
            }
            Input::Unsendable { membership, id } => {
                self.with_member(env, membership, |m, _, out| m.unsendable(&id, out));
            }
            Input::StreamEnded(member, end) => {
                self.with_member(env, member, |m, _, out| m.stream_ended(end, out));
            }
            Input::Drain => self.drain(env),
        }
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Room::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due. [`Room::poll`] has to be drained afterwards.
    pub fn handle_timeout(&mut self, env: &mut Env<'_>) {
        while let Some(timer) = self.timers.pop(env.now) {
            match timer {
                Timer::Progress(leg) => self.still_joining(env, leg),
                Timer::Join(leg) => self.join_timed_out(env, leg),
                Timer::LostLeg(leg) => self.end_leg(env, leg, EndCause::MsrpLost, "No MSRP connection"),
                Timer::Leg(leg) => self.leg_timeout(env, leg),
                Timer::Membership(member) => {
                    let now = env.now;
                    self.with_member(env, member, |m, _, out| m.handle_timeout(now, out));
                }
            }
        }
    }

    /// The MUC that is mirrored.
    #[must_use]
    pub const fn muc(&self) -> &BareJid {
        &self.settings.muc
    }

    /// Whether the room has nothing left to do and may be dropped.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.legs.is_empty() && self.members.is_empty() && self.out.is_empty()
    }

    fn trace(&mut self, leg: LegId, trace: Trace) {
        self.out.push_back(Output::Trace(leg, trace));
    }

    /// Lets a leg do something, and carries out what it wants.
    fn with_leg(
        &mut self,
        env: &mut Env<'_>,
        id: LegId,
        act: impl FnOnce(&mut Leg, &mut Env<'_>, &mut Vec<leg::Event>),
    ) {
        let Some(participant) = self.legs.get_mut(&id) else { return };
        let mut events = Vec::new();
        act(&mut participant.leg, env, &mut events);
        for event in events {
            match event {
                leg::Event::Call(command) => self.out.push_back(Output::Call(id, command)),
                leg::Event::OpenSession(session) => self.out.push_back(Output::OpenSession(id, session)),
                leg::Event::Connect(path) => self.out.push_back(Output::Connect(id, path)),
                leg::Event::Transmit(frame) => self.out.push_back(Output::Transmit(id, frame)),
                leg::Event::CloseSession(session) => self.out.push_back(Output::CloseSession(id, session)),
                leg::Event::Credit => self.out.push_back(Output::Credit(id)),
                leg::Event::Peer(fault) => self.trace(id, Trace::PeerFault(fault)),
                leg::Event::Received(ticket, received) => self.received(env, id, ticket, &received),
                leg::Event::SessionRefused(code) => {
                    let why = alloc::format!("The client says that its MSRP session is over ({code})");
                    self.end_leg(env, id, EndCause::MsrpLost, &why);
                }
            }
        }
        self.rearm_leg(id);
    }

    /// Lets a membership do something, and carries out what it wants.
    fn with_member(
        &mut self,
        env: &mut Env<'_>,
        id: MembershipId,
        act: impl FnOnce(&mut Membership<Said>, &mut Env<'_>, &mut Vec<muc::Event<Said>>),
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let mut events = Vec::new();
        act(&mut member.membership, env, &mut events);
        for event in events {
            match event {
                muc::Event::Send(stanza) => self.out.push_back(Output::Stanza(id, stanza)),
                muc::Event::Entered => self.entered(env, id),
                muc::Event::Refused(refusal) => self.join_refused(env, id, &refusal),
                muc::Event::Removed(removal) => self.removed(env, id, &removal),
                muc::Event::Concluded(said, result) => self.concluded(env, said, result),
                muc::Event::Overdue(said) => self.overdue(env, said),
                muc::Event::Heard(heard) => self.heard_from_room(env, id, &heard),
            }
        }
        self.rearm_member(id);
    }

    fn rearm_leg(&mut self, id: LegId) {
        match self.legs.get(&id).and_then(|p| p.leg.next_timeout()) {
            Some(at) => self.timers.set(Timer::Leg(id), at),
            None => self.timers.clear(Timer::Leg(id)),
        }
    }

    fn rearm_member(&mut self, id: MembershipId) {
        match self.members.get(&id).and_then(|m| m.membership.next_timeout()) {
            Some(at) => self.timers.set(Timer::Membership(id), at),
            None => self.timers.clear(Timer::Membership(id)),
        }
    }
}
