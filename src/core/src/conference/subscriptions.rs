//! All subscriptions of one room.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::document::{self, Way};
use super::documents::Documents;
use super::subscription::{End, InFlight, LastWord, Owed, Point, Shown, Subscription};
use super::{Ending, Event, Interest, Notification, Outcome, SubscriptionId, View};
use crate::time::Instant;
use crate::timers::Timers;
use crate::wire::conference_info;

/// The timers of the subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// It was not refreshed (RFC 6665 §4.2.1.4).
    Expiry(SubscriptionId),
    /// Changes may be told to somebody (RFC 4575 §3.9). One for all: who follows the room together is told together, by one
    /// document.
    Tick,
}

/// The subscriptions of one room. At rest every subscriber has been shown what he may see.
#[derive(Debug)]
pub struct Conference {
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    timers: Timers<Timer>,
    /// When the tick is due, while it runs.
    tick: Option<Instant>,
    /// Nobody who follows the room may be told of a change before, but for those whose last NOTIFY is under way. `None` while
    /// nobody else follows it.
    first_turn: Option<Instant>,
    /// Whether the roster was complete when changes were looked for last.
    was_complete: bool,
    documents: Documents,
}

impl Conference {
    /// Nobody has subscribed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subscriptions: BTreeMap::new(),
            timers: Timers::new(),
            tick: None,
            first_turn: None,
            was_complete: false,
            documents: Documents::new(),
        }
    }

    /// Somebody has subscribed. An id that is known already is refreshed.
    pub fn subscribe(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        interest: Interest,
        view: View<'_>,
        out: &mut Vec<Event>,
    ) {
        let Interest { room, expires, sees, interval, whole } = interest;
        if self.subscriptions.contains_key(&id) {
            return self.refreshed(now, id, (expires, interval), view, out);
        }
        let mut subscription = Subscription::new(room, now + expires, sees, whole);
        subscription.pace.wishes(interval, expires);
        if expires.is_zero() {
            subscription.owed = Owed::End(End::timeout(LastWord::Whole));
        } else {
            subscription.owed = Owed::AtOnce;
            self.timers.set(Timer::Expiry(id), subscription.expires);
        }
        self.subscriptions.insert(id, subscription);
        self.notify(now, id, view, out);
    }

    /// A subscription was refreshed with a time and a distance between notifications, or ended with zero (CI-07, EV-07).
    pub fn refreshed(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        (expires, interval): (Duration, Option<Duration>),
        view: View<'_>,
        out: &mut Vec<Event>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id).filter(|s| !s.is_ending()) else { return };
        subscription.expires = now + expires;
        if expires.is_zero() {
            return self.terminate(now, id, End::timeout(LastWord::Nothing), view, out);
        }
        subscription.pace.wishes(interval, expires);
        subscription.owed = Owed::AtOnce;
        self.timers.set(Timer::Expiry(id), now + expires);
        self.notify(now, id, view, out);
    }

    /// He wants what he is told so far apart from now on, or does not mind any more; he says so with his answer to a NOTIFY, for
    /// which [`Conference::notified`] comes next (RFC 6446 §5.1).
    pub fn wished(&mut self, now: Instant, id: SubscriptionId, interval: Option<Duration>) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            let expires = subscription.expires.since(now);
            subscription.pace.wishes(interval, expires);
        }
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
            (Outcome::Delivered | Outcome::Refused, InFlight::Active) => {
                subscription.has_missed = outcome == Outcome::Refused;
                subscription.owe_change(view);
                self.notify(now, id, view, out);
            }
            // Unless it is about to end anyway.
            (Outcome::TooLarge, InFlight::Active | InFlight::Terminated { document: true }) => {
                if !subscription.is_ending() {
                    subscription.owed = Owed::End(End::too_large());
                    self.timers.clear(Timer::Expiry(id));
                }
                self.notify(now, id, view, out);
            }
            (Outcome::Failed, _) | (_, InFlight::Terminated { .. }) => self.forget(id, out),
        }
    }

    /// The roster may have changed. Nothing happens when its revision has not (XM-08), and next to nothing while nobody may be
    /// told.
    pub fn changed(&mut self, now: Instant, view: View<'_>, out: &mut Vec<Event>) {
        let was_complete = core::mem::replace(&mut self.was_complete, view.complete);
        if was_complete != view.complete || self.first_turn.is_some_and(|turn| turn <= now) {
            return self.tell_all(now, view, out);
        }
        if let Some(turn) = self.first_turn {
            self.wake(turn);
        }
    }

    /// The watcher of a subscription has become an occupant, or is none any more (GC-PRES-04, EV-17).
    pub fn admit(&mut self, now: Instant, id: SubscriptionId, sees: bool, view: View<'_>, out: &mut Vec<Event>) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if core::mem::replace(&mut subscription.sees, sees) != sees {
            subscription.owe_change(view);
            self.notify(now, id, view, out);
        }
    }

    /// Ends a subscription, once its last NOTIFY can be sent. The first reason counts.
    pub fn end(&mut self, now: Instant, id: SubscriptionId, ending: Ending, view: View<'_>, out: &mut Vec<Event>) {
        self.terminate(now, id, ending.into(), view, out);
    }

    /// The dialog of a subscription is gone; nobody can be told.
    pub fn forget(&mut self, id: SubscriptionId, out: &mut Vec<Event>) {
        if self.subscriptions.remove(&id).is_some() {
            self.timers.clear(Timer::Expiry(id));
            out.push(Event::Gone(id));
        }
        if self.subscriptions.is_empty() {
            self.documents.clear();
            self.timers.clear(Timer::Tick);
            (self.tick, self.first_turn) = (None, None);
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
                Timer::Expiry(id) => self.terminate(now, id, End::timeout(LastWord::Nothing), view, out),
                Timer::Tick => {
                    self.tick = None;
                    self.tell_all(now, view, out);
                }
            }
        }
    }

    /// Tells everybody what he has not been told, whose turn it is.
    fn tell_all(&mut self, now: Instant, view: View<'_>, out: &mut Vec<Event>) {
        self.first_turn = None;
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.owe_change(view);
                self.notify(now, id, view, out);
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
        let turn = subscription.pace.turn();
        if subscription.owed == Owed::Change && (turn > now || !view.complete) {
            // While the roster is not whole nobody is told of it; that it is again is a change.
            return self.waits(id, turn, view);
        }
        let is_change = subscription.owed == Owed::Change;
        let (state, in_flight, document) = match core::mem::replace(&mut subscription.owed, Owed::Nothing) {
            Owed::Nothing => return self.waits(id, turn, view),
            Owed::Change => match self.change(id, view) {
                Some(document) => (None, InFlight::Active, Some(document)),
                None => return self.waits(id, turn, view),
            },
            Owed::AtOnce => (None, InFlight::Active, self.whole(id, view)),
            Owed::End(End { state, word }) => {
                let document = match word {
                    LastWord::Nothing => None,
                    LastWord::Whole => self.whole(id, view),
                    LastWord::Deleted => self.last(id),
                };
                (Some(state), InFlight::Terminated { document: document.is_some() }, document)
            }
        };
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.in_flight = Some(in_flight);
        subscription.pace.told(now, is_change);
        let state = state.unwrap_or_else(|| subscription.active(now));
        out.push(Event::Notify(id, Notification { state, document }));
    }

    /// A subscriber who follows the room is told of nothing before his turn. What he is owed is told then.
    fn waits(&mut self, id: SubscriptionId, turn: Instant, view: View<'_>) {
        let Some(subscription) = self.subscriptions.get(&id).filter(|s| s.follows()) else { return };
        let is_owed = subscription.owed == Owed::Change && view.complete;
        self.first_turn = Some(self.first_turn.map_or(turn, |first| first.min(turn)));
        if is_owed {
            self.wake(turn);
        }
    }

    fn wake(&mut self, at: Instant) {
        if self.tick.is_none_or(|tick| at < tick) {
            self.tick = Some(at);
            self.timers.set(Timer::Tick, at);
        }
    }

    /// The whole, as a subscriber may see it, in his next version (CI-03).
    fn whole(&mut self, id: SubscriptionId, view: View<'_>) -> Option<Bytes> {
        let subscription = self.subscriptions.get_mut(&id)?;
        let version = subscription.next_version();
        if !subscription.sees || !view.complete {
            subscription.shown = Some(Shown::Neutral);
            return Some(document::neutral(view, &subscription.room).document(version));
        }
        subscription.shown = Some(Shown::Inside(point(view, None)));
        Some(self.documents.full(view, &subscription.room).document(version))
    }

    /// What a subscriber who follows the room does not know yet: nothing, a part, or the whole where a part would not do.
    fn change(&mut self, id: SubscriptionId, view: View<'_>) -> Option<Bytes> {
        let subscription = self.subscriptions.get_mut(&id)?;
        let Some(Shown::Inside(known)) = subscription.shown else { return self.whole(id, view) };
        let way = if subscription.takes_parts() {
            self.documents.update(view, &subscription.room, known)
        } else {
            Way::Whole
        };
        match way {
            Way::None => {
                subscription.shown = Some(Shown::Inside(point(view, None)));
                None
            }
            Way::Part { document, shows_leaving } => {
                subscription.shown = Some(Shown::Inside(point(view, shows_leaving.then_some(known.revision))));
                Some(document.document(subscription.next_version()))
            }
            Way::Whole => self.whole(id, view),
        }
    }

    /// The last document of a room that is no more.
    fn last(&mut self, id: SubscriptionId) -> Option<Bytes> {
        let subscription = self.subscriptions.get_mut(&id)?;
        Some(conference_info::deleted(&subscription.room).document(subscription.next_version()))
    }
}

/// Where whoever is told everything now stands.
fn point(view: View<'_>, leaving_since: Option<u64>) -> Point {
    Point { revision: view.roster.revision(), state: document::state(view), leaving_since }
}

impl Default for Conference {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
