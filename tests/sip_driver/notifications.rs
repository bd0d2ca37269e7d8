//! Where notifications go, and over what: RFC 3261 §18.1.1, SIP-17, SIP-24.

use mucfocus::hub::mail::{Outcome, SubscriptionMail};
use mucfocus::sip::port::{Notification, Reason, SubscriptionState};
use mucfocus::sip::settings::Transport;
use tokio::net::TcpListener;

use crate::harness::{House, PATIENCE, Peer};
use crate::message::contact_uri;
use crate::subscriptions::{Up, delivered, refresh, subscribed};

const ROOM: &str = "sip:capulet@rooms.example.com";

/// SIP-17, SIP-24: routes stay, the target follows the Contact of a refresh.
#[tokio::test]
async fn a_notify_follows_the_routes_and_the_last_contact() {
    let mut house = House::open().await;
    let mut proxy = house.udp().await;
    let route = format!("<sip:{};lr>", proxy.local);
    let mut up = subscribed(&mut house, Transport::Udp, &format!("Record-Route: {route}\r\n")).await;
    assert_eq!(up.ok.get("Record-Route"), route);
    let moved = refresh(&up, 2, "Contact: <sip:romeo@192.0.2.9>\r\n");
    assert_eq!(up.peer.ask(&moved).await.code(), 200);
    assert!(matches!(up.room.hear().await, SubscriptionMail::Refreshed { expires: 3600, interval: None }));
    up.room.show(3600, "<a/>").await;
    let notify = proxy.hear().await;
    assert_eq!((notify.start(), notify.get("Route")), ("NOTIFY sip:romeo@192.0.2.9 SIP/2.0", route.as_str()));
    proxy.answer(&notify, "200 OK").await;
    delivered(&mut up.room).await;
}

/// RFC 3261 §18.1.1: what is large goes by stream to the same target, and Via and Contact say so.
#[tokio::test]
async fn a_large_notify_goes_by_stream_and_the_stream_is_kept() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    let listener = up.peer.listen();
    let large = format!("<a>{}</a>", "x".repeat(100_000));
    up.room.show(3600, &large).await;
    let mut stream = Peer::accept(&listener).await;
    for round in 0..2 {
        if round > 0 {
            up.room.show(3600, &large).await;
        }
        let notify = stream.hear().await;
        assert_eq!(notify.body(), large);
        assert!(notify.get("Via").starts_with("SIP/2.0/TCP "));
        let here = format!("sip:capulet@{};transport=tcp", house.address(Transport::Tcp));
        assert_eq!(contact_uri(&notify), here);
        stream.answer(&notify, "200 OK").await;
        delivered(&mut up.room).await;
    }
    // What is small still goes by datagram.
    up.room.show(3600, "<small/>").await;
    let small = up.peer.hear().await;
    assert!(small.get("Via").starts_with("SIP/2.0/UDP ") && small.get("CSeq") == "3 NOTIFY");
    up.peer.answer(&small, "200 OK").await;
    delivered(&mut up.room).await;
}

/// RFC 3261 §18.1.1, CI-28.
#[tokio::test]
async fn a_large_notify_goes_by_datagram_to_who_has_no_stream_as_long_as_it_fits() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    let large = format!("<a>{}</a>", "x".repeat(50_000));
    up.room.show(3600, &large).await;
    let notify = up.peer.hear().await;
    assert_eq!(notify.body(), large);
    assert!(notify.get("Via").starts_with("SIP/2.0/UDP "));
    up.peer.answer(&notify, "200 OK").await;
    delivered(&mut up.room).await;
    // Streams are not tried again.
    let listener = up.peer.listen();
    up.room.show(3600, &"x".repeat(70_000)).await;
    assert!(matches!(up.room.hear().await, SubscriptionMail::Notified(Outcome::TooLarge)));
    drop(listener);
    // That it is over is said without the document that does not fit.
    let state = SubscriptionState::Terminated { reason: Reason::Timeout, retry_after: None, text: None, cause: None };
    up.room.notify(Notification { state, document: Some("x".repeat(70_000).into()) }).await;
    let last = up.peer.hear().await;
    assert_eq!((last.get("Subscription-State"), last.body()), ("terminated;reason=timeout", ""));
    up.peer.answer(&last, "200 OK").await;
    up.room.hear_last().await;
}

