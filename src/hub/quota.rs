//! How much of something each SIP user may have, or do in a time: of calls, subscriptions, invitations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mucfocus_core::time::Instant;

use crate::sip::settings::Rate;

/// Users that are remembered; of those who did nothing for long the memory is free.
const MAX_USERS: usize = 100_000;

/// So much in a time, by user (the generic cell rate algorithm).
#[derive(Debug)]
pub struct Pace {
    rate: Mutex<Option<Rate>>,
    /// When each user's next would be due if his came exactly at the rate.
    due: Mutex<BTreeMap<String, Instant>>,
}

impl Pace {
    /// Everybody begins with all of it; `None` is without end.
    #[must_use]
    pub const fn new(rate: Option<Rate>) -> Self {
        Self { rate: Mutex::new(rate), due: Mutex::new(BTreeMap::new()) }
    }

    /// From now on it is this rate.
    pub fn set_rate(&self, rate: Option<Rate>) {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = rate;
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// How long `user` has to wait for the next.
    pub fn take(&self, user: &str, now: Instant) -> Result<(), Duration> {
        let Some(rate) = *self.rate.lock().unwrap_or_else(PoisonError::into_inner) else { return Ok(()) };
        let step = rate.per / rate.count.max(1);
        let burst = rate.per.saturating_sub(step);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= MAX_USERS {
            due.retain(|_, at| *at > now);
        }
        // Rather one user with a fresh start than memory without end.
        if due.len() >= MAX_USERS && !due.contains_key(user) {
            due.pop_first();
        }
        let base = due.get(user).copied().unwrap_or(now).max(now);
        let wait = base.since(now).saturating_sub(burst);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        due.insert(user.to_owned(), base + step);
        Ok(())
    }
}

/// So many at a time, by user.
#[derive(Debug)]
pub struct Places {
    limit: Mutex<Option<usize>>,
    taken: Mutex<BTreeMap<String, usize>>,
}

/// One of a user's places. Dropped, it is free again.
#[derive(Debug)]
pub struct PlaceOfUser {
    places: Arc<Places>,
    user: String,
}

impl Places {
    /// All of them are free; `None` is without end.
    #[must_use]
    pub fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self { limit: Mutex::new(limit), taken: Mutex::default() })
    }

    /// From now on it is so many. Who has more keeps them.
    pub fn set_limit(&self, limit: Option<usize>) {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    /// Takes one, if the user has one left.
    #[must_use]
    pub fn take(self: &Arc<Self>, user: &str) -> Option<PlaceOfUser> {
        let limit = *self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(user.to_owned()).or_default();
        if limit.is_some_and(|limit| *count >= limit) {
            if *count == 0 {
                taken.remove(user);
            }
            return None;
        }
        *count += 1;
        Some(PlaceOfUser { places: Arc::clone(self), user: user.to_owned() })
    }
}

impl Drop for PlaceOfUser {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_allows_a_burst_and_then_one_at_a_time_and_keeps_users_apart() {
        let pace = Pace::new(Some(Rate { count: 3, per: Duration::from_secs(30) }));
        let now = Instant::from_micros(1_000_000);
        assert!((0..3).all(|_| pace.take("romeo", now).is_ok()));
        assert_eq!(pace.take("romeo", now), Err(Duration::from_secs(10)));
        assert_eq!(pace.take("juliet", now), Ok(()));
        assert_eq!(pace.take("romeo", now + Duration::from_secs(10)), Ok(()));
        assert!(pace.take("romeo", now + Duration::from_secs(10)).is_err());
    }

    #[test]
    fn without_a_limit_everything_goes() {
        let pace = Pace::new(None);
        assert!((0..1000).all(|_| pace.take("romeo", Instant::ZERO).is_ok()));
    }

    #[test]
    fn a_place_comes_back_when_it_is_dropped() {
        let places = Places::new(Some(2));
        let (first, _second) = (places.take("romeo").unwrap(), places.take("romeo").unwrap());
        assert!(places.take("romeo").is_none() && places.take("juliet").is_some());
        drop(first);
        assert!(places.take("romeo").is_some());
        assert_eq!(places.taken.lock().unwrap().len(), 1, "nothing is kept of who has nothing");
    }
}
