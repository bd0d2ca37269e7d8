//! The room calls somebody: CF-06, CF-07.

use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::room::io::{Drain, EndCause, Input, Trace};
use mucfocus_core::room::referral::{ReferAnswer, ReferralId};
use mucfocus_core::stanza::{Condition, Destroy, ErrorKind, MucUser, OutStanza};

use crate::muc::error;
use crate::story::{SipUser, Story};

/// Romeo is in the room and has Tybalt called, whose phone knows of it.
fn tybalt_is_called() -> (Story, SipUser, SipUser, ReferralId) {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    let referral = romeo.has_called(&tybalt);
    (story, romeo, tybalt, referral)
}

/// What came of it: codes, the last of which ends it.
fn codes(story: &Story, referral: ReferralId) -> (Vec<u16>, Option<u16>) {
    let (mut progress, mut last) = (Vec::new(), None);
    for answer in &story.world().referrals[&referral] {
        assert_eq!(last, None, "nothing follows what is last");
        match answer {
            ReferAnswer::Accepted => assert!(progress.is_empty()),
            ReferAnswer::Progress { code, .. } => progress.push(*code),
            ReferAnswer::Last { code, .. } => last = Some(*code),
            ReferAnswer::Refused(refusal) => last = Some(refusal.code),
        }
    }
    (progress, last)
}

fn joins(story: &Story, who: &SipUser) -> usize {
    let account = who.account();
    let is_join = |(a, stanza): &&(_, OutStanza)| *a == account && matches!(stanza, OutStanza::Join { .. });
    story.muc().log.iter().filter(is_join).count()
}

#[test]
fn who_answers_is_in_the_room_and_not_before() {
    // CF-06, CF-07
    let (story, romeo, tybalt, referral) = tybalt_is_called();
    let offer = tybalt.sees().invited.clone().expect("an INVITE");
    assert!(offer.contains("m=message 2855 TCP/MSRP *") && offer.contains("a=setup:actpass"), "{offer}");
    assert!(offer.contains("a=chatroom:nickname private-messages"), "{offer}");
    tybalt.rings(180, "Ringing");
    assert_eq!(joins(&story, &tybalt), 0, "nobody is in the MUC who has not answered");
    assert_eq!(codes(&story, referral), (vec![100, 180], None));
    story.seconds_pass(100);
    assert_eq!(tybalt.sees().bye, None, "a phone may ring for longer than a session may be without a connection");
    tybalt.picks_up();
    assert_eq!(codes(&story, referral), (vec![100, 180], Some(200)));
    tybalt.is_called("Tybalt");
    assert!(tybalt.sees().traces.contains(&Trace::Entered { nickname: "Tybalt".into() }));
    assert_eq!(tybalt.sees().answer, None, "there is nothing to answer");
    let send = romeo.says("Do you quarrel, sir?");
    romeo.gets_response(&send, 200);
    tybalt.has_heard(&[("Romeo", "Do you quarrel, sir?")]);
    let send = tybalt.says("Quarrel, sir? No, sir.");
    tybalt.gets_response(&send, 200);
    romeo.has_heard(&[("Tybalt", "Quarrel, sir? No, sir.")]);
    story.seconds_pass(200);
    assert_eq!(tybalt.sees().bye, None);
    story.everybody_leaves();
}

#[test]
fn who_was_called_and_by_whom_is_shown_to_all() {
    // CI-18, CI-20
    let (story, romeo, tybalt, _) = tybalt_is_called();
    let list = romeo.watches();
    tybalt.picks_up();
    story.seconds_pass(6);
    list.shows(&["JuliC", "Romeo", "Tybalt"]);
    let shown = list.sees().user("Tybalt").to_owned();
    assert!(shown.contains("<joining-method>dialed-out</joining-method>"), "{shown}");
    assert!(shown.contains("<referred>") && shown.contains("gr=Romeo</by></referred>"), "{shown}");
    assert!(list.sees().user("Romeo").contains("<joining-method>dialed-in</joining-method>"));
    let paris = story.sip_user("Paris");
    paris.is_invited();
    paris.picks_up();
    story.seconds_pass(6);
    let shown = list.sees().user("Paris").to_owned();
    assert!(shown.contains("<joining-method>dialed-out</joining-method>") && !shown.contains("<referred>"), "{shown}");
    story.everybody_leaves();
}

