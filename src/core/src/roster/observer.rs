//! One membership's stream is the observer of a room: what it sees is the roster of everybody, and what the streams of the others
//! see again is not looked at. Of them only their own place counts, which they hear of first.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use super::{Joined, Occupant, Roster};
use crate::muc::{Departure, Seen, SeenState};
use crate::time::WallClock;

/// Feeds a roster. `M` names memberships.
#[derive(Debug)]
pub struct Observer<M> {
    /// Whose view counts.
    eyes: Option<M>,
    /// What is gathered until the room has named everybody; the roster stays as it was meanwhile.
    gathered: Option<Gathering>,
    /// Places of our own that their memberships know of and the observer has not seen.
    ahead: BTreeMap<String, M>,
    /// Places of our own that the room may have lost together with their streams: their memberships are on the way back to them.
    awaited: BTreeMap<String, M>,
    /// Whether the room shows everybody's real JID to everybody.
    shows_jids: bool,
    /// Whether the roster was complete once.
    is_complete: bool,
}

/// The answer to a join, as far as it has come.
#[derive(Debug, Default)]
struct Gathering {
    /// The id of the join, where whose view counts was inside before he asked, and his nickname then. Other presences of his own may
    /// come before the one that ends the answer (status 110).
    join: Option<(String, String)>,
    people: BTreeMap<String, Occupant>,
    /// How many there were when it was looked last.
    counted: usize,
}

impl<M: Copy + Ord> Default for Observer<M> {
    fn default() -> Self {
        let (ahead, awaited) = (BTreeMap::new(), BTreeMap::new());
        Self { eyes: None, gathered: None, ahead, awaited, shows_jids: false, is_complete: false }
    }
}

impl<M: Copy + Ord> Observer<M> {
    /// Whose view counts.
    #[must_use]
    pub const fn eyes(&self) -> Option<M> {
        self.eyes
    }

