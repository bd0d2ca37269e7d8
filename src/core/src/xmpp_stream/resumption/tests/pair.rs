//! A stream and a server of the pages of XEP-0198, on connections that lose what is on its way.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use jid::{BareJid, FullJid};

use super::super::super::framing::{Event, Framer};
use super::super::super::machine::{Input, Machine, Output, StreamFault};
use crate::env::{Env, IdSource};
use crate::time::{Instant, WallClock};

pub(super) const REFLECTION: Duration = Duration::from_secs(25);
pub(super) const ROOM: &str = "capulet@muc.test";

struct Counter(u128);

impl IdSource for Counter {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// What the server keeps of the stream.
#[derive(Default)]
pub(super) struct Session {
    pub(super) handled: u32,
    acknowledged: u32,
    queue: VecDeque<String>,
}

/// Both ends, and the two directions between them, in pieces that may be lost together.
pub(super) struct Pair {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    ids: Counter,
    pub(super) connected: bool,
    /// Whether the session of the server has this connection.
    attached: bool,
    pub(super) to_server: Vec<u8>,
    to_us: Vec<u8>,
    server: Framer,
    /// What it has of that stanza, while somebody logs in.
    half: Option<Framer>,
    /// Whether it reads no more on this connection.
    has_given_up: bool,
    /// Whether it goes on in the midst of the stanza in which a connection was cut off, as Prosody 0.12 does.
    pub(super) keeps_half: bool,
    pub(super) session: Option<Session>,
    /// Whether the server has lost the session.
    pub(super) forgets: bool,
    /// Whether it lets nobody enable anything.
    refuses: bool,
    /// Messages that the server has handled, and that the rooms have heard.
    pub(super) said: Vec<String>,
    pub(super) heard: Vec<String>,
    /// What waits until we are back, which is first what was not handled before.
    unsent: Vec<String>,
    is_outside: bool,
    /// How many of ours are not off our hands.
    pub(super) held: usize,
    pub(super) log: Vec<Output>,
}

impl Pair {
    /// Both ends of a stream that is up, and managed.
    pub(super) fn new() -> Self {
        let mut pair = Self::binding(false);
        pair.settles();
        pair
    }

    /// The server offers to resume streams and refuses it then; its refusal has not arrived.
    pub(super) fn refusing() -> Self {
        let mut pair = Self::binding(true);
        pair.server_reads(usize::MAX);
        pair.we_read(usize::MAX);
        pair
    }

    fn binding(refuses: bool) -> Self {
        let mut pair = Self {
            refuses,
            machine: Machine::new("focus1".into(), REFLECTION),
            now: Instant::ZERO,
            ids: Counter(0),
            connected: true,
            attached: false,
            to_server: Vec::new(),
            to_us: Vec::new(),
            server: Framer::new(),
            half: None,
            has_given_up: false,
            keeps_half: false,
            session: None,
            forgets: false,
            said: Vec::new(),
            heard: Vec::new(),
            unsent: Vec::new(),
            is_outside: false,
            held: 0,
            log: Vec::new(),
        };
        pair.input(Input::Enter(BareJid::new(ROOM).expect("a JID")));
        pair.input(Input::Start { resumable: true });
        pair
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.machine.handle(&mut env, input);
        self.drain();
    }

