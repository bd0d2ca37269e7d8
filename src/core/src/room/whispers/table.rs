//! Which private messages of occupants are on their way to the clients of one membership.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use jid::Jid;

use crate::leg::LegId;
use crate::msrp::content::Label;
use crate::time::Instant;

/// Messages that are remembered. Of those before, a refusal is told to nobody.
const MAX_MESSAGES: usize = 32;
/// For how long: as long as a relay may take to say that one went no further, after the 30 s that the next hop has.
const WINDOW: Duration = Duration::from_secs(120);
/// A longer id names no message that anybody waits for.
const MAX_ID: usize = 256;

/// What may come back yet.
#[derive(Debug, Default)]
pub(in crate::room) struct Whispers(VecDeque<Handed>);

/// One private message, while some client may take it.
#[derive(Debug)]
pub(super) struct Handed {
    from: Jid,
    id: Option<String>,
    at: Instant,
    /// The clients that have not refused it, and what it is called there.
    with: Vec<(LegId, Arc<Label>)>,
    /// The first refusal.
    code: Option<u16>,
}

/// A private message that no client took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Who said it.
    pub(super) from: Jid,
    /// The id of his message.
    pub(super) id: Option<String>,
    /// MSRP status of the first refusal.
    pub(super) code: u16,
}

impl Handed {
    pub(super) const fn new(now: Instant, from: Jid, id: Option<String>) -> Self {
        Self { from, id, at: now, with: Vec::new(), code: None }
    }

    /// A client is sent it.
    pub(super) fn to(&mut self, leg: LegId, label: &Arc<Label>) {
        self.with.push((leg, Arc::clone(label)));
    }

    /// A client cannot be sent it.
    pub(super) fn not_to(&mut self, code: u16) {
        self.code.get_or_insert(code);
    }

    fn failed(self) -> Option<Failed> {
        let Self { from, id, code, .. } = self;
        code.map(|code| Failed { from, id, code })
    }
}

impl Whispers {
    /// A message is on its way to those that it was handed to, or has failed where that is nobody.
    pub(super) fn put(&mut self, handed: Handed) -> Option<Failed> {
        if handed.with.is_empty() {
            return handed.failed();
        }
        while self.0.len() >= MAX_MESSAGES || self.0.front().is_some_and(|old| handed.at.since(old.at) >= WINDOW) {
            self.0.pop_front();
        }
        if handed.id.as_ref().is_none_or(|id| id.len() <= MAX_ID) {
            self.0.push_back(handed);
        }
        None
    }

    /// A client does not take a message. That has failed once no other client is left that may.
    pub(super) fn refused(&mut self, now: Instant, leg: LegId, code: u16, label: &Label) -> Option<Failed> {
        let is_it = |(of, known): &(LegId, Arc<Label>)| *of == leg && known.message_id() == label.of_message();
        let is_fresh = |handed: &Handed| now.since(handed.at) < WINDOW;
        let at = self.0.iter().position(|handed| is_fresh(handed) && handed.with.iter().any(is_it))?;
        let handed = self.0.get_mut(at)?;
        handed.code.get_or_insert(code);
        handed.with.retain(|with| !is_it(with));
        handed.with.is_empty().then(|| self.0.remove(at)).flatten().and_then(Handed::failed)
    }
}
