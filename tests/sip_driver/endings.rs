//! How calls end: GC-EXIT-01, 02, 05; SIP-17.

use std::time::Duration;

use mucfocus::hub::mail::{CallEnd, CallMail};
use mucfocus::sip::port::{CallCommand, Refusal};
use mucfocus::sip::settings::Transport;
use tokio::net::TcpListener;

use crate::harness::{House, Peer, call_up};
use crate::stage::Ringing;

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// GC-EXIT-01, GC-EXIT-02.
#[tokio::test]
async fn a_bye_gets_200_at_once_and_its_reason_reaches_the_room() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut up = call_up(&mut house, transport, "").await;
        let bye = up.invite.next("BYE", 2, &up.ok).with("Reason: SIP;cause=200;text=\"gone home\"\r\n");
        assert_eq!(up.peer.ask(&bye).await.code(), 200);
        assert_eq!(up.room.hear_end().await, CallEnd::Bye { reason: Some("gone home".into()) });
        house.is_empty().await;
        assert_eq!(up.peer.ask(&up.invite.next("BYE", 3, &up.ok)).await.code(), 481);
    }
}

/// SEC-03: who knows the tags of a dialog does not own it.
#[tokio::test]
async fn a_bye_of_another_caller_gets_403_and_the_call_goes_on() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let theirs = up.invite.next("BYE", 2, &up.ok).with("P-Asserted-Identity: <sip:tybalt@example.org>\r\n");
    assert_eq!(up.peer.ask(&theirs).await.code(), 403);
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 3, &up.ok)).await.code(), 200);
}

/// E-19: the drafts print a BYE with the number of the INVITE.
#[tokio::test]
async fn a_bye_with_the_number_of_the_invite_gets_500_and_the_call_goes_on() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 1, &up.ok)).await.code(), 500);
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 2, &up.ok)).await.code(), 200);
}

/// SIP-17: routes in the order of Record-Route; GC-EXIT-05: the reason says why.
#[tokio::test]
async fn our_bye_follows_the_route_set_in_order_and_says_why() {
    for transport in BOTH {
        let mut house = House::open().await;
        let mut probe = house.peer(transport).await;
        let hop = probe.local;
        let routes = "Record-Route: <sip:P1;lr>, <sip:p2.example;lr>\r\nRecord-Route: <sip:p3.example;lr>\r\n";
        let routes = routes.replace("P1", &hop.to_string());
        let mut up = call_up(&mut house, transport, &routes).await;
        assert_eq!(
            up.ok.all("Record-Route").join(", "),
            format!("<sip:{hop};lr>, <sip:p2.example;lr>, <sip:p3.example;lr>")
        );
        up.room.say(CallCommand::Bye { cause: 480, text: "removed by \"nurse\"".into() }).await;
        // By datagram to the first route; on a stream, over the stream of the dialog.
        let at = if transport == Transport::Udp { &mut probe } else { &mut up.peer };
        let bye = at.hear().await;
        assert_eq!(bye.all("Route"), [&format!("<sip:{hop};lr>"), "<sip:p2.example;lr>", "<sip:p3.example;lr>"]);
        assert_eq!(bye.get("Reason"), "SIP;cause=480;text=\"removed by \\\"nurse\\\"\"");
        assert_eq!(bye.get("To"), up.invite.from);
        assert_eq!(bye.get("From"), up.ok.get("To"));
        at.answer(&bye, "200 OK").await;
        assert_eq!(up.room.hear_end().await, CallEnd::ByUs);
        house.is_empty().await;
    }
}

/// RFC 3261 §15: no BYE before the ACK.
#[tokio::test]
async fn a_bye_waits_for_the_ack() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    let invite = peer.invite("sip:capulet@rooms.example.com");
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    room.say(CallCommand::Bye { cause: 480, text: "kicked".into() }).await;
    let ok = peer.hear_final().await;
    // The 200 comes once more before any BYE does.
    assert_eq!(peer.hear().await.code(), 200);
    peer.send(&invite.ack(&ok)).await;
    assert!(matches!(room.hear().await, CallMail::Confirmed));
    loop {
        let message = peer.hear().await;
        if message.start().starts_with("BYE ") {
            peer.answer(&message, "200 OK").await;
            break;
        }
    }
    assert_eq!(room.hear_end().await, CallEnd::ByUs);
}

/// A caller over TCP who listens elsewhere, and his call.
async fn in_a_call(house: &mut House, listener: &TcpListener) -> (Peer, Ringing) {
    let address = listener.local_addr().unwrap();
    let mut peer = house.tcp().await;
    let mut invite = peer.invite("sip:capulet@rooms.example.com");
    invite.more = format!("Contact: <sip:romeo@{address};transport=tcp>\r\nContent-Type: application/sdp\r\n");
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    peer.send(&invite.ack(&ok)).await;
    assert!(matches!(room.hear().await, CallMail::Confirmed));
    (peer, room)
}

