//! The XMPP server is away for a while (XM-18, CI-15).

use mucfocus_core::conference::Reason;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::stanza::{MucItem, PresenceKind};

use crate::story::{SipUser, Story, Subscriber};

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

/// Two who lose their streams, and one of whom is back first.
fn one_of_two_is_back() -> (Story, SipUser, SipUser, Subscriber) {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    let list = tybalt.watches();
    list.shows(&["JuliC", "Romeo", "Tybalt"]);
    story.world().connects_streams = false;
    tybalt.loses_stream(broken());
    romeo.loses_stream(broken());
    story.seconds_pass(8);
    story.muc().native("Nurse", &PresenceKind::Available, MucItem::default());
    romeo.stream_is_ready();
    story.seconds_pass(8);
    (story, romeo, tybalt, list)
}

/// Whether nobody has ever taken him off this list.
fn stays(list: &Subscriber, nickname: &str) -> bool {
    let deleted = format!("gr={nickname}' state='deleted'");
    !list.sees().documents.iter().any(|document| document.contains(&deleted))
}

/// GC-PRES-11: whose membership is on its way back is on his own list still.
#[test]
fn who_is_back_later_than_others_stays_on_the_list() {
    let (story, romeo, tybalt, list) = one_of_two_is_back();
    romeo.is_called("Romeo");
    tybalt.is_not_in_the_room();
    list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
    let state = list.sees().shown.state.unwrap();
    assert_eq!((state.count, state.active), (4, true));
    let whisper = romeo.whispers_to("Tybalt", "where are you?");
    romeo.gets_response(&whisper, 404);
    // That the room tells of it does not change that.
    story.muc().native("Tybalt", &PresenceKind::Unavailable, MucItem::default());
    story.settles();
    story.seconds_pass(2);
    list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
    tybalt.stream_is_ready();
    story.seconds_pass(8);
    tybalt.is_called("Tybalt");
    list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
    assert!(stays(&list, "Tybalt"), "{:?}", list.sees().documents);
    assert!(list.sees().user("Tybalt").contains("dialed-in"));
    romeo.hangs_up();
    story.seconds_pass(8);
    list.shows(&["JuliC", "Nurse", "Tybalt"]);
    story.everybody_leaves();
}

/// And no longer than until it is over.
#[test]
fn who_does_not_come_back_is_taken_off_the_list() {
    for hangs_up in [true, false] {
        let (story, romeo, tybalt, _) = one_of_two_is_back();
        let list = romeo.watches();
        list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
        if hangs_up {
            tybalt.hangs_up();
        } else {
            story.seconds_pass(110);
            tybalt.gets_bye(503, "lost");
        }
        story.seconds_pass(3);
        list.shows(&["JuliC", "Nurse", "Romeo"]);
        story.everybody_leaves();
    }
}

/// Somebody of the XMPP side has taken his place meanwhile.
#[test]
fn whose_place_is_taken_comes_back_in_another() {
    for is_seen_coming in [true, false] {
        let (story, romeo, tybalt, list) = one_of_two_is_back();
        if !is_seen_coming {
            romeo.loses_stream(broken());
        }
        story.muc().native("Tybalt", &PresenceKind::Available, MucItem::default());
        story.settles();
        story.seconds_pass(3);
        if !is_seen_coming {
            romeo.stream_is_ready();
        }
        story.seconds_pass(8);
        assert!(!list.sees().user("Tybalt").contains("dialed-in"), "{}", list.sees().user("Tybalt"));
        tybalt.stream_is_ready();
        story.seconds_pass(8);
        tybalt.is_called("Tybalt 2");
        list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt", "Tybalt 2"]);
        tybalt.hangs_up();
        let list = romeo.watches();
        story.seconds_pass(8);
        list.shows(&["JuliC", "Nurse", "Romeo", "Tybalt"]);
        story.everybody_leaves();
    }
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
