//! What legs and memberships want, and who of the room does it.

use alloc::vec::Vec;

use super::io::{EndCause, MembershipId, Output, Trace};
use super::{Room, Said, Timer};
use crate::env::Env;
use crate::leg::{self, Leg, LegId};
use crate::muc::{self, Membership};
use crate::translate::notices;

/// Events that there is room for from one time to the next.
const KEPT: usize = 8;

impl Room {
    /// Lets a leg do something, and carries out what it wants.
    pub(super) fn with_leg(
        &mut self,
        env: &mut Env<'_>,
        id: LegId,
        act: impl FnOnce(&mut Leg, &mut Env<'_>, &mut Vec<leg::Event>),
    ) {
        let Some(participant) = self.legs.get_mut(&id) else { return };
        let mut events = core::mem::take(&mut self.leg_events);
        act(&mut participant.leg, env, &mut events);
        for event in events.drain(..) {
            match event {
                leg::Event::Call(command) => self.out.push_back(Output::Call(id, command)),
                leg::Event::Invite(offer) => self.out.push_back(Output::Invite(id, offer)),
                leg::Event::OpenSession(session, expected) => {
                    self.fits_again(id); // whoever comes now is another
                    self.timers.set(Timer::LostLeg(id), env.now + self.settings.timeouts.lost_leg);
                    self.out.push_back(Output::OpenSession(id, session, expected));
                }
                leg::Event::Connect(target) => self.out.push_back(Output::Connect(id, target)),
                leg::Event::Transmit(frame) => self.out.push_back(Output::Transmit(id, frame)),
                leg::Event::Send(post) => self.out.push_back(Output::Send(id, post)),
                leg::Event::Failed(delivery) => self.trace(id, Trace::MessageNotDelivered(delivery)),
                leg::Event::TakeBack => self.out.push_back(Output::TakeBack(id)),
                leg::Event::CloseSession(session) => self.out.push_back(Output::CloseSession(id, session)),
                leg::Event::Credit => self.out.push_back(Output::Credit(id)),
                leg::Event::Peer(fault) => self.trace(id, Trace::PeerFault(fault)),
                leg::Event::Received(ticket, received) => self.received(env, id, ticket, &received),
                leg::Event::Nickname(ticket, wanted) => self.nickname_wanted(env, id, ticket, wanted),
                leg::Event::SessionRemoved => self.session_removed(env, id),
                leg::Event::BoundBefore => self.session_bound(env, id),
                leg::Event::NoAgreement(why) => self.end_leg_as(env, id, 488, EndCause::Fault, &why),
                leg::Event::Missed(count) => self.notify_leg(env, id, &notices::missed(count)),
                leg::Event::SessionRefused(code) => {
                    let why = alloc::format!("The client says that its MSRP session is over ({code})");
                    self.end_leg(env, id, EndCause::MsrpLost, &why);
                }
            }
        }
        events.shrink_to(KEPT);
        self.leg_events = events;
        self.rearm_leg(id);
    }

    /// Lets a membership do something, and carries out what it wants.
    pub(super) fn with_member(
        &mut self,
        env: &mut Env<'_>,
        id: MembershipId,
        act: impl FnOnce(&mut Membership<Said>, &mut Env<'_>, &mut Vec<muc::Event<Said>>),
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let mut events = core::mem::take(&mut self.member_events);
        act(&mut member.membership, env, &mut events);
        self.attend(id);
        for event in events.drain(..) {
            match event {
                muc::Event::Send(stanza) => self.out.push_back(Output::Stanza(id, stanza)),
                muc::Event::Entered { again } => self.entered(env, id, again),
                muc::Event::Refused(refusal) => self.join_refused(env, id, &refusal),
                muc::Event::Removed(removal) => self.removed(env, id, &removal),
                muc::Event::Returning => self.returning(id),
                muc::Event::CaughtUp { count, is_whole } => self.caught_up(env, id, count, is_whole),
                muc::Event::Held { ticket, errand, deadline } => self.held(env, id, (ticket, deadline), errand),
                muc::Event::OutOfReach => self.out_of_reach(id),
                muc::Event::WithinReach => self.within_reach(env, id),
                muc::Event::ThrownOut { retry } => self.thrown_out(env, id, retry),
                muc::Event::Stranded(end) => self.stranded(env, id, &end),
                muc::Event::Reset(end) => self.reset(env, id, &end),
                muc::Event::Reflected(said, message, ids) => self.reflected(env, id, said, &message, &ids),
                muc::Event::Spoken { message, earlier } => self.spoken(env, id, &message, earlier),
                muc::Event::Concluded(said, result) => self.concluded(env, said, result),
                muc::Event::FailedAfterAll(said, error) => self.failed_after_all(env, said, &error),
                muc::Event::Overdue(said) => self.overdue(env, said),
                muc::Event::NoSuchNickname(said) => self.no_such_nickname(env, &said),
                muc::Event::Heard(heard) => self.heard_from_room(env, id, heard),
                muc::Event::Seen(seen) => self.seen(env, id, &seen),
                muc::Event::Subject(subject) => self.subject_changed(id, subject),
                muc::Event::Codes(codes) => self.codes(env, id, &codes),
                muc::Event::Described(info) => self.described(id, &info),
                muc::Event::Declined(decline) => self.declined(env, id, &decline),
            }
        }
        events.shrink_to(KEPT);
        self.member_events = events;
        self.rearm_member(id);
    }

    pub(super) fn rearm_leg(&mut self, id: LegId) {
        match self.legs.get(&id).and_then(|p| p.leg.next_timeout()) {
            Some(at) => self.timers.set(Timer::Leg(id), at),
            None => self.timers.clear(Timer::Leg(id)),
        }
    }

    fn rearm_member(&mut self, id: MembershipId) {
        match self.members.get(&id).and_then(|m| m.membership.next_timeout()) {
            Some(at) => self.timers.set(Timer::Membership(id), at),
            None => self.timers.clear(Timer::Membership(id)),
        }
    }
}
