//! What a state machine is handed with each input: the time, and a source of fresh identifiers.

use alloc::string::String;

use crate::time::{Instant, WallClock};

/// Source of identifiers. The driver draws them at random; a test counts.
pub trait IdSource {
    /// 128 bits that were never handed out before and that nobody can guess.
    fn next(&mut self) -> u128;
}

/// The surroundings of one input.
pub struct Env<'a> {
    /// Monotonic time, for timers.
    pub now: Instant,
    /// Wall-clock time, for stamps that people read.
    pub wall: WallClock,
    /// Fresh identifiers.
    pub ids: &'a mut dyn IdSource,
}

impl Env<'_> {
    /// A fresh token of 26 lower-case base32 characters, 128 random bits: long enough for an MSRP session-id (at least 80
    /// bits, RFC 4975 §14.1), an MSRP transaction-id (at least 64 bits and at most 32 characters, §7.1) and a stanza id.
    pub fn token(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bits = self.ids.next();
        let mut token = String::with_capacity(26);
        for _ in 0..26 {
            let digit = ALPHABET.get(usize::try_from(bits & 31).unwrap_or(0)).copied().unwrap_or(b'a');
            token.push(char::from(digit));
            bits >>= 5;
        }
        token
    }
}
