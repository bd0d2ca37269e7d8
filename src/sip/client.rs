//! Our requests within a dialog, BYE and NOTIFY: where they go, over what, and what comes of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Header, Method, Request, Response, SipMessage};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::time::timeout;

use super::ack::Acks;
use super::contact::OurEnd;
use super::dialog::{Hop, is_one_host};
use super::dispatch::Place;
use super::outgoing::for_the_wire;
use super::settings::Transport;
use super::shared::{Flow, Shared};
use super::stream;
use super::usage::SharedDialog;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(3);
/// How long a stream may take to open when there is another way.
const OPEN_STREAM: Duration = Duration::from_secs(1);
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
}

/// A stream that we have opened.
struct Dialled {
    hop: Hop,
    to: SocketAddr,
    connection: SipConnection,
    flow: Arc<Flow>,
}

struct Route {
    connection: SipConnection,
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
        Self { place, connection, dialled: None, has_no_stream: false }
    }

    /// The peer has spoken again, perhaps from elsewhere.
    pub(super) fn follow(&mut self, place: Place, connection: Option<SipConnection>) {
        (self.place, self.connection) = (place, connection);
    }

    /// Sends a request and waits for its final response, or for the transaction to give up.
    pub(super) async fn send(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, draft: Draft) -> Sent {
        let limit = shared.timers.transaction() + RESOLVE + Duration::from_secs(1);
        let method = draft.method;
        let sent = match timeout(limit, self.transact(shared, dialog, draft)).await {
            Ok(Ok(response)) => Sent::Answered(response.status_code.code()),
            Ok(Err(sent)) => sent,
            Err(_) => Sent::Unanswered,
        };
        tracing::debug!(call_id = %dialog.id().call_id, %method, ?sent, "request of ours is done");
        sent
    }

    /// The same with the whole response, if there is one.
    pub(super) async fn ask(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, draft: Draft) -> Option<Response> {
        let limit = shared.timers.transaction() + RESOLVE + Duration::from_secs(1);
        timeout(limit, self.transact(shared, dialog, draft)).await.ok()?.ok()
    }

    async fn transact(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, draft: Draft) -> Result<Response, Sent> {
        let endpoint = shared.endpoint().ok_or(Sent::NoRoute)?;
        if let Some((place, connection)) = dialog.whence() {
            self.follow(place, connection);
        }
        let size = draft.size(shared, dialog, Ends::of(&self.place));
        let Route { connection, destination, ends } = self.route(shared, dialog, size).await?;
        let turn = dialog.turn().await.ok_or(Sent::NoRoute)?;
        let request = draft.into_request(shared, dialog, ends);
        let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(|_| Sent::NoRoute)?;
        let acks = (request.method == Method::Invite)
            .then(|| Acks::new(dialog.ack(&request, ends.via.via(shared)), &request, (&connection, &destination)));
        let mut tx = Transaction::new_client(key.clone(), request, Arc::clone(&endpoint), Some(connection));
        tx.destination = Some(destination);
        tx.last_ack = acks.as_ref().map(|acks| acks.of_refusal.clone());
        tx.send().await.map_err(|_| Sent::NoRoute)?;
        drop(turn);
        while let Some(message) = tx.receive().await {
            if let SipMessage::Response(response) = message
                && response.status_code.code() >= 200
            {
                if let Some(acks) = acks.filter(|_| response.status_code.code() < 300) {
                    drop(tx);
                    acks.acknowledge(&endpoint, key).await;
                }
                return Ok(response);
            }
        }
        Err(Sent::Unanswered)
    }

    /// The connection of the dialog while it lives, else a new one; by datagram, to the next hop. What its URI asks for is done,
    /// and what is large goes by stream, as far as the peer has one. A stranger's goes to where he is, whatever its URI asks for.
    async fn route(&mut self, shared: &Arc<Shared>, dialog: &SharedDialog, size: usize) -> Result<Route, Sent> {
        let is_stranger = dialog.is_of_a_stranger();
        let hop = dialog.next_hop().filter(|hop| !is_stranger || leads_to(hop, self.place.source));
        if self.place.transport.is_stream() {
            let is_open = match (&self.place.flow, shared.flows.get(&self.place.source)) {
                (Some(ours), Some(open)) => Arc::ptr_eq(ours, &open),
                _ => false,
            };
            return match self.connection.clone().filter(|_| is_open) {
                Some(connection) => Ok(Route {
                    connection,
                    destination: address(self.place.transport, self.place.source),
                    ends: Ends::of(&self.place),
                }),
                None if is_stranger => Err(Sent::NoRoute),
                None => self.stream(shared, hop.ok_or(Sent::NoRoute)?).await.ok_or(Sent::NoRoute),
            };
        }
        let asks_for_stream = hop.as_ref().is_some_and(|hop| hop.transport == Some(Transport::Tcp));
        let wants_stream = size > SMALL || (asks_for_stream && !is_stranger);
        if let Some(hop) = hop.clone().filter(|_| wants_stream && !self.has_no_stream) {
            match timeout(OPEN_STREAM, self.stream(shared, hop)).await {
                Ok(Some(route)) => return Ok(route),
                Ok(None) | Err(_) => self.has_no_stream = true,
            }
        }
        if size > DATAGRAM {
            return Err(Sent::TooLarge);
        }
        if size > SMALL {
            let (user, call_id) = (&dialog.owner.aor, &dialog.id().call_id);
            tracing::debug!(%user, call_id, octets = size, "a large request goes by datagram, for no stream leads to the peer");
        }
        let to = match &hop {
            Some(hop) if !is_stranger => self.resolve(hop).await,
            _ => None,
        };
        Ok(Route {
            connection: self.connection.clone().ok_or(Sent::NoRoute)?,
            destination: address(Transport::Udp, to.unwrap_or(self.place.source)),
            ends: Ends::of(&self.place),
        })
    }

    /// A stream of our own; the last one, while it is open and leads there.
    async fn stream(&mut self, shared: &Arc<Shared>, hop: Hop) -> Option<Route> {
        let ends = OurEnd::for_streams(shared, &self.place).map_or_else(
            // Who listens for no streams is reached by datagram as before; the answer comes back on the stream all the same.
            || Ends { via: OurEnd { transport: Transport::Tcp, address: self.place.local }, ..Ends::of(&self.place) },
            |end| Ends { via: end, contact: end },
        );
        let is_good = |dialled: &Dialled| dialled.hop == hop && !dialled.flow.closed.is_cancelled();
        if let Some(Dialled { to, connection, .. }) = self.dialled.as_ref().filter(|dialled| is_good(dialled)) {
            return Some(Route { connection: connection.clone(), destination: address(Transport::Tcp, *to), ends });
        }
        let to = self.resolve(&hop).await?;
        let connection = stream::connect(shared, to).await.ok()?;
        let flow = Arc::clone(&*shared.flows.get(&to)?);
        self.dialled = Some(Dialled { hop, to, connection: connection.clone(), flow });
        Some(Route { connection, destination: address(Transport::Tcp, to), ends })
    }

    async fn resolve(&self, hop: &Hop) -> Option<SocketAddr> {
        if let Ok(ip) = hop.host.parse() {
            return Some(SocketAddr::new(ip, hop.port));
        }
        let wants_v4 = self.place.local.is_ipv4();
        let lookup = tokio::net::lookup_host((hop.host.as_str(), hop.port));
        let found = timeout(RESOLVE, lookup).await.ok()?.ok()?;
        found.into_iter().find(|a| a.is_ipv4() == wants_v4 && is_one_host(a.ip()))
    }
}

/// Whether a hop is at that address, at whichever port.
fn leads_to(hop: &Hop, source: SocketAddr) -> bool {
    hop.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() == source.ip().to_canonical())
}

impl Draft {
    /// Octets on the wire.
    fn size(&self, shared: &Shared, dialog: &SharedDialog, ends: Ends) -> usize {
        let head = dialog.draft(self.method, ends.via.via(shared), self.all_fields(shared, dialog, ends), Vec::new());
        for_the_wire(&head.to_bytes()).len().saturating_add(self.body.len())
    }

    fn into_request(self, shared: &Shared, dialog: &SharedDialog, ends: Ends) -> Request {
        let fields = self.all_fields(shared, dialog, ends);
        dialog.request(self.method, ends.via.via(shared), fields, self.body)
    }

    fn all_fields(&self, shared: &Shared, dialog: &SharedDialog, ends: Ends) -> Vec<Header> {
        let contact = self.has_contact.then(|| dialog.contact(shared, ends.contact));
        contact.into_iter().chain(self.fields.iter().cloned()).collect()
    }
}

fn address(transport: Transport, to: SocketAddr) -> SipAddr {
    SipAddr { r#type: Some(transport.of_stack()), addr: to.into() }
}
