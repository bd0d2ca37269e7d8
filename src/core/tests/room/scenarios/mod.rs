//! Scenarios: what people do in a room, told without regard to time, played in every weather and by many seeds.
//!
//! A scenario says who does what. What must come of it is the same for all of them, whatever the weather was, and is checked by
//! [`promises`] and after each input by the world: who was told that his message was accepted finds it in the room once; everybody
//! hears the room in its order and nothing twice; private words reach their addressee alone; every call gets its answer and every
//! occupant who has nobody left is gone; when it is quiet again the lists show who is there, and everybody hears what is said next.
//!
//! `SEEDS=1000` plays more of them, `SEEDS=1 SEED=17 SCENARIO='part of a name' WEATHER=Loss` one of them again; `TELL=1` prints
//! what the room was told and what it said.

mod breaks;
mod coming_and_going;
mod connections;
mod others;
mod promises;
mod stage;
mod talking;
mod trouble;
mod weather;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::stage::Stage;
use self::weather::Weather;

/// What people do, by its name.
type Scenario = (&'static str, fn(&mut Stage));

const SCENARIOS: [&[Scenario]; 4] =
    [talking::SCENARIOS, coming_and_going::SCENARIOS, trouble::SCENARIOS, breaks::SCENARIOS];
/// Seeds for each scenario and weather, unless `SEEDS` says otherwise.
const SEEDS: u64 = 10;

fn wanted<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays all scenarios in this weather and says by what to play again those that failed.
fn plays(weather: Weather) {
    let (first, seeds) = (wanted("SEED").unwrap_or(1), wanted("SEEDS").unwrap_or(SEEDS));
    let part: String = wanted("SCENARIO").unwrap_or_default();
    if wanted::<String>("WEATHER").is_some_and(|only| only != format!("{weather:?}")) {
        return;
    }
    let mut failed = Vec::new();
    for (name, play) in SCENARIOS.into_iter().flatten().filter(|(name, _)| name.contains(&part)) {
        let fails = |seed: &u64| {
            let played = catch_unwind(AssertUnwindSafe(|| {
                let mut stage = Stage::opens(weather, *seed);
                play(&mut stage);
                stage.ends();
            }));
            played.is_err()
        };
        failed.extend(
            (first..first + seeds)
                .find(fails)
                .map(|seed| format!("SEEDS=1 SEED={seed} SCENARIO='{name}' WEATHER={weather:?}")),
        );
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn there_are_sixty_scenarios_and_no_two_have_one_name() {
    let names: std::collections::BTreeSet<_> = SCENARIOS.into_iter().flatten().map(|(name, _)| name).collect();
    assert!(names.len() >= 60, "{}", names.len());
    assert_eq!(names.len(), SCENARIOS.iter().map(|some| some.len()).sum::<usize>());
}

#[test]
fn everything_holds_in_clear_weather() {
    plays(Weather::Clear);
}

#[test]
fn everything_holds_in_any_order() {
    plays(Weather::Reordering);
}

#[test]
fn everything_holds_when_connections_break() {
    plays(Weather::Loss);
}

#[test]
fn everything_holds_when_things_come_twice() {
    plays(Weather::Duplication);
}

#[test]
fn everything_holds_when_the_xmpp_server_stalls() {
    plays(Weather::Stall);
}
