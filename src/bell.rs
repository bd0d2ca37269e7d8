//! What costs little to listen for again and again: tasks that wait for several things at a time do so whenever they are woken.
//!
//! [`Bell`] is a bell for one listener. It remembers that it was rung until somebody listens, and costs an atomic or two where
//! [`tokio::sync::Notify`] takes a lock for each of its many possible listeners to come, and another to go. [`changed`] comes and
//! goes once for each change, and a [`timer`] is moved only to be earlier.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

/// Longer than any timer that is ever set.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Rung by anybody, heard by one.
#[derive(Debug, Default)]
pub struct Bell {
    is_rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    /// Not rung yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_rung: AtomicBool::new(false), listener: AtomicWaker::new() }
    }

    /// Wakes who listens, or who will. However often it is rung before, it is heard once.
    pub fn ring(&self) {
        // Who has rung before has woken the listener as well, who has not looked yet.
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.listener.wake();
        }
    }

    /// Resolves once it was rung since this was heard last. Cancel-safe. Of several who listen at a time only the last is woken.
    pub fn rung(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|cx| {
            if self.take() {
                return Poll::Ready(());
            }
            self.listener.register(cx.waker());
            // It may have been rung before there was anybody to wake.
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    fn take(&self) -> bool {
        // Nearly always it is not, and looking leaves the cache line where it is.
        self.is_rung.load(Ordering::Acquire) && self.is_rung.swap(false, Ordering::AcqRel)
    }
}

/// Resolves with `receiver` once what it watches has changed; never when nobody is left to change it. To be kept, and not made anew,
/// until it resolves.
pub async fn changed<T>(mut receiver: watch::Receiver<T>) -> watch::Receiver<T> {
    match receiver.changed().await {
        Ok(()) => receiver,
        Err(_) => std::future::pending().await,
    }
}

/// A timer that is not set.
pub fn timer() -> Sleep {
    sleep(FAR)
}

/// Has `timer` fire at `deadline`, or earlier: one that is put off fires once in vain, which costs less than to move it each time. Who
/// is woken by it looks what is due, and sets it again.
pub fn set(timer: Pin<&mut Sleep>, deadline: Option<Instant>) {
    let deadline = deadline.unwrap_or_else(|| Instant::now() + FAR);
    if timer.is_elapsed() || deadline < timer.deadline() {
        timer.reset(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_comes_late_hears_it_and_hears_it_once() {
        let bell = Bell::new();
        bell.ring();
        bell.ring();
        bell.rung().await;
        assert!(bell.rung().now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_stopped_listening_has_missed_nothing() {
        let bell = Bell::new();
        assert!(bell.rung().now_or_never().is_none());
        bell.ring();
        bell.rung().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_put_off_fires_once_in_vain_and_then_in_time() {
        let (began, seconds) = (Instant::now(), Duration::from_secs);
        let mut timer = std::pin::pin!(timer());
        set(timer.as_mut(), Some(began + seconds(20)));
        set(timer.as_mut(), Some(began + seconds(10)));
        set(timer.as_mut(), Some(began + seconds(30)));
        timer.as_mut().await;
        assert_eq!(began.elapsed().as_secs(), 10, "in vain");
        set(timer.as_mut(), Some(began + seconds(30)));
        timer.as_mut().await;
        assert_eq!(began.elapsed().as_secs(), 30);
        set(timer.as_mut(), None);
        assert!(timer.deadline() > Instant::now() + FAR / 2, "there is nothing to wait for");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_said_before_the_bell_is_known_to_who_hears_it() {
        const LAST: usize = 100_000;
        let shared = Arc::new((Bell::new(), AtomicUsize::new(0)));
        let ringer = Arc::clone(&shared);
        let ringing = std::thread::spawn(move || {
            for said in 1..=LAST {
                ringer.1.store(said, Ordering::Relaxed);
                ringer.0.ring();
            }
        });
        // Were one ring lost, this would wait for ever.
        while shared.1.load(Ordering::Relaxed) < LAST {
            shared.0.rung().await;
        }
        ringing.join().expect("rings to the end");
    }
}
