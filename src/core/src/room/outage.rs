//! The XMPP server is away for a while: the legs stay, the watchers see it, and the way back in is tried until
//! `timeouts.muc_outage` has passed (XM-18).

use core::time::Duration;

use super::io::{MembershipId, Output, Trace};
use super::{Room, Timer};
use crate::env::Env;
use crate::muc::StreamEnd;
use crate::xmpp_stream::interest::Interest;

/// How long after the first failure the stream is tried again; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Room {
    pub(super) fn stream_ended(&mut self, env: &mut Env<'_>, member: MembershipId, end: StreamEnd) {
        let until = env.now + self.settings.timeouts.muc_outage;
        self.with_member(env, member, |m, _, out| m.stream_ended(end, until, out));
    }

    /// A membership that was inside lost its stream.
    pub(super) fn stranded(&mut self, env: &mut Env<'_>, member: MembershipId, end: &StreamEnd) {
        self.out.push_back(Output::CloseStream(member));
        self.moved = true;
        self.looks_away(env, member);
        let nobody_is_inside = !self.members.values().any(|m| m.membership.is_inside());
        if nobody_is_inside {
            self.roster.describe(|about| about.unreachable = true);
        }
        let Some(m) = self.members.get_mut(&member) else { return };
        m.is_attached = false;
        m.lost_at.get_or_insert(env.now);
        let is_first = m.failures == 0;
        let doubled = FIRST_PAUSE.saturating_mul(1 << m.failures.min(5)).min(LONGEST_PAUSE);
        m.failures = m.failures.saturating_add(1);
        // Between half and all of it, so that the streams of a server that comes back do not all come at once.
        let share = u32::try_from(env.ids.next() & 0x3ff).unwrap_or(0);
        let pause = doubled / 2 + doubled / 2048 * share;
        for leg in m.legs.clone() {
            self.trace(leg, Trace::Stranded { why: alloc::format!("{end}"), retry: pause, is_first });
        }
        self.timers.set(Timer::Reattach(member), env.now + pause);
    }

    pub(super) fn reattach(&mut self, member: MembershipId) {
        if let Some(m) = self.members.get_mut(&member) {
            m.is_attached = true;
            m.interest = Interest::Everything;
            self.out.push_back(Output::OpenStream(member, m.account.clone()));
        }
    }
}
