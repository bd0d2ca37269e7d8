//! Log lines that somebody outside can cause at will: so many a second are written, the others are counted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One kind of line.
#[derive(Debug)]
pub struct Sparing {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    second: Option<Instant>,
    written: u32,
    kept_back: u64,
}

impl Sparing {
    /// At most `per_second` lines in a second.
    #[must_use]
    pub const fn new(per_second: u32) -> Self {
        Self { per_second, state: Mutex::new(State { second: None, written: 0, kept_back: 0 }) }
    }

    /// Whether a line may be written now; if so, how many were kept back since the last one.
    pub fn line(&self) -> Option<u64> {
        self.line_at(Instant::now())
    }

    fn line_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            (state.second, state.written) = (Some(now), 0);
        }
        if state.written >= self.per_second {
            state.kept_back += 1;
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let (sparing, start) = (Sparing::new(3), Instant::now());
        let lines: Vec<_> = (0..1000).filter_map(|_| sparing.line_at(start)).collect();
        assert_eq!(lines, [0, 0, 0]);
        assert_eq!(sparing.line_at(start + Duration::from_secs(1)), Some(997));
        assert_eq!(sparing.line_at(start + Duration::from_secs(1)), Some(0));
    }
}
