//! One MSRP session (RFC 4975): what is answered at once, what the room decides, and what goes out.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::reassembly::{ChunkError, Progress, Reassembly, Reports};
use crate::env::Env;
use crate::time::Instant;
use crate::wire::msrp::decode::BadFrame;
use crate::wire::msrp::encode::{self, EncodeError, WireFrame};
use crate::wire::msrp::frame::{
    ByteRange, Continuation, FailureReport, Frame, Head, Method, Path, ReportStatus, Start, TransactionId,
};
use crate::wire::msrp::uri::MsrpUri;

/// Frames that wait for the peer's connection; with more the leg ends (ownership rule 4).
pub const MAX_WAITING: usize = 256;
/// Octets that wait for the peer's connection.
pub const MAX_WAITING_OCTETS: usize = 512 * 1024;
/// Our requests whose responses are still awaited. Of an older one a 481 would be overlooked.
const MAX_UNANSWERED: usize = 256;
/// How long a response may take before the transaction counts as failed (RFC 4975 §7.1.1).
pub const RESPONSE_TIME: Duration = Duration::from_secs(30);
/// Above this a body must be interruptible, so that its range-end is `*` (RFC 4975 §5.1).
const INTERRUPTIBLE: usize = 2048;

/// One session.
#[derive(Debug)]
pub struct Session {
    own: MsrpUri,
    peer: Path,
    link: Link,
    inbound: Reassembly,
    waiting: VecDeque<WireFrame>,
    waiting_octets: usize,
    unanswered: VecDeque<TransactionId>,
}

/// Where the session's connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nobody has connected yet.
    Awaited,
    /// There is a connection.
    Bound,
    /// It broke. Only a new offer and answer could replace it (RFC 4975 §5.4).
    Lost,
}

/// What the session wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// To be written to the connection.
    Transmit(WireFrame),
    /// A message, whose fate is to be told by [`Session::conclude`].
    Received(Box<Received>),
    /// The peer did something that was refused or overlooked.
    Peer(PeerFault),
    /// The peer says that the session is over (RFC 4975 §10.8).
    Refused(u16),
}

/// What a peer did wrong, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// A chunk that cannot be part of a message.
    #[error("{0}")]
    Chunk(#[from] ChunkError),
    /// A request that could be delimited but not read.
    #[error("malformed request")]
    Malformed,
    /// To-Path holds more than our own URI (MS-CONN-12).
    #[error("To-Path leads beyond this endpoint")]
    NotForUs,
    /// A method that nobody knows.
    #[error("unknown method")]
    UnknownMethod,
    /// NICKNAME, which this version does not offer.
    #[error("nicknames are not offered")]
    NicknameNotOffered,
}

impl PeerFault {
    /// A short name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chunk(ChunkError::NoMessageId) => "no-message-id",
            Self::Chunk(ChunkError::NoByteRange) => "no-byte-range",
            Self::Chunk(ChunkError::TooLarge) => "too-large",
            Self::Chunk(ChunkError::TooMany) => "too-many-unfinished",
            Self::Chunk(ChunkError::BeyondEnd) => "beyond-end",
            Self::Malformed => "malformed",
            Self::NotForUs => "not-for-us",
            Self::UnknownMethod => "unknown-method",
            Self::NicknameNotOffered => "nickname-not-offered",
        }
    }
}

/// A whole message from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Content-Type as it came.
    pub content_type: String,
    /// The message.
    pub body: Bytes,
    /// What is needed to answer it.
    pub reply: Reply,
}

/// An answer that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    request: Head,
    reports: Reports,
    size: u64,
}

/// The fate of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The room has it.
    Accepted,
    /// Nobody got it.
    Refused {
        /// MSRP status code.
        code: u16,
        /// Comment for people, on one line.
        comment: Cow<'static, str>,
    },
}

/// More waits for a connection than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for the MSRP connection")]
pub struct Overflow;

impl Session {
    /// A session of `own` towards `peer`, taking messages of at most `limit` octets.
    #[must_use]
    pub const fn new(own: MsrpUri, peer: Path, limit: usize) -> Self {
        Self {
            own,
            peer,
            link: Link::Awaited,
            inbound: Reassembly::new(limit),
            waiting: VecDeque::new(),
            waiting_octets: 0,
            unanswered: VecDeque::new(),
        }
    }

    /// Our URI.
    #[must_use]
    pub const fn own(&self) -> &MsrpUri {
        &self.own
    }

    /// The peer's path.
    #[must_use]
    pub const fn peer(&self) -> &Path {
        &self.peer
    }

