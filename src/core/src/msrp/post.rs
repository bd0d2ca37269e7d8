//! A message on its way to one session: the shared content, and what is this session's own.

use alloc::sync::Arc;
use core::str;

use bytes::Bytes;

use super::content::Content;
use crate::env::Env;

/// The random part of the transaction identifiers of one message: 100 bits in 20 characters (RFC 4975 §7.1 asks for 64 bits).
///
/// The first chunk has it for its identifier; the n-th has it with a dot and n behind it, at most 32 characters in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionBase([u8; Self::LEN]);

impl TransactionBase {
    /// Characters.
    pub const LEN: usize = 20;

    /// A fresh one, which the body of `content` does not hold behind seven hyphens.
    #[must_use]
    pub fn fresh(env: &mut Env<'_>, content: &Content) -> Self {
        loop {
            let base = Self::draw(env.ids.next());
            if content.takes(base.as_str()) {
                return base;
            }
        }
    }

    fn draw(mut bits: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut name = [b'a'; Self::LEN];
        for place in &mut name {
            *place = ALPHABET.get(usize::try_from(bits & 31).unwrap_or(0)).copied().unwrap_or(b'a');
            bits >>= 5;
        }
        Self(name)
    }

    /// The identifier of the first chunk.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default() // letters and digits only
    }

    /// Which chunk of this message a transaction is, counted from 1.
    pub(super) fn chunk_of(&self, transaction: &str) -> Option<u32> {
        match transaction.strip_prefix(self.as_str())? {
            "" => Some(1),
            rest => rest.strip_prefix('.')?.parse().ok().filter(|chunk| *chunk > 1),
        }
    }
}

/// A message for one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// What its transactions are called.
    pub base: TransactionBase,
    /// To-Path and From-Path of the session, each with its line end; one for all that it sends.
    pub paths: Bytes,
    /// Whether there is a relay on the way. Kamailio loses frames of more than 14 KiB without a word, so along a path of several
    /// URIs no chunk is longer than it has to be.
    pub is_relayed: bool,
    /// The message.
    pub content: Arc<Content>,
}
