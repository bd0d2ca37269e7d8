//! Whole rooms: SIP users whose MSRP goes under TLS or over WebSocket talk with people on a real XMPP server.

use std::sync::Arc;

use mucfocus_rig::World;
use mucfocus_rig::msrp::{Cpim, Peer, Send};
use mucfocus_rig::openssl::{self, client};
use mucfocus_rig::sip::{Call, Request, Transport, Ua};
use mucfocus_rig::websocket as web;
use mucfocus_rig::xmpp::Client;

use super::*;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");

/// A room with Juliet (XMPP) in it, on a node that listens for every kind of MSRP.
struct Stage {
    world: World,
    juliet: Client,
    romeo: Arc<Ua>,
    node: Certificate,
}

impl Stage {
    async fn set() -> Self {
        let node = Certificate::for_host("focus.test");
        let world = World::with(BINARY, |settings| {
            settings.msrp_certificate = Some(node.clone());
            settings.msrp = "allowed_origins = []\n".into();
        })
        .await;
        let juliet = world.xmpp_in("capulet", "juliet").await;
        let romeo = Arc::new(world.ua("romeo", Transport::Tcp).await);
        Self { world, juliet, romeo, node }
    }

    /// Romeo calls the room and says these lines of his MSRP stream.
    async fn called(&self, protocol: &str, path: &str, setup: &str, more: &str) -> Call<'_> {
        let port = path.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap();
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message {port} {protocol} *\r\n\
             a=path:{path}\r\na=setup:{setup}\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
             a=chatroom\r\n{more}"
        );
        self.romeo.call(Request::invite(&self.world.sip("capulet"), &offer)).await
    }

    /// Both hear each other.
    async fn they_talk(&self, peer: &Peer) {
        let cpim = |text: &str| Cpim::text(self.romeo.aor(), &self.world.sip("capulet"), text);
        let id = peer.send(Send::cpim(&cpim("By yonder blessed moon")));
        assert_eq!(peer.response(&id).await.code(), Some(200));
        let muc = self.world.muc("capulet");
        self.juliet.hears(&muc, "By yonder blessed moon").await;
        self.juliet.say(&muc, "O, swear not by the moon");
        peer.hears("O, swear not by the moon").await;
        // More than fits a record of TLS, or a frame of 16-bit length.
        let long = "moon ".repeat(8_000);
        self.juliet.say(&muc, &long);
        peer.hears(&long).await;
        let chunks = Send::chunks(&cpim(&long), 2_048);
        let ids: Vec<String> = chunks.into_iter().map(|chunk| peer.send(chunk)).collect();
        for id in ids {
            assert_eq!(peer.response(&id).await.code(), Some(200));
        }
        assert_eq!(peer.broken(), [""; 0]);
    }
}

/// MS-TLS-01, MS-TLS-02.
#[tokio::test]
async fn a_caller_under_tls_is_in_the_room() {
    let stage = Stage::set().await;
    let romeo = Certificate::self_signed("romeo.test");
    let own = format!("msrps://127.0.0.1:9/{};tcp", random(24));
    let fingerprint = format!("a=fingerprint:SHA-256 {}\r\n", romeo.fingerprint("sha256"));
    let call = stage.called("TCP/TLS/MSRP", &own, "active", &fingerprint).await;
    let (path, ours) = (call.answer.sdp("path").unwrap(), call.answer.sdp("fingerprint").unwrap());
    assert!(path.starts_with("msrps://127.0.0.1:") && path.ends_with(";tcp"), "{path}");
    assert!(ours.eq_ignore_ascii_case(&format!("SHA-256 {}", stage.node.fingerprint("sha256"))), "{ours}");
    // Who is not Romeo does not get his session.
    let (other, _told) = openssl::peer(client(stage.world.mucfocus.msrp_over("tls"), None, &[]), &own, &path);
    let id = other.send(Send::bodiless());
    assert_eq!(other.response(&id).await.code(), Some(403));
    let connection = client(stage.world.mucfocus.msrp_over("tls"), Some(&romeo), &[]);
    let (peer, _told) = openssl::peer(connection, &own, &path);
    peer.bind().await;
    stage.they_talk(&peer).await;
}

