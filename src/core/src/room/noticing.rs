//! What the focus has to tell a SIP user, in the room's name: who he is, what the room does, who does not come.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::hearing::TEXT;
use super::io::MembershipId;
use super::{Room, Timer};
use crate::env::Env;
use crate::leg::LegId;
use crate::msrp::content::Content;
use crate::stanza::{Affiliation, Decline, Role};
use crate::translate::{message, notices};

/// How long a client has for its SUBSCRIBE: whoever has a roster need not be told his name (GC-NICK-06).
const TIME_TO_SUBSCRIBE: Duration = Duration::from_secs(2);

impl Room {
    /// A leg has its connection for the first time.
    pub(super) fn bound_first(&mut self, env: &mut Env<'_>, id: LegId) {
        let is_aware = self.legs.get(&id).is_some_and(|p| p.leg.capabilities().aware);
        if is_aware {
            self.timers.set(Timer::Introduction(id), env.now + TIME_TO_SUBSCRIBE);
        } else {
            self.describe_room(env, id);
        }
    }

    /// A client that does not know what a chat room is shows two messages: that it is one, and who is in it (SW-34).
    fn describe_room(&mut self, env: &mut Env<'_>, id: LegId) {
        let Some(member) = self.legs.get(&id).and_then(|p| p.member).and_then(|m| self.members.get(&m)) else { return };
        let own: String = member.membership.nickname().unwrap_or_default().into();
        let room = self
            .roster
            .about()
            .name
            .clone()
            .unwrap_or_else(|| self.settings.muc.node().map_or_else(String::new, |n| n.as_str().into()));
        let welcome = notices::chat_room(&room, &own);
        let present = notices::present(self.roster.occupants().map(|(nickname, _)| nickname));
        self.notify_leg(env, id, &welcome);
        self.notify_leg(env, id, &present);
    }

    /// Whoever is not called what he asked for is told.
    pub(super) fn introduce(&mut self, env: &mut Env<'_>, id: LegId) {
        let member = self.legs.get(&id).and_then(|p| p.member).and_then(|m| self.members.get(&m));
        if member.is_some_and(|m| m.membership.nickname() != Some(m.first_nickname.as_str())) {
            self.tell_name(env, id);
        }
    }

    /// Tells a user what he is called, unless he has a list to read it from (GC-NICK-06).
    pub(super) fn tell_name(&mut self, env: &mut Env<'_>, id: LegId) {
        let Some(participant) = self.legs.get(&id) else { return };
        let Some(member) = participant.member.and_then(|m| self.members.get(&m)) else { return };
        let caller = &participant.leg.dial().caller;
        let watches =
            self.watches.values().any(|w| w.leg == Some(id) || (w.leg.is_none() && w.caller.same_aor(caller)));
        let Some(own) = member.membership.nickname() else { return };
        if !watches {
            let text = notices::known_as(own);
            self.notify_leg(env, id, &text);
        }
    }

    /// Status codes of which users should know (XEP-0045 §15.6, FT-11).
    pub(super) fn codes(&mut self, env: &mut Env<'_>, member: MembershipId, codes: &[u16]) {
        let texts: Vec<&str> = codes.iter().filter_map(|code| notices::for_status(*code)).collect();
        for text in texts {
            self.notify_member(env, member, text);
        }
        if codes.contains(&172) {
            self.jids_are_shown(env, member, true);
        } else if codes.contains(&173) || codes.contains(&174) {
            self.jids_are_shown(env, member, false);
        }
        if codes.contains(&104) && self.observer.eyes() == Some(member) {
            self.with_member(env, member, |m, env, out| m.ask_about_the_room(env, out));
        }
    }

    /// What somebody may do is told to him when it changes, and not when he comes in, nor on a way back in.
    pub(super) fn standing(&mut self, env: &mut Env<'_>, member: MembershipId, now: (Role, Affiliation)) {
        let before = self.members.get_mut(&member).and_then(|m| m.standing.replace(now));
        if let Some(text) = before.and_then(|before| notices::standing(before, now)) {
            self.notify_member(env, member, &text);
        }
    }

    /// An invitation was declined (GC-INV-08).
    pub(super) fn declined(&mut self, env: &mut Env<'_>, member: MembershipId, decline: &Decline) {
        let text = notices::declined(&decline.from, decline.reason.as_deref());
        self.notify_member(env, member, &text);
    }

    fn notify_member(&mut self, env: &mut Env<'_>, member: MembershipId, text: &str) {
        for id in self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default() {
            self.notify_leg(env, id, text);
        }
    }

    pub(super) fn notify_leg(&mut self, env: &mut Env<'_>, id: LegId, text: &str) {
        let Some(dial) = self.legs.get(&id).map(|p| p.leg.dial()) else { return };
        let cpim = message::notice(&dial.room.uri, &dial.caller, text, env.wall);
        if let Some(notice) = Content::cpim(env, TEXT, cpim) {
            self.deliver(env, id, &notice);
        }
    }
}
