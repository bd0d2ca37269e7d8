//! One MSRP connection: reads frames and hands them to the rooms of its sessions, writes what the rooms put in its outbox.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Heard, Mute, RESPONSE_TIME};
use mucfocus_core::wire::msrp::decode::{BadFrame, Violation};
use mucfocus_core::wire::msrp::encode::{self, WireFrame};
use mucfocus_core::wire::msrp::frame::{FailureReport, Frame, Head, Method, Path, Start};
use tokio::time::{Instant, sleep_until, timeout};

use super::credit::Credit;
use super::dialled::{Joining, Sharing};
use super::input::{Came, Input};
use super::link::SessionLink;
use super::outbox::Outbox;
use super::sessions::{Held, Session, Sessions};
use super::table::{ClaimError, SessionTable};
use super::transport::{Inlet, Outlet, Shown, Transport};
use crate::bell::Bell;
use crate::hub::clock;
use crate::hub::mail::{Mail, SessionMail};
use crate::hub::mailbox::Source;
use crate::observe::metrics::Metrics;
use crate::sockets;
use crate::tls::Tls;

/// Frames of one session that wait here for credit, or for the answers before them to be written. Responses behind them are still read, and the time until their answers is
/// known to run; with more, the reader pauses.
const MAX_HELD: usize = 256;
/// Octets of them.
const MAX_HELD_OCTETS: usize = 256 * 1024;
/// How long the goodbye of TLS or WebSocket may take to be written.
const GOODBYE_TIME: Duration = Duration::from_secs(1);
/// How often a connection looks whether anybody still needs it, and whether an answer is overdue.
const ROUND: Duration = Duration::from_secs(5);

/// What a connection needs to know.
#[derive(Clone)]
pub struct Context {
    /// Where sessions wait.
    pub sessions: Arc<SessionTable>,
    /// What a connection and its sessions may cost.
    pub limits: Arc<Limits>,
    /// Counts what peers do wrong.
    pub metrics: Arc<Metrics>,
    /// TLS of this node, where it has a certificate.
    pub tls: Option<Arc<Tls>>,
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
    #[error("a request came whose paths cannot be read")]
    Unanswerable,
    #[error("the client reads nothing")]
    Stalled(Duration),
    #[error("the session is for another kind of connection, or another certificate")]
    Unfit,
    #[error("the client has said nothing for too long")]
    Idle,
    #[error(transparent)]
    Mute(#[from] Mute),
}

impl Closed {
    /// Whether the client has been answered why, and has to read that before the connection closes.
    const fn has_last_word(&self) -> bool {
        matches!(self, Self::Unfit | Self::Violation(_))
    }

