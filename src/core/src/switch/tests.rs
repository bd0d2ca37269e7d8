//! Every spelling of From and To, and what hides behind it (SW-01 … SW-05, E-03, GC-MSG-02).

use std::format;
use std::string::String;
use std::vec;

use bytes::BytesMut;

use super::*;
use crate::address::mapping::RoomRule;
use crate::address::pattern::Pattern;
use crate::address::template::{NicknameTemplate, Template};
use crate::env::{Env, IdSource};
use crate::msrp::session::{Event, Session};
use crate::time::{Instant, WallClock};
use crate::wire::msrp::collect::{Collector, Incoming};
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;

struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// `body` as a session hands it over.
fn received(content_type: &str, body: &[u8]) -> Received {
    let own = MsrpUri::parse("msrp://node.example.com:2855/s;tcp").unwrap();
    let mut session = Session::new(own.clone(), Path::new(own), 100_000);
    let head = format!(
        "MSRP abcd SEND\r\nTo-Path: msrp://node.example.com:2855/s;tcp\r\nFrom-Path: msrp://c.example.org:1/c;tcp\r\n\
         Message-ID: m\r\nContent-Type: {content_type}\r\n\r\n"
    );
    let wire = [head.as_bytes(), body, b"\r\n-------abcd$\r\n"].concat();
    let incoming = Collector::new(100_000).next(&mut BytesMut::from(wire.as_slice()));
    let Ok(Some(Incoming::Frame(frame))) = incoming else { panic!("{incoming:?}") };
    let mut env = Env { now: Instant::ZERO, wall: WallClock::default(), ids: &mut Counting(0) };
    let mut events = vec![];
    session.receive(&mut env, frame, &mut events);
    match events.pop() {
        Some(Event::Received(received)) => *received,
        other => panic!("{other:?}"),
    }
}

fn judged_as(content_type: &str, body: &[u8]) -> Result<Option<String>, Objection> {
    let rule = RoomRule {
        name: "rooms".into(),
        sip: Pattern::parse("sip:{room}@rooms.example.com").unwrap(),
        muc: Template::parse("{room}@muc.example.net").unwrap(),
        allow: vec![],
        create: false,
        nickname: NicknameTemplate::default(),
    };
    let rules = RoomRules::new(vec![rule], vec!["rooms.example.com".into(), "chat.example.com".into()])
        .with_alias_hosts([String::from("node1.example.com")]);
    let room = rules.find(&SipUri::parse("sip:capulet@rooms.example.com").unwrap()).unwrap();
    let caller = SipUri::parse("sip:romeo@example.org").unwrap();
    let speaker = Speaker { caller: &caller, nickname: Some("Romeo M"), room: &room, rules: &rules };
    judge(&received(content_type, body), speaker)
}

fn judged(headers: &str) -> Result<Option<String>, Objection> {
    judged_as("message/cpim", format!("{headers}\r\nContent-Type: text/plain\r\n\r\nhi").as_bytes())
}

fn from(from: &str) -> Result<Option<String>, Objection> {
    judged(&format!("From: {from}\r\nTo: <sip:capulet@rooms.example.com>\r\n"))
}

fn to(to: &str) -> Result<Option<String>, Objection> {
    judged(&format!("From: <sip:romeo@example.org>\r\nTo: {to}\r\n"))
}

fn said() -> Result<Option<String>, Objection> {
    Ok(Some("hi".into()))
}

#[test]
fn every_name_of_the_speaker_is_his() {
    for name in [
        "<sip:romeo@example.org>",
        "Romeo <sip:romeo@example.org>",
        "\"Juliet <sip:juliet@example.org>\" <sip:romeo@example.org>",
        "<sip:romeo@EXAMPLE.org>",
        "<SIP:romeo@example.org.>",
        "<sips:romeo@example.org>",
        "<sip:romeo@example.org:5061;transport=tcp>",
        "<sip:rom%65o@example.org>",
        "<sip:romeo@example.org;gr=phone>",
        "<sip:romeo@example.org>;gr=phone",
        "<im:romeo@example.org>",
        "<IM:romeo@example.org>",
        "<pres:romeo@example.org>",
        "<sip:anonymous@anonymous.invalid>",
        // His place in the room, within the brackets and behind them.
        "<sip:capulet@rooms.example.com;gr=Romeo%20M>",
        "<sip:CAPULET@rooms.example.com;gr=Romeo%20M>",
        "<sip:capulet@node1.example.com:5060;gr=Romeo%20M>",
        "<sip:capulet@rooms.example.com>;gr=Romeo%20M",
    ] {
        assert_eq!(from(name), said(), "{name}");
    }
    assert_eq!(judged("To: <sip:capulet@rooms.example.com>\r\n"), said(), "SW-03: nobody is the sender");
}

