//! A small MSRP peer: connects or listens, sends whole messages, chunks and raw bytes, keeps what came.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::random;
use crate::wait::{Picture, SOON, lock, until, wait_for, within};

/// A request or response as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Transaction id.
    pub id: String,
    /// `SEND`, or a status code such as `200 OK`.
    pub start: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body; an empty one is not the same as none.
    pub body: Option<Vec<u8>>,
    /// `$`, `+` or `#`.
    pub flag: char,
}

impl Frame {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        self.start.get(..3)?.parse().ok()
    }

    /// First line and Message-ID, for logs.
    pub fn summary(&self) -> String {
        format!("MSRP {} {}", self.id, self.start)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("MSRP {} {}\r\n", self.id, self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = text.into_bytes();
        if let Some(body) = &self.body {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("-------{}{}\r\n", self.id, self.flag).as_bytes());
        bytes
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes()).replace("\r\n", "\n"))
    }
}

/// A CPIM message (RFC 3862): its own headers, the type of what it wraps, and that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpim {
    /// `From`, `To`, `DateTime`, … in order.
    pub headers: Vec<(String, String)>,
    /// The content's type.
    pub content_type: String,
    /// The content.
    pub content: Vec<u8>,
}

impl Cpim {
    /// A plain text message.
    pub fn text(from: &str, to: &str, text: &str) -> Self {
        let header = |name: &str, value: String| (name.to_owned(), value);
        Self {
            headers: vec![header("From", format!("<{from}>")), header("To", format!("<{to}>"))],
            content_type: "text/plain;charset=utf-8".into(),
            content: text.as_bytes().to_vec(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes every header of that name away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    /// Changes the type of the content.
    #[must_use]
    pub fn of_type(mut self, content_type: &str) -> Self {
        self.content_type = content_type.to_owned();
        self
    }

    /// Strict reading: header block, blank line, MIME headers, blank line, content; CRLF everywhere.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = cut(bytes, b"\r\n\r\n")?;
        let (mime, content) = cut(rest, b"\r\n\r\n")?;
        let fields = |block: &[u8]| -> Option<Vec<(String, String)>> {
            let text = std::str::from_utf8(block).ok()?;
            text.split("\r\n").map(|l| l.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()))).collect()
        };
        let mime = fields(mime)?;
        let (_, content_type) = mime.into_iter().find(|(n, _)| n == "Content-Type")?;
        Some(Self { headers: fields(head)?, content_type, content: content.to_vec() })
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("\r\nContent-Type: {}\r\n\r\n", self.content_type));
        [text.as_bytes(), &self.content].concat()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Formal name and URI of From, read as RFC 3862 §4.1 has it: `[Formal-name] <URI>` and nothing after it.
    pub fn sender(&self) -> Option<(String, String)> {
        let (name, uri) = self.header("From")?.strip_suffix('>')?.rsplit_once('<')?;
        let name = name.trim_end();
        let quoted = name.strip_prefix('"').and_then(|n| n.strip_suffix('"'));
        Some((quoted.map_or_else(|| Some(name.to_owned()), unescape)?, uri.to_owned()))
    }

