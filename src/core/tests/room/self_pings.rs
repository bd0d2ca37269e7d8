//! A room that has lost us without a word: who has heard nothing for long asks (XM-03, FT-05, XEP-0410).

use std::collections::BTreeSet;

use mucfocus_core::stanza::{Condition, ErrorKind, MucItem, OutStanza, PresenceKind};

use crate::muc::{Whim, error};
use crate::story::{SipUser, Story};

/// Longer than any silence that is not asked about.
const LONG: u64 = 17 * 60;

/// How often he has asked whether he is still in the room.
fn pings(story: &Story, who: &SipUser) -> usize {
    let account = who.account();
    let is_ping = |stanza: &OutStanza| matches!(stanza, OutStanza::Ping { to, .. } if to.resource().is_some());
    story.muc().log.iter().filter(|(by, stanza)| *by == account && is_ping(stanza)).count()
}

fn cancel(condition: Condition) -> Whim {
    Whim::Error(error(condition, ErrorKind::Cancel))
}

#[test]
fn after_a_quarter_of_an_hour_of_silence_the_room_is_asked_and_nobody_notices() {
    // XM-03
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    let documents = list.documents();
    story.seconds_pass(13 * 60);
    assert_eq!(pings(&story, &romeo), 0);
    story.seconds_pass(4 * 60);
    assert_eq!(pings(&story, &romeo), 1);
    story.seconds_pass(LONG);
    assert_eq!(pings(&story, &romeo), 2, "and again after as long");
    assert_eq!((romeo.sees().bye.clone(), list.documents()), (None, documents));
    let joins = story.muc().log.iter().filter(|(_, stanza)| matches!(stanza, OutStanza::Join { .. })).count();
    assert_eq!(joins, 2, "his own, and after half an hour one to see whom he has missed");
    story.everybody_leaves();
}

#[test]
fn a_room_that_speaks_is_not_asked() {
    let (story, romeo) = Story::with_romeo();
    for minute in 0..60 {
        story.in_the_room("JuliC", &format!("minute {minute}"));
        story.seconds_pass(60);
    }
    assert_eq!(pings(&story, &romeo), 0);
    story.seconds_pass(LONG);
    assert_eq!(pings(&story, &romeo), 1);
}

#[test]
fn those_who_heard_the_same_last_word_do_not_all_ask_at_once() {
    // How long each waits is drawn: here, from how many came before him.
    let asks_after = |others: usize| {
        let story = Story::begins();
        for _ in 0..others {
            let other = story.sip_user("Tybalt");
            other.dials();
            other.hangs_up();
        }
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        story.seconds_pass(13 * 60);
        (0..5 * 60 * 20).find(|_| {
            story.milliseconds_pass(50);
            pings(&story, &romeo) > 0
        })
    };
    let times: BTreeSet<Option<i32>> = [0, 1, 2].map(asks_after).into();
    assert!(times.len() == 3 && !times.contains(&None), "{times:?}");
}

#[test]
fn a_room_that_has_lost_us_is_entered_again() {
    // XM-03, FT-05
    for whim in [
        None,
        Some(cancel(Condition::NotAcceptable)),
        Some(cancel(Condition::NotAllowed)),
        Some(cancel(Condition::BadRequest)),
    ] {
        let (story, romeo) = Story::with_romeo();
        let list = romeo.watches();
        let account = romeo.account();
        story.muc().forgets(&account);
        story.muc().answers_pings_with = whim;
        story.seconds_pass(LONG);
        romeo.is_called("Romeo");
        assert_eq!(romeo.sees().bye, None);
        story.in_the_room("JuliC", "where were you?");
        romeo.has_heard(&[("JuliC", "where were you?")]);
        let request = romeo.says("here");
        romeo.gets_response(&request, 200);
        list.shows(&["JuliC", "Romeo"]);
        story.everybody_leaves();
    }
}

#[test]
fn whoever_is_asked_and_does_not_know_the_question_was_there_all_the_same() {
    for condition in [Condition::ServiceUnavailable, Condition::FeatureNotImplemented, Condition::ItemNotFound] {
        let (story, romeo) = Story::with_romeo();
        let list = romeo.watches();
        let documents = list.documents();
        story.muc().answers_pings_with = Some(cancel(condition));
        story.seconds_pass(LONG);
        assert_eq!(pings(&story, &romeo), 1);
        let joins = story.muc().log.iter().filter(|(_, stanza)| matches!(stanza, OutStanza::Join { .. })).count();
        assert_eq!((joins, list.documents()), (1, documents), "{condition:?}");
        story.everybody_leaves();
    }
}

