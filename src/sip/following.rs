//! The implicit subscription of a REFER: NOTIFYs that say how far it has come, the last of which ends it (RFC 3515 §2.4.4 … §2.4.7).
//! Owns their pace and how long they go on. What they say is the room's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::client::Way;
use super::dispatch::respond;
use super::flow::FlowUse;
use super::invite::finish;
use super::notify;
use super::port::{Outcome, Reason, ReferAnswer, SubscriptionState};
use super::shared::Shared;
use super::subscription::{self, Refresh, answered};
use super::usage::Usage;

/// Between two NOTIFYs (RFC 3515 §3.10).
const PACE: Duration = Duration::from_secs(1);
/// When a referrer of whom nothing came hears that it is tried. Longer than a room takes to refuse an invitation, so that this is
/// the only NOTIFY of one (GC-INV-04).
const FIRST: Duration = Duration::from_millis(1500);
/// How long the room may say nothing new before the referrer is told that nobody knows.
const SILENCE: Duration = Duration::from_secs(32);
/// How long a phone may ring, and be connected, before the same.
const RINGING: Duration = Duration::from_secs(220);
/// How long the subscription lives, unless it is refreshed for a shorter time, in seconds: longer than anything takes.
const LIFE: u32 = 300;

/// A status line to be told.
#[derive(Debug, Clone)]
struct Word {
    code: u16,
    phrase: String,
    is_last: bool,
}

impl Word {
    fn new(code: u16, phrase: &str, is_last: bool) -> Self {
        Self { code, phrase: phrase.to_owned(), is_last }
    }

    fn of(answer: ReferAnswer) -> Option<Self> {
        match answer {
            ReferAnswer::Progress { code, phrase } => Some(Self { code, phrase, is_last: false }),
            ReferAnswer::Last { code, phrase } => Some(Self { code, phrase, is_last: true }),
            ReferAnswer::Accepted | ReferAnswer::Refused(_) => None,
        }
    }
}

/// One such subscription.
pub(super) struct Following {
    shared: Arc<Shared>,
    usage: Usage,
    event: String,
    refreshes: mpsc::Receiver<Box<Refresh>>,
    /// None while a NOTIFY is on it.
    way: Option<Way>,
    in_flight: Option<JoinHandle<(Way, Outcome)>>,
    /// What is to be told next; a later word replaces an earlier one that was not told yet.
    due: Option<Word>,
    /// What is known.
    latest: Word,
    /// No NOTIFY goes out before.
    not_before: Instant,
    /// Something goes out by then.
    speaks_by: Option<Instant>,
    /// When it is given up.
    gives_up: Instant,
    /// When the subscription is over, whatever is known by then.
    ends: Instant,
    /// The referrer has ended it, or nobody refreshed it.
    is_over: bool,
    flow: Option<FlowUse>,
}

