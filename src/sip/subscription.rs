//! One conference subscription of one dialog: SUBSCRIBE in, NOTIFY out, one at a time (RFC 6665 §4.2). The room owns the time,
//! the documents and the pace; here are the transactions.

use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::address::sip_uri::SipUri;
use rsipstack::sip::{Header, Request};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::Way;
use super::contact::OurEnd;
use super::dialog::Dialog;
use super::dispatch::{Place, Refused, check_ready_for_more, respond};
use super::event::{self, Wish};
use super::flow::FlowUse;
use super::gate::{ALLOW, ALLOW_EVENTS};
use super::invite::finish;
use super::notify::{self, Told};
use super::port::{Caller, NOTIFICATIONS, Notification, Outcome, Reason, Subscribe, SubscriptionState};
use super::reply;
use super::setup::{Ongoing, Origin};
use super::shared::{RETRY_AFTER, Shared};
use super::usage::{NoUsage, SharedDialog, Usage};
use crate::hub::mail::{Mail, SubscriptionMail};
use crate::hub::mailbox::Source;

/// Refreshes that wait for one subscription; more get 503.
pub(super) const REFRESHES: usize = 4;
/// What a room pays in its mailbox for mail without a body.
const MAIL_WEIGHT: usize = 256;

/// A SUBSCRIBE that refreshes or ends a subscription, and passed every check.
pub(super) struct Refresh {
    pub(super) tx: Transaction,
    pub(super) place: Place,
    /// In seconds; 0 ends it.
    pub(super) expires: u32,
    /// How far apart notifications are wanted.
    pub(super) interval: Option<Duration>,
}

/// What a subscription begins with.
struct Beginning {
    usage: Usage,
    wish: Wish,
    refreshes: mpsc::Receiver<Box<Refresh>>,
    ongoing: Option<Ongoing>,
}

/// Opens a subscription in a dialog of its own.
pub(super) async fn subscribe(shared: Arc<Shared>, tx: Transaction, place: Place, caller: Caller, room: SipUri) {
    let name = caller.aor.to_string();
    match prepare(&shared, &tx.original, caller, room) {
        Ok(beginning) => begin(shared, tx, place, beginning).await,
        Err(refused) => respond(&shared, tx, &place, Some(&name), refused).await,
    }
}

/// A SUBSCRIBE within a dialog: refreshes what there is, or opens a further subscription (EV-14).
pub(super) async fn subscribe_within(shared: Arc<Shared>, tx: Transaction, place: Place, dialog: Arc<SharedDialog>) {
    let name = dialog.owner.aor.to_string();
    let refused = match join(&shared, &tx.original, &dialog) {
        Ok(Joined::New(beginning)) => {
            dialog.refresh_target(&tx.original);
            return begin(shared, tx, place, beginning).await;
        }
        Ok(Joined::There(there, expires, interval)) => {
            match there.try_send(Box::new(Refresh { tx, place: place.clone(), expires, interval })) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(refresh)) => {
                    let refused = Refused::new(503, "subscription_busy", "too many refreshes at a time");
                    return respond(&shared, refresh.tx, &place, Some(&name), refused.retry_after(RETRY_AFTER)).await;
                }
                Err(mpsc::error::TrySendError::Closed(refresh)) => {
                    return respond(&shared, refresh.tx, &place, Some(&name), ended()).await;
                }
            }
        }
        Err(refused) => refused,
    };
    respond(&shared, tx, &place, Some(&name), refused).await;
}

pub(super) fn ended() -> Refused {
    Refused::new(481, "no_subscription", "the subscription has ended")
}

fn prepare(shared: &Arc<Shared>, request: &Request, caller: Caller, room: SipUri) -> Result<Beginning, Refused> {
    let wish = Wish::of(request)?;
    check_ready_for_more(shared)?;
    let dialog = Dialog::opened_by(request).map_err(|error| Refused::new(400, "subscribe", error.to_string()))?;
    let ongoing = Origin::of(request).and_then(|origin| shared.setups.note(origin));
    // RFC 3261 §8.2.2.2.
    let ongoing = ongoing.ok_or_else(|| Refused::new(482, "merged", "this SUBSCRIBE came another way already"))?;
    let (sender, refreshes) = mpsc::channel(REFRESHES);
    let usage = Usage::subscription(shared, dialog, caller, room, request, (wish.id.clone(), sender));
    Ok(Beginning { usage, wish, refreshes, ongoing: Some(ongoing) })
}

