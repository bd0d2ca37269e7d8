//! One SIP dialog and its MSRP session, of one SIP user in one room.
//!
//! The leg knows its call and its session and nothing of the MUC: the room tells it when to answer, what to deliver and when
//! to end. It owes an answer for every message that it took in; a message is named by a [`Ticket`] until its fate is known.

pub mod call;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use self::call::{CallCommand, Refusal};
use crate::address::mapping::RoomMatch;
use crate::address::sip_uri::SipUri;
use crate::env::Env;
use crate::msrp::session::{self, Overflow, PeerFault, Received, Reply, Session, Verdict};
use crate::time::Instant;
use crate::translate::phrases;
use crate::wire::msrp::MAX_LINE;
use crate::wire::msrp::encode::WireFrame;
use crate::wire::msrp::frame::{Frame, Path};
use crate::wire::msrp::uri::MsrpUri;
use crate::wire::sdp::{Answer, Offer, Setup};

/// Names a leg within its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

/// Names a message of a leg until its fate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Wrapped types that are understood (GC-JOIN-07).
const WRAPPED_TYPES: &str = "text/plain";

/// When to try again where this node is about to be away, in seconds. Without it a caller has to take a 503 for a 500 (RFC 3261
/// §21.5.4).
const RETRY_AFTER: u32 = 30;
/// The longest `a=path`, in octets: its To-Path is a line that every receiver takes.
const MAX_PATH: usize = MAX_LINE - 64;

/// Where MSRP connections reach this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsrpAddress {
    /// Host of `a=path`.
    pub host: String,
    /// Port of `a=path`.
    pub port: u16,
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
    /// The SDP offer; empty when the INVITE has none.
    pub offer: Bytes,
    /// Where our end of the MSRP session is.
    pub msrp: MsrpAddress,
    /// The largest MSRP message that is taken, in octets.
    pub max_message_size: usize,
}

/// One leg.
#[derive(Debug)]
pub struct Leg {
    dial: Dial,
    offer: Offer,
    state: State,
    next_ticket: u64,
    owed: BTreeMap<Ticket, Owed>,
    turns: VecDeque<(Instant, Utterance)>,
}

/// An answer that is owed.
#[derive(Debug)]
struct Owed {
    reply: Reply,
    /// Whether the chunk that completed the message was the one with `$`, which alone uses credit.
    holds_credit: bool,
}

/// A message that waits for its sender's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// Its name.
    pub ticket: Ticket,
    /// What is to be said.
    pub body: String,
    /// When its sender said it, from where on he counts the time until the answer.
    pub said: Instant,
}

#[derive(Debug)]
enum State {
    /// Nothing final has been said.
    Ringing,
    /// 200 was sent.
    Answered { session: Box<Session>, answer: Bytes, confirmed: bool },
    /// Refused, or BYE sent or received.
    Over,
}

/// What a leg wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// To be said to the call.
    Call(CallCommand),
    /// From now on connections may bind to this session-id.
    OpenSession(String),
    /// We are the active side: connect there.
    Connect(Path),
    /// To be written to the session's connection.
    Transmit(WireFrame),
    /// The session is over; its connection may go.
    CloseSession(String),
    /// A message came in.
    Received(Ticket, Box<Received>),
    /// A SEND that was taken in (see [`Frame::ends_a_send`]) is done with.
    Credit,
    /// The peer did something wrong.
    Peer(PeerFault),
    /// The peer ended the session by this response code (RFC 4975 §10.8, §10.10).
    SessionRefused(u16),
}

impl Leg {
    /// A leg for this call.
    ///
    /// # Errors
    ///
    /// 488 when the offer holds no MSRP session that we can have (GC-JOIN-02, GC-JOIN-04).
    pub fn new(dial: Dial) -> Result<Self, Refusal> {
        if dial.offer.is_empty() {
            return Err(Refusal::new(488, "An INVITE without an offer is not supported: offer an MSRP session"));
        }
        let offer =
            Offer::parse(&dial.offer).map_err(|error| Refusal::new(488, phrases::quoted(&error.to_string())))?;
        // It becomes one line of everything that is sent.
        let path: usize = offer.path().iter().map(|uri| uri.as_str().len() + 1).sum();
        if path > MAX_PATH {
            return Err(Refusal::new(488, "a=path is too long: nothing could be sent along it"));
        }
        Ok(Self { dial, offer, state: State::Ringing, next_ticket: 0, owed: BTreeMap::new(), turns: VecDeque::new() })
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
        matches!(self.state, State::Answered { .. })
    }

    /// Answers the call: 200 with our half of the MSRP session.
    pub fn accept(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        let session_id = env.token();
        let Ok(own) = MsrpUri::new(false, &self.dial.msrp.host, self.dial.msrp.port, &session_id) else {
            return self.reject(Refusal::new(500, "This node's MSRP address is unusable"), out);
        };
        let answer = self.offer.answer(&Answer {
            path: &own,
            host: &self.dial.msrp.host,
            active: self.is_active(),
            session: u64::try_from(env.ids.next() >> 65).unwrap_or(1),
            max_size: u64::try_from(self.dial.max_message_size).ok(),
            chatroom: &[],
            wrapped: WRAPPED_TYPES,
        });
        let session = Box::new(Session::new(own, self.offer.path().clone(), self.dial.max_message_size));
        self.state = State::Answered { session, answer: answer.clone(), confirmed: false };
        out.push(Event::OpenSession(session_id));
        out.push(Event::Call(CallCommand::Accept { answer }));
    }

