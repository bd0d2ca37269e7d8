//! Offers within a call: what stays, what moves, what ends (MS-SDP-04, SIP-11, RFC 3264 §8).

use std::sync::Arc;

use mucfocus_core::leg::call::CallCommand;
use mucfocus_core::leg::{Event, Leg};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::session::Verdict;

use crate::alone::{Alone, OFFER, offer_with};

const MOVED: (&str, &str) = ("7654/romeo;tcp", "7655/romeo2;tcp");

/// What a leg wants, in a word each.
pub fn names(events: &[Event]) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::OpenSession(..) => "open",
        Event::CloseSession(_) => "close",
        Event::Connect(_) => "connect",
        Event::Call(CallCommand::AnswerReinvite(_)) => "answer",
        Event::SessionRemoved => "removed",
        Event::Transmit(_) => "transmit",
        Event::Send(_) => "send",
        Event::TakeBack => "take back",
        Event::Credit => "credit",
        Event::Missed(_) => "missed",
        Event::BoundBefore => "bound before",
        Event::NoAgreement(_) => "no agreement",
        _ => "other",
    };
    events.iter().map(name).collect()
}

pub fn line<'a>(sdp: &'a str, start: &str) -> &'a str {
    sdp.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {sdp}"))
}

/// MS-SDP-04: the connection stays, and so does the `o=` line.
#[test]
fn the_same_offer_gets_the_same_answer() {
    let mut romeo = Alone::rings(OFFER, "node1.example.com", true);
    let first = romeo.is_answered();
    romeo.does(Leg::bound);
    romeo.events.clear();
    for offer in [OFFER.to_owned(), offer_with(" 1 1 IN", " 1 2 IN"), offer_with("actpass", "active")] {
        assert_eq!(romeo.offers(&offer).unwrap(), first);
    }
    assert_eq!(names(&romeo.events), ["answer", "answer", "answer"]);
}

/// GC-JOIN-18, MS-SDP-03: a new path opens a new session under a new id.
#[test]
fn a_new_path_opens_a_new_session() {
    let mut romeo = Alone::rings(OFFER, "node1.example.com", true);
    let first = romeo.is_answered();
    let Event::OpenSession(old, _) = romeo.takes_events().swap_remove(0) else { panic!() };
    let second = romeo.offers(&offer_with(MOVED.0, MOVED.1)).unwrap();
    let events = romeo.takes_events();
    assert_eq!(names(&events), ["close", "open", "answer"]);
    let (Event::CloseSession(closed), Event::OpenSession(new, _)) = (&events[0], &events[1]) else { panic!() };
    assert_eq!(closed, &old);
    assert_ne!(new, &old);
    assert!(first.contains(&old) && second.contains(new) && !second.contains(&old));
    assert_eq!(
        (line(&first, "o="), line(&second, "o=")),
        ("o=- 4 0 IN IP4 node1.example.com", "o=- 4 1 IN IP4 node1.example.com")
    );
    // What goes out goes there.
    romeo.does(|leg, env, out| leg.deliver(env, &text("hello"), out));
    assert!(romeo.frames().is_empty(), "nobody has connected yet");
    romeo.does(Leg::bound);
    assert_eq!(romeo.frames()[0].head.to_path.endpoint().as_str(), "msrp://192.0.2.7:7655/romeo2;tcp");
    assert_eq!(romeo.frames()[0].head.from_path.endpoint().session_id(), Some(new.as_str()));
    romeo.events.clear();
    romeo.does(|leg, _, out| leg.over(out));
    assert_eq!(romeo.events, [Event::CloseSession(new.clone())]);
}

pub fn text(text: &str) -> Arc<Content> {
    Arc::new(Content::new("m", "message/cpim", "text/plain", cpim(text)).unwrap())
}

pub fn cpim(text: &str) -> bytes::Bytes {
    let head =
        "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nDateTime: 2026-11-21T09:30:00Z\r\n\r\nContent-Type: text/plain\r\n\r\n";
    bytes::Bytes::from(format!("{head}{text}"))
}

/// ACM-04: to a passive client we connect again, when it certainly has our answer, and once.
#[test]
fn a_passive_client_that_moves_is_connected_to_again() {
    let passive = offer_with("actpass", "passive");
    let mut romeo = Alone::talks(&passive);
    romeo.offers(&passive).unwrap();
    romeo.does(|leg, _, out| leg.confirmed(out));
    assert_eq!(names(&romeo.takes_events()), ["answer"], "a refresh connects nobody");
    romeo.offers(&passive.replace(MOVED.0, MOVED.1)).unwrap();
    assert_eq!(names(&romeo.takes_events()), ["take back", "close", "open", "answer"]);
    romeo.does(|leg, _, out| leg.confirmed(out));
    romeo.does(|leg, _, out| leg.confirmed(out));
    let [Event::Connect(target)] = &romeo.takes_events()[..] else { panic!() };
    assert_eq!((target.host.as_str(), target.port), ("192.0.2.7", 7655));
    romeo.does(Leg::bound);
    assert_eq!(romeo.frames().len(), 1, "we speak first (ACM-05)");
}

