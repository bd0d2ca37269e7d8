//! What a room holds of a stream: its place among the rooms of that stream, and the way to send.
//!
//! The table of rooms says what is *wanted*; the stream's task compares it with what it serves whenever it is told of a change.
//! So it holds one entry per room, however often rooms come and go, and closing a stream and attaching to it exclude each other
//! under one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jid::{BareJid, FullJid};
use mucfocus_core::xmpp_stream::framing::{Event, Framed, Framer};
use mucfocus_core::xmpp_stream::interest::Interest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, watch};

use crate::bell::Bell;
use crate::hub::mail::{Mail, StreamEnd, StreamMail};
use crate::hub::mailbox::Source;

/// Stanzas that may wait for one stream to write them.
pub const QUEUE: usize = 256;
/// Octets that may wait for one stream to write them.
pub const QUEUE_BYTES: usize = 1024 * 1024;
/// What a stanza counts at least: with it, [`QUEUE`] stanzas are [`QUEUE_BYTES`], and one budget bounds both.
const MIN_COST: usize = QUEUE_BYTES / QUEUE;

/// A stanza was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server does not take what is queued already.
    #[error("the XMPP server does not keep up")]
    Full,
    /// The stream is not up yet, or gone; the mail says which.
    #[error("the XMPP stream is not up")]
    Closed,
}

/// A room's place on the stream of an account. Dropped, it is given up: what was sent before still goes out, and a room that did
/// not leave its MUC is made to.
pub struct Attachment {
    place: Option<(Arc<Shared>, Arc<Place>)>,
}

impl Attachment {
    /// A place on no stream.
    pub(super) const fn refused() -> Self {
        Self { place: None }
    }

    /// Queues an encoded stanza behind everything that was queued before.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the stanza has not been and will not be sent then.
    pub fn try_send(&self, stanza: Bytes) -> Result<(), SendError> {
        let (shared, place) = self.place.as_ref().ok_or(SendError::Closed)?;
        let change = OccupantChange::of(&stanza);
        // Under the lock, so that a place which is being taken away cannot have a join queued behind its leave.
        let mut state = lock(&place.state);
        if !state.open {
            return Err(SendError::Closed);
        }
        shared.try_send(stanza)?;
        match change {
            OccupantChange::None => {}
            OccupantChange::In(occupant) => state.occupant = Some(occupant),
            OccupantChange::Out => state.occupant = None,
        }
        Ok(())
    }

    /// Says which stanzas of the room are wanted from now on; in the beginning it is all of them. It counts for every stanza that
    /// is read after this returns, so what answers a stanza that is sent next comes under it.
    pub fn listen(&self, interest: Interest) {
        if let Some((_, place)) = &self.place {
            lock(&place.state).interest = interest;
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some((shared, place)) = self.place.take() {
            shared.give_up(&place);
        }
    }
}

/// One room on one stream. Its identity is its address: a room that comes back is another place.
pub(super) struct Place {
    pub(super) room: BareJid,
    state: Mutex<PlaceState>,
}

#[derive(Default)]
struct PlaceState {
    /// Between [`StreamMail::Ready`] and the end: a join that nobody answers for must not wait in a queue.
    open: bool,
    /// Who was sent in and not out again.
    occupant: Option<FullJid>,
    /// What the room wants to be handed.
    interest: Interest,
}

impl Place {
    /// From now on, stanzas of this room are taken, or are not.
    pub(super) fn set_open(&self, open: bool) {
        lock(&self.state).open = open;
    }

    /// Whether the room wants to be handed this stanza.
    pub(super) fn has_a_use_for(&self, stanza: &Framed) -> bool {
        lock(&self.state).interest.covers(stanza)
    }

