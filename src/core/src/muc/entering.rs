//! The way into a room, and back into it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jid::FullJid;

use super::membership::{Event, Membership, Phase, REENTRY};
use super::{Removal, StreamEnd};
use crate::address::nickname;
use crate::env::Env;
use crate::stanza::{Condition, History, Iq, IqAnswer, OutStanza, Presence, StanzaError};
use crate::time::Instant;

/// Nicknames that are tried when one is taken (GC-NICK-06).
pub(super) const MAX_NICKNAMES: u32 = 10;
/// Where a room tells the nickname that it keeps for somebody (XEP-0045 §7.12).
const RESERVED_NICKNAME: &str = "x-roomuser-item";

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

impl<T: Clone> Membership<T> {
    /// The account's stream is up. Whether the room exists need not be asked where one of us `is_there`.
    pub fn stream_ready(&mut self, env: &mut Env<'_>, is_there: bool, out: &mut Vec<Event<T>>) {
        if self.phase != Phase::Connecting {
            return;
        }
        if self.is_returning() {
            return self.enter(env, out);
        }
        // A join would create the room, so the question comes first (XM-07). The other one costs no time beside it (XM-14).
        let existence = (!self.wishes.create && !is_there).then(|| self.ask(env, None, out));
        let nickname = Some(self.ask(env, Some(RESERVED_NICKNAME), out));
        self.phase = Phase::Asking { existence, nickname };
    }

    /// The account's stream is gone. `until` is when a way back in stops being of use; it was inside that counts.
    pub fn stream_ended(&mut self, end: StreamEnd, until: Instant, out: &mut Vec<Event<T>>) {
        if !self.is_inside() && !self.is_returning() {
            self.phase = Phase::Outside;
            self.give_up_all(out);
            return out.push(Event::Refused(end.into()));
        }
        self.leave_stream(&end, until);
        out.push(Event::Stranded(end));
    }

    /// Back to where a stream is awaited.
    pub(super) fn leave_stream(&mut self, end: &StreamEnd, until: Instant) {
        self.remember_nickname();
        self.refuses_nothing();
        self.phase = Phase::Connecting;
        // What was told of it is known, and the rest is asked for once more.
        self.catching = None;
        self.description = None;
        let suspended_until = self.suspended.take().map(|suspension| suspension.until);
        match (&self.stranded, &mut self.reentry_deadline) {
            (Some(_), Some(_)) => {} // the patience is for all of it
            (_, deadline) => *deadline = Some(suspended_until.unwrap_or(until)),
        }
        self.stranded = Some(end.clone());
    }

    /// Asks the room for everything once more, as a join does, while we are inside: who is here, and who we are. The answer ends
    /// with our own presence, which has this id where the room gives ids back.
    pub fn ask_for_everybody(&mut self, id: String, out: &mut Vec<Event<T>>) {
        if let Phase::Inside { occupant, .. } = &self.phase {
            self.has_reentered = true;
            let (occupant, password) = (occupant.clone(), self.wishes.password.clone());
            out.push(Event::Send(OutStanza::Join { occupant, id, password, history: History::Last(0) }));
        }
    }

    /// Asks the room about itself.
    pub fn ask_about_the_room(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        self.description = Some(self.ask(env, None, out));
    }

    pub(super) fn remember_nickname(&mut self) {
        if let Some(occupant) = self.occupant() {
            self.wishes.nickname = occupant.resource().as_str().to_string();
        }
        self.attempt = 1;
        self.has_reentered = true;
    }

    fn ask(&self, env: &mut Env<'_>, node: Option<&'static str>, out: &mut Vec<Event<T>>) -> String {
        let id = env.token();
        out.push(Event::Send(OutStanza::DiscoInfo { room: self.muc.clone(), id: id.clone(), node }));
        id
    }

    pub(super) fn enter(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        let nickname = match self.attempt {
            1 => self.wishes.nickname.clone(),
            n => nickname::variant(&self.wishes.nickname, n),
        };
        let Ok(occupant) = self.muc.with_resource_str(&nickname) else {
            return self.refused(JoinRefusal::NoNickname, out);
        };
        if self.is_returning() {
            out.push(Event::Returning);
        }
        let id = env.token();
        self.phase = Phase::Entering { presence: id.clone(), occupant: occupant.clone() };
        let history = self.wanted_history();
        out.push(Event::Send(OutStanza::Join { occupant, id, password: self.wishes.password.clone(), history }));
    }

    /// The answer to a join.
    pub(super) fn join_refused(&mut self, env: &mut Env<'_>, error: &StanzaError, out: &mut Vec<Event<T>>) {
        if error.condition == Condition::Conflict && self.attempt < MAX_NICKNAMES {
            self.attempt += 1;
            return self.enter(env, out);
        }
        self.refused(JoinRefusal::ByRoom(error.clone()), out);
    }

