//! Octets on their way to a socket: what is small is copied together, what is large is shared.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// What a buffer begins with: room for the usual head and a short message.
const USUAL: usize = 1024;

/// Octets in order, in as few parts as it takes.
#[derive(Debug, Default)]
pub struct Octets {
    parts: VecDeque<Bytes>,
    last: BytesMut,
    len: usize,
}

impl Octets {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many octets there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy.
    pub fn put(&mut self, octets: &[u8]) {
        if self.last.capacity() == 0 {
            self.last.reserve(USUAL.max(octets.len()));
        }
        self.last.extend_from_slice(octets);
        self.len = self.len.saturating_add(octets.len());
    }

    /// Appends what others have too.
    pub fn share(&mut self, octets: Bytes) {
        if !self.last.is_empty() {
            self.parts.push_back(self.last.split().freeze());
        }
        self.len = self.len.saturating_add(octets.len());
        self.parts.push_back(octets);
    }

    /// The parts, in order.
    #[must_use]
    pub fn into_parts(mut self) -> VecDeque<Bytes> {
        if !self.last.is_empty() {
            self.parts.push_back(self.last.freeze());
        }
        self.parts
    }
}
