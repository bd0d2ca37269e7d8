//! What became of the stanzas that rooms sent: the counters that prove what a leg costs. They are kept at hand, since each stanza
//! is counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// What became of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was parsed.
    Parsed,
    /// It was another occupant's copy of one that is known, and was not parsed again.
    Recalled,
    /// It was about somebody whom another membership sees, and was not looked at.
    Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    kind: &'static str,
    fate: &'static str,
}

/// The counters of `mucfocus_xmpp_stanzas_total`.
#[derive(Debug)]
pub(super) struct Stanzas {
    messages: Fates,
    presences: Fates,
    answers: Fates,
}

#[derive(Debug)]
struct Fates {
    parsed: Counter,
    recalled: Counter,
    left: Counter,
}

impl Stanzas {
    pub(super) fn new(family: &Family<Labels, Counter>) -> Self {
        let fates = |kind| {
            let counter = |fate| family.get_or_create(&Labels { kind, fate }).clone();
            Fates { parsed: counter("parsed"), recalled: counter("recalled"), left: counter("left") }
        };
        Self { messages: fates("message"), presences: fates("presence"), answers: fates("iq") }
    }

    /// A stanza by the name of its element.
    pub(super) fn count(&self, name: &str, fate: Fate) {
        let fates = match name {
            "message" => &self.messages,
            "presence" => &self.presences,
            _ => &self.answers,
        };
        match fate {
            Fate::Parsed => fates.parsed.inc(),
            Fate::Recalled => fates.recalled.inc(),
            Fate::Left => fates.left.inc(),
        };
    }
}