    /// The content as text.
    pub fn text_content(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// A SEND to be sent; `Message-ID` is filled in.
#[derive(Debug, Clone)]
pub struct Send {
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    body: Option<Vec<u8>>,
    flag: char,
    message_id: String,
    range: Option<String>,
}

impl Send {
    /// A message in one piece.
    pub fn cpim(cpim: &Cpim) -> Self {
        Self::of("message/cpim", cpim.bytes())
    }

    /// Any body of any type in one piece.
    pub fn of(content_type: &str, body: Vec<u8>) -> Self {
        let range = Some(format!("1-{0}/{0}", body.len()));
        let content_type = Some(content_type.to_owned());
        Self { headers: Vec::new(), content_type, body: Some(body), flag: '$', message_id: random(16), range }
    }

    /// The bodiless SEND that binds a connection to its session (RFC 4975 §5.4).
    pub fn bodiless() -> Self {
        let range = Some("1-0/0".to_owned());
        Self { headers: Vec::new(), content_type: None, body: None, flag: '$', message_id: random(16), range }
    }

    /// The same message in pieces of at most `size` octets.
    pub fn chunks(cpim: &Cpim, size: usize) -> Vec<Self> {
        let (body, message_id) = (cpim.bytes(), random(16));
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        let (last, total) = (pieces.len().saturating_sub(1), body.len());
        let piece = |(at, part): (usize, &&[u8])| {
            let start = at * size;
            let range = format!("{}-{}/{total}", start + 1, start + part.len());
            let flag = if at == last { '$' } else { '+' };
            Self::of("message/cpim", part.to_vec()).message_id(&message_id).range(&range).flag(flag)
        };
        pieces.iter().enumerate().map(piece).collect()
    }

    /// Adds a header, such as `Failure-Report`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the Message-ID; empty leaves it out.
    #[must_use]
    pub fn message_id(mut self, id: &str) -> Self {
        self.message_id = id.to_owned();
        self
    }

    /// Sets the Byte-Range; empty leaves it out.
    #[must_use]
    pub fn range(mut self, range: &str) -> Self {
        self.range = (!range.is_empty()).then(|| range.to_owned());
        self
    }

    /// Sets the flag of the end-line.
    #[must_use]
    pub fn flag(mut self, flag: char) -> Self {
        self.flag = flag;
        self
    }
}

/// One frame in either direction.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// When.
    pub at: SystemTime,
    /// Whether we sent it.
    pub sent: bool,
    /// What.
    pub frame: Frame,
}

#[derive(Default)]
struct State {
    traffic: Vec<Traffic>,
    responses: BTreeMap<String, Frame>,
    partial: BTreeMap<String, Vec<u8>>,
    messages: Vec<Message>,
    broken: Vec<String>,
    closed: bool,
}

/// A message that came, put together.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its last chunk.
    pub frame: Frame,
    /// All of its body.
    pub body: Vec<u8>,
    /// The body read as CPIM, where it is that.
    pub cpim: Option<Cpim>,
}

impl Message {
    /// The text inside.
    pub fn text(&self) -> Option<String> {
        self.cpim.as_ref().map(Cpim::text_content)
    }

    /// A header of the CPIM.
    pub fn cpim_header(&self, name: &str) -> Option<&str> {
        self.cpim.as_ref()?.header(name)
    }
}

struct Inner {
    local: String,
    remote: String,
    out: mpsc::UnboundedSender<Vec<u8>>,
    state: Mutex<State>,
    answers: AtomicBool,
    reads: AtomicBool,
}

/// One session on a connection of its own. It answers every SEND as its Failure-Report asks.
pub struct Peer {
    inner: Arc<Inner>,
    socket: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.cut();
    }
}

/// An own MSRP URI at `port`; RFC 4975 asks for 80 bits of randomness.
pub fn own_uri(port: u16) -> String {
    format!("msrp://127.0.0.1:{port}/{};tcp", random(24))
}

/// Waits for the other side's connection.
pub struct Listener(TcpListener);

impl Listener {
    /// Listens on a free port.
    pub async fn bind() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Takes the connection for the session between `local` and `remote`.
    pub async fn accept(self, local: &str, remote: &str) -> Peer {
        let accepted = tokio::time::timeout(SOON, self.0.accept()).await.expect("nobody connected to our MSRP port");
        Peer::on(accepted.unwrap().0, local, remote)
    }
}

impl Peer {
    /// Connects to the first URI of `remote`, the other side's path.
    pub async fn connect(local: &str, remote: &str) -> Self {
        let address = address_of(remote).unwrap_or_else(|| panic!("no address in the path {remote:?}"));
        let stream = TcpStream::connect(address).await.unwrap_or_else(|e| panic!("MSRP to {address}: {e}"));
        Self::on(stream, local, remote)
    }

