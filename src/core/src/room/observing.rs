//! What the memberships see of the room: one of them is the observer whose view is the roster of all (GC-PRES-16).

use alloc::string::String;
use core::time::Duration;

use jid::BareJid;

use super::identities::{OCCUPANT_IDS, Owner};
use super::io::{MembershipId, Output};
use super::watching::own_name;
use super::{Room, Timer};
use crate::composing::Typists;
use crate::conference;
use crate::env::Env;
use crate::muc::Seen;
use crate::roster::About;
use crate::stanza::{DiscoInfo, Identity};
use crate::xmpp_stream::interest::Interest;

/// What a room announces whose messages bear ids that it gave them (XEP-0359 §5).
const STANZA_IDS: &str = "urn:xmpp:sid:0";
/// And which keeps them, and hands them out (XEP-0313 §3).
const ARCHIVE: &str = "urn:xmpp:mam:2";
/// How long a room goes unobserved before another membership asks for everybody. Where the room ends, or many leave, the others
/// are gone within it, and nobody asks a room back into being.
const PAUSE: Duration = Duration::from_millis(300);

/// How long one membership is the observer while there are others: nobody's stream is the only truth for ever.
const SHIFT: Duration = Duration::from_secs(300);
/// How long who has nobody to take turns with goes on before he asks for everybody once more: his stream may have missed somebody.
const ALONE: Duration = Duration::from_secs(1800);
/// And in a large room for each occupant: who takes over is named all of them.
const SHIFT_FOR_EACH: Duration = Duration::from_secs(1);
/// How long a room may stop in the middle of naming everybody, or before, until somebody else asks.
const ANSWER: Duration = Duration::from_secs(5);
/// After how long somebody asks again who was not answered and has nobody to ask in his place.
const IN_VAIN: Duration = Duration::from_secs(30);
/// How long the observer may hear nothing of what another hears.
const SILENCE: Duration = Duration::from_secs(5);
/// How much later than another stream the observer's may tell of somebody.
const LAG: Duration = Duration::from_secs(1);
/// How long a nickname that was given up takes no private messages: their senders may not have heard of it yet, as the list takes
/// a while to tell.
const GRACE: Duration = conference::PACE.saturating_add(Duration::from_secs(1));
/// Occupants that a room is taken to have which nobody has seen.
const UNKNOWN: usize = 50;

impl Room {
    pub(super) fn seen(&mut self, env: &mut Env<'_>, member: MembershipId, seen: &Seen) {
        if !seen.is_us && self.observer.eyes() != Some(member) {
            return; // what others see again costs next to nothing
        }
        let known =
            self.index.called(&seen.nickname).and_then(|id| self.members.get(&id)).filter(|m| m.since.is_some());
        let joining = self.members.get(&member).filter(|m| seen.is_us && m.since.is_none());
        let dialed_in = known.or(joining).map(|m| m.joined(env.wall));
        let double = self.double_of(seen);
        let jid = self.shown_jid(&seen.nickname);
        self.observer.saw(member, seen, env.wall, dialed_in, &mut self.roster);
        if let Some(other) = double {
            self.warn_of_double(env, &seen.nickname, &other);
        }
        if let Some(state) = seen.state.as_ref().filter(|_| self.observer.eyes() == Some(member)) {
            let (id, user) = (state.occupant_id.clone(), self.user_called(&seen.nickname));
            let roster = &self.roster;
            let is_occupant = |nickname: &str| roster.get(nickname).is_some();
            let owner = Owner { id, user, jid: None };
            self.identities.is_here(&seen.nickname, owner, is_occupant, roster.occupants().len());
        }
        if let Some(state) = seen.state.as_ref().filter(|_| seen.is_us) {
            self.standing(env, member, (state.role, state.affiliation));
            let user = self.members.get(&member).and_then(|m| own_name(&m.caller));
            self.identities.is_ours(&seen.nickname, user);
        }
        if seen.state.is_none() {
            self.types_no_more(&seen.nickname);
            self.identities.released(&seen.nickname, Owner { jid, ..Owner::default() }, env.now, GRACE);
        } else if seen.is_us && self.is_inside(member) {
            self.out.push_back(Output::Joined(member));
            if !self.observer.is_answered(member, seen, &self.roster) {
                return;
            }
            // Of whom asked for everybody: his own presence is the last (GC-PRES-03).
            self.observer.named_everybody(member, &mut self.roster);
            self.named_at = env.now;
            self.timers.set(Timer::Observer, env.now + self.shift());
            self.say_what_was_held(env);
        }
    }