    /// The occupant that was sent in and not out again, taken: to send it out.
    pub(super) fn take_occupant(&self) -> Option<FullJid> {
        lock(&self.state).occupant.take()
    }
}

/// What an outgoing stanza does to our occupant.
enum OccupantChange {
    None,
    In(FullJid),
    Out,
}

impl OccupantChange {
    fn of(stanza: &Bytes) -> Self {
        if !stanza.starts_with(b"<presence") {
            return Self::None;
        }
        let Ok(Some(Event::Stanza(presence))) = Framer::new().push(&mut stanza.as_ref()) else { return Self::None };
        match (presence.kind().as_deref(), presence.to().as_deref().map(FullJid::new)) {
            (None, Some(Ok(occupant))) => Self::In(occupant),
            (Some("unavailable"), _) => Self::Out,
            _ => Self::None,
        }
    }
}

/// A stanza in the queue of a stream, with its share of the budget.
pub(super) struct Outgoing {
    pub(super) stanza: Bytes,
    pub(super) budget: OwnedSemaphorePermit,
}

/// What the task of a stream and its attachments have in common.
pub(super) struct Shared {
    table: Mutex<Table>,
    changed: Bell,
    /// Whether somebody who calls waits for the stream, or has.
    is_urgent: watch::Sender<bool>,
    queue: mpsc::Sender<Outgoing>,
    budget: Arc<Semaphore>,
}

#[derive(Default)]
struct Table {
    closed: bool,
    rooms: BTreeMap<BareJid, Wanted>,
}

struct Wanted {
    place: Arc<Place>,
    /// Until the task takes it.
    source: Option<Box<Source>>,
}

/// Who an attempt to attach was turned down by.
pub(super) enum NotAttached {
    /// The stream is closing: try another.
    Closed(Box<Source>),
    /// The room is attached already.
    Taken(Box<Source>),
}

impl Shared {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (queue, rx) = mpsc::channel(QUEUE);
        let budget = Arc::new(Semaphore::new(QUEUE_BYTES));
        (
            Arc::new(Self {
                table: Mutex::default(),
                changed: Bell::new(),
                is_urgent: watch::Sender::new(false),
                queue,
                budget,
            }),
            rx,
        )
    }

    pub(super) fn attach(self: &Arc<Self>, room: BareJid, source: Source) -> Result<Attachment, NotAttached> {
        let mut table = lock(&self.table);
        if table.closed {
            return Err(NotAttached::Closed(Box::new(source)));
        }
        if table.rooms.contains_key(&room) {
            return Err(NotAttached::Taken(Box::new(source)));
        }
        let place = Arc::new(Place { room: room.clone(), state: Mutex::default() });
        table.rooms.insert(room, Wanted { place: Arc::clone(&place), source: Some(Box::new(source)) });
        drop(table);
        self.changed.ring();
        Ok(Attachment { place: Some((Arc::clone(self), place)) })
    }

    /// Takes a room out of the table, so that it can attach again.
    pub(super) fn give_up(&self, place: &Arc<Place>) {
        let mut table = lock(&self.table);
        if table.rooms.get(&place.room).is_some_and(|wanted| Arc::ptr_eq(&wanted.place, place)) {
            let wanted = table.rooms.remove(&place.room);
            drop(table);
            drop(wanted); // a source says its last word on being dropped, which is nothing to do under the lock
            self.changed.ring();
        }
    }

