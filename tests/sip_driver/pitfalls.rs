//! The mistakes of the stack behind the driver, each provoked on purpose: P1 to P10 and P15 of its review. Every test fails
//! when its cure is taken away.

use std::time::{Duration, Instant};

use mucfocus::hub::mail::{CallEnd, CallMail};
use mucfocus::sip::port::CallCommand;
use mucfocus::sip::settings::Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{House, PATIENCE, fresh};

const ROOM: &str = "sip:capulet@rooms.example.com";

/// P1: escapes stay as they are, in every place where a URI comes back.
#[tokio::test]
async fn percent_escapes_are_not_escaped_again() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut house = House::open().await;
        let mut peer = house.peer(transport).await;
        let uri = "sip:room%40conf@rooms.example.com";
        let mut invite = peer.invite(uri).from("<sip:ro%6Deo%40x@example.org>;tag=r1");
        invite.more = invite.more.replace("sip:romeo@", "sip:ro%2Fme%25o@");
        peer.send(&invite.text()).await;
        let mut room = house.ringing().await;
        assert_eq!(room.dial.request_uri.user_decoded().as_deref(), Some("room@conf"));
        room.say(CallCommand::Progress).await;
        room.accept("answer").await;
        let ok = peer.hear_final().await;
        assert!(ok.get("To").starts_with("<sip:room%40conf@rooms.example.com>;tag="), "{}", ok.0);
        assert_eq!(ok.get("From"), "<sip:ro%6Deo%40x@example.org>;tag=r1");
        assert!(ok.get("Contact").starts_with("<sip:room%40conf@127.0.0.1:"), "{}", ok.0);
        peer.send(&invite.ack(&ok)).await;
        assert!(matches!(room.hear().await, CallMail::Confirmed));
        room.say(CallCommand::Bye { cause: 480, text: "x".into() }).await;
        let bye = peer.hear().await;
        assert!(bye.start().starts_with("BYE sip:ro%2Fme%25o@127.0.0.1:"), "{}", bye.0);
        assert_eq!(bye.get("From"), ok.get("To"));
        assert_eq!(bye.get("To"), "<sip:ro%6Deo%40x@example.org>;tag=r1");
        assert!(!bye.0.contains("Mucfocus-"), "{}", bye.0);
        peer.answer(&bye, "200 OK").await;
        assert_eq!(room.hear_end().await, CallEnd::ByUs);
    }
}

/// Writes without ever reading, for three seconds or until the connection breaks; the driver may well stop taking it.
async fn flood(stream: &mut TcpStream, mut next: impl FnMut() -> String) {
    let writing = async {
        loop {
            let blob: String = (0..100).map(|_| next()).collect();
            if stream.write_all(blob.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let _ = timeout(Duration::from_secs(3), writing).await;
}

async fn udp_still_works(house: &House) {
    let mut peer = house.udp().await;
    let start = Instant::now();
    let answer = peer.ask(&peer.request("OPTIONS", ROOM)).await;
    assert_eq!(answer.code(), 200);
    assert!(start.elapsed() < Duration::from_secs(2), "UDP had to wait {:?}", start.elapsed());
}

/// P2: one request again and again, on a connection that is never read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_repeats_itself_and_does_not_read_stalls_nobody_else() {
    let house = House::open().await;
    let mut probe = house.tcp().await;
    let one = probe.request("OPTIONS", ROOM).text();
    probe.send(&one).await;
    assert_eq!(probe.hear().await.code(), 200);
    let mut evil = TcpStream::connect(house.address(Transport::Tcp)).await.unwrap();
    let text = one.replace(&probe.local.to_string(), &evil.local_addr().unwrap().to_string());
    flood(&mut evil, || text.clone()).await;
    udp_still_works(&house).await;
    // CANCELs of nothing are answered by the stack's own loop.
    let mut evil = TcpStream::connect(house.address(Transport::Tcp)).await.unwrap();
    flood(&mut evil, || probe.request("CANCEL", ROOM).text()).await;
    udp_still_works(&house).await;
}

/// P3: ever new requests, on a connection that is never read, and what memory that takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_asks_without_reading_takes_no_memory() {
    let house = House::open().await;
    let probe = house.tcp().await;
    let mut evil = TcpStream::connect(house.address(Transport::Tcp)).await.unwrap();
    let before = resident_kib();
    flood(&mut evil, || probe.request("OPTIONS", ROOM).text()).await;
    udp_still_works(&house).await;
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 100 * 1024, "grown by {grown} KiB");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// P4: SEC-03.
#[tokio::test]
async fn a_uri_in_a_display_name_is_no_identity() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let from = "\"<sip:admin@example.org>;tag=x\" <sip:mallory@example.org;transport=pigeon>;tag=r1";
    let invite = peer.invite(ROOM).from(from);
    peer.send(&invite.text()).await;
    assert_eq!(peer.hear().await.code(), 100);
    let mut room = house.ringing().await;
    assert_eq!(room.dial.caller.aor.to_string(), "sip:mallory@example.org");
    // Odd as it is, it comes back as it was, and the call goes on.
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    assert_eq!(ok.get("From"), from);
    peer.send(&invite.ack(&ok)).await;
    assert!(matches!(room.hear().await, CallMail::Confirmed));
    room.say(CallCommand::Bye { cause: 480, text: "x".into() }).await;
    let bye = peer.hear().await;
    assert_eq!((bye.get("To"), bye.get("From")), (from, ok.get("To")));
    peer.answer(&bye, "200 OK").await;
    assert_eq!(room.hear_end().await, CallEnd::ByUs);
}

