//! The bounded mailbox of a room.
//!
//! It holds 1,024 inputs and 8 MiB in all, and at most 32 of one source: a source without a place waits, which stops its
//! socket and nobody else's. Only drivers wait here. The end of a source is not an input that needs a place but a flag in the
//! table of sources, read after all of that source's inputs, so it always fits and always comes last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::mail::Mail;

/// Inputs that a mailbox holds.
pub const CAPACITY: usize = 1024;
/// Octets that a mailbox holds, as weighed by its sources.
pub const WEIGHT: usize = 8 * 1024 * 1024;
/// Inputs that one source may have waiting.
pub const PER_SOURCE: usize = 32;

/// Names a source within its mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u64);

/// What a mailbox yields.
#[derive(Debug)]
pub struct Letter {
    /// Who says it.
    pub from: SourceId,
    /// What is said.
    pub mail: Mail,
}

/// The room is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the room is gone")]
pub struct RoomGone;

struct Queued {
    from: SourceId,
    mail: Mail,
    _place: OwnedSemaphorePermit,
    _weight: OwnedSemaphorePermit,
}

struct SourceState {
    id: SourceId,
    places: Arc<Semaphore>,
    end: Mutex<Option<Mail>>,
}

impl SourceState {
    fn has_ended(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

struct Shared {
    weight: Arc<Semaphore>,
    ended: Notify,
    sources: Mutex<Vec<Arc<SourceState>>>,
    next_id: AtomicU64,
}

/// The receiving end, owned by the task of the room.
pub struct Mailbox {
    inputs: mpsc::Receiver<Queued>,
    address: Address,
}

/// Where sources of a mailbox are made.
#[derive(Clone)]
pub struct Address {
    inputs: mpsc::Sender<Queued>,
    shared: Arc<Shared>,
}

/// The sending end of one driver task. Dropped without [`Source::finish`] it ends with what [`Address::source`] was given.
pub struct Source {
    inputs: mpsc::Sender<Queued>,
    shared: Arc<Shared>,
    state: Arc<SourceState>,
    if_dropped: Option<Mail>,
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        let (tx, rx) = mpsc::channel(CAPACITY);
        let shared = Shared {
            weight: Arc::new(Semaphore::new(WEIGHT)),
            ended: Notify::new(),
            sources: Mutex::default(),
            next_id: AtomicU64::new(1),
        };
        Self { inputs: rx, address: Address { inputs: tx, shared: Arc::new(shared) } }
    }

    /// Where to write to this mailbox.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// The next input. Never ends: a room goes when it has nothing left to do, not when nobody writes. Cancel-safe.
    pub async fn recv(&mut self) -> Letter {
        loop {
            if let Some(letter) = self.take_end() {
                return letter;
            }
            let shared = Arc::clone(&self.address.shared);
            tokio::select! {
                biased;
                Some(Queued { from, mail, .. }) = self.inputs.recv() => return Letter { from, mail },
                () = shared.ended.notified() => {}
            }
        }
    }

    /// An input that waits already, if there is one.
    pub fn try_recv(&mut self) -> Option<Letter> {
        if let Ok(Queued { from, mail, .. }) = self.inputs.try_recv() {
            return Some(Letter { from, mail });
        }
        self.take_end()
    }

    /// Whether nothing waits and no source is left.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.inputs.is_empty() && self.address.shared.lock().is_empty()
    }

    /// The end of a source none of whose inputs is still queued.
    fn take_end(&mut self) -> Option<Letter> {
        let mut sources = self.address.shared.lock();
        let at = sources.iter().position(|s| s.has_ended() && s.places.available_permits() == PER_SOURCE)?;
        let state = sources.swap_remove(at);
        let mail = state.end.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Letter { from: state.id, mail })
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<SourceState>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Address {
    /// A new source, whose last word is `if_dropped` unless it says another.
    #[must_use]
    pub fn source(&self, if_dropped: Mail) -> (SourceId, Source) {
        let id = SourceId(self.shared.next_id.fetch_add(1, Ordering::Relaxed));
        let state = Arc::new(SourceState { id, places: Arc::new(Semaphore::new(PER_SOURCE)), end: Mutex::default() });
        self.shared.lock().push(Arc::clone(&state));
        let source = Source {
            inputs: self.inputs.clone(),
            shared: Arc::clone(&self.shared),
            state,
            if_dropped: Some(if_dropped),
        };
        (id, source)
    }
}

impl Source {
    /// Which source this is.
    #[must_use]
    pub fn id(&self) -> SourceId {
        self.state.id
    }

