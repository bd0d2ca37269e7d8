//! What the log says of a leg: one line per event of consequence, with room, SIP user, Call-ID and reason, and the last events
//! of a leg that ended badly. Never a session-id, a credential or the text of a message.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use jid::BareJid;
use mucfocus_core::leg::Dial;
use mucfocus_core::room::io::{EndCause, Trace};
use mucfocus_core::time::Instant;
use mucfocus_core::translate::phrases::quoted;

use super::clock;
use crate::observe::metrics::{Direction, Metrics};
use crate::observe::sparing::Sparing;

/// Lines a second about what one client does wrong.
const LINES_PER_SECOND: u32 = 5;
/// Legs whose way into the MUC is lost.
static STRANDED: Sparing = Sparing::new(LINES_PER_SECOND);
/// Streams that a server loses, or has again, by the hundred.
static STREAMS: Sparing = Sparing::new(LINES_PER_SECOND);
/// Events that are kept of a leg.
const KEPT: usize = 64;

pub(super) struct LegLog {
    room: String,
    /// Name of the rule that the room comes of.
    rule: String,
    user: String,
    call_id: String,
    account: String,
    answered: bool,
    /// Lines that the client can cause as often as it likes.
    sparing: Sparing,
    began: Instant,
    last: VecDeque<Noted>,
}

/// An event, and how often it happened in a row.
struct Noted {
    /// The last time.
    at: Instant,
    trace: Trace,
    times: u64,
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.times {
            1 => write!(f, "{}", self.trace),
            times => write!(f, "{} ({times} times)", self.trace),
        }
    }
}

impl LegLog {
    pub(super) fn new(dial: &Dial, account: &BareJid) -> Self {
        Self {
            room: dial.room.muc.to_string(),
            rule: dial.room.name.clone(),
            user: dial.caller.to_string(),
            call_id: dial.call_id.clone(),
            account: account.to_string(),
            answered: false,
            sparing: Sparing::new(LINES_PER_SECOND),
            began: clock::now(),
            last: VecDeque::new(),
        }
    }

    pub(super) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Name of the rule that the room comes of.
    pub(super) fn rule(&self) -> &str {
        &self.rule
    }

