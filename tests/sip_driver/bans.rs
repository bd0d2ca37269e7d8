//! Sources that ask or guess too often: SIP-14, SEC-05.

use std::time::Duration;

use mucfocus::sip::settings::{IdentitySource, Rate, Settings, SourceLimits, TrustedPeer};

use crate::client::{Answer, answered};
use crate::digest::{ROMEO, challenge};
use crate::harness::{House, Message, Request};

const ROOM: &str = "sip:capulet@rooms.example.com";

fn limited(settings: &mut Settings, failed_logins: u32, requests: u32) {
    challenge(settings);
    let per_hour = |count| Some(Rate { count, per: Duration::from_secs(3600) });
    settings.sources = SourceLimits {
        requests: per_hour(requests),
        connections: None,
        failed_logins: per_hour(failed_logins),
        ban_time: Duration::from_secs(600),
    };
}

#[tokio::test]
async fn whoever_guesses_too_often_meets_silence_on_every_transport() {
    let house = House::open_with(|s| limited(s, 3, 1000)).await;
    let mut open = house.tcp().await;
    assert_eq!(open.ask(&open.request("OPTIONS", ROOM)).await.code(), 401);
    let mut peer = house.udp().await;
    let options = peer.request("OPTIONS", ROOM);
    let refused = peer.ask(&options).await;
    let wrong = answered(&options, &refused, &Answer { password: "mantua", ..ROMEO });
    for _ in 0..3 {
        assert_eq!(peer.ask(&wrong).await.code(), 401);
    }
    peer.send(&wrong.text()).await;
    peer.send(&answered(&options, &refused, &ROMEO).text()).await;
    assert!(peer.hears_nothing(Duration::from_millis(300)).await);
    open.send(&open.request("OPTIONS", ROOM).text()).await;
    assert!(open.is_closed().await);
    assert!(house.tcp().await.is_closed().await);
    let counts = house.counts.0.lock().unwrap();
    assert!(counts.contains(&"failed_logins_per_source") && counts.contains(&"banned"), "{counts:?}");
}

#[tokio::test]
async fn neither_a_stale_nonce_nor_no_credentials_is_a_failed_login() {
    let house = House::open_with(|s| limited(s, 1, 1000)).await;
    let mut peer = house.tcp().await;
    let options = peer.request("OPTIONS", ROOM);
    let refused = peer.ask(&options).await;
    let foreign = Message(refused.0.replace("nonce=\"0", "nonce=\"1"));
    for _ in 0..5 {
        assert_eq!(peer.ask(&options).await.code(), 401);
        let stale = peer.ask(&answered(&options, &foreign, &ROMEO)).await;
        assert!(stale.get("WWW-Authenticate").ends_with("stale=true"), "{}", stale.0);
    }
    assert_eq!(peer.ask(&answered(&options, &refused, &ROMEO)).await.code(), 200);
}

