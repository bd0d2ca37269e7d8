//! Ways in that led nowhere, in a row, and how long to wait before the next one. Of an XMPP stream and of a room alike: who is let
//! in and thrown out at once has got nowhere.

use core::time::Duration;

use crate::env::Env;
use crate::time::Instant;

/// How long after the first of them it is tried again; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And no longer than this. Who was in for as long has got somewhere.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is remembered of them.
#[derive(Debug, Default)]
pub(crate) struct Setbacks {
    count: u32,
    /// When the first of them was.
    since: Option<Instant>,
    /// When the way at hand led in.
    entered_at: Option<Instant>,
}

impl Setbacks {
    pub(crate) const fn new() -> Self {
        Self { count: 0, since: None, entered_at: None }
    }

    /// We are in, which need not last.
    pub(crate) const fn entered(&mut self, now: Instant) {
        self.entered_at = Some(now);
    }

    /// And out again, or have not got in. How many there were before this one.
    pub(crate) fn another(&mut self, now: Instant) -> u32 {
        if self.entered_at.take().is_some_and(|at| now.since(at) >= LONGEST_PAUSE) {
            (self.count, self.since) = (0, None);
        }
        self.since.get_or_insert(now);
        let before = self.count;
        self.count = before.saturating_add(1);
        before
    }

    /// Whether we have been in again for so short that it need not last.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.count > 0 && self.entered_at.is_some_and(|at| now.since(at) < LONGEST_PAUSE)
    }

    /// How long it has been going on.
    pub(crate) fn lasting(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

/// What to wait after a setback that `before` others came before.
///
/// Between half and all of the time that it may be, so that those whom one failure puts out do not all come back at once.
pub(crate) fn pause(env: &mut Env<'_>, before: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << before.min(5)).min(LONGEST_PAUSE);
    let share = u32::try_from(env.ids.next() & 0x3ff).unwrap_or(0);
    doubled / 2 + doubled / 2048 * share
}
