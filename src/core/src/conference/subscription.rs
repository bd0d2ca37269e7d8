//! One subscription: what its subscriber knows, and what he is owed.

use alloc::string::String;

use super::pace::Pace;
use super::{Ending, Reason, SubscriptionState, View};
use crate::address::sip_uri::SipUri;
use crate::time::Instant;
use crate::wire::conference_info::State;

/// One subscription, as its dialog lives.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The room's canonical URI.
    pub(super) room: SipUri,
    /// When it is over unless it is refreshed.
    pub(super) expires: Instant,
    /// Whether its watcher is an occupant.
    pub(super) sees: bool,
    /// Whether he is told the whole each time (CI-08).
    pub(super) wants_whole: bool,
    /// What the documents have shown so far.
    pub(super) shown: Option<Shown>,
    /// Whether he may have missed the last one, so that a part of the next would be lost on him.
    pub(super) has_missed: bool,
    /// The version of the last document; 0 before the first (CI-03).
    pub(super) version: u32,
    /// When he was told.
    pub(super) pace: Pace,
    /// The NOTIFY that is under way (EV-18).
    pub(super) in_flight: Option<InFlight>,
    /// What comes after it.
    pub(super) owed: Owed,
}

/// What documents have shown. Partial ones lead from one of these to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing of the inside.
    Neutral,
    /// The inside.
    Inside(Point),
}

/// How far a subscriber has followed a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// The revision of the roster.
    pub(super) revision: u64,
    /// How the room was in it.
    pub(super) state: State,
    /// Who went after this revision and up to the other was shown as going, and is on the list still (CI-19).
    pub(super) leaving_since: Option<u64>,
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
    /// A NOTIFY with the whole at once: he subscribed, or he sees the inside for the first time, or no more.
    AtOnce,
    /// The last NOTIFY.
    End(End),
}

/// How a subscription ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) state: SubscriptionState,
    pub(super) word: LastWord,
}

/// What the last NOTIFY carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastWord {
    /// No document.
    Nothing,
    /// The whole: it answers a fetch (EV-08).
    Whole,
    /// That the room is no more (CI-22).
    Deleted,
}

impl End {
    /// It was not refreshed, or it was ended by its subscriber.
    pub(super) const fn timeout(word: LastWord) -> Self {
        let state =
            SubscriptionState::Terminated { reason: Reason::Timeout, retry_after: None, text: None, cause: None };
        Self { state, word }
    }

    /// No document reaches him.
    pub(super) fn too_large() -> Self {
        let text = Some(String::from("The document does not fit; subscribe over TCP or TLS"));
        let state = SubscriptionState::Terminated { reason: Reason::Rejected, retry_after: None, text, cause: None };
        Self { state, word: LastWord::Nothing }
    }
}

impl From<Ending> for End {
    fn from(Ending { reason, retry_after, text, cause, room_is_gone }: Ending) -> Self {
        let word = if room_is_gone { LastWord::Deleted } else { LastWord::Nothing };
        Self { state: SubscriptionState::Terminated { reason, retry_after, text, cause }, word }
    }
}

impl Subscription {
    pub(super) fn new(room: SipUri, expires: Instant, sees: bool, wants_whole: bool) -> Self {
        Self {
            room,
            expires,
            sees,
            wants_whole,
            shown: None,
            has_missed: false,
            version: 0,
            pace: Pace::default(),
            in_flight: None,
            owed: Owed::Nothing,
        }
    }

    /// Whether nothing more than the last NOTIFY will come.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.owed, Owed::End(_)) || matches!(self.in_flight, Some(InFlight::Terminated { .. }))
    }

    /// Whether changes of the roster are told to him.
    pub(super) const fn follows(&self) -> bool {
        matches!(self.shown, Some(Shown::Inside(_))) && !self.is_ending()
    }

    /// Owes what `view` has that he was not shown.
    pub(super) fn owe_change(&mut self, view: View<'_>) {
        if self.is_ending() || self.owed == Owed::AtOnce {
            return;
        }
        let owed = match (self.shown, self.sees, view.complete) {
            // Who was shown a whole roster keeps it until there is another whole one, or until he may see none.
            (_, true, false) | (Some(Shown::Neutral), false, _) => return,
            (Some(Shown::Inside(point)), true, true) => {
                if point.revision == view.roster.revision() && point.leaving_since.is_none() {
                    return;
                }
                Owed::Change
            }
            _ => Owed::AtOnce,
        };
        self.owed = owed;
    }

    /// The version of the next document.
    pub(super) const fn next_version(&mut self) -> u32 {
        self.version = self.version.saturating_add(1);
        self.version
    }

    /// Whether a partial document would do: he has all that went before, and there is a version to come after it.
    pub(super) const fn takes_parts(&self) -> bool {
        !self.wants_whole && !self.has_missed && self.version < u32::MAX
    }

    /// How long it lasts yet, in whole seconds: never longer than granted, never nothing (EV-06, E-18).
    pub(super) fn active(&self, now: Instant) -> SubscriptionState {
        let seconds = self.expires.since(now).as_secs();
        let expires = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        SubscriptionState::Active { expires, interval: self.pace.interval() }
    }
}
