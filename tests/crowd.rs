//! Ten SIP users and one XMPP user, a thousand messages: every one arrives once, in the MUC's order, at everybody.
//! SW-05, GC-MSG-11; design: no silent loss, at most once, the MUC's order is every leg's order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::msrp::Send;
use mucfocus_rig::{Member, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
const USERS: usize = 10;
const EACH: usize = 90;
/// Messages of one user that are under way at a time.
const WINDOW: usize = 5;
const TIME: Duration = Duration::from_secs(60);

#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_arrive_once_and_in_the_order_of_the_room() {
    let world = World::start(BINARY).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let mut members = Vec::new();
    for n in 0..USERS {
        members.push(world.member("capulet", &format!("u{n}")).await);
    }
    until(|| juliet.nicks(&muc).len() == USERS + 1, TIME, "all in the room").await;

    let talks = members.iter().enumerate().map(|(n, member)| talk(n, member));
    let juliets = async {
        for k in 0..USERS * 10 {
            juliet.say(&muc, &format!("juliet {k}"));
            if k % WINDOW == 0 {
                juliet.hears(&muc, &format!("juliet {k}")).await;
            }
        }
    };
    tokio::join!(futures(talks), juliets);

    let total = USERS * EACH + USERS * 10;
    assert_eq!(total, 1_000);
    until(|| juliet.heard(&muc).len() >= total, TIME, "all at Juliet").await;
    let order: Vec<String> = juliet.heard(&muc).into_iter().map(|(_, text)| text).collect();
    let mut distinct = order.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((order.len(), distinct.len()), (total, total), "once each");
    for (n, member) in members.iter().enumerate() {
        let own = format!("u{n} ");
        let expected: Vec<&String> = order.iter().filter(|t| !t.starts_with(&own)).collect();
        until(|| member.msrp.texts().len() >= expected.len(), TIME, format!("all at u{n}")).await;
        let came = member.msrp.texts();
        let first = came.iter().zip(&expected).position(|(a, b)| a != *b);
        assert_eq!((came.len(), first), (expected.len(), None), "order at u{n} from {first:?} on");
    }
}

/// Says ninety things, at most five of them unanswered.
async fn talk(n: usize, member: &Member) {
    let mut open = Vec::new();
    for k in 0..EACH {
        open.push(member.msrp.send(Send::cpim(&member.to_room(&format!("u{n} {k}")))));
        if open.len() == WINDOW {
            for id in open.drain(..) {
                let response = member.msrp.response_within(&id, TIME).await;
                assert_eq!(response.code(), Some(200), "{response}");
            }
        }
    }
}

async fn futures(all: impl Iterator<Item = impl Future<Output = ()>>) {
    futures_util::future::join_all(all).await;
}

/// The server stands still in the middle of it for a moment: nothing is lost, nothing comes twice.
#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_the_server_costs_no_message() {
    let mut world = World::with(BINARY, |s| s.timeouts = "reflection = \"20s\"\n".into()).await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let (romeo, tybalt) = (world.member("capulet", "romeo").await, world.member("capulet", "tybalt").await);
    let mut ids = Vec::new();
    for k in 0..8 {
        ids.push(romeo.msrp.send(Send::cpim(&romeo.to_room(&format!("n {k}")))));
        if k == 3 {
            world.server.freeze();
        }
    }
    assert!(!romeo.msrp.silent_for(TIME / 60).await || ids.iter().any(|id| romeo.msrp.responded(id).is_none()));
    world.server.thaw();
    for id in &ids {
        assert_eq!(romeo.msrp.response(id).await.code(), Some(200));
    }
    let wanted: Vec<String> = (0..8).map(|k| format!("n {k}")).collect();
    tybalt.hears("n 7").await;
    juliet.hears(&muc, "n 7").await;
    assert_eq!(tybalt.msrp.texts(), wanted);
    assert_eq!(juliet.heard(&muc).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), wanted);
}

/// One who does not read is ended with a reason and holds up nobody.
#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_does_not_read_does_not_hold_up_the_others() {
    let world = World::start(BINARY).await;
    let (romeo, tybalt) = (world.member("capulet", "romeo").await, world.member("capulet", "tybalt").await);
    let deaf = world.member("capulet", "paris").await;
    deaf.msrp.read(false);
    let long = "x".repeat(20_000);
    for k in 0..300 {
        assert_eq!(romeo.says(&format!("{k} {long}")).await.code(), Some(200), "message {k}");
    }
    until(|| tybalt.msrp.texts().len() == 300, TIME, "all at Tybalt").await;
    deaf.ended(TIME * 2).await;
    assert!(world.mucfocus.memory() < 256 * 1024 * 1024);
}
