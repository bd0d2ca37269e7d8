//! Documents that were rendered, so that each is rendered once for all its subscribers. Owns no state of any of them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};

use super::View;
use super::document::{self, Way};
use super::subscription::Point;
use crate::address::sip_uri::SipUri;
use crate::roster::Listed;
use crate::wire::conference_info::{Fragment, Rendered};

/// The most names of a room that documents are kept for. One is the rule, as many as there are mapping rules that lead to it; a
/// room with more renders anew.
const MAX_NAMES: usize = 4;
/// The most updates that are kept for a name. Subscribers who answer go from revision to revision together.
const MAX_UPDATES: usize = 8;
/// How many users may be kept beyond those who are listed, until they are looked through.
const MAX_STRAYS: usize = 256;

/// What is kept, by the room's URI.
#[derive(Debug, Default)]
pub(super) struct Documents {
    names: BTreeMap<String, Kept>,
    /// How many documents were rendered ever.
    #[cfg(test)]
    pub(super) rendered: usize,
}

/// What is kept under one name.
#[derive(Debug, Default)]
struct Kept {
    /// Users as they are written, with the revision in which they were new.
    users: BTreeMap<String, (u64, Fragment)>,
    /// The whole, with its revision.
    full: Option<(u64, Rendered)>,
    /// What led from a point to a revision; the latest last.
    updates: VecDeque<(Point, u64, Way)>,
}

impl Documents {
    pub(super) const fn new() -> Self {
        Self {
            names: BTreeMap::new(),
            #[cfg(test)]
            rendered: 0,
        }
    }

    /// Forgets all of it.
    pub(super) fn clear(&mut self) {
        self.names.clear();
    }

    /// The whole.
    pub(super) fn full(&mut self, view: View<'_>, room: &SipUri) -> &Rendered {
        let revision = view.roster.revision();
        let kept = Self::kept(&mut self.names, room);
        let full = match kept.full.take().filter(|(of, _)| *of == revision) {
            Some(full) => full,
            None => {
                #[cfg(test)]
                {
                    self.rendered += 1;
                }
                let users = view.roster.listed().map(|listed| kept.user(room, listed)).collect();
                kept.forget_strays(view);
                (revision, document::full(view, room, users))
            }
        };
        &kept.full.insert(full).1
    }

    /// What leads from `point` to what there is.
    pub(super) fn update(&mut self, view: View<'_>, room: &SipUri, point: Point) -> Way {
        let revision = view.roster.revision();
        let kept = Self::kept(&mut self.names, room);
        if let Some((_, _, way)) = kept.updates.iter().find(|(from, to, _)| *from == point && *to == revision) {
            return way.clone();
        }
        #[cfg(test)]
        {
            self.rendered += 1;
        }
        let way = document::part(view, room, point, |listed| kept.user(room, listed));
        kept.forget_strays(view);
        if kept.updates.len() >= MAX_UPDATES {
            kept.updates.pop_front();
        }
        kept.updates.push_back((point, revision, way.clone()));
        way
    }

    fn kept<'a>(names: &'a mut BTreeMap<String, Kept>, room: &SipUri) -> &'a mut Kept {
        let name = room.to_string();
        if names.len() >= MAX_NAMES && !names.contains_key(&name) {
            names.pop_last();
        }
        names.entry(name).or_default()
    }
}

impl Kept {
    fn user(&mut self, room: &SipUri, listed: Listed<'_>) -> Fragment {
        match self.users.get(listed.nickname) {
            Some((at, fragment)) if *at == listed.at => fragment.clone(),
            _ => {
                let fragment = document::user(room, listed.nickname, listed.occupant);
                self.users.insert(listed.nickname.into(), (listed.at, fragment.clone()));
                fragment
            }
        }
    }

    fn forget_strays(&mut self, view: View<'_>) {
        if self.users.len() > view.roster.occupants().len().saturating_add(MAX_STRAYS) {
            self.users.retain(|nickname, _| view.roster.get(nickname).is_some());
        }
    }
}
