//! Whatever a peer and a network do to a session: a request has one answer at most, and none that its sender did not want;
//! answers are MSRP and for the request; nothing is written while nobody is connected; and what is handed on as a message is what
//! its chunks say (RFC 4975 §7.3.1).
#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::fault::PeerFault;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::reassembly::ChunkError;
use mucfocus_core::msrp::session::{Delivery, Event, Link, Received, Session, Terms, Verdict};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::{WireFrame, frame};
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, Ending, FailureReport, Frame, Head, Method, Path, ReportStatus, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;
use mucfocus_core::wire::sdp::Direction;

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
    nicknames: Vec<(mucfocus_core::msrp::nickname::NicknameRequest, Owed)>,
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
        self.session.handle_timeout(self.now);
        let now = self.now;
        self.messages.retain(|_, message| now.since(message.touched) < patience);
        assert_eq!(self.session.next_timeout().is_some(), !self.messages.is_empty());
    }

    fn frame(&mut self, request: &Request) -> Frame {
        self.begun += 1;
        let transaction = format!("t{:05}", self.begun);
        *self.answerable.entry(transaction.clone()).or_default() += 1;
        let methods = [Method::Send, Method::Nickname, Method::Report, Method::Other("AUTH".into())];
        // Most are SENDs, since they are what there is most to say about.
        let method = methods[usize::from(request.method.saturating_sub(200)) % methods.len()].clone();
        let failures = [FailureReport::Yes, FailureReport::Partial, FailureReport::No];
        let own = Path::new(self.session.own().clone());
        let to_path = if request.is_relayed && request.fill > 128 {
            Path::from_uris(vec![self.session.own().clone(), uri("beyond")]).unwrap_or(own)
        } else {
            own
        };
        let body: Vec<u8> = (0..request.len).map(|at| request.fill.wrapping_add(at)).collect();
        let is_too_large = request.is_too_large && request.fill > 240 && method == Method::Send;
        let has_body = request.is_typed && method != Method::Nickname;
        let flags = [Continuation::Complete, Continuation::More, Continuation::Aborted];
        // Few totals are too large, and some chunks reach beyond the largest message.
        let range = |(start, total): (u8, Option<u16>)| ByteRange {
            start: u64::from(start) + 1,
            end: None,
            total: total.map(|total| u64::from(total) % (MAX_MESSAGE as u64 + 8)),
        };
        Frame {
            head: Head {
                transaction: TransactionId::new(&transaction).expect("an identifier"),
                to_path,
                from_path: self.session.peer().clone(),
                message_id: request.message.map(|which| format!("m{}", which % 6)),
                byte_range: request.range.map(range),
                success_report: request.success,
                failure_report: failures[usize::from(request.failure) % failures.len()],
                status: (method == Method::Report).then_some(ReportStatus { namespace: 0, code: 200, comment: None }),
                use_nickname: (method == Method::Nickname && request.is_typed)
                    .then(|| format!("\"n{}\"", request.fill)),
                content_type: has_body.then(|| "message/cpim".into()),
                start: Start::Request(method),
            },
            body: if has_body && !is_too_large { body.into() } else { Bytes::new() },
            ending: match is_too_large {
                true => Ending::TooLarge,
                false => Ending::Flag(flags[usize::from(request.flag) % flags.len()]),
            },
        }
    }

    fn receive(&mut self, frame: Frame) {
        let link = self.session.link();
        let mut out = Vec::new();
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.receive(&mut env, frame.clone(), &mut out);
        assert_eq!(self.session.link(), link);

        let head = &frame.head;
        let faults: Vec<_> =
            out.iter().filter_map(|e| if let Event::Peer(fault) = e { Some(*fault) } else { None }).collect();
        let answers: Vec<_> =
            out.iter().filter_map(|e| if let Event::Transmit(f) = e { Some(f) } else { None }).collect();
        assert!(faults.len() <= 1 && answers.len() <= 1, "{out:?}");
        let answer = answers.first().map(|answer| self.answer(answer, head));
        let is_nickname = head.start == Start::Request(Method::Nickname);
        if let Some(code) = answer {
            assert!(
                is_nickname || head.failure_report != FailureReport::No || self.is_known(head),
                "{head:?} gets {code}"
            );
            assert_eq!(faults.is_empty(), code == 200, "{faults:?} and {code}");
        }
        match &head.start {
            Start::Request(Method::Send) if head.to_path.is_direct() && head.content_type.is_some() => {
                self.chunk(&frame, out, faults.first().copied(), answer);
            }
            Start::Request(Method::Nickname) => {
                for event in out {
                    if let Event::Nickname(request) = event {
                        assert_eq!((answer, faults.len()), (None, 0));
                        let owed = Owed {
                            transaction: head.transaction.as_str().into(),
                            failure: FailureReport::Yes,
                            success: false,
                            is_over: false,
                        };
                        self.nicknames.push((*request, owed));
                    }
                }
            }
            Start::Request(Method::Report) | Start::Response { .. } => assert_eq!(answer, None, "{head:?}"),
            Start::Request(_) => assert!(!out.iter().any(|event| matches!(event, Event::Received(_)))),
        }
    }

    /// Whether report headers of an earlier chunk count.
    fn is_known(&self, head: &Head) -> bool {
        let id = head.message_id.as_deref().unwrap_or_default();
        self.messages.contains_key(id) || self.refused.contains_key(id)
    }

    /// What the session made of a chunk is what the chunks of its message say.
    fn chunk(&mut self, frame: &Frame, out: Vec<Event>, fault: Option<PeerFault>, answer: Option<u16>) {
        let head = &frame.head;
        let received = out.into_iter().find_map(|e| if let Event::Received(whole) = e { Some(*whole) } else { None });
        if fault == Some(PeerFault::NotSending) {
            return assert_eq!(received, None);
        }
        let Some(id) = head.message_id.clone() else {
            return assert_eq!(fault, Some(PeerFault::Chunk(ChunkError::NoMessageId)));
        };
        let start = head.byte_range.map_or(0, |range| range.start as usize - 1);
        let total = head.byte_range.and_then(|range| range.total).unwrap_or_default() as usize;
        let end = start + frame.body.len();
        let known = self.messages.get(&id).cloned();
        let own = (head.failure_report, head.success_report);
        let (failure, success) =
            known.as_ref().map(|m| (m.failure, m.success)).or(self.refused.get(&id).copied()).unwrap_or(own);
        if let Some(PeerFault::Chunk(error)) = fault {
            assert_eq!(received, None);
            let why = match error {
                ChunkError::TooLarge => frame.ending == Ending::TooLarge || end > MAX_MESSAGE || total > MAX_MESSAGE,
                ChunkError::NoByteRange => known.is_some() && head.byte_range.is_none(),
                ChunkError::BeyondEnd => known.as_ref().is_some_and(|m| {
                    m.length.is_some_and(|length| end > length)
                        || m.octets.keys().any(|at| *at >= end)
                        || m.length.is_some()
                }),
                ChunkError::TooMany => known.is_some() || self.messages.len() >= self.limits.unfinished,
                _ => false,
            };
            assert!(why || self.refused.contains_key(&id), "{error:?} for {frame:?} after {known:?}");
            self.messages.remove(&id);
            self.refused.entry(id).or_insert((failure, success));
            self.is_unsure |= self.refused.len() > 8;
            return;
        }
        assert_eq!(fault, None);
        if frame.ending == Ending::Flag(Continuation::Aborted) {
            assert_eq!(received, None);
            self.messages.remove(&id);
            self.refused.remove(&id);
            return;
        }
        assert!(end <= MAX_MESSAGE && total <= MAX_MESSAGE && frame.ending != Ending::TooLarge);
        self.refused.remove(&id);
        let mut message = known.unwrap_or_else(|| Message { failure, success, ..Message::default() });
        message.touched = self.now;
        message.octets.extend((start..end).zip(frame.body.iter().copied()));
        let is_last = frame.ending == Ending::Flag(Continuation::Complete);
        if is_last {
            message.length = Some(end);
        }
        // Begun anew with its first and only chunk, a message is that chunk.
        let is_alone = start == 0 && is_last;
        match received {
            Some(whole) => {
                assert_eq!(answer, None, "the room has not decided");
                let said: Vec<u8> = message.octets.values().copied().collect();
                assert!(is_alone || message.is_complete(), "{message:?}");
                assert_eq!(whole.body, if is_alone { frame.body.to_vec() } else { said });
                assert_eq!(whole.message_id(), Some(id.as_str()));
                self.messages.remove(&id);
                let owed = Owed {
                    transaction: head.transaction.as_str().into(),
                    failure: message.failure,
                    success: message.success,
                    is_over: false,
                };
                self.received.push((whole, owed));
            }
            None => {
                assert!(!message.is_complete(), "nothing was made of {message:?}");
                assert!(
                    self.is_unsure || answer.is_some() == (failure == FailureReport::Yes),
                    "{frame:?} gets {answer:?}"
                );
                self.messages.insert(id, message);
            }
        }
    }

    fn receive_damaged(&mut self, request: &Request, at: u16, octet: u8) {
        let Frame { head, body, ending: Ending::Flag(flag) } = self.frame(request) else { return };
        let body = head.content_type.is_some().then_some(&body);
        let Ok(written) = frame(&head, body, flag) else { return };
        let mut octets: BytesMut = octets(&written).as_slice().into();
        let at = usize::from(at) % octets.len();
        octets[at] = octet;
        let mut collector = Collector::new(self.limits.message);
        while let Ok(Some(incoming)) = collector.next(&mut octets) {
            match incoming {
                // What belongs to another session does not get here.
                Incoming::Frame(frame) if frame.head.to_path.next_hop().is_same_session(self.session.own()) => {
                    *self.answerable.entry(frame.head.transaction.as_str().into()).or_default() += 1;
                    self.receive(frame);
                }
                Incoming::Frame(_) => {}
                Incoming::Bad(bad) => {
                    let mut out = Vec::new();
                    self.session.receive_bad(&bad, &mut out);
                    for event in out {
                        match event {
                            Event::Peer(_) => {}
                            Event::Transmit(answer) => {
                                assert!(bad.is_request && bad.method != Some(Method::Report), "{bad:?}");
                                let is_nickname = bad.method == Some(Method::Nickname);
                                assert!(is_nickname || bad.failure_report != FailureReport::No, "{bad:?}");
                                let answer = read(&answer);
                                assert_eq!(answer.head.transaction, bad.transaction);
                            }
                            other => panic!("{other:?} of {bad:?}"),
                        }
                    }
                }
            }
        }
    }

    /// A response to something that we never asked, or have forgotten.
    fn respond(&mut self, code: u16, out: &mut Vec<Event>) {
        let mut frame = self.frame(&Request {
            method: 0,
            message: None,
            range: None,
            len: 0,
            flag: 0,
            failure: 0,
            success: false,
            is_typed: false,
            is_relayed: false,
            is_too_large: false,
            fill: 0,
        });
        frame.head.start = Start::Response { code: code % 1000, comment: None };
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.receive(&mut env, frame, out);
        assert!(out.is_empty(), "{out:?}");
    }

    fn conclude(&mut self, which: usize, code: Option<u16>) {
        if self.received.is_empty() {
            return;
        }
        let (received, owed) = self.received.swap_remove(which % self.received.len());
        if owed.is_over {
            return;
        }
        let verdict = match code {
            None => Verdict::Accepted,
            Some(code) => Verdict::Refused { code: code % 1000, comment: "Why\r\nnot".into() },
        };
        let mut out = Vec::new();
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.conclude(&mut env, &received.reply, &verdict, &mut out);
        let (mut answers, mut reports) = (0, 0);
        for event in &out {
            let Event::Transmit(frame) = event else { panic!("{event:?}") };
            assert_eq!(self.session.link(), Link::Bound);
            let frame = read(frame);
            match &frame.head.start {
                Start::Response { code: told, .. } => {
                    assert_eq!(frame.head.transaction.as_str(), owed.transaction);
                    self.answers(&owed.transaction);
                    assert_eq!(*told, code.map_or(200, |code| code % 1000));
                    answers += 1;
                }
                Start::Request(Method::Report) => {
                    assert_eq!(frame.head.message_id.as_deref(), received.message_id());
                    reports += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        if self.is_unsure {
            return;
        }
        let is_heard = self.session.link() == Link::Bound
            && match verdict {
                Verdict::Accepted => owed.failure == FailureReport::Yes,
                Verdict::Refused { .. } => owed.failure != FailureReport::No,
            };
        assert_eq!(answers, usize::from(is_heard), "{owed:?} {verdict:?}");
        let is_reported = self.session.link() == Link::Bound && owed.success && code.is_none();
        assert_eq!(reports, usize::from(is_reported), "{owed:?} {verdict:?}");
    }

    fn conclude_nickname(&mut self, which: usize, code: u16) {
        if self.nicknames.is_empty() {
            return;
        }
        let (request, owed) = self.nicknames.swap_remove(which % self.nicknames.len());
        if owed.is_over {
            return;
        }
        let mut out = Vec::new();
        self.session.conclude_nickname(&request.reply, code % 1000, "So be it", &mut out);
        assert_eq!(out.len(), usize::from(self.session.link() == Link::Bound));
        for event in out {
            let Event::Transmit(frame) = event else { panic!("{event:?}") };
            assert_eq!(read(&frame).head.transaction.as_str(), owed.transaction);
            self.answers(&owed.transaction);
        }
    }

    /// The code of the answer to `request`, which is the first.
    fn answer(&mut self, answer: &WireFrame, request: &Head) -> u16 {
        let answer = read(answer);
        let Start::Response { code, .. } = answer.head.start else { panic!("{answer:?} is no answer") };
        assert_eq!(answer.head.transaction, request.transaction);
        assert_eq!(answer.head.to_path.next_hop(), request.from_path.next_hop());
        assert_eq!(answer.head.from_path.endpoint(), self.session.own());
        self.answers(request.transaction.as_str());
        code
    }

    fn answers(&mut self, transaction: &str) {
        let left = self.answerable.get_mut(transaction).expect("a transaction of the peer");
        *left = left.checked_sub(1).unwrap_or_else(|| panic!("{transaction} is answered twice"));
    }
}

impl Message {
    fn is_complete(&self) -> bool {
        self.length.is_some_and(|length| self.octets.keys().copied().eq(0..length))
    }
}

/// Identifiers that nobody else has.
struct Counter(u128);

impl IdSource for Counter {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

fn uri(session: &str) -> MsrpUri {
    MsrpUri::parse(&format!("msrp://focus1.example.com:2855/{session};tcp")).expect("a URI")
}

fn octets(frame: &WireFrame) -> Vec<u8> {
    frame.chunks().flat_map(|part| part.to_vec()).collect()
}

/// What is written is one frame of MSRP.
fn read(frame: &WireFrame) -> Frame {
    let mut octets = BytesMut::from(&octets(frame)[..]);
    let mut collector = Collector::new(usize::MAX);
    match collector.next(&mut octets) {
        Ok(Some(Incoming::Frame(frame))) if octets.is_empty() => frame,
        other => panic!("{other:?} of {frame:?}"),
    }
}
