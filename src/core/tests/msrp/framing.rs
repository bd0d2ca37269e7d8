//! The rows MS-FRAME of the requirement matrix, and what a hostile peer makes of a head.

use bytes::BytesMut;
use mucfocus_core::wire::msrp::decode::{BadFrame, BadReason, Decoder, Event, Violation};
use mucfocus_core::wire::msrp::frame::{ByteRange, Continuation, FailureReport, Head, Method, Path, Start};
use mucfocus_core::wire::msrp::{MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_OTHER_BODY};

use super::{decode, events};

const PATHS: &str = "To-Path: msrp://a.example:2855/x;tcp\r\nFrom-Path: msrp://b.example:1/y;tcp\r\n";

/// A message `MSRP a786hjs2 {start}` with both paths and then `rest`.
fn message(start: &str, rest: &str) -> String {
    format!("MSRP a786hjs2 {start}\r\n{PATHS}{rest}")
}

/// A SEND with `headers` and no body.
fn bodiless(headers: &str) -> String {
    message("SEND", &format!("{headers}-------a786hjs2$\r\n"))
}

fn send(body: &str) -> String {
    message("SEND", &format!("Message-ID: 1234\r\nContent-Type: text/plain\r\n\r\n{body}\r\n-------a786hjs2$\r\n"))
}

fn head(wire: &str) -> Head {
    match events(wire).into_iter().next() {
        Some(Event::Head(head)) => head,
        other => panic!("{wire:?} gives {other:?}"),
    }
}

fn bad(wire: &str) -> BadFrame {
    match <[Event; 1]>::try_from(events(wire)) {
        Ok([Event::Bad(bad)]) => bad,
        other => panic!("{wire:?} gives {other:?}"),
    }
}

fn body(wire: &str) -> Vec<u8> {
    let events = events(wire);
    assert_eq!(events.last(), Some(&Event::End(Continuation::Complete)), "in {wire:?}");
    match &events[1..events.len() - 1] {
        [] => Vec::new(),
        [Event::Body(body)] => body.to_vec(),
        other => panic!("{wire:?} gives {other:?}"),
    }
}

fn violation(wire: &str) -> Violation {
    decode(wire.as_bytes()).1.unwrap_or_else(|| panic!("{wire:?} is taken"))
}

/// MS-FRAME-01.
#[test]
fn transaction_identifiers_are_of_4_to_32_permitted_characters() {
    for good in ["abcd", "0.-+%=", &"a".repeat(32)] {
        let wire = format!("MSRP {good} SEND\r\n{PATHS}-------{good}$\r\n");
        assert_eq!(head(&wire).transaction.as_str(), good);
    }
    for wrong in ["abc", ".abcd", "ab_cd", "", &"a".repeat(33), "abc\u{e4}d"] {
        let wire = format!("MSRP {wrong} SEND\r\n{PATHS}-------{wrong}$\r\n");
        assert_eq!(violation(&wire), Violation::NoTransaction, "{wrong}");
    }
}

/// MS-FRAME-02.
#[test]
fn each_flag_has_its_meaning() {
    for (flag, meaning) in [('$', Continuation::Complete), ('+', Continuation::More), ('#', Continuation::Aborted)] {
        for wire in [send("x"), bodiless("")] {
            let wire = wire.replace("a786hjs2$", &format!("a786hjs2{flag}"));
            assert_eq!(events(&wire).last(), Some(&Event::End(meaning)));
        }
    }
}

