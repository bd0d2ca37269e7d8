//! Which nonces were used, and how often: so that what was overheard cannot be said again. Pure, and bounded.
//!
//! Only who knew a password gets in here. When the table is full the oldest nonce goes, and with it every nonce that is older:
//! its holder is told that it is stale and gets a new one, so forgetting never lets anything in.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::Denied;
use super::nonce::NonceId;

/// Nonces in use at a time, at some 400 octets each.
const MAX_NONCES: usize = 16 * 1024;
/// So long a request may come again as it is, because its answer was lost: timer F (RFC 3261 §17.1.2.2). The stack knows it
/// again and repeats the answer.
const REPEATED: Duration = Duration::from_secs(32);
/// Requests that are known again for that time, of one nonce.
const MAX_REPEATED: usize = 16;
/// Counts that may still come after a higher one: datagrams overtake each other.
const WINDOW: u32 = 64;

/// All uses of nonces.
#[derive(Debug)]
pub(super) struct Uses {
    /// Nonces that are not in the table and not younger are stale.
    floor: u64,
    nonces: BTreeMap<NonceId, Use>,
}

#[derive(Debug, Default)]
struct Use {
    highest: u32,
    /// Bit n: `highest - n` was used.
    window: u64,
    repeated: VecDeque<(u64, Instant)>,
}

impl Uses {
    /// Knows nothing of what came before `start`, so no nonce of that time is good any more.
    pub(super) fn new(start: u64) -> Self {
        Self { floor: start.saturating_sub(1), nonces: BTreeMap::new() }
    }

    /// Notes that a nonce was used for the `count`th time, by a request of that fingerprint.
    pub(super) fn note(&mut self, nonce: NonceId, count: u32, request: u64, now: (u64, Instant)) -> Result<(), Denied> {
        if nonce.is_stale(now.0) || (nonce.issued <= self.floor && !self.nonces.contains_key(&nonce)) {
            return Err(Denied::Stale);
        }
        if !self.nonces.contains_key(&nonce) {
            self.make_room(now.0);
        }
        self.nonces.entry(nonce).or_default().note(count, request, now.1)
    }

    fn make_room(&mut self, now: u64) {
        while let Some(oldest) = self.nonces.first_entry() {
            let is_stale = oldest.key().is_stale(now);
            if !is_stale && self.nonces.len() < MAX_NONCES {
                return;
            }
            if let Some((gone, _)) = self.nonces.pop_first() {
                self.floor = self.floor.max(gone.issued);
            }
        }
    }
}

impl Use {
    fn note(&mut self, count: u32, request: u64, now: Instant) -> Result<(), Denied> {
        while self.repeated.front().is_some_and(|(_, at)| now.saturating_duration_since(*at) > REPEATED) {
            self.repeated.pop_front();
        }
        if self.repeated.iter().any(|(known, _)| *known == request) {
            return Ok(());
        }
        if count > self.highest {
            let by = count - self.highest;
            self.window = if by < WINDOW { self.window << by } else { 0 } | 1;
            self.highest = count;
        } else {
            let behind = self.highest - count;
            let bit = 1_u64.checked_shl(behind).unwrap_or_default();
            if behind >= WINDOW || self.window & bit != 0 {
                return Err(Denied::Replayed);
            }
            self.window |= bit;
        }
        if self.repeated.len() >= MAX_REPEATED {
            self.repeated.pop_front();
        }
        self.repeated.push_back((request, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::auth::nonce::{Holder, make, open};
    use crate::sip::settings::NonceKey;

    const NOW: u64 = 1_800_000_000_000;

    fn nonce(issued: u64, random: u64) -> NonceId {
        let key = NonceKey::new(*b"key");
        open(&key, Holder::Peer, &make(&key, Holder::Peer, issued, random)).unwrap()
    }

    /// SIP-14.
    #[test]
    fn a_count_is_good_once_and_may_come_a_little_late() {
        let (mut uses, at) = (Uses::new(0), Instant::now());
        let mut request = 0;
        let mut use_of = |count| {
            request += 1;
            uses.note(nonce(NOW, 1), count, request, (NOW, at))
        };
        for count in [1, 2, 5, 3, 4, 70, 69, 7, 1000, 937] {
            assert_eq!(use_of(count), Ok(()), "{count}");
        }
        for count in [1, 2, 5, 70, 6, 1000, 936, 937] {
            assert_eq!(use_of(count), Err(Denied::Replayed), "{count}");
        }
        assert_eq!(use_of(u32::MAX), Ok(()));
    }

    #[test]
    fn a_repeated_request_is_let_through_as_long_as_the_stack_knows_it() {
        let (mut uses, at) = (Uses::new(0), Instant::now());
        let mut after =
            |seconds, request| uses.note(nonce(NOW, 1), 1, request, (NOW, at + Duration::from_secs(seconds)));
        assert_eq!(after(0, 7), Ok(()));
        assert_eq!(after(31, 7), Ok(()));
        assert_eq!(after(31, 8), Err(Denied::Replayed));
        assert_eq!(after(33, 7), Err(Denied::Replayed));
    }

    #[test]
    fn what_is_forgotten_is_stale_and_not_new() {
        let (mut uses, at) = (Uses::new(NOW - 1000), Instant::now());
        assert_eq!(uses.note(nonce(NOW - 2000, 0), 1, 1, (NOW, at)), Err(Denied::Stale));
        for n in 0..20_000 {
            assert_eq!(uses.note(nonce(NOW + n, n), 1, 1, (NOW + n, at)), Ok(()));
        }
        assert_eq!(uses.nonces.len(), MAX_NONCES);
        assert_eq!(uses.note(nonce(NOW, 0), 2, 2, (NOW + 20_000, at)), Err(Denied::Stale));
        assert_eq!(uses.note(nonce(NOW + 19_999, 19_999), 2, 2, (NOW + 20_000, at)), Ok(()));
        // A quiet time later nothing of it is left.
        let later = NOW + 1_000_000;
        assert_eq!(uses.note(nonce(later, 1), 1, 1, (later, at)), Ok(()));
        assert_eq!(uses.nonces.len(), 1);
    }
}
