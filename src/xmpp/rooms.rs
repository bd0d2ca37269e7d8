//! The rooms that one stream serves, as its task knows them: hands them what is theirs, one after the other, and says their last
//! word.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, FullJid};
use mucfocus_core::room::io::AccountKey;
use mucfocus_core::xmpp_stream::framing::Framed;
use tokio::time::timeout;

use super::attachment::{Place, Shared};
use super::pool::Pool;
use crate::hub::mail::{Mail, StreamEnd, StreamMail};
use crate::hub::mailbox::{NotTaken, RoomGone, Source};
use crate::observe::metrics::Fate;

/// How long one room may keep the others of its stream waiting.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// What a piece of mail without a stanza weighs, about.
const SMALL: usize = 64;

/// The rooms of one stream. However the task ends, dropping this closes the stream to newcomers and says why to everybody.
pub(super) struct Rooms {
    pool: Arc<Pool>,
    account: AccountKey,
    shared: Arc<Shared>,
    members: BTreeMap<BareJid, Member>,
    waiting: VecDeque<Delivery>,
    delivering: Option<Delivering>,
    why: StreamEnd,
}

struct Member {
    place: Arc<Place>,
    source: Arc<Source>,
    /// Whether it was told that the stream is up.
    is_ready: bool,
}

struct Delivery {
    place: Arc<Place>,
    what: What,
}

#[derive(Clone)]
enum What {
    Ready(FullJid),
    Stanza(Framed),
    Suspended(StreamEnd),
    Resumed { unhandled: Arc<[String]> },
    Reset { why: StreamEnd, unhandled: Arc<[String]> },
}

struct Delivering {
    place: Arc<Place>,
    outcome: Pin<Box<dyn Future<Output = Result<(), StreamEnd>> + Send>>,
}

impl What {
    fn mail(self) -> (Mail, usize) {
        match self {
            Self::Ready(bound) => (Mail::Stream(StreamMail::Ready { bound }), SMALL),
            Self::Stanza(stanza) => {
                let weight = stanza.bytes.len().max(SMALL);
                (Mail::Stream(StreamMail::Stanza(stanza)), weight)
            }
            Self::Suspended(why) => (Mail::Stream(StreamMail::Suspended(why)), SMALL),
            Self::Resumed { unhandled } => (Mail::Stream(StreamMail::Resumed { unhandled }), SMALL),
            Self::Reset { why, unhandled } => (Mail::Stream(StreamMail::Reset { why, unhandled }), SMALL),
        }
    }
}

impl Rooms {
    pub(super) fn new(pool: Arc<Pool>, account: AccountKey, shared: Arc<Shared>) -> Self {
        Self {
            pool,
            account,
            shared,
            members: BTreeMap::new(),
            waiting: VecDeque::new(),
            delivering: None,
            why: StreamEnd::Lost("the stream failed for a reason of our own".to_owned()),
        }
    }

    /// Takes newcomers in; `bound` is what they are told if the stream is up. Returns their rooms.
    pub(super) fn admit(&mut self, bound: Option<&FullJid>) -> Vec<BareJid> {
        let mut rooms = Vec::new();
        for (place, source) in self.shared.take_new() {
            rooms.push(place.room.clone());
            self.members.insert(place.room.clone(), Member { place, source: Arc::new(*source), is_ready: false });
        }
        if let Some(bound) = bound {
            self.ready(bound);
        }
        rooms
    }

    /// Takes those out who have gone by themselves.
    pub(super) fn dismiss(&mut self) -> Vec<Arc<Place>> {
        let gone = self.members.values().filter(|member| !self.shared.wants(&member.place));
        let gone: Vec<_> = gone.map(|member| Arc::clone(&member.place)).collect();
        for place in &gone {
            self.remove(place, StreamEnd::Lost("given up by the room".to_owned()));
        }
        gone
    }

    /// Tells everybody who does not know that the stream is up.
    pub(super) fn ready(&mut self, bound: &FullJid) {
        for member in self.members.values_mut().filter(|member| !member.is_ready) {
            member.is_ready = true;
            member.place.set_open(true);
            let (place, what) = (Arc::clone(&member.place), What::Ready(bound.clone()));
            self.waiting.push_back(Delivery { place, what });
        }
    }

    /// Tells everybody who was told that the stream is up that its connection is gone.
    pub(super) fn suspended(&mut self, why: &StreamEnd) {
        self.tell_ready(&What::Suspended(why.clone()));
    }

    /// Takes those out who wait for the stream to come up and will not be waited with any longer. Returns their places.
    pub(super) fn turn_away(&mut self, why: &StreamEnd) -> Vec<Arc<Place>> {
        let newcomers = self.members.values().filter(|member| !member.is_ready);
        let places: Vec<_> = newcomers.map(|member| Arc::clone(&member.place)).collect();
        places.iter().filter_map(|place| self.expel(place, why.clone())).collect()
    }

    /// Tells them that it is back.
    pub(super) fn resumed(&mut self, unhandled: Vec<String>) {
        self.tell_ready(&What::Resumed { unhandled: unhandled.into() });
    }