/// ACM-08, MS-TLS-01.
#[tokio::test]
async fn a_caller_whom_we_connect_to_under_tls_is_in_the_room() {
    let stage = Stage::set().await;
    let romeo = Certificate::self_signed("romeo.test");
    let (address, secure) = openssl::server(&romeo, &[]).await;
    let own = format!("msrps://{address}/{};tcp", random(24));
    let fingerprint = format!("a=fingerprint:SHA-256 {}\r\n", romeo.fingerprint("sha256"));
    let call = stage.called("TCP/TLS/MSRP", &own, "passive", &fingerprint).await;
    let (peer, _told) = openssl::peer(secure, &own, &call.answer.sdp("path").unwrap());
    stage.they_talk(&peer).await;
}

/// MS-TLS-01.
#[tokio::test]
async fn a_caller_who_shows_another_certificate_than_he_offered_gets_a_bye() {
    let stage = Stage::set().await;
    let (romeo, tybalt) = (Certificate::self_signed("romeo.test"), Certificate::self_signed("romeo.test"));
    let (address, _secure) = openssl::server(&tybalt, &[]).await;
    let own = format!("msrps://{address}/{};tcp", random(24));
    let fingerprint = format!("a=fingerprint:SHA-256 {}\r\n", romeo.fingerprint("sha256"));
    let call = stage.called("TCP/TLS/MSRP", &own, "passive", &fingerprint).await;
    let bye = call.ended(SOON).await;
    assert!(bye.header("Reason").unwrap().contains("TLS: the certificate"), "{bye}");
}

/// MS-TLS-01: the same where he connects, to one who comes with a certificate of somebody else.
#[tokio::test]
async fn a_caller_who_comes_with_another_certificate_than_he_offered_is_closed_on_and_gets_a_bye() {
    let stage = Stage::set().await;
    let (romeo, tybalt) = (Certificate::self_signed("romeo.test"), Certificate::self_signed("romeo.test"));
    let own = format!("msrps://127.0.0.1:9/{};tcp", random(24));
    let fingerprint = format!("a=fingerprint:SHA-256 {}\r\n", romeo.fingerprint("sha256"));
    let call = stage.called("TCP/TLS/MSRP", &own, "active", &fingerprint).await;
    let connection = client(stage.world.mucfocus.msrp_over("tls"), Some(&tybalt), &[]);
    let (peer, _told) = openssl::peer(connection, &own, &call.answer.sdp("path").unwrap());
    let id = peer.send(Send::bodiless());
    assert_eq!(peer.response(&id).await.code(), Some(403));
    peer.is_closed(SOON).await;
    let bye = call.ended(SOON).await;
    assert!(bye.header("Reason").unwrap().contains("TLS: the certificate"), "{bye}");
}

/// WS-01, MS-TLS-01.
#[tokio::test]
async fn a_caller_over_a_websocket_is_in_the_room() {
    let stage = Stage::set().await;
    let own = format!("msrps://{}.invalid:9/{};ws", random(12), random(24));
    let call = stage.called("TCP/TLS/MSRP", &own, "active", "").await;
    let path = call.answer.sdp("path").unwrap();
    let address = stage.world.mucfocus.msrp_over("wss");
    assert!(path.starts_with(&format!("msrps://{address}/")) && path.ends_with(";ws"), "{path}");
    let secure = client(address, None, &[]);
    let mut stream = tokio::io::join(secure.read, secure.write);
    web::open(&mut stream).await;
    let (read, write) = tokio::io::split(stream);
    let peer = web::peer(read, write, &own, &path);
    peer.bind().await;
    stage.they_talk(&peer).await;
}
