//! A crowd enters one empty room at once, as legs and as raw clients by turns: how long, and for how much processor time.

use super::Effort;
use crate::load::stage::Stage;
use crate::load::stats::{median, spread};
use crate::load::table::Table;

/// How often the crowd enters either way, at most. An even number: a server that has seen a crowd is slower for the next one.
const ROUNDS: usize = 4;
/// How much longer it may take as legs.
const LONGER: f64 = 1.2;

/// One way in. In seconds.
#[derive(Debug, Clone, Copy)]
struct Entry {
    time: f64,
    /// Processor time of who has the XMPP streams: mucfocus, or the raw clients themselves.
    cpu: f64,
    /// Processor time of the XMPP server.
    server: f64,
}

pub(super) fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    let crowd = effort.crowd;
    // Other users each time: nobody's stream is there already.
    let rounds: Vec<[Entry; 2]> = (0..ROUNDS.min(effort.rounds))
        .map(|round| {
            if round % 2 == 0 {
                return [as_raw_clients(stage, round, crowd), as_legs(stage, round, crowd)];
            }
            let legs = as_legs(stage, round, crowd);
            [as_raw_clients(stage, round, crowd), legs]
        })
        .collect();
    let of = |value: fn(&[Entry; 2]) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let figure = |values: &[f64]| format!("{:.2} ± {:.2} s", median(values), spread(values));
    let ratio = median(&of(|[raw, legs]| legs.time / raw.time));
    table.judge(
        &format!("joins: time of {crowd} at once"),
        figure(&of(|[_, legs]| legs.time)),
        format!("raw {}, ratio {ratio:.2}", figure(&of(|[raw, _]| raw.time))),
        "≤ 1.2 × raw",
        ratio <= LONGER,
    );
    let ratio = median(&of(|[raw, legs]| legs.cpu / raw.cpu));
    table.judge(
        &format!("joins: CPU of {crowd}"),
        figure(&of(|[_, legs]| legs.cpu)),
        format!("raw {}, ratio {ratio:.2}", figure(&of(|[raw, _]| raw.cpu))),
        "≤ raw clients'",
        ratio <= 1.0,
    );
    table.tell(
        &format!("joins: server's CPU of {crowd}"),
        figure(&of(|[_, legs]| legs.server)),
        format!("raw {}", figure(&of(|[raw, _]| raw.server))),
        "",
    );
}

fn as_raw_clients(stage: &Stage, round: usize, crowd: usize) -> Entry {
    let mut raw = stage.raws();
    stage.rest();
    let before = (raw.processor(), stage.theirs());
    let time = raw.number(format!("join {} {} {crowd}", stage.muc(&format!("joinraw{round}")), round * crowd));
    let entry = Entry { time, cpu: (raw.processor() - before.0) / 1e6, server: (stage.theirs() - before.1) / 1e6 };
    raw.ask("leave");
    entry
}

fn as_legs(stage: &Stage, round: usize, crowd: usize) -> Entry {
    let mut sip = stage.legs();
    stage.rest(); // those who left before are still being told of
    let before = (stage.ours(), stage.theirs());
    let time = sip.number(format!("join join{round} {} {crowd} deaf", round * crowd));
    let entry = Entry { time, cpu: (stage.ours() - before.0) / 1e6, server: (stage.theirs() - before.1) / 1e6 };
    sip.ask("leave");
    entry
}
