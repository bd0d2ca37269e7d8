//! The MSRP session of a leg, and re-INVITEs about it.

use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::leg::Delivery;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::room::io::{Input, Trace};

use crate::story::{SipUser, Story};
use crate::world::{Mail, Source};

/// MS-SDP-04, SIP-11: a refresh gets the same answer, nonsense 488, and the session goes on.
#[test]
fn a_refresh_is_answered_and_nonsense_refused() {
    let (story, romeo) = Story::with_romeo();
    romeo.reoffers();
    romeo.input(Input::Reoffered(romeo.leg, Bytes::from_static(b"nonsense")));
    {
        let sees = romeo.sees();
        let answer = sees.answer.clone().unwrap();
        assert_eq!(sees.reinvites[0].as_deref().unwrap(), answer.as_bytes());
        assert_eq!(sees.reinvites[1].as_ref().unwrap_err().code, 488);
        assert_eq!(sees.reinvites.len(), 2);
    }
    let send = romeo.says("Still here");
    romeo.gets_response(&send, 200);
    story.everybody_leaves();
}

/// GC-JOIN-18, SIP-11: a client on its way from one network to the next misses nothing.
#[test]
fn a_client_that_moves_is_in_the_room_all_the_time() {
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let undecided = romeo.says_with("Failure-Report: no\r\n", "I am moving");
    romeo.client().moved = 1;
    romeo.reoffers();
    assert!(romeo.sees().reinvites[0].is_ok());
    story.muc_thaws();
    romeo.gets_no_response(&undecided);
    assert_eq!(story.muc().said.len(), 1, "it was said");
    story.in_the_room("JuliC", "Where are you?");
    romeo.has_heard(&[]);
    romeo.connects();
    romeo.has_heard(&[("JuliC", "Where are you?")]);
    let send = romeo.says("Here");
    romeo.gets_response(&send, 200);
    romeo.has_all_credit();
    story.seconds_pass(60);
    romeo.is_called("Romeo");
    story.everybody_leaves();
}

#[test]
fn a_client_that_moves_and_never_connects_is_out_after_a_while() {
    let (story, romeo) = Story::with_romeo();
    story.seconds_pass(100);
    romeo.client().moved = 1;
    romeo.reoffers();
    story.seconds_pass(44);
    romeo.is_called("Romeo");
    story.seconds_pass(2);
    romeo.gets_bye(480, "MSRP");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// ACM-04 in the other order: the ACK of the re-INVITE is what we wait for.
#[test]
fn a_passive_client_that_moves_is_connected_to_again() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().setup = "passive";
    romeo.dials();
    romeo.client().moved = 1;
    romeo.reoffers();
    assert_eq!(romeo.sees().connects, 1);
    romeo.input(Input::Confirmed(romeo.leg));
    assert_eq!((romeo.sees().connects, romeo.sees().greetings), (2, 2));
    let send = romeo.says("You called again?");
    romeo.gets_response(&send, 200);
    story.everybody_leaves();
}

/// MS-SDP-06: hold and resume.
#[test]
fn a_client_on_hold_hears_later_what_was_said() {
    let (story, romeo) = Story::with_romeo();
    romeo.client().offers_instead = vec![("t=0 0\r\n", "t=0 0\r\na=inactive\r\n".into())];
    romeo.reoffers();
    story.in_the_room("JuliC", "Are you there?");
    romeo.has_heard(&[]);
    let send = romeo.sends("", &romeo.cpim("No"));
    story.settles();
    romeo.gets_response(&send, 403);
    story.seconds_pass(300);
    romeo.is_called("Romeo");
    romeo.client().offers_instead.clear();
    romeo.reoffers();
    romeo.has_heard(&[("JuliC", "Are you there?")]);
    story.everybody_leaves();
}

