//! Messages that wait for their sender's turn (`limits.messages_per_user`).

use alloc::collections::VecDeque;

use super::{Leg, Ticket};
use crate::switch::Wish;
use crate::time::Instant;

/// A message that waits for its sender's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// Its name.
    pub ticket: Ticket,
    /// What is to be said, and to whom.
    pub wish: Wish,
    /// When its sender said it, from where on he counts the time until the answer.
    pub said: Instant,
}

/// Messages and when their turn comes, in order.
#[derive(Debug, Default)]
pub(super) struct Turns(VecDeque<(Instant, Utterance)>);

impl Turns {
    /// When the next turn comes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }
}

impl Leg {
    /// Keeps a message back until its sender's turn comes. The order stays.
    pub fn await_turn(&mut self, at: Instant, utterance: Utterance) {
        let at = self.turns.0.back().map_or(at, |(last, _)| at.max(*last));
        self.turns.0.push_back((at, utterance));
    }

    /// Whether messages are kept back.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        !self.turns.0.is_empty()
    }

    /// Takes the next message whose turn has come.
    pub fn take_turn(&mut self, now: Instant) -> Option<Utterance> {
        if self.turns.next()? > now {
            return None;
        }
        self.turns.0.pop_front().map(|(_, utterance)| utterance)
    }
}
