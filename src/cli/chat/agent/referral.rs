//! Invitations: a REFER within the call (RFC 3515, RFC 4579 §5.5), and what its NOTIFYs say.

use mucfocus_core::time::Instant;

use super::requests::{Answer, What};
use super::{Agent, State, branch};
use crate::cli::chat::call::{Event, Refusal};
use crate::cli::chat::message::Message;
use crate::sip::head::parameter;

/// The event package.
pub(in crate::cli::chat) const PACKAGE: &str = "refer";
/// Invitations whose outcome we wait for; the oldest is forgotten beyond.
const MAX_REFERRALS: usize = 16;

/// An invitation under way.
#[derive(Debug)]
pub(in crate::cli::chat) struct Referral {
    /// CSeq of the REFER, which names it from the second on (RFC 3515 §2.4.6).
    sequence: u32,
    whom: String,
}

impl Agent {
    /// Asks the room to invite somebody, by his URI. Only within a call.
    pub(in crate::cli::chat) fn invite_other(&mut self, whom: &str, now: Instant, out: &mut Vec<Event>) {
        if !matches!(self.state, State::Talking(_)) {
            return;
        }
        self.own.advance();
        let State::Talking(dialog) = &self.state else { return };
        let branch = branch();
        let draft = self.within(&self.own, dialog, "REFER", &branch);
        let draft = draft.field("Contact", &self.contact()).field("Refer-To", &format!("<{whom}>"));
        let from = self.parties.from.without_params();
        let draft = draft.field("Referred-By", &format!("<{from}>")).field("Accept", "message/sipfrag");
        if self.referrals.len() >= MAX_REFERRALS {
            self.referrals.pop_front();
        }
        self.referrals.push_back(Referral { sequence: self.own.sequence, whom: whom.to_owned() });
        self.ask(What::Refer(whom.to_owned()), branch, draft, now, out);
    }

    /// What the room says to the REFER itself. Of what it accepts, NOTIFYs tell more (202 is an older 200, RFC 7647 §5).
    pub(super) fn referred(&mut self, whom: String, answer: &Answer<'_>, out: &mut Vec<Event>) {
        let refusal = match answer {
            Answer::Final(200..=299, _) => return,
            Answer::Final(code, message) => Refusal::read(*code, message, self.credentials.as_ref()),
            Answer::None => Refusal { code: 408, phrase: "no answer".to_owned(), explanations: Vec::new() },
        };
        self.referrals.retain(|referral| referral.whom != whom);
        out.push(Event::Invitation { whom, outcome: refusal, is_last: true });
    }

    /// Takes a NOTIFY about an invitation. Whether there is such an invitation.
    pub(in crate::cli::chat) fn hear_of_referral(
        &mut self,
        notify: &Message,
        event: &str,
        out: &mut Vec<Event>,
    ) -> bool {
        let id = parameter(event, "id").and_then(|id| id.parse::<u32>().ok());
        let is_meant = |referral: &Referral| id.is_none_or(|id| id == referral.sequence);
        let Some(at) = self.referrals.iter().position(is_meant) else { return false };
        let state = notify.field("subscription-state").unwrap_or_default().split(';').next().unwrap_or_default();
        let whom = self.referrals.get(at).map(|referral| referral.whom.clone()).unwrap_or_default();
        let is_last = state.trim().eq_ignore_ascii_case("terminated");
        if is_last {
            self.referrals.remove(at);
        }
        if let Some((code, phrase)) = status_line(&notify.body) {
            let outcome = Refusal { code, phrase, explanations: Vec::new() };
            out.push(Event::Invitation { whom, outcome, is_last });
        }
        true
    }
}

/// The status line that a sipfrag begins with (RFC 3515 §2.4.5).
fn status_line(sipfrag: &[u8]) -> Option<(u16, String)> {
    let line = sipfrag.split(|b| matches!(b, b'\r' | b'\n')).next()?;
    let line = String::from_utf8_lossy(line);
    let (code, phrase) = line.strip_prefix("SIP/2.0 ")?.split_once(' ').unwrap_or((line.strip_prefix("SIP/2.0 ")?, ""));
    Some((code.parse().ok().filter(|code| (100..700).contains(code))?, phrase.trim().to_owned()))
}
