//! What has changed of those who are listed, and when: enough to tell whoever has seen one revision how to get to this one. Owns
//! one entry for each name, never more; does not know what is told to whom.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Occupant;
use crate::muc::Departure;
use crate::time::WallClock;

/// How many of those who are gone are remembered. Whoever has missed more is told everything.
const MAX_GONE: usize = 1024;
/// How often somebody may go and come back until the first of it is forgotten. Nobody does so more often between two notifications
/// but on purpose, and then is named once too often.
const MAX_GAPS: usize = 8;

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
    /// How he went, where that was said.
    pub farewell: Option<Farewell>,
    stays: Stays,
}

impl Gone {
    /// Whether he was listed in this revision, as far as it is known: rather once too often than once too few, since who is taken
    /// off a list that he is not on is no harm.
    #[must_use]
    pub fn was_listed(&self, revision: u64) -> bool {
        revision >= self.stays.since && self.stays.gap(revision).is_none()
    }

    /// Whether he was not listed in this revision, and had gone with a farewell after that other one, in which he was.
    #[must_use]
    pub fn was_leaving(&self, revision: u64, since: u64) -> bool {
        let gap = self.stays.gap(revision).filter(|gap| gap.has_farewell && gap.from > since);
        gap.is_some() && self.was_listed(since)
    }
}

/// Since when somebody is known, and when he was gone in between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stays {
    /// The revision since which he was listed for the first time. Who has seen an older one only does not know him.
    since: u64,
    /// The latest last.
    gaps: Vec<Gap>,
}

/// Gone since one revision, and back in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from: u64,
    to: u64,
    has_farewell: bool,
}

impl Stays {
    fn gap(&self, revision: u64) -> Option<&Gap> {
        self.gaps.iter().find(|gap| (gap.from..gap.to).contains(&revision))
    }

    fn back(&mut self, to: u64, gone: &Gone) {
        if self.gaps.len() >= MAX_GAPS {
            self.gaps.remove(0);
        }
        self.gaps.push(Gap { from: gone.at, to, has_farewell: gone.farewell.is_some() });
    }
}

/// A name that is listed, or was.
#[derive(Debug, Clone)]
enum Entry {
    Here { at: u64, stays: Stays },
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
        let stays = match self.names.remove(name) {
            Some(Entry::Here { at: before, stays }) => {
                self.here.remove(&before);
                stays
            }
            Some(Entry::Gone(mut gone)) => {
                self.gone.remove(&gone.at);
                let mut stays = core::mem::take(&mut gone.stays);
                stays.back(at, &gone);
                stays
            }
            None => Stays { since: at, gaps: Vec::new() },
        };
        self.names.insert(Arc::clone(name), Entry::Here { at, stays });
        self.here.insert(at, Arc::clone(name));
    }

    /// Somebody is not listed any more.
    pub(super) fn gone(&mut self, at: u64, name: &str, farewell: Option<Farewell>) {
        let Some(Entry::Here { at: before, stays }) = self.names.get_mut(name) else { return };
        let stays = core::mem::take(stays);
        let Some(name) = self.here.remove(before) else { return };
        self.names.insert(Arc::clone(&name), Entry::Gone(Gone { at, farewell, stays }));
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
