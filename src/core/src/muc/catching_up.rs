//! What was said while we were out of a room (FT-02, XM-04). Back inside, it is asked for, and told before what is live: out of the
//! archive of the room where it announces one (XEP-0313), else out of the history that it sends to those who enter, of which only
//! what was not heard before is new.
//!
//! What we had said ourselves and nobody confirmed is looked for in it: found, it was said; not found where nothing is missing, it
//! was not, and is said once more under the same id; otherwise nobody knows, and its deadline tells. Nothing that a room says here
//! is kept beyond [`MAX_MESSAGES`], [`MAX_OCTETS`] and [`PATIENCE`].

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::hearing::Ids;
use super::membership::{Event, Membership};
use super::memory::MAX_ID;
use super::reflections::Known;
use crate::env::Env;
use crate::stanza::{ArchiveFrom, Archived, Condition, Fin, History, IqAnswer, Message, MessageKind, OutStanza};
use crate::time::{Instant, WallClock};

/// Messages that are asked for at a time.
const PAGE: u32 = 50;
/// How often it is asked: a client whose connection does not take more than what these bring is ended.
const PAGES: u32 = 4;
/// Messages that are caught up with.
const MAX_MESSAGES: usize = 200;
/// Octets that they may come to, and once more those that are live meanwhile.
const MAX_OCTETS: usize = 256 * 1024;
/// Live messages that wait behind them.
const MAX_LIVE: usize = 64;
/// How long a page may take, or the history.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where catching up stands.
#[derive(Debug)]
pub(super) struct Catching {
    way: Way,
    until: Instant,
    /// Of what was heard before, the number of what comes next in the room.
    cursor: u64,
    /// The number of the first message that was not heard before.
    begin: u64,
    /// Whether something came that was heard before: nothing is missing behind it.
    met: bool,
    /// Whether something was left out.
    overflowed: bool,
    /// What came and is not told yet: something may come that was heard, and then this was older.
    late: Vec<(Arc<Message>, Option<WallClock>)>,
    late_octets: usize,
    /// What was told.
    count: usize,
    octets: usize,
    /// What was said to everybody meanwhile.
    live: VecDeque<Live>,
    live_octets: usize,
    /// Whether something of ours is unconfirmed: what we say waits behind it.
    is_unsettled: bool,
}

#[derive(Debug)]
struct Live {
    message: Arc<Message>,
    is_ours: bool,
}

#[derive(Debug)]
enum Way {
    /// It comes by itself, and ends with the subject.
    History,
    /// The query that is out, from where it asks, and how many may follow.
    Archive { query: String, is_behind: bool, pages: u32, news: bool },
}

impl<T: Clone> Membership<T> {
    /// What the room announces of itself: whether its messages bear ids of its own, and whether it has an archive.
    pub const fn announces(&mut self, ids: bool, archive: bool) {
        (self.by_room, self.has_archive) = (ids, archive);
    }

    /// The history that is asked for on entering.
    pub(super) fn wanted_history(&self) -> History {
        match self.memory.since().filter(|_| self.has_reentered) {
            Some(since) if !self.has_archive => History::Since(since),
            Some(_) => History::Last(0),
            None if self.has_reentered => History::Last(0),
            None => History::Last(self.wishes.history),
        }
    }

    /// We are inside again, in the very room that we were in.
    pub(super) fn begin_catching_up(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        let way = if self.has_archive {
            let from = self.memory.last_id().map(|id| ArchiveFrom::After(id.to_string()));
            let is_behind = from.is_some();
            let Some(from) = from.or_else(|| self.memory.since().map(ArchiveFrom::Since)) else { return };
            Way::Archive { query: self.ask_archive(env, from, out), is_behind, pages: PAGES - 1, news: false }
        } else {
            Way::History
        };
        self.catching = Some(Catching {
            way,
            until: env.now + PATIENCE,
            cursor: 0,
            begin: self.memory.noted(),
            met: false,
            overflowed: false,
            late: Vec::new(),
            late_octets: 0,
            count: 0,
            octets: 0,
            live: VecDeque::new(),
            live_octets: 0,
            is_unsettled: !self.reflections.is_empty(),
        });
    }

    fn ask_archive(&self, env: &mut Env<'_>, from: ArchiveFrom, out: &mut Vec<Event<T>>) -> String {
        let id = env.token();
        out.push(Event::Send(OutStanza::Archive { room: self.muc.clone(), id: id.clone(), from, max: PAGE }));
        id
    }

    /// Whether what we say has to wait until it is known what became of what we said before.
    pub(super) fn settles_first(&self) -> bool {
        self.catching.as_ref().is_some_and(|catching| catching.is_unsettled)
    }

    /// When to catch up no longer. Without a connection there is time.
    pub(super) fn catching_deadline(&self) -> Option<Instant> {
        self.catching.as_ref().filter(|_| self.is_live()).map(|catching| catching.until)
    }

