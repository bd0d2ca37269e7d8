//! What a user said lately. A client that lost its connection before the answer sends the message again, perhaps on a new session,
//! under the same Message-ID: that is answered once more and said once (RFC 4975 §5.4, GC-MSG-13).
//!
//! Whether it is the same is decided by what is said and to whom, not by its octets: a client that wraps it anew gives it another
//! DateTime. There are clients, though, that number their messages, and begin with each session; of them only the same octets in
//! another session are the same message, or a second "yes" would be lost.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::leg::{LegId, Ticket};
use crate::msrp::session::Received;
use crate::switch::Wish;
use crate::time::Instant;

/// Messages that are remembered.
const MAX_MESSAGES: usize = 64;
/// Octets of them that are, as they came and as they were read.
const MAX_OCTETS: usize = 256 * 1024;
/// For how long (E-12).
const WINDOW: Duration = Duration::from_secs(600);

/// What a user said lately.
#[derive(Debug, Default)]
pub(in crate::room) struct Recent {
    messages: VecDeque<Remembered>,
    octets: usize,
}

#[derive(Debug)]
struct Remembered {
    message_id: String,
    body: Bytes,
    words: Words,
    at: Instant,
    first: (LegId, Ticket),
    copies: Vec<(LegId, Ticket)>,
    fate: Option<Fate>,
}

/// What was said, and to whom.
#[derive(Debug, PartialEq, Eq)]
enum Words {
    Public(String),
    Private { to: String, body: String },
    Subject(String),
}

impl Words {
    fn of(wish: &Wish) -> Option<Self> {
        match wish {
            Wish::Public { body, .. } => Some(Self::Public(body.clone())),
            Wish::Private { to, body, .. } => Some(Self::Private { to: to.clone(), body: body.clone() }),
            Wish::Subject(subject) => Some(Self::Subject(subject.clone())),
            Wish::Nothing | Wish::Notification { .. } | Wish::Composing(_) | Wish::Whispering { .. } => None,
        }
    }

    /// They may be longer than what they came in, which is in any charset.
    fn octets(&self) -> usize {
        match self {
            Self::Public(text) | Self::Subject(text) => text.len(),
            Self::Private { to, body } => to.len().saturating_add(body.len()),
        }
    }
}

impl Remembered {
    fn is(&self, message_id: &str, body: &Bytes, words: &Words, leg: LegId) -> bool {
        let is_his = self.first.0 == leg || !is_number(message_id);
        self.message_id == message_id && (self.body == *body || is_his && self.words == *words)
    }

    fn octets(&self) -> usize {
        self.body.len().saturating_add(self.words.octets())
    }
}

/// Whether it may come again and mean another message.
fn is_number(message_id: &str) -> bool {
    message_id.len() < 8 && message_id.bytes().all(|b| b.is_ascii_digit())
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The room has it.
    Accepted,
    /// The room does not have it: it may be said again.
    Refused,
    /// Nobody knows. It is not said again on a guess.
    Unknown,
}

/// Whether a message came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It did not.
    New,
    /// It did, and its fate will be that of the first.
    UnderWay,
    /// It did, and the room has it.
    Accepted,
    /// It did, and nobody knows what became of it.
    Unknown,
}

impl Recent {
    /// Notes a message that wants this, and says whether it came before: under the same Message-ID, with the same content.
    pub(super) fn note(
        &mut self,
        now: Instant,
        (received, wish): (&Received, &Wish),
        message: (LegId, Ticket),
    ) -> Seen {
        let (Some(message_id), Some(words)) = (received.message_id(), Words::of(wish)) else { return Seen::New };
        while self.messages.front().is_some_and(|old| now.since(old.at) >= WINDOW) {
            self.forget_oldest();
        }
        let same = |old: &&mut Remembered| old.is(message_id, &received.body, &words, message.0);
        if let Some(old) = self.messages.iter_mut().find(same) {
            return match old.fate {
                None => {
                    old.copies.push(message);
                    Seen::UnderWay
                }
                Some(Fate::Accepted) => Seen::Accepted,
                Some(Fate::Unknown) => Seen::Unknown,
                Some(Fate::Refused) => {
                    (old.fate, old.first) = (None, message);
                    Seen::New
                }
            };
        }
        let (message_id, body) = (message_id.into(), received.body.clone());
        let new = Remembered { message_id, body, words, at: now, first: message, copies: Vec::new(), fate: None };
        self.octets += new.octets();
        self.messages.push_back(new);
        // What is larger than all that may be kept is not kept, and could come twice.
        while self.messages.len() > MAX_MESSAGES || self.octets > MAX_OCTETS {
            self.forget_oldest();
        }
        Seen::New
    }

    /// Notes what became of a message. Its copies, which are answered with it; `None` when it is not known here.
    pub(super) fn settle(&mut self, message: (LegId, Ticket), fate: Fate) -> Option<Vec<(LegId, Ticket)>> {
        let known = self.messages.iter_mut().find(|known| known.first == message)?;
        known.fate = Some(fate);
        Some(core::mem::take(&mut known.copies))
    }

    fn forget_oldest(&mut self) {
        if let Some(old) = self.messages.pop_front() {
            self.octets -= old.octets();
        }
    }
}
