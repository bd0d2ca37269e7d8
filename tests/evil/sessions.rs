//! Which session is whose: wrong ids, the ids of others, too many of them, and paths that lead in circles.

use std::sync::Arc;
use std::time::Duration;

use mucfocus_rig::SOON;
use mucfocus_rig::evil::{Draft, Enemy, Manners, Wire};
use mucfocus_rig::member::offer;
use mucfocus_rig::msrp::{Cpim, own_uri};
use mucfocus_rig::sip::{Request, Transport};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::verona::{ROOM, Verona};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_at_the_session_of_another() {
    let verona = Verona::start().await;
    verona.suffers("sessions that do not exist", sessions_that_do_not_exist).await;
    verona.suffers("the session of another", the_session_of_another).await;
    verona.suffers("the right session under a wrong path", the_right_session_under_a_wrong_path).await;
    verona.suffers("a race for one session", a_race_for_one_session).await;
    verona.suffers("forty sessions on one connection", forty_sessions_on_one_connection).await;
    verona.suffers("ten thousand names on one connection", ten_thousand_names_on_one_connection).await;
    verona.suffers("one Message-ID for different messages", one_message_id_for_all).await;
    verona.suffers("two legs that face each other", two_legs_that_face_each_other).await;
    verona.suffers("calls that name a third party", calls_that_name_a_third_party).await;
    verona.ends("wrong sessions").await;
}

/// MS-CONN-03.
async fn sessions_that_do_not_exist(verona: &Verona) {
    const COUNT: usize = 1_000;
    let before = verona.numbers().await;
    let wire = Wire::with(verona.msrp(), Manners::stranger()).await;
    for round in 1..=COUNT / 50 {
        let some: Vec<u8> = (0..50).flat_map(|_| invented(verona, "SEND").header("Message-ID", "x").bytes()).collect();
        assert!(wire.write(&some).await);
        wire.counts("481", 50 * round).await;
    }
    verona.counted(&before, "unknown-session", COUNT).await;
    // Neither of these may be answered.
    for draft in [invented(verona, "REPORT"), invented(verona, "SEND").header("Failure-Report", "no")] {
        assert!(wire.write(draft.bytes()).await);
    }
    assert!(wire.write(invented(verona, "SEND").id("last1234").bytes()).await);
    wire.response("last1234").await;
    assert_eq!(wire.frames(), COUNT + 1);
}

/// MS-CONN-04, SW-02: with the id alone nobody speaks or hears as Romeo.
async fn the_session_of_another(verona: &Verona) {
    let before = verona.numbers().await;
    let romeo = &verona.trickle.members()[0];
    let as_romeo = Cpim::text(romeo.aor(), &romeo.room, "spoken as Romeo");
    let body = as_romeo.bytes();
    let (tybalt, own) = verona.connected("tybalt").await;
    let stranger = Wire::with(verona.msrp(), Manners::stranger()).await;
    for wire in [&own, &stranger] {
        for (from, method) in [(romeo.msrp.local(), "SEND"), (&tybalt.local, "SEND"), (romeo.msrp.local(), "NICKNAME")]
        {
            let mut draft = Draft::new(method, romeo.msrp.remote(), from).header("Message-ID", "mine");
            draft = match method {
                "NICKNAME" => draft.header("Use-Nickname", "\"Fool\""),
                _ => draft.header("Byte-Range", &format!("1-{0}/{0}", body.len())).body("message/cpim", body.clone()),
            };
            assert!(wire.write(draft.bytes()).await);
            assert_eq!(wire.response(&draft.id).await, 506, "{method} from {from}");
        }
        // Responses and REPORTs to what Romeo was sent are his own.
        for start in ["481 Gone", "REPORT"] {
            let draft = Draft::new(start, romeo.msrp.remote(), romeo.msrp.local());
            assert!(wire.write(draft.header("Message-ID", "x").header("Status", "000 481").bytes()).await);
        }
    }
    // On his own session he may not speak as Romeo either.
    let forged = tybalt.send(&as_romeo);
    assert!(own.write(forged.bytes()).await);
    assert_eq!(own.response(&forged.id).await, 403);
    verona.counted(&before, "session-taken", 6).await;
    let heard = verona.juliet.heard(&verona.world.muc(ROOM));
    assert!(!heard.iter().any(|(_, text)| text == "spoken as Romeo"));
    tybalt.leaves().await;
}

/// MS-CONN-06, MS-CONN-12: the id names the session, whatever stands around it; with another URI behind it the request is for
/// somebody else.
async fn the_right_session_under_a_wrong_path(verona: &Verona) {
    let before = verona.numbers().await;
    let romeo = verona.trickle.members()[0].msrp.remote().to_owned();
    let (tybalt, wire) = verona.connected("tybalt").await;
    let elsewhere = tybalt.remote.replace("127.0.0.1", "192.0.2.1");
    let draft = tybalt.draft("SEND").to(&elsewhere).header("Message-ID", "x");
    assert!(wire.write(draft.bytes()).await);
    assert_eq!(wire.response(&draft.id).await, 200);
    for path in [format!("{romeo} {}", tybalt.remote), format!("{elsewhere} {}", tybalt.remote)] {
        let draft = tybalt.draft("SEND").to(&path).header("Message-ID", "x");
        assert!(wire.write(draft.bytes()).await);
        assert_eq!(wire.response(&draft.id).await, 481, "{path}");
    }
    verona.counted(&before, "not-for-us", 2).await;
    // Somebody else's From-Path leads no answer to him: it comes where the request came from.
    let draft = tybalt.draft("SEND").from(verona.trickle.members()[0].msrp.local()).header("Message-ID", "x");
    assert!(wire.write(draft.bytes()).await);
    assert_eq!(wire.response(&draft.id).await, 200);
    tybalt.leaves().await;
}

