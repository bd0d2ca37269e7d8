//! What one session has to send, and what it has sent and not been answered.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::Bounds;
use crate::msrp::content::{Content, Label};
use crate::msrp::post::{Post, TransactionBase};
use crate::msrp::transmitter::RESPONSE_TIME;
use crate::time::Instant;

/// Places that an empty queue keeps.
const KEPT: usize = 8;

/// Messages with the next hop that are remembered: a relay may say later that one went no further.
const MAX_ARRIVED: usize = 128;
/// How long they are. Each hop has 30 s to answer (RFC 4975 §7.1.1), and there may be several.
const ARRIVED_TIME: Duration = Duration::from_secs(90);

/// One session's share of a connection.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Not begun.
    pub(super) waiting: VecDeque<Post>,
    /// Interrupted between two chunks. Whose chunk is open is the transmitter's.
    pub(super) begun: Option<Begun>,
    /// Wholly written or about to be.
    pub(super) unanswered: VecDeque<Written>,
    unanswered_octets: usize,
    /// Answered with 200 lately, the oldest first.
    arrived: VecDeque<(Instant, Arc<Label>)>,
    /// Since when there has been something to answer, if the peer has said nothing since.
    silent_since: Option<Instant>,
    /// When the peer of this session has said something last, be it behind a relay: not what times out on the way to him.
    pub(super) spoke: Instant,
    /// Large messages that were not taken, and of which nobody was told yet.
    pub(super) missed: usize,
    /// Messages whose answers nobody waits for any more, since so many others followed them.
    pub(super) overtaken: usize,
    /// Messages that wait to be written.
    messages: Load,
    /// Short frames that do. The peer has caused them all by its requests.
    short: Load,
    /// Whether it is among those whose turn comes.
    pub(super) has_turn: bool,
    /// Whether its session is over, so that it goes as soon as it is empty.
    pub(super) is_over: bool,
}

/// What waits to be written.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    frames: usize,
    octets: usize,
}

impl Load {
    const fn add(&mut self, octets: usize) {
        self.frames = self.frames.saturating_add(1);
        self.octets = self.octets.saturating_add(octets);
    }

    const fn remove(&mut self, octets: usize) {
        self.frames = self.frames.saturating_sub(1);
        self.octets = self.octets.saturating_sub(octets);
    }

    fn is_full(self, limits: &Bounds, octets: usize) -> bool {
        self.frames >= limits.queue || self.octets.saturating_add(octets) > limits.queue_octets.max(octets)
    }

    /// Whether more than `part` of `whole` of what may wait does.
    const fn is_above(self, limits: &Bounds, part: usize, whole: usize) -> bool {
        self.frames.saturating_mul(whole) >= limits.queue.saturating_mul(part)
            || self.octets.saturating_mul(whole) >= limits.queue_octets.saturating_mul(part)
    }
}

/// A message that is being written.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) post: Post,
    /// Octets handed out.
    pub(super) at: usize,
    /// The chunk under way or to come, counted from 1.
    pub(super) chunk: u32,
    /// Nobody wants the rest (MS-RSP-06, MS-RSP-08).
    pub(super) is_aborted: bool,
}

/// A message that was written.
#[derive(Debug)]
pub(super) struct Written {
    base: TransactionBase,
    pub(super) content: Arc<Content>,
    /// Its last chunk, whose answer is the message's.
    last: u32,
    /// When the answer is overdue; not known before the last octet is on its way.
    pub(super) due: Option<Instant>,
}

/// What an answer was to.
pub(super) enum Answered {
    /// To nothing that is known, or to a chunk after which others follow.
    Nothing,
    /// The message is with the peer.
    Arrived(Arc<Label>),
    /// It has failed. If some of it is unwritten, that is aborted.
    Failed(Arc<Label>),
}

impl Queue {
    /// For what no session says: it goes whenever it is empty.
    pub(super) fn of_nobody() -> Self {
        Self { is_over: true, ..Self::default() }
    }

    pub(super) fn is_full(&self, limits: &Bounds, octets: usize) -> bool {
        self.messages.is_full(limits, octets)
    }

