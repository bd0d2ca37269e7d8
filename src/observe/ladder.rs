//! The ladders of calls, for `mucfocus ctl ladder`: what went over the wire for a call, one line each, the latest last.
//!
//! Kept are the first words of each message: never a body, a credential, a session-id, or what somebody wrote. A ladder has
//! [`KEPT`] rungs; calls that are over keep theirs until [`OVER`] others have ended. Without a control socket nobody could look
//! at them, and there are none.

mod words;

pub use words::{Party, msrp_frame, msrp_head, sip_request, sip_response, stanza};

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Rungs of one ladder: with some 100 octets each, 6 KiB for a call.
const KEPT: usize = 64;
/// Ladders of calls that no leg holds: refused, on their way to a room, or over.
const OVER: usize = 256;
/// Octets of one rung's words.
const WORDS: usize = 96;

/// Which of a leg's three connections a message crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The SIP dialog.
    Sip,
    /// The MSRP session.
    Msrp,
    /// The XMPP stream.
    Xmpp,
}

/// Which way it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Counted from 0 in its call, so that one sees what is missing.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Over which connection.
    pub side: Side,
    /// Which way.
    pub way: Way,
    /// Its first words.
    pub what: Box<str>,
}

/// All ladders of this process.
#[derive(Debug, Clone, Default)]
pub struct Ladder(Option<Arc<Calls>>);

#[derive(Debug, Default)]
struct Calls {
    by_id: DashMap<String, Arc<Call>>,
    /// Calls that no leg holds, the oldest first.
    loose: Mutex<VecDeque<String>>,
}

#[derive(Debug, Default)]
struct Call {
    rungs: Mutex<Rungs>,
    changed: Notify,
    /// Legs that hold it.
    held: AtomicUsize,
}

#[derive(Debug, Default)]
struct Rungs {
    next: u64,
    last: VecDeque<Rung>,
}

/// A leg's hold on its ladder: as long as there is one, the ladder stays.
#[derive(Debug)]
pub struct Held {
    calls: Arc<Calls>,
    call_id: String,
    call: Arc<Call>,
}

/// A ladder, read from some rung on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its rungs from there on, as far as they are kept.
    pub rungs: Vec<Rung>,
    /// Whether a leg still holds it, so that more may come.
    pub goes_on: bool,
}

impl Ladder {
    /// Ladders that are kept.
    #[must_use]
    pub fn on() -> Self {
        Self(Some(Arc::default()))
    }

    /// Ladders that are not.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether there are any.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes a message of a call, in the words that `what` finds. `begins`: whether a call that was not known begins with it.
    pub fn note(&self, call_id: &str, side: Side, way: Way, begins: bool, what: impl FnOnce() -> String) {
        let Some(calls) = &self.0 else { return };
        let known = calls.by_id.get(call_id).map(|call| Arc::clone(&call));
        let call = match known {
            Some(call) => call,
            None if begins => calls.begin(call_id),
            None => return,
        };
        call.note(side, way, what());
    }

    /// The ladder of a call, which is held from now on; `None` where none are kept.
    #[must_use]
    pub fn hold(&self, call_id: &str) -> Option<Held> {
        let calls = self.0.as_ref()?;
        let call = Arc::clone(&calls.by_id.entry(call_id.to_owned()).or_default());
        call.held.fetch_add(1, Ordering::AcqRel);
        Some(Held { calls: Arc::clone(calls), call_id: call_id.to_owned(), call })
    }

    /// What is kept of a call from rung `from` on; `None` where nothing is.
    #[must_use]
    pub fn read(&self, call_id: &str, from: u64) -> Option<Reading> {
        let call = Arc::clone(&*self.0.as_ref()?.by_id.get(call_id)?);
        Some(call.read(from))
    }

    /// Waits until the ladder of a call has rung `from`, or its call has changed otherwise. Returns at once where there is no
    /// such ladder.
    pub async fn grows(&self, call_id: &str, from: u64) {
        let Some(call) = self.0.as_ref().and_then(|calls| Some(Arc::clone(&*calls.by_id.get(call_id)?))) else {
            return;
        };
        let changed = call.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if call.read(from).rungs.is_empty() && call.held.load(Ordering::Acquire) > 0 {
            changed.await;
        }
    }
}

impl Calls {
    fn begin(&self, call_id: &str) -> Arc<Call> {
        let call = Arc::clone(&self.by_id.entry(call_id.to_owned()).or_default());
        self.loosen(call_id);
        call
    }

    /// A call that nobody holds. The oldest of them gives way.
    fn loosen(&self, call_id: &str) {
        let mut loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
        loose.push_back(call_id.to_owned());
        while loose.len() > OVER {
            if let Some(oldest) = loose.pop_front() {
                // One that is held is not forgotten: it comes back here when it is over. Nor is one that stands here twice.
                let is_named_again = loose.contains(&oldest);
                self.by_id.remove_if(&oldest, |_, call| !is_named_again && call.held.load(Ordering::Acquire) == 0);
            }
        }
    }
}

impl Call {
    fn note(&self, side: Side, way: Way, mut what: String) {
        words::cut(&mut what, WORDS);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        {
            let mut rungs = self.rungs.lock().unwrap_or_else(PoisonError::into_inner);
            let number = rungs.next;
            rungs.next += 1;
            if rungs.last.len() >= KEPT {
                rungs.last.pop_front();
            }
            rungs.last.push_back(Rung { number, at_ms, side, way, what: what.into_boxed_str() });
        }
        self.changed.notify_waiters();
    }

    fn read(&self, from: u64) -> Reading {
        // Looked at first: a leg that ends meanwhile has said all before.
        let goes_on = self.held.load(Ordering::Acquire) > 0;
        let rungs = self.rungs.lock().unwrap_or_else(PoisonError::into_inner);
        Reading { rungs: rungs.last.iter().filter(|rung| rung.number >= from).cloned().collect(), goes_on }
    }
}

impl Held {
    /// Notes a message of this call.
    pub fn note(&self, side: Side, way: Way, what: String) {
        self.call.note(side, way, what);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.call.held.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.calls.loosen(&self.call_id);
            self.call.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
