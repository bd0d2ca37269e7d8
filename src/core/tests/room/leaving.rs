//! How SIP users leave, with and without a word (GC-EXIT-01, -02, -04; guarantee 4).

use std::time::Duration;

use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::room::io::{Drain, EndCause, Input, Trace};
use mucfocus_core::stanza::OutStanza;

use crate::story::{SipUser, Story};

fn last_words(romeo: &SipUser) -> Option<String> {
    let last = romeo.story.muc().log.last().cloned().unwrap().1;
    let OutStanza::Leave { status, .. } = last else { panic!("{last:?} is no leave") };
    status
}

fn ended_by(romeo: &SipUser) -> Vec<EndCause> {
    let cause = |trace: &Trace| match trace {
        Trace::Ended { cause, .. } => Some(*cause),
        _ => None,
    };
    romeo.sees().traces.iter().filter_map(cause).collect()
}

/// GC-EXIT-02.
#[test]
fn the_reason_of_a_bye_is_what_the_others_read() {
    let (story, romeo) = Story::with_romeo();
    romeo.hangs_up_because(Some("It was the lark\u{7}"));
    assert_eq!(last_words(&romeo).as_deref(), Some("It was the lark"));
    assert_eq!(ended_by(&romeo), [EndCause::ByCaller]);
    story.everybody_leaves();
}

/// A BYE while a message is under way: nothing is said on a dead session any more (MS-REP-06).
#[test]
fn who_leaves_before_the_answer_gets_none() {
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let send = romeo.says_with("Success-Report: yes\r\n", "Farewell");
    romeo.hangs_up();
    story.muc_thaws();
    romeo.gets_no_response(&send);
    assert!(romeo.sees().reports.is_empty());
    story.everybody_leaves();
}

/// GC-EXIT-04: no ACK.
#[test]
fn without_an_ack_the_room_is_left() {
    let (story, romeo) = Story::with_romeo();
    romeo.input(Input::CallEnded(romeo.leg, CallEnd::NoAck));
    romeo.is_not_in_the_room();
    assert_eq!(last_words(&romeo).as_deref(), Some("connection lost"));
    assert_eq!(ended_by(&romeo), [EndCause::NoAck]);
    story.everybody_leaves();
}

/// CF-12: of two calls of his one takes the place of the other.
#[test]
fn a_call_that_is_replaced_leaves_its_place_to_the_other() {
    let (story, phone) = Story::with_romeo();
    let tablet = story.sip_user("Romeo");
    tablet.dials();
    tablet.is_answered();
    let said = story.muc().log.len();
    phone.input(Input::CallEnded(phone.leg, CallEnd::Replaced));
    assert_eq!(ended_by(&phone), [EndCause::Replaced]);
    tablet.is_called("Romeo");
    assert_eq!(story.muc().log.len(), said, "the room hears of it");
    tablet.hangs_up();
    story.everybody_leaves();
}

/// GC-EXIT-04: session timer.
#[test]
fn when_the_session_is_not_refreshed_the_room_is_left() {
    let (story, romeo) = Story::with_romeo();
    romeo.input(Input::CallEnded(romeo.leg, CallEnd::Expired("nobody answered".into())));
    romeo.is_not_in_the_room();
    assert_eq!(last_words(&romeo).as_deref(), Some("connection lost"));
    assert_eq!(ended_by(&romeo), [EndCause::Expired]);
    story.everybody_leaves();
}

#[test]
fn a_transport_that_fails_while_the_room_is_entered_withdraws_the_join() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    story.muc().freezes();
    romeo.dials();
    romeo.input(Input::CallEnded(romeo.leg, CallEnd::Failed("reset".into())));
    story.muc_thaws();
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// GC-EXIT-04: after `timeouts.lost_leg` and not before.
#[test]
fn a_lost_msrp_connection_is_given_time() {
    let (story, romeo) = Story::with_romeo();
    romeo.loses_connection();
    story.seconds_pass(44);
    romeo.is_called("Romeo");
    assert_eq!(romeo.sees().bye, None);
    story.seconds_pass(2);
    romeo.gets_bye(480, "MSRP");
    romeo.is_not_in_the_room();
    assert_eq!(ended_by(&romeo), [EndCause::MsrpLost]);
    story.everybody_leaves();
}

/// A message that the room took and whose sender lost his connection is in the room, and nobody is told.
#[test]
fn a_reflection_after_the_connection_is_lost_has_no_answer() {
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let send = romeo.says("Hear me");
    romeo.loses_connection();
    story.muc_thaws();
    romeo.gets_no_response(&send);
    assert_eq!(story.muc().said.len(), 1);
    story.in_the_room("JuliC", "Who speaks?");
    romeo.has_heard(&[]);
    let delivered = romeo.sees().traces.iter().filter(|t| **t == Trace::MessageDelivered).count();
    assert_eq!(delivered, 0, "nothing is delivered without a connection");
    romeo.has_all_credit();
    story.everybody_leaves();
}

