//! Which nicknames people would take for one another. Owns an index by what such names have in common; knows nobody.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::address::nickname;

/// The nicknames of a room by what they have in common (RFC 8266 §2.4), so that nobody need compare with everybody.
#[derive(Debug, Clone, Default)]
pub(super) struct Likenesses {
    by_key: BTreeMap<String, Vec<Arc<str>>>,
}

impl Likenesses {
    pub(super) fn add(&mut self, name: &Arc<str>) {
        if let Some(key) = nickname::key(name) {
            self.by_key.entry(key).or_default().push(Arc::clone(name));
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        let Some(key) = nickname::key(name) else { return };
        if let Some(names) = self.by_key.get_mut(&key) {
            names.retain(|other| **other != *name);
            if names.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }

    /// The names that are like `nickname`, itself among them.
    pub(super) fn of(&self, nickname: &str) -> &[Arc<str>] {
        let names = nickname::key(nickname).and_then(|key| self.by_key.get(&key));
        names.map_or(&[], Vec::as_slice)
    }
}
