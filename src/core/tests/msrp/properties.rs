//! What holds for all messages, and for what is none.

use bytes::{Bytes, BytesMut};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::Event;
use mucfocus_core::wire::msrp::encode::{EncodeError, frame};
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, Ending, FailureReport, Frame, Head, Method, Path, ReportStatus, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::decode_cut;

fn uri() -> impl Strategy<Value = MsrpUri> {
    let host = select(vec!["host.example", "192.0.2.1", "[2001:db8::1]", "h%6Fst"]);
    (any::<bool>(), option::of("[a-z]{1,8}"), host, option::of(any::<u16>()), option::of("[a-zA-Z0-9._~+=/-]{1,24}"))
        .prop_map(|(secure, user, host, port, id)| {
            let scheme = if secure { "msrps" } else { "msrp" };
            let user = user.map_or_else(String::new, |user| user + "@");
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            let id = id.map_or_else(String::new, |id| format!("/{id}"));
            MsrpUri::parse(&format!("{scheme}://{user}{host}{port}{id};tcp")).unwrap()
        })
}

fn path() -> impl Strategy<Value = Path> {
    vec(uri(), 1..4).prop_map(|uris| Path::from_uris(uris).unwrap())
}

/// Text that does not begin or end with a space, as header values are trimmed.
const TEXT: &str = "[a-zA-Z0-9\u{e4}\u{1f600}\"/;=]([ -~\u{e4}\u{1f600}]{0,20}[a-zA-Z0-9\"])?";

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        4 => Just(Start::Request(Method::Send)),
        1 => Just(Start::Request(Method::Report)),
        1 => Just(Start::Request(Method::Nickname)),
        1 => "X[A-Z]{0,8}".prop_map(|name| Start::Request(Method::Other(name))),
        2 => (0..1000_u16, option::of(TEXT)).prop_map(|(code, comment)| Start::Response { code, comment }),
    ]
}

fn head() -> impl Strategy<Value = Head> {
    let transaction = "[a-zA-Z0-9][a-zA-Z0-9.+%=-]{3,31}";
    let byte_range = (1..=u64::MAX, any::<Option<u64>>(), any::<Option<u64>>())
        .prop_map(|(start, end, total)| ByteRange { start, end, total });
    let failure_report = select(vec![FailureReport::Yes, FailureReport::Partial, FailureReport::No]);
    let status = (0..1000_u16, 0..1000_u16, option::of(TEXT)).prop_map(|(namespace, code, comment)| ReportStatus {
        namespace,
        code,
        comment,
    });
    (
        (transaction, start(), path(), path()),
        option::of("[!-~]{1,40}"),
        option::of(byte_range),
        (any::<bool>(), failure_report),
        option::of(status),
        option::of(TEXT),
    )
        .prop_map(
            |((transaction, start, to_path, from_path), message_id, byte_range, reports, status, use_nickname)| Head {
                transaction: TransactionId::new(&transaction).unwrap(),
                start,
                to_path,
                from_path,
                message_id,
                byte_range,
                success_report: reports.0,
                failure_report: reports.1,
                status,
                use_nickname,
                content_type: None,
            },
        )
}

/// Bodies of what looks most like the end-line of `transaction` without being one.
fn near_end_lines(transaction: &TransactionId) -> impl Strategy<Value = Vec<u8>> + use<> {
    let id = transaction.as_str();
    let shorter = &id[..id.len() - 1];
    let pieces = vec![
        "\r".to_owned(),
        "\n".to_owned(),
        "\r\n".to_owned(),
        "-".to_owned(),
        "------".to_owned(),
        "$\r\n".to_owned(),
        "x".to_owned(),
        id.to_owned(),
        format!("{id}$\r\n"),
        format!("\r\n------{id}$\r\n"),
        format!("\r\n-------{shorter}$\r\n"),
        format!("\r\n-------{shorter}"),
        "\r\n-------".to_owned(),
        "MSRP abcd SEND\r\n".to_owned(),
    ];
    prop_oneof![vec(select(pieces), 0..40).prop_map(|pieces| pieces.concat().into_bytes()), vec(any::<u8>(), 0..300),]
}

fn message() -> impl Strategy<Value = Frame> {
    let flag = select(vec![Continuation::Complete, Continuation::More, Continuation::Aborted]);
    (head(), flag, option::of(TEXT))
        .prop_flat_map(|(head, flag, content_type)| {
            let body = near_end_lines(&head.transaction);
            (Just(head), Just(flag), Just(content_type), body)
        })
        .prop_map(|(mut head, flag, content_type, body)| {
            if matches!(head.start, Start::Request(_)) {
                head.content_type = content_type;
            }
            let body = if head.content_type.is_some() { Bytes::from(body) } else { Bytes::new() };
            Frame { head, body, ending: Ending::Flag(flag) }
        })
}

