//! A small SIP user agent over UDP or TCP: INVITE and what follows, RFC 3261's timers for datagrams, and raw bytes.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::wait::{Picture, SOON, lock, wait_for, within};
use crate::{digest, random};

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Time for a final response: Timer B, as 64 times T1.
pub const TIMER_B: Duration = Duration::from_secs(32);

/// How a user agent reaches its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// One connection, opened by the user agent.
    Tcp,
}

impl Transport {
    fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// A SIP message as it was on the wire, its header fields apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Request-Line or Status-Line.
    pub start: String,
    /// Names as they were written, and values without blanks around them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    fn parse(head: &[u8], body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let split = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        Self { start, headers: lines.filter_map(split).collect(), body: body.to_vec() }
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        if self.code().is_some() { None } else { self.start.split(' ').next() }
    }

    /// The first value of a header, however its name is cased.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| same_header(n, name)).map(|(_, v)| v.as_str())
    }

    /// Every value of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| same_header(n, name)).map(|(_, v)| v.as_str())
    }

    /// The tag of From or To.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let parameters = self.header(name)?.rsplit('>').next()?;
        parameters.split(';').find_map(|p| p.trim().strip_prefix("tag="))
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("CSeq").and_then(|v| v.split_once(' ')).unwrap_or(("0", ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<&str> {
        self.header("Via")?.split(';').find_map(|p| p.trim().strip_prefix("branch="))
    }

    /// The URI in Contact.
    pub fn contact(&self) -> Option<String> {
        uri_of(self.header("Contact")?)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of the first SDP line `a=name:value` of the body.
    pub fn sdp(&self, name: &str) -> Option<String> {
        let start = format!("a={name}:");
        self.text().lines().find_map(|l| l.strip_prefix(&start).map(|v| v.trim().to_owned()))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        // What came has its own.
        if self.header("Content-Length").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes()).replace("\r\n", "\n"))
    }
}

fn same_header(a: &str, b: &str) -> bool {
    let long = |n: &str| match n.to_ascii_lowercase().as_str() {
        "v" => "via".to_owned(),
        "f" => "from".to_owned(),
        "t" => "to".to_owned(),
        "i" => "call-id".to_owned(),
        "m" => "contact".to_owned(),
        "l" => "content-length".to_owned(),
        "c" => "content-type".to_owned(),
        other => other.to_owned(),
    };
    long(a) == long(b)
}

fn uri_of(value: &str) -> Option<String> {
    let inside = value.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    Some(inside.map_or(value.split(';').next()?, |(uri, _)| uri).trim().to_owned())
}

/// A request to be sent. From, To, Call-ID, CSeq, Via, Max-Forwards and Contact are filled in where they are missing.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request outside of any dialog.
    pub fn new(method: &str, uri: &str) -> Self {
        Self { method: method.to_owned(), uri: uri.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// An INVITE with an offer.
    pub fn invite(uri: &str, sdp: &str) -> Self {
        Self::new("INVITE", uri).body("application/sdp", sdp)
    }

    /// Adds a header; one that is given is not filled in.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(self, content_type: &str, body: &str) -> Self {
        let mut request = self.header("Content-Type", content_type);
        request.body = body.as_bytes().to_vec();
        request
    }
}

/// One message in either direction.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// When.
    pub at: SystemTime,
    /// Whether we sent it.
    pub sent: bool,
    /// What.
    pub message: Message,
}

#[derive(Default)]
struct State {
    traffic: Vec<Traffic>,
    /// What acknowledges a final response to an INVITE, by the INVITE's branch; sent again for a repeated response.
    acks: HashMap<String, Vec<u8>>,
    /// Requests that were answered, so that a retransmission is not answered as another one.
    answered: HashMap<(String, String), Vec<u8>>,
    dialogs: HashSet<String>,
    closed: bool,
}

struct Inner {
    user: String,
    aor: String,
    identity: String,
    transport: Transport,
    local: SocketAddr,
    out: mpsc::UnboundedSender<Vec<u8>>,
    state: Mutex<State>,
    answers: AtomicBool,
    acknowledges: AtomicBool,
}

