//! The life of one stream after login: bind, serve, close. Owns liveness and the answers to requests; knows which rooms there
//! are, and nothing about what a room does.
//!
//! No presence is sent for the account itself, so that nobody's contacts see it online; and stream management is not asked for,
//! so that a process that dies takes its occupants along.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use jid::{BareJid, FullJid};

use super::answer;
use super::framing::{Event, Framed, Framer, Skipped, Violation};
use crate::env::Env;
use crate::time::Instant;

/// Silence after which the server is asked whether it is there (XEP-0199 §4.2). Long enough to cost an idle stream nothing.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long it may take to say anything then; a stream is known to be dead after both.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may take to bind a resource.
pub const BIND: Duration = Duration::from_secs(10);
/// How long a stream that we closed waits for the server's end of it.
pub const CLOSE: Duration = Duration::from_secs(2);

/// What happens to a stream.
#[derive(Debug)]
pub enum Input<'a> {
    /// The stream is ours: the server has sent the features that follow login.
    Start,
    /// Bytes from the server.
    Received(&'a [u8]),
    /// The connection is gone, for this reason.
    Disconnected(String),
    /// Stanzas from this room are wanted.
    Enter(BareJid),
    /// They are not wanted any more.
    Leave(&'a BareJid),
    /// End the stream. Everything that was to be sent has been.
    Close,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Write(Bytes),
    /// The stream is up.
    Bound(FullJid),
    /// A room that is wanted, or one of its occupants, said this.
    ToRoom {
        /// The room.
        room: BareJid,
        /// What it said. Never a request.
        stanza: Framed,
    },
    /// A stanza came that is nothing to anybody here.
    Ignored(Ignored),
    /// The stream is over. Nothing follows; what was to be written before should be tried, and then the connection closed.
    Ended(StreamFault),
}

/// Why a stanza is nothing to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// From somebody who is not in a room that is wanted, or from nobody.
    NotARoom {
        /// `from`, if there was one.
        from: Option<String>,
    },
    /// Neither message, presence nor iq.
    NotAStanza {
        /// The name of the element.
        name: String,
    },
    /// Before the stream was up, or while it was being closed.
    NotUp,
    /// Beyond the limits of the framer.
    Skipped(Skipped),
}

/// Why a stream is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// We closed it.
    #[error("closed")]
    Closed,
    /// The server closed it with an error (RFC 6120 §4.9.3).
    #[error("the server ended the stream: {condition}{}{}", if text.is_empty() { "" } else { ": " }, text)]
    ServerError {
        /// The defined condition, `conflict` for instance.
        condition: String,
        /// Its text; empty if there is none.
        text: String,
    },
    /// The server closed it without a word.
    #[error("the server ended the stream")]
    ClosedByServer,
    /// The connection is gone.
    #[error("the connection is gone: {0}")]
    Disconnected(String),
    /// The server broke the rules of XML streams.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The server has been silent for [`SILENCE`] and [`PATIENCE`].
    #[error("the server does not answer")]
    Silent,
    /// The server does not let us bind a resource.
    #[error("the server refused to bind a resource: {0}")]
    BindRefused(String),
    /// The server does not answer to that within [`BIND`].
    #[error("the server did not bind a resource in time")]
    BindTimeout,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Before [`Input::Start`].
    New,
    /// Waiting for the answer to the request with this id.
    Binding { id: String, until: Instant },
    /// Up. Anything from the server counts as a sign of life.
    Up(Liveness),
    /// We said `</stream:stream>` and wait for the server's.
    Closing { until: Instant },
    /// [`Output::Ended`] is out.
    Over,
}

#[derive(Debug, PartialEq, Eq)]
enum Liveness {
    /// Heard from the server; silent until this moment.
    QuietUntil(Instant),
    /// A ping is out; dead at this moment.
    Asked { id: String, until: Instant },
}

/// One stream after login.
#[derive(Debug)]
pub struct Machine {
    state: State,
    resource: String,
    framer: Framer,
    /// Keyed by the JID as the server writes it, which needs no parser to be found again.
    rooms: BTreeMap<String, BareJid>,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// A stream that will ask for `resource`; the server may assign another.
    #[must_use]
    pub fn new(resource: String) -> Self {
        Self { state: State::New, resource, framer: Framer::new(), rooms: BTreeMap::new(), outputs: VecDeque::new() }
    }

    /// Takes an input; the outputs are drained after it.
    pub fn handle(&mut self, env: &mut Env<'_>, input: Input<'_>) {
        match input {
            _ if self.state == State::Over => {}
            Input::Start => self.bind(env),
            Input::Received(bytes) => self.receive(env.now, bytes),
            Input::Disconnected(_) if matches!(self.state, State::Closing { .. }) => self.end(StreamFault::Closed),
            Input::Disconnected(why) => self.end(StreamFault::Disconnected(why)),
            Input::Enter(room) => {
                self.rooms.insert(room.as_str().to_owned(), room);
            }
            Input::Leave(room) => {
                self.rooms.remove(room.as_str());
            }
            Input::Close if matches!(self.state, State::Closing { .. }) => {}
            Input::Close => {
                self.write("</stream:stream>".to_owned());
                self.state = State::Closing { until: env.now + CLOSE };
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() {
            self.outputs.shrink_to(16);
        }
        output
    }

    /// When [`Machine::handle_timeout`] wants to be called.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::New | State::Over => None,
            State::Binding { until, .. } | State::Closing { until } => Some(*until),
            State::Up(Liveness::QuietUntil(until) | Liveness::Asked { until, .. }) => Some(*until),
        }
    }

