//! TCP connections: accepted, cut into messages and limited here, because the stack's own listener has no limits at all.
//!
//! A connection is a reader and a writer. The reader stops while [`IN_FLIGHT`] requests of it wait for their answer or while
//! the writer's queue is full; the writer gives up on a peer that does not read.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rsipstack::sip::SipMessage;
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::door::{Admission, Door};
use super::framing::{Framer, Unit};
use super::head::{parameter, split_outside_quotes};
use super::outgoing;
use super::patience::{MESSAGE_TIMEOUT, Patience};
use super::settings::Transport;
use super::shared::{Flow, Shared};

/// Requests of one connection that may wait for their final response.
pub(super) const IN_FLIGHT: usize = 32;
/// Connections of all peers together.
const CONNECTIONS: usize = 4096;
/// Connections that the system keeps for us until we accept them.
const BACKLOG: i32 = 1024;
/// Messages that wait for the writer.
const OUT_QUEUE: usize = 64;
/// Octets per read.
const READ: usize = 8 * 1024;
/// How long a peer may take to read what we send.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection of a trusted peer may be silent; RFC 5626 keep-alives come every two minutes.
const IDLE: Duration = Duration::from_secs(600);
/// The same for a stranger, who has nothing to wait for.
const IDLE_STRANGER: Duration = Duration::from_secs(15);
/// The same for whom we dialled: as long as our one request there may take to be answered (RFC 3261 §17.1.2.2), for these
/// connections have no limit but the number of calls that end.
const IDLE_DIALLED: Duration = Duration::from_secs(40);
/// How long answers are waited for when the peer has stopped sending.
const LINGER: Duration = Duration::from_secs(2);

/// A listening socket.
pub(super) struct Acceptor {
    listener: TcpListener,
    door: Arc<Door>,
    shared: Arc<Shared>,
    places: Places,
}

/// What all listening sockets have to give together.
#[derive(Clone)]
pub(super) struct Places {
    connections: Arc<Semaphore>,
    per_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self { connections: Arc::new(Semaphore::new(CONNECTIONS)), per_source: Arc::default() }
    }
}

/// Listens on `address`, of IPv6 on that alone, so that both families can have a socket of their own.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A place among the connections of one source; given back when dropped.
struct SourcePlace {
    source: IpAddr,
    per_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for SourcePlace {
    fn drop(&mut self) {
        let mut per_source = self.per_source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_source.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                per_source.remove(&self.source);
            }
        }
    }
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, door: Arc<Door>, shared: Arc<Shared>, places: Places) -> Self {
        Self { listener, door, shared, places }
    }

    /// Accepts until the driver shuts down. An error of the system, such as too many open files, makes a pause that grows.
    pub(super) async fn run(self) {
        let mut pause = Duration::from_millis(10);
        loop {
            let accepted = tokio::select! {
                () = self.shared.shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = Duration::from_millis(10);
                    self.welcome(stream, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, ?pause, "cannot accept a SIP connection");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = Arc::clone(&self.places.connections).try_acquire_owned() else {
            self.shared.observer.refused("connections");
            return;
        };
        let is_trusted = self.shared.is_trusted(peer.ip(), Transport::Tcp);
        if !is_trusted && self.shared.sources.ban_of(peer.ip(), Transport::Tcp, Instant::now()).is_some() {
            self.shared.observer.refused("banned");
            return;
        }
        let source_place = match self.source_place(peer.ip(), is_trusted) {
            Ok(place) => place,
            Err(Full) => {
                self.shared.observer.refused("connections_per_source");
                return;
            }
        };
        let (door, shared) = (Arc::clone(&self.door), Arc::clone(&self.shared));
        tokio::spawn(async move {
            if let Ok((connection, io)) = Connection::open(stream, peer, door, shared).await {
                let idle = if is_trusted { IDLE } else { IDLE_STRANGER };
                connection.serve(io, idle, (Some(place), source_place)).await;
            }
        });
    }

    fn source_place(&self, peer: IpAddr, is_trusted: bool) -> Result<Option<SourcePlace>, Full> {
        let Some(limit) = self.shared.settings.sources.connections.filter(|_| !is_trusted) else { return Ok(None) };
        let source = crate::sockets::source_of(peer);
        let mut per_source = self.places.per_source.lock().unwrap_or_else(PoisonError::into_inner);
        let count = per_source.get(&source).copied().unwrap_or_default();
        if count >= limit {
            return Err(Full);
        }
        per_source.insert(source, count + 1);
        Ok(Some(SourcePlace { source, per_source: Arc::clone(&self.places.per_source) }))
    }
}

/// No place is left.
struct Full;

/// Dials a peer for a request of ours, and serves the connection from then on.
pub(super) async fn connect(shared: &Arc<Shared>, to: SocketAddr) -> std::io::Result<SipConnection> {
    let stream = timeout(WRITE_TIMEOUT, TcpStream::connect(to)).await??;
    let door = Arc::new(Door::new(Arc::clone(shared)));
    let (connection, io) = Connection::open(stream, to, door, Arc::clone(shared)).await?;
    let handle = connection.handle.clone();
    tokio::spawn(connection.serve(io, IDLE_DIALLED, (None, None)));
    Ok(handle)
}

/// One connection, as its reader sees it.
struct Connection {
    peer: SocketAddr,
    door: Arc<Door>,
    shared: Arc<Shared>,
    flow: Arc<Flow>,
    handle: SipConnection,
    address: SipAddr,
    to_stack: mpsc::UnboundedSender<TransportEvent>,
    /// What we answer without the stack.
    direct: mpsc::Sender<Vec<u8>>,
    /// The stack's end of the writer's queue, to see whether it is full.
    outgoing: mpsc::Sender<TransportEvent>,
    token: CancellationToken,
}

/// What the two halves of a connection read and write.
struct Io {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    outgoing: mpsc::Receiver<TransportEvent>,
    direct: mpsc::Receiver<Vec<u8>>,
}

/// Why a connection is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing more comes, or is wanted; the peer may still be waiting for answers.
    Done,
    /// Nothing that we say arrives any more.
    Broken,
}

