//! From INVITE to answer: the MUC is entered before the call is answered (GC-JOIN).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::io::{AccountKey, EndCause, MembershipId, Output, Trace};
use super::receipts::Receipts;
use super::ring::Position;
use super::talking::Recent;
use super::watching::own_name;
use super::whispers::Whispers;
use super::{Member, Participant, Room, Timer};
use crate::composing::{Confidants, Typing, Typists};
use crate::conference::Reason;
use crate::env::Env;
use crate::leg::call::{CallCommand, Refusal};
use crate::leg::{Dial, Leg, LegId};
use crate::muc::{JoinRefusal, Membership, StreamEnd, Wishes};
use crate::roster::{How, Occupant};
use crate::setbacks::Setbacks;
use crate::time::Instant;
use crate::translate::{errors, phrases};
use crate::xmpp_stream::interest::Interest;

/// A caller who waits this long hears 183, so that he knows that somebody works on it.
const FIRST_PROGRESS: Duration = Duration::from_secs(1);
/// And again, so that proxies do not give up (RFC 3261 §13.3.1.1 asks for one a minute).
const NEXT_PROGRESS: Duration = Duration::from_secs(55);
/// When to try again where an XMPP server is away, in seconds.
const RETRY_AFTER: u32 = 30;

impl Room {
    pub(super) fn dialled(&mut self, env: &mut Env<'_>, id: LegId, account: AccountKey, nickname: String, dial: Dial) {
        let shared = self.index.of_account(&account);
        let leg = match Leg::new(dial) {
            Ok(leg) => leg,
            Err(refusal) => return self.refuse_unheard(id, refusal),
        };
        self.timers.set(Timer::Progress(id), env.now + FIRST_PROGRESS);
        self.timers.set(Timer::Join(id), env.now + self.settings.timeouts.join);
        match shared {
            Some(member) => self.dialled_again(env, id, member, leg),
            None => self.dialled_first(id, account, nickname, leg),
        }
    }

    /// A user's first leg: his account enters the MUC.
    pub(super) fn dialled_first(&mut self, id: LegId, account: AccountKey, nickname: String, leg: Leg) {
        let (caller, room) = (leg.dial().caller.clone(), &leg.dial().room);
        let ad_hoc = room.ad_hoc;
        let wishes = Wishes {
            nickname: self.distinct(nickname.clone()),
            create: room.create,
            password: room.password.clone(),
            history: room.history,
            silence: self.settings.timeouts.self_ping,
            outage: self.settings.timeouts.muc_outage,
        };
        self.last_member += 1;
        let member = MembershipId(self.last_member);
        let membership = Membership::new(self.settings.muc.clone(), wishes);
        self.legs.insert(id, Participant::new(leg, Some(member)));
        let (recent, composing) = (Recent::default(), Typing::new());
        self.index.begins(member, account.clone(), own_name(&caller));
        self.members.insert(
            member,
            Box::new(Member {
                account: account.clone(),
                caller,
                membership,
                legs: vec![id],
                is_attached: true,
                ad_hoc,
                how: How::Dialed,
                standing: None,
                since: None,
                first_nickname: nickname,
                called: String::new(),
                recent,
                receipts: Receipts::default(),
                whispers: Whispers::default(),
                composing,
                confidants: Confidants::new(),
                whisperers: Typists::new(),
                found_as: None,
                interest: Interest::Everything,
                setbacks: Setbacks::new(),
                lost_at: None,
                away: None,
                next_name: Instant::ZERO,
                position: Position::default(),
                heard_at: Instant::ZERO,
            }),
        );
        self.out.push_back(Output::OpenStream(member, account));
    }

    /// Another device of a user who is in the room or on his way: it shares his place (GC-JOIN-17).
    pub(super) fn dialled_again(&mut self, env: &mut Env<'_>, id: LegId, member: MembershipId, leg: Leg) {
        let Some(m) = self.members.get_mut(&member) else { return };
        m.legs.push(id);
        let is_inside = m.membership.is_inside() || m.membership.is_returning();
        self.legs.insert(id, Participant::new(leg, Some(member)));
        if is_inside {
            self.welcome(env, id, member);
        }
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
        self.part(env, id, None, EndCause::Fault);
    }

