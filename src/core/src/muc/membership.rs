//! The membership machine: one account in one MUC.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use jid::{BareJid, FullJid};

use super::reflections::{Known, Reflections};
use super::{Removal, StreamEnd};
use crate::address::nickname;
use crate::env::Env;
use crate::stanza::{
    Condition, ErrorKind, Iq, IqAnswer, Message, MessageKind, OutStanza, Presence, PresenceKind, Stanza, StanzaError,
};
use crate::time::Instant;

/// Nicknames that are tried when one is taken (GC-NICK-06).
const MAX_NICKNAMES: u32 = 10;
/// How long the way back in after status 333 may take.
const REENTRY: Duration = Duration::from_secs(15);

/// One account in one MUC.
#[derive(Debug)]
pub struct Membership<T> {
    muc: BareJid,
    create: bool,
    /// The nickname that is asked for: on the way back in, the one that was in force.
    nickname: String,
    attempt: u32,
    phase: Phase,
    reflections: Reflections<T>,
    reentry_deadline: Option<Instant>,
    /// Whether there was a way back in, so that more than one join was sent.
    has_reentered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// The account's stream is not up yet.
    Connecting,
    /// Asked whether the room exists (`create = false`).
    Asking { iq: String },
    /// The join presence is out.
    Entering { presence: String, occupant: FullJid },
    /// The room is new and locked until its configuration is accepted (XEP-0045 §10.1.2).
    Unlocking { iq: String, occupant: FullJid },
    /// In the room. `history` lasts from the join's own 110 to the subject (XM-05).
    Inside { occupant: FullJid, history: bool },
    /// Not in the room and not on the way there.
    Outside,
}

/// What a membership wants or knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<T> {
    /// To be sent on the account's stream.
    Send(OutStanza),
    /// The room is entered.
    Entered,
    /// The room is not to be entered.
    Refused(JoinRefusal),
    /// The room was left, not by us.
    Removed(Removal),
    /// What was said with this ticket is in the room, or is not and why.
    Concluded(T, Result<(), StanzaError>),
    /// Nobody knows what became of what was said with this ticket.
    Overdue(T),
    /// Somebody spoke.
    Heard(Heard),
}

/// A message of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Nickname of the speaker; `None` when the room itself speaks.
    pub nickname: Option<String>,
    /// What was said.
    pub body: String,
}

/// Why a room was not entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// The room answered with an error.
    #[error("the room said {0:?}")]
    ByRoom(StanzaError),
    /// There is no such room, and this caller may not bring it into being.
    #[error("there is no such room")]
    NoSuchRoom,
    /// The nickname, and every variant of it, cannot be an occupant's.
    #[error("no usable nickname")]
    NoNickname,
    /// It was left again, not by us, before the call could be answered.
    #[error(transparent)]
    Removed(Removal),
    /// The account's stream failed.
    #[error(transparent)]
    Stream(#[from] StreamEnd),
}

impl<T> Membership<T> {
    /// A membership that wants into `muc` as `nickname`, and may bring it into being or not.
    #[must_use]
    pub const fn new(muc: BareJid, nickname: String, create: bool) -> Self {
        Self {
            muc,
            create,
            nickname,
            attempt: 1,
            phase: Phase::Connecting,
            reflections: Reflections::new(),
            reentry_deadline: None,
            has_reentered: false,
        }
    }

    /// Our occupant JID, once it is known.
    #[must_use]
    pub const fn occupant(&self) -> Option<&FullJid> {
        match &self.phase {
            Phase::Entering { occupant, .. } | Phase::Unlocking { occupant, .. } | Phase::Inside { occupant, .. } => {
                Some(occupant)
            }
            Phase::Connecting | Phase::Asking { .. } | Phase::Outside => None,
        }
    }

