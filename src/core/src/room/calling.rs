//! Calls that the room makes (RFC 4579 §5.5): a phone rings, and who answers it enters. Nobody is in the MUC who has not answered.
//!
//! From the 2xx on such a leg is like any other; here is what comes before, and who is told of it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::inviting::InvitationId;
use super::io::{AccountKey, EndCause};
use super::referral::ReferralId;
use super::{Participant, Room, Timer};
use crate::env::Env;
use crate::leg::call::{CallEnd, Refusal};
use crate::leg::{self, Dial, Leg, LegId};
use crate::roster::How;
use crate::translate::phrases;

/// How long a phone may ring (RFC 3261 §13.3.1.1 has proxies give up after three minutes).
const RINGING: Duration = Duration::from_secs(175);
/// Provisional responses of one call that are told on.
const MAX_PROGRESS: u8 = 6;

/// A call that is to be made.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// A name that was never used before.
    pub leg: LegId,
    /// The XMPP account that who is called acts under.
    pub account: AccountKey,
    /// A nickname made from what is known of him.
    pub nickname: String,
    /// The call, without an offer: `caller` is who is called.
    pub dial: Dial,
}

/// A call until its user is in the room.
#[derive(Debug)]
pub(super) struct Calling {
    account: AccountKey,
    nickname: String,
    asked: Asked,
    /// Who had him called by a REFER: his nickname.
    by: Option<String>,
    told: (u16, u8),
    is_answered: bool,
}

/// Who wants to know what comes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whoever sent a REFER.
    Referral(ReferralId),
    /// Whoever invited him on the XMPP side, who is told of the end alone.
    Invitation(InvitationId),
}

impl Room {
    /// The leg of a call that can be made.
    ///
    /// # Errors
    ///
    /// 486 while he is being called already, 488 where there is nothing to offer.
    pub(super) fn may_call(&self, outgoing: &Outgoing) -> Result<Leg, Refusal> {
        let callee = &outgoing.dial.caller;
        let is_he = |id: &LegId| self.legs.get(id).is_some_and(|p| p.leg.dial().caller.same_aor(callee));
        if self.calls.keys().any(is_he) {
            return Err(Refusal::new(486, "He is being called already"));
        }
        Leg::new(outgoing.dial.clone())
    }

    pub(super) fn place_call(
        &mut self,
        env: &mut Env<'_>,
        outgoing: Outgoing,
        leg: Leg,
        (asked, by): (Asked, Option<String>),
    ) {
        let Outgoing { leg: id, account, nickname, .. } = outgoing;
        self.legs.insert(id, Participant::new(leg, None));
        self.calls.insert(id, Calling { account, nickname, asked, by, told: (0, 0), is_answered: false });
        self.rings(id, 100, "Trying".to_string());
        let mut can_call = false;
        self.with_leg(env, id, |leg, env, out| can_call = leg.call(env, out));
        // The session waits for its connection no longer than from the answer on.
        self.timers.clear(Timer::LostLeg(id));
        if can_call {
            self.timers.set(Timer::Ringing(id), env.now + RINGING);
        } else {
            self.call_failed(id, 500, "This node's MSRP address is unusable");
            self.call_ended(env, id, CallEnd::ByUs);
        }
    }

    /// A provisional response, told on where it says something new.
    pub(super) fn rings(&mut self, id: LegId, code: u16, phrase: String) {
        let Some(calling) = self.calls.get_mut(&id) else { return };
        let (last, count) = calling.told;
        if code <= last || code >= 200 || count >= MAX_PROGRESS {
            return;
        }
        calling.told = (code, count + 1);
        if let Asked::Referral(referral) = calling.asked {
            self.tell_progress(referral, code, phrases::quoted(&phrase));
        }
    }

