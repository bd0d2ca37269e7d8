//! A call on its way to its room.

use mucfocus_core::leg::call::CallCommand;
use mucfocus_core::leg::{Dial, LegId};
use tokio::sync::mpsc;

use super::accounts::Hold;
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