/// A user agent with its own socket. It answers BYE, OPTIONS and NOTIFY with 200 and refuses other requests.
pub struct Ua {
    inner: Arc<Inner>,
    tasks: Vec<JoinHandle<()>>,
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
    pub local: Ipv4Addr,
}

impl Who {
    /// `user@domain`, whose display name is the user part with a capital, towards `peer`.
    pub fn new(user: &str, domain: &str, transport: Transport, peer: SocketAddr) -> Self {
        let display = Some(capital(user));
        Self { user: user.into(), domain: domain.into(), display, peer, transport, local: Ipv4Addr::LOCALHOST }
    }
}

/// The word with a capital first letter: the display name, and so the nickname, that a user gets.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
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
        let from = SocketAddr::from((who.local, 0));
        let inner = |local: SocketAddr| {
            Arc::new(Inner {
                user: who.user.clone(),
                aor,
                identity,
                transport: who.transport,
                local,
                out,
                state: Mutex::new(State::default()),
                answers: AtomicBool::new(true),
                acknowledges: AtomicBool::new(true),
            })
        };
        match who.transport {
            Transport::Udp => {
                let socket = Arc::new(UdpSocket::bind(from).await.unwrap());
                let inner = inner(socket.local_addr().unwrap());
                let tasks = vec![
                    tokio::spawn(send_datagrams(socket.clone(), who.peer, outgoing)),
                    tokio::spawn(receive_datagrams(socket, inner.clone())),
                ];
                Self { inner, tasks }
            }
            Transport::Tcp => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(from).unwrap();
                let stream = socket.connect(who.peer).await.unwrap_or_else(|e| panic!("SIP to {}: {e}", who.peer));
                stream.set_nodelay(true).unwrap();
                let inner = inner(stream.local_addr().unwrap());
                let (read, mut write) = stream.into_split();
                let mut outgoing = outgoing;
                let writer = tokio::spawn(async move {
                    while let Some(bytes) = outgoing.recv().await {
                        if write.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                });
                let reader = tokio::spawn(receive_stream(read, inner.clone()));
                Self { inner, tasks: vec![writer, reader] }
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

    fn put(&self, message: Message) {
        self.send_raw(message.bytes());
        lock(&self.inner.state).traffic.push(Traffic { at: SystemTime::now(), sent: true, message });
    }

    fn complete(&self, request: Request) -> (Message, String) {
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
        format!("<sip:{}@{}{transport}>", self.inner.user, self.inner.local)
    }

    fn picture(&self, what: &str) -> impl fmt::Display + use<> {
        let (inner, what) = (self.inner.clone(), what.to_owned());
        Picture(move || {
            let state = lock(&inner.state);
            let last = state.traffic.iter().rev().take(6).rev();
            let all = last.map(|t| format!("{}\n{}", if t.sent { "-> sent" } else { "<- came" }, t.message));
            format!("{what}\nlast at {}:\n{}", inner.aor, all.collect::<Vec<_>>().join("\n"))
        })
    }
}

/// A request on its way.
pub struct Transaction<'a> {
    ua: &'a Ua,
    message: Message,
    branch: String,
}

impl<'a> Transaction<'a> {
    /// The request as it was sent.
    pub fn request(&self) -> &Message {
        &self.message
    }

    /// Waits for any response, provisional ones included.
    #[track_caller]
    pub fn any_response(&self, timeout: Duration) -> impl Future<Output = Message> {
        self.ua.expect("any response", timeout, move |m| self.is_mine(m))
    }

