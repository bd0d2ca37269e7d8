//! The examples of RFC 7702 that a driver reads or writes, as they are printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests count as tests")]

use mucfocus::sip::gate::{Framing, Verdict, judge};
use mucfocus::sip::violation::Violation;
use mucfocus::xmpp::{decode, encode};
use mucfocus_core::stanza::{
    Asks, Condition, ErrorKind, History, MessageKind, OutStanza, Presence, PresenceKind, Role, Stanza,
};
use xmpp_parsers::minidom::Element;

const INVITE: &str = include_str!("fixtures/rfc7702/example-27-invite.sip");
const SUBSCRIBE: &str = include_str!("fixtures/rfc7702/example-29-subscribe.sip");
const REFER: &str = include_str!("fixtures/rfc7702/example-42-refer.sip");
const BYE: &str = include_str!("fixtures/rfc7702/example-44-bye.sip");
const ENTER: &str = include_str!("fixtures/rfc7702/example-30-enter.xml");
const OCCUPANTS: &str = include_str!("fixtures/rfc7702/example-31-occupants.xml");
const GROUPCHAT: &str = include_str!("fixtures/rfc7702/example-34-groupchat.xml");
const PRIVATE: &str = include_str!("fixtures/rfc7702/example-37-private.xml");
const RENAME: &str = include_str!("fixtures/rfc7702/example-39-rename.xml");
const CONFLICT: &str = include_str!("fixtures/rfc7702/example-40-conflict.xml");
const LEAVE: &str = include_str!("fixtures/rfc7702/example-45-leave.xml");

/// A printed SIP message as a client sends it: CRLF, and the Via that the RFC leaves out.
fn on_the_wire(printed: &str, branch: &str) -> Vec<u8> {
    let via = format!("\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch={branch}\nMax-Forwards: 70\nFrom:");
    printed.replace("Max-Forwards: 70\n", "").replacen("\nFrom:", &via, 1).replace('\n', "\r\n").into_bytes()
}

fn element(xml: &str) -> Element {
    xml.replacen("<presence ", "<presence xmlns='jabber:client' ", 1)
        .replacen("<message ", "<message xmlns='jabber:client' ", 1)
        .parse()
        .unwrap()
}

fn presence(xml: &str) -> Presence {
    match decode::decode(xml.as_bytes()).unwrap() {
        Stanza::Presence(presence) => presence,
        other => panic!("{other:?}"),
    }
}

/// What we write, as an element, to be compared with what the RFC prints.
fn written(stanza: &OutStanza) -> Element {
    element(std::str::from_utf8(&encode::encode(stanza).unwrap()).unwrap())
}

#[test]
fn examples_27_29_42_and_44_pass_the_gate_once_they_have_a_via_and_are_400_or_silence_without() {
    for printed in [INVITE, SUBSCRIBE, REFER, BYE] {
        let complete = judge(&on_the_wire(printed, "z9hG4bKtest"), Framing::Datagram);
        assert!(matches!(complete, Verdict::Pass { .. }), "{complete:?}");
        let bare = judge(printed.replace('\n', "\r\n").as_bytes(), Framing::Datagram);
        assert!(matches!(bare, Verdict::Refuse { violation: Violation::Missing, .. }), "{bare:?}");
    }
}

#[test]
fn example_30_is_what_we_write_but_for_the_sender_whom_the_server_knows_and_the_history_that_we_do_not_want() {
    // GC-JOIN-10, GC-JOIN-13
    let occupant = "montague@chat.example.org/Romeo".parse().unwrap();
    let (ours, theirs) = (
        written(&OutStanza::Join { occupant, id: "a1".into(), password: None, history: History::Last(0) }),
        element(ENTER),
    );
    assert_eq!((ours.attr("to"), ours.attr("type")), (theirs.attr("to"), theirs.attr("type")));
    assert_eq!(ours.attr("from"), None);
    let muc = ours.get_child("x", "http://jabber.org/protocol/muc").unwrap();
    assert_eq!(muc.get_child("history", muc.ns().as_str()).unwrap().attr("maxstanzas"), Some("0"));
    assert!(theirs.has_child("x", "http://jabber.org/protocol/muc"));
}

