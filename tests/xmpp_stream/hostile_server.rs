//! Against a server that is scripted to do what real ones do not do on demand.

use std::net::SocketAddr;
use std::time::Duration;

use mucfocus::hub::mail::StreamEnd;
use mucfocus::xmpp::pool::Pool;
use mucfocus_core::stanza::{History, OutStanza, Stanza};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::room::{Room, account, settings};

const ROOM: &str = "capulet@muc.xmpp.test";
pub(crate) const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
    id='s' from='xmpp.test' version='1.0'>";
const MECHANISMS: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
    </mechanisms></stream:features>";
pub(crate) const BIND: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>";

/// The server's end of one stream.
pub(crate) struct Server {
    tcp: TcpStream,
    read: String,
}

impl Server {
    pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// Takes a stream up to the request to bind, and returns its id.
    async fn up_to_bind(listener: &TcpListener) -> (Self, String) {
        let mut server = Self::accept(listener).await;
        server.say(&format!("{HEADER}{MECHANISMS}")).await;
        let id = server.lets_in_up_to_bind().await;
        (server, id)
    }

    /// Takes a stream, up to its header.
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (tcp, _) = listener.accept().await.expect("a stream");
        let mut server = Self { tcp, read: String::new() };
        server.until("version='1.0'>").await;
        server
    }

    /// Lets whoever is there in the classic way, up to his request to bind, and returns its id.
    pub(crate) async fn lets_in_up_to_bind(&mut self) -> String {
        let server = self;
        server.until("</auth>").await;
        server.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await;
        server.until("version='1.0'>").await;
        server.say(&format!("{HEADER}{BIND}")).await;
        let bind = server.until("</iq>").await;
        let (_, id) = bind.split_once("id='").expect("an id");
        id.split_once('\'').expect("an id").0.to_owned()
    }

    /// Binds what was asked for in the request `id`.
    pub(crate) async fn binds(&mut self, id: &str) {
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>romeo@xmpp.test/given</jid></bind>";
        self.say(&format!("<iq type='result' id='{id}'>{bind}</iq>")).await;
    }

    /// Takes a stream and serves it until it is up and a join came.
    async fn up_to_join(listener: &TcpListener) -> Self {
        let (mut server, id) = Self::up_to_bind(listener).await;
        server.binds(&id).await;
        server.until("</presence>").await;
        server
    }

    pub(crate) async fn say(&mut self, xml: &str) {
        self.tcp.write_all(xml.as_bytes()).await.expect("writes");
    }

    /// Reads up to `end`, and returns what came.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            // The client library writes attributes in either kind of quotes.
            let flat = self.read.replace('"', "'");
            if let Some(at) = flat.find(end) {
                let rest = flat.get(at + end.len()..).unwrap_or_default().to_owned();
                self.read = rest;
                return flat.get(..at + end.len()).unwrap_or_default().to_owned();
            }
            let mut bytes = [0; 4096];
            let count = self.tcp.read(&mut bytes).await.expect("reads");
            assert_ne!(count, 0, "the stream ended before {end}: {flat}");
            self.read.push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()));
        }
    }
}

/// A room that is attached and has sent its join, and the server's end of its stream.
async fn attached() -> (Room, Server) {
    let (listener, address) = Server::listen().await;
    let pool = Pool::new(settings());
    let client = async {
        let mut room = Room::attach(&pool, &account("romeo", address), ROOM);
        room.ready().await;
        room.send(&OutStanza::Join {
            occupant: room.occupant("Romeo"),
            id: "j".into(),
            password: None,
            history: History::Last(0),
        });
        room
    };
    tokio::join!(client, Server::up_to_join(&listener))
}

fn message(body: &str) -> String {
    format!("<message from='{ROOM}/Juliet' type='groupchat' id='x'>{body}</message>")
}

