//! The way to one more login: waiting for the server and for one's turn, and the pauses between attempts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::login::{Connection, Wish};
use super::pool::Pool;
use super::rate::Lane;
use super::reach::Progress;
use super::settings::Account;
use crate::hub::mail::StreamEnd;
use crate::observe::sparing::Sparing;

/// A login that waited longer for its turn is worth a line in the log.
const NOTICEABLE: Duration = Duration::from_secs(1);
/// How long after the first failure it is tried again; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// And no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Where hundreds come back, all but a few have waited.
static WAITED: Sparing = Sparing::new(3);

/// Logs in when the server is there and may be asked for one more login (`limits.xmpp_logins`).
pub(super) async fn log_in(
    pool: &Pool,
    account: &Account,
    wish: &Wish,
    lane: Lane,
    progress: &Progress,
) -> Result<Connection, StreamEnd> {
    let reach = pool.reach(&account.server, account.jid.domain().as_str());
    let started = Instant::now();
    let attempt = || {
        let waited = started.elapsed();
        if waited > NOTICEABLE
            && lane == Lane::New
            && let Some(kept_back) = WAITED.line()
        {
            let waited_ms = waited.as_millis();
            tracing::info!(account = %account.key, waited_ms, kept_back, "a login waited for its turn: limits.xmpp_logins");
        }
        pool.connector.login(account, wish, || progress.arrives())
    };
    reach.log_in(lane, progress, attempt).await
}

/// Another connection for a stream that has lost its own, as long as that is tried.
pub(super) struct Reconnection {
    pool: Arc<Pool>,
    account: Account,
    wish: Wish,
    failures: u32,
    lane: Lane,
    progress: Arc<Progress>,
    /// Whether somebody who calls waits for it.
    is_urgent: bool,
    /// None while what came of the last one is still being tried.
    attempt: Option<Attempt>,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, StreamEnd>> + Send>>;

impl Reconnection {
    /// The first attempt is made at once.
    pub(super) fn new(pool: Arc<Pool>, account: Account, wish: Wish) -> Self {
        let (lane, progress) = (Lane::Returning, Arc::default());
        let mut reconnection =
            Self { pool, account, wish, failures: 0, lane, progress, is_urgent: false, attempt: None };
        reconnection.begin(Duration::ZERO, lane);
        reconnection
    }

    /// What came of the attempt; never returns while there is none. Cancel-safe.
    pub(super) async fn result(&mut self) -> Result<Connection, StreamEnd> {
        loop {
            let Some(attempt) = &mut self.attempt else { return std::future::pending().await };
            let is_overtaken = self.is_urgent && self.lane == Lane::Returning;
            tokio::select! {
                biased;
                result = attempt.as_mut() => {
                    self.attempt = None;
                    return result;
                }
                () = self.progress.waits(), if is_overtaken => self.begin(Duration::ZERO, Lane::New),
            }
        }
    }

    /// Tries once more, after a while, for something else.
    pub(super) fn again_with(&mut self, wish: Wish) {
        self.wish = wish;
        self.again();
    }

    /// Tries once more, after a while.
    pub(super) fn again(&mut self) {
        self.is_urgent = false;
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Between half and all of it, so that the streams of a server that comes back do not all come at once.
        let pause = doubled.mul_f64(rand::random_range(0.5..1.0));
        self.begin(pause, Lane::Returning);
    }

    /// Somebody who calls waits: the pause is over, and those who have time are let wait.
    pub(super) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    fn begin(&mut self, pause: Duration, lane: Lane) {
        let (pool, account, wish) = (Arc::clone(&self.pool), self.account.clone(), self.wish.clone());
        let progress = Arc::<Progress>::default();
        (self.lane, self.progress) = (lane, Arc::clone(&progress));
        self.attempt = Some(Box::pin(async move {
            sleep(pause).await;
            log_in(&pool, &account, &wish, lane, &progress).await
        }));
    }
}
