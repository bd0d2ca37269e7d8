//! How much memory the unfinished messages of all sessions hold together (SW-10).
//!
//! Rooms run at the same time: two may be granted the same octets, which exceeds the bound by what one session may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all sessions of this process may hold, and what they do.
#[derive(Debug)]
pub(super) struct Unfinished {
    limit: usize,
    held: AtomicUsize,
}

/// The part of one session. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Part {
    of: Arc<Unfinished>,
    held: usize,
}

impl Unfinished {
    /// At most `limit` octets.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0) })
    }

    /// A session that holds nothing yet.
    pub(super) fn part(self: &Arc<Self>) -> Part {
        Part { of: Arc::clone(self), held: 0 }
    }
}

impl Part {
    /// Octets that this session may take on top of what it holds.
    pub(super) fn spare(&self) -> usize {
        self.of.limit.saturating_sub(self.of.held.load(Ordering::Relaxed))
    }

    /// The session holds so many octets now.
    pub(super) fn set(&mut self, held: usize) {
        self.of.held.fetch_add(held, Ordering::Relaxed);
        self.of.held.fetch_sub(self.held, Ordering::Relaxed);
        self.held = held;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SW-10.
    #[test]
    fn what_one_session_holds_another_cannot_take() {
        let all = Unfinished::new(100);
        let (mut one, other) = (all.part(), all.part());
        one.set(70);
        assert_eq!((one.spare(), other.spare()), (30, 30));
        one.set(20);
        assert_eq!(other.spare(), 80);
        one.set(100);
        assert_eq!(other.spare(), 0);
        drop(one);
        assert_eq!(other.spare(), 100);
    }
}
