//! Chunks to messages (RFC 4975 §7.3.1).
//!
//! A message in one chunk passes through without a copy. Chunks of others are put where their Byte-Range says; the real
//! length of a chunk counts and not the range-end that it names, and of overlapping chunks the later wins. The chunk with `$`
//! fixes the length, whatever total was announced; the message is complete when every octet up to there is present.
//!
//! Owns the limits of what is unfinished. A message that exceeds one is refused and forgotten, and so is each chunk of it that
//! still comes.

mod refused;
mod unfinished;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use self::refused::Refused;
use self::unfinished::Unfinished;
use super::limits::Limits;
use crate::time::Instant;
use crate::wire::msrp::MAX_MESSAGE_ID;
use crate::wire::msrp::frame::{ByteRange, Continuation, Ending, FailureReport, Frame, Path};

/// Messages in the making.
#[derive(Debug)]
pub struct Reassembly {
    bounds: Bounds,
    unfinished: BTreeMap<String, Unfinished>,
    refused: Refused,
}

/// What concerns it of [`Limits`]: every session has one.
#[derive(Debug)]
struct Bounds {
    message: usize,
    unfinished: usize,
    octets: usize,
    patience: Duration,
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

/// A message that never became whole. Its chunks were answered with 200 all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Its Message-ID.
    pub message_id: String,
    /// The report headers of its first chunk.
    pub reports: Reports,
    /// Octets that have come.
    pub received: usize,
    /// The way back to its sender.
    pub from_path: Path,
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
    /// The message, as far as it came or by the total that it announces, exceeds [`Limits::message`].
    #[error("message too large")]
    TooLarge,
    /// More than [`Limits::unfinished`] messages, or one of more separate pieces than anybody sends.
    #[error("too many unfinished messages")]
    TooMany,
    /// The unfinished messages of the session exceed [`Limits::unfinished_octets`].
    #[error("unfinished messages too large together")]
    SessionFull,
    /// The unfinished messages of all sessions leave no room for this one.
    #[error("too much unfinished for all sessions")]
    NodeFull,
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
            Self::TooLarge | Self::TooMany | Self::SessionFull | Self::NodeFull => 413,
        }
    }

    /// What the response says to people.
    #[must_use]
    pub const fn comment(self) -> &'static str {
        match self {
            Self::NoMessageId => "Message-ID missing",
            Self::NoByteRange => "Byte-Range missing",
            Self::BeyondEnd => "Chunk beyond the end",
            Self::TooLarge => "Message too large",
            Self::TooMany => "Too many unfinished messages",
            Self::SessionFull => "Unfinished messages too large; finish them first",
            Self::NodeFull => "No room for long messages now; try again",
        }
    }

    /// Whether the same message may be taken when it is sent once more.
    const fn passes(self) -> bool {
        matches!(self, Self::TooMany | Self::SessionFull | Self::NodeFull)
    }
}

