//! One session on a connection of its own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::session::{Inner, State, read_all, write_all};
use super::{Frame, Message, Send, Traffic};
use crate::capture::{self, Carrier, Line};
use crate::random;
use crate::wait::{Picture, SOON, lock, until, wait_for, within};

/// One session on a connection of its own. It answers every SEND as its Failure-Report asks.
pub struct Peer {
    remote: String,
    inner: Arc<Inner>,
    socket: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Waits for the other side's connection.
pub struct Listener(TcpListener);

impl Listener {
    /// Listens on a free port.
    pub async fn bind() -> Self {
        Self::bind_to(Ipv4Addr::LOCALHOST.into()).await
    }

    /// The same on a loopback address of the caller's choice.
    pub async fn bind_to(ip: IpAddr) -> Self {
        Self(TcpListener::bind((ip, 0)).await.unwrap())
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
        Self::connect_through(address, local, remote).await
    }

    /// Connects to a relay that leads there.
    pub async fn connect_through(address: SocketAddr, local: &str, remote: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap_or_else(|e| panic!("MSRP to {address}: {e}"));
        Self::on(stream, local, remote)
    }

    fn on(stream: TcpStream, local: &str, remote: &str) -> Self {
        stream.set_nodelay(true).unwrap();
        let socket = stream.local_addr().unwrap();
        let (read, write) = stream.into_split();
        Self::over(read, write, socket, local, remote)
    }

    /// The same on a connection of any kind, each write of which is one frame.
    pub fn over(
        read: impl AsyncRead + Unpin + std::marker::Send + 'static,
        write: impl AsyncWrite + Unpin + std::marker::Send + 'static,
        socket: SocketAddr,
        local: &str,
        remote: &str,
    ) -> Self {
        let (out, outgoing) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            local: local.to_owned(),
            line: Line::new(Carrier::Tcp, socket, capture::MSRP),
            out,
            state: Mutex::new(State::default()),
            answers: AtomicBool::new(true),
            reads: AtomicBool::new(true),
        });
        let tasks =
            [tokio::spawn(write_all(write, outgoing, inner.line.clone())), tokio::spawn(read_all(read, inner.clone()))];
        Self { remote: remote.to_owned(), inner, socket, tasks }
    }

    /// The same connection as a session with `remote`, a path that begins where it leads to: behind a relay the other side is
    /// known later than the relay.
    #[must_use]
    pub fn towards(mut self, remote: &str) -> Self {
        remote.clone_into(&mut self.remote);
        self
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
        &self.remote
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
            vec![("To-Path".to_owned(), self.remote.clone()), ("From-Path".to_owned(), self.inner.local.clone())];
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

fn address_of(path: &str) -> Option<SocketAddr> {
    let rest = path.split_whitespace().next()?.split_once("://")?.1;
    rest.split(['/', ';']).next()?.rsplit('@').next()?.parse().ok()
}