    fn on(stream: TcpStream, local: &str, remote: &str) -> Self {
        stream.set_nodelay(true).unwrap();
        let socket = stream.local_addr().unwrap();
        let (read, write) = stream.into_split();
        let (out, outgoing) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            local: local.to_owned(),
            remote: remote.to_owned(),
            out,
            state: Mutex::new(State::default()),
            answers: AtomicBool::new(true),
            reads: AtomicBool::new(true),
        });
        let tasks = [tokio::spawn(write_all(write, outgoing)), tokio::spawn(read_all(read, inner.clone()))];
        Self { inner, socket, tasks }
    }

    /// Our end of the connection.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Our URI.
    pub fn local(&self) -> &str {
        &self.inner.local
    }

    /// The other side's path.
    pub fn remote(&self) -> &str {
        &self.inner.remote
    }

    /// Binds the connection to the session, and waits for the answer.
    pub async fn bind(&self) {
        let id = self.send(Send::bodiless());
        let response = self.response(&id).await;
        assert_eq!(response.code(), Some(200), "binding was refused:\n{response}");
    }

    /// Sends; returns the transaction id.
    pub fn send(&self, send: Send) -> String {
        let mut headers = Vec::new();
        if !send.message_id.is_empty() {
            headers.push(("Message-ID".to_owned(), send.message_id));
        }
        if let Some(range) = send.range {
            headers.push(("Byte-Range".to_owned(), range));
        }
        headers.extend(send.headers);
        if let Some(content_type) = send.content_type {
            headers.push(("Content-Type".to_owned(), content_type));
        }
        self.request("SEND", headers, send.body, send.flag)
    }

    /// Sends a request of any method; returns the transaction id.
    pub fn request(&self, method: &str, more: Vec<(String, String)>, body: Option<Vec<u8>>, flag: char) -> String {
        let mut headers =
            vec![("To-Path".to_owned(), self.inner.remote.clone()), ("From-Path".to_owned(), self.inner.local.clone())];
        headers.extend(more);
        let frame = Frame { id: random(16), start: method.to_owned(), headers, body, flag };
        let id = frame.id.clone();
        self.inner.put(frame);
        id
    }

    /// Sends bytes as they are.
    pub fn raw(&self, bytes: impl Into<Vec<u8>>) {
        let _ = self.inner.out.send(bytes.into());
    }

    /// Waits for the response to a transaction.
    #[track_caller]
    pub fn response(&self, id: &str) -> impl Future<Output = Frame> {
        self.response_within(id, SOON)
    }

    /// Waits that long for the response to a transaction.
    #[track_caller]
    pub fn response_within(&self, id: &str, timeout: Duration) -> impl Future<Output = Frame> {
        let key = id.to_owned();
        let look = move || lock(&self.inner.state).responses.get(&key).cloned();
        wait_for(look, timeout, self.picture(format!("a response to {id}")))
    }

    /// The response that has come, if any.
    pub fn responded(&self, id: &str) -> Option<Frame> {
        lock(&self.inner.state).responses.get(id).cloned()
    }

    /// The messages that came, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.inner.state).messages.clone()
    }

    /// Waits for a message with this text.
    #[track_caller]
    pub fn hears(&self, text: &str) -> impl Future<Output = Message> {
        let wanted = text.to_owned();
        let look =
            move || lock(&self.inner.state).messages.iter().find(|m| m.text().as_ref() == Some(&wanted)).cloned();
        wait_for(look, SOON, self.picture(format!("the message {text:?}")))
    }

    /// The texts that came, in order.
    pub fn texts(&self) -> Vec<String> {
        lock(&self.inner.state).messages.iter().filter_map(Message::text).collect()
    }

    /// The REPORTs that came.
    pub fn reports(&self) -> Vec<Frame> {
        self.requests("REPORT")
    }

    /// The requests of a method that came.
    pub fn requests(&self, method: &str) -> Vec<Frame> {
        let state = lock(&self.inner.state);
        state.traffic.iter().filter(|t| !t.sent && t.frame.start == method).map(|t| t.frame.clone()).collect()
    }

    /// Everything sent and received.
    pub fn traffic(&self) -> Vec<Traffic> {
        lock(&self.inner.state).traffic.clone()
    }

    /// What came and was not MSRP.
    pub fn broken(&self) -> Vec<String> {
        lock(&self.inner.state).broken.clone()
    }

    /// Whether SENDs are answered.
    pub fn answer(&self, yes: bool) {
        self.inner.answers.store(yes, Ordering::Relaxed);
    }

    /// Whether anything is read from the connection.
    pub fn read(&self, yes: bool) {
        self.inner.reads.store(yes, Ordering::Relaxed);
    }

    /// Whether the other side has closed the connection.
    pub fn closed(&self) -> bool {
        lock(&self.inner.state).closed
    }

    /// Waits for the other side to close the connection.
    #[track_caller]
    pub fn is_closed(&self, timeout: Duration) -> impl Future<Output = ()> {
        until(|| self.closed(), timeout, self.picture("the end of the connection".into()))
    }

    /// Whether anything comes within that time: for what must stay silent.
    pub async fn silent_for(&self, time: Duration) -> bool {
        let before = self.traffic().iter().filter(|t| !t.sent).count();
        within(|| (self.traffic().iter().filter(|t| !t.sent).count() > before).then_some(()), time).await.is_none()
    }

    /// Breaks the connection.
    pub fn cut(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    fn picture(&self, what: String) -> impl fmt::Display + use<> {
        let inner = self.inner.clone();
        Picture(move || {
            let state = lock(&inner.state);
            let last = state.traffic.iter().rev().take(8).rev();
            let all = last.map(|t| format!("{}\n{}", if t.sent { "-> sent" } else { "<- came" }, t.frame));
            let (closed, all) = (state.closed, all.collect::<Vec<_>>().join("\n"));
            format!("{what}\nlast at {} (closed: {closed}, not MSRP: {:?}):\n{all}", inner.local, state.broken)
        })
    }
}

