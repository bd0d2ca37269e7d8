//! Calls in virtual time, against a focus whose messages are written out.

use mucfocus_core::address::sip_uri::SipUri;

use super::*;
use crate::sip::settings::Transport;

mod beside;
mod password;

const PEER: &str = "192.0.2.9:5060";

struct World {
    agent: Agent,
    events: Vec<Event>,
    now: Instant,
}

impl World {
    /// Somebody who has just dialled; the INVITE is the first event.
    fn dialling(transport: Transport) -> Self {
        Self::dialling_with(transport, None)
    }

    fn dialling_with(transport: Transport, password: Option<&str>) -> Self {
        let parties = Parties {
            from: SipUri::parse("sip:romeo@sip.test;transport=tcp").unwrap(),
            display: "Ro\"meo\r\nEvil: x".into(),
            room: SipUri::parse("sip:capulet@rooms.test").unwrap(),
            transport,
            local: "192.0.2.1:50000".parse().unwrap(),
            peer: PEER.parse().unwrap(),
        };
        let mut events = Vec::new();
        let credentials = password.map(|password| Credentials::new("romeo", password.into()));
        let agent = Agent::call(parties, credentials, &Bytes::from_static(b"offer"), Instant::ZERO, &mut events);
        Self { agent, events, now: Instant::ZERO }
    }

    /// Somebody in a call whose answer had these further fields; nothing is waiting.
    fn talking(transport: Transport, fields: &str) -> (Self, Message) {
        let mut world = Self::dialling(transport);
        let invite = world.sent();
        world.answers(&invite, "200 OK", &format!("Contact: <sip:a%40b@192.0.2.9>;isfocus\r\n{fields}"));
        let ack = world.sent();
        assert_eq!(ack.method(), Some("ACK"));
        assert_eq!(world.events.split_off(0), [Event::Answered(Bytes::from_static(b"answer"))]);
        (world, invite)
    }

    /// Takes the first event, a message to the peer.
    fn sent(&mut self) -> Message {
        match self.events.remove(0) {
            Event::Send(octets, to) if to == PEER.parse().unwrap() => Message::parse(&octets).unwrap(),
            other => panic!("not a message to the peer: {other:?}"),
        }
    }

    fn answers(&mut self, request: &Message, status: &str, fields: &str) {
        let of = |name| request.field(name).unwrap().to_owned();
        let to = if of("to").contains(";tag=") { of("to") } else { format!("{};tag=focus", of("to")) };
        self.comes(&format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{fields}Content-Length: 6\r\n\r\nanswer",
            of("via"),
            of("from"),
            of("call-id"),
            of("cseq"),
        ));
    }

    /// A request of the focus within the call of this INVITE.
    fn asks(&mut self, invite: &Message, method: &str, sequence: u32, from_tag: &str, fields: &str) -> Message {
        let of = |name| invite.field(name).unwrap().to_owned();
        self.comes(&format!(
            "{method} sip:romeo@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bKx\r\nFrom: {};tag={from_tag}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n{fields}Content-Length: 0\r\n\r\n",
            of("to"),
            of("from"),
            of("call-id"),
        ));
        self.sent()
    }

    fn comes(&mut self, text: &str) {
        let message = Message::parse(text.as_bytes()).unwrap_or_else(|| panic!("not SIP:\n{text}"));
        self.agent.receive(&message, PEER.parse().unwrap(), self.now, &mut self.events);
    }

    fn leaves(&mut self) {
        self.agent.leave(self.now, &mut self.events);
    }

    /// Lets time pass to the next timer; says how many milliseconds have passed since the start.
    fn waits(&mut self) -> u64 {
        self.now = self.agent.next_timeout().unwrap();
        self.agent.handle_timeout(self.now, &mut self.events);
        self.now.as_micros() / 1000
    }
}

