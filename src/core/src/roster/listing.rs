//! Who of a very large room is listed: nobody reads ten thousand names, and nobody may be sent a document without an end. Owns
//! the choice, and knows occupants by name and rank only.
//!
//! Who is in through us comes first, so that everybody finds himself (GC-PRES-11), then moderators, then who was here first. That
//! way nobody is pushed off the list by those who come and go.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many occupants are listed, of those who are not in through us. A list of this many is nothing that people read.
pub const MAX_LISTED: usize = 2000;
/// Octets that all who are listed may take in a document, all names together.
const MAX_OCTETS: usize = 2 * 1024 * 1024;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// He is in through us.
    Ours,
    /// He may do more than speak.
    Moderator,
    /// Everybody else.
    Other,
}

/// His place in the order: rank, and then when he came, which is nobody else's.
pub(super) type Place = (Rank, u64);

#[derive(Debug, Clone)]
struct Entry {
    name: Arc<str>,
    octets: usize,
}

/// Everybody in order, cut in two: nobody who is hidden goes before somebody who is listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    listed: BTreeMap<Place, Entry>,
    hidden: BTreeMap<Place, Entry>,
    octets: usize,
}

impl Listing {
    /// Adds somebody who takes so many octets, and says whether he is listed. [`Listing::settle`] has to follow.
    pub(super) fn add(&mut self, place: Place, name: &Arc<str>, octets: usize) -> bool {
        let entry = Entry { name: Arc::clone(name), octets };
        let is_listed = self.hidden.keys().next().is_none_or(|first| place < *first);
        if is_listed {
            self.octets = self.octets.saturating_add(octets);
            self.listed.insert(place, entry);
        } else {
            self.hidden.insert(place, entry);
        }
        is_listed
    }

    /// Removes somebody. [`Listing::settle`] has to follow.
    pub(super) fn remove(&mut self, place: Place) {
        if let Some(entry) = self.listed.remove(&place) {
            self.octets = self.octets.saturating_sub(entry.octets);
        } else {
            self.hidden.remove(&place);
        }
    }

    /// Cuts anew, and names those who have changed sides with whether they are listed now.
    pub(super) fn settle(&mut self) -> Vec<(Arc<str>, bool)> {
        let mut moved = Vec::new();
        while let Some((place, entry)) = self.listed.pop_last() {
            if self.has_room(place, self.listed.len(), self.octets) {
                self.listed.insert(place, entry);
                break;
            }
            self.octets = self.octets.saturating_sub(entry.octets);
            moved.push((Arc::clone(&entry.name), false));
            self.hidden.insert(place, entry);
        }
        if !moved.is_empty() {
            return moved;
        }
        while let Some((place, entry)) = self.hidden.pop_first() {
            let octets = self.octets.saturating_add(entry.octets);
            if !self.has_room(place, self.listed.len(), octets) {
                self.hidden.insert(place, entry);
                break;
            }
            self.octets = octets;
            moved.push((Arc::clone(&entry.name), true));
            self.listed.insert(place, entry);
        }
        moved
    }

    /// Whether whoever stands at `place` is listed beside so many others, when all take so many octets.
    const fn has_room(&self, place: Place, others: usize, octets: usize) -> bool {
        octets <= MAX_OCTETS && (matches!(place.0, Rank::Ours) || others < MAX_LISTED)
    }
}