/// MS-FRAME-02, MS-FRAME-03.
#[test]
fn only_the_exact_end_line_ends_a_body() {
    for text in [
        "a786hjs2$",
        "-------a786hjs2$",
        "x-------a786hjs2$\r\n",
        "\r\n-------othertid$\r\n",
        "\r\n-------a786hjs2",
        "\r\n-------a786hjs2\r\n",
        "\r\n-------a786hjs2!\r\n",
        "\r\n-------a786hjs2$x\r\n",
        "\r\n-------a786hjs2$\r",
        "\r\n-------a786hjs2$\n",
        "\r\n-------a786hjs2$$\r\n",
        "\r\n-------A786HJS2$\r\n",
        "\r\n------a786hjs2$\r\n",
        "\r\n--------a786hjs2$\r\n",
        "\r\n -------a786hjs2$\r\n",
        "\n-------a786hjs2$\r\n",
        "\r-------a786hjs2$\r\n",
        "\r\n",
        "\r\n-",
        "\r\n-------",
        "\r",
        "MSRP a786hjs2 SEND\r\n",
    ] {
        let text = format!("x{text}");
        assert_eq!(body(&send(&text)), text.as_bytes(), "{text:?}");
    }
}

/// MS-FRAME-03: also at the very beginning, where an end-line would be taken.
#[test]
fn a_body_may_begin_like_an_end_line() {
    for text in [
        "-------",
        "-------a786hjs2",
        "-------a786hjs2!",
        "-------a786hjs2$x",
        "-------a786hjs2$\r",
        "-------b786hjs2$\r\n",
    ] {
        assert_eq!(body(&send(text)), text.as_bytes(), "{text:?}");
    }
}

#[test]
fn a_false_end_line_just_before_the_true_one_is_body() {
    let text = "x\r\n-------a786hjs2\r\n-------a786hjs2$\r\r\n-------a786hjs";
    assert_eq!(body(&send(text)), text.as_bytes());
}

/// MS-FRAME-06.
#[test]
fn the_paths_may_come_in_any_order_and_place() {
    let wire = "MSRP a786hjs2 SEND\r\nFrom-Path: msrp://b:1/y;tcp\r\nMessage-ID: 1234\r\nContent-Type: text/plain\r\n\
                To-Path: msrp://a:1/x;tcp\r\n\r\nhello\r\n-------a786hjs2$\r\n";
    assert_eq!(head(wire).from_path.endpoint().as_str(), "msrp://b:1/y;tcp");
    assert_eq!(body(wire), b"hello");
}

#[test]
fn a_path_may_hold_several_uris() {
    let wire = bodiless("").replace("From-Path: ", "From-Path: msrps://r1:1/p;tcp msrp://r2:1;tcp  ");
    let path = head(&wire).from_path;
    let uris: Vec<&str> = path.iter().map(|uri| uri.as_str()).collect();
    assert_eq!(uris, ["msrps://r1:1/p;tcp", "msrp://r2:1;tcp", "msrp://b.example:1/y;tcp"]);
    assert_eq!(path.next_hop().as_str(), "msrps://r1:1/p;tcp");
}

#[test]
fn a_path_of_too_many_uris_is_refused() {
    let hops = "msrp://r:1/p;tcp ".repeat(Path::MAX_LEN);
    let wire = bodiless("").replace("From-Path: ", &format!("From-Path: {hops}"));
    assert_eq!(bad(&wire).why, BadReason::PathTooLong("From-Path"));
}

/// MS-FRAME-07.
#[test]
fn a_message_without_body_may_have_one_empty_line() {
    for wire in [bodiless(""), bodiless("\r\n"), bodiless("Message-ID: 1234\r\n\r\n")] {
        assert_eq!(head(&wire).content_type, None);
        assert_eq!(events(&wire).len(), 2);
    }
    // E-10: and lack the flag.
    let wire = bodiless("\r\n").replace('$', "");
    assert_eq!(events(&wire).last(), Some(&Event::End(Continuation::Complete)));
}

/// MS-FRAME-08.
#[test]
fn an_empty_body_differs_from_none() {
    assert_eq!(head(&send("")).content_type.as_deref(), Some("text/plain"));
    assert_eq!(body(&send("")), b"");
    assert_eq!(events(&send("")).len(), 2);
    // The CRLF of the empty line is before an end-line, too: some leave out the second one.
    let wire = bodiless("Content-Type: text/plain\r\n\r\n");
    assert_eq!(head(&wire).content_type.as_deref(), Some("text/plain"));
    assert_eq!(body(&wire), b"");
}

