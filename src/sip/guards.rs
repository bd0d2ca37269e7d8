//! Watches what the stack takes from its queue, so that its one dispatch loop never waits for a peer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rsipstack::sip::{Header, Method, Request, SipMessage};
use rsipstack::transaction::endpoint::TransportEventInspector;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::{SipConnection, TransportEvent};

use super::dialog::cseq;
use super::dispatch::{far_end, offer};
use super::flow::flow_key;
use super::forks;
use super::head::parameter;
use super::reply::field;
use super::rungs;
use super::shared::{DialogId, Shared};
use crate::observe::ladder::Way;

/// How long a stream may take to accept one answer that the stack gives on its own.
const ANSWER: Duration = Duration::from_secs(5);

/// The inspector of the stack's queue.
pub(super) struct Guard(pub(super) Arc<Shared>);

#[async_trait::async_trait]
impl TransportEventInspector for Guard {
    async fn handle(&self, event: TransportEvent) -> Option<TransportEvent> {
        let TransportEvent::Incoming(message, connection, from) = event else { return Some(event) };
        self.0.dequeued();
        rungs::note(self.0.observer.ladder(), &message, Way::In);
        if let SipMessage::Response(response) = &message
            && forks::is_of_another_phone(&self.0, response)
        {
            return None;
        }
        let SipMessage::Request(mut request) = message else {
            return Some(TransportEvent::Incoming(message, connection, from));
        };
        if request.method == Method::Ack {
            self.lead_ack_home(&mut request);
        } else if connection.is_reliable() && !self.may_block(&request, &connection) {
            return None;
        }
        Some(TransportEvent::Incoming(request.into(), connection, from))
    }
}

impl Guard {
    /// False when the stack is not to see the request here: it would wait for the connection before it goes on with others.
    fn may_block(&self, request: &Request, connection: &SipConnection) -> bool {
        let Some(endpoint) = self.0.endpoint() else { return true };
        let Ok(key) = TransactionKey::from_request(request, TransactionRole::Server) else { return false };
        if request.method == Method::Cancel {
            if endpoint.transactions.contains_key(&key) {
                return true;
            }
            // The stack answers with 200 or 481, at once and by itself.
            let (request, connection) = (request.clone(), connection.clone());
            tokio::spawn(async move {
                let from = connection.get_addr().clone();
                let answer = endpoint.on_received_message(request.into(), connection.clone(), &from);
                if tokio::time::timeout(ANSWER, answer).await.is_err() {
                    endpoint.transport_layer.remove_connection(&connection);
                }
            });
            return false;
        }
        // On a stream a request that was answered does not come again (RFC 3261 §17.2.2: timer J is zero).
        if endpoint.finished_transactions.contains_key(&key) {
            let peer = far_end(connection.get_addr());
            if let Some(flow) = peer.and_then(|peer| self.0.flows.get(&peer).map(|f| Arc::clone(&f))) {
                flow.end(&flow_key(field(request, "via"), field(request, "cseq")));
            }
            return false;
        }
        true
    }

    /// Notes an ACK in the order of the wire, for the transaction it goes to tells the call only later than what the peer sent
    /// next. One with a number too high is that of the one 2xx that has none yet (E-19: RFC 7702 itself prints such
    /// ACKs).
    fn lead_ack_home(&self, ack: &mut Request) {
        let Some(id) = dialog_id(ack) else { return };
        let Some(call) = self.0.calls.get(&id).map(|call| call.clone()) else { return };
        let expected = call.unacknowledged.load(Ordering::Acquire);
        // A lower one is the late ACK of an INVITE before.
        let Some(number) = cseq(ack).filter(|number| expected != 0 && *number >= expected) else { return };
        if number > expected && self.is_of_a_refusal(ack) {
            return;
        }
        // The answer to an offer of ours, for the call to find when it hears of the ACK. There is no way to refuse another body.
        *call.acknowledgement.lock().unwrap_or_else(PoisonError::into_inner) = offer(ack).unwrap_or_default();
        let _ = call.unacknowledged.compare_exchange(expected, 0, Ordering::AcqRel, Ordering::Acquire);
        if number == expected {
            return;
        }
        for header in ack.headers.iter_mut() {
            if let Header::CSeq(value) = header {
                value.replace(format!("{expected} ACK"));
            }
        }
    }

    /// Whether there is an INVITE with the number and the branch of this ACK: it was refused, for the one that was accepted has
    /// another number (RFC 3261 §17.2.3).
    fn is_of_a_refusal(&self, ack: &Request) -> bool {
        let (endpoint, key) = (self.0.endpoint(), TransactionKey::from_request(ack, TransactionRole::Server));
        matches!((endpoint, key), (Some(endpoint), Ok(key)) if endpoint.transactions.contains_key(&key))
    }
}

/// The dialog of a request from our peer.
pub(super) fn dialog_id(request: &Request) -> Option<DialogId> {
    Some(DialogId {
        call_id: field(request, "call-id")?.to_owned(),
        local_tag: parameter(field(request, "to")?, "tag")?.to_owned(),
        remote_tag: parameter(field(request, "from")?, "tag")?.to_owned(),
    })
}
