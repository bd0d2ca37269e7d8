//! The ACKs of an INVITE of ours. The stack would take way and URI of one from the response alone.

use dashmap::DashMap;
use rsipstack::sip::{Header, Request, Response, Uri};
use rsipstack::transaction::endpoint::EndpointInner;
use rsipstack::transaction::key::TransactionKey;
use rsipstack::transport::{SipAddr, SipConnection};

use super::head::parameter;
use super::rewrite::TO;

/// INVITEs of ours that open a dialog, by their branch: an ACK of a refusal has to have the To of that refusal (RFC 3261 §17.1.1.3),
/// which the stack sends before anybody sees it.
#[derive(Debug, Default)]
pub(super) struct Refusals(DashMap<String, Option<String>>);

impl Refusals {
    /// An INVITE goes out.
    pub(super) fn expect(&self, branch: &str) {
        self.0.insert(branch.to_owned(), None);
    }

    /// Its transaction is over.
    pub(super) fn forget(&self, branch: &str) {
        self.0.remove(branch);
    }

    /// A response came; of the last one to such an INVITE its tag is noted.
    pub(super) fn heard(&self, response: &Response) {
        if self.0.is_empty() || response.status_code.code() < 300 {
            return;
        }
        let value = |is_it: fn(&Header) -> bool| response.headers.iter().find(|h| is_it(h)).map(Header::value);
        let branch = value(|h| matches!(h, Header::Via(_))).and_then(|via| parameter(via, "branch"));
        let tag = value(|h| matches!(h, Header::To(_))).and_then(|to| parameter(to, "tag"));
        if let Some(mut noted) = branch.and_then(|branch| self.0.get_mut(branch)) {
            *noted = tag.map(str::to_owned);
        }
    }

    /// Completes the ACK of such a refusal.
    pub(super) fn complete(&self, ack: &mut Request) {
        let via = ack.headers.iter().find(|h| matches!(h, Header::Via(_))).map(Header::value);
        let noted = via.and_then(|via| parameter(via, "branch")).and_then(|branch| self.0.get(branch));
        let Some(tag) = noted.and_then(|noted| noted.clone()) else { return };
        for header in ack.headers.iter_mut() {
            match header {
                Header::To(to) if parameter(to.value(), "tag").is_none() => {
                    let tagged = format!("{};tag={tag}", to.value());
                    to.replace(tagged);
                }
                Header::Other(name, value) if name == TO && parameter(value, "tag").is_none() => {
                    value.push_str(&format!(";tag={tag}"));
                }
                _ => {}
            }
        }
    }
}

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
        self.send().await;
    }

    /// Sends that of a 2xx this once.
    pub(super) async fn send(&self) {
        // A lost one is asked for by the repetition of the 2xx.
        let _ = self.connection.send(self.of_success.clone().into(), Some(&self.destination)).await;
    }
}
