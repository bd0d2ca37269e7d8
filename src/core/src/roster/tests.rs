use std::collections::BTreeMap as Map;
use std::format;
use std::string::ToString;
use std::vec;

use proptest::prelude::*;

use super::*;

fn occupant(role: Role, dialed_in: bool) -> Occupant {
    let dialed_in = dialed_in.then(|| WallClock::from_unix_millis(0).into());
    Occupant { display_name: None, role, affiliation: Affiliation::None, jid: None, dialed_in }
}

fn native() -> Occupant {
    occupant(Role::Participant, false)
}

fn listed(roster: &Roster) -> Map<String, Occupant> {
    roster.listed().map(|listed| (listed.nickname.to_string(), listed.occupant.clone())).collect()
}

#[test]
fn who_has_not_changed_is_not_news() {
    // XM-08
    let mut roster = Roster::default();
    roster.put("JuliC", native());
    let revision = roster.revision();
    roster.put("JuliC", native());
    roster.replace([("JuliC".to_string(), native())].into());
    roster.describe(|about| about.subject = None);
    assert_eq!(roster.revision(), revision);
}

#[test]
fn a_list_that_replaces_another_is_news_of_those_who_differ() {
    let mut roster = Roster::default();
    for name in ["Abram", "JuliC", "Nurse"] {
        roster.put(name, native());
    }
    let revision = roster.revision();
    let others = [("Abram", native()), ("JuliC", occupant(Role::Visitor, false)), ("Tybalt", native())];
    roster.replace(others.map(|(name, occupant)| (name.to_string(), occupant)).into());
    let changes = roster.since(revision, None).unwrap();
    assert_eq!(changes.here.iter().map(|listed| listed.nickname).collect::<Vec<_>>(), ["JuliC", "Tybalt"]);
    assert_eq!(changes.gone.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["Nurse"]);
}

#[test]
fn names_that_people_take_for_one_another_are_found() {
    // NICK-05
    let mut roster = Roster::default();
    for name in ["Romeo", "rOMEO", "Romeo 2", "Ｊuliet"] {
        roster.put(name, native());
    }
    assert_eq!(roster.alike("ROMEO").collect::<Vec<_>>(), ["Romeo", "rOMEO"]);
    assert_eq!(roster.alike("juliet").count(), 1);
    roster.remove("Romeo", None);
    roster.put("rOMEO", occupant(Role::Visitor, false));
    assert_eq!(roster.alike("romeo").collect::<Vec<_>>(), ["rOMEO"]);
    assert_eq!(roster.alike("").count(), 0);
}

#[test]
fn of_long_ago_nothing_is_known() {
    let mut roster = Roster::default();
    roster.put("JuliC", native());
    let long_ago = roster.revision();
    for n in 0..1025 {
        roster.put(&n.to_string(), native());
        roster.remove(&n.to_string(), None);
    }
    assert!(roster.since(long_ago, None).is_none() && roster.since(roster.revision(), None).is_some());
    assert!(roster.history.len() <= 1025, "and what is known has an end");
}

#[test]
fn of_a_very_large_room_ours_are_listed_then_moderators_then_who_came_first() {
    // GC-PRES-11
    let mut roster = Roster::default();
    for n in 0..MAX_LISTED {
        roster.put(&format!("{n:04}"), native());
    }
    roster.put("last", native());
    assert!(roster.get("last").is_some() && !listed(&roster).contains_key("last"));
    roster.put("last", occupant(Role::Moderator, false));
    roster.put("ours", occupant(Role::Visitor, true));
    let names = listed(&roster);
    assert!(names.contains_key("last") && names.contains_key("ours") && names.len() == MAX_LISTED);
    assert!(!names.contains_key("1999") && !names.contains_key("1998") && names.contains_key("1997"));
    // A moderator no more, and there is room for one.
    roster.put("last", native());
    roster.remove("0000", None);
    let names = listed(&roster);
    assert!(names.contains_key("1998") && names.contains_key("1999") && !names.contains_key("last"));
}

#[derive(Debug, Clone)]
enum Operation {
    Put(u8, Role, bool),
    Remove(u8),
    Replace(Vec<u8>),
    Describe(u8),
    Look,
}

fn operation() -> impl Strategy<Value = Operation> {
    let role = prop_oneof![Just(Role::Participant), Just(Role::Moderator)];
    prop_oneof![
        24 => (any::<u8>(), role, any::<bool>()).prop_map(|(name, role, ours)| Operation::Put(name, role, ours)),
        8 => any::<u8>().prop_map(Operation::Remove),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Operation::Replace),
        1 => (0..3u8).prop_map(Operation::Describe),
        2 => Just(Operation::Look),
    ]
}

/// So long a name that a hundred of them make a list as long as it may be.
fn long(role: Role, dialed_in: bool) -> Occupant {
    Occupant { display_name: Some("&".repeat(4000)), ..occupant(role, dialed_in) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// GC-PRES-12, GC-PRES-13: whoever has seen a revision gets to this one by what is new, and who is listed is as it should be.
    #[test]
    fn what_is_new_leads_from_any_revision_to_this_one(operations in proptest::collection::vec(operation(), 1..250)) {
        let mut roster = Roster::default();
        let mut seen = vec![(0, Map::new(), String::new())];
        for operation in operations {
            match operation {
                Operation::Put(n, role, ours) => roster.put(&n.to_string(), long(role, ours)),
                Operation::Remove(n) => drop(roster.remove(&n.to_string(), None)),
                Operation::Replace(names) => {
                    roster.replace(names.iter().map(|n| (n.to_string(), long(Role::Participant, false))).collect());
                }
                Operation::Describe(n) => roster.describe(|about| about.subject = Some(n.to_string())),
                Operation::Look => {
                    let subject = roster.about().subject.clone().unwrap_or_default();
                    seen.push((roster.revision(), listed(&roster), subject));
                }
            }
        }
        let now = listed(&roster);
        for (revision, mut known, subject) in seen {
            let Some(changes) = roster.since(revision, None) else { continue };
            for (name, _) in &changes.gone {
                known.remove(*name);
            }
            for listed in &changes.here {
                known.insert(listed.nickname.to_string(), listed.occupant.clone());
            }
            prop_assert_eq!(&known, &now);
            prop_assert!(changes.described || roster.about().subject.clone().unwrap_or_default() == subject);
        }
        // Nobody who is hidden has a better claim than somebody who is listed.
        let rank = |name: &str| roster.occupants.get(name).unwrap().place;
        let worst = now.keys().map(|name| rank(name)).max();
        let best = roster.occupants().filter(|(name, _)| !now.contains_key(*name)).map(|(name, _)| rank(name)).min();
        prop_assert!(best.is_none() || worst < best, "{:?} {:?}", worst, best);
        let octets = |name: &String| octets(name, roster.get(name).unwrap());
        prop_assert!(now.keys().map(octets).sum::<usize>() <= 2 * 1024 * 1024);
    }
}
