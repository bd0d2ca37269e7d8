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
    referrers: BTreeMap<ReferralId, mpsc::Sender<ReferAnswer>>,
    metrics: Arc<Metrics>,
}

struct Subscriber {
    notifications: mpsc::Sender<Notification>,
    /// It counts among his for as long.
    _place: PlaceOfUser,
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

    pub(super) fn referred(&mut self, id: ReferralId, answers: mpsc::Sender<ReferAnswer>) {
        self.referrers.insert(id, answers);
    }

    /// Says what came of a referral. Who refers may have hung up.
    pub(super) fn answer(&self, id: ReferralId, answer: ReferAnswer) {
        if let ReferAnswer::Last { code, .. } = &answer {
            self.metrics.invitation(*code);
        }
        if let Some(answers) = self.referrers.get(&id) {
            let _ = answers.try_send(answer);
        }
    }

    pub(super) fn referral_ended(&mut self, id: ReferralId) {
        self.referrers.remove(&id);
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        // Also when the room's task fails.
        self.metrics.subscriptions.dec_by(i64::try_from(self.subscribers.len()).unwrap_or(0));
    }
}
