//! MSRP clients that mean harm: a bare socket that writes, reads and breaks off as it likes, and a caller who has one.
//!
//! They keep counts of what came, not all of it: a flood must not cost the test its memory.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::member::offer;
use crate::msrp::{Cpim, own_uri};
use crate::random;
use crate::sip::{self, Request, Ua, Who};
use crate::wait::{Picture, SOON, lock, until, wait_for, within};

/// The address of strangers, which is no trusted peer of the program under test.
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Octets that the system takes in for a connection that reads little.
const SMALL: u32 = 4096;
/// Octets that are kept for pictures.
const TAIL: usize = 4096;

/// How a [`Wire`] treats what comes.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// Octets that it reads at a time, and the pause after each; `None` reads all there is, at once.
    pub sips: Option<(usize, Duration)>,
    /// Reads nothing at all.
    pub deaf: bool,
    /// The status lines that every SEND is answered with, such as `200 OK`.
    pub answers: Vec<&'static str>,
    /// The address that it comes from; default: 127.0.0.1.
    pub from: Option<Ipv4Addr>,
}

impl Manners {
    /// Those of a stranger: somebody who comes from an address that nobody vouches for.
    pub fn stranger() -> Self {
        Self { from: Some(STRANGER), ..Self::default() }
    }
}

#[derive(Default)]
struct Came {
    starts: BTreeMap<String, usize>,
    responses: BTreeMap<String, Vec<u16>>,
    tail: Vec<u8>,
}

/// A bare connection to an MSRP port.
pub struct Wire {
    write: Arc<tokio::sync::Mutex<Option<OwnedWriteHalf>>>,
    came: Arc<Mutex<Came>>,
    closed: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Wire {
    /// Connects, and reads everything.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::with(address, Manners::default()).await
    }

    /// Connects, and treats what comes as told.
    pub async fn with(address: SocketAddr, manners: Manners) -> Self {
        Self::attempt(address, manners).await.unwrap_or_else(|e| panic!("MSRP to {address}: {e}"))
    }

    /// The same where it may fail.
    pub async fn attempt(address: SocketAddr, manners: Manners) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((manners.from.unwrap_or(Ipv4Addr::LOCALHOST), 0)))?;
        if manners.deaf || manners.sips.is_some() {
            // What the system takes in for it, or keeps back at the other side, does not count as read.
            socket.set_recv_buffer_size(SMALL)?;
            socket2::SockRef::from(&socket).set_tcp_mss(SMALL / 8)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let write = Arc::new(tokio::sync::Mutex::new(Some(write)));
        let (came, closed) = (Arc::default(), Arc::default());
        let reader = Reader { came: Arc::clone(&came), write: Arc::clone(&write), manners };
        let over: Arc<AtomicBool> = Arc::clone(&closed);
        let reader = tokio::spawn(async move {
            reader.run(read).await;
            over.store(true, Ordering::Relaxed);
        });
        Ok(Self { write, came, closed, reader })
    }

    /// Writes; `false` when the other side has closed the connection, or takes nothing for ten seconds.
    pub async fn write(&self, bytes: impl AsRef<[u8]>) -> bool {
        write(&self.write, bytes.as_ref()).await
    }

    /// Writes octet by octet, with a pause after each.
    pub async fn drip(&self, bytes: &[u8], pause: Duration) -> bool {
        for octet in bytes {
            if !self.write([*octet]).await {
                return false;
            }
            sleep(pause).await;
        }
        true
    }

    /// Says that nothing more will come (FIN), and goes on reading.
    pub async fn finish(&self) {
        if let Some(mut write) = self.write.lock().await.take() {
            let _ = write.shutdown().await;
        }
    }

    /// Breaks off (RST).
    pub async fn reset(self) {
        if let Some(write) = self.write.lock().await.take() {
            let _ = write.as_ref().set_zero_linger();
            write.forget(); // dropped it would say FIN first
        }
    }

    /// Whether the other side has closed the connection.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits for the other side to close the connection.
    #[track_caller]
    pub fn is_closed(&self, time: Duration) -> impl Future<Output = ()> {
        until(|| self.closed(), time, self.picture("the end of the connection".into()))
    }

    /// How many frames came with this status code or method.
    pub fn count(&self, start: &str) -> usize {
        lock(&self.came).starts.get(start).copied().unwrap_or(0)
    }

    /// How many frames came.
    pub fn frames(&self) -> usize {
        lock(&self.came).starts.values().sum()
    }

    /// Waits until so many frames with this status code or method have come.
    #[track_caller]
    pub fn counts(&self, start: &str, count: usize) -> impl Future<Output = ()> {
        let (start, picture) = (start.to_owned(), self.picture(format!("{count} times {start}")));
        until(move || self.count(&start) >= count, SOON, picture)
    }

    /// The status codes of all responses to a transaction.
    pub fn responses(&self, id: &str) -> Vec<u16> {
        lock(&self.came).responses.get(id).cloned().unwrap_or_default()
    }

    /// Waits for the response to a transaction.
    #[track_caller]
    pub fn response(&self, id: &str) -> impl Future<Output = u16> {
        let id = id.to_owned();
        let picture = self.picture(format!("a response to {id}"));
        wait_for(move || self.responses(&id).first().copied(), SOON, picture)
    }

    /// The response to a transaction, or `None` at the end of the connection.
    pub async fn fate(&self, id: &str) -> Option<u16> {
        let look = || (self.closed() || !self.responses(id).is_empty()).then(|| self.responses(id).first().copied());
        within(look, SOON).await.flatten()
    }

    fn picture(&self, what: String) -> impl std::fmt::Display + use<> {
        let came = Arc::clone(&self.came);
        Picture(move || {
            let came = lock(&came);
            format!("{what}; so far came {:?}, at the end of it\n{}", came.starts, String::from_utf8_lossy(&came.tail))
        })
    }
}

