//! Calls that are being set up: how many at a time, how many of one caller, and none of them twice.
//!
//! Owns these counts and nothing else. Each entry belongs to a guard and goes with it, so the tables are never larger than what
//! is pending and what is talking.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rsipstack::sip::Request;

use super::dialog::cseq;
use super::head::parameter;
use super::reply::field;

/// INVITEs without a final response, of all callers together; more get 503. Each costs some 20 KiB in the stack, and the work
/// of a room.
pub(super) const PENDING_INVITES: usize = 512;
/// INVITEs without a final response of one caller; more get 486. Far more than a person sets up at a time, and it takes sixteen
/// such callers to fill [`PENDING_INVITES`].
pub(super) const PENDING_OF_ONE_CALLER: usize = 32;

/// Why a call is not set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSetup {
    /// The same request came another way (RFC 3261 §8.2.2.2).
    Merged,
    /// [`PENDING_INVITES`].
    Full,
    /// [`PENDING_OF_ONE_CALLER`].
    FullOfOneCaller,
}

/// What the copies of one INVITE have in common, whichever way they came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    call_id: String,
    from_tag: String,
    cseq: u32,
}

impl Origin {
    pub(super) fn of(invite: &Request) -> Option<Self> {
        Some(Self {
            call_id: field(invite, "call-id")?.to_owned(),
            from_tag: parameter(field(invite, "from")?, "tag")?.to_owned(),
            cseq: cseq(invite)?,
        })
    }
}

/// All calls that are being set up.
#[derive(Debug, Clone, Default)]
pub(super) struct Setups(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    pending: usize,
    pending_of: HashMap<String, usize>,
    ongoing: HashSet<Origin>,
}

/// One place among the pending INVITEs; held until the final response.
#[derive(Debug)]
pub(super) struct PendingPlace {
    setups: Setups,
    caller: String,
}

/// Makes copies of the INVITE known as such; held as long as the call is, for a copy may take its time.
#[derive(Debug)]
pub(super) struct Ongoing {
    setups: Setups,
    origin: Origin,
}

impl Setups {
    /// Counts an INVITE of `caller` in.
    pub(super) fn begin(&self, origin: Origin, caller: &str) -> Result<(PendingPlace, Ongoing), NoSetup> {
        let mut tables = self.lock();
        if tables.ongoing.contains(&origin) {
            return Err(NoSetup::Merged);
        }
        if tables.pending >= PENDING_INVITES {
            return Err(NoSetup::Full);
        }
        let of_caller = tables.pending_of.get(caller).copied().unwrap_or_default();
        if of_caller >= PENDING_OF_ONE_CALLER {
            return Err(NoSetup::FullOfOneCaller);
        }
        tables.pending += 1;
        tables.pending_of.insert(caller.to_owned(), of_caller + 1);
        tables.ongoing.insert(origin.clone());
        Ok((PendingPlace { setups: self.clone(), caller: caller.to_owned() }, Ongoing { setups: self.clone(), origin }))
    }

    /// Makes copies of a request known as such that needs no place, a SUBSCRIBE or a REFER; none when it is a copy itself.
    pub(super) fn note(&self, origin: Origin) -> Option<Ongoing> {
        let is_new = self.lock().ongoing.insert(origin.clone());
        is_new.then(|| Ongoing { setups: self.clone(), origin })
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        let mut tables = self.setups.lock();
        tables.pending = tables.pending.saturating_sub(1);
        if let Some(count) = tables.pending_of.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                tables.pending_of.remove(&self.caller);
            }
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.setups.lock().ongoing.remove(&self.origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(cseq: u32) -> Origin {
        Origin { call_id: "c".into(), from_tag: "t".into(), cseq }
    }

    #[test]
    fn one_caller_has_a_share_and_all_together_have_a_limit() {
        let (setups, mut held) = (Setups::default(), Vec::new());
        let mut numbers = 0..;
        for caller in 0..PENDING_INVITES / PENDING_OF_ONE_CALLER {
            for _ in 0..PENDING_OF_ONE_CALLER {
                held.push(setups.begin(origin(numbers.next().unwrap()), &caller.to_string()).unwrap());
            }
            let more = setups.begin(origin(numbers.next().unwrap()), &caller.to_string());
            assert!(matches!(more, Err(NoSetup::FullOfOneCaller | NoSetup::Full)));
        }
        assert_eq!(setups.begin(origin(numbers.next().unwrap()), "other").unwrap_err(), NoSetup::Full);
        held.pop();
        held.push(setups.begin(origin(numbers.next().unwrap()), "other").unwrap());
    }

    #[test]
    fn a_copy_is_known_as_long_as_the_call_is_and_nothing_is_left_behind() {
        let setups = Setups::default();
        let (pending, ongoing) = setups.begin(origin(1), "romeo").unwrap();
        assert_eq!(setups.begin(origin(1), "romeo").unwrap_err(), NoSetup::Merged);
        drop(pending);
        assert_eq!(setups.begin(origin(1), "romeo").unwrap_err(), NoSetup::Merged);
        drop(setups.begin(origin(2), "romeo").unwrap());
        drop(ongoing);
        let tables = setups.lock();
        assert!(tables.pending == 0 && tables.pending_of.is_empty() && tables.ongoing.is_empty(), "{tables:?}");
    }
}
