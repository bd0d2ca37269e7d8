//! Those to whom one SIP user speaks alone, as they are told whether he writes. Whoever has never said what he is doing himself, or
//! does no longer, is not told (XEP-0085 §5.1).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Typing;
use crate::stanza::ChatState;
use crate::time::Instant;
use crate::wire::is_composing::IsComposing;

/// Those who want to be told, by nickname. Empty while nobody does.
#[derive(Debug, Default)]
pub struct Confidants(BTreeMap<String, Confidant>);

#[derive(Debug)]
struct Confidant {
    heard_at: Instant,
    typing: Typing,
}

impl Confidants {
    /// The most of them; nobody writes to more at a time. Who was heard of least recently makes room.
    pub const MAX: usize = 16;

    /// Nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// An occupant said something to this user alone, with a word of what he is doing or without.
    pub fn heard(&mut self, now: Instant, nickname: &str, with_state: bool) {
        if !with_state {
            return self.gone(nickname);
        }
        if let Some(known) = self.0.get_mut(nickname) {
            known.heard_at = now;
            return;
        }
        while self.0.len() >= Self::MAX {
            let oldest = self.0.iter().min_by_key(|(_, known)| known.heard_at).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.0.remove(&oldest);
        }
        self.0.insert(nickname.to_string(), Confidant { heard_at: now, typing: Typing::new() });
    }

    /// An occupant is gone, or goes by another nickname: whoever has this one next has to begin anew.
    pub fn gone(&mut self, nickname: &str) {
        self.0.remove(nickname);
    }

    /// The room is left, and anybody may have got any nickname.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// This user's client says what he is doing towards one occupant. What he is to be told, if anything.
    pub fn typed(&mut self, now: Instant, nickname: &str, message: &IsComposing) -> Option<ChatState> {
        self.0.get_mut(nickname)?.typing.typed(now, message)
    }

    /// This user said something to one occupant, which tells him that he has written.
    pub fn spoke(&mut self, nickname: &str) {
        if let Some(known) = self.0.get_mut(nickname) {
            known.typing.spoke();
        }
    }

    /// When [`Confidants::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.0.values().filter_map(|known| known.typing.next_timeout()).min()
    }

    /// What there is to say by now, and to whom.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<(String, ChatState)> {
        let due = self.0.iter_mut().filter_map(|(nickname, known)| {
            let state = known.typing.handle_timeout(now)?;
            Some((nickname.clone(), state))
        });
        due.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::is_composing::State;
    use alloc::format;

    const ACTIVE: IsComposing = IsComposing { state: State::Active, refresh: None, content_type: None };

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn only_who_says_what_he_is_doing_is_told() {
        let mut confidants = Confidants::new();
        assert_eq!(confidants.typed(at(0), "JuliC", &ACTIVE), None);
        confidants.heard(at(1), "JuliC", true);
        assert_eq!(confidants.typed(at(2), "JuliC", &ACTIVE), Some(ChatState::Composing));
        assert_eq!(confidants.typed(at(2), "Nurse", &ACTIVE), None);
        assert_eq!(confidants.next_timeout(), Some(at(122)));
        assert_eq!(confidants.handle_timeout(at(122)), [("JuliC".into(), ChatState::Paused)]);
        confidants.heard(at(123), "JuliC", false);
        assert_eq!(confidants.typed(at(150), "JuliC", &ACTIVE), None);
        assert_eq!(confidants.next_timeout(), None);
    }

    #[test]
    fn of_more_than_sixteen_the_least_recent_is_forgotten() {
        let mut confidants = Confidants::new();
        for n in 0..=16 {
            confidants.heard(at(n), &format!("n{n}"), true);
            confidants.heard(at(n), "n1", true);
        }
        let told: Vec<bool> = (0..3).map(|n| confidants.typed(at(20), &format!("n{n}"), &ACTIVE).is_some()).collect();
        assert_eq!(told, [false, true, true]);
    }
}