async fn write(half: &tokio::sync::Mutex<Option<OwnedWriteHalf>>, bytes: &[u8]) -> bool {
    let mut half = half.lock().await;
    let Some(half) = half.as_mut() else { return false };
    matches!(timeout(SOON, half.write_all(bytes)).await, Ok(Ok(())))
}

struct Reader {
    came: Arc<Mutex<Came>>,
    write: Arc<tokio::sync::Mutex<Option<OwnedWriteHalf>>>,
    manners: Manners,
}

impl Reader {
    async fn run(&self, mut read: OwnedReadHalf) {
        if self.manners.deaf {
            return std::future::pending().await;
        }
        let (mut chunk, mut buffer, mut head) = (vec![0; 65_536], Vec::new(), Vec::new());
        loop {
            let most = self.manners.sips.map_or(chunk.len(), |(octets, _)| octets);
            match read.read(&mut chunk[..most]).await {
                Ok(length) if length > 0 => buffer.extend_from_slice(&chunk[..length]),
                _ => return,
            }
            let mut done = 0;
            while let Some(at) = buffer[done..].iter().position(|b| *b == b'\n') {
                let line = String::from_utf8_lossy(&buffer[done..done + at]).trim_end().to_owned();
                done += at + 1;
                self.line(&line, &mut head).await;
            }
            lock(&self.came).keep(&buffer[..done]);
            buffer.drain(..done);
            if let Some((_, pause)) = self.manners.sips {
                sleep(pause).await;
            }
        }
    }

    async fn line(&self, line: &str, head: &mut Vec<String>) {
        if line.starts_with("MSRP ") {
            let mut words = line.split(' ').skip(1);
            let (id, start) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            lock(&self.came).start(id, start);
            *head = vec![line.to_owned()];
        } else if head.len() < 3 {
            head.push(line.to_owned()); // the paths follow the start line
            self.answer(head).await;
        }
    }

    async fn answer(&self, head: &[String]) {
        let [start, to, from] = head else { return };
        let (Some(id), true) = (start.split(' ').nth(1), start.ends_with(" SEND")) else { return };
        let (own, theirs) = (to.replace("To-Path", "From-Path"), from.replace("From-Path", "To-Path"));
        for status in &self.manners.answers {
            write(&self.write, format!("MSRP {id} {status}\r\n{theirs}\r\n{own}\r\n-------{id}$\r\n").as_bytes()).await;
        }
    }
}

impl Came {
    fn start(&mut self, id: &str, start: &str) {
        *self.starts.entry(start.to_owned()).or_default() += 1;
        if let Ok(code) = start.parse() {
            self.responses.entry(id.to_owned()).or_default().push(code);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let superfluous = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..superfluous);
    }
}

/// A request or response to be written, right or wrong.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Transaction id.
    pub id: String,
    start: String,
    to: String,
    from: String,
    headers: String,
    body: Option<Vec<u8>>,
    flag: &'static str,
}

impl Draft {
    /// A request of a method, or a response with a status line, between these paths.
    pub fn new(start: &str, to: &str, from: &str) -> Self {
        let (id, headers) = (random(16), String::new());
        Self { id, start: start.into(), to: to.into(), from: from.into(), headers, body: None, flag: "$" }
    }

