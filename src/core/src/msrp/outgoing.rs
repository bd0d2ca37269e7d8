//! Messages for a peer that cannot be written yet: nobody has connected, or the peer takes no content for a while.
//!
//! What waits is kept as content and not as frames, because the session may move to other paths meanwhile.

use alloc::collections::VecDeque;
use alloc::string::String;

use bytes::Bytes;

use crate::wire::msrp::frame::TransactionId;

/// Messages that wait for the peer; with more the leg ends (ownership rule 4).
pub const MAX_WAITING: usize = 256;
/// Octets of messages that wait for the peer.
pub const MAX_WAITING_OCTETS: usize = 512 * 1024;

/// More waits for a connection than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for the MSRP connection")]
pub struct Overflow;

/// What becomes of a message for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is written, or will be as soon as somebody has connected.
    Sent,
    /// It waits until the peer takes content again, as one of a bounded number (MS-SDP-06).
    Held,
    /// There is no connection and none can come. It is counted as missed.
    NoConnection,
    /// The peer does not take content of this type (MS-SEND-16, SW-08).
    TypeRefused,
    /// The peer takes only smaller messages, and this one cannot be split (MS-SEND-18).
    TooLarge,
}

/// A message, and the identifiers that it will be sent with.
#[derive(Debug)]
pub(super) struct Content {
    pub transaction: TransactionId,
    pub message_id: String,
    pub content_type: String,
    pub body: Bytes,
}

/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Content>,
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
    pub(super) fn push(&mut self, content: Content) {
        self.octets = self.octets.saturating_add(content.body.len());
        self.waiting.push_back(content);
    }

    /// Keeps a message, and lets go of the oldest as long as there is no room for it.
    pub(super) fn push_over_oldest(&mut self, content: Content) {
        while !self.has_room_for(content.body.len()) {
            if self.pop().is_none() {
                return self.miss();
            }
            self.miss();
        }
        self.push(content);
    }

    pub(super) fn pop(&mut self) -> Option<Content> {
        let content = self.waiting.pop_front()?;
        self.octets = self.octets.saturating_sub(content.body.len());
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
