//! Broken SIP, SDP, CPIM and MSRP, and too much of it: protocol errors, no panic, and the others' conversation goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mucfocus_rig::member::{any_offer, offer};
use mucfocus_rig::msrp::{Peer, Send, own_uri};
use mucfocus_rig::sip::{Message, Request, Transport, Ua};
use mucfocus_rig::wait::within;
use mucfocus_rig::xmpp::Client;
use mucfocus_rig::{Member, SOON, World, on_both_servers, random, until};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// A room where Juliet (XMPP) and Romeo (SIP) talk while somebody else does harm.
struct Verona {
    world: World,
    juliet: Client,
    romeo: Member,
}

impl Verona {
    async fn start() -> Self {
        let world = World::start(BINARY).await;
        let juliet = world.xmpp_in("capulet", "juliet").await;
        let romeo = world.member("capulet", "romeo").await;
        Self { world, juliet, romeo }
    }

    /// The conversation goes on, nobody came in who should not, and nothing panicked.
    async fn is_well(&mut self, after: &str) {
        let muc = self.world.muc("capulet");
        let words = format!("after {after}: {}", random(8));
        assert_eq!(self.romeo.says(&words).await.code(), Some(200), "after {after}");
        self.juliet.hears(&muc, &words).await;
        self.juliet.say(&muc, &format!("answer to {words}"));
        self.romeo.hears(&format!("answer to {words}")).await;
        assert_eq!(self.juliet.nicks(&muc), ["Juliet", "Romeo"], "after {after}");
        assert!(self.world.mucfocus.alive(), "after {after}");
        let log = self.world.mucfocus.log();
        assert!(!log.contains("panicked"), "after {after}:\n{log}");
    }

    fn invite(&self, ua: &Ua) -> String {
        String::from_utf8(ua.bytes(Request::invite(&self.romeo.room, &any_offer()))).unwrap()
    }

    async fn stranger(&self, transport: Transport) -> Ua {
        let mut who = self.world.who("laurence", transport);
        who.domain = "cell.test".into();
        Ua::start(who).await
    }
}

/// The message without the lines that start so.
fn without(message: &str, line: &str) -> String {
    let keep = |l: &&str| !l.to_ascii_lowercase().starts_with(line);
    message.split("\r\n").filter(keep).collect::<Vec<_>>().join("\r\n")
}

/// The message with a line changed; one that starts so.
fn with(message: &str, line: &str, new: &str) -> String {
    let change = |l: &str| if l.starts_with(line) { new.to_owned() } else { l.to_owned() };
    message.split("\r\n").map(change).collect::<Vec<_>>().join("\r\n")
}

#[on_both_servers]
async fn broken_requests_are_refused_or_dropped() {
    let mut verona = Verona::start().await;
    let tybalt = verona.world.ua("tybalt", Transport::Udp).await;
    let good = verona.invite(&tybalt);
    let broken: Vec<(&str, String)> = vec![
        ("no Via", without(&good, "via:")),
        ("no From", without(&good, "from:")),
        ("no To", without(&good, "to:")),
        ("no Call-ID", without(&good, "call-id:")),
        ("no CSeq", without(&good, "cseq:")),
        ("a CSeq of another method", with(&good, "CSeq:", "CSeq: 1 BYE")),
        ("a CSeq that is no number", with(&good, "CSeq:", "CSeq: many INVITE")),
        ("a CSeq beyond 32 bits", with(&good, "CSeq:", "CSeq: 99999999999 INVITE")),
        ("a Content-Length beyond the datagram", with(&good, "Content-Length:", "Content-Length: 9999")),
        ("a negative Content-Length", with(&good, "Content-Length:", "Content-Length: -1")),
        ("two Content-Lengths", with(&good, "Content-Length:", "Content-Length: 5\r\nContent-Length: 6")),
        ("a Contact that is none", with(&good, "Contact:", "Contact: \"<<<>>")),
        ("an open quote", with(&good, "From:", "From: \"Tybalt <sip:tybalt@sip.test>;tag=1")),
        ("two From", with(&good, "From:", "From: <sip:romeo@sip.test>;tag=1\r\nFrom: <sip:tybalt@sip.test>;tag=2")),
        ("an address that never ends", good.replace("sip:capulet@rooms.test SIP/2.0", "sip:capulet@rooms.test")),
        ("an address with blanks", good.replace("sip:capulet@rooms.test SIP/2.0", "sip:cap ulet@rooms.test SIP/2.0")),
        ("an escaped line break", good.replace("sip:capulet@", "sip:cap%0d%0aulet@")),
        ("no blank line", good.split("\r\n\r\n").next().unwrap().to_owned()),
        ("a response to nothing", format!("SIP/2.0 200 OK\r\n{}", good.split_once("\r\n").unwrap().1)),
        ("nothing but blank lines", "\r\n\r\n\r\n".into()),
        ("no SIP at all", "GET / HTTP/1.1\r\n\r\n".into()),
    ];
    for (what, message) in broken {
        let before = tybalt.received().len();
        tybalt.send_raw(message);
        within(|| (tybalt.received().len() > before).then_some(()), Duration::from_millis(150)).await;
        for answer in tybalt.received().split_off(before) {
            assert!(!matches!(answer.code(), Some(200..300)), "{what} was accepted:\n{answer}");
        }
        verona.is_well(what).await;
    }
}

