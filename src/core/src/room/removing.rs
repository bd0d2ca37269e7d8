//! Removals by REFER with method BYE (RFC 4579 §5.11): whom the address names, and what the room says to it. Whether somebody may
//! remove another is the room's to say; that he may remove himself needs no asking.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use jid::BareJid;

use super::io::{EndCause, MembershipId};
use super::referral::ReferralId;
use super::{Room, Said};
use crate::address::mapping::RoomMatch;
use crate::address::sip_uri::SipUri;
use crate::env::Env;
use crate::leg::call::Refusal;
use crate::muc::Errand;
use crate::stanza::StanzaError;
use crate::translate::{phrases, text};

/// How long the room may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What others read of who has removed himself.
const BY_HIMSELF: &str = "Removed by himself";
/// When to try again where a nickname has just changed hands, in seconds.
const RETRY_AFTER: u32 = 5;

/// Who is to be removed (CF-10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Victim {
    /// The occupant of this room address with `gr`.
    Occupant {
        /// The room, without `gr`.
        room: SipUri,
        /// His nickname.
        nickname: String,
    },
    /// Whoever has one of these addresses of record.
    User {
        /// In SIP: scheme, user and host only.
        sip: Option<SipUri>,
        /// In XMPP, of which the room has to let everybody know.
        xmpp: Option<BareJid>,
    },
}

/// Whom an address names.
enum Whom {
    Himself,
    Occupant(String),
    Several,
    Nobody,
}

impl Room {
    pub(super) fn remove(
        &mut self,
        env: &mut Env<'_>,
        id: ReferralId,
        member: MembershipId,
        (room, victim): (&RoomMatch, &Victim),
        reason: Option<String>,
    ) {
        match self.find_victim(member, room, victim) {
            Whom::Nobody => self.refuse_referral(id, Refusal::new(404, "Nobody of that address is in the room")),
            Whom::Several => {
                let why = "Several participants have that address: name one by his address in the roster";
                self.refuse_referral(id, Refusal::new(485, why));
            }
            // An address of record is nobody else's, whatever he is called.
            Whom::Occupant(nick) if matches!(victim, Victim::Occupant { .. }) && self.changed_hands(env, &nick) => {
                let why = "The nickname has just changed hands: look at the roster, and try again";
                self.refuse_referral(id, Refusal::new(480, why).retry_after(RETRY_AFTER));
            }
            Whom::Himself => self.remove_himself(env, id, member),
            Whom::Occupant(nick) => {
                self.accept_referral(id);
                let reason = reason.map(|reason| text::xml_clean(&reason).into_owned());
                let (errand, deadline) = (Errand::Removal { nick, reason }, env.now + PATIENCE);
                self.with_member(env, member, |m, env, out| m.run(env, Said::Removal(id), errand, deadline, out));
            }
        }
    }

    fn remove_himself(&mut self, env: &mut Env<'_>, id: ReferralId, member: MembershipId) {
        self.accept_referral(id);
        self.end_referral(id, 200, "OK".to_string());
        for leg in self.members.get(&member).map(|m| m.legs.clone()).unwrap_or_default() {
            self.end_leg_as(env, leg, 200, EndCause::ByCaller, BY_HIMSELF);
        }
    }

    fn find_victim(&self, member: MembershipId, room: &RoomMatch, victim: &Victim) -> Whom {
        let Some(by) = self.members.get(&member) else { return Whom::Nobody };
        let found: Vec<&str> = match victim {
            Victim::Occupant { room: uri, nickname } if self.settings.rules.is_room_alias(uri, room) => {
                self.roster.get(nickname).map(|_| nickname.as_str()).into_iter().collect()
            }
            Victim::Occupant { .. } => Vec::new(),
            Victim::User { sip, .. } if sip.as_ref().is_some_and(|sip| sip.same_aor(&by.caller)) => {
                return Whom::Himself;
            }
            Victim::User { sip, xmpp } => match self.nicknames_of(sip.as_ref()) {
                ours if ours.is_empty() => self.nicknames_with_jid(xmpp.as_ref()),
                ours => ours,
            },
        };
        match *found {
            [] => Whom::Nobody,
            [nickname] if by.membership.nickname() == Some(nickname) => Whom::Himself,
            [nickname] => Whom::Occupant(nickname.to_string()),
            [..] => Whom::Several,
        }
    }

    /// Of our own people.
    fn nicknames_of(&self, aor: Option<&SipUri>) -> Vec<&str> {
        let his = self.members.values().filter(|m| aor.is_some_and(|aor| aor.same_aor(&m.caller)));
        his.filter_map(|m| m.membership.nickname()).collect()
    }

    /// Of everybody, in a room that shows who they are.
    fn nicknames_with_jid(&self, jid: Option<&BareJid>) -> Vec<&str> {
        let is_his = |shown: &jid::Jid| jid.is_some_and(|jid| shown.to_bare() == *jid);
        let his = self.roster.occupants().filter(|(_, occupant)| occupant.jid.as_ref().is_some_and(is_his));
        his.map(|(nickname, _)| nickname).collect()
    }

    pub(super) fn removal_concluded(&mut self, id: ReferralId, result: Result<(), StanzaError>) {
        match result {
            Ok(()) => self.end_referral(id, 200, "OK".to_string()),
            Err(error) => self.fail_referral(id, &error, phrases::explain_occupant(error.condition)),
        }
    }

    pub(super) fn removal_overdue(&mut self, id: ReferralId) {
        self.end_referral(id, 504, "The room did not answer in time".to_string());
    }
}