#[test]
fn an_invite_says_who_calls_and_cannot_be_made_to_say_more() {
    let mut world = World::dialling(Transport::Tcp);
    let invite = world.sent();
    assert_eq!(invite.head.start, "INVITE sip:capulet@rooms.test SIP/2.0");
    assert!(invite.field("from").unwrap().starts_with("\"Ro\\\"meo  Evil: x\" <sip:romeo@sip.test>;tag="));
    assert_eq!(invite.field("contact"), Some("<sip:romeo@192.0.2.1:50000;transport=tcp>"));
    assert_eq!(invite.field("evil"), None);
    assert_eq!(invite.body, "offer");
}

#[test]
fn a_datagram_without_an_answer_is_sent_again_at_doubling_intervals_until_timer_b() {
    let mut world = World::dialling(Transport::Udp);
    let first = world.sent();
    for at in [500, 1500, 3500, 7500, 15_500, 31_500] {
        assert_eq!(world.waits(), at);
        assert_eq!(world.sent(), first);
    }
    assert_eq!(world.waits(), 32_000);
    assert_eq!(world.events, [Event::NoAnswer]);
    assert!(world.agent.is_over());
}

#[test]
fn nothing_is_sent_again_over_tcp_or_once_the_other_side_has_it() {
    let mut world = World::dialling(Transport::Tcp);
    let _ = world.sent();
    assert_eq!(world.waits(), 32_000);
    let mut world = World::dialling(Transport::Udp);
    let invite = world.sent();
    world.answers(&invite, "100 Trying", "");
    world.answers(&invite, "180 Ringing", "");
    assert_eq!(world.events, [Event::Progress("180 Ringing".into())]);
    assert_eq!(world.waits(), 32_000);
}

#[test]
fn requests_of_the_call_go_to_the_contact_as_it_is_written_along_the_recorded_route() {
    let recorded = "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\n";
    let (mut world, invite) = World::talking(Transport::Udp, recorded);
    world.leaves();
    let bye = world.sent();
    assert_eq!(bye.head.start, "BYE sip:a%40b@192.0.2.9 SIP/2.0");
    assert_eq!(bye.head.all("route").collect::<Vec<_>>(), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(bye.cseq(), Some((2, "BYE")));
    assert!(bye.field("to").unwrap().ends_with(";tag=focus"));
    assert_ne!(bye.branch(), invite.branch());
    // An answer to something else is none.
    world.answers(&invite, "200 OK", "");
    let _ack = world.sent();
    assert!(!world.agent.is_over());
    world.answers(&bye, "481 Gone", "");
    assert_eq!(world.events, [Event::Left]);
    assert!(world.agent.is_over());
}

#[test]
fn a_bye_without_an_answer_is_sent_again_at_most_every_four_seconds() {
    let (mut world, _) = World::talking(Transport::Udp, "");
    world.leaves();
    world.leaves();
    let bye = world.sent();
    assert_eq!(world.events, []);
    for at in [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        assert_eq!(world.waits(), at);
        assert_eq!(world.sent(), bye);
    }
    assert_eq!(world.waits(), 32_000);
    assert_eq!(world.events, [Event::Left]);
}

#[test]
fn the_same_answer_again_gets_the_same_ack_again_and_that_of_another_dialog_none() {
    let (mut world, invite) = World::talking(Transport::Udp, "");
    world.answers(&invite, "200 OK", "Contact: <sip:elsewhere>\r\n");
    let ack = world.sent();
    assert_eq!(ack.head.start, "ACK sip:a%40b@192.0.2.9 SIP/2.0");
    let of = |name| invite.field(name).unwrap();
    world.comes(&format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nTo: <sip:x>;tag=other\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n\r\n",
        of("via"),
        of("call-id")
    ));
    assert_eq!(world.events, []);
}

#[test]
fn a_refusal_is_acknowledged_in_the_same_transaction_and_told_with_its_warning() {
    let mut world = World::dialling(Transport::Udp);
    let invite = world.sent();
    world.answers(&invite, "480 Temporarily Unavailable", "Warning: 399 focus \"the MUC is away [k3]\"\r\n");
    let ack = world.sent();
    assert_eq!((ack.method(), ack.branch(), ack.cseq()), (Some("ACK"), invite.branch(), Some((1, "ACK"))));
    let [Event::Refused(refusal)] = &world.events[..] else { panic!("{:?}", world.events) };
    let told = "480 Temporarily Unavailable: the MUC is away [k3]";
    assert_eq!(refusal.to_string(), told);
    assert!(world.agent.is_over());
}

