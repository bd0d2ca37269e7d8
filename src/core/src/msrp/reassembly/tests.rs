//! Any chunking, in any order, is the message; nothing hostile is more than refused.

use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::msrp::frame::{ByteRange, Head, Method, Path, Start, TransactionId};
use crate::wire::msrp::uri::MsrpUri;

const LIMIT: usize = 1000;

fn frame(id: Option<&str>, range: Option<(u64, Option<u64>)>, body: &[u8], ending: Ending) -> Frame {
    let path = || Path::new(MsrpUri::parse("msrp://a.example:1/s;tcp").unwrap());
    let head = Head {
        transaction: TransactionId::new("abcd").unwrap(),
        start: Start::Request(Method::Send),
        to_path: path(),
        from_path: path(),
        message_id: id.map(Into::into),
        byte_range: range.map(|(start, total)| ByteRange { start, end: None, total }),
        success_report: false,
        failure_report: FailureReport::Yes,
        status: None,
        use_nickname: None,
        content_type: Some("message/cpim".into()),
    };
    Frame { head, body: Bytes::copy_from_slice(body), ending }
}

fn chunk(start: usize, body: &[u8], flag: Continuation) -> Frame {
    frame(Some("m"), Some((u64::try_from(start).unwrap() + 1, None)), body, Ending::Flag(flag))
}

fn refusal(progress: &Progress) -> Option<ChunkError> {
    match progress {
        Progress::Refused(error, _) => Some(*error),
        _ => None,
    }
}

/// The message and the places where it is cut, in the order in which the pieces come; some come twice.
fn chunking() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    prop::collection::vec(any::<u8>(), 0..200)
        .prop_flat_map(|message| {
            let cuts = prop::collection::btree_set(0..=message.len(), 0..8);
            (Just(message), cuts)
        })
        .prop_flat_map(|(message, cuts)| {
            let ends: Vec<usize> = cuts.iter().copied().chain([message.len()]).collect();
            let starts = [0].into_iter().chain(cuts);
            let mut pieces: Vec<(usize, usize)> = starts.zip(ends).collect();
            pieces.dedup();
            let again = pieces.clone();
            (Just(message), Just(pieces).prop_shuffle(), prop::sample::subsequence(again.clone(), 0..=again.len()))
        })
        .prop_map(|(message, pieces, again)| (message, again.into_iter().chain(pieces).collect()))
}

