//! REFER: asks the room to invite or to remove somebody, and answers as the room says (RFC 3515, RFC 7647). What its subscriber
//! hears afterwards is in [`following`](super::following).

use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Header, Request};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::client::Way;
use super::contact::OurEnd;
use super::dialog::{Dialog, cseq};
use super::dispatch::{Place, Refused, check_ready_for_more, respond};
use super::flow::FlowUse;
use super::following::Following;
use super::gate::ALLOW_EVENTS;
use super::invite::finish;
use super::port::{ANSWERS, Caller, LegId, Refer, ReferAnswer};
use super::reason;
use super::refer_to::{Declined, Wanted};
use super::reply;
use super::setup::{Ongoing, Origin};
use super::shared::Shared;
use super::usage::{NoUsage, SharedDialog, Usage};
use crate::hub::mail::Mail;
use crate::hub::mailbox::Source;

/// How long a room may take to accept or to refuse.
const DECISION: Duration = Duration::from_secs(5);

/// A REFER with everything that it needs.
struct Beginning {
    usage: Usage,
    wanted: Wanted,
    leg: Option<LegId>,
    _ongoing: Option<Ongoing>,
}

/// A REFER out of any dialog; its NOTIFY has a dialog of its own.
pub(super) async fn refer(shared: Arc<Shared>, tx: Transaction, place: Place, caller: Caller, room: SipUri) {
    let name = caller.aor.to_string();
    match prepare(&shared, &tx.original, caller, room) {
        Ok(beginning) => run(shared, tx, place, beginning).await,
        Err(refused) => respond(&shared, tx, &place, Some(&name), refused).await,
    }
}

/// A REFER within a dialog: on behalf of its call, if it has one.
pub(super) async fn refer_within(shared: Arc<Shared>, tx: Transaction, place: Place, dialog: Arc<SharedDialog>) {
    let name = dialog.owner.aor.to_string();
    match join(&shared, &tx.original, &dialog) {
        Ok(beginning) => {
            dialog.refresh_target(&tx.original);
            run(shared, tx, place, beginning).await;
        }
        Err(refused) => respond(&shared, tx, &place, Some(&name), refused).await,
    }
}

fn prepare(shared: &Arc<Shared>, request: &Request, caller: Caller, room: SipUri) -> Result<Beginning, Refused> {
    let dialog = Dialog::opened_by(request).map_err(|error| Refused::new(400, "refer", error.to_string()))?;
    let wanted = Wanted::of(request)?;
    check_ready_for_more(shared)?;
    let leg = leg(shared, &wanted, &caller)?;
    let ongoing = Origin::of(request).and_then(|origin| shared.setups.note(origin));
    // RFC 3261 §8.2.2.2.
    let ongoing = ongoing.ok_or_else(|| Refused::new(482, "merged", "this REFER came another way already"))?;
    let usage = Usage::referral(shared, dialog, caller, room, request);
    Ok(Beginning { usage, wanted, leg, _ongoing: Some(ongoing) })
}

fn join(shared: &Arc<Shared>, request: &Request, dialog: &Arc<SharedDialog>) -> Result<Beginning, Refused> {
    // RF-01: one Contact also here; that it is a good one was seen to before.
    if reply::field(request, "contact").is_none() {
        return Err(Refused::new(400, "refer", "a REFER needs exactly one Contact"));
    }
    let wanted = Wanted::of(request)?;
    check_ready_for_more(shared)?;
    let leg = match dialog.leg() {
        Some(leg) => Some(leg),
        None => leg(shared, &wanted, &dialog.owner)?,
    };
    let usage = Usage::referral_within(shared, dialog).map_err(|why| match why {
        NoUsage::Full => Refused::new(403, "usages", "too many referrals at a time in this dialog"),
        NoUsage::Ended | NoUsage::Exists(_) => Refused::new(481, "no_dialog", "the dialog has ended"),
    })?;
    Ok(Beginning { usage, wanted, leg, _ongoing: None })
}

