//! Who is who, whatever he is called: the ids that some rooms give their occupants (XEP-0421, FT-04), and the nicknames that were
//! given up lately.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use jid::BareJid;

use crate::time::Instant;

/// What a room announces that gives its occupants ids (XEP-0421 §4.1). Elsewhere an occupant can write one himself.
pub(super) const OCCUPANT_IDS: &str = "urn:xmpp:occupant-id:0";
/// Nicknames that are remembered as given up.
const MAX_RELEASED: usize = 64;
/// Ids that are kept beyond those of the occupants, before the others are forgotten.
const SLACK: usize = 64;

/// Who is who in a room.
#[derive(Debug, Default)]
pub(super) struct Identities {
    are_given: bool,
    /// By nickname, of those of whom anything is known.
    owners: BTreeMap<String, Owner>,
    /// The latest last.
    released: VecDeque<Released>,
}

/// By what somebody is known for certain, whatever he is called.
#[derive(Debug, Clone, Default)]
pub(super) struct Owner {
    /// The id that the room gives him.
    pub(super) id: Option<String>,
    /// The address of record of a verified SIP user.
    pub(super) user: Option<String>,
    /// His real JID, in a room that shows it to everybody.
    pub(super) jid: Option<BareJid>,
}

impl Owner {
    fn is_known(&self) -> bool {
        self.id.is_some() || self.user.is_some() || self.jid.is_some()
    }

    /// Whether both are certainly one. Ids count where they can be believed.
    fn is(&self, other: &Self, ids_count: bool) -> bool {
        let is_one = |mine: &Option<String>, his: &Option<String>| mine.is_some() && mine == his;
        is_one(&self.user, &other.user)
            || (ids_count && is_one(&self.id, &other.id))
            || (self.jid.is_some() && self.jid == other.jid)
    }

    /// What was not known, from what is.
    fn complete(&mut self, other: Self) {
        self.id = self.id.take().or(other.id);
        self.user = self.user.take().or(other.user);
        self.jid = self.jid.take().or(other.jid);
    }
}

#[derive(Debug)]
struct Released {
    nickname: String,
    owner: Owner,
    at: Instant,
    /// Whether somebody was seen under it since.
    is_taken: bool,
}

impl Identities {
    /// Whether the room says of itself that it gives ids.
    pub(super) fn are_given(&mut self, are_given: bool) {
        self.are_given = are_given;
    }

    /// Somebody is here, who is known as this; `occupants` are here in all.
    pub(super) fn is_here(
        &mut self,
        nickname: &str,
        owner: Owner,
        is_occupant: impl Fn(&str) -> bool,
        occupants: usize,
    ) {
        self.taken(nickname);
        match self.owners.get_mut(nickname) {
            _ if !owner.is_known() => {
                self.owners.remove(nickname);
            }
            Some(known) => *known = owner,
            None => {
                // Who left while nobody looked was not taken out.
                if self.owners.len() > occupants.saturating_mul(2).saturating_add(SLACK) {
                    self.owners.retain(|nickname, _| is_occupant(nickname));
                }
                self.owners.insert(nickname.into(), owner);
            }
        }
    }

    /// One of our own is here, as he himself sees; others may see it before or after.
    pub(super) fn is_ours(&mut self, nickname: &str, user: Option<String>) {
        self.taken(nickname);
        if user.is_some() {
            self.owners.entry(nickname.into()).or_default().user = user;
        }
    }

    fn taken(&mut self, nickname: &str) {
        self.released.iter_mut().filter(|released| released.nickname == nickname).for_each(|r| r.is_taken = true);
    }

    /// A nickname was given up, and somebody else may take it within `grace`. That two of ours see it does not make it two times.
    pub(super) fn released(&mut self, nickname: &str, seen_as: Owner, now: Instant, grace: Duration) {
        self.released.retain(|released| now.since(released.at) < grace);
        let mut owner = self.owners.remove(nickname).unwrap_or_default();
        owner.complete(seen_as);
        let before = self.released.iter_mut().rev().find(|released| released.nickname == nickname);
        if let Some(before) = before.filter(|before| !before.is_taken) {
            before.owner.complete(owner);
            before.at = now;
            return;
        }
        if self.released.len() >= MAX_RELEASED {
            self.released.pop_front();
        }
        self.released.push_back(Released { nickname: nickname.into(), owner, at: now, is_taken: false });
    }

    /// Whether a nickname was somebody else's a moment ago: who writes to it may mean him. `seen_as` is who has it now, as far as
    /// that is known elsewhere.
    pub(super) fn changed_hands(&self, nickname: &str, seen_as: Owner, now: Instant, grace: Duration) -> bool {
        let mut lately = self.released.iter().filter(|r| r.nickname == nickname && now.since(r.at) < grace).peekable();
        if lately.peek().is_none() {
            return false;
        }
        let mut current = seen_as;
        current.complete(self.owners.get(nickname).cloned().unwrap_or_default());
        lately.any(|released| !released.owner.is(&current, self.are_given))
    }

    /// The id of the occupant of that name, where ids can be believed.
    pub(super) fn id_of(&self, nickname: &str) -> Option<&str> {
        self.owners.get(nickname).filter(|_| self.are_given)?.id.as_deref()
    }

    /// Whether who has this id is the occupant of that name.
    pub(super) fn is_the_same(&self, nickname: &str, id: Option<&str>) -> bool {
        id.is_some() && self.id_of(nickname) == id
    }

    /// Nobody of ours is in the room any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
