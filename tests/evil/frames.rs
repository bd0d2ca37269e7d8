//! What stands in a frame: broken, misleading, superfluous.

use std::fmt::Write as _;
use std::time::Duration;

use mucfocus_rig::SOON;
use mucfocus_rig::evil::{Draft, Manners, Wire};
use mucfocus_rig::msrp::Cpim;
use mucfocus_rig::wait_for;
use tokio::time::sleep;

use crate::verona::{ROOM, Verona};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_of_one_client_reaches_or_slows_another() {
    let verona = Verona::start().await;
    verona.suffers("an end-line inside the body", an_end_line_inside_the_body).await;
    verona.suffers("NUL and CR and LF in headers", control_characters_in_headers).await;
    verona.suffers("control characters in what is said", control_characters_in_the_content).await;
    verona.suffers("huge paths", huge_paths).await;
    verona.suffers("a transaction id used again and again", one_transaction_id_for_all).await;
    verona.suffers("bodies of methods that have none", bodies_of_other_methods).await;
    verona.suffers("a flood of responses that nobody asked for", responses_that_nobody_asked_for).await;
    verona.suffers("a flood of REPORTs", a_flood_of_reports).await;
    verona.suffers("a flood of methods that nobody knows", unknown_methods).await;
    verona.suffers("one octet at a time", one_octet_at_a_time).await;
    verona.ends("broken frames").await;
}

/// MS-FRAME-02, SW-02: the body ends where its own end-line stands. What follows is read as frames of the same client, who cannot
/// speak as another in them.
async fn an_end_line_inside_the_body(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    let forged = Cpim::text(verona.trickle.members()[0].aor(), &tybalt.room, "smuggled in");
    let inner = String::from_utf8(tybalt.send(&forged).bytes()).unwrap();
    let outer = tybalt.draft("SEND").header("Message-ID", "outer");
    let body = format!("no CPIM at all\r\n-------{}$\r\n{inner}and the rest of it", outer.id);
    let outer = outer.header("Byte-Range", &format!("1-{0}/{0}", body.len())).body("message/cpim", body);
    assert!(wire.write(outer.bytes()).await);
    wire.is_closed(SOON).await;
    let heard = verona.juliet.heard(&verona.world.muc(ROOM));
    assert!(!heard.iter().any(|(_, text)| text == "smuggled in"), "spoken as somebody else");
    verona.counted(&before, "not-msrp", 1).await;
    verona.falls(tybalt, "MSRP lost");
}

/// MS-FRAME-13, -14, SW-25, CPIM-05: what may stand in no line is refused by its line.
async fn control_characters_in_headers(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let good = tybalt.to_room("hidden");
    let cpim = |change: &dyn Fn(String) -> String| change(String::from_utf8(good.bytes()).unwrap()).into_bytes();
    let chunk = |id: &str, body: Vec<u8>| tybalt.chunk(id, &format!("1-{0}/{0}", body.len()), body);
    for (what, draft) in [
        ("NUL in Message-ID", chunk("a\0b", good.bytes())),
        ("CR in Message-ID", chunk("a\rb", good.bytes())),
        ("NUL in Content-Type", tybalt.draft("SEND").header("Message-ID", "1").body("message/\0cpim", good.bytes())),
        ("NUL in a nickname", tybalt.draft("NICKNAME").header("Use-Nickname", "\"a\0b\"")),
        ("NUL in the To of CPIM", chunk("2", cpim(&|c| c.replace("rooms.test", "rooms\0.test")))),
        ("CR in the To of CPIM", chunk("3", cpim(&|c| c.replace("rooms.test", "rooms\r.test")))),
    ] {
        assert!(wire.write(draft.bytes()).await, "{what}");
        let code = wire.response(&draft.id).await;
        assert!((400..500).contains(&code), "{what}: {code}");
    }
    let before = verona.numbers().await;
    let bytes = String::from_utf8(tybalt.send(&good).bytes()).unwrap().replacen("\r\nMessage-ID", "\nMessage-ID", 1);
    assert!(wire.write(bytes).await);
    wire.is_closed(SOON).await;
    verona.counted(&before, "bare-line-feed", 1).await;
    verona.falls(tybalt, "MSRP lost");
}

/// Nothing is forwarded raw: XMPP never sees what XML may not hold, and loses no stream over it.
async fn control_characters_in_the_content(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    for text in ["a\0b", "\u{1}\u{2}\u{b}", "\u{fffe}\u{ffff}", "]]></body></message><message/>", "&#0;"] {
        let draft = tybalt.send(&tybalt.to_room(text));
        assert!(wire.write(draft.bytes()).await);
        wire.response(&draft.id).await;
    }
    assert!(!tybalt.has_ended() && !verona.juliet.closed());
    tybalt.leaves().await;
}

