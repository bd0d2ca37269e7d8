//! The MSRP session of a leg, and re-INVITEs about it.

use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::room::io::Input;

use crate::story::Story;

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
    romeo.input(Input::SessionLost { leg: romeo.leg, why: "connection refused".into(), ago: Duration::ZERO });
    story.seconds_pass(46);
    romeo.gets_bye(480, "MSRP");
    story.everybody_leaves();
}

/// MS-RSP-07: who answers 481 has no session any more; MS-RSP-10: answers to nothing are nothing.
#[test]
fn a_client_that_ended_its_session_is_out() {
    for code in [481, 506] {
        let (story, romeo) = Story::with_romeo();
        let response = |transaction: &str| {
            let path = romeo.sees().path();
            let octets = format!(
                "MSRP {transaction} {code} No\r\nTo-Path: msrp://node1.example.com:2855/x;tcp\r\n\
                 From-Path: {path}\r\n-------{transaction}$\r\n"
            );
            let mail = crate::world::Mail::Octets(romeo.leg, octets);
            story.world().post(crate::world::Source::Msrp(romeo.leg), mail);
            story.settles();
        };
        response("unknown1");
        assert_eq!(romeo.sees().bye, None);
        romeo.client().responds = false;
        story.in_the_room("JuliC", "Romeo?");
        let transaction = romeo.sees().last_request.clone();
        response(&transaction);
        romeo.gets_bye(480, &code.to_string());
        romeo.is_not_in_the_room();
        story.everybody_leaves();
    }
}

/// A client that reads and never answers is not ended for it, and nothing piles up.
#[test]
fn a_client_that_never_answers_goes_on_hearing() {
    let (story, romeo) = Story::with_romeo();
    romeo.client().responds = false;
    for n in 0..600 {
        story.in_the_room("JuliC", &format!("line {n}"));
        story.milliseconds_pass(100);
    }
    assert_eq!(romeo.sees().heard.len(), 600);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(60);
    story.everybody_leaves();
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
