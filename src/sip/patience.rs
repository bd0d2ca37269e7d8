//! How long a stream is waited for. Pure: the time is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// How long a message may take from its first octet to its last, and how long an answer may take that a full connection waits for.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a connection may take to its first whole message. Keep-alives are none: who only sends those holds a place for nothing.
const FIRST_MESSAGE: Duration = Duration::from_secs(60);
/// Between two looks at a connection that may be silent for ever.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The patience with one connection.
#[derive(Debug)]
pub(super) struct Patience {
    /// How long it may be silent between messages when nothing depends on it.
    idle: Duration,
    opened: Instant,
    has_spoken: bool,
    /// When the message began that is coming in.
    began: Option<Instant>,
}

impl Patience {
    /// With a connection that opens `now`.
    pub(super) const fn new(idle: Duration, now: Instant) -> Self {
        Self { idle, opened: now, has_spoken: false, began: None }
    }

    /// A keep-alive has come whole, or a message has.
    pub(super) fn heard(&mut self, is_message: bool) {
        self.has_spoken |= is_message;
        self.began = None;
    }

    /// Until when more octets have to come. Those of one message do not lengthen its time.
    pub(super) fn until(&mut self, is_inside_message: bool, is_used: bool, now: Instant) -> Instant {
        self.began = is_inside_message.then(|| self.began.unwrap_or(now));
        let until = match self.began {
            Some(began) => began + MESSAGE_TIMEOUT,
            None if is_used => now + FOR_EVER,
            None => now + self.idle,
        };
        if self.has_spoken { until } else { until.min(self.opened + FIRST_MESSAGE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_said_nothing_has_a_minute_whatever_drips() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut patience = Patience::new(Duration::from_secs(600), start);
        assert_eq!(patience.until(false, false, start), after(60));
        assert_eq!(patience.until(true, false, after(10)), after(50));
        assert_eq!(patience.until(true, false, after(45)), after(50), "one message, however it drips");
        patience.heard(false);
        assert_eq!(patience.until(false, false, after(46)), after(60), "a keep-alive is no message");
        patience.heard(true);
        assert_eq!(patience.until(false, false, after(47)), after(647));
        assert_eq!(patience.until(true, true, after(700)), after(740));
        patience.heard(true);
        assert!(patience.until(false, true, after(700)) > after(4000));
    }
}
