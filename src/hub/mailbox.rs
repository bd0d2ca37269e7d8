//! The bounded mailbox of a room.
//!
//! It holds 8 MiB in all, of which each input takes a 1,024th at least, and at most 32 inputs of one source: a source without a
//! place waits, which stops its socket and nobody else's. Only drivers wait here. The end of a source is not an input that needs a
//! place but an entry in the list of ends, read after all of that source's inputs, so it always fits and always comes last. Reading
//! a letter looks at who has ended and not at everybody who writes: what a letter costs does not depend on how many legs the room
//! has.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::mail::Mail;
use crate::bell::Bell;

/// Inputs that a mailbox holds.
pub const CAPACITY: usize = 1024;
/// Octets that a mailbox holds, as weighed by its sources.
pub const WEIGHT: usize = 8 * 1024 * 1024;
/// What an input weighs at least: with it, [`CAPACITY`] inputs are [`WEIGHT`], and one budget bounds both.
const MIN_WEIGHT: usize = WEIGHT / CAPACITY;
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

/// An input was not taken at once.
#[derive(Debug)]
pub enum NotTaken {
    /// There is no place for it: [`Source::send`] waits for one.
    Full(Box<Mail>),
    /// The room is gone.
    Gone,
}

struct Queued {
    from: SourceId,
    mail: Mail,
    _place: OwnedSemaphorePermit,
    _weight: OwnedSemaphorePermit,
}

/// The last word of a source, and how to tell that everything before it was read.
struct End {
    from: SourceId,
    places: Arc<Semaphore>,
    last: Mail,
}

impl End {
    /// Whether nothing of this source is queued any more.
    fn is_due(&self) -> bool {
        self.places.available_permits() == PER_SOURCE
    }
}

struct Shared {
    weight: Arc<Semaphore>,
    ended: Bell,
    /// Ends that were not read yet.
    ends: Mutex<Vec<End>>,
    /// Whether there are any, so that nobody locks an empty list.
    has_ends: AtomicBool,
    /// Sources whose end was not read yet.
    sources: AtomicUsize,
    next_id: AtomicU64,
}

/// The receiving end, owned by the task of the room.
pub struct Mailbox {
    inputs: mpsc::UnboundedReceiver<Queued>,
    address: Address,
}

/// Where sources of a mailbox are made.
#[derive(Clone)]
pub struct Address {
    inputs: mpsc::UnboundedSender<Queued>,
    shared: Arc<Shared>,
}

/// The sending end of one driver task. Dropped without [`Source::finish`] it ends with what [`Address::source`] was given.
pub struct Source {
    inputs: mpsc::UnboundedSender<Queued>,
    shared: Arc<Shared>,
    id: SourceId,
    places: Arc<Semaphore>,
    if_dropped: Option<Mail>,
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        let (tx, rx) = mpsc::unbounded_channel(); // the weight bounds it
        let shared = Shared {
            weight: Arc::new(Semaphore::new(WEIGHT)),
            ended: Bell::new(),
            ends: Mutex::default(),
            has_ends: AtomicBool::new(false),
            sources: AtomicUsize::new(0),
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
            let Self { inputs, address } = self;
            tokio::select! {
                biased;
                Some(Queued { from, mail, .. }) = inputs.recv() => return Letter { from, mail },
                () = address.shared.ended.rung() => {}
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
        self.inputs.is_empty() && self.address.shared.sources.load(Ordering::Acquire) == 0
    }

    /// The end of a source none of whose inputs is still queued.
    fn take_end(&mut self) -> Option<Letter> {
        let shared = &self.address.shared;
        if !shared.has_ends.load(Ordering::Acquire) {
            return None;
        }
        let mut ends = shared.lock();
        let at = ends.iter().position(End::is_due)?;
        let End { from, last, .. } = ends.swap_remove(at);
        if ends.is_empty() {
            *ends = Vec::new(); // when everybody left at once, the list was long
            shared.has_ends.store(false, Ordering::Release);
        }
        shared.sources.fetch_sub(1, Ordering::Release);
        Some(Letter { from, mail: last })
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Address {
    /// A new source, whose last word is `if_dropped` unless it says another.
    #[must_use]
    pub fn source(&self, if_dropped: Mail) -> (SourceId, Source) {
        let id = SourceId(self.shared.next_id.fetch_add(1, Ordering::Relaxed));
        self.shared.sources.fetch_add(1, Ordering::AcqRel);
        let source = Source {
            inputs: self.inputs.clone(),
            shared: Arc::clone(&self.shared),
            id,
            places: Arc::new(Semaphore::new(PER_SOURCE)),
            if_dropped: Some(if_dropped),
        };
        (id, source)
    }
}

impl Source {
    /// Which source this is.
    #[must_use]
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Hands `mail`, which occupies about `weight` octets, to the room; waits for a place. Cancel-safe: a call that is dropped
    /// has sent nothing.
    ///
    /// # Errors
    ///
    /// [`RoomGone`] when nobody will ever read it.
    pub async fn send(&self, mail: Mail, weight: usize) -> Result<(), RoomGone> {
        match self.try_send(mail, weight) {
            Ok(()) => Ok(()),
            Err(NotTaken::Gone) => Err(RoomGone),
            Err(NotTaken::Full(mail)) => self.send_later(mail, weight).await,
        }
    }

    async fn send_later(&self, mail: Box<Mail>, weight: usize) -> Result<(), RoomGone> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| RoomGone)?;
        let budget = Arc::clone(&self.shared.weight);
        let weight = budget.acquire_many_owned(weighed(weight)).await.map_err(|_| RoomGone)?;
        self.queue(*mail, place, weight).map_err(|_| RoomGone)
    }

    /// Hands `mail` to the room at once or not at all.
    ///
    /// # Errors
    ///
    /// [`NotTaken`] when there is no place, or nobody will ever read it.
    pub fn try_send(&self, mail: Mail, weight: usize) -> Result<(), NotTaken> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(NotTaken::Full(Box::new(mail)));
        };
        let Ok(weight) = Arc::clone(&self.shared.weight).try_acquire_many_owned(weighed(weight)) else {
            return Err(NotTaken::Full(Box::new(mail)));
        };
        self.queue(mail, place, weight)
    }

    fn queue(&self, mail: Mail, place: OwnedSemaphorePermit, weight: OwnedSemaphorePermit) -> Result<(), NotTaken> {
        let queued = Queued { from: self.id, mail, _place: place, _weight: weight };
        self.inputs.send(queued).map_err(|_| NotTaken::Gone)
    }

    /// Says the last word of this source. It is read after everything that was sent before.
    pub fn finish(mut self, last: Mail) {
        self.if_dropped = Some(last);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(last) = self.if_dropped.take() {
            let mut ends = self.shared.lock();
            ends.push(End { from: self.id, places: Arc::clone(&self.places), last });
            self.shared.has_ends.store(true, Ordering::Release);
        }
        self.shared.ended.ring();
    }
}

