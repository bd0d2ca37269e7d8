//! Our requests within a dialog, BYE, NOTIFY and others: where they go, over what, and what comes of them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Header, Method, Request, Response, SipMessage};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::time::timeout;

use super::ack::Acks;
use super::contact::OurEnd;
use super::dialog::Hop;
use super::dispatch::Place;
use super::flow::Flow;
use super::locate::{Target, targets};
use super::outgoing::for_the_wire;
use super::settings::Transport;
use super::shared::{Shared, local_towards};
use super::stream;
use super::usage::SharedDialog;

/// How long a stream may take to open when there is none.
const REACH: Duration = Duration::from_secs(5);
/// How long a stream may take to open when there is another way.
const OPEN_STREAM: Duration = Duration::from_secs(1);
/// How long what came before the end of a connection may be on its way through the stack.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The largest request that goes by datagram when there is a stream as well (RFC 3261 §18.1.1).
const SMALL: usize = 1300;
/// The largest that fits a datagram, with room for the heads of IPv6 and UDP.
const DATAGRAM: usize = 60_000;

/// A request before it has a number, a route and a Via.
pub(super) struct Draft {
    pub(super) method: Method,
    /// Fields of its own.
    pub(super) fields: Vec<Header>,
    pub(super) has_contact: bool,
    pub(super) body: Vec<u8>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The final response.
    Answered(u16),
    /// There was none in time.
    Unanswered,
    /// The connection that it went over broke before there was any: as if that had been a 503 (RFC 3261 §8.1.3.1).
    Broken,
    /// There is no way to the peer.
    NoRoute,
    /// It is longer than a datagram, and no stream leads to the peer.
    TooLarge,
}

/// The way to a peer, as its requests have shown it, and what was learnt about it.
pub(super) struct Way {
    place: Place,
    connection: Option<SipConnection>,
    dialled: Option<Dialled>,
    /// Streams were tried in vain; they are not tried again.
    has_no_stream: bool,
    /// Where the last request was answered, of several places.
    reached: Option<Target>,
}

/// A stream that we have opened.
struct Dialled {
    hop: Hop,
    to: Target,
    connection: SipConnection,
    flow: Arc<Flow>,
}

/// One way to try.
enum Attempt {
    /// The connection that the peer came on.
    There(SipConnection),
    /// A datagram.
    Datagram(SipConnection, Target),
    /// A stream of our own.
    Stream(Hop, Target),
}

impl Attempt {
    const fn target(&self) -> Option<Target> {
        match self {
            Self::There(_) => None,
            Self::Datagram(_, to) | Self::Stream(_, to) => Some(*to),
        }
    }
}

struct Route {
    connection: SipConnection,
    /// The stream that it is, if it is one.
    flow: Option<Arc<Flow>>,
    destination: SipAddr,
    ends: Ends,
}

/// Where we are, for the Via and for the Contact of one request.
#[derive(Clone, Copy)]
struct Ends {
    via: OurEnd,
    contact: OurEnd,
}

impl Ends {
    fn of(place: &Place) -> Self {
        Self { via: OurEnd::of(place), contact: OurEnd::of(place) }
    }
}

impl Way {
    /// Back to where a request came from.
    pub(super) fn back(place: Place, connection: Option<SipConnection>) -> Self {
        Self { place, connection, dialled: None, has_no_stream: false, reached: None }
    }

    /// To a hop that nobody came from, wherever it is reached first: by stream what is large, where the hop does not ask for
    /// something else and a stream can be had. Where we are, as it sees us, and what leads there.
    pub(super) async fn towards(shared: &Arc<Shared>, hop: &Hop, size: usize) -> Option<(Place, SipConnection)> {
        let has_datagrams = shared.datagrams.get().is_some_and(|sockets| !sockets.is_empty());
        let is_had = |transport: &Transport| match transport {
            Transport::Udp => has_datagrams,
            Transport::Tls => shared.settings.tls.is_some(),
            _ => true,
        };
        let by_stream_first = [Transport::Tcp, Transport::Tls, Transport::Udp];
        let by_datagram_first = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let is_large = size > SMALL && hop.transport.is_none();
        for order in [by_stream_first, by_datagram_first].into_iter().skip(usize::from(!is_large)) {
            let can: Vec<Transport> = order.into_iter().filter(is_had).collect();
            for target in targets(&shared.settings.dns, hop, &can).await {
                if let Some(reached) = reach(shared, hop, target, is_large).await {
                    return Some(reached);
                }
            }
        }
        None
    }