#[test]
fn a_client_that_cannot_connect_is_connected_to() {
    // CF-06, MS-SDP-08
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.client().setup = "passive";
    let referral = romeo.has_called(&tybalt);
    tybalt.picks_up();
    assert_eq!(codes(&story, referral).1, Some(200));
    assert_eq!(tybalt.sees().connects, 1);
    story.in_the_room("JuliC", "hark");
    tybalt.has_heard(&[("JuliC", "hark")]);
    story.everybody_leaves();
}

#[test]
fn progress_is_told_once_each_and_not_backwards() {
    // CF-07
    let (story, _romeo, tybalt, referral) = tybalt_is_called();
    for code in [100, 180, 180, 183, 180, 199, 200, 181] {
        tybalt.rings(code, "x");
    }
    assert_eq!(codes(&story, referral), (vec![100, 180, 183, 199], None));
    tybalt.refuses(603, "Decline");
}

#[test]
fn who_declines_is_quoted_and_leaves_nothing_behind() {
    // CF-07, ERR-06
    for (code, phrase) in [(486, "Busy Here"), (603, "Decline"), (404, "Not Found"), (301, "Moved")] {
        let (story, _romeo, tybalt, referral) = tybalt_is_called();
        tybalt.refuses(code, phrase);
        let last = ReferAnswer::Last { code, phrase: phrase.into() };
        assert_eq!(story.world().referrals[&referral].last(), Some(&last));
        assert_eq!(joins(&story, &tybalt), 0);
        let ended = |trace: &Trace| matches!(trace, Trace::Ended { cause: EndCause::Declined, .. });
        assert!(tybalt.sees().traces.iter().any(ended) && tybalt.sees().is_gone);
        story.everybody_leaves();
    }
}

#[test]
fn nobody_answers() {
    let (story, _romeo, tybalt, referral) = tybalt_is_called();
    tybalt.rings(180, "Ringing");
    story.seconds_pass(174);
    assert_eq!(tybalt.sees().bye, None);
    story.seconds_pass(2);
    tybalt.gets_bye(408, "not answered");
    assert_eq!(codes(&story, referral), (vec![100, 180], Some(408)));
    story.everybody_leaves();
}

#[test]
fn a_muc_that_does_not_let_him_in_ends_the_call_and_says_why() {
    for (condition, code) in [(Condition::Forbidden, 403), (Condition::RegistrationRequired, 403)] {
        let (story, _romeo, tybalt, referral) = tybalt_is_called();
        story.muc().refuses_joins = Some(error(condition, ErrorKind::Auth));
        tybalt.picks_up();
        tybalt.gets_bye(code, "");
        assert_eq!(codes(&story, referral).1, Some(code));
        assert!(tybalt.sees().is_gone);
        story.everybody_leaves();
    }
}

#[test]
fn a_muc_that_does_not_answer_ends_the_call() {
    let (story, _romeo, tybalt, referral) = tybalt_is_called();
    story.muc().freezes();
    tybalt.picks_up();
    story.seconds_pass(14);
    assert_eq!(codes(&story, referral).1, None);
    story.seconds_pass(2);
    tybalt.gets_bye(504, "in time");
    assert_eq!(codes(&story, referral).1, Some(504));
    story.muc_thaws();
    story.everybody_leaves();
}

#[test]
fn what_he_says_on_his_way_in_is_said_when_he_is_in() {
    let (story, romeo, tybalt, _) = tybalt_is_called();
    story.muc().freezes();
    tybalt.picks_up();
    let send = tybalt.says("Peace? I hate the word");
    tybalt.gets_no_response(&send);
    story.muc_thaws();
    tybalt.gets_response(&send, 200);
    romeo.has_heard(&[("Tybalt", "Peace? I hate the word")]);
    story.everybody_leaves();
}

#[test]
fn he_hangs_up_before_he_is_in() {
    let (story, _romeo, tybalt, referral) = tybalt_is_called();
    story.muc().freezes();
    tybalt.picks_up();
    tybalt.hangs_up();
    assert_eq!(codes(&story, referral).1, Some(487));
    story.muc_thaws();
    tybalt.is_not_in_the_room();
    story.everybody_leaves();
}

#[test]
fn an_answer_that_agrees_on_nothing_ends_the_call() {
    let (story, _romeo, tybalt, referral) = tybalt_is_called();
    tybalt.input(Input::Confirmed(tybalt.leg));
    tybalt.gets_bye(488, "");
    assert_eq!(codes(&story, referral).1, Some(488));
    assert_eq!(joins(&story, &tybalt), 0);
    story.everybody_leaves();
}