    /// Whether we make the MSRP connection: where the caller cannot (ACM-04).
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.offer.setup(), Setup::Passive)
    }

    /// Refuses the call.
    pub fn reject(&mut self, refusal: Refusal, out: &mut Vec<Event>) {
        if self.is_ringing() {
            self.state = State::Over;
            out.push(Event::Call(CallCommand::Reject(refusal)));
        }
    }

    /// The ACK came. As the active side we connect now and not earlier: the caller certainly has our answer.
    pub fn confirmed(&mut self, out: &mut Vec<Event>) {
        let active = self.is_active();
        if let State::Answered { session, confirmed, .. } = &mut self.state
            && !core::mem::replace(confirmed, true)
            && active
        {
            out.push(Event::Connect(session.peer().clone()));
        }
    }

    /// A re-INVITE or UPDATE: an offer that changes nothing gets the same answer again, any other is refused for now.
    pub fn reoffered(&mut self, offer: &[u8], out: &mut Vec<Event>) {
        let State::Answered { answer, .. } = &self.state else {
            return out.push(Event::Call(CallCommand::AnswerReinvite(Err(Refusal::new(491, "The call is changing")))));
        };
        let same = Offer::parse(offer).is_ok_and(|new| new.is_same_as(&self.offer));
        let reply = if same {
            Ok(answer.clone())
        } else {
            Err(Refusal::new(488, "The MSRP session cannot be changed: only a refresh of the same offer is accepted"))
        };
        out.push(Event::Call(CallCommand::AnswerReinvite(reply)));
    }

    /// A connection is bound to the session.
    pub fn bound(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        let active = self.is_active();
        self.with_session(env, out, |session, env, events| {
            session.bound(events);
            if active {
                session.greet(env, events);
            }
        });
    }

    /// The session's connection is gone.
    pub fn connection_lost(&mut self) {
        if let State::Answered { session, .. } = &mut self.state {
            session.lost();
        }
    }

    /// Does something with the session, and turns what it wants into what the leg wants.
    pub fn with_session(
        &mut self,
        env: &mut Env<'_>,
        out: &mut Vec<Event>,
        act: impl FnOnce(&mut Session, &mut Env<'_>, &mut Vec<session::Event>),
    ) {
        let State::Answered { session, .. } = &mut self.state else { return };
        let mut events = Vec::new();
        act(session, env, &mut events);
        for event in events {
            out.push(match event {
                session::Event::Transmit(frame) => Event::Transmit(frame),
                session::Event::Peer(fault) => Event::Peer(fault),
                session::Event::Refused(code) => Event::SessionRefused(code),
                session::Event::Received(received) => {
                    let ticket = Ticket(self.next_ticket);
                    self.next_ticket = self.next_ticket.wrapping_add(1);
                    self.owed.insert(ticket, Owed { reply: received.reply.clone(), holds_credit: false });
                    Event::Received(ticket, received)
                }
            });
        }
    }

    /// Sends a CPIM message to the SIP user. The result is whether there is, or may still be, a connection to carry it.
    ///
    /// # Errors
    ///
    /// [`Overflow`] when too much waits for a connection: the leg is to be ended.
    pub fn deliver(&mut self, env: &mut Env<'_>, cpim: &Bytes, out: &mut Vec<Event>) -> Result<bool, Overflow> {
        let mut result = Ok(false);
        self.with_session(env, out, |session, env, events| {
            result = session.send(env, "message/cpim", cpim, events);
        });
        result
    }

    /// Takes a frame for the session.
    pub fn receive(&mut self, env: &mut Env<'_>, frame: Frame, out: &mut Vec<Event>) {
        let (took_credit, next) = (frame.ends_a_send(), Ticket(self.next_ticket));
        self.with_session(env, out, |session, env, events| session.receive(env, frame, events));
        if !took_credit {
            return;
        }
        match self.owed.get_mut(&next) {
            Some(owed) => owed.holds_credit = true,
            None => out.push(Event::Credit), // it was answered on the spot, or completed nothing
        }
    }

    /// Whether an answer is still owed for this message.
    #[must_use]
    pub fn owes(&self, ticket: Ticket) -> bool {
        self.owed.contains_key(&ticket)
    }

    /// The fate of a message is known.
    pub fn conclude(&mut self, env: &mut Env<'_>, ticket: Ticket, verdict: &Verdict, out: &mut Vec<Event>) {
        let Some(owed) = self.owed.remove(&ticket) else { return };
        self.with_session(env, out, |session, env, events| session.conclude(env, &owed.reply, verdict, events));
        if owed.holds_credit {
            out.push(Event::Credit);
        }
    }

    /// Keeps a message back until its sender's turn comes (`limits.messages_per_user`). The order stays.
    pub fn await_turn(&mut self, at: Instant, utterance: Utterance) {
        let at = self.turns.back().map_or(at, |(last, _)| at.max(*last));
        self.turns.push_back((at, utterance));
    }

    /// Whether messages are kept back.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Takes the next message whose turn has come.
    pub fn take_turn(&mut self, now: Instant) -> Option<Utterance> {
        if self.turns.front()?.0 > now {
            return None;
        }
        self.turns.pop_front().map(|(_, utterance)| utterance)
    }

    /// When [`Leg::take_turn`] or [`Leg::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let session = match &self.state {
            State::Answered { session, .. } => session.next_timeout(),
            State::Ringing | State::Over => None,
        };
        self.turns.front().map(|(at, _)| *at).into_iter().chain(session).min()
    }

    /// Lets the session forget what waited too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Answered { session, .. } = &mut self.state {
            session.handle_timeout(now);
        }
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
        if let State::Answered { session, .. } = core::mem::replace(&mut self.state, State::Over)
            && let Some(id) = session.own().session_id()
        {
            out.push(Event::CloseSession(id.into()));
        }
        self.owed.clear();
        self.turns.clear();
    }
}
