//! Time and identifiers for the core, from the system.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::time::{Instant, WallClock};

/// Where the core's monotonic clock starts: when it was first looked at.
static START: LazyLock<tokio::time::Instant> = LazyLock::new(tokio::time::Instant::now);

/// The core's monotonic time now.
#[must_use]
pub fn now() -> Instant {
    Instant::ZERO + START.elapsed()
}

/// The same moment on tokio's clock.
#[must_use]
pub fn to_tokio(at: Instant) -> tokio::time::Instant {
    *START + Duration::from_micros(at.as_micros())
}

/// Wall-clock time now. A clock before 1970 reads as 1970.
#[must_use]
pub fn wall() -> WallClock {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock::from_unix_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Identifiers from the operating system's generator, by way of a thread's own.
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next(&mut self) -> u128 {
        rand::random()
    }
}

/// The surroundings of an input that comes now.
#[must_use]
pub fn env(ids: &mut RandomIds) -> Env<'_> {
    Env { now: now(), wall: wall(), ids }
}