    /// Where the connection stands.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// A connection is bound to the session: what waited goes out (MS-CONN-11).
    pub fn bound(&mut self, out: &mut Vec<Event>) {
        self.link = Link::Bound;
        self.waiting_octets = 0;
        out.extend(core::mem::take(&mut self.waiting).into_iter().map(Event::Transmit));
    }

    /// The connection is gone, and with it what was owed on it.
    pub fn lost(&mut self) {
        self.link = Link::Lost;
        self.waiting = VecDeque::new();
        self.waiting_octets = 0;
        self.unanswered = VecDeque::new();
    }

    /// Opens a session whose active side we are: the first SEND goes at once, without a body (ACM-05, RFC 4975 §5.4).
    pub fn greet(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        self.emit_send(env, None, out);
    }

    /// Takes a frame that was addressed to this session.
    pub fn receive(&mut self, env: &mut Env<'_>, frame: Frame, out: &mut Vec<Event>) {
        match &frame.head.start {
            Start::Response { code, .. } => self.answered(&frame.head.transaction, *code, out),
            // A REPORT is never answered (MS-REP-01).
            Start::Request(Method::Report) => {}
            Start::Request(_) if !frame.head.to_path.is_direct() => {
                self.refuse(&frame.head, 481, "No such session here", PeerFault::NotForUs, out);
            }
            Start::Request(Method::Send) => self.received_send(env, frame, out),
            Start::Request(Method::Nickname) => {
                self.refuse(&frame.head, 403, "Nicknames are not offered", PeerFault::NicknameNotOffered, out);
            }
            Start::Request(Method::Other(_)) => {
                self.refuse(&frame.head, 501, "Unknown method", PeerFault::UnknownMethod, out);
            }
        }
    }

    /// Takes a frame that nobody could read: 400, where there is somebody to tell (MS-FRAME-14).
    pub fn receive_bad(&mut self, bad: &BadFrame, out: &mut Vec<Event>) {
        out.push(Event::Peer(PeerFault::Malformed));
        if let Some(response) = encode::bad_response(bad, &self.own, 400, "Malformed request") {
            out.push(Event::Transmit(response));
        }
    }

    fn received_send(&mut self, env: &mut Env<'_>, frame: Frame, out: &mut Vec<Event>) {
        if frame.head.content_type.is_none() {
            // The active side binds the session with such a SEND, and later keeps its connection alive.
            return self.respond_if(frame.head.failure_report == FailureReport::Yes, &frame.head, 200, "OK", out);
        }
        match self.inbound.add(env.now, &frame) {
            Progress::Kept(reports) | Progress::Abandoned(reports) => {
                self.respond_if(reports.failure == FailureReport::Yes, &frame.head, 200, "OK", out);
            }
            Progress::Refused(error, reports) => {
                out.push(Event::Peer(error.into()));
                let comment = match error {
                    ChunkError::TooLarge => "Message too large",
                    ChunkError::TooMany => "Too many unfinished messages",
                    ChunkError::NoMessageId => "Message-ID missing",
                    ChunkError::NoByteRange => "Byte-Range missing",
                    ChunkError::BeyondEnd => "Chunk beyond the end",
                };
                let heard = reports.failure != FailureReport::No;
                self.respond_if(heard, &frame.head, error.code(), comment, out);
            }
            Progress::Complete(whole) => {
                let size = u64::try_from(whole.body.len()).unwrap_or(u64::MAX);
                let reply = Reply { request: frame.head, reports: whole.reports, size };
                let received = Received { content_type: whole.content_type, body: whole.body, reply };
                out.push(Event::Received(Box::new(received)));
            }
        }
    }

    /// Tells the sender what became of his message, as far as he wants to hear it (RFC 4975 §7.1.3, §7.1.4, §7.2).
    pub fn conclude(&mut self, env: &mut Env<'_>, reply: &Reply, verdict: &Verdict, out: &mut Vec<Event>) {
        if self.link != Link::Bound {
            return;
        }
        let failure = reply.reports.failure;
        match verdict {
            Verdict::Accepted => {
                self.respond_if(failure == FailureReport::Yes, &reply.request, 200, "OK", out);
                if reply.reports.success {
                    self.report_success(env, reply, out);
                }
            }
            Verdict::Refused { code, comment } => {
                self.respond_if(failure != FailureReport::No, &reply.request, *code, comment, out);
            }
        }
    }