    /// Waits for the final response and acknowledges a refusal. Over UDP the request is sent again as RFC 3261 §17.1
    /// says.
    pub async fn response(&self, timeout: Duration) -> Message {
        let (end, mut wait) = (Instant::now() + timeout, T1);
        let method = self.message.method().unwrap_or_default();
        let last = loop {
            let left = end.saturating_duration_since(Instant::now());
            let quiet = self.ua.inner.transport == Transport::Tcp
                || (method == "INVITE" && self.ua.find(|m| self.is_mine(m)).is_some());
            let look = || self.ua.find(|m| self.is_mine(m) && m.code() >= Some(200));
            if let Some(found) = within(look, if quiet { left } else { wait.min(left) }).await {
                break found;
            }
            if left.is_zero() {
                panic!("{}", self.ua.picture(&format!("no final response to {method} within {timeout:?}")));
            }
            if !quiet {
                self.ua.put(self.message.clone());
                wait = if method == "INVITE" { wait * 2 } else { (wait * 2).min(T2) };
            }
        };
        if method == "INVITE" && last.code() >= Some(300) && self.ua.inner.acknowledges.load(Ordering::Relaxed) {
            self.acknowledge_refusal(&last);
        }
        last
    }

    /// Cancels the request and waits for the answer to the CANCEL (RFC 3261 §9.1).
    pub async fn cancel(&self) -> Message {
        let transaction = self.ua.begin(self.hop_by_hop("CANCEL", self.message.header("To").unwrap_or_default()));
        transaction.response(SOON).await
    }

    /// The dialog that `response` confirms; its ACK is sent.
    pub fn call(self, response: Message) -> Call<'a> {
        let call = self.ua.resume(&response);
        lock(&self.ua.inner.state).dialogs.insert(call.call_id.clone());
        call.acknowledge(&self.branch, call.answer.cseq().0);
        call
    }

    fn is_mine(&self, message: &Message) -> bool {
        let method = self.message.method();
        message.code().is_some() && message.branch() == Some(&self.branch) && Some(message.cseq().1) == method
    }

    fn acknowledge_refusal(&self, response: &Message) {
        let ack = self.hop_by_hop("ACK", response.header("To").unwrap_or_default());
        let (message, _) = self.ua.complete(ack);
        lock(&self.ua.inner.state).acks.insert(self.branch.clone(), message.bytes());
        self.ua.put(message);
    }

    fn hop_by_hop(&self, method: &str, to: &str) -> Request {
        let uri = self.message.start.split(' ').nth(1).unwrap_or_default();
        let mut request = Request::new(method, uri);
        for name in ["Via", "From", "Call-ID", "Route"] {
            for value in self.message.all(name) {
                request = request.header(name, value);
            }
        }
        request.header("To", to).header("CSeq", &format!("{} {method}", self.message.cseq().0))
    }
}

/// A confirmed dialog.
pub struct Call<'a> {
    ua: &'a Ua,
    local: String,
    remote: String,
    target: String,
    call_id: String,
    routes: Vec<String>,
    cseq: AtomicU32,
    /// The 2xx that confirmed it.
    pub answer: Message,
}

impl Call<'_> {
    /// The Call-ID.
    pub fn id(&self) -> &str {
        &self.call_id
    }

    /// A request inside the dialog, with the next CSeq.
    pub fn request(&self, method: &str) -> Request {
        let next = self.cseq.fetch_add(1, Ordering::Relaxed) + 1;
        self.request_with(method, next)
    }

    /// A request inside the dialog with a CSeq of one's own.
    pub fn request_with(&self, method: &str, cseq: u32) -> Request {
        let mut request = Request::new(method, &self.target)
            .header("From", &self.local)
            .header("To", &self.remote)
            .header("Call-ID", &self.call_id)
            .header("CSeq", &format!("{cseq} {method}"));
        for route in &self.routes {
            request = request.header("Route", route);
        }
        request
    }

    /// Ends the call; the answer to the BYE.
    pub async fn bye(&self) -> Message {
        self.ua.request(self.request("BYE")).await
    }

    /// Offers again inside the dialog; a 2xx is acknowledged.
    pub async fn reinvite(&self, sdp: &str) -> Message {
        let request = self.request("INVITE").body("application/sdp", sdp);
        let transaction = self.ua.begin(request);
        let response = transaction.response(TIMER_B).await;
        if response.code() < Some(300) {
            self.acknowledge(&transaction.branch, response.cseq().0);
        }
        response
    }

    /// Sends the ACK (RFC 3261 §13.2.2.4) with a number of one's own.
    pub fn ack(&self, cseq: u32) {
        let (message, _) = self.ua.complete(self.request_with("ACK", cseq));
        self.ua.put(message);
    }

    fn acknowledge(&self, branch: &str, cseq: u32) {
        if self.ua.inner.acknowledges.load(Ordering::Relaxed) {
            let (message, _) = self.ua.complete(self.request_with("ACK", cseq));
            lock(&self.ua.inner.state).acks.insert(branch.to_owned(), message.bytes());
            self.ua.put(message);
        }
    }

    /// Waits for the BYE of the other side.
    #[track_caller]
    pub fn ended(&self, timeout: Duration) -> impl Future<Output = Message> {
        let id = self.call_id.clone();
        self.ua.expect("a BYE", timeout, move |m| m.method() == Some("BYE") && m.header("Call-ID") == Some(&id))
    }

    /// Whether the other side has ended it.
    pub fn has_ended(&self) -> bool {
        self.ua.find(|m| m.method() == Some("BYE") && m.header("Call-ID") == Some(&self.call_id)).is_some()
    }
}

