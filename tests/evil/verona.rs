//! The room that suffers, what it is compared with, and what has to hold after each attack.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use mucfocus_rig::evil::{Enemy, Manners, Wire};
use mucfocus_rig::gauge::{Numbers, allow_files, processor};
use mucfocus_rig::sip::Transport;
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Kind, SOON, World, until};

use crate::BINARY;
use crate::trickle::{FLOOR, Trickle};

/// The good people. Everybody else who has an account may be an enemy.
const GOOD: [&str; 4] = ["romeo", "mercutio", "benvolio", "nurse"];
/// The room.
pub(crate) const ROOM: &str = "capulet";
/// Rounds of each attack.
const ROUNDS: usize = 3;
/// The least time of a round.
const ROUND: Duration = Duration::from_millis(500);
/// How often an attack is tried that seems to slow the room.
const TRIES: usize = 3;
/// How long the room talks before its memory is taken for its own.
const WARMING: Duration = Duration::from_secs(1);
/// Files that both sides of a thousand connections may have open.
const FILES: u64 = 16_384;
/// Octets of memory that an attack may take for as long as it lasts.
const MEMORY_DURING: u64 = 64 * 1024 * 1024;
/// Octets that may stay behind after it: what the allocator keeps.
const MEMORY_AFTER: u64 = 48 * 1024 * 1024;

/// The longest that anything is borne with: half a minute of a leg that answers nothing, or of a connection that serves none.
const PATIENCE: Duration = Duration::from_secs(40);

/// One module at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A room whose people talk.
pub(crate) struct Verona {
    /// The servers.
    pub(crate) world: World,
    /// The talk.
    pub(crate) trickle: Trickle,
    /// The same talk where nobody does harm, in processes of its own.
    mantua: (World, Trickle),
    /// She hears everything on the XMPP side.
    pub(crate) juliet: Client,
    fallen: Mutex<Vec<Fallen>>,
    memory: u64,
    alone: tokio::sync::MutexGuard<'static, ()>,
}