    /// Acknowledges the 2xx to the INVITE of ours that opened the dialog, now and whenever it is repeated.
    pub(super) async fn acknowledge(
        &mut self,
        shared: &Arc<Shared>,
        dialog: &SharedDialog,
        invite: &Request,
        key: TransactionKey,
    ) {
        let (acks, endpoint) = (self.acks(shared, dialog, invite).await, shared.endpoint());
        if let (Some(acks), Some(endpoint)) = (acks, endpoint) {
            acks.acknowledge(&endpoint, key).await;
        }
    }

    /// The ACKs of that INVITE, if there is a way to its dialog.
    pub(super) async fn acks(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, invite: &Request) -> Option<Acks> {
        let mut route = None;
        for attempt in self.attempts(shared, dialog, 0).await.unwrap_or_default() {
            route = self.open(shared, attempt).await;
            if route.is_some() {
                break;
            }
        }
        let Route { connection, destination, ends, .. } = route?;
        let mut ack = dialog.ack(invite, ends.via.via(shared));
        // RFC 3261 §13.2.2.4: the credentials of the INVITE.
        let credentials = |h: &&Header| matches!(h, Header::Authorization(_) | Header::ProxyAuthorization(_));
        ack.headers.extend(invite.headers.iter().filter(credentials).cloned().collect::<Vec<_>>());
        Some(Acks::new(ack, invite, (&connection, &destination)))
    }

    /// The peer has spoken again, perhaps from elsewhere.
    pub(super) fn follow(&mut self, place: Place, connection: Option<SipConnection>) {
        (self.place, self.connection) = (place, connection);
    }

    /// Sends a request and waits for its final response, or for the transaction to give up.
    pub(super) async fn send(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, draft: Draft) -> Sent {
        self.send_and_read(shared, dialog, draft, |_| ()).await.0
    }

    /// The same, and what `read` makes of the final response, if there is one.
    pub(super) async fn send_and_read<R: Default>(
        &mut self,
        shared: &Arc<Shared>,
        dialog: &SharedDialog,
        draft: Draft,
        read: impl FnOnce(&Response) -> R,
    ) -> (Sent, R) {
        let method = draft.method;
        let (sent, made) = match self.transact(shared, dialog, draft).await {
            Ok(response) => (Sent::Answered(response.status_code.code()), read(&response)),
            Err(sent) => (sent, R::default()),
        };
        tracing::debug!(call_id = %dialog.id().call_id, %method, ?sent, "request of ours is done");
        (sent, made)
    }

    /// The same with the whole response, if there is one.
    pub(super) async fn ask(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, draft: Draft) -> Option<Response> {
        self.transact(shared, dialog, draft).await.ok()
    }

