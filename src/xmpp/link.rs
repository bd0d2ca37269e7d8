//! The machine of one stream and the connection that it has, if it has one: bytes in, bytes out, in batches, with what waits to be
//! written, or for the server's word that it came, bounded.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{Buf, Bytes, BytesMut};
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::xmpp_stream::machine::{Input, Machine, Output};
use tokio::sync::OwnedSemaphorePermit;

use super::attachment::{Outgoing, QUEUE_BYTES};
use super::wire::Wire;

/// Octets that are gathered for one write; what does not fit waits in the queue, where it is counted.
const BATCH: usize = 16 * 1024;
/// What the buffer keeps when it is empty.
const KEPT: usize = 2 * 1024;

/// The only reader and writer of a socket.
pub(super) struct Link {
    wire: Option<Wire>,
    machine: Machine,
    out: Outbox,
    /// The shares of stanzas that are not off our hands, the oldest first.
    budgets: VecDeque<Option<OwnedSemaphorePermit>>,
    epoch: tokio::time::Instant,
}

impl Link {
    pub(super) fn new(wire: Wire, machine: Machine) -> Self {
        let epoch = tokio::time::Instant::now();
        Self { wire: Some(wire), machine, out: Outbox::default(), budgets: VecDeque::new(), epoch }
    }

    /// Closes the connection without a word; what was not written is forgotten.
    pub(super) fn disconnect(&mut self) {
        self.wire = None;
        self.out = Outbox::default();
    }

    /// Goes on with another connection.
    pub(super) fn connect(&mut self, wire: Wire) {
        self.disconnect();
        self.wire = Some(wire);
    }

    /// What the server has to be asked for to go on with the stream on another connection.
    pub(super) fn resume(&mut self) -> Option<String> {
        self.machine.resume()
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
                Output::Write(bytes) => self.out.push(&bytes, false),
                Output::Send(bytes) => self.out.push(&bytes, true),
                Output::Settled(count) => {
                    self.budgets.drain(..count.min(self.budgets.len()));
                }
                output => return Some(output),
            }
        }
    }

    /// Whether another stanza fits into the batch at hand.
    pub(super) fn has_room(&self) -> bool {
        self.machine.is_up() && self.out.bytes.len() < BATCH
    }

    /// Whether everything is written and flushed.
    pub(super) fn is_idle(&self) -> bool {
        !self.machine.is_suspended() && self.out.bytes.is_empty() && !self.out.unflushed
    }

    /// Whether the server has said that all of it came, as far as it is asked to.
    pub(super) fn is_settled(&self) -> bool {
        self.machine.is_settled()
    }

    /// Puts a stanza behind all others.
    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.budgets.push_back(Some(outgoing.budget));
        self.handle(Input::Send(outgoing.stanza));
    }

    /// Puts a stanza of our own behind all others.
    pub(super) fn push_own(&mut self, stanza: Bytes) {
        self.budgets.push_back(None);
        self.handle(Input::Send(stanza));
    }

    /// Writes what there is and, if `reads`, hands what came to the machine. Ready when either got on; an error once the connection
    /// is gone.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, reads: bool) -> Poll<io::Result<()>> {
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        let wrote = match self.out.poll_write(wire, cx) {
            Poll::Ready(result) => {
                let (wrote, settled) = result?;
                self.budgets.drain(..settled.min(self.budgets.len()));
                wrote
            }
            Poll::Pending => false,
        };
        if reads {
            let (machine, out, epoch) = (&mut self.machine, &self.out, self.epoch);
            let read = wire.poll_read_with(cx, |bytes| {
                if bytes.is_empty() {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server"));
                }
                machine.let_answer(out.bytes.len() < QUEUE_BYTES);
                handle(machine, epoch, Input::Received(bytes));
                Ok(())
            })?;
            if read.is_ready() {
                return read;
            }
        }
        if wrote { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Writes what is left and closes the connection.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        let Some(wire) = &mut self.wire else { return Ok(()) };
        wire.shutdown(&self.out.bytes).await
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
    /// For each stanza that is off our hands once it is written, how many bytes remain in front of its end, counted from the one
    /// before it.
    ends: VecDeque<usize>,
    /// Bytes behind the last of these ends.
    behind: usize,
    unflushed: bool,
}

impl Outbox {
    fn push(&mut self, bytes: &[u8], settles: bool) {
        self.bytes.extend_from_slice(bytes);
        self.behind += bytes.len();
        if settles {
            self.ends.push_back(std::mem::take(&mut self.behind));
        }
    }

    /// Writes until nothing is left or the socket is full, then flushes. Ready with whether anything was done, and how many stanzas
    /// are off our hands.
    fn poll_write(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<(bool, usize)>> {
        let (mut wrote, mut settled) = (false, 0);
        while !self.bytes.is_empty() {
            match wire.poll_write(cx, &self.bytes)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => {
                    settled += self.written(count);
                    wrote = true;
                }
                Poll::Pending => return Poll::Ready(Ok((wrote, settled))),
            }
        }
        if self.unflushed {
            match wire.poll_flush(cx)? {
                Poll::Ready(()) => {
                    self.unflushed = false;
                    wrote = true;
                }
                Poll::Pending => return Poll::Ready(Ok((wrote, settled))),
            }
        }
        Poll::Ready(Ok((wrote, settled)))
    }

    fn written(&mut self, count: usize) -> usize {
        self.bytes.advance(count);
        self.unflushed = true;
        let (mut count, mut settled) = (count, 0);
        while let Some(left) = self.ends.front_mut() {
            if count < *left {
                *left -= count;
                return settled;
            }
            count -= *left;
            self.ends.pop_front();
            settled += 1;
        }
        self.behind = self.behind.saturating_sub(count);
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = BytesMut::new();
        }
        settled
    }
}
