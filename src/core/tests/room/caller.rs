//! A SIP user's client: its call, and its end of an MSRP session with real octets.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use jid::BareJid;
use mucfocus_core::leg::LegId;
use mucfocus_core::leg::call::{CallCommand, Refusal};
use mucfocus_core::msrp::transmitter::Octets;
use mucfocus_core::room::io::Trace;
use mucfocus_core::wire::cpim::Cpim;
use mucfocus_core::wire::imdn::{Imdn, Tracking};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::frame::{Frame, Method, Start};

/// What a client has seen of its call and its session.
pub struct Caller {
    pub leg: LegId,
    pub name: String,
    pub account: BareJid,
    pub create: bool,
    pub setup: &'static str,
    /// Whether he leaves the offer to the room, and answers it in his ACK.
    pub is_silent: bool,
    /// Other words in his offer, each in place of those before it.
    pub offers_instead: Vec<(&'static str, String)>,
    /// How often he has moved to another path.
    pub moved: u32,
    pub provisionals: usize,
    /// The offer of the room that called him.
    pub invited: Option<String>,
    /// SDP of the 200.
    pub answer: Option<String>,
    pub refusal: Option<Refusal>,
    pub reinvites: Vec<Result<Bytes, Refusal>>,
    pub bye: Option<(u16, String)>,
    pub is_gone: bool,
    pub is_banned: bool,
    pub is_bound: bool,
    /// Whether a connection of the session broke, and what was under way with it.
    pub lost_once: bool,
    pub session: Option<String>,
    pub connects: usize,
    collector: Collector,
    read: BytesMut,
    /// What was read in the chat window.
    pub heard: Vec<(String, String)>,
    /// What was said before he came, with its time.
    pub earlier: Vec<(String, String, String)>,
    /// Both, in the order in which he read them.
    pub read_in_order: Vec<(String, String)>,
    /// What was said to him alone.
    pub whispered: Vec<(String, String)>,
    /// What the room itself has to tell him.
    pub notices: Vec<String>,
    /// Who types, by document.
    pub composing: Vec<(String, String)>,
    /// What was shown to him, and how it is called.
    pub tracked: Vec<(String, Tracking)>,
    /// What became of his messages, and the name of who tells.
    pub told: Vec<(String, Imdn)>,
    pub greetings: usize,
    shown: BTreeSet<String>,
    /// Messages that came once more under the same Message-ID.
    pub repeated: usize,
    /// The transaction of the last request of the room.
    pub last_request: String,
    /// Its Message-ID.
    pub last_message: String,
    /// What the last message was wrapped in, octet for octet.
    pub last_wrapping: String,
    /// Texts of his own, which he must not hear.
    pub spoke: BTreeSet<String>,
    /// Response codes by transaction.
    pub responses: BTreeMap<String, u16>,
    pub comments: Vec<String>,
    pub reports: Vec<Frame>,
    /// SENDs that completed a message with Failure-Report yes, and what they said.
    pub expects: BTreeMap<String, String>,
    pub transactions: u32,
    pub taken: usize,
    pub credited: usize,
    pub traces: Vec<Trace>,
    /// Whether requests of the room are answered.
    pub responds: bool,
}

impl Caller {
    pub fn new(leg: LegId, name: &str) -> Self {
        Self {
            leg,
            name: name.into(),
            account: BareJid::new(&format!("{}@example.org", name.to_lowercase())).unwrap(),
            create: false,
            setup: "active",
            is_silent: false,
            offers_instead: Vec::new(),
            moved: 0,
            provisionals: 0,
            invited: None,
            answer: None,
            refusal: None,
            reinvites: Vec::new(),
            bye: None,
            is_gone: false,
            is_banned: false,
            is_bound: false,
            lost_once: false,
            session: None,
            connects: 0,
            collector: Collector::new(1 << 20),
            read: BytesMut::new(),
            heard: Vec::new(),
            earlier: Vec::new(),
            read_in_order: Vec::new(),
            whispered: Vec::new(),
            notices: Vec::new(),
            composing: Vec::new(),
            tracked: Vec::new(),
            told: Vec::new(),
            greetings: 0,
            shown: BTreeSet::new(),
            repeated: 0,
            last_request: String::new(),
            last_message: String::new(),
            last_wrapping: String::new(),
            spoke: BTreeSet::new(),
            responses: BTreeMap::new(),
            comments: Vec::new(),
            reports: Vec::new(),
            expects: BTreeMap::new(),
            transactions: 0,
            taken: 0,
            credited: 0,
            traces: Vec::new(),
            responds: true,
        }
    }

    pub fn uri(&self) -> String {
        format!("sip:{}@example.org", self.name.to_lowercase())
    }

    pub fn path(&self) -> String {
        let moved = "m".repeat(usize::try_from(self.moved).unwrap());
        format!("msrp://client.example.org:7654/{}{}{moved};tcp", self.name.to_lowercase(), self.leg.0)
    }

    pub fn offer(&self) -> String {
        let (path, setup) = (self.path(), self.setup);
        let offer = format!(
            "v=0\r\no=- {0} 1 IN IP4 client.example.org\r\ns=-\r\nc=IN IP4 client.example.org\r\nt=0 0\r\n\
             m=message 7654 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
             a=setup:{setup}\r\na=path:{path}\r\na=chatroom:nickname private-messages\r\n",
            self.leg.0
        );
        self.offers_instead.iter().fold(offer, |offer, (what, instead)| offer.replace(what, instead))
    }

