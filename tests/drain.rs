//! SIGTERM with many legs: everybody gets his BYE, nobody stays in a room, and what is new is sent elsewhere meanwhile. SIP-21;
//! design: no ghosts.
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
use mucfocus_rig::member::{Joining, any_offer};
use mucfocus_rig::sip::{Request, Transport};
use mucfocus_rig::{Kind, Member, SOON, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
/// As many as join within some twenty seconds on two busy cores. A thousand make no difference to what is promised.
const USERS: usize = 240;
const ROOMS: usize = 8;
/// How many dial at a time.
const AT_ONCE: usize = 10;
/// `timeouts.drain`: five seconds by default, and twice that where the machine has better things to do.
const DRAIN: Duration = Duration::from_secs(10);
/// For who is not answered.
const SHORT: Duration = Duration::from_secs(4);

const STRANGERS: &str =
    "[[accounts]]\nsip = \"sip:*@strangers.test\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n";

async fn enters(world: &World, n: usize) -> Member {
    // Every other one has his BYE by TCP.
    let transport = if n.is_multiple_of(2) { Transport::Udp } else { Transport::Tcp };
    let mut who = world.who(&format!("s{n}"), transport);
    who.domain = "strangers.test".into();
    let joining = Joining { transport, display: Some(format!("S{n}")), ..Joining::able() };
    Member::join(who, &world.sip(&format!("room{}", n % ROOMS)), joining).await
}

/// Everybody is told at once, and the process does not wait for its deadline.
#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_get_their_bye_and_leave_their_rooms_within_the_time_for_it() {
    let mut world = World::with(BINARY, |s| {
        s.accounts = STRANGERS.into();
        s.log = "info".into();
        s.timeouts = format!("drain = \"{}s\"\n", DRAIN.as_secs());
    })
    .await;
    let juliet = world.xmpp("juliet").await;
    let rooms: Vec<String> = (0..ROOMS).map(|n| world.muc(&format!("room{n}"))).collect();
    for room in &rooms {
        juliet.join(room, "Juliet").await;
    }
    let mut members = Vec::new();
    for from in (0..USERS).step_by(AT_ONCE) {
        members.extend(join_all((from..USERS.min(from + AT_ONCE)).map(|n| enters(&world, n))).await);
    }
    let mut lists = Vec::new();
    for member in members.iter().skip(1).step_by(2) {
        lists.push(member.watches().await);
    }
    let are_in = || rooms.iter().map(|room| juliet.nicks(room).len()).sum::<usize>();
    until(|| are_in() == USERS + ROOMS, SOON, "all in their rooms").await;

    let told = Instant::now();
    world.mucfocus.terminate();
    let byes = join_all(members.iter().map(|member| member.ended(DRAIN + SOON))).await;
    let said = told.elapsed();
    assert!(byes.iter().all(|bye| bye.header("Reason").is_some()));
    for list in &lists {
        assert!(list.ended(SOON).await.starts_with("terminated"));
    }
    let status = world.mucfocus.end(DRAIN + SOON).await;
    let ended = told.elapsed();
    until(|| are_in() == ROOMS, SOON, "nobody in their rooms").await;
    println!("{USERS} legs: the last BYE after {said:?}, the end after {ended:?}");
    assert_eq!(status.code(), Some(0), "{}", world.mucfocus.log());
    assert!(ended < DRAIN, "{ended:?}");
    assert!(!world.mucfocus.log().contains("did not answer their BYE"), "all of them did");
}

/// SIP-21: as long as one caller is waited for, the others are told to go elsewhere.
#[tokio::test]
async fn who_calls_while_somebody_does_not_answer_his_bye_is_sent_elsewhere() {
    let mut world = World::with(BINARY, |s| {
        s.server = Kind::Prosody;
        s.timeouts = format!("drain = \"{}s\"\n", SHORT.as_secs());
    })
    .await;
    let romeo = world.member("capulet", "romeo").await;
    let tybalt = world.ua("tybalt", Transport::Udp).await;
    let room = world.sip("capulet");
    let options = || tybalt.request(Request::new("OPTIONS", &room));
    assert_eq!(options().await.code(), Some(200));
    romeo.ua.answer(false);
    let told = Instant::now();
    world.mucfocus.terminate();
    until(|| romeo.ua.find(|m| m.method() == Some("BYE")).is_some(), SOON, "the BYE").await;
    let refused = tybalt.try_call(Request::invite(&room, &any_offer())).await.err().unwrap();
    for answer in [options().await, refused] {
        assert_eq!(answer.code(), Some(503), "{answer}");
        assert!(answer.header("Retry-After").is_some(), "{answer}");
    }
    assert!(world.mucfocus.alive());
    let status = world.mucfocus.end(SHORT + SOON).await;
    assert_eq!(status.code(), Some(0), "{}", world.mucfocus.log());
    assert!(told.elapsed() < SHORT + Duration::from_secs(2), "{:?}", told.elapsed());
}
