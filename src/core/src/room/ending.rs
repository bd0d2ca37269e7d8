//! How legs end, whoever ends them (GC-EXIT).

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::io::{Drain, EndCause, MembershipId, Output, Trace, Watch};
use super::watching::{is_nobody, own_name};
use super::{Member, Room, Timer};
use crate::conference::Reason;
use crate::env::Env;
use crate::leg::LegId;
use crate::leg::call::CallEnd;
use crate::msrp::content::Content;
use crate::muc::{Departure, Removal};
use crate::stanza::{Affiliation, OutStanza};
use crate::translate::errors::status::Watching;
use crate::translate::{phrases, text};

/// What everybody reads when the process ends.
const GOING_DOWN: &str = "The server is going down";
/// What everybody reads when the operator ends a leg.
const BY_OPERATOR: &str = "Ended by the operator of the gateway";
/// What a client reads who came with another certificate than he had announced, or was met with one.
const MISFIT: &str = "TLS: the certificate on the MSRP connection is not the one announced";
/// When a subscription that ended for a passing reason may be tried again, in seconds.
const RETRY_AFTER: u32 = 30;

impl Room {
    pub(super) fn session_bound(&mut self, env: &mut Env<'_>, id: LegId) {
        let Some(leg) = self.legs.get(&id).map(|p| &p.leg).filter(|leg| leg.is_answered()) else {
            return; // the leg ended meanwhile
        };
        if leg.awaits_the_first_answer() {
            // It is told again when there is an answer.
            return self.with_leg(env, id, |leg, env, out| leg.bound(env, out));
        }
        self.fits_again(id);
        self.trace(id, Trace::Connected);
        self.with_leg(env, id, |leg, env, out| leg.bound(env, out));
        // Whom we connected to has to say something first: anything may listen at the address that he gave.
        if !self.awaits_the_first_word(id) {
            self.timers.clear(Timer::LostLeg(id));
        }
        let introduced = self.legs.get_mut(&id).map(|p| core::mem::replace(&mut p.is_introduced, true));
        if introduced == Some(false) && !self.calls.contains_key(&id) {
            self.bound_first(env, id);
        }
    }

    /// Whether we have connected to the client of this leg, and nobody has said anything there.
    pub(super) fn awaits_the_first_word(&self, id: LegId) -> bool {
        self.legs.get(&id).is_some_and(|p| p.leg.awaits_the_first_word())
    }

    /// The client took the MSRP stream out of the call: it has as long as for a lost connection to bring another.
    pub(super) fn session_removed(&mut self, env: &mut Env<'_>, id: LegId) {
        self.timers.set(Timer::LostLeg(id), env.now + self.settings.timeouts.lost_leg);
    }

    /// Whoever was there for the session was not its client (MS-TLS-01). He may yet come, and the call waits as long as for any
    /// connection; then he is told what was wrong.
    pub(super) fn session_misfit(&mut self, id: LegId) {
        if let Some(participant) = self.legs.get_mut(&id) {
            participant.is_misfit = true;
        }
    }

    /// There is another connection, or is to be one.
    pub(super) fn fits_again(&mut self, id: LegId) {
        if let Some(participant) = self.legs.get_mut(&id) {
            participant.is_misfit = false;
        }
    }

