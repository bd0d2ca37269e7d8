//! MSRP over TLS (RFC 4975 §14.2).

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::sending::Batch;
use super::transport::{Inlet, Outlet, Shown, Transport};
use crate::tls::fingerprint;

/// Octets read at once.
const READ: usize = 4096;

/// A connection whose handshake is over.
pub(super) struct Secure {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) shown: Shown,
}

impl Secure {
    /// Sees what the peer has shown.
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let shown =
            Shown { secure: true, certificate: certificate.map(|der| fingerprint::all(der)).unwrap_or_default() };
        Self { stream, shown }
    }
}

impl Transport for Secure {
    type Inlet = ReadHalf<TlsStream<TcpStream>>;
    type Outlet = WriteHalf<TlsStream<TcpStream>>;

    fn shown(&self) -> Shown {
        self.shown.clone()
    }

    fn split(self) -> (Self::Inlet, Self::Outlet) {
        tokio::io::split(self.stream)
    }
}

impl Inlet for ReadHalf<TlsStream<TcpStream>> {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        buffer.reserve(READ);
        match self.read_buf(buffer).await {
            // Many clients close without the goodbye of TLS. MSRP knows itself where a message ends.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }
}

impl Outlet for WriteHalf<TlsStream<TcpStream>> {
    async fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        self.write_all_buf(batch).await?;
        self.flush().await
    }

    /// The goodbye of TLS (RFC 8446 §6.1).
    async fn close(&mut self) {
        let _ = self.shutdown().await; // the connection may be gone
    }
}
