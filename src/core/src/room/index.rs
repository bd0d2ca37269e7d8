//! The memberships of a room by what they are called: account, nickname, caller. Owns the maps and decides nothing; so that what
//! happens to one membership need not look at all of them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::io::{AccountKey, MembershipId};

/// Where to find memberships. Of several with one name the oldest is found, as if all were looked through.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_account: BTreeMap<AccountKey, MembershipId>,
    by_nickname: BTreeMap<String, Vec<MembershipId>>,
    by_caller: BTreeMap<String, Vec<MembershipId>>,
}

impl Index {
    /// The membership of an account.
    pub(super) fn of_account(&self, account: &AccountKey) -> Option<MembershipId> {
        self.by_account.get(account).copied()
    }

    /// The membership that is inside under this nickname.
    pub(super) fn called(&self, nickname: &str) -> Option<MembershipId> {
        self.by_nickname.get(nickname)?.first().copied()
    }

    /// The membership of a caller, by the key of his address of record.
    pub(super) fn of_caller(&self, aor_key: &str) -> Option<MembershipId> {
        self.by_caller.get(aor_key)?.first().copied()
    }

    /// A membership begins. `aor_key` is its caller's, if he has a name of his own.
    pub(super) fn begins(&mut self, member: MembershipId, account: AccountKey, aor_key: Option<String>) {
        self.by_account.insert(account, member);
        if let Some(key) = aor_key {
            insert(&mut self.by_caller, key, member);
        }
    }

    /// A membership goes by another nickname, or by none.
    pub(super) fn renamed(&mut self, member: MembershipId, old: Option<&str>, new: Option<&str>) {
        if let Some(old) = old {
            remove(&mut self.by_nickname, old, member);
        }
        if let Some(new) = new {
            insert(&mut self.by_nickname, new.to_owned(), member);
        }
    }

    /// A membership is over.
    pub(super) fn ends(
        &mut self,
        member: MembershipId,
        account: &AccountKey,
        aor_key: Option<&str>,
        nickname: Option<&str>,
    ) {
        if self.by_account.get(account) == Some(&member) {
            self.by_account.remove(account);
        }
        if let Some(key) = aor_key {
            remove(&mut self.by_caller, key, member);
        }
        self.renamed(member, nickname, None);
    }
}

fn insert(map: &mut BTreeMap<String, Vec<MembershipId>>, key: String, member: MembershipId) {
    let members = map.entry(key).or_default();
    if let Err(at) = members.binary_search(&member) {
        members.insert(at, member);
    }
}

fn remove(map: &mut BTreeMap<String, Vec<MembershipId>>, key: &str, member: MembershipId) {
    let Some(members) = map.get_mut(key) else { return };
    members.retain(|m| *m != member);
    if members.is_empty() {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jid::BareJid;

    #[test]
    fn who_shares_a_name_is_found_oldest_first_and_until_he_is_over() {
        let account = |name: &str| AccountKey::named(&BareJid::new(name).unwrap());
        let (one, two) = (MembershipId(1), MembershipId(2));
        let (romeo, office) = (account("romeo@example.net"), account("office@example.net"));
        let mut index = Index::default();
        // Two accounts of one caller, and one nickname that was the other's until a moment ago.
        index.begins(two, office.clone(), Some("romeo@sip.example".into()));
        index.begins(one, romeo.clone(), Some("romeo@sip.example".into()));
        index.renamed(two, None, Some("Romeo"));
        index.renamed(one, None, Some("Romeo"));
        assert_eq!(index.called("Romeo"), Some(one));
        assert_eq!(index.of_caller("romeo@sip.example"), Some(one));
        index.ends(one, &romeo, Some("romeo@sip.example"), Some("Romeo"));
        assert_eq!(index.called("Romeo"), Some(two));
        assert_eq!(index.of_caller("romeo@sip.example"), Some(two));
        assert_eq!((index.of_account(&romeo), index.of_account(&office)), (None, Some(two)));
        index.renamed(two, Some("Romeo"), Some("Montague"));
        assert_eq!((index.called("Romeo"), index.called("Montague")), (None, Some(two)));
        index.ends(two, &office, Some("romeo@sip.example"), Some("Montague"));
        assert!(index.by_account.is_empty() && index.by_nickname.is_empty() && index.by_caller.is_empty());
    }
}
