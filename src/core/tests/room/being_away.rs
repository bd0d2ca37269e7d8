//! The XMPP server is away for a while (XM-18, CI-15).

use mucfocus_core::conference::Reason;
use mucfocus_core::muc::StreamEnd;

use crate::story::Story;

fn broken() -> StreamEnd {
    StreamEnd::Lost("reset".into())
}

#[test]
fn the_call_stays_and_the_room_is_entered_again() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    romeo.loses_stream(broken());
    romeo.is_not_in_the_room();
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(2);
    romeo.is_called("Romeo");
    assert!(romeo.sees().notices.iter().any(|notice| notice.contains("may have missed")), "{:?}", romeo.sees().notices);
    story.in_the_room("JuliC", "welcome back");
    romeo.has_heard(&[("JuliC", "welcome back")]);
    story.seconds_pass(10);
    list.shows(&["JuliC", "Romeo"]);
    assert!(list.sees().last().contains("<active>true</active>"));
}

#[test]
fn meanwhile_the_room_is_shown_as_out_of_reach() {
    // CI-15
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.world().connects_streams = false;
    romeo.loses_stream(broken());
    story.seconds_pass(6);
    assert!(list.sees().last().contains("<active>false</active>"), "{}", list.sees().last());
    list.shows(&["JuliC", "Romeo"]);
}

#[test]
fn what_is_said_meanwhile_is_said_when_the_room_is_back() {
    let (story, romeo) = Story::with_romeo();
    romeo.loses_stream(broken());
    let request = romeo.says("can you hear me?");
    romeo.gets_no_response(&request);
    story.seconds_pass(2);
    romeo.gets_response(&request, 200);
    assert_eq!(story.muc().said, [("Romeo".to_string(), "can you hear me?".to_string())]);
}

#[test]
fn a_nickname_that_was_refused_meanwhile_is_not_come_back_under() {
    // GC-NICK-02, GC-NICK-05
    let (story, romeo) = Story::with_romeo();
    story.world().connects_streams = false;
    romeo.loses_stream(broken());
    let request = romeo.wants_to_be("montecchi");
    story.seconds_pass(11);
    romeo.gets_response(&request, 408);
    story.world().connects_streams = true;
    romeo.loses_stream(broken());
    story.seconds_pass(5);
    romeo.is_called("Romeo");
}

#[test]
fn or_is_408_when_it_takes_too_long() {
    // GC-MSG-04
    let (story, romeo) = Story::with_romeo();
    story.world().connects_streams = false;
    romeo.loses_stream(broken());
    let request = romeo.says("can you hear me?");
    story.seconds_pass(26);
    romeo.gets_response(&request, 408);
    assert!(story.muc().said.is_empty());
}

#[test]
fn after_the_time_for_it_the_call_ends() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.world().connects_streams = false;
    romeo.loses_stream(broken());
    story.seconds_pass(119);
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(2);
    romeo.gets_bye(503, "lost");
    assert_eq!(list.sees().ended(), Some(Reason::Probation));
    story.everybody_leaves();
}

#[test]
fn who_dials_meanwhile_shares_the_wait() {
    let (story, phone) = Story::with_romeo();
    phone.loses_stream(broken());
    let tablet = story.sip_user("Romeo");
    tablet.dials();
    story.seconds_pass(2);
    tablet.is_answered();
    phone.is_called("Romeo");
}

/// A server that lets him in and throws him out at once is not asked twice a second for as long as he calls.
#[test]
fn a_way_in_that_leads_nowhere_for_long_is_tried_less_and_less_often() {
    let (story, romeo) = Story::with_romeo();
    let is_away_for = || {
        romeo.loses_stream(broken());
        let mut seconds = 0;
        while !story.muc().occupants.contains_key("Romeo") {
            story.seconds_pass(1);
            seconds += 1;
        }
        seconds
    };
    story.seconds_pass(60);
    let pauses: Vec<u64> = (0..8).map(|_| is_away_for()).collect();
    assert!(pauses[0] <= 1 && pauses[3] >= 4 && pauses[6] >= 15, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 31), "{pauses:?}");
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(60);
    assert!(is_away_for() <= 1, "who stayed for long comes back at once");
    story.everybody_leaves();
}
