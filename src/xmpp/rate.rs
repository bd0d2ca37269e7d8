//! Turns: so many in such a time, everybody in the order of asking, in one of two lanes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::sip::settings::Rate;

/// Those who are in a room already take so many turns for one of who calls. He has a few seconds until his call fails, while
/// they have minutes; and where hundreds of them come back at once, a quarter of the turns holds them up by a third.
const RETURNING_FOR_ONE_NEW: usize = 3;

/// Where to stand in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody calls and waits for his answer.
    New,
    /// He is in a room, or was when the connection broke.
    Returning,
}

/// Two queues in front of a token bucket. Who leaves a queue has used nothing up: a storm of calls that are withdrawn again
/// must not make those wait who come after it.
#[derive(Debug)]
pub(super) struct Turns {
    interval: Duration,
    burst: Duration,
    /// When the next turn would be due if turns were taken exactly at the rate.
    due: Mutex<Instant>,
    /// Whoever is next holds the one permit; tokio hands it on in the order of asking.
    head: Semaphore,
    /// The first of each lane, who ask for it: as many of a lane as its share of the turns.
    new: Semaphore,
    returning: Semaphore,
}

impl Turns {
    /// `rate.count` at once, then one every `rate.per / rate.count`.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let count = rate.count.max(1);
        let interval = rate.per / count;
        Self {
            interval,
            burst: interval * (count - 1),
            due: Mutex::new(now),
            head: Semaphore::new(1),
            new: Semaphore::new(1),
            returning: Semaphore::new(RETURNING_FOR_ONE_NEW),
        }
    }

    /// Waits for the next turn and takes it. Dropped before that, it has taken nothing.
    pub(super) async fn take(&self, lane: Lane) {
        let lane = match lane {
            Lane::New => &self.new,
            Lane::Returning => &self.returning,
        };
        // The semaphores are never closed; were they, nobody would have to wait.
        let _first = lane.acquire().await;
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
            turns.take(Lane::New).await;
            waits.push(start.elapsed().as_millis());
        }
        assert_eq!(waits, [0, 0, 500, 1000, 1500]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(turns.is_full(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_has_used_nothing_up() {
        let turns = Arc::new(Turns::new(TWO_A_SECOND, Instant::now()));
        turns.take(Lane::New).await;
        turns.take(Lane::New).await;
        let mut crowd = JoinSet::new();
        for _ in 0..380 {
            let turns = Arc::clone(&turns);
            crowd.spawn(async move { timeout(Duration::from_millis(10), turns.take(Lane::New)).await });
        }
        assert!(crowd.join_all().await.iter().all(Result::is_err));
        let start = Instant::now();
        turns.take(Lane::New).await;
        assert!(start.elapsed() <= Duration::from_millis(500), "{:?}", start.elapsed());
    }

    /// XM-18.
    #[tokio::test(start_paused = true)]
    async fn who_calls_gets_every_fourth_turn_however_many_come_back() {
        let turns = Arc::new(Turns::new(TWO_A_SECOND, Instant::now()));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut crowd = JoinSet::new();
        for (lane, count) in [(Lane::Returning, 200), (Lane::New, 3)] {
            for _ in 0..count {
                let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
                crowd.spawn(async move {
                    turns.take(lane).await;
                    order.lock().unwrap().push(lane);
                });
            }
            tokio::task::yield_now().await;
        }
        crowd.join_all().await;
        let order = order.lock().unwrap();
        let news: Vec<usize> = (0..order.len()).filter(|at| order[*at] == Lane::New).collect();
        assert_eq!(news.len(), 3);
        assert!(news.windows(2).all(|pair| pair[1] - pair[0] == 4) && news[0] < 8, "{news:?}");
    }
}
