//! What a room of thirty SIP users costs, counted: each message is parsed and rendered once, and of who comes and goes one of them
//! is told. SW-05, GC-PRES-16.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::gauge::Numbers;
use mucfocus_rig::member::Joining;
use mucfocus_rig::sip::Transport;
use mucfocus_rig::{Member, World, on_both_servers, until};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
const USERS: u32 = 30;
const MESSAGES: u32 = 200;
/// How often somebody comes and goes.
const VISITS: u32 = 20;
/// More than this, for each message or presence, and something is done for each leg that should be done once.
const ONCE: f64 = 1.1;
const TIME: Duration = Duration::from_secs(60);

const ACCOUNTS: &str = "[[accounts]]\nsip = \"sip:*@strangers.test\"\njid = \"anon.xmpp.test\"\nlogin = \"anonymous\"\n\
                        [http]\nlisten = \"127.0.0.1:0\"\n";

async fn enters(world: &World, n: u32) -> Member {
    let mut who = world.who(&format!("s{n}"), Transport::Udp);
    who.domain = "strangers.test".into();
    Member::join(who, &world.sip("capulet"), Joining { display: Some(format!("S{n}")), ..Joining::able() }).await
}

fn stanzas(numbers: &Numbers, kind: &str, fate: &str) -> f64 {
    numbers.get(&format!("mucfocus_xmpp_stanzas_total{{kind=\"{kind}\",fate=\"{fate}\"}}"))
}

#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn what_thirty_hear_is_parsed_and_rendered_once_and_what_they_see_is_seen_by_one() {
    let world = World::with(BINARY, |s| {
        s.accounts = ACCOUNTS.into();
        s.log = "info".into();
    })
    .await;
    let muc = world.muc("capulet");
    let juliet = world.xmpp_in("capulet", "juliet").await;
    let mut members = Vec::new();
    for n in 0..USERS {
        members.push(enters(&world, n).await);
    }
    let list = members[1].watches().await;
    until(|| juliet.nicks(&muc).len() == members.len() + 1, TIME, "all in the room").await;

    let before = Numbers::of(&world.mucfocus).await;
    for n in 0..MESSAGES / 2 {
        juliet.say(&muc, &format!("juliet {n}"));
        let speaker = &members[usize::try_from(n).unwrap() % members.len()];
        assert_eq!(speaker.says(&format!("own {n}")).await.code(), Some(200));
    }
    for member in &members {
        let of_juliet = || member.msrp.texts().iter().filter(|text| text.starts_with("juliet")).count();
        until(|| of_juliet() == 100, TIME, "all of Juliet's at everybody").await;
    }
    let after = Numbers::of(&world.mucfocus).await;
    let count = |series: &str| after.get(series) - before.get(series);
    let each =
        |kind: &str, fate: &str| (stanzas(&after, kind, fate) - stanzas(&before, kind, fate)) / f64::from(MESSAGES);
    let (parsed, recalled) = (each("message", "parsed"), each("message", "recalled"));
    let rendered = count("mucfocus_messages_rendered_total{way=\"made\"}") / f64::from(MESSAGES);
    assert!(parsed <= ONCE, "{parsed} parses for each message");
    assert!(rendered <= ONCE, "{rendered} renderings for each message");
    assert!(parsed + recalled >= f64::from(USERS) - 0.5, "{} copies of each message", parsed + recalled);

    let before = after;
    let nurse = world.xmpp("nurse").await;
    for _ in 0..VISITS {
        nurse.join(&muc, "Nurse").await;
        juliet.sees(&muc, "Nurse").await;
        nurse.leave(&muc, "Nurse");
        juliet.sees_leave(&muc, "Nurse", TIME).await.expect("she leaves");
    }
    nurse.join(&muc, "Nurse").await;
    let nicks: Vec<String> =
        juliet.nicks(&muc).into_iter().filter(|nick| nick != "Nurse").chain(["Nurse".into()]).collect();
    list.shows(&nicks.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let after = Numbers::of(&world.mucfocus).await;
    let each = |fate: &str| {
        (stanzas(&after, "presence", fate) - stanzas(&before, "presence", fate)) / f64::from(2 * VISITS + 1)
    };
    let (parsed, left) = (each("parsed"), each("left"));
    assert!(parsed <= ONCE, "{parsed} parses for each presence");
    assert!(left >= f64::from(USERS - 1) * 0.95, "{left} copies left for each presence");
}
