//! Resident memory of mucfocus for each SIP user of a crowd in one room, and what is left when all have gone; beside it that of raw
//! clients, and of the server for each of either. TLS is apart: what it adds is found out on another stage.

use std::time::Duration;

use super::Effort;
use crate::load::stage::Stage;
use crate::load::table::Table;
use crate::load::worker::Worker;

/// KiB for each user, without TLS.
const EACH: f64 = 64.0;
/// The share that may be left.
const LEFT: f64 = 0.1;
/// Longer than the rounds in which buffers are given back.
const REST: Duration = Duration::from_secs(8);
/// Longer than a stream is kept without a room.
const GONE: Duration = Duration::from_secs(70);

pub(super) async fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    let crowd = effort.crowd as f64;
    let empty = empty(stage).await;
    let before = stage.their_memory();
    let mut sip = fill(stage, effort).await;
    let (full, server) = (stage.memory(), (stage.their_memory() - before) / crowd);
    sip.ask("leave");
    tokio::time::sleep(GONE).await;
    let left = stage.memory();
    let (each, share) = ((full - empty) / crowd, (left - empty) / (full - empty));
    let (raw, server_raw) = raws(stage, effort).await;
    table.judge(
        &format!("memory: each of {} joined users, watching", effort.crowd),
        format!("{each:.1} KiB"),
        format!("raw {raw:.1} KiB; {full:.0} KiB with them, {empty:.0} without"),
        "≤ 64 KiB",
        each <= EACH,
    );
    table.tell("memory: the server's for each", format!("{server:.1} KiB"), format!("raw {server_raw:.1} KiB"), "");
    table.judge(
        "memory: left when all have gone",
        format!("{:.0} %", share * 100.0),
        format!("{left:.0} KiB"),
        "≤ 10 %",
        share <= LEFT,
    );
    let secure = stage.under_tls().await;
    let empty = self::empty(&secure).await;
    let _sip = fill(&secure, effort).await;
    let under_tls = (secure.memory() - empty) / crowd;
    table.tell(
        "memory: what TLS of the XMPP stream adds",
        format!("{:.1} KiB", under_tls - each),
        format!("{under_tls:.1} KiB for each in all"),
        "apart",
    );
}

/// With all that is there once, whoever comes, and is not a user's.
async fn empty(stage: &Stage) -> f64 {
    let mut first = stage.legs();
    first.ask("join memory 99999 1 watching");
    first.ask("leave");
    tokio::time::sleep(REST).await;
    stage.memory()
}

async fn fill(stage: &Stage, effort: &Effort) -> Worker {
    let mut sip = stage.legs();
    sip.ask(format!("join memory 0 {} watching", effort.crowd));
    tokio::time::sleep(REST).await;
    sip
}

/// Of the raw clients, and of the server, for each of them.
async fn raws(stage: &Stage, effort: &Effort) -> (f64, f64) {
    let mut raw = stage.raws();
    raw.ask("take");
    let before = (raw.memory(), stage.their_memory());
    raw.ask(format!("join {} 0 {}", stage.muc("rawmemory"), effort.crowd));
    tokio::time::sleep(REST).await;
    let crowd = effort.crowd as f64;
    let each = ((raw.memory() - before.0) / crowd, (stage.their_memory() - before.1) / crowd);
    raw.ask("leave");
    each
}
