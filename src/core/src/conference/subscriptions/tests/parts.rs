//! What of a change is told, and to whom everything: GC-PRES-12 … 15.

use std::format;
use std::string::{String, ToString};
use std::vec;

use super::world::{MS, ROMEO, World, interest};
use super::*;
use crate::conference::Interest;
use crate::muc::Departure;
use crate::time::WallClock;

#[test]
fn who_comes_is_told_in_a_part() {
    // GC-PRES-12, CI-03, CI-06
    let names: Vec<String> = (0..100).map(|n| format!("Guest {n}")).collect();
    let mut world = World::with_romeo(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.join("Nurse");
    let (_, state, nurse) = world.one();
    let nurse = nurse.unwrap();
    assert_eq!((state.as_str(), nurse.version, nurse.users.len(), nurse.count), ("active 3600", 2, 101, Some(101)));
    assert!(!nurse.is_whole && nurse.text.matches("<user ").count() == 1 && nurse.octets < 1000, "{}", nurse.text);
    assert!(!nurse.text.contains("conference-description"), "{}", nurse.text);
}

#[test]
fn who_goes_is_shown_as_going_with_what_he_said_and_then_he_is_gone() {
    // GC-PRES-13, GC-PRES-15, CI-19
    let mut world = World::with_romeo(&["JuliC", "Nurse", "Romeo"]);
    world.leave("JuliC", "Time to \"go\"!");
    let going = world.one().2.unwrap();
    assert_eq!(going.list(), (2, vec!["Nurse", "Romeo"], Some(2)));
    assert_eq!(going.leaving, ["JuliC"]);
    assert!(going.text.contains("<disconnection-method>departed</disconnection-method>"), "{}", going.text);
    assert!(going.text.contains(r#"<reason>Reason: SIP;text="Time to \"go\"!"</reason>"#), "{}", going.text);
    world.delivered(ROMEO);
    world.after(MS(999));
    world.nothing();
    world.after(MS(1));
    let gone = world.one().2.unwrap();
    assert_eq!((gone.version, gone.leaving.len(), gone.octets < 400), (3, 0, true), "{}", gone.text);
    assert!(gone.text.contains("state='deleted'") && !gone.text.contains("user-count"), "{}", gone.text);
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn who_comes_back_while_he_is_shown_as_going_is_here() {
    // GC-PRES-13
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    world.leave("JuliC", "");
    assert_eq!(world.one().2.unwrap().leaving, ["JuliC"]);
    world.delivered(ROMEO);
    world.join("JuliC");
    world.after(MS(1000));
    let back = world.one().2.unwrap();
    assert_eq!((back.list(), back.leaving.len()), ((3, vec!["JuliC", "Romeo"], Some(2)), 0));
    assert!(!back.text.contains("deleted"), "{}", back.text);
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn who_comes_and_goes_unseen_is_not_told_of() {
    let mut world = World::with_romeo(&["Romeo"]);
    world.join("Nurse");
    world.one();
    world.join("JuliC");
    world.leave("JuliC", "");
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn a_change_of_nickname_is_one_document_with_the_new_name_and_without_the_old() {
    // GC-PRES-14
    let mut world = World::with_romeo(&["JuliC", "Nurse", "Romeo"]);
    let juliet = world.roster.remove("JuliC", None).unwrap();
    world.roster.put("Juliet", juliet);
    act!(&mut world, changed);
    let renamed = world.one().2.unwrap();
    assert_eq!((renamed.list(), renamed.leaving.len()), ((2, vec!["Juliet", "Nurse", "Romeo"], Some(3)), 0));
    assert_eq!((renamed.is_whole, renamed.text.matches("<user ").count()), (false, 2), "{}", renamed.text);
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

/// Somebody of this name goes on under another one.
fn is_renamed(world: &mut World, before: &str, after: &str) {
    let occupant = world.roster.remove(before, None).unwrap();
    world.roster.put(after, occupant);
    act!(world, changed);
}

#[test]
fn who_goes_back_to_his_old_name_and_on_to_another_is_taken_off_the_list_once() {
    // GC-PRES-13, GC-PRES-14: the second and the third change come in one document.
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    is_renamed(&mut world, "JuliC", "Juliet");
    assert!(world.one().2.unwrap().text.contains("gr=JuliC' state='deleted'"));
    is_renamed(&mut world, "Juliet", "JuliC");
    is_renamed(&mut world, "JuliC", "Jule");
    world.delivered(ROMEO);
    world.after(MS(5000));
    let renamed = world.one().2.unwrap();
    assert_eq!(renamed.list(), (3, vec!["Jule", "Romeo"], Some(2)));
    assert_eq!(renamed.text.matches("state='deleted'").count(), 1, "{}", renamed.text);
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn who_is_shown_as_going_comes_back_and_goes_without_a_word_is_gone() {
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    world.leave("JuliC", "Adieu");
    assert_eq!(world.one().2.unwrap().leaving, ["JuliC"]);
    world.join("JuliC");
    is_renamed(&mut world, "JuliC", "Jule");
    world.delivered(ROMEO);
    world.after(MS(5000));
    let renamed = world.one().2.unwrap();
    assert_eq!((renamed.list(), renamed.leaving.len()), ((3, vec!["Jule", "Romeo"], Some(2)), 0), "{}", renamed.text);
}

#[test]
fn who_is_shown_as_going_comes_back_and_goes_with_a_word_is_gone_and_not_shown_as_going_again() {
    // GC-PRES-13, CI-19: he was once left on the list for good.
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    world.leave("JuliC", "Adieu");
    assert_eq!(world.one().2.unwrap().leaving, ["JuliC"]);
    world.join("JuliC");
    world.leave("JuliC", "Adieu again");
    world.delivered(ROMEO);
    world.after(MS(1000));
    let gone = world.one().2.unwrap();
    assert_eq!((gone.list(), gone.leaving.len()), ((3, vec!["Romeo"], Some(1)), 0), "{}", gone.text);
    world.delivered(ROMEO);
    world.after(MS(60_000));
    world.nothing();
}

#[test]
fn a_new_subject_brings_the_description_whole_and_nobody() {
    // CI-06
    let mut world = World::with_romeo(&["Romeo"]);
    world.roster.describe(|about| about.subject = Some("Orchard".into()));
    act!(&mut world, changed);
    let told = world.one().2.unwrap();
    assert_eq!((told.subject.as_deref(), told.is_whole), (Some("Orchard"), false));
    assert!(told.text.contains("<service-uris>") && !told.text.contains("<user"), "{}", told.text);
    world.delivered(ROMEO);
    world.after(MS(5000));
    world.roster.describe(|about| about.members_only = true);
    act!(&mut world, changed);
    let told = world.one().2.unwrap();
    assert!(told.text.contains("<locked>true</locked>") && !told.text.contains("conf-uris"), "{}", told.text);
}

#[test]
fn who_did_not_take_a_part_gets_the_whole_next() {
    // EV-10, CI-03: an answer that does not end the subscription, and does not say that the part was applied.
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    world.keeps_before = true;
    world.join("Nurse");
    assert!(!world.one().2.unwrap().is_whole);
    world.refused(ROMEO);
    world.after(MS(10_000));
    world.nothing();
    world.join("Tybalt");
    let told = world.one().2.unwrap();
    assert_eq!((told.is_whole, told.list()), (true, (3, vec!["JuliC", "Nurse", "Romeo", "Tybalt"], Some(4))));
    world.delivered(ROMEO);
    world.after(MS(10_000));
    world.join("Abram");
    assert!(!world.one().2.unwrap().is_whole);
}

#[test]
fn who_has_missed_too_much_gets_the_whole() {
    let names: Vec<String> = (0..1100).map(|n| n.to_string()).collect();
    let mut world = World::with_romeo(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..1050] {
        world.roster.remove(name, None);
    }
    act!(&mut world, changed);
    let told = world.one().2.unwrap();
    assert_eq!((told.is_whole, told.users.len(), told.count), (true, 50, Some(50)));
}

#[test]
fn when_many_leave_at_once_nobody_is_shown_as_going() {
    // GC-PRES-13
    let names: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    let mut world = World::with_romeo(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names[..65] {
        world.roster.remove(name, Some((Departure::Left(None), WallClock::from_unix_millis(0))));
    }
    act!(&mut world, changed);
    let told = world.one().2.unwrap();
    assert_eq!((told.is_whole, told.leaving.len(), told.users.len()), (false, 0, 335));
    assert_eq!(told.text.matches("state='deleted'").count(), 65);
}

#[test]
fn who_wants_the_whole_each_time_gets_it() {
    // CI-08
    let mut world = World::new(&["JuliC", "Romeo"]);
    world.subscribe_with(ROMEO, Interest { whole: true, ..interest() });
    world.one();
    world.delivered(ROMEO);
    world.leave("JuliC", "Bye");
    let told = world.one().2.unwrap();
    assert_eq!((told.is_whole, told.list()), (true, (2, vec!["Romeo"], Some(1))));
    world.delivered(ROMEO);
    world.after(MS(10_000));
    world.nothing();
}