    fn try_send(&self, stanza: Bytes) -> Result<(), SendError> {
        let cost = u32::try_from(stanza.len().max(MIN_COST)).map_err(|_| SendError::Full)?;
        let budget = Arc::clone(&self.budget).try_acquire_many_owned(cost).map_err(|e| match e {
            TryAcquireError::NoPermits => SendError::Full,
            TryAcquireError::Closed => SendError::Closed,
        })?;
        self.queue.try_send(Outgoing { stanza, budget }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Somebody who calls is about to attach.
    pub(super) fn hurry(&self) {
        self.is_urgent.send_if_modified(|is_urgent| !std::mem::replace(is_urgent, true));
    }

    /// Resolves when somebody who calls waits, or has waited.
    pub(super) async fn urgent(&self) {
        // As long as this is here, it is not closed.
        let _ = self.is_urgent.subscribe().wait_for(|is_urgent| *is_urgent).await;
    }

    /// Resolves when the table may have changed. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.changed.rung().await;
    }

    /// The rooms that came since this was asked last.
    pub(super) fn take_new(&self) -> Vec<(Arc<Place>, Box<Source>)> {
        let mut table = lock(&self.table);
        let rooms = table.rooms.values_mut();
        rooms.filter_map(|wanted| Some((Arc::clone(&wanted.place), wanted.source.take()?))).collect()
    }

    /// Whether this very place is still wanted.
    pub(super) fn wants(&self, place: &Arc<Place>) -> bool {
        lock(&self.table).rooms.get(&place.room).is_some_and(|wanted| Arc::ptr_eq(&wanted.place, place))
    }

    /// Whether no room is attached.
    pub(super) fn is_deserted(&self) -> bool {
        lock(&self.table).rooms.is_empty()
    }

    /// Closes if no room is attached, and says whether it did. Nobody can attach from then on.
    pub(super) fn close_if_deserted(&self) -> bool {
        let mut table = lock(&self.table);
        table.closed |= table.rooms.is_empty();
        table.closed
    }

    /// Closes, and says `why` to the rooms that the task has not taken over.
    pub(super) fn close(&self, why: &StreamEnd) {
        let mut table = lock(&self.table);
        table.closed = true;
        let rooms = std::mem::take(&mut table.rooms);
        drop(table);
        for source in rooms.into_values().filter_map(|wanted| wanted.source) {
            source.finish(Mail::Stream(StreamMail::Ended(why.clone())));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::mailbox::Mailbox;
    use crate::xmpp::encode::encode;
    use mucfocus_core::stanza::{History, OutStanza};

    fn room() -> BareJid {
        BareJid::new("capulet@muc.test").expect("a JID")
    }

    fn attach(shared: &Arc<Shared>, mailbox: &Mailbox) -> Result<Attachment, NotAttached> {
        let last = Mail::Stream(StreamMail::Ended(StreamEnd::Lost("dropped".into())));
        shared.attach(room(), mailbox.address().source(last).1)
    }

    /// An attachment that may send, and its place.
    fn open() -> (Arc<Shared>, mpsc::Receiver<Outgoing>, Attachment, Arc<Place>, Source) {
        let (shared, queue) = Shared::new();
        let Ok(attachment) = attach(&shared, &Mailbox::new()) else { panic!() };
        let (place, source) = shared.take_new().pop().expect("a newcomer");
        place.set_open(true);
        (shared, queue, attachment, place, *source)
    }

    fn bytes(stanza: &OutStanza) -> Bytes {
        encode(stanza).expect("encodes")
    }

    #[test]
    fn no_more_than_256_stanzas_wait() {
        let (_shared, mut queue, attachment, ..) = open();
        for _ in 0..QUEUE {
            assert_eq!(attachment.try_send("<message/>".into()), Ok(()));
        }
        assert_eq!(attachment.try_send("<message/>".into()), Err(SendError::Full));
        drop(queue.try_recv().expect("a stanza")); // written, its budget is free again
        assert_eq!(attachment.try_send("<message/>".into()), Ok(()));
    }

    #[test]
    fn no_more_than_one_mebibyte_waits() {
        let (_shared, _queue, attachment, ..) = open();
        let large = Bytes::from(vec![b'x'; 250_000]);
        for _ in 0..4 {
            assert_eq!(attachment.try_send(large.clone()), Ok(()));
        }
        assert_eq!(attachment.try_send(large), Err(SendError::Full));
    }

    #[test]
    fn nothing_is_taken_before_the_stream_is_up_or_after_its_end() {
        let (shared, queue) = Shared::new();
        let Ok(attachment) = attach(&shared, &Mailbox::new()) else { panic!() };
        assert_eq!(attachment.try_send("<presence/>".into()), Err(SendError::Closed));
        let (place, _) = shared.take_new().pop().expect("a newcomer");
        place.set_open(true);
        assert_eq!(attachment.try_send("<presence/>".into()), Ok(()));
        drop(queue);
        assert_eq!(attachment.try_send("<presence/>".into()), Err(SendError::Closed));
    }

    #[test]
    fn the_occupant_is_known_until_he_leaves() {
        let (_shared, _queue, attachment, place, _source) = open();
        let occupant = room().with_resource_str("It's <Romeo>").expect("a nickname");
        let join = bytes(&OutStanza::Join {
            occupant: occupant.clone(),
            id: "j".into(),
            password: None,
            history: History::Last(0),
        });
        attachment.try_send(join.clone()).expect("taken");
        assert_eq!(place.take_occupant(), Some(occupant.clone()));
        attachment.try_send(join).expect("taken");
        attachment.try_send(bytes(&OutStanza::Leave { occupant, status: None })).expect("taken");
        assert_eq!(place.take_occupant(), None);
    }

    #[test]
    fn an_occupant_who_goes_by_another_nickname_is_still_in() {
        let (_shared, _queue, attachment, place, _source) = open();
        let (romeo, montague) = (room().with_resource_str("Romeo"), room().with_resource_str("Montague"));
        let (romeo, montague) = (romeo.expect("a nickname"), montague.expect("a nickname"));
        let join = OutStanza::Join { occupant: romeo, id: "j".into(), password: None, history: History::Last(0) };
        attachment.try_send(bytes(&join)).expect("taken");
        attachment.try_send(bytes(&OutStanza::Rename { occupant: montague.clone(), id: "n".into() })).expect("taken");
        assert_eq!(place.take_occupant(), Some(montague));
    }

    /// GC-PRES-16: the others' presence does not even reach the mailbox.
    #[test]
    fn what_the_room_does_not_want_is_not_handed_to_it_until_it_wants_it_again() {
        let (_shared, _queue, attachment, place, _source) = open();
        let Ok(Some(Event::Stanza(another))) =
            Framer::new().push(&mut b"<presence from='capulet@muc.test/x'/>".as_slice())
        else {
            panic!()
        };
        assert!(place.has_a_use_for(&another));
        attachment.listen(Interest::Own(room().with_resource_str("Romeo").expect("a nickname")));
        assert!(!place.has_a_use_for(&another));
        attachment.listen(Interest::Everything);
        assert!(place.has_a_use_for(&another));
    }

    #[test]
    fn a_room_has_one_place_at_a_time() {
        let (shared, _queue, attachment, place, _source) = open();
        assert!(matches!(attach(&shared, &Mailbox::new()), Err(NotAttached::Taken(_))));
        assert!(shared.wants(&place));
        drop(attachment);
        assert!(!shared.wants(&place));
        let Ok(again) = attach(&shared, &Mailbox::new()) else { panic!() };
        let (new, _) = shared.take_new().pop().expect("a newcomer");
        assert!(!shared.wants(&place) && shared.wants(&new));
        shared.give_up(&place); // late, and about another place
        assert!(shared.wants(&new));
        drop(again);
    }

    #[tokio::test]
    async fn closing_and_attaching_exclude_each_other() {
        let (shared, _queue) = Shared::new();
        let mut mailbox = Mailbox::new();
        let Ok(attachment) = attach(&shared, &mailbox) else { panic!() };
        assert!(!shared.close_if_deserted());
        drop(attachment);
        let dropped = mailbox.recv().await.mail;
        assert!(matches!(dropped, Mail::Stream(StreamMail::Ended(_))), "{dropped:?}");
        assert!(shared.close_if_deserted());
        assert!(matches!(attach(&shared, &mailbox), Err(NotAttached::Closed(_))));
    }

    #[tokio::test]
    async fn a_stream_that_never_came_up_tells_those_who_wait_why() {
        let (shared, _queue) = Shared::new();
        let mut mailbox = Mailbox::new();
        let Ok(_attachment) = attach(&shared, &mailbox) else { panic!() };
        let why = StreamEnd::Unreachable("away".into());
        shared.close(&why);
        let Mail::Stream(StreamMail::Ended(end)) = mailbox.recv().await.mail else { panic!() };
        assert_eq!(end, why);
    }
}
