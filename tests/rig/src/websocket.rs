//! A WebSocket client (RFC 6455) that writes its frames itself, also those that a library would not.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::msrp::Peer;
use crate::wait::SOON;

/// Kinds of frames (RFC 6455 §5.2).
pub const CONTINUATION: u8 = 0;
/// Text.
pub const TEXT: u8 = 1;
/// Binary.
pub const BINARY: u8 = 2;
/// Goodbye.
pub const CLOSE: u8 = 8;
/// Are you there?
pub const PING: u8 = 9;
/// I am.
pub const PONG: u8 = 10;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of the constants of this module.
    pub kind: u8,
    /// Whether it is the last of its message.
    pub last: bool,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A request for `protocol` with these headers besides those that there must be.
pub fn request(protocol: Option<&str>, headers: &str) -> String {
    let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
    let protocol = protocol.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    format!(
        "GET / HTTP/1.1\r\nHost: msrp.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\n{protocol}{headers}\r\n"
    )
}

/// Sends an HTTP request and returns the answer's head, and its body if that has a length.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let answer = tokio::time::timeout(SOON, async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(octet) => answer.push(octet),
                Err(_) => break,
            }
        }
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        let _ = stream.read_exact(&mut body).await;
        answer.extend(body);
        answer
    });
    String::from_utf8(answer.await.expect("no answer to the request")).unwrap()
}

/// Asks for MSRP and panics unless it is granted.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let answer = ask(stream, &request(Some("msrp"), "")).await;
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.to_lowercase().contains("protocol: msrp\r\n"), "{answer}");
}

/// A frame as a client writes it: masked.
pub fn masked(frame: &Frame) -> Vec<u8> {
    let mask: [u8; 4] = rand::random();
    let mut out = head(frame, 0x80);
    out.extend(mask);
    out.extend(frame.payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    out
}

/// A frame as only a server may write it.
pub fn unmasked(frame: &Frame) -> Vec<u8> {
    [head(frame, 0), frame.payload.clone()].concat()
}

fn head(frame: &Frame, masked: u8) -> Vec<u8> {
    let mut out = vec![frame.kind | if frame.last { 0x80 } else { 0 }];
    match frame.payload.len() {
        length @ ..126 => out.push(masked | u8::try_from(length).unwrap()),
        length @ ..0x1_0000 => {
            out.push(masked | 126);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            out.push(masked | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out
}

/// The next frame; `None` at the end of the connection.
pub async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let first = stream.read_u8().await.ok()?;
    let second = stream.read_u8().await.ok()?;
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    let length = match second & 0x7f {
        126 => usize::from(stream.read_u16().await.ok()?),
        127 => usize::try_from(stream.read_u64().await.ok()?).unwrap(),
        length => usize::from(length),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind: first & 0x0f, last: first & 0x80 != 0, payload })
}

/// An MSRP session over a WebSocket that is open: each frame that it sends is one text message, as a browser sends strings, and
/// each message that comes must be one frame of MSRP (RFC 7977 §5.1). Answers pings.
pub fn peer<R, W>(mut read: R, mut write: W, local: &str, remote: &str) -> Peer
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (inside, outside) = duplex(1 << 20);
    let (to_peer, from_peer): (DuplexStream, DuplexStream) = (outside, inside);
    let (mut come, mut go) = tokio::io::split(to_peer);
    let (pongs, mut to_pong) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let frame = tokio::select! {
                read = come.read(&mut buffer) => match read {
                    Ok(length) if length > 0 => Frame { kind: TEXT, last: true, payload: buffer[..length].to_vec() },
                    _ => return,
                },
                Some(payload) = to_pong.recv() => Frame { kind: PONG, last: true, payload },
            };
            if write.write_all(&masked(&frame)).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some(frame) = frame(&mut read).await {
            match frame.kind {
                PING => drop(pongs.send(frame.payload)),
                TEXT | BINARY => {
                    let starts = frame.payload.windows(5).filter(|w| w == b"MSRP ").count();
                    assert!(frame.payload.starts_with(b"MSRP ") && starts == 1, "a message is one chunk: {frame:?}");
                    if go.write_all(&frame.payload).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    });
    let (read, write) = tokio::io::split(from_peer);
    Peer::over(read, write, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), local, remote)
}
