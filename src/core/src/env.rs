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
        self.token_octets().iter().copied().map(char::from).collect()
    }

    /// The same as octets, all ASCII.
    pub(crate) fn token_octets(&mut self) -> [u8; 26] {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bits = self.ids.next();
        core::array::from_fn(|_| {
            let digit = ALPHABET.get(usize::try_from(bits & 31).unwrap_or(0)).copied().unwrap_or(b'a');
            bits >>= 5;
            digit
        })
    }
}
