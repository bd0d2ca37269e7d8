//! Stream management (XEP-0198): what was sent and is not acknowledged, how much was handled, and what it takes to resume a stream.
//! It counts and remembers; connections, and what is worth resuming, are the machine's.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::framing::{Event, Framed, Framer, id_of};
use super::xml::{self, Node, Tag, Walk};
use crate::time::Instant;

/// The namespace.
pub(super) const NS: &str = "urn:xmpp:sm:3";
/// How the servers that we know ask how far we are: ejabberd after every stanza.
const REQUEST: &str = "<r xmlns='urn:xmpp:sm:3'/>";
/// So many stanzas after which the server is asked how far it is.
const ASK_STANZAS: usize = 16;
/// And so many octets.
const ASK_BYTES: usize = 64 * 1024;
/// How long after the first that is not acknowledged it is asked at the latest.
const ASK_DELAY: Duration = Duration::from_secs(1);
/// How long an answer to the server's own question may wait, so that one does for many: ejabberd asks after every stanza, which
/// would make each of them cost us a write.
const ANSWER_DELAY: Duration = Duration::from_millis(200);
/// How long a server keeps a stream that says nothing of it: what Prosody and ejabberd do by default lies above.
const DEFAULT_MAX: Duration = Duration::from_secs(300);
/// The longest that a resumption is tried, whatever the server says.
const LONGEST_MAX: Duration = Duration::from_secs(600);
/// Answers of our own to the requests of others that may be unacknowledged at a time; whoever asks more often goes without.
const MAX_ANSWERS: usize = 128;
/// A longer id is none (§5: "SHOULD NOT be longer than 4000 bytes").
const MAX_ID: usize = 4000;

/// One element of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nonza {
    /// The server asks how far we are.
    Request,
    /// The server has handled so many.
    Answer { handled: u32 },
    /// Management is on; the id leads back to the stream, where the server lets it.
    Enabled { id: Option<String>, max: Option<u32> },
    /// The stream goes on; the server had handled so many.
    Resumed { handled: u32 },
    /// It does not; of the stream that was asked for, the server may know how many it had handled (§5).
    Failed { handled: Option<u32> },
    /// Nothing of this protocol.
    Unknown,
}

impl Nonza {
    /// Reads an element that is not a stanza; `None` if it is of another namespace.
    pub(super) fn read(element: &Framed) -> Option<Self> {
        if element.bytes == REQUEST {
            return Some(Self::Request);
        }
        let Some(Node::Start(tag)) = Walk::new(element.as_str()).next() else { return None };
        Self::of(&tag)
    }

    /// The same of the tag that begins it.
    pub(super) fn of(tag: &Tag<'_>) -> Option<Self> {
        if tag.attribute("xmlns").as_deref() != Some(NS) {
            return None;
        }
        let number = |name: &str| tag.attribute(name).and_then(|value| value.parse().ok());
        Some(match tag.name {
            "r" => Self::Request,
            "a" => number("h").map_or(Self::Unknown, |handled| Self::Answer { handled }),
            "resumed" => number("h").map_or(Self::Unknown, |handled| Self::Resumed { handled }),
            "failed" => Self::Failed { handled: number("h") },
            "enabled" => {
                let resumable = matches!(tag.attribute("resume").as_deref(), Some("true" | "1"));
                let id = tag.attribute("id").filter(|id| resumable && id.len() <= MAX_ID);
                Self::Enabled { id: id.map(|id| id.into_owned()), max: number("max") }
            }
            _ => Self::Unknown,
        })
    }
}

/// The server acknowledges what was never sent (§4): nothing that it says about this stream can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooHigh;

/// A stanza that is the server's only once it says so.
#[derive(Debug)]
struct Sent {
    stanza: Bytes,
    at: Instant,
    /// Whether it is an answer of our own, for which nobody waits.
    is_answer: bool,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Off,
    /// `<enable/>` is out: what we send counts already.
    Asked,
    On {
        id: Option<String>,
        max: Duration,
    },
    /// The server has it in a state that is of no use.
    Spoilt,
}

