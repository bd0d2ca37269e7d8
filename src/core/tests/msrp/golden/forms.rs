//! The forms that no example of the specifications has.

use mucfocus_core::wire::msrp::frame::{Continuation, FailureReport, Head, Method, ReportStatus};

use super::{Golden, golden, range, request, response, send, status};

const A: &str = "msrp://a.example:2855/x;tcp";
const B: &str = "msrp://b.example:1/y;tcp";

/// A message between the two, with its first line given.
macro_rules! text {
    ($start:literal, $rest:literal) => {
        concat!(
            "MSRP a786hjs2 ",
            $start,
            "\nTo-Path: msrp://a.example:2855/x;tcp\nFrom-Path: msrp://b.example:1/y;tcp\n",
            $rest
        )
    };
}

pub(super) fn all() -> Vec<Golden> {
    sends().into_iter().chain(others()).chain(responses()).collect()
}

fn sends() -> Vec<Golden> {
    let bodiless = || request(Method::Send, "a786hjs2", A, B);
    let chunk = |range| send("a786hjs2", (A, B), "1234", range, "text/plain");
    vec![
        golden("no body", text!("SEND", "-------a786hjs2$\n"), bodiless(), None),
        golden("no body, an empty line", text!("SEND", "\n-------a786hjs2$\n"), bodiless(), None).other_spelling(),
        golden("no body and no flag", text!("SEND", "-------a786hjs2\n"), bodiless(), None).other_spelling(),
        golden(
            "no body, with a range of nothing",
            text!("SEND", "Message-ID: 1234\nByte-Range: 1-0/0\n-------a786hjs2$\n"),
            Head { message_id: Some("1234".into()), byte_range: Some(range(1, 0, 0)), ..bodiless() },
            None,
        ),
        golden(
            "an empty body",
            text!("SEND", "Message-ID: 1234\nByte-Range: 1-0/0\nContent-Type: text/plain\n\n\n-------a786hjs2$\n"),
            chunk(range(1, 0, 0)),
            Some(""),
        ),
        golden(
            "an empty body with one CRLF only",
            text!("SEND", "Message-ID: 1234\nByte-Range: 1-0/0\nContent-Type: text/plain\n\n-------a786hjs2$\n"),
            chunk(range(1, 0, 0)),
            Some(""),
        )
        .other_spelling(),
        golden(
            "a chunk of one octet in the middle",
            text!("SEND", "Message-ID: 1234\nByte-Range: 7-7/9\nContent-Type: text/plain\n\nx\n-------a786hjs2+\n"),
            chunk(range(7, 7, 9)),
            Some("x"),
        )
        .flag(Continuation::More),
        golden(
            "abandoned",
            text!("SEND", "Message-ID: 1234\nByte-Range: 7-*/*\nContent-Type: text/plain\n\nx\n-------a786hjs2#\n"),
            chunk(range(7, None, None)),
            Some("x"),
        )
        .flag(Continuation::Aborted),
        golden(
            "abandoned without an octet",
            text!("SEND", "Message-ID: 1234\nByte-Range: 7-*/*\nContent-Type: text/plain\n\n\n-------a786hjs2#\n"),
            chunk(range(7, None, None)),
            Some(""),
        )
        .flag(Continuation::Aborted),
        golden(
            "no Byte-Range, reports as seldom as possible",
            text!(
                "SEND",
                "Message-ID: 1234\nFailure-Report: partial\nContent-Type: text/plain\n\nx\n-------a786hjs2$\n"
            ),
            Head { byte_range: None, failure_report: FailureReport::Partial, ..chunk(range(1, 1, 1)) },
            Some("x"),
        ),
        golden(
            "other case, other spaces, other order, unknown headers",
            text!(
                "SEND",
                "BYTE-RANGE:1-*/9223372036854775807\nX-Foo: \u{fc}\nmessage-id: \t 1234 \nContent-Disposition: render\n\
                 content-type:text/plain; charset=\"utf-8\"\nsuccess-report: YES\n\nx\n-------a786hjs2+\n"
            ),
            Head {
                success_report: true,
                content_type: Some("text/plain; charset=\"utf-8\"".into()),
                ..chunk(range(1, None, 9_223_372_036_854_775_807))
            },
            Some("x"),
        )
        .flag(Continuation::More)
        .other_spelling(),
        golden(
            "what looks like the end and is none",
            text!(
                "SEND",
                "Message-ID: 1234\nByte-Range: 1-*/*\nContent-Type: text/plain\n\n\
                 -------a786hjs\n------a786hjs2$\n-------othertid$\n\n-------a786hjs2$\n"
            ),
            chunk(range(1, None, None)),
            Some("-------a786hjs\n------a786hjs2$\n-------othertid$\n"),
        ),
    ]
}

fn others() -> Vec<Golden> {
    let report = || Head { message_id: Some("1234".into()), ..request(Method::Report, "a786hjs2", A, B) };
    let nickname = |name: &str| Head { use_nickname: Some(name.into()), ..request(Method::Nickname, "a786hjs2", A, B) };
    vec![
        golden(
            "a report without comment and range",
            text!("REPORT", "Message-ID: 1234\nStatus: 000 413\n-------a786hjs2$\n"),
            Head { status: status(413, ""), ..report() },
            None,
        ),
        golden(
            "a report in a namespace to come, with content",
            text!(
                "REPORT",
                "Message-ID: 1234\nByte-Range: 1-5/5\nStatus: 017 200 Fine\nContent-Type: message/cpim\n\n\
                 Subject: x\n-------a786hjs2$\n"
            ),
            Head {
                byte_range: Some(range(1, 5, 5)),
                status: Some(ReportStatus { namespace: 17, code: 200, comment: Some("Fine".into()) }),
                content_type: Some("message/cpim".into()),
                ..report()
            },
            Some("Subject: x"),
        ),
        golden(
            "a nickname given back",
            text!("NICKNAME", "Use-Nickname: \"\"\n-------a786hjs2$\n"),
            nickname("\"\""),
            None,
        ),
        golden(
            "a nickname without quotes",
            text!("NICKNAME", "Use-Nickname: J\u{fc}li\n-------a786hjs2$\n"),
            nickname("J\u{fc}li"),
            None,
        ),
        golden(
            "an unknown method with content",
            text!("FOO", "Content-Type: text/plain\n\nx\n-------a786hjs2$\n"),
            Head { content_type: Some("text/plain".into()), ..request(Method::Other("FOO".into()), "a786hjs2", A, B) },
            Some("x"),
        ),
    ]
}

fn responses() -> Vec<Golden> {
    let answer = |code, comment| response(code, comment, "a786hjs2", A, B);
    vec![
        golden("no comment", text!("200", "-------a786hjs2$\n"), answer(200, ""), None),
        golden("an empty comment", text!("200 ", "-------a786hjs2$\n"), answer(200, ""), None).other_spelling(),
        golden(
            "a comment in UTF-8",
            text!("413 Zu gro\u{df}", "-------a786hjs2$\n"),
            answer(413, "Zu gro\u{df}"),
            None,
        ),
        golden("a code that nobody knows", text!("007 Bond", "-------a786hjs2$\n"), answer(7, "Bond"), None),
        golden("a response with the flag of a request", text!("200 OK", "-------a786hjs2+\n"), answer(200, "OK"), None)
            .flag(Continuation::More),
    ]
}
