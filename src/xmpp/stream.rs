//! The task of one stream: waits its turn, logs in, then moves stanzas between the socket and the rooms until the stream ends.
//!
//! It is the only one that touches the socket. It reads while it writes, and stops reading while a room takes nothing, which
//! stops the server and nobody else's stream; after five seconds the room has to go.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jid::FullJid;
use mucfocus_core::stanza::OutStanza;
use mucfocus_core::xmpp_stream::machine::{Ignored, Input, Machine, Output, StreamFault};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::attachment::{Outgoing, Place, Shared};
use super::encode::encode;
use super::link::Link;
use super::pool::{Phase, Pool};
use super::rooms::Rooms;
use super::settings::Account;
use crate::hub::mail::StreamEnd;
use crate::observe::metrics::{Login, Metrics};

/// How long the last bytes may take to get out.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// A login that waited longer for its turn is worth a line in the log.
const NOTICEABLE: Duration = Duration::from_secs(1);
/// Longer than any timer that is ever set.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the stream of `account` until it ends.
pub(super) async fn run(pool: Arc<Pool>, account: Account, shared: Arc<Shared>, queue: mpsc::Receiver<Outgoing>) {
    let rooms = Rooms::new(Arc::clone(&pool), account.key.clone(), Arc::clone(&shared));
    let phase = pool.phase();
    let link = match log_in(&pool, &account, &shared, phase.clone()).await {
        Ok(link) => link,
        Err(why) => {
            match &why {
                StreamEnd::Lost(reason) => tracing::info!(account = %account.key, reason, "no XMPP stream"),
                why => tracing::warn!(account = %account.key, reason = %why, "no XMPP stream"),
            }
            let login = account.login.name();
            match &why {
                StreamEnd::LoginRefused(_) => pool.metrics.xmpp_login(login, Login::Refused),
                StreamEnd::Unreachable(_) => pool.metrics.xmpp_login(login, Login::Unreachable),
                // Nobody wanted it any more, or we go down: it was never tried.
                StreamEnd::Lost(_) | StreamEnd::RoomTooSlow => {}
            }
            return rooms.end(why);
        }
    };
    let task = Task {
        account,
        shared,
        rooms,
        link,
        queue,
        phase,
        idle: pool.idle,
        metrics: Arc::clone(&pool.metrics),
        idle_until: None,
        bound: None,
        closing: Closing::No,
    };
    task.run().await;
}

async fn log_in(
    pool: &Pool,
    account: &Account,
    shared: &Shared,
    mut phase: watch::Receiver<Phase>,
) -> Result<Link, StreamEnd> {
    let waiting = AtomicBool::new(true);
    let io = tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase != Phase::Open) => return Err(going_down()),
        () = deserted(shared, &waiting) => return Err(StreamEnd::Lost("not needed any more".to_owned())),
        io = async {
            take_turn(pool, account).await;
            waiting.store(false, Ordering::Relaxed);
            pool.connector.login(account).await
        } => io?,
    };
    let token: u64 = rand::random();
    let mut link = Link::new(io, Machine::new(format!("{}-{token:016x}", pool.settings.node)));
    link.handle(Input::Start);
    Ok(link)
}

/// Waits until the server may be asked for one more login (`limits.xmpp_logins`).
async fn take_turn(pool: &Pool, account: &Account) {
    let Some(turns) = pool.turns(&account.server, account.jid.domain().as_str()) else { return };
    let started = Instant::now();
    turns.take().await;
    if started.elapsed() > NOTICEABLE {
        let waited = started.elapsed().as_millis();
        tracing::info!(account = %account.key, waited_ms = waited, "a login waited for its turn: limits.xmpp_logins");
    }
}

/// Resolves when nobody waits for the stream any more and its login has not begun; it is closed then.
async fn deserted(shared: &Shared, waiting: &AtomicBool) {
    while !(waiting.load(Ordering::Relaxed) && shared.close_if_deserted()) {
        shared.changed().await;
    }
}

