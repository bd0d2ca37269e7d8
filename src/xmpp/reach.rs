//! Whether an XMPP server can be reached, and whose turn it is to log in there.
//!
//! The first login that does not get through says so for all: from then on one of them tries, again and again, and the others
//! wait for what comes of it. So a server that is away costs one attempt now and then, whoever waits for it, and the log says
//! once that it is away and once that it is back. One that has answered somebody meanwhile is not away but crowded: it is tried
//! again. Owns no connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::rate::{Lane, Turns};
use crate::hub::mail::StreamEnd;
use crate::observe::metrics::Metrics;

/// How long after the first failure it is tried again; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// And no longer than this: it is one attempt, whoever waits, and nobody is back before it.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long who calls waits to hear whether a server that was away still is. An attempt may take longer, where nothing comes back.
const NEWS: Duration = Duration::from_secs(3);
/// Logins that are under way at one server. Of more connections at a time a server forgets some before it takes them, and whoever
/// is forgotten hears nothing for a second, or for three, or for seven.
const UNDER_WAY: usize = 64;
/// How long it is remembered of a server that it is away, when nobody asks for it any more.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The way to one server.
#[derive(Debug)]
pub(super) struct Reach {
    server: String,
    turns: Option<Turns>,
    places: Semaphore,
    /// When it answered somebody the last time, who may have been refused.
    heard_at: Mutex<Option<Instant>>,
    /// While it is away.
    outage: watch::Sender<Option<Outage>>,
    /// Who holds the one permit tries; tokio hands it on in the order of asking.
    attempt: Semaphore,
    /// Somebody calls: the pause is over.
    is_wanted: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Clone)]
struct Outage {
    since: Instant,
    failures: u32,
    failed_at: Instant,
    /// Before that nobody tries, unless somebody calls.
    next: Instant,
    why: StreamEnd,
}

/// A login as its owner sees it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    has_begun: AtomicBool,
    has_arrived: AtomicBool,
    waits_again: Notify,
}

impl Progress {
    /// Whether it does more than wait.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Resolves while it only waits, so that nothing is lost if it is dropped.
    pub(super) async fn waits(&self) {
        while self.has_begun() {
            self.waits_again.notified().await;
        }
    }

    /// The server has answered: what goes wrong after this is between it and the account.
    pub(super) fn arrives(&self) {
        self.has_arrived.store(true, Ordering::Relaxed);
    }
}

impl Reach {
    /// Of a server that is believed to be there.
    pub(super) fn new(server: String, turns: Option<Turns>, metrics: Arc<Metrics>) -> Self {
        Self {
            server,
            turns,
            places: Semaphore::new(UNDER_WAY),
            heard_at: Mutex::default(),
            outage: watch::Sender::new(None),
            attempt: Semaphore::new(1),
            is_wanted: Notify::new(),
            metrics,
        }
    }

    /// Logs in by `attempt` when the server is there and it is our turn. Who is on his way back waits until that is so; who calls
    /// is told when it is not. Dropped before it has begun, it has cost nothing.
    pub(super) async fn log_in<T, Attempt>(
        &self,
        lane: Lane,
        progress: &Progress,
        mut attempt: impl FnMut() -> Attempt,
    ) -> Result<T, StreamEnd>
    where
        Attempt: Future<Output = Result<T, StreamEnd>>,
    {
        loop {
            let _may_try = self.may_try(lane).await?;
            progress.has_begun.store(true, Ordering::Relaxed);
            progress.has_arrived.store(false, Ordering::Relaxed);
            let begun = Instant::now();
            let result = attempt().await;
            let has_arrived = result.is_ok() || progress.has_arrived.load(Ordering::Relaxed);
            match result {
                Err(StreamEnd::Unreachable(why)) if !has_arrived => {
                    let is_crowded = self.was_heard_since(begun);
                    if !is_crowded {
                        self.is_away(begun, StreamEnd::Unreachable(why.clone()));
                    }
                    if lane == Lane::New && !is_crowded {
                        return Err(StreamEnd::Unreachable(why));
                    }
                    progress.has_begun.store(false, Ordering::Relaxed);
                    progress.waits_again.notify_one();
                }
                result => {
                    self.is_back(begun);
                    return result;
                }
            }
        }
    }