/// RFC 3263 §4.1: what the URI asks for.
#[tokio::test]
async fn a_target_that_asks_for_streams_gets_them() {
    let mut house = House::open().await;
    let mut peer = house.udp().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let contact = format!("Contact: <sip:romeo@{};transport=TCP>\r\n", listener.local_addr().unwrap());
    let subscribe = peer.request("SUBSCRIBE", ROOM).with(&contact).with("Event: conference\r\n");
    assert_eq!(peer.ask(&subscribe).await.code(), 200);
    let mut room = house.watching().await;
    room.show(3600, "<a/>").await;
    let mut stream = Peer::accept(&listener).await;
    let notify = stream.hear().await;
    assert!(notify.get("Via").starts_with("SIP/2.0/TCP "));
    stream.answer(&notify, "200 OK").await;
    delivered(&mut room).await;
}

/// Who comes back over another connection is notified there.
#[tokio::test]
async fn a_refresh_over_a_new_stream_moves_the_subscription_there() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Tcp, "").await;
    let mut back = house.tcp().await;
    let moved = refresh(&up, 2, "");
    assert_eq!(back.ask(&moved).await.code(), 200);
    assert!(matches!(up.room.hear().await, SubscriptionMail::Refreshed { expires: 3600, interval: None }));
    up.room.show(3600, "<a/>").await;
    let notify = back.hear().await;
    back.answer(&notify, "200 OK").await;
    delivered(&mut up.room).await;
}

/// EV-10: nobody is there any more, and nobody can be reached.
#[tokio::test]
async fn a_notify_that_has_no_way_ends_the_subscription() {
    let mut house = House::open().await;
    let Up { peer, mut room, .. } = subscribed(&mut house, Transport::Tcp, "").await;
    drop(peer);
    tokio::time::timeout(PATIENCE, async {
        while house.driver.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection is still there");
    room.show(3600, "<a/>").await;
    assert!(matches!(room.hear().await, SubscriptionMail::Notified(Outcome::Failed)));
    room.hear_end().await;
    house.is_empty().await;
}

/// EV-12: what the rooms say last gets out before the sockets close.
#[tokio::test]
async fn a_shutdown_waits_for_the_last_notifications() {
    let mut house = House::open().await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    up.room.end(Reason::Deactivated, None).await;
    let House { driver, .. } = house;
    let down = tokio::spawn(driver.shutdown());
    let last = up.peer.hear().await;
    assert_eq!(last.get("Subscription-State"), "terminated;reason=deactivated");
    assert!(!down.is_finished(), "it waits for the answer");
    up.peer.answer(&last, "200 OK").await;
    up.room.hear_last().await;
    down.await.unwrap();
}

/// Who listens for no streams opens one all the same, and stays reachable by datagram.
#[tokio::test]
async fn the_contact_of_a_large_notify_leads_to_where_somebody_listens() {
    let mut house = House::open_with(|s| s.listen.retain(|l| l.transport == Transport::Udp)).await;
    let mut up = subscribed(&mut house, Transport::Udp, "").await;
    let listener = up.peer.listen();
    up.room.show(3600, &"x".repeat(2000)).await;
    let mut stream = Peer::accept(&listener).await;
    let notify = stream.hear().await;
    assert!(notify.get("Via").starts_with("SIP/2.0/TCP "));
    assert_eq!(contact_uri(&notify), contact_uri(&up.ok));
    stream.answer(&notify, "200 OK").await;
    delivered(&mut up.room).await;
}

/// Bounded: 1,024 that wait for their answer, and each answer lets the next one go.
#[tokio::test]
async fn so_many_notifies_wait_for_their_answer_and_the_others_for_their_turn() {
    const IN_FLIGHT: usize = 1024;
    let mut house = House::open().await;
    let mut peer = house.tcp().await;
    let mut rooms = Vec::new();
    for _ in 0..IN_FLIGHT + 2 {
        assert_eq!(peer.ask(&peer.subscribe(ROOM)).await.code(), 200);
        rooms.push(house.watching().await);
    }
    for room in &rooms {
        room.show(3600, "<a/>").await;
    }
    let mut waiting = Vec::new();
    for _ in 0..IN_FLIGHT {
        waiting.push(peer.hear().await);
    }
    for _ in 0..2 {
        // The connection answers in order: what is not before this was not sent.
        assert_eq!(peer.ask(&peer.request("OPTIONS", ROOM)).await.code(), 200);
        peer.answer(&waiting.pop().unwrap(), "200 OK").await;
        assert!(peer.hear().await.start().starts_with("NOTIFY "));
    }
}
