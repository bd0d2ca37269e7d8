//! What one public message costs per leg, from what the room puts out to the octets of the batch, outside the socket.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark that fails ends there")]

use std::sync::Arc;

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::session::{Event, Session};
use mucfocus_core::msrp::transmitter::{Octets, Share, Transmitter};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::frame::Path;
use mucfocus_core::wire::msrp::uri::MsrpUri;

const LEGS: usize = 400;

fn main() {
    divan::main();
}

/// As fast as a generator of random numbers.
struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f).wrapping_add(1);
        self.0
    }
}

struct Leg {
    session: Session,
    line: Transmitter,
    share: Share,
}

fn legs(env: &mut Env<'_>) -> Vec<Leg> {
    let leg = |n: usize| {
        let own = MsrpUri::parse(&format!("msrp://focus1.example.com:2855/k7x2a4q5w3e6r7t2{n};tcp")).unwrap();
        let peer = MsrpUri::parse(&format!("msrp://192.0.2.17:49152/7f3a9c1e5b{n};tcp")).unwrap();
        let mut session = Session::new(own, Path::new(peer), Limits::default());
        session.bound(env, &mut Vec::new());
        let mut line = Transmitter::new(Instant::ZERO, Limits::default(), false);
        let share = line.attach();
        Leg { session, line, share }
    };
    (0..LEGS).map(leg).collect()
}

fn fan_out(bencher: Bencher<'_, '_>, octets: usize) {
    let mut ids = Counting(1);
    let mut env = Env { now: Instant::ZERO, wall: WallClock::from_unix_millis(0), ids: &mut ids };
    let mut legs = legs(&mut env);
    let body = Bytes::from(vec![b'x'; octets]);
    let mut events = Vec::new();
    bencher.counter(ItemsCount::new(LEGS)).bench_local(|| {
        let content: Arc<Content> = Content::cpim(&mut env, "text/plain", body.clone()).unwrap();
        for leg in &mut legs {
            leg.session.send(&mut env, &content, &mut events);
            let Some(Event::Send(post)) = events.pop() else { return };
            let transaction = post.base;
            leg.line.post(env.now, leg.share, post).unwrap();
            let mut octets = Octets::new();
            leg.line.fill(env.now, &mut octets);
            black_box(octets.into_parts());
            leg.line.written(env.now);
            leg.line.answered(env.now, leg.share, transaction.as_str(), 200);
        }
    });
}

#[divan::bench]
fn message_of_300_octets_to_400_legs(bencher: Bencher<'_, '_>) {
    fan_out(bencher, 300);
}

#[divan::bench]
fn message_of_10_kb_to_400_legs(bencher: Bencher<'_, '_>) {
    fan_out(bencher, 10_000);
}
