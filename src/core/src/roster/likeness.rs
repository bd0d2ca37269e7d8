//! Which nicknames people would take for one another. Owns an index by what such names have in common; knows nobody.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::address::nickname;

/// The nicknames of a room by what they have in common (RFC 8266 §2.4, UTS 39), so that nobody need compare with everybody.
#[derive(Debug, Clone, Default)]
pub(super) struct Likenesses {
    by_look: BTreeMap<String, Vec<Arc<str>>>,
}

impl Likenesses {
    pub(super) fn add(&mut self, name: &Arc<str>) {
        for look in nickname::likenesses(name) {
            self.by_look.entry(look).or_default().push(Arc::clone(name));
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        for look in nickname::likenesses(name) {
            let Some(names) = self.by_look.get_mut(&look) else { continue };
            names.retain(|other| **other != *name);
            if names.is_empty() {
                self.by_look.remove(&look);
            }
        }
    }

    /// The names that are like `nickname`, itself among them, each once.
    pub(super) fn of(&self, nickname: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in nickname::likenesses(nickname).iter().filter_map(|look| self.by_look.get(look)).flatten() {
            if !names.contains(&&**name) {
                names.push(name);
            }
        }
        names
    }
}
