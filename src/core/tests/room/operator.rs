//! What an operator sees of a room, and what he can end.

use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::address::mapping::RoomRules;
use mucfocus_core::leg::LegId;
use mucfocus_core::msrp::session::Link;
use mucfocus_core::muc::StreamEnd;
use mucfocus_core::room::Timeouts;
use mucfocus_core::room::io::{EndCause, Input, Trace};
use mucfocus_core::room::view::{CallState, Difference, Phase, RoomView};

use crate::story::Story;

fn nicknames(view: &RoomView) -> Vec<&str> {
    view.occupants.iter().map(|occupant| occupant.nickname.as_str()).collect()
}

#[test]
fn an_operator_sees_both_sides_of_a_room() {
    let (story, romeo) = Story::with_romeo();
    let mercutio = story.sip_user("Mercutio");
    mercutio.dials();
    let view = story.world().room.view();
    assert_eq!(nicknames(&view), ["JuliC", "Mercutio", "Romeo"]);
    let through_us: Vec<bool> = view.occupants.iter().map(|occupant| occupant.dialed_in.is_some()).collect();
    assert_eq!(through_us, [false, true, true]);
    let (one, other) = (&view.memberships[0], &view.memberships[1]);
    assert_eq!((one.phase, one.nickname.as_deref(), &one.legs[..]), (Phase::Inside, Some("Romeo"), &[romeo.leg][..]));
    assert_eq!((one.is_observer, other.is_observer), (true, false), "the first who came in looks for all");
    let calls: Vec<(LegId, CallState)> = view.legs.iter().map(|leg| (leg.id, leg.call)).collect();
    assert_eq!(calls, [(romeo.leg, CallState::Answered), (mercutio.leg, CallState::Answered)]);
    assert!(view.at_rest && view.differences().is_empty(), "{view:?}");
    assert_eq!((view.summary.occupants, view.summary.memberships, view.summary.legs), (3, 2, 2));
    story.everybody_leaves();
}

#[test]
fn a_leg_without_connection_shows_when_it_is_going_to_end() {
    let (story, romeo) = Story::with_romeo();
    let look = || story.world().room.leg_view(romeo.leg).unwrap().0;
    romeo.connects();
    assert_eq!((look().msrp, look().ends_at), (Some(Link::Bound), None));
    romeo.loses_connection();
    assert_eq!(look().msrp, Some(Link::Lost));
    let now = story.world().now;
    assert_eq!(look().ends_at, Some(now + Duration::from_secs(45)));
    assert!(story.world().room.leg_view(LegId(99)).is_none());
    story.everybody_leaves();
}

/// Who waits for his stream keeps his place in the picture, and the room is not at rest.
#[test]
fn a_room_is_not_at_rest_while_somebody_is_on_the_way() {
    let (story, romeo) = Story::with_romeo();
    romeo.loses_stream(StreamEnd::Lost("cut".into()));
    let view = story.world().room.view();
    assert_eq!((view.memberships[0].phase, view.memberships[0].nickname.as_deref()), (Phase::Returning, Some("Romeo")));
    assert!(!view.at_rest && view.summary.unreachable, "{view:?}");
    story.everybody_leaves();
}

#[test]
fn what_the_sides_do_not_agree_about_is_named() {
    let (story, romeo) = Story::with_romeo();
    let whole = story.world().room.view();
    let without = |change: &dyn Fn(&mut RoomView)| {
        let mut view = whole.clone();
        change(&mut view);
        view.differences()
    };
    let gone = without(&|view| view.occupants.retain(|occupant| occupant.nickname != "Romeo"));
    assert_eq!(gone, [Difference::NotInMuc("Romeo".into())]);
    let ghost = without(&|view| {
        view.memberships.clear();
        view.legs.clear();
    });
    assert_eq!(ghost, [Difference::NoUserBehind("Romeo".into())]);
    let lonely = without(&|view| view.legs[0].membership = None);
    assert_eq!(lonely, [Difference::LegWithoutOccupant(romeo.leg)]);
    let left = without(&|view| view.memberships[0].legs.clear());
    assert_eq!(left, [Difference::OccupantWithoutLeg("Romeo".into())]);
    story.everybody_leaves();
}

#[test]
fn an_operator_ends_one_leg_and_no_other() {
    let (story, romeo) = Story::with_romeo();
    let mercutio = story.sip_user("Mercutio");
    mercutio.dials();
    romeo.input(Input::Kick(romeo.leg));
    romeo.gets_bye(480, "Ended by the operator of the gateway");
    romeo.is_not_in_the_room();
    let is_end = |trace: &&Trace| matches!(trace, Trace::Ended { cause: EndCause::ByOperator, .. });
    assert_eq!(romeo.sees().traces.iter().filter(is_end).count(), 1);
    assert!(story.muc().occupants.contains_key("Mercutio"));
    // A second time, or a leg that never was, changes nothing.
    romeo.input(Input::Kick(romeo.leg));
    romeo.input(Input::Kick(LegId(99)));
    assert_eq!(romeo.sees().traces.iter().filter(is_end).count(), 1);
    story.everybody_leaves();
}

#[test]
fn a_caller_who_still_waits_is_refused() {
    let story = Story::begins();
    story.muc().freezes();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    romeo.input(Input::Kick(romeo.leg));
    romeo.is_refused_with(480);
    story.everybody_leaves();
}

/// What has begun goes on as it began: a timer that runs keeps its time, the next one has the new.
#[test]
fn other_timeouts_count_from_the_next_time_on() {
    let (story, romeo) = Story::with_romeo();
    romeo.connects();
    romeo.loses_connection();
    let rules = story.world().rules.clone();
    let timeouts = Timeouts { lost_leg: Duration::from_secs(5), ..Timeouts::default() };
    romeo.input(Input::Reconfigured { rules, timeouts });
    story.seconds_pass(40);
    assert!(story.muc().occupants.contains_key("Romeo"), "he has the 45 seconds that he was given");
    story.seconds_pass(6);
    romeo.is_not_in_the_room();
    let mercutio = story.sip_user("Mercutio");
    mercutio.dials();
    mercutio.connects();
    mercutio.loses_connection();
    story.seconds_pass(6);
    mercutio.is_not_in_the_room();
    story.everybody_leaves();
}

/// Rules that no longer know the room take its name away from nobody who came in by it.
#[test]
fn who_came_in_by_rules_that_are_gone_goes_on_talking() {
    let (story, romeo) = Story::with_romeo();
    romeo.connects();
    let rules = Arc::new(RoomRules::new(Vec::new(), vec!["elsewhere.example.com".into()]));
    romeo.input(Input::Reconfigured { rules, timeouts: Timeouts::default() });
    let send = romeo.says("Is the day so young?");
    romeo.gets_response(&send, 200);
    story.everybody_leaves();
}