#[tokio::test]
async fn a_bye_goes_over_a_new_connection_when_that_of_the_dialog_is_gone() {
    let mut house = House::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (peer, room) = in_a_call(&mut house, &listener).await;
    drop(peer);
    // Until the driver knows, its BYE would go into the closed connection.
    tokio::time::timeout(crate::harness::PATIENCE, async {
        while house.driver.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection is still there");
    room.say(CallCommand::Bye { cause: 480, text: "bye".into() }).await;
    let (mut stream, _) = tokio::time::timeout(crate::harness::PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut octets = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut octets).await.unwrap();
    assert_eq!(&octets, b"BYE ");
}

/// RFC 3261 §8.1.3.1, RFC 3263 §4.3: at once, and not after the 32 s of timer F.
#[tokio::test]
async fn a_bye_whose_connection_breaks_goes_over_a_new_one() {
    for is_read in [true, false] {
        let mut house = House::open().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut peer, mut room) = in_a_call(&mut house, &listener).await;
        room.say(CallCommand::Bye { cause: 480, text: "bye".into() }).await;
        if is_read {
            assert!(peer.hear().await.start().starts_with("BYE "));
        }
        drop(peer);
        let mut again = Peer::accept(&listener).await;
        let bye = again.hear().await;
        assert!(bye.start().starts_with("BYE "), "{}", bye.0);
        again.answer(&bye, "200 OK").await;
        assert_eq!(room.hear_end().await, CallEnd::ByUs);
        house.is_empty().await;
    }
}

/// Closed in order, after all was read, or reset because something was not.
#[tokio::test]
async fn a_caller_whose_connection_closes_before_the_answer_has_withdrawn() {
    for is_read in [true, false] {
        let mut house = House::open().await;
        let mut peer = house.tcp().await;
        peer.send(&peer.invite("sip:capulet@rooms.example.com").text()).await;
        let mut room = house.ringing().await;
        if is_read {
            assert_eq!(peer.hear().await.code(), 100);
        }
        drop(peer);
        let CallEnd::Failed(why) = room.hear_end().await else { panic!("not a failure") };
        assert!(why.contains("connection"), "{why}");
        house.is_empty().await;
    }
}

#[tokio::test]
async fn a_caller_who_only_stops_sending_still_gets_the_answer() {
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    peer.send(&peer.invite("sip:capulet@rooms.example.com").text()).await;
    let mut room = house.ringing().await;
    peer.stop_sending().await;
    room.say(CallCommand::Reject(Refusal::new(486, "full"))).await;
    assert_eq!(peer.hear_final().await.code(), 486);
    assert_eq!(room.hear_end().await, CallEnd::ByUs);
}

#[tokio::test]
async fn a_room_that_forgets_a_call_that_is_up_makes_it_end_with_bye() {
    let mut house = House::open().await;
    let up = call_up(&mut house, Transport::Udp, "").await;
    let mut peer = up.peer;
    drop(up.room);
    let bye = peer.hear().await;
    assert!(bye.start().starts_with("BYE ") && bye.get("Reason").contains("cause=500"), "{}", bye.0);
    peer.answer(&bye, "200 OK").await;
    house.is_empty().await;
}

#[tokio::test]
async fn when_both_say_bye_both_get_200() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    up.room.say(CallCommand::Bye { cause: 480, text: "bye".into() }).await;
    let ours = up.peer.hear().await;
    let answer = up.peer.ask(&up.invite.next("BYE", 2, &up.ok)).await;
    assert_eq!((answer.code(), answer.get("CSeq")), (200, "2 BYE"));
    up.peer.answer(&ours, "200 OK").await;
    assert_eq!(up.room.hear_end().await, CallEnd::ByUs);
}

#[tokio::test]
async fn shutdown_waits_for_byes_and_closes_the_sockets() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Tcp, "").await;
    let address = house.address(Transport::Tcp);
    up.room.say(CallCommand::Bye { cause: 503, text: "going down".into() }).await;
    let driver = house.driver;
    let down = tokio::spawn(driver.shutdown());
    let bye = up.peer.hear().await;
    up.peer.answer(&bye, "200 OK").await;
    assert_eq!(up.room.hear_end().await, CallEnd::ByUs);
    tokio::time::timeout(crate::harness::PATIENCE, down).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_bye_before_the_ack_ends_the_repetition_of_the_200() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let invite = peer.invite("sip:capulet@rooms.example.com");
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    peer.send(&invite.next("BYE", 2, &ok).text()).await;
    while peer.hear().await.get("CSeq") != "2 BYE" {}
    assert_eq!(room.hear_end().await, CallEnd::Bye { reason: None });
    house.is_empty().await;
    assert!(peer.hears_nothing(std::time::Duration::from_millis(1500)).await);
}

/// Where a proxy does not record-route, the callers themselves send ACK and BYE.
#[tokio::test]
async fn who_knows_both_tags_of_a_dialog_is_a_party_to_it_and_nobody_else_is() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let mut stranger = crate::harness::Peer::udp(house.address(Transport::Udp), "127.0.0.2").await;
    let bye = up.invite.next("BYE", 2, &up.ok);
    let mut guess = bye.clone();
    guess.to = guess.to.replace(up.ok.to_tag(), "0123456789abcdef");
    assert_eq!(stranger.ask(&guess).await.code(), 403);
    assert_eq!(stranger.ask(&bye).await.code(), 200);
    assert_eq!(up.room.hear_end().await, CallEnd::Bye { reason: None });
}

/// However it drips: a minute to the first message, and 40 s for each.
#[tokio::test]
async fn a_stream_that_says_nothing_whole_is_closed() {
    let house = House::open().await;
    for (drip, least, most) in [("x", 35, 45), ("\r\n\r\n", 55, 65), ("", 55, 65)] {
        let mut peer = house.tcp().await;
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        loop {
            peer.send(drip).await;
            if !peer.hears_nothing(Duration::from_secs(5)).await {
                break;
            }
        }
        let open = began.elapsed().as_secs();
        assert!((least..=most).contains(&open), "{drip:?} {open} s");
        tokio::time::resume();
    }
    // Who has spoken may be silent.
    let mut peer = house.tcp().await;
    assert_eq!(peer.ask(&peer.request("OPTIONS", "sip:capulet@rooms.example.com")).await.code(), 200);
    tokio::time::pause();
    assert!(peer.hears_nothing(Duration::from_secs(300)).await);
    tokio::time::resume();
    assert_eq!(peer.ask(&peer.request("OPTIONS", "sip:capulet@rooms.example.com")).await.code(), 200);
}
