//! What a user agent has seen on its socket, and how it answers.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::message::{find, respond};
use super::{Message, Transport};
use crate::capture::Line;
use crate::wait::lock;

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
pub(super) struct State {
    pub(super) traffic: Vec<Traffic>,
    /// What acknowledges a final response to an INVITE, by the INVITE's branch; sent again for a repeated response.
    pub(super) acks: HashMap<String, Vec<u8>>,
    /// Requests that were answered, so that a retransmission is not answered as another one.
    answered: HashMap<(String, String), Vec<u8>>,
    pub(super) dialogs: HashSet<String>,
    pub(super) closed: bool,
}

pub(super) struct Inner {
    pub(super) user: String,
    pub(super) aor: String,
    pub(super) identity: String,
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) contact: SocketAddr,
    pub(super) line: Option<Line>,
    pub(super) out: mpsc::UnboundedSender<Vec<u8>>,
    pub(super) state: Mutex<State>,
    pub(super) answers: AtomicBool,
    pub(super) acknowledges: AtomicBool,
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

pub(super) async fn send_datagrams(
    socket: Arc<UdpSocket>,
    peer: SocketAddr,
    mut out: mpsc::UnboundedReceiver<Vec<u8>>,
    line: Option<Line>,
) {
    while let Some(bytes) = out.recv().await {
        if let Some(line) = &line {
            line.sent(&bytes);
        }
        let _ = socket.send_to(&bytes, peer).await;
    }
}

pub(super) async fn send_stream(
    mut write: OwnedWriteHalf,
    mut out: mpsc::UnboundedReceiver<Vec<u8>>,
    line: Option<Line>,
) {
    while let Some(bytes) = out.recv().await {
        if let Some(line) = &line {
            line.sent(&bytes);
        }
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

pub(super) async fn receive_datagrams(socket: Arc<UdpSocket>, inner: Arc<Inner>) {
    let mut buffer = vec![0; 65_536];
    loop {
        // An ICMP error of an earlier datagram is not the end of the socket.
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        let bytes = &buffer[..length];
        if let Some(line) = &inner.line {
            line.came(bytes);
        }
        if let Some(end) = find(bytes, b"\r\n\r\n") {
            inner.take(Message::parse(&bytes[..end], &bytes[end + 4..]));
        }
    }
}

pub(super) async fn receive_stream(mut read: OwnedReadHalf, inner: Arc<Inner>) {
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
            if let Some(line) = &inner.line {
                // Keep-alives may stand before it.
                line.came(buffer[..end + 4 + body].trim_ascii_start());
            }
            inner.take(Message::parse(buffer[..end].trim_ascii_start(), &buffer[end + 4..end + 4 + body]));
            buffer.drain(..end + 4 + body);
        }
    }
    lock(&inner.state).closed = true;
}