impl Inner {
    fn put(&self, frame: Frame) {
        let _ = self.out.send(frame.bytes());
        lock(&self.state).traffic.push(Traffic { at: SystemTime::now(), sent: true, frame });
    }

    fn take(&self, frame: Frame) {
        let mut state = lock(&self.state);
        state.traffic.push(Traffic { at: SystemTime::now(), sent: false, frame: frame.clone() });
        if frame.code().is_some() {
            state.responses.insert(frame.id.clone(), frame);
            return;
        }
        if frame.start == "SEND" {
            state.message(frame.clone());
        }
        drop(state);
        if frame.start != "REPORT" && self.answers.load(Ordering::Relaxed) {
            self.answer(&frame);
        }
    }

    fn answer(&self, frame: &Frame) {
        let sends = frame.start == "SEND";
        if sends && frame.header("Failure-Report").unwrap_or("yes") != "yes" {
            return;
        }
        let to = frame.header("From-Path").unwrap_or_default();
        let to = if sends { to.split(' ').next().unwrap_or_default() } else { to };
        let headers = vec![("To-Path".to_owned(), to.to_owned()), ("From-Path".to_owned(), self.local.clone())];
        let start = if sends { "200 OK" } else { "501 Unknown method" };
        self.put(Frame { id: frame.id.clone(), start: start.into(), headers, body: None, flag: '$' });
    }
}

