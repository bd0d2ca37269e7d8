//! One MSRP session (RFC 4975): what is answered at once, what the room decides, and what goes out.

mod answering;
mod sending;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use self::sending::RefusedTypes;
use super::content::Content;
use super::limits::Limits;
use super::nickname::{self, BadNickname, NicknameReply, NicknameRequest};
use super::outgoing::Outgoing;
use super::post::Post;
use super::reassembly::{Progress, Reassembly};
use crate::env::Env;
use crate::time::Instant;
use crate::wire::msrp::decode::{BadFrame, BadReason};
use crate::wire::msrp::encode::{self, WireFrame};
use crate::wire::msrp::frame::{FailureReport, Frame, Head, Method, Path, Start};
use crate::wire::msrp::uri::MsrpUri;
use crate::wire::sdp::Direction;

pub use self::answering::{Reply, Verdict};
pub use super::fault::PeerFault;
pub use super::outgoing::Delivery;
pub use super::transmitter::RESPONSE_TIME;

/// One session.
#[derive(Debug)]
pub struct Session {
    own: MsrpUri,
    peer: Path,
    link: Link,
    /// Whether the next connection is one that we make.
    dialled: bool,
    terms: Terms,
    inbound: Reassembly,
    /// Octets by which what is unfinished may grow.
    spare: usize,
    outgoing: Outgoing,
    /// To-Path and From-Path of everything that we send.
    paths: Option<Bytes>,
    refused: RefusedTypes,
}

/// Where the session's connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nobody has connected yet.
    Awaited,
    /// We made a connection, and whoever is there has said nothing yet. He gets our first SEND and nothing else: anything may
    /// listen at the address that an offer names (RFC 4975 §14.5).
    Unheard,
    /// There is a connection.
    Bound,
    /// It broke. Only a new offer and answer can replace it (RFC 4975 §5.4).
    Lost,
    /// The peer took the stream away; a new offer may bring it back (RFC 3264 §8.2).
    Removed,
}

/// What offer and answer agreed upon, besides the paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Whether the peer may send NICKNAME.
    pub nicknames: bool,
    /// Who sends content, as the peer says it (MS-SDP-06).
    pub direction: Direction,
}

/// What the session wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A response or a report, to be written to the connection before all messages.
    Transmit(WireFrame),
    /// A message, to be written to the connection. What becomes of it is told by [`Session::concluded`] or
    /// [`Session::returned`].
    Send(Post),
    /// A message that was sent has not arrived.
    Failed(Delivery),
    /// A message, whose fate is to be told by [`Session::conclude`].
    Received(Box<Received>),
    /// The peer did something that was refused or overlooked.
    Peer(PeerFault),
    /// The peer wants another nickname, or none.
    Nickname(Box<NicknameRequest>),
    /// The peer takes content again; so many messages he did not get.
    Missed(usize),
    /// The peer says that the session is over (RFC 4975 §10.8).
    Refused(u16),
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

impl Received {
    /// Its Message-ID.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.reply.request.message_id.as_deref()
    }
}

