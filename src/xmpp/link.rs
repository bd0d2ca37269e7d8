//! One connection and the machine behind it: bytes in, bytes out, in batches, with what waits to be written bounded.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{Buf, BytesMut};
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::xmpp_stream::machine::{Input, Machine, Output};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;

use super::attachment::{Outgoing, QUEUE_BYTES};
use super::connect::LoggedIn;

/// Octets that are gathered for one write; what does not fit waits in the queue, where it is counted.
const BATCH: usize = 16 * 1024;
/// What the buffer keeps when it is empty.
const KEPT: usize = 8 * 1024;

/// The only reader and writer of a socket.
pub(super) struct Link {
    io: LoggedIn,
    machine: Machine,
    out: Outbox,
    epoch: tokio::time::Instant,
}

impl Link {
    pub(super) fn new(io: LoggedIn, machine: Machine) -> Self {
        Self { io, machine, out: Outbox::default(), epoch: tokio::time::Instant::now() }
    }

    pub(super) fn handle(&mut self, input: Input<'_>) {
        handle(&mut self.machine, self.epoch, input);
    }

    pub(super) fn handle_timeout(&mut self) {
        with_env(self.epoch, |env| self.machine.handle_timeout(env));
    }

    pub(super) fn next_timeout(&self) -> Option<tokio::time::Instant> {
        let at = self.machine.next_timeout()?;
        self.epoch.checked_add(at.since(Instant::ZERO))
    }

    /// What is to be done next, apart from writing, which is seen to.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        loop {
            match self.machine.poll()? {
                // Only answers to requests can come to so much: whoever asks that often goes without.
                Output::Write(bytes) if self.out.bytes.len() < QUEUE_BYTES => self.out.push(&bytes, None),
                Output::Write(_) => {}
                output => return Some(output),
            }
        }
    }

    /// Whether another stanza fits into the batch at hand.
    pub(super) fn has_room(&self) -> bool {
        self.out.bytes.len() < BATCH
    }

    /// Whether everything is written and flushed.
    pub(super) fn is_idle(&self) -> bool {
        self.out.bytes.is_empty() && !self.out.unflushed
    }

    /// Puts a stanza behind all others.
    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.out.push(&outgoing.stanza, Some(outgoing.budget));
    }

    /// Puts a stanza of our own behind all others.
    pub(super) fn push_own(&mut self, stanza: &[u8]) {
        self.out.push(stanza, None);
    }

    /// Writes what there is and, if `reads`, hands what came to the machine. Ready when either got on; an error once the connection
    /// is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, reads: bool) -> Poll<io::Result<()>> {
        let wrote = match self.out.poll_write(&mut self.io, cx) {
            Poll::Ready(result) => result?,
            Poll::Pending => false,
        };
        if reads {
            match Pin::new(&mut self.io).poll_fill_buf(cx)? {
                Poll::Ready([]) => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server");
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(bytes) => {
                    let read = bytes.len();
                    handle(&mut self.machine, self.epoch, Input::Received(bytes));
                    Pin::new(&mut self.io).consume(read);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {}
            }
        }
        if wrote { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Writes what is left and closes the connection.
    pub(super) async fn shutdown(mut self) -> io::Result<()> {
        self.io.write_all(&self.out.bytes).await?;
        self.io.shutdown().await
    }
}

fn handle(machine: &mut Machine, epoch: tokio::time::Instant, input: Input<'_>) {
    with_env(epoch, |env| machine.handle(env, input));
}

fn with_env<T>(epoch: tokio::time::Instant, act: impl FnOnce(&mut Env<'_>) -> T) -> T {
    let now = Instant::from_micros(u64::try_from(epoch.elapsed().as_micros()).unwrap_or(u64::MAX));
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = WallClock::from_unix_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
    act(&mut Env { now, wall, ids: &mut Random })
}

struct Random;

impl IdSource for Random {
    fn next(&mut self) -> u128 {
        rand::random()
    }
}

/// What waits to be written.
#[derive(Default)]
struct Outbox {
    bytes: BytesMut,
    /// For each stanza with a budget, how many bytes remain in front of its end, counted from the stanza before it.
    budgets: VecDeque<(usize, OwnedSemaphorePermit)>,
    /// Bytes behind the end of the last stanza with a budget.
    behind: usize,
    unflushed: bool,
}

impl Outbox {
    fn push(&mut self, stanza: &[u8], budget: Option<OwnedSemaphorePermit>) {
        self.bytes.extend_from_slice(stanza);
        self.behind += stanza.len();
        if let Some(budget) = budget {
            self.budgets.push_back((std::mem::take(&mut self.behind), budget));
        }
    }

    /// Writes until nothing is left or the socket is full, then flushes. Ready with whether anything was done.
    fn poll_write(&mut self, io: &mut LoggedIn, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        while !self.bytes.is_empty() {
            match Pin::new(&mut *io).poll_write(cx, &self.bytes)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => {
                    self.written(count);
                    wrote = true;
                }
                Poll::Pending => return Poll::Ready(Ok(wrote)),
            }
        }
        if self.unflushed {
            match Pin::new(io).poll_flush(cx)? {
                Poll::Ready(()) => {
                    self.unflushed = false;
                    wrote = true;
                }
                Poll::Pending => return Poll::Ready(Ok(wrote)),
            }
        }
        Poll::Ready(Ok(wrote))
    }

    fn written(&mut self, count: usize) {
        self.bytes.advance(count);
        self.unflushed = true;
        let mut count = count;
        while let Some((left, _)) = self.budgets.front_mut() {
            if count < *left {
                *left -= count;
                return;
            }
            count -= *left;
            self.budgets.pop_front();
        }
        self.behind = self.behind.saturating_sub(count);
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = BytesMut::new();
        }
    }
}
