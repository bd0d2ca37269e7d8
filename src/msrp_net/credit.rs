//! Upstream credit: how many messages of one session may be on their way to the MUC.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bell::Bell;

/// Messages that may be unanswered.
pub const MESSAGES: usize = 8;
/// Octets that may be unanswered. A larger message goes when nothing else is out.
pub const OCTETS: usize = 64 * 1024;

/// The credit of one session, shared by the connection that takes it and the room that gives it back.
#[derive(Debug)]
pub struct Credit {
    out: Mutex<VecDeque<usize>>,
    /// Wakes the connection.
    returned: Arc<Bell>,
}

impl Credit {
    /// Full credit, which wakes `returned` whenever some comes back.
    #[must_use]
    pub const fn new(returned: Arc<Bell>) -> Self {
        Self { out: Mutex::new(VecDeque::new()), returned }
    }

    /// Takes credit for a message of `size` octets if there is enough.
    pub fn take(&self, size: usize) -> bool {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = out.is_empty() || (out.len() < MESSAGES && out.iter().sum::<usize>() + size <= OCTETS);
        if fits {
            out.push_back(size);
        }
        fits
    }

    /// Wakes the connection for another reason: the session is over.
    pub(super) fn wake(&self) {
        self.returned.ring();
    }

    /// One message is done with: the oldest, which it nearly always is, since a room answers in order.
    pub fn give_back(&self) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        self.returned.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_small_messages_are_one_too_many_and_a_large_one_goes_alone() {
        let credit = Credit::new(Arc::new(Bell::new()));
        assert!((0..MESSAGES).all(|_| credit.take(10)));
        assert!(!credit.take(10), "the ninth waits");
        (0..MESSAGES).for_each(|_| credit.give_back());
        assert!(credit.take(10 * OCTETS), "a message larger than all credit goes when nothing else is out");
        assert!(!credit.take(1));
    }
}
