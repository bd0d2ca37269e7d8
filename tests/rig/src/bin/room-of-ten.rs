//! What a room of ten SIP users costs: `room-of-ten target/release/mucfocus`.
//!
//! Ten SIP users enter one room of a real Prosody, each says two hundred messages, one unanswered at a time. Printed are the
//! time until the last copy arrived, the CPU time of either process for each copy that it had to deliver, and the resident
//! memory of ours. The load comes from this same machine, so the time says what the whole machine manages, not what mucfocus
//! could; the CPU time is its own. Then forty-eight devices of twelve users hear one message of 250 kB, and what memory it leaves
//! behind is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a tool"
)]

use std::time::{Duration, Instant};

use mucfocus_rig::gauge::{memory, processor};
use mucfocus_rig::msrp::Send;
use mucfocus_rig::world::CROWD;
use mucfocus_rig::{Member, World, until};

const USERS: usize = 10;
const EACH: usize = 200;
const TIME: Duration = Duration::from_secs(120);
/// Of each user of the crowd.
const DEVICES: usize = 4;
/// Octets of a long message.
const LONG: usize = 250_000;
/// Between a message and the look at what is left of it.
const REST: Duration = Duration::from_secs(7);
const TEXT: &str = "a message of about sixty octets, as people write in rooms";

#[tokio::main]
async fn main() {
    let binary = std::env::args().nth(1).expect("usage: room-of-ten PATH-OF-MUCFOCUS");
    let world = World::with(&binary, |settings| {
        settings.log = "warn".into();
        settings.msrp = "max_message_size = \"256KiB\"\n".into();
    });
    let world = world.await;
    let (ours, servers) = (world.mucfocus.id(), world.server.id());

    let started = (Instant::now(), processor(ours).as_secs_f64(), memory(ours));
    let mut members = Vec::new();
    for n in 0..USERS {
        members.push(world.member("capulet", &format!("u{n}")).await);
    }
    let legs = USERS as f64;
    println!(
        "joining     {:6.1} ms and {:.1} ms of CPU for each user, one after the other",
        started.0.elapsed().as_secs_f64() * 1e3 / legs,
        (processor(ours).as_secs_f64() - started.1) * 1e3 / legs
    );

    let started = (Instant::now(), processor(ours).as_secs_f64(), processor(servers).as_secs_f64(), memory(ours));
    let talks: Vec<_> = members.iter().map(talk).collect();
    let listeners = async {
        for member in &members {
            until(|| member.msrp.texts().len() >= EACH * (USERS - 1), TIME, "all copies").await;
        }
    };
    tokio::join!(all(talks), listeners);
    let (seconds, messages) = (started.0.elapsed().as_secs_f64(), (USERS * EACH) as f64);
    let copies = messages * legs;
    println!("messages    {:6.0} a second, {:.0} copies a second", messages / seconds, copies / seconds);
    println!(
        "CPU         {:6.1} µs for each copy in mucfocus",
        (processor(ours).as_secs_f64() - started.1) * 1e6 / copies
    );
    println!(
        "            {:6.1} µs for each copy in Prosody",
        (processor(servers).as_secs_f64() - started.2) * 1e6 / copies
    );
    println!("memory      {:6} KiB resident, {} KiB before the first message", memory(ours), started.3);
    drop(members);
    long_messages(&world).await;
}

async fn long_messages(world: &World) {
    let mut members = Vec::new();
    for n in 0..CROWD * DEVICES {
        members.push(world.member("montague", &format!("u{}", n % CROWD)).await);
    }
    say(&members, "a short one").await;
    let before = memory(world.mucfocus.id());
    let mut after = Vec::new();
    for letter in ["x", "y", "z"] {
        say(&members, &letter.repeat(LONG)).await;
        after.push(memory(world.mucfocus.id()).to_string());
    }
    let after = after.join(", ");
    println!("long        {before:6} KiB with {} legs, {after} KiB after messages of {LONG} octets", members.len());
}

/// The first one says it, and everybody else has heard it a while ago.
async fn say(members: &[Member], text: &str) {
    let Some((speaker, listeners)) = members.split_first() else { return };
    assert_eq!(speaker.says(text).await.code(), Some(200));
    for listener in listeners {
        until(|| listener.msrp.texts().iter().any(|heard| *heard == text), TIME, "the message").await;
    }
    tokio::time::sleep(REST).await;
}

async fn talk(member: &Member) {
    for n in 0..EACH {
        let id = member.msrp.send(Send::cpim(&member.to_room(&format!("{TEXT} {n}"))));
        assert_eq!(member.msrp.response(&id).await.code(), Some(200));
    }
}

async fn all(talks: Vec<impl Future<Output = ()>>) {
    let mut talks: Vec<_> = talks.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        talks.retain_mut(|talk| talk.as_mut().poll(cx).is_pending());
        if talks.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
