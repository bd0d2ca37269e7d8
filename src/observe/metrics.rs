//! The catalogue of metrics.
//!
//! Label values come from closed sets: nothing that a peer wrote becomes a label, so nobody can make the number of
//! series grow. The counters are shared atomics; to count never waits.
//!
//! | metric | type | labels | meaning |
//! |---|---|---|---|
//! | `mucfocus_legs` | gauge |  | Legs that are up: SIP dialogs with their MSRP sessions |
//! | `mucfocus_rooms` | gauge |  | Rooms that are mirrored |
//! | `mucfocus_calls_answered_total` | counter |  | INVITEs that were answered with 200 |
//! | `mucfocus_calls_refused_total` | counter | code | INVITEs that were refused, by SIP status |
//! | `mucfocus_calls_ended_total` | counter | reason | Answered calls that ended, by who or what ended them |
//! | `mucfocus_messages_total` | counter | direction | Public messages delivered to the other side |
//! | `mucfocus_messages_refused_total` | counter | code | Messages of SIP users refused, by MSRP status |
//! | `mucfocus_msrp_connections` | gauge |  | MSRP connections that are open |
//! | `mucfocus_msrp_violations_total` | counter | violation | What MSRP peers did against the protocol |
//! | `mucfocus_sip_requests_total` | counter | method | SIP requests that were understood, whatever became of them |
//! | `mucfocus_sip_gate_refusals_total` | counter | reason | SIP requests and connections that were refused, by reason |
//! | `mucfocus_xmpp_streams` | gauge |  | XMPP streams that are up |
//! | `mucfocus_xmpp_logins_total` | counter | outcome | Logins to XMPP servers |
//! | `mucfocus_xmpp_stanzas_skipped_total` | counter | reason | Stanzas that were not used |
//! | `mucfocus_peers_stalled_total` | counter |  | Times that a call, a connection or a stream did not take what its room put out |

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

pub use super::labels::{Direction, Login};
use super::labels::{ended, msrp_status, sip_method, sip_status};
use mucfocus_core::room::io::EndCause;

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
    entry("mucfocus_legs", "gauge", &[], "Legs that are up: SIP dialogs with their MSRP sessions"),
    entry("mucfocus_rooms", "gauge", &[], "Rooms that are mirrored"),
    entry("mucfocus_calls_answered_total", "counter", &[], "INVITEs that were answered with 200"),
    entry("mucfocus_calls_refused_total", "counter", &["code"], "INVITEs that were refused, by SIP status"),
    entry("mucfocus_calls_ended_total", "counter", &["reason"], "Answered calls that ended, by who or what ended them"),
    entry("mucfocus_messages_total", "counter", &["direction"], "Public messages delivered to the other side"),
    entry("mucfocus_messages_refused_total", "counter", &["code"], "Messages of SIP users refused, by MSRP status"),
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
    entry("mucfocus_xmpp_logins_total", "counter", &["outcome"], "Logins to XMPP servers"),
    entry("mucfocus_xmpp_stanzas_skipped_total", "counter", &["reason"], "Stanzas that were not used"),
    entry(
        "mucfocus_peers_stalled_total",
        "counter",
        &[],
        "Times that a call, a connection or a stream did not take what its room put out",
    ),
];

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
struct Way {
    direction: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// All metrics of this process. Shared by `Arc`.
#[derive(Debug)]
pub struct Metrics {
    /// Legs that are up.
    pub legs: Gauge,
    /// Rooms that are mirrored.
    pub rooms: Gauge,
    /// INVITEs answered with 200.
    pub calls_answered: Counter,
    /// MSRP connections that are open.
    pub msrp_connections: Gauge,
    /// XMPP streams that are up.
    pub xmpp_streams: Gauge,
    /// A call, a connection or a stream did not take what its room put out.
    pub peers_stalled: Counter,
    calls_refused: Family<Code, Counter>,
    calls_ended: Family<Reason, Counter>,
    messages: Family<Way, Counter>,
    messages_refused: Family<Code, Counter>,
    msrp_violations: Family<Violation, Counter>,
    sip_requests: Family<Method, Counter>,
    sip_gate_refusals: Family<Reason, Counter>,
    xmpp_logins: Family<Outcome, Counter>,
    xmpp_stanzas_skipped: Family<Reason, Counter>,
    registry: Registry,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut r = Registry::default();
        Self {
            legs: register(&mut r, "mucfocus_legs"),
            rooms: register(&mut r, "mucfocus_rooms"),
            calls_answered: register(&mut r, "mucfocus_calls_answered_total"),
            calls_refused: register(&mut r, "mucfocus_calls_refused_total"),
            calls_ended: register(&mut r, "mucfocus_calls_ended_total"),
            messages: register(&mut r, "mucfocus_messages_total"),
            messages_refused: register(&mut r, "mucfocus_messages_refused_total"),
            msrp_connections: register(&mut r, "mucfocus_msrp_connections"),
            msrp_violations: register(&mut r, "mucfocus_msrp_violations_total"),
            sip_requests: register(&mut r, "mucfocus_sip_requests_total"),
            sip_gate_refusals: register(&mut r, "mucfocus_sip_gate_refusals_total"),
            xmpp_streams: register(&mut r, "mucfocus_xmpp_streams"),
            xmpp_logins: register(&mut r, "mucfocus_xmpp_logins_total"),
            xmpp_stanzas_skipped: register(&mut r, "mucfocus_xmpp_stanzas_skipped_total"),
            peers_stalled: register(&mut r, "mucfocus_peers_stalled_total"),
            registry: r,
        }
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
        self.messages.get_or_create(&Way { direction: direction.label() }).inc();
    }