    /// How long ago the call came.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.since(self.began)
    }

    /// What happened last, the latest last, and how long ago.
    pub(super) fn events(&self, now: Instant) -> impl Iterator<Item = (Duration, impl fmt::Display)> {
        self.last.iter().map(move |noted| (now.since(noted.at), noted))
    }

    pub(super) fn record(&mut self, trace: &Trace, metrics: &Metrics) {
        self.count(trace, metrics);
        self.write(trace);
        if let Trace::Ended { cause, .. } = trace
            && cause.is_bad()
        {
            self.dump();
        }
        let at = clock::now();
        match self.last.back_mut() {
            // In a busy room, messages would leave nothing else to be seen.
            Some(last) if last.trace == *trace => (last.at, last.times) = (at, last.times.saturating_add(1)),
            _ => {
                if self.last.len() >= KEPT {
                    self.last.pop_front();
                }
                self.last.push_back(Noted { at, trace: trace.clone(), times: 1 });
            }
        }
    }

    fn write(&self, trace: &Trace) {
        let Self { room, rule, user, call_id, account, .. } = self;
        match trace {
            Trace::Refused { code, why } => {
                tracing::info!(%room, %rule, %user, %call_id, %account, code, reason = %why, "call refused");
            }
            Trace::Entered { nickname } => {
                let nickname = quoted(nickname);
                tracing::info!(%room, %rule, %user, %call_id, %account, %nickname, "room entered, call answered");
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
            Trace::NicknameRefused { code, why } => {
                let Some(kept_back) = self.sparing.line() else { return };
                tracing::info!(%room, %user, %call_id, code, reason = %why, kept_back, "nickname refused");
            }
            Trace::Renamed { nickname } => {
                tracing::debug!(%room, %user, %call_id, nickname = %quoted(nickname), "nickname changed")
            }
            // Of a server that takes hundreds of them with it there is a line of its own.
            Trace::Stranded { why, retry, .. } => match STRANDED.line() {
                Some(kept_back) => {
                    let retry_ms = retry.as_millis();
                    tracing::info!(%room, %user, %call_id, reason = %why, retry_ms, kept_back, "the MUC is out of reach");
                }
                None => tracing::debug!(%room, %user, %call_id, reason = %why, "the MUC is out of reach"),
            },
            Trace::ThrownOut { retry } => {
                let (Some(kept_back), retry_ms) = (STRANDED.line(), retry.as_millis()) else { return };
                tracing::info!(%room, %user, %call_id, retry_ms, kept_back, "let in by the room and thrown out at once");
            }
            Trace::Suspended { why } => {
                let Some(kept_back) = STREAMS.line() else { return };
                tracing::info!(%room, %user, %call_id, reason = %why, kept_back, "XMPP stream suspended");
            }
            Trace::Resumed { away } => {
                let (Some(kept_back), away_ms) = (STREAMS.line(), away.as_millis()) else { return };
                tracing::info!(%room, %user, %call_id, away_ms, kept_back, "XMPP stream resumed");
            }
            Trace::Reset { why } => {
                let Some(kept_back) = STREAMS.line() else { return };
                tracing::info!(%room, %user, %call_id, reason = %why, kept_back, "XMPP stream reset");
            }
            Trace::CaughtUp { away, count, is_whole } => {
                let (Some(kept_back), away_ms) = (STREAMS.line(), away.as_millis()) else { return };
                tracing::info!(%room, %user, %call_id, away_ms, count, is_whole, kept_back, "caught up with the room");
            }
            Trace::PrivateMessageSent => tracing::debug!(%room, %user, %call_id, "private message sent"),
            Trace::MessagePublished => tracing::debug!(%room, %user, %call_id, "message published"),
            Trace::MessageNotDelivered(why) => {
                tracing::debug!(%room, %user, %call_id, reason = %why, "message not delivered")
            }
            Trace::MessageDelivered => tracing::debug!(%room, %user, %call_id, "message delivered"),
        }
    }

    fn count(&mut self, trace: &Trace, metrics: &Metrics) {
        match trace {
            Trace::Refused { code, .. } => metrics.call_refused(*code),
            Trace::Entered { .. } => {
                self.answered = true;
                metrics.call_answered(&self.rule);
                metrics.legs.inc();
            }
            Trace::Ended { cause, .. } => self.count_end(*cause, metrics),
            Trace::MessagePublished | Trace::PrivateMessageSent => metrics.message(Direction::SipToXmpp),
            Trace::MessageDelivered => metrics.message(Direction::XmppToSip),
            Trace::MessageRefused { code, .. } => metrics.message_refused(*code),
            Trace::PeerFault(fault) => metrics.msrp_violation(fault.name()),
            Trace::MessageNotDelivered(why) => metrics.message_not_delivered(*why),
            Trace::NicknameRefused { code, .. } => metrics.nickname_refused(*code),
            Trace::Stranded { is_first: true, .. } | Trace::Reset { .. } => {
                metrics.muc_outages.inc();
            }
            Trace::Connected
            | Trace::Disconnected { .. }
            | Trace::Renamed { .. }
            | Trace::Stranded { .. }
            | Trace::ThrownOut { .. }
            | Trace::Suspended { .. }
            | Trace::Resumed { .. }
            | Trace::CaughtUp { .. } => {}
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
        for noted in &self.last {
            let ago = now.since(noted.at);
            tracing::info!(call_id = %self.call_id, ?ago, event = %noted, "before that");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use mucfocus_core::address::mapping::RoomMatch;
    use mucfocus_core::address::sip_uri::SipUri;
    use mucfocus_core::address::template::NicknameTemplate;
    use mucfocus_core::leg::{MsrpAddresses, Policy};
    use mucfocus_core::msrp::limits::Limits;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn dial() -> Dial {
        let uri = |text: &str| SipUri::parse(text).unwrap();
        let room = RoomMatch {
            rule: 0,
            name: "the vault".to_owned(),
            muc: BareJid::new("capulet@muc.example.net").unwrap(),
            uri: uri("sip:capulet@rooms.example.com"),
            create: false,
            nickname: NicknameTemplate::default(),
            password: None,
            history: 0,
            private_messages: true,
            tls_only: false,
            receipts: true,
            whole_roster: false,
            ad_hoc: false,
        };
        Dial {
            caller: uri("sip:romeo@example.org"),
            call_id: "a1".to_owned(),
            room,
            offer: Vec::new().into(),
            msrp: MsrpAddresses::default(),
            limits: Limits::default(),
            policy: Policy::default(),
        }
    }

    #[test]
    fn what_happens_a_thousand_times_in_a_row_leaves_what_was_before_it_to_be_seen() {
        let (metrics, account) = (Metrics::new(), BareJid::new("romeo@example.net").unwrap());
        let mut log = LegLog::new(&dial(), &account);
        log.record(&Trace::Connected, &metrics);
        for _ in 0..1000 {
            log.record(&Trace::MessageDelivered, &metrics);
        }
        log.record(&Trace::MessagePublished, &metrics);
        let events: Vec<String> = log.events(clock::now()).map(|(_, event)| event.to_string()).collect();
        assert_eq!(events, ["MSRP connected", "message delivered (1000 times)", "message published"]);
        assert!(metrics.exposition().contains("mucfocus_messages_total{direction=\"xmpp_to_sip\"} 1000\n"));
    }

    #[test]
    fn the_rule_of_the_room_stands_in_the_log_and_in_the_metrics() {
        let paper = Paper::default();
        let writer = paper.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let (metrics, account) = (Metrics::new(), BareJid::new("romeo@example.net").unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let mut log = LegLog::new(&dial(), &account);
            log.record(&Trace::Refused { code: 404, why: "no such room".into() }, &metrics);
            log.record(&Trace::Entered { nickname: "Romeo".into() }, &metrics);
        });
        let log = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.lines().filter(|line| line.contains("rule=the vault ")).count(), 2, "{log}");
        let text = metrics.exposition();
        assert!(text.contains("mucfocus_calls_answered_total{rule=\"the vault\"} 1\n"), "{text}");
    }
}