/// The two counters, and what hangs on them.
#[derive(Debug, Default)]
pub(super) struct Management {
    mode: Mode,
    /// Stanzas of the server that were handled, modulo 2³².
    handled: u32,
    /// Stanzas of ours that the server has handled, modulo 2³².
    acknowledged: u32,
    unacknowledged: VecDeque<Sent>,
    /// Whether none of it was sent since the server said, when it resumed the stream, what it had handled.
    is_certain: bool,
    answers: usize,
    /// Stanzas and octets that were sent since the server was asked last.
    unasked: (usize, usize),
    ask_at: Option<Instant>,
    answer_at: Option<Instant>,
}

impl Management {
    /// Begins anew, with the request that begins it.
    pub(super) fn enable(&mut self) -> String {
        *self = Self { mode: Mode::Asked, ..Self::default() };
        format!("<enable xmlns='{NS}' resume='true'/>")
    }

    pub(super) fn enabled(&mut self, id: Option<String>, max: Option<u32>) {
        if matches!(self.mode, Mode::Asked) {
            let max = max.map_or(DEFAULT_MAX, |max| Duration::from_secs(max.into()).min(LONGEST_MAX));
            self.mode = Mode::On { id, max };
            self.handled = 0;
        }
    }

    /// Forgets everything. Returns how many stanzas nobody need keep a place for any more, answers not counted.
    pub(super) fn stop(&mut self) -> usize {
        let freed = self.unacknowledged.len() - self.answers;
        *self = Self::default();
        freed
    }

    /// Whether what is sent has to be acknowledged.
    pub(super) const fn counts(&self) -> bool {
        !matches!(self.mode, Mode::Off)
    }

