//! The membership machine: where one account stands with one MUC.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use jid::{BareJid, FullJid};

use super::catching_up::Catching;
use super::hearing::{Heard, Ids, Seen};
use super::memory::Memory;
use super::pinging::Pinging;
use super::reflections::Reflections;
use super::refusing::Refusing;
use super::renaming::Renaming;
use super::speaking::{Errand, Utterance};
use super::suspension::Suspension;
use super::{JoinRefusal, Removal, StreamEnd};
use crate::env::Env;
use crate::setbacks::Setbacks;
use crate::stanza::{Decline, DiscoInfo, Message, OutStanza, Password, Stanza, StanzaError};
use crate::time::{Instant, WallClock};

/// How long the way back in may take where the room, and not its server, lost us (status 333 and the like).
pub(super) const REENTRY: Duration = Duration::from_secs(15);

/// One account in one MUC. `T` names what is under way: a message, a nickname, an invitation.
#[derive(Debug)]
pub struct Membership<T> {
    pub(super) muc: BareJid,
    pub(super) wishes: Wishes,
    /// Which variant of the nickname is being tried.
    pub(super) attempt: u32,
    pub(super) phase: Phase,
    /// What was said to everybody.
    pub(super) reflections: Reflections<Utterance<T>>,
    /// What has no reflection: its fate is known when the room has answered the ping behind it (GC-PM-07).
    pub(super) errands: Reflections<Utterance<T>>,
    /// Errands that the room took, and whose addressee may yet refuse.
    pub(super) done: VecDeque<(String, T)>,
    /// What could not be said yet because the room is being entered again.
    pub(super) unsent: VecDeque<Utterance<T>>,
    /// How much was said so far, and is to be said.
    pub(super) turns: u64,
    pub(super) renaming: Renaming<T>,
    /// Whether the room still has us.
    pub(super) pinging: Pinging,
    pub(super) reentry_deadline: Option<Instant>,
    /// How often the room has thrown us out just after it had let us in.
    pub(super) setbacks: Setbacks,
    /// What its saying that it does not know us means.
    pub(super) refusing: Refusing,
    /// Why the way back in begins with another stream.
    pub(super) stranded: Option<StreamEnd>,
    /// The connection of the stream is gone, and may be resumed.
    pub(super) suspended: Option<Suspension>,
    /// Whether there was a way back in, so that more than one join was sent.
    pub(super) has_reentered: bool,
    /// What was heard last.
    pub(super) memory: Memory,
    /// What was said while we were out is being asked for.
    pub(super) catching: Option<Catching>,
    /// Whether the room announces that it gives its messages ids of its own.
    pub(super) by_room: bool,
    /// And that it has an archive.
    pub(super) has_archive: bool,
    /// The question about the room itself that has no answer yet.
    pub(super) description: Option<String>,
    /// Not before then does the room want to hear more (XM-16).
    pub(super) quiet_until: Option<Instant>,
}

/// How somebody wants to enter a room.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The nickname that is asked for: on the way back in, the one that was in force.
    pub nickname: String,
    /// Whether the room may be brought into being.
    pub create: bool,
    /// The room's password.
    pub password: Option<Password>,
    /// How many earlier messages are wanted.
    pub history: u32,
    /// How long the room may say nothing before it is asked whether we are still in it (XEP-0410).
    pub silence: Duration,
    /// How long it may be out of reach before we are no longer in it.
    pub outage: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// The account's stream is not up.
    Connecting,
    /// Asked whether the room exists (`create = false`), and which nickname it keeps for us (XEP-0045 §7.12).
    Asking { existence: Option<String>, nickname: Option<String> },
    /// The join presence is out.
    Entering { presence: String, occupant: FullJid },
    /// The room is new and locked until its configuration is accepted (XEP-0045 §10.1.2).
    Unlocking { iq: String, occupant: FullJid },
    /// In the room. `history` lasts from the join's own 110 to the subject (XM-05).
    Inside { occupant: FullJid, history: bool },
    /// Thrown out by the room, which is entered again at this moment.
    Pausing { until: Instant },
    /// Not in the room and not on the way there.
    Outside,
}

