//! The occupants of a room who write, as SIP users are told of them: the composer of RFC 3994 §3.2, once per occupant.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::stanza::ChatState;
use crate::time::Instant;
use crate::wire::is_composing::{IsComposing, State};

/// A status message that SIP users are to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Who writes, or does no more.
    pub nickname: String,
    /// What is said of him.
    pub message: IsComposing,
}

/// The occupants who write. Empty while nobody does.
#[derive(Debug, Default)]
pub struct Typists {
    typists: BTreeMap<String, Typist>,
}

/// One who writes, or did a short while ago.
#[derive(Debug)]
struct Typist {
    /// What SIP users were told last.
    told: State,
    /// When they were told last that he writes.
    active_at: Instant,
    doing: Doing,
}

/// What his own client said last, and when.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Composing(Instant),
    Paused(Instant),
}

impl Typists {
    /// The refresh interval that is promised and kept: nobody is said to write twice within it, unless he said something
    /// meanwhile. The shortest that RFC 3994 §3.2 recommends (ISC-02, ISC-03).
    pub const REFRESH: Duration = Duration::from_secs(60);

    /// Who has not said for so long that he still writes, does no more (ISC-02).
    pub const SILENCE: Duration = Duration::from_secs(120);

    /// How long a pause lasts before it is told. His client has waited already before it called it a pause, so this is
    /// shorter than the 15 s of RFC 3994 §3.2; it is there for those who stop and go on.
    pub const PAUSE: Duration = Duration::from_secs(5);

    /// The most occupants of whom it is known that they write; of more nobody wants to read.
    pub const MAX: usize = 64;

    /// Nobody writes.
    #[must_use]
    pub const fn new() -> Self {
        Self { typists: BTreeMap::new() }
    }

    /// An occupant's client says what he is doing. [`Typists::next_timeout`] has changed.
    pub fn heard(&mut self, now: Instant, nickname: &str, state: ChatState) -> Option<Status> {
        let composing = state == ChatState::Composing;
        if let Some(typist) = self.typists.get_mut(nickname) {
            typist.doing = match typist.doing {
                _ if composing => Doing::Composing(now),
                Doing::Composing(_) => Doing::Paused(now),
                paused @ Doing::Paused(_) => paused,
            };
            return None; // What is due is due by its timer.
        }
        if !composing || self.typists.len() >= Self::MAX {
            return None;
        }
        let typist = Typist { told: State::Active, active_at: now, doing: Doing::Composing(now) };
        self.typists.insert(nickname.to_string(), typist);
        Some(Status::of(nickname, State::Active))
    }

    /// He said something, or he is gone: what he wrote is written, and nobody has to be told so (RFC 3994 §3.2).
    pub fn done(&mut self, nickname: &str) {
        self.typists.remove(nickname);
    }

    /// When [`Typists::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.typists.values().map(Typist::due).min()
    }

    /// What there is to say by now.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Status>) {
        self.typists.retain(|nickname, typist| {
            if typist.due() > now {
                return true;
            }
            let told = typist.told;
            match (told, typist.writes_at(now)) {
                (_, true) => {
                    typist.told = State::Active;
                    typist.active_at = now;
                    out.push(Status::of(nickname, State::Active));
                }
                (State::Active, false) => {
                    typist.told = State::Idle;
                    out.push(Status::of(nickname, State::Idle));
                }
                (State::Idle, false) => return false,
            }
            // Kept until he may be said to write again, so that who comes and goes is not told more often.
            typist.told == State::Active || now.since(typist.active_at) < Self::REFRESH
        });
    }
}

impl Typist {
    fn writes_at(&self, now: Instant) -> bool {
        matches!(self.doing, Doing::Composing(heard) if now.since(heard) < Typists::SILENCE)
    }

    /// When something has to be said of him, or he can be forgotten.
    fn due(&self) -> Instant {
        let refresh = self.active_at + Typists::REFRESH;
        match (self.told, self.doing) {
            (State::Active, Doing::Composing(heard)) => refresh.min(heard + Typists::SILENCE),
            (State::Active, Doing::Paused(since)) => since + Typists::PAUSE,
            (State::Idle, _) => refresh,
        }
    }
}