/// The leg that Target-Dialog names. An unknown one is no reason to refuse: the room knows who he is all the same.
fn leg(shared: &Shared, wanted: &Wanted, caller: &Caller) -> Result<Option<LegId>, Refused> {
    let Some(id) = &wanted.dialog else { return Ok(None) };
    let Some(dialog) = shared.dialogs.get(id).map(|dialog| Arc::clone(&dialog)) else { return Ok(None) };
    if !dialog.owner.aor.same_aor(&caller.aor) {
        return Err(Refused::new(403, "not_owner", "that dialog is another caller's"));
    }
    Ok(dialog.leg())
}

async fn run(shared: Arc<Shared>, tx: Transaction, place: Place, beginning: Beginning) {
    let Beginning { usage, wanted, leg, _ongoing } = beginning;
    let (sender, answers) = mpsc::channel(ANSWERS);
    let refer = Refer {
        request_uri: usage.room.clone(),
        caller: usage.owner.clone(),
        leg,
        call_id: usage.id().call_id.clone(),
        aim: wanted.aim,
        reason: reason::text_of(&tx.original),
        local: place.local.ip(),
        answers: sender,
    };
    match shared.focus.refer(refer) {
        Ok(source) => answer(&shared, tx, place, usage, answers, source, wanted.declined).await,
        Err(refusal) => {
            refuse(&shared, tx, &place, usage, Refused { refusal, label: "focus", fields: Vec::new() }).await
        }
    }
}

async fn refuse(shared: &Shared, tx: Transaction, place: &Place, usage: Usage, refused: Refused) {
    let name = usage.owner.aor.to_string();
    drop(usage);
    respond(shared, tx, place, Some(&name), refused).await;
}

async fn answer(
    shared: &Arc<Shared>,
    tx: Transaction,
    place: Place,
    usage: Usage,
    mut answers: mpsc::Receiver<ReferAnswer>,
    source: Source,
    declined: Option<Declined>,
) {
    let first = match timeout(DECISION, answers.recv()).await {
        Ok(Some(ReferAnswer::Accepted)) => None,
        Ok(Some(word @ (ReferAnswer::Last { .. } | ReferAnswer::Progress { .. }))) => Some(word),
        Ok(Some(ReferAnswer::Refused(refusal))) => {
            source.finish(Mail::ReferralEnded);
            return refuse(shared, tx, &place, usage, Refused { refusal, label: "room", fields: Vec::new() }).await;
        }
        Ok(None) | Err(_) => {
            source.finish(Mail::ReferralEnded);
            let refused = Refused::new(500, "room_gone", "the room did not answer");
            return refuse(shared, tx, &place, usage, refused).await;
        }
    };
    let number = cseq(&tx.original).unwrap_or_default();
    // RFC 3515 §2.4.6.
    let is_first = usage.is_first_referral();
    let event = if is_first { "refer".to_owned() } else { format!("refer;id={number}") };
    let mut fields =
        vec![usage.contact(shared, OurEnd::of(&place)), Header::Other("Allow-Events".into(), ALLOW_EVENTS.into())];
    if declined == Some(Declined::ReferSub) {
        fields.push(Header::Other("Refer-Sub".into(), "false".into()));
    }
    tracing::debug!(call_id = %usage.id().call_id, user = %usage.owner.aor, "referral accepted");
    let flow = place.flow.clone().map(FlowUse::new);
    let way = Way::back(place, tx.connection.clone());
    // Known before the 200, so that what the referrer says next finds it.
    let refreshes = declined.is_none().then(|| usage.follow_referral(number, is_first));
    let response = reply::response(&tx.original, 200, fields, Vec::new());
    finish(shared, tx, response).await;
    if let Some(refreshes) = refreshes {
        let following = Following::new(Arc::clone(shared), usage, way, event, refreshes, flow);
        following.run(first, answers).await;
    }
    source.finish(Mail::ReferralEnded);
}