/// A client that turns passive before it has connected is connected to; one whose connection stands is left alone.
#[test]
fn who_connects_may_change_while_nobody_has() {
    let passive = offer_with("actpass", "passive");
    let mut romeo = Alone::rings(OFFER, "node1.example.com", true);
    romeo.is_answered();
    romeo.events.clear();
    assert!(romeo.offers(&passive).unwrap().contains("a=setup:active\r\n"));
    romeo.does(|leg, _, out| leg.confirmed(out));
    assert_eq!(names(&romeo.takes_events()), ["answer", "connect"]);
    let mut juliet = Alone::talks(OFFER);
    assert!(juliet.offers(&passive).unwrap().contains("a=setup:active\r\n"));
    juliet.does(|leg, _, out| leg.confirmed(out));
    assert_eq!(names(&juliet.events), ["answer"]);
}

/// What was said keeps its fate in the room; its answer has nowhere to go, and neither has half a message.
#[test]
fn what_was_undecided_is_not_answered_in_the_new_session() {
    let mut romeo = Alone::talks(OFFER);
    romeo.sends("");
    romeo.asks_for("bob");
    let half = "Message-ID: h\r\nByte-Range: 1-5/10\r\nContent-Type: message/cpim\r\n";
    romeo.writes_chunk("SEND", "msrp://192.0.2.7:7654/romeo;tcp", half, Some("12345"), '+');
    let ((ticket, _), (nickname, _)) = (romeo.received().swap_remove(0), romeo.nicknames().swap_remove(0));
    romeo.events.clear();
    romeo.offers(&offer_with(MOVED.0, MOVED.1)).unwrap();
    // The message held credit of the old connection.
    assert_eq!(names(&romeo.takes_events()), ["credit", "take back", "close", "open", "answer"]);
    romeo.does(Leg::bound);
    assert!(romeo.leg.owes(ticket), "its fate still counts");
    romeo.does(|leg, env, out| leg.conclude(env, ticket, &Verdict::Accepted, out));
    romeo.does(|leg, env, out| leg.conclude_nickname(env, nickname, 200, "OK", out));
    assert_eq!(romeo.takes_events(), []);
    romeo.writes("SEND", "msrp://192.0.2.7:7654/romeo;tcp", &half.replace("1-5", "6-10"), Some("67890"));
    assert_eq!(romeo.received(), [], "the other half was of the old session");
}

