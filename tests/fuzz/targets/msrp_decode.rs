//! Of whatever octets the decoder makes heads, bodies and ends in that order and no other, leaves less than one line of them
//! over, and what it took for a message is that message when it is written anew. The collector makes the same messages of them,
//! and holds no more than it may.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::{BadFrame, BadReason, Decoder, Event};
use mucfocus_core::wire::msrp::encode::{EncodeError, bad_response, frame, response};
use mucfocus_core::wire::msrp::frame::{Ending, Frame, Head, Method, Path, Start};
use mucfocus_core::wire::msrp::uri::MsrpUri;
use mucfocus_core::wire::msrp::{MAX_LINE, MAX_OTHER_BODY};
use mucfocus_fuzz::Wire;

const LIMIT: usize = 48 * 1024;
/// What the collector takes here: less than a body of something other than SEND may have.
const MAX_BODY: usize = 4 * 1024;

fuzz_target!(|input: &[u8]| {
    let wire = Wire::read(input, LIMIT);
    let messages = decode(&wire.octets);
    for message in &messages {
        match message {
            Incoming::Frame(frame) => check_frame(frame),
            Incoming::Bad(bad) => check_bad(bad),
        }
    }
    check_collected(&wire, &messages);
});

/// All messages, whole.
fn decode(octets: &[u8]) -> Vec<Incoming> {
    let (mut decoder, mut buf) = (Decoder::new(), BytesMut::from(octets));
    let (mut messages, mut open) = (Vec::new(), None::<(Head, BytesMut)>);
    loop {
        match decoder.decode(&mut buf) {
            Ok(Some(Event::Head(head))) => {
                assert_eq!(open, None, "a head within a message");
                open = Some((head, BytesMut::new()));
            }
            Ok(Some(Event::Body(piece))) => {
                assert!(!piece.is_empty(), "an empty piece of body");
                let Some((head, body)) = &mut open else { panic!("a body without a head") };
                body.extend_from_slice(&piece);
                assert!(head.content_type.is_some(), "a body without a type");
                assert!(head.start == Start::Request(Method::Send) || body.len() <= MAX_OTHER_BODY);
            }
            Ok(Some(Event::End(flag))) => {
                let Some((head, body)) = open.take() else { panic!("an end without a head") };
                messages.push(Incoming::Frame(Frame { head, body: body.freeze(), ending: Ending::Flag(flag) }));
            }
            Ok(Some(Event::Bad(bad))) => {
                assert!(open.take().is_none() || bad.why == BadReason::BodyTooLong, "{bad:?} after its head");
                messages.push(Incoming::Bad(bad));
            }
            Ok(None) => {
                assert!(buf.len() < MAX_LINE, "{} octets are left over", buf.len());
                assert!(!decoder.is_between_messages() || open.is_none());
                return messages;
            }
            Err(violation) => {
                assert_eq!(decoder.decode(&mut buf), Err(violation), "a violation is for good");
                return messages;
            }
        }
    }
}

fn check_frame(received: &Frame) {
    let Ending::Flag(flag) = received.ending else { panic!("the decoder knows no limit") };
    let head = &received.head;
    assert!(head.content_type.is_some() || received.body.is_empty());
    let body = head.content_type.is_some().then_some(&received.body);
    match frame(head, body, flag) {
        Ok(written) => {
            let octets: Vec<u8> = written.chunks().flat_map(|part| part.to_vec()).collect();
            assert_eq!(octets.len(), written.len());
            assert_eq!(decode(&octets), [Incoming::Frame(received.clone())], "{:?}", Bytes::from(octets));
        }
        // What we receive and never send.
        Err(EncodeError::EndLineInBody) => assert!(!received.body.is_empty()),
        Err(EncodeError::BodyInResponse) => assert!(matches!(head.start, Start::Response { .. })),
        // Spaces that others leave out.
        Err(EncodeError::HeadTooLong) => assert!(is_near_a_limit(head)),
        Err(error) => panic!("{error}: {head:?}"),
    }
    match response(head, &own(), 200, "OK") {
        Ok(answer) => {
            let octets: Vec<u8> = answer.chunks().flat_map(|part| part.to_vec()).collect();
            let answer = only(decode(&octets));
            assert_eq!(answer.head.transaction, head.transaction);
            assert_eq!(answer.head.from_path.endpoint(), &own());
            assert_eq!(answer.head.to_path.next_hop(), head.from_path.next_hop());
        }
        Err(EncodeError::NotAnswered) => {
            assert!(matches!(head.start, Start::Request(Method::Report) | Start::Response { .. }));
        }
        Err(EncodeError::HeadTooLong) => assert!(is_near_a_limit(head)),
        Err(error) => panic!("{error}: {head:?}"),
    }
}

fn check_bad(bad: &BadFrame) {
    let Some(answer) = bad_response(bad, &own(), 400, "Bad Request") else { return };
    assert!(bad.is_request && bad.paths.is_some());
    let octets: Vec<u8> = answer.chunks().flat_map(|part| part.to_vec()).collect();
    let answer = only(decode(&octets));
    assert_eq!((answer.head.transaction, answer.body.len()), (bad.transaction.clone(), 0));
}

fn only(messages: Vec<Incoming>) -> Frame {
    match <[Incoming; 1]>::try_from(messages) {
        Ok([Incoming::Frame(frame)]) => frame,
        other => panic!("not one good message: {other:?}"),
    }
}

/// The path alone is what can fill a line.
fn is_near_a_limit(head: &Head) -> bool {
    let lens = |path: &Path| path.iter().map(|uri| uri.as_str().len() + 1).sum::<usize>();
    let texts = [&head.message_id, &head.use_nickname, &head.content_type].into_iter().flatten().map(String::len);
    texts.chain([lens(&head.to_path), lens(&head.from_path)]).any(|len| len > MAX_LINE - 64)
        || format!("{head:?}").len() > MAX_LINE - 64
}

fn own() -> MsrpUri {
    MsrpUri::parse("msrp://focus1.example.com:2855/s;tcp").expect("ours")
}

/// The collector sees the same messages, but for those that are too large for it.
fn check_collected(wire: &Wire, expected: &[Incoming]) {
    let (mut collector, mut buf) = (Collector::new(MAX_BODY), BytesMut::new());
    let mut collected = Vec::new();
    'pieces: for piece in wire.pieces() {
        buf.extend_from_slice(piece);
        loop {
            match collector.next(&mut buf) {
                Ok(Some(incoming)) => collected.push(incoming),
                Ok(None) => break,
                Err(_) => break 'pieces,
            }
            assert!(collector.held() <= MAX_BODY);
        }
        assert!(collector.held() <= MAX_BODY, "{} octets are held", collector.held());
        assert!(buf.len() < MAX_LINE, "{} octets are left over", buf.len());
    }
    let mut expected = expected.iter();
    for incoming in collected {
        let Incoming::Frame(frame) = &incoming else {
            assert_eq!(expected.next(), Some(&incoming));
            continue;
        };
        assert!(frame.body.len() <= MAX_BODY);
        match expected.next() {
            Some(Incoming::Frame(whole)) if frame.ending == Ending::TooLarge => assert_eq!(whole.head, frame.head),
            // Too large for both of them, or not at its end yet.
            Some(Incoming::Bad(bad)) if frame.ending == Ending::TooLarge => {
                assert_eq!((bad.why, &bad.transaction), (BadReason::BodyTooLong, &frame.head.transaction));
            }
            None if frame.ending == Ending::TooLarge => {}
            whole => assert_eq!(whole, Some(&incoming)),
        }
    }
    assert_eq!(expected.next(), None, "the collector saw less");
}
