//! The occupants of a room as the MUC shows them to us, and what the room says about itself. One roster serves everybody who
//! may see it, so nothing enters it that only some may see: real JIDs are kept in rooms that show them to all (GC-PRES-08).
//!
//! The roster knows no subscriptions. Whoever keeps a view of it compares [`Roster::revision`], and learns from
//! [`Roster::since`] what is new.

mod history;
mod likeness;
mod listing;
mod observer;

pub use history::{Farewell, Gone};
pub use listing::MAX_LISTED;
pub use observer::Observer;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use jid::Jid;

use self::history::History;
use self::likeness::Likenesses;
use self::listing::{Listing, Place, Rank};
use crate::muc::Departure;
use crate::stanza::{Affiliation, Role};
use crate::time::WallClock;

/// The occupants of one room.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    revision: u64,
    occupants: BTreeMap<Arc<str>, Entry>,
    likenesses: Likenesses,
    listing: Listing,
    history: History,
    about: About,
    /// The revision in which what the room says of itself was new.
    described_at: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    occupant: Occupant,
    place: Place,
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
    /// How he came in through us; `None` is a native occupant, of whom nobody knows.
    pub dialed_in: Option<Joined>,
}

/// When and how somebody came in through us (RFC 4575 §5.7.4, §5.7.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// When.
    pub since: WallClock,
    /// How.
    pub how: How,
}

/// How somebody came in through us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// He called.
    Dialed,
    /// He was called.
    Called {
        /// The nickname of who had him called by a REFER (RFC 4575 §5.7.2).
        by: Option<String>,
    },
}

impl From<WallClock> for Joined {
    /// He called, at that time.
    fn from(since: WallClock) -> Self {
        Self { since, how: How::Dialed }
    }
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

/// An occupant who is listed.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// His nickname.
    pub nickname: &'a str,
    /// What is known of him.
    pub occupant: &'a Occupant,
    /// The revision in which that was new.
    pub at: u64,
}

/// What is new of those who are listed.
#[derive(Debug, Clone)]
pub struct Changes<'a> {
    /// Who has come or changed, in that order.
    pub here: Vec<Listed<'a>>,
    /// Who has gone, in that order. Who came and went since is not named.
    pub gone: Vec<(&'a str, &'a Gone)>,
    /// Whether the room says something else of itself.
    pub described: bool,
}

impl Roster {
    /// Grows with every change.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The occupants by nickname.
    pub fn occupants(&self) -> impl ExactSizeIterator<Item = (&str, &Occupant)> {
        self.occupants.iter().map(|(nickname, entry)| (&**nickname, &entry.occupant))
    }