/// What a membership wants or knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<T> {
    /// To be sent on the account's stream.
    Send(OutStanza),
    /// The room is entered, for the first time or once more, and everybody in it has been [`Event::Seen`].
    Entered {
        /// Whether this is a way back in, of which nobody need hear.
        again: bool,
    },
    /// The room is not to be entered.
    Refused(JoinRefusal),
    /// The room was left, not by us.
    Removed(Removal),
    /// On the way back in everybody is named again, from here until [`Event::Entered`].
    Returning,
    /// Back in the room, what was said meanwhile has been told, and what follows is live.
    CaughtUp {
        /// How many messages.
        count: usize,
        /// Whether it is known that nothing is missing.
        is_whole: bool,
    },
    /// This could not be said to somebody when it was to be. It has not got anywhere; [`Membership::run`] says it now.
    Held {
        /// What comes back with what becomes of it.
        ticket: T,
        /// What was to be said, or done.
        errand: Errand,
        /// By when.
        deadline: Instant,
    },
    /// The room does not answer, or cannot be reached: nobody knows whether we are still in it.
    OutOfReach,
    /// It does again, and we are. Something may have been missed meanwhile.
    WithinReach,
    /// The room threw us out just after it had let us in, and not for the first time.
    ThrownOut {
        /// After how long it is entered again.
        retry: Duration,
    },
    /// The stream is gone while we were inside. [`Membership::stream_ready`] leads back in.
    Stranded(StreamEnd),
    /// The server has lost the stream while we were inside. Another one is coming; [`Membership::stream_ready`] leads back in.
    Reset(StreamEnd),
    /// What was said to everybody with this ticket is in the room, in these words and under these names.
    Reflected(T, Arc<Message>, Ids),
    /// What was to be done with this ticket is done, or not and why.
    Concluded(T, Result<(), StanzaError>),
    /// It was concluded well, and came back all the same.
    FailedAfterAll(T, StanzaError),
    /// Nobody knows what became of it.
    Overdue(T),
    /// A change of nickname could not be made because there is no such nickname in XMPP.
    NoSuchNickname(T),
    /// Somebody spoke to everybody, or the room did.
    Spoken {
        /// What was said; it has a body. Others of ours hear the same.
        message: Arc<Message>,
        /// When it was said, where that was before we came (FT-01).
        earlier: Option<Option<WallClock>>,
    },
    /// Somebody did something else.
    Heard(Heard),
    /// An occupant is here, has changed or is gone; also we ourselves.
    Seen(Seen),
    /// The subject of the room.
    Subject(String),
    /// Status codes that say something about the room (XEP-0045 §15.6).
    Codes(Vec<u16>),
    /// What the room says about itself.
    Described(DiscoInfo),
    /// Somebody does not follow an invitation of ours.
    Declined(Decline),
}

impl<T: Clone> Membership<T> {
    /// A membership that wants into `muc`.
    #[must_use]
    pub const fn new(muc: BareJid, wishes: Wishes) -> Self {
        Self {
            muc,
            wishes,
            attempt: 1,
            phase: Phase::Connecting,
            reflections: Reflections::new(),
            errands: Reflections::new(),
            done: VecDeque::new(),
            unsent: VecDeque::new(),
            turns: 0,
            renaming: Renaming::new(),
            pinging: Pinging::new(),
            reentry_deadline: None,
            setbacks: Setbacks::new(),
            refusing: Refusing::Unheard,
            stranded: None,
            suspended: None,
            has_reentered: false,
            memory: Memory::new(),
            catching: None,
            by_room: false,
            has_archive: false,
            description: None,
            quiet_until: None,
        }
    }

    /// Our occupant JID, once it is known.
    #[must_use]
    pub const fn occupant(&self) -> Option<&FullJid> {
        match &self.phase {
            Phase::Entering { occupant, .. } | Phase::Unlocking { occupant, .. } | Phase::Inside { occupant, .. } => {
                Some(occupant)
            }
            Phase::Connecting | Phase::Asking { .. } | Phase::Pausing { .. } | Phase::Outside => None,
        }
    }

    /// Our nickname, while we are inside.
    #[must_use]
    pub fn nickname(&self) -> Option<&str> {
        match &self.phase {
            Phase::Inside { occupant, .. } => Some(occupant.resource().as_str()),
            _ => None,
        }
    }