#[test]
fn who_never_connects_his_session_is_out_again() {
    let story = Story::begins();
    story.world().connects_sessions = false;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.is_answered();
    story.seconds_pass(44);
    romeo.is_called("Romeo");
    story.seconds_pass(2);
    romeo.gets_bye(480, "MSRP");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// MS-CONN-11: what is said before the session has its connection is kept for it, up to a bound.
#[test]
fn what_is_said_before_the_session_is_connected_waits() {
    let story = Story::begins();
    story.world().connects_sessions = false;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    story.in_the_room("JuliC", "Welcome");
    story.in_the_room("JuliC", "Are you there?");
    romeo.connects();
    romeo.has_heard(&[("JuliC", "Welcome"), ("JuliC", "Are you there?")]);
    story.everybody_leaves();

    let story = Story::begins();
    story.world().connects_sessions = false;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    for n in 0..300 {
        story.muc().says("JuliC", None, &format!("line {n}"));
    }
    story.settles();
    romeo.connects();
    let heard = romeo.sees().heard.clone();
    assert_eq!((heard.len(), heard[0].1.as_str(), heard[191].1.as_str()), (192, "line 108", "line 299"));
    assert!(romeo.sees().notices.last().unwrap().contains("108"), "{:?}", romeo.sees().notices);
    story.everybody_leaves();
}

#[test]
fn a_client_that_does_not_read_is_out() {
    let (story, romeo) = Story::with_romeo();
    romeo.input(Input::SessionStalled(romeo.leg));
    romeo.gets_bye(480, "does not read");
    romeo.is_not_in_the_room();
    assert_eq!(ended_by(&romeo), [EndCause::TooSlow]);
    story.everybody_leaves();
}

/// The process ends: callers who wait and callers who talk.
#[test]
fn everybody_is_told_that_the_server_goes_down() {
    let (story, romeo) = Story::with_romeo();
    let juliet = story.sip_user("Juliet");
    story.muc().freezes();
    juliet.dials();
    romeo.input(Input::Drain(Drain::GoingDown));
    romeo.gets_bye(503, "going down");
    juliet.is_refused_with(503);
    assert_eq!(juliet.sees().refusal.as_ref().unwrap().retry_after, Some(30));
    story.muc_thaws();
    romeo.is_not_in_the_room();
    juliet.is_not_in_the_room();
    assert_eq!(ended_by(&romeo), [EndCause::Shutdown]);
    assert!(story.world().room.is_deserted());
}

/// What comes late finds nobody, and does no harm.
#[test]
fn late_inputs_for_a_leg_that_is_gone_are_nothing() {
    let (story, romeo) = Story::with_romeo();
    romeo.hangs_up();
    let traces = romeo.sees().traces.len();
    for input in [
        Input::Confirmed(romeo.leg),
        Input::Bound(romeo.leg),
        Input::Cancelled(romeo.leg),
        Input::SessionLost { leg: romeo.leg, why: "late".into(), ago: Duration::ZERO, unsent: vec![] },
        Input::SessionStalled(romeo.leg),
        Input::SessionMisfit(romeo.leg),
        Input::CallEnded(romeo.leg, CallEnd::NoAck),
    ] {
        romeo.input(input);
    }
    assert_eq!(romeo.sees().traces.len(), traces);
    story.everybody_leaves();
}

/// GC-EXIT-04: the time without a connection counts from when it died, however late the system noticed.
#[test]
fn a_connection_that_died_long_ago_is_not_waited_for_as_long() {
    let (story, romeo) = Story::with_romeo();
    let lost =
        Input::SessionLost { leg: romeo.leg, why: "timed out".into(), ago: Duration::from_secs(30), unsent: vec![] };
    romeo.input(lost);
    story.seconds_pass(14);
    romeo.is_called("Romeo");
    story.seconds_pass(2);
    romeo.gets_bye(480, "No MSRP connection");
    romeo.is_not_in_the_room();
    story.everybody_leaves();
}

/// MS-TLS-01: who came with another certificate than he had announced is told so when nobody else has come; of a connection that was
/// right after all, nothing is said.
#[test]
fn a_client_with_the_wrong_certificate_is_told_at_the_end() {
    for comes_back in [false, true] {
        let (story, romeo) = Story::with_romeo();
        let lost = || Input::SessionLost { leg: romeo.leg, why: "gone".into(), ago: Duration::ZERO, unsent: vec![] };
        romeo.input(lost());
        romeo.reoffers();
        romeo.input(Input::SessionMisfit(romeo.leg));
        story.seconds_pass(20);
        assert_eq!(romeo.sees().bye, None, "he may yet come");
        if comes_back {
            romeo.connects();
            romeo.input(lost());
        }
        story.seconds_pass(46);
        romeo.gets_bye(480, if comes_back { "No MSRP connection" } else { "TLS: the certificate" });
        romeo.is_not_in_the_room();
        assert_eq!(ended_by(&romeo), [EndCause::MsrpLost]);
        story.everybody_leaves();
    }
}
