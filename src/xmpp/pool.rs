//! The streams of all accounts: opened on first need, shared by the rooms of an account, closed when nobody needs them any more
//! (XM-01).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use jid::BareJid;
use mucfocus_core::room::io::AccountKey;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attachment::{Attachment, NotAttached, Shared};
use super::connect::Connector;
use super::invitations::{Follow, Invited};
use super::journal::Journal;
use super::leftovers::Leftovers;
use super::rate::{Lane, Turns};
use super::reach::Reach;
use super::settings::{Account, Server, Settings};
use super::stream;
use crate::hub::mail::{Mail, StreamEnd, StreamMail};
use crate::hub::mailbox::Source;
use crate::observe::metrics::Metrics;

/// How long a stream stays after the last room has gone: a login costs the server some ten times what it costs to keep a stream,
/// and people come back.
pub const IDLE: Duration = Duration::from_secs(60);

/// The streams of all accounts.
pub struct Pool {
    pub(super) settings: Settings,
    pub(super) idle: Duration,
    pub(super) metrics: Arc<Metrics>,
    pub(super) connector: Connector,
    /// Without one, no server is made to keep a stream.
    pub(super) journal: OnceLock<Journal>,
    pub(super) leftovers: Leftovers,
    /// Without one, invitations are not answered.
    follow: OnceLock<Follow>,
    streams: DashMap<AccountKey, Arc<Shared>>,
    servers: Mutex<BTreeMap<String, Arc<Reach>>>,
    phase: watch::Sender<Phase>,
    tasks: watch::Sender<usize>,
}

/// What is asked of all streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Serve.
    Open,
    /// Write what is queued, then close.
    Closing,
    /// Stop where you are.
    Aborting,
}

