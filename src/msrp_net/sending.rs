//! What one connection has still to write, and who writes it.
//!
//! Whoever has put something in writes it himself, as far as the socket takes it without waiting, which is nearly always all of it: to
//! wake the task of the connection for every copy of a message costs as much as the copy. That task writes what is left, and all of it
//! where there is no such shortcut. One of them writes at a time, so the octets keep their order.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::transmitter::{Octets, Transmitter};
use mucfocus_core::time::Instant;

use super::transport::Shortcut;

/// The core's transmitter of one connection, and the way to its socket.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) transmitter: Transmitter,
    /// Until the connection has ended, where there is one.
    shortcut: Option<Shortcut>,
    /// What did not go through it: the next octets of the connection.
    left: Option<Batch>,
    /// Whether the task of the connection has a batch.
    is_writing: bool,
}

/// Octets under way to the socket.
#[derive(Debug)]
pub struct Batch {
    parts: VecDeque<Bytes>,
}

/// How far it went at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything is written; whether somebody has waited for that.
    Done { was_awaited: bool },
    /// The task of the connection has something to write.
    Left,
    /// It is at it, and looks again when it is done.
    UnderWay,
}

impl Sending {
    pub(super) const fn new(now: Instant, limits: Limits, whole_chunks: bool, shortcut: Option<Shortcut>) -> Self {
        let transmitter = Transmitter::new(now, limits, whole_chunks);
        Self { transmitter, shortcut, left: None, is_writing: false }
    }

    /// The next batch for the task of the connection; [`Sending::written`] has to follow.
    pub(super) fn take(&mut self, now: Instant) -> Option<Batch> {
        let batch = self.left.take().or_else(|| self.next(now));
        self.is_writing = batch.is_some();
        batch
    }

    /// That task has written its batch. Whether somebody has waited for that.
    pub(super) fn written(&mut self, now: Instant) -> bool {
        self.is_writing = false;
        self.transmitter.written(now)
    }

    /// Writes what the socket takes at once.
    pub(super) fn write(&mut self, now: Instant) -> Progress {
        if self.is_writing || self.left.is_some() {
            return Progress::UnderWay;
        }
        let mut was_awaited = false;
        while let Some(mut batch) = self.next(now) {
            if let Some(shortcut) = &self.shortcut {
                // What is wrong with the socket its task finds out with the rest of the batch, and ends it.
                let _ = shortcut.write(&mut batch);
            }
            if batch.has_remaining() {
                self.left = Some(batch);
                return Progress::Left;
            }
            was_awaited |= self.transmitter.written(now);
        }
        Progress::Done { was_awaited }
    }

    /// Whether everything is written.
    pub(super) fn is_done(&self) -> bool {
        !self.is_writing && self.left.is_none() && !self.transmitter.has_work()
    }

    /// The connection has ended: nobody here keeps its socket open.
    pub(super) fn end(&mut self) {
        self.shortcut = None;
    }

    fn next(&mut self, now: Instant) -> Option<Batch> {
        let mut octets = Octets::new();
        self.transmitter.fill(now, &mut octets);
        (!octets.is_empty()).then(|| Batch { parts: octets.into_parts() })
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part.as_ref())
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.parts.front_mut() {
            if part.len() > count {
                part.advance(count);
                return;
            }
            count -= part.len();
            self.parts.pop_front();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_out_in_order_however_it_is_cut() {
        let mut batch = Batch { parts: [&b"ab"[..], b"", b"cde"].map(Bytes::from_static).into() };
        let mut out = Vec::new();
        while batch.has_remaining() {
            out.push(batch.chunk()[0]);
            batch.advance(1);
        }
        assert_eq!(out, b"abcde");
    }
}