/// The head of a SEND without anything.
pub(super) fn a_send() -> Head {
    let path = |text| Path::new(MsrpUri::parse(text).unwrap());
    Head {
        transaction: TransactionId::new("a786hjs2").unwrap(),
        start: Start::Request(Method::Send),
        to_path: path("msrp://a:1/x;tcp"),
        from_path: path("msrp://b:1/y;tcp"),
        message_id: None,
        byte_range: None,
        success_report: false,
        failure_report: FailureReport::Yes,
        status: None,
        use_nickname: None,
        content_type: None,
    }
}

/// The octets of `message`; `None` when its body holds the end-line.
fn octets(message: &Frame) -> Option<Vec<u8>> {
    let Ending::Flag(flag) = message.ending else { panic!("not to be sent") };
    let body = message.head.content_type.is_some().then_some(&message.body);
    match frame(&message.head, body, flag) {
        Ok(frame) => Some(frame.chunks().flat_map(|part| part.to_vec()).collect()),
        Err(EncodeError::EndLineInBody) => None,
        Err(error) => panic!("{error} in {message:?}"),
    }
}

fn sorted(cuts: Vec<prop::sample::Index>, len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(len.max(1))).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut(
        messages in vec(message(), 1..4),
        keep_alives in 0..3_usize,
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut wire = Vec::new();
        let mut sent = Vec::new();
        for message in messages {
            if let Some(octets) = octets(&message) {
                wire.extend(octets);
                wire.extend(b"\r\n".repeat(keep_alives));
                sent.push(message);
            }
        }
        let mut expected = Vec::new();
        for Frame { head, body, ending } in &sent {
            let Ending::Flag(flag) = *ending else { panic!("not to be sent") };
            expected.push(Event::Head(head.clone()));
            if !body.is_empty() {
                expected.push(Event::Body(body.clone()));
            }
            expected.push(Event::End(flag));
        }
        let cuts = sorted(cuts, wire.len());
        prop_assert_eq!(decode_cut(&wire, &cuts), (expected, None));

        let mut collector = Collector::new(usize::MAX);
        let mut buf = BytesMut::from(&wire[..]);
        for message in sent {
            // No Byte-Range exceeds that bound on a machine of 64 bits.
            let received = collector.next(&mut buf);
            prop_assert_eq!(received, Ok(Some(Incoming::Frame(message))));
        }
        prop_assert_eq!(collector.next(&mut buf), Ok(None));
    }

    #[test]
    fn damaged_messages_are_decoded_alike_however_they_are_cut(
        messages in vec(message(), 1..4),
        damage in vec((any::<prop::sample::Index>(), 0..4_u8, select(b"\r\n -:$+#\0\xff;/MSRP12\t".to_vec())), 1..6),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut wire: Vec<u8> = messages.iter().filter_map(octets).flatten().collect();
        for (at, kind, octet) in damage {
            if wire.is_empty() {
                break;
            }
            let at = at.index(wire.len());
            match kind {
                0 => wire[at] = octet,
                1 => wire.insert(at, octet),
                2 => drop(wire.remove(at)),
                _ => wire.truncate(at),
            }
        }
        let whole = decode_cut(&wire, &[]);
        prop_assert_eq!(&whole, &decode_cut(&wire, &sorted(cuts, wire.len())));
        let all: Vec<usize> = (1..wire.len()).collect();
        prop_assert_eq!(&whole, &decode_cut(&wire, &all));
    }

    /// MS-FRAME-04: exactly the bodies that hold the end-line need another identifier.
    #[test]
    fn a_body_is_refused_when_it_holds_the_end_line_and_only_then(
        pieces in vec(select(vec!["-", "--", "------", "-------", "a78", "a786hjs2", "a786hjs3", "x", "\r\n"]), 0..24),
    ) {
        let body = pieces.concat();
        let head = Head { content_type: Some("text/plain".into()), ..a_send() };
        let refused = frame(&head, Some(&Bytes::from(body.clone())), Continuation::Complete);
        prop_assert_eq!(refused.err(), body.contains("-------a786hjs2").then_some(EncodeError::EndLineInBody));
    }

    #[test]
    fn garbage_is_decoded_without_panic(wire in vec(any::<u8>(), 0..500), tail in vec(any::<u8>(), 0..500)) {
        decode_cut(&wire, &[]);
        let head = b"MSRP a786hjs2 SEND\r\nTo-Path: msrp://a:1/x;tcp\r\n";
        decode_cut(&[&head[..], &tail].concat(), &[head.len()]);
    }

    #[test]
    fn a_uri_is_parsed_without_panic_and_printed_as_it_was(text in "(msrps?://)?[a-z0-9@:;/%\\[\\].=~ \u{e4}-]{0,60}") {
        if let Ok(uri) = MsrpUri::parse(&text) {
            prop_assert_eq!(uri.to_string(), text);
            prop_assert!(uri.is_same_session(&uri));
        }
    }
}
