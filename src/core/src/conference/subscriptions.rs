//! All subscriptions of one room.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::subscription::{Content, End, InFlight, Owed, Subscription, interval};
use super::{Event, Notification, Outcome, Reason, SubscriptionId, View, document};
use crate::address::sip_uri::SipUri;
use crate::time::Instant;
use crate::timers::Timers;
use crate::wire::conference_info::Rendered;

/// The timers of the subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// It was not refreshed (RFC 6665 §4.2.1.4).
    Expiry(SubscriptionId),
    /// A change may be told (RFC 4575 §3.9).
    Pace(SubscriptionId),
}

/// The subscriptions of one room. At rest every subscriber has been shown what he may see.
#[derive(Debug)]
pub struct Conference {
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    timers: Timers<Timer>,
    /// The full documents of one revision, by room URI: one room has one URI per rule that names it.
    rendered: Vec<(SipUri, Rendered)>,
    rendered_revision: u64,
}

impl Conference {
    /// The most renderings that are kept. One is the rule; a room with more names than this renders anew.
    const MAX_RENDERED: usize = 4;

    /// Nobody has subscribed.
    #[must_use]
    pub const fn new() -> Self {
        Self { subscriptions: BTreeMap::new(), timers: Timers::new(), rendered: Vec::new(), rendered_revision: 0 }
    }

    /// Somebody has subscribed, for `expires`; with none he wants to know once (EV-05, EV-08). `room` is its canonical URI,
    /// and `sees` says whether he is an occupant. An id that is known already is refreshed.
    #[allow(clippy::too_many_arguments, reason = "one SUBSCRIBE")]
    pub fn subscribe(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        room: SipUri,
        expires: Duration,
        sees: bool,
        view: View<'_>,
        out: &mut Vec<Event>,
    ) {
        if self.subscriptions.contains_key(&id) {
            return self.refreshed(now, id, expires, view, out);
        }
        let mut subscription = Subscription::new(room, now + expires, sees);
        if expires.is_zero() {
            subscription.owed = Owed::End(End { document: true, ..End::timeout() });
        } else {
            subscription.owed = Owed::AtOnce;
            self.timers.set(Timer::Expiry(id), subscription.expires);
        }
        self.subscriptions.insert(id, subscription);
        self.notify(now, id, view, out);
    }

