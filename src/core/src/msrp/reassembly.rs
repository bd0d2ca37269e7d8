//! Chunks to messages (RFC 4975 §7.3.1).
//!
//! A message in one chunk passes through without a copy. Chunks of others are put where their Byte-Range says; the real
//! length of a chunk counts and not the range-end that it names, and of overlapping chunks the later wins. The chunk with `$`
//! fixes the length; the message is complete when every octet up to there is present.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::time::Instant;
use crate::wire::msrp::MAX_MESSAGE_ID;
use crate::wire::msrp::frame::{Continuation, Ending, FailureReport, Frame};

/// Messages that one session may have unfinished at a time. Clients interleave at most a file and a text.
pub const MAX_UNFINISHED: usize = 4;
/// Separate pieces that an unfinished message may consist of. In order there is one; a client that sends every other octet is
/// up to no good, and each piece costs memory and time.
const MAX_PIECES: usize = 256;
/// How long an unfinished message waits for its next chunk.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Messages in the making.
#[derive(Debug)]
pub struct Reassembly {
    limit: usize,
    unfinished: BTreeMap<String, Unfinished>,
}

/// A complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its Message-ID.
    pub message_id: String,
    /// Content-Type of its first chunk.
    pub content_type: String,
    /// The report headers of its first chunk (MS-SEND-02).
    pub reports: Reports,
    /// All of it.
    pub body: Bytes,
}

/// What the sender wants to hear about his message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports {
    /// Success-Report.
    pub success: bool,
    /// Failure-Report.
    pub failure: FailureReport,
}

/// What a chunk did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It was kept; more has to come.
    Kept(Reports),
    /// It completed the message.
    Complete(Whole),
    /// It abandoned the message (RFC 4975 §7.1, flag `#`).
    Abandoned(Reports),
    /// It is refused, and its message forgotten.
    Refused(ChunkError, Reports),
}

/// Why a chunk is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// MS-SEND-01.
    #[error("a SEND with a body needs a Message-ID")]
    NoMessageId,
    /// MS-SEND-03.
    #[error("a later chunk needs a Byte-Range")]
    NoByteRange,
    /// The message, as far as it is known, exceeds the limit.
    #[error("message too large")]
    TooLarge,
    /// [`MAX_UNFINISHED`].
    #[error("too many unfinished messages")]
    TooMany,
    /// A chunk lies beyond the end that `$` fixed.
    #[error("chunk beyond the end of its message")]
    BeyondEnd,
}

impl ChunkError {
    /// The MSRP status code that says so (RFC 4975 §10).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::NoMessageId | Self::NoByteRange | Self::BeyondEnd => 400,
            Self::TooLarge | Self::TooMany => 413,
        }
    }
}

#[derive(Debug)]
struct Unfinished {
    content_type: String,
    reports: Reports,
    buffer: Vec<u8>,
    /// Disjoint, sorted, half-open.
    present: Vec<(usize, usize)>,
    length: Option<usize>,
    touched: Instant,
}

impl Reassembly {
    /// Messages of at most `limit` octets.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, unfinished: BTreeMap::new() }
    }

    /// Takes the chunk of a SEND that has a body.
    pub fn add(&mut self, now: Instant, frame: &Frame) -> Progress {
        let head = &frame.head;
        let own_reports = Reports { success: head.success_report, failure: head.failure_report };
        let Some(id) = head.message_id.as_deref().filter(|id| id.len() <= MAX_MESSAGE_ID) else {
            return Progress::Refused(ChunkError::NoMessageId, own_reports);
        };
        let known = self.unfinished.get(id);
        let reports = known.map_or(own_reports, |m| m.reports);
        match self.place(now, id, frame, reports) {
            Ok(progress) => progress,
            Err(error) => {
                self.unfinished.remove(id);
                Progress::Refused(error, reports)
            }
        }
    }

    fn place(&mut self, now: Instant, id: &str, frame: &Frame, reports: Reports) -> Result<Progress, ChunkError> {
        let flag = match frame.ending {
            Ending::TooLarge => return Err(ChunkError::TooLarge),
            Ending::Flag(Continuation::Aborted) => {
                self.unfinished.remove(id);
                return Ok(Progress::Abandoned(reports));
            }
            Ending::Flag(flag) => flag,
        };
        let first = !self.unfinished.contains_key(id);
        let start = match frame.head.byte_range {
            Some(range) => usize::try_from(range.start.saturating_sub(1)).map_err(|_| ChunkError::TooLarge)?,
            None if first => 0,
            None => return Err(ChunkError::NoByteRange),
        };
        let announced = frame.head.byte_range.and_then(|r| r.total).unwrap_or(0);
        let end = start.checked_add(frame.body.len()).filter(|end| *end <= self.limit).ok_or(ChunkError::TooLarge)?;
        if usize::try_from(announced).map_or(true, |total| total > self.limit) {
            return Err(ChunkError::TooLarge);
        }
        let content_type = frame.head.content_type.clone().unwrap_or_default();
        if first && start == 0 && flag == Continuation::Complete {
            let message_id = id.into();
            return Ok(Progress::Complete(Whole { message_id, content_type, reports, body: frame.body.clone() }));
        }
        if first && self.unfinished.len() >= MAX_UNFINISHED {
            return Err(ChunkError::TooMany);
        }
        let message = self.unfinished.entry(id.into()).or_insert_with(|| Unfinished {
            content_type,
            reports,
            buffer: Vec::new(),
            present: Vec::new(),
            length: None,
            touched: now,
        });
        message.touched = now;
        message.write(start, end, &frame.body)?;
        if flag == Continuation::Complete {
            message.fix_length(end)?;
        }
        if !message.is_complete() {
            return Ok(Progress::Kept(reports));
        }
        Ok(self.unfinished.remove(id).map_or(Progress::Kept(reports), |message| {
            Progress::Complete(Whole {
                message_id: id.into(),
                content_type: message.content_type,
                reports: message.reports,
                body: message.buffer.into(),
            })
        }))
    }

    /// Forgets messages whose next chunk did not come in time; returns how many.
    pub fn expire(&mut self, now: Instant) -> usize {
        let before = self.unfinished.len();
        self.unfinished.retain(|_, message| now.since(message.touched) < PATIENCE);
        before - self.unfinished.len()
    }

    /// When [`Reassembly::expire`] has something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.unfinished.values().map(|message| message.touched + PATIENCE).min()
    }
}

impl Unfinished {
    fn write(&mut self, start: usize, end: usize, body: &[u8]) -> Result<(), ChunkError> {
        if self.length.is_some_and(|length| end > length) {
            return Err(ChunkError::BeyondEnd);
        }
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        if let Some(place) = self.buffer.get_mut(start..end) {
            place.copy_from_slice(body);
        }
        if start < end {
            self.mark(start, end);
        }
        if self.present.len() > MAX_PIECES { Err(ChunkError::TooMany) } else { Ok(()) }
    }

    /// Adds `start..end` to what is present, joining what touches it. In the usual case, in order, there is one piece.
    fn mark(&mut self, mut start: usize, mut end: usize) {
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

    fn fix_length(&mut self, end: usize) -> Result<(), ChunkError> {
        if self.buffer.len() > end || self.length.is_some_and(|length| length != end) {
            return Err(ChunkError::BeyondEnd);
        }
        self.length = Some(end);
        Ok(())
    }

    fn is_complete(&self) -> bool {
        match self.length {
            Some(0) => true,
            Some(length) => self.present.as_slice() == [(0, length)],
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