#[tokio::test]
async fn whoever_asks_too_often_meets_silence_and_his_streams_close() {
    let house = House::open_with(|s| limited(s, 1000, 5)).await;
    let mut peer = house.tcp().await;
    for _ in 0..5 {
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 401);
    }
    peer.send(&peer.request("OPTIONS", ROOM).text()).await;
    assert!(peer.is_closed().await);
    let mut peer = house.udp().await;
    peer.send(&peer.request("OPTIONS", ROOM).text()).await;
    assert!(peer.hears_nothing(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn trusted_peers_are_never_banned() {
    let house = House::open_with(|s| {
        limited(s, 1, 5);
        s.trusted_peers = vec![TrustedPeer { network: "127.0.0.1/32".parse().unwrap(), over_udp: false }];
        s.identity = vec![IdentitySource::PAssertedIdentity];
    })
    .await;
    let mut peer = house.udp().await;
    let options = peer.request("OPTIONS", ROOM);
    let refused = peer.ask(&options).await;
    for count in 1..20 {
        let wrong = Answer { password: "mantua", count, ..ROMEO };
        let again = Request { branch: format!("{}{count}", options.branch), ..options.clone() };
        assert_eq!(peer.ask(&answered(&again, &refused, &wrong)).await.code(), 401);
    }
}

/// A busy room makes its subscribers answer more than they ask.
#[tokio::test]
async fn answers_to_our_requests_are_no_requests_and_unasked_ones_are() {
    let mut house = House::open_with(|s| limited(s, 1, 8)).await;
    let mut peer = house.udp().await;
    let subscribe = peer.subscribe(ROOM);
    let refused = peer.ask(&subscribe).await;
    assert_eq!(peer.ask(&answered(&subscribe, &refused, &ROMEO)).await.code(), 200);
    let mut room = house.watching().await;
    let mut last = None;
    for _ in 0..20 {
        room.show(600, "<a/>").await;
        let notify = peer.hear().await;
        peer.answer(&notify, "200 OK").await;
        room.hear().await;
        last = Some(notify);
    }
    assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 401);
    let mut unasked = last.unwrap();
    unasked.0 = unasked.0.replace("branch=z9hG4bK", "branch=z9hG4bKx");
    for _ in 0..6 {
        peer.answer(&unasked, "200 OK").await;
    }
    peer.send(&peer.request("OPTIONS", ROOM).text()).await;
    assert!(peer.hears_nothing(Duration::from_millis(300)).await);
}

/// A datagram's source can be forged: what comes in the name of a source costs it new requests by datagram, and nothing else.
#[tokio::test]
async fn forged_datagrams_do_not_silence_the_streams_dialogs_and_logins_of_their_source() {
    let mut house = House::open_with(|s| limited(s, 5, 12)).await;
    let mut stream = house.tcp().await;
    assert_eq!(stream.ask(&stream.request("OPTIONS", ROOM)).await.code(), 401);
    let mut peer = house.udp().await;
    let subscribe = peer.subscribe(ROOM);
    let refused = peer.ask(&subscribe).await;
    let again = answered(&subscribe, &refused, &ROMEO);
    let ok = peer.ask(&again).await;
    assert_eq!(ok.code(), 200, "{}", ok.0);
    let mut room = house.watching().await;
    let mut forger = house.udp().await;
    for n in 0..35 {
        match n % 4 {
            0 => forger.send(&forger.request("OPTIONS", ROOM).text()).await,
            1 => forger.send_octets(b"\x00\xffgarbage").await,
            2 => forger.send(&forger.request("ACK", ROOM).text()).await,
            _ => forger.answer(&Message(forger.request("NOTIFY", ROOM).text()), "200 OK").await,
        }
    }
    forger.send(&forger.request("OPTIONS", ROOM).text()).await;
    while !forger.hears_nothing(Duration::from_millis(300)).await {}
    assert!(house.counts.0.lock().unwrap().contains(&"banned"));
    // His streams, old and new.
    assert_eq!(stream.ask(&stream.request("OPTIONS", ROOM)).await.code(), 401);
    let mut new = house.tcp().await;
    assert_eq!(new.ask(&new.request("OPTIONS", ROOM)).await.code(), 401);
    // His dialogs, in both directions.
    let refresh = again.next("SUBSCRIBE", 2, &ok).with("Event: conference\r\nExpires: 600\r\n");
    assert_eq!(peer.ask(&refresh).await.code(), 200);
    room.hear().await;
    room.show(600, "<a/>").await;
    let notify = peer.hear().await;
    peer.answer(&notify, "200 OK").await;
    room.hear().await;
    // And what he proves with a nonce that was sent to him.
    let options = peer.request("OPTIONS", ROOM);
    assert_eq!(peer.ask(&answered(&options, &refused, &Answer { count: 2, ..ROMEO })).await.code(), 200);
}

/// What passes a ban by proof is counted all the same, and passwords are not guessed under it.
#[tokio::test]
async fn a_source_that_is_banned_by_datagrams_has_no_more_guesses_and_requests_than_any_other() {
    let mut house = House::open_with(|s| limited(s, 3, 8)).await;
    let mut peer = house.udp().await;
    let subscribe = peer.subscribe(ROOM);
    let refused = peer.ask(&subscribe).await;
    let again = answered(&subscribe, &refused, &ROMEO);
    let ok = peer.ask(&again).await;
    let _room = house.watching().await;
    for _ in 0..8 {
        peer.send_octets(b"\x00").await;
    }
    let mut answers = 0;
    for cseq in 2..20 {
        peer.send(&again.next("OPTIONS", cseq, &ok).text()).await;
    }
    while !peer.hears_nothing(Duration::from_millis(300)).await {
        answers += 1;
    }
    assert_eq!(answers, 8);
    let options = peer.request("OPTIONS", ROOM);
    for count in 2..6 {
        peer.send(&answered(&options, &refused, &Answer { count, password: "mantua", ..ROMEO }).text()).await;
    }
    assert!(peer.hears_nothing(Duration::from_millis(300)).await);
    assert!(house.tcp().await.is_closed().await, "who guesses is banned on every transport");
}
