//! Those without an account, who have nothing but TCP.

use std::time::Duration;

use futures_util::future::join_all;
use mucfocus_rig::SOON;
use mucfocus_rig::evil::{Manners, Wire};

use crate::verona::Verona;

/// `connections_per_source` as it comes.
const PER_SOURCE: usize = 20;
/// Connections at a time from where there is no limit.
const MANY: usize = 1_000;
/// How many of them are made in one go: making them is not what is measured.
const AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_get_nothing_and_cost_nobody_anything() {
    let verona = Verona::start().await;
    let (silent, dripping) = (stranger(&verona).await, stranger(&verona).await);
    let drip = tokio::spawn(async move {
        dripping.drip(b"MSRP abcd1234 SEND\r\nTo-Path: msrp://127.0.0.1:9/abc;tcp", Duration::from_secs(1)).await;
        dripping.is_closed(SOON).await;
    });
    verona.suffers("more connections than one source may have", more_connections_than_one_may_have).await;
    verona.suffers("a thousand half frames", a_thousand_half_frames).await;
    verona.suffers("what is no MSRP", what_is_no_msrp).await;
    verona.suffers("heads that do not end", heads_that_do_not_end).await;
    verona.suffers("a flood over one connection", a_flood_over_one_connection).await;
    // MS-CONN-10: who says nothing is left after half a minute, and so is he who says one octet a second.
    silent.is_closed(4 * SOON).await;
    tokio::time::timeout(4 * SOON, drip).await.expect("the end of one octet a second").unwrap();
    verona.ends("strangers").await;
}

async fn stranger(verona: &Verona) -> Wire {
    Wire::with(verona.msrp(), Manners::stranger()).await
}

async fn more_connections_than_one_may_have(verona: &Verona) {
    let before = verona.numbers().await;
    let all = join_all((0..10 * PER_SOURCE).map(|_| Wire::attempt(verona.msrp(), Manners::stranger()))).await;
    let refused = 10 * PER_SOURCE - PER_SOURCE;
    verona.counted(&before, "too-many-connections", refused).await;
    assert!(verona.numbers().await.get("mucfocus_msrp_connections") <= (PER_SOURCE + 4) as f64);
    drop(all);
}

/// MS-CONN-10, MS-FRAME-14: begun and left standing, from where nobody counts connections.
async fn a_thousand_half_frames(verona: &Verona) {
    let half = format!("MSRP abcd1234 SEND\r\nTo-Path: {}\r\nFrom-Path: msrp://", "x".repeat(1_000));
    let mut all = Vec::new();
    for _ in 0..MANY / AT_ONCE {
        let some = join_all((0..AT_ONCE).map(|_| Wire::connect(verona.msrp()))).await;
        assert!(join_all(some.iter().map(|wire| wire.write(&half))).await.into_iter().all(|written| written));
        all.extend(some);
    }
    for wire in all {
        wire.reset().await;
    }
}

/// MS-FRAME-14: told apart by the first octets.
async fn what_is_no_msrp(verona: &Verona) {
    let before = verona.numbers().await;
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), vec![7; 500]].concat();
    let noise: [&[u8]; 5] = [b"GET / HTTP/1.1\r\n\r\n", &hello, b"\0\0\0\0", b"SSH-2.0-x\r\n", b"MSRPS a SEND\r\n"];
    for noise in noise.into_iter().cycle().take(100) {
        let wire = Wire::connect(verona.msrp()).await;
        wire.write(noise).await;
        wire.is_closed(SOON).await;
    }
    verona.counted(&before, "not-msrp", 80).await;
}

/// MS-FRAME-13.
async fn heads_that_do_not_end(verona: &Verona) {
    let before = verona.numbers().await;
    let paths = "To-Path: msrp://127.0.0.1:9/abc;tcp\r\nFrom-Path: msrp://127.0.0.1:9/abc;tcp\r\n";
    let start = format!("MSRP abcd1234 SEND\r\n{paths}");
    for rest in ["X: y\r\n".repeat(100_000), format!("X: {}", "y".repeat(1_000_000)), start.repeat(1_000)] {
        for _ in 0..5 {
            let wire = Wire::connect(verona.msrp()).await;
            wire.write([&start, &rest].map(String::as_bytes).concat()).await;
            wire.is_closed(SOON).await;
        }
    }
    for (name, count) in [("too-many-headers", 5), ("line-too-long", 5), ("no-end-line", 5)] {
        verona.counted(&before, name, count).await;
    }
}

/// MS-CONN-03: as fast as it goes, and without reading what is answered.
async fn a_flood_over_one_connection(verona: &Verona) {
    let wire = Wire::with(verona.msrp(), Manners { deaf: true, ..Manners::stranger() }).await;
    let request = "MSRP abcd1234 SEND\r\nTo-Path: msrp://127.0.0.1:9/abcdefgh;tcp\r\nFrom-Path: msrp://127.0.0.1:9/x;tcp\r\n\
                   Message-ID: 1\r\n-------abcd1234$\r\n";
    for _ in 0..20 {
        assert!(wire.write(request.repeat(200)).await);
    }
}
