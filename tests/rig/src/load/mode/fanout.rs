//! Somebody speaks in a room of K: what each copy costs, and how much later it comes than that of an XMPP client.
//!
//! Two rooms of one server: K legs in the one, K raw clients in the other, and in both a few natives, of whom the first speaks.
//! Where somebody comes in the order in which the server makes its copies decides more than what anybody adds: the first of fifty
//! gets his milliseconds before the last. So K legs are compared with K raw clients of the other room, who come everywhere in that
//! order; beside it stands the comparison with the few natives of the same room, wherever they come.

use std::time::{Duration, Instant};

use super::Effort;
use crate::load::stage::Stage;
use crate::load::stats::{median, spread};
use crate::load::table::Table;
use crate::load::worker::Worker;

/// Natives of each room; the first of them speaks, all of them listen.
const NATIVES: usize = 3;
/// Copies of the burst that finds out how many raw clients can take in a second.
const BURST: usize = 12_000;
/// Microseconds of ours for a copy beyond the floor, at half load.
const BEYOND_FLOOR: f64 = 5.0;
/// Microseconds of ours for a copy where there are as many copies a second as `MANY`.
const AT_MANY: f64 = 10.0;
const MANY: f64 = 20_000.0;
/// Microseconds that a copy may come later than that of a raw client, in the median and at the 99th hundredth.
const LATER: [f64; 2] = [300.0, 2_000.0];
/// The largest room that [`LATER`] is for.
const LATER_UP_TO: usize = 50;
/// What "no more than" allows for noise.
const NOISE: f64 = 1.03;

