//! One subscription: what its subscriber knows, and what he is owed.

use alloc::string::String;
use core::time::Duration;

use super::{Reason, SubscriptionState, View};
use crate::address::sip_uri::SipUri;
use crate::time::Instant;

/// One subscription, as its dialog lives.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The room's canonical URI.
    pub(super) room: SipUri,
    /// When it is over unless it is refreshed.
    pub(super) expires: Instant,
    /// Whether its watcher is an occupant.
    pub(super) sees: bool,
    /// What the last document showed.
    pub(super) shown: Option<Content>,
    /// The version of the last document; 0 before the first (CI-03).
    pub(super) version: u32,
    /// When the last NOTIFY of a change was put out: only these have to keep their distance (RFC 4575 §3.9).
    pub(super) changed_at: Option<Instant>,
    /// The NOTIFY that is under way (EV-18).
    pub(super) in_flight: Option<InFlight>,
    /// What comes after it.
    pub(super) owed: Owed,
}

/// What a document shows. Each is a whole one (CI-08); a partial one would be the way from one of these to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing of the inside.
    Neutral,
    /// The roster in this revision.
    Full(u64),
}

/// A NOTIFY under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InFlight {
    /// Others may follow.
    Active,
    /// It ends the subscription, and carries a document or not.
    Terminated { document: bool },
}

/// What a subscriber is owed. The later outweighs the earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owed {
    /// Nothing: he knows all that he may.
    Nothing,
    /// A NOTIFY when it is time for one (CI-09).
    Change,
    /// A NOTIFY at once: he subscribed, or he sees the inside for the first time, or no more.
    AtOnce,
    /// The last NOTIFY.
    End(End),
}

/// How a subscription ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: Reason,
    pub(super) retry_after: Option<u32>,
    pub(super) text: Option<String>,
    /// Whether the last NOTIFY has a document: the answer to a fetch has (EV-08).
    pub(super) document: bool,
}

impl End {
    /// It was not refreshed, or it was ended by its subscriber.
    pub(super) const fn timeout() -> Self {
        Self { reason: Reason::Timeout, retry_after: None, text: None, document: false }
    }

    pub(super) fn state(self) -> SubscriptionState {
        SubscriptionState::Terminated { reason: self.reason, retry_after: self.retry_after, text: self.text }
    }
}

impl Subscription {
    pub(super) const fn new(room: SipUri, expires: Instant, sees: bool) -> Self {
        Self { room, expires, sees, shown: None, version: 0, changed_at: None, in_flight: None, owed: Owed::Nothing }
    }

    /// Whether nothing more than the last NOTIFY will come.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.owed, Owed::End(_)) || matches!(self.in_flight, Some(InFlight::Terminated { .. }))
    }

    /// What he should be shown.
    pub(super) const fn content(&self, view: View<'_>) -> Content {
        if self.sees && view.complete { Content::Full(view.roster.revision()) } else { Content::Neutral }
    }

    /// Owes what `view` has that he was not shown.
    pub(super) fn owe_change(&mut self, view: View<'_>) {
        let content = self.content(view);
        if self.is_ending() || self.owed == Owed::AtOnce || self.shown == Some(content) {
            return;
        }
        // Who was shown a whole roster keeps it until there is another whole one, or until he may see none.
        if self.sees && content == Content::Neutral {
            return;
        }
        self.owed = match (self.shown, content) {
            (Some(Content::Full(_)), Content::Full(_)) => Owed::Change,
            _ => Owed::AtOnce,
        };
    }

    /// How long it lasts yet, in whole seconds: never longer than granted, never nothing (EV-06, E-18).
    pub(super) fn active(&self, now: Instant) -> SubscriptionState {
        let seconds = self.expires.since(now).as_secs();
        SubscriptionState::Active { expires: u32::try_from(seconds).unwrap_or(u32::MAX).max(1) }
    }
}

/// How far apart the notifications of changes are in a room of so many users (CI-09).
///
/// RFC 4575 §3.9 recommends 5 s for the sake of large conferences. In a small room a document is a few kilobytes and people
/// wait for it, so it is 1 s there, and grows by 100 ms per user up to the 5 s: subscribers times document size grows with the
/// square of a room.
#[must_use]
pub fn interval(users: usize) -> Duration {
    const PER_USER: Duration = Duration::from_millis(100);
    let users = u32::try_from(users).unwrap_or(u32::MAX);
    PER_USER.saturating_mul(users).clamp(Duration::from_secs(1), Duration::from_secs(5))
}
