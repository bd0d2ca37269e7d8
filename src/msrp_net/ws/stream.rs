//! A WebSocket as what carries MSRP.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf as _, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::super::sending::Batch;
use super::super::transport::{Inlet, Outlet, Shown, Transport};
use super::chunks::Chunks;

/// A WebSocket whose handshake is over.
pub(in super::super) struct Web<S> {
    stream: WebSocketStream<S>,
    shown: Shown,
}

/// The half that is read.
pub(in super::super) struct WebInlet<S> {
    messages: SplitStream<WebSocketStream<S>>,
    too_large: Arc<AtomicBool>,
}

/// The half that is written.
pub(in super::super) struct WebOutlet<S> {
    messages: SplitSink<WebSocketStream<S>, Message>,
    chunks: Chunks,
    too_large: Arc<AtomicBool>,
}

impl<S> Web<S> {
    pub(super) fn new(stream: WebSocketStream<S>) -> Self {
        Self { stream, shown: Shown::default() }
    }

    /// What the peer has shown below HTTP.
    pub(in super::super) fn showing(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Web<S> {
    type Inlet = WebInlet<S>;
    type Outlet = WebOutlet<S>;

    fn shown(&self) -> Shown {
        self.shown.clone()
    }

    fn split(self) -> (Self::Inlet, Self::Outlet) {
        let (sink, stream) = self.stream.split();
        let too_large = Arc::new(AtomicBool::new(false));
        let inlet = WebInlet { messages: stream, too_large: Arc::clone(&too_large) };
        (inlet, WebOutlet { messages: sink, chunks: Chunks::default(), too_large })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Inlet for WebInlet<S> {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            let octets: Bytes = match self.messages.next().await {
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Ok(0),
                Some(Ok(Message::Binary(octets))) => octets,
                Some(Ok(Message::Text(text))) => text.into(),
                // A ping is answered below us.
                Some(Ok(_)) => continue,
                Some(Err(Error::Io(error))) => return Err(error),
                Some(Err(error)) => {
                    self.too_large.store(matches!(error, Error::Capacity(_)), Ordering::Relaxed);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            if !octets.is_empty() {
                buffer.extend_from_slice(&octets);
                return Ok(octets.len());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Outlet for WebOutlet<S> {
    const WHOLE_CHUNKS: bool = true;

    async fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        while batch.has_remaining() {
            let length = batch.chunk().len();
            self.chunks.put(batch.chunk());
            batch.advance(length);
        }
        while let Some(chunk) = self.chunks.next() {
            self.messages.feed(Message::Binary(chunk)).await.map_err(broken)?;
        }
        self.messages.flush().await.map_err(broken)
    }

    async fn close(&mut self) {
        let too_large = self.too_large.load(Ordering::Relaxed);
        let (code, reason) =
            if too_large { (CloseCode::Size, "larger than a message may be") } else { (CloseCode::Normal, "") };
        let goodbye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = self.messages.send(goodbye).await; // the connection may be gone
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
