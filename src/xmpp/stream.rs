//! The task of one stream: waits its turn, logs in, then moves stanzas between the socket and the rooms until the stream ends. When
//! the connection breaks it makes another, if the server keeps the stream meanwhile.
//!
//! It is the only one that touches the socket. It reads while it writes, and stops reading while a room takes nothing, which
//! stops the server and nobody else's stream; after five seconds the room has to go.

use std::fmt::Display;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use jid::FullJid;
use mucfocus_core::stanza::OutStanza;
use mucfocus_core::xmpp_stream::framing::id_of;
use mucfocus_core::xmpp_stream::machine::{Ignored, Input, Output, StreamFault};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::attachment::{Outgoing, Place, Shared};
use super::encode::encode;
use super::invitations::{Invitations, NoInvitation, Read};
use super::link::Link;
use super::login::{Bound, Connection, Wish};
use super::opening::{open, resource};
use super::pool::{Phase, Pool};
use super::rooms::Rooms;
use super::settings::Account;
use super::turn::Reconnection;
use crate::bell::{self, changed};
use crate::hub::mail::StreamEnd;
use crate::observe::metrics::Login as Outcome;
use crate::observe::sparing::Sparing;

/// How long the last bytes may take to get out.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// How often a stream that nobody needs looks whether a phone still rings for an invitation that came by it.
const RINGING: Duration = Duration::from_secs(5);

/// What becomes of streams.
static LINES: Sparing = Sparing::new(5);

/// Runs the stream of `account` until it ends.
pub(super) async fn run(pool: Arc<Pool>, account: Account, shared: Arc<Shared>, queue: mpsc::Receiver<Outgoing>) {
    let rooms = Rooms::new(Arc::clone(&pool), account.key.clone(), Arc::clone(&shared));
    let phase = pool.phase();
    // In boxes, what is done once and what lives long: a task is as large as the largest moment of its life, for all of it, and a
    // login takes 25 KiB.
    let (link, kept) = match Box::pin(open(&pool, &account, &shared, phase.clone())).await {
        Ok(logged_in) => logged_in,
        Err(why) => {
            match &why {
                StreamEnd::LoginRefused(reason) => tracing::warn!(account = %account.key, reason, "no XMPP stream"),
                why => tell(&account, why, "no XMPP stream"),
            }
            let login = account.login.name();
            match &why {
                StreamEnd::LoginRefused(_) => pool.metrics.xmpp_login(login, Outcome::Refused),
                StreamEnd::Unreachable(_) => pool.metrics.xmpp_login(login, Outcome::Unreachable),
                // Nobody wanted it any more, or we go down: it was never tried.
                StreamEnd::Lost(_) | StreamEnd::RoomTooSlow => {}
            }
            return rooms.end(why);
        }
    };
    let task = Box::new(Task {
        account,
        shared,
        rooms,
        link,
        queue,
        phase,
        pool,
        idle_until: None,
        bound: None,
        is_counted: false,
        kept,
        reconnection: None,
        invitations: Invitations::new(),
        closing: Closing::No,
    });
    task.run().await;
}

pub(super) fn going_down() -> StreamEnd {
    StreamEnd::Lost("going down".to_owned())
}

struct Task {
    pool: Arc<Pool>,
    account: Account,
    shared: Arc<Shared>,
    rooms: Rooms,
    link: Link,
    queue: mpsc::Receiver<Outgoing>,
    phase: watch::Receiver<Phase>,
    /// When to close, while nobody is here.
    idle_until: Option<Instant>,
    bound: Option<FullJid>,
    /// Whether it counts among the streams that are up.
    is_counted: bool,
    /// What the journal knows the stream as.
    kept: Option<FullJid>,
    /// While there is no connection.
    reconnection: Option<Reconnection>,
    invitations: Invitations,
    closing: Closing,
}

/// How far a graceful close has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// What is queued goes out first.
    Draining,
    /// The machine knows.
    Said,
}