/// What an input of so many octets takes of the budget.
fn weighed(octets: usize) -> u32 {
    u32::try_from(octets.clamp(MIN_WEIGHT, WEIGHT)).unwrap_or(u32::MAX)
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
        assert!(matches!(busy.try_send(Mail::Call(CallMail::Confirmed), 1), Err(NotTaken::Full(_))));
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
        assert!(matches!(source.try_send(Mail::Call(CallMail::Confirmed), 1), Err(NotTaken::Full(_))));
        mailbox.recv().await;
        assert!(source.try_send(Mail::Call(CallMail::Confirmed), 1).is_ok());
    }

    #[tokio::test]
    async fn a_thousand_and_twenty_four_small_inputs_are_as_many_as_fit() {
        let mailbox = Mailbox::new();
        let sources: Vec<Source> = (0..=CAPACITY / PER_SOURCE).map(|_| mailbox.address().source(gone()).1).collect();
        let (last, full) = sources.split_last().unwrap();
        for source in full.iter().flat_map(|source| std::iter::repeat_n(source, PER_SOURCE)) {
            source.send(Mail::Call(CallMail::Confirmed), 1).await.unwrap();
        }
        assert!(matches!(last.try_send(Mail::Call(CallMail::Confirmed), 1), Err(NotTaken::Full(_))));
    }

    #[tokio::test]
    async fn many_ends_at_once_are_each_read_once_and_after_what_was_said() {
        let mut mailbox = Mailbox::new();
        let sources: Vec<(SourceId, Source)> = (0..100).map(|_| mailbox.address().source(gone())).collect();
        for (_, source) in sources.iter().step_by(2) {
            source.send(Mail::Call(CallMail::Confirmed), 1).await.unwrap();
        }
        let talkers: Vec<SourceId> = sources.iter().step_by(2).map(|(id, _)| *id).collect();
        let mut everybody: Vec<SourceId> = sources.iter().map(|(id, _)| *id).collect();
        drop(sources);
        let (mut said, mut ended) = (Vec::new(), Vec::new());
        while let Some(letter) = mailbox.try_recv() {
            if is_end(&letter) {
                assert!(said.contains(&letter.from) || !talkers.contains(&letter.from), "an end before a word");
                ended.push(letter.from);
            } else {
                said.push(letter.from);
            }
        }
        ended.sort();
        everybody.sort();
        assert_eq!((said, ended), (talkers, everybody));
        assert!(mailbox.is_deserted());
        let (_, late) = mailbox.address().source(gone());
        assert!(!mailbox.is_deserted(), "who can still speak is waited for");
        drop(late);
        assert!(!mailbox.is_deserted(), "and so is his last word");
        assert!(is_end(&mailbox.recv().await) && mailbox.is_deserted());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_room_that_is_gone() {
        let mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(gone());
        drop(mailbox);
        assert_eq!(source.send(Mail::Call(CallMail::Confirmed), 1).await, Err(RoomGone));
    }
}
