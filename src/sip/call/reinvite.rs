//! Offers within a call: re-INVITE and UPDATE (RFC 3261 §14.2, RFC 3311 §5.2). One at a time, and the room answers.

use bytes::Bytes;
use rsipstack::sip::{Header, Method};
use rsipstack::transaction::transaction::Transaction;

use super::Call;
use crate::hub::mail::CallMail;
use crate::sip::dispatch::Refused;
use crate::sip::gate::ALLOW;
use crate::sip::invite::{Invite, Pending};
use crate::sip::port::Refusal;
use crate::sip::reply;

impl Call {
    /// RFC 3261 §14.2, RFC 3311 §5.2.
    pub(super) async fn on_reinvite(&mut self, mut tx: Transaction, offer: Bytes) {
        self.catch_up().await;
        let is_invite = tx.original.method == Method::Invite;
        if !is_invite && offer.is_empty() {
            self.dialog.refresh_target(&tx.original);
            let mut fields = vec![self.contact(), Header::Allow(ALLOW.into())];
            fields.extend(self.keep_session(&tx.original, None));
            let response = reply::response(&tx.original, 200, fields, Vec::new());
            self.answer(tx, response);
            return;
        }
        if self.pending.is_some() || self.is_ringing() {
            let seconds = rand::random_range(0..=10);
            let refused = Refused::new(500, "offer_pending", "the last offer has no answer yet");
            return self.refuse(tx, refused.retry_after(seconds));
        }
        if self.is_unacknowledged() {
            return self.refuse(tx, Refused::new(491, "glare", "the last answer has no ACK yet"));
        }
        if self.keeping.is_offering() {
            return self.refuse(tx, Refused::new(491, "glare", "our own offer has no answer yet"));
        }
        if is_invite {
            if tx.respond(reply::response(&tx.original, 100, Vec::new(), Vec::new())).await.is_err() {
                return;
            }
            self.pending = Some(Pending::Invite(Invite::run(tx, self.handle.events.clone())));
        } else {
            self.pending = Some(Pending::Update(Box::new(tx)));
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let weight = offer.len();
        self.tell(CallMail::Reinvite { offer }, weight).await;
    }

    pub(super) async fn answer_reinvite(&mut self, answer: Result<Bytes, Refusal>) {
        let Some(pending) = self.pending.take() else { return };
        let response = match answer {
            Ok(answer) => {
                self.dialog.refresh_target(pending.request());
                self.ok(pending.request(), &answer)
            }
            Err(refusal) => {
                let refused = Refused { refusal, label: "room", fields: Vec::new() };
                self.refusal(refused, pending.request())
            }
        };
        match pending {
            Pending::Invite(invite) => {
                if response.status_code.code() < 300 {
                    self.accept(invite, response);
                } else {
                    invite.finish(response, &self.shared);
                }
            }
            Pending::Update(tx) => {
                let is_accepted = response.status_code.code() < 300;
                self.answer(*tx, response);
                if is_accepted {
                    self.tell(CallMail::Confirmed, 0).await;
                }
            }
        }
    }

    pub(super) async fn refuse_pending(&mut self, refused: Refused) {
        match self.pending.take() {
            Some(Pending::Invite(invite)) => {
                invite.finish(self.refusal(refused, &invite.request), &self.shared);
            }
            Some(Pending::Update(tx)) => self.refuse(*tx, refused),
            None => {}
        }
    }
}
