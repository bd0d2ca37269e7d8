//! SIP over WebSocket (RFC 7118), as browsers speak it: FT-39. The browser itself is in `tests/browser`.

use futures_util::SinkExt as _;
use mucfocus::sip::port::CallCommand;
use mucfocus::sip::settings::{Settings, Transport};
use mucfocus_rig::websocket;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::client::answered;
use crate::digest::{ROMEO, call, challenge};
use crate::harness::{House, Peer};
use crate::secure::{Secured, connect};

const ROOM: &str = "sip:capulet@rooms.example.com";

async fn browsers_house(node: &Secured) -> House {
    House::open_with(|settings| {
        node.listens(settings);
        challenge(settings);
        lets_in(settings);
    })
    .await
}

fn lets_in(settings: &mut Settings) {
    settings.allowed_origins.add("https://chat.test").unwrap();
}

async fn client(house: &House, transport: Transport, node: &Secured) -> Peer {
    if transport.is_secure() {
        return connect(house, transport, node, None).await;
    }
    let to = house.address(transport);
    let stream = TcpStream::connect(to).await.unwrap();
    let local = stream.local_addr().unwrap();
    Peer::web(stream, transport, local, to).await
}

/// RFC 7118 §5: each message is one frame, the Contact leads nowhere, and everything goes over the one connection.
#[tokio::test]
async fn a_caller_over_a_websocket_logs_in_and_is_spoken_to_on_it() {
    let node = Secured::new(None, None);
    for transport in [Transport::Ws, Transport::Wss] {
        let mut house = browsers_house(&node).await;
        let mut peer = client(&house, transport, &node).await;
        let (_, ok, room) = call(&mut house, &mut peer).await;
        let (at, contact) = (house.address(transport), ok.get("Contact"));
        assert!(contact.starts_with(&format!("<sip:capulet@{at};transport=ws>")), "{contact}");
        assert!(ok.get("Via").starts_with(&format!("SIP/2.0/{} ", transport.via())), "{}", ok.0);
        room.say(CallCommand::Bye { cause: 480, text: "over".into() }).await;
        let bye = peer.hear().await;
        assert!(bye.start().starts_with("BYE sip:romeo@df7jal23ls0d.invalid;transport=ws "), "{}", bye.0);
        assert!(bye.get("Via").starts_with(&format!("SIP/2.0/{} ", transport.via())), "{}", bye.0);
        peer.answer(&bye, "200 OK").await;
        house.is_empty().await;
    }
}

/// RFC 7118 §5.3: the frame says where a message ends. Octets that are no text come in binary frames.
#[tokio::test]
async fn a_message_needs_no_length_and_may_be_binary() {
    let node = Secured::new(None, None);
    let house = browsers_house(&node).await;
    let mut peer = client(&house, Transport::Ws, &node).await;
    let text = peer.request("OPTIONS", ROOM).text().replace("Content-Length: 0\r\n", "");
    peer.send(&text).await;
    assert_eq!(peer.hear_final().await.code(), 401);
    let text = peer.request("OPTIONS", ROOM).text();
    peer.frames().send(Frame::Binary(text.into())).await.unwrap();
    assert_eq!(peer.hear_final().await.code(), 401);
}

/// RFC 5626 §4.4.1, which browsers' libraries use over WebSockets too.
#[tokio::test]
async fn a_keep_alive_is_answered_and_pings_as_well() {
    let node = Secured::new(None, None);
    let house = browsers_house(&node).await;
    let mut peer = client(&house, Transport::Ws, &node).await;
    peer.send("\r\n\r\n").await;
    assert_eq!(peer.hear().await.0, "\r\n");
    peer.frames().send(Frame::Ping("there?".into())).await.unwrap();
    let options = peer.request("OPTIONS", ROOM);
    peer.send(&options.text()).await;
    use futures_util::StreamExt as _;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.push(peer.frames().next().await.unwrap().unwrap());
    }
    assert!(heard.contains(&Frame::Pong("there?".into())), "{heard:?}");
}

/// SEC-03: behind a proxy that ends TLS all browsers have its address, and who is trusted there is the proxy, not they.
#[tokio::test]
async fn nobody_is_believed_by_his_address_over_a_websocket() {
    let node = Secured::new(None, None);
    let house = House::open_with(|settings| {
        challenge(settings);
        settings.trusted_peers =
            vec![mucfocus::sip::settings::TrustedPeer { network: "127.0.0.1/32".parse().unwrap(), over_udp: true }];
        node.listens(settings);
    })
    .await;
    let mut peer = client(&house, Transport::Ws, &node).await;
    let invite = peer.invite(ROOM);
    let refused = peer.ask(&invite).await;
    assert_eq!(refused.code(), 401);
    peer.send(&invite.ack(&refused)).await;
    let other = answered(&invite, &refused, &ROMEO).from("<sip:juliet@example.org>;tag=j");
    assert_eq!(peer.ask(&other).await.code(), 403);
}

/// RFC 7118 §4.1, RFC 6455 §10.2.
#[tokio::test]
async fn who_asks_for_another_protocol_or_comes_from_another_page_is_told_so() {
    let node = Secured::new(None, None);
    let house = browsers_house(&node).await;
    let ask = async |protocol: Option<&str>, headers: &str| {
        let mut stream = TcpStream::connect(house.address(Transport::Ws)).await.unwrap();
        websocket::ask(&mut stream, &websocket::request(protocol, headers)).await
    };
    assert!(ask(Some("msrp"), "").await.starts_with("HTTP/1.1 400 "));
    assert!(ask(None, "").await.starts_with("HTTP/1.1 400 "));
    assert!(ask(Some("sip"), "Origin: https://evil.test\r\n").await.starts_with("HTTP/1.1 403 "));
    assert!(ask(Some("msrp, sip"), "Origin: https://chat.test\r\n").await.starts_with("HTTP/1.1 101 "));
    let counted = house.counts.0.lock().unwrap().clone();
    assert_eq!(counted, ["websocket_protocol", "websocket_protocol", "websocket_origin"]);
}

/// SEC-06: what is too long ends its own connection, with the code that says why (RFC 6455 §7.4.1).
#[tokio::test]
async fn a_frame_larger_than_any_message_closes_its_connection_alone() {
    let node = Secured::new(None, None);
    let house = browsers_house(&node).await;
    let (mut peer, mut other) =
        (client(&house, Transport::Ws, &node).await, client(&house, Transport::Ws, &node).await);
    peer.frames().send(Frame::Text("x".repeat(100_000).into())).await.unwrap();
    use futures_util::StreamExt as _;
    let goodbye = loop {
        match peer.frames().next().await {
            Some(Ok(Frame::Close(Some(frame)))) => break u16::from(frame.code),
            Some(Ok(_)) => {}
            end => panic!("{end:?}"),
        }
    };
    assert_eq!(goodbye, 1009);
    let options = other.request("OPTIONS", ROOM);
    assert_eq!(other.ask(&options).await.code(), 401);
}