    /// A membership is about to join: where nobody looks yet, it does.
    pub(super) fn may_observe(&mut self, member: MembershipId) {
        if self.observer.eyes().is_none() {
            self.observer.look(member);
            self.timers.clear(Timer::Observer);
        }
    }

    /// A membership is inside and has been told of everybody.
    pub(super) fn named_everybody(&mut self, env: &mut Env<'_>, member: MembershipId) {
        self.observer.named_everybody(member, &mut self.roster);
        let eyes_are_inside = self.observer.eyes().is_some_and(|eyes| self.is_inside(eyes));
        if !eyes_are_inside {
            return self.take_over(env, member);
        }
        if self.observer.eyes() == Some(member) {
            self.named_at = env.now;
            self.timers.set(Timer::Observer, env.now + self.shift());
            self.with_member(env, member, |m, env, out| m.ask_about_the_room(env, out));
            self.say_what_was_held(env);
        }
    }

    /// A membership is on the way back in, and is named everybody once more.
    pub(super) fn returning(&mut self, member: MembershipId) {
        if let Some(m) = self.members.get_mut(&member) {
            m.standing = None;
            m.confidants.clear();
            m.whisperers = Typists::new();
        }
        if self.observer.eyes() == Some(member) {
            self.observer.look(member);
        } else {
            // Nobody may have looked meanwhile. The stream has to hand everything on before the room answers.
            self.may_observe(member);
            self.attend(member);
        }
    }

    /// A membership sees nothing for a while: another one looks in its place.
    pub(super) fn looks_away(&mut self, env: &mut Env<'_>, member: MembershipId) {
        if self.observer.forget(member, &mut self.roster) {
            self.attend(member);
            self.timers.set(Timer::Observer, env.now + PAUSE);
        }
    }

    /// What a join costs the MUC, as far as the room is known: whoever joins is told of everybody, and everybody of him.
    #[must_use]
    pub fn presences_of_a_join(&self) -> usize {
        let occupants = if self.observer.is_complete() { self.roster.occupants().len() } else { UNKNOWN };
        occupants.saturating_mul(2).saturating_add(2)
    }

    fn shift(&self) -> Duration {
        let occupants = u32::try_from(self.roster.occupants().len()).unwrap_or(u32::MAX);
        SHIFT.max(SHIFT_FOR_EACH.saturating_mul(occupants))
    }

    /// Nobody has looked for a moment, or one has for long, or asks in vain: somebody else does.
    pub(super) fn observe(&mut self, env: &mut Env<'_>) {
        if self.is_being_answered() {
            return self.timers.set(Timer::Observer, env.now + ANSWER);
        }
        let is_due = match self.observer.is_gathering() {
            true => env.now >= self.asked_at + IN_VAIN,
            false => env.now >= self.named_at + ALONE,
        };
        let alone = self.observer.eyes().filter(|eyes| is_due && self.is_live(*eyes));
        match self.next_observer().or(alone) {
            Some(next) => self.take_over(env, next),
            None if self.observer.is_gathering() => self.timers.set(Timer::Observer, env.now + IN_VAIN),
            None => self.timers.set(Timer::Observer, env.now + self.shift()),
        }
    }

    fn is_being_answered(&mut self) -> bool {
        self.observer.is_gathering() && !self.observer.waits_in_vain()
    }

    /// Who looks after the observer, if there is anybody else.
    fn next_observer(&self) -> Option<MembershipId> {
        let now = self.observer.eyes();
        let inside = || self.members.iter().filter(|(_, m)| m.membership.is_live()).map(|(id, _)| *id);
        let next = inside().find(|id| Some(*id) > now).or_else(|| inside().next());
        next.filter(|next| Some(*next) != now)
    }

