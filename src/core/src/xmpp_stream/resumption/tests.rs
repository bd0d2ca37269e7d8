//! A stream and a server of the pages of XEP-0198, on connections that lose what is on its way: XM-02.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use jid::{BareJid, FullJid};
use proptest::prelude::*;

use super::super::framing::{Event, Framer};
use super::super::machine::{Ignored, Input, Machine, Output, PATIENCE, SILENCE, StreamFault};
use crate::env::{Env, IdSource};
use crate::time::{Instant, WallClock};

const REFLECTION: Duration = Duration::from_secs(25);
const ROOM: &str = "capulet@muc.test";
const PING: &str = "<iq type='get' id='1' from='x@y/z'><ping xmlns='urn:xmpp:ping'/></iq>";

struct Counter(u128);

impl IdSource for Counter {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// What the server keeps of the stream.
#[derive(Default)]
struct Session {
    handled: u32,
    acknowledged: u32,
    queue: VecDeque<String>,
}

/// Both ends, and the two directions between them, in pieces that may be lost together.
struct Pair {
    machine: Machine,
    now: Instant,
    ids: Counter,
    connected: bool,
    /// Whether the session of the server has this connection.
    attached: bool,
    to_server: Vec<u8>,
    to_us: Vec<u8>,
    server: Framer,
    bound: bool,
    session: Option<Session>,
    /// Whether the server has lost the session.
    forgets: bool,
    /// Whether it lets nobody enable anything.
    refuses: bool,
    /// Messages that the server has handled, and that the rooms have heard.
    said: Vec<String>,
    heard: Vec<String>,
    /// How many of ours are not off our hands.
    held: usize,
    log: Vec<Output>,
}

impl Pair {
    /// Both ends of a stream that is up, and managed.
    fn new() -> Self {
        let mut pair = Self::binding(false);
        pair.settles();
        pair
    }

    /// The server offers to resume streams and refuses it then; its refusal has not arrived.
    fn refusing() -> Self {
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
            bound: false,
            session: None,
            forgets: false,
            said: Vec::new(),
            heard: Vec::new(),
            held: 0,
            log: Vec::new(),
        };
        pair.input(Input::Enter(BareJid::new(ROOM).expect("a JID")));
        pair.input(Input::Start { resumable: true });
        pair
    }

    fn input(&mut self, input: Input<'_>) {
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.machine.handle(&mut env, input);
        self.drain();
    }

