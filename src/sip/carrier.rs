//! What carries SIP between two ends of a connection: a run of octets, of TCP or TLS, or the frames of a WebSocket (RFC 7118).
//!
//! Owns where a message begins and ends. What it says is for the door.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::framing::{Broken, Framer, Unit};
use super::gate::{MAX_BODY, MAX_HEAD};
use crate::sockets::poll_read_with;
use crate::ws::Protocol;

/// What a handshake of TLS begins with: the type of its first record (RFC 8446 §5.1). SIP begins with a letter or an empty line.
const HANDSHAKE: u8 = 22;

/// The sub-protocol of SIP (RFC 7118 §4.1).
pub(super) const WEB: Protocol =
    Protocol { name: "sip", hint: "This is SIP over WebSocket (RFC 7118): ask for the sub-protocol \"sip\".\n" };
/// The longest frame: a message of the largest size.
pub(super) const LONGEST_FRAME: usize = MAX_HEAD + 4 + MAX_BODY;

/// The half of a connection that is read.
pub(super) trait Inlet: Send + 'static {
    /// The next message or keep-alive of what has come; `None` when more has to come.
    ///
    /// # Errors
    ///
    /// [`Broken`]; nothing sensible comes after it.
    fn unit(&mut self) -> Result<Option<Unit>, Broken>;

    /// Whether a message has begun and not ended, as far as can be seen.
    fn is_inside_message(&self) -> bool;

    /// Waits for more; false at the end. Can be cancelled without loss.
    fn more(&mut self) -> impl Future<Output = io::Result<bool>> + Send;
}

/// The half of a connection that is written.
pub(super) trait Outlet: Send + 'static {
    /// Writes a message or a keep-alive.
    fn write(&mut self, octets: Vec<u8>) -> impl Future<Output = io::Result<()>> + Send;

    /// Says goodbye.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// What comes as octets.
pub(super) struct Octets<R> {
    reader: R,
    framer: Framer,
    has_begun: bool,
}

impl<R> Octets<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, framer: Framer::default(), has_begun: false }
    }
}

/// The peer takes the port for one with TLS. It is the kind of an error of [`Inlet::more`].
pub(super) const TLS_ON_PLAIN_PORT: io::ErrorKind = io::ErrorKind::InvalidInput;

impl<R: AsyncRead + Unpin + Send + 'static> Inlet for Octets<R> {
    fn unit(&mut self) -> Result<Option<Unit>, Broken> {
        self.framer.next_unit()
    }

    fn is_inside_message(&self) -> bool {
        self.framer.is_inside_message()
    }

    async fn more(&mut self) -> io::Result<bool> {
        let buffer = self.framer.buffer();
        let mut take = |octets: &[u8]| {
            buffer.extend_from_slice(octets);
            octets.len()
        };
        let read = match poll_fn(|cx| poll_read_with(&mut self.reader, cx, &mut take)).await {
            // Many peers close without the goodbye of TLS. SIP knows itself where a message ends.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        if !std::mem::replace(&mut self.has_begun, true) && buffer.first() == Some(&HANDSHAKE) {
            return Err(io::Error::new(TLS_ON_PLAIN_PORT, "what came is TLS"));
        }
        Ok(read > 0)
    }
}

/// What goes as octets.
pub(super) struct Writer<W>(pub(super) W);

impl<W: AsyncWrite + Unpin + Send + 'static> Outlet for Writer<W> {
    async fn write(&mut self, octets: Vec<u8>) -> io::Result<()> {
        self.0.write_all(&octets).await?;
        self.0.flush().await
    }

    async fn close(&mut self) {
        let _ = self.0.shutdown().await; // the connection may be gone
    }
}

/// Both halves of a WebSocket.
pub(super) fn web<S>(stream: WebSocketStream<S>) -> (Frames<S>, FrameWriter<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sink, stream) = stream.split();
    let too_long = Arc::new(AtomicBool::new(false));
    let frames = Frames { frames: stream, next: None, too_long: Arc::clone(&too_long) };
    (frames, FrameWriter { frames: sink, too_long })
}

/// What comes as frames, each one message (RFC 7118 §5.3).
pub(super) struct Frames<S> {
    frames: SplitStream<WebSocketStream<S>>,
    next: Option<Bytes>,
    too_long: Arc<AtomicBool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Inlet for Frames<S> {
    fn unit(&mut self) -> Result<Option<Unit>, Broken> {
        Ok(self.next.take().map(|octets| match octets.iter().all(u8::is_ascii_whitespace) {
            true => Unit::Ping,
            false => Unit::Message(octets),
        }))
    }

    fn is_inside_message(&self) -> bool {
        false
    }

    async fn more(&mut self) -> io::Result<bool> {
        loop {
            match self.frames.next().await {
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Ok(false),
                Some(Ok(Message::Binary(octets))) => self.next = Some(octets),
                Some(Ok(Message::Text(text))) => self.next = Some(text.into()),
                // A ping is answered below us.
                Some(Ok(_)) => continue,
                Some(Err(Error::Io(error))) => return Err(error),
                Some(Err(error)) => {
                    self.too_long.store(matches!(error, Error::Capacity(_)), Ordering::Relaxed);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            return Ok(true);
        }
    }
}

/// What goes as frames.
pub(super) struct FrameWriter<S> {
    frames: SplitSink<WebSocketStream<S>, Message>,
    too_long: Arc<AtomicBool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Outlet for FrameWriter<S> {
    /// As text where it is some: there are clients that take nothing else.
    async fn write(&mut self, octets: Vec<u8>) -> io::Result<()> {
        let frame = match String::from_utf8(octets) {
            Ok(text) => Message::Text(text.into()),
            Err(error) => Message::Binary(error.into_bytes().into()),
        };
        self.frames.send(frame).await.map_err(|error| match error {
            Error::Io(error) => error,
            other => io::Error::other(other),
        })
    }

    async fn close(&mut self) {
        let too_long = self.too_long.load(Ordering::Relaxed);
        let (code, reason) =
            if too_long { (CloseCode::Size, "larger than a message may be") } else { (CloseCode::Normal, "") };
        let goodbye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = self.frames.send(goodbye).await; // the connection may be gone
    }
}
