//! Which SIP user acts under which JID. Two never share one (SEC-03).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use mucfocus_core::room::io::AccountKey;

use super::budget::Budget;
use crate::sip::settings::Rate;

/// Accounts in use.
#[derive(Default)]
pub struct Accounts {
    held: DashMap<AccountKey, Holder>,
    legs: AtomicUsize,
}

struct Holder {
    user: String,
    legs: usize,
    budget: Arc<Budget>,
}

/// One leg's share in an account. Dropped, it gives it back.
pub struct Hold {
    accounts: Arc<Accounts>,
    account: AccountKey,
    budget: Arc<Budget>,
}

/// Why somebody cannot act under an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHeld {
    /// Another SIP user does.
    #[error("another SIP user is using this XMPP account")]
    ByAnother,
    /// He has as many legs as one may have (`limits.legs_per_user`).
    #[error("You are in as many calls as you may be")]
    TooManyLegs,
}

impl NotHeld {
    /// What a call is refused with.
    #[must_use]
    pub const fn sip_code(self) -> u16 {
        match self {
            Self::ByAnother => 403,
            Self::TooManyLegs => 486,
        }
    }
}

impl Accounts {
    /// Lets `user`, named by his folded address of record, act under `account` for one more leg.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] while another user has a leg under this account, or he himself has `max_legs`.
    pub fn hold(
        self: &Arc<Self>,
        account: &AccountKey,
        user: String,
        rate: Option<Rate>,
        max_legs: Option<usize>,
    ) -> Result<Hold, NotHeld> {
        let budget = match self.held.entry(account.clone()) {
            Entry::Occupied(mut entry) => {
                let holder = entry.get_mut();
                if holder.user != user {
                    return Err(NotHeld::ByAnother);
                }
                if max_legs.is_some_and(|max| holder.legs >= max) {
                    return Err(NotHeld::TooManyLegs);
                }
                holder.legs += 1;
                Arc::clone(&holder.budget)
            }
            Entry::Vacant(_) if max_legs == Some(0) => return Err(NotHeld::TooManyLegs),
            Entry::Vacant(entry) => {
                let budget = Arc::new(Budget::new(rate));
                entry.insert(Holder { user, legs: 1, budget: Arc::clone(&budget) });
                budget
            }
        };
        self.legs.fetch_add(1, Ordering::Relaxed);
        Ok(Hold { accounts: Arc::clone(self), account: account.clone(), budget })
    }

    /// Legs of all accounts.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.load(Ordering::Relaxed)
    }
}

impl Hold {
    /// What this user may say.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.accounts.legs.fetch_sub(1, Ordering::Relaxed);
        if let Entry::Occupied(mut entry) = self.accounts.held.entry(self.account.clone()) {
            let holder = entry.get_mut();
            holder.legs -= 1;
            if holder.legs == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sip_users_never_share_a_jid_and_one_may_have_several_legs() {
        let accounts = Arc::new(Accounts::default());
        let jid = AccountKey::named(&"mapped@xmpp.test".parse().unwrap());
        let first = accounts.hold(&jid, "sip:mapped@sip.test".into(), None, Some(2)).unwrap();
        let second = accounts.hold(&jid, "sip:mapped@sip.test".into(), None, Some(2)).unwrap();
        assert_eq!(accounts.hold(&jid, "sip:twin@sip.test".into(), None, Some(2)).err(), Some(NotHeld::ByAnother));
        let third = accounts.hold(&jid, "sip:mapped@sip.test".into(), None, Some(2));
        assert_eq!(third.err(), Some(NotHeld::TooManyLegs));
        drop(first);
        assert_eq!(accounts.hold(&jid, "sip:twin@sip.test".into(), None, Some(2)).err(), Some(NotHeld::ByAnother));
        drop(second);
        assert_eq!(accounts.legs(), 0);
        assert!(accounts.hold(&jid, "sip:twin@sip.test".into(), None, Some(2)).is_ok());
    }
}
