//! One SIP socket for a whole crowd: datagrams, and streams for what is too large for them. Requests of the other side are answered
//! with 200 and no thought.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::tally::Tally;
use crate::wait::lock;

/// RFC 3261 T1.
const T1: Duration = Duration::from_millis(500);
/// How long a request may wait for its final answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The messages of one Call-ID.
pub(super) type Mail = mpsc::UnboundedReceiver<String>;

/// The socket.
pub(super) struct Line {
    socket: UdpSocket,
    pub(super) local: SocketAddr,
    focus: SocketAddr,
    tally: Arc<Tally>,
    calls: Mutex<HashMap<String, mpsc::UnboundedSender<String>>>,
}

impl Line {
    /// Binds one port for datagrams and streams, and answers there from now on.
    pub(super) async fn open(focus: SocketAddr, tally: Arc<Tally>) -> Arc<Self> {
        let (socket, listener) = loop {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
                break (socket, listener);
            }
        };
        // A crowd that calls at once is answered at once.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
        let local = socket.local_addr().unwrap();
        let line = Arc::new(Self { socket, local, focus, tally, calls: Mutex::default() });
        tokio::spawn(datagrams(Arc::clone(&line)));
        tokio::spawn(streams(Arc::clone(&line), listener));
        line
    }

    /// What comes with this Call-ID from now on.
    pub(super) fn listen(&self, call_id: &str) -> Mail {
        let (tx, rx) = mpsc::unbounded_channel();
        lock(&self.calls).insert(call_id.to_owned(), tx);
        rx
    }

    /// Nothing with this Call-ID is awaited any more.
    pub(super) fn forget(&self, call_id: &str) {
        lock(&self.calls).remove(call_id);
    }

    pub(super) async fn send(&self, message: &str) {
        let _ = self.socket.send_to(message.as_bytes(), self.focus).await;
    }

    /// Sends a request until something comes, and returns its final answer, or one of our own making when none comes. What else
    /// comes is passed to `aside`.
    pub(super) async fn ask(&self, request: &str, mail: &mut Mail, mut aside: impl FnMut(String)) -> String {
        let method = request.split(' ').next().unwrap_or_default();
        let is_answer = |m: &str| m.starts_with("SIP/2.0") && field(m, "CSeq").is_some_and(|c| c.ends_with(method));
        let (mut pause, mut is_heard) = (T1, false);
        let answered = async {
            self.send(request).await;
            loop {
                match timeout(pause, mail.recv()).await {
                    Ok(Some(message)) if is_answer(&message) => {
                        is_heard = true;
                        if code(&message) >= 200 {
                            return message;
                        }
                    }
                    Ok(Some(message)) => aside(message),
                    Ok(None) => panic!("the line is closed"),
                    Err(_) => {
                        pause = (pause * 2).min(T1 * 8);
                        if !is_heard {
                            self.send(request).await;
                        }
                    }
                }
            }
        };
        timeout(PATIENCE, answered).await.unwrap_or_else(|_| format!("SIP/2.0 408 No answer to {method}\r\n\r\n"))
    }

    /// Takes a message; the answer to it, if it is a request.
    fn take(&self, message: String) -> Option<String> {
        let is_response = message.starts_with("SIP/2.0");
        let reply = (!is_response && !message.starts_with("ACK ")).then(|| ok(&message));
        if message.starts_with("NOTIFY ") {
            self.tally.notified(message.len());
        }
        if let Some(call) = field(&message, "Call-ID").and_then(|id| lock(&self.calls).get(id).cloned()) {
            let _ = call.send(message);
        }
        reply
    }
}

async fn datagrams(line: Arc<Line>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = line.socket.recv_from(&mut buffer).await else { continue };
        let Ok(message) = std::str::from_utf8(&buffer[..length]) else { continue };
        if let Some(reply) = line.take(message.to_owned()) {
            let _ = line.socket.send_to(reply.as_bytes(), from).await;
        }
    }
}

async fn streams(line: Arc<Line>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(stream_of(Arc::clone(&line), stream));
    }
}

async fn stream_of(line: Arc<Line>, mut stream: TcpStream) {
    let mut buffer: Vec<u8> = Vec::with_capacity(64 * 1024);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        while let Some(head) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
            let length = field(&String::from_utf8_lossy(&buffer[..head + 2]), "Content-Length")
                .map_or(0, |l| l.parse().unwrap());
            let end = head + 4 + length;
            if buffer.len() < end {
                break;
            }
            let message = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end);
            if let Some(reply) = line.take(message) {
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        }
    }
}

/// The status code of a response.
pub(super) fn code(response: &str) -> u16 {
    response.get(8..11).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The first value of a field, which mucfocus writes in one way only.
pub(super) fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let lines = message.split("\r\n").take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == name).map(|(_, value)| value)
}

fn ok(request: &str) -> String {
    let echoed = |line: &&str| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let lines: Vec<&str> = request.split("\r\n").take_while(|line| !line.is_empty()).filter(echoed).collect();
    format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"))
}
