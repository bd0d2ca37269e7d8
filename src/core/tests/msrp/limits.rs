//! What a head may hold is what somebody says, and each bound has its name.

use bytes::BytesMut;
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::{BadReason, Decoder, Event, Violation};
use mucfocus_core::wire::msrp::frame::{Path, TransactionId};
use mucfocus_core::wire::msrp::{Limits, MAX_PATH};

const TO: &str = "To-Path: msrp://a.example:2855/x;tcp\r\n";
const FROM: &str = "From-Path: msrp://b.example:1/y;tcp\r\n";

fn send(headers: &str) -> String {
    format!("MSRP a786hjs2 SEND\r\n{TO}{FROM}{headers}-------a786hjs2$\r\n")
}

fn first(limits: Limits, wire: &str) -> Result<Option<Event>, Violation> {
    let whole = Decoder::with_limits(limits).decode(&mut BytesMut::from(wire));
    // Whoever collects frames meets the same bounds.
    let mut collected = Collector::with_limits(1000, limits);
    match (&whole, collected.next(&mut BytesMut::from(wire))) {
        (Ok(Some(Event::Head(head))), Ok(Some(Incoming::Frame(frame)))) => assert_eq!(frame.head, *head),
        (Ok(Some(Event::Bad(bad))), Ok(Some(Incoming::Bad(same)))) => assert_eq!(*bad, same),
        (Err(violation), Err(same)) => assert_eq!(*violation, same),
        (whole, collected) => panic!("{whole:?} and {collected:?}"),
    }
    whole
}

fn is_taken(limits: Limits, wire: &str) -> bool {
    matches!(first(limits, wire), Ok(Some(Event::Head(_))))
}

fn refusal(limits: Limits, wire: &str) -> BadReason {
    match first(limits, wire) {
        Ok(Some(Event::Bad(bad))) => bad.why,
        other => panic!("{other:?}"),
    }
}

/// MS-FRAME-13.
#[test]
fn each_bound_of_a_head_is_met_and_not_exceeded() {
    let wire = send("X: y\r\n");
    let head = wire.find("-------").unwrap();
    // The end-line is a line of the head, too.
    let whole = wire.len();
    let line = TO.len();
    for (just, beyond, violation) in [
        (Limits { head: whole + 1, ..Limits::DEFAULT }, Limits { head, ..Limits::DEFAULT }, Violation::HeadTooLong),
        (Limits { line, ..Limits::DEFAULT }, Limits { line: line - 1, ..Limits::DEFAULT }, Violation::LineTooLong),
        (Limits { headers: 3, ..Limits::DEFAULT }, Limits { headers: 2, ..Limits::DEFAULT }, Violation::TooManyHeaders),
    ] {
        assert!(is_taken(just, &wire), "{just:?}");
        assert_eq!(first(beyond, &wire), Err(violation), "{beyond:?}");
    }
}

/// MS-FRAME-13: a path has bounds of its own, within which a response can be written.
#[test]
fn each_bound_of_a_path_is_met_and_not_exceeded() {
    let path = "msrp://r1.example:1/p;tcp msrp://r2.example:1/q;tcp msrp://b.example:1/y;tcp";
    let wire = send("").replace("msrp://b.example:1/y;tcp", path);
    for (just, beyond) in [
        (Limits { path: 3, ..Limits::DEFAULT }, Limits { path: 2, ..Limits::DEFAULT }),
        (
            Limits { path_octets: path.len(), ..Limits::DEFAULT },
            Limits { path_octets: path.len() - 1, ..Limits::DEFAULT },
        ),
    ] {
        assert!(is_taken(just, &wire), "{just:?}");
        assert_eq!(refusal(beyond, &wire), BadReason::PathTooLong("From-Path"), "{beyond:?}");
    }
    let to = send("").replace("msrp://a.example:2855/x;tcp", path);
    assert_eq!(refusal(Limits { path: 2, ..Limits::DEFAULT }, &to), BadReason::PathTooLong("To-Path"));
}

/// MS-FRAME-13.
#[test]
fn no_limit_makes_a_path_longer_than_a_path_can_be() {
    let wide = Limits { path: usize::MAX, path_octets: usize::MAX, ..Limits::DEFAULT };
    let hops = "msrp://r:1/p;tcp ".repeat(Path::MAX_LEN);
    let wire = send("").replace("From-Path: ", &format!("From-Path: {hops}"));
    assert_eq!(refusal(wide, &wire), BadReason::PathTooLong("From-Path"));
    assert!(is_taken(wide, &wire.replacen("msrp://r:1/p;tcp ", "", 1)));
}

/// MS-FRAME-13.
#[test]
fn a_path_that_fills_its_line_is_too_long_by_default() {
    let uri = |len: usize| format!("msrp://b:1/{};tcp", "y".repeat(len - 15));
    let path = |last: usize| [uri(1005), uri(1005), uri(1005), uri(last)].join(" ");
    let wire = |path: &str| send("").replace("msrp://b.example:1/y;tcp", path);
    let rest = MAX_PATH - 3018;
    assert_eq!(path(rest).len(), MAX_PATH);
    assert!(is_taken(Limits::default(), &wire(&path(rest))));
    assert_eq!(refusal(Limits::default(), &wire(&path(rest + 1))), BadReason::PathTooLong("From-Path"));
}

struct Bits(u128);

impl IdSource for Bits {
    fn next(&mut self) -> u128 {
        self.0
    }
}

/// MS-FRAME-05: each of 128 random bits shows.
#[test]
fn a_fresh_transaction_identifier_has_all_the_randomness_that_it_is_given() {
    let fresh = |bits: u128| {
        let mut ids = Bits(bits);
        TransactionId::fresh(&mut Env { now: Instant::ZERO, wall: WallClock::from_unix_millis(0), ids: &mut ids })
    };
    let mut all: Vec<TransactionId> = (0..128).map(|bit| fresh(1 << bit)).chain([fresh(0), fresh(u128::MAX)]).collect();
    for id in &all {
        assert_eq!(TransactionId::new(id.as_str()).as_ref(), Some(id), "the grammar allows it");
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 130);
}

#[test]
fn transaction_identifiers_are_equal_and_ordered_as_their_text() {
    let texts = ["abcd", "abcde", "abc.", "Abcd", "abcd%", "zzzz", "0000", "abcdabcdabcdabcdabcdabcdabcdabcd"];
    for one in texts {
        for other in texts {
            let (a, b) = (TransactionId::new(one).unwrap(), TransactionId::new(other).unwrap());
            assert_eq!((a.cmp(&b), a == b), (one.cmp(other), one == other), "{one} {other}");
        }
    }
}
