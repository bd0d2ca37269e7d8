//! From INVITE to answer: the MUC is entered before the call is answered (GC-JOIN).

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use jid::BareJid;

use super::io::{MembershipId, Output, Trace};
use super::{Member, Participant, Room, Timer};
use crate::env::Env;
use crate::leg::call::{CallCommand, Refusal};
use crate::leg::{Dial, Leg, LegId};
use crate::muc::{JoinRefusal, Membership, StreamEnd};
use crate::translate::{errors, phrases};

/// A caller who waits this long hears 183, so that he knows that somebody works on it.
const FIRST_PROGRESS: Duration = Duration::from_secs(1);
/// And again, so that proxies do not give up (RFC 3261 §13.3.1.1 asks for one a minute).
const NEXT_PROGRESS: Duration = Duration::from_secs(55);
/// When to try again where an XMPP server is away, in seconds.
const RETRY_AFTER: u32 = 30;

impl Room {
    pub(super) fn dialled(&mut self, env: &mut Env<'_>, id: LegId, account: BareJid, nickname: String, dial: Dial) {
        let create = dial.room.create;
        let caller = dial.caller.clone();
        let taken = self.members.values().any(|m| m.account == account);
        let leg = match Leg::new(dial) {
            Ok(_) if taken => Err(Refusal::new(486, "You are in this room already: a second device is not supported")),
            other => other,
        };
        let leg = match leg {
            Ok(leg) => leg,
            Err(refusal) => return self.refuse_unheard(id, refusal),
        };
        self.last_member += 1;
        let member = MembershipId(self.last_member);
        let membership = Membership::new(self.settings.muc.clone(), nickname, create);
        self.legs.insert(id, Participant { leg, member: Some(member) });
        self.members.insert(member, Member { account: account.clone(), caller, membership, legs: vec![id] });
        self.timers.set(Timer::Progress(id), env.now + FIRST_PROGRESS);
        self.timers.set(Timer::Join(id), env.now + self.settings.timeouts.join);
        self.out.push_back(Output::OpenStream(member, account));
    }

    /// Refuses a call that never became a leg.
    fn refuse_unheard(&mut self, id: LegId, refusal: Refusal) {
        self.trace(id, Trace::Refused { code: refusal.code, why: refusal.text.clone() });
        self.out.push_back(Output::Call(id, CallCommand::Reject(refusal)));
        self.out.push_back(Output::LegGone(id));
    }

    pub(super) fn still_joining(&mut self, env: &mut Env<'_>, id: LegId) {
        if self.legs.get(&id).is_some_and(|p| p.leg.is_ringing()) {
            self.out.push_back(Output::Call(id, CallCommand::Progress));
            self.timers.set(Timer::Progress(id), env.now + NEXT_PROGRESS);
        }
    }

    /// The MUC took too long: 504 says that somebody behind us did not answer in time (GC-JOIN-15).
    pub(super) fn join_timed_out(&mut self, env: &mut Env<'_>, id: LegId) {
        let member = self.legs.get(&id).and_then(|p| p.member).and_then(|m| self.members.get(&m));
        let why = match member {
            Some(m) if m.membership.is_connecting() => "The login at the XMPP server took too long",
            _ => "The room did not answer in time",
        };
        let refusal = Refusal::new(504, why).retry_after(RETRY_AFTER);
        self.reject(env, id, refusal);
        self.forsake(env, id, None);
    }

    pub(super) fn entered(&mut self, env: &mut Env<'_>, member: MembershipId) {
        let Some(m) = self.members.get(&member) else { return };
        let nickname = m.membership.occupant().map_or_else(String::new, |o| o.resource().to_string());
        for id in m.legs.clone() {
            self.timers.clear(Timer::Progress(id));
            self.timers.clear(Timer::Join(id));
            self.timers.set(Timer::LostLeg(id), env.now + self.settings.timeouts.lost_leg);
            self.trace(id, Trace::Entered { nickname: nickname.clone() });
            self.with_leg(env, id, |leg, env, out| leg.accept(env, out));
        }
    }

    pub(super) fn join_refused(&mut self, env: &mut Env<'_>, member: MembershipId, refusal: &JoinRefusal) {
        let legs: Vec<LegId> = self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default();
        for id in legs {
            self.reject(env, id, sip_refusal(refusal));
        }
        self.drop_member(member);
    }

    pub(super) fn reject(&mut self, env: &mut Env<'_>, id: LegId, refusal: Refusal) {
        self.timers.clear(Timer::Progress(id));
        self.timers.clear(Timer::Join(id));
        if self.legs.get(&id).is_some_and(|p| p.leg.is_ringing()) {
            self.trace(id, Trace::Refused { code: refusal.code, why: refusal.text.clone() });
            self.with_leg(env, id, |leg, _, out| leg.reject(refusal, out));
        }
    }
}

/// What a caller is told when the room is not to be entered (GC-JOIN-14).
fn sip_refusal(refusal: &JoinRefusal) -> Refusal {
    let text = phrases::quoted(&refusal.to_string());
    match refusal {
        JoinRefusal::ByRoom(error) => {
            let sip = errors::sip_for(error);
            let own_words = error.text.as_deref().map(phrases::quoted).filter(|words| !words.is_empty());
            let why = own_words.unwrap_or_else(|| phrases::explain(error.condition).into());
            Refusal { code: sip.code, text: why, retry_after: sip.retry_after, contact: sip.contact }
        }
        JoinRefusal::NoSuchRoom => Refusal::new(404, text),
        JoinRefusal::NoNickname => Refusal::new(400, text),
        JoinRefusal::Removed(removal) => match removal.sip_cause() {
            403 => Refusal::new(403, text),
            301 | 410 => Refusal::new(410, text),
            _ => Refusal::new(480, text).retry_after(RETRY_AFTER),
        },
        JoinRefusal::Stream(end) => match end {
            StreamEnd::LoginRefused(_) => Refusal::new(403, end.for_callers()),
            _ => Refusal::new(480, end.for_callers()).retry_after(RETRY_AFTER),
        },
    }
}
