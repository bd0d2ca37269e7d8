//! Invitations by REFER (GC-INV): who may invite, and what comes of it.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::io::{Output, Referral};
use super::{Room, Said};
use crate::env::Env;
use crate::leg::call::Refusal;
use crate::muc::Errand;
use crate::stanza::StanzaError;
use crate::translate::{errors, phrases};

/// How long a refusal of the room is waited for (GC-INV-05).
const PATIENCE: Duration = Duration::from_secs(1);

/// Names a referral within its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferralId(pub u64);

/// What comes of a REFER, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferAnswer {
    /// It is refused; nothing follows.
    Refused(Refusal),
    /// It is accepted: 200, and an implicit subscription where it was not declined.
    Accepted,
    /// The last NOTIFY: a sipfrag with this status line, and the subscription ends (`noresource`). For an XMPP invitee `100 Trying`
    /// says that the invitation is on its way, as nobody will hear whether he follows it (GC-INV-04).
    Last {
        /// Status code.
        code: u16,
        /// Reason phrase.
        phrase: String,
    },
}

impl Room {
    /// Only an occupant may invite (GC-INV-09); whether the room lets him is the room's to say.
    pub(super) fn referred(&mut self, env: &mut Env<'_>, id: ReferralId, referral: &Referral) {
        let member = self.member_of(&referral.caller, referral.leg);
        let inside = member.filter(|m| self.members.get(m).is_some_and(|m| m.membership.is_inside()));
        let Some(member) = inside else {
            let refusal = Refusal::new(403, "Only who is in the room may invite others to it");
            return self.out.push_back(Output::Referral(id, ReferAnswer::Refused(refusal)));
        };
        self.out.push_back(Output::Referral(id, ReferAnswer::Accepted));
        let errand = Errand::Invitation { to: referral.invitee.clone(), reason: None };
        let deadline = env.now + PATIENCE;
        self.with_member(env, member, |m, env, out| m.run(env, Said::Invitation(id), errand, deadline, out));
    }

    pub(super) fn invitation_concluded(&mut self, id: ReferralId, result: Result<(), StanzaError>) {
        let (code, phrase) = match result {
            Ok(()) => (100, "Trying".to_string()),
            Err(error) => {
                let words = error.text.as_deref().map(phrases::quoted).filter(|words| !words.is_empty());
                let phrase = words.unwrap_or_else(|| phrases::explain(error.condition).into());
                (errors::sip_for_invitation(&error), phrase)
            }
        };
        self.out.push_back(Output::Referral(id, ReferAnswer::Last { code, phrase }));
    }
}