impl Status {
    fn of(nickname: &str, state: State) -> Self {
        let refresh = (state == State::Active).then_some(u32::try_from(Typists::REFRESH.as_secs()).unwrap_or(u32::MAX));
        Self { nickname: nickname.to_string(), message: IsComposing { state, refresh, content_type: None } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use ChatState::{Active, Composing, Gone, Paused};

    /// Plays what clients say at these milliseconds until there is nothing left to do, and tells what SIP users hear.
    fn play(said: &[(u64, &str, ChatState)]) -> Vec<(u64, String, State)> {
        let (mut typists, mut heard) = (Typists::new(), Vec::new());
        let mut said = said.iter().peekable();
        loop {
            let timeout = typists.next_timeout();
            let next = said.peek().map(|(at, ..)| Instant::from_micros(at * 1000));
            let now = match (timeout, next) {
                (None, None) => return heard,
                (Some(due), next) if next.is_none_or(|next| due <= next) => due,
                (_, next) => next.unwrap(),
            };
            let mut out = Vec::new();
            if timeout == Some(now) {
                typists.handle_timeout(now, &mut out);
                assert!(typists.next_timeout().is_none_or(|due| due > now), "time stands still");
            } else {
                let (_, nickname, state) = said.next().unwrap();
                out.extend(typists.heard(now, nickname, *state));
            }
            heard.extend(out.into_iter().map(|s| {
                assert_eq!(s.message.refresh, (s.message.state == State::Active).then_some(60));
                (now.as_micros() / 1000, s.nickname, s.message.state)
            }));
        }
    }

    fn of(heard: &[(u64, String, State)]) -> Vec<(u64, &str, State)> {
        heard.iter().map(|(at, nickname, state)| (*at, nickname.as_str(), *state)).collect()
    }

    #[test]
    fn one_who_writes_and_stops_is_told_twice() {
        let heard = play(&[
            (0, "juliet", Composing),
            (3000, "nurse", Composing),
            (4000, "juliet", Paused),
            (5000, "nurse", Gone),
        ]);
        assert_eq!(
            of(&heard),
            [
                (0, "juliet", State::Active),
                (3000, "nurse", State::Active),
                (9000, "juliet", State::Idle),
                (10_000, "nurse", State::Idle)
            ]
        );
    }

    #[test]
    fn ten_flips_in_five_seconds_are_at_most_two_messages() {
        // ISC-03
        let flips: Vec<_> = (0..20).map(|i| (i * 250, "juliet", if i % 2 == 0 { Composing } else { Paused })).collect();
        assert_eq!(of(&play(&flips)), [(0, "juliet", State::Active), (9750, "juliet", State::Idle)]);
    }

    #[test]
    fn silence_is_idle_after_two_minutes_and_refreshed_meanwhile() {
        // ISC-02
        assert_eq!(
            of(&play(&[(0, "juliet", Composing)])),
            [(0, "juliet", State::Active), (60_000, "juliet", State::Active), (120_000, "juliet", State::Idle)]
        );
    }

    #[test]
    fn who_goes_on_after_a_pause_is_told_when_the_refresh_interval_is_over() {
        // ISC-03
        let heard = play(&[
            (0, "juliet", Composing),
            (1000, "juliet", Paused),
            (10_000, "juliet", Composing),
            (61_000, "juliet", Active),
        ]);
        let told = [(0, State::Active), (6000, State::Idle), (60_000, State::Active), (66_000, State::Idle)];
        assert_eq!(heard.iter().map(|(at, _, state)| (*at, *state)).collect::<Vec<_>>(), told);
    }

    #[test]
    fn a_message_ends_it_without_a_word_and_the_next_one_is_told_at_once() {
        let mut typists = Typists::new();
        assert!(typists.heard(Instant::ZERO, "juliet", Composing).is_some());
        typists.done("juliet");
        assert_eq!(typists.next_timeout(), None);
        assert!(typists.heard(Instant::from_micros(1), "juliet", Composing).is_some());
    }

    #[test]
    fn a_crowd_of_typists_is_bounded() {
        let mut typists = Typists::new();
        let told = (0..100).filter(|i| typists.heard(Instant::ZERO, &i.to_string(), Composing).is_some()).count();
        assert_eq!(told, Typists::MAX);
    }

    proptest! {
        #[test]
        fn nobody_is_told_more_than_twice_in_a_refresh_interval_and_everybody_is_idle_at_last(
            said in proptest::collection::vec((0..20_000u64, 0..2usize, 0..3usize), 0..60)
        ) {
            let mut at = 0;
            let said: Vec<_> = said.into_iter().map(|(later, who, state)| {
                at += later;
                (at, ["juliet", "nurse"][who], [Composing, Paused, Active][state])
            }).collect();
            let heard = play(&said);
            for nickname in ["juliet", "nurse"] {
                let of_one: Vec<_> = heard.iter().filter(|(_, of, _)| of == nickname).collect();
                prop_assert!(of_one.last().is_none_or(|(_, _, state)| *state == State::Idle));
                let active: Vec<_> = of_one.iter().filter(|(_, _, s)| *s == State::Active).map(|(at, ..)| at).collect();
                prop_assert!(active.windows(2).all(|pair| pair[1] - pair[0] >= 60_000), "{:?}", heard);
                prop_assert!(of_one.windows(2).all(|pair| pair[0].2 == State::Active || pair[1].2 == State::Active));
            }
        }
    }
}
