//! Connections that we make, as the TLS client (ACM-08): whom we take for the caller.

use mucfocus_core::leg::Target;
use mucfocus_rig::msrp::Peer;
use mucfocus_rig::openssl::{self, Secure};

use super::*;

/// What becomes of a connection to who shows `certificate` on `address`, called by `name`.
async fn connect(node: &Node, address: SocketAddr, name: &str, fingerprints: Vec<Fingerprint>) -> (Session, String) {
    let mut session = node.session(Expectation::default());
    let target =
        Target { host: address.ip().to_string(), port: address.port(), secure: true, name: name.into(), fingerprints };
    let joining = node.context.sessions.claim_for_us(&session.id).unwrap();
    tokio::spawn(listener::connect(target, joining, true, node.context.clone()));
    let mut told = session.hears().await;
    let is_misfit = matches!(told, SessionMail::Misfit);
    if is_misfit {
        told = session.hears().await;
    }
    let fate = match told {
        SessionMail::Bound(link) => {
            session.link = Some(link);
            "bound".to_owned()
        }
        SessionMail::Unreachable { why } => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(is_misfit, fate.contains("certificate is not"), "{fate}");
    (session, fate)
}

fn peer(secure: Secure, session: &Session) -> (Peer, openssl::Told) {
    openssl::peer(secure, CLIENT, &session.path())
}

/// ACM-08, MS-TLS-01.
#[tokio::test]
async fn we_are_the_tls_client_and_show_our_own_certificate() {
    let node = Node::start().await;
    let romeo = Certificate::self_signed("romeo.test");
    let (address, secure) = openssl::server(&romeo, &["-verify", "1"]).await;
    let fingerprints = vec![fingerprint(&romeo, "sha256", Hash::Sha256)];
    let (mut session, fate) = connect(&node, address, "127.0.0.1", fingerprints).await;
    assert_eq!(fate, "bound");
    let (peer, told) = peer(secure, &session);
    peer.send(mucfocus_rig::msrp::Send::bodiless());
    assert!(matches!(session.hears().await, SessionMail::Frame { .. }));
    assert!(told.text().contains("CN = focus.test"), "{}", told.text());
}

/// MS-TLS-01.
#[tokio::test]
async fn who_shows_another_certificate_than_the_offer_named_is_not_the_caller() {
    let node = Node::start().await;
    let (romeo, tybalt) = (Certificate::self_signed("romeo.test"), Certificate::self_signed("romeo.test"));
    let (address, _secure) = openssl::server(&tybalt, &[]).await;
    let (_, fate) = connect(&node, address, "romeo.test", vec![fingerprint(&romeo, "sha256", Hash::Sha256)]).await;
    assert!(fate.contains("its certificate is not the one that the offer announced"), "{fate}");
    node.has_counted("tls-server-certificate").await;
}

/// MS-TLS-01: without a fingerprint the name decides, as an authority says.
#[tokio::test]
async fn without_a_fingerprint_a_known_authority_has_to_vouch_for_the_name() {
    let authority = Certificate::for_host("clients.test");
    let folder = TempDir::with_prefix("node-").unwrap();
    let (certificate_file, key_file) = Certificate::for_host("focus.test").copy_to(folder.path());
    let settings = Settings { certificate_file, key_file, ca_file: Some(authority.authority()), client_ca_file: None };
    let node = Node::showing(settings, folder, Limits::default(), None).await;
    for (certificate, name, good) in [
        (&authority, "romeo.clients.test", true),
        (&authority, "romeo.other.test", false),
        (&authority, "127.0.0.1", false),
        (&Certificate::self_signed("romeo.clients.test"), "romeo.clients.test", false),
    ] {
        let (address, _secure) = openssl::server(certificate, &[]).await;
        let (_session, fate) = connect(&node, address, name, Vec::new()).await;
        assert_eq!(fate == "bound", good, "{name}: {fate}");
        assert!(good || fate.contains("its certificate is not the one of its name"), "{fate}");
    }
}

/// MS-TLS-01: no way back to plain text.
#[tokio::test]
async fn a_caller_who_speaks_no_tls_is_not_spoken_to_in_the_clear() {
    let node = Node::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"MSRP a786hjs2 SEND\r\n").await.unwrap();
        openssl::rest(&mut stream).await
    });
    let (_, fate) = connect(&node, address, "127.0.0.1", Vec::new()).await;
    assert!(fate.contains("TLS: "), "{fate}");
    let came = plain.await.unwrap();
    assert!(!came.windows(4).any(|w| w == b"MSRP"), "{came:?}");
}