#[test]
fn example_31_names_three_occupants_and_the_first_is_ourselves() {
    // GC-PRES-03, E-26: what counts is the status, not the place.
    let all: Vec<Presence> = OCCUPANTS.split("\n\n").map(|one| presence(one.trim())).collect();
    let names: Vec<_> = all.iter().map(|p| p.from.resource().unwrap().as_str()).collect();
    assert_eq!(names, ["Romeo", "Ben", "JuliC"]);
    let codes: Vec<_> = all.iter().map(|p| p.muc.as_ref().unwrap().has(110)).collect();
    assert_eq!(codes, [true, false, false]);
    assert!(all.iter().all(|p| p.kind == PresenceKind::Available));
    assert!(all.iter().all(|p| p.muc.as_ref().unwrap().item.as_ref().unwrap().role == Some(Role::Participant)));
}

#[test]
fn example_34_is_what_we_write_but_for_the_sender_and_what_the_room_reflects() {
    // GC-MSG-01, GC-MSG-12
    let room = "capulet@rooms.example.com".parse().unwrap();
    let ours = written(&OutStanza::Groupchat { room, id: "8gbx1g4p".into(), body: "Romeo is here!".into() });
    let theirs = element(GROUPCHAT);
    for attribute in ["to", "type", "id"] {
        assert_eq!(ours.attr(attribute), theirs.attr(attribute), "{attribute}");
    }
    assert_eq!(ours.get_child("body", "jabber:client").unwrap().text(), "Romeo is here!");
    let Stanza::Message(message) = decode::decode(GROUPCHAT.as_bytes()).unwrap() else { panic!("a message") };
    assert_eq!((message.kind, message.body.as_deref()), (MessageKind::Groupchat, Some("Romeo is here!")));
}

#[test]
fn example_37_is_what_we_write_but_for_the_sender_whom_the_room_puts_there() {
    // GC-PM-01, GC-PM-03, E-29
    let to = "capulet@rooms.example.com/JuliC".parse().unwrap();
    let ours = written(&OutStanza::Private {
        to,
        id: "rg2ca9k7".into(),
        body: "I am here!!!".into(),
        asks: Asks::default(),
        is_active: false,
    });
    let theirs = element(PRIVATE);
    for attribute in ["to", "type", "id"] {
        assert_eq!(ours.attr(attribute), theirs.attr(attribute), "{attribute}");
    }
    assert_eq!(ours.attr("from"), None);
    let text = |xml: &Element| xml.get_child("body", "jabber:client").unwrap().text();
    assert_eq!(text(&ours), text(&theirs));
    assert!(ours.has_child("x", "http://jabber.org/protocol/muc#user"));
}

#[test]
fn example_39_is_what_we_write_but_for_the_sender() {
    // GC-NICK-01
    let occupant = "capulet@rooms.example.com/montecchi".parse().unwrap();
    let (ours, theirs) = (written(&OutStanza::Rename { occupant, id: "a1".into() }), element(RENAME));
    assert_eq!((ours.attr("to"), ours.attr("type")), (theirs.attr("to"), theirs.attr("type")));
    assert_eq!((ours.attr("from"), ours.children().count()), (None, 0));
}

#[test]
fn example_40_is_read_as_a_conflict() {
    // GC-NICK-03, E-38
    let conflict = presence(CONFLICT);
    assert_eq!(conflict.from.to_string(), "capulet@rooms.example.com/Romeo");
    let PresenceKind::Error(error) = conflict.kind else { panic!("{conflict:?}") };
    assert_eq!((error.condition, error.kind), (Condition::Conflict, ErrorKind::Cancel));
}

#[test]
fn example_45_is_what_we_write_but_for_the_sender() {
    // GC-EXIT-01
    let occupant = "capulet@rooms.example.com/Romeo".parse().unwrap();
    let (ours, theirs) = (written(&OutStanza::Leave { occupant, status: None }), element(LEAVE));
    assert_eq!((ours.attr("to"), ours.attr("type")), (theirs.attr("to"), theirs.attr("type")));
    assert_eq!(ours.children().count(), 0);
    assert_eq!(presence(LEAVE).kind, PresenceKind::Unavailable);
}