pub(super) async fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    for &legs in &effort.legs {
        let mut rooms = Rooms::fill(stage, legs);
        let most = rooms.most();
        let rate = effort.rate.unwrap_or(most / 2.0) / (legs + NATIVES) as f64;
        rooms.find_out_sizes(rate);
        let slices: Vec<Slice> =
            (0..effort.rounds).map(|_| rooms.slice(stage, rate, 1.0 / most, effort.slice)).collect();
        report(&slices, legs, rate, table);
        rooms.at_full_speed(stage, most, table);
        rooms.empty();
        // What was said last may still be on its way.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Who is in them, and the floor beside them.
struct Rooms {
    legs: usize,
    ours: String,
    theirs: String,
    sip: Worker,
    raw: Worker,
    natives: [Worker; 2],
    floor: Worker,
    feeder: Worker,
}

/// Figures of one turn. Times in microseconds.
struct Slice {
    /// With copies as far apart as the server sends them, and with all copies of a message at once: who is woken for each of them
    /// does more than who is woken once.
    floor: [f64; 2],
    ours: f64,
    /// Of the server, for a copy, with legs and with raw clients.
    server: [f64; 2],
    /// Of the raw clients themselves, for a copy.
    client: f64,
    /// In the median and at the 99th hundredth: than the raw clients, and than the natives of the same room.
    later: [[f64; 2]; 2],
}

impl Rooms {
    fn fill(stage: &Stage, legs: usize) -> Self {
        let (ours, theirs) = (format!("talk{legs}"), stage.muc(&format!("raw{legs}")));
        let mut natives = [stage.raws(), stage.raws()];
        let (mut sip, mut raw) = (stage.legs(), stage.raws());
        natives[0].ask(format!("join {} 90000 {NATIVES}", stage.muc(&ours)));
        natives[1].ask(format!("join {theirs} 90000 {NATIVES}"));
        sip.ask(format!("join {ours} 0 {legs} deaf"));
        raw.ask(format!("join {theirs} 0 {legs}"));
        let (floor, feeder) = (Worker::start("floor", &[]), Worker::start("feeder", &[]));
        Self { legs, ours: stage.muc(&ours), theirs, sip, raw, natives, floor, feeder }
    }

    /// Copies a second that raw clients can take.
    fn most(&mut self) -> f64 {
        median(&[self.bursts(), self.bursts(), self.bursts()])
    }

    fn bursts(&mut self) -> f64 {
        let messages = (BURST / 3 / self.legs).clamp(20, 600);
        self.raw.take();
        self.natives[1].take();
        let started = Instant::now();
        self.natives[1].ask(format!("burst {} {messages}", self.theirs));
        let copies = self.raw.number(format!("settle {}", messages * self.legs));
        self.natives[1].ask(format!("settle {}", messages * NATIVES));
        copies / started.elapsed().as_secs_f64() * (self.legs + NATIVES) as f64 / self.legs as f64
    }

    /// The floor carries octets of the sizes that are real.
    fn find_out_sizes(&mut self, rate: f64) {
        let ours = self.ours.clone();
        self.sip.take();
        self.natives[0].take();
        let said = self.natives[0].number(format!("speak {ours} {rate} 1"));
        self.sip.ask(format!("settle {}", said * self.legs as f64));
        let (legs, natives) = (self.sip.take(), self.natives[0].take());
        let each = |octets: f64, copies: f64| (octets / copies.max(1.0)).round().max(1.0);
        let (stanza, frame) = (each(natives.octets, natives.copies), each(legs.octets, legs.copies));
        let answer = each(legs.answered, legs.copies);
        let port = self.floor.number("port");
        self.feeder.ask(format!("connect {port} {} {stanza} {frame} {answer}", self.legs));
    }

    fn slice(&mut self, stage: &Stage, rate: f64, apart: f64, seconds: f64) -> Slice {
        let floor = [apart, 0.0].map(|apart| {
            let before = self.floor.processor();
            let copies = self.feeder.number(format!("feed {rate} {seconds} {apart}"));
            (self.floor.processor() - before) / copies
        });

        let before = (stage.ours(), stage.theirs());
        let (copies, legs, natives) = self.speak_to_legs(rate, seconds);
        let all = copies * (self.legs + NATIVES) as f64 / self.legs as f64;
        let ours = (stage.ours() - before.0) / copies;
        let with_legs = (stage.theirs() - before.1) / all;

        let before = (self.raw.processor(), stage.theirs());
        let said = self.natives[1].number(format!("speak {} {rate} {seconds}", self.theirs));
        let copies = self.raw.number(format!("settle {}", said * self.legs as f64));
        let with_raw = (stage.theirs() - before.1) / (said * (self.legs + NATIVES) as f64);
        let client = (self.raw.processor() - before.0) / copies;
        let raw = self.raw.take();
        let raw = [raw.p50, raw.p99];
        let later = [raw, natives].map(|others| [legs[0] - others[0], legs[1] - others[1]]);
        Slice { floor, ours, server: [with_legs, with_raw], client, later }
    }

    /// How many copies the legs have got, how late in microseconds, and how late the natives of their room got theirs.
    fn speak_to_legs(&mut self, rate: f64, seconds: f64) -> (f64, [f64; 2], [f64; 2]) {
        let said = self.natives[0].number(format!("speak {} {rate} {seconds}", self.ours));
        let wanted = said * self.legs as f64;
        let copies = self.sip.number(format!("settle {wanted}"));
        assert!(copies >= wanted, "of {wanted} copies {copies} arrived");
        let (legs, natives) = (self.sip.take(), self.natives[0].take());
        (copies, [legs.p50, legs.p99], [natives.p50, natives.p99])
    }

    /// As many copies a second as raw clients can take at most; there is a target where these are many.
    fn at_full_speed(&mut self, stage: &Stage, most: f64, table: &mut Table) {
        let messages = (BURST * 2 / self.legs).clamp(40, 1200);
        let (before, started) = (stage.ours(), Instant::now());
        self.natives[0].ask(format!("burst {} {messages}", self.ours));
        let copies = self.sip.number(format!("settle {}", messages * self.legs));
        let rate = copies / started.elapsed().as_secs_f64();
        let each = (stage.ours() - before) / copies;
        let what = format!("fanout {}: CPU of a copy at full speed", self.legs);
        let (ours, beside) = (format!("{each:.1} µs at {rate:.0}/s"), format!("raw clients take {most:.0}/s"));
        if rate >= MANY {
            table.judge(&what, ours, beside, "≤ 10 µs at ≥ 20000/s", each <= AT_MANY);
        } else {
            table.tell(&what, ours, beside, "≤ 10 µs at ≥ 20000/s: not reached here");
        }
    }

    fn empty(mut self) {
        self.sip.ask("leave");
        self.raw.ask("leave");
    }
}

fn report(slices: &[Slice], legs: usize, rate: f64, table: &mut Table) {
    let of = |value: fn(&Slice) -> f64| slices.iter().map(value).collect::<Vec<_>>();
    let figure = |values: &[f64]| format!("{:.1} ± {:.1}", median(values), spread(values));
    let (ours, floor, at_once) = (of(|s| s.ours), of(|s| s.floor[0]), of(|s| s.floor[1]));
    let beyond = median(&of(|s| s.ours - s.floor[0]));
    table.judge(
        &format!("fanout {legs}: CPU of a copy, µs"),
        format!("{} at {:.0}/s", figure(&ours), rate * legs as f64),
        format!("floor {} (all at once: {}), raw {}", figure(&floor), figure(&at_once), figure(&of(|s| s.client))),
        "≤ floor + 5",
        beyond <= BEYOND_FLOOR,
    );
    let ratio = median(&of(|s| s.server[0] / s.server[1]));
    table.judge(
        &format!("fanout {legs}: server's CPU of a copy, µs"),
        figure(&of(|s| s.server[0])),
        format!("raw {}, ratio {ratio:.2}", figure(&of(|s| s.server[1]))),
        "≤ raw (3 % noise)",
        ratio <= NOISE,
    );
    let later = [[of(|s| s.later[0][0]), of(|s| s.later[0][1])], [of(|s| s.later[1][0]), of(|s| s.later[1][1])]]
        .map(|than| than.map(|values| median(&values)));
    let [ours, beside] = later.map(|than| than.map(|l| format!("{:.2} ms", l / 1e3)).join(", "));
    let what = format!("fanout {legs}: later than raw, p50 and p99");
    let beside = format!("than the natives of the room: {beside}");
    if legs <= LATER_UP_TO {
        let is_met = later[0][0] <= LATER[0] && later[0][1] <= LATER[1];
        table.judge(&what, ours, beside, "≤ 0.3 ms, ≤ 2 ms", is_met);
    } else {
        table.tell(&what, ours, beside, "none above 50 legs");
    }
}
