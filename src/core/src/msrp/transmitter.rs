//! The sending half of one connection, which any number of sessions share (RFC 4975 §5.1, §7.1.1).
//!
//! Owns the order of what is written and its division into chunks; which requests await their answers, and since when. Short
//! frames (responses, REPORTs) go first. Messages go session by session in turn; a large one is handed out in pieces, and its
//! chunk ends where something else has come up. Octets are made at the moment of writing. Knows no socket, and of what an answer
//! means only whether the message is with the peer.

mod octets;
mod queue;
mod writing;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

pub use self::octets::Octets;
use self::queue::{Answered, Begun, Queue};
use super::content::{Content, Label};
use super::limits::Limits;
use super::post::Post;
use crate::time::Instant;
use crate::wire::msrp::encode::WireFrame;
use crate::wire::msrp::frame::{Frame, Method, ReportStatus, Start};

/// How long a response may take before the transaction counts as failed (RFC 4975 §7.1.1).
pub const RESPONSE_TIME: Duration = Duration::from_secs(30);

/// Nobody has answered in time where a relay had sent it (RFC 4975 §10.4).
const TIMED_OUT: u16 = 408;
/// The session is bound to another connection (RFC 4975 §10.10).
const ELSEWHERE: u16 = 506;
/// A message of more octets is not queued where much waits already (RFC 7701 §6.4).
const LARGE: usize = 16 * 1024;
/// How long after a message was missed it is seen again whether there is room.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Names a session within its connection. Zero is the connection itself, for what no session says.
pub type Share = u64;

/// The peer does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the MSRP connection does not take what is sent")]
pub struct Stalled;

/// The peer has answered nothing for [`RESPONSE_TIME`], nor said anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client answers nothing")]
pub struct Mute;

/// What became of a message, as far as its session has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The first SEND of a session whose active side we are was answered.
    Greeted,
    /// The peer refused a message, or a relay did, in a response or a REPORT.
    Refused(u16, Arc<Label>),
    /// So many large messages were not sent, since too much waited before them (SW-21). Now there is room again.
    Missed(usize),
    /// Nobody answered it in time (MS-RSP-04), or the answer was 408 (MS-RSP-05).
    Unanswered,
}

/// What a frame of the peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An answer to what was written, and what its session has to know of it.
    Answer(Option<Outcome>),
    /// To the peer the session is on another connection than this one, which is lost to it (RFC 4975 §10.10). What was not
    /// answered can be taken back.
    Elsewhere,
    /// The answer of the session's peer is that there was none in time, and he has said nothing else since he was asked: to the session
    /// it is as if he were [`Mute`] (RFC 4975 §10.4). The connection may be a relay's, and others be alive on it. What was not
    /// answered can be taken back.
    TimedOut,
    /// Something for the session.
    Request,
}

/// The sending half of a connection.
#[derive(Debug)]
pub struct Transmitter {
    limits: Bounds,
    /// Whether a chunk has to be handed out at once, as a WebSocket wants it.
    whole_chunks: bool,
    /// Short frames.
    urgent: VecDeque<(Share, WireFrame)>,
    /// In ascending order, which is that of their beginning. Most connections have one.
    queues: Vec<(Share, Queue)>,
    /// Sessions that have something to write, each once; not the one whose chunk is open.
    turns: VecDeque<Share>,
    /// The message whose chunk has begun and not ended.
    open: Option<Open>,
    last_share: Share,
    /// Sessions with messages in the batch that is being written.
    in_batch: Vec<Share>,
    /// Since when the batch is being written.
    handed_out: Option<Instant>,
    /// When something came from the peer last.
    heard: Instant,
    /// A moment that is not after the first answer is overdue.
    look: Option<Instant>,
    /// Whether a request waits for what has still to be written.
    is_awaited: bool,
}

/// What concerns it of [`Limits`], in the same words: every connection has one.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    queue: usize,
    queue_octets: usize,
    queue_patience: Duration,
}

/// A message whose chunk has begun.
#[derive(Debug)]
struct Open {
    share: Share,
    begun: Begun,
    /// Octets of the body in this chunk.
    given: usize,
}

impl Transmitter {
    /// A connection that was made at `now`. With `whole_chunks` each batch is one frame.
    #[must_use]
    pub const fn new(now: Instant, limits: Limits, whole_chunks: bool) -> Self {
        Self {
            limits: Bounds {
                queue: limits.queue,
                queue_octets: limits.queue_octets,
                queue_patience: limits.queue_patience,
            },
            whole_chunks,
            urgent: VecDeque::new(),
            queues: Vec::new(),
            turns: VecDeque::new(),
            open: None,
            last_share: 0,
            in_batch: Vec::new(),
            handed_out: None,
            heard: now,
            look: None,
            is_awaited: false,
        }
    }

    /// A share for a new session.
    pub fn attach(&mut self) -> Share {
        self.last_share = self.last_share.saturating_add(1);
        self.queues.reserve_exact(1); // nearly always it is the only one
        self.queues.push((self.last_share, Queue::default()));
        self.last_share
    }

