//! What leaves is one message and means what was given.

use bytes::Bytes;
use mucfocus_core::wire::msrp::decode::Event;
use mucfocus_core::wire::msrp::encode::{EncodeError, WireFrame, bad_response, frame, response};
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, FailureReport, Head, Method, Path, ReportStatus, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;
use mucfocus_core::wire::msrp::{MAX_LINE, MAX_OTHER_BODY};

use super::events;

fn uri(text: &str) -> MsrpUri {
    MsrpUri::parse(text).unwrap()
}

fn path(uris: &[&str]) -> Path {
    Path::from_uris(uris.iter().map(|text| uri(text)).collect()).unwrap()
}

fn head(method: Method) -> Head {
    Head {
        transaction: TransactionId::new("a786hjs2").unwrap(),
        start: Start::Request(method),
        to_path: path(&["msrp://a.example:2855/x;tcp"]),
        from_path: path(&["msrp://r1.example:1/p;tcp", "msrp://b.example:1/y;tcp"]),
        message_id: None,
        byte_range: None,
        success_report: false,
        failure_report: FailureReport::Yes,
        status: None,
        use_nickname: None,
        content_type: None,
    }
}

fn text(frame: &WireFrame) -> String {
    String::from_utf8(frame.chunks().flat_map(|part| part.to_vec()).collect()).unwrap()
}

fn encode(head: &Head, body: Option<&'static str>) -> Result<WireFrame, EncodeError> {
    frame(head, body.map(|body| Bytes::from_static(body.as_bytes())).as_ref(), Continuation::Complete)
}

/// MS-FRAME-06, MS-FRAME-10: canonical names, the paths first, Content-Type last.
#[test]
fn headers_have_canonical_names_and_order() {
    let head = Head {
        message_id: Some("1234".into()),
        byte_range: Some(ByteRange { start: 1, end: None, total: Some(5) }),
        success_report: true,
        failure_report: FailureReport::Partial,
        status: Some(ReportStatus { namespace: 0, code: 200, comment: Some("OK".into()) }),
        use_nickname: Some("\"Rom\u{e9}o\"".into()),
        content_type: Some("text/plain".into()),
        ..head(Method::Send)
    };
    let frame = frame(&head, Some(&Bytes::from_static(b"hello")), Continuation::More).unwrap();
    assert_eq!(
        text(&frame),
        "MSRP a786hjs2 SEND\r\n\
         To-Path: msrp://a.example:2855/x;tcp\r\n\
         From-Path: msrp://r1.example:1/p;tcp msrp://b.example:1/y;tcp\r\n\
         Message-ID: 1234\r\n\
         Byte-Range: 1-*/5\r\n\
         Success-Report: yes\r\n\
         Failure-Report: partial\r\n\
         Status: 000 200 OK\r\n\
         Use-Nickname: \"Rom\u{e9}o\"\r\n\
         Content-Type: text/plain\r\n\
         \r\n\
         hello\r\n\
         -------a786hjs2+\r\n"
    );
}

/// MS-FRAME-07.
#[test]
fn a_message_without_body_ends_after_its_headers() {
    let text = text(&encode(&head(Method::Send), None).unwrap());
    assert!(text.ends_with("b.example:1/y;tcp\r\n-------a786hjs2$\r\n"), "{text}");
}

/// MS-FRAME-08.
#[test]
fn an_empty_body_is_written_as_one() {
    let head = Head { content_type: Some("text/plain".into()), ..head(Method::Send) };
    let text = text(&encode(&head, Some("")).unwrap());
    assert!(text.ends_with("Content-Type: text/plain\r\n\r\n\r\n-------a786hjs2$\r\n"), "{text}");
}

/// MS-SEND-13.
#[test]
fn the_range_of_nothing_begins_at_one() {
    let with_range =
        |start| Head { byte_range: Some(ByteRange { start, end: Some(0), total: Some(0) }), ..head(Method::Send) };
    assert!(text(&encode(&with_range(1), None).unwrap()).contains("\r\nByte-Range: 1-0/0\r\n"));
    assert_eq!(encode(&with_range(0), None), Err(EncodeError::Field("Byte-Range")));
}

#[test]
fn a_body_is_shared_and_not_copied() {
    let head = Head { content_type: Some("text/plain".into()), ..head(Method::Send) };
    let body = Bytes::from(vec![b'x'; 1000]);
    let frame = frame(&head, Some(&body), Continuation::Complete).unwrap();
    assert_eq!((frame.body.as_ptr(), frame.body.len()), (body.as_ptr(), body.len()));
    assert_eq!(frame.chunks().count(), 3);
}

