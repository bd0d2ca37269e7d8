//! The life of one stream after login: bind, serve, survive its connections, close. Owns liveness and the answers to requests;
//! knows which rooms there are, and nothing about what a room does.
//!
//! No presence is sent for the account itself, so that nobody's contacts see it online. When the connection breaks, the stream is
//! resumed on another (XEP-0198), and nobody in any room notices. A stream that the server has given up, or that broke the rules,
//! is not: the same stanza would break it again for ever.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use jid::{BareJid, FullJid};

use super::answer;
use super::framing::{Event, Framed, Framer, Violation};
use super::interest::may_invite;
pub use super::io::{Ignored, Input, Output, StreamFault};
use super::management::{Management, Nonza, is_stanza};
use super::proof::Proof;
use crate::env::Env;
use crate::time::Instant;

/// Silence after which the server is asked whether it is there (XEP-0199 §4.2). Long enough to cost an idle stream nothing.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long it may take to say anything then; a connection is known to be dead after both.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may take to bind a resource, or to resume a stream.
pub const BIND: Duration = Duration::from_secs(10);
/// How long a stream that we closed waits for the server's end of it.
pub const CLOSE: Duration = Duration::from_secs(2);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Before [`Input::Start`].
    New,
    /// Waiting for the answer to the request with this id.
    Binding { id: String, until: Instant },
    /// Up. Anything from the server counts as a sign of life.
    Up(Liveness),
    /// The connection is gone; at this moment the server forgets the stream.
    Suspended { until: Instant, why: StreamFault },
    /// There is another connection, and the server has been asked to go on there.
    Resuming { asked_until: Instant, until: Instant, why: StreamFault },
    /// We said `</stream:stream>` and wait for the server's.
    Closing { until: Instant },
    /// [`Output::Ended`] is out.
    Over,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    /// Heard from the server; silent until this moment.
    QuietUntil(Instant),
    /// A question is out, a ping with this id for one; dead at this moment.
    Asked { id: Option<String>, until: Instant },
}

/// One stream after login.
#[derive(Debug)]
pub struct Machine {
    pub(super) state: State,
    resource: String,
    /// How long a message is of use after it was sent.
    pub(super) patience: Duration,
    pub(super) resumable: bool,
    pub(super) framer: Framer,
    pub(super) management: Management,
    /// Of a stream that is up after it was resumed.
    pub(super) proof: Option<Proof>,
    /// What was to be sent before the stream was up.
    waiting: VecDeque<Bytes>,
    /// Whether there is place for answers to the requests of others.
    may_answer: bool,
    /// Keyed by the JID as the server writes it, which needs no parser to be found again.
    rooms: BTreeMap<String, BareJid>,
    pub(super) outputs: VecDeque<Output>,
}