#[test]
fn a_body_needs_a_type_and_a_type_a_body() {
    let without_type = message("SEND", "\r\nhello\r\n-------a786hjs2$\r\n");
    assert_eq!(bad(&without_type).why, BadReason::BodyWithoutType);
    assert_eq!(bad(&bodiless("Content-Type: text/plain\r\n")).why, BadReason::TypeWithoutBody);
}

/// MS-FRAME-09.
#[test]
fn unknown_headers_and_methods_are_no_error() {
    assert_eq!(head(&bodiless("X-Foo: \u{fc}\r\nx-foo:\r\nX-Foo: again\r\n")).start, Start::Request(Method::Send));
    let wire = message("FOO", "-------a786hjs2$\r\n");
    assert_eq!(head(&wire).start, Start::Request(Method::Other("FOO".into())));
}

/// MS-FRAME-10.
#[test]
fn header_names_and_words_are_case_insensitive() {
    let wire = send("x")
        .replace("To-Path", "to-path")
        .replace("Message-ID", "MESSAGE-id")
        .replace("Content-Type", "success-report:YES\r\nfailure-REPORT:  Partial \r\nByte-range:1-1/1\r\ncontent-type");
    let head = head(&wire);
    assert_eq!(head.message_id.as_deref(), Some("1234"));
    assert_eq!((head.success_report, head.failure_report), (true, FailureReport::Partial));
    assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: Some(1), total: Some(1) }));
}

/// MS-FRAME-11.
#[test]
fn a_comment_may_be_missing_and_is_utf_8() {
    for (start, comment) in [
        ("200", None),
        ("200 ", None),
        ("200 OK", Some("OK")),
        ("200 In Ordnung, \u{fc}brigens", Some("In Ordnung, \u{fc}brigens")),
    ] {
        let head = head(&message(start, "-------a786hjs2$\r\n"));
        assert_eq!(head.start, Start::Response { code: 200, comment: comment.map(Into::into) });
    }
    let mut wire = message("200 \u{0}", "-------a786hjs2$\r\n");
    assert_eq!(bad(&wire).why, BadReason::Comment);
    wire = wire.replace('\0', "\u{85}");
    assert_eq!(bad(&wire).why, BadReason::Comment);
    let latin = wire.into_bytes().into_iter().filter(|b| *b != 0xC2).collect::<Vec<u8>>();
    let (events, None) = decode(&latin) else { panic!("closed") };
    assert!(matches!(&events[..], [Event::Bad(BadFrame { why: BadReason::Comment, is_request: false, .. })]));
}

/// MS-FRAME-11: the comment of a Status may be missing, too.
#[test]
fn a_status_is_a_namespace_a_code_and_perhaps_a_comment() {
    let status = |value: &str| message("REPORT", &format!("Status: {value}\r\n-------a786hjs2$\r\n"));
    for (value, expected) in [("000 200 OK", (0, 200, Some("OK"))), ("001 413", (1, 413, None))] {
        let status = head(&status(value)).status.unwrap();
        assert_eq!((status.namespace, status.code, status.comment.as_deref()), expected);
    }
    for value in ["", "200", "000200", "00 200", "000 20", "000 2000", "+00 200", "000 -20"] {
        assert_eq!(bad(&status(value)).why, BadReason::Malformed("Status"), "{value:?}");
    }
}

