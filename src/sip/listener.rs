//! Where SIP connections come in: accepted, made what their listener is for, under TLS or a WebSocket, and limited. The stack's
//! own listeners have no limits at all.
//!
//! Getting there is bounded in time and in number, and happens in a task of its own, so that nobody waits for a peer who takes
//! his time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;

use super::carrier::{Inlet, LONGEST_FRAME, Octets, Outlet, WEB, Writer, web};
use super::door::Door;
use super::flow::Flow;
use super::settings::Transport;
use super::shared::Shared;
use super::stream::Connection;
use crate::observe::sparing::Sparing;
use crate::tls::{HandshakeFault, Met};
use crate::ws::Unfit;

/// Connections of all peers together.
const CONNECTIONS: usize = 4096;
/// How long a peer may take from connecting to the end of the handshakes: some round trips, on a slow network.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Connections whose handshakes go on at a time: each has some 20 KiB of our memory before it has said anything of use.
const HANDSHAKES: usize = 1024;
/// How long a connection of a trusted peer may be silent; RFC 5626 keep-alives come every two minutes.
const IDLE: Duration = Duration::from_secs(600);
/// The same for a stranger, who has nothing to wait for.
const IDLE_STRANGER: Duration = Duration::from_secs(15);
/// The same for a browser: a page connects before anybody calls, and asks after its connection every half minute or so.
const IDLE_WEB: Duration = Duration::from_secs(120);

/// Anybody can cause them, the log need not grow with it.
static REFUSALS: Sparing = Sparing::new(5);

/// What a connection keeps as long as it is open.
pub(super) type Held = (Option<OwnedSemaphorePermit>, Option<SourcePlace>);

/// A listening socket.
pub(super) struct Acceptor {
    listener: TcpListener,
    transport: Transport,
    door: Arc<Door>,
    shared: Arc<Shared>,
    places: Places,
}

/// What all listening sockets have to give together.
#[derive(Clone)]
pub(super) struct Places {
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    per_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Places {
    fn default() -> Self {
        let (connections, handshakes) = (Semaphore::new(CONNECTIONS), Semaphore::new(HANDSHAKES));
        Self { connections: Arc::new(connections), handshakes: Arc::new(handshakes), per_source: Arc::default() }
    }
}

/// A place among the connections of one source; given back when dropped.
pub(super) struct SourcePlace {
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
    pub(super) fn new(
        listener: TcpListener,
        transport: Transport,
        door: Arc<Door>,
        shared: Arc<Shared>,
        places: Places,
    ) -> Self {
        Self { listener, transport, door, shared, places }
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
        let transport = self.transport;
        let is_known = self.shared.is_of_a_peer(peer.ip());
        if !is_known && self.shared.sources.ban_of(peer.ip(), transport, Instant::now()).is_some() {
            self.shared.observer.refused("banned");
            return;
        }
        let source_place = match self.source_place(peer.ip(), is_known) {
            Ok(place) => place,
            Err(Full) => {
                self.shared.observer.refused("connections_per_source");
                return;
            }
        };
        let _ = crate::sockets::prepare(&stream); // without it everything works, slower
        let (door, shared, places) = (Arc::clone(&self.door), Arc::clone(&self.shared), self.places.clone());
        tokio::spawn(async move {
            let held = (Some(place), source_place);
            if let Err(why) = Box::pin(welcome(stream, transport, peer, door, &shared, &places, held)).await {
                shared.observer.refused(why.label());
                if let Some(kept_back) = REFUSALS.line() {
                    tracing::info!(%peer, %transport, kept_back, "SIP connection refused: {why}");
                }
            }
        });
    }