/// What may be taken or refused, as long as it does no harm.
#[on_both_servers]
async fn doubtful_requests_do_no_harm() {
    let mut verona = Verona::start().await;
    let tybalt = verona.world.ua("tybalt", Transport::Udp).await;
    let good = String::from_utf8(tybalt.bytes(Request::new("OPTIONS", &verona.romeo.room))).unwrap();
    for (what, message) in [
        ("no hops left", with(&good, "Max-Forwards:", "Max-Forwards: 0")),
        ("no tag in From", with(&good, "From:", "From: <sip:tybalt@sip.test>")),
        ("a very long header", with(&good, "Max-Forwards:", &format!("X-Long: {}", "x".repeat(60_000)))),
        ("two thousand headers", with(&good, "Max-Forwards:", &"A: b\r\n".repeat(2_000))),
        ("a NUL", with(&good, "Max-Forwards:", "X-Nul: a\0b")),
        ("LF for CRLF", good.replace("\r\n", "\n")),
    ] {
        tybalt.send_raw(message);
        verona.is_well(what).await;
    }
    let offer = any_offer();
    let path = offer.lines().find(|l| l.starts_with("a=path:")).unwrap();
    for (what, sdp) in [
        ("no v=", without(&offer, "v=")),
        ("a path without a port", offer.replace(path, "a=path:msrp://127.0.0.1/abcdefghijklmnop;tcp")),
        ("a path over something else", offer.replace(path, "a=path:msrp://127.0.0.1:9/abcdefghijklmnop;ws")),
        ("a very long path", offer.replace(path, &format!("a=path:msrp://127.0.0.1:9/{};tcp", "a".repeat(30_000)))),
        (
            "a thousand media",
            offer.replace("m=message", &format!("{}m=message", "m=audio 1 RTP/AVP 0\r\n".repeat(1_000))),
        ),
    ] {
        match tybalt.try_call(Request::invite(&verona.romeo.room, &sdp)).await {
            Ok(call) => assert_eq!(call.bye().await.code(), Some(200), "{what}"),
            Err(refused) => assert!(matches!(refused.code(), Some(400..500 | 513)), "{what}:\n{refused}"),
        }
        verona.juliet.sees_leave(&verona.world.muc("capulet"), "Tybalt", SOON).await;
        verona.is_well(what).await;
    }
}

/// SIP-02: folded headers are headers all the same.
#[on_both_servers]
async fn folded_headers_are_understood() {
    let verona = Verona::start().await;
    let tybalt = verona.world.ua("tybalt", Transport::Udp).await;
    let folded = verona.invite(&tybalt).replace("\"Tybalt\" <", "\"Tybalt\"\r\n <");
    tybalt.send_raw(folded);
    tybalt.expect("200", SOON, |m| m.code() == Some(200)).await;
}

/// Every octet may be wrong: seeds make a failure repeatable.
#[on_both_servers]
async fn damaged_datagrams_and_streams_do_no_harm() {
    let mut verona = Verona::start().await;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let stranger = verona.stranger(Transport::Udp).await;
        for _ in 0..150 {
            let mut message = verona.invite(&stranger).into_bytes();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..message.len());
                match random.random_range(0..3) {
                    0 => message[at] = random.random(),
                    1 => message.truncate(at.max(1)),
                    _ => message.insert(at, random.random()),
                }
            }
            stranger.send_raw(message);
        }
        let stream = verona.stranger(Transport::Tcp).await;
        let mut bytes: Vec<u8> = (0..20_000).map(|_| random.random()).collect();
        bytes.extend(b"\r\n\r\n");
        stream.send_raw(bytes);
        verona.is_well(&format!("damage by seed {seed}")).await;
    }
}

