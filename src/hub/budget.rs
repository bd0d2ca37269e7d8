//! How many messages a user may say in a time (`limits.messages_per_user`): a message over the rate waits for its turn.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mucfocus_core::time::Instant;

use crate::sip::settings::Rate;

/// The budget of one user, in all rooms together.
#[derive(Debug)]
pub struct Budget {
    rate: Option<Rate>,
    /// When the next message would be due if messages came exactly at the rate (the generic cell rate algorithm).
    due: Mutex<Instant>,
}

impl Budget {
    /// A full budget; `None` is one without end.
    #[must_use]
    pub const fn new(rate: Option<Rate>) -> Self {
        Self { rate, due: Mutex::new(Instant::ZERO) }
    }

    /// When the next message may go, `now` at the earliest. A turn that is more than `patience` away is not taken: the message
    /// will be refused and must not push others back.
    pub fn turn(&self, now: Instant, patience: Duration) -> Instant {
        let Some(rate) = self.rate else { return now };
        let step = rate.per / rate.count.max(1);
        let burst = rate.per.saturating_sub(step);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let base = (*due).max(now);
        let early = Duration::from_micros(base.as_micros()).saturating_sub(burst);
        let turn = now.max(Instant::ZERO + early);
        if turn.since(now) <= patience {
            *due = base + step;
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let budget = Budget::new(Some(Rate { count: 20, per: Duration::from_secs(1) }));
        let now = Instant::from_micros(5_000_000);
        let turns: Vec<_> = (0..22).map(|_| budget.turn(now, Duration::from_secs(25)).since(now)).collect();
        assert!(turns[..20].iter().all(Duration::is_zero), "{turns:?}");
        assert_eq!(turns[20..], [Duration::from_millis(50), Duration::from_millis(100)]);
    }

    #[test]
    fn a_message_that_would_wait_too_long_does_not_push_others_back() {
        let budget = Budget::new(Some(Rate { count: 1, per: Duration::from_secs(10) }));
        let now = Instant::from_micros(60_000_000);
        assert_eq!(budget.turn(now, Duration::from_secs(5)), now);
        assert_eq!(budget.turn(now, Duration::from_secs(5)).since(now), Duration::from_secs(10));
        assert_eq!(budget.turn(now + Duration::from_secs(10), Duration::from_secs(5)).since(now).as_secs(), 10);
    }
}
