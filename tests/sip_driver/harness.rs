//! A driver, and SIP peers that say exactly what they are told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use mucfocus::hub::mail::CallMail;
use mucfocus::sip::port::Readiness;
use mucfocus::sip::settings::{
    IdentitySource, Listen, MIN_SESSION, Settings, SourceLimits, Transport, TrustedPeer, Untrusted,
};
use mucfocus::sip::{Driver, Timers};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

pub use crate::message::{Message, Request, fresh};
pub use crate::stage::{Asked, Counts, LEG, Ringing, Stage, Watching};

pub const PATIENCE: Duration = Duration::from_secs(10);
pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n";

/// A running driver.
pub struct House {
    pub driver: Driver,
    pub stage: Arc<Stage>,
    pub counts: Arc<Counts>,
    calls: mpsc::UnboundedReceiver<Ringing>,
    subscriptions: mpsc::UnboundedReceiver<Watching>,
    referrals: mpsc::UnboundedReceiver<Asked>,
}

impl House {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::open_at(Duration::from_millis(500), change).await
    }

    /// With a T1 of its own, for tests that would otherwise wait for 32 s.
    pub async fn open_at(t1: Duration, change: impl FnOnce(&mut Settings)) -> Self {
        Self::open_timed(Timers { t1, ..Timers::default() }, change).await
    }

    pub async fn open_timed(timers: Timers, change: impl FnOnce(&mut Settings)) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut settings = Settings {
            node: "focus1".into(),
            listen: vec![
                Listen { transport: Transport::Udp, address: any },
                Listen { transport: Transport::Tcp, address: any },
            ],
            domains: vec!["rooms.example.com".into()],
            advertise: None,
            trusted_peers: vec![TrustedPeer { network: "127.0.0.1/32".parse().unwrap(), over_udp: false }],
            identity: vec![IdentitySource::PAssertedIdentity, IdentitySource::From],
            untrusted: Untrusted::Refuse,
            sources: SourceLimits::NONE,
            min_session: MIN_SESSION,
            trusted_names: Vec::new(),
            tls: None,
            allowed_origins: Default::default(),
            dns: Default::default(),
        };
        change(&mut settings);
        let (tx, calls) = mpsc::unbounded_channel();
        let (to_subscriptions, subscriptions) = mpsc::unbounded_channel();
        let (to_referrals, referrals) = mpsc::unbounded_channel();
        let stage = Arc::new(Stage {
            calls: tx,
            subscriptions: to_subscriptions,
            referrals: to_referrals,
            readiness: Mutex::new(Readiness::Ready),
            refuse_with: Mutex::default(),
        });
        let counts = Arc::new(Counts::default());
        let (focus, observer) = (Arc::clone(&stage), Arc::clone(&counts));
        let driver = Driver::start_with(settings, focus, observer, timers).await.unwrap();
        Self { driver, stage, counts, calls, subscriptions, referrals }
    }

    pub fn address(&self, transport: Transport) -> SocketAddr {
        self.driver.addresses().iter().find(|l| l.transport == transport).unwrap().address
    }

    pub async fn ringing(&mut self) -> Ringing {
        timeout(PATIENCE, self.calls.recv()).await.expect("nobody calls").unwrap()
    }

    pub async fn watching(&mut self) -> Watching {
        timeout(PATIENCE, self.subscriptions.recv()).await.expect("nobody subscribes").unwrap()
    }

    pub async fn asked(&mut self) -> Asked {
        timeout(PATIENCE, self.referrals.recv()).await.expect("nobody refers").unwrap()
    }

    pub async fn udp(&self) -> Peer {
        Peer::udp(self.address(Transport::Udp), "127.0.0.1").await
    }

    pub async fn tcp(&self) -> Peer {
        Peer::tcp(self.address(Transport::Tcp)).await
    }

    pub async fn peer(&self, transport: Transport) -> Peer {
        match transport {
            Transport::Udp => self.udp().await,
            _ => self.tcp().await,
        }
    }

    /// Waits until no call and no other dialog is left, which shows that their memory is freed.
    pub async fn is_empty(&self) {
        timeout(PATIENCE, async {
            while self.driver.calls() + self.driver.dialogs() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("a dialog is left");
    }
}

/// Both directions of a connection, whatever it is made of.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

type Web = WebSocketStream<Box<dyn Duplex>>;

enum Line {
    Udp(UdpSocket),
    Stream(Box<dyn Duplex>, Vec<u8>),
    Web(Box<Web>),
}

/// A SIP peer.
pub struct Peer {
    line: Line,
    transport: Transport,
    /// Where what it sends goes.
    pub to: SocketAddr,
    pub local: SocketAddr,
    /// The port for streams with the number of a datagram port. Held from the start, lest something else on the machine gets it.
    streams: Option<TcpSocket>,
}

impl Peer {
    pub async fn udp(to: SocketAddr, ip: &str) -> Self {
        for _ in 0..20 {
            let socket = UdpSocket::bind((ip, 0)).await.unwrap();
            let local = socket.local_addr().unwrap();
            let streams = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
            if streams.bind(local).is_ok() {
                return Self { line: Line::Udp(socket), transport: Transport::Udp, to, local, streams: Some(streams) };
            }
        }
        panic!("no port of {ip} is free for datagrams and streams")
    }

    /// Accepts streams where it hears datagrams; until then whoever connects is refused.
    pub fn listen(&mut self) -> TcpListener {
        self.streams.take().expect("a peer by datagram").listen(16).unwrap()
    }

    pub async fn tcp(to: SocketAddr) -> Self {
        Self::stream(TcpStream::connect(to).await.unwrap(), to)
    }

    /// At the other end of a stream that we accepted.
    pub async fn accept(listener: &TcpListener) -> Self {
        let (stream, to) = timeout(PATIENCE, listener.accept()).await.expect("nobody connects").unwrap();
        Self::stream(stream, to)
    }

    fn stream(stream: TcpStream, to: SocketAddr) -> Self {
        let local = stream.local_addr().unwrap();
        Self { line: Line::Stream(Box::new(stream), Vec::new()), transport: Transport::Tcp, to, local, streams: None }
    }

    /// Speaks SIP over a connection whose handshakes the test has made.
    pub fn over(stream: impl Duplex + 'static, transport: Transport, local: SocketAddr, to: SocketAddr) -> Self {
        Self { line: Line::Stream(Box::new(stream), Vec::new()), transport, to, local, streams: None }
    }

    /// The same for a WebSocket: the answer's sub-protocol must be that of SIP.
    pub async fn web(stream: impl Duplex + 'static, transport: Transport, local: SocketAddr, to: SocketAddr) -> Self {
        let mut request = "ws://focus.test/".into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
        let stream: Box<dyn Duplex> = Box::new(stream);
        let (web, response) = client_async(request, stream).await.unwrap();
        assert_eq!(response.headers().get("Sec-WebSocket-Protocol").unwrap(), "sip");
        Self { line: Line::Web(Box::new(web)), transport, to, local, streams: None }
    }

    pub fn name(&self) -> &'static str {
        self.transport.via()
    }

    /// The WebSocket itself.
    pub fn frames(&mut self) -> &mut Web {
        let Line::Web(web) = &mut self.line else { panic!("not a WebSocket") };
        web
    }

    pub async fn send(&mut self, text: &str) {
        self.send_octets(text.as_bytes()).await;
    }

    pub async fn send_octets(&mut self, octets: &[u8]) {
        match &mut self.line {
            Line::Udp(socket) => {
                socket.send_to(octets, self.to).await.unwrap();
            }
            Line::Stream(stream, _) => {
                stream.write_all(octets).await.unwrap();
                stream.flush().await.unwrap();
            }
            // As browsers send strings.
            Line::Web(web) => {
                let text = String::from_utf8(octets.to_vec()).unwrap();
                web.send(Frame::Text(text.into())).await.unwrap();
            }
        }
    }

    /// Closes its half of a stream.
    pub async fn stop_sending(&mut self) {
        let Line::Stream(stream, _) = &mut self.line else { panic!("not a stream") };
        stream.shutdown().await.unwrap();
    }

    pub async fn hear(&mut self) -> Message {
        timeout(PATIENCE, self.next()).await.expect("no message came").expect("the connection was closed")
    }

    /// The next response that is not provisional.
    pub async fn hear_final(&mut self) -> Message {
        loop {
            let message = self.hear().await;
            if message.code() >= 200 {
                return message;
            }
        }
    }

    /// Whether silence lasts so long. Only for what has no event to wait for.
    pub async fn hears_nothing(&mut self, time: Duration) -> bool {
        timeout(time, self.next()).await.is_err()
    }

    pub async fn is_closed(&mut self) -> bool {
        timeout(PATIENCE, self.next()).await.expect("the connection stays open").is_none()
    }

    async fn next(&mut self) -> Option<Message> {
        self.unchecked().await.map(Message::checked)
    }

    async fn unchecked(&mut self) -> Option<Message> {
        match &mut self.line {
            Line::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let (n, _) = socket.recv_from(&mut buffer).await.unwrap();
                buffer.truncate(n);
                Some(Message(String::from_utf8(buffer).unwrap()))
            }
            Line::Web(web) => match web.next().await {
                Some(Ok(Frame::Text(text))) => Some(Message(text.to_string())),
                Some(Ok(Frame::Close(_))) | Some(Err(_)) | None => None,
                other => panic!("{other:?}"),
            },
            Line::Stream(stream, buffer) => loop {
                if let Some(message) = cut(buffer) {
                    return Some(message);
                }
                match stream.read_buf(buffer).await {
                    Ok(n) if n > 0 => {}
                    _ => return None,
                }
            },
        }
    }

    /// The next octets of a stream, however many there are.
    pub async fn raw(&mut self) -> Vec<u8> {
        let Line::Stream(stream, buffer) = &mut self.line else { panic!("not a stream") };
        if buffer.is_empty() {
            timeout(PATIENCE, stream.read_buf(buffer)).await.expect("no octets came").unwrap();
        }
        std::mem::take(buffer)
    }

    /// A request out of any dialog.
    pub fn request(&self, method: &str, uri: &str) -> Request {
        Request {
            method: method.into(),
            uri: uri.into(),
            transport: self.name(),
            local: self.local,
            branch: format!("z9hG4bK{}", fresh()),
            from: "\"Romeo\" <sip:romeo@example.org>;tag=r1".into(),
            to: format!("<{}>", uri.split(';').next().unwrap()),
            call_id: fresh(),
            cseq: 1,
            more: String::new(),
            body: String::new(),
        }
    }

    /// An INVITE with an offer and a Contact.
    pub fn invite(&self, uri: &str) -> Request {
        self.request("INVITE", uri).with(&self.contact()).with("Content-Type: application/sdp\r\n").body(OFFER)
    }

    /// Where requests of a dialog reach this peer.
    pub fn contact(&self) -> String {
        // RFC 7118 §5: nobody can connect to a browser, so its host is made up.
        let host = if self.transport.is_web() { "df7jal23ls0d.invalid".into() } else { self.local.to_string() };
        format!("Contact: <sip:romeo@{host};transport={}>\r\n", self.transport.uri_parameter().unwrap_or("udp"))
    }

    /// A SUBSCRIBE to the conference package.
    pub fn subscribe(&self, uri: &str) -> Request {
        self.request("SUBSCRIBE", uri)
            .with(&self.contact())
            .with("Event: conference\r\nAccept: application/conference-info+xml\r\n")
    }

    /// A REFER of somebody to a room.
    pub fn refer(&self, uri: &str, refer_to: &str) -> Request {
        self.request("REFER", uri).with(&self.contact()).with(&format!("Refer-To: {refer_to}\r\n"))
    }

    pub async fn ask(&mut self, request: &Request) -> Message {
        self.send(&request.text()).await;
        self.hear_final().await
    }

    /// A 2xx or other answer to a request that we received.
    pub async fn answer(&mut self, request: &Message, status: &str) {
        self.answer_with(request, status, "", "").await;
    }

    /// The same with further fields and a body.
    pub async fn answer_with(&mut self, request: &Message, status: &str, fields: &str, body: &str) {
        let mut out = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in request.all(name) {
                out += &format!("{name}: {value}\r\n");
            }
        }
        out += &format!("{fields}Content-Length: {}\r\n\r\n{body}", body.len());
        self.send(&out).await;
    }
}

