//! A TCP connection that somebody made to us, of whom we see whether he meant TLS.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::transport::{Inlet, Shown, Transport};
use crate::observe::metrics::Metrics;

/// What a handshake of TLS begins with: the type of its first record (RFC 8446 §5.1). MSRP begins with a letter.
const HANDSHAKE: u8 = 22;

/// TCP.
pub(super) struct Plain {
    stream: TcpStream,
    metrics: Arc<Metrics>,
}

/// The half that is read.
pub(super) struct PlainInlet {
    inlet: <TcpStream as Transport>::Inlet,
    /// Until the first octet has come.
    fresh: Option<Arc<Metrics>>,
}

impl Plain {
    pub(super) const fn new(stream: TcpStream, metrics: Arc<Metrics>) -> Self {
        Self { stream, metrics }
    }
}

impl Transport for Plain {
    type Inlet = PlainInlet;
    type Outlet = <TcpStream as Transport>::Outlet;

    fn shown(&self) -> Shown {
        self.stream.shown()
    }

    fn split(self) -> (Self::Inlet, Self::Outlet) {
        let (inlet, outlet) = self.stream.split();
        (PlainInlet { inlet, fresh: Some(self.metrics) }, outlet)
    }
}

impl Inlet for PlainInlet {
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let read = self.inlet.read(buffer).await?;
        if read > 0
            && let Some(metrics) = self.fresh.take()
            && buffer.first() == Some(&HANDSHAKE)
        {
            metrics.msrp_violation("tls-on-plain-port");
            let why = "what came is TLS: the client takes this port for one with";
            tracing::debug!("MSRP connection refused: {why}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(read)
    }
}
