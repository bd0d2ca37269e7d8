//! Asking to be let speak where one may only listen (FT-09, XEP-0045 §7.13). No SIP client has a form for that, so it is a command:
//! a message that says nothing else.

use super::io::MembershipId;
use super::{Room, Said};
use crate::env::Env;
use crate::leg::{LegId, Ticket};
use crate::msrp::session::Verdict;
use crate::muc::Errand;
use crate::stanza::{Role, StanzaError};
use crate::time::Instant;
use crate::translate::{errors, notices, phrases};

/// The command.
const COMMAND: &str = "/voice";

/// Whether a text for everybody is meant for the room.
pub(super) fn is_asked_for(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case(COMMAND)
}

impl Room {
    /// Somebody asks to be let speak.
    pub(super) fn voice_wanted(
        &mut self,
        env: &mut Env<'_>,
        (id, ticket): (LegId, Ticket),
        member: MembershipId,
        deadline: Instant,
    ) {
        let role = self.members.get(&member).and_then(|m| m.standing).map(|(role, _)| role);
        if role.is_some_and(|role| role != Role::Visitor) {
            self.settle(env, (id, ticket), Verdict::Accepted, "");
            return self.notify_leg(env, id, notices::HAS_VOICE);
        }
        self.with_member(env, member, |m, env, out| m.run(env, Said::Voice(id, ticket), Errand::Voice, deadline, out));
    }

    /// The room has taken the request, or not.
    pub(super) fn voice_concluded(
        &mut self,
        env: &mut Env<'_>,
        (id, ticket): (LegId, Ticket),
        result: Result<(), StanzaError>,
    ) {
        match result {
            Ok(()) => {
                self.settle(env, (id, ticket), Verdict::Accepted, "");
                self.notify_leg(env, id, notices::VOICE_ASKED_FOR);
            }
            Err(error) => {
                let code = errors::msrp_for_message(&error);
                let comment = phrases::explain_voice(error.condition);
                let why = error.text.unwrap_or_else(|| comment.into());
                self.settle(env, (id, ticket), Verdict::Refused { code, comment: comment.into() }, &why);
            }
        }
    }

    /// What somebody is told whom the room does not let speak: how to ask for it, where he may only listen.
    pub(super) fn may_not_speak(&self, id: LegId) -> Option<&'static str> {
        let member = self.legs.get(&id).and_then(|p| p.member).and_then(|m| self.members.get(&m))?;
        matches!(member.standing, Some((Role::Visitor, _))).then_some(phrases::MAY_ONLY_LISTEN)
    }
}
