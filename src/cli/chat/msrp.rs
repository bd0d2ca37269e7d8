//! The MSRP side of the call: one connection to the room, what is said over it, and what comes back.
//!
//! What comes in is put together and answered by the core's session. What goes out is ours, since the user wants to know what
//! became of each single message.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use mucfocus_core::address::name_addr::quote;
use mucfocus_core::msrp::limits::Limits;
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
/// Requests that may wait for their answer before more is typed.
const MAX_UNANSWERED: usize = 64;
/// Above this a body must be interruptible, so that its range-end is `*` (RFC 4975 §5.1).
const INTERRUPTIBLE: usize = 2048;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The room knows our connection.
    Bound,
    /// A message came.
    Received(Bytes),
    /// What we wanted came about.
    Acknowledged(Purpose),
    /// What we wanted did not come about: code and comment.
    Refused(Purpose, u16, String),
    /// What we wanted got no answer in time (RFC 4975 §7.1.1: 30 seconds).
    Unanswered(Purpose),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To make the connection known.
    Bind,
    /// To say something to everybody; its first words, empty where it is not known what it was.
    Say(String),
    /// To say something to one alone.
    Whisper {
        /// His nickname.
        name: String,
        /// All of it.
        text: String,
    },
    /// To change the topic.
    Topic,
    /// To be called this.
    Nickname(String),
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
        let mut session = Session::new(own.clone(), peer.clone(), Limits::of_messages(MAX_MESSAGE));
        session.bound(&mut env(&mut RandomIds), &mut Vec::new());
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

    /// Says something.
    pub(super) fn say(&mut self, cpim: &Bytes, purpose: Purpose) {
        self.send(Some(cpim), purpose);
    }

    /// Asks for a nickname, which has been enforced (RFC 7701 §7.1).
    pub(super) fn ask_to_be(&mut self, nickname: &str) {
        self.send(None, Purpose::Nickname(nickname.to_owned()));
    }

    /// Whether what is typed next can be said at once; else it waits.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() <= MAX_PENDING / 2 && self.unanswered.len() < MAX_UNANSWERED
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

    /// Gives up on unfinished messages of the room, and on answers.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<News> {
        let (mut news, mut events) = (Vec::new(), Vec::new());
        self.session.handle_timeout(&mut env(&mut RandomIds), &mut events);
        self.follow(events, &mut news);
        self.unanswered.retain(|(_, purpose, at)| {
            let waits = *at > now;
            if !waits {
                news.push(News::Unanswered(purpose.clone()));
            }
            waits
        });
        news
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
                // We send by ourselves what the session could send.
                session::Event::Send(_) | session::Event::Failed(_) => {}
                session::Event::Peer(_) | session::Event::Nickname(_) | session::Event::Missed(_) => {}
                session::Event::Refused(code) => news.push(News::Gone(code)),
            }
        }
    }

    fn answered(&mut self, transaction: &TransactionId, code: u16, comment: Option<&str>) -> Option<News> {
        let at = self.unanswered.iter().position(|(id, _, _)| id == transaction)?;
        let (_, purpose, _) = self.unanswered.remove(at)?;
        match (code, purpose) {
            (200, Purpose::Bind) => Some(News::Bound),
            (200, purpose) => Some(News::Acknowledged(purpose)),
            (481 | 506, _) | (_, Purpose::Bind) => Some(News::Gone(code)),
            (code, purpose) => Some(News::Refused(purpose, code, comment.unwrap_or_default().to_owned())),
        }
    }

    fn send(&mut self, body: Option<&Bytes>, purpose: Purpose) {
        // An identifier that occurs in the body would end the frame too early: draw another (MS-FRAME-04).
        loop {
            let head = self.head(body, &purpose);
            match encode::frame(&head, body, Continuation::Complete) {
                Err(EncodeError::EndLineInBody) => {}
                // The paths are parsed and all else is ours: nothing here can be refused by the encoder.
                Err(_) => return,
                Ok(frame) => {
                    let give_up = crate::hub::clock::now() + session::RESPONSE_TIME;
                    let what = match (&purpose, body) {
                        (Purpose::Nickname(nickname), _) => format!("NICKNAME {}", quote(nickname)),
                        (_, None) => "SEND".to_owned(),
                        (_, Some(body)) => summary_of_send(CPIM, body),
                    };
                    self.unanswered.push_back((head.transaction, purpose, give_up));
                    return self.transmit(&frame, Some(&what));
                }
            }
        }
    }

    fn head(&self, body: Option<&Bytes>, purpose: &Purpose) -> Head {
        let mut ids = RandomIds;
        let env = &mut env(&mut ids);
        let nickname = if let Purpose::Nickname(nickname) = purpose { Some(quote(nickname)) } else { None };
        let method = if nickname.is_some() { Method::Nickname } else { Method::Send };
        let size = body.map_or(0, Bytes::len);
        let octets = u64::try_from(size).unwrap_or(u64::MAX);
        let range = ByteRange { start: 1, end: (size <= INTERRUPTIBLE).then_some(octets), total: Some(octets) };
        Head {
            transaction: TransactionId::fresh(env),
            message_id: (method == Method::Send).then(|| env.token()),
            byte_range: (method == Method::Send).then_some(range),
            start: Start::Request(method),
            to_path: self.peer.clone(),
            from_path: Path::new(self.own.clone()),
            success_report: false,
            failure_report: FailureReport::Yes,
            status: None,
            use_nickname: nickname,
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
    Some(News::Refused(Purpose::Say(String::new()), status.code, status.comment.clone().unwrap_or_default()))
}