    /// Whether nothing would be lost if this were made anew.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_well = self.outage.borrow().as_ref().is_none_or(|outage| outage.failed_at + REMEMBERED < now);
        is_well && self.turns.as_ref().is_none_or(|turns| turns.is_full(now))
    }

    /// Waits until it may be tried: with a turn where the server is there, else as the only one.
    async fn may_try(&self, lane: Lane) -> Result<SemaphorePermit<'_>, StreamEnd> {
        let mut outage = self.outage.subscribe();
        loop {
            let now = outage.borrow_and_update().clone();
            let Some(now) = now else {
                tokio::select! {
                    biased;
                    _ = outage.wait_for(Option::is_some) => continue,
                    // Closed it never is.
                    Ok(place) = async {
                        self.turn(lane).await;
                        self.places.acquire().await
                    } => return Ok(place),
                }
            };
            if lane == Lane::New {
                self.is_wanted.notify_one();
            }
            let (failures, until) = (now.failures, Instant::now() + NEWS);
            let news = async {
                match lane {
                    Lane::New => {
                        let is_news = |o: &Option<Outage>| o.as_ref().is_none_or(|o| o.failures > failures);
                        timeout_at(until, outage.wait_for(is_news)).await.is_ok_and(|o| o.is_ok_and(|o| o.is_none()))
                    }
                    Lane::Returning => outage.wait_for(Option::is_none).await.is_ok(),
                }
            };
            tokio::select! {
                biased;
                is_there = news => if !is_there {
                    let last = self.outage.borrow().as_ref().map(|outage| outage.why.clone());
                    return Err(last.unwrap_or(now.why));
                },
                Ok(permit) = self.only_one() => return Ok(permit),
            }
        }
    }

    async fn turn(&self, lane: Lane) {
        if let Some(turns) = &self.turns {
            turns.take(lane).await;
        }
    }

    /// Waits until nobody else tries, and until it is time to.
    async fn only_one(&self) -> Result<SemaphorePermit<'_>, tokio::sync::AcquireError> {
        let permit = self.attempt.acquire().await?;
        let outage = self.outage.borrow().clone();
        if let Some(outage) = outage {
            tokio::select! {
                () = sleep_until(outage.next) => {}
                () = async {
                    self.is_wanted.notified().await;
                    sleep_until(outage.failed_at + FIRST_PAUSE).await;
                } => {}
            }
        }
        Ok(permit)
    }

    /// An attempt that began at `begun` did not get through.
    fn is_away(&self, begun: Instant, why: StreamEnd) {
        let now = Instant::now();
        self.outage.send_if_modified(|outage| {
            if outage.as_ref().is_some_and(|outage| begun < outage.failed_at) {
                return false; // of many that were under way, one has said so
            }
            let (since, failures) = outage.as_ref().map_or((now, 0), |outage| (outage.since, outage.failures));
            if outage.is_none() {
                let (server, reason) = (&self.server, &why);
                tracing::warn!(server, %reason, "an XMPP server cannot be reached; its streams wait while one of them tries");
                self.metrics.xmpp_servers_away.inc();
            }
            let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE);
            // Between half and all of it, so that several nodes do not try at the same time.
            let next = now + doubled.mul_f64(rand::random_range(0.5..1.0));
            *outage = Some(Outage { since, failures: failures.saturating_add(1), failed_at: now, next, why });
            true
        });
    }

    /// Whether the server has answered somebody since.
    fn was_heard_since(&self, begun: Instant) -> bool {
        self.heard_at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|heard_at| heard_at > begun)
    }

    /// An attempt that began at `begun` got through. What was there before the last that did not says nothing.
    fn is_back(&self, begun: Instant) {
        *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.outage.send_if_modified(|outage| {
            if outage.as_ref().is_some_and(|outage| begun < outage.failed_at) {
                return false;
            }
            let Some(outage) = outage.take() else { return false };
            let away_s = outage.since.elapsed().as_secs();
            tracing::info!(
                server = self.server,
                away_s,
                attempts = outage.failures,
                "an XMPP server can be reached again"
            );
            self.metrics.xmpp_servers_away.dec();
            true
        });
    }
}

