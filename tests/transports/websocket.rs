//! MSRP over WebSocket (RFC 7977): the request, messages and their frames, and what does not belong there.

use mucfocus_rig::msrp::Send;
use mucfocus_rig::openssl::{self, client};
use mucfocus_rig::websocket::{self as web, BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, ask, request};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;

/// A request for a session that is not there; it gets a 481.
const SEND: &str = "MSRP a786hjs2 SEND\r\nTo-Path: msrps://focus.test:2855/none;ws\r\n\
                    From-Path: msrps://client.invalid:9/abcdefghijklmnop;ws\r\nMessage-ID: 87652491\r\n-------a786hjs2$\r\n";

async fn opened(node: &Node) -> TcpStream {
    let mut stream = TcpStream::connect(node.at(Kind::Ws)).await.unwrap();
    web::open(&mut stream).await;
    stream
}

async fn put(stream: &mut TcpStream, kind: u8, last: bool, payload: impl Into<Vec<u8>>) {
    stream.write_all(&web::masked(&Frame { kind, last, payload: payload.into() })).await.unwrap();
}

async fn next(stream: &mut TcpStream) -> Option<Frame> {
    tokio::time::timeout(SOON, web::frame(stream)).await.expect("nothing comes")
}

/// The next frame is one binary message with a 481, and nothing else.
#[track_caller]
fn is_481(frame: Option<Frame>) {
    let frame = frame.expect("the connection ended");
    let text = String::from_utf8(frame.payload).unwrap();
    assert_eq!((frame.kind, frame.last), (BINARY, true), "{text}");
    assert!(text.starts_with("MSRP a786hjs2 481 ") && text.ends_with("-------a786hjs2$\r\n"), "{text}");
}

/// WS-01.
#[tokio::test]
async fn text_and_binary_are_taken_alike_and_each_chunk_is_answered_in_a_message_of_its_own() {
    let node = Node::start().await;
    let mut stream = opened(&node).await;
    for kind in [TEXT, BINARY] {
        put(&mut stream, kind, true, SEND).await;
        is_481(next(&mut stream).await);
    }
}

/// WS-01: a message may come in frames, with control frames between them (RFC 6455 §5.4).
#[tokio::test]
async fn a_message_in_frames_is_put_together_and_a_ping_among_them_is_answered() {
    let node = Node::start().await;
    let mut stream = opened(&node).await;
    let (first, rest) = SEND.split_at(20);
    put(&mut stream, TEXT, false, first).await;
    put(&mut stream, PING, true, "are you there").await;
    let pong = next(&mut stream).await.unwrap();
    assert_eq!((pong.kind, pong.payload.as_slice()), (PONG, &b"are you there"[..]));
    let (second, third) = rest.split_at(30);
    put(&mut stream, CONTINUATION, false, second).await;
    put(&mut stream, CONTINUATION, true, third).await;
    is_481(next(&mut stream).await);
}

/// WS-01: what a peer does who does not cut where RFC 7977 §5.1 says.
#[tokio::test]
async fn two_chunks_in_a_message_and_halves_of_one_are_understood() {
    let node = Node::start().await;
    let mut stream = opened(&node).await;
    put(&mut stream, TEXT, true, [SEND, SEND].concat()).await;
    is_481(next(&mut stream).await);
    is_481(next(&mut stream).await);
    let (first, second) = SEND.split_at(70);
    put(&mut stream, TEXT, true, first).await;
    put(&mut stream, TEXT, true, "").await;
    put(&mut stream, BINARY, true, second).await;
    is_481(next(&mut stream).await);
}

