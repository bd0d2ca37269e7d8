//! The timers of a machine: at most one running per key, ordered by when they are due.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// Running timers, keyed by an enum of the machine that owns them.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    due: BTreeSet<(Instant, K)>,
    running: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Timers<K> {
    /// No timer runs.
    #[must_use]
    pub const fn new() -> Self {
        Self { due: BTreeSet::new(), running: BTreeMap::new() }
    }

    /// Starts the timer `key`, or moves it, to be due at `at`.
    pub fn set(&mut self, key: K, at: Instant) {
        match self.running.insert(key, at) {
            Some(before) if before == at => return,
            Some(before) => self.due.remove(&(before, key)),
            None => false,
        };
        self.due.insert((at, key));
    }

    /// Stops the timer `key` if it runs.
    pub fn clear(&mut self, key: K) {
        if let Some(at) = self.running.remove(&key) {
            self.due.remove(&(at, key));
        }
    }

    /// When the timer `key` is due, if it runs.
    #[must_use]
    pub fn at(&self, key: &K) -> Option<Instant> {
        self.running.get(key).copied()
    }

    /// When the first timer is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes a timer that is due at `now`, the earliest first.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }
}

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_was_moved_is_due_once_and_late() {
        let mut timers = Timers::new();
        timers.set('a', Instant::from_micros(5));
        timers.set('b', Instant::from_micros(6));
        timers.set('a', Instant::from_micros(9));
        assert_eq!(timers.next(), Some(Instant::from_micros(6)));
        assert_eq!(timers.pop(Instant::from_micros(20)), Some('b'));
        assert_eq!(timers.pop(Instant::from_micros(8)), None);
        assert_eq!(timers.pop(Instant::from_micros(9)), Some('a'));
        assert_eq!(timers.pop(Instant::from_micros(9)), None);
    }
}