impl Pool {
    /// A pool without streams, that nobody watches.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        Self::with_idle(settings, IDLE)
    }

    /// A pool without streams, whose logins and streams are counted in `metrics`.
    #[must_use]
    pub fn observed(settings: Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        Self::build(settings, IDLE, metrics)
    }

    /// A pool whose streams stay for `idle` after their last room, in place of [`IDLE`].
    #[must_use]
    pub fn with_idle(settings: Settings, idle: Duration) -> Arc<Self> {
        Self::build(settings, idle, Arc::default())
    }

    fn build(settings: Settings, idle: Duration, metrics: Arc<Metrics>) -> Arc<Self> {
        let connector = Connector::new(&settings.node);
        Arc::new(Self {
            settings,
            idle,
            metrics,
            connector,
            journal: OnceLock::new(),
            leftovers: Leftovers::new(),
            follow: OnceLock::new(),
            streams: DashMap::new(),
            servers: Mutex::default(),
            phase: watch::Sender::new(Phase::Open),
            tasks: watch::Sender::new(0),
        })
    }

    /// Gives `room` a place on the stream of `account`, which is opened if there is none. Never waits; must be called within a
    /// tokio runtime. Everything else is said to `source`: [`StreamMail::Ready`] when the stream is up, the stanzas of the room
    /// and its occupants, and last [`StreamMail::Ended`], at once if the room has a place there already.
    pub fn attach(self: &Arc<Self>, account: &Account, room: BareJid, source: Source) -> Attachment {
        self.give_place(account, room, source, Lane::New)
    }

    /// The same for a room that has lost its stream and has time: it waits until the server is there, and lets those go first who
    /// call.
    pub fn attach_again(self: &Arc<Self>, account: &Account, room: BareJid, source: Source) -> Attachment {
        self.give_place(account, room, source, Lane::Returning)
    }

    fn give_place(self: &Arc<Self>, account: &Account, room: BareJid, mut source: Source, lane: Lane) -> Attachment {
        while *self.phase.borrow() == Phase::Open {
            let shared =
                Arc::clone(&self.streams.entry(account.key.clone()).or_insert_with(|| self.open(account, lane)));
            if lane == Lane::New {
                shared.hurry();
            }
            match shared.attach(room.clone(), source) {
                Ok(attachment) => return attachment,
                Err(NotAttached::Taken(source)) => return refuse(*source, "already attached"),
                Err(NotAttached::Closed(back)) => source = *back,
            }
            self.forget(&account.key, &shared); // the next round opens another
        }
        refuse(source, "going down")
    }

    /// Closes every stream: what is queued is written, every occupant leaves. Streams that are not done after `deadline` are cut,
    /// which ends their occupants as well. Nobody can attach from then on.
    pub async fn shutdown(&self, deadline: Duration) {
        self.phase.send_replace(Phase::Closing);
        let mut tasks = self.tasks.subscribe();
        let done = tokio::time::timeout(deadline, tasks.wait_for(|running| *running == 0)).await.is_ok();
        if !done {
            self.phase.send_replace(Phase::Aborting);
            let _ = tokio::time::timeout(Duration::from_secs(1), tasks.wait_for(|running| *running == 0)).await;
        }
    }

    /// Invitations to accounts are handed to `follow` from now on. Who was told first is told alone.
    pub fn follow_invitations(&self, follow: Follow) {
        let _ = self.follow.set(follow);
    }

    pub(super) fn invited(&self, invited: Invited) {
        if let Some(follow) = self.follow.get() {
            follow(invited);
        }
    }

    /// Streams that are there or being opened.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Streams that are up: logged in, with a connection.
    #[must_use]
    pub fn streams_up(&self) -> usize {
        usize::try_from(self.metrics.xmpp_streams.get()).unwrap_or_default()
    }

    /// Servers that cannot be reached, as far as somebody wants to log in there.
    #[must_use]
    pub fn servers_away(&self) -> usize {
        usize::try_from(self.metrics.xmpp_servers_away.get()).unwrap_or_default()
    }

    /// What is known of `server`, for who logs in there.
    pub(super) fn reach(&self, server: &Server, domain: &str) -> Arc<Reach> {
        let now = Instant::now();
        let name = server.address.as_ref().map_or_else(|| domain.to_owned(), |(host, port)| format!("{host}:{port}"));
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        // Accounts can come from any number of domains.
        servers.retain(|_, server| Arc::strong_count(server) > 1 || !server.is_idle(now));
        let new = |name: &String| {
            let turns = self.settings.logins.map(|rate| Turns::new(rate, now));
            Arc::new(Reach::new(name.clone(), turns, Arc::clone(&self.metrics)))
        };
        Arc::clone(servers.entry(name).or_insert_with_key(new))
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whoever attaches by this account from now on gets another stream; who has a place on the one that is there keeps it. For
    /// accounts without a name, whose JID is another one then.
    pub fn renew(&self, account: &AccountKey) {
        self.streams.remove(account);
    }

    /// Takes a stream that serves nobody any more out of the directory.
    pub(super) fn forget(&self, account: &AccountKey, stream: &Arc<Shared>) {
        self.streams.remove_if(account, |_, there| Arc::ptr_eq(there, stream));
    }

    fn open(self: &Arc<Self>, account: &Account, lane: Lane) -> Arc<Shared> {
        let (shared, queue) = Shared::new();
        if lane == Lane::New {
            shared.hurry();
        }
        let running = Running::new(Arc::clone(self));
        let (pool, account, ours) = (Arc::clone(self), account.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let _running = running;
            stream::run(pool, account, ours, queue).await;
        });
        shared
    }
}

fn refuse(source: Source, why: &str) -> Attachment {
    source.finish(Mail::Stream(StreamMail::Ended(StreamEnd::Lost(why.to_owned()))));
    Attachment::refused()
}

/// Counts one task while it lives, however it ends.
struct Running(Arc<Pool>);

impl Running {
    fn new(pool: Arc<Pool>) -> Self {
        pool.tasks.send_modify(|running| *running += 1);
        Self(pool)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.tasks.send_modify(|running| *running = running.saturating_sub(1));
    }
}
