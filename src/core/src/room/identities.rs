//! Who is who, whatever he is called: the ids that some rooms give their occupants (XEP-0421, FT-04), and the nicknames that were
//! given up lately.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

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
    ids: BTreeMap<String, String>,
    /// The latest last.
    released: VecDeque<Released>,
}

#[derive(Debug)]
struct Released {
    nickname: String,
    id: Option<String>,
    at: Instant,
}

impl Identities {
    /// Whether the room says of itself that it gives ids.
    pub(super) fn are_given(&mut self, are_given: bool) {
        self.are_given = are_given;
    }

    /// Somebody is here, under this id; `occupants` are here in all.
    pub(super) fn is_here(
        &mut self,
        nickname: &str,
        id: Option<&str>,
        is_occupant: impl Fn(&str) -> bool,
        occupants: usize,
    ) {
        match id {
            Some(id) if self.ids.get(nickname).map(String::as_str) == Some(id) => {}
            Some(id) => {
                // Who left while nobody looked was not taken out.
                if self.ids.len() > occupants.saturating_mul(2).saturating_add(SLACK) {
                    self.ids.retain(|nickname, _| is_occupant(nickname));
                }
                self.ids.insert(nickname.into(), id.into());
            }
            None => {
                self.ids.remove(nickname);
            }
        }
    }

    /// A nickname was given up, and somebody else may take it within `grace`.
    pub(super) fn released(&mut self, nickname: &str, now: Instant, grace: Duration) {
        self.released.retain(|released| now.since(released.at) < grace);
        if self.released.len() >= MAX_RELEASED {
            self.released.pop_front();
        }
        let id = self.ids.remove(nickname);
        self.released.push_back(Released { nickname: nickname.into(), id, at: now });
    }

    /// Whether a nickname was somebody else's a moment ago: who writes to it may mean him.
    pub(super) fn changed_hands(&self, nickname: &str, now: Instant, grace: Duration) -> bool {
        let current = self.ids.get(nickname).filter(|_| self.are_given);
        let is_another = |released: &Released| current.is_none() || released.id.as_ref() != current;
        self.released
            .iter()
            .any(|released| released.nickname == nickname && now.since(released.at) < grace && is_another(released))
    }

    /// The id of the occupant of that name, where ids can be believed.
    pub(super) fn id_of(&self, nickname: &str) -> Option<&str> {
        self.ids.get(nickname).filter(|_| self.are_given).map(String::as_str)
    }

    /// Whether who has this id is the occupant of that name.
    pub(super) fn is_the_same(&self, nickname: &str, id: Option<&str>) -> bool {
        self.are_given && id.is_some() && self.ids.get(nickname).map(String::as_str) == id
    }

    /// Nobody of ours is in the room any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