    /// Whether the roster can be shown: it was complete once and somebody keeps it.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether somebody looks, and has seen everybody: the roster is what the room is, but for what is on its way.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.eyes.is_some() && self.gathered.is_none() && self.is_complete
    }

    /// `member` is about to be told of everybody, by joining: from now on its view counts.
    pub fn look(&mut self, member: M) {
        self.eyes = Some(member);
        self.gathered = Some(Gathering::default());
    }

    /// The same for a member who is inside and asks once more, by a `join` with this id under this nickname. Prosody tells only who
    /// comes in that the room shows real JIDs (status 100), so what is known of that stays.
    pub fn look_again(&mut self, member: M, join: (String, String)) {
        self.eyes = Some(member);
        self.gathered = Some(Gathering { join: Some(join), ..Gathering::default() });
    }

    /// Whether what `member` has just seen is the last of the answer to his join: his own presence. A change of role or an echo that
    /// crosses the join is not; it does not bear the join's id. Where a room leaves ids out, one under the name
    /// that he asked with is, if it changes nothing or the list does not have him: the observer before may have left before it saw him
    /// come back.
    #[must_use]
    pub fn is_answered(&self, member: M, seen: &Seen, roster: &Roster) -> bool {
        let Some(gathering) = self.gathered.as_ref().filter(|_| seen.is_us && self.eyes == Some(member)) else {
            return false;
        };
        let Some((join, nickname)) = &gathering.join else { return true };
        match (&seen.id, &seen.state) {
            (Some(id), _) => id == join,
            (None, Some(state)) if seen.nickname == *nickname => {
                let known = roster.get(nickname);
                known.is_none_or(|known| (state.role, state.affiliation) == (known.role, known.affiliation))
            }
            (None, _) => false,
        }
    }

    /// Whether an answer is awaited and nothing of it has come since this was asked last.
    pub fn waits_in_vain(&mut self) -> bool {
        let Some(gathering) = &mut self.gathered else { return false };
        let count = gathering.people.len();
        core::mem::replace(&mut gathering.counted, count) == count
    }

    /// Whether an answer is awaited.
    #[must_use]
    pub const fn is_gathering(&self) -> bool {
        self.gathered.is_some()
    }

    /// `member` is no longer a source. Whether it was the one whose view counts.
    pub fn forget(&mut self, member: M, roster: &mut Roster) -> bool {
        let ahead: BTreeSet<String> =
            self.ahead.iter().filter(|(_, m)| **m == member).map(|(nick, _)| nick.clone()).collect();
        for nickname in ahead {
            self.ahead.remove(&nickname);
            roster.remove(&nickname, None);
        }
        let was_the_eyes = self.eyes == Some(member);
        if was_the_eyes {
            self.eyes = None;
            self.gathered = None;
        }
        was_the_eyes
    }

    /// `member` has lost its stream and is on the way back to its place, which is its own on the roster until it is back or given up
    /// (GC-PRES-11).
    pub fn awaits(&mut self, member: M, nickname: &str, roster: &Roster) {
        if roster.get(nickname).is_some_and(|occupant| occupant.dialed_in.is_some()) {
            self.ahead.remove(nickname);
            self.awaited.insert(nickname.into(), member);
        }
    }

    /// `member` is back under this nickname, or is over.
    pub fn awaits_no_more(&mut self, member: M, nickname: Option<&str>, roster: &mut Roster) {
        let (his, others) = core::mem::take(&mut self.awaited).into_iter().partition(|(_, m)| *m == member);
        self.awaited = others;
        let his: BTreeMap<String, M> = his;
        for name in his.into_keys() {
            match nickname == Some(name.as_str()) {
                // What the observer sees of himself is what counts.
                true if self.eyes == Some(member) => {}
                true => {
                    self.ahead.insert(name, member);
                }
                false => {
                    roster.remove(&name, None);
                }
            }
        }
    }

    /// Nobody of ours is in the room any more: what was known of it is worth nothing.
    pub fn close_eyes(&mut self, roster: &mut Roster) {
        *self = Self::default();
        roster.replace(BTreeMap::new());
    }

    /// `member` saw somebody at `when`. `dialed_in` says how that nickname came in through us.
    pub fn saw(&mut self, member: M, seen: &Seen, when: WallClock, dialed_in: Option<Joined>, roster: &mut Roster) {
        if self.eyes == Some(member) {
            self.observed(seen, when, dialed_in, roster);
        } else if seen.is_us {
            self.saw_itself(member, seen, when, dialed_in, roster);
        }
    }

    /// The room has named everybody to `member`.
    pub fn named_everybody(&mut self, member: M, roster: &mut Roster) {
        if self.eyes != Some(member) {
            return;
        }
        if let Some(Gathering { people: mut everybody, .. }) = self.gathered.take() {
            if !self.shows_jids {
                everybody.values_mut().for_each(|occupant| occupant.jid = None);
            }
            self.awaited.retain(|nickname, _| !everybody.contains_key(nickname));
            // Who is in through us and was not named yet is about to be, or is on his way.
            for nickname in self.ahead.keys().chain(self.awaited.keys()) {
                if let Some(occupant) = roster.get(nickname)
                    && !everybody.contains_key(nickname)
                {
                    everybody.insert(nickname.clone(), occupant.clone());
                }
            }
            roster.replace(everybody);
            self.is_complete = true;
        }
    }

    /// The room has changed whether it shows real JIDs (status 172 to 174). Whether everybody has to be asked for again: of those
    /// who are here their JIDs are not known.
    pub fn jids_are_shown(&mut self, shows_jids: bool, roster: &mut Roster) -> bool {
        let newly_shown = shows_jids && !self.shows_jids;
        self.shows_jids = shows_jids;
        if !shows_jids {
            let everybody = roster.occupants().map(|(nick, o)| (nick.into(), Occupant { jid: None, ..o.clone() }));
            roster.replace(everybody.collect());
        }
        newly_shown
    }

    fn observed(&mut self, seen: &Seen, when: WallClock, dialed_in: Option<Joined>, roster: &mut Roster) {
        if seen.is_us
            && seen.state.is_some()
            && let Some(gathering) = &self.gathered
        {
            self.shows_jids = seen.shows_jids || (gathering.join.is_some() && self.shows_jids);
        }
        self.ahead.remove(&seen.nickname);
        let Some(state) = &seen.state else {
            let is_awaited = self.awaited.contains_key(&seen.nickname);
            let gone = match &mut self.gathered {
                Some(gathering) => gathering.people.remove(&seen.nickname),
                None => None,
            };
            let counts = !is_awaited && (self.gathered.is_none() || !self.is_complete);
            let listed = counts.then(|| roster.remove(&seen.nickname, departure(seen, when))).flatten();
            // Who was told to come back under another name keeps what is known of him.
            if let (Some(new), Some(occupant)) = (&seen.renamed, gone.or(listed)) {
                self.put(new, occupant, roster);
            }
            return;
        };
        let known = self
            .gathered
            .as_ref()
            .and_then(|all| all.people.get(&seen.nickname))
            .or_else(|| roster.get(&seen.nickname));
        // A place that is awaited may have been taken by somebody else.
        let known = known.filter(|_| !self.awaited.contains_key(&seen.nickname));
        let dialed_in = dialed_in.or_else(|| known.and_then(|occupant| occupant.dialed_in.clone()));
        // Whether the room shows them to everybody is known when it has named everybody.
        let keeps_jid = self.shows_jids || self.gathered.is_some();
        let occupant = occupant(seen, state, dialed_in, keeps_jid);
        if self.gathered.is_none() {
            self.awaited.remove(&seen.nickname);
        }
        self.put(&seen.nickname, occupant, roster);
    }

    /// What is gathered does not touch the roster that others read, until it is whole.
    fn put(&mut self, nickname: &str, occupant: Occupant, roster: &mut Roster) {
        match &mut self.gathered {
            Some(gathering) => {
                gathering.people.insert(nickname.into(), occupant);
            }
            None => roster.put(nickname, occupant),
        }
    }

    fn saw_itself(&mut self, member: M, seen: &Seen, when: WallClock, dialed_in: Option<Joined>, roster: &mut Roster) {
        match &seen.state {
            Some(state) if roster.get(&seen.nickname).is_none() => {
                self.ahead.insert(seen.nickname.clone(), member);
                let occupant = occupant(seen, state, dialed_in, self.shows_jids);
                roster.put(&seen.nickname, occupant);
            }
            Some(_) => {}
            None if self.ahead.get(&seen.nickname) == Some(&member) => {
                self.ahead.remove(&seen.nickname);
                roster.remove(&seen.nickname, departure(seen, when));
            }
            None => {}
        }
    }
}

fn departure(seen: &Seen, when: WallClock) -> Option<(Departure, WallClock)> {
    seen.why.clone().map(|why| (why, when))
}

fn occupant(seen: &Seen, state: &SeenState, dialed_in: Option<Joined>, keeps_jid: bool) -> Occupant {
    Occupant {
        display_name: state.display_name.clone().filter(|name| *name != seen.nickname),
        role: state.role,
        affiliation: state.affiliation,
        jid: state.jid.clone().filter(|_| keeps_jid),
        dialed_in,
    }
}