/// MS-FRAME-04: with whatever flag, since a relay may end the chunk with another one.
#[test]
fn a_body_with_the_end_line_needs_another_identifier() {
    let mut head = Head { content_type: Some("text/plain".into()), ..head(Method::Send) };
    for body in ["-------a786hjs2$", "x\r\n-------a786hjs2+\r\n", "---------a786hjs2"] {
        assert_eq!(encode(&head, Some(body)), Err(EncodeError::EndLineInBody), "{body}");
    }
    for body in ["a786hjs2$", "------a786hjs2$", "-------A786hjs2$", "-------"] {
        assert!(encode(&head, Some(body)).is_ok(), "{body}");
    }
    head.transaction = TransactionId::new("other").unwrap();
    assert!(encode(&head, Some("-------a786hjs2$")).is_ok());
}

#[test]
fn no_value_can_add_a_line() {
    for character in ['\r', '\n', '\0', '\u{1b}', '\u{7f}', '\u{85}'] {
        let evil = || Some(format!("x{character}y"));
        let cases = [
            ("Message-ID", Head { message_id: evil(), ..head(Method::Send) }),
            ("Use-Nickname", Head { use_nickname: evil(), ..head(Method::Nickname) }),
            ("Content-Type", Head { content_type: evil(), ..head(Method::Send) }),
            ("method", head(Method::Other(evil().unwrap()))),
            (
                "Status",
                Head {
                    status: Some(ReportStatus { namespace: 0, code: 200, comment: evil() }),
                    ..head(Method::Report)
                },
            ),
            ("response", Head { start: Start::Response { code: 200, comment: evil() }, ..head(Method::Send) }),
        ];
        for (field, head) in cases {
            let body = head.content_type.is_some().then_some("x");
            assert_eq!(encode(&head, body), Err(EncodeError::Field(field)), "{character:?}");
        }
        let own = uri("msrp://a.example:2855/x;tcp");
        let refused = response(&head(Method::Send), &own, 200, &evil().unwrap());
        assert_eq!(refused, Err(EncodeError::Field("response")));
    }
}

/// MS-FRAME-10: white space around a value is not part of it, and a Content-Type of nothing else is none.
#[test]
fn a_value_that_would_arrive_as_another_is_not_written() {
    for value in [" ", "\t", " x", "x\t"] {
        let typed = Head { content_type: Some(value.into()), ..head(Method::Send) };
        assert_eq!(encode(&typed, Some("x")), Err(EncodeError::Field("Content-Type")), "{value:?}");
        let nickname = Head { use_nickname: Some(value.into()), ..head(Method::Nickname) };
        assert_eq!(encode(&nickname, None), Err(EncodeError::Field("Use-Nickname")), "{value:?}");
    }
}

#[test]
fn what_the_grammar_does_not_allow_is_not_written() {
    let refused = |head: Head, body| encode(&head, body).unwrap_err();
    let send = || head(Method::Send);
    let typed = |method| Head { content_type: Some("text/plain".into()), ..head(method) };
    assert_eq!(refused(send(), Some("x")), EncodeError::TypeMismatch);
    assert_eq!(refused(typed(Method::Send), None), EncodeError::TypeMismatch);
    assert_eq!(refused(Head { message_id: Some("a b".into()), ..send() }, None), EncodeError::Field("Message-ID"));
    assert_eq!(refused(Head { message_id: Some(String::new()), ..send() }, None), EncodeError::Field("Message-ID"));
    let empty_type = Head { content_type: Some(String::new()), ..send() };
    assert_eq!(refused(empty_type, Some("x")), EncodeError::Field("Content-Type"));
    for method in ["", "send", "TWO WORDS"] {
        assert_eq!(refused(head(Method::Other(method.into())), None), EncodeError::Field("method"));
    }
    let start = Start::Response { code: 1000, comment: None };
    assert_eq!(refused(Head { start, ..send() }, None), EncodeError::Field("response"));
    let start = Start::Response { code: 200, comment: None };
    assert_eq!(refused(Head { start, ..typed(Method::Send) }, Some("x")), EncodeError::BodyInResponse);
    let status = Some(ReportStatus { namespace: 0, code: 1000, comment: None });
    assert_eq!(refused(Head { status, ..head(Method::Report) }, None), EncodeError::Field("Status"));
    let nickname = Some("x".repeat(MAX_LINE));
    assert_eq!(refused(Head { use_nickname: nickname, ..send() }, None), EncodeError::HeadTooLong);
    let long = "x".repeat(MAX_LINE - 100);
    let long_uri = format!("msrp://a:1/{};tcp", "x".repeat(900));
    let long_path = path(&[long_uri.as_str(); 4]);
    let all_long = Head {
        to_path: long_path.clone(),
        from_path: long_path,
        status: Some(ReportStatus { namespace: 0, code: 200, comment: Some(long.clone()) }),
        use_nickname: Some(long.clone()),
        content_type: Some(long),
        ..send()
    };
    assert_eq!(refused(all_long, Some("x")), EncodeError::HeadTooLong);
    let long = Bytes::from(vec![b'x'; MAX_OTHER_BODY + 1]);
    let refused = frame(&typed(Method::Report), Some(&long), Continuation::Complete);
    assert_eq!(refused, Err(EncodeError::BodyTooLong), "MS-FRAME-12");
}

