//! Messages that went from one side to the other, and how often one had to be made ready for that. Each copy is counted, so the
//! counters are kept at hand.

use mucfocus_core::room::ring::Renderings;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::labels::Direction;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Towards {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Way {
    way: &'static str,
}

/// The counters of `mucfocus_messages_total` and `mucfocus_messages_rendered_total`.
#[derive(Debug)]
pub(super) struct Messages {
    to_xmpp: Counter,
    to_sip: Counter,
    made: Counter,
    shared: Counter,
}

impl Messages {
    pub(super) fn new(delivered: &Family<Towards, Counter>, rendered: &Family<Way, Counter>) -> Self {
        let towards = |way: Direction| delivered.get_or_create(&Towards { direction: way.label() }).clone();
        let rendered = |way| rendered.get_or_create(&Way { way }).clone();
        Self {
            to_xmpp: towards(Direction::SipToXmpp),
            to_sip: towards(Direction::XmppToSip),
            made: rendered("made"),
            shared: rendered("shared"),
        }
    }

    /// One was delivered.
    pub(super) fn delivered(&self, direction: Direction) {
        match direction {
            Direction::SipToXmpp => self.to_xmpp.inc(),
            Direction::XmppToSip => self.to_sip.inc(),
        };
    }

    /// So many were rendered, and so many were there already.
    pub(super) fn rendered(&self, renderings: Renderings) {
        for (counter, count) in [(&self.made, renderings.made), (&self.shared, renderings.shared)] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}
