//! Strangers who were banned from a room. On the XMPP side somebody who logs in without a name is somebody else each time, so
//! the MUC's own ban does not hold him: here he is known by his verified SIP address (FT-07).
//!
//! Nobody tells us that a ban was lifted in the MUC, so one ends after a day, or when the operator lifts it. A restart forgets them
//! all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jid::BareJid;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::time::Instant;

use super::clock;
use super::directory::Directory;

/// How long a ban is remembered.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Bans that are remembered; the oldest gives way.
const MAX_BANS: usize = 10_000;

/// Who is banned where, and until when.
#[derive(Debug, Default)]
pub struct Bans(Mutex<BTreeMap<(BareJid, String), Instant>>);

/// A stranger who is kept out of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The MUC.
    pub room: BareJid,
    /// His folded address of record, without the scheme.
    pub user: String,
    /// For how long he still is.
    pub left: Duration,
}

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

impl Bans {
    /// Those that hold, by room and user.
    #[must_use]
    pub fn holding(&self, now: Instant) -> Vec<Ban> {
        let mut bans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bans.retain(|_, until| *until > now);
        let ban = |((room, user), until): (&(BareJid, String), &Instant)| Ban {
            room: room.clone(),
            user: user.clone(),
            left: until.since(now),
        };
        bans.iter().map(ban).collect()
    }

    /// `user` may enter `room` again, as far as we are concerned. Whether he was banned.
    pub fn lift(&self, room: &BareJid, user: &str) -> bool {
        let mut bans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bans.remove(&(room.clone(), user.to_owned())).is_some()
    }
}

/// Which ban an operator means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLifted {
    /// That is nobody's address.
    #[error("{0} is not the address of a SIP user; write it like sip:tybalt@example.org")]
    NotAUser(String),
    /// There is none.
    #[error("this node keeps no ban of {user} from {room}; `bans` lists those that it keeps")]
    None {
        /// Who.
        user: String,
        /// Where.
        room: String,
    },
    /// In several rooms of that name.
    #[error("{user} is banned from several rooms called {room}; write the whole JID")]
    Several {
        /// Who.
        user: String,
        /// Where.
        room: String,
    },
}

impl Directory {
    /// Strangers who are kept out, by room.
    #[must_use]
    pub fn bans(&self) -> Vec<Ban> {
        self.shared_bans().holding(clock::now())
    }

    /// Lets a stranger in again who was banned from the room that is called `room`: by its JID, by a SIP URI that maps to it, or by
    /// its local part alone. The MUC's own ban stays, of a JID that nobody has any more.
    ///
    /// # Errors
    ///
    /// [`NotLifted`] where that is not one ban.
    pub fn unban(&self, room: &str, user: &str) -> Result<Ban, NotLifted> {
        let uri = SipUri::parse(user).or_else(|_| SipUri::parse(&format!("sip:{user}")));
        let key = uri.map_err(|_| NotLifted::NotAUser(user.to_owned()))?.aor_key();
        let is_meant = self.is_called(room);
        let mut meant = self.bans().into_iter().filter(|ban| ban.user == key && is_meant(&ban.room));
        let named = || (user.to_owned(), room.to_owned());
        match (meant.next(), meant.next()) {
            (Some(ban), None) if self.shared_bans().lift(&ban.room, &ban.user) => Ok(ban),
            (Some(_), Some(_)) => {
                let (user, room) = named();
                Err(NotLifted::Several { user, room })
            }
            _ => {
                let (user, room) = named();
                Err(NotLifted::None { user, room })
            }
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

    #[test]
    fn a_ban_that_is_lifted_holds_no_more_and_the_others_do() {
        let (bans, now) = (Bans::default(), Instant::from_micros(1_000_000));
        for name in ["capulet", "montague"] {
            bans.add(&room(name), "tybalt@example.org", now);
        }
        bans.add(&room("capulet"), "paris@example.org", now + Duration::from_secs(60));
        let held: Vec<String> = bans.holding(now).into_iter().map(|ban| ban.user).collect();
        assert_eq!(held, ["paris@example.org", "tybalt@example.org", "tybalt@example.org"]);
        assert!(bans.lift(&room("capulet"), "tybalt@example.org"));
        assert!(!bans.lift(&room("capulet"), "tybalt@example.org"), "once");
        assert!(!bans.holds(&room("capulet"), "tybalt@example.org", now));
        assert!(bans.holds(&room("montague"), "tybalt@example.org", now));
        let left: Vec<Ban> = bans.holding(now + MEMORY);
        assert_eq!(left.len(), 1, "what is over is not listed");
        assert_eq!(left[0].left, Duration::from_secs(60));
    }
}
