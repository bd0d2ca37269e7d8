//! What a crowd has received: copies, octets, and how long each took.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::stats::quantile;
use crate::wait::lock;

/// Begins the text of every message that is counted; twenty digits follow, the time in nanoseconds when it was said.
const MARK: &str = "@@at";
const DIGITS: usize = 20;
const MARKED: usize = MARK.len() + DIGITS;

/// The text of a message said now, as long as people's are.
pub(super) fn text() -> String {
    format!("{MARK}{:020} a message of about eighty octets, as people write in rooms", now())
}

/// Nanoseconds on the clock that all processes of the machine share.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Counts of one crowd.
#[derive(Default)]
pub(super) struct Tally {
    copies: AtomicU64,
    octets: AtomicU64,
    /// Octets that were sent for them.
    answered: AtomicU64,
    notifies: AtomicU64,
    notified: AtomicU64,
    /// Microseconds from being said to being heard.
    delays: Mutex<Vec<f64>>,
}

impl Tally {
    /// Looks for marks in what came; returns how many octets at the end are to be seen again, with what follows them.
    pub(super) fn scan(&self, octets: &[u8]) -> usize {
        let mut rest = octets;
        while let Some(at) = memchr::memmem::find(rest, MARK.as_bytes()) {
            let Some(marked) = rest.get(at..at + MARKED) else { return rest.len() - at };
            let said = std::str::from_utf8(&marked[MARK.len()..]).ok().and_then(|digits| digits.parse::<u64>().ok());
            if let Some(said) = said {
                self.copies.fetch_add(1, Ordering::Relaxed);
                lock(&self.delays).push(now().saturating_sub(said) as f64 / 1e3);
            }
            rest = &rest[at + MARKED..];
        }
        rest.len().min(MARK.len() - 1)
    }

    /// Octets that came, and octets that were sent because of them.
    pub(super) fn moved(&self, came: usize, answered: usize) {
        self.octets.fetch_add(came as u64, Ordering::Relaxed);
        self.answered.fetch_add(answered as u64, Ordering::Relaxed);
    }

    /// A NOTIFY of so many octets.
    pub(super) fn notified(&self, octets: usize) {
        self.notifies.fetch_add(1, Ordering::Relaxed);
        self.notified.fetch_add(octets as u64, Ordering::Relaxed);
    }

    pub(super) fn notifies(&self) -> u64 {
        self.notifies.load(Ordering::Relaxed)
    }

    /// Waits until so many copies have come, or so long.
    pub(super) async fn settle(&self, copies: u64, patience: Duration) -> u64 {
        crate::wait::within(|| (self.copies.load(Ordering::Relaxed) >= copies).then_some(()), patience).await;
        self.copies.load(Ordering::Relaxed)
    }

    /// All counts, which begin anew: see [`Counts::of`].
    pub(super) fn take(&self) -> Vec<f64> {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed) as f64;
        let mut delays = std::mem::take(&mut *lock(&self.delays));
        let quantiles = [quantile(&mut delays, 0.5), quantile(&mut delays, 0.99)];
        let counts = [&self.copies, &self.octets, &self.answered, &self.notifies, &self.notified].map(take);
        [&counts[..], &quantiles].concat()
    }
}

/// What a crowd answers when it is asked for its counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) copies: f64,
    pub(super) octets: f64,
    pub(super) answered: f64,
    pub(super) notifies: f64,
    pub(super) notified: f64,
    /// Microseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Counts {
    /// Reads what [`Tally::take`] gave.
    pub(super) fn of(numbers: &[f64]) -> Self {
        let [copies, octets, answered, notifies, notified, p50, p99] = numbers else {
            panic!("no counts: {numbers:?}")
        };
        let (copies, octets, answered) = (*copies, *octets, *answered);
        Self { copies, octets, answered, notifies: *notifies, notified: *notified, p50: *p50, p99: *p99 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_counted_once_however_it_is_cut() {
        let stream = format!("<body>{}</body><body>{}</body>", text(), text()).into_bytes();
        for cut in 1..stream.len() {
            let tally = Tally::default();
            let mut buffer = stream[..cut].to_vec();
            let keep = tally.scan(&buffer);
            buffer.drain(..buffer.len() - keep);
            buffer.extend(&stream[cut..]);
            tally.scan(&buffer);
            assert_eq!(tally.take()[0], 2.0, "cut at {cut}");
        }
    }
}
