//! What comes in on one connection, as far as it is no whole frame. A connection on which nothing is on its way takes no memory
//! for it.

use bytes::BytesMut;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::wire::msrp::accepted::Accepted;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::{BadFrame, Violation};
use mucfocus_core::wire::msrp::frame::Frame;

/// Octets that were read, and the frame that they are part of.
#[derive(Default)]
pub(super) struct Input {
    /// What was read and not looked at.
    pub(super) buffer: BytesMut,
    /// There while something is on its way.
    collector: Option<Box<Collector>>,
}

/// What came. Boxed, since the task of a connection has room for the largest thing that it ever awaits with.
pub(super) enum Came {
    /// A whole frame, or the head of one that is too large.
    Frame(Box<Frame>),
    /// A message that cannot be used.
    Bad(Box<BadFrame>),
}

impl Input {
    /// The answer that what was read begins with, if it is of the kind that nearly all are, and has come whole.
    pub(super) fn accepted(&self) -> Option<Accepted<'_>> {
        let is_between = self.collector.as_ref().is_none_or(|collector| collector.is_between_messages());
        if is_between { Accepted::read(&self.buffer) } else { None }
    }

    /// The next frame in what was read.
    pub(super) fn next(&mut self, limits: &Limits) -> Result<Option<Came>, Violation> {
        if self.collector.is_none() && self.buffer.is_empty() {
            return Ok(None);
        }
        let fresh = || Box::new(Collector::with_limits(limits.message, limits.wire));
        let came = self.collector.get_or_insert_with(fresh).next(&mut self.buffer)?;
        Ok(came.map(|came| match came {
            Incoming::Frame(frame) => Came::Frame(Box::new(frame)),
            Incoming::Bad(bad) => Came::Bad(Box::new(bad)),
        }))
    }

    /// The message in which a [`Violation`] came, as far as it was understood.
    pub(super) fn cut_short(&mut self) -> Option<BadFrame> {
        self.collector.as_mut().and_then(|collector| collector.cut_short())
    }

    /// Gives back what is not needed before more comes: nobody who is silent has a buffer.
    pub(super) fn shrink(&mut self) {
        if !self.buffer.is_empty() {
            return;
        }
        self.buffer = BytesMut::new();
        self.collector.take_if(|collector| collector.is_between_messages());
    }
}