impl Session {
    /// A session of `own` towards `peer`.
    #[must_use]
    pub fn new(own: MsrpUri, peer: Path, limits: Limits) -> Self {
        Self {
            paths: encode::paths(&peer, &own).ok(),
            own,
            peer,
            link: Link::Awaited,
            dialled: false,
            terms: Terms { nicknames: false, direction: Direction::SendRecv },
            inbound: Reassembly::new(limits),
            spare: usize::MAX,
            outgoing: Outgoing::new(&limits),
            refused: RefusedTypes::new(),
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

    /// Octets that all sessions together have left for what is unfinished (SW-10).
    pub const fn grant(&mut self, spare: usize) {
        self.spare = spare;
    }

    /// Octets of memory that unfinished messages of the peer hold.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.inbound.held()
    }

    /// Messages that the peer did not get, and was not told about.
    #[must_use]
    pub const fn missed(&self) -> usize {
        self.outgoing.missed()
    }

    /// We connect: the connection that comes about is ours.
    pub const fn dialled(&mut self) {
        self.dialled = true;
    }

    /// A connection is bound to the session. Where its peer made it he has spoken, and what waited goes out. Where we made it,
    /// that waits for his first word, for which we ask with a SEND without a body (MS-CONN-01, MS-CONN-11).
    pub fn bound(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        match self.link {
            Link::Removed => {}
            Link::Awaited | Link::Unheard | Link::Lost if self.dialled => {
                self.link = Link::Unheard;
                self.greet(env, out);
            }
            _ => {
                self.link = Link::Bound;
                self.resume(env, out);
            }
        }
    }

    /// The peer has said something that only a peer of this session can say.
    fn heard(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        if self.link == Link::Unheard {
            self.link = Link::Bound;
            self.resume(env, out);
        }
    }

    /// The connection is gone, and with it the answers that were owed on it. What the peer has not taken waits for the next one
    /// (MS-CONN-08): `unsent` first, then what the room says meanwhile.
    pub fn lost(&mut self, unsent: Vec<Arc<Content>>) {
        if self.link != Link::Removed {
            self.link = Link::Lost;
            self.outgoing.put_back(unsent);
        }
    }

    /// The peer took the stream away.
    pub fn remove(&mut self) {
        self.link = Link::Removed;
        self.outgoing.give_up();
        self.inbound.clear();
    }

    /// The session goes on under other paths, where nobody has connected yet. What waits moves along; what the peer has sent
    /// half of, or was not answered, is over. To the peer it is another session: a type that he refused in the last one may be sent
    /// again, if his offer names it (RFC 4975 §10.6).
    pub fn relocate(&mut self, own: MsrpUri, peer: Path) {
        (self.own, self.peer, self.link, self.dialled) = (own, peer, Link::Awaited, false);
        self.inbound.clear();
        self.refused.clear();
        self.paths = self.render_paths();
    }

    /// Something else was agreed upon. Where the peer takes content again, what waited goes out.
    pub fn agree(&mut self, env: &mut Env<'_>, terms: Terms, out: &mut Vec<Event>) {
        self.terms = terms;
        self.resume(env, out);
    }

    /// Takes a frame that was addressed to this session.
    pub fn receive(&mut self, env: &mut Env<'_>, frame: Frame, out: &mut Vec<Event>) {
        if self.link == Link::Removed {
            return; // it was on its way
        }
        if matches!(frame.head.start, Start::Request(_)) && frame.head.to_path.is_direct() {
            self.heard(env, out);
        }
        match &frame.head.start {
            // What they are about is known where it was written (MS-RSP-10); a REPORT is never answered (MS-REP-01).
            Start::Response { .. } | Start::Request(Method::Report) => {}
            Start::Request(_) if !frame.head.to_path.is_direct() => {
                self.refuse(&frame.head, 481, "No such session here", PeerFault::NotForUs, out);
            }
            Start::Request(Method::Send) => self.received_send(env, frame, out),
            Start::Request(Method::Nickname) => self.received_nickname(frame.head, out),
            Start::Request(Method::Other(_)) => {
                self.refuse(&frame.head, 501, "Unknown method", PeerFault::UnknownMethod, out);
            }
        }
    }

    /// Takes a frame that nobody could read: 400, where there is somebody to tell (MS-FRAME-14), or 424 for a nickname with
    /// characters that no line may have (NICK-01).
    pub fn receive_bad(&mut self, bad: &BadFrame, out: &mut Vec<Event>) {
        let mut bad = Cow::Borrowed(bad);
        let (mut fault, mut code) = (PeerFault::Malformed, 400);
        if bad.method == Some(Method::Nickname) {
            bad.to_mut().failure_report = FailureReport::Yes; // it has no meaning there (SW-22)
            if bad.why == BadReason::Malformed("Use-Nickname") {
                (fault, code) = (BadNickname::Syntax.into(), 424);
            }
        }
        out.push(Event::Peer(fault));
        if let Some(response) = encode::bad_response(&bad, &self.own, code, "Malformed request") {
            out.push(Event::Transmit(response));
        }
    }

    /// What is wrong with the request itself is answered here (SW-22, SW-25); all else the room decides.
    fn received_nickname(&mut self, head: Head, out: &mut Vec<Event>) {
        let refusal = match head.use_nickname.as_deref().map(nickname::read) {
            _ if !self.terms.nicknames => (403, "Nicknames are not offered".into(), PeerFault::NicknameNotOffered),
            None => (400, "Use-Nickname missing".into(), PeerFault::NicknameMissing),
            Some(Err(bad)) => (424, bad.to_string(), PeerFault::from(bad)),
            Some(Ok(wanted)) => {
                let request = NicknameRequest { wanted, reply: NicknameReply(head) };
                return out.push(Event::Nickname(Box::new(request)));
            }
        };
        let (code, comment, fault): (_, String, _) = refusal;
        out.push(Event::Peer(fault));
        // Always, whatever Failure-Report says: it has no meaning there (SW-22, SW-23).
        self.respond_if(true, &head, code, &comment, out);
    }

    fn received_send(&mut self, env: &mut Env<'_>, frame: Frame, out: &mut Vec<Event>) {
        if frame.head.content_type.is_none() {
            // The active side binds the session with such a SEND, and later keeps its connection alive.
            return self.respond_if(frame.head.failure_report == FailureReport::Yes, &frame.head, 200, "OK", out);
        }
        if !self.terms.direction.sends() {
            let comment = "Your offer says that you send nothing";
            return self.refuse(&frame.head, 403, comment, PeerFault::NotSending, out);
        }
        match self.inbound.add(env.now, self.spare, &frame) {
            Progress::Kept(reports) | Progress::Abandoned(reports) => {
                self.respond_if(reports.failure == FailureReport::Yes, &frame.head, 200, "OK", out);
            }
            Progress::Refused(error, reports) => {
                out.push(Event::Peer(error.into()));
                let heard = reports.failure != FailureReport::No;
                self.respond_if(heard, &frame.head, error.code(), error.comment(), out);
            }
            Progress::Complete(whole) => {
                let size = u64::try_from(whole.body.len()).unwrap_or(u64::MAX);
                let reply = Reply { request: frame.head, reports: whole.reports, size };
                let received = Received { content_type: whole.content_type, body: whole.body, reply };
                out.push(Event::Received(Box::new(received)));
            }
        }
    }

    /// When [`Session::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.inbound.next_expiry()
    }

    /// Forgets unfinished messages whose next chunk did not come in time. Their chunks have their 200 already, so that a report says
    /// so (RFC 4975 §7.1.4).
    pub fn handle_timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        for message in self.inbound.expire(env.now) {
            self.report_given_up(env, message, out);
        }
    }
}
