//! One enters a room where some are already, until he sees all of them: as a leg without a stream, as a leg whose stream is still
//! there, and as a raw client, by turns.

use super::Effort;
use crate::load::stage::Stage;
use crate::load::stats::{median, spread};
use crate::load::table::Table;

/// How many he sees, himself among them: natives, and one leg that was there before.
const EVERYBODY: usize = 20;
/// How often each enters, for each round of the effort.
const TIMES: usize = 6;
/// Milliseconds that a leg may take longer than a raw client, and at most on a stream that is there.
const LONGER: f64 = 3.0;
const WARM: f64 = 10.0;

pub(super) fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    let muc = stage.muc("entering");
    let (mut natives, mut raw, mut sip) = (stage.raws(), stage.raws(), stage.legs());
    natives.ask(format!("join {muc} 90000 {}", EVERYBODY - 2));
    let (mut raws, mut cold, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    // The room of a first leg has yet to be thought of: not part of what one who enters later waits for.
    let mut host = stage.legs();
    host.ask("join entering 99999 1 deaf");
    for n in 0..TIMES * effort.rounds {
        raws.push(raw.number(format!("enter {muc} {n}")));
        cold.push(sip.number(format!("enter entering {n} {EVERYBODY}")));
        warm.push(sip.number(format!("enter entering {n} {EVERYBODY}")));
    }
    host.ask("leave");
    natives.ask("leave");
    let figure = |values: &[f64]| format!("{:.1} ± {:.1} ms", median(values), spread(values));
    let raw = median(&raws);
    table.judge(
        &format!("entering {EVERYBODY}: INVITE to whole list, no stream yet"),
        figure(&cold),
        format!("raw login and join {}", figure(&raws)),
        "≤ raw + 3 ms",
        median(&cold) <= raw + LONGER,
    );
    table.judge(
        &format!("entering {EVERYBODY}: the same, stream there"),
        figure(&warm),
        "no login".into(),
        "≤ 10 ms",
        median(&warm) <= WARM,
    );
}
