//! The catalogue of metrics.
//!
//! Label values come from closed sets: nothing that a peer wrote becomes a label, so nobody can make the number of
//! series grow. The counters are shared atomics; to count never waits.
//!
//! | metric | type | labels | meaning |
//! |---|---|---|---|
//! | `mucfocus_build_info` | gauge | version | 1; the version of the program |
//! | `mucfocus_start_time_seconds` | gauge |  | When the process started, in seconds since 1970 |
//! | `mucfocus_legs` | gauge |  | Legs that are up: SIP dialogs with their MSRP sessions |
//! | `mucfocus_legs_limit` | gauge |  | Most legs at a time, `limits.legs`; absent when that is off |
//! | `mucfocus_rooms` | gauge |  | Rooms that are mirrored |
//! | `mucfocus_calls_answered_total` | counter | rule | INVITEs that were answered with 200, by name of the room rule |
//! | `mucfocus_calls_refused_total` | counter | code | INVITEs that were refused, by SIP status |
//! | `mucfocus_calls_ended_total` | counter | reason | Answered calls that ended, by who or what ended them |
//! | `mucfocus_messages_total` | counter | direction | Public messages delivered to the other side |
//! | `mucfocus_messages_rendered_total` | counter | way | Public messages made ready for a SIP user: made, or shared with another who hears the same |
//! | `mucfocus_messages_refused_total` | counter | code | Messages of SIP users refused, by MSRP status |
//! | `mucfocus_messages_not_delivered_total` | counter | reason | Messages that a SIP user did not get, by reason; what is held may come later |
//! | `mucfocus_nicknames_refused_total` | counter | code | Changes of nickname refused, by MSRP status |
//! | `mucfocus_subscriptions` | gauge |  | Conference subscriptions that are up |
//! | `mucfocus_notifications_total` | counter | outcome | NOTIFYs to conference subscribers, by what became of them |
//! | `mucfocus_invitations_total` | counter | code | Invitations by REFER, by the status that ended them; 100 is sent |
//! | `mucfocus_removals_total` | counter | code | Removals by REFER, by the status that ended them |
//! | `mucfocus_muc_outages_total` | counter |  | Times that a membership lost its XMPP stream and was kept |
//! | `mucfocus_msrp_connections` | gauge |  | MSRP connections that are open |
//! | `mucfocus_msrp_violations_total` | counter | violation | What MSRP peers did against the protocol |
//! | `mucfocus_sip_requests_total` | counter | method | SIP requests that were understood, whatever became of them |
//! | `mucfocus_sip_gate_refusals_total` | counter | reason | SIP requests and connections that were refused, by reason |
//! | `mucfocus_xmpp_streams` | gauge |  | XMPP streams that are up |
//! | `mucfocus_xmpp_servers_away` | gauge |  | XMPP servers that cannot be reached |
//! | `mucfocus_xmpp_logins_total` | counter | login, outcome | Logins to XMPP servers, by `login` of the account |
//! | `mucfocus_xmpp_stanzas_total` | counter | kind, fate | Stanzas of rooms by what became of them: parsed, recalled as a copy of a known one, left because another membership sees it |
//! | `mucfocus_xmpp_stanzas_skipped_total` | counter | reason | Stanzas that were not used |
//! | `mucfocus_peers_stalled_total` | counter |  | Times that a call, a connection or a stream did not take what its room put out |

use std::time::SystemTime;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

pub use super::labels::{Direction, Login};
use super::labels::{ENDS, UNDELIVERED, ended, msrp_status, notified, sip_method, sip_status, undelivered};
use super::messages::Messages;
pub use super::stanzas::Fate;
use super::stanzas::Stanzas;
use mucfocus_core::conference::Outcome as Notified;
use mucfocus_core::leg::Delivery;
use mucfocus_core::room::io::EndCause;
use mucfocus_core::room::ring::Renderings;

/// One line of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Name as it is exposed; of counters, `_total` included.
    pub name: &'static str,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// Names of labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

const fn entry(name: &'static str, kind: &'static str, labels: &'static [&'static str], help: &'static str) -> Entry {
    Entry { name, kind, labels, help }
}