/// WS-01.
#[tokio::test]
async fn who_does_not_ask_for_msrp_gets_400_and_a_sentence() {
    let node = Node::start().await;
    for protocol in [None, Some("sip"), Some("MSRPX, sip")] {
        let mut stream = TcpStream::connect(node.at(Kind::Ws)).await.unwrap();
        let answer = ask(&mut stream, &request(protocol, "")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let all = answer + &String::from_utf8(openssl::rest(&mut stream).await).unwrap();
        assert!(all.contains("ask for the sub-protocol \"msrp\""), "{all}");
    }
    node.has_counted("websocket-protocol").await;
    let mut stream = TcpStream::connect(node.at(Kind::Ws)).await.unwrap();
    let answer = ask(&mut stream, &request(Some("sip, msrp"), "")).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
}

/// WS-01.
#[tokio::test]
async fn a_page_is_let_in_by_its_origin_and_who_is_no_browser_without_one() {
    let node = Node::start().await;
    let cases = [("", "101"), ("Origin: https://chat.test\r\n", "101"), ("Origin: https://evil.test\r\n", "403")];
    for (header, status) in cases {
        let mut stream = TcpStream::connect(node.at(Kind::Ws)).await.unwrap();
        let answer = ask(&mut stream, &request(Some("msrp"), header)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header}: {answer}");
    }
    node.has_counted("websocket-origin").await;
}

/// WS-01.
#[tokio::test]
async fn what_is_no_request_for_a_websocket_ends_the_connection() {
    let node = Node::start().await;
    for text in ["MSRP a786hjs2 SEND\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(node.at(Kind::Ws)).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        openssl::rest(&mut stream).await;
    }
    // A head without an end.
    let mut stream = TcpStream::connect(node.at(Kind::Ws)).await.unwrap();
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(200_000)).as_bytes()).await;
    let _ = tokio::time::timeout(SOON, web::frame(&mut stream)).await.expect("the connection stays open");
    node.has_counted("websocket-handshake").await;
}

/// WS-01: a message larger than a chunk may be is refused as such.
#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection_with_its_reason() {
    let node = Node::start().await;
    for last in [true, false] {
        let mut stream = opened(&node).await;
        let size = Limits::default().message / 2;
        put(&mut stream, BINARY, last, "x".repeat(if last { 3 * size } else { size })).await;
        for _ in 0..3 {
            put(&mut stream, CONTINUATION, false, "x".repeat(size)).await;
            if last {
                break;
            }
        }
        let goodbye = next(&mut stream).await.expect("a reason");
        assert_eq!((goodbye.kind, &goodbye.payload[..2]), (CLOSE, &1009_u16.to_be_bytes()[..]));
    }
}

/// RFC 6455 §5.1: a client masks what it writes.
#[tokio::test]
async fn a_client_that_does_not_mask_is_let_go() {
    let node = Node::start().await;
    let mut stream = opened(&node).await;
    stream.write_all(&web::unmasked(&Frame { kind: TEXT, last: true, payload: SEND.into() })).await.unwrap();
    while let Some(frame) = next(&mut stream).await {
        assert_eq!(frame.kind, CLOSE, "{frame:?}");
    }
}

/// WS-01: a goodbye is answered with one.
#[tokio::test]
async fn a_client_that_says_goodbye_hears_one() {
    let node = Node::start().await;
    let mut stream = opened(&node).await;
    put(&mut stream, CLOSE, true, 1000_u16.to_be_bytes()).await;
    assert_eq!(next(&mut stream).await.map(|frame| frame.kind), Some(CLOSE));
}

/// WS-01, MS-TLS-01: under TLS, without a certificate of the client's, for which browsers must not be asked.
#[tokio::test]
async fn a_secure_session_gets_a_websocket_over_tls() {
    let node = Node::start().await;
    let mut session = node.session(Expectation { secure: true, fingerprints: Vec::new() });
    let mut plain = opened(&node).await;
    let path = session.path();
    put(&mut plain, TEXT, true, SEND.replace("msrps://focus.test:2855/none;ws", &path)).await;
    let refusal = String::from_utf8(next(&mut plain).await.unwrap().payload).unwrap();
    assert!(refusal.starts_with("MSRP a786hjs2 403 "), "{refusal}");

    let secure = client(node.at(Kind::Wss), None, &[]);
    let mut stream = tokio::io::join(secure.read, secure.write);
    web::open(&mut stream).await;
    let (read, write) = tokio::io::split(stream);
    let peer = web::peer(read, write, CLIENT, &path);
    let id = peer.send(Send::bodiless());
    session.is_bound().await;
    assert!(matches!(session.hears().await, SessionMail::Frame { .. }));
    assert!(peer.responded(&id).is_none(), "the room answers, and there is none");
}