    /// Above four fifths of what may wait (RFC 7701 §6.4).
    pub(super) const fn is_congested(&self, limits: &Bounds) -> bool {
        self.messages.is_above(limits, 4, 5)
    }

    pub(super) const fn load(&mut self, octets: usize) {
        self.messages.add(octets);
    }

    pub(super) const fn unload(&mut self, octets: usize) {
        self.messages.remove(octets);
    }

    pub(super) fn is_full_of_short(&self, limits: &Bounds, octets: usize) -> bool {
        self.short.is_full(limits, octets)
    }

    /// A quarter of the short frames that may wait do: what else the peer asks is on its way to the room already.
    pub(super) const fn is_behind(&self, limits: &Bounds) -> bool {
        self.short.is_above(limits, 1, 4)
    }

    pub(super) const fn load_short(&mut self, octets: usize) {
        self.short.add(octets);
    }

    pub(super) const fn unload_short(&mut self, octets: usize) {
        self.short.remove(octets);
    }

    /// Whether a message of it can be written.
    pub(super) fn has_work(&self) -> bool {
        self.begun.is_some() || !self.waiting.is_empty()
    }

    /// All of the message is on its way. Of more than may await their answers the oldest are let go. Whether there are such.
    pub(super) fn wrote(&mut self, begun: Begun, limits: &Bounds) -> bool {
        let Begun { post, chunk, .. } = begun;
        self.unload(post.content.body().len());
        if self.is_over {
            return false;
        }
        self.unanswered_octets = self.unanswered_octets.saturating_add(post.content.body().len());
        self.unanswered.push_back(Written { base: post.base, content: post.content, last: chunk, due: None });
        let too_much = |q: &Self| q.unanswered.len() > limits.queue || q.unanswered_octets > limits.queue_octets;
        while self.unanswered.len() > 1 && too_much(self) {
            self.forget(0);
            self.overtaken = self.overtaken.saturating_add(1).min(limits.queue);
        }
        self.overtaken > 0
    }

    /// Lets go of what was written and not answered.
    pub(super) fn forget(&mut self, at: usize) -> Option<Arc<Label>> {
        let content = self.unanswered.remove(at)?.content;
        self.unanswered_octets = self.unanswered_octets.saturating_sub(content.body().len());
        if self.unanswered.is_empty() {
            self.silent_since = None;
        }
        self.shrink();
        Some(Arc::clone(content.label()))
    }

