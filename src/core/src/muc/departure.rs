//! How somebody else went, as the presence says that tells of it (XEP-0045 §7.14, §8.2, §9.1, §16.6).

use alloc::string::String;

use super::Removal;
use crate::stanza::Presence;

/// How an occupant went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// He left, and said this or nothing.
    Left(Option<String>),
    /// He was put out, or the connection that held him failed.
    Removed(Removal),
}

impl Departure {
    /// What an unavailable presence says; `None` of one who comes back under another nickname (status 303).
    pub(super) fn read(presence: &Presence) -> Option<Self> {
        let has = |code| presence.muc.as_ref().is_some_and(|muc| muc.has(code));
        if has(303) {
            return None;
        }
        Some(match Removal::read(presence) {
            Some(removal) => Self::Removed(removal),
            None if has(333) => Self::Removed(Removal::Technical),
            None => Self::Left(presence.status.clone().filter(|status| !status.trim().is_empty())),
        })
    }
}
