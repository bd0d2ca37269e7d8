//! What a user said lately. A client that lost its connection before the answer sends the message again, perhaps on a new session,
//! under the same Message-ID: that is answered once more and said once (RFC 4975 §5.4, GC-MSG-13).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::leg::{LegId, Ticket};
use crate::msrp::session::Received;
use crate::time::Instant;

/// Messages that are remembered.
const MAX_MESSAGES: usize = 64;
/// Octets of them that are.
const MAX_OCTETS: usize = 128 * 1024;
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
    at: Instant,
    first: (LegId, Ticket),
    copies: Vec<(LegId, Ticket)>,
    fate: Option<Fate>,
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
    /// Notes a message, and says whether it came before: under the same Message-ID, with the same content.
    pub(super) fn note(&mut self, now: Instant, received: &Received, message: (LegId, Ticket)) -> Seen {
        let Some(message_id) = received.message_id() else { return Seen::New };
        while self.messages.front().is_some_and(|old| now.since(old.at) >= WINDOW) {
            self.forget_oldest();
        }
        let same = |old: &&mut Remembered| old.message_id == message_id && old.body == received.body;
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
        self.octets += received.body.len();
        self.messages.push_back(Remembered {
            message_id: message_id.into(),
            body: received.body.clone(),
            at: now,
            first: message,
            copies: Vec::new(),
            fate: None,
        });
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
            self.octets -= old.body.len();
        }
    }
}
