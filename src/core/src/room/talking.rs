//! What SIP users say (GC-MSG, GC-PM): judged, said to the MUC in its turn, and answered when the MUC has it or not.

mod recent;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::Bytes;

pub(super) use self::recent::Recent;
use self::recent::Seen;
use super::io::{MembershipId, Trace};
use super::{Arrival, Room, Said, Timer, voice};
use crate::env::Env;
use crate::leg::{LegId, Ticket, Utterance};
use crate::msrp::session::{Received, Verdict};
use crate::muc::{Errand, Ids};
use crate::stanza::{Condition, Message, StanzaError};
use crate::switch::{self, Speaker, Wish};
use crate::time::Instant;
use crate::translate::{errors, phrases};
use crate::wire::msrp::frame::Frame;

/// Nobody knows whether the room has the message: the sender is told before his own 30 seconds are over (GC-MSG-04).
const OVERDUE: Verdict =
    Verdict::Refused { code: 408, comment: Cow::Borrowed("The room did not confirm the message in time") };
/// The sender's turn would come too late.
const THROTTLED: Verdict = Verdict::Refused { code: 408, comment: Cow::Borrowed("Too many messages: slow down") };
/// The addressee is one of ours, and his client takes none (GC-PM-09).
const NO_PRIVATE_MESSAGES: Verdict =
    Verdict::Refused { code: 428, comment: Cow::Borrowed("The recipient does not take private messages") };

impl Room {
    pub(super) fn heard_from_leg(&mut self, env: &mut Env<'_>, id: LegId, frame: Frame, arrival: Arrival) {
        if self.awaits_the_first_word(id) {
            self.timers.clear(Timer::LostLeg(id)); // it was waiting for the answer to our first SEND
        }
        self.arrival = Some(arrival);
        self.with_leg(env, id, |leg, env, out| leg.receive(env, frame, out));
        self.arrival = None;
    }

    /// A whole message of a SIP user.
    pub(super) fn received(&mut self, env: &mut Env<'_>, id: LegId, ticket: Ticket, received: &Received) {
        let Some(participant) = self.legs.get(&id) else { return };
        let Some(member_id) = participant.member else {
            return self.settle(env, (id, ticket), OVERDUE, "the leg is leaving");
        };
        let Some(member) = self.members.get_mut(&member_id) else { return };
        let speaker = Speaker {
            caller: &member.caller,
            nickname: member.membership.occupant().map(|o| o.resource().as_str()),
            room: &participant.leg.dial().room,
            rules: &self.settings.rules,
            roster: &self.roster,
        };
        let wish = match switch::judge(received, speaker) {
            Err(objection) => {
                let why = alloc::format!("{objection}");
                return self.settle(env, (id, ticket), objection.verdict(), &why);
            }
            Ok(Wish::Nothing) => return self.settle(env, (id, ticket), Verdict::Accepted, ""),
            Ok(Wish::Composing(state)) => {
                self.settle(env, (id, ticket), Verdict::Accepted, "");
                return self.typed(env, member_id, &state);
            }
            Ok(Wish::Whispering { to, state }) => {
                self.settle(env, (id, ticket), Verdict::Accepted, "");
                return self.whispered_at(env, member_id, &to, &state);
            }
            Ok(Wish::Notification { to, imdn }) => {
                self.settle(env, (id, ticket), Verdict::Accepted, "");
                return self.notified_by_leg(env, member_id, &to, &imdn);
            }
            Ok(wish) => wish,
        };
        match member.recent.note(env.now, (received, &wish), (id, ticket)) {
            Seen::New => {}
            Seen::UnderWay => return, // it is answered together with the first
            Seen::Accepted => return self.settle(env, (id, ticket), Verdict::Accepted, ""),
            Seen::Unknown => {
                return self.settle(env, (id, ticket), OVERDUE, "it came twice, and nobody knows of the first");
            }
        }
        if let Wish::Private { to, .. } = &wish
            && self.changed_hands(env, to)
        {
            let verdict = switch::Objection::ChangedHands.verdict();
            return self.settle(env, (id, ticket), verdict, "the nickname has just changed hands");
        }
        if let Wish::Private { to, .. } = &wish
            && !self.takes_private_messages(to)
        {
            return self.settle(
                env,
                (id, ticket),
                NO_PRIVATE_MESSAGES,
                "the recipient's client takes no private messages",
            );
        }
        let said = self.arrival.map_or(env.now, |arrival| arrival.at);
        self.take_turn_or_wait(env, id, Utterance { ticket, wish, said });
    }

