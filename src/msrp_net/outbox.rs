//! What one connection has still to write, and which answers it awaits: the core's transmitter, shared by the connection that writes
//! and the rooms that put in.
//!
//! The room never waits: a session whose share is full, or a connection that has stood still for a minute, is told to the room
//! as [`Stalled`], and the room ends the leg.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::post::Post;
use mucfocus_core::msrp::transmitter::{Heard, Mute, Outcome};
pub use mucfocus_core::msrp::transmitter::{Share, Stalled};
use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::encode::WireFrame;
use mucfocus_core::wire::msrp::frame::Frame;

use super::sending::{Batch, Progress, Sending};
use super::transport::Shortcut;
use crate::bell::Bell;
use crate::hub::clock;

/// How often somebody looks who waits for the end of it.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What one connection has still to write.
#[derive(Debug)]
pub struct Outbox {
    sending: Mutex<Sending>,
    filled: Bell,
    drained: Bell,
}

impl Outbox {
    /// Of a connection that was made just now. With `whole_chunks` each batch is one frame.
    #[must_use]
    pub fn new(limits: Limits, whole_chunks: bool, shortcut: Option<Shortcut>) -> Self {
        let sending = Sending::new(clock::now(), limits, whole_chunks, shortcut);
        Self { sending: Mutex::new(sending), filled: Bell::new(), drained: Bell::new() }
    }

    /// The connection has ended.
    pub(super) fn end(&self) {
        self.lock().end();
    }

    /// A share for a new session.
    pub(super) fn attach(&self) -> Share {
        self.lock().transmitter.attach()
    }

    /// The session of this share is over. What it had put in is still written.
    pub(super) fn detach(&self, share: Share) {
        self.lock().transmitter.detach(share);
        self.filled.ring();
    }

    /// What the session of this share had put in and what was not answered, in order; also after the connection has ended.
    pub(super) fn take_back(&self, share: Share) -> Vec<Arc<Content>> {
        let unsent = self.lock().transmitter.take_back(share);
        self.filled.ring(); // a message that has begun is aborted
        unsent
    }

    /// Whether the session of this share goes on.
    pub(super) fn is_attached(&self, share: Share) -> bool {
        self.lock().transmitter.is_attached(share)
    }

    /// Whether no session is left and nothing waits.
    pub(super) fn is_deserted(&self) -> bool {
        self.lock().transmitter.is_deserted()
    }

    /// Puts in a response or a report. [`Outbox::flush`] has to follow.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the share is full or the connection stands still.
    pub fn put(&self, share: Share, frame: WireFrame) -> Result<(), Stalled> {
        self.lock().transmitter.put(clock::now(), share, frame)
    }

    /// Puts in a message. [`Outbox::flush`] has to follow.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when the share is full or the connection stands still.
    pub fn post(&self, share: Share, post: Post) -> Result<(), Stalled> {
        self.lock().transmitter.post(clock::now(), share, post)
    }

    /// Has everything written that was put in, now or as soon as the socket takes it. Never waits.
    pub fn flush(&self) {
        let progress = self.lock().write(clock::now());
        match progress {
            Progress::Done { was_awaited: true } => self.drained.ring(),
            Progress::Left => self.filled.ring(),
            Progress::Done { was_awaited: false } | Progress::UnderWay => {}
        }
    }

    /// Something came from the peer. Returns when.
    pub(super) fn heard(&self) -> Instant {
        let now = clock::now();
        self.lock().transmitter.heard(now);
        now
    }

    /// Takes a frame of the peer, if it is an answer.
    pub(super) fn hear(&self, share: Share, frame: &Frame) -> Heard {
        self.lock().transmitter.hear(clock::now(), share, frame)
    }

    /// The peer has answered a request of this session with 200, at `now`.
    pub(super) fn accepted(&self, now: Instant, share: Share, transaction: &str) -> Option<Outcome> {
        self.lock().transmitter.answered(now, share, transaction, 200)
    }