    /// Whether the server answers questions.
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.mode, Mode::On { .. })
    }

    /// How long the server keeps the stream when its connection is gone; `None` if it does not.
    pub(super) fn resumable(&self) -> Option<Duration> {
        match &self.mode {
            Mode::On { id: Some(_), max } => Some(*max),
            _ => None,
        }
    }

    /// Whether the server has acknowledged everything.
    pub(super) fn is_settled(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Whether one more answer may be kept until it is acknowledged.
    pub(super) const fn takes_answers(&self) -> bool {
        self.answers < MAX_ANSWERS
    }

    /// A stanza of ours is on its way.
    pub(super) fn sent(&mut self, now: Instant, stanza: &Bytes, is_answer: bool) {
        if !self.counts() {
            return;
        }
        self.answers += usize::from(is_answer);
        self.unasked = (self.unasked.0 + 1, self.unasked.1 + stanza.len());
        self.ask_at.get_or_insert(now + ASK_DELAY);
        self.unacknowledged.push_back(Sent { stanza: stanza.clone(), at: now, is_answer });
    }

    /// A stanza of the server has come.
    pub(super) const fn received(&mut self) {
        if self.is_on() {
            self.handled = self.handled.wrapping_add(1);
        }
    }

    /// The server has handled `handled` of ours. Returns for how many nobody need keep a place any more, answers not counted.
    pub(super) fn acknowledge(&mut self, handled: u32) -> Result<usize, TooHigh> {
        let news = usize::try_from(handled.wrapping_sub(self.acknowledged)).map_err(|_| TooHigh)?;
        if news > self.unacknowledged.len() {
            return Err(TooHigh);
        }
        self.acknowledged = handled;
        let answers = self.unacknowledged.drain(..news).filter(|sent| sent.is_answer).count();
        self.answers -= answers;
        if self.unacknowledged.is_empty() {
            self.unacknowledged.shrink_to(16);
            (self.unasked, self.ask_at) = ((0, 0), None);
        }
        Ok(news - answers)
    }

    /// What was on is of no use any more. Returns how long the server would have kept the stream; `None` if it would not.
    pub(super) fn spoil(&mut self) -> Option<Duration> {
        let max = self.resumable()?;
        (self.mode, self.ask_at, self.answer_at) = (Mode::Spoilt, None, None);
        Some(max)
    }

    /// The ids of messages and requests that the server has not handled, where that is certain without asking it.
    pub(super) fn certainly_unhandled(&self) -> Vec<String> {
        if self.is_certain { self.unhandled() } else { Vec::new() }
    }

    /// The ids of messages and requests that the server has not handled.
    pub(super) fn unhandled(&self) -> Vec<String> {
        self.unacknowledged.iter().filter(|sent| !sent.is_answer).filter_map(|sent| id_of(&sent.stanza)).collect()
    }

    /// The server has asked: it gets an answer soon.
    pub(super) fn asked(&mut self, now: Instant) {
        self.answer_at.get_or_insert(now + ANSWER_DELAY);
    }

    /// Whether so much was sent that the server is to be asked at once.
    pub(super) const fn wants_to_ask(&self) -> bool {
        self.unasked.0 >= ASK_STANZAS || self.unasked.1 >= ASK_BYTES
    }

    /// When something is to be asked or answered.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        [self.ask_at, self.answer_at].into_iter().flatten().min()
    }

    /// The answer that is due, and the question.
    pub(super) fn due(&mut self, now: Instant) -> impl Iterator<Item = String> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let answer = is_due(self.answer_at).then(|| self.answer());
        let question = is_due(self.ask_at).then(|| self.question());
        answer.into_iter().chain(question)
    }

    /// How far we are.
    pub(super) fn answer(&mut self) -> String {
        self.answer_at = None;
        format!("<a xmlns='{NS}' h='{}'/>", self.handled)
    }

    /// Asks the server how far it is.
    pub(super) fn question(&mut self) -> String {
        (self.unasked, self.ask_at) = ((0, 0), None);
        format!("<r xmlns='{NS}'/>")
    }

    /// Asks to go on with the stream on another connection.
    pub(super) fn resume(&mut self) -> Option<String> {
        let Mode::On { id: Some(id), .. } = &self.mode else { return None };
        (self.ask_at, self.answer_at) = (None, None);
        let mut out = String::from("<resume");
        xml::attribute(&mut out, "xmlns", NS);
        xml::attribute(&mut out, "h", &format!("{}", self.handled));
        xml::attribute(&mut out, "previd", id);
        out.push_str("/>");
        Some(out)
    }

    /// The stream is resumed, and the server has acknowledged what it had handled: as long as nothing is sent, it has nothing else.
    pub(super) const fn resumed(&mut self) {
        self.is_certain = true;
    }

    /// Takes private messages out of what has to be sent once more. Returns their ids.
    pub(super) fn withhold(&mut self) -> Vec<String> {
        let mut withheld = Vec::new();
        self.unacknowledged.retain(|sent| match private_message(&sent.stanza) {
            Some(id) => {
                withheld.push(id);
                false
            }
            None => true,
        });
        withheld
    }

    /// What has to be sent once more after the server has said how far it was, in its order. A message that was sent longer than
    /// `patience` ago is left out: its author has been told that nobody knows what became of it, and must not see it appear after
    /// that. Also returns how many were left out.
    pub(super) fn resend(&mut self, now: Instant, patience: Duration) -> (Vec<Bytes>, usize) {
        self.is_certain = false;
        let before = self.unacknowledged.len();
        let is_late = |sent: &Sent| sent.stanza.starts_with(b"<message") && now.since(sent.at) >= patience;
        self.unacknowledged.retain(|sent| !is_late(sent));
        let stanzas: Vec<Bytes> = self.unacknowledged.iter().map(|sent| sent.stanza.clone()).collect();
        self.unasked = (stanzas.len(), 0);
        self.ask_at = (!stanzas.is_empty()).then(|| now + ASK_DELAY);
        (stanzas, before - self.unacknowledged.len())
    }
}

/// The id of a message that says something to one occupant.
fn private_message(stanza: &Bytes) -> Option<String> {
    let Ok(Some(Event::Stanza(message))) = Framer::new().push(&mut stanza.as_ref()) else { return None };
    let is_one = message.name() == "message" && message.kind().as_deref() == Some("chat");
    let says = message.as_str().contains("<body>");
    message.id().filter(|_| is_one && says).map(|id| id.into_owned())
}

/// Whether an element of this name is a stanza, which counts (§4).
pub(super) fn is_stanza(name: &str) -> bool {
    matches!(name, "message" | "presence" | "iq")
}