/// ACM-04: where nobody listens, the client may come to us instead.
#[tokio::test]
async fn a_client_whom_we_could_not_reach_may_connect_to_us() {
    let node = Node::start().await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (mut session, fate) = connect(&node, nobody, "127.0.0.1", Vec::new()).await;
    assert!(fate.contains("cannot connect to the client"), "{fate}");
    let mut stream = tokio::net::TcpStream::connect(node.at(Kind::Tcp)).await.unwrap();
    let send = format!(
        "MSRP d93kswow SEND\r\nTo-Path: {}\r\nFrom-Path: msrp://127.0.0.1:7394/x;tcp\r\nMessage-ID: 1\r\n-------d93kswow$\r\n",
        session.path()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, send.as_bytes()).await.unwrap();
    session.is_bound().await;
    assert!(matches!(session.hears().await, SessionMail::Frame { .. }));
    let (session, _) = connect(&node, nobody, "127.0.0.1", Vec::new()).await;
    drop(session);
    assert_eq!(node.context.sessions.len(), 1, "what has ended is not brought back");
}

/// A session that is to be had at `address` in plain text, bound or not.
async fn joins(node: &Node, address: SocketAddr, may_share: bool) -> Session {
    let mut session = node.session(Expectation::default());
    let (host, port) = (address.ip().to_string(), address.port());
    let target = Target { name: host.clone(), host, port, secure: false, fingerprints: Vec::new() };
    let joining = node.context.sessions.claim_for_us(&session.id).unwrap();
    tokio::spawn(listener::connect(target, joining, may_share, node.context.clone()));
    match session.hears().await {
        SessionMail::Bound(link) => session.link = Some(link),
        other => panic!("{other:?}"),
    }
    session
}

/// MS-CONN-07: one connection for all sessions that are to be had at one place, but for one that may have lost it.
#[tokio::test]
async fn sessions_at_one_place_share_the_connection_that_we_made() {
    let node = Node::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut first = joins(&node, address, true).await;
    let (stream, _) = listener.accept().await.unwrap();
    let mut second = joins(&node, address, true).await;
    let nobody = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(nobody.is_err(), "a second connection");
    // Each hears what is for it, on the one connection.
    let (_read, mut write) = stream.into_split();
    for session in [&mut second, &mut first] {
        let send = format!(
            "MSRP d93kswow SEND\r\nTo-Path: {}\r\nFrom-Path: msrp://127.0.0.1:7394/x;tcp\r\nMessage-ID: 1\r\n-------d93kswow$\r\n",
            session.path()
        );
        tokio::io::AsyncWriteExt::write_all(&mut write, send.as_bytes()).await.unwrap();
        assert!(matches!(session.hears().await, SessionMail::Frame { .. }));
    }
    // Who connects once more gets a connection of his own, which others share from then on.
    let _third = joins(&node, address, false).await;
    let (_again, _) = tokio::time::timeout(SOON, listener.accept()).await.expect("no second connection").unwrap();
    // One that has ended is no more to be had.
    drop((write, _read, _again));
    assert!(matches!(first.hears().await, SessionMail::Lost { .. }));
    assert!(matches!(second.hears().await, SessionMail::Lost { .. }));
    let _fourth = joins(&node, address, true).await;
    tokio::time::timeout(SOON, listener.accept()).await.expect("no new connection").unwrap();
}