    /// There was no connection until now: an answer may come yet.
    pub(super) fn catch_on(&mut self, now: Instant) {
        if let Some(catching) = &mut self.catching {
            catching.until = now + PATIENCE;
        }
    }

    pub(super) fn expire_catching(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if self.catching_deadline().is_some_and(|until| until <= env.now) {
            self.caught_up(env, false, out);
        }
    }

    /// A message with a text to everybody, said before we came back.
    pub(super) fn heard_late(&mut self, env: &Env<'_>, message: Arc<Message>, stamp: Option<WallClock>) {
        let Some(catching) = &mut self.catching else { return };
        let (at, by_room) = (stamp.unwrap_or(env.wall), self.by_room || catching.asks_archive());
        if let Some(next) = self.memory.find(&message, by_room, at, (catching.cursor, catching.begin)) {
            // Rooms tell in order: what came before it was said before it, perhaps before we were ever there.
            (catching.cursor, catching.met, catching.overflowed) = (next, true, false);
            (catching.late, catching.late_octets) = (Vec::new(), 0);
            return;
        }
        // What is live as well is told as that, in its place among the others: an archive may have lost what was before it.
        if catching.live.iter().any(|live| is_copy(&live.message, &message, by_room)) {
            return;
        }
        let octets = message.body.as_ref().map_or(0, String::len);
        let count = catching.count + catching.late.len();
        if catching.overflowed || count >= MAX_MESSAGES || catching.octets + catching.late_octets + octets > MAX_OCTETS
        {
            catching.overflowed = true;
            return;
        }
        catching.late_octets += octets;
        catching.late.push((message, stamp));
    }

    /// The same, when nobody waits for it any more: what was not heard before is told, where that can still be known.
    pub(super) fn heard_too_late(
        &mut self,
        env: &Env<'_>,
        message: Arc<Message>,
        stamp: Option<WallClock>,
        out: &mut Vec<Event<T>>,
    ) {
        let at = stamp.unwrap_or(env.wall);
        if self.memory.find(&message, self.by_room, at, (0, self.memory.noted())).is_some() {
            return;
        }
        self.memory.note(&message, self.by_room, at, env.wall);
        match self.settle_by_text(&message) {
            Known::Awaited(reflected) => out.push(reflected),
            Known::Overdue => {}
            Known::Foreign => out.push(Event::Spoken { message, earlier: Some(stamp) }),
        }
    }

    /// Whether what bears a time is something that was heard. Who had to ask more than once to be let back in has his history more
    /// than once, and the last of it when he is long through with it.
    pub(super) fn was_heard(&self, env: &Env<'_>, message: &Message) -> bool {
        let Some(delay) = message.delay.filter(|_| self.has_reentered) else { return false };
        let at = delay.stamp.unwrap_or(env.wall);
        self.memory.find(message, self.by_room, at, (0, self.memory.noted())).is_some()
    }

    /// What came until now is told.
    fn tell_what_was_late(&mut self, env: &Env<'_>, out: &mut Vec<Event<T>>) {
        let Some(catching) = &mut self.catching else { return };
        let (late, by_room) = (core::mem::take(&mut catching.late), self.by_room || catching.asks_archive());
        catching.octets += core::mem::take(&mut catching.late_octets);
        // Where nothing was heard, only the clock tells what was said before we were there.
        let entered = self.memory.entered_in_silence();
        for (message, stamp) in late {
            let is_old = entered.is_some_and(|entered| stamp.is_some_and(|stamp| stamp < entered));
            if is_old || (by_room && self.memory.has(&message)) {
                continue;
            }
            self.memory.note(&message, by_room, stamp.unwrap_or(env.wall), env.wall);
            match self.settle_by_text(&message) {
                Known::Awaited(reflected) => out.push(reflected),
                Known::Overdue => {}
                Known::Foreign => {
                    if let Some(catching) = &mut self.catching {
                        catching.count += 1;
                    }
                    out.push(Event::Spoken { message, earlier: Some(stamp) });
                }
            }
        }
    }

    /// Whether it is something that we said, under whatever nickname: nobody knows its id and its words who has not read them.
    fn settle_by_text(&mut self, message: &Arc<Message>) -> Known<Event<T>> {
        let body = message.body.as_deref().unwrap_or_default();
        for id in message.id.iter().chain(&message.origin_id) {
            match self.reflections.settle_if(id, |said| said.is_text(body)) {
                Known::Awaited(said) => {
                    let ids = Ids { room: message.stanza_id.clone(), author: Some(id.clone()) };
                    return Known::Awaited(Event::Reflected(said.ticket, Arc::clone(message), ids));
                }
                Known::Overdue => return Known::Overdue,
                Known::Foreign => {}
            }
        }
        Known::Foreign
    }

