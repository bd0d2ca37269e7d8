//! However the octets of a connection are cut, the decoder makes the same events of them, apart from where it divides a body, and
//! the collector makes the same messages.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::msrp::MAX_LINE;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::{Decoder, Event, Violation};
use mucfocus_fuzz::Wire;

const LIMIT: usize = 48 * 1024;
const MAX_BODY: usize = 1024;
/// Longer inputs are cut only where they say, for time.
const MAX_OCTET_BY_OCTET: usize = 4 * 1024;

fuzz_target!(|input: &[u8]| {
    let wire = Wire::read(input, LIMIT);
    let whole = decode([wire.octets.as_slice()]);
    assert_eq!(decode(wire.pieces()), whole, "cut at {:?}", wire.cuts);
    let collected = collect([wire.octets.as_slice()]);
    assert_eq!(collect(wire.pieces()), collected, "cut at {:?}", wire.cuts);
    if wire.octets.len() <= MAX_OCTET_BY_OCTET {
        assert_eq!(decode(wire.octets.chunks(1)), whole, "octet by octet");
        assert_eq!(collect(wire.octets.chunks(1)), collected, "octet by octet");
    }
});

/// All events, pieces of one body put together, and how it ends.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Result<bool, Violation>) {
    let (mut decoder, mut buf, mut events) = (Decoder::new(), BytesMut::new(), Vec::<Event>::new());
    let mut body = BytesMut::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(Event::Body(piece))) => body.extend_from_slice(&piece),
                Ok(Some(event)) => {
                    flush(&mut body, &mut events);
                    events.push(event);
                }
                Ok(None) => break,
                Err(violation) => return (events, Err(violation)),
            }
        }
        assert!(buf.len() < MAX_LINE, "{} octets are left over", buf.len());
    }
    flush(&mut body, &mut events);
    (events, Ok(decoder.is_between_messages()))
}

fn flush(body: &mut BytesMut, events: &mut Vec<Event>) {
    if !body.is_empty() {
        events.push(Event::Body(body.split().freeze()));
    }
}

fn collect<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Incoming>, Result<bool, Violation>) {
    let (mut collector, mut buf, mut messages) = (Collector::new(MAX_BODY), BytesMut::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match collector.next(&mut buf) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Err(violation)),
            }
        }
        assert!(collector.held() <= MAX_BODY && buf.len() < MAX_LINE);
    }
    (messages, Ok(collector.is_between_messages()))
}
