//! What one public message costs per leg, from the stanza of its occupant to the octets of the batch: room, leg, session, transmitter.
//! The room is entered as in its tests; XML and sockets are outside.
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a benchmark that meets something unexpected ends there"
)]

#[path = "../tests/room/bytes.rs"]
mod bytes;
#[path = "../tests/room/caller.rs"]
mod caller;
#[path = "../tests/room/document.rs"]
mod document;
#[path = "../tests/room/muc.rs"]
mod muc;
#[path = "../tests/room/record.rs"]
mod record;
#[path = "../tests/room/watcher.rs"]
mod watcher;
#[path = "../tests/room/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use jid::BareJid;
use mucfocus_core::env::Env;
use mucfocus_core::leg::LegId;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Octets, Share, Transmitter};
use mucfocus_core::room::Room;
use mucfocus_core::room::io::{Input, MembershipId, Output};
use mucfocus_core::stanza::Stanza;
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::xmpp_stream::framing::Framed;

use crate::bytes::framed;
use crate::caller::Caller;
use crate::muc::Muc;
use crate::world::{Counting, World};

/// Counts allocations, which each benchmark then reports beside its time.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const LEGS: usize = 400;

fn main() {
    divan::main();
}

/// A room full of SIP users, and their connections.
struct Full {
    room: Room,
    muc: Muc,
    members: Vec<MembershipId>,
    lines: BTreeMap<LegId, (Transmitter, Share)>,
    ids: Counting,
    now: Instant,
    said: usize,
    parsed: usize,
}

impl Full {
    fn new() -> Self {
        let mut world = World::new();
        for n in 0..LEGS {
            let leg = LegId(u64::try_from(n).unwrap());
            world.callers.insert(leg, Caller::new(leg, &format!("Guest{n}")));
            world.dial(leg);
            world.settle();
        }
        let lines = world.callers.keys().map(|leg| {
            let mut line = Transmitter::new(world.now, Limits::default(), false);
            let share = line.attach();
            (*leg, (line, share))
        });
        let (lines, members) = (lines.collect(), world.streams.keys().copied().collect());
        Self {
            lines,
            members,
            room: world.room,
            muc: world.muc,
            ids: Counting(1 << 60),
            now: world.now,
            said: 0,
            parsed: 0,
        }
    }

    /// Another message, and each occupant's copy of it.
    fn says(&mut self, octets: usize) -> (Stanza, Vec<(MembershipId, Framed)>) {
        self.said += 1;
        let said = self.said;
        let message = self.muc.message("JuliC", Some(format!("m{said}")), &format!("{said:0octets$}"));
        let message = Stanza::Message(message);
        let to = |member: &MembershipId| BareJid::new(&format!("guest{}@example.net", member.0)).unwrap();
        let copies = self.members.iter().map(|member| (*member, framed(&to(member), &message))).collect();
        (message, copies)
    }

    /// Everybody hears it, and answers when the last one was sent it, as over any network; returns how many were.
    fn hears(&mut self, (stanza, copies): (Stanza, Vec<(MembershipId, Framed)>)) -> usize {
        self.now = self.now + Duration::from_millis(20);
        let wall = WallClock::from_unix_millis(1_795_253_400_123);
        let mut env = Env { now: self.now, wall, ids: &mut self.ids };
        let mut sent = Vec::with_capacity(LEGS);
        for (member, raw) in copies {
            let input = match self.room.recall(member, &raw) {
                Some(known) => Input::Again(member, known),
                None => {
                    self.parsed += 1;
                    Input::Stanza(member, raw, Box::new(stanza.clone()))
                }
            };
            self.room.handle(&mut env, input);
            while let Some(output) = self.room.poll() {
                let Output::Send(leg, post) = output else { continue };
                let (line, share) = self.lines.get_mut(&leg).unwrap();
                sent.push((leg, post.base));
                line.post(env.now, *share, post).unwrap();
                let mut octets = Octets::new();
                line.fill(env.now, &mut octets);
                black_box(octets.into_parts());
                line.written(env.now);
            }
        }
        for (leg, transaction) in &sent {
            let (line, share) = self.lines.get_mut(leg).unwrap();
            line.answered(env.now, *share, transaction.as_str(), 200);
        }
        sent.len()
    }
}

fn everybody_hears(bencher: Bencher<'_, '_>, octets: usize) {
    let full = std::cell::RefCell::new(Full::new());
    bencher.counter(ItemsCount::new(LEGS)).with_inputs(|| full.borrow_mut().says(octets)).bench_local_values(
        |stanzas| {
            assert_eq!(full.borrow_mut().hears(stanzas), LEGS);
        },
    );
    let full = full.borrow();
    assert!(full.parsed * 10 <= full.said * 11, "{} parses for {} messages", full.parsed, full.said);
}

#[divan::bench]
fn everybody_hears_300_octets(bencher: Bencher<'_, '_>) {
    everybody_hears(bencher, 300);
}

#[divan::bench]
fn everybody_hears_10_kb(bencher: Bencher<'_, '_>) {
    everybody_hears(bencher, 10_000);
}
