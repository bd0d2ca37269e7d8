//! NICKNAME (RFC 7701 §7.1): what the session answers by itself, and what it asks the room.

use mucfocus_core::leg::MAX_UNDECIDED_NICKNAMES;
use mucfocus_core::msrp::session::PeerFault;
use mucfocus_core::wire::msrp::frame::FailureReport;

use crate::alone::{Alone, OFFER, offer_with};

/// SW-22, SW-23, SW-29.
#[test]
fn a_nickname_is_asked_for_and_answered_along_the_whole_path() {
    let mut romeo = Alone::talks(OFFER);
    let path = "msrp://relay.example.org:9000/r;tcp msrp://192.0.2.7:7654/romeo;tcp";
    let asked = romeo.writes("NICKNAME", path, "Use-Nickname: \"  Sweet \\\"Romeo\\\" \"\r\n", None);
    let (ticket, wanted) = romeo.nicknames().swap_remove(0);
    assert_eq!(wanted.as_deref(), Some("Sweet \"Romeo\""));
    assert!(romeo.frames().is_empty(), "the room decides");
    romeo.does(|leg, env, out| leg.conclude_nickname(env, ticket, 425, "Somebody has it", out));
    assert_eq!(romeo.responses(), [(asked, 425)]);
    let hosts: Vec<String> = romeo.frames()[0].head.to_path.iter().map(|uri| uri.host().to_owned()).collect();
    assert_eq!(hosts, ["relay.example.org", "192.0.2.7"]);
    romeo.does(|leg, env, out| leg.conclude_nickname(env, ticket, 200, "OK", out));
    assert_eq!(romeo.responses().len(), 1, "answered once");
    romeo.events.clear();
    romeo.asks_for("\"\"");
    assert_eq!(romeo.nicknames()[0].1, None, "the release");
}

/// SW-22, SW-25, NICK-01, NICK-06.
#[test]
fn what_is_wrong_with_a_request_is_answered_at_once() {
    let mut romeo = Alone::talks(OFFER);
    let long = format!("\"{}\"", "x".repeat(1024));
    for value in ["\"bob", "bob\" jones", "\"\\n\"", "\"  \"", "\"a\u{7}b\"", "\"a\tb\"", "\"\u{378}\"", &long] {
        let asked = romeo.asks_for(value);
        assert_eq!(romeo.responses(), [(asked, 424)], "{value:?}");
        assert!(matches!(romeo.faults()[..], [PeerFault::BadNickname(_)]), "{value:?}");
        romeo.events.clear();
    }
    let asked = romeo.writes("NICKNAME", "msrp://192.0.2.7:7654/romeo;tcp", "", None);
    assert_eq!((romeo.responses(), romeo.faults()), (vec![(asked, 400)], vec![PeerFault::NicknameMissing]));
    romeo.events.clear();
    for value in ["bob", "bob jones", "\"bob\"", &format!("\"{}\"", "x".repeat(1023))] {
        romeo.asks_for(value);
        assert_eq!(romeo.nicknames().len(), 1, "{value}");
        assert!(romeo.frames().is_empty(), "{value}");
        romeo.events.clear();
    }
}

/// SW-22, SW-23: report headers mean nothing there, and silence is not for sale.
#[test]
fn a_nickname_is_answered_whatever_the_report_headers_say() {
    for headers in ["Failure-Report: no\r\n", "Failure-Report: partial\r\nSuccess-Report: yes\r\n"] {
        for (value, code) in [("\"bob\"", 200), ("\"bob", 424), ("\"a\u{7}b\"", 424)] {
            let mut romeo = Alone::talks(OFFER);
            let headers = format!("{headers}Use-Nickname: {value}\r\n");
            let asked = romeo.writes("NICKNAME", "msrp://192.0.2.7:7654/romeo;tcp", &headers, None);
            if let [(ticket, _)] = romeo.nicknames()[..] {
                romeo.does(|leg, env, out| leg.conclude_nickname(env, ticket, 200, "OK", out));
            }
            assert_eq!(romeo.responses(), [(asked, code)], "{headers}");
            assert_eq!(romeo.frames().len(), 1, "and no REPORT");
        }
    }
}

/// GC-JOIN-03, SW-32.
#[test]
fn only_a_client_that_knows_nicknames_may_ask_for_one() {
    for (chatroom, may) in [
        ("a=chatroom:nickname private-messages", true),
        ("a=chatroom:Nicknames", true),
        ("a=chatroom:nickname nickname com.example.x", true),
        ("a=chatroom:private-messages", false),
        ("a=chatroom", false),
        ("a=x", false),
    ] {
        let mut romeo = Alone::talks(&offer_with("a=chatroom:nickname private-messages", chatroom));
        let asked = romeo.asks_for("\"bob\"");
        assert_eq!(romeo.nicknames().len(), usize::from(may), "{chatroom}");
        if !may {
            let told = (romeo.responses(), romeo.faults());
            assert_eq!(told, (vec![(asked, 403)], vec![PeerFault::NicknameNotOffered]), "{chatroom}");
        }
    }
}

#[test]
fn a_client_may_have_four_requests_undecided() {
    let mut romeo = Alone::talks(OFFER);
    for n in 0..MAX_UNDECIDED_NICKNAMES {
        romeo.asks_for(&format!("\"bob {n}\""));
    }
    assert!(romeo.frames().is_empty());
    let fifth = romeo.asks_for("\"bob 5\"");
    assert_eq!(romeo.responses(), [(fifth, 403)]);
    assert_eq!(romeo.faults(), [PeerFault::TooManyNicknames]);
    let (first, _) = romeo.nicknames()[0];
    romeo.does(|leg, env, out| leg.conclude_nickname(env, first, 200, "OK", out));
    romeo.asks_for("\"bob 6\"");
    assert_eq!(romeo.nicknames().len(), 5, "there is room again");
}

/// A comment that no line can hold costs the comment and not the answer.
#[test]
fn a_strange_comment_does_not_swallow_the_answer() {
    let mut romeo = Alone::talks(OFFER);
    let asked = romeo.asks_for("bob");
    let (ticket, _) = romeo.nicknames()[0];
    romeo.does(|leg, env, out| leg.conclude_nickname(env, ticket, 403, "No\r\nX: y", out));
    assert_eq!(romeo.responses(), [(asked, 403)]);
    assert_eq!(romeo.frames()[0].head.failure_report, FailureReport::Yes);
}
