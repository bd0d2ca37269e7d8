//! Where our requests go when a name says where: SIP-16 (RFC 3263). A DNS server of the test's own knows all names.

use std::collections::HashMap;
use std::time::Duration;

use mucfocus::dns::Dns;
use mucfocus::sip::port::CallCommand;
use mucfocus::sip::settings::Transport;
use mucfocus_rig::random;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

use crate::harness::{House, OFFER, Peer, Ringing};

const ROOM: &str = "sip:capulet@rooms.example.com";
const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// Records by name and type, as they stand on the wire.
#[derive(Default)]
struct Zone(HashMap<(String, u16), Vec<Vec<u8>>>);

impl Zone {
    fn a(mut self, name: &str, address: [u8; 4]) -> Self {
        self.0.entry((name.into(), A)).or_default().push(address.to_vec());
        self
    }

    fn srv(mut self, name: &str, priority: u16, host: &str, port: u16) -> Self {
        let head = [priority, 0, port].map(u16::to_be_bytes).concat();
        self.0.entry((name.into(), SRV)).or_default().push([head, labels(host)].concat());
        self
    }

    fn naptr(mut self, name: &str, order: u16, service: &str, replacement: &str) -> Self {
        let mut record = [order, 0].map(u16::to_be_bytes).concat();
        for text in ["s", service, ""] {
            record.push(u8::try_from(text.len()).unwrap());
            record.extend(text.as_bytes());
        }
        record.extend(labels(replacement));
        self.0.entry((name.into(), NAPTR)).or_default().push(record);
        self
    }

    async fn serve(self) -> Names {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let _ = socket.send_to(&self.answer(&buffer[..length]), from).await;
            }
        });
        Names { dns: Dns::asking(address), task }
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (mut at, mut name) = (12, Vec::new());
        while query[at] != 0 {
            let label = &query[at + 1..at + 1 + usize::from(query[at])];
            name.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += 1 + label.len();
        }
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let records = self.0.get(&(name.join("."), kind)).map(Vec::as_slice).unwrap_or_default();
        let mut out = query[..2].to_vec();
        let count = u16::try_from(records.len()).unwrap();
        out.extend([0x8580, 1, count, 0, 0].map(u16::to_be_bytes).concat());
        out.extend(&query[12..at + 5]);
        for record in records {
            out.extend([0xc00c, kind, 1].map(u16::to_be_bytes).concat());
            out.extend(60_u32.to_be_bytes());
            out.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
            out.extend(record);
        }
        out
    }
}

fn labels(name: &str) -> Vec<u8> {
    let labels = name
        .split('.')
        .flat_map(|label| [vec![u8::try_from(label.len()).unwrap()], label.as_bytes().to_vec()].concat());
    labels.chain([0]).collect()
}

