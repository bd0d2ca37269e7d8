//! The connections of the callers, from which the room has frames and to which it writes.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mucfocus_core::leg::LegId;
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::transmitter::{Heard, Octets, RESPONSE_TIME};
use mucfocus_core::room::io::Input;
use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};

use super::{Mail, Source, World};

impl World {
    pub(super) fn feed_octets(&mut self, leg: LegId, octets: &str) {
        // A connection that is gone carries nothing.
        if !self.callers[&leg].is_bound {
            return;
        }
        let mut collector = Collector::new(65_536);
        let mut buffer = BytesMut::from(octets.as_bytes());
        let incoming = collector.next(&mut buffer).unwrap().expect("a whole message");
        let turn = self.turn;
        match incoming {
            Incoming::Frame(frame) => {
                match self.lines.get_mut(&leg).map(|(line, share)| line.hear(self.now, *share, &frame)) {
                    None | Some(Heard::Request) => {}
                    Some(Heard::Answer(None)) => return,
                    Some(Heard::Answer(Some(outcome))) => return self.feed(Input::Concluded(leg, outcome)),
                    Some(lost @ (Heard::Elsewhere | Heard::TimedOut)) => {
                        self.callers.get_mut(&leg).unwrap().is_bound = false;
                        let (why, unsent) = (format!("{lost:?}"), Vec::new());
                        return self.feed(Input::SessionLost { leg, why, ago: Duration::ZERO, unsent });
                    }
                }
                self.callers.get_mut(&leg).unwrap().taken += usize::from(frame.ends_a_send());
                let arrived = Instant::ZERO + (self.now - Instant::ZERO).saturating_sub(self.queued_for);
                self.feed(Input::Frame { leg, frame: Box::new(frame), arrived, turn });
            }
            Incoming::Bad(bad) => self.feed(Input::BadFrame(leg, Box::new(bad))),
        }
    }

    pub(super) fn takes_back(&mut self, leg: LegId) -> Vec<Arc<Content>> {
        self.lines.get_mut(&leg).map(|(line, share)| line.take_back(*share)).unwrap_or_default()
    }

    /// The connection takes what there is to write, unless it is gone and the room has not heard of it.
    pub(super) fn write(&mut self, leg: LegId) {
        let Some((line, _)) = self.lines.get_mut(&leg).filter(|_| self.callers[&leg].is_bound) else { return };
        while line.has_work() {
            let mut octets = Octets::new();
            line.fill(self.now, &mut octets);
            line.written(self.now);
            for response in self.callers.get_mut(&leg).unwrap().reads(octets) {
                self.mail.entry(Source::Msrp(leg)).or_default().push_back(Mail::Octets(leg, response));
            }
        }
    }

    /// Connections whose clients owe answers.
    pub(super) fn lines_time_out(&mut self) {
        for leg in self.lines.keys().copied().collect::<Vec<_>>() {
            let Some((line, _)) = self.lines.get_mut(&leg) else { continue };
            let mut outcomes = Vec::new();
            let mute = line.handle_timeout(self.now, &mut outcomes).err();
            for (_, outcome) in outcomes {
                self.feed(Input::Concluded(leg, outcome));
            }
            if let Some(mute) = mute {
                self.callers.get_mut(&leg).unwrap().is_bound = false;
                self.feed(Input::SessionLost { leg, why: mute.to_string(), ago: RESPONSE_TIME, unsent: Vec::new() });
            }
        }
    }
}