    fn passes(&mut self, time: Duration) {
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
                _ => {}
            }
            if !matches!(output, Output::Write(_) | Output::Send(_) | Output::ToRoom { .. } | Output::Settled(_)) {
                self.log.push(output);
            }
        }
    }

    fn disconnect(&mut self) {
        (self.connected, self.attached) = (false, false);
        self.to_server.clear();
        self.to_us.clear();
        self.server = Framer::new();
    }

    /// The connection breaks when so many octets have got through in each direction, and what got through is still read.
    fn cut(&mut self, to_server: usize, to_us: usize) {
        self.to_server.truncate(to_server);
        self.to_us.truncate(to_us);
        let arrives = core::mem::take(&mut self.to_us);
        self.server_reads(usize::MAX); // what it answers gets nowhere
        self.input(Input::Received(&arrives));
        self.input(Input::Disconnected("cut".into()));
        self.disconnect();
    }

    fn reconnects(&mut self) {
        self.connected = true;
        self.server = Framer::new();
        self.input(Input::Reconnected { resumable: true });
    }

    /// The same, and the stream is resumed, or another bound, while we log in.
    fn reconnects_in_one(&mut self) {
        let Some(resume) = self.machine.resume() else { return self.reconnects() };
        self.connected = true;
        self.server = Framer::new();
        match &mut self.session {
            Some(session) if !self.forgets => {
                assert_eq!(attribute(&resume, "previd"), "a&amp;b");
                acknowledge(session, &resume);
                let (handled, again) = (session.handled, session.queue.clone());
                self.attached = true;
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
    fn settles(&mut self) {
        while !(self.to_server.is_empty() && self.to_us.is_empty()) {
            self.server_reads(usize::MAX);
            self.we_read(usize::MAX);
        }
    }

    fn we_read(&mut self, octets: usize) {
        let rest = self.to_us.split_off(self.to_us.len().min(octets));
        let bytes = core::mem::replace(&mut self.to_us, rest);
        self.input(Input::Received(&bytes));
    }

    fn server_reads(&mut self, octets: usize) {
        let rest = self.to_server.split_off(self.to_server.len().min(octets));
        let bytes = core::mem::replace(&mut self.to_server, rest);
        let mut unread = bytes.as_slice();
        while let Some(event) = self.server.push(&mut unread).expect("we write XML") {
            let Event::Stanza(stanza) = event else { continue };
            self.serve(stanza.name(), stanza.as_str());
        }
    }

    fn serve(&mut self, name: &str, xml: &str) {
        match (name, &mut self.session) {
            ("iq", _) if !self.bound => {
                self.bound = true;
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
                self.attached = true;
                self.server_writes(&resumed);
                again.iter().for_each(|stanza| self.server_writes(stanza));
            }
            ("resume", _) => {
                (self.session, self.bound, self.forgets) = (None, false, false);
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

    /// A stanza comes for us, and waits while there is no connection.
    fn comes(&mut self, stanza: &str) {
        self.session.as_mut().expect("a session").queue.push_back(stanza.to_owned());
        if self.attached {
            self.server_writes(stanza);
        }
    }

    fn room_says(&mut self, text: &str) {
        self.comes(&format!("<message from='{ROOM}/Juliet' type='groupchat'><body>{text}</body></message>"));
    }

    fn server_asks(&mut self) {
        if self.attached {
            self.server_writes("<r xmlns='urn:xmpp:sm:3'/>");
        }
    }

    fn say(&mut self, text: &str) {
        self.held += 1;
        self.input(Input::Send(message(text)));
    }

    fn ended(&self) -> Option<&StreamFault> {
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
    format!("<message to='{ROOM}' type='groupchat'><body>{text}</body></message>").into()
}

fn body(xml: &str) -> String {
    let inside = xml.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>"));
    inside.map_or_else(String::new, |(body, _)| body.to_owned())
}

fn attribute(xml: &str, name: &str) -> String {
    let after = xml.split_once(&format!("{name}='")).map(|(_, rest)| rest).expect("the attribute");
    after.split_once('\'').expect("its end").0.to_owned()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

#[derive(Debug, Clone)]
enum Act {
    WeSay,
    TheySay,
    TheyAsk,
    /// Somebody pings us, which we answer by ourselves.
    TheyPing,
    ServerReads(usize),
    WeRead(usize),
    Passes(u64),
    Cut(usize, usize),
    Reconnects,
    ReconnectsInOne,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::WeSay),
        8 => Just(Act::TheySay),
        3 => Just(Act::TheyAsk),
        1 => Just(Act::TheyPing),
        6 => (1_usize..400).prop_map(Act::ServerReads),
        6 => (1_usize..400).prop_map(Act::WeRead),
        3 => (1_u64..3000).prop_map(Act::Passes),
        2 => (0_usize..600, 0_usize..600).prop_map(|(one, other)| Act::Cut(one, other)),
        2 => Just(Act::Reconnects),
        2 => Just(Act::ReconnectsInOne),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Wherever connections break, each message of either side arrives once and in order, and everything is off our hands.
    #[test]
    fn wherever_connections_break_everything_arrives_once_and_in_order(acts in prop::collection::vec(act(), 1..120)) {
        let mut pair = Pair::new();
        let (mut ours, mut theirs) = (0, 0);
        for act in acts {
            match act {
                Act::WeSay => {
                    pair.say(&format!("r{ours}"));
                    ours += 1;
                }
                Act::TheySay => {
                    pair.room_says(&format!("j{theirs}"));
                    theirs += 1;
                }
                Act::TheyAsk => pair.server_asks(),
                Act::TheyPing => pair.comes(PING),
                Act::ServerReads(octets) => pair.server_reads(octets),
                Act::WeRead(octets) => pair.we_read(octets),
                Act::Passes(millis) => pair.passes(Duration::from_millis(millis)),
                Act::Cut(one, other) if pair.connected => pair.cut(one, other),
                Act::Reconnects if !pair.connected => pair.reconnects(),
                Act::ReconnectsInOne if !pair.connected => pair.reconnects_in_one(),
                Act::Cut(..) | Act::Reconnects | Act::ReconnectsInOne => {}
            }
            prop_assert!(pair.now < Instant::ZERO + Duration::from_secs(400));
        }
        if !pair.connected {
            pair.reconnects();
        }
        pair.settles();
        pair.passes(Duration::from_secs(2));
        pair.settles();
        prop_assert_eq!(pair.ended(), None);
        prop_assert_eq!(&pair.heard, &names("j", theirs));
        // Those that were late when the stream was resumed are left out; the others are there, once, in order.
        let mut all = names("r", ours).into_iter();
        for said in &pair.said {
            prop_assert!(all.any(|line| line == *said), "{} twice or out of order", said);
        }
        if pair.now < Instant::ZERO + REFLECTION {
            prop_assert_eq!(pair.said.len(), ours);
        }
        prop_assert_eq!(pair.held, 0);
    }
}

#[test]
fn nobody_waits_for_the_answer_to_enable() {
    let mut pair = Pair::new();
    pair.say("at once");
    pair.settles();
    assert_eq!(pair.said, ["at once"]);
    assert_eq!(pair.held, 1, "until the server says that it has it");
    pair.passes(Duration::from_secs(1));
    pair.settles();
    assert_eq!(pair.held, 0);
}

#[test]
fn a_server_that_does_not_manage_streams_after_all_holds_nothing_up() {
    let mut pair = Pair::refusing();
    pair.say("one");
    assert_eq!(pair.held, 1, "it may be managed yet");
    pair.settles();
    assert_eq!(pair.held, 0);
    pair.say("two");
    assert_eq!(pair.held, 0, "off our hands when it is written");
    pair.input(Input::Disconnected("cut".into()));
    assert_eq!(pair.ended(), Some(&StreamFault::Disconnected("cut".into())));
}

#[test]
fn a_server_that_has_forgotten_the_stream_is_given_another() {
    let mut pair = Pair::new();
    pair.say("last words");
    pair.cut(0, 0);
    pair.say("said meanwhile");
    pair.forgets = true;
    pair.log.clear();
    pair.reconnects();
    pair.settles();
    assert!(matches!(pair.log.as_slice(), [Output::Reset(_), Output::Bound(_)]), "{:?}", pair.log);
    assert_eq!((pair.held, pair.said.len()), (0, 0), "nothing is posted on a guess");
    pair.say("anew");
    pair.cut(10_000, 0);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["anew"], "the new one is resumed in its turn");
}

/// XM-19: no round trip more than logging in.
#[test]
fn a_stream_goes_on_as_soon_as_we_are_logged_in() {
    let mut pair = Pair::new();
    pair.say("one");
    pair.cut(0, 0);
    pair.say("two");
    pair.room_says("three");
    pair.log.clear();
    pair.reconnects_in_one();
    assert!(pair.machine.is_up());
    pair.settles();
    assert_eq!(pair.log, [Output::Resumed]);
    assert_eq!(
        (pair.said.as_slice(), pair.heard.as_slice()),
        (names_of("one two").as_slice(), names_of("three").as_slice())
    );
}

/// XM-19
#[test]
fn a_stream_that_is_forgotten_is_replaced_as_soon_as_we_are_logged_in() {
    let mut pair = Pair::new();
    pair.say("last words");
    pair.cut(0, 0);
    pair.forgets = true;
    pair.log.clear();
    pair.reconnects_in_one();
    assert!(pair.machine.is_up());
    pair.settles();
    let [Output::Reset(_), Output::Bound(jid)] = pair.log.as_slice() else { panic!("{:?}", pair.log) };
    assert_eq!(jid.resource().as_str(), "focus1~new");
    assert_eq!((pair.held, pair.said.len()), (0, 0), "nothing is posted on a guess");
    pair.say("anew");
    pair.cut(10_000, 0);
    pair.reconnects_in_one();
    pair.settles();
    assert_eq!(pair.said, ["anew"], "the new one is resumed in its turn");
}

/// A connection that nobody asked for changes nothing.
#[test]
fn what_was_not_asked_for_is_not_resumed() {
    let mut pair = Pair::new();
    assert_eq!(pair.machine.resume(), None);
    pair.log.clear();
    pair.input(Input::ReconnectedAndResumed { handled: 7 });
    let jid = FullJid::new("romeo@xmpp.test/other").expect("a JID");
    pair.input(Input::ReconnectedAnew { jid, resumable: true });
    assert_eq!(pair.log, []);
}

fn names_of(lines: &str) -> Vec<String> {
    lines.split(' ').map(ToOwned::to_owned).collect()
}

/// Its author has been told that nobody knows what became of it.
#[test]
fn what_is_too_late_is_not_said_once_more() {
    let mut pair = Pair::new();
    pair.say("too late");
    pair.held += 1;
    pair.input(Input::Send(format!("<presence to='{ROOM}/Romeo' type='unavailable'/>").into()));
    pair.cut(0, 0);
    pair.passes(REFLECTION);
    pair.say("in time");
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["in time"]);
    assert_eq!(pair.session.as_ref().map(|s| s.handled), Some(2), "the presence is never too late");
    pair.passes(Duration::from_secs(2));
    pair.settles();
    assert_eq!(pair.held, 0);
}

#[test]
fn a_server_that_is_silent_loses_its_connection_without_a_word() {
    let mut pair = Pair::new();
    pair.passes(SILENCE);
    assert_eq!(String::from_utf8_lossy(&pair.to_server), "<r xmlns='urn:xmpp:sm:3'/>");
    pair.passes(PATIENCE - Duration::from_millis(1));
    assert!(pair.connected);
    pair.passes(Duration::from_millis(1));
    assert!(matches!(pair.log.last(), Some(Output::Suspended(StreamFault::Silent))), "{:?}", pair.log);
    assert!(pair.to_server.is_empty(), "a word would end the stream for good");
}

#[test]
fn a_stream_that_is_not_resumed_in_time_is_over() {
    let mut pair = Pair::new();
    pair.say("unheard");
    pair.cut(0, 0);
    pair.passes(Duration::from_secs(299));
    assert_eq!(pair.ended(), None);
    pair.passes(Duration::from_secs(1));
    assert_eq!(pair.ended(), Some(&StreamFault::Disconnected("cut".into())));
    assert_eq!(pair.held, 0);
}

/// The server would send the same stanza again after each resumption.
#[test]
fn a_stream_that_broke_the_rules_is_not_resumed() {
    let mut pair = Pair::new();
    pair.input(Input::Received(b"<message></presence>"));
    assert!(matches!(pair.ended(), Some(StreamFault::Violation(_))), "{:?}", pair.log);
}

#[test]
fn a_server_that_acknowledges_too_much_is_not_believed_any_more() {
    for lie in ["<a xmlns='urn:xmpp:sm:3' h='2'/>", "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>"] {
        let mut pair = Pair::new();
        pair.say("one");
        pair.input(Input::Received(lie.as_bytes()));
        assert_eq!(pair.ended(), Some(&StreamFault::AcknowledgedTooMuch));
        assert_eq!(pair.held, 0);
    }
}

#[test]
fn what_makes_no_sense_is_ignored() {
    let mut pair = Pair::new();
    pair.log.clear();
    for nonsense in [
        "<a xmlns='urn:xmpp:sm:3'/>",
        "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
        "<a xmlns='urn:xmpp:sm:3' h='99999999999'/>",
        "<enabled xmlns='urn:xmpp:sm:3' id='other' resume='true'/>",
        "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='x'/>",
        "<failed xmlns='urn:xmpp:sm:3'/>",
        "<nonsense xmlns='urn:xmpp:sm:3'/>",
    ] {
        pair.input(Input::Received(nonsense.as_bytes()));
    }
    assert_eq!(pair.log, []);
    pair.input(Input::Received(b"<r xmlns='urn:example'/>"));
    assert_eq!(pair.log, [Output::Ignored(Ignored::NotAStanza { name: "r".into() })]);
    pair.passes(Duration::from_secs(1));
    assert!(pair.to_server.is_empty(), "{:?}", String::from_utf8_lossy(&pair.to_server));
    pair.say("all is well");
    pair.cut(10_000, 10_000);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.said, ["all is well"]);
}

/// ejabberd asks after each stanza.
#[test]
fn many_questions_of_the_server_get_one_answer() {
    let mut pair = Pair::new();
    for n in 0..50 {
        pair.room_says(&format!("j{n}"));
        pair.server_asks();
        pair.we_read(usize::MAX);
    }
    assert!(pair.to_server.is_empty());
    pair.passes(Duration::from_millis(200));
    assert_eq!(String::from_utf8_lossy(&pair.to_server), "<a xmlns='urn:xmpp:sm:3' h='50'/>");
}

/// What we keep for others is bounded: who pings without end goes without answers, and costs nobody anything.
#[test]
fn answers_that_the_server_does_not_acknowledge_come_to_an_end() {
    let mut pair = Pair::new();
    for _ in 0..1000 {
        pair.input(Input::Received(PING.as_bytes()));
    }
    let written = String::from_utf8_lossy(&pair.to_server).matches("type='result'").count();
    assert_eq!(written, 128);
    pair.say("still talking");
    pair.passes(Duration::from_secs(1));
    pair.settles();
    assert_eq!((pair.said.as_slice(), pair.held), (["still talking".to_string()].as_slice(), 0));
}

/// Skipped or not, the server has counted it.
#[test]
fn a_stanza_that_is_left_out_counts() {
    let mut pair = Pair::new();
    let unfit = format!("<message from='{ROOM}/M'><!-- no --></message>");
    pair.comes(&unfit);
    pair.settles();
    pair.cut(0, 0);
    pair.log.clear();
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.log, [Output::Resumed], "it is not sent again");
}

/// What was said before the stream is closed is heard before it, also where the connection breaks just then.
#[test]
fn a_close_that_was_not_heard_is_not_the_end_of_what_was_said() {
    let mut pair = Pair::new();
    pair.held += 1;
    pair.input(Input::Send(format!("<presence to='{ROOM}/Romeo' type='unavailable'/>").into()));
    pair.input(Input::Close);
    pair.to_server.clear();
    pair.input(Input::Disconnected("cut".into()));
    assert_eq!(pair.ended(), None);
    pair.reconnects();
    pair.settles();
    assert_eq!(pair.session.as_ref().map(|s| s.handled), Some(1));
}
