#[macro_use]
mod world;

mod random;

use std::format;
use std::string::ToString;
use std::vec;

use self::world::{HOUR, MERCUTIO, MS, ROMEO, Seen, World, seen};
use super::*;
use crate::conference::SubscriptionState;

#[test]
fn an_occupant_who_subscribes_sees_everybody_at_once() {
    // GC-PRES-02, CI-07, EV-05
    let mut world = World::new(&["JuliC", "Romeo"]);
    world.subscribe(ROMEO, HOUR, true);
    assert_eq!(world.one(), (ROMEO, "active 3600".into(), seen(1, &["JuliC", "Romeo"])));
}

#[test]
fn a_refresh_is_answered_with_everything_though_nothing_changed() {
    // CI-07, CI-03, EV-05, EV-06
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(100));
    act!(&mut world, refreshed, ROMEO, MS(600_900));
    assert_eq!(world.one(), (ROMEO, "active 600".into(), seen(2, &["Romeo"])));
}

#[test]
fn before_the_roster_is_whole_only_the_place_is_told_and_then_everything() {
    // GC-PRES-03, GC-PRES-04
    let mut world = World::new(&["JuliC"]);
    world.complete = false;
    world.subscribe(ROMEO, HOUR, true);
    let (_, _, neutral) = world.one();
    assert!(neutral.unwrap().is_neutral());
    world.delivered(ROMEO);
    world.join("Nurse");
    world.nothing();
    world.complete = true;
    world.join("Romeo");
    assert_eq!(world.one().2, seen(2, &["JuliC", "Nurse", "Romeo"]));
}

#[test]
fn who_is_no_occupant_sees_nothing_until_he_is_one_and_nothing_when_he_is_none_any_more() {
    // EV-17, GC-PRES-04
    let mut world = World::new(&["JuliC"]);
    world.subscribe(ROMEO, HOUR, false);
    assert!(world.one().2.unwrap().is_neutral());
    world.delivered(ROMEO);
    world.join("Nurse");
    world.after(MS(10_000));
    world.nothing();
    act!(&mut world, admit, ROMEO, true);
    assert_eq!(world.one().2, seen(2, &["JuliC", "Nurse"]));
    world.delivered(ROMEO);
    act!(&mut world, admit, ROMEO, false);
    let left = world.one().2.unwrap();
    assert!(left.is_neutral() && left.version == 3);
}

#[test]
fn the_second_notify_waits_for_the_answer_to_the_first_and_merges_what_happened() {
    // EV-18
    let mut world = World::new(&["Romeo"]);
    world.subscribe(ROMEO, HOUR, true);
    world.one();
    for nickname in ["Abram", "Balthasar", "Nurse"] {
        world.after(MS(4000));
        world.join(nickname);
    }
    act!(&mut world, refreshed, ROMEO, HOUR);
    world.nothing();
    world.delivered(ROMEO);
    assert_eq!(world.one(), (ROMEO, "active 3600".into(), seen(2, &["Abram", "Balthasar", "Nurse", "Romeo"])));
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn a_burst_of_joins_is_two_notifications() {
    // CI-09
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(5000));
    let burst: Vec<String> = (0..50).map(|i| format!("{i:02}")).collect();
    for nickname in &burst {
        world.join(nickname);
        world.delivered(ROMEO);
        world.after(MS(10));
    }
    assert_eq!(world.one().2.unwrap().users, ["00", "Romeo"]);
    world.after(MS(4400));
    world.nothing();
    world.after(MS(100));
    assert_eq!(world.one().2.unwrap().count, Some(51));
}

#[test]
fn the_bigger_the_room_the_rarer_the_notifications() {
    // CI-09
    let pace = |users: usize| {
        let nicknames: Vec<String> = (0..users).map(|i| i.to_string()).collect();
        let mut world = World::with_romeo(&nicknames.iter().map(String::as_str).collect::<Vec<_>>());
        for name in ["Capulet", "Montague"] {
            world.roster.describe(|about| about.name = Some(name.into()));
            act!(&mut world, changed);
            world.delivered(ROMEO);
        }
        world.conference.next_timeout().unwrap().since(world.now)
    };
    assert_eq!([pace(1), pace(10), pace(30), pace(50), pace(1000)].map(|pace| pace.as_secs()), [1, 1, 3, 5, 5]);
}

#[test]
fn what_changes_nothing_is_not_told() {
    // XM-08
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(10_000));
    world.join("Romeo");
    act!(&mut world, admit, ROMEO, true);
    world.after(MS(10_000));
    world.nothing();
}

#[test]
fn a_fetch_is_one_notify_with_everything() {
    // EV-08
    let mut world = World::new(&["JuliC"]);
    world.subscribe(ROMEO, Duration::ZERO, true);
    assert_eq!(world.one(), (ROMEO, "terminated Timeout".into(), seen(1, &["JuliC"])));
    world.join("Nurse");
    act!(&mut world, refreshed, ROMEO, HOUR);
    world.nothing();
    world.delivered(ROMEO);
    assert_eq!(world.gone, [ROMEO]);
    assert!(world.conference.is_empty() && world.conference.next_timeout().is_none());
}