    /// When [`Outbox::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.lock().transmitter.next_timeout()
    }

    /// Gives up on answers that are overdue.
    pub(super) fn handle_timeout(&self, out: &mut Vec<(Share, Outcome)>) -> Result<(), Mute> {
        self.lock().transmitter.handle_timeout(clock::now(), out)
    }

    /// The next octets to write, as soon as there are any.
    pub(super) async fn take(&self) -> Batch {
        loop {
            let batch = self.lock().take(clock::now());
            if let Some(batch) = batch {
                return batch;
            }
            self.filled.rung().await;
        }
    }

    /// Whether the session may be handed another request; if not, wait for [`Outbox::drained`].
    pub(super) fn takes_requests(&self, share: Share) -> bool {
        self.lock().transmitter.takes_requests(share)
    }

    /// The batch is on its way to the peer.
    pub(super) fn written(&self) {
        if self.lock().written(clock::now()) {
            self.drained.ring();
        }
    }

    /// Everything that was put in is written. Only at the end of a connection, for it looks again and again.
    pub(super) async fn emptied(&self) {
        while !self.lock().is_done() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Something was written that a request waited for. Cancel-safe.
    pub(super) async fn drained(&self) {
        self.drained.rung().await;
    }

    fn lock(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
    use mucfocus_core::wire::msrp::encode;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;
    use crate::msrp_net::transport::{Outlet as _, Transport as _};

    /// Both ends of a connection on which little is under way at a time.
    async fn narrow() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_send_buffer_size(4096).and_then(|()| socket.set_recv_buffer_size(4096)).expect("buffers");
        let ours = socket.connect(listener.local_addr().expect("an address")).await.expect("a connection");
        ours.writable().await.expect("nothing is on its way");
        (ours, listener.accept().await.expect("a connection").0)
    }

    /// An answer to the `n`-th of many requests.
    fn answer(n: usize) -> WireFrame {
        let request = format!(
            "MSRP t{n:04} SEND\r\nTo-Path: msrp://us.test:2855/s;tcp\r\nFrom-Path: msrp://you.test:2855/c;tcp\r\n\
             Message-ID: {n}\r\nByte-Range: 1-0/0\r\n-------t{n:04}$\r\n"
        );
        let frame = Collector::new(1024).next(&mut request.as_bytes().into()).expect("MSRP");
        let Some(Incoming::Frame(frame)) = frame else { panic!("a request") };
        encode::response(&frame.head, frame.head.to_path.endpoint(), 200, &"x".repeat(1000)).expect("an answer")
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_at_once_the_connection_writes_and_in_order() {
        const FRAMES: usize = 200;
        let (ours, mut theirs) = narrow().await;
        let (_inlet, mut outlet) = ours.split();
        let outbox = Arc::new(Outbox::new(Limits::default(), false, outlet.shortcut()));
        let share = outbox.attach();
        for n in 0..FRAMES / 2 {
            outbox.put(share, answer(n)).expect("there is room");
            outbox.flush(); // of which the first are written
        }
        assert_eq!(outbox.lock().write(clock::now()), Progress::UnderWay, "the socket has taken everything");
        let mut came = vec![theirs.read_u8().await.expect("something is written")];
        let connection = {
            let outbox = Arc::clone(&outbox);
            tokio::spawn(async move {
                loop {
                    let mut batch = outbox.take().await;
                    outlet.write(&mut batch).await.expect("they read");
                    outbox.written();
                }
            })
        };
        for n in FRAMES / 2..FRAMES {
            outbox.put(share, answer(n)).expect("there is room");
            outbox.flush();
            tokio::task::yield_now().await;
        }
        let last = format!("-------t{:04}$\r\n", FRAMES - 1);
        while !came.ends_with(last.as_bytes()) {
            let mut piece = [0; 3000];
            let length = theirs.read(&mut piece).await.expect("more is to come");
            assert_ne!(length, 0);
            came.extend_from_slice(&piece[..length]);
        }
        connection.abort();
        let text = String::from_utf8(came).expect("text");
        let order: Vec<&str> =
            text.split("\r\nMSRP ").map(|frame| frame.trim_start_matches("MSRP ").split_at(5).0).collect();
        assert_eq!(order, (0..FRAMES).map(|n| format!("t{n:04}")).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_socket_is_closed_at_the_end_whoever_still_knows_the_outbox() {
        let (ours, mut theirs) = narrow().await;
        let (inlet, outlet) = ours.split();
        let outbox = Outbox::new(Limits::default(), false, outlet.shortcut());
        drop((inlet, outlet));
        outbox.end();
        assert_eq!(theirs.read(&mut [0]).await.expect("an end"), 0);
        outbox.flush();
    }
}