impl Drop for Reach {
    fn drop(&mut self) {
        if self.outage.borrow().is_some() {
            self.metrics.xmpp_servers_away.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU32;

    use tokio::task::JoinSet;

    use super::*;
    use crate::sip::settings::Rate;

    /// A server that can be there or not, and how it was asked.
    #[derive(Default)]
    struct Server {
        is_there: AtomicBool,
        attempts: AtomicU32,
        /// How long it takes until an attempt fails.
        patience: Mutex<Duration>,
    }

    impl Server {
        async fn answer(&self) -> Result<(), StreamEnd> {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            if self.is_there.load(Ordering::Relaxed) {
                return Ok(());
            }
            let patience = *self.patience.lock().unwrap();
            tokio::time::sleep(patience).await;
            Err(StreamEnd::Unreachable("connection refused".to_owned()))
        }
    }

    fn reach(rate: Option<u32>) -> (Arc<Reach>, Arc<Server>) {
        let turns = rate.map(|count| Turns::new(Rate { count, per: Duration::from_secs(1) }, Instant::now()));
        (Arc::new(Reach::new("xmpp.example.net".into(), turns, Arc::default())), Arc::default())
    }

    async fn logs_in(reach: Arc<Reach>, server: Arc<Server>, lane: Lane) -> Result<Duration, StreamEnd> {
        let begun = Instant::now();
        reach.log_in(lane, &Progress::default(), || server.answer()).await?;
        Ok(begun.elapsed())
    }

    /// What failed once: of four hundred callers at once the server forgot one, and the others were told that it was away.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_lets_others_in_is_tried_again_and_is_not_away() {
        let (reach, server) = reach(None);
        *server.patience.lock().unwrap() = Duration::from_secs(10);
        let forgotten = tokio::spawn(logs_in(Arc::clone(&reach), Arc::clone(&server), Lane::New));
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.is_there.store(true, Ordering::Relaxed);
        logs_in(Arc::clone(&reach), Arc::clone(&server), Lane::New).await.unwrap();
        assert_eq!(forgotten.await.unwrap().unwrap(), Duration::from_secs(10));
        assert_eq!(server.attempts.load(Ordering::Relaxed), 3);
        assert_eq!(reach.metrics.xmpp_servers_away.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_logins_are_under_way_at_a_time_than_a_server_can_hear() {
        let (reach, _) = reach(None);
        let (under_way, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let logins = (0..400).map(|_| {
            let (reach, under_way, most) = (Arc::clone(&reach), Arc::clone(&under_way), Arc::clone(&most));
            async move {
                let attempt = || async {
                    most.fetch_max(under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    under_way.fetch_sub(1, Ordering::Relaxed);
                    Ok(())
                };
                reach.log_in(Lane::New, &Progress::default(), attempt).await
            }
        });
        let logins = logins.collect::<JoinSet<_>>().join_all().await;
        assert!(logins.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::Relaxed), 64);
    }

    fn herd(reach: &Arc<Reach>, server: &Arc<Server>, count: usize) -> JoinSet<Result<Duration, StreamEnd>> {
        (0..count).map(|_| logs_in(Arc::clone(reach), Arc::clone(server), Lane::Returning)).collect()
    }

    /// XM-18.
    #[tokio::test(start_paused = true)]
    async fn of_two_hundred_one_tries_and_all_take_turns_when_it_gets_through() {
        let (reach, server) = reach(Some(20));
        let herd = herd(&reach, &server, 200);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let attempts = server.attempts.load(Ordering::Relaxed);
        assert!((30..=80).contains(&attempts), "{attempts} in a minute");
        assert_eq!(reach.metrics.xmpp_servers_away.get(), 1);
        server.is_there.store(true, Ordering::Relaxed);
        let back = Instant::now();
        assert!(herd.join_all().await.iter().all(Result::is_ok));
        let took = back.elapsed();
        assert!(took > Duration::from_secs(8) && took < Duration::from_secs(13), "{took:?} for 200 at 20 a second");
        assert_eq!(reach.metrics.xmpp_servers_away.get(), 0);
    }

    /// SIP-21, XM-18: he is told, and neither waits for a herd nor makes it try without end.
    #[tokio::test(start_paused = true)]
    async fn who_calls_while_it_is_away_is_told_soon() {
        let (reach, server) = reach(Some(20));
        let _herd = herd(&reach, &server, 200);
        tokio::time::sleep(Duration::from_secs(30)).await;
        for patience in [Duration::ZERO, Duration::from_secs(20)] {
            *server.patience.lock().unwrap() = patience;
            let (begun, before) = (Instant::now(), server.attempts.load(Ordering::Relaxed));
            let calls = (0..100).map(|_| logs_in(Arc::clone(&reach), Arc::clone(&server), Lane::New));
            let calls = calls.collect::<JoinSet<_>>().join_all().await;
            assert!(calls.iter().all(|call| matches!(call, Err(StreamEnd::Unreachable(_)))));
            assert!(begun.elapsed() <= NEWS, "{:?}", begun.elapsed());
            assert!(server.attempts.load(Ordering::Relaxed) - before <= 4);
        }
    }

    /// XM-18: who calls when it is back does not wait for all who come back.
    #[tokio::test(start_paused = true)]
    async fn who_calls_when_it_is_back_goes_before_most_of_the_herd() {
        let (reach, server) = reach(Some(20));
        let herd = herd(&reach, &server, 200);
        tokio::time::sleep(Duration::from_secs(30)).await;
        server.is_there.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(4)).await;
        let waited = logs_in(Arc::clone(&reach), Arc::clone(&server), Lane::New).await.unwrap();
        assert!(waited <= Duration::from_millis(250), "{waited:?}");
        herd.join_all().await;
    }

    /// What goes wrong after the server has answered is nobody else's.
    #[tokio::test(start_paused = true)]
    async fn an_account_that_fails_does_not_take_the_server_away_from_the_others() {
        let (reach, _) = reach(None);
        let progress = Progress::default();
        let attempt = || async {
            progress.arrives();
            Err::<(), _>(StreamEnd::Unreachable("the stream broke after login".to_owned()))
        };
        assert!(reach.log_in(Lane::Returning, &progress, attempt).await.is_err());
        assert_eq!(reach.metrics.xmpp_servers_away.get(), 0);
        assert!(reach.is_idle(Instant::now()));
    }

    /// Who tries and is not needed any more hands over to the next.
    #[tokio::test(start_paused = true)]
    async fn when_the_one_who_tries_gives_up_another_tries() {
        let (reach, server) = reach(None);
        let mut first = herd(&reach, &server, 1);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let others = herd(&reach, &server, 10);
        tokio::time::sleep(Duration::from_secs(5)).await;
        first.abort_all();
        server.is_there.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        assert!(others.join_all().await.iter().all(Result::is_ok));
        assert!(begun.elapsed() <= LONGEST_PAUSE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_server_that_nobody_asks_for_nothing_is_remembered() {
        let (reach, server) = reach(Some(20));
        assert!(logs_in(Arc::clone(&reach), server, Lane::New).await.is_err());
        assert!(!reach.is_idle(Instant::now()));
        tokio::time::sleep(REMEMBERED + Duration::from_secs(1)).await;
        assert!(reach.is_idle(Instant::now()));
        let metrics = Arc::clone(&reach.metrics);
        drop(reach);
        assert_eq!(metrics.xmpp_servers_away.get(), 0);
    }
}
