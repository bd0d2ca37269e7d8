//! One MUC that is mirrored. The room composes memberships, legs, the roster, its subscriptions and the switch; what it does
//! itself is to know which leg belongs to which membership, and to keep time.
//!
//! The MUC is the only serialiser: what a SIP user says goes to the MUC and nowhere else, and every leg is told what its own
//! occupant hears. One of the memberships is the observer whose view is the roster of all.

pub mod calling;
mod ending;
mod events;
mod hearing;
mod held;
mod identities;
mod index;
pub mod inviting;
pub mod io;
mod joining;
mod lookalikes;
mod naming;
mod noticing;
mod observing;
mod outage;
mod receipts;
pub mod referral;
pub mod removing;
pub mod ring;
mod talking;
mod typing;
pub mod view;
mod voice;
mod watching;
mod whispers;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use jid::BareJid;

use self::calling::Calling;
use self::identities::Identities;
use self::index::Index;
use self::io::{AccountKey, EndCause, Input, MembershipId, Output, Trace, Watch};
use self::lookalikes::Lookalikes;
use self::receipts::Receipts;
use self::referral::ReferralId;
use self::ring::{Known, Position, Renderings, Ring};
use self::talking::Recent;
use self::whispers::Whispers;
use crate::address::mapping::RoomRules;
use crate::address::sip_uri::SipUri;
use crate::composing::{Confidants, Typing, Typists};
use crate::conference::{Conference, SubscriptionId};
use crate::env::Env;
use crate::leg::{self, Leg, LegId, Ticket};
use crate::muc::{self, Membership};
use crate::roster::{How, Joined, Observer, Roster};
use crate::setbacks::Setbacks;
use crate::stanza::{Affiliation, Role};
use crate::time::{Instant, WallClock};
use crate::timers::Timers;
use crate::xmpp_stream::framing::Framed;
use crate::xmpp_stream::interest::Interest;

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
    /// The MUC out of reach to the end of its legs.
    pub muc_outage: Duration,
    /// Nothing heard of the MUC to asking it whether one is still in it.
    pub self_ping: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            join: Duration::from_secs(15),
            reflection: Duration::from_secs(25),
            lost_leg: Duration::from_secs(45),
            muc_outage: Duration::from_secs(120),
            self_ping: Duration::from_secs(900),
        }
    }
}

/// The timers of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The caller still waits: another provisional response (RFC 3261 §13.3.1.1).
    Progress(LegId),
    /// The caller has waited long enough.
    Join(LegId),
    /// The phone has rung for long enough.
    Ringing(LegId),
    /// The session has been without a connection for long enough.
    LostLeg(LegId),
    /// Something that the leg itself keeps time for.
    Leg(LegId),
    /// Something that the membership keeps time for.
    Membership(MembershipId),
    /// Its stream is tried once more.
    Reattach(MembershipId),
    /// The connection of its stream has been gone for so long that others notice.
    Suspended(MembershipId),
    /// The client had time enough to subscribe: if it has not, its user is told what he is called.
    Introduction(LegId),
    /// Nobody observes the room, or one has for long enough.
    Observer,
    /// Somebody spoke whom the observer had not seen.
    Doubt,
    /// Somebody heard what the observer had not heard.
    Lag,
    /// Something that the subscriptions keep time for.
    Conference,
    /// Somebody who types has been silent for long enough.
    Composing,
    /// Something that was said has been heard by everybody who will.
    Ring,
}

/// Names what is under way in the MUC until its fate is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// A message.
    Message(LegId, Ticket),
    /// A subject.
    Subject(LegId, Ticket),
    /// A private message, and its From and To.
    Private(LegId, Ticket, Bytes),
    /// A request to be let speak.
    Voice(LegId, Ticket),
    /// A nickname.
    Nickname(LegId, Ticket),
    /// An invitation.
    Invitation(ReferralId),
    /// A removal.
    Removal(ReferralId),
}

/// An account's place in the MUC, and the legs that share it.
#[derive(Debug)]
struct Member {
    account: AccountKey,
    caller: SipUri,
    membership: Membership<Said>,
    legs: Vec<LegId>,
    /// Whether its stream is there or asked for.
    is_attached: bool,
    /// What it may do in the room; `None` until it is told, and on the way back in.
    standing: Option<(Role, Affiliation)>,
    /// Whether the room was made for its user, and ends with him.
    ad_hoc: bool,
    /// How its user came.
    how: How,
    /// When it entered.
    since: Option<WallClock>,
    /// The nickname to go back to (GC-NICK-10), which was asked for at first.
    first_nickname: String,
    /// The nickname that it entered with last.
    called: String,
    /// What was said lately, so that a message that comes twice is said once (GC-MSG-13).
    recent: Recent,
    /// Which messages somebody wants to hear more of.
    receipts: Receipts,
    /// Private messages that may come back to their authors yet.
    whispers: Whispers,
    /// What it heard last of what everybody is told.
    position: Position,
    /// When that was.
    heard_at: Instant,
    /// What it is typing, as the room was told.
    composing: Typing,
    /// Whom it tells that it types to him alone.
    confidants: Confidants,
    /// Who types to it alone, as its legs are told.
    whisperers: Typists,
    /// Streams that failed, or led into the room for a moment only, in a row.
    setbacks: Setbacks,
    /// The nickname by which it is found.
    found_as: Option<String>,
    /// What its stream was told to hand on.
    interest: Interest,
    /// Since when it has been out of the room, while it is.
    lost_at: Option<Instant>,
    /// How long it was, until it has caught up.
    away: Option<Duration>,
    /// When the next change of nickname would be due if they came no faster than they may.
    next_name: Instant,
}