/// Serves a zone until it is dropped.
struct Names {
    dns: Dns,
    task: JoinHandle<()>,
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// T1 short, so that a way that is dead is dead in 64 of it.
async fn house(names: &Names) -> House {
    House::open_at(Duration::from_millis(20), |settings| settings.dns = names.dns.clone()).await
}

/// A call whose requests have to go to `target`; the peer that made it is gone.
async fn call_at(house: &mut House, target: &str) -> Ringing {
    let mut peer = house.udp().await;
    let contact = format!("Contact: <{target}>\r\n");
    let invite = peer.request("INVITE", ROOM).with(&contact).with("Content-Type: application/sdp\r\n").body(OFFER);
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    peer.send(&invite.ack(&ok)).await;
    room.hear().await;
    room
}

async fn bye(room: &Ringing) {
    room.say(CallCommand::Bye { cause: 480, text: "over".into() }).await;
}

fn domain() -> String {
    format!("{}.test", random(8))
}

/// A port where nobody listens, held as long as the socket.
async fn dead() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Somebody who is there before the house is.
async fn alive() -> Peer {
    Peer::udp("127.0.0.1:9".parse().unwrap(), "127.0.0.1").await
}

/// RFC 3263 §4.3: who does not answer, or is overloaded, is not the only one.
#[tokio::test]
async fn the_next_host_is_tried_where_the_first_is_dead_or_overloaded() {
    let domain = domain();
    let (_held, nobody) = dead().await;
    let (mut busy, mut good) = (alive().await, alive().await);
    let zone = Zone::default()
        .srv(&format!("_sip._udp.{domain}"), 1, &format!("a.{domain}"), nobody)
        .srv(&format!("_sip._udp.{domain}"), 2, &format!("b.{domain}"), busy.local.port())
        .srv(&format!("_sip._udp.{domain}"), 3, &format!("c.{domain}"), good.local.port());
    let zone = ["a", "b", "c"].iter().fold(zone, |zone, host| zone.a(&format!("{host}.{domain}"), [127, 0, 0, 1]));
    let names = zone.serve().await;
    let mut house = house(&names).await;
    (busy.to, good.to) = (house.address(Transport::Udp), house.address(Transport::Udp));
    let room = call_at(&mut house, &format!("sip:romeo@{domain}")).await;
    bye(&room).await;
    let first = busy.hear().await;
    busy.answer(&first, "503 Service Unavailable").await;
    let second = good.hear().await;
    good.answer(&second, "200 OK").await;
    house.is_empty().await;
    assert_ne!(first.get("Via"), second.get("Via"), "a transaction of its own");
    assert!(second.start().starts_with(&format!("BYE sip:romeo@{domain} ")), "{}", second.0);
}

/// RFC 3263 §4.1: the domain says what it likes best, and what we do not have is passed over.
#[tokio::test]
async fn the_transport_is_the_one_that_the_domain_prefers_of_those_that_we_have() {
    let domain = domain();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let names = Zone::default()
        .naptr(&domain, 10, "SIPS+D2T", &format!("_sips._tcp.{domain}"))
        .naptr(&domain, 20, "SIP+D2S", &format!("_sip._sctp.{domain}"))
        .naptr(&domain, 30, "SIP+D2T", &format!("_x._tcp.{domain}"))
        .naptr(&domain, 40, "SIP+D2U", &format!("_sip._udp.{domain}"))
        .srv(&format!("_x._tcp.{domain}"), 1, &format!("a.{domain}"), listener.local_addr().unwrap().port())
        .a(&format!("a.{domain}"), [127, 0, 0, 1])
        .serve()
        .await;
    let mut house = house(&names).await;
    let room = call_at(&mut house, &format!("sip:romeo@{domain}")).await;
    bye(&room).await;
    let mut peer = Peer::accept(&listener).await;
    let bye = peer.hear().await;
    assert!(bye.get("Via").starts_with("SIP/2.0/TCP "), "{}", bye.0);
    peer.answer(&bye, "200 OK").await;
    house.is_empty().await;
}

/// RFC 3263 §4.2: a port is where it is; nobody is asked for services.
#[tokio::test]
async fn a_uri_with_a_port_asks_for_the_address_alone() {
    let domain = domain();
    let mut good = alive().await;
    let names = Zone::default()
        .srv(&format!("_sip._udp.{domain}"), 1, "nobody.test", 1)
        .a(&domain, [127, 0, 0, 1])
        .serve()
        .await;
    let mut house = house(&names).await;
    good.to = house.address(Transport::Udp);
    let room = call_at(&mut house, &format!("sip:romeo@{domain}:{}", good.local.port())).await;
    bye(&room).await;
    let bye = good.hear().await;
    good.answer(&bye, "200 OK").await;
    house.is_empty().await;
}

/// A stream that is asked for and refuses is followed by the next host, also over TCP.
#[tokio::test]
async fn a_host_that_refuses_connections_is_passed_over() {
    let domain = domain();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refuses = closed.local_addr().unwrap().port();
    drop(closed);
    let names = Zone::default()
        .srv(&format!("_sip._tcp.{domain}"), 1, &format!("a.{domain}"), refuses)
        .srv(&format!("_sip._tcp.{domain}"), 2, &format!("a.{domain}"), listener.local_addr().unwrap().port())
        .a(&format!("a.{domain}"), [127, 0, 0, 1])
        .serve()
        .await;
    let mut house = house(&names).await;
    let room = call_at(&mut house, &format!("sip:romeo@{domain};transport=tcp")).await;
    bye(&room).await;
    let mut peer = Peer::accept(&listener).await;
    let bye = peer.hear().await;
    peer.answer(&bye, "200 OK").await;
    house.is_empty().await;
}
