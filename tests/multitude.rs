//! Two hundred people in one room: at rest every list is the MUC's. EV-18, GC-PRES-12, -13, CI-28; design: at rest, the
//! users in conference-info are the occupants that the MUC shows us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::member::Joining;
use mucfocus_rig::roster::Watch;
use mucfocus_rig::sip::Transport;
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Member, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
/// With Juliet as many as ejabberd lets into a room by itself.
const USERS: usize = 199;
/// Those who watch.
const WATCHERS: usize = 5;
/// How many dial at a time.
const AT_ONCE: usize = 10;
const TIME: Duration = Duration::from_secs(60);

const STRANGERS: &str =
    "[[accounts]]\nsip = \"sip:*@strangers.test\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n";

async fn enters(world: &World, n: usize) -> Member {
    // What a watcher is sent in a room of this size does not fit into a datagram.
    let transport = if n < WATCHERS { Transport::Tcp } else { Transport::Udp };
    let mut who = world.who(&format!("s{n}"), transport);
    who.domain = "strangers.test".into();
    let joining = Joining { transport, display: Some(format!("S{n}")), ..Joining::able() };
    Member::join(who, &world.sip("capulet"), joining).await
}

/// Waits until the MUC shows that many, then until every list shows the same.
async fn all_agree(lists: &[Watch], juliet: &Client, muc: &str, count: usize) {
    until(|| juliet.nicks(muc).len() == count, TIME, format!("{count} in the room")).await;
    let nicks = juliet.nicks(muc);
    for list in lists {
        list.shows(&nicks.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
}

#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_enter_and_leave_and_every_list_is_the_room_s() {
    let world = World::with(BINARY, |s| {
        s.accounts = STRANGERS.into();
        s.log = "info".into();
    })
    .await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let (mut members, mut lists) = (Vec::new(), Vec::new());
    for n in 0..WATCHERS {
        let member = enters(&world, n).await;
        lists.push(member.watches().await);
        members.push(member);
    }
    for from in (WATCHERS..USERS).step_by(AT_ONCE) {
        let some = (from..USERS.min(from + AT_ONCE)).map(|n| enters(&world, n));
        members.extend(futures_util::future::join_all(some).await);
    }
    all_agree(&lists, &juliet, &muc, USERS + 1).await;

    // Half of them go, some by hanging up and some without a word.
    let gone: Vec<Member> = members.drain(USERS / 2..).collect();
    for (n, member) in gone.iter().enumerate() {
        if n % 2 == 0 {
            member.leaves().await;
        } else {
            member.msrp.cut();
        }
    }
    all_agree(&lists, &juliet, &muc, USERS / 2 + 1).await;

    // The first one is whom the room is seen by; with him goes everybody who does not watch.
    lists.remove(0);
    let others: Vec<Member> = members.drain(WATCHERS..).collect();
    for member in others.iter().chain([&members[0]]) {
        member.leaves().await;
    }
    all_agree(&lists, &juliet, &muc, WATCHERS).await;
    assert_eq!(members[1].says("quiet again").await.code(), Some(200));
}
