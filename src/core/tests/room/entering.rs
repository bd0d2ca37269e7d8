//! From INVITE to answer (GC-JOIN, XM-07).

use mucfocus_core::room::io::Input;
use mucfocus_core::stanza::{Condition, Destroy, ErrorKind, MucUser, OutStanza};

use crate::muc::error;
use crate::story::Story;

/// GC-NICK-06: a nickname that is taken gets a number.
#[test]
fn a_nickname_that_is_taken_is_varied_until_one_is_free() {
    let story = Story::begins();
    for taken in ["Romeo", "Romeo 2", "Romeo 3"] {
        story.muc().occupants.insert(taken.into(), None);
    }
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_answered();
    romeo.is_called("Romeo 4");
    story.everybody_leaves();
}

#[test]
fn ten_nicknames_are_tried_and_no_more() {
    let story = Story::begins();
    story.muc().refuses_joins = Some(error(Condition::Conflict, ErrorKind::Cancel));
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_refused_with(400);
    let joins = story.muc().log.iter().filter(|(_, s)| matches!(s, OutStanza::Join { .. })).count();
    assert_eq!(joins, 10);
    story.everybody_leaves();
}

/// Status 210, or a server that folds: the nickname of the self-presence is ours.
#[test]
fn a_room_that_changes_the_nickname_is_left_under_that_one() {
    let story = Story::begins();
    story.muc().lower_cases = true;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_called("romeo");
    let send = romeo.says("Who am I?");
    romeo.gets_response(&send, 200);
    romeo.has_heard(&[]);
    romeo.hangs_up();
    let occupant = story.muc().occupant("romeo");
    assert_eq!(story.muc().log.last().unwrap().1, OutStanza::Leave { occupant, status: None });
    story.everybody_leaves();
}

/// XM-07.
#[test]
fn a_room_that_does_not_exist_is_not_brought_into_being() {
    let story = Story::begins();
    story.muc().exists = false;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_refused_with(404);
    assert!(!story.muc().exists);
    let asked_only = story.muc().log.iter().all(|(_, s)| matches!(s, OutStanza::DiscoInfo { .. }));
    assert!(asked_only, "no presence was sent");
    story.everybody_leaves();
}

/// XM-07: it vanished between the question and the join.
#[test]
fn a_room_that_comes_into_being_all_the_same_is_left_at_once() {
    let story = Story::begins();
    story.muc().says_201 = true;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_refused_with(404);
    romeo.is_not_in_the_room();
    assert!(!story.muc().exists);
    story.everybody_leaves();
}

/// XM-07: with `create = true` the instant configuration is accepted before the 200.
#[test]
fn a_new_room_is_unlocked_before_the_call_is_answered() {
    let story = Story::begins();
    story.muc().exists = false;
    let romeo = story.sip_user("Romeo");
    romeo.client().create = true;
    romeo.dials();
    romeo.is_answered();
    let unlocked = story.muc().log.iter().any(|(_, stanza)| matches!(stanza, OutStanza::InstantRoom { .. }));
    assert!(unlocked);
    romeo.hangs_up();
    assert!(story.muc().exists, "others can enter it");
    story.everybody_leaves();
}

/// The room is destroyed between its creation and the answer to its configuration: nobody is answered as if he were in.
#[test]
fn who_is_removed_before_the_room_is_unlocked_is_refused() {
    let story = Story::begins();
    (story.muc().exists, story.muc().configuration_is_slow) = (false, true);
    let romeo = story.sip_user("Romeo");
    romeo.client().create = true;
    romeo.dials();
    romeo.is_still_waiting();
    let destroyed = MucUser { destroy: Some(Destroy::default()), ..MucUser::default() };
    let account = romeo.account();
    story.muc().removes(&account, "Romeo", destroyed);
    story.settles();
    assert!(romeo.is_refused_with(410).contains("destroyed"));
    story.everybody_leaves();
}