    /// A subscription was refreshed, or ended with zero (CI-07, EV-07).
    pub fn refreshed(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        expires: Duration,
        view: View<'_>,
        out: &mut Vec<Event>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id).filter(|s| !s.is_ending()) else { return };
        subscription.expires = now + expires;
        if expires.is_zero() {
            return self.terminate(now, id, End::timeout(), view, out);
        }
        subscription.owed = Owed::AtOnce;
        self.timers.set(Timer::Expiry(id), now + expires);
        self.notify(now, id, view, out);
    }

    /// What became of the last [`Event::Notify`].
    pub fn notified(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        outcome: Outcome,
        view: View<'_>,
        out: &mut Vec<Event>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let Some(in_flight) = subscription.in_flight.take() else { return };
        match (outcome, in_flight) {
            (Outcome::Delivered, InFlight::Active) => self.notify(now, id, view, out),
            (Outcome::TooLarge, InFlight::Active | InFlight::Terminated { document: true }) => {
                let text = Some(String::from("The document does not fit; subscribe over TCP or TLS"));
                let end = End { reason: Reason::Rejected, retry_after: None, text, document: false };
                self.terminate(now, id, end, view, out);
            }
            (Outcome::Failed, _) | (_, InFlight::Terminated { .. }) => self.forget(id, out),
        }
    }

    /// The roster may have changed. Nothing happens when its revision has not (XM-08).
    pub fn changed(&mut self, now: Instant, view: View<'_>, out: &mut Vec<Event>) {
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.owe_change(view);
                self.notify(now, id, view, out);
            }
        }
    }

    /// The watcher of a subscription has become an occupant, or is none any more (GC-PRES-04, EV-17).
    pub fn admit(&mut self, now: Instant, id: SubscriptionId, sees: bool, view: View<'_>, out: &mut Vec<Event>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.sees = sees;
        subscription.owe_change(view);
        self.notify(now, id, view, out);
    }

    /// Ends a subscription, once its last NOTIFY can be sent. The first reason counts.
    #[allow(clippy::too_many_arguments, reason = "a Subscription-State")]
    pub fn end(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        reason: Reason,
        retry_after: Option<u32>,
        text: Option<String>,
        view: View<'_>,
        out: &mut Vec<Event>,
    ) {
        self.terminate(now, id, End { reason, retry_after, text, document: false }, view, out);
    }

    /// The dialog of a subscription is gone; nobody can be told.
    pub fn forget(&mut self, id: SubscriptionId, out: &mut Vec<Event>) {
        if self.subscriptions.remove(&id).is_some() {
            self.timers.clear(Timer::Expiry(id));
            self.timers.clear(Timer::Pace(id));
            out.push(Event::Gone(id));
        }
        if self.subscriptions.is_empty() {
            self.rendered = Vec::new();
        }
    }

    /// All subscriptions, also those whose last NOTIFY is under way.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = SubscriptionId> {
        self.subscriptions.keys().copied()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// When [`Conference::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, view: View<'_>, out: &mut Vec<Event>) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Expiry(id) => self.terminate(now, id, End::timeout(), view, out),
                Timer::Pace(id) => self.notify(now, id, view, out),
            }
        }
    }

    fn terminate(&mut self, now: Instant, id: SubscriptionId, end: End, view: View<'_>, out: &mut Vec<Event>) {
        let Some(subscription) = self.subscriptions.get_mut(&id).filter(|s| !s.is_ending()) else { return };
        subscription.owed = Owed::End(end);
        self.timers.clear(Timer::Expiry(id));
        self.notify(now, id, view, out);
    }

    /// Puts out what a subscriber is owed, unless it has to wait for the NOTIFY before (EV-18) or for its time (CI-09).
    fn notify(&mut self, now: Instant, id: SubscriptionId, view: View<'_>, out: &mut Vec<Event>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.in_flight.is_some() {
            return;
        }
        if subscription.owed == Owed::Change {
            let pace = interval(view.roster.occupants().len());
            let turn = subscription.changed_at.map_or(now, |before| before + pace);
            if !view.complete {
                return; // Until it is complete again, which is a change.
            }
            if turn > now {
                return self.timers.set(Timer::Pace(id), turn);
            }
        }
        self.timers.clear(Timer::Pace(id));
        if subscription.owed == Owed::Change {
            subscription.changed_at = Some(now);
        }
        let (state, in_flight) = match core::mem::replace(&mut subscription.owed, Owed::Nothing) {
            Owed::Nothing => return,
            Owed::Change | Owed::AtOnce => (subscription.active(now), InFlight::Active),
            Owed::End(end) => {
                let in_flight = InFlight::Terminated { document: end.document };
                (end.state(), in_flight)
            }
        };
        subscription.in_flight = Some(in_flight);
        let document = match in_flight {
            InFlight::Active | InFlight::Terminated { document: true } => self.document(id, view),
            InFlight::Terminated { document: false } => None,
        };
        out.push(Event::Notify(id, Notification { state, document }));
    }

    /// The next document of a subscription (CI-03).
    fn document(&mut self, id: SubscriptionId, view: View<'_>) -> Option<Bytes> {
        let subscription = self.subscriptions.get_mut(&id)?;
        let content = subscription.content(view);
        subscription.shown = Some(content);
        subscription.version = subscription.version.saturating_add(1);
        let (version, room) = (subscription.version, &subscription.room);
        let Content::Full(revision) = content else {
            return Some(document::neutral(view, room).document(version));
        };
        if self.rendered_revision != revision {
            self.rendered_revision = revision;
            self.rendered.clear();
        }
        if let Some((_, rendered)) = self.rendered.iter().find(|(of, _)| of == room) {
            return Some(rendered.document(version));
        }
        let rendered = document::full(view, room);
        let document = rendered.document(version);
        self.rendered.truncate(Self::MAX_RENDERED.saturating_sub(1));
        self.rendered.push((room.clone(), rendered));
        Some(document)
    }
}

impl Default for Conference {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
