//! Messages that were refused while some of their chunks are still to come.
//!
//! Owns their number: a peer cannot make us remember more than the last few.

use alloc::collections::VecDeque;
use alloc::string::String;

use super::{ChunkError, Reports};

/// As many as may be unfinished by default, twice: a client learns of a refusal only after it has sent more.
const MAX_REFUSED: usize = 8;

/// The last messages that were refused, oldest first.
#[derive(Debug)]
pub(super) struct Refused {
    messages: VecDeque<Message>,
}

#[derive(Debug)]
struct Message {
    id: String,
    why: ChunkError,
    reports: Reports,
}

impl Refused {
    pub(super) const fn new() -> Self {
        Self { messages: VecDeque::new() }
    }

    /// Why `id` was refused, if it was.
    pub(super) fn why(&self, id: &str) -> Option<ChunkError> {
        self.find(id).map(|message| message.why)
    }

    /// What the sender of `id` wants to hear, if it was refused.
    pub(super) fn reports(&self, id: &str) -> Option<Reports> {
        self.find(id).map(|message| message.reports)
    }

    /// Remembers `id` in place of the oldest, unless it is known already.
    pub(super) fn remember(&mut self, id: &str, why: ChunkError, reports: Reports) {
        if self.find(id).is_some() {
            return;
        }
        while self.messages.len() >= MAX_REFUSED {
            self.messages.pop_front();
        }
        self.messages.push_back(Message { id: id.into(), why, reports });
    }

    /// `id` is over, or is sent once more.
    pub(super) fn forget(&mut self, id: &str) {
        self.messages.retain(|message| message.id != id);
    }

    fn find(&self, id: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }
}
