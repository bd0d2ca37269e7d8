//! What the log says of a leg: one line per event of consequence, with room, SIP user, Call-ID and reason, and the last events
//! of a leg that ended badly. Never a session-id, a credential or the text of a message.

use std::collections::VecDeque;

use jid::BareJid;
use mucfocus_core::leg::Dial;
use mucfocus_core::room::io::{EndCause, Trace};

use super::clock;
use crate::observe::metrics::{Direction, Metrics};
use crate::observe::sparing::Sparing;

/// Lines a second about what one client does wrong.
const LINES_PER_SECOND: u32 = 5;
/// Events that are kept of a leg.
const KEPT: usize = 64;

pub(super) struct LegLog {
    room: String,
    user: String,
    call_id: String,
    account: String,
    answered: bool,
    /// Lines that the client can cause as often as it likes.
    sparing: Sparing,
    last: VecDeque<(mucfocus_core::time::Instant, Trace)>,
}

impl LegLog {
    pub(super) fn new(dial: &Dial, account: &BareJid) -> Self {
        Self {
            room: dial.room.muc.to_string(),
            user: dial.caller.to_string(),
            call_id: dial.call_id.clone(),
            account: account.to_string(),
            answered: false,
            sparing: Sparing::new(LINES_PER_SECOND),
            last: VecDeque::new(),
        }
    }

    pub(super) fn record(&mut self, trace: &Trace, metrics: &Metrics) {
        self.count(trace, metrics);
        self.write(trace);
        if let Trace::Ended { cause, .. } = trace
            && cause.is_bad()
        {
            self.dump();
        }
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back((clock::now(), trace.clone()));
    }

    fn write(&self, trace: &Trace) {
        let Self { room, user, call_id, account, .. } = self;
        match trace {
            Trace::Refused { code, why } => {
                tracing::info!(%room, %user, %call_id, %account, code, reason = %why, "call refused");
            }
            Trace::Entered { nickname } => {
                tracing::info!(%room, %user, %call_id, %account, %nickname, "room entered, call answered");
            }
            Trace::Connected => tracing::info!(%room, %user, %call_id, "MSRP connected"),
            Trace::Disconnected { why } => {
                tracing::info!(%room, %user, %call_id, reason = %why, "MSRP connection lost");
            }
            Trace::Ended { cause, why } => {
                tracing::info!(%room, %user, %call_id, %cause, reason = %why, "leg ended");
            }
            Trace::MessageRefused { code, why } => {
                let Some(kept_back) = self.sparing.line() else { return };
                tracing::info!(%room, %user, %call_id, code, reason = %why, kept_back, "message refused");
            }
            Trace::PeerFault(fault) => {
                let Some(kept_back) = self.sparing.line() else { return };
                tracing::info!(%room, %user, %call_id, reason = %fault, kept_back, "the client broke a rule of MSRP");
            }
            Trace::MessagePublished => tracing::debug!(%room, %user, %call_id, "message published"),
            Trace::MessageDelivered => tracing::debug!(%room, %user, %call_id, "message delivered"),
        }
    }

    fn count(&mut self, trace: &Trace, metrics: &Metrics) {
        match trace {
            Trace::Refused { code, .. } => metrics.call_refused(*code),
            Trace::Entered { .. } => {
                self.answered = true;
                metrics.calls_answered.inc();
                metrics.legs.inc();
            }
            Trace::Ended { cause, .. } => self.count_end(*cause, metrics),
            Trace::MessagePublished => metrics.message(Direction::SipToXmpp),
            Trace::MessageDelivered => metrics.message(Direction::XmppToSip),
            Trace::MessageRefused { code, .. } => metrics.message_refused(*code),
            Trace::PeerFault(fault) => metrics.msrp_violation(fault.name()),
            Trace::Connected | Trace::Disconnected { .. } => {}
        }
    }

    fn count_end(&mut self, cause: EndCause, metrics: &Metrics) {
        if !std::mem::take(&mut self.answered) {
            return;
        }
        metrics.legs.dec();
        metrics.call_ended(cause);
    }

    fn dump(&self) {
        let now = clock::now();
        for (at, trace) in &self.last {
            let ago = now.since(*at);
            tracing::info!(call_id = %self.call_id, ?ago, event = %trace, "before that");
        }
    }
}
