//! What one connection has still to write.
//!
//! The room never waits: a session whose share is full, or a connection that has stood still for a minute, is told to the room
//! as [`Stalled`], and the room ends the leg. Bodies are shared between the outboxes of a room's connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use mucfocus_core::wire::msrp::encode::WireFrame;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Frames that one session may have waiting.
pub const FRAMES: usize = 256;
/// Octets that one session may have waiting.
pub const OCTETS: usize = 512 * 1024;
/// How long a frame may wait.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Frames that are written with one system call.
const BATCH: usize = 64;

/// The peer does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the MSRP connection does not take what is sent")]
pub struct Stalled;

/// Names a session within its connection. Zero is the connection itself, for refusals that no session gives.
pub type Share = u64;

/// What one connection has still to write.
#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    loads: BTreeMap<Share, Load>,
    last_share: Share,
    closed: bool,
}

#[derive(Debug)]
struct Queued {
    share: Share,
    frame: WireFrame,
    since: Instant,
}

#[derive(Debug, Default)]
struct Load {
    frames: usize,
    octets: usize,
}

/// Frames under way to the socket.
pub(super) struct Batch {
    parts: VecDeque<Bytes>,
    written: Vec<(Share, usize)>,
}

impl Outbox {
    /// A share for a new session.
    pub(super) fn attach(&self) -> Share {
        let mut state = self.lock();
        state.last_share += 1;
        let share = state.last_share;
        state.loads.insert(share, Load::default());
        share
    }

    /// The session of this share is over. What it had put in is still written.
    pub(super) fn detach(&self, share: Share) {
        self.lock().loads.remove(&share);
        self.filled.notify_one();
    }

    /// Whether the session of this share goes on.
    pub(super) fn is_attached(&self, share: Share) -> bool {
        self.lock().loads.contains_key(&share)
    }

    /// Whether no session is left and nothing waits.
    pub(super) fn is_deserted(&self) -> bool {
        let state = self.lock();
        state.queue.is_empty() && !state.loads.keys().any(|share| *share != 0)
    }

    /// The connection is gone.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queue = VecDeque::new();
    }

    /// Puts in a frame.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the share is full or the connection stands still.
    pub fn put(&self, share: Share, frame: WireFrame) -> Result<(), Stalled> {
        let mut state = self.lock();
        if state.closed {
            return Ok(()); // its end is on the way to the room
        }
        if state.queue.front().is_some_and(|first| first.since.elapsed() > PATIENCE) {
            return Err(Stalled);
        }
        let load = state.loads.entry(share).or_default();
        if load.frames >= FRAMES || load.octets.saturating_add(frame.len()) > OCTETS.max(frame.len()) {
            return Err(Stalled);
        }
        load.frames += 1;
        load.octets += frame.len();
        state.queue.push_back(Queued { share, frame, since: Instant::now() });
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The next frames to write, as soon as there are any.
    pub(super) async fn take(&self) -> Batch {
        loop {
            if let Some(batch) = self.try_take() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    fn try_take(&self) -> Option<Batch> {
        let mut state = self.lock();
        if state.queue.is_empty() {
            return None;
        }
        let count = state.queue.len().min(BATCH);
        let mut batch = Batch { parts: VecDeque::with_capacity(3 * count), written: Vec::with_capacity(count) };
        for queued in state.queue.drain(..count) {
            batch.written.push((queued.share, queued.frame.len()));
            batch.parts.extend(queued.frame.chunks().cloned());
        }
        // A burst of a thousand frames leaves no thousand places behind.
        if state.queue.is_empty() && state.queue.capacity() > FRAMES {
            state.queue = VecDeque::new();
        }
        Some(batch)
    }

    /// The batch is on its way to the peer: its sessions have room again.
    pub(super) fn written(&self, batch: &Batch) {
        let mut state = self.lock();
        for (share, octets) in &batch.written {
            if let Some(load) = state.loads.get_mut(share) {
                load.frames = load.frames.saturating_sub(1);
                load.octets = load.octets.saturating_sub(*octets);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn frame(size: usize) -> WireFrame {
        WireFrame { head: Bytes::from(vec![b'h'; size]), body: Bytes::new(), tail: Bytes::from_static(b"t") }
    }

    #[tokio::test]
    async fn one_session_that_is_full_leaves_room_to_another() {
        let outbox = Outbox::default();
        let (full, other) = (outbox.attach(), outbox.attach());
        for _ in 0..FRAMES {
            outbox.put(full, frame(10)).unwrap();
        }
        assert_eq!(outbox.put(full, frame(10)), Err(Stalled));
        assert_eq!(outbox.put(other, frame(10)), Ok(()));
        let batch = outbox.take().await;
        outbox.written(&batch);
        assert_eq!(outbox.put(full, frame(10)), Ok(()), "what is written makes room");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stands_still_for_a_minute_is_stalled() {
        let outbox = Outbox::default();
        let share = outbox.attach();
        outbox.put(share, frame(10)).unwrap();
        tokio::time::advance(PATIENCE + Duration::from_secs(1)).await;
        assert_eq!(outbox.put(share, frame(10)), Err(Stalled));
    }

    #[test]
    fn a_batch_comes_out_in_order_however_it_is_cut() {
        let mut batch = Batch { parts: [&b"ab"[..], b"", b"cde"].map(Bytes::from_static).into(), written: Vec::new() };
        let mut out = Vec::new();
        while batch.has_remaining() {
            out.push(batch.chunk()[0]);
            batch.advance(1);
        }
        assert_eq!(out, b"abcde");
    }
}