impl Following {
    pub(super) fn new(
        shared: Arc<Shared>,
        usage: Usage,
        way: Way,
        event: String,
        refreshes: mpsc::Receiver<Box<Refresh>>,
        flow: Option<FlowUse>,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            usage,
            event,
            refreshes,
            way: Some(way),
            in_flight: None,
            due: None,
            latest: Word::new(100, "Trying", false),
            not_before: now,
            speaks_by: Some(now + FIRST),
            gives_up: now + SILENCE,
            ends: now + Duration::from_secs(LIFE.into()),
            is_over: false,
            flow,
        }
    }

    /// Follows it to its end; `first` is what the room has said already.
    pub(super) async fn run(mut self, first: Option<ReferAnswer>, mut answers: mpsc::Receiver<ReferAnswer>) {
        first.into_iter().for_each(|answer| self.on_answer(Some(answer)));
        let shutdown = self.shared.shutdown.clone();
        loop {
            self.notify();
            let is_waiting = !self.latest.is_last;
            let next = self.next();
            let goes_on = tokio::select! {
                biased;
                () = shutdown.cancelled() => false,
                Some(refresh) = self.refreshes.recv() => { Box::pin(self.on_refresh(*refresh)).await; true }
                outcome = answered(&mut self.in_flight) => self.on_outcome(outcome),
                answer = answers.recv(), if is_waiting => { self.on_answer(answer); true }
                () = sleep_until(next) => { self.on_time(); true }
            };
            if !goes_on {
                break;
            }
        }
        tracing::debug!(
            call_id = %self.usage.id().call_id, user = %self.usage.owner.aor, code = self.latest.code, "referral ended"
        );
        self.refreshes.close();
        while let Ok(refresh) = self.refreshes.try_recv() {
            let Refresh { tx, place, .. } = *refresh;
            Box::pin(respond(&self.shared, tx, &place, None, subscription::ended())).await;
        }
    }

    /// What is due goes out, if it may.
    fn notify(&mut self) {
        if self.due.is_none() || (Instant::now() < self.not_before && !self.is_over) {
            return;
        }
        let Some(mut way) = self.way.take() else { return };
        let Some(word) = self.due.take() else { return };
        let state = self.state(word.is_last);
        self.speaks_by = None;
        if word.is_last || self.is_over {
            self.refreshes.close(); // there is nothing to subscribe to any more
        }
        let (shared, dialog, event) = (Arc::clone(&self.shared), self.usage.dialog(), self.event.clone());
        self.not_before = Instant::now() + PACE;
        self.in_flight = Some(tokio::spawn(async move {
            let status = (word.code, word.phrase.as_str());
            let outcome = notify::referral(&shared, &dialog, &mut way, &event, &state, status).await;
            (way, outcome)
        }));
    }

    fn state(&self, is_last: bool) -> SubscriptionState {
        let ended = |reason| SubscriptionState::Terminated { reason, retry_after: None, text: None, cause: None };
        match (is_last, self.is_over) {
            (true, _) => ended(Reason::Noresource),
            (false, true) => ended(Reason::Timeout),
            (false, false) => {
                let left = self.ends.saturating_duration_since(Instant::now()).as_secs();
                SubscriptionState::Active { expires: u32::try_from(left).unwrap_or(LIFE), interval: None }
            }
        }
    }

    fn next(&self) -> Instant {
        let due = self.due.as_ref().filter(|_| self.way.is_some()).map(|_| self.not_before);
        let gives_up = (!self.latest.is_last && !self.is_over).then_some(self.gives_up.min(self.ends));
        // An end that waits for its NOTIFY to be answered has nothing to do.
        let idle = Instant::now() + SILENCE;
        due.into_iter().chain(self.speaks_by).chain(gives_up).min().unwrap_or(idle)
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if self.speaks_by.take_if(|at| *at <= now).is_some() && self.due.is_none() {
            self.due = Some(self.latest.clone());
        }
        if now >= self.ends && !self.latest.is_last && !self.is_over {
            self.is_over = true;
            self.due = Some(self.latest.clone());
        } else if now >= self.gives_up && !self.latest.is_last {
            self.learn(Word::new(408, "Request Timeout", true));
        }
    }

    fn learn(&mut self, word: Word) {
        if !self.is_over {
            self.due = Some(word.clone());
        }
        self.gives_up = Instant::now() + RINGING;
        self.latest = word;
    }

    fn on_answer(&mut self, answer: Option<ReferAnswer>) {
        match answer.map(Word::of) {
            Some(Some(word)) => self.learn(word),
            Some(None) => {}
            None => self.learn(Word::new(500, "Server Internal Error", true)),
        }
    }

    /// Whether it goes on.
    fn on_outcome(&mut self, outcome: Option<(Way, Outcome)>) -> bool {
        self.in_flight = None;
        let Some((way, outcome)) = outcome else { return false };
        self.way = Some(way);
        let was_last = self.due.is_none() && (self.latest.is_last || self.is_over);
        !was_last && outcome != Outcome::Failed
    }

    /// Zero ends it, which takes back nothing (RF-15).
    async fn on_refresh(&mut self, Refresh { tx, place, expires, .. }: Refresh) {
        if self.is_over || self.latest.is_last {
            return respond(&self.shared, tx, &place, None, subscription::ended()).await;
        }
        let expires = expires.min(LIFE);
        self.usage.refresh_target(&tx.original);
        let response = subscription::ok(&self.shared, &self.usage, &tx.original, &place, expires);
        if let Some(way) = &mut self.way {
            way.follow(place.clone(), tx.connection.clone());
        }
        self.flow = place.flow.clone().map(FlowUse::new);
        finish(&self.shared, tx, response).await;
        self.ends = Instant::now() + Duration::from_secs(expires.into());
        self.is_over = expires == 0;
        self.due = Some(self.latest.clone());
    }
}