    /// Tells them that the server has lost the stream. They wait for another like newcomers.
    pub(super) fn reset(&mut self, why: &StreamEnd, unhandled: Vec<String>) {
        self.tell_ready(&What::Reset { why: why.clone(), unhandled: unhandled.into() });
        for member in self.members.values_mut() {
            member.is_ready = false;
            member.place.take_occupant();
        }
    }

    fn tell_ready(&mut self, what: &What) {
        let ready = self.members.values().filter(|member| member.is_ready);
        self.waiting.extend(ready.map(|m| Delivery { place: Arc::clone(&m.place), what: what.clone() }));
    }

    /// Queues a stanza for a room that has a use for it. What is queued is bounded by what one read can bring.
    pub(super) fn stanza(&mut self, room: &BareJid, stanza: Framed) {
        if let Some(member) = self.members.get(room) {
            if !member.place.has_a_use_for(&stanza) {
                return self.pool.metrics.xmpp_stanza(stanza.name(), Fate::Left);
            }
            self.waiting.push_back(Delivery { place: Arc::clone(&member.place), what: What::Stanza(stanza) });
        }
    }

    /// Hands out what is queued until a room has to be waited for. Returns a room that is gone, if there is one; then call again.
    pub(super) fn deliver(&mut self) -> Option<Arc<Place>> {
        if self.delivering.as_ref().is_some_and(|d| self.source_of(&d.place).is_none()) {
            self.delivering = None; // nobody wants that any more
        }
        while self.delivering.is_none() {
            let Some(Delivery { place, what }) = self.waiting.pop_front() else {
                self.waiting.shrink_to(16); // a burst must not stay with an idle stream
                return None;
            };
            let Some(source) = self.source_of(&place) else { continue };
            let (mail, weight) = what.mail();
            match source.try_send(mail, weight) {
                Ok(()) => {}
                Err(NotTaken::Gone) => return self.expel(&place, StreamEnd::Lost("the room is gone".to_owned())),
                Err(NotTaken::Full(mail)) => {
                    let source = Arc::clone(source);
                    let outcome = Box::pin(async move {
                        match timeout(PATIENCE, source.send(*mail, weight)).await {
                            Ok(Ok(())) => Ok(()),
                            Ok(Err(RoomGone)) => Err(StreamEnd::Lost("the room is gone".to_owned())),
                            Err(_) => Err(StreamEnd::RoomTooSlow),
                        }
                    });
                    self.delivering = Some(Delivering { place, outcome });
                }
            }
        }
        None
    }

    /// Whether a room is being waited for: nothing may be read then.
    pub(super) const fn is_waiting(&self) -> bool {
        self.delivering.is_some()
    }

    /// Resolves when the room that is being waited for has taken its mail, or with the one that did not. Cancel-safe.
    pub(super) async fn delivered(&mut self) -> Option<Arc<Place>> {
        let delivering = self.delivering.as_mut()?;
        let outcome = delivering.outcome.as_mut().await;
        let place = self.delivering.take()?.place;
        let Err(why) = outcome else { return None };
        tracing::warn!(account = %self.account, room = %place.room, reason = %why, "room given up");
        self.expel(&place, why)
    }

    /// Waits until everything is handed out that came before the end, but for no room longer than usual and for all together no
    /// longer than for one.
    pub(super) async fn hand_out_the_rest(&mut self) {
        let rest = async {
            while self.is_waiting() {
                self.delivered().await;
                while self.deliver().is_some() {}
            }
        };
        let _ = timeout(PATIENCE, rest).await;
    }

    /// All rooms, to be sent out of their MUCs.
    pub(super) fn places(&self) -> Vec<Arc<Place>> {
        self.members.values().map(|member| Arc::clone(&member.place)).collect()
    }

    /// Whether nobody is here.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Says the last word to everybody, and lets nobody in any more.
    pub(super) fn end(mut self, why: StreamEnd) {
        self.why = why;
    }

    fn source_of(&self, place: &Arc<Place>) -> Option<&Arc<Source>> {
        self.members.get(&place.room).filter(|member| Arc::ptr_eq(&member.place, place)).map(|member| &member.source)
    }

    /// Takes a room out against its will.
    fn expel(&mut self, place: &Arc<Place>, why: StreamEnd) -> Option<Arc<Place>> {
        place.set_open(false);
        self.shared.give_up(place);
        self.remove(place, why);
        Some(Arc::clone(place))
    }

    fn remove(&mut self, place: &Arc<Place>, why: StreamEnd) {
        if self.delivering.as_ref().is_some_and(|d| Arc::ptr_eq(&d.place, place)) {
            self.delivering = None;
        }
        if self.source_of(place).is_some()
            && let Some(member) = self.members.remove(&place.room)
        {
            finish(member, why);
        }
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.shared.close(&self.why);
        self.pool.forget(&self.account, &self.shared);
        self.delivering = None; // it shares a source
        for member in std::mem::take(&mut self.members).into_values() {
            member.place.set_open(false);
            finish(member, self.why.clone());
        }
    }
}

fn finish(member: Member, why: StreamEnd) {
    if let Some(source) = Arc::into_inner(member.source) {
        source.finish(Mail::Stream(StreamMail::Ended(why)));
    }
}
