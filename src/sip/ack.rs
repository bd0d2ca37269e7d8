//! The ACKs of an INVITE of ours within a dialog. The stack would take way and URI of one from the response alone.

use rsipstack::sip::{Header, Request, Uri};
use rsipstack::transaction::endpoint::EndpointInner;
use rsipstack::transaction::key::TransactionKey;
use rsipstack::transport::{SipAddr, SipConnection};

/// One for either outcome.
pub(super) struct Acks {
    /// That of a refusal belongs to the transaction of its INVITE (RFC 3261 §17.1.1.3).
    pub(super) of_refusal: Request,
    of_success: Request,
    connection: SipConnection,
    destination: SipAddr,
}

impl Acks {
    /// `ack` is that of a 2xx.
    pub(super) fn new(ack: Request, invite: &Request, (connection, destination): (&SipConnection, &SipAddr)) -> Self {
        let via = |h: &&Header| matches!(h, Header::Via(_));
        let mut of_refusal = ack.clone();
        let ours = of_refusal.headers.iter_mut().find(|h| matches!(h, Header::Via(_)));
        if let (Some(ours), Some(of_invite)) = (ours, invite.headers.iter().find(via)) {
            *ours = of_invite.clone();
        }
        // Where the stack reads the way of the repeated ones; the URI that goes out is in a field of our own.
        let uri = Uri::try_from(format!("sip:{}", destination.addr)).unwrap_or_default();
        let (connection, destination) = (connection.clone(), destination.clone());
        Self { of_refusal, of_success: Request { uri, ..ack }, connection, destination }
    }

    /// Sends that of a 2xx, now and whenever the 2xx is repeated (RFC 3261 §13.2.2.4). Its transaction is over.
    pub(super) async fn acknowledge(self, endpoint: &EndpointInner, invite: TransactionKey) {
        endpoint.finished_transactions.insert(invite, Some(self.of_success.clone().into()));
        // A lost one is asked for by the repetition of the 2xx.
        let _ = self.connection.send(self.of_success.into(), Some(&self.destination)).await;
    }
}
