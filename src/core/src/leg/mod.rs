//! One SIP dialog and its MSRP session, of one SIP user in one room.
//!
//! The leg knows its call and its session and nothing of the MUC: the room tells it when to answer, what to deliver and when
//! to end. It owes an answer for every message that it took in; a message is named by a [`Ticket`] until its fate is known.

mod agreeing;
mod answers;
pub mod call;
mod connection;
mod delivery;
mod negotiation;
mod peer;
mod turns;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use self::answers::Answers;
use self::call::{CallCommand, Refusal};
use self::connection::Reconnects;
use self::peer::{Held, Peer};
use self::turns::Turns;
use crate::address::mapping::RoomMatch;
use crate::address::sip_uri::SipUri;
use crate::env::Env;
use crate::msrp::content::Content;
use crate::msrp::limits::Limits;
use crate::msrp::post::Post;
use crate::msrp::session::{self, Link, PeerFault, Received, Session};
use crate::msrp::transmitter::Outcome;
use crate::time::Instant;
use crate::wire::msrp::encode::WireFrame;
use crate::wire::sdp::Offer;

pub use self::answers::MAX_UNDECIDED_NICKNAMES;
pub use self::connection::{Expectation, MsrpAddresses, MsrpPlace, Target};
pub use self::negotiation::Capabilities;
pub use self::turns::Utterance;
pub use crate::msrp::session::Delivery;

/// Names a leg within its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

/// Names a message of a leg until its fate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// When to try again where this node is about to be away, in seconds. Without it a caller has to take a 503 for a 500 (RFC 3261
/// §21.5.4).
const RETRY_AFTER: u32 = 30;

/// What RFC 6714 and RFC 4572 leave to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// An offer without `a=msrp-cema` whose `c=` and `m=` lines lead elsewhere than its path is refused (CEMA-03). Otherwise the path
    /// counts.
    pub cema_strict: bool,
    /// Fingerprints by SHA-1 will do (MS-TLS-02).
    pub sha1_fingerprints: bool,
}

/// What a call brings along.
#[derive(Debug, Clone)]
pub struct Dial {
    /// Who calls, verified: scheme, user and host only.
    pub caller: SipUri,
    /// Call-ID, for the log.
    pub call_id: String,
    /// The room as its rule maps it.
    pub room: RoomMatch,
    /// The SDP offer; empty when the INVITE has none, and waits for ours (MS-SDP-08).
    pub offer: Bytes,
    /// Where our end of the MSRP session is.
    pub msrp: MsrpAddresses,
    /// What its MSRP session may cost.
    pub limits: Limits,
    /// What the operator leaves open.
    pub policy: Policy,
}

/// One leg.
#[derive(Debug)]
pub struct Leg {
    dial: Dial,
    peer: Peer,
    /// Whether we make the MSRP connection: where the caller cannot (ACM-04).
    active: bool,
    reconnects: Reconnects,
    state: State,
    answers: Answers,
    turns: Turns,
}

#[derive(Debug)]
enum State {
    /// Nothing final has been said.
    Ringing,
    /// 200 was sent.
    Answered(Box<Answered>),
    /// Refused, or BYE sent or received.
    Over,
}

/// Our half of the call.
#[derive(Debug)]
struct Answered {
    session: Session,
    /// The SDP that we said last.
    sdp: Bytes,
    /// Session id and version of its `o=` line.
    origin: (u64, u64),
    pending: Pending,
}

/// What the ACK of our last 2xx brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// Nothing that would matter.
    Nothing,
    /// The certainty that the caller has our answer, upon which we connect.
    Connection,
    /// The answer to our offer.
    Answer,
}