/// P5: the body of a message is never a message.
#[tokio::test]
async fn a_length_with_a_blank_before_the_colon_smuggles_nothing() {
    let house = House::open().await;
    let mut peer = house.tcp().await;
    let inner = peer.request("OPTIONS", ROOM).text();
    let outer = peer.request("OPTIONS", ROOM).with("Content-Type: message/sip\r\n").body(&inner);
    peer.send(&outer.text().replacen("Content-Length:", "Content-Length :", 1)).await;
    assert_eq!(peer.hear().await.get("Call-ID"), outer.call_id);
    let after = peer.request("OPTIONS", ROOM);
    assert_eq!(peer.ask(&after).await.get("Call-ID"), after.call_id);
}

/// P6: what follows an octet that is not UTF-8 is still there.
#[tokio::test]
async fn an_octet_that_is_not_utf_8_hides_no_fields_and_no_body() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let mut invite = peer.invite(ROOM);
    invite.more = format!("Subject: caf\u{1}\r\n{}", invite.more);
    let octets: Vec<u8> = invite.text().bytes().map(|b| if b == 1 { 0xe9 } else { b }).collect();
    peer.send_octets(&octets).await;
    let room = house.ringing().await;
    assert_eq!(room.dial.offer, crate::harness::OFFER);
}

/// P7: RFC 3261 §18.3.
#[tokio::test]
async fn a_datagram_without_content_length_has_its_body() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let length = format!("Content-Length: {}\r\n", crate::harness::OFFER.len());
    peer.send(&peer.invite(ROOM).text().replace(&length, "")).await;
    assert_eq!(house.ringing().await.dial.offer, crate::harness::OFFER);
}

/// P8: nothing is cut short in silence.
#[tokio::test]
async fn a_datagram_that_is_too_long_or_too_short_is_refused() {
    let house = House::open().await;
    let mut peer = house.udp().await;
    let long = peer.request("OPTIONS", ROOM).with("Content-Type: text/plain\r\n").body(&"z".repeat(9000));
    assert_eq!(peer.ask(&long).await.code(), 513);
    let text = peer.request("OPTIONS", ROOM).body("hello").text();
    peer.send(&text.replace("Content-Length: 5", "Content-Length: 50")).await;
    assert_eq!(peer.hear().await.code(), 400);
    peer.send(&text.replace("Content-Length: 5", "Content-Length: 5\r\nl: 4")).await;
    assert_eq!(peer.hear().await.code(), 400);
    peer.send(&text.replace("Content-Length: 5", "Content-Length: -5")).await;
    assert_eq!(peer.hear().await.code(), 400);
    // What is behind the body does not count (RFC 3261 §18.3).
    peer.send(&format!("\r\n{}trailer", peer.request("OPTIONS", ROOM).text())).await;
    assert_eq!(peer.hear().await.code(), 200);
}

