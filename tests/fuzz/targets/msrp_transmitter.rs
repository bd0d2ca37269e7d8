//! Whatever sessions put in, peers answer and time does: what a connection writes is MSRP; the chunks of a message are its octets
//! in order, under transactions of their own; the messages of a session come in their order; and each of them has one fate only,
//! to arrive, to fail, or to be taken back.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::msrp::content::{Content, UNINTERRUPTED};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::post::{Post, TransactionBase};
use mucfocus_core::msrp::transmitter::{Octets, Outcome, Share, Transmitter};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::{WireFrame, paths};
use mucfocus_core::wire::msrp::frame::{Continuation, Ending, Frame, Path, Start};
use mucfocus_core::wire::msrp::uri::MsrpUri;

/// Steps of one input, for time.
const MAX_STEPS: usize = 200;

#[derive(Debug, Arbitrary)]
struct Input {
    whole_chunks: bool,
    /// Of small queues some are full.
    is_small: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Attach,
    Detach { session: u8 },
    Post { session: u8, octets: u16, is_trifle: bool, is_nasty: bool },
    Put { session: u8 },
    Fill,
    Written,
    Answer { which: u8, code: u8 },
    Report { which: u8, code: u8 },
    TakeBack { session: u8 },
    Pass { seconds: u8 },
}

fuzz_target!(|input: Input| {
    let mut world = World::new(input.whole_chunks, input.is_small);
    for step in input.steps.iter().take(MAX_STEPS) {
        if !world.step(step) {
            return;
        }
    }
    world.finish();
});

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing yet.
    Open,
    Arrived,
    Failed,
    TakenBack,
    /// Its session is over, or it was a trifle: nobody asks.
    Unasked,
}

#[derive(Debug)]
struct Message {
    share: Share,
    content: Arc<Content>,
    fate: Fate,
    /// Octets that the peer has.
    got: usize,
    is_over: bool,
    /// Taken back between two chunks, or before the first.
    is_withdrawn: bool,
}

/// A chunk that the peer has.
#[derive(Debug)]
struct Chunk {
    share: Share,
    transaction: String,
    message_id: String,
    is_last: bool,
}

/// A connection with its sessions, and what the peer has of it.
struct World {
    transmitter: Transmitter,
    whole_chunks: bool,
    now: Instant,
    ids: Counter,
    shares: Vec<Share>,
    /// In the order in which they were put in.
    messages: Vec<Message>,
    /// Transactions of short frames that were put in and not written.
    put: BTreeSet<String>,
    puts: usize,
    is_handed_out: bool,
    collector: Collector,
    read: BytesMut,
    transactions: BTreeSet<String>,
    chunks: Vec<Chunk>,
    /// Of each session the last message that has begun.
    begun: BTreeMap<Share, usize>,
}

impl World {
    fn new(whole_chunks: bool, is_small: bool) -> Self {
        let now = Instant::from_micros(1);
        let limits = match is_small {
            true => Limits { queue: 6, queue_octets: 30_000, ..Limits::default() },
            false => Limits::default(),
        };
        Self {
            transmitter: Transmitter::new(now, limits, whole_chunks),
            whole_chunks,
            now,
            ids: Counter(0),
            shares: Vec::new(),
            messages: Vec::new(),
            put: BTreeSet::new(),
            puts: 0,
            is_handed_out: false,
            collector: Collector::new(1 << 24),
            read: BytesMut::new(),
            transactions: BTreeSet::new(),
            chunks: Vec::new(),
            begun: BTreeMap::new(),
        }
    }

    /// Whether the connection goes on.
    fn step(&mut self, step: &Step) -> bool {
        match step {
            Step::Attach if self.shares.len() < 4 => {
                let share = self.transmitter.attach();
                assert!(!self.shares.contains(&share) && self.transmitter.is_attached(share));
                self.shares.push(share);
            }
            Step::Attach => {}
            Step::Detach { session } => {
                if let Some(share) = self.share(*session) {
                    self.transmitter.detach(share);
                    assert!(!self.transmitter.is_attached(share));
                    self.shares.retain(|other| *other != share);
                    self.conclude_all(share, Fate::Unasked);
                }
            }
            Step::Post { session, octets, is_trifle, is_nasty } => {
                if let Some(share) = self.share(*session) {
                    self.post(share, (*octets).into(), *is_trifle, *is_nasty);
                }
            }
            Step::Put { session } => {
                let share = self.share(*session).unwrap_or(0);
                self.puts += 1;
                let transaction = format!("put{:05}", self.puts);
                if self.transmitter.put(self.now, share, response(&transaction)).is_ok() {
                    self.put.insert(transaction);
                }
            }
            Step::Fill => self.fill(),
            Step::Written => self.written(),
            Step::Answer { which, code } => self.answer(*which, code_of(*code)),
            Step::Report { which, code } => self.report(*which, code_of(*code)),
            Step::TakeBack { session } => {
                if let Some(share) = self.share(*session) {
                    self.take_back(share);
                }
            }
            Step::Pass { seconds } => return self.pass(*seconds),
        }
        true
    }

