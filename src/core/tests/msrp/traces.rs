//! Messages as the specifications print them, octet for octet what a peer that follows the print would send.

use bytes::Bytes;
use mucfocus_core::wire::msrp::decode::{BadReason, Event, Violation};
use mucfocus_core::wire::msrp::encode;
use mucfocus_core::wire::msrp::frame::{ByteRange, Continuation, FailureReport, Head, Method, ReportStatus, Start};

use super::{crlf, decode, events};

/// RFC 4975 §11.1, first message: Alice writes to Bob.
const ALICE_SENDS: &str = "\
MSRP d93kswow SEND
To-Path: msrp://bobpc.biloxi.example.com:8888/9di4ea;tcp
From-Path: msrp://alicepc.example.com:7777/iau39;tcp
Message-ID: 12339sdqwer
Byte-Range: 1-16/16
Content-Type: text/plain

Hi, I'm Alice!

-------d93kswow$
";

/// RFC 4975 §11.1, its response.
const BOB_ANSWERS: &str = "\
MSRP d93kswow 200 OK
To-Path: msrp://alicepc.example.com:7777/iau39;tcp
From-Path: msrp://bobpc.biloxi.example.com:8888/9di4ea;tcp
-------d93kswow$
";

/// RFC 4975 §5.1: a message in two chunks.
const TWO_CHUNKS: &str = "\
MSRP dkei38sd SEND
Message-ID: 4564dpWd
Byte-Range: 1-*/8
To-Path: msrp://bob.example.com:8888/9di4ea;tcp
From-Path: msrp://alicepc.example.com:7777/iau39;tcp
Content-Type: text/plain

abcd
-------dkei38sd+
MSRP dkei38ia SEND
Message-ID: 4564dpWd
Byte-Range: 5-8/8
To-Path: msrp://bob.example.com:8888/9di4ea;tcp
From-Path: msrp://alicepc.example.com:7777/iau39;tcp
Content-Type: text/plain

EFGH
-------dkei38ia$
";

/// RFC 4975 §11.6: a report of success over several hops.
const REPORT: &str = "\
MSRP dkei38sd REPORT
To-Path: msrp://alicepc.example.com:7777/iau39;tcp
From-Path: msrp://bob.example.com:8888/9di4ea;tcp
Message-ID: 123aBc
Byte-Range: 1-106/106
Status: 000 200 OK
-------dkei38sd$
";

/// RFC 4975 §11.2 in miniature: the body is XHTML and CPIM-free, the reports are asked for.
const WITH_REPORTS: &str = "\
MSRP d93kswow SEND
To-Path: msrp://alicepc.example.com:7777/iau39;tcp
From-Path: msrp://bobpc.example.com:8888/9di4ea;tcp
Message-ID: 12339sdqwer
Byte-Range: 1-4/4
Success-Report: yes
Failure-Report: no
Content-Type: text/plain;charset=\"UTF-8\"

\u{fc}\u{df}
-------d93kswow$
";

