//! One MSRP connection: reads frames and hands them to the rooms of its sessions, writes what the rooms put in its outbox.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::{BadFrame, Violation};
use mucfocus_core::wire::msrp::encode;
use mucfocus_core::wire::msrp::frame::{FailureReport, Frame, Head, Method, Path, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout};

use super::credit::Credit;
use super::link::SessionLink;
use super::outbox::{Outbox, PATIENCE, Share};
use super::table::{ClaimError, SessionTable};
use crate::hub::clock;
use crate::hub::mail::{Mail, SessionMail};
use crate::hub::mailbox::Source;
use crate::observe::metrics::Metrics;
use crate::sockets;

/// How long a connection may be without a session (MS-CONN-10), also after its last one ended.
pub const UNBOUND_TIME: Duration = Duration::from_secs(30);
/// Sessions that may share one connection.
pub const MAX_SESSIONS: usize = 1024;
/// Octets read at once.
const READ: usize = 4096;
/// Frames of one session that wait here for credit. Responses behind them are still read, and the time until their answers is
/// known to run; with more, the reader pauses.
const MAX_HELD: usize = 256;
/// Octets of them.
const MAX_HELD_OCTETS: usize = 256 * 1024;
/// How often a connection looks whether anybody still needs it.
const ROUND: Duration = Duration::from_secs(5);

/// What a connection needs to know.
#[derive(Clone)]
pub struct Context {
    /// Where sessions wait.
    pub sessions: Arc<SessionTable>,
    /// The largest message, in octets.
    pub max_message_size: usize,
    /// Counts what peers do wrong.
    pub metrics: Arc<Metrics>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the client closed the connection")]
    ByPeer,
    #[error("nobody needs the connection")]
    Unneeded,
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("what came is not MSRP: {0}")]
    Violation(#[from] Violation),
    #[error("the client reads nothing")]
    Stalled,
}

impl Closed {
    /// How long the connection had been dead when that was noticed.
    fn ago(&self) -> Duration {
        match self {
            Self::Broken(error) if error.kind() == io::ErrorKind::TimedOut => sockets::DEAD_AFTER,
            Self::Stalled => PATIENCE,
            _ => Duration::ZERO,
        }
    }
}

/// Serves a connection until it ends. `claimed` is the session that it was made for, where we are the active side.
pub async fn serve(stream: TcpStream, context: Context, claimed: Option<(String, Source)>) {
    let _ = sockets::prepare(&stream); // without it everything works, slower
    let metrics = Arc::clone(&context.metrics);
    metrics.msrp_connections.inc();
    let (read, write) = stream.into_split();
    let outbox = Arc::new(Outbox::default());
    let mut reader = Reader {
        context,
        outbox: Arc::clone(&outbox),
        sessions: BTreeMap::new(),
        returned: Arc::new(Notify::new()),
        needed: Instant::now(),
    };
    if let Some((id, source)) = claimed {
        reader.bind(id, source).await;
    }
    let closed = tokio::select! {
        closed = reader.run(read) => closed,
        closed = write_all(write, &outbox) => closed,
    };
    outbox.close();
    for session in reader.sessions.into_values() {
        session.source.finish(Mail::Session(SessionMail::Lost { why: closed.to_string(), ago: closed.ago() }));
    }
    metrics.msrp_connections.dec();
}

async fn write_all(mut socket: OwnedWriteHalf, outbox: &Outbox) -> Closed {
    loop {
        let mut batch = outbox.take().await;
        match timeout(PATIENCE, socket.write_all_buf(&mut batch)).await {
            Ok(Ok(())) => outbox.written(&batch),
            Ok(Err(error)) => return error.into(),
            Err(_) => return Closed::Stalled,
        }
    }
}

struct Reader {
    context: Context,
    outbox: Arc<Outbox>,
    sessions: BTreeMap<String, Session>,
    returned: Arc<Notify>,
    needed: Instant,
}

struct Session {
    source: Source,
    share: Share,
    credit: Arc<Credit>,
    held: VecDeque<Held>,
    held_octets: usize,
}

impl Reader {
    async fn run(&mut self, mut socket: OwnedReadHalf) -> Closed {
        let mut collector = Collector::new(self.context.max_message_size);
        let mut buffer = BytesMut::new();
        let mut rounds = interval(ROUND);
        let returned = Arc::clone(&self.returned);
        loop {
            self.release_held().await;
            while !self.is_paused() {
                match collector.next(&mut buffer) {
                    Ok(Some(incoming)) => self.route(incoming).await,
                    Ok(None) => break,
                    Err(violation) => return self.violation(violation),
                }
            }
            let paused = self.is_paused();
            buffer.reserve(READ);
            tokio::select! {
                result = socket.read_buf(&mut buffer), if !paused => match result {
                    Ok(0) => return Closed::ByPeer,
                    Ok(_) => {}
                    Err(error) => return error.into(),
                },
                () = returned.notified() => self.forget_ended(),
                _ = rounds.tick() => if !self.is_needed() { return Closed::Unneeded },
            }
        }
    }

    fn violation(&self, violation: Violation) -> Closed {
        self.context.metrics.msrp_violation(violation_name(violation));
        violation.into()
    }

    /// The room of a session that has this much waiting is slower than its client.
    fn is_paused(&self) -> bool {
        self.sessions.values().any(|s| s.held.len() >= MAX_HELD || s.held_octets >= MAX_HELD_OCTETS)
    }

