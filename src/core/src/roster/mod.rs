//! The occupants of a room as the MUC shows them to us, and what the room says about itself. One roster serves everybody who
//! may see it, so nothing enters it that only some may see: real JIDs are kept in rooms that show them to all (GC-PRES-08).
//!
//! The roster knows no subscriptions. Whoever keeps a view of it compares [`Roster::revision`].

mod observer;

pub use observer::Observer;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use jid::Jid;

use crate::stanza::{Affiliation, Role};
use crate::time::WallClock;

/// The occupants of one room.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    revision: u64,
    occupants: BTreeMap<String, Occupant>,
    about: About,
}

/// One occupant, by whose nickname he is filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// What he wants to be called beside his nickname (XEP-0172).
    pub display_name: Option<String>,
    /// His role.
    pub role: Role,
    /// His affiliation.
    pub affiliation: Affiliation,
    /// His real JID, in rooms that show it to everybody.
    pub jid: Option<Jid>,
    /// Since when he is here through us; `None` is a native occupant, of whom nobody knows.
    pub dialed_in: Option<WallClock>,
}

/// What a room says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its name, for people.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its subject; empty and absent differ: an empty one was set (GC-SUBJ-01).
    pub subject: Option<String>,
    /// Where its log can be read (`muc#roominfo_logs`).
    pub logs: Option<String>,
    /// Whether only members may enter.
    pub members_only: bool,
    /// Whether the MUC cannot be reached.
    pub unreachable: bool,
}

impl Roster {
    /// Grows with every change.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The occupants by nickname.
    pub fn occupants(&self) -> impl ExactSizeIterator<Item = (&str, &Occupant)> {
        self.occupants.iter().map(|(nickname, occupant)| (nickname.as_str(), occupant))
    }

    /// One occupant.
    #[must_use]
    pub fn get(&self, nickname: &str) -> Option<&Occupant> {
        self.occupants.get(nickname)
    }

    /// What the room says about itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Somebody is here, in this state.
    pub fn put(&mut self, nickname: &str, occupant: Occupant) {
        if self.occupants.get(nickname) != Some(&occupant) {
            self.occupants.insert(nickname.to_string(), occupant);
            self.revision += 1;
        }
    }

    /// Somebody is gone.
    pub fn remove(&mut self, nickname: &str) -> Option<Occupant> {
        let gone = self.occupants.remove(nickname);
        self.revision += u64::from(gone.is_some());
        gone
    }

    /// These are the occupants, and no others.
    pub fn replace(&mut self, occupants: BTreeMap<String, Occupant>) {
        if self.occupants != occupants {
            self.occupants = occupants;
            self.revision += 1;
        }
    }

    /// Changes what is known about the room.
    pub fn describe(&mut self, change: impl FnOnce(&mut About)) {
        let before = self.about.clone();
        change(&mut self.about);
        self.revision += u64::from(self.about != before);
    }
}
