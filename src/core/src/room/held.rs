//! What was to be said to one occupant while the stream was away: by now his nickname may be somebody else's (NICK-11). It is said
//! where it is certain that he still has it, and refused elsewhere.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::io::MembershipId;
use super::{Member, Room, Said};
use crate::env::Env;
use crate::muc::{Errand, Membership};
use crate::stanza::{Condition, ErrorKind, StanzaError};
use crate::switch::Objection;
use crate::time::Instant;

impl Room {
    /// Who has a nickname, in words that stay his whatever happens to it; `None` where nobody could tell him from another.
    pub(super) fn known_as(&self, nickname: &str) -> Option<String> {
        if let Some(ours) = self.index.called(nickname) {
            return self.is_live(ours).then(|| format!("one of ours, {ours:?}"));
        }
        if let Some(id) = self.identities.id_of(nickname) {
            return Some(format!("the occupant {id}"));
        }
        let jid = self.roster.get(nickname)?.jid.as_ref()?;
        Some(format!("the user {}", jid.to_bare()))
    }

    pub(super) fn held(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        (said, deadline): (Said, Instant),
        errand: Errand,
    ) {
        if !self.is_looked_at() {
            return self.with_member(env, member, |m, _, _| m.hold(said, errand, deadline));
        }
        let is_he = match &errand {
            Errand::Private { to, known_as, .. } => known_as.is_some() && self.known_as(to.resource()) == *known_as,
            Errand::Removal { .. } => false,
            Errand::Invitation { .. } | Errand::Voice => true, // of nobody's nickname
        };
        if is_he {
            return self.with_member(env, member, |m, env, out| m.run(env, said, errand, deadline, out));
        }
        let objection = Objection::OutOfSight;
        match said {
            Said::Private(id, ticket, headers) => {
                let why = objection.to_string();
                self.settle_all(env, (id, ticket), &objection.verdict(), Some(&headers), &why);
                self.tell_failed(env, (id, ticket));
            }
            said => {
                let (condition, text) = (Condition::ItemNotFound, Some(objection.to_string()));
                let error = StanzaError { condition, kind: ErrorKind::Cancel, text, address: None };
                self.concluded(env, said, Err(error));
            }
        }
    }

    /// The roster is whole again.
    pub(super) fn say_what_was_held(&mut self, env: &mut Env<'_>) {
        let waits = |m: &Member| m.membership.has_something_to_say() && m.membership.is_live();
        let members: Vec<MembershipId> = self.members.iter().filter(|(_, m)| waits(m)).map(|(id, _)| *id).collect();
        for member in members {
            self.with_member(env, member, Membership::say_what_waited);
        }
    }

    /// Whether the roster is what the room is at this moment.
    fn is_looked_at(&self) -> bool {
        self.observer.is_settled() && self.observer.eyes().is_some_and(|eyes| self.is_live(eyes))
    }
}