    /// Whether an occupant can be written to, as far as that is known here: of our own legs it is.
    pub(super) fn takes_private_messages(&self, nickname: &str) -> bool {
        let Some(member) = self.index.called(nickname).and_then(|id| self.members.get(&id)) else {
            return true;
        };
        let mut legs = member.legs.iter().filter_map(|id| self.legs.get(id));
        legs.any(|p| p.leg.capabilities().private_messages)
    }

    fn take_turn_or_wait(&mut self, env: &mut Env<'_>, id: LegId, utterance: Utterance) {
        if self.deadline(&utterance) <= env.now {
            return self.settle(env, (id, utterance.ticket), OVERDUE, "it waited too long behind earlier messages");
        }
        let turn = self.arrival.and_then(|arrival| arrival.turn).unwrap_or(env.now);
        let member = self.legs.get(&id).and_then(|p| p.member).and_then(|m| self.members.get(&m));
        // A room that has asked for quiet gets it (XM-16).
        let quiet = member.and_then(|m| m.membership.quiet_until());
        let turn = quiet.map_or(turn, |quiet| turn.max(quiet));
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
        let Utterance { ticket, wish, .. } = utterance;
        if deadline <= env.now {
            return self.settle(env, (id, ticket), THROTTLED, "the turn came too late");
        }
        let Some(member) = self.legs.get(&id).and_then(|p| p.member) else {
            return self.settle(env, (id, ticket), OVERDUE, "the leg is leaving");
        };
        if let Some(m) = self.members.get_mut(&member) {
            match &wish {
                Wish::Private { to, .. } => m.confidants.spoke(to),
                _ => m.composing.spoke(),
            }
        }
        let muc = self.settings.muc.clone();
        match wish {
            Wish::Nothing | Wish::Composing(_) | Wish::Whispering { .. } | Wish::Notification { .. } => {}
            Wish::Public { body, .. } if voice::is_asked_for(&body) => {
                self.voice_wanted(env, (id, ticket), member, deadline);
            }
            Wish::Public { body, request } => {
                self.expect_fate(env, member, (id, ticket), request);
                self.with_member(env, member, |m, env, out| {
                    m.say(env, Said::Message(id, ticket), body, deadline, out);
                });
            }
            Wish::Subject(subject) => self.with_member(env, member, |m, env, out| {
                m.set_subject(env, Said::Subject(id, ticket), subject, deadline, out);
            }),
            Wish::Private { to: nickname, body, headers, request } => match muc.with_resource_str(&nickname) {
                Ok(to) => {
                    let stanza = env.token();
                    let leg = self.legs.get(&id).map(|p| &p.leg);
                    let crosses = leg.is_some_and(|leg| leg.dial().room.receipts);
                    let is_active = leg.is_some_and(|leg| leg.capabilities().composing);
                    let names = (nickname.as_str(), stanza.as_str());
                    let asks = self.expect_receipts(env, (member, crosses), (id, ticket), request, names);
                    let known_as = self.known_as(&nickname);
                    let errand = Errand::Private { to, id: stanza, body, asks, is_active, known_as };
                    self.with_member(env, member, |m, env, out| {
                        m.run(env, Said::Private(id, ticket, headers), errand, deadline, out);
                    });
                }
                Err(_) => self.settle(env, (id, ticket), switch::Objection::NobodyHere.verdict(), "no such occupant"),
            },
        }
    }