    /// The answer to an offer of ours, in an ACK or in the 2xx to a call of ours: then he is on his way in.
    pub(super) fn answered(
        &mut self,
        env: &mut Env<'_>,
        id: LegId,
        act: impl FnOnce(&mut Leg, &mut Env<'_>, &mut Vec<leg::Event>),
    ) {
        let is_called = self.calls.get_mut(&id).is_some_and(|call| !core::mem::replace(&mut call.is_answered, true));
        if is_called {
            self.timers.clear(Timer::Ringing(id));
            self.timers.set(Timer::Join(id), env.now + self.settings.timeouts.join);
            self.timers.set(Timer::LostLeg(id), env.now + self.settings.timeouts.lost_leg);
        }
        self.with_leg(env, id, act);
        if is_called {
            self.join_called(env, id);
        }
    }

    /// His account enters the MUC, or he is another device of somebody who is there.
    fn join_called(&mut self, env: &mut Env<'_>, id: LegId) {
        let Some(call) = self.calls.get(&id) else { return };
        let (account, nickname, by) = (call.account.clone(), call.nickname.clone(), call.by.clone());
        let Some(participant) = self.legs.remove(&id) else { return };
        let Participant { leg, is_introduced, .. } = *participant;
        match self.index.of_account(&account) {
            Some(member) => self.dialled_again(env, id, member, leg),
            None => {
                self.dialled_first(id, account, nickname, leg);
                let member = self.legs.get(&id).and_then(|p| p.member);
                if let Some(m) = member.and_then(|member| self.members.get_mut(&member)) {
                    m.how = How::Called { by };
                }
            }
        }
        if let Some(participant) = self.legs.get_mut(&id) {
            participant.is_introduced |= is_introduced;
        }
    }

    /// The MUC is entered. His client may have connected before.
    pub(super) fn called_is_in(&mut self, env: &mut Env<'_>, id: LegId) {
        let Some(call) = self.calls.remove(&id) else { return };
        match call.asked {
            Asked::Referral(referral) => self.end_referral(referral, 200, "OK".to_string()),
            Asked::Invitation(id) => self.invitation_over(id, Ok(())),
        }
        if self.legs.get(&id).is_some_and(|p| p.is_introduced) {
            self.bound_first(env, id);
        }
    }

    /// Nobody answers.
    pub(super) fn rang_in_vain(&mut self, env: &mut Env<'_>, id: LegId) {
        self.end_leg_as(env, id, 408, EndCause::Declined, "The call was not answered in time");
    }

    /// The room is no more: there is nothing to answer the phones for that ring. Whoever has answered is on his way in, and hears of it
    /// from the room.
    pub(super) fn end_what_rings(&mut self, env: &mut Env<'_>, status: u16, why: &str) {
        let ringing = self.calls.iter().filter(|(_, call)| !call.is_answered);
        let ringing: Vec<LegId> = ringing.map(|(id, _)| *id).collect();
        for id in ringing {
            self.end_leg_as(env, id, status, EndCause::ByRoom, why);
        }
    }

    /// Nothing comes of a call: who asked for it is told.
    pub(super) fn call_failed(&mut self, id: LegId, code: u16, why: &str) {
        self.came_to_nothing(id, Refusal::new(code, phrases::quoted(why)));
    }

    fn came_to_nothing(&mut self, id: LegId, refusal: Refusal) {
        let Some(call) = self.calls.remove(&id) else { return };
        match call.asked {
            Asked::Referral(referral) => self.end_referral(referral, refusal.code, refusal.text),
            Asked::Invitation(id) => self.invitation_over(id, Err(refusal)),
        }
    }

    /// The same where the other side, or what is between, has ended it.
    pub(super) fn called_hangs_up(&mut self, id: LegId, end: &CallEnd) {
        match end {
            CallEnd::Refused { code, phrase, contact } => {
                let refusal = Refusal::new(*code, phrases::quoted(phrase));
                self.came_to_nothing(id, Refusal { contact: contact.clone(), ..refusal });
            }
            CallEnd::Failed(_) => self.call_failed(id, 503, "The call could not be made"),
            CallEnd::Bye { .. } | CallEnd::ByUs | CallEnd::Replaced | CallEnd::NoAck | CallEnd::Expired(_) => {
                self.call_failed(id, 487, "Request Terminated");
            }
        }
    }
}