    /// Our occupant, where of all presence only what concerns him is needed; `None` while any may be: the room is not asked yet, is
    /// new, or gives us another nickname.
    #[must_use]
    pub fn heeds_only(&self) -> Option<&FullJid> {
        match &self.phase {
            Phase::Entering { occupant, .. } => Some(occupant),
            Phase::Inside { occupant, .. } if !self.renaming.is_under_way() => Some(occupant),
            _ => None,
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

    /// Whether we were inside and are on the way back.
    #[must_use]
    pub const fn is_returning(&self) -> bool {
        self.reentry_deadline.is_some()
    }

    /// The nickname that we come back under.
    #[must_use]
    pub fn returns_as(&self) -> Option<&str> {
        self.is_returning().then_some(self.wishes.nickname.as_str())
    }

    /// Not before then does the room want to hear more of us.
    #[must_use]
    pub const fn quiet_until(&self) -> Option<Instant> {
        self.quiet_until
    }

    /// A stanza from the room or an occupant of it.
    pub fn receive(&mut self, env: &mut Env<'_>, stanza: Stanza, out: &mut Vec<Event<T>>) {
        match stanza {
            Stanza::Presence(presence) => self.presence(env, &presence, out),
            Stanza::Message(message) => self.message(env, Arc::new(message), out),
            Stanza::Archived(archived) => self.archived(env, archived),
            Stanza::Iq(iq) => self.iq(env, iq, out),
        }
    }

    /// Leaves, with a text for those who stay, or withdraws the join.
    pub fn leave(&mut self, status: Option<String>, out: &mut Vec<Event<T>>) {
        if let Some(occupant) = self.occupant() {
            out.push(Event::Send(OutStanza::Leave { occupant: occupant.clone(), status }));
        }
        self.phase = Phase::Outside;
        self.give_up_all(out);
    }

    /// When [`Membership::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let unsent = self.unsent.iter().map(|unsent| unsent.deadline).min();
        let deadlines = [
            self.reflections.next_deadline(),
            self.errands.next_deadline(),
            self.renaming.deadline(),
            self.reentry_deadline,
            self.pause_deadline(),
            self.suspended.as_ref().map(|suspension| suspension.until),
            self.ping_deadline(),
            self.catching_deadline(),
            unsent,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Gives up what waited too long.
    pub fn handle_timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        let now = env.now;
        while let Some(late) = self.reflections.expire(now) {
            out.push(Event::Overdue(late.ticket));
        }
        while let Some(late) = self.errands.expire(now) {
            out.push(Event::Overdue(late.ticket));
        }
        let (late, unsent) = core::mem::take(&mut self.unsent).into_iter().partition(|unsent| unsent.deadline <= now);
        self.unsent = unsent;
        let late: VecDeque<Utterance<T>> = late;
        out.extend(late.into_iter().map(|unsent| Event::Overdue(unsent.ticket)));
        self.expire_renaming(env, out);
        if self.reentry_deadline.is_some_and(|at| at <= now) {
            let removal = self.stranded.take().map_or(Removal::Technical, Removal::StreamLost);
            return self.removed(removal, out);
        }
        self.expire_pause(env, out);
        self.expire_catching(env, out);
        self.expire_suspension(now, out);
        self.ping_timeout(env, out);
    }

    pub(super) fn removed(&mut self, removal: Removal, out: &mut Vec<Event<T>>) {
        // A removal may cross a join on the way back in, which the room takes after it: nobody would be there any more.
        if let Some(occupant) = self.occupant().filter(|_| self.has_reentered) {
            out.push(Event::Send(OutStanza::Leave { occupant: occupant.clone(), status: None }));
        }
        self.phase = Phase::Outside;
        self.give_up_all(out);
        out.push(Event::Removed(removal));
    }

    pub(super) fn give_up_all(&mut self, out: &mut Vec<Event<T>>) {
        (self.reentry_deadline, self.stranded, self.suspended) = (None, None, None);
        self.catching = None;
        let under_way = self.reflections.drain().chain(self.errands.drain()).chain(self.unsent.drain(..));
        out.extend(under_way.map(|utterance| Event::Overdue(utterance.ticket)));
        out.extend(self.renaming.drain().map(Event::Overdue));
    }
}