impl Machine {
    /// A stream that will ask for `resource`; the server may assign another. A message that was sent longer than `patience` ago is
    /// not sent once more when the stream is resumed.
    #[must_use]
    pub fn new(resource: String, patience: Duration) -> Self {
        Self {
            state: State::New,
            resource,
            patience,
            resumable: false,
            framer: Framer::new(),
            management: Management::default(),
            proof: None,
            waiting: VecDeque::new(),
            may_answer: true,
            rooms: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input; the outputs are drained after it.
    pub fn handle(&mut self, env: &mut Env<'_>, input: Input<'_>) {
        match input {
            _ if self.state == State::Over => {}
            Input::Start { resumable } => {
                self.resumable = resumable;
                self.bind(env);
            }
            Input::StartBound { jid, resumable } => {
                self.resumable = resumable;
                self.up(env.now, jid);
            }
            Input::Received(bytes) => self.receive(env, bytes),
            Input::Send(stanza) => self.send(env.now, stanza, false),
            Input::Disconnected(_) if matches!(self.state, State::Closing { .. }) && self.management.is_settled() => {
                self.end(StreamFault::Closed);
            }
            Input::Disconnected(why) => self.lose(env.now, StreamFault::Disconnected(why)),
            Input::Reconnected { resumable } => self.reconnected(env, resumable),
            Input::ReconnectedAndResumed { handled } => self.resumed_on_the_way(env.now, handled),
            Input::ReconnectedAnew { jid, resumable } => self.replaced(env.now, jid, resumable),
            Input::GivenUp(why) => self.end(StreamFault::Disconnected(why)),
            Input::Enter(room) => {
                self.rooms.insert(room.as_str().to_owned(), room);
            }
            Input::Leave(room) => {
                self.rooms.remove(room.as_str());
            }
            Input::NoInvitation(stanza) => self.stray(env.now, &stanza),
            Input::Close if matches!(self.state, State::Closing { .. }) => {}
            Input::Close => {
                if self.management.is_on() {
                    // Or the server would take for lost what we have (XEP-0198 §4).
                    let handled = self.management.answer();
                    self.write(handled);
                }
                self.write("</stream:stream>".to_owned());
                self.proof = None;
                self.state = State::Closing { until: env.now + CLOSE };
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() {
            self.outputs.shrink_to(4);
        }
        output
    }

    /// Whether requests of others are answered from now on: whoever asks more often than the server takes our answers goes without.
    pub const fn let_answer(&mut self, may: bool) {
        self.may_answer = may;
    }

    /// Whether stanzas that are sent now go out at once.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_)) && self.proof.is_none()
    }

    /// Whether there is no connection to go out on, or none that is known to be read.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended { .. } | State::Resuming { .. }) || self.proof.is_some()
    }

    /// Whether the server has acknowledged all that was sent, as far as it is asked to.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.management.is_settled()
    }

    /// When [`Machine::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::New | State::Over => None,
            State::Binding { until, .. }
            | State::Closing { until }
            | State::Suspended { until, .. }
            | State::Resuming { asked_until: until, .. } => Some(*until),
            State::Up(Liveness::QuietUntil(until) | Liveness::Asked { until, .. }) => {
                let others = [self.management.next_timeout(), self.proof.map(Proof::until)];
                others.into_iter().flatten().chain([*until]).min()
            }
        }
    }

    /// Time has passed. Called too early, it does nothing.
    pub fn handle_timeout(&mut self, env: &mut Env<'_>) {
        if self.next_timeout().is_none_or(|at| env.now < at) {
            return;
        }
        match &self.state {
            State::Binding { .. } => self.give_up("connection-timeout", StreamFault::BindTimeout),
            State::Up(_) if self.proof.is_some_and(|proof| proof.until() <= env.now) => self.fail_to_prove(env.now),
            State::Up(Liveness::QuietUntil(until)) if *until <= env.now => self.ask_for_a_sign_of_life(env),
            State::Up(Liveness::Asked { until, .. }) if *until <= env.now => match self.management.resumable() {
                Some(_) => self.lose(env.now, StreamFault::Silent),
                None => self.give_up("connection-timeout", StreamFault::Silent),
            },
            State::Up(_) => self.manage(env.now),
            State::Suspended { why, .. } => {
                let why = why.clone();
                self.end(why);
            }
            State::Resuming { .. } => self.lose(env.now, StreamFault::Silent),
            State::Closing { .. } if self.management.is_settled() => self.end(StreamFault::Closed),
            State::Closing { .. } => self.end(StreamFault::Silent),
            State::New | State::Over => {}
        }
    }

    pub(super) fn bind(&mut self, env: &mut Env<'_>) {
        let id = env.token();
        self.write(answer::bind(&id, &self.resource));
        self.state = State::Binding { id, until: env.now + BIND };
    }

    fn ask_for_a_sign_of_life(&mut self, env: &mut Env<'_>) {
        let until = env.now + PATIENCE;
        let id = if self.management.is_on() {
            let question = self.management.question();
            self.write(question);
            None
        } else {
            let id = env.token();
            self.send(env.now, answer::ping(&id).into(), true);
            Some(id)
        };
        self.state = State::Up(Liveness::Asked { id, until });
    }

    /// What stream management wants to say by now.
    fn manage(&mut self, now: Instant) {
        for due in self.management.due(now) {
            self.outputs.push_back(Output::Write(due.into()));
        }
    }

    fn send(&mut self, now: Instant, stanza: Bytes, is_answer: bool) {
        if matches!(self.state, State::New | State::Binding { .. }) {
            return self.waiting.push_back(stanza);
        }
        self.management.sent(now, &stanza, is_answer);
        if !self.is_up() {
            return; // it is resent, if the stream ever goes on
        }
        let awaits_nothing = is_answer || self.management.counts();
        self.outputs.push_back(if awaits_nothing { Output::Write(stanza) } else { Output::Send(stanza) });
        if self.management.is_on() && self.management.wants_to_ask() {
            let question = self.management.question();
            self.write(question);
        }
    }

    fn receive(&mut self, env: &mut Env<'_>, mut bytes: &[u8]) {
        let now = env.now;
        let asked = match &mut self.state {
            State::Up(liveness) => core::mem::replace(liveness, Liveness::QuietUntil(now + SILENCE)).asked(),
            State::Suspended { .. } => return, // of a connection that is of no use any more
            _ => None,
        };
        while !matches!(self.state, State::Suspended { .. } | State::Over) {
            match self.framer.push(&mut bytes) {
                Ok(None) => break,
                Ok(Some(event)) => self.event(env, asked.as_deref(), event),
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

    fn event(&mut self, env: &mut Env<'_>, asked: Option<&str>, event: Event) {
        match event {
            Event::Stanza(stanza) if !is_stanza(stanza.name()) => match Nonza::read(&stanza) {
                Some(nonza) => self.nonza(env, nonza),
                None => self.ignore(Ignored::NotAStanza { name: stanza.name().to_owned() }),
            },
            Event::Stanza(stanza) => {
                self.management.received();
                match &self.state {
                    State::Binding { id, .. } if is_answer(&stanza, id) => self.bound(env.now, &stanza),
                    State::Up(_) => self.stanza(env.now, asked, stanza),
                    _ => self.ignore(Ignored::NotUp),
                }
            }
            Event::Skipped(skipped) => {
                // The server has counted it, whatever we make of it.
                if skipped.name.is_empty() || is_stanza(&skipped.name) {
                    self.management.received();
                }
                self.ignore(Ignored::Skipped(skipped));
            }
            Event::StreamError(error) => {
                let (condition, text) = answer::error_of(error.as_str());
                self.ended_by_server(env.now, StreamFault::ServerError { condition, text });
            }
            Event::StreamEnd if matches!(self.state, State::Closing { .. }) => self.end(StreamFault::Closed),
            Event::StreamEnd => self.ended_by_server(env.now, StreamFault::ClosedByServer),
        }
    }

    fn ended_by_server(&mut self, now: Instant, fault: StreamFault) {
        if self.proof.is_some() {
            return self.spoil(now, fault); // nothing that we said since has broken it
        }
        self.write("</stream:stream>".to_owned());
        self.end(fault);
    }

    fn bound(&mut self, now: Instant, stanza: &Framed) {
        if stanza.kind().as_deref() != Some("result") {
            let (condition, text) = answer::error_of(stanza.as_str());
            let why = if text.is_empty() { condition } else { format!("{condition}: {text}") };
            return self.give_up("undefined-condition", StreamFault::BindRefused(why));
        }
        match answer::bound_jid(stanza.as_str()) {
            Some(jid) => self.up(now, jid),
            None => self.give_up("undefined-condition", StreamFault::BindRefused("it gave us no full JID".to_owned())),
        }
    }

    /// A resource is bound.
    pub(super) fn up(&mut self, now: Instant, jid: FullJid) {
        self.state = State::Up(Liveness::QuietUntil(now + SILENCE));
        // Said first: before the server keeps a stream, somebody has to know that it does.
        self.outputs.push_back(Output::Bound(jid));
        if self.resumable {
            // Nobody waits for the answer: what is sent counts from here on, unless it is a refusal.
            let enable = self.management.enable();
            self.write(enable);
        }
        for stanza in core::mem::take(&mut self.waiting) {
            self.send(now, stanza, false);
        }
    }

    fn stanza(&mut self, now: Instant, asked: Option<&str>, stanza: Framed) {
        let is_iq = stanza.is("iq");
        if is_iq && matches!(stanza.kind().as_deref(), Some("get" | "set")) {
            if self.may_answer && self.management.takes_answers() {
                let reply = answer::request(&stanza);
                self.send(now, reply.into(), true);
            }
        } else if is_iq && asked.is_some_and(|id| is_answer(&stanza, id)) {
            // It has shown its sign of life.
        } else {
            match self.room_of(&stanza) {
                Some(room) => self.outputs.push_back(Output::ToRoom { room, stanza }),
                None if may_invite(&stanza) => self.outputs.push_back(Output::Stray(stanza)),
                None => {
                    self.stray(now, &stanza);
                    let from = stanza.from().map(|from| from.into_owned());
                    self.ignore(Ignored::NotARoom { from });
                }
            }
        }
    }

    /// A stanza from nobody whom a room here knows, which is no invitation: whoever speaks to the account learns that nobody listens.
    /// One answer to one message, and none where there is no place for answers.
    fn stray(&mut self, now: Instant, stanza: &Framed) {
        if self.may_answer
            && matches!(self.state, State::Up(_))
            && self.management.takes_answers()
            && let Some(answer) = answer::message(stanza)
        {
            self.send(now, answer.into(), true);
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

    fn ignore(&mut self, what: Ignored) {
        self.outputs.push_back(Output::Ignored(what));
    }

    pub(super) fn write(&mut self, xml: String) {
        self.outputs.push_back(Output::Write(xml.into()));
    }

    /// Ends the stream for a reason that the server should know (RFC 6120 §4.9.1).
    pub(super) fn give_up(&mut self, condition: &str, fault: StreamFault) {
        self.write(format!(
            "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
        ));
        self.end(fault);
    }

    pub(super) fn end(&mut self, fault: StreamFault) {
        self.forget();
        self.proof = None;
        self.state = State::Over;
        self.outputs.push_back(Output::Ended(fault));
    }
}

impl Liveness {
    fn asked(self) -> Option<String> {
        match self {
            Self::QuietUntil(_) => None,
            Self::Asked { id, .. } => id,
        }
    }
}

/// Whether `stanza` answers our own request `id`. Nobody else knows the id, and servers differ in what they write as `from`.
fn is_answer(stanza: &Framed, id: &str) -> bool {
    stanza.is("iq")
        && matches!(stanza.kind().as_deref(), Some("result" | "error"))
        && stanza.id().as_deref() == Some(id)
}

#[cfg(test)]
mod tests;
