//! Which SIP user acts under which JID. Two never share one (SEC-03).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use jid::BareJid;

use super::budget::Budget;
use crate::sip::settings::Rate;

/// Accounts in use.
#[derive(Default)]
pub struct Accounts {
    held: DashMap<BareJid, Holder>,
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
    account: BareJid,
    budget: Arc<Budget>,
}

/// The JID is in use by another SIP user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another SIP user is using this XMPP account")]
pub struct HeldByAnother;

impl Accounts {
    /// Lets `user`, named by his folded address of record, act under `account` for one more leg.
    ///
    /// # Errors
    ///
    /// [`HeldByAnother`] while another user has a leg under this account.
    pub fn hold(self: &Arc<Self>, account: &BareJid, user: String, rate: Option<Rate>) -> Result<Hold, HeldByAnother> {
        let budget = match self.held.entry(account.clone()) {
            Entry::Occupied(mut entry) => {
                let holder = entry.get_mut();
                if holder.user != user {
                    return Err(HeldByAnother);
                }
                holder.legs += 1;
                Arc::clone(&holder.budget)
            }
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
        let jid: BareJid = "mapped@xmpp.test".parse().unwrap();
        let first = accounts.hold(&jid, "sip:mapped@sip.test".into(), None).unwrap();
        let second = accounts.hold(&jid, "sip:mapped@sip.test".into(), None).unwrap();
        assert_eq!(accounts.hold(&jid, "sip:twin@sip.test".into(), None).err(), Some(HeldByAnother));
        drop(first);
        assert_eq!(accounts.hold(&jid, "sip:twin@sip.test".into(), None).err(), Some(HeldByAnother));
        drop(second);
        assert_eq!(accounts.legs(), 0);
        assert!(accounts.hold(&jid, "sip:twin@sip.test".into(), None).is_ok());
    }
}
