//! Who watches the room, and what he may see (GC-PRES).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::io::{MembershipId, Output, Watch};
use super::{Room, Timer};
use crate::address::sip_uri::SipUri;
use crate::conference::{self, Outcome, Reason, SubscriptionId, View};
use crate::env::Env;
use crate::leg::LegId;
use crate::time::Instant;

impl Room {
    pub(super) fn subscribed(&mut self, env: &mut Env<'_>, id: SubscriptionId, watch: Watch) {
        let sees = self.sees(&watch);
        let (room, expires) = (watch.room.uri.clone(), watch.expires);
        self.watches.insert(id, watch);
        self.with_conference(env, |conference, now, view, out| {
            conference.subscribe(now, id, room, expires, sees, view, out);
        });
    }

    pub(super) fn refreshed(&mut self, env: &mut Env<'_>, id: SubscriptionId, expires: Duration) {
        self.with_conference(env, |conference, now, view, out| conference.refreshed(now, id, expires, view, out));
    }

    pub(super) fn notified(&mut self, env: &mut Env<'_>, id: SubscriptionId, outcome: Outcome) {
        self.with_conference(env, |conference, now, view, out| conference.notified(now, id, outcome, view, out));
    }

    pub(super) fn subscription_ended(&mut self, env: &mut Env<'_>, id: SubscriptionId) {
        self.with_conference(env, |conference, _, _, out| conference.forget(id, out));
    }

    pub(super) fn conference_timeout(&mut self, env: &mut Env<'_>) {
        self.with_conference(env, |conference, now, view, out| conference.handle_timeout(now, view, out));
    }

    /// Tells the watchers what has changed: whether they may see the room, and the room.
    pub(super) fn publish(&mut self, env: &mut Env<'_>) {
        let news = (self.roster.revision(), self.observer.is_complete());
        if core::mem::replace(&mut self.published, news) == news && !self.moved {
            return;
        }
        self.moved = false;
        let sights: Vec<(SubscriptionId, bool)> =
            self.watches.iter().map(|(id, watch)| (*id, self.sees(watch))).collect();
        self.with_conference(env, |conference, now, view, out| {
            for (id, sees) in sights {
                conference.admit(now, id, sees, view, out);
            }
            conference.changed(now, view, out);
        });
    }

    /// Who has left has nothing to watch any more (GC-EXIT-03); who only watched goes on.
    pub(super) fn end_watches_of(
        &mut self,
        env: &mut Env<'_>,
        is_his: impl Fn(&Watch) -> bool,
        (reason, retry_after): (Reason, Option<u32>),
        why: &str,
    ) {
        let his: Vec<SubscriptionId> =
            self.watches.iter().filter(|(_, watch)| is_his(watch)).map(|(id, _)| *id).collect();
        self.with_conference(env, |conference, now, view, out| {
            for id in his {
                conference.end(now, id, reason, retry_after, Some(why.into()), view, out);
            }
        });
    }

    /// Whether somebody is an occupant, so that he may see the others (EV-17).
    fn sees(&self, watch: &Watch) -> bool {
        let member = self.member_of(&watch.caller, watch.leg).and_then(|id| self.members.get(&id));
        let is_occupant = member.is_some_and(|m| m.membership.is_inside() || m.membership.is_returning());
        is_occupant && self.observer.is_complete()
    }

    /// The membership of a caller: that of his call, or of his name, which has to be his own.
    pub(super) fn member_of(&self, caller: &SipUri, leg: Option<LegId>) -> Option<MembershipId> {
        if let Some(member) = leg.and_then(|leg| self.legs.get(&leg)) {
            return member.member;
        }
        self.index.of_caller(&own_name(caller)?)
    }

    fn with_conference(
        &mut self,
        env: &mut Env<'_>,
        act: impl FnOnce(&mut conference::Conference, Instant, View<'_>, &mut Vec<conference::Event>),
    ) {
        let view = View { roster: &self.roster, muc: &self.settings.muc, complete: self.observer.is_complete() };
        let mut events = Vec::new();
        act(&mut self.conference, env.now, view, &mut events);
        for event in events {
            match event {
                conference::Event::Notify(id, notification) => self.out.push_back(Output::Notify(id, notification)),
                conference::Event::Gone(id) => {
                    self.watches.remove(&id);
                    self.out.push_back(Output::SubscriptionGone(id));
                }
            }
        }
        match self.conference.next_timeout() {
            Some(at) => self.timers.set(Timer::Conference, at),
            None => self.timers.clear(Timer::Conference),
        }
    }
}

/// The key of a caller who has a name of his own.
pub(super) fn own_name(caller: &SipUri) -> Option<String> {
    (!is_nobody(caller)).then(|| caller.aor_key())
}

/// Whether a caller has no name of his own (RFC 3323): two of them are two.
pub(super) fn is_nobody(caller: &SipUri) -> bool {
    caller.host() == "anonymous.invalid"
}
