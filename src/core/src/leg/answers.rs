//! The answers that a leg owes its caller: one for every message and every NICKNAME that it took in.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Event, Leg, Ticket};
use crate::env::Env;
use crate::msrp::nickname::NicknameReply;
use crate::msrp::session::{self, Reply, Session, Verdict};
use crate::wire::msrp::frame::Frame;

/// NICKNAME requests that one leg may have undecided. A client asks again after a refusal; four at a time asks no person.
pub const MAX_UNDECIDED_NICKNAMES: usize = 4;

/// Messages that may be undecided when a session moves; more than the credit of one.
const MAX_UNDECIDED_ON_MOVE: usize = 32;

/// What is owed.
#[derive(Debug, Default)]
pub(super) struct Answers {
    next: u64,
    messages: BTreeMap<Ticket, Owed>,
    nicknames: BTreeMap<Ticket, NicknameReply>,
    /// Private messages that were accepted lately: their addressee's own server may send one back yet.
    accepted: VecDeque<(Ticket, Reply)>,
}

/// Accepted private messages that one leg remembers. A failure that comes later than so many others is not told.
const MAX_ACCEPTED: usize = 32;

#[derive(Debug)]
struct Owed {
    /// `None` once the session has moved: nobody waits for the answer.
    reply: Option<Reply>,
    /// Whether the chunk that completed the message was the one with `$`, which alone uses credit.
    holds_credit: bool,
}

impl Answers {
    pub(super) fn owe(&mut self, reply: &Reply) -> Ticket {
        let ticket = self.ticket();
        self.messages.insert(ticket, Owed { reply: Some(reply.clone()), holds_credit: false });
        ticket
    }

    /// Whether another NICKNAME may be undecided.
    pub(super) fn takes_nicknames(&self) -> bool {
        self.nicknames.len() < MAX_UNDECIDED_NICKNAMES
    }

    pub(super) fn owe_nickname(&mut self, reply: NicknameReply) -> Ticket {
        let ticket = self.ticket();
        self.nicknames.insert(ticket, reply);
        ticket
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next);
        self.next = self.next.wrapping_add(1);
        ticket
    }

    /// Whether the room has so many messages undecided that no session may follow this one yet: each would begin with new
    /// credit, and a client that moves all the time could have any number undecided.
    pub(super) fn are_too_many_to_move(&self) -> bool {
        self.messages.len() > MAX_UNDECIDED_ON_MOVE
    }

    /// Nothing is owed any more.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.nicknames.clear();
        self.accepted.clear();
    }

    /// The session has moved or is gone: what is undecided keeps its fate, and nobody is told. Gives back the credit.
    pub(super) fn forget_session(&mut self, out: &mut Vec<Event>) {
        self.nicknames.clear();
        self.accepted.clear();
        for owed in self.messages.values_mut() {
            owed.reply = None;
            if core::mem::take(&mut owed.holds_credit) {
                out.push(Event::Credit);
            }
        }
    }
}

impl Leg {
    /// Takes a frame for the session.
    pub fn receive(&mut self, env: &mut Env<'_>, frame: Frame, out: &mut Vec<Event>) {
        let (took_credit, next) = (frame.ends_a_send(), Ticket(self.answers.next));
        self.with_session(env, out, |session, env, events| session.receive(env, frame, events));
        if !took_credit {
            return;
        }
        match self.answers.messages.get_mut(&next) {
            Some(owed) => owed.holds_credit = true,
            None => out.push(Event::Credit), // it was answered on the spot, or completed nothing
        }
    }

    /// Whether an answer is still owed for this message.
    #[must_use]
    pub fn owes(&self, ticket: Ticket) -> bool {
        self.answers.messages.contains_key(&ticket)
    }

    /// The fate of a message is known.
    pub fn conclude(&mut self, env: &mut Env<'_>, ticket: Ticket, verdict: &Verdict, out: &mut Vec<Event>) {
        self.conclude_with(env, ticket, verdict, None, out);
    }

    /// The fate of a private message is known. `cpim` is a CPIM message with its From and To and no text, for the success report
    /// (SW-15); one of more than 10,240 octets is left out.
    pub fn conclude_private(
        &mut self,
        env: &mut Env<'_>,
        ticket: Ticket,
        verdict: &Verdict,
        cpim: &Bytes,
        out: &mut Vec<Event>,
    ) {
        let reply = self.answers.messages.get(&ticket).and_then(|owed| owed.reply.clone());
        if let Some(reply) = reply.filter(|_| *verdict == Verdict::Accepted) {
            if self.answers.accepted.len() >= MAX_ACCEPTED {
                self.answers.accepted.pop_front();
            }
            self.answers.accepted.push_back((ticket, reply));
        }
        self.conclude_with(env, ticket, verdict, Some(cpim), out);
    }

    /// A private message that was accepted came back after all: a failure report says so (GC-PM-06), with the CPIM message of
    /// [`Leg::conclude_private`].
    pub fn failed_after_all(
        &mut self,
        env: &mut Env<'_>,
        ticket: Ticket,
        (code, comment): (u16, &str),
        cpim: &Bytes,
        out: &mut Vec<Event>,
    ) {
        let Some(at) = self.answers.accepted.iter().position(|(accepted, _)| *accepted == ticket) else { return };
        let Some((_, reply)) = self.answers.accepted.remove(at) else { return };
        self.with_session(env, out, |session, env, events| {
            session.report_failure(env, &reply, (code, comment), Some(cpim), events);
        });
    }

    fn conclude_with(
        &mut self,
        env: &mut Env<'_>,
        ticket: Ticket,
        verdict: &Verdict,
        cpim: Option<&Bytes>,
        out: &mut Vec<Event>,
    ) {
        let Some(owed) = self.answers.messages.remove(&ticket) else { return };
        if let Some(reply) = &owed.reply {
            self.with_session(env, out, |session, env, events| {
                session.conclude_with(env, reply, verdict, cpim, events);
            });
        }
        if owed.holds_credit {
            out.push(Event::Credit);
        }
    }

    /// The fate of a NICKNAME is known: 200, 403, 408, 424 or 425, with a comment on one line (RFC 7701 §7.1). Only the first
    /// answer counts.
    pub fn conclude_nickname(
        &mut self,
        env: &mut Env<'_>,
        ticket: Ticket,
        code: u16,
        comment: &str,
        out: &mut Vec<Event>,
    ) {
        let Some(reply) = self.answers.nicknames.remove(&ticket) else { return };
        self.with_session(env, out, |session, _, events| session.conclude_nickname(&reply, code, comment, events));
    }
}

/// Answers a NICKNAME that is one too many.
pub(super) fn refuse_nickname(session: &Session, reply: &NicknameReply, out: &mut Vec<Event>) {
    let mut events = Vec::new();
    session.conclude_nickname(reply, 403, "Too many nickname requests at a time", &mut events);
    out.extend(events.into_iter().filter_map(|event| match event {
        session::Event::Transmit(frame) => Some(Event::Transmit(frame)),
        _ => None,
    }));
}