    pub fn call(&mut self, command: CallCommand) {
        assert!(!self.is_gone, "{} is told {command:?} although the leg is gone", self.name);
        match command {
            CallCommand::Progress => self.provisionals += 1,
            CallCommand::Accept { answer } => {
                assert!(self.answer.is_none() && self.refusal.is_none(), "two final responses");
                self.answer = Some(String::from_utf8(answer.to_vec()).unwrap());
            }
            CallCommand::Reject(refusal) => {
                assert!(self.answer.is_none() && self.refusal.is_none(), "two final responses");
                assert!((300..700).contains(&refusal.code));
                self.refusal = Some(refusal);
            }
            CallCommand::AnswerReinvite(answer) => self.reinvites.push(answer),
            CallCommand::Bye { cause, text } => {
                assert!(self.answer.is_some() || self.invited.is_some() && self.bye.is_none(), "a BYE without a call");
                self.bye = Some((cause, text));
            }
        }
    }

    /// A new connection begins between two messages.
    pub fn reads_anew(&mut self) {
        (self.collector, self.read) = (Collector::new(1 << 20), BytesMut::new());
    }

    /// Reads what the room writes; gives the responses back as octets.
    pub fn reads(&mut self, octets: Octets) -> Vec<String> {
        if self.lost_once && !self.is_bound {
            return Vec::new(); // the room has not heard of it yet
        }
        assert!(self.is_bound, "something is written to {} although there is no connection", self.name);
        for part in octets.into_parts() {
            self.read.extend_from_slice(&part);
        }
        let mut written = Vec::new();
        while let Some(incoming) = self.collector.next(&mut self.read).expect("the room writes MSRP") {
            match incoming {
                Incoming::Frame(frame) => written.extend(self.takes(frame)),
                Incoming::Bad(bad) => panic!("the room wrote {bad:?}"),
            }
        }
        written
    }

    fn takes(&mut self, frame: Frame) -> Option<String> {
        let transaction = frame.head.transaction.as_str().to_string();
        match &frame.head.start {
            Start::Response { code, comment } => {
                let before = self.responses.insert(transaction, *code);
                assert_eq!(before, None, "two responses to one request");
                self.comments.extend(comment.clone());
                None
            }
            Start::Request(Method::Report) => {
                self.reports.push(frame);
                None
            }
            Start::Request(Method::Send) => {
                assert_eq!(frame.head.to_path.endpoint().as_str(), self.path());
                let own = frame.head.from_path.endpoint().as_str();
                assert_eq!(own.split('/').nth(3).and_then(|s| s.strip_suffix(";tcp")), self.session.as_deref());
                self.last_request.clone_from(&transaction);
                self.last_message = frame.head.message_id.clone().unwrap_or_default();
                match &frame.head.content_type {
                    None => self.greetings += 1,
                    Some(_) => self.shows(frame.head.message_id.as_deref().unwrap_or_default(), &frame.body),
                }
                let (path, own) = (self.path(), own.to_string());
                self.responds.then(|| {
                    format!(
                        "MSRP {transaction} 200 OK\r\nTo-Path: {own}\r\nFrom-Path: {path}\r\n-------{transaction}$\r\n"
                    )
                })
            }
            Start::Request(other) => panic!("the room sends {other:?}"),
        }
    }

    /// What comes twice is shown once (MS-CONN-08).
    fn shows(&mut self, message_id: &str, body: &Bytes) {
        if !self.shown.insert(message_id.to_owned()) {
            self.repeated += 1;
            return;
        }
        self.last_wrapping = String::from_utf8(body.to_vec()).unwrap();
        let cpim = Cpim::parse(body).expect("the room writes CPIM");
        let from = cpim.from.as_ref().unwrap();
        let text = String::from_utf8(cpim.content.to_vec()).unwrap();
        let name = from.formal_name.clone().unwrap_or_default();
        let is_in_room = from.uri.starts_with("sip:capulet@rooms.example.com");
        assert!(is_in_room && from.uri.contains(";gr=") != name.is_empty(), "an address within the room: {}", from.uri);
        assert_eq!(cpim.to.len(), 1);
        let time = cpim.date_time.clone().unwrap();
        assert!(time.ends_with('Z'));
        if cpim.content_type.is("application/im-iscomposing+xml") {
            return self.composing.push((name, text));
        }
        if cpim.content_type.is("message/imdn+xml") {
            assert_eq!(cpim.to[0].uri, self.uri());
            assert!(cpim.tracking.message_id.is_some() && !cpim.tracking.asks.anything(), "IMDN-03: {cpim:?}");
            assert!(std::str::from_utf8(body).unwrap().contains("\r\nContent-Disposition: notification\r\n"));
            return self.told.push((name, Imdn::parse(&cpim.content).unwrap()));
        }
        self.tracked.push((text.clone(), cpim.tracking.clone()));
        assert_eq!(cpim.content_type.charset(), Some("utf-8"), "CPIM-12");
        let is_delayed = body.windows(22).any(|octets| octets == b"mucfocus.Delayed: true");
        match cpim.to[0].uri.as_str() {
            "sip:capulet@rooms.example.com" => {
                self.read_in_order.push((name.clone(), text.clone()));
                if is_delayed {
                    self.earlier.push((name, text, time));
                } else {
                    self.heard.push((name, text));
                }
            }
            to if to == self.uri() && name.is_empty() => self.notices.push(text),
            to if to == self.uri() => self.whispered.push((name, text)),
            other => panic!("To is neither the room nor its reader (GC-MSG-10, GC-PM-08): {other}"),
        }
    }
}
