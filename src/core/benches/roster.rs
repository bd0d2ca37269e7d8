//! What one presence costs a room with fifty subscribers, by the number of its occupants: roster, subscriptions, documents. XML of
//! stanzas, SIP and sockets are outside.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that meets something unexpected ends there"
)]

use std::time::Duration;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use jid::BareJid;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::conference::{Conference, Event, Interest, Outcome, SubscriptionId, View};
use mucfocus_core::roster::{Occupant, Roster};
use mucfocus_core::stanza::{Affiliation, Role};
use mucfocus_core::time::Instant;

/// Counts allocations, which each benchmark then reports beside its time.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SUBSCRIBERS: u64 = 50;
const ROOMS: [usize; 3] = [50, 400, 10_000];

fn main() {
    divan::main();
}

struct Room {
    roster: Roster,
    conference: Conference,
    muc: BareJid,
    now: Instant,
}

impl Room {
    fn new(occupants: usize) -> Self {
        let mut roster = Roster::default();
        for n in 0..occupants {
            roster.put(&format!("Guest {n}"), occupant(Role::Participant));
        }
        let muc = BareJid::new("capulet@muc.example.com").unwrap();
        let mut room = Self { roster, conference: Conference::new(), muc, now: Instant::from_micros(1) };
        for n in 0..SUBSCRIBERS {
            let interest = Interest {
                room: SipUri::parse("sip:capulet@rooms.example.com").unwrap(),
                expires: Duration::from_secs(1 << 30),
                sees: true,
                interval: None,
                whole: false,
            };
            room.act(|conference, now, view, out| conference.subscribe(now, SubscriptionId(n), interest, view, out));
        }
        room.presence();
        room
    }

    fn act(&mut self, act: impl FnOnce(&mut Conference, Instant, View<'_>, &mut Vec<Event>)) -> usize {
        let mut out = Vec::new();
        let view = View { roster: &self.roster, muc: &self.muc, complete: true };
        act(&mut self.conference, self.now, view, &mut out);
        let mut octets = 0;
        for event in out {
            let Event::Notify(id, notification) = event else { panic!("{event:?}") };
            octets += black_box(&notification.document).as_ref().map_or(0, Bytes::len);
            self.conference.notified(self.now, id, Outcome::Delivered, view, &mut Vec::new());
        }
        octets
    }

    /// Somebody changes, and everybody is told; the octets that they are sent together.
    fn presence(&mut self) -> usize {
        self.now = self.now + Duration::from_secs(5);
        let is_visitor = self.roster.get("Guest 7").is_some_and(|occupant| occupant.role == Role::Visitor);
        let role = if is_visitor { Role::Participant } else { Role::Visitor };
        self.roster.put("Guest 7", occupant(role));
        self.act(|conference, now, view, out| conference.changed(now, view, out))
    }

    /// The same when nobody may be told yet.
    fn early_presence(&mut self) -> usize {
        self.now = self.now + Duration::from_secs(5);
        self.presence() + self.presence_at_once()
    }

    fn presence_at_once(&mut self) -> usize {
        self.roster.put("Guest 8", occupant(Role::Visitor));
        self.roster.put("Guest 8", occupant(Role::Participant));
        self.act(|conference, now, view, out| conference.changed(now, view, out))
    }
}

const fn occupant(role: Role) -> Occupant {
    Occupant { display_name: None, role, affiliation: Affiliation::None, jid: None, dialed_in: None }
}

#[divan::bench(args = ROOMS)]
fn one_presence_is_told_to_fifty(bencher: Bencher<'_, '_>, occupants: usize) {
    let mut room = Room::new(occupants);
    let octets = room.presence();
    assert!(octets < 50 * 1000, "{octets}");
    bencher.counter(BytesCount::new(octets)).bench_local(|| assert_eq!(room.presence(), octets));
}

#[divan::bench(args = ROOMS)]
fn two_presences_while_nobody_may_be_told(bencher: Bencher<'_, '_>, occupants: usize) {
    let mut room = Room::new(occupants);
    room.early_presence();
    bencher.bench_local(|| assert_eq!(room.presence_at_once(), 0));
}

#[divan::bench(args = ROOMS)]
fn one_refresh(bencher: Bencher<'_, '_>, occupants: usize) {
    let mut room = Room::new(occupants);
    let expires = Duration::from_secs(1 << 30);
    bencher.bench_local(|| {
        room.roster.put("Guest 7", occupant(Role::Visitor));
        room.roster.put("Guest 7", occupant(Role::Participant));
        let octets = room.act(|conference, now, view, out| {
            conference.refreshed(now, SubscriptionId(7), (expires, None), view, out);
        });
        assert!(octets > 0);
    });
}
