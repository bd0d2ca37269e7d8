//! Session timers (RFC 4028): SIP-12, GC-EXIT-04; target refresh: SIP-24.

use std::time::Duration;

use mucfocus::hub::mail::{CallEnd, CallMail};
use mucfocus::sip::port::CallCommand;
use mucfocus::sip::settings::Transport;

use crate::harness::{House, Message, OFFER, Up, call_up};

const ROOM: &str = "sip:capulet@rooms.example.com";
const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const TIMER: &str = "Supported: timer\r\nSession-Expires: 3\r\n";

/// With intervals of seconds.
async fn hasty() -> House {
    House::open_with(|s| s.min_session = Duration::from_secs(1)).await
}

async fn hear_request(up: &mut Up, method: &str) -> Message {
    let request = up.peer.hear().await;
    assert!(request.start().starts_with(&format!("{method} ")), "{}", request.0);
    request
}

async fn expect_end(up: &mut Up, why: &str) {
    let bye = hear_request(up, "BYE").await;
    assert!(bye.get("Reason").starts_with("SIP;cause=408;"), "{}", bye.0);
    up.peer.answer(&bye, "200 OK").await;
    let CallEnd::Expired(said) = up.room.hear_end().await else { panic!("not by the timer") };
    assert!(said.contains(why), "{said}");
}

#[tokio::test]
async fn too_short_an_interval_gets_422_and_an_unreadable_one_400() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let short = peer.ask(&peer.invite(ROOM).with("Supported: timer\r\nSession-Expires: 89\r\n")).await;
    assert_eq!((short.code(), short.get("Min-SE")), (422, "90"), "{}", short.0);
    for bad in [
        "Session-Expires: soon\r\n",
        "Session-Expires: 90\r\nMin-SE: zz\r\n",
        "Session-Expires: 90\r\nMin-SE: -5\r\n",
        "Session-Expires: 90\r\nMin-SE: 90\r\nMin-SE: 90\r\n",
        "Min-SE: 4294967296\r\n",
        // RFC 4028 §7.1.
        "Session-Expires: 1800\r\nMin-SE: 7200\r\n",
    ] {
        assert_eq!(peer.ask(&peer.invite(ROOM).with(bad)).await.code(), 400, "{bad}");
    }
    let mut up = call_up(&mut house, Transport::Udp, "Require: timer\r\nSession-Expires: 90;refresher=uas\r\n").await;
    assert_eq!((up.ok.get("Session-Expires"), up.ok.get("Require")), ("90;refresher=uas", "timer"));
    assert!(up.ok.get("Supported").contains("timer"));
    let update = up.invite.next("UPDATE", 2, &up.ok).with("Supported: timer\r\nx: 10\r\n");
    assert_eq!(up.peer.ask(&update).await.code(), 422);
    let update = up.invite.next("UPDATE", 3, &up.ok).with("Supported: timer\r\nx: 100\r\n");
    assert_eq!(up.peer.ask(&update).await.get("Session-Expires"), "100;refresher=uac");
}

#[tokio::test]
async fn a_caller_who_asks_for_no_timer_has_none() {
    let mut house = House::open().await;
    let up = call_up(&mut house, Transport::Udp, "Supported: timer\r\n").await;
    assert!(up.ok.all("Session-Expires").is_empty() && up.ok.all("Require").is_empty(), "{}", up.ok.0);
}

/// GC-EXIT-04.
#[tokio::test]
async fn a_peer_that_does_not_refresh_gets_a_bye_before_the_end() {
    for transport in BOTH {
        let mut house = hasty().await;
        let mut up = call_up(&mut house, transport, TIMER).await;
        assert_eq!(up.ok.get("Session-Expires"), "3;refresher=uac");
        // Nothing before two thirds of the interval.
        assert!(up.peer.hears_nothing(Duration::from_millis(1700)).await);
        expect_end(&mut up, "not refreshed").await;
    }
}

