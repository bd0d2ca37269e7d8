//! What SIP users are called (GC-NICK).

use alloc::borrow::Cow;
use alloc::string::String;
use core::time::Duration;

use super::io::{MembershipId, Trace};
use super::{Room, Said, Timer};
use crate::address::nickname;
use crate::env::Env;
use crate::leg::{LegId, Ticket};
use crate::stanza::StanzaError;
use crate::translate::{errors, phrases};

/// How far apart changes of a nickname are.
const PACE: Duration = Duration::from_secs(1);
/// How many may come at once. A client that looks for a free name tries a few dozen before a person does.
const BURST: u32 = 59;
/// Variants of a nickname that are tried before the room is asked.
const MAX_VARIANTS: u32 = 20;
/// The room did not answer a change of nickname.
const NO_ANSWER: (u16, &str) = (408, "The room did not answer in time");

impl Room {
    /// A NICKNAME, or the release of one: then the name goes back to what it was on joining (GC-NICK-10).
    pub(super) fn nickname_wanted(&mut self, env: &mut Env<'_>, id: LegId, ticket: Ticket, wanted: Option<String>) {
        let Some(member) = self.legs.get(&id).and_then(|p| p.member) else {
            return self.answer_nickname(env, id, ticket, NO_ANSWER.0, NO_ANSWER.1.into());
        };
        // To people two names that differ in case only are one (RFC 7701 §7.1, NICK-05).
        if wanted.as_ref().is_some_and(|wanted| self.looks_like_another(member, wanted)) {
            return self.answer_nickname(env, id, ticket, 425, "Nickname reserved or already in use".into());
        }
        if !self.may_rename(env, member) {
            return self.answer_nickname(env, id, ticket, 403, "Too many changes of nickname: slow down".into());
        }
        let or_variant = wanted.is_none();
        let first = self.members.get(&member).map(|m| m.first_nickname.clone());
        let nickname = wanted.or(first).unwrap_or_default();
        let said = Said::Nickname(id, ticket);
        self.with_member(env, member, |m, env, out| m.rename(env, said, nickname, or_variant, out));
    }

    /// Sixty changes at once, and then one a second: each is told to everybody in the room.
    fn may_rename(&mut self, env: &Env<'_>, member: MembershipId) -> bool {
        let Some(m) = self.members.get_mut(&member) else { return false };
        let due = m.next_name.max(env.now);
        if due.since(env.now) > PACE * BURST {
            return false;
        }
        m.next_name = due + PACE;
        true
    }

    /// Whether somebody else in the room goes by a name that people would take for this one.
    fn looks_like_another(&self, member: MembershipId, wanted: &str) -> bool {
        let own = self.members.get(&member).and_then(|m| m.membership.nickname());
        self.roster.alike(wanted).any(|other| Some(other) != own && other != wanted)
    }

    /// `wanted`, or the first variant of it that nobody in the room can be taken for, as far as they are known.
    pub(super) fn distinct(&self, wanted: String) -> String {
        let is_taken = |name: &str| self.roster.alike(name).next().is_some();
        if self.members.is_empty() || !is_taken(&wanted) {
            return wanted;
        }
        let mut variants = (2..=MAX_VARIANTS).map(|n| nickname::variant(&wanted, n));
        variants.find(|variant| !is_taken(variant)).unwrap_or(wanted)
    }

    pub(super) fn nickname_concluded(
        &mut self,
        env: &mut Env<'_>,
        (id, ticket): (LegId, Ticket),
        result: Result<(), StanzaError>,
    ) {
        let (code, comment): (u16, Cow<'static, str>) = match result {
            Ok(()) => (200, "OK".into()),
            Err(error) => (errors::msrp_for_nickname(&error), phrases::explain_nickname(error.condition).into()),
        };
        self.answer_nickname(env, id, ticket, code, comment);
    }

    pub(super) fn nickname_overdue(&mut self, env: &mut Env<'_>, id: LegId, ticket: Ticket) {
        self.answer_nickname(env, id, ticket, NO_ANSWER.0, NO_ANSWER.1.into());
    }

    /// RFC 8266 allows it, XMPP does not (NICK-07).
    pub(super) fn no_such_nickname(&mut self, env: &mut Env<'_>, said: &Said) {
        if let Said::Nickname(id, ticket) = said {
            self.answer_nickname(env, *id, *ticket, 424, "XMPP cannot carry this nickname".into());
        }
    }

    fn answer_nickname(&mut self, env: &mut Env<'_>, id: LegId, ticket: Ticket, code: u16, comment: Cow<'static, str>) {
        if code == 200 {
            self.timers.clear(Timer::Introduction(id)); // he has it from the answer
            let member = self.legs.get(&id).and_then(|p| p.member).and_then(|m| self.members.get(&m));
            let nickname: String = member.and_then(|m| m.membership.nickname()).unwrap_or_default().into();
            self.trace(id, Trace::Renamed { nickname });
        } else {
            self.trace(id, Trace::NicknameRefused { code, why: comment.clone().into_owned() });
        }
        self.with_leg(env, id, |leg, env, out| leg.conclude_nickname(env, ticket, code, &comment, out));
    }
}
