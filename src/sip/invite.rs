//! Requests of a call whose transactions outlive one step of it: INVITEs, which run in tasks of their own because a
//! transaction of the stack only lives while it is polled, and UPDATEs that wait for the room.

use std::sync::{Arc, OnceLock};

use rsipstack::dialog::DialogId;
use rsipstack::sip::{Method, Request, Response, SipMessage};
use rsipstack::transaction::TransactionState;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::{Transaction, TransactionEvent, TransactionEventSender};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::call::Event;
use super::dialog::cseq;
use super::shared::Shared;

/// An INVITE whose transaction runs in a task of its own.
pub(super) struct Invite {
    pub(super) request: Box<Request>,
    /// Its CSeq number.
    pub(super) number: u32,
    key: TransactionKey,
    responses: TransactionEventSender,
    /// The place among the refusals that wait for their ACK, once there is one; given back when the task ends as well.
    refusal_place: Arc<OnceLock<OwnedSemaphorePermit>>,
}

impl Invite {
    /// Runs the transaction until it is over, and tells `events` what happens to it. That it comes to an end is seen to by
    /// [`Invite::finish`], which every call reaches, or by [`Invite::terminate`].
    pub(super) fn run(mut tx: Transaction, events: mpsc::Sender<Event>) -> Self {
        let number = cseq(&tx.original).unwrap_or_default();
        let invite = Self {
            request: Box::new(tx.original.clone()),
            number,
            key: tx.key.clone(),
            responses: tx.tu_sender.clone(),
            refusal_place: Arc::default(),
        };
        let refusal_place = Arc::clone(&invite.refusal_place);
        tokio::spawn(async move {
            while let Some(message) = tx.receive().await {
                let SipMessage::Request(request) = message else { continue };
                let event = match request.method {
                    Method::Cancel => Event::Cancelled(number),
                    Method::Ack => Event::Acknowledged(number),
                    _ => continue,
                };
                // A call that is gone has left the rest to this transaction.
                let _ = events.send(event).await;
            }
            end_refused(tx);
            drop(refusal_place);
            let _ = events.send(Event::Over(number)).await;
        });
        invite
    }

    /// A provisional response, or the last one.
    pub(super) fn respond(&self, response: Response) {
        let _ = self.responses.send(TransactionEvent::Respond(response));
    }

    /// Ends the transaction at once: its last response is not repeated on our own any more.
    pub(super) fn terminate(&self) {
        let _ = self.responses.send(TransactionEvent::Terminate(self.key.clone()));
    }

    /// The last response. Should it get lost in a broken connection, the transaction ends all the same.
    pub(super) fn finish(&self, response: Response, shared: &Shared) {
        let is_refusal = response.status_code.code() >= 300;
        self.respond(response);
        if is_refusal {
            match shared.place_for_refusal() {
                Some(place) => drop(self.refusal_place.set(place)),
                None => return self.terminate(),
            }
        }
        let (responses, key) = (self.responses.clone(), self.key.clone());
        let patience = shared.timers.transaction() + shared.timers.t1 * 16;
        tokio::spawn(async move {
            tokio::select! {
                () = responses.closed() => {}
                () = tokio::time::sleep(patience) => {
                    let _ = responses.send(TransactionEvent::Terminate(key));
                }
            }
        });
    }
}

/// Sends the final response of a transaction that no call has, and repeats a refused INVITE's until the ACK comes. When too
/// many wait for one already, it is sent once, and again whenever the INVITE is.
pub(super) async fn finish(shared: &Shared, mut tx: Transaction, response: Response) {
    if tx.respond(response).await.is_err() || tx.original.method != Method::Invite {
        return;
    }
    if let Some(_place) = shared.place_for_refusal() {
        while tx.receive().await.is_some() {}
    }
    end_refused(tx);
}

/// Leaves a transaction to the memory of the stack. It finds the ACK of a refusal by its branch there; the second index that it
/// would keep for half a minute is walked through with each transaction that it forgets.
fn end_refused(tx: Transaction) {
    if tx.state != TransactionState::Completed {
        return;
    }
    let dialog = tx.last_response.as_ref().and_then(|r| DialogId::try_from((r, TransactionRole::Server)).ok());
    if let Some(dialog) = dialog
        && tx.endpoint_inner.waiting_ack.get(&dialog).as_ref() == Some(&tx.key)
    {
        tx.endpoint_inner.waiting_ack.remove(&dialog);
    }
}

/// A re-INVITE or UPDATE that the room has not answered.
pub(super) enum Pending {
    Invite(Invite),
    Update(Box<Transaction>),
}

impl Pending {
    /// The request that waits.
    pub(super) fn request(&self) -> &Request {
        match self {
            Self::Invite(invite) => &invite.request,
            Self::Update(tx) => &tx.original,
        }
    }
}
