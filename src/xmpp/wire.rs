//! The connection of a stream that is logged in. It has no buffers: what is read goes through one on the stack, what is written comes
//! from the one outbox of the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::connect::Buffered;
use super::socket::Socket;
use crate::sockets::poll_read_with;

/// The socket of a stream from the end of the login on.
pub(super) struct Wire {
    socket: Socket,
    /// What came behind the login and was read with it.
    early: Bytes,
}

impl From<Buffered> for Wire {
    /// Whatever is to be written has to be flushed.
    fn from(io: Buffered) -> Self {
        let early = Bytes::copy_from_slice(io.buffer());
        Self { socket: io.into_inner().into_inner(), early }
    }
}

impl Wire {
    /// Reads once and hands over what came: nothing, if nothing will come any more.
    pub(super) fn poll_read_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        if !self.early.is_empty() {
            return Poll::Ready(Ok(take(&std::mem::take(&mut self.early))));
        }
        poll_read_with(&mut self.socket, cx, take)
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Writes the last of it and says goodbye.
    pub(super) async fn shutdown(&mut self, last: &[u8]) -> io::Result<()> {
        self.socket.write_all(last).await?;
        self.socket.shutdown().await
    }
}
