//! Fifty legs come and go every second for as long as is wanted: nothing grows, nobody stays, and in the end MUC and list of every room
//! name the same two: who watched all the time, and who came to look.

use std::time::Duration;

use super::Effort;
use crate::load::stage::Stage;
use crate::load::table::Table;
use crate::member::{Joining, Member};
use crate::sip::{Transport, Who};
use crate::wait::within;
use crate::xmpp::Client;

/// Joins a second, of all rooms together.
const RATE: f64 = 50.0;
const ROOMS: usize = 10;
/// The first part, in seconds, which counts for nothing: longer than anything is kept of who was there. Streams are kept for a
/// minute, transactions for half of one.
const WARM: f64 = 90.0;
/// KiB that the rest may add.
const GROWTH: f64 = 4096.0;
/// Seconds of it with raw clients, at most: enough for a figure.
const RAW: f64 = 60.0;
/// How long the last one may take to be gone.
const GONE: Duration = Duration::from_secs(40);

pub(super) async fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    let witness = Client::login_anonymously(stage.server.address(), &stage.server.anonymous_host()).await;
    let mucs: Vec<String> = (0..ROOMS).map(|n| stage.muc(&format!("soak{n}"))).collect();
    for muc in &mucs {
        witness.join(muc, "Witness").await;
    }
    let mut sip = stage.legs();
    sip.ask(format!("churn soak {ROOMS} {RATE} {WARM}"));
    let (before, began) = (stage.memory(), (stage.ours(), stage.theirs()));
    let answer = sip.ask(format!("churn soak {ROOMS} {RATE} {}", effort.soak));
    let after = stage.memory();
    let (joins, refused) = (answer.first().copied().unwrap_or(0.0), answer.get(1).copied().unwrap_or(f64::NAN));
    let each = [stage.ours() - began.0, stage.theirs() - began.1].map(|micros| micros / joins / 1e3);
    let raw = raws(stage, effort);
    witness.forget();
    let is_alone = || mucs.iter().all(|muc| witness.nicks(muc) == ["Witness"]);
    let is_empty = within(|| is_alone().then_some(()), GONE).await.is_some();
    let legs = stage.numbers().await.get("mucfocus_legs");
    let what = format!("soak: {joins:.0} joins and leaves in {:.0} s", effort.soak);
    table.judge(&what, format!("{refused:.0} refused"), format!("{RATE} a second"), "0 refused", refused == 0.0);
    table.tell(
        "soak: CPU of one who comes and goes",
        format!("{:.1} ms, the server's {:.1} ms", each[0], each[1]),
        format!("raw {:.1} ms, the server's {:.1} ms", raw[0], raw[1]),
        "",
    );
    table.judge(
        "soak: memory",
        format!("{:+.0} KiB", after - before),
        format!("{before:.0} KiB after {WARM:.0} s of it"),
        "no growth (4 MiB noise)",
        after - before <= GROWTH,
    );
    table.judge(
        "soak: who is left",
        format!("{legs:.0} legs, rooms {}", if is_empty { "empty" } else { "not empty" }),
        "a native who was there all the time".into(),
        "nobody",
        is_empty && legs == 0.0,
    );
    let mut unequal = Vec::new();
    for n in 0..ROOMS {
        let who = Who::new("inspector", "sip.test", Transport::Udp, stage.focus.udp());
        let inspector = Member::join(who, &format!("sip:soak{n}@rooms.test"), Joining::default()).await;
        let looks = tokio::spawn(async move {
            inspector.watches().await.shows(&["Inspector", "Witness"]).await;
            inspector.leaves().await;
        });
        unequal.extend(looks.await.is_err().then_some(n));
    }
    table.judge(
        "soak: lists",
        if unequal.is_empty() { "as the MUC has them".into() } else { format!("others in rooms {unequal:?}") },
        format!("{ROOMS} rooms"),
        "equal",
        unequal.is_empty(),
    );
}

/// Milliseconds of processor time of raw clients, and of the server, for each that comes and goes as often.
fn raws(stage: &Stage, effort: &Effort) -> [f64; 2] {
    let mut raw = stage.raws();
    let before = (raw.processor(), stage.theirs());
    let joins = raw.number(format!("churn {} {ROOMS} {RATE} {}", stage.muc("soakraw*"), effort.soak.min(RAW)));
    [raw.processor() - before.0, stage.theirs() - before.1].map(|micros| micros / joins / 1e3)
}
