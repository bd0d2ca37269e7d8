//! Breaks everything while people talk: `havoc target/release/mucfocus [EVENTS [SEED [prosody|ejabberd]]]`.
//!
//! Three SIP users and two XMPP users talk in one room. In random order, drawn by the seed, mucfocus and the XMPP server are
//! killed and started again or stopped for a while, and clients die, hang up and come back. After each such event everybody has to
//! be back within a minute, and nobody else may be in the room; at the end nothing that was acknowledged is lost and nobody heard
//! anything twice. Status 1 if something was wrong, with the seed that does it again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mucfocus_rig::havoc::actor::{SipActor, XmppActor};
use mucfocus_rig::havoc::ledger::Ledger;
use mucfocus_rig::{Kind, World};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const ROOM: &str = "capulet";
/// Between two words of each.
const BEAT: Duration = Duration::from_millis(200);
/// How long everybody may take to be back, and whoever is gone to be gone.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    KillMucfocus,
    KillServer,
    FreezeMucfocus,
    FreezeServer,
    SipClientDies,
    XmppClientDies,
    SipUserHangsUp,
}

const EVENTS: [Event; 7] = [
    Event::KillMucfocus,
    Event::KillServer,
    Event::FreezeMucfocus,
    Event::FreezeServer,
    Event::SipClientDies,
    Event::XmppClientDies,
    Event::SipUserHangsUp,
];

struct Stage {
    world: World,
    sip: Vec<SipActor>,
    xmpp: Vec<XmppActor>,
    ledger: Ledger,
    dice: StdRng,
    faults: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // A refused call is a panic of the client that made it, and it will make another.
    if std::env::var_os("HAVOC_LOUD").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("usage: havoc PATH-OF-MUCFOCUS [EVENTS [SEED [prosody|ejabberd]]]");
    let events: usize = arguments.next().map_or(100, |n| n.parse().expect("a number of events"));
    let seed: u64 = arguments.next().map_or(1, |n| n.parse().expect("a seed"));
    let server = if arguments.next().as_deref() == Some("ejabberd") { Kind::Ejabberd } else { Kind::Prosody };
    let world = World::with(&binary, |settings| {
        settings.server = server;
        settings.log = "info".into();
        settings.timeouts = "lost_leg = \"10s\"\nmuc_outage = \"1m\"\ndrain = \"1s\"\n".into();
    });
    let mut stage = Stage {
        world: world.await,
        sip: ["romeo", "tybalt", "mercutio"].map(|user| SipActor::new(user, ROOM)).into(),
        xmpp: ["juliet", "nurse"].map(|user| XmppActor::new(user, ROOM)).into(),
        ledger: Ledger::default(),
        dice: StdRng::seed_from_u64(seed),
        faults: Vec::new(),
    };
    println!("{}, seed {seed}, {events} events", server.name());
    stage.calms("at the beginning").await;
    let mut times = BTreeMap::<Event, Vec<Duration>>::new();
    for n in 1..=events {
        let event = EVENTS[stage.dice.random_range(0..EVENTS.len())];
        let talk = stage.dice.random_range(300..2_000);
        stage.talks(Duration::from_millis(talk)).await;
        stage.happens(event).await;
        let took = stage.calms(&format!("after event {n}, {event:?}")).await;
        times.entry(event).or_default().push(took);
    }
    stage.rests().await;
    stage.reports(&times)
}

impl Stage {
    /// Everybody lives, and talks, for so long.
    async fn talks(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.lives().await;
            self.sip.iter_mut().for_each(SipActor::says);
            self.xmpp.iter_mut().for_each(|actor| actor.says(&self.world));
            tokio::time::sleep(BEAT).await;
        }
    }

    async fn lives(&mut self) {
        for actor in &mut self.sip {
            actor.lives(&self.world, &mut self.ledger).await;
        }
        for actor in &mut self.xmpp {
            actor.lives(&self.world, &mut self.ledger).await;
        }
    }

    async fn happens(&mut self, event: Event) {
        let a_while = Duration::from_millis(self.dice.random_range(100..6_000));
        let (sip, xmpp) = (self.dice.random_range(0..self.sip.len()), self.dice.random_range(0..self.xmpp.len()));
        match event {
            Event::KillMucfocus => {
                self.world.mucfocus.kill();
                for actor in &mut self.sip {
                    actor.vanishes(&mut self.ledger);
                }
                self.world.mucfocus.restart().await;
            }
            Event::KillServer => {
                self.world.server.kill();
                self.talks(a_while).await;
                self.world.server.restart().await;
            }
            Event::FreezeMucfocus => {
                self.world.mucfocus.freeze();
                self.talks(a_while).await;
                self.world.mucfocus.thaw();
            }
            Event::FreezeServer => {
                self.world.server.freeze();
                self.talks(a_while).await;
                self.world.server.thaw();
            }
            Event::SipClientDies => self.sip[sip].vanishes(&mut self.ledger),
            Event::XmppClientDies => self.xmpp[xmpp].vanishes(&mut self.ledger),
            Event::SipUserHangsUp => self.sip[sip].leaves(&mut self.ledger).await,
        }
    }

    /// Waits until everybody is back and nobody else is there; how long it took.
    async fn calms(&mut self, when: &str) -> Duration {
        let begun = Instant::now();
        loop {
            self.talks(BEAT).await;
            let expected: BTreeSet<String> =
                self.sip.iter().map(SipActor::nick).chain(self.xmpp.iter().map(XmppActor::nick)).collect();
            let all = self.sip.iter().all(SipActor::is_there) && self.xmpp.iter().all(XmppActor::is_there);
            let seen: Vec<BTreeSet<String>> =
                self.xmpp.iter().filter_map(|actor| Some(actor.sees(&self.world)?.into_iter().collect())).collect();
            if all && seen.iter().all(|seen| *seen == expected) {
                return begun.elapsed();
            }
            if begun.elapsed() > PATIENCE {
                let away: Vec<String> = self.sip.iter().filter(|a| !a.is_there()).map(SipActor::nick).collect();
                self.faults.push(format!("{when}: a minute later {away:?} are away, and {seen:?} are in the room"));
                println!("{}", self.faults.last().unwrap());
                return begun.elapsed();
            }
        }
    }

    /// Nobody talks any more, and what is under way arrives.
    async fn rests(&mut self) {
        for _ in 0..200 {
            self.lives().await;
            if self.sip.iter().all(|actor| actor.unanswered() == 0) {
                break;
            }
            tokio::time::sleep(BEAT).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.lives().await;
        for actor in self.sip.iter().filter(|actor| actor.unanswered() > 0) {
            self.faults.push(format!("{} has {} SENDs without an answer", actor.user, actor.unanswered()));
        }
    }

    fn reports(mut self, times: &BTreeMap<Event, Vec<Duration>>) -> ExitCode {
        self.faults.extend(self.ledger.faults());
        println!(
            "{} texts were heard, {} of SIP users were acknowledged",
            self.ledger.heard(),
            self.ledger.acknowledged()
        );
        for (event, times) in times {
            let longest = times.iter().max().unwrap().as_secs_f64();
            println!("{event:?}: {} times, everybody back after at most {longest:.1} s", times.len());
        }
        for fault in &self.faults {
            println!("FAULT {fault}");
        }
        if self.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
