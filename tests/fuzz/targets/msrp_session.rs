//! Whatever a peer and a network do to a session: a request has one answer at most, and none that its sender did not want;
//! answers are MSRP and for the request; nothing is written while nobody is connected; and what is handed on as a message is what
//! its chunks say (RFC 4975 §7.3.1).
#![no_main]

#[path = "msrp_session/answers.rs"]
mod answers;
#[path = "msrp_session/judging.rs"]
mod judging;
#[path = "msrp_session/requests.rs"]
mod requests;
#[path = "msrp_session/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use mucfocus_core::env::Env;
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::nickname::NicknameRequest;
use mucfocus_core::msrp::session::{Delivery, Event, Link, Received, Session, Terms};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::frame::{FailureReport, Path};
use mucfocus_core::wire::sdp::Direction;

use self::wire::{Counter, uri};

/// Octets of the largest message, small enough that chunks get there.
const MAX_MESSAGE: usize = 300;

#[derive(Debug, Arbitrary)]
enum Step {
    Bound,
    Lost,
    Removed,
    Relocated,
    Agreed {
        nicknames: bool,
        direction: u8,
    },
    /// The room says something.
    Sent {
        octets: u16,
    },
    Pass {
        seconds: u16,
    },
    Request(Request),
    /// The same as octets, one of which is another.
    Damaged {
        request: Request,
        at: u16,
        octet: u8,
    },
    Response {
        code: u16,
    },
    /// The room has decided on one of the messages that it has.
    Concluded {
        which: u8,
        code: Option<u16>,
    },
    NicknameConcluded {
        which: u8,
        code: u16,
    },
}

#[derive(Debug, Arbitrary)]
struct Request {
    method: u8,
    /// Which of a few messages it is a chunk of; `None` leaves Message-ID out.
    message: Option<u8>,
    /// First octet counted from 0, and announced total; `None` leaves Byte-Range out.
    range: Option<(u8, Option<u16>)>,
    len: u8,
    flag: u8,
    failure: u8,
    success: bool,
    /// Without a type there is no body.
    is_typed: bool,
    /// Beyond us, by way of us.
    is_relayed: bool,
    is_too_large: bool,
    fill: u8,
}

fuzz_target!(|steps: Vec<Step>| {
    let mut world = World::new();
    world.step(&Step::Bound);
    for step in &steps {
        world.step(step);
    }
});

/// The session, and what is known of it from outside.
struct World {
    session: Session,
    now: Instant,
    ids: Counter,
    limits: Limits,
    /// Answers that may still come to the transactions that the peer has begun: one to each, and a damaged frame may take the
    /// identifier of another.
    answerable: BTreeMap<String, usize>,
    begun: u32,
    messages: BTreeMap<String, Message>,
    /// Messages that were refused, whose chunks may be refused for the same reason, and what their senders wanted to hear. Of
    /// very many the session forgets the oldest.
    refused: BTreeMap<String, (FailureReport, bool)>,
    /// Whether so many messages were refused that some reports are anybody's guess.
    is_unsure: bool,
    direction: Direction,
    /// Message-IDs of what the room said and has not gone out.
    said: Vec<String>,
    received: Vec<(Received, Owed)>,
    nicknames: Vec<(NicknameRequest, Owed)>,
}

/// What the sender of a request wants to hear, and whether it still can be said.
#[derive(Debug, Clone)]
struct Owed {
    transaction: String,
    failure: FailureReport,
    success: bool,
    is_over: bool,
}

/// What the chunks of a message say.
#[derive(Debug, Default, Clone)]
struct Message {
    octets: BTreeMap<usize, u8>,
    length: Option<usize>,
    failure: FailureReport,
    success: bool,
    touched: Instant,
}

