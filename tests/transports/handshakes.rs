//! Who gets to a session under TLS: with which certificate, and with what else on the wrong port.

use mucfocus_rig::msrp::{Peer, Send};
use mucfocus_rig::openssl::{self, client};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;

fn secure() -> Expectation {
    Expectation { secure: true, fingerprints: Vec::new() }
}

async fn answer(peer: &Peer) -> Option<u16> {
    let id = peer.send(Send::bodiless());
    peer.response(&id).await.code()
}

/// MS-TLS-01.
#[tokio::test]
async fn a_session_gets_its_connection_under_either_version_of_tls() {
    let node = Node::start().await;
    for version in ["-tls1_2", "-tls1_3"] {
        let mut session = node.session(secure());
        let connection = client(node.at(Kind::Tls), None, &[version]);
        let (peer, told) = openssl::peer(connection, CLIENT, &session.path());
        peer.send(Send::bodiless());
        session.is_bound().await;
        assert!(matches!(session.hears().await, SessionMail::Frame { .. }));
        drop(told); // and with it the connection
        assert!(matches!(session.hears().await, SessionMail::Lost { .. }));
    }
}

/// MS-TLS-01: no plain text where TLS was agreed upon.
#[tokio::test]
async fn a_secure_session_is_not_had_by_tcp() {
    let node = Node::start().await;
    let mut session = node.session(secure());
    let path = format!("msrp://{}/{};tcp", node.at(Kind::Tcp), session.id);
    let peer = Peer::connect(CLIENT, &path).await;
    assert_eq!(answer(&peer).await, Some(403));
    node.has_counted("unfit-connection").await;
    peer.is_closed(SOON).await;
    // It still waits for whom it is for.
    let (peer, _told) = openssl::peer(client(node.at(Kind::Tls), None, &[]), CLIENT, &session.path());
    peer.send(Send::bodiless());
    session.is_bound().await;
}

/// MS-TLS-01, MS-TLS-02: the certificate decides whose session it is, whoever signed it.
#[tokio::test]
async fn a_session_is_for_whom_the_offer_named_by_his_fingerprint() {
    let node = Node::start().await;
    let (romeo, tybalt) = (Certificate::self_signed("romeo.test"), Certificate::self_signed("tybalt.test"));
    let hashes = [("sha1", Hash::Sha1), ("sha256", Hash::Sha256), ("sha384", Hash::Sha384), ("sha512", Hash::Sha512)];
    for (name, hash) in hashes {
        let fingerprints = vec![fingerprint(&romeo, name, hash)];
        let mut session = node.session(Expectation { secure: true, fingerprints });
        for (certificate, version) in [(Some(&tybalt), "-tls1_2"), (Some(&tybalt), "-tls1_3"), (None, "-tls1_3")] {
            let connection = client(node.at(Kind::Tls), certificate, &[version]);
            let (peer, _told) = openssl::peer(connection, CLIENT, &session.path());
            assert_eq!(answer(&peer).await, Some(403), "{name} {version}");
            peer.is_closed(SOON).await;
            assert!(matches!(session.hears().await, SessionMail::Misfit));
        }
        let (peer, _told) = openssl::peer(client(node.at(Kind::Tls), Some(&romeo), &[]), CLIENT, &session.path());
        peer.send(Send::bodiless());
        session.is_bound().await;
    }
    node.has_counted("unfit-connection").await;
}

/// MS-TLS-01: who has a session on his connection keeps it, whatever else he asks for there.
#[tokio::test]
async fn a_connection_that_has_a_session_is_not_closed_for_another() {
    let node = Node::start().await;
    let (romeo, tybalt) = (Certificate::self_signed("romeo.test"), Certificate::self_signed("tybalt.test"));
    let mut own = node.session(secure());
    let fingerprints = vec![fingerprint(&romeo, "sha256", Hash::Sha256)];
    let other = node.session(Expectation { secure: true, fingerprints });
    let (peer, _told) = openssl::peer(client(node.at(Kind::Tls), Some(&tybalt), &[]), CLIENT, &own.path());
    peer.send(Send::bodiless());
    own.is_bound().await;
    assert!(matches!(own.hears().await, SessionMail::Frame { .. }));
    let refused = format!(
        "MSRP a786hjs2 SEND\r\nTo-Path: {}\r\nFrom-Path: {CLIENT}\r\nMessage-ID: 1\r\n-------a786hjs2$\r\n",
        other.path()
    );
    peer.raw(refused);
    node.has_counted("unfit-connection").await;
    peer.send(Send::bodiless());
    assert!(matches!(own.hears().await, SessionMail::Frame { .. }));
    assert!(!peer.closed());
}

