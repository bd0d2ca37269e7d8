//! Everybody and everything that a run is about, what happens to them, and what has to be right afterwards.

#![allow(clippy::print_stdout, reason = "faults are told as they come")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::diary::Diary;
use super::event::Event;
use super::ledger::Ledger;
use super::sip::SipActor;
use super::xmpp::XmppActor;
use crate::gauge::Numbers;
use crate::proxy::Break;
use crate::sip::Transport;
use crate::{Kind, World};

const ROOM: &str = "capulet";
/// Between two words of each.
const BEAT: Duration = Duration::from_millis(200);
/// How long everybody may take to be back, and whoever is gone to be gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a leg may be without its MSRP connection here.
const LOST_LEG: Duration = Duration::from_secs(10);
/// Until a stream on which nothing arrives is given up.
const DEAFNESS: Duration = Duration::from_secs(13);
/// What a machine that is busy adds to a promise.
const SLACK: Duration = Duration::from_secs(4);

/// A run.
pub struct Stage {
    world: World,
    sip: Vec<SipActor>,
    xmpp: Vec<XmppActor>,
    ledger: Ledger,
    dice: StdRng,
    faults: Vec<String>,
    is_calm: bool,
    diary: Diary,
}

impl Stage {
    /// Three SIP users and two XMPP users in one room of that server, and all of them talk.
    pub async fn set(binary: &str, server: Kind, seed: u64) -> Self {
        let world = World::with(binary, |settings| {
            settings.server = server;
            settings.linked = true;
            settings.log = "info".into();
            settings.timeouts =
                format!("lost_leg = \"{}s\"\nmuc_outage = \"1m\"\ndrain = \"1s\"\n", LOST_LEG.as_secs());
            settings.msrp = "listen = [\"tcp:127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n".into();
        });
        let mut stage = Self {
            world: world.await,
            sip: vec![
                SipActor::new("romeo", ROOM, Transport::Udp).watching(),
                SipActor::new("tybalt", ROOM, Transport::Tcp),
                SipActor::new("mercutio", ROOM, Transport::Udp),
            ],
            xmpp: ["juliet", "nurse"].map(|user| XmppActor::new(user, ROOM)).into(),
            ledger: match server {
                Kind::Prosody => Ledger::default(),
                Kind::Ejabberd => Ledger::default().unordered(),
            },
            dice: StdRng::seed_from_u64(seed),
            faults: Vec::new(),
            is_calm: false,
            diary: Diary::default(),
        };
        stage.calms("at the beginning").await;
        stage
    }

    /// People talk, something happens, now and then something else before they have got over it; then everybody has to be back.
    /// What happened last, and how long that took.
    pub async fn suffers(&mut self, n: usize) -> (Event, Duration) {
        loop {
            let event = Event::ALL[self.dice.random_range(0..Event::ALL.len())];
            let talk = self.dice.random_range(300..2_000);
            self.talks(Duration::from_millis(talk)).await;
            self.happens(event, n).await;
            if !self.dice.random_bool(0.2) {
                return (event, self.calms(&format!("after event {n}, {event:?}")).await);
            }
            self.is_calm = false;
        }
    }

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