impl World {
    fn new() -> Self {
        let limits = Limits { message: MAX_MESSAGE, ..Limits::default() };
        Self {
            session: Session::new(uri("s1"), Path::new(uri("peer")), limits),
            now: Instant::from_micros(1),
            ids: Counter(0),
            limits,
            answerable: BTreeMap::new(),
            begun: 0,
            messages: BTreeMap::new(),
            refused: BTreeMap::new(),
            is_unsure: false,
            direction: Direction::SendRecv,
            said: Vec::new(),
            received: Vec::new(),
            nicknames: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        let mut out = Vec::new();
        match step {
            Step::Bound => {
                let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
                self.session.bound(&mut env, &mut out);
            }
            Step::Lost => {
                self.session.lost(Vec::new());
                self.is_over();
            }
            Step::Removed => {
                self.session.remove();
                self.messages.clear();
                self.refused.clear();
                self.is_over();
            }
            Step::Relocated => {
                self.session.relocate(uri("s2"), Path::new(uri("elsewhere")));
                self.messages.clear();
                self.refused.clear();
                self.is_over();
            }
            Step::Agreed { nicknames, direction } => {
                let all = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
                let terms = Terms { nicknames: *nicknames, direction: all[usize::from(*direction) % all.len()] };
                self.direction = terms.direction;
                let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
                self.session.agree(&mut env, terms, &mut out);
            }
            Step::Sent { octets } => self.send((*octets).into(), &mut out),
            Step::Pass { seconds } => self.pass(Duration::from_secs((*seconds).into())),
            Step::Request(request) if self.session.link() == Link::Bound => {
                let frame = self.frame(request);
                return self.receive(frame);
            }
            Step::Damaged { request, at, octet } if self.session.link() == Link::Bound => {
                return self.receive_damaged(request, *at, *octet);
            }
            Step::Response { code } if self.session.link() == Link::Bound => self.respond(*code, &mut out),
            Step::Request(_) | Step::Damaged { .. } | Step::Response { .. } => {}
            Step::Concluded { which, code } => return self.conclude((*which).into(), *code),
            Step::NicknameConcluded { which, code } => return self.conclude_nickname((*which).into(), *code),
        }
        for event in out {
            match event {
                Event::Send(post) => self.posted(post.content.message_id()),
                Event::Missed(_) => {}
                other => panic!("{other:?} after {step:?}, when nothing was asked"),
            }
        }
    }

    fn send(&mut self, octets: usize, out: &mut Vec<Event>) {
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        let content = Content::cpim(&mut env, "text/plain", vec![b'x'; octets].into()).expect("a message");
        self.said.push(content.message_id().into());
        let delivery = self.session.send(&mut env, &content, out);
        let is_open = self.session.link() == Link::Bound && self.direction.receives();
        assert_eq!(out.len(), usize::from(is_open), "{delivery:?}");
        if self.session.link() == Link::Removed {
            assert_eq!(delivery, Delivery::NoConnection);
        }
    }

    /// A message goes to the connection: once, in the order in which they were said, and when there is one and the peer listens.
    fn posted(&mut self, message_id: &str) {
        assert!(self.session.link() == Link::Bound && self.direction.receives());
        let at = self.said.iter().position(|said| said == message_id).expect("what was said, in order and once");
        self.said.drain(..=at);
    }

    /// What was asked on a connection is not answered on another.
    fn is_over(&mut self) {
        let owed =
            self.received.iter_mut().map(|(_, owed)| owed).chain(self.nicknames.iter_mut().map(|(_, owed)| owed));
        owed.for_each(|owed| owed.is_over = true);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let patience = self.limits.chunk_patience;
        if let Some(at) = self.session.next_timeout() {
            let first = self.messages.values().map(|message| message.touched + patience).min();
            assert_eq!(Some(at), first, "the timeout of the oldest chunk");
        }
        let (now, mut out) = (self.now, Vec::new());
        let mut env = Env { now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.handle_timeout(&mut env, &mut out);
        let is_late = |message: &&Message| now.since(message.touched) >= patience;
        let told = self.messages.values().filter(is_late).filter(|late| late.failure == FailureReport::Yes).count();
        let told = if self.session.link() == Link::Bound { told } else { 0 };
        assert!(out.iter().all(|event| matches!(event, Event::Transmit(_))), "{out:?}");
        assert_eq!(out.len(), told, "who wants to hear of failures hears that the rest did not come");
        self.messages.retain(|_, message| !is_late(&&*message));
        assert_eq!(self.session.next_timeout().is_some(), !self.messages.is_empty());
    }
}

impl Message {
    fn is_complete(&self) -> bool {
        self.length.is_some_and(|length| self.octets.keys().copied().eq(0..length))
    }
}
