//! A leg without a room: what it says to its call and writes to its session, step by step.

use bytes::{Bytes, BytesMut};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::env::Env;
use mucfocus_core::leg::call::{CallCommand, Refusal};
use mucfocus_core::leg::{Dial, Event, Leg, Policy, Ticket};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::post::Post;
use mucfocus_core::msrp::session::{PeerFault, Received};
use mucfocus_core::msrp::transmitter::{Octets, Transmitter};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::WireFrame;
use mucfocus_core::wire::msrp::frame::{Frame, Start};
use mucfocus_core::wire::sdp::Carrier;

use crate::world::{Counting, node1, place, rules};

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
    m=message 7654 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:actpass\r\na=path:msrp://192.0.2.7:7654/romeo;tcp\r\na=chatroom:nickname private-messages\r\n";

/// A leg, and what it wanted since somebody looked.
pub struct Alone {
    pub leg: Leg,
    ids: Counting,
    pub now: Instant,
    pub events: Vec<Event>,
    requests: u32,
}

/// `OFFER` with other words.
pub fn offer_with(what: &str, instead: &str) -> String {
    assert!(OFFER.contains(what), "{what}");
    OFFER.replace(what, instead)
}

impl Alone {
    /// A leg whose call has this offer, in a room that carries private messages or not.
    pub fn rings(offer: &str, host: &str, private_messages: bool) -> Self {
        let rings = Self::calls(offer, |dial| {
            dial.room.private_messages = private_messages;
            dial.msrp.places = vec![place(Carrier::Tcp, host, 2855)];
        });
        rings.unwrap()
    }

    /// A leg whose call has this offer, at a node and in a room of another kind; or why there is none.
    pub fn calls(offer: &str, change: impl FnOnce(&mut Dial)) -> Result<Self, Refusal> {
        let mut dial = Dial {
            caller: SipUri::parse("sip:romeo@example.org").unwrap(),
            call_id: "call".into(),
            room: rules().find(&SipUri::parse("sip:capulet@rooms.example.com").unwrap()).unwrap(),
            offer: Bytes::from(offer.to_owned()),
            msrp: node1(&[(Carrier::Tcp, 2855)]),
            limits: Limits::default(),
            policy: Policy::default(),
        };
        change(&mut dial);
        let now = Instant::from_micros(1);
        Ok(Self { leg: Leg::new(dial)?, ids: Counting::default(), now, events: Vec::new(), requests: 0 })
    }

    /// A leg that was answered, and whose client has connected.
    pub fn talks(offer: &str) -> Self {
        let mut alone = Self::rings(offer, "node1.example.com", true);
        alone.does(Leg::accept);
        alone.does(|leg, _, out| leg.confirmed(out));
        alone.does(Leg::bound);
        alone.events.clear();
        alone
    }