fn cut(buffer: &mut Vec<u8>) -> Option<Message> {
    // Answers to keep-alives.
    while buffer.starts_with(b"\r\n") {
        buffer.drain(..2);
    }
    let at = buffer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&buffer[..at]).unwrap();
    let length: usize = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    if buffer.len() < at + 4 + length {
        return None;
    }
    let rest = buffer.split_off(at + 4 + length);
    Some(Message(String::from_utf8(std::mem::replace(buffer, rest)).unwrap()))
}

/// A call that is up, as both sides see it.
pub struct Up {
    pub peer: Peer,
    pub invite: Request,
    pub ok: Message,
    pub room: Ringing,
}

/// Calls `sip:capulet@rooms.example.com`, answers, acknowledges.
pub async fn call_up(house: &mut House, transport: Transport, more: &str) -> Up {
    let peer = house.peer(transport).await;
    call_from(house, peer, more).await
}

/// The same of a peer that is there already.
pub async fn call_from(house: &mut House, mut peer: Peer, more: &str) -> Up {
    let invite = peer.invite("sip:capulet@rooms.example.com").with(more);
    peer.send(&invite.text()).await;
    let mut room = house.ringing().await;
    room.accept("answer").await;
    let ok = peer.hear_final().await;
    assert_eq!(ok.code(), 200, "{}", ok.0);
    peer.send(&invite.ack(&ok)).await;
    assert!(matches!(room.hear().await, CallMail::Confirmed));
    Up { peer, invite, ok, room }
}