/// RFC 7702 example 33, margin and indentation removed (conformance E-08: the host of the path is not what the room has).
const ROMEO_WRITES: &str = "\
MSRP a786hjs2 SEND
To-Path: msrp://room.example.com:7313/ansp71weztas;tcp
From-Path: msrp://chat.example.org:8763/lkjh37s2s20w2a;tcp
Message-ID: 87652492
Byte-Range: 1-*/*
Content-Type: message/cpim

To: <sip:capulet@rooms.example.com>
From: \"Romeo\" <sip:romeo@example.org>;gr=dr4hcr0st3lup4c
DateTime: 2008-10-15T15:02:31-03:00
Content-Type: text/plain

Romeo is here!
-------a786hjs2$
";

/// RFC 7702 example 35.
const GATEWAY_ANSWERS: &str = "\
MSRP d93kswow 200 OK
To-Path: msrp://rooms.example.com:8763/lkjh37s2s20w2a;tcp
From-Path: msrp://chat.example.org:7313/ansp71weztas;tcp
-------d93kswow$
";

/// RFC 7702 example 38, without the flag, as printed (conformance E-10).
const NICKNAME_WITHOUT_FLAG: &str = "\
MSRP a786hjs2 NICKNAME
To-Path: msrp://chat.example.org:7313/ansp71weztas;tcp
From-Path: msrp://rooms.example.com:8763/lkjh37s2s20w2a;tcp
Use-Nickname: \"montecchi\"
-------a786hjs2
";

/// RFC 7702 example 41, without the flag, as printed (conformance E-10).
const CONFLICT_WITHOUT_FLAG: &str = "\
MSRP a786hjs2 425 Nickname usage failed
To-Path: msrp://chat.example.org:7313/ansp71weztas;tcp
From-Path: msrp://rooms.example.com:8763/lkjh37s2s20w2a;tcp
-------a786hjs2
";

fn only_head(trace: &str) -> (Head, Continuation) {
    let [Event::Head(head), Event::End(flag)] = <[Event; 2]>::try_from(events(&crlf(trace))).unwrap() else {
        panic!("not a message without body")
    };
    (head, flag)
}

fn head_and_body(trace: &str) -> (Head, Bytes, Continuation) {
    let [Event::Head(head), Event::Body(body), Event::End(flag)] =
        <[Event; 3]>::try_from(events(&crlf(trace))).unwrap()
    else {
        panic!("not a message with a body")
    };
    (head, body, flag)
}

/// MS-FRAME-01.
#[test]
fn the_first_example_of_rfc_4975_is_understood() {
    let (head, body, flag) = head_and_body(ALICE_SENDS);
    assert_eq!(head.transaction.as_str(), "d93kswow");
    assert_eq!(head.start, Start::Request(Method::Send));
    assert_eq!(head.to_path.endpoint().as_str(), "msrp://bobpc.biloxi.example.com:8888/9di4ea;tcp");
    assert_eq!(head.from_path.endpoint().as_str(), "msrp://alicepc.example.com:7777/iau39;tcp");
    assert!(head.to_path.is_direct());
    assert_eq!(head.message_id.as_deref(), Some("12339sdqwer"));
    assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: Some(16), total: Some(16) }));
    assert_eq!(head.content_type.as_deref(), Some("text/plain"));
    assert_eq!((head.success_report, head.failure_report), (false, FailureReport::Yes));
    assert_eq!(body, "Hi, I'm Alice!\r\n", "the CRLF before the end-line is not body, the one before it is");
    assert_eq!(flag, Continuation::Complete);
}

/// MS-FRAME-01, E-60: a response has no header besides the paths.
#[test]
fn a_response_is_understood() {
    let (head, flag) = only_head(BOB_ANSWERS);
    assert_eq!(head.start, Start::Response { code: 200, comment: Some("OK".into()) });
    assert_eq!((head.content_type, flag), (None, Continuation::Complete));
}

/// MS-FRAME-02, MS-FRAME-06.
#[test]
fn two_chunks_come_as_two_messages() {
    let events = events(&crlf(TWO_CHUNKS));
    let bodies: Vec<&[u8]> =
        events.iter().filter_map(|e| if let Event::Body(b) = e { Some(&b[..]) } else { None }).collect();
    let flags: Vec<Continuation> =
        events.iter().filter_map(|e| if let Event::End(f) = e { Some(*f) } else { None }).collect();
    assert_eq!(bodies, [b"abcd", b"EFGH"]);
    assert_eq!(flags, [Continuation::More, Continuation::Complete]);
    let Event::Head(head) = &events[0] else { panic!("no head") };
    assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: None, total: Some(8) }));
}

#[test]
fn a_report_is_understood() {
    let (head, _) = only_head(REPORT);
    assert_eq!(head.start, Start::Request(Method::Report));
    assert_eq!(head.status, Some(ReportStatus { namespace: 0, code: 200, comment: Some("OK".into()) }));
}

#[test]
fn requested_reports_and_parameters_of_the_type_are_kept() {
    let (head, body, _) = head_and_body(WITH_REPORTS);
    assert_eq!((head.success_report, head.failure_report), (true, FailureReport::No));
    assert_eq!(head.content_type.as_deref(), Some("text/plain;charset=\"UTF-8\""));
    assert_eq!(body, "\u{fc}\u{df}".as_bytes());
}

/// E-08: an impossible To-Path is for the session to refuse, the wire takes it.
#[test]
fn a_message_of_rfc_7702_is_understood() {
    let (head, body, _) = head_and_body(ROMEO_WRITES);
    assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: None, total: None }));
    assert!(body.starts_with(b"To: <sip:capulet@rooms.example.com>\r\n"));
    assert!(body.ends_with(b"\r\n\r\nRomeo is here!"));
    let (head, _) = only_head(GATEWAY_ANSWERS);
    assert_eq!(head.transaction.as_str(), "d93kswow", "E-11: whose response it is, is not decided here");
}

/// E-10: a message without body may lack the flag.
#[test]
fn a_missing_flag_is_forgiven_without_body() {
    let (head, flag) = only_head(NICKNAME_WITHOUT_FLAG);
    assert_eq!((head.start, flag), (Start::Request(Method::Nickname), Continuation::Complete));
    assert_eq!(head.use_nickname.as_deref(), Some("\"montecchi\""));
    let (head, flag) = only_head(CONFLICT_WITHOUT_FLAG);
    assert_eq!(head.start, Start::Response { code: 425, comment: Some("Nickname usage failed".into()) });
    assert_eq!(flag, Continuation::Complete);
}

/// E-10: with a body, a line without flag is body.
#[test]
fn a_missing_flag_is_not_forgiven_with_a_body() {
    let trace = crlf(ALICE_SENDS).replace("-------d93kswow$\r\n", "-------d93kswow\r\n\r\n-------d93kswow$\r\n");
    let Event::Body(body) = &events(&trace)[1] else { panic!("no body") };
    assert!(body.ends_with(b"\r\n-------d93kswow\r\n"));
}

/// E-10: another number of hyphens never ends a message.
#[test]
fn five_hyphens_do_not_end_a_message() {
    for hyphens in ["-----", "------", "--------"] {
        let wrong = crlf(BOB_ANSWERS).replace("-------", hyphens);
        assert_eq!(decode(wrong.as_bytes()), (vec![], None), "with {hyphens}");
        // What follows tells that the end was missed.
        let two = wrong + &crlf(BOB_ANSWERS);
        assert_eq!(decode(two.as_bytes()), (vec![], Some(Violation::NoEndLine)), "with {hyphens}");
    }
}

/// E-09: slips of the editor in a path are not guessed at.
#[test]
fn a_path_that_begins_with_path_is_refused() {
    let trace = crlf(ALICE_SENDS).replace("To-Path: ", "To-Path: path:");
    let [Event::Bad(bad)] = &events(&trace)[..] else { panic!("not refused") };
    assert_eq!((bad.why, &bad.paths), (BadReason::Malformed("To-Path"), &None));
}

/// E-14, MS-FRAME-11: MSRP has no folding.
#[test]
fn a_folded_from_path_is_refused() {
    let trace = crlf(BOB_ANSWERS).replace("From-Path: ", "From-Path:\r\n  ");
    let [Event::Bad(bad)] = &events(&trace)[..] else { panic!("not refused") };
    assert_eq!(bad.why, BadReason::Malformed("From-Path"));
    let trace = crlf(BOB_ANSWERS).replace(";tcp\r\nFrom", ";tcp\r\n msrp://relay.example.com:1/x;tcp\r\nFrom");
    let [Event::Bad(bad)] = &events(&trace)[..] else { panic!("not refused") };
    assert_eq!(bad.why, BadReason::Folded);
}

/// MS-FRAME-01, MS-FRAME-06: what is printed in the order of RFC 4975 §9 is what is sent.
#[test]
fn examples_are_encoded_as_they_are_printed() {
    for trace in [ALICE_SENDS, BOB_ANSWERS, REPORT, WITH_REPORTS, ROMEO_WRITES, GATEWAY_ANSWERS] {
        let events = events(&crlf(trace));
        let (Some(Event::Head(head)), Some(Event::End(flag))) = (events.first(), events.last()) else {
            panic!("not a message")
        };
        let body = events.iter().find_map(|event| if let Event::Body(body) = event { Some(body) } else { None });
        let frame = encode::frame(head, body, *flag).unwrap();
        let octets: Vec<u8> = frame.chunks().flat_map(|part| part.to_vec()).collect();
        assert_eq!(std::str::from_utf8(&octets).unwrap(), crlf(trace));
        assert_eq!(frame.len(), octets.len());
    }
}
