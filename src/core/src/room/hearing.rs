//! What the legs of a membership hear (GC-MSG-10, GC-PM-08).

use alloc::vec::Vec;

use bytes::Bytes;

use super::io::{EndCause, MembershipId, Trace};
use super::{Member, Room, Timer};
use crate::composing::Status;
use crate::env::Env;
use crate::leg::Delivery;
use crate::leg::LegId;
use crate::muc::{Heard, Utterance};
use crate::stanza::ChatState;
use crate::translate::message;
use crate::wire::is_composing::IsComposing;

/// In larger rooms nobody is told who is typing: every key of one would be a message to all (ISC-04).
const SMALL_ROOM: usize = 20;

impl Room {
    /// An occupant spoke, or the room: every leg of this membership is told.
    pub(super) fn heard_from_room(&mut self, env: &mut Env<'_>, member: MembershipId, heard: Heard) {
        let Some(legs) = self.members.get(&member).map(|m| m.legs.clone()) else { return };
        let Some(dial) = legs.iter().find_map(|id| self.legs.get(id)).map(|p| p.leg.dial()) else { return };
        let uri = dial.room.uri.clone();
        let uri = &uri;
        let is_live = !matches!(heard.utterance, Utterance::Public { earlier: Some(_), .. });
        if let Some(nickname) = heard.nickname.as_ref().filter(|_| is_live) {
            self.spoke(env, member, nickname);
        }
        let Some(dial) = legs.iter().find_map(|id| self.legs.get(id)).map(|p| p.leg.dial()) else { return };
        match heard.utterance {
            Utterance::Public { body, earlier } => {
                let cpim = match earlier {
                    None => message::public(uri, heard.nickname.as_deref(), &body, env.wall),
                    Some(stamp) => message::earlier(uri, heard.nickname.as_deref(), &body, stamp.unwrap_or(env.wall)),
                };
                if let Some(nickname) = &heard.nickname {
                    self.composing.done(nickname);
                }
                for id in legs {
                    self.deliver(env, id, &cpim);
                }
            }
            Utterance::Private { body, from, id } => {
                let Some(nickname) = heard.nickname else { return };
                let cpim = message::private(uri, &nickname, &dial.caller, &body, env.wall);
                let takes = |id: &LegId| {
                    self.legs
                        .get(id)
                        .is_some_and(|p| p.leg.capabilities().private_messages && p.leg.dial().room.private_messages)
                };
                let legs: Vec<LegId> = legs.into_iter().filter(takes).collect();
                if legs.is_empty() {
                    return self.with_member(env, member, |m, _, out| {
                        m.bounce(from, id, "Private messages do not reach this occupant", out);
                    });
                }
                for id in legs {
                    self.deliver(env, id, &cpim);
                }
            }
            Utterance::State(state) => {
                if let Some(nickname) = heard.nickname {
                    self.somebody_types(env, member, &nickname, state);
                }
            }
        }
    }

    /// What one device of a user said, as his other ones show it.
    pub(super) fn show_to_other_devices(&mut self, env: &mut Env<'_>, member: MembershipId, author: LegId, body: &str) {
        let Some(m) = self.members.get(&member).filter(|m| m.legs.len() > 1) else { return };
        let others: Vec<LegId> = m.legs.iter().copied().filter(|leg| *leg != author).collect();
        let Some(uri) = others.iter().find_map(|id| self.legs.get(id)).map(|p| &p.leg.dial().room.uri) else { return };
        let cpim = message::public(uri, m.membership.nickname(), body, env.wall);
        for id in others {
            self.deliver(env, id, &cpim);
        }
    }

    /// Shows a CPIM message with a text to the user of a leg.
    pub(super) fn deliver(&mut self, env: &mut Env<'_>, id: LegId, cpim: &Bytes) {
        let mut sent = Ok(Delivery::NoConnection);
        self.with_leg(env, id, |leg, env, out| sent = leg.deliver(env, "text/plain", cpim, out));
        match sent {
            Ok(Delivery::Sent) => self.trace(id, Trace::MessageDelivered),
            Ok(outcome) => self.trace(id, Trace::MessageNotDelivered(outcome)),
            Err(overflow) => self.end_leg(env, id, EndCause::TooSlow, &alloc::format!("{overflow}")),
        }
    }

    // --- who is typing ---

    fn is_small(&self) -> bool {
        self.roster.occupants().len() <= SMALL_ROOM
    }

    /// Every membership hears it; the observer's tells all legs.
    fn somebody_types(&mut self, env: &mut Env<'_>, member: MembershipId, nickname: &str, state: ChatState) {
        if self.observer.eyes() != Some(member) || !self.is_small() {
            return;
        }
        if let Some(status) = self.composing.heard(env.now, nickname, state) {
            self.show_status(env, &status);
        }
        self.rearm_composing();
    }

    pub(super) fn composing_timeout(&mut self, env: &mut Env<'_>) {
        let mut due = Vec::new();
        self.composing.handle_timeout(env.now, &mut due);
        for status in due {
            self.show_status(env, &status);
        }
        let members: Vec<MembershipId> = self.members.keys().copied().collect();
        for id in members {
            let state = self.members.get_mut(&id).and_then(|m| m.composing.handle_timeout(env.now));
            if let Some(state) = state {
                self.with_member(env, id, |m, env, out| m.show(env, state, out));
            }
        }
        self.rearm_composing();
    }

    fn show_status(&mut self, env: &mut Env<'_>, status: &Status) {
        let is_his = |m: &Member| m.membership.nickname() == Some(status.nickname.as_str());
        let others: Vec<LegId> =
            self.members.values().filter(|m| !is_his(m)).flat_map(|m| m.legs.iter().copied()).collect();
        for id in others {
            let Some(leg) = self.legs.get(&id).map(|p| &p.leg).filter(|leg| leg.capabilities().composing) else {
                continue;
            };
            let document = status.message.render();
            let cpim = message::composing(&leg.dial().room.uri, &status.nickname, &document, env.wall);
            // It is not worth waiting for a connection, nor ending a call.
            self.with_leg(env, id, |leg, env, out| {
                let _ = leg.deliver(env, "application/im-iscomposing+xml", &cpim, out);
            });
        }
    }

    /// A SIP user is typing, or not any more.
    pub(super) fn typed(&mut self, env: &mut Env<'_>, member: MembershipId, state: &IsComposing) {
        if !self.is_small() {
            return;
        }
        let state = self.members.get_mut(&member).and_then(|m| m.composing.typed(env.now, state));
        if let Some(state) = state {
            self.with_member(env, member, |m, env, out| m.show(env, state, out));
        }
        self.rearm_composing();
    }

    fn rearm_composing(&mut self) {
        let typing = self.members.values().filter_map(|m| m.composing.next_timeout());
        match typing.chain(self.composing.next_timeout()).min() {
            Some(at) => self.timers.set(Timer::Composing, at),
            None => self.timers.clear(Timer::Composing),
        }
    }
}
