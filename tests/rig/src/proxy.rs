//! A relay in front of a server, whose connections break when a test wants them to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Both ends get a reset, and what is on its way is lost.
    Reset,
    /// Both ends are closed as if all had been said.
    Close,
}

/// The relay. Dropped, it closes everything.
pub struct Proxy {
    address: SocketAddr,
    turns: Arc<Turns>,
    breaks: broadcast::Sender<Break>,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

/// Who speaks when.
#[derive(Default)]
struct Turns {
    /// Whether the last word was the client's.
    asked: AtomicBool,
    answered: AtomicUsize,
    connections: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Relays,
    /// Connections stay open, and nothing gets through.
    Swallows,
    /// In a direction in which this has come, it and what follows it do not get through.
    SwallowsFrom(&'static str),
    /// The connection on which this comes is reset behind it.
    BreaksBehind(&'static str),
    /// Nothing is read, and what comes waits.
    Holds,
    /// Connections are closed as soon as they are made.
    Refuses,
}

impl Proxy {
    /// In front of `server`.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (breaks, mode) = (broadcast::Sender::new(16), watch::Sender::new(Mode::Relays));
        let (to_come, modes) = (breaks.clone(), mode.clone());
        let turns = Arc::new(Turns::default());
        let counted = Arc::clone(&turns);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *modes.borrow() == Mode::Refuses {
                    continue;
                }
                counted.connections.fetch_add(1, Ordering::Relaxed);
                let turns = Arc::clone(&counted);
                tokio::spawn(relay(client, server, turns, to_come.subscribe(), modes.clone()));
            }
        });
        Self { address, turns, breaks, mode, accepting }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often the server has answered since this was asked last: round trips, as long as there is one connection.
    pub fn round_trips(&self) -> usize {
        self.turns.answered.swap(0, Ordering::Relaxed)
    }

    /// How many connections were made since this was asked last.
    pub fn connections(&self) -> usize {
        self.turns.connections.swap(0, Ordering::Relaxed)
    }

    /// Breaks all connections.
    pub fn cut(&self, how: Break) {
        let _ = self.breaks.send(how); // nobody may be there
    }

    /// Breaks all connections and lets no others through, until [`Proxy::heal`].
    pub fn refuse(&self) {
        self.mode.send_replace(Mode::Refuses);
        self.cut(Break::Reset);
    }

    /// From now on nothing gets through, and nobody is told, until [`Proxy::heal`].
    pub fn swallow(&self) {
        self.mode.send_replace(Mode::Swallows);
    }

    /// The same from the moment on at which this comes, in the direction in which it comes.
    pub fn swallow_from(&self, what: &'static str) {
        self.mode.send_replace(Mode::SwallowsFrom(what));
    }

    /// The next connection on which this comes, in either direction, gets no further than that: it is reset, and what follows is
    /// lost.
    pub fn break_behind(&self, what: &'static str) {
        self.mode.send_replace(Mode::BreaksBehind(what));
    }

    /// Whether that is still to come.
    pub fn is_to_break(&self) -> bool {
        matches!(*self.mode.borrow(), Mode::BreaksBehind(_))
    }

    /// From now on nothing is read, until [`Proxy::heal`]: what comes waits, and nothing of it is lost.
    pub fn hold(&self) {
        self.mode.send_replace(Mode::Holds);
    }

    /// Everything gets through. What was swallowed is lost: its connections break.
    pub fn heal(&self) {
        if matches!(self.mode.send_replace(Mode::Relays), Mode::Swallows | Mode::SwallowsFrom(_)) {
            self.cut(Break::Reset);
        }
    }
}

impl Turns {
    fn answer(&self) {
        if self.asked.swap(false, Ordering::Relaxed) {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(
    client: TcpStream,
    server: SocketAddr,
    turns: Arc<Turns>,
    mut breaks: broadcast::Receiver<Break>,
    mode: watch::Sender<Mode>,
) {
    let modes = mode.subscribe();
    let Ok(server) = TcpStream::connect(server).await else { return };
    for end in [&client, &server] {
        end.set_nodelay(true).unwrap();
    }
    let ((from_client, mut to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
    let how = tokio::select! {
        how = copy(from_client, &mut to_server, modes.clone(), || turns.asked.store(true, Ordering::Relaxed)) => how,
        how = copy(from_server, &mut to_client, modes, || turns.answer()) => how,
        how = breaks.recv() => how.unwrap_or(Break::Close),
    };
    mode.send_if_modified(|mode| {
        let is_done = matches!(mode, Mode::BreaksBehind(_)) && how == Break::Reset;
        if is_done {
            *mode = Mode::Relays;
        }
        is_done
    });
    for end in [&to_client, &to_server] {
        if how == Break::Reset {
            let _ = socket2::SockRef::from(end.as_ref()).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Copies until one of both is done, or it is told to break, and says how.
async fn copy(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    moved: impl Fn(),
) -> Break {
    let (mut buffer, mut has_come) = (vec![0; 16 * 1024], false);
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return Break::Close };
        let read = &buffer[..count];
        let Ok(mode) = modes.wait_for(|mode| *mode != Mode::Holds).await.map(|mode| *mode) else { return Break::Close };
        let end_of = |what: &str| {
            let begin = read.windows(what.len()).position(|octets| octets == what.as_bytes());
            begin.map(|begin| begin + what.len())
        };
        if let Mode::SwallowsFrom(what) = mode {
            has_come |= end_of(what).is_some();
        }
        let is_swallowed = mode == Mode::Swallows || has_come;
        if is_swallowed {
            continue;
        }
        if let Mode::BreaksBehind(what) = mode
            && let Some(end) = end_of(what)
        {
            let _ = to.write_all(&read[..end]).await; // may be gone already
            // The octets are to be there before the reset is, which overtakes them.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Break::Reset;
        }
        moved();
        if to.write_all(read).await.is_err() {
            return Break::Close;
        }
    }
}
