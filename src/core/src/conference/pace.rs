//! How often one subscriber is told of changes (RFC 4575 §3.9, RFC 6446). Owns his times; what he is told is nothing to it.

use core::time::Duration;

use crate::time::Instant;

/// Within so long a subscriber is told of changes twice at most (RFC 4575 §3.9, CI-09): at once, and of what followed. Nobody
/// learns of anything later than that, unless he wants it so.
pub const PACE: Duration = Duration::from_secs(5);
/// How long after the first the second comes. What happens within it, somebody's joining and the place that he is given for one,
/// is told in one.
const SECOND: Duration = Duration::from_secs(1);

/// When a subscriber was told last.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Of a change, and of the change before that. An answer to a SUBSCRIBE does not count.
    changes: [Option<Instant>; 2],
    /// Of anything.
    told_at: Option<Instant>,
    /// How far apart he wants what he is told.
    interval: Option<Duration>,
}

impl Pace {
    /// When he may be told of a change.
    pub(super) fn turn(&self) -> Instant {
        let [last, before] = self.changes;
        let after = |at: Option<Instant>, pause| at.map_or(Instant::ZERO, |at| at + pause);
        let own_wish = self.interval.map_or(Instant::ZERO, |interval| after(self.told_at, interval));
        after(last, SECOND).max(after(before, PACE)).max(own_wish)
    }

    /// He is told something; of a change, or because he asked.
    pub(super) const fn told(&mut self, now: Instant, is_change: bool) {
        self.told_at = Some(now);
        if is_change {
            self.changes = [Some(now), self.changes[0]];
        }
    }

    /// He wants what he is told so far apart, or does not mind. No longer than his subscription lasts (RFC 6446 §5.3), and no less
    /// than anybody's.
    pub(super) fn wishes(&mut self, interval: Option<Duration>, expires: Duration) {
        self.interval = interval.map(|interval| interval.min(expires).max(SECOND));
    }

    /// What has become of his wish (RFC 6446 §5.2).
    pub(super) const fn interval(&self) -> Option<Duration> {
        self.interval
    }
}