#[test]
fn a_call_is_cancelled_once_the_other_side_is_known_to_have_it() {
    let mut world = World::dialling(Transport::Udp);
    let invite = world.sent();
    world.leaves();
    assert_eq!(world.events, [], "a CANCEL must not overtake its INVITE (RFC 3261 §9.1)");
    world.answers(&invite, "100 Trying", "");
    let cancel = world.sent();
    assert_eq!((cancel.cseq(), cancel.branch()), (Some((1, "CANCEL")), invite.branch()));
    world.answers(&invite, "180 Ringing", "");
    assert_eq!(world.events.split_off(0), [Event::Progress("180 Ringing".into())], "one CANCEL is enough");
    world.answers(&cancel, "200 OK", "");
    world.answers(&invite, "487 Request Terminated", "");
    assert_eq!(world.sent().method(), Some("ACK"));
    assert!(world.agent.is_over());
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut world = World::dialling(Transport::Udp);
    let invite = world.sent();
    world.answers(&invite, "100 Trying", "");
    world.leaves();
    assert_eq!(world.sent().method(), Some("CANCEL"));
    world.answers(&invite, "200 OK", "");
    assert_eq!(world.sent().method(), Some("ACK"));
    let bye = world.sent();
    // Without a Contact there is but the address that was dialled.
    assert_eq!(bye.head.start, "BYE sip:capulet@rooms.test SIP/2.0");
    assert_eq!(world.events, []);
}

#[test]
fn a_bye_of_the_focus_is_answered_and_told_with_its_reason() {
    let (mut world, invite) = World::talking(Transport::Udp, "");
    let reply = world.asks(&invite, "BYE", 7, "focus", "Reason: SIP;cause=200;text=\"kicked by Juliet\"\r\n");
    assert_eq!(reply.code(), Some(200));
    // RFC 3581 §4.
    assert_eq!(reply.field("via"), Some("SIP/2.0/UDP 192.0.2.9;rport=5060;received=192.0.2.9;branch=z9hG4bKx"));
    assert_eq!(world.events, [Event::Ended(vec!["kicked by Juliet".into()])]);
    assert!(world.agent.is_over());
}

#[test]
fn every_request_gets_the_answer_that_it_deserves() {
    let (mut world, invite) = World::talking(Transport::Udp, "");
    let cases = [
        ("OPTIONS", "focus", "", 200),
        ("INVITE", "focus", "", 488),
        ("INFO", "focus", "", 405),
        ("SUBSCRIBE", "focus", "", 489),
        ("FROBNICATE", "focus", "", 501),
        ("CANCEL", "focus", "", 481),
        ("NOTIFY", "focus", "Event: conference\r\n", 481),
        ("NOTIFY", "stranger", "", 481),
        ("UPDATE", "focus", "", 200),
        ("BYE", "stranger", "", 481),
        ("INVITE", "stranger", "", 481),
        ("BYE", "focus", "Require: magic\r\n", 420),
    ];
    for (method, tag, fields, code) in cases {
        let reply = world.asks(&invite, method, 7, tag, fields);
        assert_eq!(reply.code(), Some(code), "{method}");
        assert_eq!(reply.field("allow").is_some(), matches!(code, 200 | 405) && method != "UPDATE", "{method}");
        assert_eq!(reply.field("unsupported").is_some(), code == 420, "{method}");
    }
    assert_eq!(world.asks(&invite, "BYE", 6, "focus", "").code(), Some(500), "older than what was seen");
    assert!(!world.agent.is_over());
    world.comes("INVITE sip:romeo@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nFrom: <sip:y>;tag=1\r\nTo: <sip:z>\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n\r\n");
    let busy = world.sent();
    assert_eq!(busy.code(), Some(486));
    assert!(busy.field("to").unwrap().contains(";tag="));
    world.comes("ACK sip:romeo@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nCall-ID: q\r\nCSeq: 1 ACK\r\n\r\n");
    assert_eq!(world.events, []);
}
