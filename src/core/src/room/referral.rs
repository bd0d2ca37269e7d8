//! What comes of a REFER: who may refer at all, and invitations through the room (GC-INV). Removals are in
//! [`removing`](super::removing).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::time::Duration;

use jid::BareJid;

use super::calling::{Asked, Outgoing};
use super::io::{MembershipId, Output, Referral};
use super::removing::Victim;
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

/// What a REFER asks for.
#[derive(Debug, Clone)]
pub enum Action {
    /// That an XMPP user is invited.
    Invite(BareJid),
    /// That a SIP user is called, who enters when he answers (RFC 4579 §5.5).
    Call(Box<Outgoing>),
    /// That somebody is removed (RFC 4579 §5.11).
    Remove(Victim),
}

/// What comes of a REFER, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferAnswer {
    /// It is refused; nothing follows.
    Refused(Refusal),
    /// It is accepted: 200, and an implicit subscription where it was not declined.
    Accepted,
    /// How far it has come: a NOTIFY that leaves the subscription active. Eight at most, each other than the one before.
    Progress {
        /// Status code, 100 to 199.
        code: u16,
        /// Reason phrase.
        phrase: String,
    },
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
    /// Only an occupant may refer (GC-INV-09); whether the room lets him is the room's to say.
    pub(super) fn referred(&mut self, env: &mut Env<'_>, id: ReferralId, referral: Referral) {
        let member = self.member_of(&referral.caller, referral.leg);
        let Some(member) = member.filter(|m| self.is_live(*m)) else {
            let why = match referral.action {
                Action::Invite(_) | Action::Call(_) => "Only who is in the room may invite others to it",
                Action::Remove(_) => "Only who is in the room may remove others from it",
            };
            if let Action::Call(outgoing) = referral.action {
                self.out.push_back(Output::LegGone(outgoing.leg));
            }
            return self.refuse_referral(id, Refusal::new(403, why));
        };
        match referral.action {
            Action::Invite(invitee) => self.invite(env, id, member, invitee, referral.reason),
            Action::Call(outgoing) => match self.may_call(&outgoing) {
                Ok(leg) => {
                    self.accept_referral(id);
                    let by = self.members.get(&member).and_then(|m| m.membership.nickname()).map(String::from);
                    self.place_call(env, *outgoing, leg, (Asked::Referral(id), by));
                }
                Err(refusal) => {
                    self.out.push_back(Output::LegGone(outgoing.leg));
                    self.refuse_referral(id, refusal);
                }
            },
            Action::Remove(victim) => self.remove(env, id, member, (&referral.room, &victim), referral.reason),
        }
    }

    pub(super) fn refuse_referral(&mut self, id: ReferralId, refusal: Refusal) {
        self.out.push_back(Output::Referral(id, ReferAnswer::Refused(refusal)));
    }

    pub(super) fn accept_referral(&mut self, id: ReferralId) {
        self.out.push_back(Output::Referral(id, ReferAnswer::Accepted));
    }

    pub(super) fn end_referral(&mut self, id: ReferralId, code: u16, phrase: String) {
        self.out.push_back(Output::Referral(id, ReferAnswer::Last { code, phrase }));
    }

    pub(super) fn tell_progress(&mut self, id: ReferralId, code: u16, phrase: String) {
        self.out.push_back(Output::Referral(id, ReferAnswer::Progress { code, phrase }));
    }

    fn invite(&mut self, env: &mut Env<'_>, id: ReferralId, member: MembershipId, to: BareJid, reason: Option<String>) {
        self.accept_referral(id);
        let errand = Errand::Invitation { to, reason };
        let deadline = env.now + PATIENCE;
        self.with_member(env, member, |m, env, out| m.run(env, Said::Invitation(id), errand, deadline, out));
    }

    pub(super) fn invitation_concluded(&mut self, id: ReferralId, result: Result<(), StanzaError>) {
        match result {
            Ok(()) => self.end_referral(id, 100, "Trying".to_string()),
            Err(error) => self.fail_referral(id, &error, phrases::explain(error.condition)),
        }
    }

    /// The room does not let him: its own words, where it has any, or else these.
    pub(super) fn fail_referral(&mut self, id: ReferralId, error: &StanzaError, ours: &str) {
        let words = error.text.as_deref().map(phrases::quoted).filter(|words| !words.is_empty());
        let phrase = words.unwrap_or_else(|| ours.into());
        self.end_referral(id, errors::sip_for_invitation(error), phrase);
    }
}
