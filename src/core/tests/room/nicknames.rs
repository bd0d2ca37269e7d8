//! What SIP users are called (GC-NICK).

use mucfocus_core::stanza::{Condition, ErrorKind, OutStanza};

use crate::muc::error;
use crate::story::Story;

#[test]
fn a_new_nickname_is_in_force_when_the_room_has_confirmed_it() {
    // GC-NICK-01, GC-NICK-02
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.muc().freezes();
    let request = romeo.wants_to_be("montecchi");
    romeo.gets_no_response(&request);
    story.muc_thaws();
    romeo.gets_response(&request, 200);
    romeo.is_called("montecchi");
    story.seconds_pass(6);
    list.shows(&["JuliC", "montecchi"]);
    assert!(matches!(story.muc().log.last(), Some((_, OutStanza::Rename { .. }))), "no payload of a join");
}

#[test]
fn a_nickname_that_is_taken_leaves_the_old_one() {
    // GC-NICK-03, GC-NICK-05, SW-28
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    let request = romeo.wants_to_be("JuliC");
    romeo.gets_response(&request, 425);
    romeo.is_called("Romeo");
    romeo.says("still me");
    assert_eq!(story.muc().said, [("Romeo".to_string(), "still me".to_string())]);
    story.seconds_pass(6);
    list.shows(&["JuliC", "Romeo"]);
    assert_eq!(list.documents(), 1, "no news");
}

#[test]
fn every_refusal_of_a_nickname_has_its_code() {
    // GC-NICK-04, NICK-07
    for (condition, code) in [
        (Condition::Conflict, 425),
        (Condition::NotAcceptable, 425),
        (Condition::JidMalformed, 424),
        (Condition::Forbidden, 403),
        (Condition::NotAllowed, 403),
        (Condition::PolicyViolation, 403),
    ] {
        let (story, romeo) = Story::with_romeo();
        story.muc().refuses_names = Some(error(condition, ErrorKind::Cancel));
        let request = romeo.wants_to_be("montecchi");
        romeo.gets_response(&request, code);
        romeo.is_called("Romeo");
    }
}

#[test]
fn the_nickname_that_he_has_costs_no_traffic() {
    // GC-NICK-08
    let (story, romeo) = Story::with_romeo();
    let before = story.muc().log.len();
    let request = romeo.wants_to_be("  Romeo ");
    romeo.gets_response(&request, 200);
    assert_eq!(story.muc().log.len(), before);
}

#[test]
fn released_it_goes_back_to_that_of_the_join_or_near_it() {
    // GC-NICK-10, SW-29
    let (story, romeo) = Story::with_romeo();
    romeo.wants_to_be("montecchi");
    story.muc().occupants.insert("Romeo".into(), None);
    let request = romeo.wants_to_be("");
    romeo.gets_response(&request, 200);
    romeo.is_called("Romeo 2");
}

#[test]
fn what_xmpp_cannot_carry_is_refused_without_asking_the_room() {
    // NICK-07
    let (story, romeo) = Story::with_romeo();
    let before = story.muc().log.len();
    let request = romeo.wants_to_be("\u{1f339}");
    romeo.gets_response(&request, 424);
    assert_eq!(story.muc().log.len(), before);
}

#[test]
fn a_room_that_says_nothing_is_waited_for_ten_seconds() {
    // GC-NICK-02
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let request = romeo.wants_to_be("montecchi");
    story.seconds_pass(9);
    romeo.gets_no_response(&request);
    story.seconds_pass(2);
    romeo.gets_response(&request, 408);
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let requests = [romeo.wants_to_be("One"), romeo.wants_to_be("JuliC"), romeo.wants_to_be("Three")];
    story.muc_thaws();
    story.settles();
    for (request, code) in requests.iter().zip([200, 425, 200]) {
        romeo.gets_response(request, code);
    }
    romeo.is_called("Three");
}