/// What a leg wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// To be said to the call.
    Call(CallCommand),
    /// The call is ours: an INVITE with this offer.
    Invite(Bytes),
    /// From now on connections that are as expected may bind to this session-id.
    OpenSession(String, Expectation),
    /// We are the active side: connect there.
    Connect(Target),
    /// The caller connected before it was known what he takes, which it now is: the session is bound from here on.
    BoundBefore,
    /// The caller's answer to our offer leaves nothing in common, for this reason: the call is to end.
    NoAgreement(String),
    /// A response or a report, to be written to the session's connection before all messages.
    Transmit(WireFrame),
    /// A message, to be written to the session's connection.
    Send(Post),
    /// A message that was sent has not arrived.
    Failed(Delivery),
    /// The session moves: what was sent on its connection and not answered is to come back ([`Leg::returned`]).
    TakeBack,
    /// The session is over; its connection may go.
    CloseSession(String),
    /// A message came in.
    Received(Ticket, Box<Received>),
    /// The caller wants this nickname, already in the form of RFC 8266, or gives back the one that he has. The answer is
    /// [`Leg::conclude_nickname`].
    Nickname(Ticket, Option<String>),
    /// The caller takes messages again; so many were lost on him, before all that is sent now.
    Missed(usize),
    /// The caller took the MSRP stream away, while the call goes on. An offer that brings it back opens a new session.
    SessionRemoved,
    /// A SEND that was taken in (see [`Frame::ends_a_send`](crate::wire::msrp::frame::Frame::ends_a_send)) is done with.
    Credit,
    /// The peer did something wrong.
    Peer(PeerFault),
    /// The peer ended the session by this response code (RFC 4975 §10.8).
    SessionRefused(u16),
}

impl Leg {
    /// A leg for this call.
    ///
    /// # Errors
    ///
    /// 488 when the offer holds no MSRP session that we can have (GC-JOIN-02, GC-JOIN-04).
    pub fn new(dial: Dial) -> Result<Self, Refusal> {
        let (peer, active) = if dial.offer.is_empty() {
            agreeing::carrier_to_offer(&dial)?;
            (Peer::Silent(Held::new(&dial.limits)), false)
        } else {
            let offer = negotiation::usable(Offer::parse(&dial.offer, &negotiation::conditions(&dial)))?;
            let active = offer.makes_us_active(false);
            (Peer::Known(Box::new(offer)), active)
        };
        let (reconnects, state) = (Reconnects::default(), State::Ringing);
        let (answers, turns) = (Answers::default(), Turns::default());
        Ok(Self { dial, peer, active, reconnects, state, answers, turns })
    }

    /// What the call brought along.
    #[must_use]
    pub const fn dial(&self) -> &Dial {
        &self.dial
    }

    /// Whether nothing final has been said yet.
    #[must_use]
    pub const fn is_ringing(&self) -> bool {
        matches!(self.state, State::Ringing)
    }

