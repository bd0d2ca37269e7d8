//! Messages for a peer that cannot be written yet: nobody has connected, the connection is gone, or the peer takes no content for
//! a while.
//!
//! What waits is kept as content and not as frames, because the session may move to other paths meanwhile.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::content::Content;

/// Messages that wait for the peer; of more the oldest are let go, and he is told how many.
pub const MAX_WAITING: usize = 256;
/// Octets of messages that wait for the peer.
pub const MAX_WAITING_OCTETS: usize = 512 * 1024;

/// What becomes of a message for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is written, or will be as soon as somebody has connected.
    Sent,
    /// It waits until the peer takes content again, as one of a bounded number (MS-SDP-06, MS-CONN-08).
    Held,
    /// There is no connection and none can come. It is counted as missed.
    NoConnection,
    /// The peer does not take content of this type (MS-SEND-15, MS-SEND-16, SW-08).
    TypeRefused,
    /// The peer takes only smaller messages, and this one cannot be split (MS-SEND-18).
    TooLarge,
    /// It was large, and too much waited before it (SW-21). It is counted as missed.
    Congested,
    /// The peer was sent it and refused it, with this MSRP status code.
    Refused(u16),
    /// The peer was sent it and has not said that it came (MS-RSP-04).
    Unanswered,
}

/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Arc<Content>>,
    octets: usize,
    missed: usize,
}

impl Outgoing {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), octets: 0, missed: 0 }
    }

    /// Whether another message of so many octets may wait.
    pub(super) fn has_room_for(&self, octets: usize) -> bool {
        self.waiting.len() < MAX_WAITING && self.octets.saturating_add(octets) <= MAX_WAITING_OCTETS
    }

    /// Keeps a message for which there is room.
    pub(super) fn push(&mut self, content: Arc<Content>) {
        self.octets = self.octets.saturating_add(content.body().len());
        self.waiting.push_back(content);
    }

    /// Keeps a message, and lets go of the oldest as long as there is no room for it.
    pub(super) fn push_over_oldest(&mut self, content: Arc<Content>) {
        while !self.has_room_for(content.body().len()) {
            if self.pop().is_none() {
                return self.miss();
            }
            self.miss();
        }
        self.push(content);
    }

    /// Puts what was sent in vain before everything that waits. Of more than may wait the oldest are let go.
    pub(super) fn put_back(&mut self, unsent: Vec<Arc<Content>>) {
        let later = core::mem::take(&mut self.waiting);
        self.octets = 0;
        for content in unsent.into_iter().chain(later) {
            self.push_over_oldest(content);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Content>> {
        let content = self.waiting.pop_front()?;
        self.octets = self.octets.saturating_sub(content.body().len());
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Some(content)
    }

    /// Nothing of what waits will be sent.
    pub(super) fn give_up(&mut self) {
        self.missed = self.missed.saturating_add(self.waiting.len());
        (self.waiting, self.octets) = (VecDeque::new(), 0);
    }

    /// One more message that the peer will not see.
    pub(super) const fn miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// Messages that the peer did not get, and was not told about.
    pub(super) const fn missed(&self) -> usize {
        self.missed
    }

    /// The same; from now on he was told.
    pub(super) const fn take_missed(&mut self) -> usize {
        core::mem::replace(&mut self.missed, 0)
    }
}
