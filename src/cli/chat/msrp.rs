//! The MSRP side of the call: one connection to the room, what is said over it, and what comes back.
//!
//! What comes in is put together and answered by the core's session. What goes out is ours, since the user wants to know what
//! became of each single message.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use mucfocus_core::msrp::session::{self, Session, Verdict};
use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::Violation;
use mucfocus_core::wire::msrp::encode::{self, EncodeError, WireFrame};
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, FailureReport, Frame, Head, Method, Path, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::screen::{Screen, Way, summary_of_send};
use crate::hub::clock::{RandomIds, env};

/// The longest message that is taken, in octets; the offer says so.
pub(super) const MAX_MESSAGE: usize = 256 * 1024;
/// The type of all that is said.
const CPIM: &str = "message/cpim";
/// Octets that may wait until the other side reads them.
const MAX_PENDING: usize = 1024 * 1024;
/// Above this a body must be interruptible, so that its range-end is `*` (RFC 4975 §5.1).
const INTERRUPTIBLE: usize = 2048;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The room knows our connection.
    Bound,
    /// A message came.
    Received(Bytes),
    /// What we said was taken.
    Acknowledged,
    /// What we said was not taken: code and comment.
    Refused(u16, String),
    /// What we said got no answer in time (RFC 4975 §7.1.1: 30 seconds).
    Unanswered,
    /// The room does not know the session (any more).
    Gone(u16),
}

/// Why there is no connection any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the room closed the MSRP connection")]
    Closed,
    #[error("the MSRP connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("what came over the MSRP connection is not MSRP: {0}")]
    Violation(#[from] Violation),
    #[error("the room does not read what is sent to it")]
    Stalled,
}

/// What one of our requests was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Bind,
    Say,
}

/// A connection and its session.
#[derive(Debug)]
pub(super) struct Line {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    incoming: BytesMut,
    pending: BytesMut,
    collector: Collector,
    session: Session,
    own: MsrpUri,
    peer: Path,
    unanswered: VecDeque<(TransactionId, Purpose, Instant)>,
    screen: Screen,
}

impl Line {
    /// Begins the session on a connection that was just made: the first SEND is empty and binds it (RFC 4975 §5.4).
    pub(super) fn begin(stream: TcpStream, own: MsrpUri, peer: Path, screen: Screen) -> Self {
        // Small frames both ways; a refusal costs milliseconds.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let mut session = Session::new(own.clone(), peer.clone(), MAX_MESSAGE);
        session.bound(&mut Vec::new());
        let mut line = Self {
            read,
            write,
            incoming: BytesMut::new(),
            pending: BytesMut::new(),
            collector: Collector::new(MAX_MESSAGE),
            session,
            own,
            peer,
            unanswered: VecDeque::new(),
            screen,
        };
        line.send(None, Purpose::Bind);
        line
    }

    /// Says something to the room.
    pub(super) fn say(&mut self, cpim: &Bytes) {
        self.send(Some(cpim), Purpose::Say);
    }

    /// Whether nothing that was said awaits its answer.
    pub(super) fn is_settled(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Writes what is due, and waits for what comes. Can be cancelled without loss.
    pub(super) async fn receive(&mut self) -> Result<Incoming, Lost> {
        loop {
            if let Some(incoming) = self.collector.next(&mut self.incoming)? {
                return Ok(incoming);
            }
            if self.pending.len() > MAX_PENDING {
                return Err(Lost::Stalled);
            }
            let (incoming, pending) = (&mut self.incoming, &mut self.pending);
            incoming.reserve(4096);
            tokio::select! {
                read = self.read.read_buf(incoming) => if read? == 0 { return Err(Lost::Closed) },
                written = self.write.write(pending.as_ref()), if !pending.is_empty() => {
                    let written = written?;
                    pending.advance(written.min(pending.len()));
                }
            }
        }
    }

    /// Takes what came.
    pub(super) fn take(&mut self, incoming: Incoming) -> Vec<News> {
        let (mut news, mut events) = (Vec::new(), Vec::new());
        match incoming {
            Incoming::Frame(frame) => {
                self.screen.msrp(Way::Received, &frame);
                match &frame.head.start {
                    Start::Response { code, comment } => {
                        news.extend(self.answered(&frame.head.transaction, *code, comment.as_deref()));
                    }
                    Start::Request(Method::Report) => news.extend(failure(&frame)),
                    Start::Request(_) => self.session.receive(&mut env(&mut RandomIds), frame, &mut events),
                }
            }
            Incoming::Bad(bad) => self.session.receive_bad(&bad, &mut events),
        }
        self.follow(events, &mut news);
        news
    }

    /// When [`Line::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let answer = self.unanswered.front().map(|(_, _, at)| *at);
        self.session.next_timeout().into_iter().chain(answer).min()
    }