    fn source_place(&self, peer: IpAddr, is_known: bool) -> Result<Option<SourcePlace>, Full> {
        let Some(limit) = self.shared.settings.sources.connections.filter(|_| !is_known) else { return Ok(None) };
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

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
enum Unwelcome {
    #[error("{0}")]
    System(#[from] std::io::Error),
    #[error("too many handshakes at a time")]
    TooManyHandshakes,
    #[error("the handshake took too long")]
    TooSlow,
    #[error("what came is not TLS: the peer takes this port for one without")]
    NotTls,
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    #[error("WebSocket: {0}")]
    WebSocket(#[from] Unfit),
    #[error("there is no certificate")]
    NoCertificate,
}

impl Unwelcome {
    fn of_tls(error: std::io::Error) -> Self {
        match HandshakeFault::of(&error) {
            HandshakeFault::Plain => Self::NotTls,
            _ => Self::Tls(error),
        }
    }

    /// For the metrics.
    const fn label(&self) -> &'static str {
        match self {
            Self::System(_) => "connection_broken",
            Self::TooManyHandshakes => "handshakes",
            Self::TooSlow => "handshake_timeout",
            Self::NotTls => "plain_text_on_tls_port",
            Self::Tls(_) => "tls_handshake",
            Self::WebSocket(Unfit::Protocol(_)) => "websocket_protocol",
            Self::WebSocket(Unfit::Origin(_)) => "websocket_origin",
            Self::WebSocket(Unfit::Handshake(_)) => "websocket_handshake",
            Self::NoCertificate => "no_certificate",
        }
    }
}

/// Makes of what came in what the listener is for, and serves it. What it awaits is boxed: else each connection would take as much
/// memory as one of the costliest kind.
async fn welcome(
    stream: TcpStream,
    transport: Transport,
    peer: SocketAddr,
    door: Arc<Door>,
    shared: &Arc<Shared>,
    places: &Places,
    held: Held,
) -> Result<(), Unwelcome> {
    let local = stream.local_addr()?;
    let serve = Serve { transport, local, peer, door, shared: Arc::clone(shared), held };
    match transport {
        Transport::Udp | Transport::Tcp => {
            let (reader, writer) = stream.into_split();
            Box::pin(serve.with(Octets::new(reader), Writer(writer), Vec::new())).await?;
        }
        Transport::Tls => {
            let met = Box::pin(in_time(places, secure(stream, shared, peer))).await?;
            let (reader, writer) = tokio::io::split(met.stream);
            Box::pin(serve.with(Octets::new(reader), Writer(writer), met.names)).await?;
        }
        Transport::Ws => {
            let upgraded = Box::pin(in_time(places, upgraded(stream, shared))).await?;
            let (inlet, outlet) = web(upgraded);
            Box::pin(serve.with(inlet, outlet, Vec::new())).await?;
        }
        Transport::Wss => {
            let both = async {
                let tls = shared.settings.tls.as_ref().ok_or(Unwelcome::NoCertificate)?;
                let stream = tls.accept_browser(stream).await.map_err(Unwelcome::of_tls)?;
                upgraded(stream, shared).await
            };
            let (inlet, outlet) = web(Box::pin(in_time(places, both)).await?);
            Box::pin(serve.with(inlet, outlet, Vec::new())).await?;
        }
    }
    Ok(())
}

/// What is known of a connection before it is what its listener is for.
struct Serve {
    transport: Transport,
    local: SocketAddr,
    peer: SocketAddr,
    door: Arc<Door>,
    shared: Arc<Shared>,
    held: Held,
}

impl Serve {
    async fn with(self, inlet: impl Inlet, outlet: impl Outlet, names: Vec<String>) -> std::io::Result<()> {
        let Self { transport, local, peer, door, shared, held } = self;
        let idle = match transport {
            _ if shared.is_trusted(peer.ip(), transport, &names) => IDLE,
            Transport::Ws | Transport::Wss => IDLE_WEB,
            _ => IDLE_STRANGER,
        };
        let (flow, queue) = Flow::new(transport, local, names, &shared.shutdown);
        let connection = Connection::open(flow, peer, door, shared).await?;
        connection.serve((inlet, outlet), queue, idle, held).await;
        Ok(())
    }
}

async fn in_time<T>(places: &Places, made: impl Future<Output = Result<T, Unwelcome>>) -> Result<T, Unwelcome> {
    let _place = places.handshakes.try_acquire().map_err(|_| Unwelcome::TooManyHandshakes)?;
    timeout(HANDSHAKE_TIME, made).await.map_err(|_| Unwelcome::TooSlow)?
}

async fn secure(stream: TcpStream, shared: &Shared, peer: SocketAddr) -> Result<Met<TlsStream<TcpStream>>, Unwelcome> {
    let tls = shared.settings.tls.as_ref().ok_or(Unwelcome::NoCertificate)?;
    let met = tls.accept_peer(stream).await.map_err(Unwelcome::of_tls)?;
    if let Some(doubt) = &met.doubt {
        shared.observer.refused("certificate");
        if let Some(kept_back) = REFUSALS.line() {
            tracing::info!(%peer, kept_back, "the certificate of a SIP peer proves no name: {doubt}");
        }
    }
    Ok(met)
}

async fn upgraded<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
) -> Result<WebSocketStream<S>, Unwelcome> {
    Ok(crate::ws::upgrade(stream, WEB, &shared.settings.allowed_origins, LONGEST_FRAME).await?)
}