/// What waits for a connection waits for the new one, in order.
#[test]
fn what_waits_moves_along() {
    let mut romeo = Alone::rings(OFFER, "node1.example.com", true);
    romeo.is_answered();
    for text in ["one", "two"] {
        romeo.does(|leg, env, out| leg.deliver(env, &self::text(text), out));
    }
    romeo.offers(&offer_with(MOVED.0, MOVED.1)).unwrap();
    romeo.does(|leg, env, out| leg.deliver(env, &text("three"), out));
    assert!(romeo.frames().is_empty());
    romeo.does(Leg::bound);
    let texts: Vec<String> = romeo.bodies().iter().map(|b| b.rsplit("\r\n").next().unwrap().to_owned()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert!(romeo.frames().iter().all(|f| f.head.to_path.endpoint().session_id() == Some("romeo2")));
}

/// SIP-11, MS-SDP-07: the stream goes, the call stays, and the stream may come back.
#[test]
fn a_stream_that_is_removed_ends_its_session_and_may_come_back() {
    let mut romeo = Alone::talks(OFFER);
    let removed = offer_with("m=message 7654", "m=audio 9 RTP/AVP 0\r\nm=message 0");
    let answer = romeo.offers(&removed).unwrap();
    let media: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=audio 0 RTP/AVP 0", "m=message 0 TCP/MSRP *"]);
    assert_eq!(names(&romeo.takes_events()), ["close", "answer", "removed"]);
    assert_eq!(romeo.offers(&removed).unwrap(), answer);
    assert_eq!(names(&romeo.takes_events()), ["answer"], "once");
    romeo.does(|leg, env, out| leg.deliver(env, &text("lost"), out));
    romeo.does(Leg::bound); // it was on its way
    assert_eq!((romeo.takes_events(), romeo.leg.missed()), (vec![], 1));
    let back = romeo.offers(OFFER).unwrap();
    assert_eq!(names(&romeo.takes_events()), ["open", "answer"]);
    assert_eq!(line(&back, "o="), "o=- 4 2 IN IP4 node1.example.com");
    romeo.does(Leg::bound);
    assert_eq!(romeo.takes_events(), [Event::Missed(1)]);
    romeo.offers(&removed).unwrap();
    romeo.events.clear();
    romeo.does(|leg, _, out| leg.over(out));
    assert_eq!(romeo.events, [], "there is nothing left to close");
}

/// SIP-11: a refused offer changes nothing.
#[test]
fn a_bad_offer_changes_nothing() {
    let mut romeo = Alone::rings(OFFER, "node1.example.com", true);
    let first = romeo.is_answered();
    romeo.does(Leg::bound);
    let before = romeo.leg.capabilities();
    romeo.events.clear();
    let long = format!("a=path:msrp://192.0.2.7:1/{};tcp", "x ".repeat(3)).replace("x ", &"x".repeat(1300));
    for bad in [
        "nonsense".into(),
        offer_with("a=path:msrp://192.0.2.7:7654/romeo;tcp", "a=x"),
        offer_with("a=path:msrp://192.0.2.7:7654/romeo;tcp", &long),
        offer_with("message/cpim", "text/plain"),
        offer_with("m=message 7654 TCP/MSRP", "m=audio 7654 RTP/AVP"),
        offer_with("TCP/MSRP", "TCP/TLS/MSRP").replace("msrp:", "msrps:"),
    ] {
        assert_eq!(romeo.offers(&bad).unwrap_err().code, 488, "{bad}");
    }
    assert!(names(&romeo.events).iter().all(|name| *name == "answer"));
    assert_eq!(romeo.leg.capabilities(), before);
    assert_eq!(romeo.offers(OFFER).unwrap(), first);
}

/// RFC 4975 §5.4: after a connection was lost any offer makes a new one possible, since the old session-id is spent.
#[test]
fn a_lost_connection_is_replaced_by_the_next_offer() {
    let mut romeo = Alone::talks(OFFER);
    romeo.leg.connection_lost(vec![]);
    romeo.does(|leg, env, out| leg.deliver(env, &text("lost"), out));
    romeo.offers(OFFER).unwrap();
    assert_eq!(names(&romeo.takes_events()), ["close", "open", "answer"]);
    romeo.does(|leg, env, out| leg.deliver(env, &text("found"), out));
    romeo.does(Leg::bound);
    assert_eq!(names(&romeo.events), ["send", "send"], "MS-CONN-08: nothing is lost with a connection");
}

/// SIP-19: addresses of six in path, `c=` and `o=`, and a name has the family of the offer.
#[test]
fn a_node_and_a_client_of_ipv6_understand_each_other() {
    let six = OFFER.replace("IN IP4 192.0.2.7", "IN IP6 2001:db8::7").replace("//192.0.2.7:", "//[2001:db8::7]:");
    for host in ["2001:db8::1", "[2001:db8::1]"] {
        let mut romeo = Alone::rings(&six, host, true);
        let answer = romeo.is_answered();
        assert_eq!(line(&answer, "c="), "c=IN IP6 2001:db8::1");
        assert_eq!(line(&answer, "o="), "o=- 4 0 IN IP6 2001:db8::1");
        assert!(line(&answer, "a=path:").starts_with("a=path:msrp://[2001:db8::1]:2855/"), "{answer}");
        romeo.does(Leg::bound);
        romeo.does(|leg, env, out| leg.deliver(env, &text("six"), out));
        assert_eq!(romeo.frames()[0].head.to_path.next_hop().host(), "[2001:db8::7]");
    }
    let answer = Alone::rings(&six, "node1.example.com", true).is_answered();
    assert_eq!(line(&answer, "c="), "c=IN IP6 node1.example.com");
    let answer = Alone::rings(&six, "192.0.2.1", true).is_answered();
    assert_eq!(line(&answer, "c="), "c=IN IP4 192.0.2.1");
}

/// Each new session begins with new credit, so moving must not be a way around the bound on what is undecided.
#[test]
fn a_client_that_moves_all_the_time_cannot_leave_everything_undecided() {
    let mut romeo = Alone::talks(OFFER);
    let mut moves = 0;
    let refusal = loop {
        romeo.sends("");
        match romeo.offers(&offer_with("7654/romeo;", &format!("7654/romeo{moves};"))) {
            Ok(_) => romeo.does(Leg::bound),
            Err(refusal) => break refusal,
        }
        moves += 1;
        assert!(moves < 1000);
    };
    assert_eq!((refusal.code, moves), (491, 32));
    let undecided: Vec<_> = romeo.received().into_iter().map(|(ticket, _)| ticket).collect();
    for ticket in undecided {
        romeo.does(|leg, env, out| leg.conclude(env, ticket, &Verdict::Accepted, out));
    }
    romeo.offers(&offer_with(MOVED.0, MOVED.1)).unwrap();
}

/// We greet on a connection that we made, and not on one that came too late.
#[test]
fn nobody_is_greeted_on_a_stream_that_was_removed() {
    let mut romeo = Alone::talks(&offer_with("actpass", "passive"));
    romeo.offers(&offer_with("m=message 7654", "m=message 0")).unwrap();
    romeo.events.clear();
    romeo.does(Leg::bound);
    romeo.sends("");
    assert_eq!(romeo.events, [Event::Credit]);
}
