//! A user agent with its own socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use socket2::Socket;
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::message::same_header;
use super::socket::{Inner, State, receive_datagrams, receive_stream, send_datagrams, send_stream};
use super::{Call, Message, Request, TIMER_B, Traffic, Transaction, Transport, capital};
use crate::capture::{self, Carrier, Line};
use crate::server::datagrams_only;
use crate::wait::{Picture, lock, wait_for};
use crate::{digest, random};

/// A user agent with its own socket. It answers BYE, OPTIONS and NOTIFY with 200 and refuses other requests.
pub struct Ua {
    pub(super) inner: Arc<Inner>,
    tasks: Vec<JoinHandle<()>>,
    /// Its port by TCP, where it takes datagrams only.
    _reserved: Option<Socket>,
}

impl Drop for Ua {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Who a user agent is and whom it talks to.
#[derive(Debug, Clone)]
pub struct Who {
    /// User part of the address of record.
    pub user: String,
    /// Host part.
    pub domain: String,
    /// Display name of From.
    pub display: Option<String>,
    /// Where it sends everything.
    pub peer: SocketAddr,
    /// By which transport.
    pub transport: Transport,
    /// The address it sends from.
    pub local: IpAddr,
    /// Where it says that it is reached; default: where it sends from.
    pub contact: Option<SocketAddr>,
}

impl Who {
    /// `user@domain`, whose display name is the user part with a capital, towards `peer`.
    pub fn new(user: &str, domain: &str, transport: Transport, peer: SocketAddr) -> Self {
        let display = Some(capital(user));
        let local = if peer.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        Self { user: user.into(), domain: domain.into(), display, peer, transport, local, contact: None }
    }
}
impl Ua {
    /// Opens a socket, or a connection.
    pub async fn start(who: Who) -> Self {
        let (out, outgoing) = mpsc::unbounded_channel();
        let aor = format!("sip:{}@{}", who.user, who.domain);
        let identity = match &who.display {
            Some(display) => format!("\"{display}\" <{aor}>"),
            None => format!("<{aor}>"),
        };
        let carrier = match who.transport {
            Transport::Udp => Carrier::Udp,
            Transport::Tcp => Carrier::Tcp,
        };
        let from = SocketAddr::from((who.local, 0));
        let inner = |local: SocketAddr| {
            Arc::new(Inner {
                user: who.user.clone(),
                aor,
                identity,
                transport: who.transport,
                line: Line::new(carrier, local, capture::SIP),
                local,
                contact: who.contact.unwrap_or(local),
                out,
                state: Mutex::new(State::default()),
                answers: AtomicBool::new(true),
                acknowledges: AtomicBool::new(true),
            })
        };
        match who.transport {
            Transport::Udp => {
                let (socket, reserved) = datagrams_only(who.local);
                let socket = Arc::new(socket);
                let inner = inner(socket.local_addr().unwrap());
                let tasks = vec![
                    tokio::spawn(send_datagrams(socket.clone(), who.peer, outgoing, inner.line.clone())),
                    tokio::spawn(receive_datagrams(socket, inner.clone())),
                ];
                Self { inner, tasks, _reserved: Some(reserved) }
            }
            Transport::Tcp => {
                let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
                socket.bind(from).unwrap();
                let stream = socket.connect(who.peer).await.unwrap_or_else(|e| panic!("SIP to {}: {e}", who.peer));
                stream.set_nodelay(true).unwrap();
                let inner = inner(stream.local_addr().unwrap());
                let (read, write) = stream.into_split();
                let writer = tokio::spawn(send_stream(write, outgoing, inner.line.clone()));
                let reader = tokio::spawn(receive_stream(read, inner.clone()));
                Self { inner, tasks: vec![writer, reader], _reserved: None }
            }
        }
    }

    /// The address of record.
    pub fn aor(&self) -> &str {
        &self.inner.aor
    }

    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.inner.local
    }

    /// Everything sent and received.
    pub fn traffic(&self) -> Vec<Traffic> {
        lock(&self.inner.state).traffic.clone()
    }

    /// Everything received.
    pub fn received(&self) -> Vec<Message> {
        lock(&self.inner.state).traffic.iter().filter(|t| !t.sent).map(|t| t.message.clone()).collect()
    }

    /// Whether the peer has closed the connection (TCP).
    pub fn closed(&self) -> bool {
        lock(&self.inner.state).closed
    }

    /// Whether requests are answered at all.
    pub fn answer(&self, yes: bool) {
        self.inner.answers.store(yes, Ordering::Relaxed);
    }

    /// Whether final responses to INVITE are acknowledged.
    pub fn acknowledge(&self, yes: bool) {
        self.inner.acknowledges.store(yes, Ordering::Relaxed);
    }

    /// Sends bytes as they are: one datagram, or into the connection.
    pub fn send_raw(&self, bytes: impl Into<Vec<u8>>) {
        let _ = self.inner.out.send(bytes.into());
    }

    /// The request as it would be sent, for tests that damage it first.
    pub fn bytes(&self, request: Request) -> Vec<u8> {
        self.complete(request).0.bytes()
    }

    /// Waits for a message that satisfies `accept`; earlier ones count.
    #[track_caller]
    pub fn expect(
        &self,
        what: impl Into<String>,
        timeout: Duration,
        accept: impl Fn(&Message) -> bool,
    ) -> impl Future<Output = Message> {
        let look = move || self.find(&accept);
        wait_for(look, timeout, self.picture(&what.into()))
    }

