//! Stream connections: TCP, TLS and WebSocket alike, once their handshakes are over.
//!
//! A connection is a reader and a writer. The reader stops while [`IN_FLIGHT`] requests of it wait for their answer or while
//! the writer's queue is full; the writer gives up on a peer that does not read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::SipMessage;
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::carrier::{Inlet, Octets, Outlet, TLS_ON_PLAIN_PORT, Writer};
use super::door::{Admission, Door, Speaker};
use super::framing::Unit;
use super::head::{parameter, split_outside_quotes};
use super::listener::Held;
use super::locate::Target;
use super::outgoing;
use super::patience::{MESSAGE_TIMEOUT, Patience};
use super::settings::Transport;
use super::shared::{Flow, Shared};

/// Requests of one connection that may wait for their final response.
pub(super) const IN_FLIGHT: usize = 32;
/// Messages that wait for the writer.
const OUT_QUEUE: usize = 64;
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
    let open = |names| Connection::open(Flow::new(transport, local, names), address, door, Arc::clone(shared));
    let (connection, task) = match transport {
        Transport::Tcp => {
            let (connection, queues) = open(Vec::new()).await?;
            let known = (connection.handle.clone(), Arc::clone(&connection.flow));
            let (reader, writer) = stream.into_split();
            let halves = (Octets::new(reader), Writer(writer));
            (known, tokio::spawn(connection.serve(halves, queues, IDLE_DIALLED, (None, None))))
        }
        Transport::Tls => {
            let tls = shared.settings.tls.as_ref();
            let tls = tls.ok_or_else(|| std::io::Error::other("this node has no certificate: see [tls]"))?;
            let met = Box::pin(tls.meet(stream, name)).await?;
            let (connection, queues) = open(met.names).await?;
            let known = (connection.handle.clone(), Arc::clone(&connection.flow));
            let (reader, writer) = tokio::io::split(met.stream);
            let halves = (Octets::new(reader), Writer(writer));
            (known, tokio::spawn(connection.serve(halves, queues, IDLE_DIALLED, (None, None))))
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
    to_stack: mpsc::UnboundedSender<TransportEvent>,
    /// What we answer without the stack.
    direct: mpsc::Sender<Vec<u8>>,
    /// The stack's end of the writer's queue, to see whether it is full.
    outgoing: mpsc::Sender<TransportEvent>,
    token: CancellationToken,
}

/// What the writer takes its messages from.
pub(super) struct Queues {
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

impl Connection {
    /// Makes the connection known to the stack.
    pub(super) async fn open(
        flow: Flow,
        peer: SocketAddr,
        door: Arc<Door>,
        shared: Arc<Shared>,
    ) -> std::io::Result<(Self, Queues)> {
        let (to_stack, from_reader) = mpsc::unbounded_channel();
        let (out, outgoing) = mpsc::channel(OUT_QUEUE);
        let (direct, direct_queue) = mpsc::channel(OUT_QUEUE);
        let token = shared.shutdown.child_token();
        let address = SipAddr { r#type: Some(flow.transport.of_stack()), addr: peer.into() };
        let channel = ChannelConnection::create_connection_bounded(
            from_reader,
            out.clone(),
            address.clone(),
            Some(token.clone()),
        )
        .await
        .map_err(std::io::Error::other)?;
        let handle = SipConnection::Channel(channel);
        let flow = Arc::new(flow);
        let endpoint = shared.endpoint().ok_or_else(|| std::io::Error::other("the SIP stack is down"))?;
        shared.flows.insert((flow.transport, peer), Arc::clone(&flow));
        endpoint.transport_layer.add_connection(handle.clone());
        let connection = Self { peer, door, shared, flow, handle, address, to_stack, direct, outgoing: out, token };
        Ok((connection, Queues { outgoing, direct: direct_queue }))
    }

    /// Reads and writes until one side is done.
    pub(super) async fn serve(
        self,
        (inlet, outlet): (impl Inlet, impl Outlet),
        queues: Queues,
        idle: Duration,
        _held: Held,
    ) {
        let writer = tokio::spawn(write(outlet, queues, Arc::clone(&self.flow), self.token.clone()));
        let why = tokio::select! {
            () = self.token.cancelled() => End::Broken,
            why = self.read(inlet, idle) => why,
        };
        tracing::debug!(peer = %self.peer, transport = %self.flow.transport, ?why, "SIP connection ends");
        if why == End::Done {
            let _ = timeout(LINGER, self.flow.answered()).await;
        }
        self.shared.flows.remove_if(&(self.flow.transport, self.peer), |_, flow| Arc::ptr_eq(flow, &self.flow));
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
                        self.say(answer).await;
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
        // A peer that does not read gets nothing done.
        if self.outgoing.reserve().await.is_err() {
            return false;
        }
        let message = match unit {
            Unit::Ping => return self.direct.send(b"\r\n".to_vec()).await.is_ok(),
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
async fn write(mut outlet: impl Outlet, queues: Queues, flow: Arc<Flow>, token: CancellationToken) {
    let Queues { mut outgoing, mut direct } = queues;
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
        if !matches!(timeout(WRITE_TIMEOUT, outlet.write(octets)).await, Ok(Ok(()))) {
            break;
        }
    }
    let _ = timeout(WRITE_TIMEOUT, outlet.close()).await;
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
