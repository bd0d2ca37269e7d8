//! What a client says that it takes and can do, and what it gets (MS-SEND-16, MS-SEND-18, MS-SDP-06, SW-31, SW-36).

use std::sync::Arc;

use bytes::Bytes;
use mucfocus_core::leg::{Capabilities, Delivery, Event, Leg};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::session::{PeerFault, Verdict};
use mucfocus_core::wire::cpim::{Address, Cpim, encode};
use mucfocus_core::wire::msrp::frame::{Method, Start};

use crate::alone::{Alone, OFFER, offer_with};

fn cpim(text: &str) -> Bytes {
    let room = Address::new(None, "sip:capulet@rooms.example.com");
    encode(&room, &room, "2026-11-21T09:30:00Z", "text/plain;charset=utf-8", text)
}

fn content(kind: &str, cpim: Bytes) -> Arc<Content> {
    Arc::new(Content::new("m", "message/cpim", kind, cpim).unwrap())
}

fn hears(romeo: &mut Alone, text: &str) -> Delivery {
    let text = content("text/plain;charset=utf-8", cpim(text));
    romeo.does(|leg, env, out| leg.deliver(env, &text, out))
}

fn texts(romeo: &Alone) -> Vec<String> {
    let text = |body: &String| Cpim::parse(&Bytes::from(body.clone())).unwrap().content.to_vec();
    romeo.bodies().iter().map(|body| String::from_utf8(text(body)).unwrap()).collect()
}

/// MS-SEND-18.
#[test]
fn a_message_is_never_larger_than_the_client_takes() {
    let limit = cpim("").len() + 10;
    let mut romeo = Alone::talks(&format!("{OFFER}a=max-size:{limit}\r\n"));
    assert_eq!(hears(&mut romeo, "0123456789"), Delivery::Sent);
    assert_eq!(texts(&romeo), ["0123456789"], "what fits is sent as it is");
    romeo.events.clear();
    assert_eq!(hears(&mut romeo, "Ce n'est pas d\u{e9}j\u{e0} vu \u{1f339}\u{1f339}!"), Delivery::Sent);
    assert!(romeo.bodies().iter().all(|body| body.len() <= limit));
    assert!(texts(&romeo).len() > 2);
    assert_eq!(texts(&romeo).concat(), "Ce n'est pas d\u{e9}j\u{e0} vu \u{1f339}\u{1f339}!");
    romeo.events.clear();
    let markup = romeo.does(|leg, env, out| {
        leg.reoffered(env, format!("{OFFER}a=max-size:{limit}\r\n").replace("text/plain", "*").as_bytes(), out);
        out.clear();
        leg.deliver(env, &content("text/html", cpim("<b>Rosaline</b>")), out)
    });
    assert_eq!((markup, romeo.takes_events()), (Delivery::TooLarge, vec![]), "markup is not cut in pieces");
    for limit in [0, 10] {
        let mut romeo = Alone::talks(&format!("{OFFER}a=max-size:{limit}\r\n"));
        assert_eq!((hears(&mut romeo, "x"), romeo.takes_events()), (Delivery::TooLarge, vec![]));
    }
}

/// MS-SEND-16, SW-08.
#[test]
fn a_type_that_the_client_did_not_list_is_not_sent() {
    for (types, plain, html) in [
        ("a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain", true, false),
        ("a=accept-types:message/cpim", true, false),
        ("a=accept-types:message/cpim text/html", true, true),
        ("a=accept-types:*", true, true),
        ("a=accept-types:message/cpim\r\na=accept-wrapped-types:text/*", true, true),
        ("a=accept-types:message/cpim\r\na=accept-wrapped-types:text/html", false, true),
        ("a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:text/html", true, true),
    ] {
        let mut romeo =
            Alone::talks(&offer_with("a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain", types));
        for (wrapped, accepted) in [("text/plain;charset=utf-8", plain), ("text/html", html), ("junk", false)] {
            let sent = romeo.does(|leg, env, out| leg.deliver(env, &content(wrapped, cpim("x")), out));
            assert_eq!(sent, if accepted { Delivery::Sent } else { Delivery::TypeRefused }, "{wrapped} to {types}");
            assert_eq!(romeo.takes_events().len(), usize::from(accepted));
        }
        assert_eq!(romeo.leg.capabilities().text, plain, "{types}");
    }
}

