//! Stream connections: TCP, TLS and WebSocket alike, once their handshakes are over.
//!
//! A connection is a reader and a writer. The reader stops while [`IN_FLIGHT`] requests of it wait for their answer or while
//! the peer does not read what we say; the writer gives up on him in the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::transport::{SipAddr, SipConnection};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

use super::carrier::{Inlet, Octets, Outlet, TLS_ON_PLAIN_PORT, Writer};
use super::door::{Admission, Door, Speaker};
use super::flow::{Flow, flow_key};
use super::framing::Unit;
use super::listener::Held;
use super::locate::Target;
use super::patience::{MESSAGE_TIMEOUT, Patience};
use super::settings::Transport;
use super::shared::Shared;

/// Requests of one connection that may wait for their final response.
pub(super) const IN_FLIGHT: usize = 32;
/// How long a peer may take to read what we send.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer whom we dialled may be silent: as long as our one request there may take to be answered (RFC 3261 §17.1.2.2), for
/// these connections have no limit but the number of calls that end.
const IDLE_DIALLED: Duration = Duration::from_secs(40);
/// How long answers are waited for when the peer has stopped sending.
const LINGER: Duration = Duration::from_secs(2);

/// Dials a peer for a request of ours, and serves the connection from then on. Under TLS the peer has to be `name`, and is
/// believed what somebody of that name is.
///
/// # Errors
///
/// He is not there, or it is not he.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    to: Target,
    name: &str,
) -> std::io::Result<(SipConnection, Arc<Flow>)> {
    timeout(WRITE_TIMEOUT, dial(shared, to, name)).await?
}

async fn dial(shared: &Arc<Shared>, to: Target, name: &str) -> std::io::Result<(SipConnection, Arc<Flow>)> {
    let Target { transport, address } = to;
    let stream = TcpStream::connect(address).await?;
    let _ = crate::sockets::prepare(&stream); // without it everything works, slower
    let local = stream.local_addr()?;
    let door = Arc::new(Door::new(Arc::clone(shared)));
    let open = async |names| {
        let (flow, queue) = Flow::new(transport, local, names, &shared.shutdown);
        Connection::open(flow, address, door, Arc::clone(shared)).await.map(|connection| (connection, queue))
    };
    let (connection, task) = match transport {
        Transport::Tcp => {
            let (connection, queue) = open(Vec::new()).await?;
            let known = (connection.handle.clone(), Arc::clone(&connection.flow));
            let (reader, writer) = stream.into_split();
            let halves = (Octets::new(reader), Writer(writer));
            (known, tokio::spawn(connection.serve(halves, queue, IDLE_DIALLED, (None, None))))
        }
        Transport::Tls => {
            let tls = shared.settings.tls.as_ref();
            let tls = tls.ok_or_else(|| std::io::Error::other("this node has no certificate: see [tls]"))?;
            let met = Box::pin(tls.meet(stream, name)).await?;
            let (connection, queue) = open(met.names).await?;
            let known = (connection.handle.clone(), Arc::clone(&connection.flow));
            let (reader, writer) = tokio::io::split(met.stream);
            let halves = (Octets::new(reader), Writer(writer));
            (known, tokio::spawn(connection.serve(halves, queue, IDLE_DIALLED, (None, None))))
        }
        // Nobody listens for these but us (RFC 7118 §3).
        Transport::Udp | Transport::Ws | Transport::Wss => return Err(std::io::ErrorKind::Unsupported.into()),
    };
    drop(task);
    Ok(connection)
}

/// One connection, as its reader sees it.
pub(super) struct Connection {
    peer: SocketAddr,
    door: Arc<Door>,
    shared: Arc<Shared>,
    flow: Arc<Flow>,
    handle: SipConnection,
    address: SipAddr,
}

/// Why a connection is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing more comes, or is wanted; the peer may still be waiting for answers.
    Done,
    /// Nothing that we say arrives any more.
    Broken,
}