#[test]
fn an_unsubscription_is_confirmed_and_then_there_is_silence() {
    // EV-07
    let mut world = World::with_romeo(&["Romeo"]);
    act!(&mut world, refreshed, ROMEO, Duration::ZERO);
    assert_eq!(world.one(), (ROMEO, "terminated Timeout".into(), None));
    world.join("Nurse");
    world.delivered(ROMEO);
    assert_eq!(world.gone, [ROMEO]);
    world.join("Abram");
    world.after(HOUR);
    assert_eq!(world.got, vec![]);
}

#[test]
fn what_is_not_refreshed_expires() {
    // EV-09
    let mut world = World::new(&["Romeo"]);
    world.subscribe(ROMEO, MS(60_000), true);
    world.one();
    world.delivered(ROMEO);
    world.after(MS(59_500));
    world.join("Nurse");
    assert_eq!(world.one().1, "active 1", "rounded down, and never nothing");
    world.after(MS(500));
    world.nothing();
    world.delivered(ROMEO);
    assert_eq!(world.one(), (ROMEO, "terminated Timeout".into(), None));
    world.delivered(ROMEO);
    assert_eq!(world.gone, [ROMEO]);
}

#[test]
fn a_refresh_moves_the_expiry() {
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(3_000_000));
    act!(&mut world, refreshed, ROMEO, HOUR);
    world.one();
    world.delivered(ROMEO);
    world.after(MS(3_599_999));
    world.nothing();
    world.after(MS(1));
    assert_eq!(world.one().1, "terminated Timeout");
}

#[test]
fn the_first_end_counts_and_says_why() {
    // EV-12, CI-22
    let mut world = World::new(&["Romeo"]);
    world.subscribe(ROMEO, HOUR, true);
    world.one();
    act!(&mut world, end, ROMEO, Reason::Probation, Some(30), Some("Back soon".into()));
    act!(&mut world, end, ROMEO, Reason::Noresource, None, None);
    world.nothing();
    let view = View { roster: &world.roster, muc: &world.muc, complete: true };
    let mut out = Vec::new();
    world.conference.notified(world.now, ROMEO, Outcome::Delivered, view, &mut out);
    let state = SubscriptionState::Terminated {
        reason: Reason::Probation,
        retry_after: Some(30),
        text: Some("Back soon".into()),
    };
    assert_eq!(out, [Event::Notify(ROMEO, Notification { state, document: None })]);
}

#[test]
fn a_document_that_fits_no_transport_ends_the_subscription() {
    // CI-28
    for expires in [HOUR, Duration::ZERO] {
        let mut world = World::new(&["Romeo"]);
        world.subscribe(ROMEO, expires, true);
        world.one();
        act!(&mut world, notified, ROMEO, Outcome::TooLarge);
        assert_eq!(world.one(), (ROMEO, "terminated Rejected".into(), None));
        act!(&mut world, notified, ROMEO, Outcome::TooLarge);
        assert_eq!(world.gone, [ROMEO]);
    }
}

#[test]
fn a_subscriber_who_does_not_answer_is_forgotten() {
    // EV-10
    let mut world = World::new(&["Romeo"]);
    world.subscribe(ROMEO, HOUR, true);
    world.subscribe(MERCUTIO, HOUR, true);
    world.got.clear();
    act!(&mut world, notified, ROMEO, Outcome::Failed);
    assert_eq!(core::mem::take(&mut world.gone), [ROMEO]);
    let mut out = Vec::new();
    world.conference.forget(MERCUTIO, &mut out);
    world.conference.forget(MERCUTIO, &mut out);
    assert_eq!(out, [Event::Gone(MERCUTIO)]);
    world.join("Nurse");
    world.delivered(ROMEO);
    world.nothing();
    assert_eq!(world.conference.next_timeout(), None);
}

#[test]
fn everybody_counts_his_own_versions_and_the_rest_is_the_same_document() {
    // CI-03
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(5000));
    world.subscribe(MERCUTIO, HOUR, true);
    assert_eq!(world.one(), (MERCUTIO, "active 3600".into(), seen(1, &["Romeo"])));
    world.delivered(MERCUTIO);
    world.after(MS(5000));
    world.join("Nurse");
    let versions = world.got.iter().map(|(id, _, seen)| (*id, seen.as_ref().unwrap().version)).collect::<Vec<_>>();
    assert_eq!(versions, [(ROMEO, 2), (MERCUTIO, 2)]);
}

#[test]
fn a_room_is_rendered_once_for_all_its_subscribers() {
    let mut world = World::new(&["Romeo"]);
    for id in 0..100 {
        world.subscribe(SubscriptionId(id), HOUR, true);
    }
    assert_eq!(world.conference.rendered.len(), 1);
    world.join("Nurse");
    for id in 0..100 {
        world.delivered(SubscriptionId(id));
    }
    world.after(MS(5000));
    assert_eq!((world.conference.rendered.len(), world.got.len()), (1, 200));
    for id in 0..100 {
        act!(&mut world, notified, SubscriptionId(id), Outcome::Failed);
    }
    assert!(world.conference.rendered.is_empty());
}
