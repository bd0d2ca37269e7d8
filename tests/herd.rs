//! Two hundred SIP users in some rooms, whose XMPP server is started again with the limits that it comes with: all are back
//! soon, once each, and the server has nothing to complain about. XM-18, CI-15, SIP-21.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test, which says how long it took"
)]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mucfocus_rig::member::Joining;
use mucfocus_rig::roster::{NEWS, Watch};
use mucfocus_rig::sip::Transport;
use mucfocus_rig::{Member, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
const USERS: usize = 200;
const ROOMS: usize = 5;
/// How many dial at a time.
const AT_ONCE: usize = 10;
/// Until all are back, on a machine that has better things to do. At 20 logins a second, which is the default, ten seconds are
/// for taking turns.
const BACK: Duration = Duration::from_secs(45);
/// How long somebody waits who calls while they come back.
const CALL: Duration = Duration::from_secs(5);

fn room_of(n: usize) -> String {
    format!("room{}", n % ROOMS)
}

/// The first of each room watches, and what he is sent does not fit into a datagram.
async fn enters(world: &World, n: usize) -> Member {
    let transport = if n < ROOMS { Transport::Tcp } else { Transport::Udp };
    world.member_with(&room_of(n), &format!("u{n}"), Joining { transport, ..Joining::able() }).await
}

/// Lines of the server's log that speak of limits.
fn complaints(log: &str) -> Vec<&str> {
    let words = ["limit", "throttl", "shaper", "policy-violation", "resource-constraint", "Too many", "too many"];
    log.lines().filter(|line| words.iter().any(|word| line.contains(word)) && !line.contains("Loaded")).collect()
}

fn lines(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

/// One of each room speaks, and everybody else of his room hears it.
async fn all_hear(members: &[Member], text: &str) {
    let speakers = join_all(members[..ROOMS].iter().map(|member| member.says(text))).await;
    assert!(speakers.iter().all(|response| response.code() == Some(200)), "{speakers:?}");
    join_all(members[ROOMS..].iter().map(|member| member.hears(text))).await;
}

#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_are_back_soon_after_their_server() {
    let mut world = World::with(BINARY, |s| {
        s.crowd = USERS;
        s.stock_limits = true;
        s.log = "info".into();
        s.limits = "requests_per_source = \"off\"\nconnections_per_source = \"off\"\n".into();
        s.timeouts = "reflection = \"20s\"\n".into();
    })
    .await;
    let mut members = Vec::new();
    for from in (0..USERS).step_by(AT_ONCE) {
        members.extend(join_all((from..USERS.min(from + AT_ONCE)).map(|n| enters(&world, n))).await);
    }
    let mut lists: Vec<Watch> = Vec::new();
    for member in &members[..ROOMS] {
        lists.push(member.watches().await);
    }
    all_hear(&members, "before the storm").await;

    world.server.kill();
    join_all(lists.iter().map(|list| list.until("out of reach", |r| r.active == Some(false)))).await;
    world.server.restart().await;
    let started = Instant::now();
    let newcomer = world.member("room0", "nurse").await;
    let answered = started.elapsed();
    let is_back = |n: usize| {
        let here = USERS / ROOMS + usize::from(n == 0);
        let list = &lists[n];
        move || list.roster().is_some_and(|r| r.active == Some(true) && r.users.len() == here)
    };
    for n in 0..ROOMS {
        until(is_back(n), BACK, format!("all back in room {n}")).await;
    }
    let back = started.elapsed();
    all_hear(&members, "after the storm").await;
    newcomer.hears("after the storm").await;
    println!("{USERS} legs: all back after {back:?}; who called meanwhile was in after {answered:?}");
    assert!(back < BACK && answered < CALL, "{back:?}, {answered:?}");

    // What the MUC shows is who they are, and nobody has heard anything twice.
    let juliet = world.xmpp("juliet").await;
    for (n, list) in lists.iter().enumerate() {
        let muc = world.muc(&room_of(n));
        juliet.join(&muc, "Juliet").await;
        let nicks = juliet.nicks(&muc);
        list.shows(&nicks.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(nicks.len(), USERS / ROOMS + 1 + usize::from(n == 0), "{nicks:?}");
    }
    for member in &members[ROOMS..] {
        let texts = member.msrp.texts();
        for text in ["before the storm", "after the storm"] {
            assert_eq!(texts.iter().filter(|heard| *heard == text).count(), 1, "{texts:?}");
        }
        assert!(!member.call().has_ended());
    }

    let log = world.mucfocus.log();
    assert_eq!(lines(&log, "an XMPP server cannot be reached"), 1);
    assert_eq!(lines(&log, "an XMPP server can be reached again"), 1);
    assert_eq!(lines(&log, "WARN"), 1, "{log}");
    let log = world.server.log_tail(usize::MAX);
    assert_eq!(complaints(&log), Vec::<&str>::new());
    tokio::time::timeout(NEWS, join_all(members.iter().map(Member::leaves))).await.unwrap();
}