    /// Sets the transaction id.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// Sets To-Path.
    #[must_use]
    pub fn to(mut self, path: &str) -> Self {
        self.to = path.to_owned();
        self
    }

    /// Sets From-Path.
    #[must_use]
    pub fn from(mut self, path: &str) -> Self {
        self.from = path.to_owned();
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self = self.header("Content-Type", content_type);
        self.body = Some(body.into());
        self
    }

    /// Sets the flag of the end-line: `$`, `+`, `#` or something worse.
    #[must_use]
    pub fn flag(mut self, flag: &'static str) -> Self {
        self.flag = flag;
        self
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { id, start, to, from, headers, flag, .. } = self;
        let mut bytes = format!("MSRP {id} {start}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}").into_bytes();
        if let Some(body) = &self.body {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("-------{id}{flag}\r\n").as_bytes());
        bytes
    }
}

/// A caller who is let into a room, and has not connected yet.
pub struct Enemy {
    /// His user agent.
    pub ua: Arc<Ua>,
    /// His own MSRP URI.
    pub local: String,
    /// The path that he is to send to.
    pub remote: String,
    /// The SIP URI of the room.
    pub room: String,
    answer: sip::Message,
}

impl Enemy {
    /// Calls the room as somebody who knows nicknames and private messages.
    pub async fn enter(who: Who, room: &str) -> Self {
        Self::enter_by(Arc::new(Ua::start(who).await), room).await
    }

    /// The same with a user agent that is there: another call of it.
    pub async fn enter_by(ua: Arc<Ua>, room: &str) -> Self {
        let local = own_uri(9);
        let able = offer(&local, "active").replace("a=chatroom\r\n", crate::member::TOKENS);
        let answer = ua.call(Request::invite(room, &able)).await.answer.clone();
        let remote = answer.sdp("path").unwrap_or_else(|| panic!("no path in\n{answer}"));
        Self { ua, local, remote, room: room.to_owned(), answer }
    }

    /// Connects, and binds the connection to his session.
    pub async fn connect(&self, manners: Manners) -> Wire {
        let answers = !manners.deaf;
        let wire = Wire::with(self.address(), manners).await;
        self.bind(&wire, answers).await;
        wire
    }

    /// Binds a connection to his session.
    pub async fn bind(&self, wire: &Wire, answers: bool) {
        let hello = self.draft("SEND").header("Message-ID", &random(8)).header("Byte-Range", "1-0/0");
        assert!(wire.write(hello.bytes()).await);
        if answers {
            assert_eq!(wire.response(&hello.id).await, 200);
        }
    }

    /// Where he is to connect to.
    pub fn address(&self) -> SocketAddr {
        let host_port = self.remote.split('/').nth(2).and_then(|rest| rest.parse().ok());
        host_port.unwrap_or_else(|| panic!("no address in {:?}", self.remote))
    }

    /// A request of his session.
    pub fn draft(&self, method: &str) -> Draft {
        Draft::new(method, &self.remote, &self.local)
    }

    /// A SEND of a new message with this CPIM in one piece.
    pub fn send(&self, cpim: &Cpim) -> Draft {
        let body = cpim.bytes();
        let range = format!("1-{0}/{0}", body.len());
        self.chunk(&random(16), &range, body)
    }

    /// A chunk of a message.
    pub fn chunk(&self, message_id: &str, range: &str, body: impl Into<Vec<u8>>) -> Draft {
        let draft = self.draft("SEND").header("Message-ID", message_id).header("Byte-Range", range);
        draft.body("message/cpim", body)
    }

    /// A message of his to everybody.
    pub fn to_room(&self, text: &str) -> Cpim {
        Cpim::text(self.ua.aor(), &self.room, text)
    }

    /// The Call-ID, by which the log names his leg.
    pub fn call_id(&self) -> &str {
        self.answer.header("Call-ID").unwrap_or_default()
    }

    /// Whether a BYE came for his call.
    pub fn has_ended(&self) -> bool {
        self.ua.resume(&self.answer).has_ended()
    }

    /// Waits for the BYE; the text of its Reason.
    #[track_caller]
    pub fn is_ended(&self, time: Duration) -> impl Future<Output = ()> {
        until(|| self.has_ended(), time, format!("a BYE to {}", self.ua.aor()))
    }

    /// Hangs up, unless that has been done for him.
    pub async fn leaves(&self) {
        if !self.has_ended() {
            self.ua.resume(&self.answer).bye().await;
        }
    }
}