    /// How long the connection had been dead when that was noticed.
    fn ago(&self) -> Duration {
        match self {
            Self::Broken(error) if error.kind() == io::ErrorKind::TimedOut => sockets::DEAD_AFTER,
            Self::Stalled(since) => *since,
            Self::Mute(_) => RESPONSE_TIME,
            _ => Duration::ZERO,
        }
    }
}

/// Serves a connection that somebody has made to us until it ends.
pub async fn serve<T: Transport>(transport: T, context: Context) {
    serve_any(transport, context, None).await;
}

/// Serves a connection that we have made for the session `first` until it ends.
pub(super) async fn serve_shared<T: Transport>(transport: T, context: Context, first: Joining, sharing: Sharing) {
    serve_any(transport, context, Some((first, sharing))).await;
}

async fn serve_any<T: Transport>(transport: T, context: Context, made_for: Option<(Joining, Sharing)>) {
    let metrics = Arc::clone(&context.metrics);
    metrics.msrp_connections.inc();
    let shown = transport.shown();
    let (inlet, mut outlet) = transport.split();
    let outbox = Arc::new(Outbox::new(*context.limits, T::Outlet::WHOLE_CHUNKS, outlet.shortcut()));
    let (first, sharing) = made_for.unzip();
    let mut reader = Reader {
        context,
        shown,
        outbox: Arc::clone(&outbox),
        sessions: Sessions::default(),
        sharing,
        returned: Arc::new(Bell::new()),
        needed: Instant::now(),
        heard: clock::now(),
    };
    let patience = reader.context.limits.queue_patience;
    if let Some(Joining { session, source, .. }) = first {
        reader.bind(&session, source).await;
    }
    let closed = {
        let mut writing = std::pin::pin!(write_all(&mut outlet, &outbox, patience));
        let closed = tokio::select! {
            closed = reader.run(inlet) => closed,
            closed = &mut writing => closed,
        };
        if closed.has_last_word() {
            tokio::select! {
                _ = timeout(GOODBYE_TIME, writing) => {}
                () = outbox.emptied() => {}
            }
        }
        closed
    };
    if let Some(sharing) = reader.sharing {
        sharing.end();
    }
    for (id, session) in reader.sessions.into_all() {
        reader.context.sessions.lost(&id);
        session.source.finish(Mail::Session(SessionMail::Lost { why: closed.to_string(), ago: closed.ago() }));
    }
    outbox.end();
    let _ = timeout(GOODBYE_TIME, outlet.close()).await; // a peer who is gone hears none
    metrics.msrp_connections.dec();
}

async fn write_all(outlet: &mut impl Outlet, outbox: &Outbox, patience: Duration) -> Closed {
    loop {
        let mut batch = outbox.take().await;
        match timeout(patience, outlet.write(&mut batch)).await {
            Ok(Ok(())) => outbox.written(),
            Ok(Err(error)) => return error.into(),
            Err(_) => return Closed::Stalled(patience),
        }
    }
}

struct Reader {
    context: Context,
    shown: Shown,
    outbox: Arc<Outbox>,
    sessions: Sessions,
    /// How others join, where we have made the connection.
    sharing: Option<Sharing>,
    returned: Arc<Bell>,
    /// When somebody needed the connection last.
    needed: Instant,
    /// When something came last.
    heard: mucfocus_core::time::Instant,
}

impl Reader {
    async fn run(&mut self, mut inlet: impl Inlet) -> Closed {
        let mut input = Input::default();
        let mut look = std::pin::pin!(sleep_until(Instant::now() + ROUND));
        let (returned, outbox) = (Arc::clone(&self.returned), Arc::clone(&self.outbox));
        loop {
            self.release_held().await;
            while !self.is_paused() {
                if self.take_answer(&mut input).await {
                    tokio::task::coop::consume_budget().await;
                    continue;
                }
                match input.next(&self.context.limits) {
                    Ok(Some(came)) => {
                        if let Err(closed) = self.route(came).await {
                            return closed;
                        }
                        // What is refused or dropped here awaits nothing else, and the next read is ready at once: others
                        // want their turn.
                        tokio::task::coop::consume_budget().await;
                    }
                    Ok(None) => break,
                    Err(violation) => return self.violation(violation, input.cut_short()),
                }
            }
            input.shrink();
            let paused = self.is_paused();
            tokio::select! {
                result = inlet.read(&mut input.buffer), if !paused => match result {
                    Ok(0) => return Closed::ByPeer,
                    Ok(_) => self.heard = self.outbox.heard(),
                    Err(error) => return error.into(),
                },
                () = returned.rung() => self.forget_ended(),
                Some(joining) = Sharing::next(&mut self.sharing) => self.join(joining).await,
                () = outbox.drained() => {}
                () = look.as_mut() => match self.look_after().await {
                    Ok(next) => look.as_mut().reset(next),
                    Err(closed) => return closed,
                },
            }
        }
    }

    /// Whoever is known by then is told before the connection closes (MS-FRAME-13).
    fn violation(&self, violation: Violation, cut_short: Option<BadFrame>) -> Closed {
        self.context.metrics.msrp_violation(violation_name(violation));
        if let Some(bad) = cut_short {
            self.refuse_bad(&bad);
        }
        violation.into()
    }

    /// The room of a session that has this much waiting is slower than its client.
    fn is_paused(&self) -> bool {
        self.sessions.iter().any(|s| s.held.len() >= MAX_HELD || s.held_octets >= MAX_HELD_OCTETS)
    }

    async fn release_held(&mut self) {
        let mut gone = Vec::new();
        for session in self.sessions.iter_mut() {
            while let Some(Held { frame, .. }) = session.held.front() {
                if !session.may_take(frame, &self.outbox) {
                    break;
                }
                let Some(Held { frame, arrived }) = session.held.pop_front() else { break };
                session.held_octets = session.held_octets.saturating_sub(frame.body.len());
                if session.hand_over(SessionMail::Frame { frame, arrived }).await.is_err() {
                    gone.push(session.share);
                    break;
                }
            }
        }
        if !gone.is_empty() {
            self.sessions.retain(|session| !gone.contains(&session.share));
        }
    }