    pub(super) fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
            self.machine.handle_timeout(&mut env);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            match &output {
                Output::Write(bytes) => self.to_server.extend_from_slice(bytes),
                Output::Send(bytes) => {
                    self.to_server.extend_from_slice(bytes);
                    self.held -= 1;
                }
                Output::Settled(count) => {
                    self.held = self.held.checked_sub(*count).expect("no more settled than sent");
                }
                Output::ToRoom { stanza, .. } => self.heard.push(body(stanza.as_str())),
                Output::Suspended(_) => self.disconnect(),
                Output::Reset { unhandled, .. } => {
                    self.is_outside = true;
                    self.unsent.splice(..0, unhandled.iter().cloned());
                }
                Output::Bound(_) => self.is_outside = false,
                _ => {}
            }
            if !matches!(output, Output::Write(_) | Output::Send(_) | Output::ToRoom { .. } | Output::Settled(_)) {
                self.log.push(output);
            }
        }
        if !self.is_outside {
            core::mem::take(&mut self.unsent).iter().for_each(|text| self.say(text));
        }
    }

    fn disconnect(&mut self) {
        (self.connected, self.attached) = (false, false);
        self.to_server.clear();
        self.to_us.clear();
    }

    /// Another connection is read from its beginning.
    fn connects(&mut self) {
        (self.connected, self.has_given_up) = (true, false);
        let old = core::mem::take(&mut self.server);
        self.half = (self.keeps_half && self.session.is_some()).then(|| self.half.take().unwrap_or(old));
    }

    /// The stream goes on where the server thinks that it was cut off.
    fn attach(&mut self) {
        self.attached = true;
        if let Some(half) = self.half.take() {
            self.server = half;
        }
    }

    /// The connection breaks when so many octets have got through in each direction, and what got through is still read.
    pub(super) fn cut(&mut self, to_server: usize, to_us: usize) {
        self.to_server.truncate(to_server);
        self.to_us.truncate(to_us);
        let arrives = core::mem::take(&mut self.to_us);
        self.server_reads(usize::MAX); // what it answers gets nowhere
        self.input(Input::Received(&arrives));
        self.input(Input::Disconnected("cut".into()));
        self.disconnect();
    }

    pub(super) fn reconnects(&mut self) {
        self.connects();
        self.input(Input::Reconnected { resumable: true });
    }

    /// The same, and the stream is resumed, or another bound, while we log in.
    pub(super) fn reconnects_in_one(&mut self) {
        let resume = self.machine.resume();
        self.connects();
        match (&mut self.session, resume) {
            (Some(session), Some(resume)) if !self.forgets => {
                assert_eq!(attribute(&resume, "previd"), "a&amp;b");
                acknowledge(session, &resume);
                let (handled, again) = (session.handled, session.queue.clone());
                self.attach();
                again.iter().for_each(|stanza| self.server_writes(stanza));
                self.input(Input::ReconnectedAndResumed { handled });
            }
            _ => {
                (self.session, self.forgets) = (None, false);
                let jid = FullJid::new("romeo@xmpp.test/focus1~new").expect("a JID");
                self.input(Input::ReconnectedAnew { jid, resumable: true });
            }
        }
    }

    /// Lets everything arrive that is on its way, and all that comes of it.
    pub(super) fn settles(&mut self) {
        while !(self.to_server.is_empty() && self.to_us.is_empty()) {
            self.server_reads(usize::MAX);
            self.we_read(usize::MAX);
        }
    }

    pub(super) fn we_read(&mut self, octets: usize) {
        let rest = self.to_us.split_off(self.to_us.len().min(octets));
        let bytes = core::mem::replace(&mut self.to_us, rest);
        self.input(Input::Received(&bytes));
    }

    pub(super) fn server_reads(&mut self, octets: usize) {
        let rest = self.to_server.split_off(self.to_server.len().min(octets));
        let bytes = core::mem::replace(&mut self.to_server, rest);
        let mut unread = bytes.as_slice();
        while !self.has_given_up {
            match self.server.push(&mut unread) {
                Ok(Some(Event::Stanza(stanza))) => self.serve(stanza.name(), stanza.as_str()),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    assert!(self.keeps_half, "we write XML");
                    return self.server_gives_up();
                }
            }
        }
    }

    /// It was not well-formed, and the session is over with the stream: of that it first says how far it has come.
    fn server_gives_up(&mut self) {
        let handled = self.session.as_ref().map_or(0, |session| session.handled);
        self.server_writes(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>"));
        self.server_writes("<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
        (self.session, self.attached, self.has_given_up) = (None, false, true);
        (self.server, self.half) = (Framer::new(), None);
    }

    fn serve(&mut self, name: &str, xml: &str) {
        match (name, &mut self.session) {
            ("iq", _) if xml.contains("<bind") => {
                let id = attribute(xml, "id");
                self.server_writes(&format!(
                    "<iq id='{id}' type='result'><bind><jid>romeo@xmpp.test/focus1</jid></bind></iq>"
                ));
            }
            ("enable", _) if self.refuses => self.server_writes("<failed xmlns='urn:xmpp:sm:3'/>"),
            ("enable", _) => {
                (self.session, self.attached) = (Some(Session::default()), true);
                self.server_writes("<enabled xmlns='urn:xmpp:sm:3' id='a&amp;b' resume='true' max='300'/>");
            }
            ("resume", Some(session)) if !self.forgets => {
                assert_eq!(attribute(xml, "previd"), "a&amp;b");
                acknowledge(session, xml);
                let resumed = format!("<resumed xmlns='urn:xmpp:sm:3' h='{}' previd='a&amp;b'/>", session.handled);
                let again: Vec<String> = session.queue.iter().cloned().collect();
                self.attach();
                self.server_writes(&resumed);
                again.iter().for_each(|stanza| self.server_writes(stanza));
            }
            ("resume", _) => {
                (self.session, self.forgets) = (None, false);
                self.server_writes("<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='s'/></failed>");
            }
            ("r", Some(session)) => {
                let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", session.handled);
                self.server_writes(&answer);
            }
            ("a", Some(session)) => acknowledge(session, xml),
            ("message" | "presence" | "iq", session) => {
                if let Some(session) = session {
                    session.handled = session.handled.wrapping_add(1);
                }
                if name == "message" {
                    self.said.push(body(xml));
                }
            }
            (other, _) => panic!("{other}"),
        }
    }

    fn server_writes(&mut self, xml: &str) {
        if self.connected {
            self.to_us.extend_from_slice(xml.as_bytes());
        }
    }

    /// A stanza comes for us, and waits while there is no connection. Where the server has given us up it goes nowhere.
    pub(super) fn comes(&mut self, stanza: &str) {
        let Some(session) = &mut self.session else { return };
        session.queue.push_back(stanza.to_owned());
        if self.attached {
            self.server_writes(stanza);
        }
    }

    pub(super) fn room_says(&mut self, text: &str) {
        self.comes(&format!("<message from='{ROOM}/Juliet' type='groupchat'><body>{text}</body></message>"));
    }

    pub(super) fn server_asks(&mut self) {
        if self.attached {
            self.server_writes("<r xmlns='urn:xmpp:sm:3'/>");
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        if self.is_outside {
            return self.unsent.push(text.to_owned());
        }
        self.held += 1;
        self.input(Input::Send(message(text)));
    }

    pub(super) fn ended(&self) -> Option<&StreamFault> {
        self.log.iter().find_map(|output| if let Output::Ended(fault) = output { Some(fault) } else { None })
    }
}

fn acknowledge(session: &mut Session, xml: &str) {
    let handled: u32 = attribute(xml, "h").parse().expect("a number");
    let news = handled.wrapping_sub(session.acknowledged);
    session.acknowledged = handled;
    for _ in 0..news {
        session.queue.pop_front().expect("we acknowledge no more than was sent");
    }
}

fn message(text: &str) -> Bytes {
    format!("<message to='{ROOM}' type='groupchat' id='{text}'><body>{text}</body></message>").into()
}

fn body(xml: &str) -> String {
    let inside = xml.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>"));
    inside.map_or_else(String::new, |(body, _)| body.to_owned())
}

fn attribute(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("{name}='")).map(|(_, rest)| rest).expect("the attribute");
    after.split_once('\'').expect("its end").0.to_owned()
}
