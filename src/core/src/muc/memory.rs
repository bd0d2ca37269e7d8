//! What was heard of a room last: where to go on after a break, and what was heard before it and need not be told again.
//!
//! Owns no text, only what it takes to know a message again. It is fed with everything that was said to everybody, in the order of
//! the room.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use crate::env::Env;
use crate::stanza::Message;
use crate::time::WallClock;

/// Messages that are known again: more than the history of a room has.
const MAX: usize = 128;
/// The longest id of a message in octets, that it is asked for by: more is no id but a burden.
pub(super) const MAX_ID: usize = 1024;
/// How much further back than the last word it is asked for: no two clocks are equal, and messages take their time.
const MARGIN: Duration = Duration::from_secs(60);
/// How far apart two copies of a message without an id may be said to be.
const TOLERANCE: Duration = Duration::from_secs(120);
/// Octets of a text that tell it from others.
const HEAD: usize = 256;

/// The last that was heard.
#[derive(Debug)]
pub(super) struct Memory {
    /// So that nobody can make a message that is taken for another.
    seed: u64,
    /// When the room was entered, or the last message was said. `None` before that.
    at: Option<WallClock>,
    last_id: Option<String>,
    traces: VecDeque<Trace>,
    /// Messages that were ever noted.
    noted: u64,
}

#[derive(Debug)]
struct Trace {
    words: u64,
    by_room: Option<u64>,
    at: WallClock,
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self { seed: 0, at: None, last_id: None, traces: VecDeque::new(), noted: 0 }
    }

    /// The room is entered for the first time.
    pub(super) fn begin(&mut self, env: &mut Env<'_>) {
        self.seed = u64::try_from(env.ids.next() & u128::from(u64::MAX)).unwrap_or_default();
        self.at = Some(env.wall);
    }

    /// From when on to ask a room whose clock is not ours; `None` if it was never entered.
    pub(super) fn since(&self) -> Option<WallClock> {
        self.at.map(|at| at.before(MARGIN))
    }

    /// When the room was entered, where nothing was heard since.
    pub(super) fn entered_in_silence(&self) -> Option<WallClock> {
        self.at.filter(|_| self.noted == 0)
    }

    /// What the room called the last message.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How many messages were heard: the number of the next one.
    pub(super) const fn noted(&self) -> u64 {
        self.noted
    }

    /// A message was said at `at`. `by_room`: whether the room's own ids can be believed.
    pub(super) fn note(&mut self, message: &Message, by_room: bool, at: WallClock, now: WallClock) {
        let id = message.stanza_id.as_ref().filter(|id| by_room && id.len() <= MAX_ID);
        if let Some(id) = id {
            self.last_id = Some(id.clone());
        }
        // Nobody can say that it is tomorrow.
        self.at = self.at.max(Some(at.min(now)));
        let trace = Trace { words: self.words(message), by_room: id.map(|id| self.hash([id.as_bytes()])), at };
        if self.traces.len() >= MAX {
            self.traces.pop_front();
        }
        self.traces.push_back(trace);
        self.noted += 1;
    }

    /// Whether the room's own id of it is one that was heard.
    pub(super) fn has(&self, message: &Message) -> bool {
        let id = message.stanza_id.as_ref().map(|id| self.hash([id.as_bytes()]));
        id.is_some() && self.traces.iter().any(|trace| trace.by_room == id)
    }

    /// The number of the first message behind the one that this is a copy of, which was said at `at`, and lies from number `from`
    /// on and before `to`. Copies come in the order of the room, so with it the next one is looked for.
    pub(super) fn find(&self, message: &Message, by_room: bool, at: WallClock, (from, to): (u64, u64)) -> Option<u64> {
        let room_id = message.stanza_id.as_ref().filter(|_| by_room).map(|id| self.hash([id.as_bytes()]));
        let words = self.words(message);
        let has_id = message.id.is_some() || message.origin_id.is_some();
        let is_it = |trace: &Trace| match (room_id, trace.by_room) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => words == trace.words && (has_id || at.distance(trace.at) <= TOLERANCE),
        };
        let first = self.noted - u64::try_from(self.traces.len()).unwrap_or(self.noted);
        let mut numbered = (first..).zip(&self.traces).filter(|(number, _)| (from..to).contains(number));
        numbered.find(|(_, trace)| is_it(trace)).map(|(number, _)| number + 1)
    }

    /// Who says what under which id.
    fn words(&self, message: &Message) -> u64 {
        let id = message.id.as_ref().or(message.origin_id.as_ref()).map_or("", String::as_str);
        let body = message.body.as_deref().unwrap_or_default().as_bytes();
        let length = body.len().to_be_bytes();
        self.hash([message.from.as_str().as_bytes(), id.as_bytes(), &length, body.get(..HEAD).unwrap_or(body)])
    }

    /// Folded multiplication of eight octets at a time, from a start of our own: as many know the room's messages as are in it, and
    /// nobody knows the start.
    fn hash<const N: usize>(&self, parts: [&[u8]; N]) -> u64 {
        parts.iter().fold(self.seed, |hash, part| {
            let hash = fold(hash, u64::try_from(part.len()).unwrap_or(u64::MAX)); // it keeps the parts apart
            part.chunks(8).fold(hash, |hash, octets| fold(hash, word(octets)))
        })
    }
}

fn fold(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93_a076_1d64_78bd_642f);
    low(product) ^ low(product >> 64)
}

fn low(word: u128) -> u64 {
    u64::try_from(word & u128::from(u64::MAX)).unwrap_or_default()
}

fn word(octets: &[u8]) -> u64 {
    match octets.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => octets.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)),
    }
}
