//! How a stream outlives its connection (XEP-0198 §5).

use alloc::string::String;

use jid::FullJid;

use super::framing::Framer;
use super::io::{Output, StreamFault};
use super::machine::{BIND, Liveness, Machine, SILENCE, State};
use super::management::Nonza;
use super::proof::Proof;
use crate::env::Env;
use crate::time::Instant;

impl Machine {
    /// The connection is of no use any more. The stream goes on if the server keeps it.
    pub(super) fn lose(&mut self, now: Instant, why: StreamFault) {
        match &self.state {
            State::Up(_) if matches!(self.proof, Some(Proof::Closed { .. })) => self.spoil(now, StreamFault::Deaf),
            State::Up(_) | State::Closing { .. } => match self.management.resumable() {
                Some(max) => self.suspend(now + max, why),
                None => self.end(why),
            },
            State::Resuming { until, why, .. } => self.suspend(*until, why.clone()),
            // Of the connection that was lost already.
            State::Suspended { .. } => {}
            State::New | State::Binding { .. } | State::Over => self.end(why),
        }
    }

    pub(super) fn suspend(&mut self, until: Instant, why: StreamFault) {
        self.state = State::Suspended { until, why: why.clone() };
        // The rest of a stanza that was cut off comes as a whole later.
        self.framer = Framer::new();
        self.proof = None;
        self.outputs.retain(|output| !matches!(output, Output::Write(_)));
        self.outputs.push_back(Output::Suspended(why));
    }

    pub(super) fn reconnected(&mut self, env: &mut Env<'_>, resumable: bool) {
        let State::Suspended { until, why } = &self.state else { return };
        let (until, why) = (*until, why.clone());
        self.resumable = resumable;
        match self.management.resume().filter(|_| resumable) {
            Some(resume) => {
                self.state = State::Resuming { asked_until: env.now + BIND, until, why };
                self.write(resume);
            }
            None => self.reset(env, why, None),
        }
    }

    /// The request to resume the stream, for the login on another connection that is being made; it is good until the outcome of
    /// that login is known. `None` unless the stream is suspended.
    #[must_use]
    pub fn resume(&mut self) -> Option<String> {
        matches!(self.state, State::Suspended { .. }).then(|| self.management.resume())?
    }

    pub(super) fn resumed_on_the_way(&mut self, now: Instant, handled: u32) {
        if matches!(self.state, State::Suspended { .. }) {
            self.resumed(now, handled);
        }
    }

    pub(super) fn replaced(&mut self, now: Instant, jid: FullJid, resumable: bool) {
        let State::Suspended { why, .. } = &self.state else { return };
        let why = why.clone();
        self.resumable = resumable;
        let unhandled = self.management.certainly_unhandled();
        self.forget();
        self.outputs.push_back(Output::Reset { why, unhandled });
        self.up(now, jid);
    }

    pub(super) fn nonza(&mut self, env: &mut Env<'_>, nonza: Nonza) {
        match (nonza, &self.state) {
            (Nonza::Request, State::Up(_)) => self.management.asked(env.now),
            (Nonza::Answer { handled }, State::Up(_) | State::Closing { .. }) => {
                self.answered(env.now, handled);
            }
            (Nonza::Enabled { id, max }, State::Up(_)) => self.management.enabled(id, max),
            (Nonza::Resumed { handled }, State::Resuming { .. }) => self.resumed(env.now, handled),
            (Nonza::Failed { handled }, State::Resuming { why, .. }) => {
                let why = why.clone();
                self.reset(env, why, handled);
            }
            (Nonza::Failed { .. }, State::Up(_)) if !self.management.is_on() => self.forget(),
            _ => {}
        }
    }

    /// Whether what the server acknowledges makes sense; otherwise the stream is over.
    pub(super) fn acknowledged(&mut self, handled: u32) -> bool {
        match self.management.acknowledge(handled) {
            Ok(0) => true,
            Ok(count) => {
                self.outputs.push_back(Output::Settled(count));
                true
            }
            Err(_) => {
                self.give_up("undefined-condition", StreamFault::AcknowledgedTooMuch);
                false
            }
        }
    }

    fn resumed(&mut self, now: Instant, handled: u32) {
        if !self.acknowledged(handled) {
            return;
        }
        self.state = State::Up(Liveness::QuietUntil(now + SILENCE));
        self.management.resumed();
        self.ask_for_proof(now);
    }

    pub(super) fn send_once_more(&mut self, now: Instant) {
        let unhandled = self.management.withhold();
        let (stanzas, left_out) = self.management.resend(now, self.patience);
        let settled = unhandled.len() + left_out;
        if settled > 0 {
            self.outputs.push_back(Output::Settled(settled));
        }
        self.outputs.push_back(Output::Resumed { unhandled });
        self.outputs.extend(stanzas.into_iter().map(Output::Write));
    }

    /// The server has lost the stream: another one takes its place on the connection that is there.
    fn reset(&mut self, env: &mut Env<'_>, why: StreamFault, handled: Option<u32>) {
        // Where it says how many it had handled, the rest never got anywhere. A number that makes no sense says nothing.
        let settled = handled.and_then(|handled| self.management.acknowledge(handled).ok());
        let unhandled = match settled {
            Some(_) => self.management.unhandled(),
            None => self.management.certainly_unhandled(),
        };
        self.outputs.extend(settled.filter(|count| *count > 0).map(Output::Settled));
        self.forget();
        self.outputs.push_back(Output::Reset { why, unhandled });
        self.bind(env);
    }

    /// What became of what is not acknowledged nobody will ever know.
    pub(super) fn forget(&mut self) {
        let freed = self.management.stop();
        if freed > 0 {
            self.outputs.push_back(Output::Settled(freed));
        }
    }
}

#[cfg(test)]
mod tests;