#[test]
fn a_new_room_that_cannot_be_configured_is_left() {
    let story = Story::begins();
    (story.muc().exists, story.muc().refuses_configuration) = (false, true);
    let romeo = story.sip_user("Romeo");
    romeo.client().create = true;
    romeo.dials();
    romeo.is_refused_with(403);
    romeo.is_not_in_the_room();
    assert!(!story.muc().exists);
    story.everybody_leaves();
}

/// Many rooms do not answer disco of strangers; then the join decides.
#[test]
fn another_answer_to_the_question_leaves_the_decision_to_the_join() {
    let story = Story::begins();
    story.muc().answers_disco_with = Some(error(Condition::Forbidden, ErrorKind::Auth));
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_answered();
    story.everybody_leaves();
}

/// GC-JOIN-15: 183 after a second, 504 at the deadline, and the join is withdrawn.
#[test]
fn a_room_that_does_not_answer_ends_in_504_and_leaves_nobody_behind() {
    for create in [false, true] {
        let story = Story::begins();
        let romeo = story.sip_user("Romeo");
        romeo.client().create = create;
        story.muc().freezes();
        romeo.dials();
        assert_eq!(romeo.sees().provisionals, 0);
        story.seconds_pass(2);
        assert_eq!(romeo.sees().provisionals, 1);
        story.milliseconds_pass(12_900);
        romeo.is_still_waiting();
        story.seconds_pass(1);
        romeo.is_refused_with(504);
        story.muc_thaws();
        romeo.is_not_in_the_room();
        story.everybody_leaves();
    }
}

/// GC-JOIN-16, in each phase of entering.
#[test]
fn a_call_that_is_cancelled_leaves_nobody_behind() {
    // The stream is not there yet.
    let story = Story::begins();
    story.world().connects_streams = false;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.cancels();
    story.everybody_leaves();

    // The room was asked about itself; then, the presence is out.
    for is_out in [false, true] {
        let story = Story::begins();
        let romeo = story.sip_user("Romeo");
        if is_out {
            story.muc().freezes_at_joins = true;
        } else {
            story.muc().freezes();
        }
        romeo.dials();
        romeo.cancels();
        let left = matches!(story.muc().log.last().unwrap().1, OutStanza::Leave { .. });
        assert_eq!(left, is_out, "what was never asked for needs no leave");
        story.muc_thaws();
        romeo.is_not_in_the_room();
        romeo.is_still_waiting(); // the driver has said 487
        story.everybody_leaves();
    }
}

/// The CANCEL crosses our 200: the driver has said 487 and the answer was not sent.
#[test]
fn a_cancel_that_crosses_the_answer_leaves_the_room() {
    let (story, romeo) = Story::with_romeo();
    romeo.cancels();
    romeo.is_not_in_the_room();
    assert_eq!(romeo.sees().bye, None);
    story.everybody_leaves();
}

/// The answers to the first join arrive when the second call waits already: they must not be taken for its own.
#[test]
fn who_cancels_and_dials_again_is_in_the_room_once() {
    let story = Story::begins();
    let (first, second) = (story.sip_user("Romeo"), story.sip_user("Romeo"));
    (first.client().create, second.client().create) = (true, true);
    story.muc().freezes();
    first.dials();
    first.cancels();
    second.dials();
    story.muc_thaws();
    second.is_answered();
    second.is_called("Romeo");
    let send = second.says("Here I am again");
    second.gets_response(&send, 200);
    story.everybody_leaves();
}

/// GC-JOIN-02, GC-JOIN-04.
#[test]
fn an_offer_that_cannot_be_answered_is_refused_and_the_room_hears_nothing() {
    let story = Story::begins();
    let juliet = story.sip_user("Juliet");
    juliet.client().setup = "active\r\nm=audio 9 RTP/AVP 0"; // so that the path belongs to the audio
    juliet.dials();
    juliet.is_refused_with(488);
    assert_eq!(story.muc().log, [], "the room hears nothing of it");
    juliet.input(Input::Confirmed(juliet.leg)); // and nothing comes of what is late
    story.everybody_leaves();
}
