//! Who watches the room, and what he may see (GC-PRES).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::io::{MembershipId, Output, Watch};
use super::{Room, Timer};
use crate::address::sip_uri::SipUri;
use crate::conference::{self, Ending, Interest, Outcome, Reason, SubscriptionId, View};
use crate::env::Env;
use crate::leg::LegId;
use crate::time::Instant;

impl Room {
    pub(super) fn subscribed(&mut self, env: &mut Env<'_>, id: SubscriptionId, watch: Watch) {
        let interest = Interest {
            room: watch.room.uri.clone(),
            expires: watch.expires,
            sees: self.sees(self.member_of(&watch.caller, watch.leg)),
            interval: watch.interval,
            whole: watch.room.whole_roster,
        };
        self.watches.insert(id, watch);
        self.with_conference(env, |conference, now, view, out| conference.subscribe(now, id, interest, view, out));
    }

    pub(super) fn refreshed(
        &mut self,
        env: &mut Env<'_>,
        id: SubscriptionId,
        expires: Duration,
        interval: Option<Duration>,
    ) {
        self.with_conference(env, |conference, now, view, out| {
            conference.refreshed(now, id, (expires, interval), view, out);
        });
    }

    pub(super) fn wished(&mut self, env: &mut Env<'_>, id: SubscriptionId, interval: Option<Duration>) {
        self.with_conference(env, |conference, now, _, _| conference.wished(now, id, interval));
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
        let old = core::mem::replace(&mut self.published, news);
        let moved = core::mem::replace(&mut self.moved, false) || old.1 != news.1;
        if self.watches.is_empty() || (old == news && !moved) {
            return;
        }
        // Most changes are of people who watch nothing.
        let sights = if moved { self.sights() } else { Vec::new() };
        self.with_conference(env, |conference, now, view, out| {
            for (id, sees) in sights {
                conference.admit(now, id, sees, view, out);
            }
            conference.changed(now, view, out);
        });
    }

    /// Who of the watchers may see the room.
    fn sights(&self) -> Vec<(SubscriptionId, bool)> {
        let sees = |watch: &Watch| self.sees(self.member_of(&watch.caller, watch.leg));
        self.watches.iter().map(|(id, watch)| (*id, sees(watch))).collect()
    }

    /// Who has left has nothing to watch any more (GC-EXIT-03); who only watched goes on.
    pub(super) fn end_watches_of(
        &mut self,
        env: &mut Env<'_>,
        is_his: impl Fn(&Watch) -> bool,
        (reason, retry_after): (Reason, Option<u32>),
        why: &str,
    ) {
        let (text, cause) = (Some(why.into()), None);
        self.end_watches(env, is_his, &Ending { reason, retry_after, text, cause, room_is_gone: false });
    }

    /// The room was destroyed: nobody has anything to watch any more, whether he was in it or not (CI-22). Of his call and of his
    /// subscription he is told the same `cause`.
    pub(super) fn end_all_watches(&mut self, env: &mut Env<'_>, cause: u16, why: &str) {
        let (text, cause) = (Some(why.into()), Some(cause));
        let ending = Ending { reason: Reason::Noresource, retry_after: None, text, cause, room_is_gone: true };
        self.end_watches(env, |_| true, &ending);
    }

    fn end_watches(&mut self, env: &mut Env<'_>, which: impl Fn(&Watch) -> bool, ending: &Ending) {
        let ids: Vec<SubscriptionId> =
            self.watches.iter().filter(|(_, watch)| which(watch)).map(|(id, _)| *id).collect();
        self.with_conference(env, |conference, now, view, out| {
            for id in ids {
                conference.end(now, id, ending.clone(), view, out);
            }
        });
    }

    /// Whether a membership is an occupant, so that its user may see the others (EV-17).
    fn sees(&self, member: Option<MembershipId>) -> bool {
        let member = member.and_then(|id| self.members.get(&id));
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