#[tokio::test]
async fn each_refresh_of_the_peer_starts_the_time_anew_and_one_without_a_timer_stops_it() {
    let mut house = hasty().await;
    let mut up = call_up(&mut house, Transport::Tcp, TIMER).await;
    for cseq in [2, 3] {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        let update = up.invite.next("UPDATE", cseq, &up.ok).with(TIMER);
        assert_eq!(up.peer.ask(&update).await.get("Session-Expires"), "3;refresher=uac");
    }
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let again = up.invite.next("INVITE", 4, &up.ok).with(TIMER).with("Contact: <sip:romeo@h>\r\n");
    up.peer.send(&again.text()).await;
    assert!(matches!(up.room.hear().await, CallMail::Reinvite { .. }));
    up.room.say(CallCommand::AnswerReinvite(Ok("a".into()))).await;
    let ok = up.peer.hear_final().await;
    assert_eq!(ok.get("Session-Expires"), "3;refresher=uac");
    up.peer.send(&again.ack(&ok)).await;
    assert!(matches!(up.room.hear().await, CallMail::Confirmed));
    let update = up.peer.ask(&up.invite.next("UPDATE", 5, &up.ok)).await;
    assert!(update.all("Session-Expires").is_empty());
    assert!(up.peer.hears_nothing(Duration::from_millis(3200)).await);
}

#[tokio::test]
async fn we_refresh_by_update_where_the_peer_takes_it() {
    for transport in BOTH {
        let mut house = hasty().await;
        let more = "Session-Expires: 2\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n";
        let mut up = call_up(&mut house, transport, more).await;
        assert_eq!(up.ok.get("Session-Expires"), "2;refresher=uas");
        // Some proxy asked, the caller knows nothing of it.
        assert!(up.ok.all("Require").is_empty());
        for _ in 0..3 {
            let update = hear_request(&mut up, "UPDATE").await;
            assert_eq!((update.get("Session-Expires"), update.body()), ("2;refresher=uac", ""));
            assert!(update.get("Contact").contains("capulet@"), "{}", update.0);
            up.peer.answer(&update, "200 OK").await;
        }
        let update = hear_request(&mut up, "UPDATE").await;
        up.peer.answer(&update, "481 Gone").await;
        expect_end(&mut up, "does not know").await;
    }
}

#[tokio::test]
async fn we_refresh_by_our_last_sdp_where_the_peer_takes_no_update() {
    for transport in BOTH {
        let mut house = hasty().await;
        let mut up = call_up(&mut house, transport, "Supported: timer\r\nSession-Expires: 4;refresher=uas\r\n").await;
        let again = hear_request(&mut up, "INVITE").await;
        assert_eq!((again.body(), again.get("Content-Type")), ("answer", "application/sdp"));
        // An offer at the same time has to wait.
        let theirs = up.invite.next("INVITE", 2, &up.ok).with("Contact: <sip:r@h>\r\n");
        let crossing = up.peer.ask(&theirs).await;
        assert_eq!(crossing.code(), 491);
        up.peer.send(&theirs.ack(&crossing)).await;
        let contact = up.invite.more.lines().next().unwrap().split_once(": ").unwrap().1.to_owned();
        for _ in 0..2 {
            let fields =
                format!("Contact: {contact}\r\nSession-Expires: 4;refresher=uac\r\nContent-Type: application/sdp\r\n");
            up.peer.answer_with(&again, "200 OK", &fields, OFFER).await;
            let ack = loop {
                let heard = up.peer.hear().await;
                if heard.start().starts_with("ACK ") {
                    break heard;
                }
            };
            let number = again.get("CSeq").split(' ').next().unwrap();
            assert_eq!(ack.get("CSeq"), format!("{number} ACK"));
            assert_eq!((ack.get("To"), ack.get("From")), (up.invite.from.as_str(), up.ok.get("To")));
            assert_ne!(ack.get("Via"), again.get("Via"));
            assert!(contact.contains(ack.start().split(' ').nth(1).unwrap()), "{}", ack.0);
        }
        // And refused for good: the ACK of that has the branch of its INVITE.
        let again = hear_request(&mut up, "INVITE").await;
        up.peer.answer(&again, "481 Gone").await;
        let ack = hear_request(&mut up, "ACK").await;
        assert_eq!(ack.get("Via"), again.get("Via"));
        expect_end(&mut up, "does not know").await;
    }
}

