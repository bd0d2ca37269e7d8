//! Resident memory of mucfocus for each SIP user of a crowd in one room, and what is left when all have gone.

use std::time::Duration;

use super::Effort;
use crate::load::stage::Stage;
use crate::load::table::Table;

/// KiB for each user, without TLS.
const EACH: f64 = 64.0;
/// The share that may be left.
const LEFT: f64 = 0.1;
/// Longer than the rounds in which buffers are given back.
const REST: Duration = Duration::from_secs(8);
/// Longer than a stream is kept without a room.
const GONE: Duration = Duration::from_secs(70);

pub(super) async fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    // What is there once, whoever comes, is not a user's.
    let mut first = stage.legs();
    first.ask("join memory 99999 1 watching");
    first.ask("leave");
    tokio::time::sleep(REST).await;
    let empty = stage.memory();
    let mut sip = stage.legs();
    sip.ask(format!("join memory 0 {} watching", effort.crowd));
    tokio::time::sleep(REST).await;
    let full = stage.memory();
    sip.ask("leave");
    tokio::time::sleep(GONE).await;
    let left = stage.memory();
    let (each, share) = ((full - empty) / effort.crowd as f64, (left - empty) / (full - empty));
    table.judge(
        &format!("memory: each of {} joined users, watching", effort.crowd),
        format!("{each:.1} KiB"),
        format!("{full:.0} KiB with them, {empty:.0} without"),
        "≤ 64 KiB",
        each <= EACH,
    );
    table.judge(
        "memory: left when all have gone",
        format!("{:.0} %", share * 100.0),
        format!("{left:.0} KiB"),
        "≤ 10 %",
        share <= LEFT,
    );
}