impl Task {
    async fn run(mut self: Box<Self>) {
        let why = self.serve().await;
        match &why {
            StreamEnd::Lost(reason) if self.closing != Closing::No => {
                tracing::info!(account = %self.account.key, reason, "XMPP stream closed");
            }
            StreamEnd::LoginRefused(reason) => {
                tracing::warn!(account = %self.account.key, reason, "XMPP stream lost");
            }
            why => tell(&self.account, why, "XMPP stream lost"),
        }
        self.count(false);
        self.rooms.end(why);
        let _ = timeout(LAST_BYTES, self.link.shutdown()).await;
    }

    async fn serve(&mut self) -> StreamEnd {
        let mut timer = std::pin::pin!(bell::timer());
        let mut phase = std::pin::pin!(changed(self.phase.clone()));
        self.update_rooms();
        loop {
            if let Some(fault) = self.settle() {
                self.strike(&fault);
                self.rooms.hand_out_the_rest().await;
                return end_of(fault);
            }
            bell::set(timer.as_mut(), self.deadline());
            let (reads, writes) = (!self.rooms.is_waiting(), self.link.has_room());
            tokio::select! {
                moved = poll_fn(|cx| self.link.poll(cx, reads)) => if let Err(error) = moved {
                    self.link.handle(Input::Disconnected(error.to_string()));
                },
                Some(outgoing) = self.queue.recv(), if writes => self.gather(outgoing),
                expelled = self.rooms.delivered(), if !reads => if let Some(place) = expelled {
                    self.leave(&place);
                },
                () = self.shared.changed(), if self.closing == Closing::No => self.update_rooms(),
                () = &mut timer => self.time_out(),
                Some(answer) = self.invitations.answer(), if writes => if let Ok(stanza) = encode(&answer) {
                    self.link.push_own(stanza);
                },
                result = reconnected(&mut self.reconnection) => self.reconnected(result),
                receiver = phase.as_mut() => {
                    phase.set(changed(receiver));
                    if self.change_phase() == Phase::Aborting {
                        return going_down();
                    }
                }
            }
        }
    }