    /// Whether a live message with a text has to wait behind what is older. If it cannot, that is given up.
    pub(super) fn holds_back(
        &mut self,
        env: &mut Env<'_>,
        (message, is_ours): (&Arc<Message>, bool),
        out: &mut Vec<Event<T>>,
    ) -> bool {
        let Some(catching) = self.catching.as_mut().filter(|catching| catching.asks_archive()) else { return false };
        let octets = message.body.as_ref().map_or(0, String::len);
        if catching.live.len() < MAX_LIVE && catching.live_octets + octets <= MAX_OCTETS {
            catching.live_octets += octets;
            catching.live.push_back(Live { message: Arc::clone(message), is_ours });
            return true;
        }
        self.caught_up(env, false, out);
        false
    }

    /// A message out of an archive. Only what was asked for, and by whom, counts.
    pub(super) fn archived(&mut self, env: &Env<'_>, archived: Archived) {
        let Some(Catching { way: Way::Archive { query, news, .. }, .. }) = &mut self.catching else { return };
        let Archived { from, query: asked, stamp, message } = archived;
        let is_ours = asked.as_deref() == Some(query.as_str()) && from == self.muc;
        if !is_ours || message.kind != MessageKind::Groupchat || message.from.to_bare() != self.muc {
            return;
        }
        *news = true;
        if message.body.as_ref().is_some_and(|body| !body.is_empty()) {
            self.heard_late(env, Arc::new(message), stamp);
        }
    }

    /// Whether `id` is that of the query that is out.
    pub(super) fn awaits_archive(&self, id: &str) -> bool {
        let Some(Catching { way: Way::Archive { query, .. }, .. }) = &self.catching else { return false };
        query == id
    }

    /// The answer to it: a page ends, or there is none.
    pub(super) fn archive_answered(&mut self, env: &mut Env<'_>, answer: IqAnswer, out: &mut Vec<Event<T>>) {
        self.tell_what_was_late(env, out);
        let Some(catching) = &mut self.catching else { return };
        let Way::Archive { is_behind, pages, news, .. } = &mut catching.way else { return };
        let next = match answer {
            IqAnswer::Fin(Fin { complete: true, .. }) => {
                let is_whole = !catching.overflowed && (*is_behind || catching.met);
                return self.caught_up(env, is_whole, out);
            }
            // An archive that brings nothing and has not come to its end never will.
            IqAnswer::Fin(Fin { last, .. }) if *news && *pages > 0 && !catching.overflowed => {
                *pages -= 1;
                last.filter(|last| last.len() <= MAX_ID).map(ArchiveFrom::After)
            }
            // It has begun anew, or does not reach back so far: what it has is told, and what was in between is lost.
            IqAnswer::Error(error)
                if error.condition == Condition::ItemNotFound && *is_behind && catching.count == 0 =>
            {
                *is_behind = false;
                self.memory.since().map(ArchiveFrom::Since)
            }
            _ => None,
        };
        let Some(next) = next else { return self.caught_up(env, false, out) };
        let id = self.ask_archive(env, next, out);
        if let Some(Catching { way: Way::Archive { query, news, .. }, until, .. }) = &mut self.catching {
            (*query, *news, *until) = (id, false, env.now + PATIENCE);
        }
    }

    /// The history that the room sends by itself is over.
    pub(super) fn history_is_over(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if let Some(catching) = self.catching.as_ref().filter(|catching| !catching.asks_archive()) {
            let is_whole = catching.met && !catching.overflowed;
            self.caught_up(env, is_whole, out);
        }
    }

    /// We are back, and go on with what is live. `is_whole`: nothing is missing.
    pub(super) fn caught_up(&mut self, env: &mut Env<'_>, is_whole: bool, out: &mut Vec<Event<T>>) {
        self.tell_what_was_late(env, out);
        let Some(catching) = self.catching.take() else { return };
        out.push(Event::CaughtUp { count: catching.count, is_whole });
        let mut cursor = catching.begin;
        let end = self.memory.noted();
        for Live { message, is_ours } in catching.live {
            // The archive may have had it already.
            match self.memory.find(&message, self.by_room, env.wall, (cursor, end)) {
                Some(next) => cursor = next,
                None => self.said_to_all(env, message, is_ours, out),
            }
        }
        if !is_whole {
            self.lose_track();
        }
        if catching.is_unsettled {
            if is_whole {
                self.say_once_more(env.now);
            }
            self.say_what_waited(env, out);
        }
    }
}

/// Whether an archive has this message as that one: by the room's id where both have one to be believed, else by who says what
/// under which id.
fn is_copy(live: &Message, archived: &Message, by_room: bool) -> bool {
    match (&live.stanza_id, &archived.stanza_id) {
        (Some(live), Some(archived)) if by_room => live == archived,
        _ => live.id.is_some() && (&live.from, &live.id, &live.body) == (&archived.from, &archived.id, &archived.body),
    }
}

impl Catching {
    pub(super) const fn asks_archive(&self) -> bool {
        matches!(self.way, Way::Archive { .. })
    }
}
