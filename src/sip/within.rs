//! Requests within a dialog: which of its usages they are for (RFC 3261 §12.2.2, RFC 5057 §3.1).

use std::sync::Arc;

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Method, Request};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;

use super::call::Event;
use super::contact::OurEnd;
use super::dialog::bad_contact;
use super::dispatch::{Place, Refused, caller_of, capabilities_at, check_method, check_require, respond};
use super::head::uri_text;
use super::invite::finish;
use super::referral::refer_within;
use super::replaces;
use super::reply::{self, field};
use super::shared::{DialogId, RETRY_AFTER, Shared};
use super::subscription::subscribe_within;
use super::usage::SharedDialog;
use crate::observe::sparing::Sparing;

/// Those who send in dialogs of others. Each has said who he is, so there are not many.
static LINES: Sparing = Sparing::new(20);

/// Hands a request to its usage, or says that there is none.
pub(super) async fn handle(shared: Arc<Shared>, tx: Transaction, place: Place, id: DialogId) {
    let Some(dialog) = shared.dialogs.get(&id).map(|dialog| Arc::clone(&dialog)) else {
        return respond(&shared, tx, &place, None, no_dialog("there is no such dialog")).await;
    };
    let call = shared.calls.get(&id).map(|call| call.events.clone());
    match (tx.original.method, call) {
        (Method::Subscribe | Method::Refer, _) | (_, None) => {
            Box::pin(of_another_usage(shared, tx, place, dialog)).await;
        }
        (_, Some(events)) => of_a_call(&shared, tx, place, events).await,
    }
}

fn no_dialog(text: &str) -> Refused {
    Refused::new(481, "no_dialog", text)
}

/// The call checks it, in its turn.
async fn of_a_call(shared: &Arc<Shared>, tx: Transaction, place: Place, events: mpsc::Sender<Event>) {
    match events.try_send(Event::Request(Box::new(tx), Box::new(place.clone()))) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(Event::Request(tx, _))) => {
            let refused = Refused::new(503, "call_busy", "too many requests at a time in this dialog");
            respond(shared, *tx, &place, None, refused.retry_after(RETRY_AFTER)).await;
        }
        Err(mpsc::error::TrySendError::Closed(Event::Request(tx, _))) => {
            respond(shared, *tx, &place, None, no_dialog("the dialog has ended")).await;
        }
        Err(_) => {}
    }
}

async fn of_another_usage(shared: Arc<Shared>, tx: Transaction, place: Place, dialog: Arc<SharedDialog>) {
    if let Err(refused) = check(&shared, &tx.original, &dialog) {
        let name = dialog.owner.aor.to_string();
        return respond(&shared, tx, &place, Some(&name), refused).await;
    }
    dialog.heard_from(&place, tx.connection.as_ref());
    match tx.original.method {
        Method::Subscribe => subscribe_within(shared, tx, place, dialog).await,
        Method::Refer => refer_within(shared, tx, place, dialog).await,
        Method::Options => {
            let fields = capabilities_at(dialog.contact(&shared, OurEnd::of(&place)));
            let response = reply::response(&tx.original, 200, fields, Vec::new());
            finish(&shared, tx, response).await;
        }
        method => {
            let refused = check_method(method).err();
            let refused = refused.unwrap_or_else(|| no_dialog("there is no call in this dialog"));
            respond(&shared, tx, &place, None, refused).await;
        }
    }
}

fn check(shared: &Shared, request: &Request, dialog: &SharedDialog) -> Result<(), Refused> {
    if is_somebody_elses(shared, request, dialog) {
        return Err(Refused::new(403, "not_owner", "this dialog is another caller's"));
    }
    if !dialog.accepts_cseq(request) {
        return Err(Refused::new(500, "cseq", "CSeq is not above that of the last request"));
    }
    check_require(request)?;
    replaces::check_within(request)?;
    if let Some(why) = bad_contact(request) {
        return Err(Refused::new(400, "contact", why.to_string()));
    }
    Ok(())
}

/// Whether another than the owner of the dialog sends this: who knows the tags of a dialog does not own it. Peers need not say
/// within a dialog who is calling; then the From still has to be the one that the dialog began with (RFC 3261 §12.2.1.1).
pub(super) fn is_somebody_elses(shared: &Shared, request: &Request, dialog: &SharedDialog) -> bool {
    match caller_of(shared, request) {
        Ok(caller) if caller.aor.same_aor(&dialog.owner.aor) => false,
        Ok(caller) => {
            if let Some(kept_back) = LINES.line() {
                let (user, owner, call_id) = (&caller.aor, &dialog.owner.aor, &dialog.id().call_id);
                tracing::info!(%user, %owner, call_id, kept_back, "a user sent a request in a dialog of another");
            }
            true
        }
        Err(_) => !is_from_the_remote(request, dialog),
    }
}

fn is_from_the_remote(request: &Request, dialog: &SharedDialog) -> bool {
    let (from, remote) = (field(request, "from"), dialog.remote());
    let (Some(from), Some(remote)) = (from.and_then(uri_text), uri_text(&remote)) else { return false };
    match (SipUri::parse(from), SipUri::parse(remote)) {
        (Ok(from), Ok(remote)) => from.same_aor(&remote),
        _ => from == remote,
    }
}