    /// Carries out what the machine says and hands the rooms their mail, as far as that goes without waiting.
    fn settle(&mut self) -> Option<StreamFault> {
        let mut fault = None;
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Bound(jid) => self.bound(jid),
                Output::ToRoom { room, stanza } => self.rooms.stanza(&room, stanza),
                Output::Stray(stanza) => match self.invitations.read(&self.account, &stanza.bytes) {
                    Ok(Read::Invited(invited)) => self.pool.invited(invited),
                    Ok(Read::TooMany(answer)) => self.say_if_there_is_room(answer),
                    Err(NoInvitation) => self.link.handle(Input::NoInvitation(stanza)),
                },
                Output::Ignored(ignored) => self.log(&ignored),
                Output::Suspended(why) => self.suspended(why),
                Output::Resumed { unhandled } => self.resumed(unhandled),
                Output::Reset { why, unhandled } => self.reset(why, unhandled),
                Output::Ended(why) => fault = Some(why),
                Output::Write(_) | Output::Send(_) | Output::Settled(_) => {} // the link's
            }
        }
        while let Some(place) = self.rooms.deliver() {
            self.leave(&place);
        }
        if self.closing == Closing::Draining && self.link.is_idle() {
            self.closing = Closing::Said;
            self.link.handle(Input::Close);
            return fault.or_else(|| self.settle());
        }
        fault
    }

    /// Somebody is answered who asks more than there is place for: not at the cost of what rooms have to say.
    fn say_if_there_is_room(&mut self, answer: Option<OutStanza>) {
        let answer = answer.filter(|_| self.link.has_room()).and_then(|answer| encode(&answer).ok());
        if let Some(stanza) = answer {
            self.link.push_own(stanza);
        }
    }

    fn bound(&mut self, jid: FullJid) {
        tracing::info!(account = %self.account.key, jid = %jid, "XMPP stream up");
        self.pool.metrics.xmpp_login(self.account.login.name(), Outcome::Ok);
        if let Some(kept) = self.kept.take_if(|kept| *kept != jid)
            && let Some(journal) = self.pool.journal.get()
        {
            // The server had its own idea. What goes wrong here the next process will find out.
            let _ = journal.note(&self.account.user, &jid);
            journal.strike(&kept);
            self.kept = Some(jid.clone());
        }
        self.reconnection = None;
        self.count(true);
        self.rooms.ready(&jid);
        self.bound = Some(jid);
    }

    fn suspended(&mut self, fault: StreamFault) {
        self.link.disconnect();
        self.count(false);
        if self.is_not_worth_it() {
            return self.link.handle(Input::GivenUp(fault.to_string()));
        }
        let wish = Wish { bind: Some(resource(&self.pool)), resume: self.link.resume() };
        match &mut self.reconnection {
            Some(reconnection) => {
                tracing::debug!(account = %self.account.key, reason = %fault, "another connection was of no use for an XMPP stream");
                reconnection.again_with(wish);
            }
            None => {
                tell(&self.account, &fault, "XMPP stream without a connection");
                self.rooms.suspended(&end_of(fault));
                self.reconnection = Some(Reconnection::new(Arc::clone(&self.pool), self.account.clone(), wish));
            }
        }
    }

    /// Whether nobody is here, and nobody has to be sent out of a room.
    fn is_not_worth_it(&self) -> bool {
        self.rooms.is_empty() && self.link.is_settled() && self.shared.close_if_deserted()
    }

    fn reconnected(&mut self, result: Result<Connection, StreamEnd>) {
        match result {
            Ok(connection) => {
                self.link.connect(connection.wire);
                let resumable = connection.resumable;
                self.link.handle(match connection.bound {
                    Bound::No => Input::Reconnected { resumable },
                    Bound::As(jid) => Input::ReconnectedAnew { jid, resumable },
                    Bound::Resumed { handled } => Input::ReconnectedAndResumed { handled },
                });
            }
            Err(StreamEnd::LoginRefused(why)) => self.link.handle(Input::GivenUp(why)),
            Err(why) => {
                tracing::debug!(account = %self.account.key, reason = %why, "no other connection for an XMPP stream");
                if let Some(reconnection) = &mut self.reconnection {
                    reconnection.again();
                }
                // Who calls now hears of it as he would from a stream of his own.
                for place in self.rooms.turn_away(&why) {
                    self.leave(&place);
                }
            }
        }
    }

    fn resumed(&mut self, unhandled: Vec<String>) {
        tracing::info!(account = %self.account.key, "XMPP stream resumed");
        self.reconnection = None;
        self.count(true);
        self.rooms.resumed(unhandled);
        if let Some(bound) = &self.bound {
            self.rooms.ready(bound);
        }
        if self.closing == Closing::Said {
            self.closing = Closing::Draining; // it was not heard
        }
    }

    fn reset(&mut self, fault: StreamFault, mut unhandled: Vec<String>) {
        // What still waits here has got nowhere, and in the rooms that it is for we are nobody any more.
        while let Ok(waiting) = self.queue.try_recv() {
            unhandled.extend(id_of(&waiting.stanza));
        }
        tell(&self.account, &fault, "the XMPP server has lost a stream; another takes its place");
        self.rooms.reset(&end_of(fault), unhandled);
        self.bound = None;
    }

    fn count(&mut self, is_up: bool) {
        if std::mem::replace(&mut self.is_counted, is_up) != is_up {
            let streams = &self.pool.metrics.xmpp_streams;
            if is_up {
                streams.inc()
            } else {
                streams.dec()
            };
        }
    }

    /// The stream is over, so the server does not keep it; unless it was closed and the server has not said that it heard that.
    fn strike(&self, fault: &StreamFault) {
        let (Some(kept), Some(journal)) = (&self.kept, self.pool.journal.get()) else { return };
        if self.is_left_behind(fault) {
            self.pool.end_left_behind(self.account.clone(), kept.clone());
        } else if self.closing == Closing::No || *fault == StreamFault::Closed {
            journal.strike(kept);
        }
    }

    /// Whether the connection broke before the server had said that the stream can be resumed. The server may have made it so, and
    /// keeps its occupants in their rooms then, whom nobody can take over.
    fn is_left_behind(&self, fault: &StreamFault) -> bool {
        let is_cut = matches!(fault, StreamFault::Disconnected(_) | StreamFault::Silent);
        let is_new = self.bound.is_some() && self.reconnection.is_none();
        is_cut && is_new && !self.rooms.is_empty() && *self.phase.borrow() == Phase::Open
    }

    fn log(&self, ignored: &Ignored) {
        match ignored {
            Ignored::Skipped(skipped) => {
                self.pool.metrics.xmpp_stanza_skipped("unfit");
                // At debug, since any occupant can fill a log with it.
                tracing::debug!(account = %self.account.key, from = skipped.from.as_deref(), reason = %skipped.why, "stanza skipped");
            }
            ignored => tracing::trace!(account = %self.account.key, reason = ?ignored, "stanza ignored"),
        }
    }

    /// Takes one stanza and whatever waits behind it into the batch.
    fn gather(&mut self, first: Outgoing) {
        self.link.push(first);
        while self.link.has_room()
            && let Ok(next) = self.queue.try_recv()
        {
            self.link.push(next);
        }
    }

    fn update_rooms(&mut self) {
        for place in self.rooms.dismiss() {
            self.leave(&place);
        }
        let bound = self.bound.as_ref().filter(|_| self.reconnection.is_none());
        for room in self.rooms.admit(bound) {
            self.link.handle(Input::Enter(room));
            if let Some(reconnection) = &mut self.reconnection {
                reconnection.hurry();
            }
        }
        let deserted = self.rooms.is_empty() && self.shared.is_deserted();
        self.idle_until = deserted.then(|| self.idle_until.unwrap_or_else(|| Instant::now() + self.pool.idle));
    }

    /// A room has gone from here: what it queued goes out, and if it is still in its MUC it leaves.
    fn leave(&mut self, place: &Arc<Place>) {
        self.link.handle(Input::Leave(&place.room));
        self.send_out(place);
    }

    fn send_out(&mut self, place: &Arc<Place>) {
        while let Ok(queued) = self.queue.try_recv() {
            self.link.push(queued); // its join may be among them; the budget bounds how much this can be
        }
        let Some(occupant) = place.take_occupant() else { return };
        if let Ok(stanza) = encode(&OutStanza::Leave { occupant, status: None }) {
            self.link.push_own(stanza);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.link.next_timeout(), self.idle_until];
        deadlines.into_iter().flatten().min()
    }

    fn time_out(&mut self) {
        self.link.handle_timeout();
        if self.idle_until.is_some_and(|at| at <= Instant::now()) {
            self.idle_until = None;
            if self.invitations.are_open() && self.closing == Closing::No {
                self.idle_until = Some(Instant::now() + RINGING);
            } else if self.shared.close_if_deserted() {
                self.close();
            }
            if self.reconnection.is_some() && self.link.is_settled() {
                self.link.handle(Input::GivenUp("nobody needs it any more".to_owned()));
            }
        }
    }

    fn change_phase(&mut self) -> Phase {
        let phase = *self.phase.borrow_and_update();
        if phase != Phase::Open && self.closing == Closing::No {
            self.shared.close(&going_down());
            self.close();
        }
        phase
    }

    /// Begins a graceful close: nothing new is taken, what is queued goes out, everybody leaves.
    fn close(&mut self) {
        self.idle_until = None;
        self.closing = Closing::Draining;
        self.queue.close();
        for place in self.rooms.places() {
            self.send_out(&place);
        }
        while let Ok(queued) = self.queue.try_recv() {
            self.link.push(queued);
        }
    }
}

/// Says what has become of one stream, as long as not too many say the like: with a server hundreds of them go at once, and of that
/// there is a line of its own.
fn tell(account: &Account, reason: &dyn Display, what: &str) {
    match LINES.line() {
        Some(kept_back) => tracing::info!(account = %account.key, %reason, kept_back, "{what}"),
        None => tracing::debug!(account = %account.key, %reason, "{what}"),
    }
}

/// What came of the attempt to get another connection; nothing while there is none to be made.
async fn reconnected(reconnection: &mut Option<Reconnection>) -> Result<Connection, StreamEnd> {
    match reconnection {
        Some(reconnection) => reconnection.result().await,
        None => std::future::pending().await,
    }
}

fn end_of(fault: StreamFault) -> StreamEnd {
    match fault {
        StreamFault::BindRefused(why) => {
            StreamEnd::LoginRefused(format!("the server refused to bind a resource: {why}"))
        }
        StreamFault::BindTimeout => StreamEnd::Unreachable(fault.to_string()),
        fault => StreamEnd::Lost(fault.to_string()),
    }
}
