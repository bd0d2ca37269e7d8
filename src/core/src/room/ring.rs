//! What was said to everybody lately. Each of us is sent a copy of his own, and all copies are the same octets but for `to`: the
//! first is parsed and rendered, and the others are recognised by their octets.
//!
//! Owns nothing that anybody relies on: what is not found here is parsed once more. No hash is taken and nothing is searched for;
//! two copies are one message when the octets before and after the value of `to` are equal.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use bytes::Bytes;

use crate::address::sip_uri::SipUri;
use crate::msrp::content::Content;
use crate::stanza::Message;
use crate::time::Instant;
use crate::xmpp_stream::framing::Framed;

/// Messages that are remembered.
const MAX: usize = 64;
/// Octets that they may come to, as they were received. The latest is remembered whatever its size, which the framer bounds.
const MAX_OCTETS: usize = 256 * 1024;
/// How long after the first copy the last one comes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest message, in octets, that is kept for so long, and whose rendering is kept although nobody has it to send.
const LARGE: usize = 4 * 1024;
/// How long a larger one is kept: one copy of 250 kB is much to hold on to, and twice the way through a room that is busy.
const PATIENCE_WITH_LARGE: Duration = Duration::from_secs(2);
/// Renderings of one message: for each spelling of the room's URI, and each way to name the message.
const MAX_RENDERINGS: usize = 4;

/// Messages in the order in which they were first heard.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    octets: usize,
    last: u64,
    renderings: Renderings,
}

/// Which message of the room a membership heard last: of two that look the same it hears the first and then the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

/// A message that another membership has heard, and that need not be parsed again.
#[derive(Debug, Clone)]
pub struct Known {
    pub(super) position: Position,
    pub(super) message: Arc<Message>,
}

/// How often a message was made into what a leg is sent, and how often one was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Renderings {
    /// It was rendered.
    pub made: u64,
    /// It was taken as it had been rendered for another.
    pub shared: u64,
}

/// What two renderings of one message have in common, besides the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style<'a> {
    /// What its readers call the room.
    pub(super) room: &'a SipUri,
    /// Whether the room's ids name its messages.
    pub(super) by_room_ids: bool,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    until: Instant,
    raw: Bytes,
    to: Range<usize>,
    message: Arc<Message>,
    rendered: Vec<(SipUri, bool, Kept)>,
}

#[derive(Debug)]
enum Kept {
    Small(Arc<Content>),
    /// As long as somebody has it to send.
    Large(Weak<Content>),
}

/// Whether every occupant is sent the same: something said to everybody, by an occupant.
pub(super) fn is_for_all(stanza: &Framed) -> bool {
    // As it is written: what some server writes with references is parsed for each of us.
    let written = |at: &Option<Range<usize>>| stanza.bytes.get(at.clone()?);
    stanza.is("message")
        && written(&stanza.kind) == Some(b"groupchat")
        && written(&stanza.from).is_some_and(|from| from.contains(&b'/'))
}

impl Ring {
    /// What `raw` says, if it is a copy of a message that is remembered and comes after `position`.
    pub(super) fn recall(&self, position: Position, raw: &Framed) -> Option<Known> {
        let to = raw.to.clone()?;
        if !is_for_all(raw) {
            return None;
        }
        let (head, tail) = (raw.bytes.get(..to.start)?, raw.bytes.get(to.end..)?);
        let first = self.entries.partition_point(|entry| entry.position <= position);
        let mut later = self.entries.range(first..);
        let entry = later.find(|entry| entry.is(head, tail))?;
        Some(Known { position: entry.position, message: Arc::clone(&entry.message) })
    }

    /// Remembers what `raw` says, as the latest. Where it then stands; `None` if it is not for all.
    pub(super) fn remember(&mut self, now: Instant, raw: Framed, message: &Arc<Message>) -> Option<Position> {
        let to = raw.to.clone().filter(|_| is_for_all(&raw))?;
        self.forget_old(now);
        self.last = self.last.saturating_add(1);
        let position = Position(self.last);
        let patience = if raw.bytes.len() > LARGE { PATIENCE_WITH_LARGE } else { PATIENCE };
        self.octets = self.octets.saturating_add(raw.bytes.len());
        let (until, message, rendered) = (now + patience, Arc::clone(message), Vec::new());
        self.entries.push_back(Entry { position, until, raw: raw.bytes, to, message, rendered });
        while self.entries.len() > MAX || (self.octets > MAX_OCTETS && self.entries.len() > 1) {
            let gone = self.entries.pop_front();
            self.octets = self.octets.saturating_sub(gone.map_or(0, |entry| entry.raw.len()));
        }
        Some(position)
    }

    /// The message at `position` as it is sent to legs: as it was rendered before, or by `render`.
    pub(super) fn rendered(
        &mut self,
        position: Position,
        message: &Arc<Message>,
        style: Style<'_>,
        render: impl FnOnce() -> Option<Arc<Content>>,
    ) -> Option<Arc<Content>> {
        let at = self.entries.binary_search_by_key(&position, |entry| entry.position).ok();
        let entry = at.and_then(|at| self.entries.get_mut(at)).filter(|entry| Arc::ptr_eq(&entry.message, message));
        if let Some(content) = entry.as_ref().and_then(|entry| entry.in_style(style)) {
            self.renderings.shared = self.renderings.shared.saturating_add(1);
            return Some(content);
        }
        let content = render()?;
        self.renderings.made = self.renderings.made.saturating_add(1);
        if let Some(entry) = entry {
            entry.keep(style, &content);
        }
        Some(content)
    }

    /// How often messages were rendered since this was asked last.
    pub(super) fn take_renderings(&mut self) -> Renderings {
        core::mem::take(&mut self.renderings)
    }

    /// When there is something to forget.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.entries.iter().map(|entry| entry.until).min()
    }

    /// Forgets what nobody is going to hear any more.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.entries.retain(|entry| now < entry.until);
        self.octets = self.entries.iter().map(|entry| entry.raw.len()).sum();
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    /// Forgets everything: nobody is left to hear it.
    pub(super) fn clear(&mut self) {
        (self.entries, self.octets) = (VecDeque::new(), 0);
    }
}

impl Entry {
    fn is(&self, head: &[u8], tail: &[u8]) -> bool {
        self.raw.get(..self.to.start) == Some(head) && self.raw.get(self.to.end..) == Some(tail)
    }

    fn in_style(&self, style: Style<'_>) -> Option<Arc<Content>> {
        let is_such =
            |(room, by_room_ids, _): &&(SipUri, bool, Kept)| style == Style { room, by_room_ids: *by_room_ids };
        match &self.rendered.iter().find(is_such)?.2 {
            Kept::Small(content) => Some(Arc::clone(content)),
            Kept::Large(content) => content.upgrade(),
        }
    }

    fn keep(&mut self, style: Style<'_>, content: &Arc<Content>) {
        self.rendered.retain(|(_, _, kept)| !matches!(kept, Kept::Large(content) if content.strong_count() == 0));
        if self.rendered.len() < MAX_RENDERINGS {
            let is_small = content.body().len() <= LARGE;
            let kept = if is_small { Kept::Small(Arc::clone(content)) } else { Kept::Large(Arc::downgrade(content)) };
            self.rendered.push((style.room.clone(), style.by_room_ids, kept));
        }
    }
}

#[cfg(test)]
mod tests;