/// MS-FRAME-12.
#[test]
fn a_long_body_of_anything_but_send_is_refused() {
    let wire = |start: &str, len: usize| {
        message(start, &format!("Content-Type: text/plain\r\n\r\n{}\r\n-------a786hjs2$\r\n", "x".repeat(len)))
    };
    for start in ["NICKNAME", "REPORT", "FOO", "200 OK"] {
        assert_eq!(body(&wire(start, MAX_OTHER_BODY)).len(), MAX_OTHER_BODY);
        let next = wire(start, MAX_OTHER_BODY + 1) + &bodiless("");
        let [Event::Head(_), Event::Body(body), Event::Bad(bad), Event::Head(_), Event::End(_)] = &events(&next)[..]
        else {
            panic!("not refused, or the next message is lost")
        };
        assert_eq!((body.len(), bad.why), (MAX_OTHER_BODY, BadReason::BodyTooLong));
        assert_eq!(bad.is_request, start != "200 OK");
        assert!(bad.paths.is_some());
    }
    assert_eq!(body(&wire("SEND", MAX_OTHER_BODY + 1)).len(), MAX_OTHER_BODY + 1);
}

/// MS-FRAME-13.
#[test]
fn a_flood_of_head_closes_the_connection() {
    let line = format!("X: {}\r\n", "x".repeat(MAX_LINE - 5));
    assert_eq!(head(&bodiless(&line)).start, Start::Request(Method::Send));
    assert_eq!(violation(&message("SEND", &format!("X{line}"))), Violation::LineTooLong);
    assert_eq!(violation(&message("SEND", &"x".repeat(MAX_LINE))), Violation::LineTooLong);
    assert_eq!(violation(&message("SEND", &line.repeat(MAX_HEAD / MAX_LINE))), Violation::HeadTooLong);
    // Whichever bound a line meets first is named; the line itself when it meets both at once.
    let begun = message("SEND", &line.repeat(2));
    let padded = |left: usize| begun.clone() + &format!("X: {}\r\n", "x".repeat(MAX_HEAD - left - begun.len() - 5));
    assert_eq!(violation(&(padded(MAX_LINE) + &"x".repeat(MAX_LINE))), Violation::LineTooLong);
    assert_eq!(violation(&(padded(MAX_LINE - 1) + &"x".repeat(MAX_LINE))), Violation::HeadTooLong);

    let headers = |n: usize| bodiless(&"X: y\r\n".repeat(n - 2));
    assert_eq!(head(&headers(MAX_HEADERS)).start, Start::Request(Method::Send));
    assert_eq!(violation(&headers(MAX_HEADERS + 1)), Violation::TooManyHeaders);
}

/// MS-FRAME-13: whose paths are known by then can be answered.
#[test]
fn who_floods_a_head_is_known_as_far_as_it_was_read() {
    let cut_short = |wire: &str| {
        let mut decoder = Decoder::new();
        let mut buf = BytesMut::from(wire);
        assert_eq!(decoder.cut_short(), None, "nothing is wrong yet");
        while decoder.decode(&mut buf).is_ok() {}
        let bad = decoder.cut_short();
        assert_eq!(decoder.cut_short(), None, "once");
        bad
    };
    for flood in ["X: y\r\n".repeat(MAX_HEADERS), "x".repeat(MAX_LINE), "X: y\n".into(), send("")] {
        let bad = cut_short(&message("SEND", &flood)).unwrap();
        assert_eq!((bad.why, bad.is_request, bad.method), (BadReason::CutShort, true, Some(Method::Send)));
        let (to, from) = bad.paths.unwrap();
        assert_eq!(
            (to.endpoint().as_str(), from.endpoint().as_str()),
            ("msrp://a.example:2855/x;tcp", "msrp://b.example:1/y;tcp")
        );
    }
    assert_eq!(cut_short(&format!("MSRP a786hjs2 SEND\r\n{}", "x".repeat(MAX_LINE))).unwrap().paths, None);
    // Of a message that has ended nothing is said.
    for noise in ["GET / HTTP/1.1\r\n", "MSRP  SEND\r\n", &"MSRP a786hjs3 S".repeat(MAX_LINE)] {
        let bad = cut_short(&(send("x") + noise));
        assert!(bad.is_none_or(|bad| bad.paths.is_none()), "{noise:.20}");
    }
}