impl Reassembly {
    /// Nothing yet.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        let bounds = Bounds {
            message: limits.message,
            unfinished: limits.unfinished,
            octets: limits.unfinished_octets,
            patience: limits.chunk_patience,
        };
        Self { bounds, unfinished: BTreeMap::new(), refused: Refused::new() }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.unfinished, self.refused) = (BTreeMap::new(), Refused::new());
    }

    /// Octets of memory that unfinished messages hold; at most [`Limits::unfinished_octets`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.unfinished.values().map(Unfinished::held).sum()
    }

    /// Takes the chunk of a SEND that has a body. By it [`held`](Self::held) grows by `spare` octets at most: that is what all
    /// sessions together may still take.
    pub fn add(&mut self, now: Instant, spare: usize, frame: &Frame) -> Progress {
        let head = &frame.head;
        let own_reports = Reports { success: head.success_report, failure: head.failure_report };
        let Some(id) = head.message_id.as_deref().filter(|id| id.len() <= MAX_MESSAGE_ID) else {
            return Progress::Refused(ChunkError::NoMessageId, own_reports);
        };
        let known = self.unfinished.get(id).map(|message| message.reports);
        let reports = known.or_else(|| self.refused.reports(id)).unwrap_or(own_reports);
        if frame.ending == Ending::Flag(Continuation::Aborted) {
            self.unfinished.remove(id);
            self.refused.forget(id);
            return Progress::Abandoned(reports);
        }
        match self.place(now, spare, id, frame, reports) {
            Ok(progress) => progress,
            Err(error) => {
                self.unfinished.remove(id);
                self.refused.remember(id, error, reports);
                Progress::Refused(error, reports)
            }
        }
    }

    fn place(
        &mut self,
        now: Instant,
        spare: usize,
        id: &str,
        frame: &Frame,
        reports: Reports,
    ) -> Result<Progress, ChunkError> {
        let range = frame.head.byte_range;
        let start = range.map_or(Ok(0), |range| usize::try_from(range.start.saturating_sub(1)));
        let start = start.map_err(|_| ChunkError::TooLarge)?;
        match self.refused.why(id) {
            Some(error) if start > 0 || !error.passes() => return Err(error),
            Some(_) => self.refused.forget(id),
            None => {}
        }
        let end = self.end(start, frame)?;
        let known = self.unfinished.get(id);
        if known.is_some() && range.is_none() {
            return Err(ChunkError::NoByteRange);
        }
        let is_last = frame.ending == Ending::Flag(Continuation::Complete);
        if start == 0 && is_last {
            self.unfinished.remove(id);
            return Ok(Progress::Complete(Whole {
                message_id: id.into(),
                content_type: frame.head.content_type.clone().unwrap_or_default(),
                reports,
                body: frame.body.clone(),
            }));
        }
        let room = self.bounds.octets.saturating_sub(self.held());
        let room = if room < spare { (room, ChunkError::SessionFull) } else { (spare, ChunkError::NodeFull) };
        let expected = announced(range).filter(|total| *total >= end).unwrap_or(self.bounds.message);
        let message = self.unfinished(id, frame, reports)?;
        message.touched = now;
        message.make_room(end, expected, room)?;
        message.write(start, &frame.body)?;
        if is_last {
            message.fix_length(end)?;
        }
        if !message.is_complete() {
            return Ok(Progress::Kept(reports));
        }
        Ok(match self.unfinished.remove_entry(id) {
            Some((id, message)) => Progress::Complete(message.finish(id)),
            None => Progress::Kept(reports), // not reached
        })
    }

    /// Where the chunk ends, if its message can fit.
    fn end(&self, start: usize, frame: &Frame) -> Result<usize, ChunkError> {
        let fits = |octets: &usize| *octets <= self.bounds.message;
        if frame.ending == Ending::TooLarge {
            return Err(ChunkError::TooLarge);
        }
        announced(frame.head.byte_range).filter(fits).ok_or(ChunkError::TooLarge)?;
        start.checked_add(frame.body.len()).filter(fits).ok_or(ChunkError::TooLarge)
    }

    /// The message that the chunk belongs to, begun if need be.
    fn unfinished(&mut self, id: &str, frame: &Frame, reports: Reports) -> Result<&mut Unfinished, ChunkError> {
        if !self.unfinished.contains_key(id) {
            if self.unfinished.len() >= self.bounds.unfinished {
                return Err(ChunkError::TooMany);
            }
            let content_type = frame.head.content_type.clone().unwrap_or_default();
            let message = Unfinished::new(content_type, reports, frame.head.from_path.clone());
            self.unfinished.insert(id.into(), message);
        }
        self.unfinished.get_mut(id).ok_or(ChunkError::TooMany)
    }

    /// Forgets messages whose next chunk did not come in time, and says which.
    pub fn expire(&mut self, now: Instant) -> Vec<GivenUp> {
        let patience = self.bounds.patience;
        let is_late = |message: &Unfinished| now.since(message.touched) >= patience;
        let late = self.unfinished.iter().filter(|(_, message)| is_late(message));
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        let given_up = |(message_id, message): (String, Unfinished)| GivenUp {
            message_id,
            reports: message.reports,
            received: message.received(),
            from_path: message.from_path,
        };
        late.iter().filter_map(|id| self.unfinished.remove_entry(id)).map(given_up).collect()
    }

    /// When [`Reassembly::expire`] has something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.unfinished.values().map(|message| message.touched + self.bounds.patience).min()
    }
}

/// The total that a chunk announces, 0 when it does not; `None` when it is more than memory can be.
fn announced(range: Option<ByteRange>) -> Option<usize> {
    usize::try_from(range.and_then(|range| range.total).unwrap_or(0)).ok()
}

#[cfg(test)]
mod tests;
