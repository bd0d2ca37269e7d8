//! Whether this node has more to do than it can, as it notices itself: by how late it wakes up, and by how much of the memory
//! that it may have is taken.
//!
//! A node that is late answers nobody in time, and what comes then makes it later. So it says 503 to what is new while it still
//! can, and goes on saying so until it is well below: calls that go on, and their ends, are what that is for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const TICK: Duration = Duration::from_millis(50);
/// Lateness at which the node is overloaded: T1 (RFC 3261 §17.1.1.1), for who waits longer than that repeats himself, and what
/// there is to do grows by itself.
const LATE: Duration = Duration::from_millis(500);
/// Lateness below which it may be well again.
const IN_TIME: Duration = Duration::from_millis(50);
/// How much one look counts: a pause of one moment is no overload, one of a second is.
const WEIGHT: u32 = 8;
/// Shares of the memory, in percent, at which the node is overloaded and below which it may be well again. Beyond the last, the
/// system ends the process.
const FULL: u64 = 90;
const ROOMY: u64 = 80;
/// How long all has to be well before it is said to be.
const CALM: Duration = Duration::from_secs(5);
/// Looks between two at the memory.
const LOOKS_PER_MEMORY: u32 = 20;

/// What the node finds out about itself.
#[derive(Debug, Default)]
pub struct Load(AtomicBool);

impl Load {
    /// Whether there is more to do than can be done.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Looks for ever.
    pub async fn watch(self: Arc<Self>) {
        let memory = Memory::of_this_process();
        let mut judge = Judge::new(Instant::now());
        let mut share = None;
        for look in 0_u32.. {
            let before = Instant::now();
            sleep(TICK).await;
            let now = Instant::now();
            if look.is_multiple_of(LOOKS_PER_MEMORY) {
                share = memory.as_ref().and_then(Memory::share);
            }
            let was = self.is_too_much();
            let is = judge.look(now.duration_since(before).saturating_sub(TICK), share, now);
            self.0.store(is, Ordering::Relaxed);
            let (lag, memory_percent) = (judge.lag, share);
            match (was, is) {
                (false, true) => tracing::warn!(?lag, memory_percent, "overloaded: what is new gets 503"),
                (true, false) => tracing::info!(?lag, memory_percent, "no longer overloaded"),
                _ => {}
            }
        }
    }
}

/// Decides, with hysteresis. Pure.
#[derive(Debug)]
struct Judge {
    /// How late the node is, of late.
    lag: Duration,
    is_too_much: bool,
    /// Since when all has been well.
    well_since: Instant,
}

impl Judge {
    const fn new(now: Instant) -> Self {
        Self { lag: Duration::ZERO, is_too_much: false, well_since: now }
    }

    /// One look: how late it came, and the share of the memory that is taken, in percent, where that is known.
    fn look(&mut self, late: Duration, memory: Option<u64>, now: Instant) -> bool {
        self.lag = (self.lag * (WEIGHT - 1) + late) / WEIGHT;
        let memory = memory.unwrap_or_default();
        if self.lag >= LATE || memory >= FULL {
            self.is_too_much = true;
        }
        if self.lag >= IN_TIME || memory >= ROOMY {
            self.well_since = now;
        }
        if now.duration_since(self.well_since) >= CALM {
            self.is_too_much = false;
        }
        self.is_too_much
    }
}

/// The memory that the control group of this process may have (cgroup v2). What others in the group take, and what the system
/// keeps of files for it, is left out: the process cannot do anything about that.
struct Memory {
    limit: PathBuf,
}

impl Memory {
    fn of_this_process() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let folder = PathBuf::from("/sys/fs/cgroup").join(group);
        Some(Self { limit: folder.join("memory.max") })
    }

    /// In percent; `None` without a limit.
    fn share(&self) -> Option<u64> {
        let limit: u64 = fs::read_to_string(&self.limit).ok()?.trim().parse().ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let taken: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        taken.saturating_mul(1024 * 100).checked_div(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Looks so often, each so late; what the last one says.
    fn looks(judge: &mut Judge, at: &mut Instant, count: u32, late: Duration, memory: Option<u64>) -> bool {
        (0..count)
            .map(|_| {
                *at += TICK + late;
                judge.look(late, memory, *at)
            })
            .last()
            .unwrap()
    }

    /// SIP-21.
    #[test]
    fn one_late_moment_is_no_overload_and_a_second_of_them_is_until_all_has_been_well_for_a_while() {
        let mut at = Instant::now();
        let mut judge = Judge::new(at);
        assert!(!looks(&mut judge, &mut at, 1, 1000 * MS, None), "one moment");
        assert!(!looks(&mut judge, &mut at, 100, 5 * MS, None));
        assert!(looks(&mut judge, &mut at, 10, 1000 * MS, None));
        assert!(looks(&mut judge, &mut at, 100, 100 * MS, None), "better is not well");
        assert!(looks(&mut judge, &mut at, 60, MS, None), "well for three seconds");
        assert!(!looks(&mut judge, &mut at, 80, MS, None));
    }

    /// SIP-21.
    #[test]
    fn memory_that_is_nearly_gone_is_an_overload_until_a_fifth_of_it_is_free() {
        let mut at = Instant::now();
        let mut judge = Judge::new(at);
        assert!(!looks(&mut judge, &mut at, 10, MS, Some(89)));
        assert!(looks(&mut judge, &mut at, 1, MS, Some(90)));
        assert!(looks(&mut judge, &mut at, 200, MS, Some(85)));
        assert!(!looks(&mut judge, &mut at, 110, MS, Some(79)));
    }
}
