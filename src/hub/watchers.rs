//! Who waits for word from a room besides its legs: subscribers and referrers.

use std::collections::BTreeMap;
use std::sync::Arc;

use mucfocus_core::conference::{Notification, SubscriptionId};
use mucfocus_core::room::referral::{ReferAnswer, ReferralId};
use tokio::sync::mpsc;

use super::quota::PlaceOfUser;
use crate::observe::metrics::Metrics;

/// The ways to those who wait.
pub(super) struct Watchers {
    subscribers: BTreeMap<SubscriptionId, Subscriber>,
    referrers: BTreeMap<ReferralId, Referrer>,
    metrics: Arc<Metrics>,
}

struct Subscriber {
    notifications: mpsc::Sender<Notification>,
    /// It counts among his for as long.
    _place: PlaceOfUser,
}

struct Referrer {
    /// None when he does not wait any more.
    answers: Option<mpsc::Sender<ReferAnswer>>,
    /// He wants somebody removed, not invited.
    removes: bool,
}

impl Watchers {
    pub(super) const fn new(metrics: Arc<Metrics>) -> Self {
        Self { subscribers: BTreeMap::new(), referrers: BTreeMap::new(), metrics }
    }

    pub(super) fn subscribed(
        &mut self,
        id: SubscriptionId,
        notifications: mpsc::Sender<Notification>,
        place: PlaceOfUser,
    ) {
        self.metrics.subscriptions.inc();
        self.subscribers.insert(id, Subscriber { notifications, _place: place });
    }

    /// Whether the subscriber's dialog took it.
    pub(super) fn notify(&self, id: SubscriptionId, notification: Notification) -> bool {
        self.subscribers.get(&id).is_none_or(|subscriber| subscriber.notifications.try_send(notification).is_ok())
    }

    pub(super) fn unsubscribed(&mut self, id: SubscriptionId) {
        if self.subscribers.remove(&id).is_some() {
            self.metrics.subscriptions.dec();
        }
    }

    pub(super) fn referred(&mut self, id: ReferralId, removes: bool, answers: mpsc::Sender<ReferAnswer>) {
        self.referrers.insert(id, Referrer { answers: Some(answers), removes });
    }

    /// Says what comes of a referral. Who refers may have hung up.
    pub(super) fn answer(&mut self, id: ReferralId, answer: ReferAnswer) {
        let Some(referrer) = self.referrers.get(&id) else { return };
        if let ReferAnswer::Last { code, .. } = &answer {
            self.metrics.referral(referrer.removes, *code);
        }
        let is_last = matches!(answer, ReferAnswer::Last { .. } | ReferAnswer::Refused(_));
        if let Some(answers) = &referrer.answers {
            let _ = answers.try_send(answer);
        }
        if is_last {
            self.referrers.remove(&id);
        }
    }

    /// Nobody waits for it any more; what comes of it is counted all the same.
    pub(super) fn referral_ended(&mut self, id: ReferralId) {
        if let Some(referrer) = self.referrers.get_mut(&id) {
            referrer.answers = None;
        }
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        // Also when the room's task fails.
        self.metrics.subscriptions.dec_by(i64::try_from(self.subscribers.len()).unwrap_or(0));
    }
}
