//! The connection of a stream breaks, and the server keeps the stream for a while (XM-02, FT-05).

use crate::story::Story;

#[test]
fn a_connection_that_comes_back_soon_is_missed_by_nobody() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.seconds_pass(10);
    let documents = list.documents();
    romeo.stream_is_suspended();
    story.seconds_pass(4);
    romeo.is_called("Romeo");
    romeo.stream_is_resumed();
    story.seconds_pass(20);
    assert_eq!(list.documents(), documents, "{}", list.sees().last());
    let send = romeo.says("I was never away");
    romeo.gets_response(&send, 200);
    assert!(!romeo.sees().notices.iter().any(|notice| notice.contains("missed")), "{:?}", romeo.sees().notices);
    story.everybody_leaves();
}

/// CI-15
#[test]
fn one_that_stays_away_shows_until_it_is_back() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    romeo.stream_is_suspended();
    story.seconds_pass(8);
    assert!(list.sees().last().contains("<active>false</active>"), "{}", list.sees().last());
    list.shows(&["JuliC", "Romeo"]);
    romeo.stream_is_resumed();
    story.seconds_pass(8);
    assert!(list.sees().last().contains("<active>true</active>"), "{}", list.sees().last());
    list.shows(&["JuliC", "Romeo"]);
    story.everybody_leaves();
}

/// What is said without a connection waits for one.
#[test]
fn what_is_said_meanwhile_is_said_once_when_it_is_back() {
    let (story, romeo) = Story::with_romeo();
    romeo.stream_is_suspended();
    let send = romeo.says("can you hear me?");
    romeo.gets_no_response(&send);
    assert!(story.muc().said.is_empty());
    story.seconds_pass(3);
    romeo.stream_is_resumed();
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said, [("Romeo".to_string(), "can you hear me?".to_string())]);
    story.everybody_leaves();
}

/// GC-MSG-04: whose author was told 408 does not appear after that.
#[test]
fn what_waited_too_long_is_408_and_never_said() {
    let (story, romeo) = Story::with_romeo();
    romeo.stream_is_suspended();
    let send = romeo.says("can you hear me?");
    story.seconds_pass(26);
    romeo.gets_response(&send, 408);
    romeo.stream_is_resumed();
    story.seconds_pass(5);
    assert!(story.muc().said.is_empty());
    story.everybody_leaves();
}

/// GC-NICK-05: nor is somebody called what he was told that he is not.
#[test]
fn a_nickname_that_waited_too_long_is_not_taken_afterwards() {
    let (story, romeo) = Story::with_romeo();
    romeo.stream_is_suspended();
    let request = romeo.wants_to_be("montecchi");
    story.seconds_pass(11);
    romeo.gets_response(&request, 408);
    romeo.stream_is_resumed();
    story.seconds_pass(5);
    romeo.is_called("Romeo");
    let request = romeo.wants_to_be("montecchi");
    romeo.gets_response(&request, 200);
    romeo.stream_is_suspended();
    let request = romeo.wants_to_be("Romeo");
    story.seconds_pass(2);
    romeo.stream_is_resumed();
    romeo.gets_response(&request, 200);
    romeo.is_called("Romeo");
    story.everybody_leaves();
}

/// Design: another membership looks when the observer has been without a connection for five seconds.
#[test]
fn the_others_do_not_depend_on_an_observer_without_a_connection() {
    let (story, romeo) = Story::with_romeo();
    let nurse = story.sip_user("Nurse");
    nurse.dials();
    nurse.connects();
    let list = nurse.watches();
    romeo.stream_is_suspended();
    story.seconds_pass(7);
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    story.seconds_pass(10);
    list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
    assert!(list.sees().last().contains("<active>true</active>") || !list.sees().last().contains("<active>"));
    romeo.stream_is_resumed();
    story.seconds_pass(5);
    list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
    story.everybody_leaves();
}

/// XM-18
#[test]
fn an_outage_that_lasts_ends_the_call_with_a_reason() {
    let (story, romeo) = Story::with_romeo();
    romeo.stream_is_suspended();
    story.seconds_pass(119);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(2);
    romeo.gets_bye(503, "connection to the XMPP server was lost");
    story.everybody_leaves();
}

/// The server was started again: in the room he is nobody, and goes back in on the stream that he is given.
#[test]
fn a_stream_that_the_server_has_lost_leads_back_into_the_room() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    romeo.stream_is_suspended();
    let send = romeo.says("meanwhile");
    story.seconds_pass(8);
    assert!(list.sees().last().contains("<active>false</active>"), "{}", list.sees().last());
    romeo.stream_is_reset();
    romeo.is_called("Romeo");
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said, [("Romeo".to_string(), "meanwhile".to_string())]);
    assert!(romeo.sees().notices.iter().any(|notice| notice.contains("may have missed")), "{:?}", romeo.sees().notices);
    story.seconds_pass(8);
    assert!(list.sees().last().contains("<active>true</active>"), "{}", list.sees().last());
    story.everybody_leaves();
}

/// Time that has passed without a connection is time without the room.
#[test]
fn the_time_for_an_outage_begins_with_it() {
    let (story, romeo) = Story::with_romeo();
    romeo.stream_is_suspended();
    story.seconds_pass(60);
    story.world().connects_streams = false;
    romeo.loses_stream(mucfocus_core::muc::StreamEnd::Lost("not resumed".into()));
    story.seconds_pass(59);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(2);
    romeo.gets_bye(503, "connection to the XMPP server was lost");
    story.everybody_leaves();
}

/// He had not got in yet: he begins anew, and nobody refuses his call for it.
#[test]
fn a_caller_on_his_way_in_begins_anew_on_another_stream() {
    let story = Story::begins();
    story.muc().freezes();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.stream_is_suspended();
    story.seconds_pass(1);
    romeo.stream_is_reset();
    romeo.is_still_waiting();
    story.muc_thaws();
    story.settles();
    romeo.is_answered();
    romeo.is_called("Romeo");
    story.everybody_leaves();
}