    /// A message of a SIP user was refused with this MSRP status.
    pub fn message_refused(&self, status: u16) {
        self.messages_refused.get_or_create(&Code { code: msrp_status(status) }).inc();
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

    /// A login to an XMPP server ended.
    pub fn xmpp_login(&self, outcome: Login) {
        self.xmpp_logins.get_or_create(&Outcome { outcome: outcome.label() }).inc();
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn each_once() -> Metrics {
        let metrics = Metrics::new();
        metrics.call_refused(404);
        metrics.call_ended(EndCause::ByCaller);
        metrics.message(Direction::SipToXmpp);
        metrics.message_refused(415);
        metrics.msrp_violation("message_id_missing");
        metrics.sip_request("INVITE");
        metrics.sip_gate_refusal("too_long");
        metrics.xmpp_login(Login::Ok);
        metrics.xmpp_stanza_skipped("unknown");
        metrics
    }

    #[test]
    fn what_is_exposed_is_the_catalogue() {
        let text = each_once().exposition();
        let mut exposed = BTreeSet::new();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels: Vec<&str> = labels.split(',').filter_map(|l| l.split_once('=')).map(|(l, _)| l).collect();
            exposed.insert((name.to_owned(), labels.join(",")));
        }
        let promised = CATALOGUE.iter().map(|e| (e.name.to_owned(), e.labels.join(","))).collect::<BTreeSet<_>>();
        assert_eq!(exposed, promised, "{text}");
        for entry in CATALOGUE {
            let family = entry.name.strip_suffix("_total").unwrap_or(entry.name);
            assert!(text.contains(&format!("# HELP {family} {}.\n", entry.help)), "{family}\n{text}");
            assert!(text.contains(&format!("# TYPE {family} {}\n", entry.kind)), "{family}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_documentation_shows_the_catalogue() {
        let source = include_str!("metrics.rs");
        let shown: Vec<&str> =
            source.lines().filter_map(|l| l.strip_prefix("//! ")).filter(|l| l.starts_with("| `")).collect();
        assert_eq!(shown, table_rows());
    }

    #[test]
    fn nothing_that_a_peer_says_becomes_a_series() {
        let metrics = Metrics::new();
        for n in 0..1000 {
            metrics.sip_request(&format!("METHOD{n}"));
            metrics.call_refused(n);
            metrics.message_refused(n);
        }
        let series = metrics.exposition().lines().filter(|l| l.contains('{')).count();
        assert!(series < 60, "{series}");
    }

    #[test]
    fn values_of_labels_are_words_in_lower_case() {
        let text = each_once().exposition();
        assert!(text.contains(r#"mucfocus_calls_ended_total{reason="by_caller"} 1"#), "{text}");
        assert!(text.contains(r#"mucfocus_messages_total{direction="sip_to_xmpp"} 1"#), "{text}");
    }
}
