//! Breaks everything while people talk: `havoc target/release/mucfocus [EVENTS [SEED [prosody|ejabberd]]]`.
//!
//! Three SIP users and two XMPP users talk in one room. In random order, drawn by the seed, mucfocus and the XMPP server are
//! killed and started again or stopped for a while; connections of XMPP, MSRP and SIP break or stall; clients die, hang up and come
//! back. After each such event everybody has to be back within a minute, nobody else may be in the room, and no leg may be without
//! its user; whoever is gone has to be gone within the time that is promised. At the end nothing that was acknowledged is lost,
//! nobody was shown anything twice or out of its order, and nobody missed anything without having been told so. Status 1 if
//! something was wrong, with the seed that does it again; `HAVOC_LOGS=FOLDER` keeps what both servers said of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use mucfocus_rig::Kind;
use mucfocus_rig::havoc::event::Event;
use mucfocus_rig::havoc::stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("usage: havoc PATH-OF-MUCFOCUS [EVENTS [SEED [prosody|ejabberd]]]");
    let events: usize = arguments.next().map_or(100, |n| n.parse().expect("a number of events"));
    let seed: u64 = arguments.next().map_or(1, |n| n.parse().expect("a seed"));
    let server = if arguments.next().as_deref() == Some("ejabberd") { Kind::Ejabberd } else { Kind::Prosody };
    // A refused call is a panic of the client that made it, and it will make another.
    if std::env::var_os("HAVOC_LOUD").is_none() {
        let tells = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some("main") {
                tells(panic);
            }
        }));
    }
    println!("{}, seed {seed}, {events} events", server.name());
    let mut stage = Stage::set(&binary, server, seed).await;
    let mut times = BTreeMap::<Event, Vec<Duration>>::new();
    for n in 1..=events {
        let (event, took) = stage.suffers(n).await;
        times.entry(event).or_default().push(took);
    }
    let (faults, summary) = stage.ends().await;
    println!("{summary}");
    for (event, times) in times {
        let longest = times.iter().max().unwrap().as_secs_f64();
        println!("{event:?}: {} times, everybody back after at most {longest:.1} s", times.len());
    }
    for fault in &faults {
        println!("FAULT {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
