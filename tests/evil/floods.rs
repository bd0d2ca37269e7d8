//! Too much of what is allowed, from somebody with an account.

use std::sync::Arc;
use std::time::Duration;

use mucfocus_rig::evil::{Draft, Enemy, Manners, Wire};
use mucfocus_rig::msrp::Cpim;
use mucfocus_rig::{SOON, until};

use crate::verona::{ROOM, Verona};

/// What may be said within a round and shortly after it: 20 a second, and as much at once.
const SAID: usize = 150;
/// Lines of the log that an attack of three rounds may cause.
const LINES: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_of_one_client_is_kept_from_the_others() {
    let verona = Verona::start().await;
    let lines = || verona.world.mucfocus.log().lines().count();
    let begun = lines();
    verona.suffers("a flood of messages", a_flood_of_messages).await;
    verona.suffers("a flood from ten legs of one user", a_flood_from_ten_legs).await;
    verona.suffers("a flood of nicknames", a_flood_of_nicknames).await;
    verona.suffers("a flood of typing notices", a_flood_of_typing).await;
    verona.suffers("a flood of private messages to nobody", a_flood_to_nobody).await;
    verona.suffers("a flood of what nobody takes", a_flood_of_what_nobody_takes).await;
    verona.suffers("a flood of keep-alives", a_flood_of_keep_alives).await;
    verona.suffers("a flood of questions whose answers are hardly read", a_flood_of_questions).await;
    let lines = lines() - begun;
    assert!(lines < 8 * LINES, "{lines} lines of log");
    verona.ends("floods").await;
}

/// `messages_per_user`: he waits for his turn, or is told that it will not come in time.
async fn a_flood_of_messages(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let before = said_by(verona, "flood");
    wire_all(&wire, (0..400).map(|n| tybalt.send(&tybalt.to_room(&format!("flood {n}"))))).await;
    let said = said_by(verona, "flood") - before;
    assert!(said <= SAID, "{said} of 400 let through");
    tybalt.leaves().await;
}

/// `messages_per_user` is of the user, not of his devices.
async fn a_flood_from_ten_legs(verona: &Verona) {
    let (first, wire) = verona.connected("tybalt").await;
    let before = said_by(verona, "flood");
    let mut all = vec![(first, wire)];
    for _ in 1..10 {
        let enemy = Enemy::enter_by(Arc::clone(&all[0].0.ua), &all[0].0.room).await;
        let wire = enemy.connect(Manners::default()).await;
        all.push((enemy, wire));
    }
    for (enemy, wire) in &all {
        wire_all(wire, (0..60).map(|n| enemy.send(&enemy.to_room(&format!("flood {n}"))))).await;
    }
    for (enemy, _) in &all {
        enemy.leaves().await;
    }
    let said = said_by(verona, "flood") - before;
    assert!(said <= SAID, "{said} of 600 let through");
}

/// SW-23, SW-28: every one is answered, and the room is told of few.
async fn a_flood_of_nicknames(verona: &Verona) {
    const COUNT: usize = 500;
    let (tybalt, wire) = verona.connected("tybalt").await;
    let wish = |n: usize| tybalt.draft("NICKNAME").header("Use-Nickname", &format!("\"Fool {n}\""));
    wire_all(&wire, (0..COUNT).map(wish)).await;
    let answers = || ["200", "403", "408", "425"].iter().map(|code| wire.count(code)).sum::<usize>();
    until(|| answers() > COUNT, SOON, format!("{COUNT} answers to NICKNAME; {} came", answers())).await;
    assert!(wire.count("200") < 30, "{} changes of nickname", wire.count("200") - 1);
    tybalt.leaves().await;
}

/// SW-40: who types and stops a thousand times has typed once or twice as far as the room is concerned.
async fn a_flood_of_typing(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let before = verona.juliet.received().len();
    let typing = |n: usize| {
        let state = ["active", "idle"][n % 2];
        let content = format!(
            "<?xml version=\"1.0\"?><isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>{state}</state>\
             </isComposing>"
        );
        let cpim = Cpim::text(tybalt.ua.aor(), &tybalt.room, &content).of_type("application/im-iscomposing+xml");
        tybalt.send(&cpim)
    };
    wire_all(&wire, (0..1_000).map(typing)).await;
    wire.counts("200", 1_001).await;
    let heard = verona.juliet.received().split_off(before);
    let notices = heard.iter().filter(|e| e.kind() == "groupchat" && e.body().is_none()).count();
    assert!(notices < 50, "{notices} typing notices of a thousand let through");
    tybalt.leaves().await;
}

/// SW-14.
async fn a_flood_to_nobody(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let nobody = format!("{};gr=Nobody", tybalt.room);
    wire_all(&wire, (0..500).map(|_| tybalt.send(&Cpim::text(tybalt.ua.aor(), &nobody, "psst")))).await;
    wire.counts("404", 500).await;
    tybalt.leaves().await;
}

/// SW-01.
async fn a_flood_of_what_nobody_takes(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let odd = |n: usize| tybalt.draft("SEND").header("Message-ID", &format!("{n:08}")).body("application/x-odd", "x");
    wire_all(&wire, (0..1_000).map(odd)).await;
    wire.counts("415", 1_000).await;
    tybalt.leaves().await;
}

/// MS-CONN-01: a SEND without a body says nothing and is answered all the same.
async fn a_flood_of_keep_alives(verona: &Verona) {
    const COUNT: usize = 5_000;
    let (tybalt, wire) = verona.connected("tybalt").await;
    wire_all(&wire, (0..COUNT).map(|_| tybalt.draft("SEND").header("Message-ID", "alive"))).await;
    wire.counts("200", COUNT + 1).await;
    tybalt.leaves().await;
}

/// He asks ten times faster than he reads the answers, and has to wait; he gets every one.
async fn a_flood_of_questions(verona: &Verona) {
    const COUNT: usize = 20_000;
    let tybalt = verona.enemy("tybalt").await;
    let wire = tybalt.connect(Manners { sips: Some((4096, Duration::from_millis(1))), ..Manners::default() }).await;
    let question = tybalt.draft("SEND").header("Message-ID", "alive").bytes();
    for _ in 0..COUNT / 100 {
        assert!(wire.write(question.repeat(100)).await);
    }
    wire.counts("200", COUNT + 1).await;
    tybalt.leaves().await;
}

async fn wire_all(wire: &Wire, drafts: impl Iterator<Item = Draft>) {
    let bytes: Vec<Vec<u8>> = drafts.map(|draft| draft.bytes()).collect();
    for some in bytes.chunks(50) {
        assert!(wire.write(some.concat()).await);
    }
}

fn said_by(verona: &Verona, word: &str) -> usize {
    verona.juliet.heard(&verona.world.muc(ROOM)).iter().filter(|(_, text)| text.starts_with(word)).count()
}
