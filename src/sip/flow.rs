//! A stream connection as everybody but its reader and its writer sees it: who is at the other end, what may be said to him, and
//! what is under way.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::head::{parameter, split_outside_quotes};
use super::settings::Transport;

/// Messages that wait for the writer, beyond which the peer gets nothing more done.
const UNREAD: usize = 64;
/// And beyond which he is given up. A proxy may have all its calls on one connection.
const LONGEST_QUEUE: usize = 2048;

/// A stream connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    /// Our end of it.
    pub(super) local: SocketAddr,
    /// What the peer may be called: his certificate proves it.
    pub(super) names: Vec<String>,
    /// Cancelled when nothing more can be said over it; what was said before is still written.
    pub(super) closed: CancellationToken,
    /// Cancelled when not even that is.
    pub(super) broken: CancellationToken,
    to_writer: mpsc::Sender<Vec<u8>>,
    written: Notify,
    /// Requests that wait for their final response, by branch and CSeq.
    in_flight: Mutex<HashSet<String>>,
    answered: Notify,
    /// Calls and subscriptions that came over it and may still have something to say.
    calls: AtomicUsize,
}

/// Keeps a stream open for a call or a subscription.
#[derive(Debug)]
pub(super) struct FlowUse(Arc<Flow>);

impl FlowUse {
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        flow.calls.fetch_add(1, Ordering::AcqRel);
        Self(flow)
    }
}

impl Drop for FlowUse {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Flow {
    /// One that ends with `all` of them, and what its writer writes.
    pub(super) fn new(
        transport: Transport,
        local: SocketAddr,
        names: Vec<String>,
        all: &CancellationToken,
    ) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (to_writer, queue) = mpsc::channel(LONGEST_QUEUE);
        let flow = Self {
            transport,
            local,
            names,
            closed: CancellationToken::new(),
            broken: all.child_token(),
            to_writer,
            written: Notify::new(),
            in_flight: Mutex::default(),
            answered: Notify::new(),
            calls: AtomicUsize::new(0),
        };
        (flow, queue)
    }

    /// Puts a message behind those that wait for the writer. The end of a connection whose peer has not read for too long.
    pub(super) fn say(&self, octets: Vec<u8>) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.to_writer.try_send(octets) {
            self.broken.cancel();
        }
    }

    /// Waits until the peer has read most of what was said: whoever does not read gets nothing done. Cancel-safe.
    pub(super) async fn is_read(&self) {
        loop {
            let written = self.written.notified();
            if self.to_writer.max_capacity() - self.to_writer.capacity() < UNREAD {
                return;
            }
            written.await;
        }
    }

    /// The writer has written a message.
    pub(super) fn wrote(&self) {
        self.written.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request in; false when it is in flight already, which on a stream is no retransmission but a mistake.
    /// Waits while `limit` requests are in flight. Cancel-safe.
    pub(super) async fn begin(&self, request: String, limit: usize) -> bool {
        loop {
            let answered = self.answered.notified();
            {
                let mut in_flight = self.lock();
                if in_flight.contains(&request) {
                    return false;
                }
                if in_flight.len() < limit {
                    return in_flight.insert(request);
                }
            }
            answered.await;
        }
    }

    /// Whether a call or a subscription depends on the stream.
    pub(super) fn is_used(&self) -> bool {
        self.calls.load(Ordering::Acquire) > 0
    }

    /// Waits until no request is in flight.
    pub(super) async fn answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.lock().is_empty() {
                return;
            }
            answered.await;
        }
    }

    /// Counts a request out.
    pub(super) fn end(&self, request: &str) {
        if self.lock().remove(request) {
            self.answered.notify_waiters();
        }
    }
}

/// Names a request of one connection: branch and CSeq.
pub(super) fn flow_key(via: Option<&str>, cseq: Option<&str>) -> String {
    let top = via.and_then(|via| split_outside_quotes(via, ',').first().copied()).unwrap_or_default();
    format!("{} {}", parameter(top, "branch").unwrap_or(top), cseq.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn flow() -> (Flow, mpsc::Receiver<Vec<u8>>) {
        let local = SocketAddr::from(([127, 0, 0, 1], 5060));
        Flow::new(Transport::Tcp, local, Vec::new(), &CancellationToken::new())
    }

    #[tokio::test]
    async fn whoever_does_not_read_gets_nothing_done_until_he_has_read() {
        let (flow, mut queue) = flow();
        for _ in 0..UNREAD {
            assert!(flow.is_read().now_or_never().is_some());
            flow.say(b"NOTIFY".to_vec());
        }
        let mut is_read = Box::pin(flow.is_read());
        assert!(is_read.as_mut().now_or_never().is_none());
        assert_eq!(queue.recv().await.as_deref(), Some(&b"NOTIFY"[..]));
        flow.wrote();
        assert!(is_read.now_or_never().is_some());
    }

    #[tokio::test]
    async fn whoever_never_reads_is_given_up_and_costs_no_more_than_his_queue() {
        let (flow, mut queue) = flow();
        for _ in 0..LONGEST_QUEUE {
            flow.say(Vec::new());
        }
        assert!(!flow.broken.is_cancelled());
        flow.say(Vec::new());
        assert!(flow.broken.is_cancelled());
        assert_eq!(std::iter::from_fn(|| queue.try_recv().ok()).count(), LONGEST_QUEUE);
    }
}