/// MS-CONN-02, -04: of those who come at the same time one gets it.
async fn a_race_for_one_session(verona: &Verona) {
    let tybalt = verona.enemy("tybalt").await;
    let mut wires = Vec::new();
    for _ in 0..20 {
        wires.push(Wire::connect(verona.msrp()).await);
    }
    let hello = tybalt.draft("SEND").header("Message-ID", "x");
    futures_util::future::join_all(wires.iter().map(|wire| wire.write(hello.bytes()))).await;
    let answers = futures_util::future::join_all(wires.iter().map(|wire| wire.response(&hello.id))).await;
    assert_eq!(answers.iter().filter(|code| **code == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|code| **code == 506).count(), 19, "{answers:?}");
    tybalt.leaves().await;
}

/// MS-CONN-02, -08, -09: a connection may serve many sessions, and takes all of them along.
async fn forty_sessions_on_one_connection(verona: &Verona) {
    let first = verona.enemy("tybalt").await;
    let wire = Wire::connect(verona.msrp()).await;
    let mut all = vec![first];
    for _ in 1..40 {
        let ua = Arc::clone(&all[0].ua);
        all.push(Enemy::enter_by(ua, &all[0].room).await);
    }
    for enemy in &all {
        enemy.bind(&wire, true).await;
    }
    let words: Vec<u8> = all.iter().flat_map(|e| e.draft("NICKNAME").header("Use-Nickname", "\"T\"").bytes()).collect();
    assert!(wire.write(words).await);
    drop(wire);
    for enemy in all {
        verona.falls(enemy, "MSRP lost");
    }
}

/// MS-CONN-03, -10: a name that is none takes no place.
async fn ten_thousand_names_on_one_connection(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    for _ in 0..100 {
        let some: Vec<u8> = (0..100).flat_map(|_| invented(verona, "SEND").header("Message-ID", "x").bytes()).collect();
        assert!(wire.write(&some).await);
    }
    let still = tybalt.draft("SEND").header("Message-ID", "still");
    assert!(wire.write(still.bytes()).await);
    assert_eq!(wire.response(&still.id).await, 200);
    tybalt.leaves().await;
}

/// MS-SEND-01, GC-MSG-13: it is the sender's own loss, if anybody's. Everything is answered.
async fn one_message_id_for_all(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let messages: Vec<Draft> = (0..12)
        .map(|n| {
            let body = tybalt.to_room(&format!("the {n}th of one name")).bytes();
            tybalt.chunk("same", &format!("1-{0}/{0}", body.len()), body)
        })
        .collect();
    for message in &messages {
        assert!(wire.write(message.bytes()).await);
    }
    for message in &messages {
        let code = wire.response(&message.id).await;
        assert!(code == 200 || (400..500).contains(&code), "{code}");
    }
    tybalt.leaves().await;
}

/// SW-02, MS-RSP-07: a leg of whom we are told that he is to be reached at our own address, under the name of another leg, hears
/// the room and says it back into it. It says it as others, so nothing of it is let in.
async fn two_legs_that_face_each_other(verona: &Verona) {
    let tybalt = verona.enemy("tybalt").await;
    let paris = verona.world.ua("paris", Transport::Udp).await;
    match paris.try_call(Request::invite(&tybalt.room, &passive_at(&tybalt.remote))).await {
        Ok(call) => {
            sleep(Duration::from_millis(400)).await;
            if !call.has_ended() {
                call.bye().await;
            }
        }
        Err(refused) => assert!(matches!(refused.code(), Some(400..500)), "{refused}"),
    }
    tybalt.leaves().await;
}

/// GC-EXIT-04, MS-CONN-07, MS-CONN-11: who never asked for MSRP gets one SEND for each call, in which nobody says anything, whatever
/// is said in the room, and no more connections than calls; and the calls end when nothing of MSRP comes back. `lost_leg` is two
/// seconds here.
async fn calls_that_name_a_third_party(verona: &Verona) {
    const CALLS: usize = 5;
    let third = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = third.local_addr().unwrap().port();
    let paris = verona.world.ua("paris", Transport::Udp).await;
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let offer = passive_at(&own_uri(port));
        calls.push(paris.call(Request::invite(&verona.world.sip(ROOM), &offer)).await);
    }
    for call in &calls {
        call.ended(SOON).await;
    }
    let (mut connections, mut came) = (0, String::new());
    while let Ok(Ok((stream, _))) = timeout(Duration::from_millis(100), third.accept()).await {
        connections += 1;
        let mut octets = vec![0; 1_000_000];
        let length = stream.try_read(&mut octets).unwrap();
        came.push_str(&String::from_utf8_lossy(&octets[..length]));
    }
    assert!((1..=CALLS).contains(&connections), "{connections} connections to somebody who never answered");
    assert!(came.len() < CALLS * 1_000, "{} octets to somebody who never asked for any", came.len());
    assert_eq!(came.matches("MSRP ").count(), CALLS, "{came}");
    assert!(!came.contains("sentence") && !came.contains("Content-Type"), "{came}");
}

/// An offer of somebody who waits to be connected to at `uri`.
fn passive_at(uri: &str) -> String {
    let offer = offer(&own_uri(9), "passive");
    let path = offer.lines().find_map(|l| l.strip_prefix("a=path:")).unwrap().to_owned();
    let port = uri.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap();
    offer.replace(&path, uri).replace("m=message 9 ", &format!("m=message {port} "))
}

/// A request for a session that nobody has.
fn invented(verona: &Verona, method: &str) -> Draft {
    Draft::new(method, &own_uri(verona.msrp().port()), &own_uri(9))
}
