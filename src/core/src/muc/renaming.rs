//! Changes of our own nickname (GC-NICK). One at a time, in the order in which they were asked for.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use jid::FullJid;

use super::entering::MAX_NICKNAMES;
use super::membership::{Event, Membership, Phase};
use crate::address::nickname;
use crate::env::Env;
use crate::stanza::{Condition, OutStanza, Presence, StanzaError};
use crate::time::Instant;

/// How long the room may take (GC-NICK-02).
const PATIENCE: Duration = Duration::from_secs(10);

/// The change that is under way, and those that wait.
#[derive(Debug)]
pub(super) struct Renaming<T> {
    current: Option<Change<T>>,
    waiting: VecDeque<(T, Wish)>,
}

/// What somebody wants to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    nickname: String,
    /// A variant will do as well: he wants to be rid of another one.
    or_variant: bool,
}

#[derive(Debug)]
struct Change<T> {
    ticket: T,
    wish: Wish,
    attempt: u32,
    presence: String,
    wanted: FullJid,
    deadline: Instant,
    /// The room has said that we are somebody else now (status 303).
    announced: bool,
    /// What we would have come back as without it, of a change that was asked for on the way back in.
    instead_of: Option<String>,
}

impl<T> Renaming<T> {
    pub(super) const fn new() -> Self {
        Self { current: None, waiting: VecDeque::new() }
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map(|change| change.deadline)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        let current = self.current.take().map(|change| change.ticket);
        current.into_iter().chain(core::mem::take(&mut self.waiting).into_iter().map(|(ticket, _)| ticket))
    }
}

impl<T: Clone> Membership<T> {
    /// Goes by `nickname`, or by a variant of it where that will do. `ticket` comes back with what became of it.
    pub fn rename(
        &mut self,
        env: &mut Env<'_>,
        ticket: T,
        nickname: String,
        or_variant: bool,
        out: &mut Vec<Event<T>>,
    ) {
        self.renaming.waiting.push_back((ticket, Wish { nickname, or_variant }));
        self.next_change(env, out);
    }

    fn next_change(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        while self.renaming.current.is_none() {
            let Some((ticket, wish)) = self.renaming.waiting.pop_front() else { return };
            self.begin_change(env, ticket, wish, 1, out);
        }
    }

    fn begin_change(&mut self, env: &mut Env<'_>, ticket: T, wish: Wish, attempt: u32, out: &mut Vec<Event<T>>) {
        if self.nickname() == Some(wish.nickname.as_str()) {
            return out.push(Event::Concluded(ticket, Ok(()))); // GC-NICK-08
        }
        let wanted = match attempt {
            1 => wish.nickname.clone(),
            n => nickname::variant(&wish.nickname, n),
        };
        let Ok(wanted) = self.muc.with_resource_str(&wanted) else {
            return out.push(Event::NoSuchNickname(ticket)); // NICK-07
        };
        let presence = env.token();
        // On the way back in, it is what we come back as.
        let instead_of = if self.is_inside() {
            // Without a connection it waits: it must not happen when its author has been told that it did not.
            if self.is_live() {
                out.push(Event::Send(OutStanza::Rename { occupant: wanted.clone(), id: presence.clone() }));
            }
            None
        } else {
            Some(core::mem::replace(&mut self.wishes.nickname, wanted.resource().to_string()))
        };
        let deadline = env.now + PATIENCE;
        self.renaming.current =
            Some(Change { ticket, wish, attempt, presence, wanted, deadline, announced: false, instead_of });
    }

    /// We are inside again, perhaps under the name that is to go, or have a connection again: the change is asked for once more
    /// (GC-NICK-09).
    pub(super) fn resume_renaming(&mut self, out: &mut Vec<Event<T>>) {
        if let (Phase::Inside { occupant, .. }, Some(change)) = (&self.phase, &self.renaming.current)
            && *occupant != change.wanted
        {
            let (occupant, id) = (change.wanted.clone(), change.presence.clone());
            out.push(Event::Send(OutStanza::Rename { occupant, id }));
        }
    }

    /// The room says that an occupant of ours is called `occupant` now.
    pub(super) fn renamed(&mut self, occupant: FullJid) {
        if let Phase::Inside { occupant: ours, .. } | Phase::Unlocking { occupant: ours, .. } = &mut self.phase {
            *ours = occupant;
        }
        if let Some(change) = &mut self.renaming.current {
            change.announced = true;
        }
    }

    /// Our own presence came: it ends a change that it is the result of, as wanted or as the service would have it (GC-NICK-07).
    pub(super) fn settle_renaming(&mut self, env: &mut Env<'_>, presence: &Presence, out: &mut Vec<Event<T>>) {
        let is_result = self.renaming.current.as_ref().is_some_and(|change| {
            change.announced || presence.from == change.wanted || presence.id.as_ref() == Some(&change.presence)
        });
        if is_result && let Some(change) = self.renaming.current.take() {
            out.push(Event::Concluded(change.ticket, Ok(())));
            self.next_change(env, out);
        }
    }

    /// A presence error while we are inside: whether it was about a change, whose end it then is (GC-NICK-03, E-38).
    pub(super) fn renaming_refused(
        &mut self,
        env: &mut Env<'_>,
        presence: &Presence,
        error: &StanzaError,
        out: &mut Vec<Event<T>>,
    ) {
        let is_about_it = |change: &mut Change<T>| match &presence.id {
            Some(id) => *id == change.presence,
            None => true,
        };
        let Some(change) = self.renaming.current.take_if(is_about_it) else { return };
        if change.wish.or_variant && error.condition == Condition::Conflict && change.attempt < MAX_NICKNAMES {
            return self.begin_change(env, change.ticket, change.wish, change.attempt + 1, out);
        }
        out.push(Event::Concluded(change.ticket, Err(error.clone())));
        self.next_change(env, out);
    }

    pub(super) fn expire_renaming(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        let now = env.now;
        if let Some(late) = self.renaming.current.take_if(|change| change.deadline <= now) {
            // Who was told that he is not called so must not come back under it (GC-NICK-05), unless that is under way already.
            if let Some(nickname) = late.instead_of.filter(|_| self.phase == Phase::Connecting) {
                self.wishes.nickname = nickname;
            }
            out.push(Event::Overdue(late.ticket));
            self.next_change(env, out);
        }
    }
}