    fn share(&self, session: u8) -> Option<Share> {
        self.shares.get(usize::from(session) % self.shares.len().max(1)).copied()
    }

    fn post(&mut self, share: Share, octets: usize, is_trifle: bool, is_nasty: bool) {
        let mut body: Vec<u8> = (0..octets).map(|at| (at % 251) as u8).collect();
        if is_nasty {
            // The end-line that it would have with the next identifier but one, which will be drawn for it.
            let mut next = Counter(self.ids.0 + 1);
            let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut next };
            let nothing = Content::greeting("m").expect("a greeting");
            let base = TransactionBase::fresh(&mut env, &nothing);
            body.splice(0..0, format!("\r\n-------{}$\r\n", base.as_str()).into_bytes());
        }
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        let make = if is_trifle { Content::trifle } else { Content::cpim };
        let content = make(&mut env, "text/plain", body.into()).expect("a message");
        let base = TransactionBase::fresh(&mut env, &content);
        let (to, own) = (uri("peer", share), uri("own", share));
        let lines = paths(&Path::new(to), &own).expect("paths");
        let post = Post { base, paths: lines, is_relayed: is_relayed(share), content: Arc::clone(&content) };
        if self.transmitter.post(self.now, share, post).is_ok() {
            if Arc::strong_count(&content) == 1 {
                return assert!(is_trifle || content.body().len() > 16 * 1024, "it was not taken, and nobody is told");
            }
            let fate = if is_trifle { Fate::Unasked } else { Fate::Open };
            self.messages.push(Message { share, content, fate, got: 0, is_over: false, is_withdrawn: false });
        }
    }

    fn fill(&mut self) {
        self.written();
        let (had_work, mut octets) = (self.transmitter.has_work(), Octets::new());
        self.transmitter.fill(self.now, &mut octets);
        assert!(had_work || octets.is_empty(), "it said that there was nothing to write");
        // The turn of a session may come whose messages were taken back.
        assert!(!octets.is_empty() || !self.transmitter.has_work(), "it says that there is more, and writes nothing");
        self.is_handed_out = !octets.is_empty();
        let len = octets.len();
        let parts = octets.into_parts();
        assert_eq!(parts.iter().map(Bytes::len).sum::<usize>(), len);
        parts.iter().for_each(|part| self.read.extend_from_slice(part));
        let mut frames = 0;
        while let Some(incoming) = self.collector.next(&mut self.read).expect("MSRP") {
            let Incoming::Frame(frame) = incoming else { panic!("{incoming:?}") };
            frames += 1;
            self.receive(&frame);
        }
        if self.whole_chunks && self.is_handed_out {
            assert!(frames == 1 && self.collector.is_between_messages(), "{frames} frames in one batch");
        }
    }

    fn written(&mut self) {
        if std::mem::take(&mut self.is_handed_out) {
            self.transmitter.written(self.now);
        }
    }

    /// What the peer makes of a frame.
    fn receive(&mut self, frame: &Frame) {
        let transaction = frame.head.transaction.as_str();
        if matches!(frame.head.start, Start::Response { .. }) {
            return assert!(self.put.remove(transaction), "{transaction} was written without being put in, or twice");
        }
        assert!(self.transactions.insert(transaction.into()), "{transaction} is the name of two chunks");
        let message_id = frame.head.message_id.clone().expect("a Message-ID");
        let at = self.messages.iter().position(|m| m.content.message_id() == message_id).expect("a message of ours");
        let last = self.begun.insert(self.messages[at].share, at);
        let is_done = |last: &Message| last.is_over;
        assert!(last.is_none_or(|last| last == at || (last < at && is_done(&self.messages[last]))), "out of order");
        let message = &mut self.messages[at];
        assert!(!message.is_over, "{message_id} goes on after its end");
        assert_eq!(frame.head.to_path.endpoint(), &uri("peer", message.share));
        let range = frame.head.byte_range.expect("a Byte-Range");
        assert_eq!((range.start, range.total), (message.got as u64 + 1, Some(message.content.body().len() as u64)));
        let end = message.got + frame.body.len();
        assert_eq!(message.content.body().get(message.got..end), Some(&frame.body[..]));
        message.got = end;
        assert!(!is_relayed(message.share) || frame.body.len() <= UNINTERRUPTED, "a relay would lose it");
        let Ending::Flag(flag) = frame.ending else { panic!("{frame:?}") };
        match flag {
            Continuation::Complete => assert_eq!(end, message.content.body().len(), "all of it"),
            Continuation::More => assert!(frame.body.len() >= UNINTERRUPTED, "a chunk of {} octets", frame.body.len()),
            Continuation::Aborted => assert_ne!(message.fate, Fate::Open, "aborted, and nobody was told"),
        }
        assert!(!message.is_withdrawn || flag == Continuation::Aborted, "what was taken back goes on");
        message.is_over = flag != Continuation::More;
        self.chunks.push(Chunk {
            share: message.share,
            transaction: transaction.into(),
            message_id,
            is_last: flag == Continuation::Complete,
        });
    }

    fn answer(&mut self, which: u8, code: u16) {
        if self.chunks.is_empty() {
            return;
        }
        let chunk = self.chunks.swap_remove(usize::from(which) % self.chunks.len());
        self.transmitter.heard(self.now);
        let outcome = self.transmitter.answered(self.now, chunk.share, &chunk.transaction, code);
        if (200..300).contains(&code) {
            assert_eq!(outcome, None);
            if chunk.is_last {
                self.conclude(&chunk.message_id, Fate::Arrived);
            }
        } else {
            self.failed(&chunk.message_id, code, outcome);
        }
        // Refused after that, it fails if more of it was to come, and else nothing is left to fail.
        let again = self.transmitter.answered(self.now, chunk.share, &chunk.transaction, 400);
        let message = self.message(&chunk.message_id);
        let may_fail = matches!(message.fate, Fate::Open | Fate::Unasked) && !chunk.is_last;
        assert!(again.is_none() || may_fail, "{again:?} for {message:?}");
        if again.is_some() {
            self.conclude(&chunk.message_id, Fate::Failed);
        }
    }

    fn report(&mut self, which: u8, code: u16) {
        if self.messages.is_empty() || (200..300).contains(&code) {
            return;
        }
        let message = &self.messages[usize::from(which) % self.messages.len()];
        if message.got == 0 {
            return; // nobody reports on what he has not seen
        }
        let (share, id) = (message.share, message.content.message_id().to_owned());
        let had_arrived = message.fate == Fate::Arrived;
        let outcome = self.transmitter.reported(self.now, share, &id, code);
        if had_arrived {
            // A relay may say later that it went no further; that it had arrived is not remembered for ever.
            let message = self.messages.iter_mut().find(|m| m.content.message_id() == id).expect("a message of ours");
            message.fate = if outcome.is_some() { Fate::Failed } else { Fate::Arrived };
            return;
        }
        self.failed(&id, code, outcome);
    }

    /// A refusal came: it is told of exactly when it is the first thing that becomes of the message.
    fn failed(&mut self, id: &str, code: u16, outcome: Option<Outcome>) {
        let message = self.message(id);
        match outcome {
            None => assert!(message.fate != Fate::Open || message.is_let_go(), "{message:?} has failed untold"),
            Some(Outcome::Refused(told, label)) => {
                assert_eq!((told, label.message_id()), (code, id));
                self.conclude(id, Fate::Failed);
            }
            Some(Outcome::Unanswered) => {
                assert_eq!(code, 408);
                self.conclude(id, Fate::Failed);
            }
            Some(other) => panic!("{other:?} is no answer"),
        }
    }

    fn conclude(&mut self, id: &str, fate: Fate) {
        let message = self.messages.iter_mut().find(|m| m.content.message_id() == id).expect("a message of ours");
        match message.fate {
            Fate::Open => message.fate = fate,
            Fate::Unasked => {}
            before => assert_eq!(fate, Fate::Arrived, "{before:?} before {fate:?}"),
        }
    }

    fn message(&self, id: &str) -> &Message {
        self.messages.iter().find(|m| m.content.message_id() == id).expect("a message of ours")
    }

    fn conclude_all(&mut self, share: Share, fate: Fate) {
        self.messages.iter_mut().filter(|m| m.share == share && m.fate == Fate::Open).for_each(|m| m.fate = fate);
    }

    fn take_back(&mut self, share: Share) {
        let back = self.transmitter.take_back(share);
        let open: Vec<_> = self.messages.iter().filter(|m| m.share == share && m.fate == Fate::Open).collect();
        let mut expected = open.iter();
        for content in &back {
            let found = expected.find(|m| m.content == *content);
            assert!(found.is_some(), "{content:?} comes back out of order, or had its fate");
        }
        // Of very many that await their answers the oldest are let go, and told as unanswered.
        let kept = open.iter().filter(|m| !back.contains(&m.content));
        assert!(kept.clone().all(|m| m.is_over), "what is not written is not lost: {:?}", kept.collect::<Vec<_>>());
        self.conclude_all(share, Fate::TakenBack);
        self.messages.iter_mut().filter(|m| m.share == share && !m.is_over).for_each(|m| m.is_withdrawn = true);
    }

    fn pass(&mut self, seconds: u8) -> bool {
        self.now = self.now + Duration::from_secs(seconds.into());
        let mut out = Vec::new();
        if self.transmitter.handle_timeout(self.now, &mut out).is_err() {
            assert!(self.messages.iter().any(|m| m.is_over), "nothing was written that could be answered");
            for share in self.shares.clone() {
                self.take_back(share);
            }
            return false;
        }
        assert!(self.transmitter.next_timeout().is_none_or(|at| at > self.now), "it is dealt with");
        for (share, outcome) in out {
            if matches!(outcome, Outcome::Missed(1..)) {
                continue;
            }
            assert_eq!(outcome, Outcome::Unanswered);
            // Which one is not said; the oldest is the first that is overdue.
            let oldest = self.messages.iter_mut().find(|m| m.share == share && m.is_over && m.is_unanswered());
            // Of very many that await their answers some are let go: what comes of these afterwards is not heard.
            let Some(oldest) = oldest else { continue };
            oldest.fate = if oldest.fate == Fate::Unasked { Fate::Failed } else { oldest.fate };
            if oldest.fate == Fate::Open {
                oldest.fate = Fate::Failed;
            }
        }
        true
    }

    /// Everything goes out, and after long enough everything has its fate.
    fn finish(mut self) {
        while self.transmitter.has_work() {
            self.fill();
        }
        self.written();
        assert!(self.collector.is_between_messages() && self.read.is_empty());
        assert!(self.put.is_empty(), "{:?} was never written", self.put);
        let mut out = Vec::new();
        for _ in 0..1000 {
            let Some(at) = self.transmitter.next_timeout() else { return };
            // A peer that says something now and then is not taken for mute.
            self.transmitter.heard(self.now);
            self.now = self.now.max(at);
            if self.transmitter.handle_timeout(self.now, &mut out).is_err() {
                return;
            }
            assert!(self.transmitter.next_timeout().is_none_or(|at| at > self.now), "it is dealt with");
        }
        panic!("there is always something to wait for");
    }
}

impl Message {
    fn is_unanswered(&self) -> bool {
        matches!(self.fate, Fate::Open | Fate::Unasked | Fate::TakenBack)
    }

    /// Whether the transmitter may have let go of it, since so many others followed.
    fn is_let_go(&self) -> bool {
        self.is_over
    }
}

/// A few that matter, most of them 200.
fn code_of(code: u8) -> u16 {
    match code % 8 {
        0 => 400,
        1 => 408,
        2 => 413,
        3 => 481,
        _ => 200,
    }
}

/// Every other session has a relay on its way.
const fn is_relayed(share: Share) -> bool {
    share.is_multiple_of(2)
}

struct Counter(u128);

impl IdSource for Counter {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

fn uri(name: &str, share: Share) -> MsrpUri {
    MsrpUri::parse(&format!("msrp://focus1.example.com:2855/{name}{share};tcp")).expect("a URI")
}

fn response(transaction: &str) -> WireFrame {
    let head = format!("MSRP {transaction} 200 OK\r\nTo-Path: msrp://a;tcp\r\nFrom-Path: msrp://b;tcp\r\n");
    WireFrame { head: head.into(), body: Bytes::new(), tail: format!("-------{transaction}$\r\n").into() }
}
