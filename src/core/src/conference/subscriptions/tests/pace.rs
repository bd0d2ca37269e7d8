//! How often subscribers are told: CI-09, EV-18, EV-19.

use std::format;
use std::string::ToString;
use std::vec;

use super::world::{HOUR, MS, ROMEO, World, interest};
use super::*;
use crate::conference::Interest;

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
    world.refresh(ROMEO, HOUR);
    world.nothing();
    world.delivered(ROMEO);
    world.whole(ROMEO, "active 3600", 2, &["Abram", "Balthasar", "Nurse", "Romeo"]);
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn a_burst_of_joins_is_two_notifications() {
    // CI-09
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(5000));
    for n in 0..50 {
        world.join(&format!("{n:02}"));
        world.delivered(ROMEO);
        world.after(MS(10));
    }
    assert_eq!(world.one().2.unwrap().users, ["00", "Romeo"]);
    world.after(MS(499));
    world.nothing();
    world.after(MS(1));
    assert_eq!(world.one().2.unwrap().count, Some(51));
    world.delivered(ROMEO);
    world.after(MS(3999));
    world.nothing();
}

#[test]
fn nobody_is_told_more_than_twice_in_five_seconds_and_nothing_later_than_that() {
    // CI-09
    let mut world = World::with_romeo(&["Romeo"]);
    let (mut told, mut joined) = (vec![], vec![]);
    for n in 0..200 {
        world.join(&n.to_string());
        joined.push(world.now);
        for (_, _, seen) in core::mem::take(&mut world.got) {
            told.push((world.now, seen.unwrap().users.len() - 1));
        }
        world.delivered(ROMEO);
        world.after(MS(137));
    }
    assert!(told.len() > 8, "{told:?}");
    for three in told.windows(3) {
        assert!(three[2].0.since(three[0].0) >= MS(5000), "{three:?}");
        assert!(three[1].0.since(three[0].0) >= MS(1000), "{three:?}");
    }
    for (at, count) in &told {
        let next = joined.get(*count).copied().unwrap_or(*at);
        assert!(next.since(*at) <= MS(137), "all who were there are told of");
    }
    for pair in told.windows(2) {
        assert!(pair[1].0.since(pair[0].0) <= MS(5137), "{pair:?}");
    }
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
fn while_nobody_may_be_told_a_change_costs_nothing() {
    let mut world = World::with_romeo(&["Romeo"]);
    world.join("Nurse");
    world.delivered(ROMEO);
    world.got.clear();
    let rendered = world.conference.documents.rendered;
    for n in 0..100 {
        world.join(&n.to_string());
    }
    world.nothing();
    assert_eq!(world.conference.documents.rendered, rendered);
    assert_eq!(world.conference.next_timeout(), Some(world.now + MS(1000)));
}

#[test]
fn who_wants_to_be_told_rarely_is_told_rarely() {
    // EV-19, CI-09 (RFC 6446 §5): but for what he asks for, and the end.
    let mut world = World::new(&["Romeo"]);
    world.subscribe_with(ROMEO, Interest { interval: Some(MS(10_000)), ..interest() });
    assert_eq!(world.one().1, "active 3600 every 10");
    world.delivered(ROMEO);
    world.join("Nurse");
    world.after(MS(9999));
    world.nothing();
    world.after(MS(1));
    assert_eq!(world.one().2.unwrap().users, ["Nurse", "Romeo"]);
    world.delivered(ROMEO);
    // The answer to a refresh counts as what was told last.
    world.after(MS(5000));
    world.join("JuliC");
    act!(&mut world, refreshed, ROMEO, (HOUR, Some(MS(10_000))));
    assert_eq!(world.one().2.unwrap().users, ["JuliC", "Nurse", "Romeo"]);
    world.delivered(ROMEO);
    world.join("Tybalt");
    world.after(MS(9999));
    world.nothing();
    // Without the wish it is as for everybody.
    world.refresh(ROMEO, HOUR);
    assert_eq!(world.one().1, "active 3600");
    world.delivered(ROMEO);
    world.join("Abram");
    assert_eq!(world.one().1, "active 3600");
}

#[test]
fn who_changes_his_mind_as_he_answers_is_told_as_he_wants_it_now() {
    // EV-19 (RFC 6446 §5.1, §5.2)
    let mut world = World::new(&["Romeo"]);
    world.subscribe_with(ROMEO, Interest { interval: Some(MS(2000)), ..interest() });
    assert_eq!(world.one().1, "active 3600 every 2");
    world.conference.wished(world.now, ROMEO, Some(MS(10_000)));
    world.delivered(ROMEO);
    world.join("Nurse");
    world.after(MS(9999));
    world.nothing();
    world.after(MS(1));
    assert_eq!(world.one().1, "active 3590 every 10");
    world.conference.wished(world.now, ROMEO, None);
    world.delivered(ROMEO);
    world.join("JuliC");
    world.after(MS(1000));
    assert_eq!(world.one().1, "active 3589");
}

#[test]
fn no_wish_silences_a_subscription_for_longer_than_it_lasts_or_makes_it_faster() {
    // EV-19 (RFC 6446 §5.3)
    for (wish, state) in [(MS(7_200_000), "active 3600 every 3600"), (MS(10), "active 3600 every 1")] {
        let mut world = World::new(&["Romeo"]);
        world.subscribe_with(ROMEO, Interest { interval: Some(wish), ..interest() });
        assert_eq!(world.one().1, state);
    }
}