    /// Forgets unfinished messages of the room, and gives up on answers.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<News> {
        self.session.handle_timeout(now);
        let before = self.unanswered.len();
        self.unanswered.retain(|(_, _, at)| *at > now);
        (self.unanswered.len()..before).map(|_| News::Unanswered).collect()
    }

    fn follow(&mut self, events: Vec<session::Event>, news: &mut Vec<News>) {
        for event in events {
            match event {
                session::Event::Transmit(frame) => self.transmit(&frame, None),
                session::Event::Received(message) => {
                    let is_cpim = message.content_type.split(';').next().unwrap_or_default().trim();
                    let verdict = if is_cpim.eq_ignore_ascii_case(CPIM) {
                        news.push(News::Received(message.body.clone()));
                        Verdict::Accepted
                    } else {
                        Verdict::Refused { code: 415, comment: "Only message/cpim is understood".into() }
                    };
                    let mut more = Vec::new();
                    self.session.conclude(&mut env(&mut RandomIds), &message.reply, &verdict, &mut more);
                    self.follow(more, news);
                }
                session::Event::Peer(_) => {}
                session::Event::Refused(code) => news.push(News::Gone(code)),
            }
        }
    }

    fn answered(&mut self, transaction: &TransactionId, code: u16, comment: Option<&str>) -> Option<News> {
        let at = self.unanswered.iter().position(|(id, _, _)| id == transaction)?;
        let (_, purpose, _) = self.unanswered.remove(at)?;
        match (code, purpose) {
            (200, Purpose::Bind) => Some(News::Bound),
            (200, Purpose::Say) => Some(News::Acknowledged),
            (481 | 506, _) | (_, Purpose::Bind) => Some(News::Gone(code)),
            (code, Purpose::Say) => Some(News::Refused(code, comment.unwrap_or_default().to_owned())),
        }
    }

    fn send(&mut self, body: Option<&Bytes>, purpose: Purpose) {
        // An identifier that occurs in the body would end the frame too early: draw another (MS-FRAME-04).
        loop {
            let head = self.head(body);
            match encode::frame(&head, body, Continuation::Complete) {
                Err(EncodeError::EndLineInBody) => {}
                // The paths are parsed and all else is ours: nothing here can be refused by the encoder.
                Err(_) => return,
                Ok(frame) => {
                    let give_up = crate::hub::clock::now() + session::RESPONSE_TIME;
                    self.unanswered.push_back((head.transaction, purpose, give_up));
                    let what = body.map_or_else(|| "SEND".to_owned(), |body| summary_of_send(CPIM, body));
                    return self.transmit(&frame, Some(&what));
                }
            }
        }
    }

    fn head(&self, body: Option<&Bytes>) -> Head {
        let mut ids = RandomIds;
        let env = &mut env(&mut ids);
        let size = body.map_or(0, Bytes::len);
        let octets = u64::try_from(size).unwrap_or(u64::MAX);
        Head {
            transaction: TransactionId::fresh(env),
            start: Start::Request(Method::Send),
            to_path: self.peer.clone(),
            from_path: Path::new(self.own.clone()),
            message_id: Some(env.token()),
            byte_range: Some(ByteRange {
                start: 1,
                end: (size <= INTERRUPTIBLE).then_some(octets),
                total: Some(octets),
            }),
            success_report: false,
            failure_report: FailureReport::Yes,
            status: None,
            use_nickname: None,
            content_type: body.map(|_| CPIM.to_owned()),
        }
    }

    /// Queues a frame. Of one that the session made, the start line says what it is, once the identifier is left out.
    fn transmit(&mut self, frame: &WireFrame, what: Option<&str>) {
        for chunk in frame.chunks() {
            self.pending.extend_from_slice(chunk);
        }
        let start = frame.head.split(|b| *b == b'\r').next().unwrap_or_default();
        let start = String::from_utf8_lossy(start);
        self.screen.rung("MSRP", Way::Sent, what.unwrap_or_else(|| start.splitn(3, ' ').nth(2).unwrap_or_default()));
    }
}

/// What a REPORT says of a message that got lost after it was taken.
fn failure(report: &Frame) -> Option<News> {
    let status = report.head.status.as_ref().filter(|status| status.code != 200)?;
    Some(News::Refused(status.code, status.comment.clone().unwrap_or_default()))
}
