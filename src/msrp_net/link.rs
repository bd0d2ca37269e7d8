//! How a room writes to the connection of one session.

use std::sync::Arc;

use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::post::Post;
use mucfocus_core::wire::msrp::encode::WireFrame;

use super::credit::Credit;
use super::outbox::{Outbox, Share, Stalled};

/// The room's end of a bound session. Dropped, it parts the session from its connection.
#[derive(Debug)]
pub struct SessionLink {
    outbox: Arc<Outbox>,
    share: Share,
    credit: Arc<Credit>,
}

impl SessionLink {
    pub(super) fn new(outbox: Arc<Outbox>, credit: Arc<Credit>) -> Self {
        let share = outbox.attach();
        Self { outbox, share, credit }
    }

    pub(super) const fn share(&self) -> Share {
        self.share
    }

    /// Has a response or a report written, before all messages. [`SessionLink::flush`] has to follow.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the peer does not read.
    pub fn put(&self, frame: WireFrame) -> Result<(), Stalled> {
        self.outbox.put(self.share, frame)
    }

    /// Has a message written. [`SessionLink::flush`] has to follow.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the peer does not read.
    pub fn send(&self, post: Post) -> Result<(), Stalled> {
        self.outbox.post(self.share, post)
    }

    /// Has written what was put in, now or as soon as the socket takes it. Never waits.
    pub fn flush(&self) {
        self.outbox.flush();
    }

    /// What was put in and not answered, in order (MS-CONN-08); also when the connection is gone.
    #[must_use]
    pub fn take_back(&self) -> Vec<Arc<Content>> {
        self.outbox.take_back(self.share)
    }

    /// One message that came in is done with.
    pub fn give_credit(&self) {
        self.credit.give_back();
    }
}

impl Drop for SessionLink {
    fn drop(&mut self) {
        self.outbox.detach(self.share);
        self.credit.wake();
    }
}