#[tokio::test]
async fn a_refresh_is_repeated_as_the_answer_says() {
    let mut house = hasty().await;
    let more = "Supported: timer\r\nSession-Expires: 12;refresher=uas\r\nAllow: UPDATE\r\n";
    let mut up = call_up(&mut house, Transport::Tcp, more).await;
    let update = hear_request(&mut up, "UPDATE").await;
    up.peer.answer_with(&update, "422 Too Small", "Min-SE: 15\r\n", "").await;
    let longer = hear_request(&mut up, "UPDATE").await;
    assert_eq!(longer.get("Session-Expires"), "15;refresher=uac");
    up.peer.answer(&longer, "405 No").await;
    let invite = hear_request(&mut up, "INVITE").await;
    up.peer.answer(&invite, "491 Glare").await;
    hear_request(&mut up, "ACK").await;
    let invite = hear_request(&mut up, "INVITE").await;
    up.peer.answer(&invite, "500 Not now").await;
    hear_request(&mut up, "ACK").await;
    // No second look at what goes wrong for good: the session ends in its time.
    loop {
        let heard = up.peer.hear().await;
        match heard.start().split(' ').next() {
            Some("BYE") => {
                up.peer.answer(&heard, "200 OK").await;
                break;
            }
            Some("INVITE") => up.peer.answer(&heard, "500 Not now").await,
            _ => {}
        }
    }
    assert!(matches!(up.room.hear_end().await, CallEnd::Expired(_)));
}

#[tokio::test]
async fn a_peer_that_takes_over_refreshing_is_waited_for() {
    let mut house = hasty().await;
    let more = "Supported: timer\r\nSession-Expires: 2;refresher=uas\r\nAllow: UPDATE\r\n";
    let mut up = call_up(&mut house, Transport::Udp, more).await;
    let update = hear_request(&mut up, "UPDATE").await;
    up.peer.answer_with(&update, "200 OK", "Session-Expires: 2;refresher=uas\r\n", "").await;
    expect_end(&mut up, "not refreshed").await;
}

/// SIP-24: by the peer's request, and by its answer to ours.
#[tokio::test]
async fn the_next_request_goes_to_the_contact_that_was_named_last() {
    let mut house = hasty().await;
    let more = "Supported: timer\r\nSession-Expires: 2;refresher=uas\r\nAllow: UPDATE\r\n";
    let mut up = call_up(&mut house, Transport::Udp, more).await;
    let update = hear_request(&mut up, "UPDATE").await;
    let (mut second, mut third) = (house.udp().await, house.udp().await);
    let there = format!("Contact: <sip:r@{}>\r\nSession-Expires: 2;refresher=uac\r\n", second.local);
    up.peer.answer_with(&update, "200 OK", &there, "").await;
    let update = second.hear().await;
    assert!(update.start().starts_with("UPDATE sip:r@"), "{}", update.0);
    second.answer(&update, "200 OK").await;
    let moved = format!("Contact: <sip:r2@{}>\r\n", third.local);
    assert_eq!(up.peer.ask(&up.invite.next("UPDATE", 2, &up.ok).with(&moved)).await.code(), 200);
    up.room.say(CallCommand::Bye { cause: 480, text: "bye".into() }).await;
    let bye = third.hear().await;
    assert!(bye.start().starts_with("BYE sip:r2@"), "{}", bye.0);
    third.answer(&bye, "200 OK").await;
}