    /// Tries one way after the other, each with a request of its own, until somebody answers who is not overloaded
    /// (RFC 3263 §4.3).
    async fn transact(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, draft: Draft) -> Result<Response, Sent> {
        if let Some((place, connection)) = dialog.whence() {
            self.follow(place, connection);
        }
        let size = draft.size(shared, dialog, Ends::of(&self.place));
        let limit = shared.timers.transaction() + Duration::from_secs(1);
        let mut outcome = Err(Sent::NoRoute);
        let mut attempts = VecDeque::from(self.attempts(shared, dialog, size).await?);
        while let Some(attempt) = attempts.pop_front() {
            let to = attempt.target();
            let is_first = matches!(attempt, Attempt::There(_));
            if size > SMALL && matches!(attempt, Attempt::Datagram(..)) {
                let (user, call_id) = (&dialog.owner.aor, &dialog.id().call_id);
                tracing::debug!(%user, call_id, octets = size, "a large request goes by datagram, for no stream leads to the peer");
            }
            let Some(route) = self.open(shared, attempt).await else { continue };
            outcome = match timeout(limit, once(shared, dialog, &draft, route)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Sent::Unanswered),
            };
            match &outcome {
                // The stack says 408 where nobody answers.
                Ok(response) if matches!(response.status_code.code(), 408 | 503) => {}
                Ok(_) => {
                    self.reached = to;
                    break;
                }
                Err(why) => {
                    tracing::debug!(call_id = %dialog.id().call_id, ?to, ?why, "a way to a peer is dead");
                    // What a peer came on is gone: he is looked for as where it had been gone before.
                    if *why == Sent::Broken && is_first {
                        attempts.extend(self.attempts(shared, dialog, size).await.unwrap_or_default());
                    }
                }
            }
        }
        if matches!(outcome, Err(Sent::NoRoute)) && size > DATAGRAM && !self.place.transport.is_stream() {
            return Err(Sent::TooLarge);
        }
        outcome
    }

    /// The connection of the dialog while it lives, else a new one; by datagram, to the next hop. What its URI asks for is done,
    /// and what is large goes by stream, as far as the peer has one. A stranger's goes to where he is, whatever its URI asks for.
    async fn attempts(
        &mut self,
        shared: &Arc<Shared>,
        dialog: &SharedDialog,
        size: usize,
    ) -> Result<Vec<Attempt>, Sent> {
        let is_stranger = dialog.is_of_a_stranger();
        let hop = dialog.next_hop().filter(|hop| !is_stranger || leads_to(hop, self.place.source));
        let place = self.place.transport;
        if place.is_stream() {
            let open = shared.flows.get(&(place, self.place.source));
            let is_open = matches!((&self.place.flow, open), (Some(ours), Some(open)) if Arc::ptr_eq(ours, &open));
            return match (self.connection.clone().filter(|_| is_open), hop) {
                (Some(connection), _) => Ok(vec![Attempt::There(connection)]),
                (None, Some(hop)) if !is_stranger => Ok(self.streams(shared, &hop).await),
                _ => Err(Sent::NoRoute),
            };
        }
        let connection = self.connection.clone().ok_or(Sent::NoRoute)?;
        let datagram = |address| Attempt::Datagram(connection.clone(), Target { transport: Transport::Udp, address });
        let asks_for_stream = hop.as_ref().is_some_and(|hop| hop.transport.is_some_and(Transport::is_stream));
        let wants_stream = size > SMALL || (asks_for_stream && !is_stranger);
        let mut attempts = match &hop {
            Some(hop) if wants_stream && !self.has_no_stream => self.streams(shared, hop).await,
            _ => Vec::new(),
        };
        if size > DATAGRAM {
            return if attempts.is_empty() { Err(Sent::TooLarge) } else { Ok(attempts) };
        }
        match hop {
            Some(hop) if !is_stranger => {
                let can = [Transport::Udp].into_iter().chain(self.streams_to(shared)).collect::<Vec<_>>();
                let anyhow = Hop { transport: hop.transport.filter(|wanted| !wanted.is_stream()), ..hop.clone() };
                for to in self.located(shared, &anyhow, &can).await {
                    if to.transport != Transport::Udp {
                        attempts.push(Attempt::Stream(hop.clone(), to));
                    } else if to.address.is_ipv4() == self.place.local.is_ipv4() {
                        attempts.push(datagram(to.address));
                    }
                }
                if !attempts.iter().any(|attempt| matches!(attempt, Attempt::Datagram(..))) {
                    attempts.push(datagram(self.place.source));
                }
            }
            _ => attempts.push(datagram(self.place.source)),
        }
        Ok(attempts)
    }

    /// Streams that lead to `hop`, also where it asks for datagrams (RFC 3261 §18.1.1).
    async fn streams(&self, shared: &Shared, hop: &Hop) -> Vec<Attempt> {
        let can = self.streams_to(shared);
        let hop = Hop { transport: hop.transport.filter(|wanted| wanted.is_stream()), ..hop.clone() };
        let found = self.located(shared, &hop, &can).await;
        found.into_iter().map(|to| Attempt::Stream(hop.clone(), to)).collect()
    }

    /// What we can dial. A peer that came under TLS is not spoken to without it.
    fn streams_to(&self, shared: &Shared) -> Vec<Transport> {
        let has_tls = shared.settings.tls.is_some().then_some(Transport::Tls);
        let tcp = (!self.place.transport.is_secure()).then_some(Transport::Tcp);
        tcp.into_iter().chain(has_tls).collect()
    }

    /// Where a hop is; first where the last request was answered.
    async fn located(&self, shared: &Shared, hop: &Hop, can: &[Transport]) -> Vec<Target> {
        let mut found = targets(&shared.settings.dns, hop, can).await;
        found.sort_by_key(|to| self.reached != Some(*to));
        found
    }

    async fn open(&mut self, shared: &Arc<Shared>, attempt: Attempt) -> Option<Route> {
        match attempt {
            Attempt::There(connection) => Some(Route {
                connection,
                flow: self.place.flow.clone(),
                destination: address(Target { transport: self.place.transport, address: self.place.source }),
                ends: Ends::of(&self.place),
            }),
            Attempt::Datagram(connection, to) => {
                Some(Route { connection, flow: None, destination: address(to), ends: Ends::of(&self.place) })
            }
            Attempt::Stream(hop, to) => self.stream(shared, hop, to).await,
        }
    }

    /// A stream of our own; the last one, while it is open and leads there.
    async fn stream(&mut self, shared: &Arc<Shared>, hop: Hop, to: Target) -> Option<Route> {
        let is_good =
            |dialled: &&Dialled| (&dialled.hop, dialled.to) == (&hop, to) && !dialled.flow.closed.is_cancelled();
        let open = self.dialled.as_ref().filter(is_good);
        let (connection, flow) = match open.map(|dialled| (dialled.connection.clone(), Arc::clone(&dialled.flow))) {
            Some(open) => open,
            None => {
                // Where there is another way, nobody waits long for this one.
                let has_another = !self.place.transport.is_stream();
                let dialling = stream::connect(shared, to, &hop.host);
                let dialled = match has_another {
                    true => timeout(OPEN_STREAM, dialling)
                        .await
                        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())),
                    false => dialling.await,
                };
                let (connection, flow) = match dialled {
                    Ok(dialled) => dialled,
                    Err(error) => {
                        tracing::debug!(transport = %to.transport, to = %to.address, %error, "no stream to a peer");
                        self.has_no_stream |= has_another;
                        return None;
                    }
                };
                self.dialled = Some(Dialled { hop, to, connection: connection.clone(), flow: Arc::clone(&flow) });
                self.has_no_stream = false;
                (connection, flow)
            }
        };
        let ends = OurEnd::for_streams(shared, &self.place, to).map_or_else(
            // Who listens for no streams is reached by datagram as before; the answer comes back on the stream all the same.
            || Ends { via: OurEnd { transport: to.transport, address: flow.local }, ..Ends::of(&self.place) },
            |end| Ends { via: end, contact: end },
        );
        Some(Route { connection, flow: Some(flow), destination: address(to), ends })
    }
}