    /// Whether the call was answered and is not over.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        matches!(self.state, State::Answered(_))
    }

    /// Where the MSRP connection stands, while the call does.
    #[must_use]
    pub const fn link(&self) -> Option<Link> {
        match &self.state {
            State::Answered(answered) => Some(answered.session.link()),
            State::Ringing | State::Over => None,
        }
    }

    /// Whether we have made the MSRP connection, and nobody has said anything on it.
    pub(crate) fn awaits_the_first_word(&self) -> bool {
        matches!(&self.state, State::Answered(answered) if answered.session.link() == Link::Unheard)
    }

    /// Refuses the call.
    pub fn reject(&mut self, refusal: Refusal, out: &mut Vec<Event>) {
        if self.is_ringing() {
            self.state = State::Over;
            out.push(Event::Call(CallCommand::Reject(refusal)));
        }
    }

    /// The caller has our last answer for certain: its ACK came, or it went out as the response to an UPDATE, which has none. As
    /// the active side we connect now and not earlier.
    ///
    /// An ACK that had to bring an answer and has none ends a call that had nothing else to go by; within a call it says that
    /// all stays as it was.
    pub fn confirmed(&mut self, out: &mut Vec<Event>) {
        let State::Answered(answered) = &mut self.state else { return };
        match (core::mem::replace(&mut answered.pending, Pending::Nothing), &self.peer) {
            (Pending::Connection, Peer::Known(known)) => {
                answered.session.dialled();
                let target = self.target(known);
                out.push(Event::Connect(target));
            }
            (Pending::Answer, Peer::Silent(_)) => agreeing::no_agreement("there is none", out),
            (Pending::Answer, Peer::Known(_)) => self.connect_if_active(out),
            (Pending::Nothing | Pending::Connection, _) => {}
        }
    }

    /// Whether our first offer is out, and nothing is known of the caller's side.
    pub(crate) const fn awaits_the_first_answer(&self) -> bool {
        matches!((&self.peer, &self.state), (Peer::Silent(_), State::Answered(_)))
    }

    /// A connection is bound to the session.
    pub fn bound(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        if let Peer::Silent(held) = &mut self.peer {
            held.is_bound = true;
            return;
        }
        self.with_session(env, out, |session, env, events| session.bound(env, events));
    }

    /// The session's connection is gone; `unsent` is what was written to it and not answered, in order.
    pub fn connection_lost(&mut self, unsent: Vec<Arc<Content>>) {
        if let Peer::Silent(held) = &mut self.peer {
            held.is_bound = false;
        }
        if let State::Answered(answered) = &mut self.state {
            answered.session.lost(unsent);
        }
    }

    /// Octets that all legs together have left for unfinished messages (SW-10).
    pub const fn grant(&mut self, spare: usize) {
        if let State::Answered(answered) = &mut self.state {
            answered.session.grant(spare);
        }
    }

    /// Octets of memory that unfinished messages of the caller hold.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        match &self.state {
            State::Answered(answered) => answered.session.unfinished(),
            State::Ringing | State::Over => 0,
        }
    }

    /// What [`Event::TakeBack`] has brought, in order.
    pub fn returned(&mut self, env: &mut Env<'_>, unsent: Vec<Arc<Content>>, out: &mut Vec<Event>) {
        self.with_session(env, out, |session, env, events| session.returned(env, unsent, events));
    }

    /// What became of a message that was sent.
    pub fn concluded(&mut self, env: &mut Env<'_>, outcome: &Outcome, out: &mut Vec<Event>) {
        self.with_session(env, out, |session, env, events| session.concluded(env, outcome, events));
    }

    /// Does something with the session, and turns what it wants into what the leg wants.
    pub fn with_session(
        &mut self,
        env: &mut Env<'_>,
        out: &mut Vec<Event>,
        act: impl FnOnce(&mut Session, &mut Env<'_>, &mut Vec<session::Event>),
    ) {
        let State::Answered(answered) = &mut self.state else { return };
        let mut events = Vec::with_capacity(1); // nearly always it is one
        act(&mut answered.session, env, &mut events);
        for event in events {
            let event = match event {
                session::Event::Transmit(frame) => Event::Transmit(frame),
                session::Event::Send(post) => Event::Send(post),
                session::Event::Failed(delivery) => Event::Failed(delivery),
                session::Event::Peer(fault) => Event::Peer(fault),
                session::Event::Refused(code) => Event::SessionRefused(code),
                session::Event::Missed(messages) => Event::Missed(messages),
                session::Event::Received(received) => Event::Received(self.answers.owe(&received.reply), received),
                session::Event::Nickname(request) if self.answers.takes_nicknames() => {
                    Event::Nickname(self.answers.owe_nickname(request.reply), request.wanted)
                }
                session::Event::Nickname(request) => {
                    answers::refuse_nickname(&answered.session, &request.reply, out);
                    Event::Peer(PeerFault::TooManyNicknames)
                }
            };
            out.push(event);
        }
    }

    /// When [`Leg::take_turn`] or [`Leg::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let session = match &self.state {
            State::Answered(answered) => answered.session.next_timeout(),
            State::Ringing | State::Over => None,
        };
        self.turns.next().into_iter().chain(session).min()
    }

    /// Lets the session give up what waited too long.
    pub fn handle_timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        self.with_session(env, out, |session, env, events| session.handle_timeout(env, events));
    }

    /// Ends the call with a BYE, or refuses it when nothing final has been said.
    pub fn hang_up(&mut self, cause: u16, text: String, out: &mut Vec<Event>) {
        if self.is_ringing() {
            let code = if (300..700).contains(&cause) { cause } else { 480 };
            let refusal = Refusal { retry_after: (code == 503).then_some(RETRY_AFTER), ..Refusal::new(code, text) };
            return self.reject(refusal, out);
        }
        if self.is_answered() {
            out.push(Event::Call(CallCommand::Bye { cause, text }));
        }
        self.over(out);
    }

    /// The call is over and nothing needs to be said.
    pub fn over(&mut self, out: &mut Vec<Event>) {
        if let State::Answered(answered) = core::mem::replace(&mut self.state, State::Over) {
            out.extend(answered.closing());
        }
        self.answers.clear();
        self.turns = Turns::default();
    }
}