    /// Our own presence with status 110; the first one after a join says that we are in (GC-PRES-03).
    pub(super) fn placed(
        &mut self,
        env: &mut Env<'_>,
        presence: &Presence,
        occupant: FullJid,
        out: &mut Vec<Event<T>>,
    ) {
        let is_new = presence.muc.as_ref().is_some_and(|muc| muc.has(201));
        match &mut self.phase {
            Phase::Entering { .. } if is_new && !self.wishes.create => {
                // It did not exist after all, or no longer: nothing may stay behind of it.
                out.push(Event::Send(OutStanza::Leave { occupant, status: None }));
                self.refused(JoinRefusal::NoSuchRoom, out);
            }
            Phase::Entering { .. } if is_new => {
                self.unlock(env, occupant, out);
            }
            Phase::Entering { .. } => self.entered(env, occupant, false, out),
            // The room had gone without a word, and our question who is in it has brought another into being.
            Phase::Inside { .. } if is_new => self.entered_another(env, occupant, out),
            Phase::Inside { occupant: ours, .. } | Phase::Unlocking { occupant: ours, .. } => *ours = occupant,
            Phase::Connecting | Phase::Asking { .. } | Phase::Pausing { .. } | Phase::Outside => {}
        }
    }

    /// What was said to the old room has not been said to this one; that is for its deadline to tell.
    fn entered_another(&mut self, env: &mut Env<'_>, occupant: FullJid, out: &mut Vec<Event<T>>) {
        if !self.wishes.create {
            // `removed` takes back the join.
            return self.removed(Removal::Technical, out);
        }
        self.reentry_deadline = Some(env.now + REENTRY);
        self.unlock(env, occupant, out);
    }

    fn unlock(&mut self, env: &mut Env<'_>, occupant: FullJid, out: &mut Vec<Event<T>>) {
        let iq = env.token();
        self.phase = Phase::Unlocking { iq: iq.clone(), occupant };
        out.push(Event::Send(OutStanza::InstantRoom { room: self.muc.clone(), id: iq }));
    }

    fn entered(&mut self, env: &mut Env<'_>, occupant: FullJid, is_new: bool, out: &mut Vec<Event<T>>) {
        self.phase = Phase::Inside { occupant, history: true };
        let again = self.reentry_deadline.take().is_some();
        self.stranded = None;
        self.setbacks.entered(env.now);
        self.is_confirmed();
        self.begin_listening(env);
        out.push(Event::Entered { again });
        self.resume_renaming(out);
        self.catching = None;
        if self.memory.since().is_none() {
            self.memory.begin(env);
        } else if again && is_new {
            self.lose_track();
            out.push(Event::CaughtUp { count: 0, is_whole: false });
        } else if again {
            self.begin_catching_up(env, out);
        }
        if !self.settles_first() {
            self.say_what_waited(env, out);
        }
    }

    pub(super) fn iq(&mut self, env: &mut Env<'_>, iq: Iq, out: &mut Vec<Event<T>>) {
        if self.awaits_archive(&iq.id) {
            return self.archive_answered(env, iq.answer, out);
        }
        match &mut self.phase {
            Phase::Asking { existence, nickname } => {
                if existence.as_ref() == Some(&iq.id) {
                    *existence = None;
                    // Whatever else it says, the join decides: many rooms do not answer strangers.
                    if matches!(&iq.answer, IqAnswer::Error(error) if error.condition == Condition::ItemNotFound) {
                        return self.refused(JoinRefusal::NoSuchRoom, out);
                    }
                } else if nickname.as_ref() == Some(&iq.id) {
                    *nickname = None;
                    if let Some(reserved) = reserved_nickname(&iq.answer) {
                        self.wishes.nickname = reserved;
                    }
                }
                if matches!(&self.phase, Phase::Asking { existence: None, nickname: None }) {
                    self.enter(env, out);
                }
            }
            Phase::Unlocking { iq: ours, occupant } if *ours == iq.id => {
                let occupant = occupant.clone();
                match iq.answer {
                    IqAnswer::Result(_) | IqAnswer::Fin(_) => self.entered(env, occupant, true, out),
                    IqAnswer::Error(error) => {
                        out.push(Event::Send(OutStanza::Leave { occupant, status: None }));
                        self.refused(JoinRefusal::ByRoom(error), out);
                    }
                }
            }
            _ if self.description.as_ref() == Some(&iq.id) => {
                self.description = None;
                if let IqAnswer::Result(info) = iq.answer {
                    out.push(Event::Described(info));
                }
            }
            _ if self.pinging.awaits(&iq.id) => self.ping_answered(env, &iq.answer, out),
            _ => self.errand_answered(env, iq, out),
        }
    }

    pub(super) fn refused(&mut self, refusal: JoinRefusal, out: &mut Vec<Event<T>>) {
        if self.is_returning() {
            // That the room does not want us any more is the reason, not that it had lost us.
            let removal = match refusal {
                JoinRefusal::ByRoom(error) => Removal::NotLetIn(error),
                JoinRefusal::NoSuchRoom => Removal::NoSuchRoom,
                JoinRefusal::Removed(removal) => removal,
                JoinRefusal::Stream(end) => Removal::StreamLost(end),
                JoinRefusal::NoNickname => Removal::Technical,
            };
            return self.removed(removal, out);
        }
        self.phase = Phase::Outside;
        out.push(Event::Refused(refusal));
    }
}

/// The nickname that a room keeps for us: the name of an identity of category conference, type text (XEP-0045 §7.12).
fn reserved_nickname(answer: &IqAnswer) -> Option<String> {
    let IqAnswer::Result(info) = answer else { return None };
    let identity =
        info.identities.iter().find(|identity| identity.category == "conference" && identity.kind == "text")?;
    let reserved = nickname::enforce(identity.name.as_deref()?).ok()?;
    nickname::occupant_resource(&reserved).ok()?;
    Some(reserved)
}