    /// Whether the account's stream is still awaited.
    #[must_use]
    pub const fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    /// Whether the room is entered.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.phase, Phase::Inside { .. })
    }

    /// The account's stream is up.
    pub fn stream_ready(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if self.phase != Phase::Connecting {
            return;
        }
        if self.create {
            return self.enter(env, out);
        }
        // A join would create the room, so the question comes first (XM-07).
        let iq = env.token();
        self.phase = Phase::Asking { iq: iq.clone() };
        out.push(Event::Send(OutStanza::DiscoInfo { room: self.muc.clone(), id: iq }));
    }

    /// The account's stream is gone.
    pub fn stream_ended(&mut self, end: StreamEnd, out: &mut Vec<Event<T>>) {
        let was_inside = self.is_inside() || self.reentry_deadline.is_some();
        self.phase = Phase::Outside;
        self.give_up_all(out);
        out.push(if was_inside { Event::Removed(Removal::StreamLost(end)) } else { Event::Refused(end.into()) });
    }

    /// Leaves, with a text for those who stay, or withdraws the join.
    pub fn leave(&mut self, status: Option<String>, out: &mut Vec<Event<T>>) {
        if let Some(occupant) = self.occupant() {
            out.push(Event::Send(OutStanza::Leave { occupant: occupant.clone(), status }));
        }
        self.phase = Phase::Outside;
        self.give_up_all(out);
    }

    /// Says `body` to the room; `ticket` comes back with what became of it, at the latest at `deadline`.
    pub fn say(&mut self, env: &mut Env<'_>, ticket: T, body: String, deadline: Instant, out: &mut Vec<Event<T>>) {
        let id = env.token();
        self.reflections.expect(id.clone(), ticket, deadline);
        out.push(Event::Send(OutStanza::Groupchat { room: self.muc.clone(), id, body }));
    }

    /// The stanza with this id could not be sent at all, since it was too large for the server.
    pub fn unsendable(&mut self, id: &str, out: &mut Vec<Event<T>>) {
        if let Known::Awaited(ticket) = self.reflections.settle(id) {
            let condition = Condition::ResourceConstraint;
            let error = StanzaError { condition, kind: ErrorKind::Modify, text: None, address: None };
            out.push(Event::Concluded(ticket, Err(error)));
        }
    }

    /// A stanza from the room or an occupant of it.
    pub fn receive(&mut self, env: &mut Env<'_>, stanza: Stanza, out: &mut Vec<Event<T>>) {
        match stanza {
            Stanza::Presence(presence) => self.presence(env, &presence, out),
            Stanza::Message(message) => self.message(env, message, out),
            Stanza::Iq(iq) => self.iq(env, &iq, out),
        }
    }

    /// When [`Membership::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.reflections.next_deadline().into_iter().chain(self.reentry_deadline).min()
    }

    /// Gives up what waited too long.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Event<T>>) {
        while let Some(ticket) = self.reflections.expire(now) {
            out.push(Event::Overdue(ticket));
        }
        if self.reentry_deadline.is_some_and(|at| at <= now) {
            self.removed(Removal::Technical, out);
        }
    }

    fn enter(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        let nickname = match self.attempt {
            1 => self.nickname.clone(),
            n => nickname::variant(&self.nickname, n),
        };
        let Ok(occupant) = self.muc.with_resource_str(&nickname) else {
            return self.refused(JoinRefusal::NoNickname, out);
        };
        let presence = env.token();
        self.phase = Phase::Entering { presence: presence.clone(), occupant: occupant.clone() };
        out.push(Event::Send(OutStanza::Join { occupant, id: presence }));
    }

    fn presence(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        match &presence.kind {
            PresenceKind::Error(error) => self.presence_error(env, presence, error, out),
            PresenceKind::Available => self.available(env, presence, out),
            PresenceKind::Unavailable => self.unavailable(env, presence, out),
            PresenceKind::Other => {}
        }
    }

    fn presence_error(&mut self, env: &mut Env<'_>, presence: &Presence, error: &StanzaError, out: &mut Vec<Event<T>>) {
        let Phase::Entering { presence: ours, .. } = &self.phase else { return };
        if presence.id.as_ref().is_some_and(|id| id != ours) {
            return;
        }
        if error.condition == Condition::Conflict && self.attempt < MAX_NICKNAMES {
            self.attempt += 1;
            return self.enter(env, out);
        }
        self.refused(JoinRefusal::ByRoom(error.clone()), out);
    }

    /// Every presence with status 110 teaches our own nickname; the first one after a join says that we are in (GC-PRES-03).
    fn available(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        let Some(muc) = presence.muc.as_ref().filter(|muc| muc.has(110)) else { return };
        let Ok(occupant) = presence.from.clone().try_into_full() else { return };
        match &mut self.phase {
            Phase::Entering { .. } if muc.has(201) && !self.create => {
                // It did not exist after all, or no longer: nothing may stay behind of it.
                out.push(Event::Send(OutStanza::Leave { occupant, status: None }));
                self.refused(JoinRefusal::NoSuchRoom, out);
            }
            Phase::Entering { .. } if muc.has(201) => {
                let iq = env.token();
                self.phase = Phase::Unlocking { iq: iq.clone(), occupant };
                out.push(Event::Send(OutStanza::InstantRoom { room: self.muc.clone(), id: iq }));
            }
            Phase::Entering { .. } => self.entered(occupant, true, out),
            Phase::Inside { occupant: ours, .. } | Phase::Unlocking { occupant: ours, .. } => *ours = occupant,
            Phase::Connecting | Phase::Asking { .. } | Phase::Outside => {}
        }
    }

    fn entered(&mut self, occupant: FullJid, history: bool, out: &mut Vec<Event<T>>) {
        self.phase = Phase::Inside { occupant, history };
        if self.reentry_deadline.take().is_none() {
            out.push(Event::Entered);
        }
    }

    fn unavailable(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        // While entering, an unavailable presence is of a membership that was left a moment ago.
        let (Phase::Inside { occupant, .. } | Phase::Unlocking { occupant, .. }) = &mut self.phase else { return };
        let codes = |code| presence.muc.as_ref().is_some_and(|muc| muc.has(code));
        let is_ours = presence.from == *occupant || codes(110);
        if !is_ours || presence.from.resource().is_none() {
            return;
        }
        if codes(303) {
            let renamed = presence.muc.as_ref().and_then(|muc| muc.item.as_ref()?.nick.as_deref());
            if let Some(Ok(new)) = renamed.map(|nick| self.muc.with_resource_str(nick)) {
                *occupant = new;
            }
            return;
        }
        match Removal::read(presence) {
            Some(removal) if self.is_inside() || self.reentry_deadline.is_some() => self.removed(removal, out),
            Some(removal) => self.refused(JoinRefusal::Removed(removal), out),
            None if self.is_inside() => self.reenter(env, out),
            None => self.enter(env, out),
        }
    }

    /// Tries once to get back in, without anybody noticing; what was under way stays awaited until its deadline.
    fn reenter(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if self.reentry_deadline.is_some() {
            return;
        }
        if let Some(occupant) = self.occupant() {
            self.nickname = occupant.resource().as_str().to_string();
        }
        self.attempt = 1;
        self.reentry_deadline = Some(env.now + REENTRY);
        self.has_reentered = true;
        self.enter(env, out);
    }

    fn message(&mut self, env: &mut Env<'_>, message: Message, out: &mut Vec<Event<T>>) {
        match &message.kind {
            MessageKind::Error(error) => self.message_error(env, &message, error, out),
            MessageKind::Groupchat => self.groupchat(message, out),
            MessageKind::Chat | MessageKind::Normal if message.from.resource().is_some() && message.body.is_some() => {
                out.push(Event::Send(OutStanza::MessageError {
                    to: message.from,
                    id: message.id,
                    condition: Condition::FeatureNotImplemented,
                    kind: ErrorKind::Cancel,
                    text: "Private messages do not reach this occupant".into(),
                }));
            }
            MessageKind::Chat | MessageKind::Normal | MessageKind::Headline => {}
        }
    }

    fn message_error(&mut self, env: &mut Env<'_>, message: &Message, error: &StanzaError, out: &mut Vec<Event<T>>) {
        let Some(id) = message.id.as_deref() else { return };
        let Known::Awaited(ticket) = self.reflections.settle(id) else { return };
        out.push(Event::Concluded(ticket, Err(error.clone())));
        // The room does not know us any more although nobody said so (GC-MSG-06).
        if error.condition == Condition::NotAcceptable && self.is_inside() {
            self.reenter(env, out);
        }
    }

    fn groupchat(&mut self, message: Message, out: &mut Vec<Event<T>>) {
        let Phase::Inside { occupant, history } = &mut self.phase else { return };
        let from_us = message.from == *occupant;
        if message.subject.is_some() && message.body.is_none() {
            *history = false;
            return;
        }
        if *history && message.delayed {
            return;
        }
        // History always carries a delay, so the first message without one is live even where no subject ever comes.
        *history = false;
        if from_us {
            for id in message.id.iter().chain(&message.origin_id) {
                match self.reflections.settle(id) {
                    Known::Awaited(ticket) => return out.push(Event::Concluded(ticket, Ok(()))),
                    Known::Overdue => return,
                    Known::Foreign => {}
                }
            }
        }
        if let Some(body) = message.body.filter(|body| !body.is_empty()) {
            let nickname = message.from.resource().map(|nick| nick.as_str().to_string());
            out.push(Event::Heard(Heard { nickname, body }));
        }
    }

    fn iq(&mut self, env: &mut Env<'_>, iq: &Iq, out: &mut Vec<Event<T>>) {
        match &self.phase {
            Phase::Asking { iq: ours } if *ours == iq.id => match &iq.answer {
                IqAnswer::Error(error) if error.condition == Condition::ItemNotFound => {
                    self.refused(JoinRefusal::NoSuchRoom, out);
                }
                // Whatever else it says, the join decides: many rooms do not answer strangers.
                IqAnswer::Error(_) | IqAnswer::Result { .. } => self.enter(env, out),
            },
            Phase::Unlocking { iq: ours, occupant } if *ours == iq.id => {
                let occupant = occupant.clone();
                match &iq.answer {
                    IqAnswer::Result { .. } => self.entered(occupant, true, out),
                    IqAnswer::Error(error) => {
                        out.push(Event::Send(OutStanza::Leave { occupant, status: None }));
                        self.refused(JoinRefusal::ByRoom(error.clone()), out);
                    }
                }
            }
            _ => {}
        }
    }

    fn refused(&mut self, refusal: JoinRefusal, out: &mut Vec<Event<T>>) {
        if self.reentry_deadline.is_some() {
            return self.removed(Removal::Technical, out);
        }
        self.phase = Phase::Outside;
        out.push(Event::Refused(refusal));
    }

    fn removed(&mut self, removal: Removal, out: &mut Vec<Event<T>>) {
        // A removal may cross a join on the way back in, which the room takes after it: nobody would be there any more.
        if let Some(occupant) = self.occupant().filter(|_| self.has_reentered) {
            out.push(Event::Send(OutStanza::Leave { occupant: occupant.clone(), status: None }));
        }
        self.phase = Phase::Outside;
        self.give_up_all(out);
        out.push(Event::Removed(removal));
    }

    fn give_up_all(&mut self, out: &mut Vec<Event<T>>) {
        self.reentry_deadline = None;
        out.extend(self.reflections.drain().map(Event::Overdue));
    }
}