#[tokio::test]
async fn a_stream_error_is_the_reason_that_the_room_hears() {
    let (mut room, mut server) = attached().await;
    server
        .say("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        .await;
    assert_eq!(room.end().await, StreamEnd::Lost("the server ended the stream: conflict".into()));
    server.until("</stream:stream>").await;
}

#[tokio::test]
async fn what_came_before_the_end_is_heard_before_it() {
    let (mut room, mut server) = attached().await;
    server.say(&format!("{}</stream:stream>", message("<body>last words</body>"))).await;
    assert_eq!(room.hears().await.2, "last words");
    assert_eq!(room.end().await, StreamEnd::Lost("the server ended the stream".into()));
}

#[tokio::test]
async fn one_occupants_outrageous_stanza_costs_nobody_else_anything() {
    let (mut room, mut server) = attached().await;
    for outrage in [
        "<x>".repeat(3000) + &"</x>".repeat(3000),
        format!("<x a='{}'/>", "y".repeat(9000)),
        format!("<{0}></{0}>", "n".repeat(9000)),
        format!("<body>{}</body>", "z".repeat(600_000)),
        "<!-- comment -->".into(),
        "<?pi ?>".into(),
        "<body>&nbsp;</body>".into(),
    ] {
        server.say(&message(&outrage)).await;
    }
    server.say(&message("<body>meanwhile</body>")).await;
    assert_eq!(room.hears().await.2, "meanwhile");
}

#[tokio::test]
async fn stanzas_in_pieces_of_one_byte_arrive_whole() {
    let (mut room, mut server) = attached().await;
    server.tcp.set_nodelay(true).expect("a TCP option");
    let stanza = message("<body>to=\"x\" &lt;/message> <![CDATA[</message>]]></body>");
    for byte in stanza.as_bytes() {
        server.tcp.write_all(&[*byte]).await.expect("writes");
        tokio::task::yield_now().await;
    }
    assert_eq!(room.hears().await.2, "to=\"x\" </message> </message>");
}

#[tokio::test]
async fn xml_that_cannot_be_followed_ends_the_stream_and_says_so() {
    for (bytes, condition, why) in [
        ("<message></presence>", "not-well-formed", "the stream is not well-formed XML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml", "the stream has XML that XMPP forbids"),
        ("lorem ipsum", "not-well-formed", "the stream has text between its stanzas"),
    ] {
        let (mut room, mut server) = attached().await;
        server.say(bytes).await;
        assert_eq!(room.end().await, StreamEnd::Lost(why.into()));
        let last = server.until("</stream:stream>").await;
        assert!(last.contains(&format!("<stream:error><{condition} ")), "{last}");
    }
}

#[tokio::test]
async fn nobody_else_speaks_for_a_room() {
    let (mut room, mut server) = attached().await;
    for from in ["montague@muc.xmpp.test/Juliet", "mallory@xmpp.test/capulet@muc.xmpp.test", "xmpp.test"] {
        server.say(&message("<body>forged</body>").replace(&format!("{ROOM}/Juliet"), from)).await;
    }
    server.say(&message("<body>genuine</body>")).await;
    assert_eq!(room.hears().await.2, "genuine");
}

#[tokio::test]
async fn an_account_that_gets_no_resource_is_refused() {
    let (listener, address) = Server::listen().await;
    let pool = Pool::new(settings());
    let mut room = Room::attach(&pool, &account("romeo", address), ROOM);
    let (mut server, id) = Server::up_to_bind(&listener).await;
    let error = "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    server.say(&format!("<iq type='error' id='{id}'>{error}</iq>")).await;
    let end = room.end().await;
    assert!(matches!(&end, StreamEnd::LoginRefused(why) if why.ends_with("resource-constraint")), "{end:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_during_login_is_no_refusal() {
    let (listener, address) = Server::listen().await;
    let pool = Pool::new(settings());
    let mut room = Room::attach(&pool, &account("romeo", address), ROOM);
    let (tcp, _) = listener.accept().await.expect("a stream");
    drop(tcp);
    let end = room.end().await;
    assert!(matches!(end, StreamEnd::Unreachable(_)), "{end:?}");
}

#[tokio::test]
async fn requests_of_a_peer_that_does_not_read_the_answers_do_not_stop_us() {
    let (mut room, mut server) = attached().await;
    let ask = format!("<iq type='get' id='{}' from='{ROOM}/M'><ping xmlns='urn:xmpp:ping'/></iq>", "i".repeat(3000));
    for _ in 0..5000 {
        server.say(&ask).await; // 15 MB; it would stall here if we stopped reading
    }
    server.say(&message("<body>still here</body>")).await;
    assert_eq!(room.hears().await.2, "still here");
}

#[tokio::test]
async fn a_nickname_of_nothing_but_escaped_characters_is_read() {
    let (mut room, mut server) = attached().await;
    server.say(&format!("<presence from='{ROOM}/{}'/>", "&apos;".repeat(600))).await;
    server.say(&message("<body>next</body>")).await;
    let stanza = room.stanza(|stanza| if let Stanza::Presence(p) = stanza { Some(p.from.to_string()) } else { None });
    let from = tokio::time::timeout(Duration::from_secs(5), stanza).await.expect("the presence");
    assert_eq!(from.len(), ROOM.len() + 1 + 600);
    assert_eq!(room.hears().await.2, "next");
}
