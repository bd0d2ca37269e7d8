//! Strangers who were banned from a room. On the XMPP side somebody who logs in without a name is somebody else each time, so
//! the MUC's own ban does not hold him: here he is known by his verified SIP address (FT-07).
//!
//! Nobody tells us that a ban was lifted, so one ends after a day. A restart forgets them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jid::BareJid;
use mucfocus_core::time::Instant;

/// How long a ban is remembered.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Bans that are remembered; the oldest gives way.
const MAX_BANS: usize = 10_000;

/// Who is banned where, and until when.
#[derive(Debug, Default)]
pub struct Bans(Mutex<BTreeMap<(BareJid, String), Instant>>);

impl Bans {
    /// `user`, by his folded address of record, was banned from `room`.
    pub fn add(&self, room: &BareJid, user: &str, now: Instant) {
        let mut bans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (room.clone(), user.to_owned());
        if bans.len() >= MAX_BANS && !bans.contains_key(&name) {
            bans.retain(|_, until| *until > now);
        }
        if bans.len() >= MAX_BANS
            && !bans.contains_key(&name)
            && let Some(oldest) = bans.iter().min_by_key(|(_, until)| **until).map(|(name, _)| name.clone())
        {
            bans.remove(&oldest);
        }
        bans.insert(name, now + MEMORY);
    }

    /// Whether he still is.
    #[must_use]
    pub fn holds(&self, room: &BareJid, user: &str, now: Instant) -> bool {
        let mut bans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (room.clone(), user.to_owned());
        match bans.get(&name) {
            Some(until) if *until > now => true,
            Some(_) => {
                bans.remove(&name);
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> BareJid {
        BareJid::new(&format!("{name}@muc.example.net")).unwrap()
    }

    #[test]
    fn a_ban_is_of_one_user_in_one_room_and_ends_after_a_day() {
        let (bans, now) = (Bans::default(), Instant::from_micros(1_000_000));
        bans.add(&room("capulet"), "tybalt@example.org", now);
        assert!(bans.holds(&room("capulet"), "tybalt@example.org", now + (MEMORY - Duration::from_secs(1))));
        assert!(!bans.holds(&room("capulet"), "romeo@example.org", now));
        assert!(!bans.holds(&room("montague"), "tybalt@example.org", now));
        assert!(!bans.holds(&room("capulet"), "tybalt@example.org", now + MEMORY));
        assert!(bans.0.lock().unwrap().is_empty(), "what is over is not kept");
    }

    #[test]
    fn of_very_many_the_oldest_is_forgotten() {
        let (bans, room) = (Bans::default(), room("capulet"));
        let at = |n: u64| Instant::from_micros(n * 1000);
        for n in 0..10_001_u64 {
            bans.add(&room, &format!("u{n}@example.org"), at(n));
        }
        // Once more is no more.
        bans.add(&room, "u10000@example.org", at(10_001));
        assert_eq!(bans.0.lock().unwrap().len(), MAX_BANS);
        assert!(!bans.holds(&room, "u0@example.org", at(10_001)));
        assert!(bans.holds(&room, "u1@example.org", at(10_001)) && bans.holds(&room, "u10000@example.org", at(10_001)));
    }
}
