//! The SIP driver, on rsipstack behind a port of our own.
//!
//! ```text
//! socket ─► door (trust, rate, gate) ─► stack (transactions) ─► dispatch ─► call, subscription, referral ⇄ room
//!           answers what is not fit      retransmissions         refusals    usages of dialogs
//! ```
//!
//! Owns sockets, transactions and dialogs. Decides nothing about a room: it translates. No type of the stack leaves this
//! module, so that the stack can be replaced.

mod accept;
mod ack;
mod auth;
mod call;
mod caller;
mod carrier;
mod client;
mod contact;
mod current;
mod dialog;
pub(crate) mod digest;
mod dispatch;
mod door;
mod event;
mod flow;
mod following;
mod forks;
pub mod framing;
pub mod gate;
mod guards;
pub mod head;
pub mod identity;
mod invite;
mod listener;
mod locate;
mod notify;
mod outgoing;
mod patience;
mod placing;
pub mod port;
mod rate;
mod reason;
mod refer_to;
mod referral;
mod replaces;
mod reply;
pub mod rewrite;
mod rungs;
pub mod settings;
mod setup;
mod shared;
mod shares;
mod sources;
pub mod stateless;
mod stranger;
mod stream;
mod streams;
mod subscription;
#[cfg(test)]
mod torture;
mod udp;
mod usage;
pub mod violation;
mod within;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::transaction::endpoint::EndpointOption;
use rsipstack::transaction::{CallIdFormat, TransactionReceiver};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipConnection, TransportLayer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::door::Door;
use self::port::{Focus, Placed};
use self::settings::{Listen, Outbound, Settings, Transport};
use self::shared::Shared;
use self::streams::{Streams, deliver_all};
use crate::observe::ladder::Ladder;
use crate::sockets;

/// `Server` and `User-Agent`.
const SERVER: &str = concat!("mucfocus/", env!("CARGO_PKG_VERSION"));
/// How long [`Driver::shutdown`] waits for dialogs and transactions to end.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Counts what the driver refuses. Nothing here waits.
pub trait GateObserver: Send + Sync + 'static {
    /// A request or connection was refused, for a reason out of a closed set.
    fn refused(&self, reason: &'static str);

    /// A request passed the gate.
    fn received(&self, method: &str) {
        let _ = method;
    }

    /// Where the messages of calls are noted.
    fn ladder(&self) -> &Ladder {
        const NONE: &Ladder = &Ladder::off();
        NONE
    }
}

/// For those who do not count.
impl GateObserver for () {
    fn refused(&self, _reason: &'static str) {}
}

/// Timers of RFC 3261 §17, which all follow from T1, and how much is kept by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The estimate of a round trip; 500 ms unless a test is in a hurry.
    pub t1: Duration,
    /// Answered transactions that are remembered for 64*T1 at a time; fewer than usual where a test shall reach that.
    pub remembered: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), remembered: shared::REMEMBERED_TRANSACTIONS }
    }
}

impl Timers {
    /// 64*T1, after which a transaction gives up.
    #[must_use]
    pub fn transaction(self) -> Duration {
        self.t1 * 64
    }
}

/// Why the driver does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is in use, or not ours.
    #[error("cannot listen on {transport}:{address}: {error}")]
    Bind {
        /// What was asked for.
        transport: Transport,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// TLS is to be listened on, and there is no certificate.
    #[error("cannot listen on {transport}:{address}: there is no certificate, see [tls]")]
    NoCertificate {
        /// What was asked for.
        transport: Transport,
        /// Where.
        address: SocketAddr,
    },
    /// The SIP stack does not start.
    #[error("the SIP stack does not start: {0}")]
    Stack(String),
}

/// The running driver. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    addresses: Vec<Listen>,
    tasks: Vec<JoinHandle<()>>,
}

impl Driver {
    /// Binds every address of `settings.listen` and begins to serve.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running then.
    pub async fn start(
        settings: Settings,
        focus: Arc<dyn Focus>,
        observer: Arc<dyn GateObserver>,
    ) -> Result<Self, StartError> {
        Self::start_with(settings, focus, observer, Timers::default()).await
    }

    /// [`Driver::start`] with other timers.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running then.
    pub async fn start_with(
        settings: Settings,
        focus: Arc<dyn Focus>,
        observer: Arc<dyn GateObserver>,
        timers: Timers,
    ) -> Result<Self, StartError> {
        let shared = Arc::new(Shared::new(settings, timers, focus, observer));
        let door = Arc::new(Door::new(Arc::clone(&shared)));
        let sockets = Sockets::bind(&shared, &door)?;
        let addresses = sockets.addresses.clone();
        let _ = shared.bound.set(addresses.clone());
        let tasks = serve(&shared, door, sockets).await?;
        Ok(Self { shared, addresses, tasks })
    }

    /// Makes the calls that come, through the outbound proxy, until the sender is dropped or the driver is.
    pub fn place_calls(&mut self, outbound: Outbound, calls: mpsc::Receiver<Placed>) {
        let proxy = Arc::new(outbound);
        self.tasks.push(tokio::spawn(placing::place_all(Arc::clone(&self.shared), proxy, calls)));
    }