#[test]
fn a_room_out_of_reach_is_shown_as_that_until_it_answers() {
    // FT-05, CI-15
    for whim in [Whim::Nothing, cancel(Condition::RemoteServerTimeout), cancel(Condition::RemoteServerNotFound)] {
        let (story, romeo) = Story::with_romeo();
        let list = romeo.watches_for(3600, None);
        story.muc().answers_pings_with = Some(whim);
        while !list.sees().last().contains("<active>false</active>") {
            story.seconds_pass(5);
            assert!(pings(&story, &romeo) < 3, "{}", list.sees().last());
        }
        story.muc().native("Benvolio", &PresenceKind::Available, MucItem::default());
        story.muc().outbox.clear(); // of which he is not told
        story.muc().answers_pings_with = None;
        story.seconds_pass(70);
        assert!(list.sees().last().contains("<active>true</active>"), "{}", list.sees().last());
        list.shows(&["Benvolio", "JuliC", "Romeo"]);
        assert_eq!(romeo.sees().bye, None);
        story.everybody_leaves();
    }
}

#[test]
fn a_room_that_stays_out_of_reach_ends_the_call_after_the_time_of_grace() {
    // XM-18
    for whim in [Whim::Nothing, cancel(Condition::RemoteServerTimeout)] {
        let (story, romeo) = Story::with_romeo();
        story.muc().answers_pings_with = Some(whim);
        story.seconds_pass(13 * 60);
        assert_eq!(romeo.sees().bye, None);
        story.seconds_pass(7 * 60);
        romeo.gets_bye(503, "cannot be reached");
        assert!(pings(&story, &romeo) >= 3);
        story.everybody_leaves();
    }
}

#[test]
fn a_message_that_does_not_get_through_is_reason_to_ask() {
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.muc().refuses_messages = Some(error(Condition::RemoteServerTimeout, ErrorKind::Wait));
    story.muc().answers_pings_with = Some(cancel(Condition::RemoteServerTimeout));
    let request = romeo.says("hello?");
    assert!(romeo.sees().responses.get(&request).is_some_and(|code| *code >= 400));
    assert_eq!(pings(&story, &romeo), 1);
    story.seconds_pass(6);
    assert!(list.sees().last().contains("<active>false</active>"), "{}", list.sees().last());
}

#[test]
fn a_private_message_is_not_acknowledged_by_a_room_that_has_lost_us() {
    // GC-PM-07: only an answer of the room itself says that it took what came before.
    for condition in [Condition::NotAcceptable, Condition::RemoteServerTimeout, Condition::ItemNotFound] {
        let (story, romeo) = Story::with_romeo();
        story.muc().answers_pings_of_itself_with = Some(error(condition, ErrorKind::Cancel));
        let request = romeo.whispers_to("JuliC", "psst");
        romeo.gets_no_response(&request);
        story.seconds_pass(26);
        romeo.gets_response(&request, 408);
    }
    for condition in [Condition::FeatureNotImplemented, Condition::ServiceUnavailable, Condition::NotAllowed] {
        let (story, romeo) = Story::with_romeo();
        story.muc().answers_pings_of_itself_with = Some(error(condition, ErrorKind::Cancel));
        let request = romeo.whispers_to("JuliC", "psst");
        romeo.gets_response(&request, 200);
    }
}

/// Of two members one asks for everybody from time to time. A room that was lost with its service comes into being by that.
#[test]
fn a_room_that_comes_into_being_by_a_question_is_configured_or_left() {
    // XM-07
    for may_create in [true, false] {
        let story = Story::begins();
        let (romeo, tybalt) = (story.sip_user("Romeo"), story.sip_user("Tybalt"));
        for who in [&romeo, &tybalt] {
            who.client().create = may_create;
            who.dials();
            who.is_answered();
        }
        let mut muc = story.muc();
        muc.exists = false;
        muc.occupants.clear();
        drop(muc);
        story.seconds_pass(LONG);
        if may_create {
            romeo.is_called("Romeo");
            tybalt.is_called("Tybalt");
            let request = romeo.says("is anybody here?");
            romeo.gets_response(&request, 200);
            tybalt.has_heard(&[("Romeo", "is anybody here?")]);
        } else {
            assert!(romeo.sees().bye.is_some() && tybalt.sees().bye.is_some());
            assert!(!story.muc().exists, "nothing of it is left behind");
        }
        story.everybody_leaves();
    }
}
