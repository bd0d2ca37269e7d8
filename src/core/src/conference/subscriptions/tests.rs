//! What subscribers are told first, and what they may see; the rest by what it is about.

#[macro_use]
mod world;

mod crowds;
mod endings;
mod pace;
mod parts;
mod random;

use self::world::{HOUR, MS, ROMEO, World};
use super::*;

#[test]
fn an_occupant_who_subscribes_sees_everybody_at_once() {
    // GC-PRES-02, CI-07, EV-05
    let mut world = World::new(&["JuliC", "Romeo"]);
    world.subscribe(ROMEO, HOUR, true);
    world.whole(ROMEO, "active 3600", 1, &["JuliC", "Romeo"]);
}

#[test]
fn a_refresh_is_answered_with_everything_though_nothing_changed() {
    // CI-07, CI-03, EV-05, EV-06
    let mut world = World::with_romeo(&["Romeo"]);
    world.after(MS(100));
    world.refresh(ROMEO, MS(600_900));
    world.whole(ROMEO, "active 600", 2, &["Romeo"]);
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
    world.whole(ROMEO, "active 3600", 2, &["JuliC", "Nurse", "Romeo"]);
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
    world.whole(ROMEO, "active 3590", 2, &["JuliC", "Nurse"]);
    world.delivered(ROMEO);
    act!(&mut world, admit, ROMEO, false);
    let left = world.one().2.unwrap();
    assert!(left.is_neutral() && left.version == 3);
}