    /// Why a leg ends that has no connection for too long.
    pub(super) fn why_unconnected(&self, id: LegId) -> &'static str {
        if self.legs.get(&id).is_some_and(|participant| participant.is_misfit) { MISFIT } else { "No MSRP connection" }
    }

    /// The leg stays for a while (`timeouts.lost_leg`), then leaves (GC-EXIT-04).
    ///
    /// The time counts from when the connection died, not from when that was noticed.
    pub(super) fn session_lost(
        &mut self,
        env: &mut Env<'_>,
        id: LegId,
        why: String,
        ago: Duration,
        unsent: Vec<Arc<Content>>,
    ) {
        if self.legs.get(&id).is_some_and(|p| p.leg.is_answered()) {
            let patience = self.settings.timeouts.lost_leg.saturating_sub(ago);
            self.timers.set(Timer::LostLeg(id), env.now + patience);
            self.trace(id, Trace::Disconnected { why });
        }
        self.with_leg(env, id, |leg, _, _| leg.connection_lost(unsent));
    }

    /// The caller withdrew: the driver has answered, the MUC is left (GC-JOIN-16).
    pub(super) fn cancelled(&mut self, env: &mut Env<'_>, id: LegId) {
        if self.is_open(id) {
            self.trace(id, Trace::Ended { cause: EndCause::Cancelled, why: "cancelled by the caller".into() });
            self.with_leg(env, id, |leg, _, out| leg.over(out));
            self.part(env, id, None, EndCause::Cancelled);
        }
    }

    /// The dialog is over; the text of the caller's Reason is what the others read (GC-EXIT-02).
    pub(super) fn call_ended(&mut self, env: &mut Env<'_>, id: LegId, end: CallEnd) {
        let lost = Some("connection lost".to_string());
        self.called_hangs_up(id, &end);
        let (cause, why, status) = match end {
            CallEnd::Bye { reason } => (EndCause::ByCaller, "BYE from the caller".to_string(), reason),
            CallEnd::ByUs => (EndCause::Fault, "the driver ended the call".to_string(), None),
            CallEnd::Replaced => (EndCause::Replaced, "another call has taken its place".to_string(), None),
            CallEnd::NoAck => (EndCause::NoAck, "no ACK in time".to_string(), lost),
            CallEnd::Expired(why) => (EndCause::Expired, why, lost),
            CallEnd::Failed(why) => (EndCause::Fault, why, lost),
            CallEnd::Refused { code, phrase, .. } => {
                (EndCause::Declined, alloc::format!("the call was refused with {code} {phrase}"), None)
            }
        };
        if self.is_open(id) {
            self.trace(id, Trace::Ended { cause, why });
        }
        self.with_leg(env, id, |leg, _, out| leg.over(out));
        self.part(env, id, status.map(|s| text::xml_clean(&s).into_owned()), cause);
        if self.legs.remove(&id).is_some() {
            self.out.push_back(Output::LegGone(id));
        }
        self.timers.clear(Timer::Leg(id));
    }

    /// The room ends a leg for a reason of its own.
    pub(super) fn end_leg(&mut self, env: &mut Env<'_>, id: LegId, cause: EndCause, why: &str) {
        self.end_leg_as(env, id, 480, cause, why);
    }

    /// The same with another status than 480.
    pub(super) fn end_leg_as(&mut self, env: &mut Env<'_>, id: LegId, status: u16, cause: EndCause, why: &str) {
        if self.hang_up(env, id, status, cause, why) {
            self.part(env, id, Some(why.into()), cause);
        }
    }

    /// The MUC has us no longer: every leg of the membership gets a BYE that says why (GC-EXIT-05). When there is no MUC any more, that
    /// goes for who is being called, too.
    pub(super) fn removed(&mut self, env: &mut Env<'_>, member: MembershipId, removal: &Removal) {
        let legs: Vec<LegId> = self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default();
        let cause = match removal {
            Removal::StreamLost(_) => EndCause::XmppLost,
            _ => EndCause::ByRoom,
        };
        let why = phrases::quoted(&removal.to_string());
        self.banned(&legs, removal);
        for id in &legs {
            self.hang_up(env, *id, removal.sip_cause(), cause, &why);
        }
        if let Removal::Destroyed { alternate, .. } = removal {
            self.out.extend(alternate.clone().map(Output::Moved));
            self.end_all_watches(env, removal.sip_cause(), &why);
            self.end_what_rings(env, removal.sip_cause(), &why);
        }
        let reason = match removal.watching() {
            Watching::Over => (Reason::Noresource, None),
            Watching::Later => (Reason::Probation, Some(RETRY_AFTER)),
            Watching::Forbidden => (Reason::Rejected, None),
        };
        for id in legs {
            self.end_watches_of(env, |watch| watch.leg == Some(id), reason, &why);
        }
        self.drop_member(env, member, reason, &why);
    }

    /// The operator ends a leg. Its caller may come again: who is to stay out is banned in the MUC.
    pub(super) fn kicked(&mut self, env: &mut Env<'_>, id: LegId) {
        self.end_leg(env, id, EndCause::ByOperator, BY_OPERATOR);
    }

    /// Whoever knows callers has to know of a ban: the MUC bans an account, which need not be this caller's next one.
    pub(super) fn banned(&mut self, legs: &[LegId], removal: &Removal) {
        if matches!(removal, Removal::Banned { .. }) {
            // They are one user's.
            self.out.extend(legs.first().map(|id| Output::Banned(*id)));
        }
    }

    /// Everybody leaves, and nobody watches any more.
    pub(super) fn drain(&mut self, env: &mut Env<'_>, why: Drain) {
        // RFC 6665 §4.1.3, EV-12. First of all, since the end of a call ends what is watched within it.
        let reason = match why {
            Drain::GoingDown => (Reason::Probation, Some(RETRY_AFTER)),
            Drain::OutOfService => (Reason::Deactivated, None),
        };
        self.end_watches_of(env, |_| true, reason, GOING_DOWN);
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for id in legs {
            if self.hang_up(env, id, 503, EndCause::Shutdown, GOING_DOWN) {
                self.part(env, id, Some(GOING_DOWN.into()), EndCause::Shutdown);
            }
        }
    }

    /// Whether the call waits for an answer, or stands.
    fn is_open(&self, id: LegId) -> bool {
        self.legs.get(&id).is_some_and(|p| p.leg.is_answered() || p.leg.is_ringing())
    }

    pub(super) fn hang_up(&mut self, env: &mut Env<'_>, id: LegId, status: u16, cause: EndCause, why: &str) -> bool {
        let open = self.is_open(id);
        if open {
            self.call_failed(id, status, why);
            self.trace(id, Trace::Ended { cause, why: why.into() });
            self.with_leg(env, id, |leg, _, out| leg.hang_up(status, why.into(), out));
        }
        open
    }

    /// Parts a leg from its membership, which leaves the MUC when that was its last leg. What was watched within the call, or in
    /// the name of who has left, ends too (GC-EXIT-03).
    pub(super) fn part(&mut self, env: &mut Env<'_>, id: LegId, status: Option<String>, cause: EndCause) {
        let timers =
            [Timer::Progress(id), Timer::Join(id), Timer::Ringing(id), Timer::LostLeg(id), Timer::Introduction(id)];
        for timer in timers {
            self.timers.clear(timer);
        }
        let reason = match cause {
            EndCause::Shutdown | EndCause::XmppLost => (Reason::Probation, Some(RETRY_AFTER)),
            _ => (Reason::Noresource, None),
        };
        let why = cause.to_string();
        self.end_watches_of(env, |watch| watch.leg == Some(id), reason, &why);
        let Some(member) = self.legs.get_mut(&id).and_then(|p| p.member.take()) else { return };
        let Some(m) = self.members.get_mut(&member) else { return };
        m.legs.retain(|leg| *leg != id);
        if m.legs.is_empty() {
            let nickname =
                m.membership.nickname().filter(|name| self.index.called(name) == Some(member)).map(String::from);
            self.end_ad_hoc(env, member, cause);
            self.with_member(env, member, |m, _, out| m.leave(status.clone(), out));
            self.drop_member(env, member, reason, &why);
            // Who dials again before the MUC has said so gets his name back: on his stream the leave comes before the join.
            if let Some(nickname) = nickname {
                self.roster.remove(&nickname, Some((Departure::Left(status), env.wall)));
            }
        }
    }

    /// A room that a factory made ends with whom it was made for (RFC 4579 §5.12), if it is his; but not with this process.
    fn end_ad_hoc(&mut self, env: &mut Env<'_>, member: MembershipId, cause: EndCause) {
        let is_his = |m: &Member| m.ad_hoc && matches!(m.standing, Some((_, Affiliation::Owner)));
        let goes_on = matches!(cause, EndCause::Shutdown | EndCause::XmppLost | EndCause::ByRoom);
        if !goes_on && self.members.get(&member).is_some_and(|m| is_his(m)) && self.is_inside(member) {
            let destroy = OutStanza::Destroy { room: self.settings.muc.clone(), id: env.token() };
            self.out.push_back(Output::Stanza(member, destroy));
        }
    }

    /// Forgets a membership that is over, and parts its legs from it.
    pub(super) fn drop_member(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        reason: (Reason, Option<u32>),
        why: &str,
    ) {
        self.observer.awaits_no_more(member, None, &mut self.roster);
        self.blinded(env, member);
        if let Some(gone) = self.members.remove(&member) {
            let aor_key = own_name(&gone.caller);
            self.index.ends(member, &gone.account, aor_key.as_deref(), gone.found_as.as_deref());
            if gone.is_attached {
                self.out.push_back(Output::CloseStream(member));
            }
            if gone.since.is_some() && !is_nobody(&gone.caller) {
                let is_his = |watch: &Watch| watch.leg.is_none() && watch.caller.same_aor(&gone.caller);
                self.end_watches_of(env, is_his, reason, why);
            }
        }
        for participant in self.legs.values_mut().filter(|p| p.member == Some(member)) {
            participant.member = None;
        }
        self.moved = true;
        self.rearm_composing();
        self.timers.clear(Timer::Membership(member));
        self.timers.clear(Timer::Reattach(member));
        self.timers.clear(Timer::Suspended(member));
    }
}
