//! SIP under TLS: SIP-15, SEC-01. Who is believed by his certificate, and whom we take for whom when we connect.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mucfocus::hub::mail::CallEnd;
use mucfocus::sip::port::CallCommand;
use mucfocus::sip::settings::{Listen, Settings, Transport};
use mucfocus::tls::{self, Tls};
use mucfocus_rig::certificate::Certificate;
use mucfocus_rig::openssl;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::harness::{House, OFFER, PATIENCE, Peer, call_from};

const ROOM: &str = "sip:capulet@rooms.example.com";

/// A node with a certificate for `focus.test`.
pub struct Secured {
    pub certificate: Certificate,
    folder: TempDir,
    pub tls: Arc<Tls>,
}

impl Secured {
    /// `peers` signs the certificates of peers that may be known by name, `ca` those of whom we connect to.
    pub fn new(peers: Option<&Certificate>, ca: Option<&Certificate>) -> Self {
        let folder = TempDir::with_prefix("node-").unwrap();
        let certificate = Certificate::for_host("focus.test");
        let (certificate_file, key_file) = certificate.copy_to(folder.path());
        let authorities = folder.path().join("peers.pem");
        let client_ca_file = peers.map(|peers| {
            std::fs::copy(peers.authority(), &authorities).unwrap();
            authorities
        });
        let ca_file = ca.map(Certificate::authority);
        let tls = Tls::new(tls::Settings { certificate_file, key_file, ca_file, client_ca_file });
        Self { certificate, folder, tls: tls.unwrap() }
    }

    /// Listens on every transport.
    pub fn listens(&self, settings: &mut Settings) {
        let address = "127.0.0.1:0".parse().unwrap();
        settings.listen = Transport::ALL.map(|transport| Listen { transport, address }).to_vec();
        settings.tls = Some(Arc::clone(&self.tls));
    }
}

/// A connection under TLS to one of the listeners, showing `shown`.
pub async fn connect(house: &House, transport: Transport, node: &Secured, shown: Option<&Certificate>) -> Peer {
    let to = house.address(transport);
    let stream = TcpStream::connect(to).await.unwrap();
    let local = stream.local_addr().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(node.certificate.authority()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some(certificate) => config.with_client_auth_cert(chain(certificate), key(certificate)).unwrap(),
    };
    let name = ServerName::try_from("focus.test").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    match transport {
        Transport::Tls => Peer::over(stream, transport, local, to),
        _ => Peer::web(stream, transport, local, to).await,
    }
}

fn chain(certificate: &Certificate) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from_pem_file(certificate.files().0).unwrap()]
}

fn key(certificate: &Certificate) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(certificate.files().1).unwrap()
}

/// SIP-15, SEC-01.
#[tokio::test]
async fn a_caller_under_tls_is_spoken_to_on_his_connection() {
    let node = Secured::new(None, None);
    let mut house = House::open_with(|settings| node.listens(settings)).await;
    let peer = connect(&house, Transport::Tls, &node, None).await;
    let mut up = call_from(&mut house, peer, "").await;
    let (at, contact) = (house.address(Transport::Tls), up.ok.get("Contact").to_owned());
    assert!(contact.starts_with(&format!("<sip:capulet@{at};transport=tls>")), "{contact}");
    up.room.say(CallCommand::Bye { cause: 480, text: "over".into() }).await;
    let bye = up.peer.hear().await;
    assert!(bye.start().starts_with("BYE ") && bye.get("Via").starts_with("SIP/2.0/TLS "), "{}", bye.0);
    up.peer.answer(&bye, "200 OK").await;
    house.is_empty().await;
}

