//! What the caller said of himself, by offer or answer, and what waits while he has said nothing.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::Delivery;
use crate::msrp::content::Content;
use crate::msrp::limits::Limits;
use crate::wire::sdp::Offer;

/// What is known of the caller's side.
#[derive(Debug)]
pub(super) enum Peer {
    /// Nothing: his INVITE had no offer. Ours goes out with the 200, and his answer comes with the ACK (MS-SDP-08).
    Silent(Held),
    /// What he offered or answered last.
    Known(Box<Offer>),
}

impl Peer {
    pub(super) fn known(&self) -> Option<&Offer> {
        match self {
            Self::Silent(_) => None,
            Self::Known(offer) => Some(offer),
        }
    }
}

/// What a caller gets as soon as it is known what he takes.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// In order.
    messages: VecDeque<Arc<Content>>,
    octets: usize,
    /// Messages that were let go.
    pub(super) missed: usize,
    /// Whether he has connected already: his connection may be faster than his ACK.
    pub(super) is_bound: bool,
}

impl Held {
    /// Keeps a message, within what may wait for any session; the oldest are let go for it.
    pub(super) fn keep(&mut self, content: &Arc<Content>, limits: &Limits) -> Delivery {
        let size = content.body().len();
        while self.messages.len() >= limits.queue || self.octets.saturating_add(size) > limits.queue_octets {
            self.missed = self.missed.saturating_add(1);
            let Some(oldest) = self.messages.pop_front() else { return Delivery::Congested };
            self.octets = self.octets.saturating_sub(oldest.body().len());
        }
        self.octets = self.octets.saturating_add(size);
        self.messages.push_back(Arc::clone(content));
        Delivery::Sent
    }

    pub(super) fn into_messages(self) -> VecDeque<Arc<Content>> {
        self.messages
    }
}
