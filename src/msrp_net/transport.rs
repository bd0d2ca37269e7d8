//! What carries MSRP: a connection of any kind, as two halves. Here is that of TCP.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::BytesMut;
use mucfocus_core::leg::Expectation;
use mucfocus_core::wire::sdp::Fingerprint;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::outbox::Batch;

/// Octets read at once.
const READ: usize = 4096;

/// A connection that MSRP messages can be read from and written to.
pub trait Transport: Send + 'static {
    /// The half that is read.
    type Inlet: Inlet;
    /// The half that is written.
    type Outlet: Outlet;

    /// What its peer has shown of himself.
    fn shown(&self) -> Shown;

    /// Both halves, to be used at the same time.
    fn split(self) -> (Self::Inlet, Self::Outlet);
}

/// The half of a connection that is read.
pub trait Inlet: Send {
    /// Waits for octets and appends them to `buffer`; returns how many, zero at the end. Can be cancelled without loss.
    fn read(&mut self, buffer: &mut BytesMut) -> impl Future<Output = io::Result<usize>> + Send;
}

/// The half of a connection that is written.
pub trait Outlet: Send {
    /// Whether each batch has to be one frame, as a message of a WebSocket is.
    const WHOLE_CHUNKS: bool = false;

    /// Writes all of `batch`, frame by frame.
    fn write(&mut self, batch: &mut Batch) -> impl Future<Output = io::Result<()>> + Send;

    /// Says goodbye, where that is done.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What a peer has shown of himself when he connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// He came under TLS.
    pub secure: bool,
    /// His certificate, hashed in every way that is understood; empty if he showed none.
    pub certificate: Vec<Fingerprint>,
}

impl Shown {
    /// Whether a session for which this is `expected` may be his.
    #[must_use]
    pub fn meets(&self, expected: &Expectation) -> bool {
        let is_he =
            expected.fingerprints.is_empty() || expected.fingerprints.iter().any(|f| self.certificate.contains(f));
        is_he && (self.secure || !expected.secure)
    }
}

impl Transport for TcpStream {
    type Inlet = OwnedReadHalf;
    type Outlet = OwnedWriteHalf;

    fn shown(&self) -> Shown {
        Shown::default()
    }

    fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.into_split()
    }
}

impl Inlet for OwnedReadHalf {
    /// Only who has something to say has a buffer, and what is on the stack meanwhile needs no second call to learn that there
    /// is no more: a read that fills less than it was given says so.
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *self).poll_read(cx, &mut read))?;
            buffer.extend_from_slice(read.filled());
            Poll::Ready(Ok(read.filled().len()))
        })
        .await
    }
}

impl Outlet for OwnedWriteHalf {
    async fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        self.write_all_buf(batch).await
    }
}