/// SW-31, SW-36: what counts is the last offer.
#[test]
fn what_a_client_can_do_follows_its_offers() {
    let all = Capabilities {
        aware: true,
        nickname: true,
        private_messages: true,
        composing: false,
        receipts: false,
        text: true,
    };
    let mut romeo = Alone::talks(OFFER);
    assert_eq!(romeo.leg.capabilities(), all);
    let unaware = offer_with("a=chatroom:nickname private-messages\r\n", "");
    assert!(
        romeo.offers(&unaware).unwrap().contains("a=chatroom:nickname private-messages\r\n"),
        "ours is a declaration"
    );
    let none = Capabilities { aware: false, nickname: false, private_messages: false, ..all };
    assert_eq!(romeo.leg.capabilities(), none);
    let asked = romeo.asks_for("bob");
    assert_eq!(romeo.responses(), [(asked, 403)]);
    romeo.offers(&offer_with("private-messages", "NICKNAMES com.example.x")).unwrap();
    assert_eq!(romeo.leg.capabilities(), Capabilities { private_messages: false, ..all });
    assert!(!romeo.takes_events().iter().any(|e| matches!(e, Event::OpenSession(..) | Event::CloseSession(_))));
    for (types, composing) in
        [("types:text/plain application/im-iscomposing+xml", true), ("types:*", false), ("types:application/*", false)]
    {
        romeo.offers(&offer_with("types:text/plain", types)).unwrap();
        assert_eq!(romeo.leg.capabilities().composing, composing, "{types}");
    }
}

/// SW-33, GC-JOIN-07.
#[test]
fn the_answer_has_each_token_of_the_room_once() {
    for (private, tokens) in [(true, "a=chatroom:nickname private-messages\r\n"), (false, "a=chatroom:nickname\r\n")] {
        let offer = offer_with("nickname private-messages", "nickname nickname private-messages x");
        let answer = Alone::rings(&offer, "node1.example.com", private).is_answered();
        assert!(answer.contains(tokens), "{answer}");
        assert!(answer.contains("a=accept-types:message/cpim\r\n"), "{answer}");
        assert!(answer.contains(
            "a=accept-wrapped-types:text/plain text/html application/im-iscomposing+xml message/imdn+xml\r\n"
        ));
    }
}

/// MS-SDP-06: who only listens says nothing, and hears.
#[test]
fn a_client_that_offers_to_send_nothing_may_not_speak() {
    for (direction, mirrored, heard) in
        [("recvonly", "sendonly", Delivery::Sent), ("inactive", "inactive", Delivery::Held)]
    {
        let mut romeo = Alone::talks(&format!("{OFFER}a={direction}\r\n"));
        for (header, response) in [("", 1), ("Failure-Report: partial\r\n", 1), ("Failure-Report: no\r\n", 0)] {
            let send = romeo.sends(header);
            assert_eq!(romeo.responses(), vec![(send, 403); response], "{direction} {header}");
            assert_eq!(romeo.faults(), [PeerFault::NotSending]);
            assert!(romeo.received().is_empty() && romeo.takes_events().contains(&Event::Credit));
        }
        let alive = romeo.writes("SEND", "msrp://192.0.2.7:7654/romeo;tcp", "", None);
        assert_eq!(romeo.responses(), [(alive, 200)], "a SEND without content keeps the connection alive");
        romeo.events.clear();
        assert_eq!(hears(&mut romeo, "x"), heard);
        romeo.events.clear();
        let answer = romeo.offers(OFFER).unwrap();
        assert!(!answer.contains(mirrored));
        romeo.sends("");
        assert_eq!(romeo.received().len(), 1, "and now he may");
        assert!(romeo.offers(&format!("{OFFER}a={direction}\r\n")).unwrap().contains(&format!("a={mirrored}\r\n")));
    }
}