    /// Somebody spoke. One whom the observer has not seen a moment later is hidden from it, by a list of blocked addresses of its
    /// account for one: then who heard him looks.
    pub(super) fn spoke(&mut self, env: &Env<'_>, member: MembershipId, nickname: &str) {
        if self.doubt.is_none() && self.observer.is_complete() && self.roster.get(nickname).is_none() {
            self.doubt = Some((nickname.into(), member));
            self.timers.set(Timer::Doubt, env.now + LAG);
        }
    }

    pub(super) fn resolve_doubt(&mut self, env: &mut Env<'_>) {
        let Some((nickname, member)) = self.doubt.take() else { return };
        if self.roster.get(&nickname).is_some() {
            return;
        }
        if self.observer.eyes() != Some(member) && self.is_inside(member) {
            self.take_over(env, member);
        } else if !self.is_being_answered()
            && let Some(next) = self.next_observer()
        {
            self.take_over(env, next); // where there is nobody else, the room hides him, and would for every word of his
        }
    }

    /// A membership heard what everybody is told. Where that is not the observer, it should have heard it too.
    pub(super) fn heard_in_room(&mut self, env: &Env<'_>, member: MembershipId) {
        if let Some(m) = self.members.get_mut(&member) {
            m.heard_at = env.now;
        }
        let is_another = self.observer.eyes().is_some_and(|eyes| eyes != member && self.is_inside(eyes));
        if is_another && self.lag.is_none() {
            self.lag = Some((env.now, member));
            self.timers.set(Timer::Lag, env.now + SILENCE);
        }
    }

    /// The observer's stream stands still while others run: who heard more looks.
    pub(super) fn resolve_lag(&mut self, env: &mut Env<'_>) {
        let Some((at, member)) = self.lag.take() else { return };
        let observer = self.observer.eyes().and_then(|eyes| self.members.get(&eyes));
        let lags = observer.is_some_and(|eyes| eyes.heard_at + LAG < at);
        if lags && self.observer.eyes() != Some(member) && self.is_inside(member) {
            self.take_over(env, member);
        }
    }

    /// Whether a nickname was somebody else's a moment ago: who writes to it may mean him.
    pub(super) fn changed_hands(&self, env: &Env<'_>, nickname: &str) -> bool {
        let (user, jid) = (self.user_called(nickname), self.shown_jid(nickname));
        self.identities.changed_hands(nickname, Owner { id: None, user, jid }, env.now, GRACE)
    }

    /// The SIP user who is inside under this nickname, if he has a name of his own.
    fn user_called(&self, nickname: &str) -> Option<String> {
        let member = self.index.called(nickname).and_then(|id| self.members.get(&id))?;
        own_name(&member.caller)
    }

    /// The real JID of an occupant, in a room that shows it to everybody.
    fn shown_jid(&self, nickname: &str) -> Option<BareJid> {
        self.roster.get(nickname)?.jid.as_ref().map(jid::Jid::to_bare)
    }

    /// A membership is over. With the last one everything that was known of the room is worth nothing.
    pub(super) fn blinded(&mut self, env: &mut Env<'_>, member: MembershipId) {
        self.looks_away(env, member);
        if self.members.keys().all(|id| *id == member) {
            self.timers.clear(Timer::Observer);
            self.timers.clear(Timer::Doubt);
            self.timers.clear(Timer::Ring);
            self.timers.clear(Timer::Lag);
            self.lag = None;
            self.ring.clear();
            self.doubt = None;
            self.identities.clear();
            self.composing = Typists::new();
            self.observer.close_eyes(&mut self.roster);
            self.roster.describe(|about| *about = About::default());
        }
    }

    pub(super) fn take_over(&mut self, env: &mut Env<'_>, member: MembershipId) {
        let (before, join) = (self.observer.eyes(), env.token());
        let nickname = self.members.get(&member).and_then(|m| m.membership.nickname()).unwrap_or_default();
        self.observer.look_again(member, (join.clone(), nickname.into()));
        self.asked_at = env.now;
        self.lag = None;
        self.timers.clear(Timer::Lag);
        before.into_iter().for_each(|before| self.attend(before));
        self.timers.set(Timer::Observer, env.now + ANSWER);
        self.with_member(env, member, |m, env, out| {
            m.ask_for_everybody(join, out);
            // Whoever looked before may have been put out by the very change that nobody was told of then.
            m.ask_about_the_room(env, out);
        });
    }

