//! How legs end, whoever ends them (GC-EXIT).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::io::{EndCause, MembershipId, Output, Trace};
use super::{Room, Timer};
use crate::env::Env;
use crate::leg::LegId;
use crate::leg::call::CallEnd;
use crate::muc::Removal;
use crate::translate::{phrases, text};

/// What everybody reads when the process ends.
const GOING_DOWN: &str = "The server is going down";

impl Room {
    pub(super) fn session_bound(&mut self, env: &mut Env<'_>, id: LegId) {
        let Some(leg) = self.legs.get(&id).map(|p| &p.leg).filter(|leg| leg.is_answered()) else {
            return; // the leg ended meanwhile
        };
        // Whom we connected to has to say something first: anything may listen at the address that he gave.
        if !leg.is_active() {
            self.timers.clear(Timer::LostLeg(id));
        }
        self.trace(id, Trace::Connected);
        self.with_leg(env, id, |leg, env, out| leg.bound(env, out));
    }

    /// The leg stays for a while (`timeouts.lost_leg`), then leaves (GC-EXIT-04).
    ///
    /// The time counts from when the connection died, not from when that was noticed.
    pub(super) fn session_lost(&mut self, env: &mut Env<'_>, id: LegId, why: String, ago: Duration) {
        if self.legs.get(&id).is_some_and(|p| p.leg.is_answered()) {
            let patience = self.settings.timeouts.lost_leg.saturating_sub(ago);
            self.timers.set(Timer::LostLeg(id), env.now + patience);
            self.trace(id, Trace::Disconnected { why });
        }
        self.with_leg(env, id, |leg, _, _| leg.connection_lost());
    }

    /// The caller withdrew: the driver has answered, the MUC is left (GC-JOIN-16).
    pub(super) fn cancelled(&mut self, env: &mut Env<'_>, id: LegId) {
        if self.is_open(id) {
            self.trace(id, Trace::Ended { cause: EndCause::Cancelled, why: "cancelled by the caller".into() });
            self.with_leg(env, id, |leg, _, out| leg.over(out));
            self.forsake(env, id, None);
        }
    }

    /// The dialog is over; the text of the caller's Reason is what the others read (GC-EXIT-02).
    pub(super) fn call_ended(&mut self, env: &mut Env<'_>, id: LegId, end: CallEnd) {
        let lost = Some("connection lost".to_string());
        let (cause, why, status) = match end {
            CallEnd::Bye { reason } => (EndCause::ByCaller, "BYE from the caller".to_string(), reason),
            CallEnd::ByUs => (EndCause::Fault, "the driver ended the call".to_string(), None),
            CallEnd::NoAck => (EndCause::NoAck, "no ACK in time".to_string(), lost),
            CallEnd::Failed(why) => (EndCause::Fault, why, lost),
        };
        if self.is_open(id) {
            self.trace(id, Trace::Ended { cause, why });
        }
        self.with_leg(env, id, |leg, _, out| leg.over(out));
        self.forsake(env, id, status.map(|s| text::xml_clean(&s).into_owned()));
        if self.legs.remove(&id).is_some() {
            self.out.push_back(Output::LegGone(id));
        }
        self.timers.clear(Timer::Leg(id));
    }

    /// The room ends a leg for a reason of its own.
    pub(super) fn end_leg(&mut self, env: &mut Env<'_>, id: LegId, cause: EndCause, why: &str) {
        if self.hang_up(env, id, 480, cause, why) {
            self.forsake(env, id, Some(why.into()));
        }
    }

    /// The MUC has us no longer: every leg of the membership gets a BYE that says why (GC-EXIT-05).
    pub(super) fn removed(&mut self, env: &mut Env<'_>, member: MembershipId, removal: &Removal) {
        let legs: Vec<LegId> = self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default();
        let cause = match removal {
            Removal::StreamLost(_) => EndCause::XmppLost,
            _ => EndCause::ByRoom,
        };
        for id in legs {
            self.hang_up(env, id, removal.sip_cause(), cause, &phrases::quoted(&removal.to_string()));
        }
        self.drop_member(member);
    }

    pub(super) fn drain(&mut self, env: &mut Env<'_>) {
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for id in legs {
            if self.hang_up(env, id, 503, EndCause::Shutdown, GOING_DOWN) {
                self.forsake(env, id, Some(GOING_DOWN.into()));
            }
        }
    }

    /// Whether the call waits for an answer, or stands.
    fn is_open(&self, id: LegId) -> bool {
        self.legs.get(&id).is_some_and(|p| p.leg.is_answered() || p.leg.is_ringing())
    }

    fn hang_up(&mut self, env: &mut Env<'_>, id: LegId, status: u16, cause: EndCause, why: &str) -> bool {
        let open = self.is_open(id);
        if open {
            self.trace(id, Trace::Ended { cause, why: why.into() });
            self.with_leg(env, id, |leg, _, out| leg.hang_up(status, why.into(), out));
        }
        open
    }

    /// Parts a leg from its membership, which leaves the MUC when that was its last leg.
    pub(super) fn forsake(&mut self, env: &mut Env<'_>, id: LegId, status: Option<String>) {
        for timer in [Timer::Progress(id), Timer::Join(id), Timer::LostLeg(id)] {
            self.timers.clear(timer);
        }
        let Some(member) = self.legs.get_mut(&id).and_then(|p| p.member.take()) else { return };
        let Some(m) = self.members.get_mut(&member) else { return };
        m.legs.retain(|leg| *leg != id);
        if m.legs.is_empty() {
            self.with_member(env, member, |m, _, out| m.leave(status, out));
            self.drop_member(member);
        }
    }

    /// Forgets a membership that is over, and parts its legs from it.
    pub(super) fn drop_member(&mut self, member: MembershipId) {
        if self.members.remove(&member).is_some() {
            self.out.push_back(Output::CloseStream(member));
        }
        for participant in self.legs.values_mut().filter(|p| p.member == Some(member)) {
            participant.member = None;
        }
        self.timers.clear(Timer::Membership(member));
    }
}