    /// The session is over: nobody waits for answers.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        (self.unanswered, self.unanswered_octets, self.arrived) = (VecDeque::new(), 0, VecDeque::new());
    }

    /// A message is with the next hop.
    pub(super) fn remember(&mut self, now: Instant, label: Arc<Label>) {
        if self.arrived.len() >= MAX_ARRIVED {
            self.arrived.pop_front();
        }
        self.arrived.push_back((now, label));
    }

    /// Lets go of what needs not be remembered any more, and says when there will be more of it.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        while self.arrived.front().is_some_and(|(at, _)| *at + ARRIVED_TIME <= now) {
            self.arrived.pop_front();
        }
        self.shrink();
        self.arrived.front().map(|(at, _)| *at + ARRIVED_TIME)
    }

    /// All that was written is on its way: its answers are due at `due`.
    pub(super) fn handed_over(&mut self, now: Instant, due: Instant, heard: Instant) {
        let mut is_asked = false;
        for written in self.unanswered.iter_mut().rev().take_while(|written| written.due.is_none()) {
            (written.due, is_asked) = (Some(due), true);
        }
        if is_asked && self.silent_since.is_none_or(|since| since < heard) {
            self.silent_since = Some(now);
        }
    }

    /// Whether the peer, who was heard last at `heard`, has had something to answer for [`RESPONSE_TIME`] and said nothing at
    /// all. What it was may be let go already.
    pub(super) fn is_mute(&self, now: Instant, heard: Instant) -> bool {
        let is_overdue = |since: Instant| heard <= since && since + RESPONSE_TIME <= now;
        !self.unanswered.is_empty() && self.silent_since.is_some_and(is_overdue)
    }

    /// Whether the peer of this session has said nothing since he has had something to answer.
    pub(super) fn is_silent(&self) -> bool {
        self.silent_since.is_some_and(|since| self.spoke <= since)
    }

    /// Whether an answer to this transaction is awaited.
    pub(super) fn awaits(&self, transaction: &str, open: Option<&Begun>) -> bool {
        let is_written = |w: &Written| w.base.chunk_of(transaction).is_some_and(|chunk| chunk <= w.last);
        let is_begun = |begun: &Begun| !begun.is_aborted && begun.post.base.chunk_of(transaction).is_some();
        self.unanswered.iter().any(is_written) || open.or(self.begun.as_ref()).is_some_and(is_begun)
    }

    /// What `code` in answer to `transaction` means. `open` is the message of this session whose chunk is open.
    pub(super) fn answered(&mut self, transaction: &str, code: u16, open: Option<&mut Begun>) -> Answered {
        let is_success = (200..300).contains(&code);
        let found = self.unanswered.iter().enumerate().find_map(|(at, written)| {
            let chunk = written.base.chunk_of(transaction)?;
            (chunk <= written.last).then_some((at, chunk == written.last))
        });
        if let Some((at, is_last)) = found {
            return match (is_success, is_last) {
                (true, false) => Answered::Nothing,
                (true, true) => self.forget(at).map_or(Answered::Nothing, Answered::Arrived),
                (false, _) => self.forget(at).map_or(Answered::Nothing, Answered::Failed),
            };
        }
        match open.or(self.begun.as_mut()) {
            Some(begun) if !is_success && !begun.is_aborted && begun.post.base.chunk_of(transaction).is_some() => {
                begun.is_aborted = true;
                Answered::Failed(Arc::clone(begun.post.content.label()))
            }
            _ => Answered::Nothing,
        }
    }

    /// Which message has failed by a REPORT about this one.
    pub(super) fn reported(&mut self, now: Instant, message_id: &str, open: Option<&mut Begun>) -> Option<Arc<Label>> {
        if let Some(at) = self.unanswered.iter().position(|written| written.content.message_id() == message_id) {
            return self.forget(at);
        }
        if let Some(begun) = open.or(self.begun.as_mut()).filter(|b| b.post.content.message_id() == message_id) {
            let is_news = !core::mem::replace(&mut begun.is_aborted, true);
            return is_news.then(|| Arc::clone(begun.post.content.label()));
        }
        let is_this =
            |(at, label): &(Instant, Arc<Label>)| label.message_id() == message_id && now < *at + ARRIVED_TIME;
        let at = self.arrived.iter().position(is_this)?;
        self.arrived.remove(at).map(|(_, label)| label)
    }

    /// Everything that was not answered, in order, `open` between what was written and what waits. Short frames stay.
    pub(super) fn take_back(&mut self, open: Option<Arc<Content>>) -> Vec<Arc<Content>> {
        let written = core::mem::take(&mut self.unanswered).into_iter().map(|written| written.content);
        let begun = self.begun.as_mut().filter(|begun| !begun.is_aborted).map(|begun| {
            begun.is_aborted = true;
            Arc::clone(&begun.post.content)
        });
        let waiting = core::mem::take(&mut self.waiting).into_iter().map(|post| post.content);
        (self.messages, self.unanswered_octets, self.silent_since) = (Load::default(), 0, None);
        // What is half written counts until its end is.
        for half in open.iter().chain(&begun) {
            self.load(half.body().len());
        }
        written.chain(open).chain(begun).chain(waiting).filter(|c| !c.is_greeting() && !c.is_trifle()).collect()
    }

    /// A burst leaves no places behind.
    pub(super) fn shrink(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT {
            self.waiting = VecDeque::new();
        }
        if self.unanswered.is_empty() && self.unanswered.capacity() > KEPT {
            self.unanswered = VecDeque::new();
        }
        if self.arrived.is_empty() {
            self.arrived = VecDeque::new();
        }
    }
}