    /// Whether a membership is inside and hears of the room.
    pub(super) fn is_live(&self, member: MembershipId) -> bool {
        self.members.get(&member).is_some_and(|m| m.membership.is_live())
    }

    /// Keeps what is derived of where a membership stands: under which nickname it is found, and what of the room its stream hands
    /// on. Whoever asks for everybody is listened to in full before he asks.
    pub(super) fn attend(&mut self, id: MembershipId) {
        let is_eyes = self.observer.eyes() == Some(id);
        let Some(member) = self.members.get_mut(&id) else { return };
        let nickname = member.membership.nickname();
        if member.found_as.as_deref() != nickname {
            self.index.renamed(id, member.found_as.as_deref(), nickname);
            member.found_as = nickname.map(String::from);
        }
        let heeds = member.membership.heeds_only().filter(|_| !is_eyes);
        let is_news = match &member.interest {
            Interest::Everything => heeds.is_some(),
            Interest::Own(occupant) => heeds != Some(occupant),
        };
        if is_news {
            member.interest = heeds.cloned().map_or(Interest::Everything, Interest::Own);
            self.out.push_back(Output::Listen(id, member.interest.clone()));
        }
    }

    /// A membership does not get through to the room, on a stream that is well. Of whom the roster comes from, that is the room.
    pub(super) fn out_of_reach(&mut self, member: MembershipId) {
        if self.observer.eyes() == Some(member) {
            self.roster.describe(|about| about.unreachable = true);
        }
    }

    /// It does again. What happened meanwhile was told to nobody.
    pub(super) fn within_reach(&mut self, env: &mut Env<'_>, member: MembershipId) {
        self.roster.describe(|about| about.unreachable = false);
        if self.observer.eyes() == Some(member) {
            self.take_over(env, member);
        }
    }

    pub(super) fn is_inside(&self, member: MembershipId) -> bool {
        self.members.get(&member).is_some_and(|m| m.membership.is_inside())
    }

    pub(super) fn subject_changed(&mut self, member: MembershipId, subject: String) {
        // A room that never had one says so by an empty one.
        let is_news = !subject.is_empty() || self.roster.about().subject.is_some();
        if self.observer.eyes() == Some(member) && is_news {
            self.roster.describe(|about| about.subject = Some(subject));
        }
    }

    pub(super) fn described(&mut self, member: MembershipId, info: &DiscoInfo) {
        if self.observer.eyes() != Some(member) {
            return;
        }
        let field = |name: &str| {
            info.fields.iter().find(|(var, value)| var == name && !value.is_empty()).map(|(_, value)| value.clone())
        };
        let is_conference = |identity: &&Identity| identity.category == "conference";
        self.identities.are_given(info.features.iter().any(|feature| feature == OCCUPANT_IDS));
        let announces = |feature: &str| info.features.iter().any(|announced| announced == feature);
        (self.gives_ids, self.has_archive) = (announces(STANZA_IDS), announces(ARCHIVE));
        for member in self.members.values_mut() {
            member.membership.announces(self.gives_ids, self.has_archive);
        }
        let name = info.identities.iter().find(is_conference).and_then(|identity| identity.name.clone());
        self.roster.describe(|about| {
            about.name = name.filter(|name| !name.is_empty());
            about.description = field("muc#roominfo_description");
            about.logs = field("muc#roominfo_logs");
            about.members_only = info.features.iter().any(|feature| feature == "muc_membersonly");
        });
    }

    /// The room has changed whether it shows real JIDs. That it hides them is believed of everybody: the observer may be cut off.
    pub(super) fn jids_are_shown(&mut self, env: &mut Env<'_>, member: MembershipId, shows: bool) {
        let counts = !shows || self.observer.eyes() == Some(member);
        if counts && self.observer.jids_are_shown(shows, &mut self.roster) {
            self.take_over(env, member);
        }
    }
}