    /// Hands `mail`, which occupies about `weight` octets, to the room; waits for a place. Cancel-safe: a call that is dropped
    /// has sent nothing.
    ///
    /// # Errors
    ///
    /// [`RoomGone`] when nobody will ever read it.
    pub async fn send(&self, mail: Mail, weight: usize) -> Result<(), RoomGone> {
        let weight = u32::try_from(weight.min(WEIGHT)).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.state.places).acquire_owned().await.map_err(|_| RoomGone)?;
        let weight = Arc::clone(&self.shared.weight).acquire_many_owned(weight).await.map_err(|_| RoomGone)?;
        let queued = Queued { from: self.state.id, mail, _place: place, _weight: weight };
        self.inputs.send(queued).await.map_err(|_| RoomGone)
    }

    /// Hands `mail` to the room at once or not at all.
    ///
    /// # Errors
    ///
    /// [`RoomGone`] when there is no place, or nobody will ever read it.
    pub fn try_send(&self, mail: Mail, weight: usize) -> Result<(), RoomGone> {
        let weight = u32::try_from(weight.min(WEIGHT)).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.state.places).try_acquire_owned().map_err(|_| RoomGone)?;
        let weight = Arc::clone(&self.shared.weight).try_acquire_many_owned(weight).map_err(|_| RoomGone)?;
        let queued = Queued { from: self.state.id, mail, _place: place, _weight: weight };
        self.inputs.try_send(queued).map_err(|_| RoomGone)
    }

    /// Says the last word of this source. It is read after everything that was sent before.
    pub fn finish(mut self, last: Mail) {
        self.if_dropped = Some(last);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(last) = self.if_dropped.take() {
            *self.state.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        }
        self.shared.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::mail::{CallEnd, CallMail};

    fn gone() -> Mail {
        Mail::Call(CallMail::Ended(CallEnd::ByUs))
    }

    fn is_end(letter: &Letter) -> bool {
        matches!(letter.mail, Mail::Call(CallMail::Ended(_)))
    }

    #[tokio::test]
    async fn the_end_of_a_source_comes_after_everything_it_said() {
        let mut mailbox = Mailbox::new();
        let (id, source) = mailbox.address().source(gone());
        source.send(Mail::Call(CallMail::Confirmed), 1).await.unwrap();
        source.send(Mail::Call(CallMail::Cancelled), 1).await.unwrap();
        source.finish(Mail::Call(CallMail::Ended(CallEnd::NoAck)));
        assert!(!mailbox.is_deserted());
        assert!(matches!(mailbox.recv().await.mail, Mail::Call(CallMail::Confirmed)));
        assert!(matches!(mailbox.recv().await.mail, Mail::Call(CallMail::Cancelled)));
        let last = mailbox.recv().await;
        assert_eq!(last.from, id);
        assert!(matches!(last.mail, Mail::Call(CallMail::Ended(CallEnd::NoAck))));
        assert!(mailbox.is_deserted() && mailbox.try_recv().is_none());
    }

    #[tokio::test]
    async fn a_source_that_is_dropped_says_what_was_agreed() {
        let mut mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(gone());
        drop(source);
        assert!(is_end(&mailbox.recv().await));
    }

    #[tokio::test]
    async fn the_thirty_third_input_of_a_source_waits_and_another_source_does_not() {
        let mut mailbox = Mailbox::new();
        let address = mailbox.address();
        let (_, busy) = address.source(gone());
        let (other_id, other) = address.source(gone());
        for _ in 0..PER_SOURCE {
            busy.send(Mail::Call(CallMail::Confirmed), 1).await.unwrap();
        }
        assert_eq!(busy.try_send(Mail::Call(CallMail::Confirmed), 1), Err(RoomGone));
        let one_more = busy.send(Mail::Call(CallMail::Confirmed), 1);
        assert!(tokio::time::timeout(Duration::from_millis(1), one_more).await.is_err(), "it waits");
        other.send(Mail::Call(CallMail::Confirmed), 1).await.unwrap();
        mailbox.recv().await;
        busy.send(Mail::Call(CallMail::Confirmed), 1).await.unwrap();
        let from: Vec<SourceId> = (0..PER_SOURCE).filter_map(|_| mailbox.try_recv()).map(|l| l.from).collect();
        assert!(from.contains(&other_id));
    }

    #[tokio::test]
    async fn eight_mebibytes_are_all_that_a_mailbox_holds() {
        let mut mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(gone());
        source.send(Mail::Call(CallMail::Confirmed), WEIGHT).await.unwrap();
        assert_eq!(source.try_send(Mail::Call(CallMail::Confirmed), 1), Err(RoomGone));
        mailbox.recv().await;
        assert_eq!(source.try_send(Mail::Call(CallMail::Confirmed), 1), Ok(()));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_room_that_is_gone() {
        let mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(gone());
        drop(mailbox);
        assert_eq!(source.send(Mail::Call(CallMail::Confirmed), 1).await, Err(RoomGone));
    }
}
