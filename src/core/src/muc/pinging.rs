//! Whether the room still has us. Who has heard nothing of it for long pings his own occupant (XEP-0410): a room that was
//! restarted, or whose server was, knows nobody any more and tells nobody so.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::membership::{Event, Membership, Phase};
use super::{Removal, StreamEnd};
use crate::env::Env;
use crate::stanza::{Condition, IqAnswer, OutStanza, StanzaError};
use crate::time::Instant;

/// How long an answer may take, and how soon it is asked again while the room is out of reach.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is known of whether the room still has us.
#[derive(Debug)]
pub(super) struct Pinging {
    /// When the room last said something that only occupants hear.
    heard_at: Instant,
    /// How long it may say nothing.
    silence: Duration,
    state: State,
    /// Since when it has not been reached.
    out_of_reach: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// At this moment it is looked how long the room has been silent. That is later than `heard_at` asks for while it speaks:
    /// a stanza moves no timer.
    Listening { look_at: Instant },
    /// The ping is out; its answer is late at this moment.
    Asked { id: String, until: Instant },
    /// The room was out of reach; it is asked again at this moment.
    Waiting { until: Instant },
}

/// What the answer to a ping of one's own occupant means (XEP-0410 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Inside,
    OutOfReach,
    Outside,
}

impl Pinging {
    pub(super) const fn new() -> Self {
        let state = State::Listening { look_at: Instant::ZERO };
        Self { heard_at: Instant::ZERO, silence: Duration::MAX, state, out_of_reach: None }
    }

    /// The room is entered. Of `silence`, up to a tenth more or less, so that those who heard the same last message do not
    /// all ask at once.
    fn begin(&mut self, env: &mut Env<'_>, silence: Duration) {
        let share = u32::try_from(env.ids.next() & 0x3ff).unwrap_or(0);
        self.silence = silence.saturating_sub(silence / 10) + (silence / 5 / 1024).saturating_mul(share);
        self.listen(env.now);
        self.out_of_reach = None;
    }

    fn listen(&mut self, now: Instant) {
        self.heard_at = now;
        self.state = State::Listening { look_at: now + self.silence };
    }

    /// A presence or message came. Errors tell nothing, nor do answers to questions that outsiders may ask too.
    pub(super) const fn hear(&mut self, now: Instant, is_error: bool) {
        if !is_error {
            self.heard_at = now;
        }
    }

    /// Whether `id` is that of the ping that is out.
    pub(super) fn awaits(&self, id: &str) -> bool {
        matches!(&self.state, State::Asked { id: ours, .. } if ours == id)
    }

    /// The stream had no connection until now: an answer may come yet.
    pub(super) fn wait_on(&mut self, now: Instant) {
        if let State::Asked { until, .. } = &mut self.state {
            *until = now + PATIENCE;
        }
    }

    const fn due(&self) -> Instant {
        match &self.state {
            State::Listening { look_at: at } | State::Asked { until: at, .. } | State::Waiting { until: at } => *at,
        }
    }
}

impl<T: Clone> Membership<T> {
    /// The room is entered: from now on it is listened for.
    pub(super) fn begin_listening(&mut self, env: &mut Env<'_>) {
        self.pinging.begin(env, self.wishes.silence);
    }

    /// When there is something to do about it.
    pub(super) fn ping_deadline(&self) -> Option<Instant> {
        self.is_live().then(|| self.pinging.due())
    }

    pub(super) fn ping_timeout(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if !self.is_live() || self.pinging.due() > env.now {
            return;
        }
        match self.pinging.state {
            State::Listening { .. } => {
                let due = self.pinging.heard_at + self.pinging.silence;
                if due > env.now {
                    self.pinging.state = State::Listening { look_at: due };
                } else {
                    self.ping(env, out);
                }
            }
            State::Asked { .. } => {
                self.not_reached(env, out);
                if self.is_inside() {
                    self.ping(env, out);
                }
            }
            State::Waiting { .. } => self.ping(env, out),
        }
    }

    /// There is reason to doubt that the room has us: asks it, unless that has been done.
    pub(super) fn doubt(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if matches!(self.pinging.state, State::Listening { .. }) {
            self.ping(env, out);
        }
    }

    fn ping(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        let Phase::Inside { occupant, .. } = &self.phase else { return };
        let id = env.token();
        self.pinging.state = State::Asked { id: id.clone(), until: env.now + PATIENCE };
        out.push(Event::Send(OutStanza::Ping { to: occupant.clone().into(), id }));
    }

    /// The answer to the ping that is out.
    pub(super) fn ping_answered(&mut self, env: &mut Env<'_>, answer: &IqAnswer, out: &mut Vec<Event<T>>) {
        if !self.is_inside() {
            return;
        }
        self.pinging.listen(env.now);
        match verdict(answer) {
            Verdict::Inside => {
                if self.pinging.out_of_reach.take().is_some() {
                    out.push(Event::WithinReach);
                }
            }
            Verdict::OutOfReach => {
                self.pinging.state = State::Waiting { until: env.now + PATIENCE };
                self.not_reached(env, out);
            }
            Verdict::Outside => self.thrown_out(env, out),
        }
    }

    fn not_reached(&mut self, env: &Env<'_>, out: &mut Vec<Event<T>>) {
        let since = match self.pinging.out_of_reach {
            Some(since) => since,
            None => {
                out.push(Event::OutOfReach);
                *self.pinging.out_of_reach.insert(env.now)
            }
        };
        if env.now.since(since) >= self.wishes.outage {
            // Perhaps it has us still, and hears of it: it is left as after a way back in.
            self.has_reentered = true;
            let why = StreamEnd::Unreachable("the service of the room does not answer".into());
            self.removed(Removal::StreamLost(why), out);
        }
    }
}

/// The client behind an occupant may answer in the room's stead, and need not know pings: that it was asked is enough. Somebody
/// who is being renamed is not found under the name of a moment ago.
const fn verdict(answer: &IqAnswer) -> Verdict {
    let IqAnswer::Error(StanzaError { condition, .. }) = answer else { return Verdict::Inside };
    match condition {
        Condition::ServiceUnavailable | Condition::FeatureNotImplemented | Condition::ItemNotFound => Verdict::Inside,
        Condition::RemoteServerNotFound | Condition::RemoteServerTimeout => Verdict::OutOfReach,
        _ => Verdict::Outside,
    }
}
