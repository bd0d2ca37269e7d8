//! Native occupants whose names look like that of somebody who is here (NICK-12). The room lets them in; SIP users are told once,
//! so that nobody is taken for another. Of SIP users none gets such a name.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::Room;
use crate::env::Env;
use crate::leg::LegId;
use crate::muc::Seen;
use crate::time::Instant;
use crate::translate::notices;

/// How far apart warnings are in one room.
const PACE: Duration = Duration::from_secs(60);
/// How many may come at once.
const BURST: u32 = 2;
/// How long nobody is warned of a name again.
const MEMORY: Duration = Duration::from_secs(3600);
/// Names that are remembered.
const MAX_NAMES: usize = 32;

/// Of whom people were warned.
#[derive(Debug, Default)]
pub(super) struct Lookalikes {
    told: VecDeque<(String, Instant)>,
    /// When the next warning would be due if they came no faster than they may.
    next: Instant,
}

impl Lookalikes {
    /// Whether people are warned of this name now.
    fn warns_of(&mut self, nickname: &str, now: Instant) -> bool {
        while self.told.front().is_some_and(|(_, at)| now.since(*at) >= MEMORY) {
            self.told.pop_front();
        }
        let due = self.next.max(now);
        if self.told.iter().any(|(name, _)| name == nickname) || due.since(now) > PACE * BURST {
            return false;
        }
        if self.told.len() >= MAX_NAMES {
            self.told.pop_front();
        }
        self.told.push_back((nickname.to_string(), now));
        self.next = due + PACE;
        true
    }
}

impl Room {
    /// Somebody comes whom the roster does not show yet. Under whose name he could speak, if that is another's.
    pub(super) fn double_of(&self, seen: &Seen) -> Option<String> {
        let state = seen.state.as_ref().filter(|_| !seen.is_us && self.observer.is_complete())?;
        if self.roster.get(&seen.nickname).is_some() || self.index.called(&seen.nickname).is_some() {
            return None;
        }
        // Where the room shows who is who, one who comes with a second client is no other.
        let is_himself = |other: &&str| {
            let known = self.roster.get(other).and_then(|occupant| occupant.jid.as_ref());
            known.zip(state.jid.as_ref()).is_some_and(|(known, his)| known.to_bare() == his.to_bare())
                || self.identities.is_the_same(other, state.occupant_id.as_deref())
        };
        self.roster.alike(&seen.nickname).find(|other| !is_himself(other)).map(ToString::to_string)
    }

    /// SIP users are told that he who has come is not the other.
    pub(super) fn warn_of_double(&mut self, env: &mut Env<'_>, nickname: &str, other: &str) {
        if !self.lookalikes.warns_of(nickname, env.now) {
            return;
        }
        let text = notices::lookalike(nickname, other);
        let legs: Vec<LegId> = self.members.values().flat_map(|m| m.legs.iter().copied()).collect();
        for id in legs {
            self.notify_leg(env, id, &text);
        }
    }
}
