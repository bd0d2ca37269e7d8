//! Contacts that lead elsewhere: nobody makes us send to whom he likes.

use std::time::Duration;

use mucfocus::hub::mail::{Outcome, SubscriptionMail};
use mucfocus::sip::port::{CallCommand, Reason};
use mucfocus::sip::settings::Transport;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::client::{Answer, answered};
use crate::digest::{ROMEO, call, challenge};
use crate::harness::{House, Message, Peer, Request, Watching, call_up};

const ROOM: &str = "sip:capulet@rooms.example.com";
const QUIET: Duration = Duration::from_millis(300);

fn subscribe(peer: &Peer, fields: &str) -> Request {
    peer.request("SUBSCRIBE", ROOM).with(fields).with("Event: conference\r\n")
}

/// A subscription of a stranger who has said who he is.
async fn subscribed(house: &mut House, peer: &mut Peer, fields: &str) -> (Request, Message, Watching) {
    let subscribe = subscribe(peer, fields);
    let refused = peer.ask(&subscribe).await;
    let again = answered(&subscribe, &refused, &ROMEO);
    let ok = peer.ask(&again).await;
    assert_eq!(ok.code(), 200, "{}", ok.0);
    (again, ok, house.watching().await)
}

async fn outcome(room: &mut Watching) -> Outcome {
    match room.hear().await {
        SubscriptionMail::Notified(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_contact_that_leads_to_many_or_to_nobody_is_400() {
    let mut house = House::open().await;
    let mut up = call_up(&mut house, Transport::Udp, "").await;
    let hosts = ["239.1.1.1:5060", "255.255.255.255", "0.0.0.0:5060", "[ff02::1]", "[::]", "192.0.2.1:0"];
    for (host, cseq) in hosts.iter().zip(2..) {
        let contact = format!("Contact: <sip:romeo@{host}>\r\n");
        let peer = &mut up.peer;
        let refused = peer.ask(&subscribe(peer, &contact)).await;
        assert_eq!(refused.code(), 400, "{host}");
        assert!(refused.get("Warning").contains("Contact leads to no host"), "{}", refused.0);
        assert_eq!(peer.ask(&peer.request("INVITE", ROOM).with(&contact)).await.code(), 400, "{host}");
        let update = up.invite.next("UPDATE", cseq, &up.ok).with(&contact);
        assert_eq!(peer.ask(&update).await.code(), 400, "{host}");
    }
    assert_eq!(house.driver.dialogs(), 1);
}

/// Neither a Contact nor a Record-Route of his sends anything to another address; the Request-URI is the Contact all the same.
#[tokio::test]
async fn what_a_stranger_is_told_goes_to_where_he_is() {
    let mut house = House::open_with(challenge).await;
    let mut near = house.udp().await;
    let mut far = Peer::udp(house.address(Transport::Udp), "127.0.0.2").await;
    let doors = [near.listen(), far.listen()];
    let mut peer = house.udp().await;
    for fields in [
        format!("Contact: <sip:romeo@{}>\r\n", near.local),
        format!("Contact: <sip:romeo@{}>\r\n", far.local),
        format!("Contact: <sip:romeo@{};transport=tcp>\r\n", far.local),
        format!("Contact: <sip:romeo@192.0.2.9>\r\nRecord-Route: <sip:{};lr>\r\n", far.local),
    ] {
        let (_, _, mut room) = subscribed(&mut house, &mut peer, &fields).await;
        let uri = fields.split(['<', '>']).nth(1).unwrap();
        // A large one has no stream to go by.
        for document in ["<a/>".to_owned(), "x".repeat(2000)].iter().take(if uri.contains("127.0.0.1") { 1 } else { 2 })
        {
            room.show(600, document).await;
            let notify = peer.hear().await;
            assert_eq!(notify.start(), format!("NOTIFY {uri} SIP/2.0"));
            peer.answer(&notify, "200 OK").await;
            assert_eq!(outcome(&mut room).await, Outcome::Delivered);
        }
        room.end(Reason::Timeout, None).await;
        let last = peer.hear().await;
        peer.answer(&last, "200 OK").await;
        room.hear_last().await;
    }
    assert!(near.hears_nothing(QUIET).await && far.hears_nothing(QUIET).await);
    for door in doors {
        assert!(timeout(QUIET, door.accept()).await.is_err());
    }
}

#[tokio::test]
async fn a_large_notify_goes_by_stream_to_a_stranger_whose_contact_is_where_he_is() {
    let mut house = House::open_with(challenge).await;
    let mut peer = house.udp().await;
    let listener = peer.listen();
    let contact = peer.contact();
    let (_, _, mut room) = subscribed(&mut house, &mut peer, &contact).await;
    room.show(600, &"x".repeat(2000)).await;
    let mut stream = Peer::accept(&listener).await;
    let notify = stream.hear().await;
    stream.answer(&notify, "200 OK").await;
    assert_eq!(outcome(&mut room).await, Outcome::Delivered);
}

/// Nobody is dialled for him.
#[tokio::test]
async fn a_stranger_whose_stream_is_gone_is_not_looked_for_elsewhere() {
    let mut house = House::open_with(challenge).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = house.tcp().await;
    let contact = format!("Contact: <sip:romeo@{};transport=tcp>\r\n", listener.local_addr().unwrap());
    let (_, _, mut room) = subscribed(&mut house, &mut peer, &contact).await;
    drop(peer);
    timeout(crate::harness::PATIENCE, async {
        while house.driver.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    room.show(600, "<a/>").await;
    assert_eq!(outcome(&mut room).await, Outcome::Failed);
    assert!(timeout(QUIET, listener.accept()).await.is_err());
}

/// SIP-24: as behind a NAT, whose mapping changes. Every usage of the dialog follows.
#[tokio::test]
async fn a_stranger_who_speaks_from_elsewhere_is_answered_there() {
    let mut house = House::open_with(challenge).await;
    let mut peer = house.udp().await;
    let (invite, ok, mut room) = call(&mut house, &mut peer).await;
    let mut elsewhere = house.tcp().await;
    let moved = |cseq| {
        Request { local: elsewhere.local, transport: "TCP", ..invite.next("SUBSCRIBE", cseq, &ok) }
            .with("Event: conference\r\nContact: <sip:romeo@192.0.2.9>\r\n")
    };
    let (first, second) = (moved(2), moved(3));
    let refused = elsewhere.ask(&first).await;
    let uri = &*second.uri.clone();
    let moved = answered(&second, &refused, &Answer { count: 2, uri, ..ROMEO });
    assert_eq!(elsewhere.ask(&moved).await.code(), 200);
    let watching = house.watching().await;
    watching.show(600, "<a/>").await;
    assert!(elsewhere.hear().await.start().starts_with("NOTIFY sip:romeo@192.0.2.9 "));
    room.say(CallCommand::Bye { cause: 480, text: "kicked".into() }).await;
    let bye = elsewhere.hear().await;
    assert!(bye.start().starts_with("BYE sip:romeo@192.0.2.9 "), "{}", bye.0);
    elsewhere.answer(&bye, "200 OK").await;
    room.hear_end().await;
    assert!(peer.hears_nothing(QUIET).await);
}