    async fn happens(&mut self, event: Event, n: usize) {
        let a_while = Duration::from_millis(self.dice.random_range(100..6_000));
        let (sip, xmpp) = (self.dice.random_range(0..self.sip.len()), self.dice.random_range(0..self.xmpp.len()));
        let (how, is_other) =
            (if self.dice.random() { Break::Reset } else { Break::Close }, self.dice.random::<bool>());
        self.diary.notes(&format!("event {n}, {event:?}: {a_while:?}, {}, {how:?}, {is_other}", self.sip[sip].user));
        match event {
            Event::KillMucfocus => self.kills_mucfocus(is_other, n).await,
            Event::KillServer => {
                self.world.server.kill();
                self.ledger.is_forgotten();
                self.talks(a_while).await;
                self.world.server.restart().await;
                self.ledger.is_forgotten();
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
            Event::CutXmpp | Event::TearXmpp | Event::StallXmpp => {
                self.breaks_link(event, a_while, how, is_other).await
            }
            Event::CutMsrp | Event::StallMsrp | Event::CutSip | Event::StallSip => {
                let Some(roads) = self.sip[sip].roads() else { return };
                match event {
                    Event::CutMsrp => {
                        roads.cut_msrp(how);
                        // Until his client has noticed, all looks calm.
                        return self.talks(BEAT * 2).await;
                    }
                    Event::CutSip => roads.cut_sip(how),
                    Event::StallMsrp => roads.stall_msrp(),
                    _ => roads.stall_sip(),
                }
                self.talks(a_while).await;
                self.sip[sip].roads().inspect(|roads| roads.heal());
            }
            Event::SipClientDies => {
                self.sip[sip].vanishes(&mut self.ledger);
                self.is_gone_within(LOST_LEG + SLACK, vec![sip], &format!("event {n}, {event:?}")).await;
            }
            Event::XmppClientDies => self.xmpp[xmpp].vanishes(&mut self.ledger),
            Event::SipUserHangsUp => {
                self.sip[sip].leaves(&mut self.ledger).await;
                self.is_gone_within(Duration::from_secs(1) + SLACK, vec![sip], &format!("event {n}, {event:?}")).await;
            }
        }
    }

    /// Either everybody comes back at once and takes over what the server still keeps for him, or nobody does, and mucfocus ends it.
    async fn kills_mucfocus(&mut self, nobody_returns: bool, n: usize) {
        self.world.mucfocus.kill();
        for actor in &mut self.sip {
            actor.is_cut_off(&mut self.ledger);
            actor.is_patient = nobody_returns;
        }
        self.world.mucfocus.restart().await;
        if nobody_returns {
            let all = (0..self.sip.len()).collect();
            self.is_gone_within(Duration::from_secs(5) + SLACK, all, &format!("event {n}, KillMucfocus")).await;
        }
    }

    /// As soon as somebody says something. Prosody 0.12 goes on in the midst of that message, and everybody is there while nothing
    /// that one of them says arrives, until that is noticed.
    async fn tears_a_stream(&mut self) {
        self.world.link.as_ref().unwrap().break_behind("<body>");
        let begun = Instant::now();
        while self.world.link.as_ref().unwrap().is_to_break() && begun.elapsed() < PATIENCE {
            self.talks(BEAT).await;
        }
        if self.world.server.kind() == Kind::Prosody {
            self.talks(DEAFNESS).await;
        }
    }

    /// Between mucfocus and the XMPP server.
    async fn breaks_link(&mut self, event: Event, a_while: Duration, how: Break, is_other: bool) {
        let link = self.world.link.as_ref().unwrap();
        match (event, is_other) {
            (Event::CutXmpp, false) => return link.cut(how),
            (Event::CutXmpp, true) => link.refuse(),
            (Event::TearXmpp, _) => return self.tears_a_stream().await,
            (_, false) => link.hold(),
            (_, true) => link.swallow(),
        }
        self.talks(a_while).await;
        self.world.link.as_ref().unwrap().heal();
    }

    /// These do not come back before the room has seen them go; a fault when that takes longer.
    async fn is_gone_within(&mut self, time: Duration, who: Vec<usize>, when: &str) {
        let (nicks, begun): (Vec<String>, _) = (who.iter().map(|&at| self.sip[at].nick()).collect(), Instant::now());
        who.iter().for_each(|&at| self.sip[at].is_patient = true);
        loop {
            self.talks(BEAT).await;
            let seen: Vec<Vec<String>> = self.xmpp.iter().filter_map(|actor| actor.sees(&self.world)).collect();
            let is_gone = !seen.is_empty() && seen.iter().flatten().all(|nick| !nicks.contains(nick));
            let is_late = begun.elapsed() > time;
            // Where something else is broken, too, nobody has promised how long it takes.
            if is_late && self.is_calm {
                self.fails(format!("{when}: {nicks:?} are still in the room after {time:?}: {seen:?}"));
            }
            if is_gone || is_late {
                break;
            }
        }
        who.iter().for_each(|&at| self.sip[at].is_patient = false);
    }

    /// Waits until everybody is back, nobody else is there, and no leg is without its user; how long it took.
    async fn calms(&mut self, when: &str) -> Duration {
        let begun = Instant::now();
        self.is_calm = true;
        loop {
            self.talks(BEAT).await;
            if !self.world.mucfocus.alive() {
                self.fails(format!("{when}: mucfocus has ended\n{}", self.world.mucfocus.log()));
                self.world.mucfocus.restart().await;
            }
            for fault in self.ledger.news() {
                self.fails(format!("{when}: {fault}"));
            }
            let what = self.unrest().await;
            if what.is_empty() {
                self.diary.notes("all is calm");
                return begun.elapsed();
            }
            if begun.elapsed() > PATIENCE {
                self.fails(format!("{when}: a minute later {}", what.join(", ")));
                return begun.elapsed();
            }
        }
    }

    /// What is not as it was before.
    async fn unrest(&self) -> Vec<String> {
        let mut what = Vec::new();
        let expected: BTreeSet<String> =
            self.sip.iter().map(SipActor::nick).chain(self.xmpp.iter().map(XmppActor::nick)).collect();
        let away = self.sip.iter().filter(|actor| !actor.is_there()).map(SipActor::nick);
        let away: Vec<_> =
            away.chain(self.xmpp.iter().filter(|actor| !actor.is_there()).map(XmppActor::nick)).collect();
        if !away.is_empty() {
            what.push(format!("{away:?} are away"));
        }
        for actor in &self.xmpp {
            let seen: Option<BTreeSet<String>> = actor.sees(&self.world).map(|seen| seen.into_iter().collect());
            if seen.as_ref().is_some_and(|seen| *seen != expected) {
                what.push(format!("{} sees {seen:?}", actor.user));
            }
        }
        for actor in &self.sip {
            match actor.list() {
                Some(Ok(list)) if list.iter().cloned().collect::<BTreeSet<_>>() != expected => {
                    what.push(format!("{} is shown {list:?}", actor.user));
                }
                Some(Err(wrong)) => what.push(format!("{} is shown {wrong}", actor.user)),
                _ => {}
            }
            if actor.hanging() > 0 {
                what.push(format!("{} calls of {} have no end", actor.hanging(), actor.user));
            }
        }
        let (legs, calls) = (self.numbers().await.get("mucfocus_legs"), self.sip.iter().map(|_| 1.0).sum::<f64>());
        if legs != calls {
            what.push(format!("there are {legs} legs"));
        }
        what
    }

    async fn numbers(&self) -> Numbers {
        Numbers::of(&self.world.mucfocus).await
    }

    fn fails(&mut self, fault: String) {
        println!("{fault}");
        self.diary.notes(&fault);
        self.keeps_logs();
        self.faults.push(fault);
    }

    /// What happened, and what both servers say of it, in the folder `$HAVOC_LOGS`.
    fn keeps_logs(&self) {
        let Some(folder) = std::env::var_os("HAVOC_LOGS").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).unwrap();
        let logs = [
            ("diary", self.diary.text().to_owned()),
            ("heard", self.ledger.diary().text().to_owned()),
            ("mucfocus", self.world.mucfocus.log()),
            (self.world.server.kind().name(), self.world.server.log_tail(usize::MAX)),
        ];
        for (name, text) in logs {
            std::fs::write(folder.join(name).with_extension("log"), text).unwrap();
        }
    }