    fn report_success(&mut self, env: &mut Env<'_>, reply: &Reply, out: &mut Vec<Event>) {
        let head = Head {
            transaction: TransactionId::fresh(env),
            start: Start::Request(Method::Report),
            to_path: reply.request.from_path.clone(),
            from_path: Path::new(self.own.clone()),
            message_id: reply.request.message_id.clone(),
            byte_range: Some(ByteRange { start: 1, end: Some(reply.size), total: Some(reply.size) }),
            success_report: false,
            failure_report: FailureReport::Yes,
            status: Some(ReportStatus { namespace: 0, code: 200, comment: Some("OK".into()) }),
            use_nickname: None,
            content_type: None,
        };
        if let Ok(frame) = encode::frame(&head, None, Continuation::Complete) {
            out.push(Event::Transmit(frame));
        }
    }

    /// Sends a message. Before the peer has connected it waits; once the connection is lost it goes nowhere, and the result is
    /// `false`.
    ///
    /// # Errors
    ///
    /// [`Overflow`] when more waits than may; the message is not sent.
    pub fn send(
        &mut self,
        env: &mut Env<'_>,
        content_type: &str,
        body: &Bytes,
        out: &mut Vec<Event>,
    ) -> Result<bool, Overflow> {
        let full = self.waiting.len() >= MAX_WAITING || self.waiting_octets + body.len() > MAX_WAITING_OCTETS;
        if self.link == Link::Awaited && full {
            return Err(Overflow);
        }
        let has_somewhere_to_go = self.link != Link::Lost;
        if has_somewhere_to_go {
            self.emit_send(env, Some((content_type, body)), out);
        }
        Ok(has_somewhere_to_go)
    }

    /// Makes the frame of one SEND and writes it, or keeps it until there is a connection. The message goes in one chunk: the
    /// connection writes others in between only when it has become able to interrupt.
    fn emit_send(&mut self, env: &mut Env<'_>, content: Option<(&str, &Bytes)>, out: &mut Vec<Event>) {
        let mut head = self.send_head(env, content);
        let body = content.map(|(_, body)| body);
        // An identifier that occurs in the body would end the frame too early: draw another (MS-FRAME-04).
        while let Err(EncodeError::EndLineInBody) = self.write(&head, body, out) {
            head.transaction = TransactionId::fresh(env);
        }
    }

    fn write(&mut self, head: &Head, body: Option<&Bytes>, out: &mut Vec<Event>) -> Result<(), EncodeError> {
        let frame = encode::frame(head, body, Continuation::Complete)?;
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(head.transaction.clone());
        if self.link == Link::Bound {
            out.push(Event::Transmit(frame));
        } else {
            self.waiting_octets += frame.len();
            self.waiting.push_back(frame);
        }
        Ok(())
    }

    fn send_head(&self, env: &mut Env<'_>, content: Option<(&str, &Bytes)>) -> Head {
        let size = content.map_or(0, |(_, body)| body.len());
        let octets = u64::try_from(size).unwrap_or(u64::MAX);
        let end = (size <= INTERRUPTIBLE).then_some(octets);
        Head {
            transaction: TransactionId::fresh(env),
            start: Start::Request(Method::Send),
            to_path: self.peer.clone(),
            from_path: Path::new(self.own.clone()),
            message_id: Some(env.token()),
            byte_range: Some(ByteRange { start: 1, end, total: Some(octets) }),
            success_report: false,
            failure_report: FailureReport::Yes,
            status: None,
            use_nickname: None,
            content_type: content.map(|(content_type, _)| content_type.into()),
        }
    }

    /// A response to one of our requests.
    fn answered(&mut self, transaction: &TransactionId, code: u16, out: &mut Vec<Event>) {
        let Some(at) = self.unanswered.iter().position(|id| id == transaction) else {
            return; // somebody else's, or long forgotten (MS-RSP-10)
        };
        self.unanswered.remove(at);
        if code == 481 || code == 506 {
            out.push(Event::Refused(code));
        }
    }

    fn refuse(&self, request: &Head, code: u16, comment: &str, fault: PeerFault, out: &mut Vec<Event>) {
        out.push(Event::Peer(fault));
        self.respond_if(request.failure_report != FailureReport::No, request, code, comment, out);
    }

    fn respond_if(&self, wanted: bool, request: &Head, code: u16, comment: &str, out: &mut Vec<Event>) {
        if !wanted {
            return;
        }
        // Our own URI and comments are ours, and the request's path was parsed: nothing here can be refused by the encoder.
        if let Ok(frame) = encode::response(request, &self.own, code, comment) {
            out.push(Event::Transmit(frame));
        }
    }

    /// When [`Session::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.inbound.next_expiry()
    }

    /// Forgets unfinished messages whose next chunk did not come in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.inbound.expire(now);
    }
}