    /// How many messages were sent and received.
    pub fn messages(&self) -> usize {
        lock(&self.inner.state).traffic.len()
    }

    /// The first message received that satisfies `accept`.
    pub fn find(&self, accept: impl Fn(&Message) -> bool) -> Option<Message> {
        let state = lock(&self.inner.state);
        state.traffic.iter().filter(|t| !t.sent).find(|t| accept(&t.message)).map(|t| t.message.clone())
    }

    /// Sends a request and waits for the final response.
    pub async fn request(&self, request: Request) -> Message {
        self.begin(request).response(TIMER_B).await
    }

    /// Sends a request that has to be challenged (401); what it is with the answer to that.
    pub async fn authorized(&self, request: Request, password: &str) -> Request {
        let refusal = self.request(request.clone()).await;
        assert_eq!(refusal.code(), Some(401), "{refusal}");
        let (method, uri, user) = (request.method.clone(), request.uri.clone(), self.inner.user.clone());
        request.header("Authorization", &digest::authorization(&refusal, &method, &uri, &user, password))
    }

    /// Sends a request; the transaction is watched through what is returned.
    pub fn begin(&self, request: Request) -> Transaction<'_> {
        let (message, branch) = self.complete(request);
        // The first NOTIFY may overtake the answer.
        if let (Some("SUBSCRIBE" | "REFER"), Some(id)) = (message.method(), message.header("Call-ID")) {
            lock(&self.inner.state).dialogs.insert(id.to_owned());
        }
        self.put(message.clone());
        Transaction { ua: self, message, branch }
    }

    /// Calls a room with an offer; a refusal is the error.
    pub async fn try_call(&self, request: Request) -> Result<Call<'_>, Message> {
        let transaction = self.begin(request);
        let response = transaction.response(TIMER_B).await;
        if response.code().is_some_and(|c| c < 300) { Ok(transaction.call(response)) } else { Err(response) }
    }

    /// Calls a room with an offer, or panics.
    pub async fn call(&self, request: Request) -> Call<'_> {
        self.try_call(request).await.unwrap_or_else(|refused| panic!("the call was refused:\n{refused}"))
    }

    /// The dialog that a 2xx response confirmed earlier; nothing is sent.
    pub fn resume(&self, response: &Message) -> Call<'_> {
        let of = |name: &str| response.header(name).unwrap_or_default().to_owned();
        let mut routes: Vec<String> = response.all("Record-Route").map(str::to_owned).collect();
        routes.reverse();
        let sent = |t: &Traffic| t.sent && t.message.header("Call-ID") == response.header("Call-ID");
        let traffic = self.traffic();
        let last = traffic.iter().filter(|t| sent(t)).map(|t| t.message.cseq().0).max();
        Call {
            ua: self,
            local: of("From"),
            remote: of("To"),
            target: response.contact().unwrap_or_else(|| panic!("no Contact in\n{response}")),
            call_id: of("Call-ID"),
            routes,
            cseq: AtomicU32::new(last.unwrap_or_else(|| response.cseq().0)),
            answer: response.clone(),
        }
    }

    pub(super) fn put(&self, message: Message) {
        self.send_raw(message.bytes());
        lock(&self.inner.state).traffic.push(Traffic { at: SystemTime::now(), sent: true, message });
    }

    pub(super) fn complete(&self, request: Request) -> (Message, String) {
        let inner = &self.inner;
        let branch = format!("z9hG4bK{}", random(16));
        let given = |name: &str| request.headers.iter().any(|(n, _)| same_header(n, name));
        let mut headers = Vec::new();
        let mut fill = |name: &str, value: String| {
            if !given(name) {
                headers.push((name.to_owned(), value));
            }
        };
        fill("Via", format!("SIP/2.0/{} {};branch={branch};rport", inner.transport.via(), inner.local));
        fill("Max-Forwards", "70".into());
        fill("From", format!("{};tag={}", inner.identity, random(10)));
        fill("To", format!("<{}>", request.uri));
        fill("Call-ID", random(20));
        fill("CSeq", format!("1 {}", request.method));
        if matches!(request.method.as_str(), "INVITE" | "SUBSCRIBE" | "REFER" | "UPDATE") {
            fill("Contact", self.contact());
        }
        headers.extend(request.headers);
        let start = format!("{} {} SIP/2.0", request.method, request.uri);
        let message = Message { start, headers, body: request.body };
        let branch = message.branch().unwrap_or(&branch).to_owned();
        (message, branch)
    }

    fn contact(&self) -> String {
        let transport = if self.inner.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        format!("<sip:{}@{}{transport}>", self.inner.user, self.inner.contact)
    }

    pub(super) fn picture(&self, what: &str) -> impl fmt::Display + use<> {
        let (inner, what) = (self.inner.clone(), what.to_owned());
        Picture(move || {
            let state = lock(&inner.state);
            let last = state.traffic.iter().rev().take(6).rev();
            let all = last.map(|t| format!("{}\n{}", if t.sent { "-> sent" } else { "<- came" }, t.message));
            format!("{what}\nlast at {}:\n{}", inner.aor, all.collect::<Vec<_>>().join("\n"))
        })
    }
}
