//! One SIP user who writes, as his room is told of him: the receiver of RFC 3994 §3.3.

use core::time::Duration;

use crate::stanza::ChatState;
use crate::time::Instant;
use crate::wire::is_composing::{IsComposing, State};

/// Whether one SIP user writes.
#[derive(Debug, Default)]
pub struct Typing {
    /// Until when he is taken to write, by his last status message.
    until: Option<Instant>,
    /// Whether the room was told last that he writes.
    told: bool,
    /// When it was told so last.
    told_at: Option<Instant>,
}

impl Typing {
    /// How long he is taken to write when he does not say (RFC 3994 §3.3).
    pub const DEFAULT_REFRESH: Duration = Duration::from_secs(120);

    /// The longest that he is taken to write without another word, whatever he says.
    pub const MAX_REFRESH: Duration = Duration::from_secs(600);

    /// The room is not told more often than this that he writes: every occupant gets it, and servers count it like messages.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// He does not write.
    #[must_use]
    pub const fn new() -> Self {
        Self { until: None, told: false, told_at: None }
    }

    /// His client says what he is doing. [`Typing::next_timeout`] has changed.
    pub fn typed(&mut self, now: Instant, message: &IsComposing) -> Option<ChatState> {
        self.until = (message.state == State::Active).then(|| {
            let refresh = message.refresh.map_or(Self::DEFAULT_REFRESH, |seconds| Duration::from_secs(seconds.into()));
            now + refresh.min(Self::MAX_REFRESH)
        });
        self.handle_timeout(now)
    }

    /// He said something, which tells the room that he has written (XEP-0085 §5.1).
    pub const fn spoke(&mut self) {
        *self = Self::new();
    }

    /// When [`Typing::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let until = self.until?;
        // A status that waits for its turn is due then, or is out of date before.
        let turn = self.told_at.map(|at| at + Self::INTERVAL).filter(|_| !self.told);
        Some(turn.map_or(until, |turn| turn.min(until)))
    }

    /// What there is to say by now.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ChatState> {
        self.until = self.until.filter(|until| *until > now);
        match (self.told, self.until) {
            (true, None) => {
                self.told = false;
                Some(ChatState::Paused)
            }
            (false, Some(_)) if self.told_at.is_none_or(|at| now.since(at) >= Self::INTERVAL) => {
                self.told = true;
                self.told_at = Some(now);
                Some(ChatState::Composing)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    const fn says(state: State, refresh: Option<u32>) -> IsComposing {
        IsComposing { state, refresh, content_type: None }
    }

    const ACTIVE: IsComposing = says(State::Active, None);
    const IDLE: IsComposing = says(State::Idle, None);

    #[test]
    fn active_is_composing_once_and_idle_is_paused() {
        let mut typing = Typing::new();
        assert_eq!(typing.typed(at(0), &IDLE), None);
        assert_eq!(typing.typed(at(0), &ACTIVE), Some(ChatState::Composing));
        assert_eq!(typing.typed(at(30), &ACTIVE), None);
        assert_eq!(typing.typed(at(31), &IDLE), Some(ChatState::Paused));
        assert_eq!(typing.next_timeout(), None);
    }

    #[test]
    fn a_status_is_out_of_date_after_its_refresh_interval_or_two_minutes() {
        // ISC-02
        for (refresh, until) in [(None, 120), (Some(90), 90), (Some(u32::MAX), 600)] {
            let mut typing = Typing::new();
            typing.typed(at(0), &says(State::Active, refresh));
            assert_eq!(typing.next_timeout(), Some(at(until)));
            assert_eq!(typing.handle_timeout(at(until - 1)), None);
            assert_eq!(typing.handle_timeout(at(until)), Some(ChatState::Paused));
            assert_eq!(typing.next_timeout(), None);
        }
        let mut typing = Typing::new();
        assert_eq!(typing.typed(at(0), &says(State::Active, Some(0))), None);
        assert_eq!(typing.next_timeout(), None);
    }

    #[test]
    fn a_client_that_flips_is_thinned_out() {
        let mut typing = Typing::new();
        let mut told = 0;
        for second in 0..9 {
            let message = if second % 2 == 0 { ACTIVE } else { IDLE };
            told += usize::from(typing.typed(at(second), &message).is_some());
        }
        assert_eq!(told, 2);
        assert_eq!(typing.next_timeout(), Some(at(10)));
        assert_eq!(typing.handle_timeout(at(10)), Some(ChatState::Composing));
        assert_eq!(typing.next_timeout(), Some(at(128)));
    }

    #[test]
    fn a_message_ends_it_without_a_word() {
        let mut typing = Typing::new();
        typing.typed(at(0), &ACTIVE);
        typing.spoke();
        assert_eq!(typing.next_timeout(), None);
        assert_eq!(typing.typed(at(1), &ACTIVE), Some(ChatState::Composing));
    }
}
