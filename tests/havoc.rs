//! People who go on talking while everything around them is killed, stopped, cut and stalled: the program `havoc` in short.
//! XM-02, XM-18.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use mucfocus_rig::havoc::stage::Stage;
use mucfocus_rig::{Kind, on_both_servers};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

const EVENTS: usize = 6;
const SEED: u64 = 3;

/// Nothing that was acknowledged is lost, nothing is shown twice, nobody stays longer than is promised, and no leg is without an end.
#[on_both_servers(flavor = "multi_thread")]
async fn whatever_breaks_everybody_is_back_and_nothing_is_lost_or_shown_twice() {
    let mut stage = Stage::set(BINARY, Kind::current(), SEED).await;
    for n in 1..=EVENTS {
        stage.suffers(n).await;
    }
    let (faults, said) = stage.ends().await;
    assert!(faults.is_empty(), "{said}: {faults:#?}");
}
