//! How a socket is read, answered and left. The room talks in long sentences here, so that much is on its way.

use std::time::Duration;

use mucfocus_rig::SOON;
use mucfocus_rig::evil::{Manners, Wire};
use mucfocus_rig::random;
use tokio::time::sleep;

use crate::verona::{ROOM, Verona};

/// How long a client stays that takes part in nothing.
const A_WHILE: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_take_or_answer_anything_holds_up_nobody() {
    let verona = Verona::talking(2_000).await;
    let (mute, open) = verona.connected("paris").await;
    verona.falls_connected(mute, open, "answers nothing");
    verona.suffers("somebody who never reads", somebody_who_never_reads).await;
    verona.suffers("somebody who asks and never reads", somebody_who_asks_and_never_reads).await;
    verona.suffers("somebody who reads slowly", somebody_who_reads_slowly).await;
    verona.suffers("413 to everything", async |v: &Verona| answers(v, &["413 Too much"], None).await).await;
    verona.suffers("481 to everything", async |v: &Verona| answers(v, &["481 Gone"], Some("481")).await).await;
    verona.suffers("506 to everything", async |v: &Verona| answers(v, &["506 Elsewhere"], Some("506")).await).await;
    verona.suffers("200 to everything, twice", async |v: &Verona| answers(v, &["200 OK", "200 OK"], None).await).await;
    verona.suffers("a FIN behind what is said", a_fin_behind_what_is_said).await;
    verona.suffers("a RST in the middle of a piece", a_rst_in_the_middle).await;
    verona.suffers("clients that connect and vanish", clients_that_connect_and_vanish).await;
    verona.ends("sockets that hang").await;
}

/// SW-21: his leg ends, nobody waits for him.
async fn somebody_who_never_reads(verona: &Verona) {
    let tybalt = verona.enemy("tybalt").await;
    let wire = tybalt.connect(Manners { deaf: true, ..Manners::default() }).await;
    sleep(A_WHILE).await;
    verona.falls_connected(tybalt, wire, "too slow");
}

/// SW-21: the answers to his own requests fill his own queue.
async fn somebody_who_asks_and_never_reads(verona: &Verona) {
    let tybalt = verona.enemy("tybalt").await;
    let wire = tybalt.connect(Manners { deaf: true, ..Manners::default() }).await;
    let some: Vec<u8> = (0..100).flat_map(|_| tybalt.draft("KISS").bytes()).collect();
    for _ in 0..100 {
        if !wire.write(&some).await {
            break;
        }
    }
    verona.falls_connected(tybalt, wire, "too slow");
}

async fn somebody_who_reads_slowly(verona: &Verona) {
    let tybalt = verona.enemy("tybalt").await;
    let sips = Some((500, Duration::from_millis(20)));
    let wire = tybalt.connect(Manners { sips, answers: vec!["200 OK"], ..Manners::default() }).await;
    sleep(A_WHILE).await;
    tybalt.leaves().await;
    drop(wire);
}

/// MS-RSP-06, MS-RSP-07, MS-RSP-10: what ends a session ends his own.
async fn answers(verona: &Verona, with: &[&'static str], end: Option<&'static str>) {
    let tybalt = verona.enemy("tybalt").await;
    let wire = tybalt.connect(Manners { answers: with.to_vec(), ..Manners::default() }).await;
    wire.counts("SEND", if end.is_some() { 1 } else { 3 }).await;
    match end {
        Some(words) => {
            tybalt.is_ended(SOON).await;
            verona.falls(tybalt, words);
        }
        None => {
            sleep(A_WHILE).await;
            assert!(!tybalt.has_ended() && !wire.closed());
            tybalt.leaves().await;
        }
    }
}

/// MS-CONN-08: what was said whole before the end was said.
async fn a_fin_behind_what_is_said(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let last = format!("last words {}", random(8));
    assert!(wire.write(tybalt.send(&tybalt.to_room(&last)).bytes()).await);
    wire.finish().await;
    verona.juliet.hears(&verona.world.muc(ROOM), &last).await;
    wire.is_closed(SOON).await;
    verona.falls(tybalt, "MSRP lost");
}

/// MS-CONN-08: half a piece is none.
async fn a_rst_in_the_middle(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let words = format!("half a word {}", random(8));
    let bytes = tybalt.send(&tybalt.to_room(&words)).bytes();
    assert!(wire.write(&bytes[..bytes.len() - 20]).await);
    sleep(Duration::from_millis(20)).await;
    wire.reset().await;
    sleep(A_WHILE / 2).await;
    assert!(!verona.juliet.heard(&verona.world.muc(ROOM)).iter().any(|(_, text)| text.contains(&words)));
    verona.falls(tybalt, "MSRP lost");
}

/// MS-CONN-10.
async fn clients_that_connect_and_vanish(verona: &Verona) {
    for n in 0..300 {
        let wire = Wire::connect(verona.msrp()).await;
        if n % 3 == 0 {
            wire.write("MSRP abcd1234 SEND\r\nTo-Path: msrp").await;
        }
        match n % 2 {
            0 => wire.reset().await,
            _ => drop(wire),
        }
    }
}