type Held = (Option<OwnedSemaphorePermit>, Option<SourcePlace>);

impl Connection {
    /// Makes the connection known to the stack.
    async fn open(
        stream: TcpStream,
        peer: SocketAddr,
        door: Arc<Door>,
        shared: Arc<Shared>,
    ) -> std::io::Result<(Self, Io)> {
        let local = stream.local_addr()?;
        let _ = crate::sockets::prepare(&stream); // without it everything works, slower
        let (to_stack, from_reader) = mpsc::unbounded_channel();
        let (out, outgoing) = mpsc::channel(OUT_QUEUE);
        let (direct, direct_queue) = mpsc::channel(OUT_QUEUE);
        let token = shared.shutdown.child_token();
        let address = SipAddr { r#type: Some(rsipstack::sip::Transport::Tcp), addr: peer.into() };
        let channel = ChannelConnection::create_connection_bounded(
            from_reader,
            out.clone(),
            address.clone(),
            Some(token.clone()),
        )
        .await
        .map_err(std::io::Error::other)?;
        let handle = SipConnection::Channel(channel);
        let flow = Arc::new(Flow::new(local));
        let endpoint = shared.endpoint().ok_or_else(|| std::io::Error::other("the SIP stack is down"))?;
        shared.flows.insert(peer, Arc::clone(&flow));
        endpoint.transport_layer.add_connection(handle.clone());
        let (reader, writer) = stream.into_split();
        let connection = Self { peer, door, shared, flow, handle, address, to_stack, direct, outgoing: out, token };
        Ok((connection, Io { reader, writer, outgoing, direct: direct_queue }))
    }

    /// Reads and writes until one side is done.
    async fn serve(self, io: Io, idle: Duration, _held: Held) {
        let Io { reader, writer, outgoing, direct } = io;
        let writer = tokio::spawn(write(writer, outgoing, direct, Arc::clone(&self.flow), self.token.clone()));
        let why = tokio::select! {
            () = self.token.cancelled() => End::Broken,
            why = self.read(reader, idle) => why,
        };
        tracing::debug!(peer = %self.peer, ?why, "SIP connection ends");
        if why == End::Done {
            let _ = timeout(LINGER, self.flow.answered()).await;
        }
        self.shared.flows.remove_if(&self.peer, |_, flow| Arc::ptr_eq(flow, &self.flow));
        self.flow.closed.cancel();
        // The writer ends when nobody has anything to say any more, after what was said.
        let Self { direct, token, shared, handle, .. } = self;
        drop(direct);
        let _ = timeout(WRITE_TIMEOUT, writer).await;
        if let Some(endpoint) = shared.endpoint() {
            endpoint.transport_layer.remove_connection(&handle);
        }
        token.cancel();
    }

    async fn read(&self, mut reader: OwnedReadHalf, idle: Duration) -> End {
        let mut framer = Framer::default();
        let mut patience = Patience::new(idle, tokio::time::Instant::now());
        loop {
            loop {
                match framer.next_unit() {
                    Ok(Some(unit)) => {
                        patience.heard(matches!(unit, Unit::Message(_)));
                        match timeout(MESSAGE_TIMEOUT, self.take(unit)).await {
                            Ok(true) => {}
                            Ok(false) => return End::Done,
                            Err(_) => return End::Broken,
                        }
                    }
                    Ok(None) => break,
                    Err(broken) => {
                        let answer = self.door.refuse_stream(broken.violation, &broken.head, self.peer);
                        self.say(answer).await;
                        return End::Done;
                    }
                }
            }
            let (is_inside, is_used) = (framer.is_inside_message(), self.flow.is_used());
            let until = patience.until(is_inside, is_used, tokio::time::Instant::now());
            framer.buffer().reserve(READ);
            match timeout_at(until, reader.read_buf(framer.buffer())).await {
                Ok(Ok(0)) => return End::Done,
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return End::Broken,
                Err(_) if self.flow.is_used() && !is_inside => {}
                Err(_) => return End::Done,
            }
        }
    }

    /// Handles one unit; false when the stream cannot be read any further.
    async fn take(&self, unit: Unit) -> bool {
        // A peer that does not read gets nothing done.
        if self.outgoing.reserve().await.is_err() {
            return false;
        }
        let message = match unit {
            Unit::Ping => return self.direct.send(b"\r\n".to_vec()).await.is_ok(),
            Unit::Message(message) => message,
        };
        match self.door.admit(self.peer, Transport::Tcp, &message) {
            Admission::Pass { message, head, .. } => {
                if !head.is_response() && head.method() != "ACK" {
                    let key = flow_key(head.first("via"), head.first("cseq"));
                    if !self.flow.begin(key, IN_FLIGHT).await {
                        self.shared.observer.refused("repeated_on_stream");
                        return true;
                    }
                }
                self.shared.enqueue().await;
                let event = TransportEvent::Incoming(*message, self.handle.clone(), self.address.clone());
                self.to_stack.send(event).is_ok()
            }
            Admission::Answer { octets, closes } => {
                self.say(octets).await;
                !closes
            }
            Admission::Nothing => true,
            Admission::Close => false,
        }
    }

    async fn say(&self, octets: Vec<u8>) {
        if !octets.is_empty() {
            let _ = self.direct.send(octets).await;
        }
    }
}

/// Writes what the stack and the door have to say, until the door's queue is closed and empty.
async fn write(
    mut writer: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<TransportEvent>,
    mut direct: mpsc::Receiver<Vec<u8>>,
    flow: Arc<Flow>,
    token: CancellationToken,
) {
    loop {
        let octets = tokio::select! {
            biased;
            () = token.cancelled() => break,
            Some(event) = outgoing.recv() => {
                let TransportEvent::Incoming(message, ..) = event else { continue };
                note_answer(&flow, &message);
                outgoing::for_the_wire(&message.to_bytes()).into_owned()
            }
            octets = direct.recv() => match octets {
                Some(octets) => octets,
                None => break,
            },
        };
        if !matches!(timeout(WRITE_TIMEOUT, writer.write_all(&octets)).await, Ok(Ok(()))) {
            break;
        }
    }
    let _ = timeout(WRITE_TIMEOUT, writer.shutdown()).await;
    token.cancel();
}

fn note_answer(flow: &Flow, message: &SipMessage) {
    let SipMessage::Response(response) = message else { return };
    if response.status_code.code() < 200 {
        return;
    }
    let value = |name: &str| response.headers.iter().find(|h| h.name() == name).map(rsipstack::sip::Header::value);
    flow.end(&flow_key(value("Via"), value("CSeq")));
}

/// Names a request of one connection: branch and CSeq.
pub(super) fn flow_key(via: Option<&str>, cseq: Option<&str>) -> String {
    let top = via.and_then(|via| split_outside_quotes(via, ',').first().copied()).unwrap_or_default();
    format!("{} {}", parameter(top, "branch").unwrap_or(top), cseq.unwrap_or_default())
}