/// P9: a method that nobody knows gets 501, and the other calls on the trunk live on.
#[tokio::test]
async fn an_unknown_method_or_parameter_is_answered_and_the_stream_stays() {
    let house = House::open().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut peer = house.peer(transport).await;
        let answer = peer.ask(&peer.request("FROBNICATE", ROOM)).await;
        assert_eq!(answer.code(), 501);
        assert!(answer.get("Allow").contains("INVITE"));
        let odd = peer.request("OPTIONS", &format!("{ROOM};transport=carrier-pigeon;method=FLY"));
        assert_eq!(peer.ask(&odd).await.code(), 200);
        let odd_from = peer.request("OPTIONS", ROOM).from("<sip:romeo@example.org;transport=pigeon>;tag=1");
        assert_eq!(peer.ask(&odd_from).await.code(), 200);
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 200);
    }
}

/// P10: mistakes are answered with 400 where an answer finds its way.
#[tokio::test]
async fn mistakes_in_the_fields_that_identify_a_request_get_400() {
    let house = House::open().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let peer = house.peer(transport).await;
        let good = peer.request("OPTIONS", ROOM).text();
        let from = "From: \"Romeo\" <sip:romeo@example.org>;tag=r1\r\n";
        assert!(good.contains(from));
        let cases = [
            ("CSeq: 1 OPTIONS", "CSeq: x OPTIONS", 400),
            ("CSeq: 1 OPTIONS", "CSeq: 36893488147419103232 OPTIONS", 400),
            ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 400),
            (";tag=r1", "", 400),
            (from, "From: \"Romeo <sip:romeo@example.org>;tag=r1\r\n", 400),
            (from, "From: \"Romeo\" <sip:romeo@example.org>;tag=r1\r\nf: <sip:x@y>;tag=2\r\n", 400),
            ("Max-Forwards: 70", "Max-Forwards: 300", 400),
            ("Max-Forwards: 70", "Max-Forwards: 0", 200),
            ("Max-Forwards: 70", "Max-Forwards 70", 400),
            ("Max-Forwards: 70", "Subject: a\u{0}b", 400),
            ("Max-Forwards: 70", "Subject: a\rb", 400),
            (" SIP/2.0\r\nVia", "  SIP/2.0\r\nVia", 400),
            (" SIP/2.0\r\nVia", " SIP/7.0\r\nVia", 505),
        ];
        for (index, (old, new, code)) in cases.into_iter().enumerate() {
            // On a stream what cannot be cut reliably closes the connection, so each case has one of its own.
            let mut peer = house.peer(transport).await;
            let text =
                good.replacen(old, new, 1).replace("branch=z9hG4bK", &format!("branch=z9hG4bK{index}{}", fresh()));
            peer.send(&text).await;
            assert_eq!(peer.hear_final().await.code(), code, "{old:?} -> {new:?} over {transport:?}");
        }
    }
}

/// clerr, ncl and mcl01 of RFC 4475 on a stream: 400, then the connection is closed.
#[tokio::test]
async fn a_stream_that_cannot_be_cut_gets_400_and_is_closed() {
    let house = House::open().await;
    for (length, code) in [
        ("Content-Length: -999", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 70000", 513),
        ("Subject: no length at all", 400),
    ] {
        let mut peer = house.tcp().await;
        peer.send(&peer.request("OPTIONS", ROOM).text().replace("Content-Length: 0", length)).await;
        assert_eq!(peer.hear().await.code(), code, "{length}");
        assert!(peer.is_closed().await, "{length}");
    }
    let mut peer = house.tcp().await;
    peer.send(&format!("OPTIONS {ROOM} SIP/2.0\r\nSubject: {}", "x".repeat(20_000))).await;
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn a_stream_is_understood_however_it_is_segmented() {
    let house = House::open().await;
    let mut stream = TcpStream::connect(house.address(Transport::Tcp)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let peer = house.tcp().await;
    let text = peer.request("OPTIONS", ROOM).text() + &peer.request("OPTIONS", ROOM).text();
    for chunk in text.as_bytes().chunks(17) {
        stream.write_all(chunk).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut got = String::new();
    while got.matches("SIP/2.0 200 OK").count() < 2 {
        let mut buffer = [0; 4096];
        let n = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(n > 0, "closed after {got}");
        got.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
}