impl Inner {
    fn take(&self, message: Message) {
        let mut state = lock(&self.state);
        state.traffic.push(Traffic { at: SystemTime::now(), sent: false, message: message.clone() });
        if message.code().is_some() {
            let again = message.branch().and_then(|b| state.acks.get(b));
            if message.code() >= Some(200)
                && message.cseq().1 == "INVITE"
                && let Some(ack) = again
            {
                let _ = self.out.send(ack.clone());
            }
            return;
        }
        if message.method() == Some("ACK") || !self.answers.load(Ordering::Relaxed) {
            return;
        }
        let key = (message.branch().unwrap_or_default().to_owned(), message.cseq().1.to_owned());
        if let Some(bytes) = state.answered.get(&key) {
            let _ = self.out.send(bytes.clone());
            return;
        }
        let known = message.header("Call-ID").is_some_and(|id| state.dialogs.contains(id));
        let status = match (message.method().unwrap_or_default(), known) {
            ("OPTIONS", _) | ("BYE" | "NOTIFY", true) => "200 OK",
            (_, true) => "501 Not Implemented",
            (_, false) => "481 Call/Transaction Does Not Exist",
        };
        let response = respond(&message, status);
        let bytes = response.bytes();
        state.answered.insert(key, bytes.clone());
        state.traffic.push(Traffic { at: SystemTime::now(), sent: true, message: response });
        let _ = self.out.send(bytes);
    }
}

fn respond(request: &Message, status: &str) -> Message {
    let mut headers = Vec::new();
    for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
        for value in request.all(name) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Message { start: format!("SIP/2.0 {status}"), headers, body: Vec::new() }
}

async fn send_datagrams(socket: Arc<UdpSocket>, peer: SocketAddr, mut out: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = out.recv().await {
        let _ = socket.send_to(&bytes, peer).await;
    }
}

async fn receive_datagrams(socket: Arc<UdpSocket>, inner: Arc<Inner>) {
    let mut buffer = vec![0; 65_536];
    loop {
        // An ICMP error of an earlier datagram is not the end of the socket.
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        let bytes = &buffer[..length];
        if let Some(end) = find(bytes, b"\r\n\r\n") {
            inner.take(Message::parse(&bytes[..end], &bytes[end + 4..]));
        }
    }
}

async fn receive_stream(mut read: OwnedReadHalf, inner: Arc<Inner>) {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 65_536]);
    while let Ok(length) = read.read(&mut chunk).await {
        if length == 0 {
            break;
        }
        buffer.extend_from_slice(&chunk[..length]);
        while let Some(end) = find(&buffer, b"\r\n\r\n") {
            if end == 0 {
                buffer.drain(..4);
                continue;
            }
            let head = Message::parse(&buffer[..end], b"");
            let body = head.header("Content-Length").and_then(|v| v.parse().ok()).unwrap_or(0);
            if buffer.len() < end + 4 + body {
                break;
            }
            inner.take(Message::parse(buffer[..end].trim_ascii_start(), &buffer[end + 4..end + 4 + body]));
            buffer.drain(..end + 4 + body);
        }
    }
    lock(&inner.state).closed = true;
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|w| w == pattern)
}
