//! Whole frames and what bounds them.

use bytes::{Bytes, BytesMut};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::{BadReason, Violation};
use mucfocus_core::wire::msrp::frame::{Continuation, Ending, Frame};
use mucfocus_core::wire::msrp::{MAX_LINE, MAX_OTHER_BODY};

const PATHS: &str = "To-Path: msrp://a.example:2855/x;tcp\r\nFrom-Path: msrp://b.example:1/y;tcp\r\n";

fn message(start: &str, headers: &str, body: &str) -> String {
    format!("MSRP a786hjs2 {start}\r\n{PATHS}{headers}Content-Type: text/plain\r\n\r\n{body}\r\n-------a786hjs2$\r\n")
}

/// All that comes of `wire` in pieces of `piece` octets; never more than `max_body` octets are held, nor much of the input.
fn collect(wire: &str, max_body: usize, piece: usize) -> Vec<Incoming> {
    let mut collector = Collector::new(max_body);
    let mut buf = BytesMut::new();
    let mut all = Vec::new();
    for piece in wire.as_bytes().chunks(piece) {
        buf.extend_from_slice(piece);
        while let Some(incoming) = collector.next(&mut buf).unwrap() {
            all.push(incoming);
        }
        assert!(collector.held() <= max_body);
        assert!(buf.len() < MAX_LINE);
    }
    assert!(collector.is_between_messages());
    assert_eq!(collector.held(), 0);
    all
}

/// The frames of `wire`, the same for every size of pieces.
fn frames(wire: &str, max_body: usize) -> Vec<Frame> {
    let whole = collect(wire, max_body, usize::MAX);
    for piece in [1, 2, 3, 5, 11, 64, 1024] {
        assert_eq!(whole, collect(wire, max_body, piece), "in pieces of {piece}");
    }
    let frame = |incoming| match incoming {
        Incoming::Frame(frame) => frame,
        Incoming::Bad(bad) => panic!("{bad:?}"),
    };
    whole.into_iter().map(frame).collect()
}

const COMPLETE: Ending = Ending::Flag(Continuation::Complete);

#[test]
fn frames_come_whole_however_they_were_cut() {
    let wire = message("SEND", "", "hello") + &message("SEND", "", "") + &message("NICKNAME", "", "\r\n-------");
    let frames = frames(&wire, 10);
    let bodies: Vec<&[u8]> = frames.iter().map(|frame| &frame.body[..]).collect();
    assert_eq!(bodies, [&b"hello"[..], b"", b"\r\n-------"]);
    assert!(frames.iter().all(|frame| frame.ending == COMPLETE));
}

#[test]
fn a_body_in_one_piece_is_not_copied() {
    let mut buf = BytesMut::from(message("SEND", "", "hello").as_str());
    let range = buf.as_ptr() as usize..buf.as_ptr() as usize + buf.len();
    let Ok(Some(Incoming::Frame(frame))) = Collector::new(10).next(&mut buf) else { panic!("no frame") };
    assert_eq!(frame.body, "hello");
    assert!(range.contains(&(frame.body.as_ptr() as usize)));
}

/// GC-MSG-09, MS-SEND-12.
#[test]
fn a_total_over_the_bound_is_told_by_the_head() {
    for range in ["1-*/9223372036854775807", "1-5/11", "7-11/*", "18446744073709551615-*/*"] {
        let wire = message("SEND", &format!("Byte-Range: {range}\r\n"), "hello");
        let end_of_head = wire.find("hello").unwrap();
        let mut buf = BytesMut::from(&wire[..end_of_head]);
        let mut collector = Collector::new(10);
        if range != "7-11/*" {
            let Ok(Some(Incoming::Frame(frame))) = collector.next(&mut buf) else { panic!("{range}: not told") };
            assert_eq!((frame.ending, frame.body), (Ending::TooLarge, Bytes::new()), "{range}");
        }
        let frames = frames(&(wire + &message("SEND", "", "next")), 10);
        assert_eq!(frames.len(), 2, "{range}");
        assert_eq!((frames[0].ending, frames[1].ending), (Ending::TooLarge, COMPLETE), "{range}");
        assert_eq!(frames[1].body, "next");
    }
}

/// GC-MSG-09.
#[test]
fn a_body_over_the_bound_is_told_once_and_dropped() {
    assert_eq!(frames(&message("SEND", "", &"x".repeat(100)), 100)[0].ending, COMPLETE);
    let wire = message("SEND", "", &"x".repeat(101)) + &message("SEND", "", "next");
    let frames = frames(&wire, 100);
    assert_eq!((frames[0].ending, frames[0].body.len()), (Ending::TooLarge, 0));
    assert_eq!((frames[1].ending, &frames[1].body[..]), (COMPLETE, &b"next"[..]));
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_body_over_the_bound_is_told_before_it_ends() {
    let wire = message("SEND", "Byte-Range: 1-*/*\r\n", &"x".repeat(200));
    let mut collector = Collector::new(100);
    let mut buf = BytesMut::from(&wire[..wire.len() - 50]);
    let Ok(Some(Incoming::Frame(frame))) = collector.next(&mut buf) else { panic!("not told") };
    assert_eq!(frame.ending, Ending::TooLarge);
    assert_eq!(collector.next(&mut buf), Ok(None));
    assert_eq!(collector.held(), 0);
    assert!(!collector.is_between_messages());
}

#[test]
fn the_byte_range_of_a_report_is_not_about_its_body() {
    let wire = format!(
        "MSRP a786hjs2 REPORT\r\n{PATHS}Message-ID: 1234\r\nByte-Range: 1-9000/9000\r\nStatus: 000 200 OK\r\n-------a786hjs2$\r\n"
    );
    assert_eq!(frames(&wire, 10)[0].ending, COMPLETE);
}

/// MS-FRAME-12.
#[test]
fn a_long_nickname_request_is_bad_and_told_once() {
    let wire = message("NICKNAME", "", &"x".repeat(MAX_OTHER_BODY + 1)) + &message("SEND", "", "next");
    let all = collect(&wire, usize::MAX, 1000);
    let [Incoming::Bad(bad), Incoming::Frame(next)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((bad.why, &next.body[..]), (BadReason::BodyTooLong, &b"next"[..]));
    // When it was told as too large, it is not told as bad as well.
    assert_eq!(frames(&wire, 100).len(), 2);
}

#[test]
fn a_violation_goes_through_and_stays() {
    let mut collector = Collector::new(10);
    assert_eq!(collector.next(&mut BytesMut::from("GET /")), Err(Violation::NotMsrp));
    assert_eq!(collector.next(&mut BytesMut::from(message("SEND", "", "x").as_str())), Err(Violation::NotMsrp));
}
