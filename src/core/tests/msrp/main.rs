//! MSRP on the wire, seen from outside: recorded traces, the rows of the requirement matrix, round trips, hostile input.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that meets something unexpected ends there"
)]

mod answering;
mod collecting;
mod encoding;
mod framing;
mod golden;
mod limits;
mod properties;
mod queueing;
mod reassembling;
mod traces;
mod transmitting;
mod uris;
mod wire;

use bytes::BytesMut;
use mucfocus_core::wire::msrp::decode::{Decoder, Event, Violation};

/// All that the decoder makes of `wire` cut at `cuts`, pieces of one body put together.
fn decode_cut(wire: &[u8], cuts: &[usize]) -> (Vec<Event>, Option<Violation>) {
    let mut decoder = Decoder::new();
    let mut buf = BytesMut::new();
    let mut events: Vec<Event> = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([wire.len()]) {
        buf.extend_from_slice(&wire[from..to]);
        from = to;
        loop {
            match (decoder.decode(&mut buf), events.last_mut()) {
                (Ok(None), _) => break,
                (Ok(Some(Event::Body(piece))), Some(Event::Body(before))) => {
                    assert!(!piece.is_empty(), "an empty piece of body");
                    *before = [before.as_ref(), &piece].concat().into();
                }
                (Ok(Some(event)), _) => events.push(event),
                (Err(violation), _) => {
                    assert_eq!(decoder.decode(&mut buf), Err(violation), "a violation is for good");
                    return (events, Some(violation));
                }
            }
        }
    }
    (events, None)
}

/// What the decoder makes of `wire`, after making sure that it is the same for every way to cut it in two and for single
/// octets.
fn decode(wire: &[u8]) -> (Vec<Event>, Option<Violation>) {
    let whole = decode_cut(wire, &[]);
    let all: Vec<usize> = (1..wire.len()).collect();
    assert_eq!(whole, decode_cut(wire, &all), "octet by octet");
    // Long inputs are cut at fewer places, for time; those that matter are near the ends of short messages.
    let step = wire.len() / 2000 + 1;
    for cut in (0..wire.len()).step_by(step) {
        assert_eq!(whole, decode_cut(wire, &[cut]), "cut after {cut} octets");
    }
    whole
}

/// The events of a `wire` that must not close the connection.
fn events(wire: &str) -> Vec<Event> {
    let (events, violation) = decode(wire.as_bytes());
    assert_eq!(violation, None, "in {wire:?}");
    events
}

/// Text with line feeds as it stands in a source file, with CRLF.
fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}