/// SIP-11: without its stream a leg has as long as without its connection.
#[test]
fn a_client_that_removes_its_stream_is_out_unless_it_brings_it_back() {
    for comes_back in [true, false] {
        let (story, romeo) = Story::with_romeo();
        romeo.client().offers_instead = vec![("m=message 7654", "m=message 0".into())];
        romeo.reoffers();
        assert_eq!(romeo.sees().session, None);
        story.in_the_room("JuliC", "Romeo?");
        story.seconds_pass(44);
        if comes_back {
            romeo.client().offers_instead.clear();
            romeo.reoffers();
            romeo.connects();
            story.seconds_pass(60);
            let send = romeo.says("Here");
            romeo.gets_response(&send, 200);
        } else {
            story.seconds_pass(2);
            romeo.gets_bye(480, "MSRP");
            romeo.is_not_in_the_room();
        }
        story.everybody_leaves();
    }
}

#[test]
fn a_change_before_the_answer_has_to_wait() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    story.muc().freezes();
    romeo.dials();
    let offer = Bytes::from(romeo.sees().offer());
    romeo.input(Input::Reoffered(romeo.leg, offer));
    assert_eq!(romeo.sees().reinvites[0].as_ref().unwrap_err().code, 491);
    story.muc_thaws();
    romeo.is_answered();
    story.everybody_leaves();
}

/// ACM-04, ACM-05: we connect to a passive client, after the ACK, once, and speak first.
#[test]
fn a_passive_client_is_connected_to_and_greeted() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().setup = "passive";
    romeo.dials();
    assert!(romeo.sees().answer.as_ref().unwrap().contains("a=setup:active\r\n"));
    romeo.input(Input::Confirmed(romeo.leg));
    assert_eq!((romeo.sees().connects, romeo.sees().greetings), (1, 1));
    let send = romeo.says("You called?");
    romeo.gets_response(&send, 200);
    story.everybody_leaves();
}

/// Whatever listens at the address of a passive client: who never says anything leaves no occupant behind.
#[test]
fn a_passive_client_that_never_answers_is_out_after_a_while() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    (romeo.client().setup, romeo.client().responds) = ("passive", false);
    romeo.dials();
    romeo.input(Input::Confirmed(romeo.leg));
    assert_eq!(romeo.sees().greetings, 1);
    story.seconds_pass(44);
    romeo.is_called("Romeo");
    story.seconds_pass(2);
    romeo.gets_bye(480, "MSRP");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

#[test]
fn a_client_that_cannot_be_connected_to_is_out_after_a_while() {
    let story = Story::begins();
    story.world().connects_sessions = false;
    let romeo = story.sip_user("Romeo");
    romeo.client().setup = "passive";
    romeo.dials();
    romeo.input(Input::Confirmed(romeo.leg));
    romeo.input(Input::SessionLost {
        leg: romeo.leg,
        why: "connection refused".into(),
        ago: Duration::ZERO,
        unsent: vec![],
    });
    story.seconds_pass(46);
    romeo.gets_bye(480, "MSRP");
    story.everybody_leaves();
}

/// The client answers a request of the room.
fn answers(romeo: &SipUser, transaction: &str, code: u16) {
    let path = romeo.sees().path();
    let octets = format!(
        "MSRP {transaction} {code} No\r\nTo-Path: msrp://node1.example.com:2855/x;tcp\r\n\
         From-Path: {path}\r\n-------{transaction}$\r\n"
    );
    romeo.story.world().post(Source::Msrp(romeo.leg), Mail::Octets(romeo.leg, octets));
    romeo.story.settles();
}

/// The client answers the last request of the room.
fn answers_last(romeo: &SipUser, code: u16) {
    let transaction = romeo.sees().last_request.clone();
    answers(romeo, &transaction, code);
}

