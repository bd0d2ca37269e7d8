//! What a membership says, and what becomes of it (GC-MSG, GC-PM).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jid::{BareJid, FullJid};

use super::membership::{Event, Membership};
use super::reflections::Known;
use super::refusing::is_of_a_stranger;
use crate::env::Env;
use crate::stanza::{
    Asks, ChatState, Condition, ErrorKind, Iq, IqAnswer, Message, OutStanza, Receipt, Role, StanzaError,
};
use crate::time::Instant;

/// How long a room that says "wait" is left alone (XM-16).
const BACK_OFF: Duration = Duration::from_secs(2);
/// Errands that are remembered when they are done, for what comes back later.
const MAX_DONE: usize = 32;
/// What tells the ping from the message before it.
const PING: &str = "p-";
/// Begins the id of what the room itself answers.
const REQUEST: &str = "r-";

/// Something that has no reflection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// A private message to an occupant.
    Private {
        /// Who gets it.
        to: FullJid,
        /// The id of the stanza, fresh and ours alone: receipts will name it.
        id: String,
        /// What he reads.
        body: String,
        /// What its author wants to hear of it.
        asks: Asks,
        /// Whether he wants to know what its reader is doing, and tells what he is doing himself.
        is_active: bool,
        /// Who had that nickname when it was said, as far as the caller of this can tell: it comes back with
        /// [`Event::Held`].
        known_as: Option<String>,
    },
    /// An invitation.
    Invitation {
        /// Who is invited.
        to: BareJid,
        /// Why.
        reason: Option<String>,
    },
    /// A request to be let speak, which is put to those who moderate the room.
    Voice,
    /// The removal of an occupant, which is a moderator's to ask for.
    Removal {
        /// Who is removed.
        nick: String,
        /// Why, for him and for those who stay.
        reason: Option<String>,
    },
}

/// Something that is to be said, or was and has not come back: kept, for a room that has lost us did not take it.
#[derive(Debug)]
pub(super) struct Utterance<T> {
    pub(super) ticket: T,
    said: Said,
    /// Its place among all that this membership says, whatever is said anew.
    turn: u64,
    pub(super) deadline: Instant,
    /// The id that it had when it was said before.
    id: Option<String>,
    /// Something of the room was missed after it was said: that it is not found later proves nothing any more.
    is_in_doubt: bool,
    /// It could not be said when it was to be.
    was_held: bool,
    /// The room has refused it as it refuses who is no occupant: it is said once more, and not twice.
    pub(super) was_refused: bool,
}

impl<T> Utterance<T> {
    const fn new(ticket: T, said: Said, turn: u64, deadline: Instant) -> Self {
        Self { ticket, said, turn, deadline, id: None, is_in_doubt: false, was_held: false, was_refused: false }
    }

    /// Whether it gives the room this subject.
    pub(super) fn is_subject(&self, subject: &str) -> bool {
        matches!(&self.said, Said::Subject(said) if said == subject)
    }

    /// Whether it says this to everybody.
    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(&self.said, Said::Text(said) if said == text)
    }
}

#[derive(Debug, Clone)]
enum Said {
    Text(String),
    Subject(String),
    Errand(Errand),
}

impl<T: Clone> Membership<T> {
    /// Says `body` to the room; `ticket` comes back with what became of it, at the latest at `deadline`.
    pub fn say(&mut self, env: &mut Env<'_>, ticket: T, body: String, deadline: Instant, out: &mut Vec<Event<T>>) {
        self.utter_anew(env, ticket, Said::Text(body), deadline, out);
    }

    /// Gives the room another subject; `ticket` as with [`Membership::say`].
    pub fn set_subject(
        &mut self,
        env: &mut Env<'_>,
        ticket: T,
        subject: String,
        deadline: Instant,
        out: &mut Vec<Event<T>>,
    ) {
        self.utter_anew(env, ticket, Said::Subject(subject), deadline, out);
    }

    /// Does what has no reflection; `ticket` as with [`Membership::say`].
    pub fn run(&mut self, env: &mut Env<'_>, ticket: T, errand: Errand, deadline: Instant, out: &mut Vec<Event<T>>) {
        self.utter_anew(env, ticket, Said::Errand(errand), deadline, out);
    }

    fn utter_anew(&mut self, env: &mut Env<'_>, ticket: T, said: Said, deadline: Instant, out: &mut Vec<Event<T>>) {
        self.turns += 1;
        self.utter(env, Utterance::new(ticket, said, self.turns, deadline), out);
    }

    /// It is said when we are back, in its turn.
    pub(super) fn put_off(&mut self, utterance: Utterance<T>) {
        let at = self.unsent.partition_point(|other| other.turn < utterance.turn);
        self.unsent.insert(at, Utterance { was_held: true, ..utterance });
    }