    /// Time has passed. Called too early, it does nothing.
    pub fn handle_timeout(&mut self, env: &mut Env<'_>) {
        if self.next_timeout().is_none_or(|at| env.now < at) {
            return;
        }
        match self.state {
            State::Binding { .. } => self.give_up("connection-timeout", StreamFault::BindTimeout),
            State::Up(Liveness::QuietUntil(_)) => {
                let id = env.token();
                self.write(answer::ping(&id));
                self.state = State::Up(Liveness::Asked { id, until: env.now + PATIENCE });
            }
            State::Up(Liveness::Asked { .. }) => self.give_up("connection-timeout", StreamFault::Silent),
            State::Closing { .. } => self.end(StreamFault::Closed),
            State::New | State::Over => {}
        }
    }

    fn bind(&mut self, env: &mut Env<'_>) {
        let id = env.token();
        self.write(answer::bind(&id, &self.resource));
        self.state = State::Binding { id, until: env.now + BIND };
    }

    fn receive(&mut self, now: Instant, mut bytes: &[u8]) {
        let asked = match &mut self.state {
            State::Up(liveness) => core::mem::replace(liveness, Liveness::QuietUntil(now + SILENCE)).asked(),
            _ => None,
        };
        while self.state != State::Over {
            match self.framer.push(&mut bytes) {
                Ok(None) => break,
                Ok(Some(event)) => self.event(now, asked.as_deref(), event),
                Err(violation) => {
                    let condition = match violation {
                        Violation::NotWellFormed | Violation::TextBetweenStanzas => "not-well-formed",
                        Violation::Restricted => "restricted-xml",
                        Violation::TooLarge => "policy-violation",
                    };
                    self.give_up(condition, violation.into());
                }
            }
        }
    }

    fn event(&mut self, now: Instant, asked: Option<&str>, event: Event) {
        match event {
            Event::Stanza(stanza) => match &self.state {
                State::Binding { id, .. } if is_answer(&stanza, id) => self.bound(now, &stanza),
                State::Up(_) => self.stanza(asked, stanza),
                _ => self.outputs.push_back(Output::Ignored(Ignored::NotUp)),
            },
            Event::Skipped(skipped) => self.outputs.push_back(Output::Ignored(Ignored::Skipped(skipped))),
            Event::StreamError(error) => {
                let (condition, text) = answer::error_of(error.as_str());
                self.write("</stream:stream>".to_owned());
                self.end(StreamFault::ServerError { condition, text });
            }
            Event::StreamEnd if matches!(self.state, State::Closing { .. }) => self.end(StreamFault::Closed),
            Event::StreamEnd => {
                self.write("</stream:stream>".to_owned());
                self.end(StreamFault::ClosedByServer);
            }
        }
    }

    fn bound(&mut self, now: Instant, stanza: &Framed) {
        if stanza.kind().as_deref() != Some("result") {
            let (condition, text) = answer::error_of(stanza.as_str());
            let why = if text.is_empty() { condition } else { format!("{condition}: {text}") };
            return self.give_up("undefined-condition", StreamFault::BindRefused(why));
        }
        match answer::bound_jid(stanza.as_str()) {
            Some(jid) => {
                self.state = State::Up(Liveness::QuietUntil(now + SILENCE));
                self.outputs.push_back(Output::Bound(jid));
            }
            None => self.give_up("undefined-condition", StreamFault::BindRefused("it gave us no full JID".to_owned())),
        }
    }

    fn stanza(&mut self, asked: Option<&str>, stanza: Framed) {
        let kind = stanza.kind();
        match stanza.name() {
            "iq" if matches!(kind.as_deref(), Some("get" | "set")) => {
                let reply = answer::request(&stanza);
                self.write(reply);
            }
            "iq" if asked.is_some_and(|id| is_answer(&stanza, id)) => {} // it has shown its sign of life
            "iq" | "message" | "presence" => {
                drop(kind);
                match self.room_of(&stanza) {
                    Some(room) => self.outputs.push_back(Output::ToRoom { room, stanza }),
                    None => {
                        let from = stanza.from().map(|from| from.into_owned());
                        self.outputs.push_back(Output::Ignored(Ignored::NotARoom { from }));
                    }
                }
            }
            name => self.outputs.push_back(Output::Ignored(Ignored::NotAStanza { name: name.to_owned() })),
        }
    }

    /// The room that a stanza comes from, if it is wanted. Servers write JIDs as a parser would normalise them; only where that
    /// finds nothing is one parsed.
    fn room_of(&self, stanza: &Framed) -> Option<BareJid> {
        let from = stanza.from()?;
        let bare = from.split_once('/').map_or(from.as_ref(), |(bare, _)| bare);
        if let Some(room) = self.rooms.get(bare) {
            return Some(room.clone());
        }
        self.rooms.get(BareJid::new(bare).ok()?.as_str()).cloned()
    }

    fn write(&mut self, xml: String) {
        self.outputs.push_back(Output::Write(xml.into()));
    }

    /// Ends the stream for a reason that the server should know (RFC 6120 §4.9.1).
    fn give_up(&mut self, condition: &str, fault: StreamFault) {
        self.write(format!(
            "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
        ));
        self.end(fault);
    }

    fn end(&mut self, fault: StreamFault) {
        self.state = State::Over;
        self.outputs.push_back(Output::Ended(fault));
    }
}

impl Liveness {
    fn asked(self) -> Option<String> {
        match self {
            Self::QuietUntil(_) => None,
            Self::Asked { id, .. } => Some(id),
        }
    }
}

/// Whether `stanza` answers our own request `id`. Nobody else knows the id, and servers differ in what they write as `from`.
fn is_answer(stanza: &Framed, id: &str) -> bool {
    stanza.name() == "iq"
        && matches!(stanza.kind().as_deref(), Some("result" | "error"))
        && stanza.id().as_deref() == Some(id)
}

#[cfg(test)]
mod tests;