/// One place of a hop, if it can be reached. Where there is another way, nobody waits long for a stream.
async fn reach(shared: &Arc<Shared>, hop: &Hop, to: Target, has_another: bool) -> Option<(Place, SipConnection)> {
    let Target { transport, address } = to;
    if transport == Transport::Udp {
        let of = |c: &SipConnection| c.get_addr().get_socketaddr().ok();
        let mut sockets = shared.datagrams.get()?.iter().filter_map(|c| Some((c, of(c)?)));
        let (connection, listen) = sockets.find(|(_, listen)| listen.is_ipv4() == address.is_ipv4())?;
        let local = local_towards(listen, address);
        return Some((Place { source: address, local, transport, flow: None }, connection.clone()));
    }
    let limit = if has_another { OPEN_STREAM } else { REACH };
    let (connection, flow) = timeout(limit, stream::connect(shared, to, &hop.host)).await.ok()?.ok()?;
    let here = Place { source: address, local: flow.local, transport: Transport::Udp, flow: None };
    let local = OurEnd::for_streams(shared, &here, to).map_or(flow.local, |end| end.address);
    Some((Place { source: address, local, transport, flow: Some(flow) }, connection))
}

/// One request, and its final response.
async fn once(shared: &Arc<Shared>, dialog: &SharedDialog, draft: &Draft, route: Route) -> Result<Response, Sent> {
    let endpoint = shared.endpoint().ok_or(Sent::NoRoute)?;
    let Route { connection, flow, destination, ends } = route;
    let turn = dialog.turn().await.ok_or(Sent::NoRoute)?;
    let request = draft.request(shared, dialog, ends);
    let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(|_| Sent::NoRoute)?;
    let acks = (request.method == Method::Invite)
        .then(|| Acks::new(dialog.ack(&request, ends.via.via(shared)), &request, (&connection, &destination)));
    let mut tx = Transaction::new_client(key.clone(), request, Arc::clone(&endpoint), Some(connection));
    tx.destination = Some(destination);
    tx.last_ack = acks.as_ref().map(|acks| acks.of_refusal.clone());
    tx.send().await.map_err(|_| Sent::NoRoute)?;
    drop(turn);
    let mut gone = std::pin::pin!(is_gone(flow));
    let mut is_heard = false;
    loop {
        // What is given up here is not taken up again, which the stack could not.
        let message = tokio::select! {
            biased;
            message = tx.receive() => message.ok_or(Sent::Unanswered)?,
            // Who has said that he has it may answer over another connection (RFC 3261 §18.2.2).
            () = gone.as_mut(), if !is_heard => return Err(Sent::Broken),
        };
        let SipMessage::Response(response) = message else { continue };
        is_heard = true;
        if response.status_code.code() >= 200 {
            if let Some(acks) = acks.filter(|_| response.status_code.code() < 300) {
                drop(tx);
                acks.acknowledge(&endpoint, key).await;
            }
            return Ok(response);
        }
    }
}

