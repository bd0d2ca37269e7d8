//! Rooms that were destroyed with word where to go instead (XEP-0045 §10.9): who dials one of them later is told (FT-12).
//!
//! Nobody tells us when a room is there again under its old name, so that the word is forgotten after an hour, and in a restart.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jid::BareJid;
use mucfocus_core::time::Instant;

/// How long it is remembered.
const MEMORY: Duration = Duration::from_secs(3600);
/// Rooms of which it is; the oldest gives way.
const MAX_ROOMS: usize = 1_000;

/// Which room is where now, and until when that is believed.
#[derive(Debug, Default)]
pub(super) struct Moved(Mutex<BTreeMap<BareJid, (BareJid, Instant)>>);

impl Moved {
    /// `room` was destroyed in favour of another. Whoever is sent there is not sent on from there: two rooms that name each other
    /// would send callers to and fro.
    pub(super) fn note(&self, room: &BareJid, instead: BareJid, now: Instant) {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.remove(&instead);
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(room) {
            let oldest = rooms.iter().min_by_key(|(_, (_, until))| *until).map(|(room, _)| room.clone());
            oldest.and_then(|oldest| rooms.remove(&oldest));
        }
        if *room != instead {
            rooms.insert(room.clone(), (instead, now + MEMORY));
        }
    }

    /// Where to go instead of `room`.
    pub(super) fn instead_of(&self, room: &BareJid, now: Instant) -> Option<BareJid> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (instead, until) = rooms.get(room)?;
        if *until > now {
            return Some(instead.clone());
        }
        rooms.remove(room);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> BareJid {
        BareJid::new(&format!("{name}@muc.example.net")).unwrap()
    }

    #[test]
    fn a_room_is_elsewhere_for_an_hour() {
        // FT-12
        let (moved, now) = (Moved::default(), Instant::from_micros(1));
        moved.note(&room("a"), room("b"), now);
        assert_eq!(moved.instead_of(&room("a"), now + MEMORY / 2), Some(room("b")));
        assert_eq!(moved.instead_of(&room("b"), now), None);
        assert_eq!(moved.instead_of(&room("a"), now + MEMORY), None);
        assert_eq!(moved.instead_of(&room("a"), now), None, "it is forgotten");
    }

    #[test]
    fn nobody_is_sent_in_circles() {
        let (moved, now) = (Moved::default(), Instant::from_micros(1));
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")] {
            moved.note(&room(from), room(to), now);
        }
        assert_eq!(moved.instead_of(&room("c"), now), Some(room("a")));
        assert_eq!(moved.instead_of(&room("a"), now), None);
        assert_eq!(moved.instead_of(&room("d"), now), None);
    }

    #[test]
    fn the_oldest_gives_way() {
        let moved = Moved::default();
        for n in 0..=MAX_ROOMS {
            let now = Instant::from_micros(u64::try_from(n).unwrap());
            moved.note(&room(&format!("r{n}")), room("new"), now);
        }
        let now = Instant::from_micros(1);
        assert_eq!(moved.0.lock().unwrap().len(), MAX_ROOMS);
        assert_eq!(moved.instead_of(&room("r0"), now), None);
        assert!(moved.instead_of(&room("r1"), now).is_some());
    }
}
