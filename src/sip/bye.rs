//! Our BYE: the one request that we originate. Where it goes, and over what.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Request, SipMessage};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::time::timeout;

use super::dialog::Hop;
use super::dispatch::Place;
use super::settings::Transport;
use super::shared::{Shared, random_token};
use super::stream;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(3);

/// A BYE on its way.
pub(super) struct Bye {
    pub(super) request: Request,
    pub(super) hop: Option<Hop>,
    pub(super) place: Place,
    /// What the INVITE came over.
    pub(super) connection: Option<SipConnection>,
}

/// The Via of a request of ours. The stack would name the wrong transport on a stream.
pub(super) fn via(shared: &Shared, place: &Place) -> String {
    let transport = match place.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    format!("SIP/2.0/{transport} {};branch=z9hG4bK{};rport", shared.advertised(place.local), random_token())
}

impl Bye {
    /// Sends it and waits for the final response, or for the transaction to give up.
    pub(super) async fn send(self, shared: &Arc<Shared>) {
        let call_id = super::reply::field(&self.request, "call-id").unwrap_or_default().to_owned();
        let limit = shared.timers.transaction() + RESOLVE + Duration::from_secs(1);
        match timeout(limit, self.transact(shared)).await {
            Ok(Some(code)) => tracing::debug!(%call_id, code, "BYE was answered"),
            Ok(None) => tracing::info!(%call_id, "BYE could not be sent"),
            Err(_) => tracing::info!(%call_id, "BYE was not answered"),
        }
    }

    async fn transact(self, shared: &Arc<Shared>) -> Option<u16> {
        let endpoint = shared.endpoint()?;
        let (connection, destination) = self.route(shared).await?;
        let key = TransactionKey::from_request(&self.request, TransactionRole::Client).ok()?;
        let mut tx = Transaction::new_client(key, self.request, endpoint, Some(connection));
        tx.destination = Some(destination);
        tx.send().await.ok()?;
        while let Some(message) = tx.receive().await {
            if let SipMessage::Response(response) = message
                && response.status_code.code() >= 200
            {
                return Some(response.status_code.code());
            }
        }
        None
    }

    /// The connection of the dialog while it lives, else a new one; by datagram, to the next hop.
    async fn route(&self, shared: &Arc<Shared>) -> Option<(SipConnection, SipAddr)> {
        let r#type = match self.place.transport {
            Transport::Udp => rsipstack::sip::Transport::Udp,
            Transport::Tcp => rsipstack::sip::Transport::Tcp,
        };
        let address = |addr: SocketAddr| SipAddr { r#type: Some(r#type), addr: addr.into() };
        match self.place.transport {
            Transport::Udp => {
                let to = self.resolve().await.unwrap_or(self.place.source);
                Some((self.connection.clone()?, address(to)))
            }
            Transport::Tcp => {
                let is_open = match (&self.place.flow, shared.flows.get(&self.place.source)) {
                    (Some(ours), Some(open)) => Arc::ptr_eq(ours, &open),
                    _ => false,
                };
                if is_open {
                    return Some((self.connection.clone()?, address(self.place.source)));
                }
                let to = self.resolve().await?;
                Some((stream::connect(shared, to).await.ok()?, address(to)))
            }
        }
    }

    async fn resolve(&self) -> Option<SocketAddr> {
        let Hop { host, port } = self.hop.as_ref()?;
        if let Ok(ip) = host.parse() {
            return Some(SocketAddr::new(ip, *port));
        }
        let wants_v4 = self.place.local.is_ipv4();
        let found = timeout(RESOLVE, tokio::net::lookup_host((host.as_str(), *port))).await.ok()?.ok()?;
        found.into_iter().find(|a| a.is_ipv4() == wants_v4)
    }
}