/// MS-RSP-07: who answers 481 has no session any more; MS-RSP-10: answers to nothing are nothing.
#[test]
fn a_client_that_ended_its_session_is_out() {
    let (story, romeo) = Story::with_romeo();
    for code in [481, 506] {
        answers(&romeo, "unknown1", code);
    }
    assert_eq!(romeo.sees().bye, None);
    assert!(romeo.sees().is_bound);
    romeo.client().responds = false;
    story.in_the_room("JuliC", "Romeo?");
    answers_last(&romeo, 481);
    romeo.gets_bye(480, "481");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// MS-RSP-07: whose session is on another connection gets nothing more on this one; what he has not taken waits for the next.
#[test]
fn a_session_that_the_client_has_elsewhere_waits_for_a_new_offer() {
    for comes_back in [true, false] {
        let (story, romeo) = Story::with_romeo();
        romeo.client().responds = false;
        story.in_the_room("JuliC", "one");
        let first = romeo.sees().last_request.clone();
        story.in_the_room("JuliC", "two");
        answers(&romeo, &first, 506);
        assert_eq!((romeo.sees().bye.clone(), romeo.sees().is_bound), (None, false));
        story.in_the_room("JuliC", "three");
        romeo.client().responds = true;
        story.seconds_pass(44);
        romeo.is_called("Romeo");
        if comes_back {
            romeo.reoffers();
            romeo.connects();
            romeo.has_heard(&[("JuliC", "one"), ("JuliC", "two"), ("JuliC", "three")]);
            assert_eq!(romeo.sees().repeated, 2);
            story.seconds_pass(60);
            romeo.is_called("Romeo");
        } else {
            story.seconds_pass(2);
            romeo.gets_bye(480, "MSRP");
            romeo.is_not_in_the_room();
        }
        story.everybody_leaves();
    }
}

/// MS-RSP-05: a client of whom his relay hears nothing is out as one who answers nothing to us; one who speaks stays.
#[test]
fn a_client_whose_relay_says_that_he_answers_nothing_is_out_after_a_while() {
    let (story, romeo) = Story::with_romeo();
    romeo.client().responds = false;
    story.seconds_pass(1);
    story.in_the_room("JuliC", "one");
    story.seconds_pass(1);
    let one = romeo.sees().last_request.clone();
    romeo.writes("SEND", "Message-ID: alive\r\n", None, '$');
    story.settles();
    answers(&romeo, &one, 408);
    assert!(romeo.sees().traces.contains(&Trace::MessageNotDelivered(Delivery::Unanswered)));
    assert!(romeo.sees().is_bound, "he is there");
    story.seconds_pass(1);
    story.in_the_room("JuliC", "two");
    answers_last(&romeo, 408);
    assert!(!romeo.sees().is_bound);
    story.seconds_pass(44);
    romeo.is_called("Romeo");
    story.seconds_pass(2);
    romeo.gets_bye(480, "MSRP");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// MS-CONN-11, MS-SDP-08: what listens where an offer has us connect may know nothing of MSRP. It gets one SEND, in which nobody
/// says anything, until it answers that or asks something itself.
#[test]
fn whom_we_connect_to_hears_nothing_before_he_has_spoken() {
    for word in ["200", "501", "a keep-alive", "a message", "a nickname"] {
        let story = Story::begins();
        story.in_the_room("JuliC", "before");
        let romeo = story.sip_user("Romeo");
        (romeo.client().setup, romeo.client().responds) = ("passive", false);
        romeo.dials();
        romeo.input(Input::Confirmed(romeo.leg));
        story.in_the_room("JuliC", "after");
        story.seconds_pass(20);
        assert_eq!((romeo.sees().greetings, romeo.sees().heard.len(), romeo.sees().earlier.len()), (1, 0, 0), "{word}");
        romeo.client().responds = true;
        match word {
            "200" => answers_last(&romeo, 200),
            "501" => answers_last(&romeo, 501),
            "a keep-alive" => drop(romeo.writes("SEND", "Message-ID: alive\r\n", None, '$')),
            "a message" => drop(romeo.says("Hello")),
            _ => drop(romeo.wants_to_be("Mercutio")),
        }
        story.settles();
        romeo.has_heard(&[("JuliC", "after")]);
        story.in_the_room("JuliC", "later");
        romeo.has_heard(&[("JuliC", "after"), ("JuliC", "later")]);
        story.seconds_pass(60);
        assert_eq!(romeo.sees().bye, None, "{word}");
        assert_eq!(romeo.sees().greetings, 1);
        story.everybody_leaves();
    }
}

/// MS-CONN-11: who lets us connect and then calls himself active has said nothing all the same.
#[test]
fn a_new_offer_is_no_word_on_the_connection() {
    let story = Story::begins();
    story.world().connects_sessions = false;
    let romeo = story.sip_user("Romeo");
    (romeo.client().setup, romeo.client().responds) = ("passive", false);
    romeo.dials();
    romeo.input(Input::Confirmed(romeo.leg));
    romeo.client().setup = "active";
    romeo.reoffers();
    romeo.connects();
    story.in_the_room("JuliC", "Romeo?");
    assert_eq!((romeo.sees().greetings, romeo.sees().heard.len()), (1, 0));
    story.seconds_pass(46);
    romeo.gets_bye(480, "MSRP");
    story.everybody_leaves();
}

/// MS-RSP-04: a client that is alive and never answers is not ended for it, nothing piles up, and the operator can see it.
#[test]
fn a_client_that_never_answers_goes_on_hearing() {
    let (story, romeo) = Story::with_romeo();
    romeo.client().responds = false;
    for n in 0..600 {
        story.in_the_room("JuliC", &format!("line {n}"));
        story.milliseconds_pass(100);
        if n % 50 == 0 {
            romeo.writes("SEND", "Message-ID: alive\r\n", None, '$');
            story.settles();
        }
    }
    assert_eq!(romeo.sees().heard.len(), 600);
    assert_eq!(romeo.sees().bye, None);
    let unanswered = Trace::MessageNotDelivered(Delivery::Unanswered);
    assert!(romeo.sees().traces.contains(&unanswered));
    story.everybody_leaves();
}

/// MS-RSP-04: where nothing at all comes back, nobody is there.
#[test]
fn a_client_that_says_nothing_at_all_is_out_after_a_while() {
    let (story, romeo) = Story::with_romeo();
    romeo.client().responds = false;
    story.seconds_pass(600);
    romeo.is_called("Romeo");
    story.in_the_room("JuliC", "Romeo?");
    story.seconds_pass(29);
    assert!(romeo.sees().is_bound);
    story.seconds_pass(1);
    assert!(!romeo.sees().is_bound, "the connection is given up");
    story.seconds_pass(16);
    romeo.gets_bye(480, "MSRP");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// MS-CONN-08: what was written and not answered is said again on the next connection, in order and under the same Message-ID, and
/// what the room said meanwhile follows.
#[test]
fn what_a_lost_connection_took_along_comes_on_the_next() {
    let (story, romeo) = Story::with_romeo();
    story.in_the_room("JuliC", "one");
    romeo.client().responds = false;
    story.in_the_room("JuliC", "two");
    story.in_the_room("JuliC", "three");
    romeo.client().lost_once = true;
    romeo.loses_connection();
    story.in_the_room("JuliC", "four");
    romeo.client().responds = true;
    story.seconds_pass(10);
    romeo.reoffers();
    romeo.connects();
    romeo.has_heard(&[("JuliC", "one"), ("JuliC", "two"), ("JuliC", "three"), ("JuliC", "four")]);
    assert_eq!(romeo.sees().repeated, 2, "two and three came again");
    assert!(!romeo.sees().notices.iter().any(|notice| notice.contains("missed")), "{:?}", romeo.sees().notices);
    story.seconds_pass(60);
    romeo.is_called("Romeo");
    story.everybody_leaves();
}

/// MS-CONN-08, GC-JOIN-18: the same when the client moves while its old connection stands.
#[test]
fn what_was_not_answered_moves_along() {
    let (story, romeo) = Story::with_romeo();
    romeo.client().responds = false;
    story.in_the_room("JuliC", "one");
    romeo.client().moved = 1;
    romeo.reoffers();
    story.in_the_room("JuliC", "two");
    romeo.client().responds = true;
    romeo.connects();
    romeo.has_heard(&[("JuliC", "one"), ("JuliC", "two")]);
    assert_eq!(romeo.sees().repeated, 1);
    story.everybody_leaves();
}

/// MS-CONN-08: what waits for a connection that may come is bounded; the user is told how much he missed.
#[test]
fn what_waits_for_the_next_connection_is_bounded() {
    let (story, romeo) = Story::with_romeo();
    romeo.loses_connection();
    let most = Limits::default().waiting();
    for n in 0..most + 3 {
        story.in_the_room("JuliC", &n.to_string());
    }
    romeo.reoffers();
    romeo.connects();
    assert_eq!(romeo.sees().heard.len(), most);
    assert_eq!(romeo.sees().heard[0].1, "3");
    assert!(romeo.sees().notices.last().unwrap().contains('3'), "{:?}", romeo.sees().notices);
    story.everybody_leaves();
}

/// MS-SEND-15, MS-REP-04, MS-RSP-09: a type that the client does not understand is not sent again; other refusals are about one
/// message.
#[test]
fn a_refused_type_is_not_sent_again() {
    for (code, again) in [(415, false), (413, true), (400, true), (403, true)] {
        for by_report in [false, true] {
            let (story, romeo) = Story::with_romeo();
            romeo.client().responds = false;
            story.in_the_room("JuliC", "one");
            let (transaction, id) = (romeo.sees().last_request.clone(), romeo.sees().last_message.clone());
            let path = romeo.sees().path();
            let to = "msrp://node1.example.com:2855/x;tcp";
            for (namespace, counts) in [(1, false), (0, true)] {
                let octets = if by_report {
                    format!(
                        "MSRP rep12345 REPORT\r\nTo-Path: {to}\r\nFrom-Path: {path}\r\nMessage-ID: {id}\r\n\
                         Byte-Range: 1-1/1\r\nStatus: 00{namespace} {code} No\r\n-------rep12345$\r\n"
                    )
                } else if counts {
                    format!(
                        "MSRP {transaction} {code} No\r\nTo-Path: {to}\r\nFrom-Path: {path}\r\n-------{transaction}$\r\n"
                    )
                } else {
                    continue;
                };
                let mail = Mail::Octets(romeo.leg, octets);
                story.world().post(Source::Msrp(romeo.leg), mail);
                story.settles();
                let refused = Trace::MessageNotDelivered(Delivery::Refused(code));
                assert_eq!(romeo.sees().traces.contains(&refused), counts, "namespace {namespace}");
            }
            romeo.client().responds = true;
            story.in_the_room("JuliC", "two");
            assert_eq!(romeo.sees().heard.len(), 1 + usize::from(again), "{code}");
            assert_eq!(romeo.sees().bye, None);
            story.everybody_leaves();
        }
    }
}

/// MS-RSP-09, MS-SDP-04: the refusal of a type counts for its session (RFC 4975 §10.6), which a refresh does not end, and another path or
/// a lost connection does.
#[test]
fn a_type_that_was_refused_is_sent_again_in_a_new_session() {
    for (moves, breaks) in [(true, false), (false, true), (true, true)] {
        let (story, romeo) = Story::with_romeo();
        romeo.client().responds = false;
        story.in_the_room("JuliC", "one");
        answers_last(&romeo, 415);
        romeo.client().responds = true;
        romeo.reoffers();
        story.in_the_room("JuliC", "two");
        romeo.has_heard(&[("JuliC", "one")]);
        if breaks {
            romeo.loses_connection();
        }
        romeo.client().moved = u32::from(moves);
        romeo.reoffers();
        romeo.connects();
        story.in_the_room("JuliC", "three");
        romeo.has_heard(&[("JuliC", "one"), ("JuliC", "three")]);
        story.everybody_leaves();
    }
}

/// An `a=path` that no To-Path can hold would lose every message without a word.
#[test]
fn a_path_that_nothing_can_be_sent_along_is_refused() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    let relay = format!("msrp://relay.example.org:7654/{};tcp", "x".repeat(900));
    let relays = [relay.as_str(); 5].join(" ");
    romeo.client().setup = Box::leak(format!("active\r\na=path:{relays}").into_boxed_str());
    romeo.dials();
    romeo.is_refused_with(488);
    assert_eq!(story.muc().log, []);
    story.everybody_leaves();
}
