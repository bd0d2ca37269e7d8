//! What has changed of those who are listed, and when: enough to tell whoever has seen one revision how to get to this one. Owns
//! one entry for each name, never more; does not know what is told to whom.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use super::Occupant;
use crate::muc::Departure;
use crate::time::WallClock;

/// How many of those who are gone are remembered. Whoever has missed more is told everything.
const MAX_GONE: usize = 1024;

/// How somebody went, and what was known of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// What he was.
    pub occupant: Occupant,
    /// How he went.
    pub why: Departure,
    /// When.
    pub when: WallClock,
}

/// Somebody who is not listed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The revision since which he is not.
    pub at: u64,
    /// The revision since which he was. Who has seen an older one only does not know him.
    pub since: u64,
    /// How he went, where that was said.
    pub farewell: Option<Farewell>,
}

/// A name that is listed, or was.
#[derive(Debug, Clone)]
enum Entry {
    Here { at: u64, since: u64 },
    Gone(Gone),
}

/// One entry for each name, in the order of their last change too.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    names: BTreeMap<Arc<str>, Entry>,
    here: BTreeMap<u64, Arc<str>>,
    gone: BTreeMap<u64, Arc<str>>,
    /// What happened up to here is forgotten in part.
    floor: u64,
}

impl History {
    /// Somebody is listed, or has changed.
    pub(super) fn here(&mut self, at: u64, name: &Arc<str>) {
        let since = match self.names.get(name) {
            Some(Entry::Here { at: before, since }) => {
                self.here.remove(before);
                *since
            }
            Some(Entry::Gone(gone)) => {
                self.gone.remove(&gone.at);
                gone.since
            }
            None => at,
        };
        self.names.insert(Arc::clone(name), Entry::Here { at, since });
        self.here.insert(at, Arc::clone(name));
    }

    /// Somebody is not listed any more.
    pub(super) fn gone(&mut self, at: u64, name: &str, farewell: Option<Farewell>) {
        let Some((name, Entry::Here { at: before, since })) = self.names.get_key_value(name) else { return };
        let (name, since) = (Arc::clone(name), *since);
        self.here.remove(before);
        self.names.insert(Arc::clone(&name), Entry::Gone(Gone { at, since, farewell }));
        self.gone.insert(at, name);
        while self.gone.len() > MAX_GONE {
            let Some((at, name)) = self.gone.pop_first() else { break };
            self.names.remove(&name);
            self.floor = at;
        }
    }

    /// How many names are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether everything that happened after this revision is known.
    pub(super) const fn reaches(&self, revision: u64) -> bool {
        revision >= self.floor
    }

    /// Who is listed, by name, and when he changed last.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().filter_map(|(name, entry)| match entry {
            Entry::Here { at, .. } => Some((&**name, *at)),
            Entry::Gone(_) => None,
        })
    }

    /// Who has come or changed after a revision, and when.
    pub(super) fn here_after(&self, revision: u64) -> impl Iterator<Item = (&str, u64)> {
        self.here.range(revision.saturating_add(1)..).map(|(at, name)| (&**name, *at))
    }

    /// Who has gone after a revision, up to another one.
    pub(super) fn gone_between(&self, after: u64, up_to: u64) -> impl Iterator<Item = (&str, &Gone)> {
        let range = after.saturating_add(1)..=up_to.max(after.saturating_add(1));
        self.gone.range(range).filter(move |(at, _)| **at <= up_to).filter_map(|(_, name)| match self.names.get(name) {
            Some(Entry::Gone(gone)) => Some((&**name, gone)),
            _ => None,
        })
    }
}
