//! Every spelling of From and To, and what hides behind it (SW-01 … SW-05, E-03, GC-MSG-02).

use std::format;
use std::string::String;
use std::vec;

use bytes::BytesMut;

use jid::Jid;

use super::*;
use crate::address::mapping::RoomRule;
use crate::address::pattern::Pattern;
use crate::address::template::{NicknameTemplate, Template};
use crate::env::{Env, IdSource};
use crate::msrp::limits::Limits;
use crate::msrp::session::{Event, Session};
use crate::roster::Occupant;
use crate::stanza::{Affiliation, Role};
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
    let mut session = Session::new(own.clone(), Path::new(own), Limits::of_messages(100_000));
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

fn judged_as(content_type: &str, body: &[u8]) -> Result<Wish, Objection> {
    let rule = RoomRule {
        name: "rooms".into(),
        sip: Pattern::parse("sip:{room}@rooms.example.com").unwrap(),
        muc: Template::parse("{room}@muc.example.net").unwrap(),
        allow: vec![],
        create: false,
        nickname: NicknameTemplate::default(),
        password: None,
        history: 20,
        private_messages: true,
        tls_only: false,
        receipts: true,
        whole_roster: false,
    };
    let rules = RoomRules::new(vec![rule], vec!["rooms.example.com".into(), "chat.example.com".into()])
        .with_alias_hosts([String::from("node1.example.com")]);
    let room = rules.find(&SipUri::parse("sip:capulet@rooms.example.com").unwrap()).unwrap();
    let caller = SipUri::parse("sip:romeo@example.org").unwrap();
    let mut roster = Roster::default();
    for (nickname, jid) in [("Romeo M", None), ("JuliC", Some("juliet@example.com/balcony")), ("Ben & <Volio>", None)] {
        let jid = jid.map(|jid| Jid::new(jid).unwrap());
        let (role, affiliation) = (Role::Participant, Affiliation::None);
        roster.put(nickname, Occupant { display_name: None, role, affiliation, jid, dialed_in: None });
    }
    let speaker = Speaker { caller: &caller, nickname: Some("Romeo M"), room: &room, rules: &rules, roster: &roster };
    judge(&received(content_type, body), speaker)
}

fn judged(headers: &str) -> Result<Wish, Objection> {
    judged_as("message/cpim", format!("{headers}\r\nContent-Type: text/plain\r\n\r\nhi").as_bytes())
}

fn from(from: &str) -> Result<Wish, Objection> {
    judged(&format!("From: {from}\r\nTo: <sip:capulet@rooms.example.com>\r\n"))
}

fn to(to: &str) -> Result<Wish, Objection> {
    judged(&format!("From: <sip:romeo@example.org>\r\nTo: {to}\r\n"))
}

fn public(text: &str) -> Result<Wish, Objection> {
    Ok(Wish::Public { body: text.into(), request: None })
}

