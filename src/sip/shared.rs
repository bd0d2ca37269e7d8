//! What the parts of the SIP driver share: settings, the focus, live calls, open streams, and counts that fence the queues of
//! the stack, which have no bound of their own.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use dashmap::DashMap;
use rand::Rng as _;
use rsipstack::transaction::endpoint::EndpointInner;
use rsipstack::transport::SipConnection;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::ack::Refusals;
use super::call::Event;
use super::current::Current;
use super::flow::Flow;
use super::forks::Forks;
use super::port::Focus;
use super::settings::{Listen, Settings, Transport};
use super::setup::Setups;
use super::shares::Shares;
use super::sources::Sources;
use super::streams::Streams;
use super::usage::SharedDialog;
use super::{GateObserver, Timers, notify};
use crate::config::live::Live;

/// Refused INVITEs whose refusal is repeated until its ACK, 32 s at most. At some 20 KiB each these are 40 MiB, and half of
/// [`RUNNING_TRANSACTIONS`]: whoever does not acknowledge his refusals leaves the other half to those who call. Further
/// refusals are sent once, and again whenever their INVITE is.
pub(super) const UNACKNOWLEDGED_REFUSALS: usize = 2048;
/// Transactions that run at a time; more requests get 503 before the stack sees them.
pub(super) const RUNNING_TRANSACTIONS: usize = 4096;
/// Answered transactions that the stack remembers for 32 s, at 2 KiB each (`cargo bench --bench sip_cycles`); more requests get
/// 503. A call has two, its INVITE and its BYE. So a proxy may bring 2,000 calls a second by datagram, as many as one core sets
/// up, within what one peer may take ([`shares`](super::shares)); that is 250 MiB, and all of it 375 MiB. Only what a peer of ours
/// or a verified user asks is remembered, and where memory is short nothing new is let in that early.
pub(super) const REMEMBERED_TRANSACTIONS: usize = 192_000;
/// By this share the two limits above are exceeded for requests within a call, so that calls can end when no more begin.
const RESERVE_FOR_CALLS: usize = 4;
/// Messages on their way from the sockets to the stack; a socket is not read while there are more.
pub(super) const QUEUED: usize = 1024;
/// Dialogs beyond which nobody subscribes or refers any more: each leg that there may be by default with three of its own. Calls
/// have their own limit.
pub(super) const DIALOGS: usize = 20_000;
/// `Retry-After` of a 503, in seconds.
pub(super) const RETRY_AFTER: u32 = 5;

/// Names a dialog as we see it (RFC 3261 §12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DialogId {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
}

/// A live call, for those who have a message for it.
#[derive(Debug, Clone)]
pub(super) struct CallHandle {
    pub(super) events: mpsc::Sender<Event>,
    /// CSeq number of the INVITE whose 2xx waits for its ACK; 0 when there is none.
    pub(super) unacknowledged: Arc<AtomicU32>,
    /// What its ACK brought, until the call looks at it.
    pub(super) acknowledgement: Arc<Mutex<Bytes>>,
    /// Whether it has been answered and not been ended.
    pub(super) is_talking: Arc<AtomicBool>,
    /// Whether a call is being set up that takes its place.
    pub(super) has_successor: Arc<AtomicBool>,
}