/// Every metric there is.
pub const CATALOGUE: &[Entry] = &[
    entry("mucfocus_build_info", "gauge", &["version"], "1; the version of the program"),
    entry("mucfocus_start_time_seconds", "gauge", &[], "When the process started, in seconds since 1970"),
    entry("mucfocus_legs", "gauge", &[], "Legs that are up: SIP dialogs with their MSRP sessions"),
    entry("mucfocus_legs_limit", "gauge", &[], "Most legs at a time, `limits.legs`; absent when that is off"),
    entry("mucfocus_rooms", "gauge", &[], "Rooms that are mirrored"),
    entry(
        "mucfocus_calls_answered_total",
        "counter",
        &["rule"],
        "INVITEs that were answered with 200, by name of the room rule",
    ),
    entry("mucfocus_calls_refused_total", "counter", &["code"], "INVITEs that were refused, by SIP status"),
    entry("mucfocus_calls_ended_total", "counter", &["reason"], "Answered calls that ended, by who or what ended them"),
    entry("mucfocus_messages_total", "counter", &["direction"], "Public messages delivered to the other side"),
    entry(
        "mucfocus_messages_rendered_total",
        "counter",
        &["way"],
        "Public messages made ready for a SIP user: made, or shared with another who hears the same",
    ),
    entry("mucfocus_messages_refused_total", "counter", &["code"], "Messages of SIP users refused, by MSRP status"),
    entry(
        "mucfocus_messages_not_delivered_total",
        "counter",
        &["reason"],
        "Messages that a SIP user did not get, by reason; what is held may come later",
    ),
    entry("mucfocus_nicknames_refused_total", "counter", &["code"], "Changes of nickname refused, by MSRP status"),
    entry("mucfocus_subscriptions", "gauge", &[], "Conference subscriptions that are up"),
    entry(
        "mucfocus_notifications_total",
        "counter",
        &["outcome"],
        "NOTIFYs to conference subscribers, by what became of them",
    ),
    entry(
        "mucfocus_invitations_total",
        "counter",
        &["code"],
        "Invitations by REFER, by the status that ended them; 100 is sent",
    ),
    entry("mucfocus_removals_total", "counter", &["code"], "Removals by REFER, by the status that ended them"),
    entry("mucfocus_muc_outages_total", "counter", &[], "Times that a membership lost its XMPP stream and was kept"),
    entry("mucfocus_msrp_connections", "gauge", &[], "MSRP connections that are open"),
    entry("mucfocus_msrp_violations_total", "counter", &["violation"], "What MSRP peers did against the protocol"),
    entry(
        "mucfocus_sip_requests_total",
        "counter",
        &["method"],
        "SIP requests that were understood, whatever became of them",
    ),
    entry(
        "mucfocus_sip_gate_refusals_total",
        "counter",
        &["reason"],
        "SIP requests and connections that were refused, by reason",
    ),
    entry("mucfocus_xmpp_streams", "gauge", &[], "XMPP streams that are up"),
    entry("mucfocus_xmpp_servers_away", "gauge", &[], "XMPP servers that cannot be reached"),
    entry(
        "mucfocus_xmpp_logins_total",
        "counter",
        &["login", "outcome"],
        "Logins to XMPP servers, by `login` of the account",
    ),
    entry(
        "mucfocus_xmpp_stanzas_total",
        "counter",
        &["kind", "fate"],
        "Stanzas of rooms by what became of them: parsed, recalled as a copy of a known one, left because another \
         membership sees it",
    ),
    entry("mucfocus_xmpp_stanzas_skipped_total", "counter", &["reason"], "Stanzas that were not used"),
    entry(
        "mucfocus_peers_stalled_total",
        "counter",
        &[],
        "Times that a call, a connection or a stream did not take what its room put out",
    ),
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}
/// The name of a room rule: written by the operator, in a configuration that is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rule {
    rule: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Violation {
    violation: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginOutcome {
    login: &'static str,
    #[prometheus(flatten)]
    outcome: Outcome,
}

/// All metrics of this process. Shared by `Arc`.
#[derive(Debug)]
pub struct Metrics {
    /// Legs that are up.
    pub legs: Gauge,
    /// Rooms that are mirrored.
    pub rooms: Gauge,
    /// Conference subscriptions that are up.
    pub subscriptions: Gauge,
    /// A membership lost its XMPP stream and is kept.
    pub muc_outages: Counter,
    /// MSRP connections that are open.
    pub msrp_connections: Gauge,
    /// XMPP streams that are up.
    pub xmpp_streams: Gauge,
    /// XMPP servers that cannot be reached.
    pub xmpp_servers_away: Gauge,
    /// A call, a connection or a stream did not take what its room put out.
    pub peers_stalled: Counter,
    calls_answered: Family<Rule, Counter>,
    calls_refused: Family<Code, Counter>,
    calls_ended: Family<Reason, Counter>,
    messages: Messages,
    messages_refused: Family<Code, Counter>,
    messages_not_delivered: Family<Reason, Counter>,
    nicknames_refused: Family<Code, Counter>,
    notifications: Family<Outcome, Counter>,
    invitations: Family<Code, Counter>,
    removals: Family<Code, Counter>,
    msrp_violations: Family<Violation, Counter>,
    sip_requests: Family<Method, Counter>,
    sip_gate_refusals: Family<Reason, Counter>,
    xmpp_logins: Family<LoginOutcome, Counter>,
    xmpp_stanzas: Stanzas,
    xmpp_stanzas_skipped: Family<Reason, Counter>,
    /// Where there was a limit at the start.
    legs_limit: Option<Gauge>,
    registry: Registry,
}

impl Metrics {
    /// All at zero. The series of small closed sets are there from the start, so that a rate sees the first event.
    #[must_use]
    pub fn new() -> Self {
        let mut r = Registry::default();
        let build: Family<Version, Gauge> = register(&mut r, "mucfocus_build_info");
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        let start: Gauge = register(&mut r, "mucfocus_start_time_seconds");
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        start.set(i64::try_from(since.as_secs()).unwrap_or_default());
        let metrics = Self {
            legs: register(&mut r, "mucfocus_legs"),
            rooms: register(&mut r, "mucfocus_rooms"),
            calls_answered: register(&mut r, "mucfocus_calls_answered_total"),
            calls_refused: register(&mut r, "mucfocus_calls_refused_total"),
            calls_ended: register(&mut r, "mucfocus_calls_ended_total"),
            messages: Messages::new(
                &register(&mut r, "mucfocus_messages_total"),
                &register(&mut r, "mucfocus_messages_rendered_total"),
            ),
            messages_refused: register(&mut r, "mucfocus_messages_refused_total"),
            messages_not_delivered: register(&mut r, "mucfocus_messages_not_delivered_total"),
            nicknames_refused: register(&mut r, "mucfocus_nicknames_refused_total"),
            subscriptions: register(&mut r, "mucfocus_subscriptions"),
            notifications: register(&mut r, "mucfocus_notifications_total"),
            invitations: register(&mut r, "mucfocus_invitations_total"),
            removals: register(&mut r, "mucfocus_removals_total"),
            muc_outages: register(&mut r, "mucfocus_muc_outages_total"),
            msrp_connections: register(&mut r, "mucfocus_msrp_connections"),
            msrp_violations: register(&mut r, "mucfocus_msrp_violations_total"),
            sip_requests: register(&mut r, "mucfocus_sip_requests_total"),
            sip_gate_refusals: register(&mut r, "mucfocus_sip_gate_refusals_total"),
            xmpp_streams: register(&mut r, "mucfocus_xmpp_streams"),
            xmpp_servers_away: register(&mut r, "mucfocus_xmpp_servers_away"),
            xmpp_logins: register(&mut r, "mucfocus_xmpp_logins_total"),
            xmpp_stanzas: Stanzas::new(&register(&mut r, "mucfocus_xmpp_stanzas_total")),
            xmpp_stanzas_skipped: register(&mut r, "mucfocus_xmpp_stanzas_skipped_total"),
            peers_stalled: register(&mut r, "mucfocus_peers_stalled_total"),
            legs_limit: None,
            registry: r,
        };
        metrics.begin();
        metrics
    }

    /// The same, and says how many legs there may be; `None`: as many as come.
    #[must_use]
    pub fn with_legs_limit(mut self, limit: Option<usize>) -> Self {
        if let Some(limit) = limit {
            let gauge: Gauge = register(&mut self.registry, "mucfocus_legs_limit");
            gauge.set(i64::try_from(limit).unwrap_or(i64::MAX));
            self.legs_limit = Some(gauge);
        }
        self
    }

    /// There may be so many legs from now on. What was not shown at the start is not shown now.
    pub fn set_legs_limit(&self, limit: Option<usize>) {
        if let (Some(gauge), Some(limit)) = (&self.legs_limit, limit) {
            gauge.set(i64::try_from(limit).unwrap_or(i64::MAX));
        }
    }

    fn begin(&self) {
        for reason in ENDS {
            drop(self.calls_ended.get_or_create(&Reason { reason }));
        }
        for reason in UNDELIVERED {
            drop(self.messages_not_delivered.get_or_create(&Reason { reason }));
        }
        for outcome in [Notified::Delivered, Notified::Refused, Notified::TooLarge, Notified::Failed].map(notified) {
            drop(self.notifications.get_or_create(&Outcome { outcome }));
        }
        for outcome in [Login::Ok, Login::Refused, Login::Unreachable].map(Login::label) {
            for login in ["password", "hmac", "jwt", "anonymous"] {
                drop(self.xmpp_logins.get_or_create(&LoginOutcome { login, outcome: Outcome { outcome } }));
            }
        }
        for code in (300..700).map(sip_status) {
            drop(self.calls_refused.get_or_create(&Code { code }));
        }
        for code in (400..600).map(msrp_status) {
            drop(self.messages_refused.get_or_create(&Code { code }));
            drop(self.nicknames_refused.get_or_create(&Code { code }));
        }
    }

    /// An INVITE was answered with 200. `rule` is the name of a room rule of the configuration.
    pub fn call_answered(&self, rule: &str) {
        self.calls_answered.get_or_create(&Rule { rule: rule.to_owned() }).inc();
    }

    /// An INVITE was refused with this SIP status.
    pub fn call_refused(&self, status: u16) {
        self.calls_refused.get_or_create(&Code { code: sip_status(status) }).inc();
    }

    /// An answered call ended.
    pub fn call_ended(&self, cause: EndCause) {
        self.calls_ended.get_or_create(&Reason { reason: ended(cause) }).inc();
    }

    /// A public message was delivered.
    pub fn message(&self, direction: Direction) {
        self.messages.delivered(direction);
    }

    /// So often a public message was rendered, and so often one was there already.
    pub fn messages_rendered(&self, renderings: Renderings) {
        self.messages.rendered(renderings);
    }

    /// A message of a SIP user was refused with this MSRP status.
    pub fn message_refused(&self, status: u16) {
        self.messages_refused.get_or_create(&Code { code: msrp_status(status) }).inc();
    }

    /// A SIP user did not get a message.
    pub fn message_not_delivered(&self, why: Delivery) {
        if let Some(reason) = undelivered(why) {
            self.messages_not_delivered.get_or_create(&Reason { reason }).inc();
        }
    }

    /// A change of nickname was refused with this MSRP status.
    pub fn nickname_refused(&self, status: u16) {
        self.nicknames_refused.get_or_create(&Code { code: msrp_status(status) }).inc();
    }

    /// A NOTIFY to a conference subscriber came to its end.
    pub fn notification(&self, outcome: Notified) {
        self.notifications.get_or_create(&Outcome { outcome: notified(outcome) }).inc();
    }

    /// A REFER that wants somebody invited, or removed, came to this end.
    pub fn referral(&self, removes: bool, status: u16) {
        let counted = if removes { &self.removals } else { &self.invitations };
        counted.get_or_create(&Code { code: sip_status(status) }).inc();
    }

    /// An MSRP peer broke the protocol. `name` is the name of a variant, never text of the peer: hence `'static`.
    pub fn msrp_violation(&self, name: &'static str) {
        self.msrp_violations.get_or_create(&Violation { violation: name }).inc();
    }

    /// A SIP request passed the gate. A method that we do not know counts as `other`.
    pub fn sip_request(&self, method: &str) {
        self.sip_requests.get_or_create(&Method { method: sip_method(method) }).inc();
    }

    /// The gate did not let a SIP message in. `reason` is the name of a variant, never text of the peer.
    pub fn sip_gate_refusal(&self, reason: &'static str) {
        self.sip_gate_refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A login to an XMPP server ended. `login` is its kind, as the configuration calls it.
    pub fn xmpp_login(&self, login: &'static str, outcome: Login) {
        self.xmpp_logins.get_or_create(&LoginOutcome { login, outcome: Outcome { outcome: outcome.label() } }).inc();
    }

    /// A stanza of a room, by the name of its element: what became of it.
    pub fn xmpp_stanza(&self, name: &str, fate: Fate) {
        self.xmpp_stanzas.count(name, fate);
    }

    /// A stanza was not used. `reason` is the name of a variant, never text of the server.
    pub fn xmpp_stanza_skipped(&self, reason: &'static str) {
        self.xmpp_stanzas_skipped.get_or_create(&Reason { reason }).inc();
    }

    /// All of them as OpenMetrics text.
    #[must_use]
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The catalogue as rows of a table for the documentation.
#[must_use]
pub fn table_rows() -> Vec<String> {
    let row = |e: &Entry| format!("| `{}` | {} | {} | {} |", e.name, e.kind, e.labels.join(", "), e.help);
    CATALOGUE.iter().map(row).collect()
}

/// Registers a metric under a name of the catalogue, with the help text from there.
fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &'static str) -> M {
    let metric = M::default();
    let help = CATALOGUE.iter().find(|e| e.name == name).map_or("", |e| e.help);
    // The encoder puts `_total` behind the names of counters and a full stop behind help texts.
    registry.register(name.strip_suffix("_total").unwrap_or(name), help, metric.clone());
    metric
}

#[cfg(test)]
mod tests;