/// Resolves when nothing more comes over a connection; never where it is none that can break.
pub(super) async fn is_gone(flow: Option<Arc<Flow>>) {
    match flow {
        Some(flow) => {
            flow.closed.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        }
        None => std::future::pending().await,
    }
}

/// Whether a hop is at that address, at whichever port.
fn leads_to(hop: &Hop, source: std::net::SocketAddr) -> bool {
    hop.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() == source.ip().to_canonical())
}

impl Draft {
    /// Octets on the wire.
    fn size(&self, shared: &Shared, dialog: &SharedDialog, ends: Ends) -> usize {
        let head = dialog.draft(self.method, ends.via.via(shared), self.all_fields(shared, dialog, ends), Vec::new());
        for_the_wire(&head.to_bytes()).len().saturating_add(self.body.len())
    }

    fn request(&self, shared: &Shared, dialog: &SharedDialog, ends: Ends) -> Request {
        let fields = self.all_fields(shared, dialog, ends);
        dialog.request(self.method, ends.via.via(shared), fields, self.body.clone())
    }

    fn all_fields(&self, shared: &Shared, dialog: &SharedDialog, ends: Ends) -> Vec<Header> {
        let contact = self.has_contact.then(|| dialog.contact(shared, ends.contact));
        contact.into_iter().chain(self.fields.iter().cloned()).collect()
    }
}

pub(super) fn address(to: Target) -> SipAddr {
    SipAddr { r#type: Some(to.transport.of_stack()), addr: to.address.into() }
}
