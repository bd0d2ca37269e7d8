//! The XMPP server is away for a while: the legs stay, the watchers see it, and the way back in is tried until
//! `timeouts.muc_outage` has passed (XM-18). A connection that comes back at once nobody sees at all (XM-02).

use alloc::string::String;
use core::time::Duration;

use super::io::{MembershipId, Output, Trace};
use super::{Room, Timer};
use crate::env::Env;
use crate::muc::StreamEnd;
use crate::setbacks;
use crate::translate::notices;
use crate::xmpp_stream::interest::Interest;

/// How long a stream may be without a connection before somebody else looks in its place, and the watchers are told.
const NOTICED: Duration = Duration::from_secs(5);

impl Room {
    pub(super) fn stream_ended(&mut self, env: &mut Env<'_>, member: MembershipId, end: StreamEnd) {
        let until = env.now + self.settings.timeouts.muc_outage;
        self.with_member(env, member, |m, _, out| m.stream_ended(end, until, out));
    }

    /// The connection of a stream is gone: nobody notices, if it comes back soon.
    pub(super) fn stream_suspended(&mut self, env: &mut Env<'_>, member: MembershipId, why: StreamEnd) {
        let until = env.now + self.settings.timeouts.muc_outage;
        let text = alloc::format!("{why}");
        self.with_member(env, member, |m, _, _| m.stream_suspended(why, until));
        let Some(m) = self.members.get_mut(&member) else { return };
        if m.membership.is_inside() && !m.membership.is_live() {
            m.lost_at.get_or_insert(env.now);
            self.timers.set(Timer::Suspended(member), env.now + NOTICED);
            self.trace_all(member, &Trace::Suspended { why: text });
        }
    }

    pub(super) fn stream_resumed(&mut self, env: &mut Env<'_>, member: MembershipId, unhandled: &[String]) {
        self.timers.clear(Timer::Suspended(member));
        self.with_member(env, member, |m, env, out| m.stream_resumed(env, unhandled, out));
        let Some(m) = self.members.get_mut(&member).filter(|m| m.membership.is_live()) else { return };
        let away = m.lost_at.take().map(|since| env.now.since(since));
        self.moved = true;
        self.roster.describe(|about| about.unreachable = false);
        if let Some(away) = away {
            self.trace_all(member, &Trace::Resumed { away });
        }
        let is_observed = self.observer.eyes().is_some_and(|eyes| self.is_live(eyes));
        if !is_observed {
            self.take_over(env, member);
        }
    }

    pub(super) fn stream_reset(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        why: StreamEnd,
        unhandled: &[String],
    ) {
        let until = env.now + self.settings.timeouts.muc_outage;
        self.with_member(env, member, |m, _, out| m.stream_reset(why, unhandled, until, out));
    }

    /// A membership that was inside lost its stream.
    pub(super) fn stranded(&mut self, env: &mut Env<'_>, member: MembershipId, end: &StreamEnd) {
        self.out.push_back(Output::CloseStream(member));
        self.keeps_its_place(member);
        self.goes_dark(env, member);
        let Some(m) = self.members.get_mut(&member) else { return };
        m.is_attached = false;
        let before = m.setbacks.another(env.now);
        let retry = setbacks::pause(env, before);
        let why = alloc::format!("{end}");
        self.trace_all(member, &Trace::Stranded { why, retry, is_first: before == 0 });
        self.timers.set(Timer::Reattach(member), env.now + retry);
    }

    /// The room lets a membership in and throws it out at once. The stream is well, and tells nothing of the room meanwhile.
    pub(super) fn thrown_out(&mut self, env: &mut Env<'_>, member: MembershipId, retry: Duration) {
        self.goes_dark(env, member);
        self.trace_all(member, &Trace::ThrownOut { retry });
    }

    /// A membership that was inside gets another stream.
    pub(super) fn reset(&mut self, env: &mut Env<'_>, member: MembershipId, end: &StreamEnd) {
        self.keeps_its_place(member);
        self.goes_dark(env, member);
        self.trace_all(member, &Trace::Reset { why: alloc::format!("{end}") });
    }

    /// Who comes back before the others do names everybody whom the room has by then. They are on the list all the same.
    fn keeps_its_place(&mut self, member: MembershipId) {
        if let Some(nickname) = self.members.get(&member).and_then(|m| m.membership.returns_as()) {
            self.observer.awaits(member, nickname, &self.roster);
        }
    }

    /// A membership is back, and its legs have been told what was said meanwhile, as far as it is known. Where something may be
    /// missing they are told that.
    pub(super) fn caught_up(&mut self, env: &mut Env<'_>, member: MembershipId, count: usize, is_whole: bool) {
        let Some(m) = self.members.get_mut(&member) else { return };
        let (away, legs) = (m.away.take(), m.legs.clone());
        self.trace_all(member, &Trace::CaughtUp { away: away.unwrap_or_default(), count, is_whole });
        if let Some(away) = away.filter(|_| !is_whole) {
            for leg in legs {
                self.notify_leg(env, leg, &notices::away(away));
            }
        }
    }

    /// A membership does not hear of the room any more, and that shows.
    pub(super) fn goes_dark(&mut self, env: &mut Env<'_>, member: MembershipId) {
        self.timers.clear(Timer::Suspended(member));
        self.moved = true;
        self.looks_away(env, member);
        if !self.members.values().any(|m| m.membership.is_live()) {
            self.roster.describe(|about| about.unreachable = true);
        }
        if let Some(m) = self.members.get_mut(&member) {
            m.lost_at.get_or_insert(env.now);
        }
    }

    fn trace_all(&mut self, member: MembershipId, trace: &Trace) {
        for leg in self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default() {
            self.trace(leg, trace.clone());
        }
    }

    /// Whether a membership has been in the room and has lost it for now: then nobody waits for his call to be answered.
    #[must_use]
    pub fn is_on_its_way_back(&self, member: MembershipId) -> bool {
        self.members.get(&member).is_some_and(|m| m.lost_at.is_some())
    }

    pub(super) fn reattach(&mut self, member: MembershipId) {
        if let Some(m) = self.members.get_mut(&member) {
            m.is_attached = true;
            m.interest = Interest::Everything;
            self.out.push_back(Output::OpenStream(member, m.account.clone()));
        }
    }
}
