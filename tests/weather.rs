//! SIP through bad weather: datagrams between callers and mucfocus are lost, repeated, delayed and reordered, in both directions, by
//! seeds. Every transaction ends as under a clear sky, no leg is left and nobody is in a room twice: SIP-05, SIP-06, SIP-08, SIP-18.
//!
//! All flows and seeds run at once, each in a room and by a relay of its own. `WEATHER_SEED=n` runs that one alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use mucfocus_rig::gauge::Numbers;
use mucfocus_rig::member::{Joining, any_offer};
use mucfocus_rig::roster::Watch;
use mucfocus_rig::sip::{Message, Request, TIMER_B, Transport, Ua, Who, capital};
use mucfocus_rig::wait::within;
use mucfocus_rig::weather::{Relay, Sky};
use mucfocus_rig::xmpp::{Client, MUC_USER};
use mucfocus_rig::{Member, World, on_both_servers, until};
use tokio::task::JoinSet;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// Everybody is a guest, so that there are as many as are wanted.
async fn world() -> World {
    World::with(BINARY, |settings| {
        settings.accounts =
            "[[accounts]]\nsip = \"sip:*@sip.test\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n".into();
        settings.ejabberd_rooms = "allow_user_invites: true\n".into();
        settings.msrp = "listen = [\"tcp:127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n".into();
        // Longer than a datagram may be late for.
        settings.timeouts = "lost_leg = \"30s\"\njoin = \"30s\"\n".into();
        settings.log = "info".into();
    })
    .await
}

fn seeds() -> Vec<u64> {
    std::env::var("WEATHER_SEED").map_or(SEEDS.to_vec(), |seed| vec![seed.parse().unwrap()])
}

/// One caller, his room and his weather.
struct Flow {
    world: Arc<World>,
    juliet: Arc<Client>,
    /// Of the room and of the user.
    name: String,
    relay: Relay,
}

impl Flow {
    async fn new(world: &Arc<World>, juliet: &Arc<Client>, name: String, seed: u64) -> Self {
        let relay = Relay::start(world.mucfocus.udp(), Sky::STORM, seed).await;
        Self { world: world.clone(), juliet: juliet.clone(), name, relay }
    }

    fn who(&self) -> Who {
        let mut who = self.world.who(&self.name, Transport::Udp);
        (who.peer, who.contact) = (self.relay.address(), Some(self.relay.outside()));
        who
    }

    fn room(&self) -> String {
        self.world.sip(&self.name)
    }

    fn muc(&self) -> String {
        self.world.muc(&self.name)
    }

    fn nick(&self) -> String {
        capital(&self.name)
    }

    /// In the room, and seen there.
    async fn member(&self) -> Member {
        let member = Member::join(self.who(), &self.room(), Joining::able()).await;
        self.juliet.sees(&self.muc(), &self.nick()).await;
        member
    }

    async fn hangs_up(&self, member: &Member) {
        let answer = member.leaves().await;
        assert_eq!(answer.code(), Some(200), "{answer}");
        self.is_alone(Duration::from_secs(5)).await;
    }

    /// Juliet sees nobody but herself.
    async fn is_alone(&self, time: Duration) {
        let is_alone = || self.juliet.nicks(&self.muc()) == ["Juliet"];
        until(is_alone, time, format!("{} is empty: {:?}", self.name, self.juliet.nicks(&self.muc()))).await;
    }

    /// How often he has come into the room, under whatever name.
    fn entries(&self) -> usize {
        let (room, own) = (format!("{}/", self.muc()), format!("{}/Juliet", self.muc()));
        let all = self.juliet.received();
        let enters = all.iter().filter(|e| e.name == "presence" && e.kind().is_empty() && e.from().starts_with(&room));
        enters.filter(|e| e.from() != own).count()
    }