    pub(super) fn leg_timeout(&mut self, env: &mut Env<'_>, id: LegId) {
        self.with_leg(env, id, |leg, env, out| leg.handle_timeout(env, out));
        let mut turns = Vec::new();
        if let Some(participant) = self.legs.get_mut(&id) {
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
        match said {
            Said::Voice(id, ticket) => self.voice_concluded(env, (id, ticket), result),
            Said::Nickname(id, ticket) => self.nickname_concluded(env, (id, ticket), result),
            Said::Invitation(id) => self.invitation_concluded(id, result),
            Said::Removal(id) => self.removal_concluded(id, result),
            Said::Message(id, ticket) | Said::Subject(id, ticket) if result.is_ok() => {
                self.trace(id, Trace::MessagePublished);
                self.conclude(env, (id, ticket), None, Ok(()));
            }
            Said::Message(id, ticket) => {
                let hint = self.may_not_speak(id);
                let refused = |error: StanzaError| {
                    let hint = hint.filter(|_| error.condition == Condition::Forbidden);
                    let words = hint.unwrap_or(phrases::explain_message(error.condition));
                    (errors::msrp_for_message(&error), words, error)
                };
                self.conclude(env, (id, ticket), None, result.map_err(refused));
            }
            Said::Subject(id, ticket) => {
                let refused = |error: StanzaError| {
                    (errors::msrp_for_message(&error), phrases::explain_subject(error.condition), error)
                };
                self.conclude(env, (id, ticket), None, result.map_err(refused));
            }
            Said::Private(id, ticket, headers) => {
                if result.is_ok() {
                    self.trace(id, Trace::PrivateMessageSent);
                }
                let refused = |error: StanzaError| {
                    (errors::msrp_for_private_message(&error), phrases::explain_private(error.condition), error)
                };
                self.conclude(env, (id, ticket), Some(headers), result.map_err(refused));
            }
        }
    }

    /// The room has what was said: its author is told, and his other devices show it (GC-MSG-03).
    pub(super) fn reflected(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        said: Said,
        message: &Message,
        ids: &Ids,
    ) {
        let Said::Message(author, _) = said else { return self.concluded(env, said, Ok(())) };
        self.concluded(env, said, Ok(()));
        self.show_to_other_devices(env, member, author, (message.body.as_deref().unwrap_or_default(), ids));
    }

    fn conclude(
        &mut self,
        env: &mut Env<'_>,
        message: (LegId, Ticket),
        headers: Option<Bytes>,
        result: Result<(), (u16, &'static str, StanzaError)>,
    ) {
        match result {
            Ok(()) => {
                self.settle_all(env, message, &Verdict::Accepted, headers.as_ref(), "");
                self.tell_delivered(env, message);
            }
            Err((code, comment, error)) => {
                let why = error.text.unwrap_or_else(|| comment.into());
                let verdict = Verdict::Refused { code, comment: comment.into() };
                self.settle_all(env, message, &verdict, headers.as_ref(), &why);
                self.tell_failed(env, message);
            }
        }
    }

    /// A private message that was accepted came back from its addressee's own server (GC-PM-06).
    pub(super) fn failed_after_all(&mut self, env: &mut Env<'_>, said: Said, error: &StanzaError) {
        let Said::Private(id, ticket, headers) = said else { return };
        let (code, comment) = (errors::msrp_for_private_message(error), phrases::explain_private(error.condition));
        let why = error.text.clone().unwrap_or_else(|| comment.into());
        self.trace(id, Trace::MessageRefused { code, why });
        self.with_leg(env, id, |leg, env, out| leg.failed_after_all(env, ticket, (code, comment), &headers, out));
        self.tell_failed(env, (id, ticket));
    }

    pub(super) fn overdue(&mut self, env: &mut Env<'_>, said: Said) {
        match said {
            Said::Nickname(id, ticket) => self.nickname_overdue(env, id, ticket),
            Said::Invitation(id) => self.invitation_concluded(id, Ok(())),
            Said::Removal(id) => self.removal_overdue(id),
            Said::Voice(id, ticket)
            | Said::Message(id, ticket)
            | Said::Subject(id, ticket)
            | Said::Private(id, ticket, _) => {
                self.forget_fate((id, ticket));
                self.settle_all(env, (id, ticket), &OVERDUE, None, "no reflection in time");
            }
        }
    }

    /// Answers a message that the room was told of, and every copy of it that came meanwhile (GC-MSG-13).
    pub(super) fn settle_all(
        &mut self,
        env: &mut Env<'_>,
        message: (LegId, Ticket),
        verdict: &Verdict,
        headers: Option<&Bytes>,
        why: &str,
    ) {
        let fate = match verdict {
            Verdict::Accepted => recent::Fate::Accepted,
            Verdict::Refused { code: 408, .. } => recent::Fate::Unknown,
            Verdict::Refused { .. } => recent::Fate::Refused,
        };
        let member = self.legs.get(&message.0).and_then(|p| p.member).and_then(|m| self.members.get_mut(&m));
        let copies = member.and_then(|m| m.recent.settle(message, fate)).unwrap_or_default();
        for copy in core::iter::once(message).chain(copies) {
            self.settle_with(env, copy, verdict.clone(), headers, why);
        }
    }

    pub(super) fn settle(&mut self, env: &mut Env<'_>, message: (LegId, Ticket), verdict: Verdict, why: &str) {
        self.settle_all(env, message, &verdict, None, why);
    }

    fn settle_with(
        &mut self,
        env: &mut Env<'_>,
        (id, ticket): (LegId, Ticket),
        verdict: Verdict,
        headers: Option<&Bytes>,
        why: &str,
    ) {
        if !self.legs.get(&id).is_some_and(|p| p.leg.owes(ticket)) {
            return; // the leg ended meanwhile
        }
        if let Verdict::Refused { code, .. } = &verdict {
            let code = *code;
            self.trace(id, Trace::MessageRefused { code, why: why.into() });
        }
        self.with_leg(env, id, |leg, env, out| match headers {
            Some(headers) => leg.conclude_private(env, ticket, &verdict, headers, out),
            None => leg.conclude(env, ticket, &verdict, out),
        });
    }
}