impl CallHandle {
    /// A call that is not answered.
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            events,
            unacknowledged: Arc::default(),
            acknowledgement: Arc::default(),
            is_talking: Arc::default(),
            has_successor: Arc::default(),
        }
    }

    /// The SDP of the last ACK, once; empty when it had none.
    pub(super) fn take_acknowledgement(&self) -> Bytes {
        std::mem::take(&mut *self.acknowledgement.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Everything that the parts share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) timers: Timers,
    pub(super) focus: Arc<dyn Focus>,
    pub(super) observer: Arc<dyn GateObserver>,
    pub(super) calls: DashMap<DialogId, CallHandle>,
    /// All dialogs, those of calls among them.
    pub(super) dialogs: DashMap<DialogId, Arc<SharedDialog>>,
    /// Places for NOTIFYs that wait for their answer.
    pub(super) notifies: Semaphore,
    /// What is listened on, with the ports that were given for port 0.
    pub(super) bound: OnceLock<Vec<Listen>>,
    /// By the far end.
    pub(super) flows: DashMap<(Transport, SocketAddr), Arc<Flow>>,
    pub(super) setups: Setups,
    /// The sockets for datagrams, as the stack has them.
    pub(super) datagrams: OnceLock<Vec<SipConnection>>,
    pub(super) refused: Arc<Refusals>,
    /// INVITEs of ours that several may answer.
    pub(super) forks: Forks,
    pub(super) sources: Sources,
    shares: Mutex<Shares>,
    /// What of the settings may change.
    pub(super) current: Live<Current>,
    refusals: Arc<Semaphore>,
    pub(super) endpoint: OnceLock<Weak<EndpointInner>>,
    /// What leads from stream connections to the stack and back.
    pub(super) streams: OnceLock<Streams>,
    pub(super) shutdown: CancellationToken,
    queued: AtomicUsize,
    taken: Notify,
    tag_key: RandomState,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        timers: Timers,
        focus: Arc<dyn Focus>,
        observer: Arc<dyn GateObserver>,
    ) -> Self {
        let sources = Sources::new(&settings.sources);
        let current = Live::new(Current::new(&settings));
        Self {
            settings,
            sources,
            shares: Mutex::new(Shares::new(timers.remembered, Instant::now())),
            current,
            timers,
            focus,
            observer,
            calls: DashMap::new(),
            dialogs: DashMap::new(),
            notifies: Semaphore::new(notify::IN_FLIGHT),
            bound: OnceLock::new(),
            flows: DashMap::new(),
            setups: Setups::default(),
            datagrams: OnceLock::new(),
            refused: Arc::default(),
            forks: Forks::default(),
            refusals: Arc::new(Semaphore::new(UNACKNOWLEDGED_REFUSALS)),
            endpoint: OnceLock::new(),
            streams: OnceLock::new(),
            shutdown: CancellationToken::new(),
            queued: AtomicUsize::new(0),
            taken: Notify::new(),
            tag_key: RandomState::new(),
        }
    }

    pub(super) fn endpoint(&self) -> Option<Arc<EndpointInner>> {
        self.endpoint.get().and_then(Weak::upgrade)
    }

    /// Whether the stack has as many transactions as it may.
    pub(super) fn is_overloaded(&self, is_within_a_call: bool) -> bool {
        let limit = |limit: usize| if is_within_a_call { limit + limit / RESERVE_FOR_CALLS } else { limit };
        self.endpoint().is_some_and(|endpoint| {
            let stats = endpoint.get_stats();
            stats.running_transactions >= limit(RUNNING_TRANSACTIONS)
                || stats.finished_transactions >= limit(self.timers.remembered)
        })
    }

    /// Counts a request of a peer that we trust; false when it has its share of what is remembered. Those within its calls count,
    /// and are let in all the same.
    pub(super) fn is_within_share(&self, peer: IpAddr, is_of_a_call: bool) -> bool {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.take(peer, is_of_a_call, Instant::now())
    }

    /// A place among the refused INVITEs that wait for their ACK, while there is one.
    pub(super) fn place_for_refusal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }

    /// A tag that is the same for the same text as long as we run, and that nobody guesses.
    pub(super) fn tag_for(&self, text: &str) -> String {
        format!("{:016x}", self.tag_key.hash_one(text))
    }

    /// Waits until one more message may be queued for the stack, and counts it. Cancel-safe.
    pub(super) async fn enqueue(&self) {
        loop {
            let taken = self.taken.notified();
            let place =
                self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < QUEUED).then_some(n + 1));
            if place.is_ok() {
                return;
            }
            taken.await;
        }
    }

    /// The stack has taken one message.
    pub(super) fn dequeued(&self) {
        let _ = self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        self.taken.notify_waiters();
    }

    /// Whether requests from there are believed when they say who is calling.
    pub(super) fn is_trusted(&self, source: IpAddr, transport: Transport, names: &[String]) -> bool {
        let current = self.current.now();
        let Current { trusted_peers, trusted_names, .. } = &*current;
        names.iter().any(|name| trusted_names.contains(name))
            || super::identity::is_trusted(trusted_peers, source, transport)
    }

    /// Whether a peer of ours is there, who may have as many connections as he likes.
    pub(super) fn is_of_a_peer(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.current.now().trusted_peers.iter().any(|peer| peer.network.contains(&source))
    }

    /// Host and port for Via and Contact of a dialog whose local end is `local`.
    pub(super) fn advertised(&self, local: SocketAddr) -> String {
        match &self.settings.advertise {
            Some((host, port)) => format!("{host}:{}", port.unwrap_or_else(|| local.port())),
            None => local.to_string(),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

/// Sixteen hexadecimal digits that nobody guesses.
pub(super) fn random_token() -> String {
    format!("{:016x}", rand::rng().random::<u64>())
}

/// The id that is in a Warning and in the log.
pub(super) fn short_id() -> String {
    format!("{:08x}", rand::rng().random::<u32>())
}

/// Our address as `peer` sees it when we listen on all of them; nothing is sent to find out.
pub(super) fn local_towards(listen: SocketAddr, peer: SocketAddr) -> SocketAddr {
    if !listen.ip().is_unspecified() {
        return listen;
    }
    let found = UdpSocket::bind(SocketAddr::new(listen.ip(), 0))
        .and_then(|socket| socket.connect(peer).and_then(|()| socket.local_addr()));
    found.map_or(listen, |found| SocketAddr::new(found.ip(), listen.port()))
}