    async fn release_held(&mut self) {
        let mut gone = Vec::new();
        for (id, session) in &mut self.sessions {
            while let Some(Held { frame, .. }) = session.held.front() {
                if frame.ends_a_send() && !session.credit.take(frame.body.len()) {
                    break;
                }
                let Some(Held { frame, arrived }) = session.held.pop_front() else { break };
                session.held_octets = session.held_octets.saturating_sub(frame.body.len());
                if session.hand_over(SessionMail::Frame { frame: Box::new(frame), arrived }).await.is_err() {
                    gone.push(id.clone());
                    break;
                }
            }
        }
        for id in gone {
            self.sessions.remove(&id);
        }
    }

    /// Lets go of sessions that their rooms have ended: a room waits for all its sources.
    fn forget_ended(&mut self) {
        let outbox = &self.outbox;
        self.sessions.retain(|_, session| outbox.is_attached(session.share));
    }

    fn is_needed(&mut self) -> bool {
        if !self.sessions.is_empty() || !self.outbox.is_deserted() {
            self.needed = Instant::now();
        }
        self.needed.elapsed() < UNBOUND_TIME
    }

    async fn route(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame(frame) => self.route_frame(frame).await,
            Incoming::Bad(bad) => self.route_bad(bad).await,
        }
    }

    async fn route_frame(&mut self, frame: Frame) {
        let id = frame.head.to_path.endpoint().session_id().unwrap_or_default().to_owned();
        let is_request = matches!(frame.head.start, Start::Request(_));
        if !self.is_bound(&id) {
            if !is_request {
                return; // a response to nothing (MS-RSP-10)
            }
            match self.claim(&id).await {
                Ok(()) => {}
                Err(error) => return self.refuse(&frame.head, error),
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let waits = !session.held.is_empty() && is_request;
        let arrived = clock::now();
        if waits || (frame.ends_a_send() && !session.credit.take(frame.body.len())) {
            session.held_octets += frame.body.len();
            return session.held.push_back(Held { frame, arrived });
        }
        if session.hand_over(SessionMail::Frame { frame: Box::new(frame), arrived }).await.is_err() {
            self.sessions.remove(&id);
        }
    }

    async fn route_bad(&mut self, bad: BadFrame) {
        self.context.metrics.msrp_violation("bad-frame");
        let id = bad.paths.as_ref().and_then(|(to, _)| to.endpoint().session_id()).unwrap_or_default().to_owned();
        let Some(session) = self.sessions.get_mut(&id) else {
            // For no session here; it deserves its 400 all the same (MS-FRAME-14).
            let own = bad.paths.as_ref().map(|(to, _)| to.endpoint());
            if let Some(response) = own.and_then(|own| encode::bad_response(&bad, own, 400, "Malformed request")) {
                let _ = self.outbox.put(0, response);
            }
            return;
        };
        if session.hand_over(SessionMail::Bad(Box::new(bad))).await.is_err() {
            self.sessions.remove(&id);
        }
    }

    fn is_bound(&self, id: &str) -> bool {
        self.sessions.get(id).is_some_and(|session| self.outbox.is_attached(session.share))
    }

    /// The first request for a session binds the connection to it (RFC 4975 §5.4).
    async fn claim(&mut self, id: &str) -> Result<(), ClaimError> {
        self.sessions.remove(id);
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(ClaimError::Unknown);
        }
        let source = self.context.sessions.claim(id)?;
        self.bind(id.to_owned(), source).await;
        Ok(())
    }

    async fn bind(&mut self, id: String, source: Source) {
        let credit = Arc::new(Credit::new(Arc::clone(&self.returned)));
        let link = SessionLink::new(Arc::clone(&self.outbox), Arc::clone(&credit));
        let session = Session { source, share: link.share(), credit, held: VecDeque::new(), held_octets: 0 };
        if session.hand_over(SessionMail::Bound(link)).await.is_ok() {
            self.sessions.insert(id, session);
        }
    }

    /// Refuses a request that is for no session here. Nobody answers a REPORT, nor whom Failure-Report forbids to be told.
    fn refuse(&self, request: &Head, error: ClaimError) {
        let unanswerable = matches!(request.start, Start::Request(Method::Report));
        if unanswerable || request.failure_report == FailureReport::No {
            return;
        }
        let (code, comment) = match error {
            ClaimError::Unknown => (481, "No such session here"),
            ClaimError::Taken => (506, "The session is on another connection"),
        };
        self.context.metrics.msrp_violation(if code == 481 { "unknown-session" } else { "session-taken" });
        let own = Path::endpoint(&request.to_path);
        if let Ok(response) = encode::response(request, own, code, comment) {
            // A peer that provokes refusals and does not read them fills this share only; what does not fit is not said.
            let _ = self.outbox.put(0, response);
        }
    }
}

/// A frame that waits for credit.
struct Held {
    frame: Frame,
    arrived: mucfocus_core::time::Instant,
}

impl Session {
    async fn hand_over(&self, mail: SessionMail) -> Result<(), crate::hub::mailbox::RoomGone> {
        let weight = match &mail {
            SessionMail::Frame { frame, .. } => frame.body.len() + 256,
            _ => 256,
        };
        self.source.send(Mail::Session(mail), weight).await
    }
}

const fn violation_name(violation: Violation) -> &'static str {
    match violation {
        Violation::NotMsrp => "not-msrp",
        Violation::NoTransaction => "no-transaction",
        Violation::LineTooLong => "line-too-long",
        Violation::HeadTooLong => "head-too-long",
        Violation::TooManyHeaders => "too-many-headers",
        Violation::BareLineFeed => "bare-line-feed",
        Violation::NoEndLine => "no-end-line",
    }
}
