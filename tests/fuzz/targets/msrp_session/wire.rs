//! What both ends need: identifiers, addresses, and frames as they are written.

use bytes::BytesMut;
use mucfocus_core::env::IdSource;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::WireFrame;
use mucfocus_core::wire::msrp::frame::Frame;
use mucfocus_core::wire::msrp::uri::MsrpUri;

/// Identifiers that nobody else has.
pub(crate) struct Counter(pub(crate) u128);

impl IdSource for Counter {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

pub(crate) fn uri(session: &str) -> MsrpUri {
    MsrpUri::parse(&format!("msrp://focus1.example.com:2855/{session};tcp")).expect("a URI")
}

pub(crate) fn octets(frame: &WireFrame) -> Vec<u8> {
    frame.chunks().flat_map(|part| part.to_vec()).collect()
}

/// What is written is one frame of MSRP.
pub(crate) fn read(frame: &WireFrame) -> Frame {
    let mut octets = BytesMut::from(&octets(frame)[..]);
    let mut collector = Collector::new(usize::MAX);
    match collector.next(&mut octets) {
        Ok(Some(Incoming::Frame(frame))) if octets.is_empty() => frame,
        other => panic!("{other:?} of {frame:?}"),
    }
}
