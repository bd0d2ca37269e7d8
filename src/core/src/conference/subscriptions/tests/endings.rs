//! How subscriptions end, and whose end is whose: EV-07 … EV-12, CI-22, CI-28.

use std::vec;

use super::world::{HOUR, MERCUTIO, MS, ROMEO, World};
use super::*;
use crate::conference::{Reason, SubscriptionState};

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
        cause: None,
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
        cause: None,
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
    let ending = Ending { reason: Reason::Probation, retry_after: None, text: None, cause: None, room_is_gone: false };
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
fn the_end_of_the_room_is_the_last_that_everybody_is_told() {
    // CI-22
    let mut world = World::with_romeo(&["JuliC", "Romeo"]);
    world.subscribe(MERCUTIO, HOUR, false);
    world.one();
    let ending = Ending {
        reason: Reason::Noresource,
        retry_after: None,
        text: Some("Gone".into()),
        cause: Some(410),
        room_is_gone: true,
    };
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