/// MS-FRAME-14.
#[test]
fn a_bad_head_is_skipped_with_its_body() {
    let cases = [
        (send("x").replace("Message-ID: 1234", "Message-ID: 12 34"), BadReason::Malformed("Message-ID")),
        (send("x").replace("Message-ID: 1234", "Message-ID:"), BadReason::Malformed("Message-ID")),
        (send("x").replace("Message-ID: 1234", "no colon"), BadReason::NotAHeader),
        (send("x").replace("Message-ID: 1234", "\tMessage-ID: 1234"), BadReason::Folded),
        (send("x").replace("Message-ID: 1234", "Message-ID : 1234"), BadReason::NotAHeader),
        (send("x").replace("Message-ID: 1234", ": 1234"), BadReason::NotAHeader),
        (send("x").replace("Message-ID: 1234", "1X: 1234"), BadReason::NotAHeader),
        (send("x").replace("Message-ID: 1234", "-------b786hjs2$"), BadReason::NotAHeader),
        (send("x").replace("text/plain", "text/plain\r\n-------a786hjs2"), BadReason::NotAHeader),
        (send("x").replace("Message-ID: 1234", "X: a\rb"), BadReason::ControlCharacter),
        (send("x").replace("Message-ID: 1234", "X: a\0b"), BadReason::ControlCharacter),
        (send("x").replace("text/plain", "\u{7f}"), BadReason::ControlCharacter),
        (send("x").replace("text/plain", ""), BadReason::Malformed("Content-Type")),
        (send("x").replace("text/plain", "\u{9d}"), BadReason::Malformed("Content-Type")),
        (send("x").replace("Message-ID: 1234", "Success-Report: maybe"), BadReason::Malformed("Success-Report")),
        (send("x").replace("Message-ID: 1234", "Failure-Report: "), BadReason::Malformed("Failure-Report")),
        (send("x").replace("SEND", "send"), BadReason::StartLine),
        (send("x").replace("SEND", "SEND "), BadReason::StartLine),
        (send("x").replace(" SEND", ""), BadReason::StartLine),
        (send("x").replace("SEND", "20"), BadReason::StartLine),
        (send("x").replace("SEND", "2000"), BadReason::StartLine),
        (send("x").replace("SEND", "2x0 OK"), BadReason::StartLine),
        (send("x").replace("To-Path", "To-Bath"), BadReason::Missing("To-Path")),
        (send("x").replace("From-Path", "From-Bath"), BadReason::Missing("From-Path")),
        (send("x").replace("msrp://b", "smrp://b"), BadReason::Malformed("From-Path")),
        (send("x").replace("msrp://b.example:1/y;tcp", ""), BadReason::Malformed("From-Path")),
    ];
    for (wire, why) in cases {
        // The body of a bad message is not looked into, and the next message is found.
        let body = "\r\nTo-Path: x\r\nMSRP bbbb SEND\r\n-------bbbb$\r\n\r\n-------a786hjs2";
        let wire = wire.replace("\r\n\r\nx\r\n", &format!("\r\n\r\nx{body}\r\n")) + &send("next");
        let events = events(&wire);
        let [Event::Bad(bad), Event::Head(_), Event::Body(next), Event::End(_)] = &events[..] else {
            panic!("{wire:?} gives {events:?}")
        };
        assert_eq!((bad.why, &next[..]), (why, &b"next"[..]), "{wire:?}");
        assert_eq!(bad.transaction.as_str(), "a786hjs2");
        assert_eq!(bad.is_request, !wire.contains("a786hjs2 2"));
    }
}

#[test]
fn every_singleton_header_may_come_once() {
    for (name, value) in [
        ("To-Path", "msrp://a.example:2855/x;tcp"),
        ("From-Path", "msrp://b.example:1/y;tcp"),
        ("Message-ID", "1234"),
        ("Byte-Range", "1-1/1"),
        ("Success-Report", "no"),
        ("Failure-Report", "yes"),
        ("Status", "000 200 OK"),
        ("Use-Nickname", "\"x\""),
        ("Content-Type", "text/plain"),
    ] {
        let wire = send("x").replace("Message-ID: 1234\r\n", &format!("{name}: {value}\r\n{name}: {value}\r\n"));
        assert_eq!(bad(&wire).why, BadReason::Duplicate(name));
    }
}

