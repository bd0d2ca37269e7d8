//! Joins, paced by the presences that they cost. Whoever joins a room of N is told of N occupants, and N are told of him: four
//! hundred who join one room at once cost its service 160,000 presences, during which it serves no other room.
//!
//! A join begins when its presences fit into what may be under way at one service: half a second's worth of
//! `limits.xmpp_presences`. It gives their place back when the room has answered it, and not before that half second is over. So
//! a slow service is waited for, and a fast one gets no more than the rate.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::sip::settings::Rate;

/// Presences of so long at the rate may be under way at one service, and keep their place for as long at least.
const WINDOW: Duration = Duration::from_millis(500);
/// A join that is not answered within this holds up no others: its room may be stuck, and the service well.
const PATIENCE: Duration = Duration::from_secs(10);
/// Services that are remembered while nothing is under way there.
const MAX_IDLE: usize = 1024;

/// The joins of all rooms, by the service whose rooms they are.
#[derive(Debug)]
pub struct Pacing {
    rate: Option<Rate>,
    services: DashMap<String, Arc<Semaphore>>,
}

/// A join that may be sent, until this is dropped: when the room has answered it, or it is given up.
#[derive(Debug)]
pub struct Turn {
    _done: Option<oneshot::Sender<()>>,
}

/// Whether a join may be sent.
pub enum Start {
    /// Now.
    Now(Turn),
    /// When this says so; its turn is kept in line until it is dropped.
    Later(Waiting),
}

/// A place in line.
pub struct Waiting {
    service: Arc<Semaphore>,
    cost: u32,
}

impl Pacing {
    /// So many presences in a time; `None` is without end.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, services: DashMap::new() }
    }

    /// Wants to send a join that costs `presences` to a room of `service`. Must be called within a runtime.
    pub fn start(&self, service: &str, presences: usize) -> Start {
        let Some(rate) = self.rate else { return Start::Now(Turn { _done: None }) };
        let window = window(rate);
        if self.services.len() > MAX_IDLE {
            self.services.retain(|_, gate| gate.available_permits() < window);
        }
        let gate =
            Arc::clone(&self.services.entry(service.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(window))));
        // A room too large for the window is entered alone.
        let cost = u32::try_from(presences.clamp(1, window)).unwrap_or(u32::MAX);
        match Arc::clone(&gate).try_acquire_many_owned(cost) {
            Ok(permit) => Start::Now(Turn::begin(permit)),
            Err(_) => Start::Later(Waiting { service: gate, cost }),
        }
    }
}

impl Waiting {
    /// Waits for the turn, behind all who came before.
    pub async fn turn(self) -> Turn {
        match self.service.acquire_many_owned(self.cost).await {
            Ok(permit) => Turn::begin(permit),
            Err(_) => Turn { _done: None }, // nobody closes it
        }
    }
}

impl Turn {
    fn begin(permit: OwnedSemaphorePermit) -> Self {
        let (done, answered) = oneshot::channel();
        tokio::spawn(async move {
            let earliest = Instant::now() + WINDOW;
            let _ = tokio::time::timeout(PATIENCE, answered).await;
            tokio::time::sleep_until(earliest).await;
            drop(permit);
        });
        Self { _done: Some(done) }
    }
}

/// Presences that may be under way at one service.
fn window(rate: Rate) -> usize {
    let count = u128::from(rate.count) * WINDOW.as_nanos() / rate.per.as_nanos().max(1);
    usize::try_from(count).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "muc.example.net";

    fn pacing(count: u32) -> Pacing {
        Pacing::new(Some(Rate { count, per: Duration::from_secs(1) }))
    }

    fn now(start: Start) -> Turn {
        match start {
            Start::Now(turn) => turn,
            Start::Later(_) => panic!("has to wait"),
        }
    }

    fn later(start: Start) -> Waiting {
        match start {
            Start::Now(_) => panic!("need not wait"),
            Start::Later(waiting) => waiting,
        }
    }

    async fn after(waiting: Waiting) -> Duration {
        let before = Instant::now();
        drop(waiting.turn().await);
        before.elapsed()
    }

    fn is_about(time: Duration, milliseconds: u64) -> bool {
        time.abs_diff(Duration::from_millis(milliseconds)) < Duration::from_millis(5)
    }

    #[tokio::test(start_paused = true)]
    async fn joins_wait_for_the_answers_of_those_before_them() {
        let pacing = pacing(1000);
        let first = now(pacing.start(SERVICE, 400));
        let waiting = later(pacing.start(SERVICE, 200));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(first);
        });
        assert!(is_about(after(waiting).await, 2000), "a slow service is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_answers_at_once_gets_no_more_than_the_rate() {
        let pacing = pacing(1000);
        let begun = Instant::now();
        for _ in 0..30 {
            match pacing.start(SERVICE, 100) {
                Start::Now(turn) => drop(turn),
                Start::Later(waiting) => drop(waiting.turn().await),
            }
        }
        // 3,000 presences, of which 500 go at once.
        assert!(is_about(begun.elapsed(), 2500), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn services_do_not_wait_for_each_other() {
        let pacing = pacing(1000);
        let _full = now(pacing.start(SERVICE, 500));
        drop(later(pacing.start(SERVICE, 1)));
        let _other = now(pacing.start("rooms.example.org", 500));
        let without = Pacing::new(None);
        let _all: Vec<Turn> = (0..100).map(|_| now(without.start(SERVICE, 1_000_000))).collect();
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_larger_than_the_window_is_entered_alone_and_one_that_is_stuck_holds_nobody_up() {
        let pacing = pacing(1000);
        let _stuck = now(pacing.start(SERVICE, 1_000_000));
        assert!(is_about(after(later(pacing.start(SERVICE, 1))).await, 10_000));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_line() {
        let pacing = pacing(1000);
        let first = now(pacing.start(SERVICE, 500));
        let given_up = later(pacing.start(SERVICE, 500)).turn();
        drop(given_up);
        drop(first);
        assert!(is_about(after(later(pacing.start(SERVICE, 500))).await, 500));
    }

    #[tokio::test(start_paused = true)]
    async fn services_where_nothing_is_under_way_are_forgotten() {
        let pacing = pacing(1000);
        for n in 0..3000 {
            drop(now(pacing.start(&format!("muc{n}.example.net"), 1)));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(pacing.services.len() <= MAX_IDLE + 1);
    }
}