#[test]
fn one_phone_is_called_once_at_a_time_and_again_later() {
    let (story, romeo, tybalt, first) = tybalt_is_called();
    let again = story.sip_user("Tybalt");
    let second = romeo.has_called(&again);
    assert_eq!(codes(&story, second), (vec![], Some(486)));
    assert!(again.sees().is_gone && again.sees().invited.is_none());
    tybalt.refuses(480, "Away");
    assert_eq!(codes(&story, first).1, Some(480));
    let third = story.sip_user("Tybalt");
    let referral = romeo.has_called(&third);
    third.picks_up();
    assert_eq!(codes(&story, referral).1, Some(200));
    story.everybody_leaves();
}

#[test]
fn another_device_of_somebody_in_the_room_shares_his_place() {
    let (story, romeo) = Story::with_romeo();
    let tablet = story.sip_user("Romeo");
    let referral = romeo.has_called(&tablet);
    tablet.picks_up();
    assert_eq!(codes(&story, referral).1, Some(200));
    assert_eq!(joins(&story, &romeo), 1);
    story.in_the_room("JuliC", "good night");
    tablet.has_heard(&[("JuliC", "good night")]);
    romeo.hangs_up();
    romeo.is_called("Romeo");
    story.everybody_leaves();
}

#[test]
fn an_outsider_has_nobody_called() {
    let (story, _romeo) = Story::with_romeo();
    let (tybalt, mercutio) = (story.sip_user("Tybalt"), story.sip_user("Mercutio"));
    let referral = tybalt.has_called(&mercutio);
    assert_eq!(codes(&story, referral), (vec![], Some(403)));
    assert!(mercutio.sees().invited.is_none() && mercutio.sees().is_gone);
}

#[test]
fn the_end_of_the_process_ends_what_rings() {
    let (story, _romeo, tybalt, referral) = tybalt_is_called();
    story.world().feed(Input::Drain(Drain::GoingDown));
    story.settles();
    tybalt.gets_bye(503, "going down");
    assert_eq!(codes(&story, referral).1, Some(503));
}

#[test]
fn who_asked_may_leave_and_the_phone_rings_on() {
    let (story, romeo, tybalt, referral) = tybalt_is_called();
    romeo.hangs_up();
    tybalt.picks_up();
    tybalt.is_called("Tybalt");
    assert_eq!(codes(&story, referral).1, Some(200));
    tybalt.input(Input::CallEnded(tybalt.leg, CallEnd::Bye { reason: None }));
    assert!(story.world().room.is_deserted());
}

/// Who is in it hears so.
fn the_room_is_destroyed(story: &Story, by_way_of: &SipUser) {
    let destroy = Destroy { alternate: None, reason: Some("plague".into()) };
    let muc = MucUser { codes: vec![110], destroy: Some(destroy), ..MucUser::default() };
    let account = by_way_of.account();
    story.muc().removes(&account, "Romeo", muc);
    story.settles();
}

#[test]
fn a_room_that_is_destroyed_ends_what_rings() {
    // GC-EXIT-05, CF-07
    let (story, romeo, tybalt, referral) = tybalt_is_called();
    tybalt.rings(180, "Ringing");
    the_room_is_destroyed(&story, &romeo);
    romeo.gets_bye(410, "plague");
    tybalt.gets_bye(410, "plague");
    assert_eq!(codes(&story, referral), (vec![100, 180], Some(410)));
    let is_end = |trace: &&Trace| matches!(trace, Trace::Ended { cause: EndCause::ByRoom, .. });
    assert_eq!(tybalt.sees().traces.iter().filter(is_end).count(), 1);
    tybalt.input(Input::CallEnded(tybalt.leg, CallEnd::ByUs));
    assert!(tybalt.sees().is_gone && story.world().room.is_deserted());
    assert_eq!(joins(&story, &tybalt), 0);
}

#[test]
fn a_phone_that_rings_for_nobody_is_ended_when_its_time_is_over() {
    let (story, romeo, tybalt, referral) = tybalt_is_called();
    romeo.hangs_up();
    story.seconds_pass(174);
    assert_eq!(tybalt.sees().bye, None);
    story.seconds_pass(2);
    tybalt.gets_bye(408, "not answered");
    assert_eq!(codes(&story, referral).1, Some(408));
    tybalt.input(Input::CallEnded(tybalt.leg, CallEnd::ByUs));
    assert!(story.world().room.is_deserted());
}
