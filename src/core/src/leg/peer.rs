//! What the caller said of himself, by offer or answer, and what waits while he has said nothing.

use alloc::boxed::Box;

use crate::msrp::limits::Limits;
use crate::msrp::outgoing::Outgoing;
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
#[derive(Debug)]
pub(super) struct Held {
    pub(super) waiting: Outgoing,
    /// Whether he has connected already: his connection may be faster than his ACK.
    pub(super) is_bound: bool,
}

impl Held {
    /// Nothing, and of what will be said no more than may wait for any session.
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { waiting: Outgoing::new(limits), is_bound: false }
    }
}