enum Joined {
    New(Beginning),
    /// Where its refreshes go, for how long it is wanted, and how far apart its notifications.
    There(mpsc::Sender<Box<Refresh>>, u32, Option<Duration>),
}

fn join(shared: &Arc<Shared>, request: &Request, dialog: &Arc<SharedDialog>) -> Result<Joined, Refused> {
    if let Some((id, expires)) = event::of_referral(request)?
        && let Some(there) = dialog.followed_referral(id)
    {
        return Ok(Joined::There(there, expires, None));
    }
    let wish = Wish::of(request)?;
    let (sender, refreshes) = mpsc::channel(REFRESHES);
    match Usage::subscription_within(shared, dialog, (wish.id.clone(), sender)) {
        Ok(usage) => {
            check_ready_for_more(shared)?;
            Ok(Joined::New(Beginning { usage, wish, refreshes, ongoing: None }))
        }
        Err(NoUsage::Exists(there)) => Ok(Joined::There(there, wish.expires, wish.interval)),
        Err(NoUsage::Ended) => Err(Refused::new(481, "no_dialog", "the dialog has ended")),
        Err(NoUsage::Full) => Err(Refused::new(403, "usages", "too many subscriptions in this dialog")),
    }
}

async fn begin(shared: Arc<Shared>, tx: Transaction, place: Place, beginning: Beginning) {
    let Beginning { usage, wish, refreshes, ongoing } = beginning;
    let name = usage.owner.aor.to_string();
    let (sender, notifications) = mpsc::channel(NOTIFICATIONS);
    let subscribe = Subscribe {
        request_uri: usage.room.clone(),
        caller: usage.owner.clone(),
        leg: usage.leg(),
        call_id: usage.id().call_id.clone(),
        expires: wish.expires,
        interval: wish.interval,
        notifications: sender,
    };
    let source = match shared.focus.subscribe(subscribe) {
        Ok(source) => source,
        Err(refusal) => {
            drop((usage, ongoing));
            let refused = Refused { refusal, label: "focus", fields: Vec::new() };
            return respond(&shared, tx, &place, Some(&name), refused).await;
        }
    };
    tracing::debug!(call_id = %usage.id().call_id, user = %name, expires = wish.expires, "subscription began");
    let connection = tx.connection.clone();
    // Before the first NOTIFY, which peers need not understand earlier.
    let response = ok(&shared, &usage, &tx.original, &place, wish.expires);
    finish(&shared, tx, response).await;
    let subscription = Box::new(Subscription {
        flow: place.flow.clone().map(FlowUse::new),
        way: Some(Way::back(place, connection)),
        moved: None,
        event: wish.event(),
        shared,
        usage,
        refreshes,
        notifications,
        source,
        in_flight: None,
        is_last: false,
        _ongoing: ongoing,
    });
    // On its own, for it may live long and need not keep what led to it.
    tokio::spawn(subscription.run());
}

pub(super) fn ok(
    shared: &Shared,
    dialog: &SharedDialog,
    request: &Request,
    place: &Place,
    expires: u32,
) -> rsipstack::sip::Response {
    let fields = vec![
        dialog.contact(shared, OurEnd::of(place)),
        Header::Expires(expires.to_string().into()),
        Header::Allow(ALLOW.into()),
        Header::Other("Allow-Events".into(), ALLOW_EVENTS.into()),
    ];
    reply::response(request, 200, fields, Vec::new())
}