#[on_both_servers]
async fn a_stream_may_be_split_anywhere_and_joined() {
    let verona = Verona::start().await;
    let tybalt = verona.world.ua("tybalt", Transport::Tcp).await;
    let options = |n: u32| {
        let request = Request::new("OPTIONS", &verona.romeo.room).header("CSeq", &format!("{n} OPTIONS"));
        tybalt.bytes(request)
    };
    let answered = |n: u32| move |m: &Message| m.code() == Some(200) && m.cseq().0 == n;
    for octet in options(1) {
        tybalt.send_raw([octet]);
        tokio::task::yield_now().await;
    }
    tybalt.expect("an answer to the first", SOON, answered(1)).await;
    tybalt.send_raw([b"\r\n\r\n".to_vec(), options(2), options(3), b"\r\n".to_vec(), options(4)].concat());
    for n in 2..=4 {
        tybalt.expect(&*format!("an answer to the {n}th"), SOON, answered(n)).await;
    }
}

#[on_both_servers]
async fn a_stream_without_an_end_of_the_headers_is_not_collected_for_ever() {
    let mut verona = Verona::start().await;
    let before = verona.world.mucfocus.memory();
    let stranger = verona.stranger(Transport::Tcp).await;
    stranger.send_raw("OPTIONS sip:capulet@rooms.test SIP/2.0\r\n");
    for _ in 0..400 {
        stranger.send_raw(format!("X-Header: {}\r\n", "y".repeat(50_000)));
    }
    until(|| stranger.closed(), SOON, "the end of the connection").await;
    assert!(verona.world.mucfocus.memory() < before + 16 * 1024 * 1024);
    verona.is_well("twenty megabytes of headers").await;
    // A body that is announced and enormous is not waited for either.
    let other = verona.stranger(Transport::Tcp).await;
    let announced = with(&verona.invite(&other), "Content-Length:", "Content-Length: 2000000000");
    other.send_raw(announced);
    let refused = || other.closed() || other.find(|m| m.code() >= Some(400)).is_some();
    until(refused, SOON, "a refusal, or the end of the connection").await;
    verona.is_well("a body of two gigabytes").await;
}

#[on_both_servers]
async fn broken_offers_are_refused() {
    let mut verona = Verona::start().await;
    let tybalt = verona.world.ua("tybalt", Transport::Udp).await;
    let good = any_offer();
    let path = good.lines().find(|l| l.starts_with("a=path:")).unwrap().to_owned();
    let of = |new: &str| good.replace(&path, new);
    for (what, sdp) in [
        ("noise", "\u{0}\u{1}\u{2}".into()),
        ("half of it", good.chars().take(good.len() / 2).collect()),
        ("no m=", without(&good, "m=")),
        ("a port beyond 65535", good.replace("m=message 9 ", "m=message 70000 ")),
        ("port 0", good.replace("m=message 9 ", "m=message 0 ")),
        ("another protocol", good.replace("TCP/MSRP", "UDP/MSRP")),
        ("an empty path", of("a=path:")),
        ("a path without a session", of("a=path:msrp://127.0.0.1:9;tcp")),
        ("a path that is no MSRP", of("a=path:http://127.0.0.1:9/abc;tcp")),
    ] {
        let refused = tybalt.try_call(Request::invite(&verona.romeo.room, &sdp)).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{what} was accepted"));
        assert!(matches!(refused.code(), Some(400..500)), "{what}:\n{refused}");
        verona.is_well(what).await;
    }
}

#[on_both_servers]
async fn broken_cpim_is_400_and_the_session_lives() {
    let mut verona = Verona::start().await;
    let (from, to) = (verona.romeo.aor().to_owned(), verona.romeo.room.clone());
    for (what, body) in [
        ("no blank line", format!("From: <{from}>\r\nTo: <{to}>")),
        ("an open bracket", format!("From: <{from}\r\nTo: <{to}>\r\n\r\nContent-Type: text/plain\r\n\r\nx")),
        ("a To that is no address", format!("From: <{from}>\r\nTo: nobody\r\n\r\nContent-Type: text/plain\r\n\r\nx")),
        ("a header without a name", format!(": x\r\nTo: <{to}>\r\n\r\nContent-Type: text/plain\r\n\r\nx")),
        ("an open quote", format!("From: \"R <{from}>\r\nTo: <{to}>\r\n\r\nContent-Type: text/plain\r\n\r\nx")),
        ("noise", "\u{0}\u{ff}\r\n\r\n\r\n".into()),
    ] {
        let id = verona.romeo.msrp.send(Send::of("message/cpim", body.into_bytes()));
        let response = verona.romeo.msrp.response(&id).await;
        assert!(matches!(response.code(), Some(400..500)), "{what}:\n{response}");
        verona.is_well(what).await;
    }
    // Not UTF-8 where it says UTF-8: refused or repaired, never passed on.
    let mut cpim = verona.romeo.to_room("");
    cpim.content = b"caf\xe9 \xff\xfe".to_vec();
    verona.romeo.sends(&cpim).await;
    verona.is_well("octets that are no UTF-8").await;
}

