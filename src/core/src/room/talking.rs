//! Messages both ways (GC-MSG).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::io::{EndCause, MembershipId, Trace};
use super::{Arrival, Room, Said, Timer};
use crate::env::Env;
use crate::leg::{LegId, Ticket, Utterance};
use crate::msrp::session::{Received, Verdict};
use crate::muc::Heard;
use crate::stanza::StanzaError;
use crate::switch::{self, Speaker};
use crate::time::Instant;
use crate::translate::{errors, message, phrases};
use crate::wire::msrp::frame::Frame;

/// Nobody knows whether the room has the message: the sender is told before his own 30 seconds are over (GC-MSG-04).
const OVERDUE: Verdict =
    Verdict::Refused { code: 408, comment: Cow::Borrowed("The room did not confirm the message in time") };
/// The sender's turn would come too late.
const THROTTLED: Verdict = Verdict::Refused { code: 408, comment: Cow::Borrowed("Too many messages: slow down") };

impl Room {
    pub(super) fn heard_from_leg(&mut self, env: &mut Env<'_>, id: LegId, frame: Frame, arrival: Arrival) {
        if self.legs.get(&id).is_some_and(|p| p.leg.is_active()) {
            self.timers.clear(Timer::LostLeg(id)); // it was waiting for the answer to our first SEND
        }
        self.arrival = Some(arrival);
        self.with_leg(env, id, |leg, env, out| leg.receive(env, frame, out));
        self.arrival = None;
    }

    /// A whole message of a SIP user: judged, then said to the MUC, now or when its sender's turn has come.
    pub(super) fn received(&mut self, env: &mut Env<'_>, id: LegId, ticket: Ticket, received: &Received) {
        let Some(participant) = self.legs.get(&id) else { return };
        let member = participant.member.and_then(|m| self.members.get(&m));
        let Some(member) = member else { return self.settle(env, (id, ticket), OVERDUE, "the leg is leaving") };
        let speaker = Speaker {
            caller: &member.caller,
            nickname: member.membership.occupant().map(|o| o.resource().as_str()),
            room: &participant.leg.dial().room,
            rules: &self.settings.rules,
        };
        match switch::judge(received, speaker) {
            Err(objection) => {
                let why = alloc::format!("{objection}");
                self.settle(env, (id, ticket), objection.verdict(), &why);
            }
            Ok(None) => self.settle(env, (id, ticket), Verdict::Accepted, ""),
            Ok(Some(body)) => {
                let said = self.arrival.map_or(env.now, |arrival| arrival.at);
                self.take_turn_or_wait(env, id, Utterance { ticket, body, said });
            }
        }
    }

    fn take_turn_or_wait(&mut self, env: &mut Env<'_>, id: LegId, utterance: Utterance) {
        if self.deadline(&utterance) <= env.now {
            return self.settle(env, (id, utterance.ticket), OVERDUE, "it waited too long behind earlier messages");
        }
        let turn = self.arrival.and_then(|arrival| arrival.turn).unwrap_or(env.now);
        if turn >= self.deadline(&utterance) {
            return self.settle(env, (id, utterance.ticket), THROTTLED, "the sender is over messages_per_user");
        }
        let Some(participant) = self.legs.get_mut(&id) else { return };
        if turn > env.now || participant.leg.is_throttled() {
            return participant.leg.await_turn(turn, utterance);
        }
        self.say(env, id, utterance);
    }

    /// By when the sender of a message is told about it, however long he waited for his turn.
    fn deadline(&self, utterance: &Utterance) -> Instant {
        utterance.said + self.settings.timeouts.reflection
    }

    fn say(&mut self, env: &mut Env<'_>, id: LegId, utterance: Utterance) {
        let deadline = self.deadline(&utterance);
        let Utterance { ticket, body, .. } = utterance;
        if deadline <= env.now {
            return self.settle(env, (id, ticket), THROTTLED, "the turn came too late");
        }
        match self.legs.get(&id).and_then(|p| p.member) {
            Some(member) => {
                self.with_member(env, member, |m, env, out| m.say(env, (id, ticket), body, deadline, out));
            }
            None => self.settle(env, (id, ticket), OVERDUE, "the leg is leaving"),
        }
    }

    pub(super) fn leg_timeout(&mut self, env: &mut Env<'_>, id: LegId) {
        let mut turns = Vec::new();
        if let Some(participant) = self.legs.get_mut(&id) {
            participant.leg.handle_timeout(env.now);
            while let Some(turn) = participant.leg.take_turn(env.now) {
                turns.push(turn);
            }
        }
        for utterance in turns {
            self.say(env, id, utterance);
        }
        self.rearm_leg(id);
    }

    pub(super) fn concluded(&mut self, env: &mut Env<'_>, said: Said, result: Result<(), StanzaError>) {
        match result {
            Ok(()) => {
                self.trace(said.0, Trace::MessagePublished);
                self.settle(env, said, Verdict::Accepted, "");
            }
            Err(error) => {
                let code = errors::msrp_for_message(&error);
                let comment = phrases::explain(error.condition);
                let why = error.text.as_deref().unwrap_or(comment);
                self.settle(env, said, Verdict::Refused { code, comment: comment.into() }, why);
            }
        }
    }

    pub(super) fn overdue(&mut self, env: &mut Env<'_>, said: Said) {
        self.settle(env, said, OVERDUE, "no reflection in time");
    }

    fn settle(&mut self, env: &mut Env<'_>, (id, ticket): Said, verdict: Verdict, why: &str) {
        if !self.legs.get(&id).is_some_and(|p| p.leg.owes(ticket)) {
            return; // the leg ended meanwhile
        }
        if let Verdict::Refused { code, .. } = &verdict {
            let code = *code;
            self.trace(id, Trace::MessageRefused { code, why: why.into() });
        }
        self.with_leg(env, id, |leg, env, out| leg.conclude(env, ticket, &verdict, out));
    }

    /// An occupant spoke, or the room: every leg of this membership is told.
    pub(super) fn heard_from_room(&mut self, env: &mut Env<'_>, member: MembershipId, heard: &Heard) {
        let Some(legs) = self.members.get(&member).map(|m| m.legs.clone()) else { return };
        let Some(uri) = legs.iter().find_map(|id| self.legs.get(id)).map(|p| &p.leg.dial().room.uri) else { return };
        let cpim = message::to_cpim(uri, heard.nickname.as_deref(), &heard.body, env.wall);
        for id in legs {
            let mut sent = Ok(false);
            self.with_leg(env, id, |leg, env, out| sent = leg.deliver(env, &cpim, out));
            match sent {
                Ok(true) => self.trace(id, Trace::MessageDelivered),
                Ok(false) => {}
                Err(overflow) => self.end_leg(env, id, EndCause::TooSlow, &alloc::format!("{overflow}")),
            }
        }
    }
}
