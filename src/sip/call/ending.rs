//! How a call ends: by its caller, by its room, or because one of them is gone (RFC 3261 §9.2, §13.3.1.4, §15).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rsipstack::sip::{Header, Method};
use rsipstack::transaction::transaction::Transaction;

use super::{Call, Event, Phase};
use crate::hub::mail::{CallEnd, CallMail};
use crate::sip::client::{Draft, Way};
use crate::sip::dispatch::Refused;
use crate::sip::invite::Pending;
use crate::sip::{reason, reply};

impl Call {
    pub(super) fn on_bye_wanted(&mut self, cause: u16, text: String) -> Option<CallEnd> {
        self.hang_up(cause, text, CallEnd::ByUs)
    }

    /// Ends the call as soon as may be.
    pub(super) fn hang_up(&mut self, cause: u16, text: String, end: CallEnd) -> Option<CallEnd> {
        match &self.phase {
            Phase::Ringing { invite, .. } => {
                // Whoever changed his mind before the final response refuses.
                let code = if (300..700).contains(&cause) { cause } else { 480 };
                let refused = Refused::new(code, "room", text);
                invite.finish(self.refusal(refused, &invite.request), &self.shared);
                Some(CallEnd::ByUs)
            }
            Phase::Talking if self.is_unacknowledged() => {
                self.wanted_bye = Some((cause, text, end));
                None
            }
            Phase::Talking => {
                self.leave(cause, &text, end);
                None
            }
            Phase::Leaving(_) => None,
        }
    }

    pub(super) async fn on_room_gone(&mut self) -> Option<CallEnd> {
        match &self.phase {
            Phase::Ringing { .. } => self.on_bye_wanted(500, "the room failed".into()),
            Phase::Talking => {
                self.refuse_pending(Refused::new(500, "room_gone", "the room failed")).await;
                self.on_bye_wanted(500, "the room failed".into())
            }
            Phase::Leaving(_) => None,
        }
    }

    pub(super) async fn on_cancelled(&mut self, number: u32) -> Option<CallEnd> {
        match &self.phase {
            Phase::Ringing { invite, .. } if invite.number == number => {
                let refused = Refused::new(487, "cancelled", "the call was cancelled");
                invite.finish(self.refusal(refused, &invite.request), &self.shared);
                self.tell(CallMail::Cancelled, 0).await;
                Some(CallEnd::ByUs)
            }
            _ => {
                let is_pending = matches!(&self.pending, Some(Pending::Invite(invite)) if invite.number == number);
                if is_pending {
                    self.refuse_pending(Refused::new(487, "cancelled", "the request was cancelled")).await;
                }
                None
            }
        }
    }

    pub(super) async fn on_bye(&mut self, tx: Transaction) -> Option<CallEnd> {
        self.catch_up().await;
        let reason = reason::text_of(&tx.original);
        let response = reply::response(&tx.original, 200, Vec::new(), Vec::new());
        self.answer(tx, response);
        self.refuse_pending(Refused::new(487, "ended", "the dialog has ended")).await;
        match &self.phase {
            Phase::Ringing { invite, .. } => {
                let refused = Refused::new(487, "cancelled", "the call was ended before it was answered");
                invite.finish(self.refusal(refused, &invite.request), &self.shared);
                self.tell(CallMail::Cancelled, 0).await;
                Some(CallEnd::ByUs)
            }
            Phase::Talking => Some(CallEnd::Bye { reason }),
            // Both said BYE; ours is waited for.
            Phase::Leaving(_) => None,
        }
    }

    /// RFC 3261 §13.3.1.4.
    pub(super) fn on_no_ack(&mut self) -> Option<CallEnd> {
        self.ack_deadline = None;
        self.repeating = None;
        self.handle.unacknowledged.store(0, Ordering::Release);
        if matches!(self.phase, Phase::Talking) {
            self.leave(408, "no ACK came", CallEnd::NoAck);
        }
        None
    }

    /// RFC 3891 §3: the call that this one replaces is shut down once nothing can come between any more.
    pub(super) fn take_its_place(&mut self) {
        if let Some(succession) = self.replaces.take() {
            succession.begin();
        }
    }

    pub(super) fn on_replaced(&mut self) -> Option<CallEnd> {
        match self.phase {
            Phase::Talking => self.hang_up(200, "another call has taken its place".into(), CallEnd::Replaced),
            _ => None,
        }
    }

    /// Says BYE, in a task of its own; the call waits for its end. The room does not, for nobody may be there to answer: the session
    /// is over with the BYE (RFC 3261 §15.1.1), and a room that has not asked for it is told so here.
    pub(super) fn leave(&mut self, cause: u16, text: &str, end: CallEnd) {
        self.dialog.call_ends();
        if !matches!(end, CallEnd::ByUs) {
            self.tell_end(end.clone());
        }
        self.phase = Phase::Leaving(end);
        self.handle.is_talking.store(false, Ordering::Release);
        let reason = reason::reason(cause, text);
        let fields = vec![Header::Reason(reason.into())];
        let bye = Draft { method: Method::Bye, fields, has_contact: false, body: Vec::new() };
        let mut way = Way::back(self.place.clone(), self.connection.clone());
        let dialog = self.dialog.dialog();
        let (shared, events) = (Arc::clone(&self.shared), self.handle.events.clone());
        tokio::spawn(async move {
            way.send(&shared, &dialog, bye).await;
            let _ = events.send(Event::ByeDone).await;
        });
    }

    /// Who rang has hung up without a word: there is no way left for an answer. Only before the 200; after it the missing ACK or
    /// the BYE decides, for the caller may come back over another connection.
    pub(super) fn on_flow_closed(&mut self) -> Option<CallEnd> {
        if let Phase::Ringing { invite, .. } = &self.phase {
            invite.terminate();
        }
        Some(CallEnd::Failed("the connection of the caller closed before the call was answered".into()))
    }
}