struct Subscription {
    shared: Arc<Shared>,
    usage: Usage,
    /// None while a NOTIFY is on it.
    way: Option<Way>,
    /// Where the last refresh came from, until the way is back.
    moved: Option<(Place, Option<SipConnection>)>,
    event: String,
    refreshes: mpsc::Receiver<Box<Refresh>>,
    notifications: mpsc::Receiver<Notification>,
    source: Source,
    in_flight: Option<JoinHandle<(Way, Told)>>,
    /// The last notification is on its way; nothing follows.
    is_last: bool,
    flow: Option<FlowUse>,
    _ongoing: Option<Ongoing>,
}

impl Subscription {
    /// In a box, as is what it does now and then: a task is as large as the largest moment of its life, for all of it.
    async fn run(mut self: Box<Self>) {
        loop {
            let goes_on = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => false,
                Some(refresh) = self.refreshes.recv() => Box::pin(self.on_refresh(*refresh)).await,
                outcome = answered(&mut self.in_flight) => Box::pin(self.on_answer(outcome)).await,
                notification = self.notifications.recv(), if self.in_flight.is_none() => {
                    self.notify(notification.unwrap_or_else(room_gone));
                    true
                }
            };
            if !goes_on {
                break;
            }
        }
        tracing::debug!(call_id = %self.usage.id().call_id, user = %self.usage.owner.aor, "subscription ended");
        // Nobody finds it any more; refreshes that came too late still want an answer.
        self.refreshes.close();
        let mut late = Vec::new();
        while let Ok(refresh) = self.refreshes.try_recv() {
            late.push(refresh);
        }
        let Self { shared, usage, source, .. } = *self;
        drop(usage);
        source.finish(Mail::Subscription(SubscriptionMail::Ended));
        for refresh in late {
            Box::pin(respond(&shared, refresh.tx, &refresh.place, None, ended())).await;
        }
    }

    async fn on_refresh(&mut self, Refresh { tx, place, expires, interval }: Refresh) -> bool {
        if self.is_last {
            respond(&self.shared, tx, &place, Some(&self.usage.owner.aor.to_string()), ended()).await;
            return true;
        }
        self.usage.refresh_target(&tx.original);
        let response = ok(&self.shared, &self.usage, &tx.original, &place, expires);
        self.flow = place.flow.clone().map(FlowUse::new);
        self.moved = Some((place, tx.connection.clone()));
        finish(&self.shared, tx, response).await;
        self.tell(SubscriptionMail::Refreshed { expires, interval }).await;
        true
    }

    fn notify(&mut self, notification: Notification) {
        let Some(mut way) = self.way.take() else { return };
        if let Some((place, connection)) = self.moved.take() {
            way.follow(place, connection);
        }
        self.is_last = matches!(notification.state, SubscriptionState::Terminated { .. });
        let (shared, dialog, event) = (Arc::clone(&self.shared), self.usage.dialog(), self.event.clone());
        self.in_flight = Some(tokio::spawn(async move {
            let told = notify::conference(&shared, &dialog, &mut way, &event, notification).await;
            (way, told)
        }));
    }

    async fn on_answer(&mut self, answer: Option<(Way, Told)>) -> bool {
        self.in_flight = None;
        let Some((way, Told { outcome, wish })) = answer else { return false };
        self.way = Some(way);
        if let Some(interval) = wish {
            self.tell(SubscriptionMail::Wished(interval)).await;
        }
        self.tell(SubscriptionMail::Notified(outcome)).await;
        !self.is_last && outcome != Outcome::Failed
    }

    async fn tell(&self, mail: SubscriptionMail) {
        // A room that is gone is noticed when its notifications end.
        let _ = self.source.send(Mail::Subscription(mail), MAIL_WEIGHT).await;
    }
}

/// What came of the NOTIFY that is in flight; none when its task failed. Cancel-safe.
pub(super) async fn answered<T>(in_flight: &mut Option<JoinHandle<(Way, T)>>) -> Option<(Way, T)> {
    match in_flight {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

fn room_gone() -> Notification {
    let state =
        SubscriptionState::Terminated { reason: Reason::Noresource, retry_after: None, text: None, cause: None };
    Notification { state, document: None }
}
