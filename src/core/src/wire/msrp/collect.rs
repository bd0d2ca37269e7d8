//! Whole frames from a connection, for those who need the body in one piece.
//!
//! Owns the bound on what one frame may hold. Knows nothing of messages that consist of several frames.

use bytes::{Bytes, BytesMut};

use super::Limits;
use super::decode::{BadFrame, Decoder, Event, Violation};
use super::frame::{Ending, Frame, Head, Method, Start};

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole frame, or the head of one that is too large.
    Frame(Frame),
    /// A message that cannot be used.
    Bad(BadFrame),
}

/// Decodes the octets of one connection into whole frames.
#[derive(Debug, Clone)]
pub struct Collector {
    decoder: Decoder,
    max_body: usize,
    /// Of the frame that is being collected.
    head: Option<Head>,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Idle,
    Collecting(Gathered),
    /// Too large and reported; its rest is dropped.
    Dropping,
}

/// A body as far as it came.
#[derive(Debug, Clone)]
enum Gathered {
    /// At most one piece: handed on as it is.
    Piece(Bytes),
    /// More: copied together. Keeping the pieces would let a peer that sends single octets make us hold a buffer for each.
    Joined(BytesMut),
}

impl Collector {
    /// Takes bodies, and messages by their Byte-Range, of up to `max_body` octets.
    #[must_use]
    pub fn new(max_body: usize) -> Self {
        Self::with_limits(max_body, Limits::DEFAULT)
    }

    /// The same, with other limits of a head than the default ones.
    #[must_use]
    pub fn with_limits(max_body: usize, limits: Limits) -> Self {
        Self { decoder: Decoder::with_limits(limits), max_body, head: None, state: State::Idle }
    }

    /// Takes what it can from the front of `buf`. Call again until it says `None`, then read more behind what is left.
    ///
    /// A SEND whose Byte-Range or body exceeds the bound comes at once with [`Ending::TooLarge`] and no body; the rest of it
    /// is dropped as it comes (RFC 4975 §14.5, RFC 7702 §8).
    ///
    /// # Errors
    /// A [`Violation`], again and again: close the connection.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Incoming>, Violation> {
        while let Some(event) = self.decoder.decode(buf)? {
            if let Some(incoming) = self.take(event) {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    /// The message in whose head a [`Violation`] came, as far as it was understood. Once.
    pub fn cut_short(&mut self) -> Option<BadFrame> {
        self.decoder.cut_short()
    }

    /// Octets of body held for a frame that has not ended; at most `max_body`.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.state {
            State::Collecting(gathered) => gathered.len(),
            State::Idle | State::Dropping => 0,
        }
    }

    /// Whether the last message has ended, so that the peer may close the connection without cutting one short.
    #[must_use]
    pub const fn is_between_messages(&self) -> bool {
        self.decoder.is_between_messages()
    }

    fn take(&mut self, event: Event) -> Option<Incoming> {
        match (core::mem::replace(&mut self.state, State::Idle), event) {
            (_, Event::Head(head)) => {
                self.head = Some(head);
                self.collect(Gathered::Piece(Bytes::new()))
            }
            (State::Collecting(gathered), Event::Body(piece)) => self.collect(gathered.with(piece)),
            (State::Collecting(gathered), Event::End(flag)) => {
                let head = self.head.take()?;
                Some(Incoming::Frame(Frame { head, body: gathered.into_bytes(), ending: Ending::Flag(flag) }))
            }
            (State::Dropping, Event::Body(_)) => {
                self.state = State::Dropping;
                None
            }
            // What was reported as too large is not reported as bad as well.
            (State::Dropping, Event::Bad(_) | Event::End(_)) => None,
            (State::Idle | State::Collecting(_), Event::Bad(bad)) => Some(Incoming::Bad(bad)),
            // Not reached: the decoder sends no body and no end without a head.
            (State::Idle, Event::Body(_) | Event::End(_)) => None,
        }
    }

    /// Goes on collecting if the message can still fit.
    fn collect(&mut self, gathered: Gathered) -> Option<Incoming> {
        let limit = u64::try_from(self.max_body).unwrap_or(u64::MAX);
        if self.head.as_ref().is_some_and(|head| extent(head, gathered.len()) > limit) {
            self.state = State::Dropping;
            let head = self.head.take()?;
            return Some(Incoming::Frame(Frame { head, body: Bytes::new(), ending: Ending::TooLarge }));
        }
        self.state = State::Collecting(gathered);
        None
    }
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.len(),
            Self::Joined(joined) => joined.len(),
        }
    }

    fn with(self, more: Bytes) -> Self {
        let mut joined = match self {
            Self::Piece(piece) if piece.is_empty() => return Self::Piece(more),
            Self::Piece(piece) => {
                let mut joined = BytesMut::with_capacity(piece.len().saturating_add(more.len()));
                joined.extend_from_slice(&piece);
                joined
            }
            Self::Joined(joined) => joined,
        };
        joined.extend_from_slice(&more);
        Self::Joined(joined)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Piece(piece) => piece,
            Self::Joined(joined) => joined.freeze(),
        }
    }
}

/// How many octets the message has at least, of whose chunk `head` and `collected` octets of body are known.
///
/// Only the Byte-Range of a SEND speaks of its own body; that of a REPORT speaks of what it reports on.
fn extent(head: &Head, collected: usize) -> u64 {
    let collected = u64::try_from(collected).unwrap_or(u64::MAX);
    match head.byte_range {
        Some(range) if head.start == Start::Request(Method::Send) => {
            let before = range.start.saturating_sub(1);
            before.saturating_add(collected).max(range.total.unwrap_or(0))
        }
        _ => collected,
    }
}