/// MS-FRAME-13: a path has eight URIs at most, and a line four thousand octets. What is refused costs nobody more than its sender.
async fn huge_paths(verona: &Verona) {
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    let path = |count: usize| vec!["msrp://127.0.0.1:9/abcdefgh;tcp"; count].join(" ");
    let long = ["SEND", "NICKNAME", "KISS"].map(|method| tybalt.draft(method).from(&path(100)));
    assert!(wire.write(long.each_ref().map(Draft::bytes).concat()).await);
    wire.is_closed(SOON).await;
    assert!(long.iter().all(|draft| !wire.responses(&draft.id).contains(&200)));
    verona.counted(&before, "no-paths", 1).await;
    let (paris, other) = verona.connected("paris").await;
    assert!(other.write(paris.draft("SEND").to(&path(10_000)).bytes()).await);
    other.is_closed(SOON).await;
    verona.counted(&before, "line-too-long", 1).await;
    verona.falls(tybalt, "MSRP lost");
    verona.falls(paris, "MSRP lost");
}

/// Two requests of one transaction id are two requests.
async fn one_transaction_id_for_all(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let keep_alive = tybalt.draft("SEND").id("same5678").header("Message-ID", "m");
    assert!(wire.write(keep_alive.bytes().repeat(500)).await);
    wire.counts("200", 500).await;
    let messages = ["once", "twice"].map(|text| tybalt.send(&tybalt.to_room(text)).id("same1234"));
    for message in &messages {
        assert!(wire.write(message.bytes()).await);
    }
    wait_for(|| (wire.responses("same1234").len() >= 2).then_some(()), SOON, "two answers").await;
    assert_eq!(wire.responses("same1234"), [200, 200]);
    tybalt.leaves().await;
}

/// MS-FRAME-12.
async fn bodies_of_other_methods(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let nickname = tybalt.draft("NICKNAME").body("text/plain", vec![b'x'; 4_000_000]);
    assert!(wire.write(nickname.bytes()).await);
    let code = wire.response(&nickname.id).await;
    assert!((400..500).contains(&code), "{code}");
    let report = tybalt.draft("REPORT").body("text/plain", vec![b'x'; 4_000_000]);
    assert!(wire.write(report.bytes()).await);
    answers_still(&tybalt.draft("SEND"), &wire).await;
    tybalt.leaves().await;
}

/// MS-RSP-10.
async fn responses_that_nobody_asked_for(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let mut flood = Vec::new();
    for n in 0..20_000 {
        let status = ["200 OK", "413 Too large", "481 Gone", "506 Elsewhere", "999"][n % 5];
        flood.extend(tybalt.draft(status).bytes());
    }
    assert!(wire.write(&flood).await);
    answers_still(&tybalt.draft("SEND"), &wire).await;
    assert!(!tybalt.has_ended());
    tybalt.leaves().await;
}

/// SW-39, MS-REP-01.
async fn a_flood_of_reports(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let mut flood = Vec::new();
    for n in 0..20_000 {
        let status = ["000 200 OK", "000 413", "000 481", "001 500", "-1", ""][n % 6];
        let report = tybalt.draft("REPORT").header("Message-ID", &format!("{n:08}")).header("Status", status);
        flood.extend(report.header("Byte-Range", "1-5/5").bytes());
    }
    assert!(wire.write(&flood).await);
    answers_still(&tybalt.draft("SEND"), &wire).await;
    assert!(!tybalt.has_ended());
    tybalt.leaves().await;
}

/// MS-FRAME-09: each is answered; who does not read the answers is another matter.
async fn unknown_methods(verona: &Verona) {
    const COUNT: usize = 2_000;
    let before = verona.numbers().await;
    let (tybalt, wire) = verona.connected("tybalt").await;
    for _ in 0..COUNT / 100 {
        let some: Vec<u8> = (0..100).flat_map(|_| tybalt.draft("KISS").bytes()).collect();
        assert!(wire.write(&some).await);
    }
    wire.counts("501", COUNT).await;
    verona.counted(&before, "unknown-method", COUNT).await;
    tybalt.leaves().await;
}

/// MS-SEND-08: slow is not wrong.
async fn one_octet_at_a_time(verona: &Verona) {
    let (tybalt, wire) = verona.connected("tybalt").await;
    let message = tybalt.send(&tybalt.to_room("slowly"));
    assert!(wire.drip(&message.bytes(), Duration::from_millis(1)).await);
    assert_eq!(wire.response(&message.id).await, 200);
    // What is begun and never goes on is no matter either, with his connection gone.
    let mut many = Vec::new();
    for n in 0..50 {
        let slow = Wire::with(verona.msrp(), Manners::default()).await;
        let mut begun = String::from("MSRP ");
        let _ = write!(begun, "abcd{n:04} SEND\r\nTo-Path: {}", tybalt.remote);
        assert!(slow.write(begun).await);
        many.push(slow);
    }
    sleep(Duration::from_millis(50)).await;
    tybalt.leaves().await;
}

/// A request sent now is answered, after all that went before it, and nothing else is.
async fn answers_still(keep_alive: &Draft, wire: &Wire) {
    let (before, keep_alive) = (wire.count("200"), keep_alive.clone().header("Message-ID", "still"));
    assert!(wire.write(keep_alive.bytes()).await);
    assert_eq!(wire.response(&keep_alive.id).await, 200);
    assert_eq!(wire.count("200"), before + 1);
}
