//! The floor: a program that reads what mucfocus reads from streams, writes what it writes to legs and reads what they answer, in as
//! many system calls, on the same runtime, and looks at nothing; and the feeder, which is server and legs to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use super::worker::Command;
use crate::wait::within;

/// Octets of a copy as it comes, as it goes on, and of the answer to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) stanza: usize,
    pub(super) frame: usize,
    pub(super) answer: usize,
}

/// The part of the floor.
pub(super) struct Floor {
    port: u16,
}

impl Floor {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            // Connections come in pairs: a stream, and the leg that it is for. The first octets of a stream say the sizes.
            while let (Ok((mut stream, _)), Ok((leg, _))) = (listener.accept().await, listener.accept().await) {
                tokio::spawn(async move {
                    let sizes = [stream.read_u32().await, stream.read_u32().await].map(|size| size.unwrap() as usize);
                    carry(stream, leg, sizes).await;
                });
            }
        });
        Self { port }
    }

    /// `port`.
    pub(super) fn obey(&self, command: &Command) -> Vec<f64> {
        assert_eq!(command.name(), "port");
        vec![f64::from(self.port)]
    }
}

async fn carry(mut stream: TcpStream, mut leg: TcpStream, [stanza, frame]: [usize; 2]) {
    let _ = (stream.set_nodelay(true), leg.set_nodelay(true));
    let (mut from_stream, mut from_leg, to_leg) = (vec![0; 8 * 1024], vec![0; 8 * 1024], vec![b'x'; frame]);
    let mut came = 0;
    loop {
        tokio::select! {
            read = stream.read(&mut from_stream) => {
                let Ok(length @ 1..) = read else { return };
                came += length;
                while came >= stanza {
                    came -= stanza;
                    if leg.write_all(&to_leg).await.is_err() {
                        return;
                    }
                }
            }
            read = leg.read(&mut from_leg) => if !matches!(read, Ok(1..)) { return },
        }
    }
}

/// The part of the feeder.
#[derive(Default)]
pub(super) struct Feeder {
    streams: Vec<OwnedWriteHalf>,
    stanza: usize,
    delivered: Arc<AtomicU64>,
}

impl Feeder {
    /// `connect PORT PAIRS STANZA FRAME ANSWER`, `feed RATE SECONDS APART`: messages to all pairs, the copies of one so many seconds
    /// apart; how many copies that were.
    pub(super) async fn obey(&mut self, command: &Command) -> Vec<f64> {
        match command.name() {
            "connect" => {
                let [stanza, frame, answer] = [3, 4, 5].map(|at| command.count(at));
                self.connect(command.count(1) as u16, command.count(2), Sizes { stanza, frame, answer }).await
            }
            "feed" => self.feed(command.number(1), command.number(2), command.number(3)).await,
            other => panic!("no {other:?} in the part of the feeder"),
        }
    }

    async fn connect(&mut self, port: u16, pairs: usize, sizes: Sizes) -> Vec<f64> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        for _ in 0..pairs {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let leg = TcpStream::connect(address).await.unwrap();
            let _ = (stream.set_nodelay(true), leg.set_nodelay(true));
            stream.write_u32(sizes.stanza as u32).await.unwrap();
            stream.write_u32(sizes.frame as u32).await.unwrap();
            self.streams.push(stream.into_split().1);
            tokio::spawn(answer(leg, sizes, Arc::clone(&self.delivered)));
        }
        self.stanza = sizes.stanza;
        Vec::new()
    }

    async fn feed(&mut self, rate: f64, seconds: f64, apart: f64) -> Vec<f64> {
        let (started, stanza) = (Instant::now(), vec![b'x'; self.stanza]);
        let before = self.delivered.load(Ordering::Relaxed);
        let messages = (rate * seconds) as u32;
        for n in 0..messages {
            let due = Duration::from_secs_f64(f64::from(n) / rate);
            if let Some(early) = due.checked_sub(started.elapsed()) {
                tokio::time::sleep(early).await;
            }
            for (at, stream) in self.streams.iter_mut().enumerate() {
                // As busy as a server that makes one copy after another.
                while started.elapsed() < due + Duration::from_secs_f64(at as f64 * apart) {
                    tokio::task::yield_now().await;
                }
                stream.write_all(&stanza).await.unwrap();
            }
        }
        let wanted = before + u64::from(messages) * self.streams.len() as u64;
        within(|| (self.delivered.load(Ordering::Relaxed) >= wanted).then_some(()), Duration::from_secs(30)).await;
        vec![(self.delivered.load(Ordering::Relaxed) - before) as f64]
    }
}

async fn answer(mut leg: TcpStream, sizes: Sizes, delivered: Arc<AtomicU64>) {
    let (mut buffer, reply, mut came) = (vec![0; 8 * 1024], vec![b'x'; sizes.answer], 0);
    while let Ok(length @ 1..) = leg.read(&mut buffer).await {
        came += length;
        let frames = came / sizes.frame;
        came %= sizes.frame;
        delivered.fetch_add(frames as u64, Ordering::Relaxed);
        for _ in 0..frames {
            if leg.write_all(&reply).await.is_err() {
                return;
            }
        }
    }
}