    /// What is listened on, with the ports that were given for port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<Listen> {
        self.addresses.clone()
    }

    /// From the next message on it is these settings, as far as a driver can follow that runs: domains, trusted peers, identity,
    /// and what strangers get.
    pub fn reconfigure(&self, settings: Settings) {
        let Settings { domains, trusted_peers, trusted_names, identity, untrusted, .. } = settings;
        let stays = self.shared.settings.clone();
        let settings = Settings { domains, trusted_peers, trusted_names, identity, untrusted, ..stays };
        let renewed = self.shared.current.now().renewed(&settings);
        self.shared.current.replace(renewed);
    }

    /// Calls that are not over.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.calls.len()
    }

    /// Dialogs that are not over: calls, subscriptions, and referrals that wait for their end.
    #[must_use]
    pub fn dialogs(&self) -> usize {
        self.shared.dialogs.len()
    }

    /// Stream connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.flows.len()
    }

    /// Waits until dialogs and transactions have ended, 2 s at most, then closes all sockets. Whoever wants new requests to be
    /// refused in the meantime says so by [`Focus::readiness`].
    pub async fn shutdown(self) {
        let quiet = async {
            loop {
                let running = self.shared.endpoint().map_or(0, |e| e.get_stats().running_transactions);
                if running == 0 && self.shared.calls.is_empty() && self.shared.dialogs.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(SHUTDOWN, quiet).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Everything that is bound before anything is served, so that one address in use leaves nothing half started.
struct Sockets {
    addresses: Vec<Listen>,
    udp: Vec<udp::Filter>,
    streams: Vec<(TcpListener, Transport)>,
}

impl Sockets {
    fn bind(shared: &Arc<Shared>, door: &Arc<Door>) -> Result<Self, StartError> {
        let mut sockets = Self { addresses: Vec::new(), udp: Vec::new(), streams: Vec::new() };
        for Listen { transport, address } in shared.settings.listen.clone() {
            let failed = |error| StartError::Bind { transport, address, error };
            let bound = match transport {
                Transport::Udp => {
                    let filter = udp::Filter::bind(address, Arc::clone(door), Arc::clone(shared)).map_err(failed)?;
                    let bound = filter.address().map_err(failed)?;
                    sockets.udp.push(filter);
                    bound
                }
                _ if transport.is_secure() && shared.settings.tls.is_none() => {
                    return Err(StartError::NoCertificate { transport, address });
                }
                _ => {
                    let listener = sockets::listen(address, false).map_err(failed)?;
                    let bound = listener.local_addr().map_err(failed)?;
                    sockets.streams.push((listener, transport));
                    bound
                }
            };
            sockets.addresses.push(Listen { transport, address: bound });
        }
        Ok(sockets)
    }
}

/// Starts the stack on the bound sockets.
async fn serve(shared: &Arc<Shared>, door: Arc<Door>, sockets: Sockets) -> Result<Vec<JoinHandle<()>>, StartError> {
    let stack = |error: rsipstack::Error| StartError::Stack(error.to_string());
    let layer = TransportLayer::new(shared.shutdown.child_token());
    let mut datagrams = Vec::new();
    for filter in sockets.udp {
        let token = Some(shared.shutdown.child_token());
        let connection = UdpConnection::from_socket(Arc::new(filter), None, token).await.map_err(stack)?;
        let connection = SipConnection::from(connection);
        datagrams.push(connection.clone());
        layer.add_transport(connection);
    }
    let _ = shared.datagrams.set(datagrams);
    let t1 = shared.timers.t1;
    let endpoint = EndpointBuilder::new()
        .with_transport_layer(layer)
        .with_cancel_token(shared.shutdown.child_token())
        .with_user_agent(SERVER)
        .with_option(EndpointOption {
            t1,
            t2: t1 * 8,
            t4: t1 * 10,
            t1x64: shared.timers.transaction(),
            callid_format: CallIdFormat::Uuid,
            // The stack would take the way and the URI from the response alone.
            auto_ack_2xx: false,
            ..Default::default()
        })
        .with_inspector(Box::new(outgoing::Completion {
            refused: Arc::clone(&shared.refused),
            observer: Arc::clone(&shared.observer),
        }))
        .with_transport_inspector(Box::new(guards::Guard(Arc::clone(shared))))
        .build();
    let _ = shared.endpoint.set(Arc::downgrade(&endpoint.inner));
    let (streams, outgoing) = Streams::open(&endpoint.inner.transport_layer).await.map_err(stack)?;
    let _ = shared.streams.set(streams);
    let incoming = endpoint.incoming_transactions().map_err(stack)?;
    let mut tasks = vec![tokio::spawn(dispatch_all(Arc::clone(shared), incoming))];
    tasks.push(tokio::spawn(deliver_all(Arc::clone(shared), outgoing)));
    tasks.push(tokio::spawn(async move { endpoint.serve().await }));
    let places = listener::Places::default();
    for (listener, transport) in sockets.streams {
        let (door, shared) = (Arc::clone(&door), Arc::clone(shared));
        let acceptor = listener::Acceptor::new(listener, transport, door, shared, places.clone());
        tasks.push(tokio::spawn(acceptor.run()));
    }
    Ok(tasks)
}

/// One task per transaction.
async fn dispatch_all(shared: Arc<Shared>, mut incoming: TransactionReceiver) {
    while let Some(transaction) = incoming.recv().await {
        tokio::spawn(dispatch::handle(Arc::clone(&shared), transaction));
    }
}