/// MS-TLS-01: each side on the wrong port.
#[tokio::test]
async fn plain_text_for_tls_and_tls_for_plain_text_are_refused_by_name() {
    let node = Node::start().await;
    for kind in [Kind::Tls, Kind::Wss] {
        let mut stream = TcpStream::connect(node.at(kind)).await.unwrap();
        stream.write_all(b"MSRP a786hjs2 SEND\r\n").await.unwrap();
        openssl::rest(&mut stream).await;
    }
    node.has_counted("plain-text-on-tls-port").await;
    let connection = client(node.at(Kind::Tcp), None, &[]);
    let (peer, told) = openssl::peer(connection, CLIENT, CLIENT);
    peer.is_closed(SOON).await;
    node.has_counted("tls-on-plain-port").await;
    assert!(!told.text().is_empty(), "openssl says that this was no TLS");
}

/// A client that shows no version of TLS that is safe.
#[tokio::test]
async fn old_versions_of_tls_are_refused() {
    let node = Node::start().await;
    let connection = client(node.at(Kind::Tls), None, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let (peer, _told) = openssl::peer(connection, CLIENT, CLIENT);
    peer.is_closed(SOON).await;
    node.has_counted("tls-refused").await;
}

/// MS-CONN-10.
#[tokio::test]
async fn who_does_not_finish_his_handshake_is_let_go_and_nobody_waits_for_him() {
    let limits = Limits { unbound_time: Duration::from_secs(1), ..Limits::default() };
    let node = Node::with(limits, None).await;
    let mut slow = Vec::new();
    for kind in [Kind::Tls, Kind::Ws, Kind::Wss] {
        for _ in 0..30 {
            let mut stream = TcpStream::connect(node.at(kind)).await.unwrap();
            // The beginning of a record of TLS, or of a request; then silence.
            stream
                .write_all(if kind == Kind::Ws { b"GET / HT" } else { b"\x16\x03\x01\x02\x00\x01\x00\x01" })
                .await
                .unwrap();
            slow.push(stream);
        }
    }
    let mut session = node.session(secure());
    let (peer, _told) = openssl::peer(client(node.at(Kind::Tls), None, &[]), CLIENT, &session.path());
    peer.send(Send::bodiless());
    session.is_bound().await;
    for stream in &mut slow {
        openssl::rest(stream).await;
    }
    node.has_counted("handshake-timeout").await;
    assert!(!peer.closed(), "a connection with a session stays");
}

/// MS-CONN-10.
#[tokio::test]
async fn a_source_has_one_allowance_for_all_listeners_together() {
    let node = Node::with(Limits::default(), Some(2)).await;
    let first = TcpStream::connect(node.at(Kind::Tcp)).await.unwrap();
    let _second = TcpStream::connect(node.at(Kind::Tls)).await.unwrap();
    let mut third = TcpStream::connect(node.at(Kind::Wss)).await.unwrap();
    assert_eq!(openssl::rest(&mut third).await, b"");
    node.has_counted("too-many-connections").await;
    drop(first);
    let mut session = node.session(secure());
    let bound = async {
        loop {
            let (peer, _told) = openssl::peer(client(node.at(Kind::Tls), None, &[]), CLIENT, &session.path());
            peer.send(Send::bodiless());
            tokio::select! {
                () = session.is_bound() => return,
                () = peer.is_closed(SOON) => {}
            }
        }
    };
    tokio::time::timeout(SOON, bound).await.expect("there is room again");
}