    /// Nobody talks any more, what is under way arrives, and then all SIP users go. Everything that was wrong, and how much was said.
    pub async fn ends(mut self) -> (Vec<String>, String) {
        for _ in 0..200 {
            self.lives().await;
            if self.sip.iter().all(|actor| actor.unanswered() == 0) {
                break;
            }
            tokio::time::sleep(BEAT).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.lives().await;
        for at in 0..self.sip.len() {
            let (user, unanswered) = (self.sip[at].user.clone(), self.sip[at].unanswered());
            if unanswered > 0 {
                self.fails(format!("{user} has {unanswered} SENDs without an answer"));
            }
            self.sip[at].leaves(&mut self.ledger).await;
            self.sip[at].is_patient = true;
        }
        self.is_gone_within(Duration::from_secs(1) + SLACK, (0..self.sip.len()).collect(), "at the end").await;
        let numbers = self.numbers().await;
        for what in ["mucfocus_legs", "mucfocus_subscriptions", "mucfocus_msrp_connections"] {
            if numbers.get(what) != 0.0 {
                self.fails(format!("at the end {what} is {}", numbers.get(what)));
            }
        }
        if self.world.mucfocus.log().contains("panicked") {
            self.fails("the log of mucfocus tells of a panic".into());
        }
        self.faults.extend(self.ledger.faults());
        let (heard, acknowledged) = (self.ledger.heard(), self.ledger.acknowledged());
        (self.faults, format!("{heard} texts were heard, {acknowledged} of SIP users were acknowledged"))
    }
}