    /// Offers anew, and once more as long as something is under way by which it crosses (RFC 3261 §14.1).
    async fn offers_anew(&self, romeo: &Member) -> Message {
        let offering = async {
            loop {
                let answer = romeo.call().reinvite(&romeo.offer).await;
                if answer.code() != Some(491) {
                    break answer;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let answer = tokio::time::timeout(TIMER_B, offering).await.expect("an offer that crosses nothing");
        assert_eq!(answer.code(), Some(200), "{answer}");
        answer
    }

    /// Says and hears something, which needs the session of a call that is up.
    async fn talks(&self, member: &Member, text: &str) {
        assert_eq!(member.says(text).await.code(), Some(200));
        self.juliet.hears(&self.muc(), text).await;
    }
}

/// The flows, by name.
const FLOWS: [&str; 9] = ["join", "leave", "subscribe", "notify", "refer", "reinvite", "glare", "booted", "options"];

async fn play(flow: &str, at: &Flow) {
    match flow {
        "join" => join(at).await,
        "leave" => leave(at).await,
        "subscribe" => subscribe(at).await,
        "notify" => notify(at).await,
        "refer" => refer(at).await,
        "reinvite" => reinvite(at).await,
        "glare" => glare(at).await,
        "booted" => booted(at).await,
        "options" => options(at).await,
        other => panic!("no flow {other}"),
    }
}

/// However often INVITE, 200 and ACK were repeated, there is one leg, and it stays.
async fn join(at: &Flow) {
    let romeo = at.member().await;
    at.talks(&romeo, "But soft").await;
    // An answer without an ACK would be repeated for so long, and then the call would end.
    tokio::time::sleep(TIMER_B).await;
    assert!(!romeo.call().has_ended());
    at.talks(&romeo, "still here").await;
    assert_eq!(at.entries(), 1);
    at.hangs_up(&romeo).await;
}

/// He hangs up as soon as he is in: the BYE may come before the ACK. There is nothing left to hang up then.
async fn leave(at: &Flow) {
    for time in 1..=2 {
        let romeo = at.member().await;
        at.hangs_up(&romeo).await;
        assert_eq!(romeo.leaves().await.code(), Some(481));
        assert_eq!(at.entries(), time);
    }
}

/// A subscription begins, goes on and ends.
async fn subscribe(at: &Flow) {
    let romeo = at.member().await;
    let watch = romeo.watches().await;
    watch.shows(&["Juliet", &at.nick()]).await;
    assert_eq!(watch.refresh(300).await.code(), Some(200));
    assert_eq!(watch.refresh(0).await.code(), Some(200));
    assert!(watch.ended(TIMER_B).await.starts_with("terminated"));
    at.hangs_up(&romeo).await;
}

/// Each change arrives, once and in its order, whatever became of its NOTIFY.
async fn notify(at: &Flow) {
    let romeo = at.member().await;
    let watch = Watch::start(romeo.ua.clone(), Watch::complete(romeo.call().request("SUBSCRIBE"))).await;
    watch.shows(&["Juliet", &at.nick()]).await;
    for user in ["nurse", "paris"] {
        let native = at.world.xmpp_in(&at.name, user).await;
        watch.shows(&["Juliet", &capital(user), &at.nick()]).await;
        native.leave(&at.muc(), &capital(user));
        watch.shows(&["Juliet", &at.nick()]).await;
    }
    let answer = romeo.leaves().await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    at.is_alone(Duration::from_secs(5)).await;
    assert!(watch.ended(TIMER_B).await.starts_with("terminated"));
}

/// The invitation is sent once, and its outcome told.
async fn refer(at: &Flow) {
    let romeo = at.member().await;
    let nurse = at.world.xmpp("nurse").await;
    let answer = romeo.refers("<xmpp:nurse@xmpp.test>").await;
    assert_eq!(answer.code(), Some(200), "{answer}");
    let id = answer.header("Call-ID").unwrap().to_owned();
    let is_told = move |m: &Message| m.method() == Some("NOTIFY") && m.header("Call-ID") == Some(&id);
    let told = romeo.ua.expect("the NOTIFY of the REFER", TIMER_B, is_told).await;
    assert_eq!(told.text(), "SIP/2.0 100 Trying\r\n");
    let muc = at.muc();
    let invitations = || {
        let all = nurse.received();
        all.iter()
            .filter(|e| {
                e.from() == muc && e.child("x", MUC_USER).is_some_and(|x| x.child("invite", MUC_USER).is_some())
            })
            .count()
    };
    until(|| invitations() > 0, TIMER_B, "an invitation").await;
    at.hangs_up(&romeo).await;
    assert_eq!(invitations(), 1);
}

/// The session goes on by what was offered once more.
async fn reinvite(at: &Flow) {
    let romeo = at.member().await;
    for text in ["once", "twice"] {
        let answer = at.offers_anew(&romeo).await;
        assert_eq!(answer.sdp("path"), romeo.answer().sdp("path"));
        at.talks(&romeo, text).await;
    }
    assert_eq!(at.entries(), 1);
    at.hangs_up(&romeo).await;
}

/// An offer that crosses another one is told so (RFC 3261 §14.2), and the call is none the worse.
async fn glare(at: &Flow) {
    let romeo = at.member().await;
    // The ACK of the call has to be there first.
    at.offers_anew(&romeo).await;
    romeo.ua.acknowledge(false);
    let first = at.offers_anew(&romeo).await;
    romeo.ua.acknowledge(true);
    let call = romeo.call();
    let crossing = call.reinvite(&romeo.offer).await;
    assert_eq!(crossing.code(), Some(491), "{crossing}");
    // An ACK is not answered: he sends it until an offer is taken again.
    let acknowledges = async {
        loop {
            call.ack(first.cseq().0);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        _ = at.offers_anew(&romeo) => {}
        () = acknowledges => {}
    }
    at.talks(&romeo, "Peace").await;
    at.hangs_up(&romeo).await;
}

/// The focus hangs up, while he does the same: each gets his answer.
async fn booted(at: &Flow) {
    let romeo = at.member().await;
    at.juliet.kick(&at.muc(), &at.nick(), "enough").await;
    romeo.ended(TIMER_B).await;
    at.is_alone(Duration::from_secs(5)).await;
    // Over, or as good as over: his answer may be lost.
    let late = romeo.leaves().await;
    assert!(matches!(late.code(), Some(200 | 481)), "{late}");
    let romeo = at.member().await;
    let (muc, nick) = (at.muc(), at.nick());
    let (crossing, ()) = tokio::join!(romeo.leaves(), at.juliet.kick(&muc, &nick, "enough"));
    assert!(matches!(crossing.code(), Some(200 | 481)), "{crossing}");
    at.is_alone(Duration::from_secs(5)).await;
}

/// Outside of a call and within.
async fn options(at: &Flow) {
    let outside = Ua::start(at.who()).await;
    assert_eq!(outside.request(Request::new("OPTIONS", &at.room())).await.code(), Some(200));
    drop(outside);
    let romeo = at.member().await;
    assert_eq!(romeo.ua.request(romeo.call().request("OPTIONS")).await.code(), Some(200));
    at.hangs_up(&romeo).await;
}

/// SIP-05, SIP-06, SIP-08, SIP-11.
#[on_both_servers]
async fn in_a_storm_every_flow_ends_as_under_a_clear_sky() {
    let world = Arc::new(world().await);
    let juliet = Arc::new(world.xmpp("juliet").await);
    let mut flows = JoinSet::new();
    for seed in seeds() {
        for flow in FLOWS {
            let name = format!("{flow}{seed}");
            juliet.join(&world.muc(&name), "Juliet").await;
            let at = Flow::new(&world, &juliet, name, seed).await;
            flows.spawn(async move {
                play(flow, &at).await;
                at.relay.tolls()
            });
        }
    }
    let (mut lost, mut failed) = (0, Vec::new());
    while let Some(flow) = flows.join_next().await {
        match flow {
            Ok(tolls) => lost += tolls.iter().map(|toll| toll.lost).sum::<usize>(),
            Err(error) => failed.push(error.to_string()),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(lost > FLOWS.len(), "only {lost} datagrams were lost");
    nothing_is_left(&world).await;
}

/// SIP-18: whatever is lost, the caller is told that it is over, and he never was there.
#[on_both_servers]
async fn in_a_storm_who_cancels_is_let_go() {
    let mut world = world().await;
    let juliet = world.xmpp("juliet").await;
    let names: Vec<String> = seeds().iter().map(|seed| format!("cancel{seed}")).collect();
    for name in &names {
        juliet.join(&world.muc(name), "Juliet").await;
    }
    world.server.freeze();
    let mut cancels = JoinSet::new();
    for (name, seed) in names.iter().zip(seeds()) {
        let relay = Relay::start(world.mucfocus.udp(), Sky::STORM, seed).await;
        let mut who = world.who(name, Transport::Udp);
        (who.peer, who.contact) = (relay.address(), Some(relay.outside()));
        let room = world.sip(name);
        cancels.spawn(async move {
            let _relay = relay;
            let ua = Ua::start(who).await;
            let invite = ua.begin(Request::invite(&room, &any_offer()));
            // RFC 3261 §9.1: not before he has heard something. Meanwhile the INVITE is sent again.
            let answered = invite.response(TIMER_B);
            let cancels = async {
                let is_trying = |m: &Message| m.code() == Some(100);
                ua.expect("100 Trying", TIMER_B, is_trying).await;
                // One that overtakes its INVITE is sent again, as its sender would.
                within(|| None::<()>, Duration::from_millis(700)).await;
                invite.cancel().await
            };
            let (answer, cancelled) = tokio::join!(answered, cancels);
            assert_eq!((answer.code(), cancelled.code()), (Some(487), Some(200)), "{answer}");
        });
    }
    while let Some(cancel) = cancels.join_next().await {
        cancel.unwrap();
    }
    world.server.thaw();
    nothing_is_left(&world).await;
    for name in &names {
        assert_eq!(juliet.nicks(&world.muc(name)), ["Juliet"]);
    }
}

async fn nothing_is_left(world: &World) {
    let deadline = tokio::time::Instant::now() + TIMER_B;
    loop {
        let numbers = Numbers::of(&world.mucfocus).await;
        let left: Vec<_> = ["mucfocus_legs", "mucfocus_subscriptions", "mucfocus_msrp_connections"]
            .into_iter()
            .filter(|what| numbers.get(what) != 0.0)
            .collect();
        if left.is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{left:?} are not 0\n{}", world.mucfocus.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!world.mucfocus.log().contains("panicked"), "{}", world.mucfocus.log());
}