    pub(super) fn stream_ready(&mut self, env: &mut Env<'_>, member: MembershipId) {
        // Whoever enters an empty room is named everybody in it.
        self.may_observe(member);
        let is_there = self.observer.eyes().is_some_and(|eyes| self.is_inside(eyes));
        let (ids, archive) = (self.gives_ids, self.has_archive);
        self.with_member(env, member, |m, env, out| {
            m.announces(ids, archive);
            m.stream_ready(env, is_there, out);
        });
    }

    pub(super) fn entered(&mut self, env: &mut Env<'_>, member: MembershipId, again: bool) {
        let Some(m) = self.members.get_mut(&member) else { return };
        m.setbacks.entered(env.now);
        self.out.push_back(Output::Joined(member));
        m.away = m.lost_at.take().map(|since| env.now.since(since));
        self.roster.describe(|about| about.unreachable = false);
        m.since.get_or_insert(env.wall);
        let joined = m.joined(env.wall);
        let nickname: String = m.membership.nickname().unwrap_or_default().into();
        let legs = m.legs.clone();
        let is_news = core::mem::replace(&mut m.called, nickname.clone()) != nickname;
        self.observer.awaits_no_more(member, Some(&nickname), &mut self.roster);
        if let Some(occupant) = self.roster.get(&nickname).filter(|occupant| occupant.dialed_in.is_none()).cloned() {
            self.roster.put(&nickname, Occupant { dialed_in: Some(joined), ..occupant });
        }
        self.moved = true;
        self.named_everybody(env, member);
        if again {
            for id in legs {
                // His old place may be held by what is left of his old stream.
                if is_news {
                    self.tell_name(env, id);
                }
            }
            return;
        }
        for id in legs {
            self.welcome(env, id, member);
        }
    }

    /// The call is answered: its user is in the room.
    fn welcome(&mut self, env: &mut Env<'_>, id: LegId, member: MembershipId) {
        let nickname = self.members.get(&member).and_then(|m| m.membership.nickname()).unwrap_or_default().into();
        self.timers.clear(Timer::Progress(id));
        self.timers.clear(Timer::Join(id));
        self.trace(id, Trace::Entered { nickname });
        if self.calls.contains_key(&id) {
            return self.called_is_in(env, id);
        }
        self.timers.set(Timer::LostLeg(id), env.now + self.settings.timeouts.lost_leg);
        self.with_leg(env, id, |leg, env, out| leg.accept(env, out));
    }

    pub(super) fn join_refused(&mut self, env: &mut Env<'_>, member: MembershipId, refusal: &JoinRefusal) {
        let legs: Vec<LegId> = self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default();
        if let JoinRefusal::Removed(removal) = refusal {
            self.banned(&legs, removal);
        }
        for id in legs {
            self.reject(env, id, sip_refusal(refusal));
        }
        self.drop_member(env, member, (Reason::Noresource, None), "the room was not entered");
    }

    pub(super) fn reject(&mut self, env: &mut Env<'_>, id: LegId, refusal: Refusal) {
        self.timers.clear(Timer::Progress(id));
        self.timers.clear(Timer::Join(id));
        if self.legs.get(&id).is_some_and(|p| p.leg.is_ringing()) {
            self.trace(id, Trace::Refused { code: refusal.code, why: refusal.text.clone() });
            return self.with_leg(env, id, |leg, _, out| leg.reject(refusal, out));
        }
        // Whom we called has answered already.
        if self.calls.contains_key(&id) {
            self.hang_up(env, id, refusal.code, EndCause::Fault, &refusal.text);
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
            let why = own_words.unwrap_or_else(|| phrases::explain_join(error.condition).into());
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