#[test]
fn nobody_speaks_as_somebody_else() {
    for name in [
        "<sip:juliet@example.org>",
        "\"Romeo\" <sip:juliet@example.org>",
        "<sip:Romeo@example.org>",
        "<sip:romeo@example.com>",
        "<sip:romeo@example.org.evil.net>",
        "<sip:romeo%40example.org@evil.net>",
        "<sip:juliet@example.org;x=sip:romeo@example.org>",
        "<sip:juliet@example.org?From=romeo>",
        "<sip:romeo:pw@juliet@example.org>",
        "<sip:example.org>",
        "<tel:+441632960083>",
        "<xmpp:romeo@example.org>",
        "<im:juliet@example.org>",
        "<sip:x@anonymous.invalid.evil.net>",
        // The place of another, the room itself, and his place in another room.
        "<sip:capulet@rooms.example.com;gr=JuliC>",
        "<sip:capulet@rooms.example.com>;gr=JuliC",
        "<sip:capulet@rooms.example.com;gr=JuliC>;gr=Romeo%20M",
        "<sip:capulet@rooms.example.com;gr=Romeo%20M>;gr=JuliC",
        "<sip:capulet@rooms.example.com;gr=romeo%20m>",
        "<sip:capulet@rooms.example.com;gr>",
        "<sip:capulet@rooms.example.com>;gr",
        "<sip:capulet@rooms.example.com;gr=%ff>",
        "<sip:capulet@rooms.example.com>",
        "<sip:montague@rooms.example.com;gr=Romeo%20M>",
        "<sip:capulet@evil.net;gr=Romeo%20M>",
    ] {
        assert_eq!(from(name), Err(Objection::NotYou), "{name}");
    }
}

#[test]
fn every_spelling_of_the_room_is_the_room() {
    for name in [
        "<sip:capulet@rooms.example.com>",
        "The Capulets <sip:capulet@rooms.example.com>",
        "<sip:Capulet@ROOMS.example.com>",
        "<sip:capulet@rooms.example.com;transport=tcp>",
        "<sip:capulet@rooms.example.com:5060>",
        "<sips:capulet@rooms.example.com>",
        "<sip:c%61pulet@rooms.example.com>",
        "<sip:capulet@node1.example.com;transport=tcp>",
    ] {
        assert_eq!(to(name), said(), "{name}");
    }
}

#[test]
fn what_is_not_the_room_is_not_published() {
    for name in [
        "<sip:capulet@rooms.example.com;gr=JuliC>",
        "<sip:capulet@rooms.example.com;GR=JuliC>",
        "<sip:capulet@rooms.example.com;transport=tcp;gr=JuliC>",
        "<sip:capulet@rooms.example.com;gr>",
        "<sip:capulet@rooms.example.com>;gr=JuliC",
        "<sip:capulet@rooms.example.com> ; gr=JuliC",
        "<sip:capulet@rooms.example.com>;gr",
        "<sip:juliet@example.org>",
        "<sip:montague@rooms.example.com>",
        "<sip:capulet@example.net>",
        "<im:capulet@rooms.example.com>",
        "<xmpp:capulet@muc.example.net>",
    ] {
        assert_eq!(to(name), Err(Objection::NotTheRoom), "{name}");
    }
    for name in ["<sip:capulet@rooms.example.com>;x=y", "<sip:capulet@rooms.example.com>, <sip:a@b>", "sip:x@y", ""] {
        assert!(matches!(to(name), Err(Objection::Cpim(_))), "{name}");
    }
}

#[test]
fn there_is_one_recipient() {
    let room = "<sip:capulet@rooms.example.com>";
    for headers in [
        format!("To: {room}\r\nTo: {room}\r\n"),
        format!("To: {room}\r\ncc: {room}\r\n"),
        format!("To: {room}\r\nCC: <sip:juliet@example.org>\r\n"),
        format!("cc: {room}\r\ncc: {room}\r\n"),
    ] {
        assert_eq!(judged(&headers), Err(Objection::SeveralRecipients), "{headers}");
    }
    assert_eq!(judged("From: <sip:romeo@example.org>\r\n"), Err(Objection::NoRecipient));
    assert_eq!(judged(&format!("cc: {room}\r\n")), Err(Objection::NoRecipient));
}

#[test]
fn only_text_within_cpim_is_taken() {
    let cpim = |kind: &str, text: &[u8]| {
        let head = format!("To: <sip:capulet@rooms.example.com>\r\n\r\nContent-Type: {kind}\r\n\r\n");
        judged_as("message/cpim", &[head.as_bytes(), text].concat())
    };
    assert_eq!(cpim("text/plain;charset=ISO-8859-1", b"caf\xe9"), Ok(Some("café".into())));
    assert_eq!(cpim("text/plain", b"caf\xe9").unwrap_err().verdict(), verdict(400, "the content is not UTF-8 text"));
    assert_eq!(cpim("text/html", b"<b>"), Err(Objection::WrappedType("text/html".into())));
    assert_eq!(judged_as("text/plain", b"hi"), Err(Objection::NotCpim));
    assert_eq!(judged_as("Message/CPIM;x=y", b""), Ok(None), "MS-FRAME-08");
    assert_eq!(cpim("text/plain", b"\x07\x00"), Ok(None));
}

fn verdict(code: u16, comment: &str) -> Verdict {
    Verdict::Refused { code, comment: String::from(comment).into() }
}

#[test]
fn every_objection_has_its_code_and_a_short_comment() {
    let long = String::from("x\r\n").repeat(10_000);
    for (objection, code) in [
        (Objection::NotCpim, 415),
        (Objection::NotYou, 403),
        (Objection::NoRecipient, 400),
        (Objection::SeveralRecipients, 403),
        (Objection::NotTheRoom, 403),
        (Objection::WrappedType(long.clone()), 415),
        (Objection::Cpim(CpimError::Required(long.clone())), 415),
        (Objection::Cpim(CpimError::Encoded(long.clone())), 415),
        (Objection::Cpim(CpimError::BadHeader), 400),
        (Objection::Text(TextError::UnknownCharset(long)), 415),
        (Objection::Text(TextError::NotInCharset("UTF-8")), 400),
    ] {
        let Verdict::Refused { code: told, comment } = objection.verdict() else { panic!("accepted") };
        assert_eq!(told, code, "{comment}");
        assert!(comment.len() < 512 && !comment.contains(char::is_control), "{comment}");
    }
}
