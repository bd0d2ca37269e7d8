//! Many subscribers, and many occupants: CI-03, GC-PRES-11, GC-PRES-12.

use std::format;
use std::string::String;

use super::world::{HOUR, MERCUTIO, MS, Meter, ROMEO, World, occupant};
use super::*;
use crate::roster::Occupant;
use crate::time::WallClock;

#[test]
fn everybody_counts_his_own_versions_and_the_rest_is_the_same_document() {
    // CI-03
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(5000));
    world.subscribe(MERCUTIO, HOUR, true);
    world.whole(MERCUTIO, "active 3600", 1, &["Romeo"]);
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
    assert_eq!(world.conference.documents.rendered, 1);
    for id in 0..100 {
        world.delivered(SubscriptionId(id));
    }
    world.join("Nurse");
    assert_eq!((world.conference.documents.rendered, world.got.len()), (2, 200));
    for id in 0..100 {
        world.delivered(SubscriptionId(id));
    }
    world.leave("Nurse", "");
    world.after(MS(1000));
    assert_eq!((world.conference.documents.rendered, world.got.len()), (3, 300));
}

/// Everybody who joins subscribes: what each join costs all of them together grows with their number and no faster.
#[test]
fn what_is_told_of_each_of_many_joins_does_not_grow_with_the_room() {
    // GC-PRES-12
    let mut world = World::new(&[]);
    world.meter = Some(Meter::default());
    for n in 0..200u64 {
        world.join(&format!("Guest {n}"));
        world.subscribe(SubscriptionId(n), HOUR, true);
        for _ in 0..8 {
            for id in core::mem::take(&mut world.meter.as_mut().unwrap().in_flight) {
                world.delivered(id);
            }
            world.after(MS(1000));
        }
    }
    let Meter { wholes, parts, octets, in_flight } = world.meter.take().unwrap();
    assert_eq!((wholes, parts, in_flight.len()), (200, 199 * 200 / 2, 0), "one whole to each, and each join to each");
    assert!(octets / parts < 1000, "{} octets each", octets / parts);
}

#[test]
fn a_very_large_room_lists_some_and_counts_all_and_everybody_finds_himself() {
    // GC-PRES-11
    let names: Vec<String> = (0..10_000).map(|n| format!("{n:05}")).collect();
    let mut world = World::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let ours = Occupant { dialed_in: Some(WallClock::from_unix_millis(0).into()), ..occupant() };
    world.roster.put("zzz", ours.clone());
    world.subscribe(ROMEO, HOUR, true);
    let told = world.one().2.unwrap();
    assert_eq!((told.users.len(), told.count), (2000, Some(10_001)));
    assert!(told.users.contains(&"zzz".into()) && !told.users.contains(&"01999".into()));
    world.delivered(ROMEO);
    // One more of ours takes the place of whoever came last.
    world.roster.put("yyy", ours);
    act!(&mut world, changed);
    let told = world.one().2.unwrap();
    assert!(!told.is_whole && told.octets < 2048, "{}", told.text);
    assert!(told.users.contains(&"yyy".into()) && !told.users.contains(&"01998".into()));
    world.delivered(ROMEO);
    world.after(MS(5000));
    // Somebody leaves whom nobody saw, and somebody whom all saw, whose place is taken.
    world.leave("09999", "");
    world.leave("00000", "");
    world.delivered(ROMEO);
    world.after(MS(2000));
    world.delivered(ROMEO);
    assert!(world.got.iter().all(|(_, _, seen)| seen.as_ref().unwrap().octets < 2048));
    let shown = &world.shown[&ROMEO];
    assert_eq!((shown.nicknames().len(), shown.state.map(|state| state.count)), (2000, Some(10_000)));
    assert!(shown.nicknames().contains("01998") && !shown.nicknames().contains("00000"));
}