/// Somebody whose leg is going to end, his connection where it has to stay until then, and words of the reason.
type Fallen = (Enemy, Option<Wire>, &'static str);

/// What an attack was seen to do.
struct Seen {
    /// The 99th percentile of each round, and that of the same time elsewhere.
    times: Vec<(Duration, Duration)>,
    memory: u64,
    took: Duration,
    paid: Duration,
}

impl Verona {
    /// A room in which people talk in short sentences.
    pub(crate) async fn start() -> Self {
        Self::talking(100).await
    }

    /// A room in which each sentence has so many octets.
    pub(crate) async fn talking(octets: usize) -> Self {
        let alone = ALONE.lock().await;
        allow_files(FILES);
        let (world, other) = tokio::join!(start(), start());
        let juliet = world.xmpp_in(ROOM, "juliet").await;
        let (trickle, elsewhere) = tokio::join!(talk(&world, octets), talk(&other, octets));
        tokio::time::sleep(WARMING).await;
        let (mantua, fallen, memory) = ((other, elsewhere), Mutex::default(), world.mucfocus.memory());
        Self { world, trickle, mantua, juliet, fallen, memory, alone }
    }

    /// Somebody who is let into the room and means harm.
    pub(crate) async fn enemy(&self, name: &str) -> Enemy {
        Enemy::enter(self.world.who(name, Transport::Udp), &self.world.sip(ROOM)).await
    }

    /// The same with a connection that reads everything and answers nothing.
    pub(crate) async fn connected(&self, name: &str) -> (Enemy, Wire) {
        let enemy = self.enemy(name).await;
        let wire = enemy.connect(Manners::default()).await;
        (enemy, wire)
    }

    /// Where MSRP is listened on.
    pub(crate) fn msrp(&self) -> SocketAddr {
        self.world.mucfocus.msrp()
    }

    /// The numbers of `/metrics`.
    pub(crate) async fn numbers(&self) -> Numbers {
        Numbers::of(&self.world.mucfocus).await
    }

    /// Waits until `/metrics` has counted `count` more violations of this name than `before`.
    pub(crate) async fn counted(&self, before: &Numbers, name: &str, count: usize) {
        let end = Instant::now() + SOON;
        loop {
            let now = self.numbers().await;
            if now.violations(name) - before.violations(name) >= count as f64 {
                return;
            }
            assert!(Instant::now() < end, "{count} times {name} in /metrics; it has {:?}", now.since(before));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The enemy's leg is going to end for a reason that has these words: [`Self::ends`] sees to it.
    pub(crate) fn falls(&self, enemy: Enemy, words: &'static str) {
        self.fallen.lock().unwrap().push((enemy, None, words));
    }

    /// The same for somebody whose connection stays open from his side.
    pub(crate) fn falls_connected(&self, enemy: Enemy, wire: Wire, words: &'static str) {
        self.fallen.lock().unwrap().push((enemy, Some(wire), words));
    }

    /// Waits until the log says that the enemy's leg ended, and these words of it.
    async fn logged_end(&self, enemy: &Enemy, words: &str) {
        let logged = || {
            let log = self.world.mucfocus.log();
            let his: Vec<&str> = log.lines().filter(|line| line.contains(enemy.call_id())).collect();
            his.iter().any(|line| line.contains("leg ended")) && his.iter().any(|line| line.contains(words))
        };
        until(logged, PATIENCE, format!("the end of {} with {words:?} in the log", enemy.ua.aor())).await;
    }

    /// Does harm, three times, and asserts that the room does not care; see the documentation of this test.
    pub(crate) async fn suffers(&self, what: &str, harm: impl AsyncFn(&Self)) {
        let mut tries = 0;
        let seen = loop {
            let seen = self.observe(&harm).await;
            tries += 1;
            eprintln!("{what}: {}", seen.summary(self.memory));
            if !seen.is_slow() || tries == TRIES {
                break seen;
            }
        };
        assert!(!seen.is_slow(), "{what}: p99 of each round and elsewhere {:?}", seen.times);
        assert!(
            seen.memory < self.memory + MEMORY_DURING,
            "{what} took {} octets, {} before",
            seen.memory,
            self.memory
        );
        self.is_well(what).await;
    }

    /// Nobody noticed anything, and nothing is left of what was done.
    pub(crate) async fn is_well(&self, what: &str) {
        self.trickle.is_whole(&self.juliet, &self.world.muc(ROOM), what).await;
        let log = self.world.mucfocus.log();
        assert!(!log.contains("panicked"), "{what}:\n{log}");
        let memory = self.world.mucfocus.memory();
        assert!(memory < self.memory + MEMORY_AFTER, "{what} left {memory} octets behind, {} before", self.memory);
    }

    /// Nobody but the good people is here, and every connection is theirs.
    async fn is_alone(&self, what: &str) {
        let end = Instant::now() + PATIENCE;
        let (legs, connections) = ("mucfocus_legs", "mucfocus_msrp_connections");
        loop {
            let numbers = self.numbers().await;
            let good = GOOD.len() as f64;
            if (numbers.get(legs), numbers.get(connections)) == (good, good) {
                return;
            }
            let (legs, connections) = (numbers.get(legs), numbers.get(connections));
            assert!(Instant::now() < end, "after {what} there are {legs} legs and {connections} MSRP connections");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The end of a module.
    pub(crate) async fn ends(mut self, what: &str) {
        let fallen = std::mem::take(&mut *self.fallen.lock().unwrap());
        for (enemy, _, words) in &fallen {
            self.logged_end(enemy, words).await;
        }
        drop(fallen);
        self.is_alone(what).await;
        self.is_well(what).await;
        assert!(self.world.mucfocus.alive(), "after {what}");
        drop(self.alone);
    }

    async fn observe(&self, harm: &impl AsyncFn(&Self)) -> Seen {
        let pid = self.world.mucfocus.id();
        let mut seen = Seen { times: Vec::new(), memory: 0, took: Duration::ZERO, paid: Duration::ZERO };
        for _ in 0..ROUNDS {
            let (from, begun, paid) = (SystemTime::now(), Instant::now(), processor(pid));
            harm(self).await;
            tokio::time::sleep(ROUND.saturating_sub(begun.elapsed())).await;
            let to = SystemTime::now();
            seen.memory = seen.memory.max(self.world.mucfocus.memory());
            seen.took += begun.elapsed();
            seen.paid += processor(pid).saturating_sub(paid);
            seen.times.push(tokio::join!(self.trickle.p99(from, to), self.mantua.1.p99(from, to)));
        }
        seen
    }
}

impl Seen {
    /// In most rounds.
    fn is_slow(&self) -> bool {
        let slow = |(here, elsewhere): &&(Duration, Duration)| *here > FLOOR.max(2 * *elsewhere);
        2 * self.times.iter().filter(slow).count() > self.times.len()
    }

    fn summary(&self, memory: u64) -> String {
        let times: Vec<String> =
            self.times.iter().map(|(here, there)| format!("{}/{}", here.as_millis(), there.as_millis())).collect();
        let more = self.memory.saturating_sub(memory) >> 20;
        let (paid, took) = (self.paid.as_millis(), self.took.as_millis());
        format!("p99 here/elsewhere {} ms, {more} MiB more, {paid} ms of processor in {took} ms", times.join(" "))
    }
}

async fn start() -> World {
    World::with(BINARY, |settings| {
        settings.server = Kind::Prosody;
        settings.log = "info".into();
        // As it comes: messages_per_user and connections_per_source.
        settings.limits = "joins_per_user = \"off\"\nxmpp_logins = \"off\"\nrequests_per_source = \"off\"\n".into();
        settings.limits.push_str("legs_per_user = \"off\"\n");
        settings.accounts = "[http]\nlisten = \"127.0.0.1:0\"\n".into();
    })
    .await
}

async fn talk(world: &World, octets: usize) -> Trickle {
    let people = GOOD.map(|name| world.who(name, Transport::Udp)).to_vec();
    Trickle::start(people, world.sip(ROOM), octets).await
}
