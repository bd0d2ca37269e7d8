//! What carries MSRP: a connection of any kind, as two halves. Here is that of TCP.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use bytes::{Buf as _, BytesMut};
use mucfocus_core::leg::Expectation;
use mucfocus_core::wire::sdp::Fingerprint;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::sending::Batch;

/// Octets read at once.
const READ: usize = 4096;
/// Parts written at once: of a small batch there is one, of a large one there are a few.
const SLICES: usize = 16;

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

    /// A way to the same socket for who cannot wait, where there is one. Never used while [`Outlet::write`] is under way.
    fn shortcut(&self) -> Option<Shortcut> {
        None
    }

    /// Says goodbye, where that is done.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Writes at once what a socket takes at once.
#[derive(Debug)]
pub struct Shortcut(Arc<OwnedWriteHalf>);

impl Shortcut {
    /// Writes as much of `batch` as goes without waiting, and takes it away there.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub(super) fn write(&self, batch: &mut Batch) -> io::Result<()> {
        write_some(&self.0, batch)
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
        self.is_the_one_of(expected) && (self.secure || !expected.secure)
    }

    /// Whether his certificate is one of those that were announced, if any were.
    pub(super) fn is_the_one_of(&self, expected: &Expectation) -> bool {
        expected.fingerprints.is_empty() || expected.fingerprints.iter().any(|f| self.certificate.contains(f))
    }
}

impl Transport for TcpStream {
    type Inlet = OwnedReadHalf;
    type Outlet = Arc<OwnedWriteHalf>;

    fn shown(&self) -> Shown {
        Shown::default()
    }

    fn split(self) -> (OwnedReadHalf, Arc<OwnedWriteHalf>) {
        let (inlet, outlet) = self.into_split();
        (inlet, Arc::new(outlet))
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

impl Outlet for Arc<OwnedWriteHalf> {
    async fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        loop {
            write_some(self, batch)?;
            if !batch.has_remaining() {
                return Ok(());
            }
            self.writable().await?;
        }
    }

    fn shortcut(&self) -> Option<Shortcut> {
        Some(Shortcut(Arc::clone(self)))
    }
}

fn write_some(outlet: &OwnedWriteHalf, batch: &mut Batch) -> io::Result<()> {
    while batch.has_remaining() {
        let mut slices = [io::IoSlice::new(&[]); SLICES];
        let filled = batch.chunks_vectored(&mut slices);
        match outlet.try_write_vectored(slices.get(..filled).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => batch.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
