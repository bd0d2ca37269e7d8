//! Whatever values a head is given, the encoder writes one message that means them, or says that it cannot.
//!
//! An input is eight values with the octet 1E between them (the method or the code, two paths, the transaction, Message-ID, a
//! comment, a nickname, Content-Type), and the body after another.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::msrp::Limits;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::frame;
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, Ending, FailureReport, Frame, Head, Method, Path, ReportStatus, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(9, |b| *b == b'\x1E');
    let mut text = || parts.next().map(|part| std::str::from_utf8(part).unwrap_or_default()).unwrap_or_default();
    let [start, to, from, transaction, message_id, comment, nickname, content_type] = std::array::from_fn(|_| text());
    let Some(transaction) = TransactionId::new(transaction) else { return };
    let (Some(to_path), Some(from_path)) = (path(to), path(from)) else { return };
    let body = parts.next();
    let numbers = comment.len() as u16;
    let head = Head {
        transaction,
        start: match start.parse() {
            Ok(code) => Start::Response { code, comment: some(comment) },
            Err(_) => Start::Request(Method::parse(start).unwrap_or_else(|| Method::Other(start.into()))),
        },
        to_path,
        from_path,
        message_id: some(message_id),
        byte_range: (!message_id.is_empty()).then_some(ByteRange {
            start: comment.len() as u64,
            end: None,
            total: Some(7),
        }),
        success_report: numbers.is_multiple_of(2),
        failure_report: FailureReport::Partial,
        status: (!nickname.is_empty()).then(|| ReportStatus { namespace: 0, code: numbers, comment: some(comment) }),
        use_nickname: some(nickname),
        content_type: body.map(|_| content_type.into()),
    };
    let body = body.map(Bytes::copy_from_slice);
    let Ok(written) = frame(&head, body.as_ref(), Continuation::More) else { return };
    let octets: Vec<u8> = written.chunks().flat_map(|part| part.to_vec()).collect();
    let (mut collector, mut buf) = (Collector::new(usize::MAX), BytesMut::from(&octets[..]));
    let sent = Frame { head, body: body.unwrap_or_default(), ending: Ending::Flag(Continuation::More) };
    let received = collector.next(&mut buf);
    let Ok(Some(Incoming::Frame(received))) = received else { panic!("{received:?} of {sent:?}") };
    assert_eq!(trimmed(received), trimmed(sent), "{:?}", Bytes::from(octets));
    assert!(buf.is_empty() && collector.is_between_messages());
});

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}

/// A path of another size is none that anybody here knows: it would have been refused.
fn path(uris: &str) -> Option<Path> {
    if uris.len() > Limits::DEFAULT.path_octets {
        return None;
    }
    Path::from_uris(uris.split(' ').map(|uri| MsrpUri::parse(uri).ok()).collect::<Option<_>>()?)
}

/// Blanks at the ends of a comment in Status say nothing to anybody.
fn trimmed(mut frame: Frame) -> Frame {
    if let Some(status) = &mut frame.head.status {
        let comment = status.comment.take();
        status.comment = comment.map(|text| text.trim_matches([' ', '\t']).to_owned()).filter(|text| !text.is_empty());
    }
    frame
}
