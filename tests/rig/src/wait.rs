//! Waiting for a condition instead of for a time.

use std::fmt::Display;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What ought to happen at once on loopback has happened within this time, also on a machine that is busy.
pub const SOON: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(4);

/// Returns as soon as `condition` holds; panics with `what` when it does not within `timeout`.
#[track_caller]
pub fn until(mut condition: impl FnMut() -> bool, timeout: Duration, what: impl Display) -> impl Future<Output = ()> {
    wait_for(move || condition().then_some(()), timeout, what)
}

/// Returns what `look` finds as soon as it finds something; panics with `what`, rendered at that moment, when it does
/// not within `timeout`.
#[track_caller]
pub fn wait_for<T>(
    mut look: impl FnMut() -> Option<T>,
    timeout: Duration,
    what: impl Display,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        match within(&mut look, timeout).await {
            Some(found) => found,
            None => panic!("{caller}: not within {timeout:?}: {what}"),
        }
    }
}

/// What `look` found within `timeout`, if anything.
pub async fn within<T>(mut look: impl FnMut() -> Option<T>, timeout: Duration) -> Option<T> {
    let end = Instant::now() + timeout;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// For a [`Display`] that is rendered when it is needed, not before.
pub struct Picture<F: Fn() -> String>(
    /// Draws it.
    pub F,
);

impl<F: Fn() -> String> Display for Picture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.0)())
    }
}

/// Locks, whatever happened to the thread that held it: a failed test still wants its picture.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
