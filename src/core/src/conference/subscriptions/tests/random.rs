//! Whatever happens, in whatever order.

use std::boxed::Box;
use std::collections::BTreeMap as Map;
use std::string::{String, ToString};
use std::{format, vec};

use proptest::prelude::*;

use super::world::occupant;
use super::*;
use crate::conference::Reason;

#[derive(Debug, Clone)]
enum Operation {
    Subscribe(u64, u64, bool),
    Refresh(u64, u64),
    Notified(u64, Outcome),
    Admit(u64, bool),
    End(u64),
    Forget(u64),
    Join(u8),
    Leave(u8, bool),
    /// Somebody goes, is back before anybody can be told, and goes again.
    Flicker(u8, bool),
    /// Somebody, if he is there, goes on under another name, which nobody has; twice so many times in a row.
    Rename(u8, Vec<u8>),
    /// The room names everybody anew: these.
    Replace(Vec<u8>),
    /// So many come, and go again.
    Flood(u16),
    Complete(bool),
    Later(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let outcome = prop_oneof![
        8 => Just(Outcome::Delivered),
        2 => Just(Outcome::Refused),
        1 => Just(Outcome::TooLarge),
        1 => Just(Outcome::Failed)
    ];
    prop_oneof![
        3 => (0..4u64, 0..40u64, any::<bool>()).prop_map(|(id, s, sees)| Operation::Subscribe(id, s, sees)),
        2 => (0..4u64, 0..40u64).prop_map(|(id, s)| Operation::Refresh(id, s)),
        12 => (0..4u64, outcome).prop_map(|(id, outcome)| Operation::Notified(id, outcome)),
        2 => (0..4u64, any::<bool>()).prop_map(|(id, sees)| Operation::Admit(id, sees)),
        1 => (0..4u64).prop_map(Operation::End),
        1 => (0..4u64).prop_map(Operation::Forget),
        6 => (0..9u8).prop_map(Operation::Join),
        4 => (0..9u8, any::<bool>()).prop_map(|(nickname, speaks)| Operation::Leave(nickname, speaks)),
        3 => (0..9u8, any::<bool>()).prop_map(|(nickname, speaks)| Operation::Flicker(nickname, speaks)),
        6 => (0..9u8, proptest::collection::vec(0..9u8, 1..5)).prop_map(|(who, names)| Operation::Rename(who, names)),
        1 => proptest::collection::vec(0..9u8, 0..9).prop_map(Operation::Replace),
        1 => prop_oneof![9 => 0..40u16, 1 => Just(1100)].prop_map(Operation::Flood),
        1 => any::<bool>().prop_map(Operation::Complete),
        6 => (1..4000u64).prop_map(Operation::Later),
    ]
}

/// A subscriber as the test knows him.
#[derive(Debug, Default)]
struct Subscriber {
    sees: bool,
    in_flight: bool,
    ended: bool,
    version: u32,
    /// He did not take what he was told last.
    refused: bool,
}

/// Checks what came, against what subscribers know.
fn check(world: &mut World, subscribers: &mut Map<SubscriptionId, Subscriber>) -> Result<(), TestCaseError> {
    for (id, state, document) in core::mem::take(&mut world.got) {
        let subscriber = subscribers.get_mut(&id).expect("somebody who subscribed");
        prop_assert!(!subscriber.in_flight, "two NOTIFYs in flight");
        prop_assert!(!subscriber.ended, "something after the end");
        subscriber.in_flight = true;
        subscriber.ended = state.starts_with("terminated");
        prop_assert!(subscriber.ended || document.is_some());
        if let Some(seen) = document {
            prop_assert!(seen.version == subscriber.version + 1);
            prop_assert!(subscriber.sees && world.complete || seen.is_neutral(), "shown what he may not see");
            prop_assert!(seen.is_whole || subscriber.version > 0 || subscriber.ended);
            subscriber.version = seen.version;
            subscriber.refused = false;
        }
    }
    for id in core::mem::take(&mut world.gone) {
        prop_assert!(subscribers.remove(&id).is_some(), "gone twice");
    }
    Ok(())
}

fn perform(world: &mut World, operation: Operation, subscribers: &mut Map<SubscriptionId, Subscriber>) {
    match operation {
        Operation::Subscribe(id, seconds, sees) => {
            let id = SubscriptionId(id);
            if let std::collections::btree_map::Entry::Vacant(vacant) = subscribers.entry(id) {
                vacant.insert(Subscriber { sees, ..Subscriber::default() });
                world.subscribe(id, Duration::from_secs(seconds), sees);
            }
        }
        Operation::Refresh(id, seconds) => world.refresh(SubscriptionId(id), Duration::from_secs(seconds)),
        Operation::Notified(id, outcome) => {
            let id = SubscriptionId(id);
            if let Some(subscriber) = subscribers.get_mut(&id) {
                subscriber.refused |= subscriber.in_flight && outcome == Outcome::Refused;
                subscriber.in_flight = false;
                // What is too large has reached nobody.
                subscriber.ended &= outcome != Outcome::TooLarge;
            }
            match outcome {
                Outcome::Refused => world.refused(id),
                Outcome::Delivered => world.delivered(id),
                _ => act!(world, notified, id, outcome),
            }
        }
        Operation::Admit(id, sees) => {
            if let Some(subscriber) = subscribers.get_mut(&SubscriptionId(id)) {
                subscriber.sees = sees;
            }
            act!(world, admit, SubscriptionId(id), sees);
        }
        Operation::End(id) => {
            let (reason, retry_after, text) = (Reason::Noresource, None, None);
            act!(
                world,
                end,
                SubscriptionId(id),
                Ending { reason, retry_after, text, cause: None, room_is_gone: id % 2 == 0 }
            );
        }
        Operation::Forget(id) => {
            let mut out = Vec::new();
            world.conference.forget(SubscriptionId(id), &mut out);
            world.take(out);
        }
        Operation::Join(nickname) => world.join(&nickname.to_string()),
        Operation::Leave(nickname, true) => world.leave(&nickname.to_string(), "Bye"),
        Operation::Leave(nickname, false) => {
            world.goes(&nickname.to_string(), None);
            act!(world, changed);
        }
        Operation::Flicker(nickname, speaks) => {
            perform(world, Operation::Leave(nickname, true), subscribers);
            perform(world, Operation::Join(nickname), subscribers);
            perform(world, Operation::Leave(nickname, speaks), subscribers);
        }
        Operation::Rename(who, names) => {
            let mut before = who.to_string();
            for name in names {
                let name = name.to_string();
                if world.roster.get(&name).is_none()
                    && let Some(occupant) = world.goes(&before, None)
                {
                    world.roster.put(&name, occupant);
                    act!(world, changed);
                    before = name;
                }
            }
        }
        Operation::Replace(names) => {
            let gone: Vec<String> = world.roster.occupants().map(|(name, _)| name.to_string()).collect();
            for name in gone.iter().filter(|name| !names.iter().any(|n| n.to_string() == **name)) {
                world.goes(name, None);
            }
            world.roster.replace(names.iter().map(|name| (name.to_string(), occupant())).collect());
            act!(world, changed);
        }
        Operation::Flood(count) => {
            for n in 0..count {
                world.roster.put(&format!("g{n}"), occupant());
            }
            act!(world, changed);
            for n in 0..count {
                world.goes(&format!("g{n}"), None);
            }
            act!(world, changed);
        }
        Operation::Complete(complete) => {
            world.complete = complete;
            act!(world, changed);
        }
        Operation::Later(millis) => world.after(MS(millis)),
    }
}

proptest! {
    /// CI-03, CI-10, EV-17, EV-18, and at rest every subscriber knows the occupants.
    #[test]
    fn whatever_happens_subscribers_learn_the_roster(operations in proptest::collection::vec(operation(), 1..120)) {
        let (mut world, mut subscribers) = (World::new(&["Romeo"]), Map::new());
        world.keeps_before = true;
        for operation in operations {
            perform(&mut world, operation, &mut subscribers);
            check(&mut world, &mut subscribers)?;
        }
        perform(&mut world, Operation::Complete(true), &mut subscribers);
        check(&mut world, &mut subscribers)?;
        // Who did not take his last document learns of what was in it with the next change.
        perform(&mut world, Operation::Join(100), &mut subscribers);
        check(&mut world, &mut subscribers)?;
        // Everybody answers, and the longest pace goes by twice.
        for _ in 0..6 {
            for id in subscribers.keys().copied().collect::<Vec<_>>() {
                perform(&mut world, Operation::Notified(id.0, Outcome::Delivered), &mut subscribers);
                check(&mut world, &mut subscribers)?;
            }
            perform(&mut world, Operation::Later(2500), &mut subscribers);
            check(&mut world, &mut subscribers)?;
        }
        let occupants: Box<[String]> = world.roster.occupants().map(|(nickname, _)| nickname.to_string()).collect();
        for (id, subscriber) in &subscribers {
            if subscriber.ended {
                continue; // Its last NOTIFY came with the last step.
            }
            let shown = &world.shown[id];
            if subscriber.sees {
                prop_assert!(shown.nicknames().into_iter().eq(occupants.iter().map(|name| &**name)), "{:?}", id);
                prop_assert_eq!(shown.state.map(|state| state.count), Some(occupants.len()));
                prop_assert!(shown.leaving().is_empty());
            } else {
                prop_assert!(subscriber.refused || shown.is_neutral());
            }
        }
        prop_assert_eq!(world.conference.ids().len(), subscribers.len());
    }
}
