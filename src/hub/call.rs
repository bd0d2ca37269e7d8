//! What is on its way to its room: calls, subscriptions, referrals, invitations.

use std::sync::Arc;

use mucfocus_core::conference::{Notification, SubscriptionId};
use mucfocus_core::leg::call::CallCommand;
use mucfocus_core::leg::{Dial, LegId};
use tokio::sync::mpsc;

use mucfocus_core::room::calling::Outgoing;
use mucfocus_core::room::inviting::InvitationId;
use mucfocus_core::room::io::{Referral, Watch};
use mucfocus_core::room::referral::{ReferAnswer, ReferralId};

use super::accounts::Hold;
use super::quota::PlaceOfUser;
use crate::xmpp::invitations::Invited;
use crate::xmpp::settings::Account;

/// Everything that the room's task needs of a new leg.
pub struct NewLeg {
    /// A name that was never used before.
    pub leg: LegId,
    /// The account that the caller acts under.
    pub account: Account,
    /// The account is his for as long as this is kept.
    pub hold: Hold,
    /// The nickname to begin with.
    pub nickname: String,
    /// The call.
    pub dial: Dial,
    /// How to speak to the call.
    pub commands: mpsc::Sender<CallCommand>,
}

impl std::fmt::Debug for NewLeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewLeg").field("leg", &self.leg).field("call_id", &self.dial.call_id).finish_non_exhaustive()
    }
}

/// Everything that the room's task needs of a new subscription.
#[derive(Debug)]
pub struct NewSubscription {
    /// A name that was never used before.
    pub subscription: SubscriptionId,
    /// Who wants to watch.
    pub watch: Watch,
    /// How to speak to him.
    pub notifications: mpsc::Sender<Notification>,
    /// It counts among his (`limits.subscriptions_per_user`).
    pub place: PlaceOfUser,
}

/// What the room's task needs of a call that somebody asks for, beside what the room is told.
pub struct NewCall {
    /// The account that who is called acts under.
    pub account: Account,
    /// The account is his for as long as this is kept.
    pub hold: Hold,
    /// On whose behalf he is called, where that may be told.
    pub referred_by: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
}

impl std::fmt::Debug for NewCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewCall").field("account", &self.account.key).finish_non_exhaustive()
    }
}

/// Everything that the room's task needs of an invitation from the XMPP side.
#[derive(Debug)]
pub struct NewInvitation {
    /// A name that was never used before.
    pub id: InvitationId,
    /// What the room is told.
    pub outgoing: Outgoing,
    /// What else there is to the call.
    pub call: NewCall,
    /// Who waits for what comes of it.
    pub invited: Arc<Invited>,
}

/// Everything that the room's task needs of a new referral.
#[derive(Debug)]
pub struct NewReferral {
    /// A name that was never used before.
    pub id: ReferralId,
    /// Who refers whom.
    pub referral: Referral,
    /// For a referral to somebody who is called.
    pub call: Option<NewCall>,
    /// How to say what comes of it.
    pub answers: mpsc::Sender<ReferAnswer>,
}