/// MS-FRAME-14: who can be answered is known as soon as both paths are.
#[test]
fn a_bad_frame_tells_what_an_answer_needs() {
    let frame = bad(&send("x").replace("Message-ID: 1234", "Byte-Range: 0-0/0"));
    assert_eq!(frame.method, Some(Method::Send));
    assert_eq!(frame.failure_report, FailureReport::Yes);
    let (to, from) = frame.paths.unwrap();
    assert_eq!(to.endpoint().as_str(), "msrp://a.example:2855/x;tcp");
    assert_eq!(from.endpoint().as_str(), "msrp://b.example:1/y;tcp");
    let frame = bad(&send("x").replace("Message-ID: 1234", "Byte-Range: 0-0/0\r\nFailure-Report: no"));
    assert_eq!(frame.failure_report, FailureReport::No);
    assert_eq!(bad(&send("x").replace("To-Path", "X")).paths, None);
    assert_eq!(bad(&send("x").replace("SEND", "send")).method, None);
}

/// MS-FRAME-14.
#[test]
fn what_cannot_be_delimited_closes_the_connection() {
    for wire in [
        "GET / HTTP/1.1\r\n",
        "\u{16}\u{3}\u{1}",
        "msrp abcd SEND\r\n",
        "\n",
        "\rM",
        " MSRP",
        "MSRPX abcd",
        "MSRP\tabcd",
    ] {
        assert_eq!(violation(wire), Violation::NotMsrp, "{wire:?}");
    }
    assert_eq!(violation("MSRP \r\n"), Violation::NoTransaction);
    assert_eq!(violation("MSRP  abcd SEND\r\n"), Violation::NoTransaction);
    assert_eq!(violation("MSRP abcd SEND\n"), Violation::BareLineFeed);
    assert_eq!(violation(&message("SEND", "X: y\n")), Violation::BareLineFeed);
    assert_eq!(violation(&message("SEND", "MSRP bbbb SEND\r\n")), Violation::NoEndLine);
}

/// MS-FRAME-15.
#[test]
fn keep_alives_between_messages_are_skipped() {
    let wire = format!("\r\n\r\n{}\r\n\r\n\r\n{}\r\n", bodiless(""), send("x"));
    assert_eq!(events(&wire).len(), 5);
    assert_eq!(events(&"\r\n".repeat(1000)), []);
}

/// MS-SEND-13.
#[test]
fn byte_ranges_count_from_one_and_fit_64_bits() {
    let wire = |range: &str| bodiless(&format!("Byte-Range: {range}\r\n"));
    let max = u64::MAX;
    for (text, start, end, total) in [
        ("1-0/0", 1, Some(0), Some(0)),
        ("1-*/*", 1, None, None),
        ("5-8/8", 5, Some(8), Some(8)),
        ("1-25/35", 1, Some(25), Some(35)),
        ("1-*/9223372036854775807", 1, None, Some(9_223_372_036_854_775_807)),
        ("18446744073709551615-18446744073709551615/18446744073709551615", max, Some(max), Some(max)),
        ("0001-2/3", 1, Some(2), Some(3)),
    ] {
        assert_eq!(head(&wire(text)).byte_range, Some(ByteRange { start, end, total }), "{text}");
    }
    for text in [
        "",
        "0-0/0",
        "*-1/1",
        "1",
        "1-1",
        "1/1",
        "-1/1",
        "1-/1",
        "1-1/",
        "+1-1/1",
        "1 - 1/1",
        "1-1/18446744073709551616",
        "a-1/1",
    ] {
        assert_eq!(bad(&wire(text)).why, BadReason::Malformed("Byte-Range"), "{text:?}");
    }
}