    /// Tells the room what its author is doing. Nobody is told what became of that.
    pub fn show(&mut self, env: &mut Env<'_>, state: ChatState, out: &mut Vec<Event<T>>) {
        if self.is_live() {
            out.push(Event::Send(OutStanza::ChatState { room: self.muc.clone(), id: env.token(), state }));
        }
    }

    /// Tells one occupant what this one is doing. Nobody is told what became of that.
    pub fn show_to(&mut self, env: &mut Env<'_>, to: FullJid, state: ChatState, out: &mut Vec<Event<T>>) {
        if self.is_live() {
            out.push(Event::Send(OutStanza::PrivateState { to, id: env.token(), state }));
        }
    }

    /// Tells an occupant what became of his private message. Nobody is told what became of that.
    pub fn acknowledge(&mut self, env: &mut Env<'_>, to: FullJid, receipt: Receipt, out: &mut Vec<Event<T>>) {
        if self.is_inside() {
            out.push(Event::Send(OutStanza::Receipt { to, id: env.token(), receipt }));
        }
    }

    /// The stanza with this id could not be sent at all, since it was too large for the server.
    pub fn unsendable(&mut self, id: &str, out: &mut Vec<Event<T>>) {
        let known = match self.reflections.settle(id) {
            Known::Foreign => self.errands.settle(id),
            known => known,
        };
        if let Known::Awaited(utterance) = known {
            let condition = Condition::ResourceConstraint;
            let error = StanzaError { condition, kind: ErrorKind::Modify, text: None, address: None };
            out.push(Event::Concluded(utterance.ticket, Err(error)));
        }
    }

    fn utter(&mut self, env: &mut Env<'_>, utterance: Utterance<T>, out: &mut Vec<Event<T>>) {
        // Somebody whom we called may speak while his account is on its way in.
        if self.is_returning() || !self.is_live() || self.settles_first() {
            return self.put_off(utterance);
        }
        if utterance.was_held
            && let Said::Errand(errand @ (Errand::Private { .. } | Errand::Removal { .. })) = utterance.said
        {
            // Whose nickname it is now, whoever keeps the roster knows.
            return out.push(Event::Held { ticket: utterance.ticket, errand, deadline: utterance.deadline });
        }
        let (room, deadline, turn) = (self.muc.clone(), utterance.deadline, utterance.turn);
        let id = match &utterance.said {
            Said::Errand(Errand::Private { id, .. }) => id.clone(),
            Said::Errand(Errand::Removal { .. }) => alloc::format!("{REQUEST}{}", env.token()),
            _ => utterance.id.clone().unwrap_or_else(|| env.token()),
        };
        let is_request = matches!(&utterance.said, Said::Errand(Errand::Removal { .. }));
        let ping = OutStanza::Ping { to: room.clone().into(), id: alloc::format!("{PING}{turn}-{id}") };
        let (stanza, has_reflection) = match utterance.said.clone() {
            Said::Text(body) => (OutStanza::Groupchat { room, id: id.clone(), body }, true),
            Said::Subject(subject) => (OutStanza::Subject { room, id: id.clone(), subject }, true),
            Said::Errand(Errand::Private { to, body, asks, is_active, .. }) => {
                (OutStanza::Private { to, id: id.clone(), body, asks, is_active }, false)
            }
            Said::Errand(Errand::Invitation { to, reason }) => {
                (OutStanza::Invite { room, id: id.clone(), to, reason }, false)
            }
            Said::Errand(Errand::Voice) => (OutStanza::VoiceRequest { room, id: id.clone() }, false),
            Said::Errand(Errand::Removal { nick, reason }) => {
                (OutStanza::SetRole { room, id: id.clone(), nick, role: Role::None, reason }, false)
            }
        };
        out.push(Event::Send(stanza));
        if has_reflection {
            self.reflections.expect(id, utterance, deadline);
        } else {
            self.errands.expect(id, utterance, deadline);
            out.extend((!is_request).then_some(Event::Send(ping)));
        }
    }

    /// What came back with [`Event::Held`] waits on, until [`Membership::say_what_waited`].
    pub fn hold(&mut self, ticket: T, errand: Errand, deadline: Instant) {
        self.turns += 1;
        let (said, turn) = (Said::Errand(errand), self.turns);
        self.put_off(Utterance::new(ticket, said, turn, deadline));
    }