    /// The session is over. What it had put in is still written; nobody waits for the answers.
    pub fn detach(&mut self, share: Share) {
        let Some(queue) = self.queue(share) else { return };
        queue.end();
        self.drop_if_done(share);
    }

    /// Whether the session of this share goes on.
    #[must_use]
    pub fn is_attached(&self, share: Share) -> bool {
        self.position(share).and_then(|at| self.queues.get(at)).is_some_and(|(_, queue)| !queue.is_over)
    }

    /// Everything that was put in for a session and not answered with 200, in order, to be sent on its next connection
    /// (MS-CONN-08). What is half written is aborted.
    pub fn take_back(&mut self, share: Share) -> Vec<Arc<Content>> {
        let open = self.open.as_mut().filter(|open| open.share == share && !open.begun.is_aborted).map(|open| {
            open.begun.is_aborted = true;
            Arc::clone(&open.begun.post.content)
        });
        self.queue(share).map(|queue| queue.take_back(open)).unwrap_or_default()
    }

    /// Whether no session is left and nothing waits.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.queues.iter().all(|(_, queue)| queue.is_over) && !self.has_work()
    }

    /// Whether [`Transmitter::fill`] has something.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.open.is_some() || !self.urgent.is_empty() || !self.turns.is_empty()
    }

    /// Has a short frame written before all messages (MS-SEND-06). Of a session that is over, nothing is.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the session has as many short frames waiting as it may have messages, which is not so before
    /// [`Transmitter::takes_requests`] has said no for long, or when the connection stands still.
    pub fn put(&mut self, now: Instant, share: Share, frame: WireFrame) -> Result<(), Stalled> {
        self.check_moving(now)?;
        let (limits, octets) = (self.limits, frame.len());
        // The connection itself has a queue from its first refusal on.
        if share == 0 && self.position(0).is_none() {
            self.queues.insert(0, (0, Queue::of_nobody()));
        }
        let Some(queue) = self.queue(share) else { return Ok(()) };
        if queue.is_full_of_short(&limits, octets) {
            return Err(Stalled);
        }
        queue.load_short(octets);
        if self.urgent.capacity() == 0 {
            self.urgent.reserve_exact(1); // nearly always nothing else waits
        }
        self.urgent.push_back((share, frame));
        Ok(())
    }

    /// Whether the session may be handed another request. A peer that asks faster than it reads the answers has to wait, until
    /// [`Transmitter::written`] says so: its answers would fill the queue, and the session would end of a client in a hurry.
    pub fn takes_requests(&mut self, share: Share) -> bool {
        let limits = self.limits;
        let is_behind = self.queue(share).is_some_and(|queue| queue.is_behind(&limits));
        self.is_awaited |= is_behind;
        !is_behind
    }

    /// Has a message written. Where much waits, a trifle is dropped, and a large message is counted as missed (SW-21).
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the session's queue is full, or the connection stands still.
    pub fn post(&mut self, now: Instant, share: Share, post: Post) -> Result<(), Stalled> {
        self.check_moving(now)?;
        let (limits, octets) = (self.limits, post.content.body().len());
        let is_open = self.open.as_ref().is_some_and(|open| open.share == share);
        let Some(queue) = self.queue(share) else { return Ok(()) };
        let is_full = queue.is_full(&limits, octets);
        if (is_full || queue.is_congested(&limits)) && (post.content.is_trifle() || octets > LARGE) {
            if !post.content.is_trifle() {
                queue.missed = queue.missed.saturating_add(1);
                self.look = Some(now);
            }
            return Ok(());
        }
        if is_full {
            return Err(Stalled);
        }
        queue.load(octets);
        if queue.waiting.capacity() == 0 {
            queue.waiting.reserve_exact(1);
        }
        queue.waiting.push_back(post);
        if !is_open && !core::mem::replace(&mut queue.has_turn, true) {
            self.turns.push_back(share);
        }
        Ok(())
    }

    /// Something came from the peer.
    pub const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Takes a frame of the peer for this session, if it is an answer to what was written: a response, or a REPORT.
    pub fn hear(&mut self, now: Instant, share: Share, frame: &Frame) -> Heard {
        self.heard(now);
        let transaction = frame.head.transaction.as_str();
        if !matches!(frame.head.start, Start::Response { code: TIMED_OUT, .. })
            && let Some(queue) = self.queue(share)
        {
            queue.spoke = now;
        }
        match (&frame.head.start, &frame.head.status, &frame.head.message_id) {
            (Start::Response { code: ELSEWHERE, .. }, ..) if self.awaits(share, transaction) => Heard::Elsewhere,
            (Start::Response { code: TIMED_OUT, .. }, ..) if self.is_silent(share, transaction) => Heard::TimedOut,
            (Start::Response { code, .. }, ..) => Heard::Answer(self.answered(now, share, transaction, *code)),
            // Success is known from the response already; other namespaces mean nothing to anybody (MS-REP-04).
            (Start::Request(Method::Report), Some(ReportStatus { namespace: 0, code, .. }), Some(id))
                if !(200..300).contains(code) =>
            {
                Heard::Answer(self.reported(now, share, id, *code))
            }
            (Start::Request(Method::Report), ..) => Heard::Answer(None),
            (Start::Request(_), ..) => Heard::Request,
        }
    }

    /// A response came to a request of this session. One to a transaction that nobody knows is nothing (MS-RSP-10).
    pub fn answered(&mut self, now: Instant, share: Share, transaction: &str, code: u16) -> Option<Outcome> {
        let (queue, open) = self.queue_and_open(share)?;
        if code != TIMED_OUT {
            queue.spoke = now;
        }
        match queue.answered(transaction, code, open) {
            Answered::Nothing => None,
            Answered::Arrived(label) if label.kind().is_empty() => Some(Outcome::Greeted),
            Answered::Arrived(label) => {
                queue.remember(now, label);
                None
            }
            Answered::Failed(label) => Some(failure(code, label)),
        }
    }

    /// A REPORT of failure came, which means what the response of that code means (MS-REP-04), also when a relay had answered
    /// with 200 before. One about a message that nobody knows is nothing (SW-39).
    pub fn reported(&mut self, now: Instant, share: Share, message_id: &str, code: u16) -> Option<Outcome> {
        let (queue, open) = self.queue_and_open(share)?;
        // 506 is about another connection here, beyond a relay.
        queue.reported(now, message_id, open).map(|label| failure(code, label))
    }

    /// Whether this is a transaction of the session, whose peer has said nothing since there was something to answer.
    fn is_silent(&mut self, share: Share, transaction: &str) -> bool {
        self.awaits(share, transaction) && self.queue(share).is_some_and(|queue| queue.is_silent())
    }

    fn awaits(&mut self, share: Share, transaction: &str) -> bool {
        self.queue_and_open(share).is_some_and(|(queue, open)| queue.awaits(transaction, open.as_deref()))
    }

    /// When [`Transmitter::handle_timeout`] has something to do.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        self.look
    }

    /// Gives up on answers that are overdue.
    ///
    /// # Errors
    ///
    /// [`Mute`] when the peer has said nothing at all meanwhile: the connection is of no use. What was not answered can be taken
    /// back.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<(Share, Outcome)>) -> Result<(), Mute> {
        if self.look.is_none_or(|at| at > now) {
            return Ok(());
        }
        let due = |queue: &Queue| queue.unanswered.front().and_then(|written| written.due);
        if self.queues.iter().any(|(_, queue)| queue.is_mute(now, self.heard)) {
            return Err(Mute);
        }
        let limits = self.limits;
        self.look = None;
        for (share, queue) in &mut self.queues {
            if queue.missed > 0 && queue.is_congested(&limits) {
                self.look = self.look.into_iter().chain([now + DRAIN_TIME]).min();
            } else if queue.missed > 0 {
                out.push((*share, Outcome::Missed(core::mem::take(&mut queue.missed))));
            }
            let mut unanswered = core::mem::take(&mut queue.overtaken);
            while due(queue).is_some_and(|at| at <= now) {
                queue.forget(0);
                unanswered = unanswered.saturating_add(1);
            }
            out.extend(core::iter::repeat_n((*share, Outcome::Unanswered), unanswered));
            self.look = self.look.into_iter().chain(due(queue)).chain(queue.expire(now)).min();
        }
        Ok(())
    }

    fn check_moving(&self, now: Instant) -> Result<(), Stalled> {
        match self.handed_out {
            Some(since) if since + self.limits.queue_patience < now => Err(Stalled),
            _ => Ok(()),
        }
    }

    fn position(&self, share: Share) -> Option<usize> {
        self.queues.binary_search_by_key(&share, |(share, _)| *share).ok()
    }

    fn queue(&mut self, share: Share) -> Option<&mut Queue> {
        let at = self.position(share)?;
        self.queues.get_mut(at).map(|(_, queue)| queue)
    }

    fn queue_and_open(&mut self, share: Share) -> Option<(&mut Queue, Option<&mut Begun>)> {
        let at = self.position(share)?;
        let open = self.open.as_mut().filter(|open| open.share == share).map(|open| &mut open.begun);
        self.queues.get_mut(at).map(|(_, queue)| (queue, open))
    }

    /// A session that is over keeps its place only as long as something of it waits.
    fn drop_if_done(&mut self, share: Share) {
        let Some(at) = self.position(share) else { return };
        let is_idle = self.queues.get(at).is_some_and(|(_, queue)| queue.is_over && !queue.has_work());
        if is_idle
            && self.open.as_ref().is_none_or(|open| open.share != share)
            && self.urgent.iter().all(|(of, _)| *of != share)
        {
            self.queues.remove(at);
        }
    }
}

fn failure(code: u16, label: Arc<Label>) -> Outcome {
    match code {
        TIMED_OUT => Outcome::Unanswered,
        code => Outcome::Refused(code, label),
    }
}