    pub fn does<T>(&mut self, act: impl FnOnce(&mut Leg, &mut Env<'_>, &mut Vec<Event>) -> T) -> T {
        let wall = WallClock::from_unix_millis(1_795_253_400_123);
        let mut env = Env { now: self.now, wall, ids: &mut self.ids };
        act(&mut self.leg, &mut env, &mut self.events)
    }

    /// A request of the client, headers with their line ends.
    pub fn writes(&mut self, method: &str, from_path: &str, headers: &str, body: Option<&str>) -> String {
        self.writes_chunk(method, from_path, headers, body, '$')
    }

    /// The same with another flag at its end.
    pub fn writes_chunk(
        &mut self,
        method: &str,
        from_path: &str,
        headers: &str,
        body: Option<&str>,
        flag: char,
    ) -> String {
        self.requests += 1;
        let transaction = format!("t{:05}", self.requests);
        let body = body.map_or_else(String::new, |body| format!("\r\n{body}\r\n"));
        let octets = format!(
            "MSRP {transaction} {method}\r\nTo-Path: msrp://node1.example.com:2855/x;tcp\r\n\
             From-Path: {from_path}\r\n{headers}{body}-------{transaction}{flag}\r\n"
        );
        match Collector::new(65_536).next(&mut BytesMut::from(octets.as_bytes())).unwrap().unwrap() {
            Incoming::Frame(frame) => self.does(|leg, env, out| leg.receive(env, frame, out)),
            Incoming::Bad(bad) => self.does(|leg, env, out| {
                leg.with_session(env, out, |session, _, events| session.receive_bad(&bad, events));
            }),
        }
        transaction
    }

    pub fn asks_for(&mut self, use_nickname: &str) -> String {
        let header = format!("Use-Nickname: {use_nickname}\r\n");
        self.writes("NICKNAME", "msrp://192.0.2.7:7654/romeo;tcp", &header, None)
    }

    pub fn sends(&mut self, headers: &str) -> String {
        let headers = format!("Message-ID: m\r\n{headers}Content-Type: message/cpim\r\n");
        self.writes("SEND", "msrp://192.0.2.7:7654/romeo;tcp", &headers, Some("hello"))
    }

    /// An offer within the call, and the answer to it.
    pub fn offers(&mut self, offer: &str) -> Result<String, Refusal> {
        self.does(|leg, env, out| leg.reoffered(env, offer.as_bytes(), out));
        let answer = self.events.iter().rev().find_map(|event| match event {
            Event::Call(CallCommand::AnswerReinvite(answer)) => Some(answer.clone()),
            _ => None,
        });
        answer.expect("an answer to each offer").map(|sdp| String::from_utf8(sdp.to_vec()).unwrap())
    }

    /// Our answer to the call.
    pub fn is_answered(&mut self) -> String {
        self.does(Leg::accept);
        let Some(Event::Call(CallCommand::Accept { answer })) = self.events.last() else { panic!("{:?}", self.events) };
        String::from_utf8(answer.to_vec()).unwrap()
    }

    pub fn takes_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What was written, read back.
    pub fn frames(&self) -> Vec<Frame> {
        let written = self.events.iter().filter_map(|event| match event {
            Event::Transmit(frame) => Some(read(frame)),
            Event::Send(post) => Some(sent(post)),
            _ => None,
        });
        written.collect()
    }

    /// Response codes, by transaction, in order.
    pub fn responses(&self) -> Vec<(String, u16)> {
        let responses = self.frames().into_iter().filter_map(|frame| match frame.head.start {
            Start::Response { code, .. } => Some((frame.head.transaction.as_str().to_owned(), code)),
            Start::Request(_) => None,
        });
        responses.collect()
    }

    /// Bodies of the messages written.
    pub fn bodies(&self) -> Vec<String> {
        let requests = self.frames().into_iter().filter(|frame| frame.head.content_type.is_some());
        requests.map(|frame| String::from_utf8(frame.body.to_vec()).unwrap()).collect()
    }

    pub fn faults(&self) -> Vec<PeerFault> {
        self.events.iter().filter_map(|e| if let Event::Peer(fault) = e { Some(*fault) } else { None }).collect()
    }

    pub fn nicknames(&self) -> Vec<(Ticket, Option<String>)> {
        let wanted = self.events.iter().filter_map(|event| match event {
            Event::Nickname(ticket, wanted) => Some((*ticket, wanted.clone())),
            _ => None,
        });
        wanted.collect()
    }

    pub fn received(&self) -> Vec<(Ticket, Received)> {
        let received = self.events.iter().filter_map(|event| match event {
            Event::Received(ticket, received) => Some((*ticket, (**received).clone())),
            _ => None,
        });
        received.collect()
    }
}

/// As a connection that has nothing else to write writes it.
fn sent(post: &Post) -> Frame {
    let now = Instant::from_micros(1);
    let (mut line, mut octets) = (Transmitter::new(now, Limits::default(), false), Octets::new());
    let share = line.attach();
    line.post(now, share, post.clone()).unwrap();
    while line.has_work() {
        line.fill(now, &mut octets);
    }
    let whole: Vec<u8> = octets.into_parts().into_iter().flatten().collect();
    read(&WireFrame { head: whole.into(), body: Bytes::new(), tail: Bytes::new() })
}

fn read(frame: &WireFrame) -> Frame {
    let mut octets = BytesMut::new();
    frame.chunks().for_each(|chunk| octets.extend_from_slice(chunk));
    match Collector::new(1 << 20).next(&mut octets) {
        Ok(Some(Incoming::Frame(frame))) => frame,
        other => panic!("{other:?}"),
    }
}