    /// Those of them who are listed, by nickname: all of them in rooms of up to [`MAX_LISTED`] with names of ordinary length.
    pub fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        self.history.listed().filter_map(|(nickname, at)| self.as_listed(nickname, at))
    }

    /// One occupant.
    #[must_use]
    pub fn get(&self, nickname: &str) -> Option<&Occupant> {
        self.occupants.get(nickname).map(|entry| &entry.occupant)
    }

    /// The nicknames of occupants that people would take for this one (RFC 8266 §2.4, UTS 39), itself among them if it is here.
    pub fn alike(&self, nickname: &str) -> impl Iterator<Item = &str> {
        self.likenesses.of(nickname).into_iter()
    }

    /// What the room says about itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// What is new to whoever has seen a revision; `None` when that was too long ago to know. Who went after the revision
    /// `leaving_since` with a farewell was shown as leaving, and is on his list still.
    #[must_use]
    pub fn since(&self, revision: u64, leaving_since: Option<u64>) -> Option<Changes<'_>> {
        let is_known = |gone: &Gone| {
            gone.was_listed(revision) || leaving_since.is_some_and(|since| gone.was_leaving(revision, since))
        };
        self.history.reaches(revision).then(|| Changes {
            here: self.history.here_after(revision).filter_map(|(name, at)| self.as_listed(name, at)).collect(),
            gone: self.departures(revision, self.revision).filter(|(_, gone)| is_known(gone)).collect(),
            described: self.described_at > revision,
        })
    }

    /// Whether everything that happened after a revision is known.
    #[must_use]
    pub const fn remembers(&self, revision: u64) -> bool {
        self.history.reaches(revision)
    }

    /// Who went after a revision, up to another one, and has not come back. Those of long ago may be missing.
    pub fn departures(&self, after: u64, up_to: u64) -> impl Iterator<Item = (&str, &Gone)> {
        self.history.gone_between(after, up_to)
    }

    /// Somebody is here, in this state.
    pub fn put(&mut self, nickname: &str, occupant: Occupant) {
        let (name, arrived) = match self.occupants.get_key_value(nickname) {
            Some((_, known)) if known.occupant == occupant => return,
            Some((name, known)) => {
                self.listing.remove(known.place);
                (Arc::clone(name), known.place.1)
            }
            None => {
                let name = Arc::from(nickname);
                self.likenesses.add(&name);
                (name, self.revision.saturating_add(1))
            }
        };
        self.revision = self.revision.saturating_add(1);
        let place = (rank(&occupant), arrived);
        if self.listing.add(place, &name, octets(nickname, &occupant)) {
            self.history.here(self.revision, &name);
        } else {
            self.history.gone(self.revision, &name, None);
        }
        self.occupants.insert(name, Entry { occupant, place });
        self.cut();
    }

    /// Somebody is gone; how, where that is known.
    pub fn remove(&mut self, nickname: &str, why: Option<(Departure, WallClock)>) -> Option<Occupant> {
        let Entry { occupant, place } = self.occupants.remove(nickname)?;
        self.revision = self.revision.saturating_add(1);
        self.likenesses.remove(nickname);
        self.listing.remove(place);
        let farewell = why.map(|(why, when)| Farewell { occupant: occupant.clone(), why, when });
        self.history.gone(self.revision, nickname, farewell);
        self.cut();
        Some(occupant)
    }

    /// These are the occupants, and no others. What stays as it was has not changed.
    pub fn replace(&mut self, occupants: BTreeMap<String, Occupant>) {
        let is_gone = |name: &&Arc<str>| !occupants.contains_key(&***name);
        let gone: Vec<Arc<str>> = self.occupants.keys().filter(is_gone).cloned().collect();
        for nickname in gone {
            self.remove(&nickname, None);
        }
        for (nickname, occupant) in occupants {
            self.put(&nickname, occupant);
        }
    }

    /// Changes what is known about the room.
    pub fn describe(&mut self, change: impl FnOnce(&mut About)) {
        let before = self.about.clone();
        change(&mut self.about);
        if self.about != before {
            self.revision = self.revision.saturating_add(1);
        }
        let text = |about: &About| About { members_only: false, unreachable: false, ..about.clone() };
        if text(&self.about) != text(&before) {
            self.described_at = self.revision;
        }
    }

    fn as_listed<'a>(&'a self, nickname: &'a str, at: u64) -> Option<Listed<'a>> {
        self.get(nickname).map(|occupant| Listed { nickname, occupant, at })
    }

    /// Who has to make room on the list goes from it without having left, and who gets room comes.
    fn cut(&mut self) {
        for (name, is_listed) in self.listing.settle() {
            self.revision = self.revision.saturating_add(1);
            if is_listed {
                self.history.here(self.revision, &name);
            } else {
                self.history.gone(self.revision, &name, None);
            }
        }
    }
}

const fn rank(occupant: &Occupant) -> Rank {
    match (&occupant.dialed_in, occupant.role) {
        (Some(_), _) => Rank::Ours,
        (None, Role::Moderator) => Rank::Moderator,
        (None, _) => Rank::Other,
    }
}

/// How much room somebody takes in a document at most. His nickname stands in two addresses of his, where an octet may become
/// three, and in one text or two, where it may become six.
fn octets(nickname: &str, occupant: &Occupant) -> usize {
    const REST: usize = 700;
    let length = |name: &str| {
        name.bytes().map(|b| if b.is_ascii_alphanumeric() { 4 } else { 18 }).fold(REST, usize::saturating_add)
    };
    let display_name = occupant.display_name.as_deref().map_or(0, |name| name.len().saturating_mul(5));
    let jid = occupant.jid.as_ref().map_or(0, |jid| jid.as_str().len().saturating_mul(3));
    let referrer = match &occupant.dialed_in {
        Some(Joined { how: How::Called { by: Some(by) }, .. }) => length(by),
        _ => 0,
    };
    length(nickname).saturating_add(display_name).saturating_add(jid).saturating_add(referrer)
}

#[cfg(test)]
mod tests;
