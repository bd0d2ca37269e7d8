//! One message of which some chunks are there.
//!
//! Owns its memory and knows which octets have come. Knows no limit but that of its pieces.

use alloc::string::String;
use alloc::vec::Vec;

use super::{ChunkError, Reports, Whole};
use crate::time::Instant;
use crate::wire::msrp::frame::Path;

/// Separate pieces that an unfinished message may consist of. In order there is one; a client that sends every other octet is
/// up to no good, and each piece costs memory and time.
pub(super) const MAX_PIECES: usize = 256;

#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) reports: Reports,
    /// The way back to the sender.
    pub(super) from_path: Path,
    /// When the last chunk came.
    pub(super) touched: Instant,
    content_type: String,
    buffer: Vec<u8>,
    /// Disjoint, sorted, half-open.
    present: Vec<(usize, usize)>,
    length: Option<usize>,
}

impl Unfinished {
    pub(super) const fn new(content_type: String, reports: Reports, from_path: Path) -> Self {
        let touched = Instant::ZERO;
        Self { reports, from_path, touched, content_type, buffer: Vec::new(), present: Vec::new(), length: None }
    }

    /// Octets that have come.
    pub(super) fn received(&self) -> usize {
        self.present.iter().map(|(start, end)| end.saturating_sub(*start)).sum()
    }

    /// Octets of memory, used or not.
    pub(super) const fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Makes room up to `end`, with `left` octets more than are held now, or gives the reason that comes with them.
    ///
    /// Room is doubled as it fills, and not taken beyond `expected`. That is what the message will have if it is as long as it
    /// says, which is believed only so far.
    pub(super) fn make_room(
        &mut self,
        end: usize,
        expected: usize,
        (left, reason): (usize, ChunkError),
    ) -> Result<(), ChunkError> {
        let (held, most) = (self.held(), self.held().saturating_add(left));
        if end <= held {
            return Ok(());
        }
        if end > most {
            return Err(reason);
        }
        let wanted = end.saturating_mul(2).min(expected).max(end);
        self.buffer.reserve_exact(wanted.min(most).saturating_sub(self.buffer.len()));
        Ok(())
    }

    /// Puts the octets of a chunk in their place; there is room for them.
    pub(super) fn write(&mut self, start: usize, body: &[u8]) -> Result<(), ChunkError> {
        let end = start.saturating_add(body.len());
        if self.length.is_some_and(|length| end > length) {
            return Err(ChunkError::BeyondEnd);
        }
        if body.is_empty() {
            return Ok(());
        }
        if self.buffer.len() < start {
            self.buffer.resize(start, 0);
        }
        // What is in order, which most is, is appended and not zeroed before.
        let (over, beyond) = body.split_at(body.len().min(self.buffer.len().saturating_sub(start)));
        if let Some(place) = self.buffer.get_mut(start..start.saturating_add(over.len())) {
            place.copy_from_slice(over);
        }
        self.buffer.extend_from_slice(beyond);
        self.mark(start, end);
        if self.present.len() > MAX_PIECES { Err(ChunkError::TooMany) } else { Ok(()) }
    }

    /// Adds `start..end` to what is present, joining what touches it.
    fn mark(&mut self, mut start: usize, mut end: usize) {
        if let [.., last] = self.present.as_mut_slice()
            && last.1 == start
        {
            last.1 = end;
            return;
        }
        self.present.retain(|&(from, to)| {
            let apart = to < start || from > end;
            if !apart {
                start = start.min(from);
                end = end.max(to);
            }
            apart
        });
        let at = self.present.partition_point(|&(from, _)| from < start);
        self.present.insert(at, (start, end));
    }

    /// `$` has come, with a chunk that ends there.
    pub(super) fn fix_length(&mut self, end: usize) -> Result<(), ChunkError> {
        if self.buffer.len() > end || self.length.is_some_and(|length| length != end) {
            return Err(ChunkError::BeyondEnd);
        }
        self.length = Some(end);
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        match self.length {
            Some(0) => true,
            Some(length) => self.present.as_slice() == [(0, length)],
            None => false,
        }
    }

    pub(super) fn finish(self, message_id: String) -> Whole {
        Whole { message_id, content_type: self.content_type, reports: self.reports, body: self.buffer.into() }
    }

    #[cfg(test)]
    pub(super) fn is_in_order(&self) -> bool {
        self.present.is_sorted() && self.present.windows(2).all(|pair| pair[0].1 < pair[1].0)
    }
}