/// MS-FRAME-02, -03, -11 … 14.
#[on_both_servers]
async fn broken_msrp_is_400_or_ends_the_connection() {
    let mut verona = Verona::start().await;
    let before = verona.world.mucfocus.memory();
    let (remote, room) = (verona.romeo.msrp.remote().to_owned(), verona.romeo.room.clone());
    let paths = format!("To-Path: {remote}\r\nFrom-Path: msrp://127.0.0.1:9/x;tcp\r\n");
    let flood = "x".repeat(2_000_000);
    for (what, bytes) in [
        ("HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("no transaction id", "MSRP  SEND\r\n".into()),
        ("a transaction id that is too long", format!("MSRP {} SEND\r\n{paths}", "a".repeat(40))),
        ("a line that never ends", format!("MSRP abcd1234 SEND\r\nTo-Path: {flood}")),
        ("a header section that never ends", format!("MSRP abcd1234 SEND\r\n{}", "X: y\r\n".repeat(200_000))),
        ("no paths", "MSRP abcd1234 SEND\r\nMessage-ID: 1234\r\n-------abcd1234$\r\n".into()),
        ("folded", format!("MSRP abcd1234 SEND\r\n{paths} folded\r\n-------abcd1234$\r\n")),
        ("a wrong flag", format!("MSRP abcd1234 SEND\r\n{paths}-------abcd1234?\r\n")),
        ("a wrong range", format!("MSRP abcd1234 SEND\r\n{paths}Byte-Range: 5-1/x\r\n-------abcd1234$\r\n")),
        ("a response to nothing", format!("MSRP abcd1234 999 what\r\n{paths}-------abcd1234$\r\n")),
        ("a big body of another method", format!("MSRP abcd1234 NICKNAME\r\n{paths}Content-Type: a/b\r\n\r\n{flood}")),
        ("noise", "\u{0}\u{1}\u{2}\u{3}\r\n\r\n-------$\r\n".into()),
    ] {
        let enemy = Peer::connect("msrp://127.0.0.1:9/x;tcp", &remote).await;
        enemy.raw(bytes);
        let told = || (enemy.closed() || !enemy.traffic().is_empty()).then_some(());
        within(told, Duration::from_millis(400)).await;
        let accepted = enemy.traffic().iter().any(|t| !t.sent && t.frame.code() == Some(200));
        assert!(!accepted, "{what} was accepted: {:?}", enemy.traffic());
        verona.is_well(what).await;
    }
    assert!(verona.world.mucfocus.memory() < before + 32 * 1024 * 1024);
    // In a session of one's own it is no different: the room goes on, the session may end.
    let tybalt = verona.world.member("capulet", "tybalt").await;
    tybalt.msrp.raw(format!("MSRP abcd1234 SEND\r\nTo-Path: {remote}\r\nFrom-Path: {}\r\n", tybalt.msrp.local()));
    tybalt.msrp.raw("Content-Type: message/cpim\r\n\r\nFrom: <sip:romeo@sip.test>\r\n-------abcd1234$\r\n");
    let answer = || (tybalt.msrp.closed() || tybalt.msrp.responded("abcd1234").is_some()).then_some(());
    within(answer, SOON).await.expect("an answer, or the end, to a SEND for somebody else's session");
    assert_ne!(tybalt.msrp.responded("abcd1234").and_then(|r| r.code()), Some(200));
    tybalt.leaves().await;
    verona.juliet.sees_leave(&verona.world.muc("capulet"), "Tybalt", SOON).await;
    verona.is_well("somebody in another's session").await;
    assert_eq!(verona.romeo.room, room);
}

/// MS-FRAME-14: whoever cannot be told what was wrong with his request learns it from the end of the connection. Responses and
/// REPORTs have no answer anyway.
#[on_both_servers]
async fn a_request_that_cannot_be_answered_ends_the_connection() {
    let mut verona = Verona::start().await;
    let tybalt = verona.world.member("capulet", "tybalt").await;
    for unanswered in ["200 OK", "REPORT"] {
        tybalt.msrp.raw(format!("MSRP abcd1234 {unanswered}\r\nMessage-ID: 1\r\n-------abcd1234$\r\n"));
    }
    assert_eq!(tybalt.says("still here").await.code(), Some(200));
    tybalt.msrp.raw("MSRP abcd1234 SEND\r\nMessage-ID: 1\r\n-------abcd1234$\r\n");
    until(|| tybalt.msrp.closed(), SOON, "the end of the connection").await;
    assert!(tybalt.msrp.responded("abcd1234").is_none());
    verona.juliet.sees_leave(&verona.world.muc("capulet"), "Tybalt", SOON).await;
    verona.is_well("a request from and for nobody").await;
}

/// MS-FRAME-13: who floods a head is told before the connection closes, as far as it is known who that is.
#[on_both_servers]
async fn a_flood_of_head_is_400_and_the_end_of_the_connection() {
    let mut verona = Verona::start().await;
    for flood in ["X: y\r\n".repeat(500), format!("X: {}", "y".repeat(10_000))] {
        let tybalt = verona.world.member("capulet", "tybalt").await;
        let (to, from) = (tybalt.msrp.remote().to_owned(), tybalt.msrp.local().to_owned());
        tybalt.msrp.raw(format!("MSRP abcd1234 SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{flood}"));
        until(|| tybalt.msrp.closed(), SOON, "the end of the connection").await;
        assert_eq!(tybalt.msrp.responded("abcd1234").and_then(|response| response.code()), Some(400));
        verona.juliet.sees_leave(&verona.world.muc("capulet"), "Tybalt", SOON).await;
        verona.is_well("a flood of head").await;
    }
}

/// MS-FRAME-02, -03, -08, -15: what looks broken and is not.
#[on_both_servers]
async fn odd_but_right_msrp_is_taken() {
    let mut verona = Verona::start().await;
    let (local, remote) = (verona.romeo.msrp.local().to_owned(), verona.romeo.msrp.remote().to_owned());
    let words = "odd1234$ and\r\n-------otherid$\r\n-------odd12345$\r\n------odd1234$";
    let cpim = String::from_utf8(verona.romeo.to_room(words).bytes()).unwrap();
    verona.romeo.msrp.raw(format!(
        "\r\n\r\nMSRP odd1234 SEND\r\nTo-Path: {remote}\r\nFrom-Path: {local}\r\nX-Foo: 1\r\nMessage-ID: odd1\r\n\
         Content-Type: message/cpim\r\n\r\n{cpim}\r\n-------odd1234$\r\n\r\n"
    ));
    assert_eq!(verona.romeo.msrp.response("odd1234").await.code(), Some(200));
    let came = |(_, text): &(String, String)| text.replace('\r', "") == words.replace('\r', "");
    let muc = verona.world.muc("capulet");
    until(|| verona.juliet.heard(&muc).iter().any(came), SOON, "the odd words").await;
    // From-Path first, an extra blank line without a body, an empty body, a response without a comment.
    let empty = "Content-Type: message/cpim\r\n\r\n\r\n";
    for (id, rest) in [
        ("empty123", format!("To-Path: {remote}\r\nFrom-Path: {local}\r\nMessage-ID: o3\r\n{empty}")),
        ("order123", format!("From-Path: {local}\r\nTo-Path: {remote}\r\nMessage-ID: o1\r\n")),
        ("blank123", format!("To-Path: {remote}\r\nFrom-Path: {local}\r\nMessage-ID: o2\r\n\r\n")),
    ] {
        verona.romeo.msrp.raw(format!("MSRP {id} SEND\r\n{rest}-------{id}$\r\n"));
        assert_eq!(verona.romeo.msrp.response(id).await.code(), Some(200), "{id}");
    }
    verona
        .romeo
        .msrp
        .raw(format!("MSRP zzzz9999 200\r\nTo-Path: {remote}\r\nFrom-Path: {local}\r\n-------zzzz9999$\r\n"));
    verona.is_well("odd but right MSRP").await;
}

/// A flood from a caller whom nobody vouches for is refused or dropped, and slows down nobody else.
#[on_both_servers(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_invites_does_not_stop_the_conversation() {
    let mut verona = Verona::start().await;
    let (stranger, tybalt) = (verona.stranger(Transport::Udp).await, verona.world.ua("tybalt", Transport::Udp).await);
    let room = verona.romeo.room.clone();
    for _ in 0..40 {
        for _ in 0..50 {
            stranger.send_raw(stranger.bytes(Request::invite(&room, &any_offer())));
            tybalt.send_raw(tybalt.bytes(Request::invite("sip:capulet@elsewhere.test", &any_offer())));
        }
        let words = random(8);
        assert_eq!(verona.romeo.says(&words).await.code(), Some(200));
    }
    assert!(stranger.received().iter().chain(&tybalt.received()).all(|m| m.code() != Some(200)));
    verona.is_well("a flood of INVITEs").await;
    // Nobody acknowledged the refusals, so they are still being sent again; whoever calls now does not wait for that.
    let call = tybalt.call(Request::invite(&room, &any_offer())).await;
    assert_eq!(call.bye().await.code(), Some(200));
}

