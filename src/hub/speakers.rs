//! Who speaks through which source of a room's mailbox, found from either side.
//!
//! Owns the two maps and keeps them one; knows nothing of what is said.

use std::collections::BTreeMap;

use mucfocus_core::conference::SubscriptionId;
use mucfocus_core::leg::LegId;
use mucfocus_core::room::io::MembershipId;
use mucfocus_core::room::referral::ReferralId;

use super::mailbox::SourceId;

/// Who a source of the mailbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speaker {
    /// The SIP dialog of a leg.
    Call(LegId),
    /// The MSRP connection of a leg.
    Session(LegId),
    /// The XMPP stream of a membership.
    Stream(MembershipId),
    /// The SIP dialog of a subscription.
    Subscription(SubscriptionId),
    /// The SIP dialog of a referral.
    Referral(ReferralId),
}

/// The sources that are listened to.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    by_source: BTreeMap<SourceId, Speaker>,
    by_speaker: BTreeMap<Speaker, SourceId>,
}

impl Speakers {
    /// `speaker` speaks through `source` from now on, and through no other.
    pub(super) fn introduce(&mut self, source: SourceId, speaker: Speaker) {
        self.dismiss(speaker);
        self.by_source.insert(source, speaker);
        self.by_speaker.insert(speaker, source);
    }

    /// Who speaks through a source; nobody, if he was dismissed.
    pub(super) fn of(&self, source: SourceId) -> Option<Speaker> {
        self.by_source.get(&source).copied()
    }

    /// What `speaker` still has to say is nothing to anybody.
    pub(super) fn dismiss(&mut self, speaker: Speaker) {
        if let Some(source) = self.by_speaker.remove(&speaker) {
            self.by_source.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::mail::{CallEnd, CallMail, Mail};
    use crate::hub::mailbox::Mailbox;

    #[test]
    fn who_is_dismissed_or_has_another_source_is_not_heard_through_the_old_one() {
        let mailbox = Mailbox::new();
        let source = || mailbox.address().source(Mail::Call(CallMail::Ended(CallEnd::ByUs)));
        let ((old, _a), (new, _b), (other, _c)) = (source(), source(), source());
        let mut speakers = Speakers::default();
        let (session, call) = (Speaker::Session(LegId(1)), Speaker::Call(LegId(1)));
        speakers.introduce(old, session);
        speakers.introduce(other, call);
        assert_eq!((speakers.of(old), speakers.of(other)), (Some(session), Some(call)));
        speakers.introduce(new, session);
        assert_eq!((speakers.of(old), speakers.of(new)), (None, Some(session)));
        speakers.dismiss(session);
        speakers.dismiss(session);
        assert_eq!((speakers.of(new), speakers.of(other)), (None, Some(call)));
    }
}
