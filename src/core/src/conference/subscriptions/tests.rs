#[macro_use]
mod world;

mod random;

use std::format;
use std::string::{String, ToString};
use std::vec;

use self::world::{HOUR, MERCUTIO, MS, Meter, ROMEO, World, interest, occupant};
use super::*;
use crate::conference::{Interest, Reason, SubscriptionState};
use crate::muc::Departure;
use crate::roster::Occupant;
use crate::time::WallClock;

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
fn a_fetch_is_one_notify_with_everything() {
    // EV-08
    let mut world = World::new(&["JuliC"]);
    world.subscribe(ROMEO, Duration::ZERO, true);
    world.whole(ROMEO, "terminated Timeout", 1, &["JuliC"]);
    world.join("Nurse");
    world.refresh(ROMEO, HOUR);
    world.nothing();
    world.delivered(ROMEO);
    assert_eq!(world.gone, [ROMEO]);
    assert!(world.conference.is_empty() && world.conference.next_timeout().is_none());
}

#[test]
fn an_unsubscription_is_confirmed_and_then_there_is_silence() {
    // EV-07
    let mut world = World::with_romeo(&["Romeo"]);
    world.refresh(ROMEO, Duration::ZERO);
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
    world.refresh(ROMEO, HOUR);
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
    let ending = |reason, retry_after, text: Option<&str>| Ending {
        reason,
        retry_after,
        text: text.map(Into::into),
        room_is_gone: false,
    };
    act!(&mut world, end, ROMEO, ending(Reason::Probation, Some(30), Some("Back soon")));
    act!(&mut world, end, ROMEO, ending(Reason::Noresource, None, None));
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
fn what_was_to_end_anyway_ends_though_its_last_document_was_too_large() {
    // CI-28, EV-12
    let mut world = World::new(&["Romeo"]);
    world.subscribe(ROMEO, HOUR, true);
    world.one();
    let ending = Ending { reason: Reason::Probation, retry_after: None, text: None, room_is_gone: false };
    act!(&mut world, end, ROMEO, ending);
    act!(&mut world, notified, ROMEO, Outcome::TooLarge);
    assert_eq!(world.one(), (ROMEO, "terminated Probation".into(), None));
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
fn no_wish_silences_a_subscription_for_longer_than_it_lasts_or_makes_it_faster() {
    // EV-19 (RFC 6446 §5.3)
    for (wish, state) in [(MS(7_200_000), "active 3600 every 3600"), (MS(10), "active 3600 every 1")] {
        let mut world = World::new(&["Romeo"]);
        world.subscribe_with(ROMEO, Interest { interval: Some(wish), ..interest() });
        assert_eq!(world.one().1, state);
    }
}

#[test]
fn the_end_of_the_room_is_the_last_that_everybody_is_told() {
    // CI-22
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    world.subscribe(MERCUTIO, HOUR, false);
    world.one();
    let ending =
        Ending { reason: Reason::Noresource, retry_after: None, text: Some("Gone".into()), room_is_gone: true };
    act!(&mut world, end, ROMEO, ending.clone());
    let (_, state, last) = world.one();
    assert_eq!((state.as_str(), last.map(|last| last.version)), ("terminated Noresource", Some(2)));
    assert!(world.shown[&ROMEO].is_deleted);
    world.delivered(ROMEO);
    assert_eq!(core::mem::take(&mut world.gone), [ROMEO]);
    // Who sees nothing of the inside is told no more than that.
    act!(&mut world, end, MERCUTIO, ending);
    world.delivered(MERCUTIO);
    let (_, _, last) = world.one();
    assert!(!last.unwrap().text.contains("JuliC") && world.shown[&MERCUTIO].is_deleted);
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