/// SIP-15: as another implementation speaks it.
#[tokio::test]
async fn openssl_gets_an_answer_under_tls() {
    let node = Secured::new(None, None);
    let house = House::open_with(|settings| node.listens(settings)).await;
    for version in ["-tls1_2", "-tls1_3"] {
        let to = house.address(Transport::Tls);
        let secure = openssl::client(to, None, &[version]);
        let (local, joined) = (to, tokio::io::join(secure.read, secure.write));
        let mut peer = Peer::over(joined, Transport::Tls, local, to);
        let options = peer.request("OPTIONS", ROOM);
        assert_eq!(peer.ask(&options).await.code(), 200, "{version}: {}", secure.told.text());
    }
}

fn believes_names(settings: &mut Settings, name: &str) {
    settings.trusted_peers.clear();
    settings.trusted_names = vec![name.to_owned()];
}

/// SIP-15, SEC-03: a peer is believed by the name in a certificate that somebody vouches for, and by nothing less.
#[tokio::test]
async fn a_peer_is_believed_by_the_name_in_its_certificate() {
    let proxy = Certificate::for_host("proxy.test");
    let node = Secured::new(Some(&proxy), None);
    let mut house = House::open_with(|settings| {
        node.listens(settings);
        believes_names(settings, "proxy.test");
    })
    .await;
    let mut trusted = connect(&house, Transport::Tls, &node, Some(&proxy)).await;
    trusted.send(&trusted.invite(ROOM).text()).await;
    assert_eq!(house.ringing().await.dial.caller.aor.to_string(), "sip:romeo@example.org");

    // None; one that says the same name, by himself; one of another authority.
    for shown in [None, Some(Certificate::self_signed("proxy.test")), Some(Certificate::for_host("proxy.test"))] {
        let mut stranger = connect(&house, Transport::Tls, &node, shown.as_ref()).await;
        let invite = stranger.invite(ROOM);
        assert_eq!(stranger.ask(&invite).await.code(), 403);
    }
    assert_eq!(house.counts.0.lock().unwrap().iter().filter(|why| **why == "certificate").count(), 2);
    // By its address, or over another transport, it is nobody.
    let mut plain = house.peer(Transport::Tcp).await;
    let invite = plain.invite(ROOM);
    assert_eq!(plain.ask(&invite).await.code(), 403);
}

/// RFC 5922 §7.2: a certificate for all hosts of a domain is nobody's.
#[tokio::test]
async fn a_pattern_in_a_certificate_is_no_name() {
    let proxy = Certificate::for_host("proxy.test"); // and *.proxy.test
    let node = Secured::new(Some(&proxy), None);
    let house = House::open_with(|settings| {
        node.listens(settings);
        believes_names(settings, "a.proxy.test");
    })
    .await;
    let mut peer = connect(&house, Transport::Tls, &node, Some(&proxy)).await;
    let invite = peer.invite(ROOM);
    assert_eq!(peer.ask(&invite).await.code(), 403);
}

/// SIP-15: who vouches for peers can change while calls go on.
#[tokio::test]
async fn the_authorities_of_peers_are_read_again_when_their_file_changes() {
    let (old, new) = (Certificate::for_host("proxy.test"), Certificate::for_host("proxy.test"));
    let node = Secured::new(Some(&old), None);
    let mut house = House::open_with(|settings| {
        node.listens(settings);
        believes_names(settings, "proxy.test");
    })
    .await;
    let following = tokio::spawn(Arc::clone(&node.tls).follow_files());
    let before = connect(&house, Transport::Tls, &node, Some(&old)).await;
    let mut up = call_from(&mut house, before, "").await;
    tokio::time::sleep(Duration::from_secs(1)).await; // the first look is over
    std::fs::copy(new.authority(), node.folder.path().join("peers.pem")).unwrap();
    let is_believed = async || {
        let mut peer = connect(&house, Transport::Tls, &node, Some(&new)).await;
        let options = peer.request("OPTIONS", ROOM);
        peer.ask(&options).await.code() == 200
    };
    timeout(PATIENCE, async {
        while !is_believed().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("the new authority is not believed");
    // What is open goes on as it began.
    assert_eq!(up.peer.ask(&up.invite.next("BYE", 2, &up.ok)).await.code(), 200);
    following.abort();
}

#[tokio::test]
async fn who_takes_a_port_for_another_kind_is_sent_away_and_counted() {
    let node = Secured::new(None, None);
    let house = House::open_with(|settings| node.listens(settings)).await;
    let closes = async |to: SocketAddr, octets: &[u8]| {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(octets).await.unwrap();
        openssl::rest(&mut stream).await;
    };
    closes(house.address(Transport::Tls), b"OPTIONS sip:a@b SIP/2.0\r\n\r\n").await;
    closes(house.address(Transport::Tcp), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    let counted = || house.counts.0.lock().unwrap().clone();
    let both = ["plain_text_on_tls_port", "tls_on_plain_port"];
    mucfocus_rig::until(|| both.iter().all(|why| counted().contains(why)), PATIENCE, "both are counted").await;
}

/// A proxy that waits for us under TLS, and says that it is `certificate`.
async fn awaits(certificate: &Certificate) -> (TcpListener, TlsAcceptor) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain(certificate), key(certificate))
        .unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)))
}