impl Member {
    /// How and when it entered, if it does not enter just `now`.
    fn joined(&self, now: WallClock) -> Joined {
        Joined { since: self.since.unwrap_or(now), how: self.how.clone() }
    }
}

/// A leg and the membership that it belongs to, while it does.
#[derive(Debug)]
struct Participant {
    leg: Leg,
    member: Option<MembershipId>,
    /// Whether its client has been connected once, and its user told what he has to know.
    is_introduced: bool,
    /// Whether the last connection that there was for its session had the wrong certificate.
    is_misfit: bool,
}

impl Participant {
    fn new(leg: Leg, member: Option<MembershipId>) -> Box<Self> {
        Box::new(Self { leg, member, is_introduced: false, is_misfit: false })
    }
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
    // In boxes: a node of the tree has places for eleven, half of which stay empty.
    legs: BTreeMap<LegId, Box<Participant>>,
    /// Legs that we call, until they are in the room.
    calls: BTreeMap<LegId, Calling>,
    members: BTreeMap<MembershipId, Box<Member>>,
    index: Index,
    last_member: u64,
    roster: Roster,
    observer: Observer<MembershipId>,
    /// Who spoke and was not on the list, and who heard him.
    doubt: Option<(String, MembershipId)>,
    /// When somebody heard something that the observer should have heard too, and who.
    lag: Option<(Instant, MembershipId)>,
    /// When the roster was last what the room told its observer of everybody.
    named_at: Instant,
    /// When it was last asked to, by who was inside.
    asked_at: Instant,
    /// What was said lately.
    ring: Ring,
    /// Whether the MUC announces that it gives its messages ids of its own (XEP-0359 §5).
    gives_ids: bool,
    /// Whether it announces an archive of them (XEP-0313 §3).
    has_archive: bool,
    /// Who is who, whatever he is called.
    identities: Identities,
    /// Of whom people were warned.
    lookalikes: Lookalikes,
    conference: Conference,
    watches: BTreeMap<SubscriptionId, Watch>,
    /// Revision and completeness of the roster that the watchers were told of last.
    published: (u64, bool),
    /// Whether somebody of ours came in or left since.
    moved: bool,
    /// Who of the room is typing, as the legs are told.
    composing: Typists,
    timers: Timers<Timer>,
    /// Of the frame in hand; set only while it is being handled.
    arrival: Option<Arrival>,
    out: VecDeque<Output>,
    /// Where legs and memberships put what they want while it is not carried out; empty in between, and kept for the next.
    leg_events: Vec<leg::Event>,
    member_events: Vec<muc::Event<Said>>,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            members: BTreeMap::new(),
            index: Index::default(),
            last_member: 0,
            roster: Roster::default(),
            observer: Observer::default(),
            doubt: None,
            lag: None,
            named_at: Instant::ZERO,
            asked_at: Instant::ZERO,
            ring: Ring::default(),
            gives_ids: false,
            has_archive: false,
            identities: Identities::default(),
            lookalikes: Lookalikes::default(),
            conference: Conference::new(),
            watches: BTreeMap::new(),
            published: (0, false),
            moved: false,
            composing: Typists::new(),
            timers: Timers::new(),
            arrival: None,
            out: VecDeque::new(),
            leg_events: Vec::new(),
            member_events: Vec::new(),
        }
    }

    /// Takes an input. [`Room::poll`] has to be drained afterwards.
    pub fn handle(&mut self, env: &mut Env<'_>, input: Input) {
        match input {
            Input::Dial { leg, account, nickname, dial } => self.dialled(env, leg, account, nickname, *dial),
            Input::Cancelled(leg) => self.cancelled(env, leg),
            Input::Ringing { leg, code, phrase } => self.rings(leg, code, phrase),
            Input::Confirmed(leg) => self.answered(env, leg, |leg, _, out| leg.confirmed(out)),
            Input::Answered(leg, answer) => self.answered(env, leg, |leg, env, out| leg.answered(env, &answer, out)),
            Input::Reoffered(leg, offer) => self.with_leg(env, leg, |leg, env, out| leg.reoffered(env, &offer, out)),
            Input::CallEnded(leg, end) => self.call_ended(env, leg, end),
            Input::Bound(leg) => self.session_bound(env, leg),
            Input::Frame { leg, frame, arrived, turn } => {
                self.heard_from_leg(env, leg, *frame, Arrival { at: arrived, turn });
            }
            Input::BadFrame(leg, bad) => self.with_leg(env, leg, |leg, env, out| {
                leg.with_session(env, out, |session, _, events| session.receive_bad(&bad, events));
            }),
            Input::SessionLost { leg, why, ago, unsent } => self.session_lost(env, leg, why, ago, unsent),
            Input::SessionMisfit(leg) => self.session_misfit(leg),
            Input::Concluded(leg, outcome) => self.delivered(env, leg, &outcome),
            Input::Returned(leg, unsent) => self.with_leg(env, leg, |leg, env, out| leg.returned(env, unsent, out)),
            Input::SessionStalled(leg) => {
                self.end_leg(env, leg, EndCause::TooSlow, "The client does not read its MSRP connection");
            }
            Input::StreamReady(member, _) => self.stream_ready(env, member),
            Input::Stanza(member, raw, stanza) => self.stanza(env, member, raw, *stanza),
            Input::Again(member, known) => self.heard_again(env, member, &known),
            Input::Unsendable { membership, id } => {
                self.with_member(env, membership, |m, _, out| m.unsendable(&id, out));
            }
            Input::StreamSuspended(member, why) => self.stream_suspended(env, member, why),
            Input::StreamResumed { membership, unhandled } => self.stream_resumed(env, membership, &unhandled),
            Input::StreamReset { membership, why, unhandled } => self.stream_reset(env, membership, why, &unhandled),
            Input::StreamEnded(member, end) => self.stream_ended(env, member, end),
            Input::Subscribe { subscription, watch } => self.subscribed(env, subscription, *watch),
            Input::Refreshed { subscription, expires, interval } => {
                self.refreshed(env, subscription, expires, interval)
            }
            Input::Wished { subscription, interval } => self.wished(env, subscription, interval),
            Input::Notified(id, outcome) => self.notified(env, id, outcome),
            Input::SubscriptionEnded(id) => self.subscription_ended(env, id),
            Input::Refer { id, referral } => self.referred(env, id, *referral),
            Input::Invited { id, outgoing } => self.invited(env, id, outgoing),
            Input::Reconfigured { rules, timeouts } => {
                (self.settings.rules, self.settings.timeouts) = (rules, timeouts);
            }
            Input::Kick(leg) => self.kicked(env, leg),
            Input::Drain(why) => self.drain(env, why),
        }
        self.publish(env);
    }

    /// What a stanza says that was sent to `member`, where it is its copy of a message that another membership has heard. Then it
    /// need not be parsed: [`Input::Again`] takes the place of [`Input::Stanza`].
    #[must_use]
    pub fn recall(&self, member: MembershipId, raw: &Framed) -> Option<Known> {
        self.ring.recall(self.members.get(&member)?.position, raw)
    }

    /// How often messages were rendered since this was asked last.
    pub fn take_renderings(&mut self) -> Renderings {
        self.ring.take_renderings()
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
                Timer::Ringing(leg) => self.rang_in_vain(env, leg),
                Timer::LostLeg(leg) => self.end_leg(env, leg, EndCause::MsrpLost, self.why_unconnected(leg)),
                Timer::Leg(leg) => self.leg_timeout(env, leg),
                Timer::Membership(member) => self.with_member(env, member, Membership::handle_timeout),
                Timer::Reattach(member) => self.reattach(member),
                Timer::Suspended(member) => self.goes_dark(env, member),
                Timer::Introduction(leg) => self.introduce(env, leg),
                Timer::Observer => self.observe(env),
                Timer::Doubt => self.resolve_doubt(env),
                Timer::Lag => self.resolve_lag(env),
                Timer::Conference => self.conference_timeout(env),
                Timer::Composing => self.composing_timeout(env),
                Timer::Ring => self.forget_old_messages(env),
            }
        }
        self.publish(env);
    }

    /// Octets that all legs of this process together have left for unfinished messages, as far as the frames of this one go that
    /// come next.
    pub fn grant(&mut self, leg: LegId, spare: usize) {
        if let Some(participant) = self.legs.get_mut(&leg) {
            participant.leg.grant(spare);
        }
    }

    /// Octets of memory that unfinished messages of a leg hold.
    #[must_use]
    pub fn unfinished(&self, leg: LegId) -> usize {
        self.legs.get(&leg).map_or(0, |participant| participant.leg.unfinished())
    }

    /// The MUC that is mirrored.
    #[must_use]
    pub const fn muc(&self) -> &BareJid {
        &self.settings.muc
    }

    /// Whether the room has nothing left to do and may be dropped.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.legs.is_empty() && self.members.is_empty() && self.conference.is_empty() && self.out.is_empty()
    }

    fn trace(&mut self, leg: LegId, trace: Trace) {
        self.out.push_back(Output::Trace(leg, trace));
    }
}