/// MS-SDP-06: hold. What is said meanwhile waits, and so that the client is told how much it missed, the oldest go first.
#[test]
fn what_is_said_during_a_hold_comes_afterwards() {
    let most = Limits::default().waiting();
    for direction in ["sendonly", "inactive"] {
        let mut romeo = Alone::talks(OFFER);
        romeo.offers(&format!("{OFFER}a={direction}\r\n")).unwrap();
        romeo.events.clear();
        for n in 0..most + 3 {
            assert_eq!(hears(&mut romeo, &n.to_string()), Delivery::Held);
        }
        assert_eq!((romeo.takes_events(), romeo.leg.missed()), (vec![], 3));
        romeo.offers(OFFER).unwrap();
        assert!(matches!(romeo.events[..3], [Event::Call(_), Event::Missed(3), Event::Send(_)]), "{direction}");
        let expected: Vec<String> = (3..most + 3).map(|n| n.to_string()).collect();
        assert_eq!(texts(&romeo), expected);
        assert_eq!(romeo.leg.missed(), 0, "it was said");
        romeo.events.clear();
        assert_eq!(hears(&mut romeo, "now"), Delivery::Sent);
        assert_eq!(texts(&romeo), ["now"]);
    }
}

#[test]
fn a_hold_keeps_no_more_octets_than_a_missing_connection() {
    let mut romeo = Alone::talks(&format!("{OFFER}a=inactive\r\n"));
    let most = Limits::default().waiting_octets();
    let long = "x".repeat(most / 4);
    for _ in 0..6 {
        hears(&mut romeo, &long);
    }
    assert_eq!(romeo.leg.missed(), 3, "headers count too: three fit");
    hears(&mut romeo, &"x".repeat(most));
    assert_eq!(romeo.leg.missed(), 4, "one that never fits is missed, and the others wait on");
}

/// MS-SDP-06: responses and reports are no content.
#[test]
fn a_client_on_hold_gets_its_responses_and_reports() {
    let mut romeo = Alone::talks(&format!("{OFFER}a=sendonly\r\n"));
    let send = romeo.sends("Success-Report: yes\r\n");
    let (ticket, _) = romeo.received().swap_remove(0);
    romeo.does(|leg, env, out| leg.conclude(env, ticket, &Verdict::Accepted, out));
    assert_eq!(romeo.responses(), [(send, 200)]);
    assert_eq!(romeo.frames()[1].head.start, Start::Request(Method::Report));
}

/// A client that connects while it is on hold gets what waited when it resumes, and not before.
#[test]
fn a_connection_does_not_end_a_hold() {
    let mut romeo = Alone::rings(&format!("{OFFER}a=inactive\r\n"), "node1.example.com", true);
    romeo.is_answered();
    hears(&mut romeo, "psst");
    romeo.does(Leg::bound);
    assert!(romeo.frames().is_empty());
    romeo.offers(OFFER).unwrap();
    assert_eq!(texts(&romeo), ["psst"]);
}

/// SW-15.
#[test]
fn the_report_about_a_private_message_says_whose_it_was() {
    let mut romeo = Alone::talks(OFFER);
    for (to, with_body) in [("sip:capulet@rooms.example.com;gr=JuliC".to_owned(), true), ("x".repeat(10_240), false)] {
        romeo.sends("Success-Report: yes\r\n");
        let (ticket, _) = romeo.received().swap_remove(0);
        let from = Address::new(None, "sip:romeo@example.org");
        let headers = encode(&from, &Address::new(None, &to), "2026-11-21T09:30:00Z", "text/plain", "");
        romeo.does(|leg, env, out| leg.conclude_private(env, ticket, &Verdict::Accepted, &headers, out));
        let report = romeo.frames().pop().unwrap();
        assert_eq!(report.head.start, Start::Request(Method::Report));
        assert_eq!(report.head.content_type.as_deref(), with_body.then_some("message/cpim"));
        if with_body {
            let cpim = Cpim::parse(&report.body).unwrap();
            assert_eq!((cpim.from.unwrap().uri, &cpim.to[0].uri), ("sip:romeo@example.org".into(), &to));
        }
        assert!(romeo.takes_events().contains(&Event::Credit));
    }
    let send = romeo.sends("Success-Report: yes\r\n");
    let (ticket, _) = romeo.received().swap_remove(0);
    let refused = Verdict::Refused { code: 428, comment: "He has no private messages".into() };
    romeo.does(|leg, env, out| leg.conclude_private(env, ticket, &refused, &cpim(""), out));
    assert_eq!((romeo.responses(), romeo.frames().len()), (vec![(send, 428)], 1), "no success without success");
}