/// A call by TCP whose dialog leads back to `localhost` under TLS, and whose connection is gone.
async fn left_alone(house: &mut House, port: u16) -> crate::harness::Ringing {
    let mut peer = house.tcp().await;
    let contact = format!("Contact: <sip:romeo@localhost:{port};transport=tls>\r\n");
    let invite = peer.request("INVITE", ROOM).with(&contact).with("Content-Type: application/sdp\r\n").body(OFFER);
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    peer.send(&invite.ack(&ok)).await;
    room.hear().await;
    drop(peer);
    mucfocus_rig::until(|| house.driver.connections() == 0, PATIENCE, "the connection is gone").await;
    room
}

/// SIP-15: as a client we look at the certificate, for the host of the URI.
#[tokio::test]
async fn a_call_that_lost_its_connection_is_ended_under_tls_with_whom_the_certificate_names() {
    let proxy = Certificate::for_host("localhost");
    let node = Secured::new(None, Some(&proxy));
    let mut house = House::open_at(Duration::from_millis(50), |settings| node.listens(settings)).await;
    let (listener, acceptor) = awaits(&proxy).await;
    let at = listener.local_addr().unwrap();
    let room = left_alone(&mut house, at.port()).await;
    room.say(CallCommand::Bye { cause: 480, text: "over".into() }).await;
    let (stream, from) = timeout(PATIENCE, listener.accept()).await.expect("nobody connects").unwrap();
    let stream = acceptor.accept(stream).await.unwrap();
    let mut peer = Peer::over(stream, Transport::Tls, at, from);
    let bye = peer.hear().await;
    assert!(bye.start().starts_with("BYE sip:romeo@localhost:"), "{}", bye.0);
    assert!(bye.get("Via").starts_with(&format!("SIP/2.0/TLS {};", house.address(Transport::Tls))), "{}", bye.0);
    peer.answer(&bye, "200 OK").await;
    house.is_empty().await;
}

/// SIP-15: no plain text goes to somebody else.
#[tokio::test]
async fn nothing_is_said_to_whom_another_certificate_names() {
    let proxy = Certificate::for_host("elsewhere.test");
    let node = Secured::new(None, Some(&proxy));
    let mut house = House::open_at(Duration::from_millis(50), |settings| node.listens(settings)).await;
    let (listener, acceptor) = awaits(&proxy).await;
    let mut room = left_alone(&mut house, listener.local_addr().unwrap().port()).await;
    room.say(CallCommand::Bye { cause: 480, text: "over".into() }).await;
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("nobody connects").unwrap();
    assert!(acceptor.accept(stream).await.is_err());
    assert_eq!(room.hear_end().await, CallEnd::ByUs);
    house.is_empty().await;
}