    /// Lets go of sessions that their rooms have ended: a room waits for all its sources.
    fn forget_ended(&mut self) {
        let outbox = &self.outbox;
        self.sessions.retain(|session| outbox.is_attached(session.share));
    }

    fn is_needed(&mut self) -> bool {
        if !self.sessions.is_empty() || !self.outbox.is_deserted() {
            self.needed = Instant::now();
        }
        self.needed.elapsed() < self.context.limits.unbound_time // MS-CONN-10
    }

    /// Whether the connection goes on, and when to look again: at the latest when the next answer is overdue.
    async fn look_after(&mut self) -> Result<Instant, Closed> {
        if !self.is_needed() {
            return Err(Closed::Unneeded);
        }
        if self.is_paused() {
            // Nobody looks at what the peer says, so that it cannot be blamed for saying nothing.
            self.heard = self.outbox.heard();
            return Ok(Instant::now() + ROUND);
        }
        if self.context.limits.idle_time.is_some_and(|limit| clock::now().since(self.heard) >= limit) {
            return Err(Closed::Idle);
        }
        let mut outcomes = Vec::new();
        let mute = self.outbox.handle_timeout(&mut outcomes);
        for (share, outcome) in outcomes {
            if let Some(session) = self.sessions.of_share(share) {
                let _ = session.hand_over(SessionMail::Concluded(outcome)).await; // a room that is gone asks for nothing
            }
        }
        mute?;
        let round = Instant::now() + ROUND;
        Ok(self.outbox.next_timeout().map_or(round, |at| round.min(clock::to_tokio(at))))
    }

    async fn route(&mut self, came: Came) -> Result<(), Closed> {
        match came {
            Came::Frame(frame) => return self.route_frame(frame).await,
            Came::Bad(bad) if is_unanswerable(&bad) => {
                self.context.metrics.msrp_violation("no-paths");
                return Err(Closed::Unanswerable);
            }
            Came::Bad(bad) => self.route_bad(bad).await,
        }
        Ok(())
    }

    /// Takes the answer that comes next, if it is like the one before.
    async fn take_answer(&mut self, input: &mut Input) -> bool {
        let Some(accepted) = input.accepted() else { return false };
        let Some(session) = self.sessions.answered_by(&accepted) else { return false };
        let (share, outcome) = (session.share, self.outbox.accepted(self.heard, session.share, accepted.transaction));
        if let Some(outcome) = outcome
            && session.hand_over(SessionMail::Concluded(outcome)).await.is_err()
        {
            self.sessions.retain(|session| session.share != share);
        }
        let octets = accepted.octets;
        input.buffer.advance(octets);
        true
    }