impl Connection {
    /// Makes the connection known to everybody.
    pub(super) async fn open(
        flow: Flow,
        peer: SocketAddr,
        door: Arc<Door>,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let address = SipAddr { r#type: Some(flow.transport.of_stack()), addr: peer.into() };
        let streams = shared.streams.get().ok_or_else(|| std::io::Error::other("the SIP stack is down"))?;
        let handle = streams.connection(address.clone(), flow.broken.clone()).await.map_err(std::io::Error::other)?;
        let flow = Arc::new(flow);
        shared.flows.insert((flow.transport, peer), Arc::clone(&flow));
        Ok(Self { peer, door, shared, flow, handle, address })
    }

    /// Reads and writes until one side is done.
    pub(super) async fn serve(
        self,
        (inlet, outlet): (impl Inlet, impl Outlet),
        queue: mpsc::Receiver<Vec<u8>>,
        idle: Duration,
        _held: Held,
    ) {
        let writer = tokio::spawn(write(outlet, queue, Arc::clone(&self.flow)));
        let why = tokio::select! {
            () = self.flow.broken.cancelled() => End::Broken,
            why = self.read(inlet, idle) => why,
        };
        tracing::debug!(peer = %self.peer, transport = %self.flow.transport, ?why, "SIP connection ends");
        if why == End::Done {
            let _ = timeout(LINGER, self.flow.answered()).await;
        }
        self.shared.flows.remove_if(&(self.flow.transport, self.peer), |_, flow| Arc::ptr_eq(flow, &self.flow));
        self.flow.closed.cancel();
        let _ = timeout(WRITE_TIMEOUT, writer).await;
        self.flow.broken.cancel();
    }

    async fn read(&self, mut inlet: impl Inlet, idle: Duration) -> End {
        let mut patience = Patience::new(idle, tokio::time::Instant::now());
        loop {
            loop {
                match inlet.unit() {
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
                        let answer = self.door.refuse_stream(broken.violation, &broken.head, self.speaker());
                        self.say(answer);
                        return End::Done;
                    }
                }
            }
            let (is_inside, is_used) = (inlet.is_inside_message(), self.flow.is_used());
            let until = patience.until(is_inside, is_used, tokio::time::Instant::now());
            match timeout_at(until, inlet.more()).await {
                Ok(Ok(false)) => return End::Done,
                Ok(Ok(true)) => {}
                Ok(Err(error)) => {
                    if error.kind() == TLS_ON_PLAIN_PORT {
                        self.shared.observer.refused("tls_on_plain_port");
                    }
                    return End::Broken;
                }
                Err(_) if self.flow.is_used() && !is_inside => {}
                Err(_) => return End::Done,
            }
        }
    }

    fn speaker(&self) -> Speaker<'_> {
        Speaker { source: self.peer, transport: self.flow.transport, names: &self.flow.names }
    }

    /// Handles one unit; false when the stream cannot be read any further.
    async fn take(&self, unit: Unit) -> bool {
        self.flow.is_read().await;
        let message = match unit {
            Unit::Ping => {
                self.flow.say(b"\r\n".to_vec());
                return true;
            }
            Unit::Message(message) => message,
        };
        match self.door.admit(self.speaker(), &message) {
            Admission::Pass { message, head, .. } => {
                if !head.is_response() && head.method() != "ACK" {
                    let key = flow_key(head.first("via"), head.first("cseq"));
                    if !self.flow.begin(key, IN_FLIGHT).await {
                        self.shared.observer.refused("repeated_on_stream");
                        return true;
                    }
                }
                self.shared.enqueue().await;
                let (handle, address) = (self.handle.clone(), self.address.clone());
                self.shared.streams.get().is_some_and(|streams| streams.heard(*message, handle, address))
            }
            Admission::Answer { octets, closes } => {
                self.say(octets);
                !closes
            }
            Admission::Nothing => true,
            Admission::Close => false,
        }
    }

    fn say(&self, octets: Vec<u8>) {
        if !octets.is_empty() {
            self.flow.say(octets);
        }
    }
}

/// Writes what there is to say, until the connection is closed.
async fn write(mut outlet: impl Outlet, mut queue: mpsc::Receiver<Vec<u8>>, flow: Arc<Flow>) {
    let mut is_closed = false;
    loop {
        let octets = tokio::select! {
            biased;
            () = flow.broken.cancelled() => break,
            octets = queue.recv() => match octets {
                Some(octets) => octets,
                None => break,
            },
            () = flow.closed.cancelled(), if !is_closed => {
                queue.close();
                is_closed = true;
                continue;
            }
        };
        if !matches!(timeout(WRITE_TIMEOUT, outlet.write(octets)).await, Ok(Ok(()))) {
            break;
        }
        flow.wrote();
    }
    let _ = timeout(WRITE_TIMEOUT, outlet.close()).await;
    flow.broken.cancel();
}