impl State {
    /// Puts chunks together; they come in order on one connection.
    fn message(&mut self, frame: Frame) {
        let Some(body) = &frame.body else { return };
        let id = frame.header("Message-ID").unwrap_or_default().to_owned();
        self.partial.entry(id.clone()).or_default().extend_from_slice(body);
        if frame.flag == '+' {
            return;
        }
        let body = self.partial.remove(&id).unwrap_or_default();
        if frame.flag == '$' {
            let is_cpim = frame.header("Content-Type").is_some_and(|t| t.starts_with("message/cpim"));
            let cpim = is_cpim.then(|| Cpim::parse(&body)).flatten();
            self.messages.push(Message { frame, body, cpim });
        }
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut out: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = out.recv().await {
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read_all(mut read: OwnedReadHalf, inner: Arc<Inner>) {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 65_536]);
    loop {
        while !inner.reads.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match read.read(&mut chunk).await {
            Ok(length) if length > 0 => buffer.extend_from_slice(&chunk[..length]),
            _ => break,
        }
        let mut done = 0;
        while let Some((frame, length)) = decode(&buffer[done..]) {
            done += length;
            match frame {
                Ok(frame) => inner.take(frame),
                Err(line) => lock(&inner.state).broken.push(line),
            }
        }
        buffer.drain(..done);
    }
    lock(&inner.state).closed = true;
}

/// The first frame in `bytes` and how many of them it took, when it is whole; a line that is not MSRP is an error.
fn decode(bytes: &[u8]) -> Option<(Result<Frame, String>, usize)> {
    let (first, _) = cut(bytes, b"\r\n")?;
    let line = String::from_utf8_lossy(first).into_owned();
    let start = line.strip_prefix("MSRP ").and_then(|l| l.split_once(' '));
    let Some((id, start)) = start else { return Some((Err(line), first.len() + 2)) };
    let end = format!("\r\n-------{id}");
    let at = first.len() + position(&bytes[first.len()..], end.as_bytes())?;
    let flag = char::from(*bytes.get(at + end.len())?);
    let length = at + end.len() + 3;
    if bytes.len() < length {
        return None;
    }
    let inside = bytes.get(first.len() + 2..at).unwrap_or_default();
    let (head, body) = match cut(inside, b"\r\n\r\n") {
        Some((head, body)) => (head, Some(body.to_vec())),
        None => (inside, None),
    };
    let split = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()));
    let headers = String::from_utf8_lossy(head).split("\r\n").filter_map(split).collect();
    let frame = Frame { id: id.to_owned(), start: start.to_owned(), headers, body, flag };
    Some((Ok(frame), length))
}

/// What stands between the quotes (RFC 3862 §3.6); `None` for an escape or a bare quote that may not be there.
fn unescape(quoted: &str) -> Option<String> {
    let (mut out, mut letters) = (String::new(), quoted.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return None,
            '\\' => match letters.next()? {
                c @ ('\\' | '"' | '\'') => out.push(c),
                't' => out.push('\t'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

fn address_of(path: &str) -> Option<SocketAddr> {
    let rest = path.split_whitespace().next()?.split_once("://")?.1;
    rest.split(['/', ';']).next()?.rsplit('@').next()?.parse().ok()
}

fn cut<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = position(bytes, pattern)?;
    Some((&bytes[..at], &bytes[at + pattern.len()..]))
}

fn position(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|w| w == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<(String, String)> {
        vec![("To-Path".to_owned(), "msrp://127.0.0.1:9/a;tcp".to_owned())]
    }

    #[test]
    fn a_frame_survives_its_own_encoding_and_an_empty_body_is_not_none() {
        for body in [None, Some(Vec::new()), Some(b"a\r\nb".to_vec())] {
            let frame = Frame { id: "abcd".into(), start: "SEND".into(), headers: paths(), body, flag: '+' };
            let bytes = frame.bytes();
            assert_eq!(decode(&bytes), Some((Ok(frame), bytes.len())));
            assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_body_may_hold_an_end_line_of_another_transaction() {
        let body = Some(b"x\r\n-------efgh$\r\ny".to_vec());
        let frame = Frame { id: "abcd".into(), start: "SEND".into(), headers: paths(), body, flag: '$' };
        assert_eq!(decode(&frame.bytes()).unwrap().0.unwrap().body, frame.body);
    }

    #[test]
    fn chunks_cover_the_message_without_a_gap() {
        let cpim = Cpim::text("sip:a@b", "sip:c@d", "hello");
        let chunks = Send::chunks(&cpim, 7);
        let whole: Vec<u8> = chunks.iter().flat_map(|c| c.body.clone().unwrap()).collect();
        assert_eq!(whole, cpim.bytes());
        assert_eq!(chunks.iter().filter(|c| c.flag == '$').count(), 1);
        assert_eq!(Cpim::parse(&whole), Some(cpim));
    }
}