    async fn route_frame(&mut self, frame: Box<Frame>) -> Result<(), Closed> {
        let id = frame.head.to_path.endpoint().session_id().unwrap_or_default().to_owned();
        if !self.is_bound(&id) {
            if matches!(frame.head.start, Start::Response { .. } | Start::Request(Method::Report)) {
                return Ok(()); // an answer to nothing (MS-RSP-10, SW-39)
            }
            match self.claim(&id).await {
                Ok(()) => {}
                Err(error) => {
                    self.refuse(&frame.head, error);
                    // It is not the client of this session, and has no other here (MS-TLS-01).
                    let is_of_nobody = error == ClaimError::Unfit && self.sessions.is_empty();
                    return if is_of_nobody { Err(Closed::Unfit) } else { Ok(()) };
                }
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        match self.outbox.hear(session.share, &frame) {
            Heard::Request => {}
            Heard::Answer(outcome) => {
                if matches!(frame.head.start, Start::Response { .. }) {
                    session.note_answer(&frame.head);
                }
                if let Some(outcome) = outcome
                    && session.hand_over(SessionMail::Concluded(outcome)).await.is_err()
                {
                    self.sessions.remove(&id);
                }
                return Ok(());
            }
            Heard::Elsewhere => {
                self.lose(&id, "the client says that the session is on another connection (506)");
                return Ok(());
            }
            Heard::TimedOut => {
                self.lose(&id, "the client answers nothing in time (408)");
                return Ok(());
            }
        }
        let arrived = clock::now();
        if !session.held.is_empty() || !session.may_take(&frame, &self.outbox) {
            session.held_octets += frame.body.len();
            session.held.push_back(Held { frame, arrived });
            return Ok(());
        }
        if session.hand_over(SessionMail::Frame { frame, arrived }).await.is_err() {
            self.sessions.remove(&id);
        }
        Ok(())
    }

    /// The client says that the session is not on this connection (MS-RSP-07), or his relay that he does not answer (MS-RSP-05): to
    /// the room it is as lost as if the whole connection were.
    fn lose(&mut self, id: &str, why: &str) {
        if let Some(session) = self.sessions.remove(id) {
            let why = why.to_owned();
            session.source.finish(Mail::Session(SessionMail::Lost { why, ago: Duration::ZERO }));
        }
    }

    async fn route_bad(&mut self, bad: Box<BadFrame>) {
        self.context.metrics.msrp_violation("bad-frame");
        let id = bad.paths.as_ref().and_then(|(to, _)| to.endpoint().session_id()).unwrap_or_default().to_owned();
        let Some(session) = self.sessions.get_mut(&id) else {
            return self.refuse_bad(&bad); // it deserves its 400 all the same (MS-FRAME-14)
        };
        if session.hand_over(SessionMail::Bad(bad)).await.is_err() {
            self.sessions.remove(&id);
        }
    }

    fn is_bound(&mut self, id: &str) -> bool {
        let outbox = &self.outbox;
        self.sessions.get_mut(id).is_some_and(|session| outbox.is_attached(session.share))
    }

    /// The first request for a session binds the connection to it (RFC 4975 §5.4).
    async fn claim(&mut self, id: &str) -> Result<(), ClaimError> {
        self.sessions.remove(id);
        if self.sessions.len() >= self.context.limits.sessions {
            return Err(ClaimError::Unknown);
        }
        let source = self.context.sessions.claim(id, &self.shown)?;
        self.bind(id, source).await;
        Ok(())
    }

    /// Another session is to be had where this connection leads.
    async fn join(&mut self, joining: Joining) {
        match &self.sharing {
            Some(sharing) if self.sessions.len() >= self.context.limits.sessions => (sharing.otherwise)(joining),
            _ => self.bind(&joining.session, joining.source).await,
        }
    }

    async fn bind(&mut self, id: &str, source: Source) {
        let credit = Arc::new(Credit::new(Arc::clone(&self.returned)));
        let link = SessionLink::new(Arc::clone(&self.outbox), Arc::clone(&credit));
        let session = Session::new(source, link.share(), credit);
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
            ClaimError::Lost => (481, "The connection of this session is gone, another one needs a re-INVITE"),
            ClaimError::Unfit => (403, "The session is for another kind of connection, or another certificate"),
        };
        self.context.metrics.msrp_violation(match error {
            ClaimError::Unknown => "unknown-session",
            ClaimError::Taken => "session-taken",
            ClaimError::Lost => "session-lost",
            ClaimError::Unfit => "unfit-connection",
        });
        let own = Path::endpoint(&request.to_path);
        if let Ok(response) = encode::response(request, own, code, comment) {
            self.say(response);
        }
    }

    /// 400 from whomever it was for, where there is somebody to tell.
    fn refuse_bad(&self, bad: &BadFrame) {
        let own = bad.paths.as_ref().map(|(to, _)| to.endpoint());
        if let Some(response) = own.and_then(|own| encode::bad_response(bad, own, 400, "Malformed request")) {
            self.say(response);
        }
    }

    /// Says what no session says. A peer that provokes refusals and does not read them fills this share only; what does not fit is
    /// not said.
    fn say(&self, response: WireFrame) {
        if self.outbox.put(0, response).is_ok() {
            self.outbox.flush();
        }
    }
}

/// Whether it deserves a 400 that nobody can be sent (MS-FRAME-14). A REPORT deserves none.
fn is_unanswerable(bad: &BadFrame) -> bool {
    bad.is_request && bad.paths.is_none() && bad.method != Some(Method::Report)
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
