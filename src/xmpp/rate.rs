//! Turns: so many in such a time, everybody in the order of asking.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::sip::settings::Rate;

/// A queue in front of a token bucket. Who leaves the queue has used nothing up: a storm of calls that are withdrawn again
/// must not make those wait who come after it.
#[derive(Debug)]
pub(super) struct Turns {
    interval: Duration,
    burst: Duration,
    /// When the next turn would be due if turns were taken exactly at the rate.
    due: Mutex<Instant>,
    /// The head of the queue holds the one permit; tokio hands it on in the order of asking.
    head: Semaphore,
}

impl Turns {
    /// `rate.count` at once, then one every `rate.per / rate.count`.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let count = rate.count.max(1);
        let interval = rate.per / count;
        Self { interval, burst: interval * (count - 1), due: Mutex::new(now), head: Semaphore::new(1) }
    }

    /// Waits for the next turn and takes it. Dropped before that, it has taken nothing.
    pub(super) async fn take(&self) {
        // The semaphore is never closed; were it, nobody would have to wait.
        let _head = self.head.acquire().await;
        sleep_until(self.next(Instant::now())).await;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = (*due).max(Instant::now()) + self.interval;
    }

    /// When the next turn is, if nobody is before us.
    fn next(&self, now: Instant) -> Instant {
        let due = (*self.due.lock().unwrap_or_else(PoisonError::into_inner)).max(now);
        due.checked_sub(self.burst).map_or(now, |turn| turn.max(now))
    }

    /// Whether turns made now would be the same.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.head.available_permits() == 1 && *self.due.lock().unwrap_or_else(PoisonError::into_inner) <= now
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const TWO_A_SECOND: Rate = Rate { count: 2, per: Duration::from_secs(1) };

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_waits_its_turn() {
        let start = Instant::now();
        let turns = Turns::new(TWO_A_SECOND, start);
        let mut waits = Vec::new();
        for _ in 0..5 {
            turns.take().await;
            waits.push(start.elapsed().as_millis());
        }
        assert_eq!(waits, [0, 0, 500, 1000, 1500]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(turns.is_full(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_has_used_nothing_up() {
        let turns = Arc::new(Turns::new(TWO_A_SECOND, Instant::now()));
        turns.take().await;
        turns.take().await;
        let mut crowd = JoinSet::new();
        for _ in 0..380 {
            let turns = Arc::clone(&turns);
            crowd.spawn(async move { timeout(Duration::from_millis(10), turns.take()).await });
        }
        assert!(crowd.join_all().await.iter().all(Result::is_err));
        let start = Instant::now();
        turns.take().await;
        assert!(start.elapsed() <= Duration::from_millis(500), "{:?}", start.elapsed());
    }
}
