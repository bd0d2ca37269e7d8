//! Private messages of occupants (GC-PM-08): they reach the legs that show such, and come back to their authors when no client of
//! theirs takes them (ERR-09). What is said to everybody never comes back.

mod table;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use jid::Jid;

pub(super) use self::table::Whispers;
use super::Room;
use super::hearing::TEXT;
use super::io::MembershipId;
use crate::env::Env;
use crate::leg::{Delivery, Leg, LegId};
use crate::msrp::content::{Content, Label};
use crate::stanza::Asks;
use crate::translate::{errors, message, phrases};

/// What a client that knows no private messages would have answered (RFC 7701 §6.2).
const NO_PRIVATE_MESSAGES: (u16, &str) = (428, "Private messages do not reach this occupant");

impl Room {
    /// An occupant says something to this membership alone.
    pub(super) fn whispered(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        (nickname, from): (&str, Jid),
        (body, id, asks): (String, Option<String>, Asks),
    ) {
        let Some(legs) = self.members.get(&member).map(|m| m.legs.clone()) else { return };
        let Some(dial) = legs.iter().find_map(|id| self.legs.get(id)).map(|p| p.leg.dial()) else { return };
        let (uri, reader, crosses) = (dial.room.uri.clone(), dial.caller.clone(), dial.room.receipts);
        let legs: Vec<LegId> = legs.into_iter().filter(|id| self.takes_private(*id)).collect();
        if legs.is_empty() {
            let (code, text) = NO_PRIVATE_MESSAGES;
            return self.send_back(env, member, (from, id), code, text);
        }
        let tells = |id: &LegId| self.legs.get(id).is_some_and(|p| p.leg.capabilities().receipts);
        let (telling, silent): (Vec<LegId>, Vec<LegId>) = legs.into_iter().partition(tells);
        let is_understood = crosses && !telling.is_empty();
        let (asking, plain) = self.tracking_for(env, member, &from, (id.as_deref(), asks), is_understood);
        let mut handed = table::Handed::new(env.now, from, id);
        for (legs, tracking) in [(telling, asking), (silent, plain)] {
            let cpim = message::private(&uri, nickname, &reader, &tracking, &body, env.wall);
            let Some(content) = Content::cpim(env, TEXT, cpim) else { return };
            for id in legs {
                match refusal_of(self.deliver(env, id, &content)) {
                    Some(code) => handed.not_to(code),
                    None => handed.to(id, content.label()),
                }
            }
        }
        if let Some(failed) = self.members.get_mut(&member).and_then(|m| m.whispers.put(handed)) {
            self.whisper_failed(env, member, failed);
        }
    }

    /// A client does not take a message that it was sent.
    pub(super) fn whisper_refused(&mut self, env: &mut Env<'_>, leg: LegId, code: u16, label: &Arc<Label>) {
        let Some(member) = self.legs.get(&leg).and_then(|p| p.member) else { return };
        let failed = self.members.get_mut(&member).and_then(|m| m.whispers.refused(env.now, leg, code, label));
        if let Some(failed) = failed {
            self.whisper_failed(env, member, failed);
        }
    }

    fn whisper_failed(&mut self, env: &mut Env<'_>, member: MembershipId, failed: table::Failed) {
        self.send_back(env, member, (failed.from, failed.id), failed.code, &phrases::refused_by_client(failed.code));
    }

    /// Gives a private message back to its author, if he is still the one of that name.
    fn send_back(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        (from, id): (Jid, Option<String>),
        code: u16,
        text: &str,
    ) {
        let is_another = from.resource().is_some_and(|nickname| self.changed_hands(env, nickname.as_str()));
        let Some(error) = errors::msrp::error_of_occupant(code, text).filter(|_| !is_another) else { return };
        self.with_member(env, member, |m, _, out| m.bounce(from, id, error, out));
    }

    /// Whether private messages are shown on this leg.
    pub(super) fn takes_private(&self, id: LegId) -> bool {
        let takes = |leg: &Leg| leg.capabilities().private_messages && leg.dial().room.private_messages;
        self.legs.get(&id).is_some_and(|p| takes(&p.leg))
    }
}

/// The status with which a client would have refused what cannot even be sent to it.
const fn refusal_of(delivery: Delivery) -> Option<u16> {
    match delivery {
        Delivery::TypeRefused => Some(415),
        Delivery::TooLarge => Some(413),
        Delivery::NoConnection => Some(481),
        _ => None,
    }
}