proptest! {
    /// MS-SEND-08, MS-SEND-10.
    #[test]
    fn every_order_of_every_chunking_is_the_message((message, pieces) in chunking()) {
        let mut reassembly = Reassembly::new(LIMIT);
        let mut whole = Vec::new();
        for (start, end) in pieces {
            let flag = if end == message.len() { Continuation::Complete } else { Continuation::More };
            match reassembly.add(Instant::ZERO, &chunk(start, &message[start..end], flag)) {
                Progress::Kept(_) => {}
                Progress::Complete(complete) => whole.push(complete.body),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // What comes twice may make the message twice, or begin it anew; it is never another one.
        prop_assert!(!whole.is_empty());
        prop_assert!(whole.iter().all(|body| *body == message));
    }

    /// MS-SEND-12: whatever is claimed, no more is held than the limits allow.
    #[test]
    fn nothing_makes_it_hold_more_than_its_limits(
        chunks in prop::collection::vec(
            (0..8u8, any::<u64>().prop_map(|n| n % 2000), 0..1200usize, prop::option::of(any::<u64>()), 0..4u8),
            0..60,
        ),
    ) {
        let mut reassembly = Reassembly::new(LIMIT);
        for (id, start, length, total, flag) in chunks {
            let ending = match flag {
                0 => Ending::Flag(Continuation::Complete),
                1 => Ending::Flag(Continuation::Aborted),
                _ => Ending::Flag(Continuation::More),
            };
            let total = total.map(|total| total % 1500);
            let progress = reassembly.add(
                Instant::ZERO,
                &frame(Some(&format!("{id}")), Some((start + 1, total)), &std::vec![b'x'; length], ending),
            );
            if let Progress::Complete(whole) = progress {
                prop_assert!(whole.body.len() <= LIMIT);
            }
            prop_assert!(reassembly.unfinished.len() <= MAX_UNFINISHED);
            for message in reassembly.unfinished.values() {
                prop_assert!(message.buffer.len() <= LIMIT);
                prop_assert!(message.present.is_sorted());
                prop_assert!(message.present.windows(2).all(|w| w[0].1 < w[1].0), "disjoint and apart");
            }
        }
    }
}

#[test]
fn of_overlapping_chunks_the_later_wins() {
    let mut reassembly = Reassembly::new(LIMIT);
    reassembly.add(Instant::ZERO, &chunk(0, b"aaaa", Continuation::More));
    reassembly.add(Instant::ZERO, &chunk(2, b"bbbb", Continuation::More));
    let Progress::Complete(whole) = reassembly.add(Instant::ZERO, &chunk(6, b"", Continuation::Complete)) else {
        panic!("not complete");
    };
    assert_eq!(whole.body, "aabbbb".as_bytes());
}

#[test]
fn a_message_in_one_chunk_is_not_copied() {
    let mut reassembly = Reassembly::new(LIMIT);
    let whole = frame(Some("m"), None, b"whole", Ending::Flag(Continuation::Complete));
    let Progress::Complete(complete) = reassembly.add(Instant::ZERO, &whole) else { panic!("not complete") };
    assert_eq!(complete.body.as_ptr(), whole.body.as_ptr());
}

#[test]
fn each_limit_is_met_and_not_exceeded() {
    let at = Instant::ZERO;
    let mut reassembly = Reassembly::new(10);
    let more = Ending::Flag(Continuation::More);
    let full = chunk(0, &[b'x'; 10], Continuation::Complete);
    assert!(matches!(reassembly.add(at, &full), Progress::Complete(_)));
    let over = chunk(1, &[b'x'; 10], Continuation::More);
    assert_eq!(refusal(&reassembly.add(at, &over)), Some(ChunkError::TooLarge));
    let announced = frame(Some("m"), Some((1, Some(11))), b"x", more);
    assert_eq!(refusal(&reassembly.add(at, &announced)), Some(ChunkError::TooLarge));
    let endless = frame(Some("m"), Some((u64::MAX, None)), b"x", more);
    assert_eq!(refusal(&reassembly.add(at, &endless)), Some(ChunkError::TooLarge));
    let skipped = frame(Some("m"), Some((1, None)), b"", Ending::TooLarge);
    assert_eq!(refusal(&reassembly.add(at, &skipped)), Some(ChunkError::TooLarge));
    let nameless = frame(None, Some((1, None)), b"x", more);
    assert_eq!(refusal(&reassembly.add(at, &nameless)), Some(ChunkError::NoMessageId));
}

#[test]
fn a_refused_chunk_takes_its_message_along() {
    let mut reassembly = Reassembly::new(10);
    reassembly.add(Instant::ZERO, &chunk(0, b"12345", Continuation::More));
    reassembly.add(Instant::ZERO, &chunk(5, b"1234567", Continuation::Complete));
    assert_eq!(reassembly.next_expiry(), None);
}

#[test]
fn an_unfinished_message_is_forgotten_when_its_time_is_over_and_not_before() {
    let mut reassembly = Reassembly::new(LIMIT);
    reassembly.add(Instant::ZERO, &chunk(0, b"12345", Continuation::More));
    let due = reassembly.next_expiry().unwrap();
    assert_eq!(due, Instant::ZERO + PATIENCE);
    assert_eq!(reassembly.expire(Instant::from_micros(due.as_micros() - 1)), 0);
    assert_eq!(reassembly.expire(due), 1);
    assert_eq!(reassembly.next_expiry(), None);
}

#[test]
fn a_long_message_id_is_none() {
    let mut reassembly = Reassembly::new(LIMIT);
    let id = String::from("x").repeat(MAX_MESSAGE_ID + 1);
    let ending = Ending::Flag(Continuation::Complete);
    assert_eq!(
        refusal(&reassembly.add(Instant::ZERO, &frame(Some(&id), None, b"x", ending))),
        Some(ChunkError::NoMessageId)
    );
    assert!(matches!(reassembly.add(Instant::ZERO, &frame(id.get(1..), None, b"x", ending)), Progress::Complete(_)));
}

#[test]
fn a_message_in_more_pieces_than_anybody_sends_is_refused() {
    let mut reassembly = Reassembly::new(LIMIT);
    let mut add = |n: usize| reassembly.add(Instant::ZERO, &chunk(2 * n, b"x", Continuation::More));
    for n in 0..MAX_PIECES {
        assert!(matches!(add(n), Progress::Kept(_)), "piece {n}");
    }
    assert_eq!(refusal(&add(MAX_PIECES)), Some(ChunkError::TooMany));
}