fn said() -> Result<Wish, Objection> {
    public("hi")
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

fn private_to(name: &str) -> Option<String> {
    match to(name) {
        Ok(Wish::Private { to, body, headers, request: None }) => {
            assert_eq!(body, "hi");
            let headers = String::from_utf8(headers.to_vec()).unwrap();
            assert!(
                headers.starts_with("From: <sip:romeo@example.org>\r\nTo: <") && headers.ends_with(">\r\n\r\n"),
                "{headers}"
            );
            Some(to)
        }
        _ => None,
    }
}

#[test]
fn every_name_of_an_occupant_is_his_alone() {
    // GC-PM-01, GC-PM-02, E-03
    for name in [
        "<sip:capulet@rooms.example.com;gr=JuliC>",
        "<sip:capulet@rooms.example.com;GR=JuliC>",
        "<sip:Capulet@rooms.example.com;transport=tcp;gr=JuliC>",
        "<sip:capulet@rooms.example.com>;gr=JuliC",
        "<sip:capulet@rooms.example.com> ; gr=JuliC",
        "<sip:capulet@rooms.example.com;gr=JuliC>;gr=JuliC",
        "<sip:JuliC@rooms.example.com>",
        "<xmpp:juliet@example.com>",
        "<xmpp:juliet@example.com/balcony>",
        "<xmpp:juliet@example.com?message>",
    ] {
        assert_eq!(private_to(name).as_deref(), Some("JuliC"), "{name}");
    }
    let name = "<sip:capulet@rooms.example.com;gr=Ben%20%26%20%3CVolio%3E>";
    assert_eq!(private_to(name).as_deref(), Some("Ben & <Volio>"));
}

#[test]
fn what_is_neither_the_room_nor_somebody_in_it_goes_nowhere() {
    // SW-14, GC-PM-04
    for name in [
        "<sip:capulet@rooms.example.com;gr=Nobody>",
        "<sip:capulet@rooms.example.com;gr=julic>",
        "<sip:capulet@rooms.example.com>;gr=Nobody",
        "<sip:montague@rooms.example.com;gr=JuliC>",
        "<sip:juliet@example.org>",
        "<sip:montague@rooms.example.com>",
        "<sip:capulet@example.net>",
        "<im:capulet@rooms.example.com>",
        "<xmpp:capulet@muc.example.net>",
        "<xmpp:juliet@example.com/window>",
        "<tel:+441632960083>",
    ] {
        assert_eq!(to(name), Err(Objection::NobodyHere), "{name}");
    }
    for name in [
        "<sip:capulet@rooms.example.com;gr>",
        "<sip:capulet@rooms.example.com>;gr",
        "<sip:capulet@rooms.example.com;gr=%ff>",
        "<sip:capulet@rooms.example.com;gr=JuliC>;gr=Nobody",
        "<sip:capulet@rooms.example.com?Subject=x>",
    ] {
        assert_eq!(to(name), Err(Objection::BadRecipient), "{name}");
    }
    for name in ["<sip:capulet@rooms.example.com>;x=y", "<sip:capulet@rooms.example.com>, <sip:a@b>", "sip:x@y", ""] {
        assert!(matches!(to(name), Err(Objection::Cpim(_))), "{name}");
    }
}

#[test]
fn a_subject_alone_is_the_rooms_and_beside_a_text_it_is_not() {
    // FT-10, CPIM-15
    let with = |text: &str| {
        let cpim = format!(
            "To: <sip:capulet@rooms.example.com>\r\nSubject: Tonight\r\n\r\nContent-Type: text/plain\r\n\r\n{text}"
        );
        judged_as("message/cpim", cpim.as_bytes())
    };
    assert_eq!(with(""), Ok(Wish::Subject("Tonight".into())));
    assert_eq!(with("hi"), said());
}

#[test]
fn who_types_says_nothing() {
    // SW-40, ISC-01
    let typing = |to: &str, xml: &str| {
        let cpim = format!("To: {to}\r\n\r\nContent-Type: application/im-iscomposing+xml\r\n\r\n{xml}");
        judged_as("message/cpim", cpim.as_bytes())
    };
    let active = "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state></isComposing>";
    let room = "<sip:capulet@rooms.example.com>";
    assert!(matches!(typing(room, active), Ok(Wish::Composing(_))));
    let alone = typing("<sip:capulet@rooms.example.com;gr=JuliC>", active);
    assert!(matches!(&alone, Ok(Wish::Whispering { to, .. }) if to == "JuliC"), "{alone:?}");
    assert_eq!(typing("<sip:nobody@example.net>", active), Err(Objection::NobodyHere));
    assert!(matches!(typing(room, "<isComposing>"), Err(Objection::IsComposing(_))));
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
    assert_eq!(cpim("text/plain;charset=ISO-8859-1", b"caf\xe9"), public("café"));
    assert_eq!(cpim("text/plain", b"caf\xe9").unwrap_err().verdict(), verdict(400, "the content is not UTF-8 text"));
    assert_eq!(cpim("text/html", b"<p>O <b>Romeo</b></p>"), public("O Romeo"), "GC-MSG-07");
    assert_eq!(cpim("image/png", b"x"), Err(Objection::WrappedType("image/png".into())));
    assert_eq!(judged_as("text/plain", b"hi"), Err(Objection::NotCpim));
    assert_eq!(judged_as("Message/CPIM;x=y", b""), Ok(Wish::Nothing), "MS-FRAME-08");
    assert_eq!(cpim("text/plain", b"\x07\x00"), Ok(Wish::Nothing));
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
        (Objection::NobodyHere, 404),
        (Objection::BadRecipient, 400),
        (Objection::NoPrivateMessages, 403),
        (Objection::WrappedType(long.clone()), 415),
        (Objection::Cpim(CpimError::Required(long.clone())), 415),
        (Objection::Cpim(MimeError::UnknownEncoding(long.clone()).into()), 415),
        (Objection::Part(MimeError::UnknownEncoding(long.clone())), 415),
        (Objection::Sealed(long.clone()), 415),
        (Objection::TooDeep, 415),
        (Objection::Cpim(MimeError::BadHeader.into()), 400),
        (Objection::Part(MimeError::BadHeader), 400),
        (Objection::Multipart(MultipartError::NoEnd), 400),
        (Objection::Imdn(ImdnError::NotXml), 400),
        (Objection::Text(TextError::UnknownCharset(long)), 415),
        (Objection::Text(TextError::NotInCharset("UTF-8")), 400),
    ] {
        let Verdict::Refused { code: told, comment } = objection.verdict() else { panic!("accepted") };
        assert_eq!(told, code, "{comment}");
        assert!(comment.len() < 512 && !comment.contains(char::is_control), "{comment}");
    }
}