/// Design: overload answers 503 with Retry-After before what runs already suffers.
#[on_both_servers]
async fn more_calls_than_limits_allow_are_503_with_retry_after() {
    let world = World::with(BINARY, |s| s.limits.push_str("legs = 2\n")).await;
    let (romeo, _tybalt) = (world.member("capulet", "romeo").await, world.member("capulet", "tybalt").await);
    let paris = world.ua("paris", Transport::Udp).await;
    let refused = paris.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.err().unwrap();
    assert_eq!(refused.code(), Some(503), "{refused}");
    assert!(refused.header("Retry-After").is_some(), "{refused}");
    assert_eq!(romeo.says("undisturbed").await.code(), Some(200));
    assert_eq!(romeo.leaves().await.code(), Some(200));
    let admitted = || async { paris.try_call(Request::invite(&world.sip("capulet"), &any_offer())).await.is_ok() };
    let end = std::time::Instant::now() + SOON;
    while !admitted().await {
        assert!(std::time::Instant::now() < end, "the place of who left is not given to another");
    }
}

/// SEC-02, -10: what must not be in a log at any level but trace.
#[on_both_servers]
async fn the_log_names_no_password_session_or_message() {
    let mut verona = Verona::start().await;
    assert_eq!(verona.romeo.says("a-secret-between-us").await.code(), Some(200));
    verona.is_well("a secret").await;
    let log = verona.world.mucfocus.log();
    let session = verona.romeo.msrp.remote().rsplit_once('/').unwrap().1.split(';').next().unwrap().to_owned();
    for (what, secret) in
        [("a message", "a-secret-between-us"), ("a password", "verona"), ("a session-id", session.as_str())]
    {
        assert!(!log.contains(secret), "{what} is in the log");
    }
    assert!(log.contains("capulet@muc.xmpp.test"), "the log names the room");
}

