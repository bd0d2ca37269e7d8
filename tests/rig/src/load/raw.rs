//! Raw XMPP clients: each logs in, enters a room and counts what it hears there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::tally::{Tally, text};
use super::worker::Command;

/// How long a client may take to be in.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one who comes and goes stays.
const STAY: Duration = Duration::from_secs(1);

/// Some of them.
pub(super) struct Raws {
    server: SocketAddr,
    host: String,
    tally: Arc<Tally>,
    inside: Vec<Inside>,
}

/// One that is in a room.
struct Inside {
    write: OwnedWriteHalf,
    place: String,
}

impl Raws {
    pub(super) fn new(server: SocketAddr, host: String) -> Self {
        Self { server, host, tally: Arc::default(), inside: Vec::new() }
    }

    /// `join ROOM FIRST COUNT`, `leave`, `enter ROOM N`, `speak ROOM RATE SECONDS`, `burst ROOM COUNT`,
    /// `churn ROOM ROOMS RATE SECONDS`, `settle COPIES`, `take`.
    pub(super) async fn obey(&mut self, command: &Command) -> Vec<f64> {
        match command.name() {
            "join" => self.join(command.word(1), command.count(2), command.count(3)).await,
            "leave" => self.leave().await,
            "enter" => vec![self.enter(command.word(1), command.count(2)).await],
            "speak" => self.speak(command.word(1), command.number(2), command.number(3)).await,
            "churn" => self.churn(command.word(1), command.count(2), command.number(3), command.number(4)).await,
            "burst" => self.burst(command.word(1), command.count(2)).await,
            "settle" => vec![self.tally.settle(command.number(1) as u64, Duration::from_secs(30)).await as f64],
            "take" => self.tally.take(),
            other => panic!("no {other:?} in the part of raw clients"),
        }
    }

    /// All at once; seconds until the last one is in.
    async fn join(&mut self, room: &str, first: usize, count: usize) -> Vec<f64> {
        let started = Instant::now();
        let mut joins = JoinSet::new();
        for n in first..first + count {
            let (server, host, place) = (self.server, self.host.clone(), format!("{room}/n{n}"));
            let tally = Arc::clone(&self.tally);
            joins.spawn(async move {
                let stream = timeout(PATIENCE, entered(server, &host, &place)).await.unwrap().unwrap();
                let (mut read, write) = stream.into_split();
                tokio::spawn(async move {
                    let (mut buffer, mut kept) = (vec![0; 64 * 1024], 0);
                    while let Ok(length @ 1..) = read.read(&mut buffer[kept..]).await {
                        let _ = read.as_ref().set_quickack(true);
                        tally.moved(length, 0);
                        let end = kept + length;
                        kept = tally.scan(&buffer[..end]);
                        buffer.copy_within(end - kept..end, 0);
                    }
                });
                Inside { write, place }
            });
        }
        self.inside.extend(joins.join_all().await);
        vec![started.elapsed().as_secs_f64()]
    }

    async fn leave(&mut self) -> Vec<f64> {
        for mut client in self.inside.drain(..) {
            let goodbye = format!("<presence type='unavailable' to='{}'/></stream:stream>", client.place);
            let _ = client.write.write_all(goodbye.as_bytes()).await;
        }
        Vec::new()
    }

    /// Milliseconds from connecting to being in, the whole list received; then the client goes.
    async fn enter(&self, room: &str, n: usize) -> f64 {
        let place = format!("{room}/n{n}");
        let started = Instant::now();
        let mut stream = timeout(PATIENCE, entered(self.server, &self.host, &place)).await.unwrap().unwrap();
        let took = started.elapsed().as_secs_f64() * 1e3;
        let goodbye = format!("<presence type='unavailable' to='{place}'/></stream:stream>");
        stream.write_all(goodbye.as_bytes()).await.unwrap();
        until(&mut stream, "</stream:stream>").await.unwrap();
        took
    }

    /// They come evenly, by turns to the rooms that have a number in place of `*`, and stay for a second each; how many came.
    async fn churn(&self, room: &str, rooms: usize, rate: f64, seconds: f64) -> Vec<f64> {
        let (started, count) = (Instant::now(), (rate * seconds) as usize);
        let mut stays = JoinSet::new();
        for n in 0..count {
            let due = Duration::from_secs_f64(n as f64 / rate);
            if let Some(early) = due.checked_sub(started.elapsed()) {
                tokio::time::sleep(early).await;
            }
            let place = format!("{}/n{n}", room.replace('*', &(n % rooms).to_string()));
            let (server, host) = (self.server, self.host.clone());
            stays.spawn(async move {
                let mut stream = timeout(PATIENCE, entered(server, &host, &place)).await.unwrap().unwrap();
                tokio::time::sleep(STAY).await;
                let goodbye = format!("<presence type='unavailable' to='{place}'/></stream:stream>");
                stream.write_all(goodbye.as_bytes()).await.unwrap();
                until(&mut stream, "</stream:stream>").await.unwrap();
            });
            while let Some(stay) = stays.try_join_next() {
                stay.unwrap();
            }
        }
        stays.join_all().await;
        vec![count as f64]
    }

    /// The first one speaks evenly; how many messages that were.
    async fn speak(&mut self, room: &str, rate: f64, seconds: f64) -> Vec<f64> {
        let started = Instant::now();
        let messages = (rate * seconds) as u32;
        for n in 0..messages {
            let due = Duration::from_secs_f64(f64::from(n) / rate);
            if let Some(early) = due.checked_sub(started.elapsed()) {
                tokio::time::sleep(early).await;
            }
            self.say(room).await;
        }
        vec![f64::from(messages)]
    }

    async fn burst(&mut self, room: &str, count: usize) -> Vec<f64> {
        for _ in 0..count {
            self.say(room).await;
        }
        Vec::new()
    }

    async fn say(&mut self, room: &str) {
        let text = text();
        let message =
            format!("<message type='groupchat' id='{}' to='{room}'><body>{text}</body></message>", &text[4..24]);
        self.inside[0].write.write_all(message.as_bytes()).await.unwrap();
    }
}

/// Connects, logs in without a name, and enters.
async fn entered(server: SocketAddr, host: &str, place: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let open = format!(
        "<?xml version='1.0'?><stream:stream to='{host}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    );
    let steps = [
        (open.as_str(), "</stream:features>"),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success"),
        (&open, "</stream:features>"),
        (
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
            "</bind>",
        ),
        (
            &format!(
                "<presence to='{place}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"
            ),
            "code='110'",
        ),
    ];
    for (say, hear) in steps {
        stream.write_all(say.as_bytes()).await?;
        until(&mut stream, hear).await?;
    }
    Ok(stream)
}

/// Reads until this has come.
async fn until(stream: &mut TcpStream, wanted: &str) -> io::Result<()> {
    let (mut buffer, mut seen) = (Vec::with_capacity(16 * 1024), 0_usize);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::Error::other(format!("no {wanted} in {}", String::from_utf8_lossy(&buffer))));
        }
        let _ = stream.set_quickack(true);
        if memchr::memmem::find(&buffer[seen..], wanted.as_bytes()).is_some() {
            return Ok(());
        }
        seen = buffer.len().saturating_sub(wanted.len());
    }
}
