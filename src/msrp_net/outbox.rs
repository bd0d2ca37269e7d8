//! What one connection has still to write, and which answers it awaits: the core's transmitter, shared by the connection that writes
//! and the rooms that put in.
//!
//! The room never waits: a session whose share is full, or a connection that has stood still for a minute, is told to the room
//! as [`Stalled`], and the room ends the leg.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::post::Post;
use mucfocus_core::msrp::transmitter::{Heard, Mute, Octets, Outcome, Transmitter};
pub use mucfocus_core::msrp::transmitter::{Share, Stalled};
use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::encode::WireFrame;
use mucfocus_core::wire::msrp::frame::Frame;

use crate::bell::Bell;
use crate::hub::clock;

/// What one connection has still to write.
#[derive(Debug)]
pub struct Outbox {
    transmitter: Mutex<Transmitter>,
    filled: Bell,
    drained: Bell,
}

/// Octets under way to the socket.
pub struct Batch {
    parts: VecDeque<Bytes>,
}

impl Outbox {
    /// Of a connection that was made just now. With `whole_chunks` each batch is one frame.
    #[must_use]
    pub fn new(limits: Limits, whole_chunks: bool) -> Self {
        let transmitter = Transmitter::new(clock::now(), limits, whole_chunks);
        Self { transmitter: Mutex::new(transmitter), filled: Bell::new(), drained: Bell::new() }
    }

    /// A share for a new session.
    pub(super) fn attach(&self) -> Share {
        self.lock().attach()
    }

    /// The session of this share is over. What it had put in is still written.
    pub(super) fn detach(&self, share: Share) {
        self.lock().detach(share);
        self.filled.ring();
    }

    /// What the session of this share had put in and what was not answered, in order; also after the connection has ended.
    pub(super) fn take_back(&self, share: Share) -> Vec<Arc<Content>> {
        let unsent = self.lock().take_back(share);
        self.filled.ring(); // a message that has begun is aborted
        unsent
    }

    /// Whether the session of this share goes on.
    pub(super) fn is_attached(&self, share: Share) -> bool {
        self.lock().is_attached(share)
    }

    /// Whether no session is left and nothing waits.
    pub(super) fn is_deserted(&self) -> bool {
        self.lock().is_deserted()
    }

    /// Puts in a response or a report.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the share is full or the connection stands still.
    pub fn put(&self, share: Share, frame: WireFrame) -> Result<(), Stalled> {
        self.lock().put(clock::now(), share, frame)?;
        self.filled.ring();
        Ok(())
    }

    /// Puts in a message.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the share is full or the connection stands still.
    pub fn post(&self, share: Share, post: Post) -> Result<(), Stalled> {
        self.lock().post(clock::now(), share, post)?;
        self.filled.ring();
        Ok(())
    }

    /// Something came from the peer. Returns when.
    pub(super) fn heard(&self) -> Instant {
        let now = clock::now();
        self.lock().heard(now);
        now
    }

    /// Takes a frame of the peer, if it is an answer.
    pub(super) fn hear(&self, share: Share, frame: &Frame) -> Heard {
        self.lock().hear(clock::now(), share, frame)
    }

    /// The peer has answered a request of this session with 200, at `now`.
    pub(super) fn accepted(&self, now: Instant, share: Share, transaction: &str) -> Option<Outcome> {
        self.lock().answered(now, share, transaction, 200)
    }

    /// When [`Outbox::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.lock().next_timeout()
    }

    /// Gives up on answers that are overdue.
    pub(super) fn handle_timeout(&self, out: &mut Vec<(Share, Outcome)>) -> Result<(), Mute> {
        self.lock().handle_timeout(clock::now(), out)
    }

    /// The next octets to write, as soon as there are any.
    pub(super) async fn take(&self) -> Batch {
        loop {
            let mut octets = Octets::new();
            self.lock().fill(clock::now(), &mut octets);
            if !octets.is_empty() {
                return Batch { parts: octets.into_parts() };
            }
            self.filled.rung().await;
        }
    }

    /// Whether the session may be handed another request; if not, wait for [`Outbox::drained`].
    pub(super) fn takes_requests(&self, share: Share) -> bool {
        self.lock().takes_requests(share)
    }

    /// The batch is on its way to the peer.
    pub(super) fn written(&self) {
        if self.lock().written(clock::now()) {
            self.drained.ring();
        }
    }

    /// Something was written that a request waited for. Cancel-safe.
    pub(super) async fn drained(&self) {
        self.drained.rung().await;
    }

    fn lock(&self) -> MutexGuard<'_, Transmitter> {
        self.transmitter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part.as_ref())
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.parts.front_mut() {
            if part.len() > count {
                part.advance(count);
                return;
            }
            count -= part.len();
            self.parts.pop_front();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = std::io::IoSlice::new(part);
            filled += 1;
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_out_in_order_however_it_is_cut() {
        let mut batch = Batch { parts: [&b"ab"[..], b"", b"cde"].map(Bytes::from_static).into() };
        let mut out = Vec::new();
        while batch.has_remaining() {
            out.push(batch.chunk()[0]);
            batch.advance(1);
        }
        assert_eq!(out, b"abcde");
    }
}