/// An offer without anybody behind it, a thousand times: nothing is kept.
#[on_both_servers]
async fn calls_that_come_and_go_leave_nothing_behind() {
    let mut verona = Verona::start().await;
    let tybalt = verona.world.ua("tybalt", Transport::Udp).await;
    let local = own_uri(9);
    let mut warm = 0;
    for n in 0..120 {
        let call = tybalt.call(Request::invite(&verona.romeo.room, &offer(&local, "active"))).await;
        assert_eq!(call.bye().await.code(), Some(200));
        if n == 20 {
            warm = verona.world.mucfocus.memory();
        }
    }
    verona.juliet.sees_leave(&verona.world.muc("capulet"), "Tybalt", SOON).await;
    assert!(verona.world.mucfocus.memory() < warm + 16 * 1024 * 1024);
    verona.is_well("a hundred calls").await;
}

/// MS-CONN-04, MS-FRAME-14: on a second connection the session of the first is 506, and what cannot be read is 400.
#[on_both_servers]
async fn a_session_that_another_connection_has_is_506_and_an_unreadable_request_for_it_400() {
    let world = World::start(BINARY).await;
    let tybalt = world.member("capulet", "tybalt").await;
    let second = Peer::connect(tybalt.msrp.local(), tybalt.msrp.remote()).await;
    let id = second.send(Send::cpim(&tybalt.to_room("mine")));
    assert_eq!(second.response(&id).await.code(), Some(506));
    let id = second.send(Send::cpim(&tybalt.to_room("mine")).range("-5--1/-3"));
    assert_eq!(second.response(&id).await.code(), Some(400));
    assert_eq!(tybalt.says("still here").await.code(), Some(200));
}
