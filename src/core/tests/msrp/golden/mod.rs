//! Every form of message, with what it means.
//!
//! Each is written with line feeds for CRLF. What the specifications fold for print is one line here.

mod forms;
mod rfc4975;
mod rfc4976;
mod rfc7701;

use bytes::Bytes;
use mucfocus_core::wire::msrp::decode::Event;
use mucfocus_core::wire::msrp::encode;
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, FailureReport, Head, Method, Path, ReportStatus, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;

use super::{crlf, decode_cut, events};

/// One message and its meaning.
struct Golden {
    /// Where it is from, or what is special about it.
    about: &'static str,
    text: &'static str,
    head: Head,
    body: Option<&'static str>,
    flag: Continuation,
    /// Whether we would write the same octets.
    canonical: bool,
}

/// A whole message that is written as we would write it.
fn golden(about: &'static str, text: &'static str, head: Head, body: Option<&'static str>) -> Golden {
    Golden { about, text, head, body, flag: Continuation::Complete, canonical: true }
}

impl Golden {
    fn flag(self, flag: Continuation) -> Self {
        Self { flag, ..self }
    }

    /// We would leave something out or write it in another place.
    fn other_spelling(self) -> Self {
        Self { canonical: false, ..self }
    }

    fn wire(&self) -> String {
        crlf(self.text)
    }

    fn events(&self) -> Vec<Event> {
        let body = self.body.filter(|body| !body.is_empty()).map(|body| Event::Body(crlf(body).into()));
        [Event::Head(self.head.clone())].into_iter().chain(body).chain([Event::End(self.flag)]).collect()
    }

    fn encoded(&self) -> String {
        let body = self.body.map(|body| Bytes::from(crlf(body)));
        let frame = encode::frame(&self.head, body.as_ref(), self.flag).unwrap();
        String::from_utf8(frame.chunks().flat_map(|part| part.to_vec()).collect()).unwrap()
    }
}

fn all() -> Vec<Golden> {
    [rfc4975::all(), rfc4976::all(), rfc7701::all(), forms::all()].into_iter().flatten().collect()
}

fn path(text: &str) -> Path {
    Path::from_uris(text.split(' ').map(|uri| MsrpUri::parse(uri).unwrap()).collect()).unwrap()
}

fn message(start: Start, transaction: &str, to: &str, from: &str) -> Head {
    Head {
        transaction: TransactionId::new(transaction).unwrap(),
        start,
        to_path: path(to),
        from_path: path(from),
        message_id: None,
        byte_range: None,
        success_report: false,
        failure_report: FailureReport::Yes,
        status: None,
        use_nickname: None,
        content_type: None,
    }
}

fn request(method: Method, transaction: &str, to: &str, from: &str) -> Head {
    message(Start::Request(method), transaction, to, from)
}

/// A SEND with what it usually has.
fn send(transaction: &str, (to, from): (&str, &str), id: &str, range: ByteRange, content_type: &str) -> Head {
    Head {
        message_id: Some(id.into()),
        byte_range: Some(range),
        content_type: Some(content_type.into()),
        ..request(Method::Send, transaction, to, from)
    }
}

fn response(code: u16, comment: &str, transaction: &str, to: &str, from: &str) -> Head {
    let comment = (!comment.is_empty()).then(|| comment.into());
    message(Start::Response { code, comment }, transaction, to, from)
}

fn range(start: u64, end: impl Into<Option<u64>>, total: impl Into<Option<u64>>) -> ByteRange {
    ByteRange { start, end: end.into(), total: total.into() }
}

fn status(code: u16, comment: &str) -> Option<ReportStatus> {
    let comment = (!comment.is_empty()).then(|| comment.into());
    Some(ReportStatus { namespace: 0, code, comment })
}

/// MS-FRAME-01, MS-FRAME-02, MS-FRAME-06, MS-FRAME-09: whole, octet by octet, and cut at every place.
#[test]
fn every_form_of_message_is_understood_however_it_is_cut() {
    for golden in all() {
        assert_eq!(events(&golden.wire()), golden.events(), "{}", golden.about);
    }
}

/// MS-FRAME-01, MS-FRAME-06.
#[test]
fn every_form_of_message_is_written_as_it_stands_or_to_mean_the_same() {
    for golden in all() {
        let encoded = golden.encoded();
        if golden.canonical {
            assert_eq!(encoded, golden.wire(), "{}", golden.about);
        } else {
            assert_ne!(encoded, golden.wire(), "{}: canonical after all", golden.about);
            assert_eq!(events(&encoded), golden.events(), "{}", golden.about);
        }
    }
}

/// MS-FRAME-15: one connection carries all of them, keep-alives between some.
#[test]
fn all_forms_go_over_one_connection() {
    let (mut wire, mut expected) = (String::new(), Vec::new());
    for (n, golden) in all().iter().enumerate() {
        wire += &golden.wire();
        wire += &"\r\n".repeat(n % 3);
        expected.extend(golden.events());
    }
    // Each was cut at every place by itself, so that sizes in which sockets are read are enough here.
    for piece in [1, 7, 536, 1460, wire.len()] {
        let cuts: Vec<usize> = (0..wire.len()).step_by(piece).collect();
        assert_eq!(decode_cut(wire.as_bytes(), &cuts), (expected.clone(), None), "in pieces of {piece}");
    }
}

/// MS-FRAME-14: a connection that breaks inside a message has told the beginning of it and never its end.
#[test]
fn of_a_message_that_breaks_off_comes_the_beginning_and_no_end() {
    for golden in all() {
        let (wire, whole) = (golden.wire(), golden.events());
        for cut in 0..wire.len() {
            let (events, violation) = decode_cut(&wire.as_bytes()[..cut], &[]);
            assert_eq!(violation, None, "{} after {cut}", golden.about);
            for (event, whole) in events.iter().zip(&whole) {
                match (event, whole) {
                    (Event::Body(piece), Event::Body(body)) => assert!(body.starts_with(piece), "{}", golden.about),
                    _ => assert_eq!(event, whole, "{}", golden.about),
                }
            }
            assert!(!events.iter().any(|event| matches!(event, Event::End(_))), "{} after {cut}", golden.about);
        }
    }
}
