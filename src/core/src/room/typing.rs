//! Who is typing, to everybody or to one alone (ISC-04, FT-27). Nobody waits for it, and nothing is kept of it over a break.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::io::MembershipId;
use super::{Member, Room, Timer};
use crate::composing::Status;
use crate::env::Env;
use crate::leg::{Leg, LegId};
use crate::msrp::content::Content;
use crate::stanza::ChatState;
use crate::translate::message;
use crate::wire::is_composing::{IsComposing, MEDIA_TYPE};

/// In larger rooms nobody is told who is typing to everybody: every key of one would be a message to all (ISC-04).
const SMALL_ROOM: usize = 20;

impl Room {
    fn is_small(&self) -> bool {
        self.roster.occupants().len() <= SMALL_ROOM
    }

    /// Every membership hears it; the observer's tells all legs.
    pub(super) fn somebody_types(&mut self, env: &mut Env<'_>, member: MembershipId, nickname: &str, state: ChatState) {
        if self.observer.eyes() != Some(member) || !self.is_small() {
            return;
        }
        if let Some(status) = self.composing.heard(env.now, nickname, state) {
            self.show_status(env, &status);
        }
        self.rearm_composing();
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

    // --- to one alone ---

    /// An occupant has said something to this membership alone: whether he uses chat states, and what he wrote is written.
    pub(super) fn confided(&mut self, env: &Env<'_>, member: MembershipId, nickname: &str, with_state: bool) {
        if let Some(m) = self.members.get_mut(&member) {
            m.confidants.heard(env.now, nickname, with_state);
            m.whisperers.done(nickname);
        }
        self.rearm_composing();
    }

    /// An occupant is typing to this membership alone, or not any more.
    pub(super) fn somebody_whispers(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        nickname: &str,
        state: ChatState,
    ) {
        let Some(m) = self.members.get_mut(&member) else { return };
        m.confidants.heard(env.now, nickname, true);
        if let Some(status) = m.whisperers.heard(env.now, nickname, state) {
            self.show_status_to_one(env, member, &status);
        }
        self.rearm_composing();
    }

    /// A SIP user is typing to one occupant, or not any more. What a private message would be refused for, nobody is told of.
    pub(super) fn whispered_at(&mut self, env: &mut Env<'_>, member: MembershipId, to: &str, state: &IsComposing) {
        if self.changed_hands(env, to) || !self.takes_private_messages(to) {
            return;
        }
        let state = self.members.get_mut(&member).and_then(|m| m.confidants.typed(env.now, to, state));
        if let Some(state) = state {
            self.show_to(env, member, to, state);
        }
        self.rearm_composing();
    }

    fn show_to(&mut self, env: &mut Env<'_>, member: MembershipId, to: &str, state: ChatState) {
        if let Ok(to) = self.settings.muc.with_resource_str(to) {
            self.with_member(env, member, |m, env, out| m.show_to(env, to, state, out));
        }
    }

    /// Whoever had this nickname is gone from the room, or goes by another one.
    pub(super) fn types_no_more(&mut self, nickname: &str) {
        self.composing.done(nickname);
        for m in self.members.values_mut() {
            m.confidants.gone(nickname);
            m.whisperers.done(nickname);
        }
    }

    // --- what is due, and what is shown ---

    pub(super) fn composing_timeout(&mut self, env: &mut Env<'_>) {
        let mut due = Vec::new();
        self.composing.handle_timeout(env.now, &mut due);
        for status in due {
            self.show_status(env, &status);
        }
        let members: Vec<MembershipId> = self.members.keys().copied().collect();
        for id in members {
            let Some(m) = self.members.get_mut(&id) else { continue };
            let mut due = Vec::new();
            m.whisperers.handle_timeout(env.now, &mut due);
            let (to_all, to_some) = (m.composing.handle_timeout(env.now), m.confidants.handle_timeout(env.now));
            if let Some(state) = to_all {
                self.with_member(env, id, |m, env, out| m.show(env, state, out));
            }
            for (nickname, state) in to_some {
                self.show_to(env, id, &nickname, state);
            }
            for status in due {
                self.show_status_to_one(env, id, &status);
            }
        }
        self.rearm_composing();
    }

    fn show_status(&mut self, env: &mut Env<'_>, status: &Status) {
        let is_his = |m: &Member| m.membership.nickname() == Some(status.nickname.as_str());
        let others: Vec<LegId> =
            self.members.values().filter(|m| !is_his(m)).flat_map(|m| m.legs.iter().copied()).collect();
        for id in others {
            self.show_status_on(env, id, status, false);
        }
    }

    fn show_status_to_one(&mut self, env: &mut Env<'_>, member: MembershipId, status: &Status) {
        let legs = self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default();
        for id in legs.into_iter().filter(|id| self.takes_private(*id)).collect::<Vec<_>>() {
            self.show_status_on(env, id, status, true);
        }
    }

    fn show_status_on(&mut self, env: &mut Env<'_>, id: LegId, status: &Status, is_private: bool) {
        let Some(content) = self.legs.get(&id).and_then(|p| status_for(env, &p.leg, status, is_private)) else {
            return;
        };
        self.with_leg(env, id, |leg, env, out| {
            leg.deliver(env, &content, out);
        });
    }

    pub(super) fn rearm_composing(&mut self) {
        let of_member = |m: &Member| {
            let timeouts = [m.composing.next_timeout(), m.confidants.next_timeout(), m.whisperers.next_timeout()];
            timeouts.into_iter().flatten().min()
        };
        match self.members.values().filter_map(|m| of_member(m)).chain(self.composing.next_timeout()).min() {
            Some(at) => self.timers.set(Timer::Composing, at),
            None => self.timers.clear(Timer::Composing),
        }
    }
}

/// A status message for a client that takes such. It is not worth waiting for a connection, nor ending a call.
fn status_for(env: &mut Env<'_>, leg: &Leg, status: &Status, is_private: bool) -> Option<Arc<Content>> {
    if !leg.capabilities().composing {
        return None;
    }
    let dial = leg.dial();
    let reader = if is_private { &dial.caller } else { &dial.room.uri };
    let document = status.message.render();
    let cpim = message::composing(&dial.room.uri, &status.nickname, reader, &document, env.wall);
    Content::trifle(env, MEDIA_TYPE, cpim)
}
