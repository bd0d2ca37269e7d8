//! Streams that an earlier process has left, or that broke before they could be resumed, and that the server would keep alive for minutes, each with its occupants: they are
//! ended by binding their resource once more, which makes the server drop them, and closing that stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use jid::FullJid;
use mucfocus_core::room::io::AccountKey;
use mucfocus_core::xmpp_stream::machine::{Input, Machine, Output, StreamFault};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use super::connect::unreachable;
use super::journal::{Journal, Kept};
use super::link::Link;
use super::login::Wish;
use super::pool::Pool;
use super::rate::Lane;
use super::reach::Progress;
use super::settings::Account;
use super::turn::log_in;
use crate::hub::mail::StreamEnd;

/// How long it is tried: longer than servers keep a stream (Prosody: 10 minutes).
const WORTH_TRYING: Duration = Duration::from_secs(11 * 60);
/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(3);

/// One stream.
pub(super) struct Leftover {
    account: Account,
    kept: Kept,
    since: Instant,
    ended: OnceCell<()>,
}

/// The streams that are left, by account.
pub(super) type Leftovers = DashMap<AccountKey, Vec<Arc<Leftover>>>;

impl Pool {
    /// From now on streams are resumed when their connections break, with `journal` to end them should this process die; and those
    /// that an earlier one has left are ended. `account_for` finds the account of a SIP user.
    pub fn resume_streams(
        self: &Arc<Self>,
        journal: Journal,
        left: Vec<Kept>,
        account_for: impl Fn(&str) -> Option<Account>,
    ) {
        let mut leftovers = Vec::new();
        for kept in left {
            match account_for(&kept.user).filter(|account| account.jid == kept.jid.to_bare()) {
                Some(account) => {
                    let key = account.key.clone();
                    let leftover = Leftover { account, kept, since: Instant::now(), ended: OnceCell::new() };
                    let leftover = Arc::new(leftover);
                    self.leftovers.entry(key).or_default().push(Arc::clone(&leftover));
                    leftovers.push(leftover);
                }
                // The configuration has changed: nobody can end it before the server does.
                None => journal.strike(&kept.jid),
            }
        }
        let _ = self.journal.set(journal);
        for leftover in leftovers {
            tokio::spawn(Arc::clone(self).end_leftover(leftover));
        }
    }

    /// Ends a stream of this process that nobody can resume, and that the server may keep all the same.
    pub(super) fn end_left_behind(self: &Arc<Self>, account: Account, jid: FullJid) {
        let (key, kept) = (account.key.clone(), Kept { user: account.user.clone(), jid });
        let leftover = Arc::new(Leftover { account, kept, since: Instant::now(), ended: OnceCell::new() });
        self.leftovers.entry(key).or_default().push(Arc::clone(&leftover));
        tokio::spawn(Arc::clone(self).end_leftover(leftover));
    }

    /// Waits until nothing is left of an earlier process that would look like somebody else in the rooms of this account.
    pub(super) async fn end_leftovers_of(self: &Arc<Self>, account: &AccountKey) {
        let left = self.leftovers.get(account).map(|left| left.clone()).unwrap_or_default();
        for leftover in left {
            Arc::clone(self).end_leftover(leftover).await;
        }
    }

    async fn end_leftover(self: Arc<Self>, leftover: Arc<Leftover>) {
        leftover.ended.get_or_init(|| self.end_or_give_up(&leftover)).await;
        self.leftovers.remove_if_mut(&leftover.account.key, |_, left| {
            left.retain(|other| !Arc::ptr_eq(other, &leftover));
            left.is_empty()
        });
    }

    async fn end_or_give_up(&self, leftover: &Leftover) {
        loop {
            match self.end_once(leftover).await {
                Ok(()) => {
                    tracing::info!(jid = %leftover.kept.jid, "a stream that was left at the server is ended");
                    break;
                }
                Err(StreamEnd::Unreachable(_)) if leftover.since.elapsed() < WORTH_TRYING => sleep(PAUSE).await,
                Err(why) => {
                    tracing::warn!(jid = %leftover.kept.jid, reason = %why, "a stream that was left at the server is not ended");
                    break;
                }
            }
        }
        if let Some(journal) = self.journal.get() {
            journal.strike(&leftover.kept.jid);
        }
    }

    async fn end_once(&self, leftover: &Leftover) -> Result<(), StreamEnd> {
        let left = WORTH_TRYING.saturating_sub(leftover.since.elapsed());
        let (progress, wish) = (Progress::default(), Wish::default());
        let login = timeout(left, log_in(self, &leftover.account, &wish, Lane::Returning, &progress));
        let connection = login.await.unwrap_or_else(|_| Err(unreachable("its server was away for too long")))?;
        let resource = leftover.kept.jid.resource().as_str().to_owned();
        let mut link = Link::new(connection.wire, Machine::new(resource, Duration::ZERO));
        link.handle(Input::Start { resumable: false });
        loop {
            while let Some(output) = link.poll_output() {
                match output {
                    Output::Bound(_) => link.handle(Input::Close),
                    Output::Ended(StreamFault::Closed) => return Ok(()),
                    Output::Ended(fault) => return Err(StreamEnd::Lost(fault.to_string())),
                    _ => {}
                }
            }
            let at = link.next_timeout().unwrap_or_else(Instant::now);
            tokio::select! {
                moved = poll_fn(|cx| link.poll(cx, true)) => if let Err(error) = moved {
                    link.handle(Input::Disconnected(error.to_string()));
                },
                () = tokio::time::sleep_until(at) => link.handle_timeout(),
            }
        }
    }
}