/// MS-RSP-02.
#[test]
fn a_send_is_answered_to_the_next_hop() {
    let own = uri("msrp://montague@A.example:2855/x;tcp;p=1");
    let answer = text(&response(&head(Method::Send), &own, 200, "OK").unwrap());
    assert_eq!(
        answer,
        "MSRP a786hjs2 200 OK\r\n\
         To-Path: msrp://r1.example:1/p;tcp\r\n\
         From-Path: msrp://montague@A.example:2855/x;tcp;p=1\r\n\
         -------a786hjs2$\r\n"
    );
}

/// MS-RSP-02.
#[test]
fn other_requests_are_answered_along_the_whole_path() {
    let own = uri("msrp://a.example:2855/x;tcp");
    for method in [Method::Nickname, Method::Other("FOO".into())] {
        let answer = text(&response(&head(method), &own, 7, "").unwrap());
        assert!(answer.starts_with("MSRP a786hjs2 007\r\n"), "{answer}");
        assert!(answer.contains("To-Path: msrp://r1.example:1/p;tcp msrp://b.example:1/y;tcp\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n-------a786hjs2$\r\n"), "{answer}");
    }
}

#[test]
fn neither_reports_nor_responses_are_answered() {
    let own = uri("msrp://a.example:2855/x;tcp");
    assert_eq!(response(&head(Method::Report), &own, 200, ""), Err(EncodeError::NotAnswered));
    let start = Start::Response { code: 200, comment: None };
    assert_eq!(response(&Head { start, ..head(Method::Send) }, &own, 200, ""), Err(EncodeError::NotAnswered));
}

/// MS-FRAME-14.
#[test]
fn a_bad_frame_is_answered_when_it_can_be() {
    let own = uri("msrp://a.example:2855/x;tcp");
    let answer = |start: &str, headers: &str| {
        let wire = format!("MSRP a786hjs2 {start}\r\n{headers}-------a786hjs2$\r\n");
        let [Event::Bad(bad)] = &events(&wire)[..] else { panic!("not bad") };
        bad_response(bad, &own, 400, "Bad Request").map(|frame| text(&frame))
    };
    let paths = "To-Path: msrp://a.example:2855/x;tcp\r\nFrom-Path: msrp://r:1/p;tcp msrp://b:1/y;tcp\r\nno header\r\n";
    let expected = |to: &str| {
        Some(format!(
            "MSRP a786hjs2 400 Bad Request\r\nTo-Path: {to}\r\nFrom-Path: msrp://a.example:2855/x;tcp\r\n-------a786hjs2$\r\n"
        ))
    };
    assert_eq!(answer("SEND", paths), expected("msrp://r:1/p;tcp"));
    assert_eq!(answer("NICKNAME", paths), expected("msrp://r:1/p;tcp msrp://b:1/y;tcp"));
    assert_eq!(answer("send", paths), expected("msrp://r:1/p;tcp"));
    assert_eq!(answer("REPORT", paths), None);
    assert_eq!(answer("200 OK", paths), None);
    assert_eq!(answer("SEND", "To-Path: msrp://a.example:2855/x;tcp\r\n"), None);
    assert_eq!(answer("SEND", &format!("{paths}Failure-Report: no\r\n")), None);
}