    /// Whether something waits.
    #[must_use]
    pub fn has_something_to_say(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What was not said yet is said now, in its order, as far as we are inside.
    pub fn say_what_waited(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        for utterance in core::mem::take(&mut self.unsent) {
            self.utter(env, utterance, out);
        }
    }

    /// What we said to everybody and the room has not taken is said next, under the ids that it had: should it come to the room twice
    /// all the same, those who look at ids see it once.
    pub(super) fn say_once_more(&mut self, now: Instant) {
        let lost = self
            .reflections
            .withdraw(|_, said| matches!(said.said, Said::Text(_)) && !said.is_in_doubt && said.deadline > now);
        for (id, utterance) in lost {
            self.put_off(Utterance { id: Some(id), is_in_doubt: false, ..utterance });
        }
    }

    /// Something may have been missed: of what is under way nobody will know more than what still comes back.
    pub(super) fn lose_track(&mut self) {
        self.reflections.tickets_mut().for_each(|said| said.is_in_doubt = true);
    }

    /// What the server has not handled is said when we are back, under the ids that it had: it has reached nobody.
    pub(super) fn take_back(&mut self, unhandled: &[String]) {
        let is_one = |id: &str, _: &Utterance<T>| unhandled.iter().any(|other| other == id);
        let never_said = [self.errands.withdraw(is_one), self.reflections.withdraw(is_one)];
        for (id, utterance) in never_said.into_iter().flatten() {
            self.put_off(Utterance { id: Some(id), is_in_doubt: false, ..utterance });
        }
    }

    /// A message came back.
    pub(super) fn message_error(
        &mut self,
        env: &mut Env<'_>,
        message: &Message,
        error: &StanzaError,
        out: &mut Vec<Event<T>>,
    ) {
        let Some(id) = message.id.as_deref() else { return };
        if error.kind == ErrorKind::Wait {
            self.quiet_until = Some(env.now + BACK_OFF);
        }
        let (utterance, is_public) = match self.reflections.settle(id) {
            Known::Awaited(utterance) => (utterance, true),
            _ => match self.errands.settle(id) {
                Known::Awaited(utterance) => (utterance, false),
                _ => return self.failed_after_all(id, error, out),
            },
        };
        if is_public && is_of_a_stranger(error) {
            return self.not_taken(env, utterance, (message, error), out);
        }
        if matches!(error.condition, Condition::RemoteServerNotFound | Condition::RemoteServerTimeout) {
            self.doubt(env, out);
        }
        out.push(Event::Concluded(utterance.ticket, Err(error.clone())));
    }

    /// What the room had taken came back from further away (GC-PM-06).
    fn failed_after_all(&mut self, id: &str, error: &StanzaError, out: &mut Vec<Event<T>>) {
        if let Some(at) = self.done.iter().position(|(done, _)| done == id)
            && let Some((_, ticket)) = self.done.remove(at)
        {
            out.push(Event::FailedAfterAll(ticket, error.clone()));
        }
    }

    /// Something that was asked for an errand has its answer.
    pub(super) fn errand_answered(&mut self, env: &mut Env<'_>, iq: Iq, out: &mut Vec<Event<T>>) {
        if let Some((turn, id)) = iq.id.strip_prefix(PING).and_then(|rest| rest.split_once('-')) {
            return self.passed(env, (turn, id), &iq.answer, out);
        }
        let is_of_room = iq.from.as_ref().is_some_and(|from| *from == self.muc);
        if iq.id.starts_with(REQUEST)
            && is_of_room
            && let Known::Awaited(utterance) = self.errands.settle(&iq.id)
        {
            let result = match iq.answer {
                IqAnswer::Result(_) | IqAnswer::Fin(_) => Ok(()),
                IqAnswer::Error(error) => Err(error),
            };
            out.push(Event::Concluded(utterance.ticket, result));
        }
    }

    /// The room has answered the ping behind an errand, so a refusal by the room would have come before. An answer that is not
    /// the room's, or of a room that has lost us, acknowledges nothing: its errand is waited for until its deadline.
    /// So is one that was said anew since.
    fn passed(&mut self, env: &mut Env<'_>, (turn, id): (&str, &str), answer: &IqAnswer, out: &mut Vec<Event<T>>) {
        if let IqAnswer::Error(error) = answer
            && !is_of_the_room(error)
        {
            return self.doubt(env, out);
        }
        let turn = turn.parse().ok();
        if let Known::Awaited(utterance) = self.errands.settle_if(id, |said| Some(said.turn) == turn) {
            if self.done.len() >= MAX_DONE {
                self.done.pop_front();
            }
            self.done.push_back((id.into(), utterance.ticket.clone()));
            out.push(Event::Concluded(utterance.ticket, Ok(())));
        }
    }
}

/// Whether this is how a room answers an occupant whose ping it does not know, or does not want.
const fn is_of_the_room(error: &StanzaError) -> bool {
    matches!(
        error.condition,
        Condition::FeatureNotImplemented
            | Condition::ServiceUnavailable
            | Condition::BadRequest
            | Condition::Forbidden
            | Condition::NotAllowed
    )
}