fn going_down() -> StreamEnd {
    StreamEnd::Lost("going down".to_owned())
}

struct Task {
    metrics: Arc<Metrics>,
    account: Account,
    shared: Arc<Shared>,
    rooms: Rooms,
    link: Link,
    queue: mpsc::Receiver<Outgoing>,
    phase: watch::Receiver<Phase>,
    idle: Duration,
    /// When to close, while nobody is here.
    idle_until: Option<Instant>,
    bound: Option<FullJid>,
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
    async fn run(mut self) {
        let why = self.serve().await;
        match &why {
            StreamEnd::Lost(reason) if self.closing != Closing::No => {
                tracing::info!(account = %self.account.key, reason, "XMPP stream closed");
            }
            why => tracing::warn!(account = %self.account.key, reason = %why, "XMPP stream lost"),
        }
        if self.bound.is_some() {
            self.metrics.xmpp_streams.dec();
        }
        self.rooms.end(why);
        let _ = timeout(LAST_BYTES, self.link.shutdown()).await;
    }

    async fn serve(&mut self) -> StreamEnd {
        let mut timer = std::pin::pin!(sleep_until(Instant::now() + FAR));
        self.update_rooms();
        loop {
            if let Some(fault) = self.settle() {
                self.rooms.hand_out_the_rest().await;
                return end_of(fault);
            }
            let deadline = self.deadline();
            if timer.is_elapsed() || deadline < timer.deadline() {
                timer.as_mut().reset(deadline); // later deadlines wait until it fires, which is cheaper
            }
            let (reads, writes) = (!self.rooms.is_waiting(), self.bound.is_some() && self.link.has_room());
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
                Ok(()) = self.phase.changed() => if self.change_phase() == Phase::Aborting {
                    return going_down();
                },
            }
        }
    }

    /// Carries out what the machine says and hands the rooms their mail, as far as that goes without waiting.
    fn settle(&mut self) -> Option<StreamFault> {
        let mut fault = None;
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Bound(jid) => {
                    tracing::info!(account = %self.account.key, jid = %jid, "XMPP stream up");
                    self.metrics.xmpp_login(self.account.login.name(), Login::Ok);
                    self.metrics.xmpp_streams.inc();
                    self.rooms.ready(&jid);
                    self.bound = Some(jid);
                }
                Output::ToRoom { room, stanza } => self.rooms.stanza(&room, stanza),
                Output::Ignored(ignored) => self.log(&ignored),
                Output::Ended(why) => fault = Some(why),
                Output::Write(_) => {}
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

    fn log(&self, ignored: &Ignored) {
        match ignored {
            Ignored::Skipped(skipped) => {
                self.metrics.xmpp_stanza_skipped("unfit");
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
        for room in self.rooms.admit(self.bound.as_ref()) {
            self.link.handle(Input::Enter(room));
        }
        let deserted = self.rooms.is_empty() && self.shared.is_deserted();
        self.idle_until = deserted.then(|| self.idle_until.unwrap_or_else(|| Instant::now() + self.idle));
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
            self.link.push_own(&stanza);
        }
    }

    fn deadline(&self) -> Instant {
        let deadlines = [self.link.next_timeout(), self.idle_until];
        deadlines.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + FAR)
    }

    fn time_out(&mut self) {
        self.link.handle_timeout();
        if self.idle_until.is_some_and(|at| at <= Instant::now()) {
            self.idle_until = None;
            if self.shared.close_if_deserted() {
                self.close();
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

fn end_of(fault: StreamFault) -> StreamEnd {
    match fault {
        StreamFault::BindRefused(why) => {
            StreamEnd::LoginRefused(format!("the server refused to bind a resource: {why}"))
        }
        StreamFault::BindTimeout => StreamEnd::Unreachable(fault.to_string()),
        fault => StreamEnd::Lost(fault.to_string()),
    }
}
