//! Messages for a peer that cannot be written yet: nobody has connected, the connection is gone, or the peer takes no content for
//! a while.
//!
//! What waits is kept as content and not as frames, because the session may move to other paths meanwhile.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::content::Content;
use super::limits::Limits;

/// What becomes of a message for the peer. Displayed, it is a sentence for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Delivery {
    /// It is written, or will be as soon as somebody has connected.
    #[error("it is on its way")]
    Sent,
    /// It waits until the peer takes content again, as one of a bounded number (MS-SDP-06, MS-CONN-08).
    #[error("it waits until the client takes messages again")]
    Held,
    /// There is no connection and none can come. It is counted as missed.
    #[error("there is no connection, and none can come")]
    NoConnection,
    /// The peer does not take content of this type (MS-SEND-15, MS-SEND-16, SW-08).
    #[error("the client takes no content of its type")]
    TypeRefused,
    /// The peer takes only smaller messages, and this one cannot be split (MS-SEND-18).
    #[error("the client takes only smaller messages")]
    TooLarge,
    /// It was large, and too much waited before it (SW-21). It is counted as missed.
    #[error("too much waited before it")]
    Congested,
    /// The peer was sent it and refused it, with this MSRP status code.
    #[error("the client refused it with {0}")]
    Refused(u16),
    /// The peer was sent it and has not said that it came (MS-RSP-04).
    #[error("the client never answered it")]
    Unanswered,
}

/// What waits, in order. Of more than may wait the oldest are let go, and the peer is told how many.
#[derive(Debug)]
pub(crate) struct Outgoing {
    waiting: VecDeque<Arc<Content>>,
    octets: usize,
    missed: usize,
    most: usize,
    most_octets: usize,
}

impl Outgoing {
    pub(crate) const fn new(limits: &Limits) -> Self {
        let (most, most_octets) = (limits.waiting(), limits.waiting_octets());
        Self { waiting: VecDeque::new(), octets: 0, missed: 0, most, most_octets }
    }

    /// Whether another message of so many octets may wait.
    fn has_room_for(&self, octets: usize) -> bool {
        self.waiting.len() < self.most && self.octets.saturating_add(octets) <= self.most_octets
    }

    /// Keeps a message for which there is room.
    fn push(&mut self, content: Arc<Content>) {
        self.octets = self.octets.saturating_add(content.body().len());
        self.waiting.push_back(content);
    }

    /// Keeps a message, and lets go of the oldest as long as there is no room for it. One that fits with no other does not wait.
    pub(crate) fn push_over_oldest(&mut self, content: Arc<Content>) {
        if content.body().len() > self.most_octets {
            self.miss();
            return;
        }
        while !self.has_room_for(content.body().len()) {
            self.pop();
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

    pub(crate) fn pop(&mut self) -> Option<Arc<Content>> {
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
    pub(crate) const fn take_missed(&mut self) -> usize {
        core::mem::replace(&mut self.missed, 0)
    }
}
