//! The way to one more login: waiting for one's turn, and the pauses between attempts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::connect::Connection;
use super::pool::Pool;
use super::settings::Account;
use crate::hub::mail::StreamEnd;

/// A login that waited longer for its turn is worth a line in the log.
const NOTICEABLE: Duration = Duration::from_secs(1);
/// How long after the first failure it is tried again; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// And no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Waits until the server may be asked for one more login (`limits.xmpp_logins`).
pub(super) async fn take_turn(pool: &Pool, account: &Account) {
    let Some(turns) = pool.turns(&account.server, account.jid.domain().as_str()) else { return };
    let started = Instant::now();
    turns.take().await;
    if started.elapsed() > NOTICEABLE {
        let waited = started.elapsed().as_millis();
        tracing::info!(account = %account.key, waited_ms = waited, "a login waited for its turn: limits.xmpp_logins");
    }
}

/// Another connection for a stream that has lost its own, as long as that is tried.
pub(super) struct Reconnection {
    pool: Arc<Pool>,
    account: Account,
    failures: u32,
    /// When the pause is over.
    due: Instant,
    /// None while what came of the last one is still being tried.
    attempt: Option<Attempt>,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Connection, StreamEnd>> + Send>>;

impl Reconnection {
    /// The first attempt is made at once.
    pub(super) fn new(pool: Arc<Pool>, account: Account) -> Self {
        let attempt = Some(attempt(&pool, &account, Duration::ZERO));
        Self { pool, account, failures: 0, due: Instant::now(), attempt }
    }

    /// What came of the attempt; never returns while there is none. Cancel-safe.
    pub(super) async fn result(&mut self) -> Result<Connection, StreamEnd> {
        let Some(attempt) = &mut self.attempt else { return std::future::pending().await };
        let result = attempt.as_mut().await;
        self.attempt = None;
        result
    }

    /// Tries once more, after a while.
    pub(super) fn again(&mut self) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Between half and all of it, so that the streams of a server that comes back do not all come at once.
        let pause = doubled.mul_f64(rand::random_range(0.5..1.0));
        self.due = Instant::now() + pause;
        self.attempt = Some(attempt(&self.pool, &self.account, pause));
    }

    /// Somebody waits: the pause is over.
    pub(super) fn hurry(&mut self) {
        if self.attempt.is_some() && Instant::now() < self.due {
            self.due = Instant::now();
            self.attempt = Some(attempt(&self.pool, &self.account, Duration::ZERO));
        }
    }
}

fn attempt(pool: &Arc<Pool>, account: &Account, pause: Duration) -> Attempt {
    let (pool, account) = (Arc::clone(pool), account.clone());
    Box::pin(async move {
        sleep(pause).await;
        take_turn(&pool, &account).await;
        pool.connector.login(&account).await
    })
}