#[test]
fn a_service_that_writes_it_otherwise_is_believed() {
    // GC-NICK-07
    let (story, romeo) = Story::with_romeo();
    let list = romeo.watches();
    story.muc().lower_cases = true;
    let request = romeo.wants_to_be("MONTECCHI");
    romeo.gets_response(&request, 200);
    romeo.is_called("montecchi");
    story.seconds_pass(6);
    list.shows(&["JuliC", "montecchi"]);
}

#[test]
fn who_is_not_called_what_he_asked_for_is_told_unless_he_sees_it() {
    // GC-NICK-06, NICK-10
    for watches in [false, true] {
        let story = Story::begins();
        story.muc().occupants.insert("Romeo".into(), None);
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        romeo.is_called("Romeo 2");
        let list = watches.then(|| romeo.watches());
        story.seconds_pass(3);
        let told = romeo.sees().notices.iter().any(|notice| notice.contains("Romeo 2"));
        assert_eq!(told, !watches, "{:?}", romeo.sees().notices);
        if let Some(list) = list {
            list.shows(&["JuliC", "Romeo", "Romeo 2"]);
        }
    }
}

#[test]
fn a_nickname_that_is_asked_for_on_the_way_back_in_is_in_force_there() {
    // GC-NICK-09
    let (_story, romeo) = Story::with_romeo();
    romeo.loses_stream(mucfocus_core::muc::StreamEnd::Lost("reset".into()));
    let request = romeo.wants_to_be("montecchi");
    romeo.gets_no_response(&request);
    romeo.story.seconds_pass(2);
    romeo.gets_response(&request, 200);
    romeo.is_called("montecchi");

    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().freezes_at_joins = true;
    let muc = mucfocus_core::stanza::MucUser { codes: vec![110, 333], ..Default::default() };
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
    let request = romeo.wants_to_be("montecchi"); // the way back in is under the old name already
    story.muc().freezes_at_joins = false;
    story.muc_thaws();
    romeo.gets_response(&request, 200);
    romeo.is_called("montecchi");
}

#[test]
fn who_has_just_chosen_his_name_need_not_be_told() {
    let (story, romeo) = Story::with_romeo();
    romeo.wants_to_be("montecchi");
    story.seconds_pass(3);
    assert!(romeo.sees().notices.is_empty(), "{:?}", romeo.sees().notices);
}

#[test]
fn a_nickname_that_the_room_keeps_for_him_is_his() {
    // XM-14
    let story = Story::begins();
    story.muc().reserves = Some("Montague".into());
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_called("Montague");
}

#[test]
fn a_name_that_differs_in_case_only_is_taken() {
    // NICK-03, NICK-05
    let (story, romeo) = Story::with_romeo();
    for name in ["julic", "JULIC", "JuLiC"] {
        let request = romeo.wants_to_be(name);
        romeo.gets_response(&request, 425);
    }
    let other = story.sip_user("Romeo");
    other.client().account = jid::BareJid::new("another@example.org").unwrap();
    other.client().name = "romeo".into();
    other.dials();
    other.is_called("romeo 2");
    let request = romeo.wants_to_be("ROMEO");
    romeo.gets_response(&request, 200);
}

#[test]
fn changes_without_end_are_refused() {
    let (story, romeo) = Story::with_romeo();
    for n in 0..60 {
        let request = romeo.wants_to_be(&format!("name {n}"));
        romeo.gets_response(&request, 200);
    }
    let request = romeo.wants_to_be("one more");
    romeo.gets_response(&request, 403);
    story.seconds_pass(2);
    let request = romeo.wants_to_be("one more");
    romeo.gets_response(&request, 200);
}

/// GC-NICK-02: his own occupant that is on its way out takes no name from him.
#[test]
fn who_dials_again_at_once_is_called_as_before() {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    story.muc().freezes();
    romeo.hangs_up();
    let again = story.sip_user("Romeo");
    again.dials();
    story.muc_thaws();
    again.is_answered();
    again.is_called("Romeo");
    story.everybody_leaves();
}
