//! Any chunking, in any order, is the message; nothing hostile is more than refused.

use std::format;
use std::string::String;
use std::vec::Vec;

use core::time::Duration;

use proptest::prelude::*;

use super::unfinished::MAX_PIECES;
use super::*;
use crate::wire::msrp::frame::{Head, Method, Path, Start, TransactionId};
use crate::wire::msrp::uri::MsrpUri;

const LIMIT: usize = 1000;
const UNFINISHED: usize = 4;
const TOGETHER: usize = 3 * LIMIT;
const PATIENCE: Duration = Duration::from_secs(540);

fn new(message: usize) -> Reassembly {
    Reassembly::new(Limits {
        message,
        unfinished: UNFINISHED,
        unfinished_octets: TOGETHER,
        chunk_patience: PATIENCE,
        ..Limits::default()
    })
}

impl Reassembly {
    /// Takes a chunk at the beginning of time, with no other session beside.
    fn take(&mut self, frame: &Frame) -> Progress {
        self.add(Instant::ZERO, usize::MAX, frame)
    }
}

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
        let mut reassembly = new(LIMIT);
        let mut whole = Vec::new();
        for (start, end) in pieces {
            let flag = if end == message.len() { Continuation::Complete } else { Continuation::More };
            match reassembly.take(&chunk(start, &message[start..end], flag)) {
                Progress::Kept(_) => {}
                Progress::Complete(complete) => whole.push(complete.body),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // What comes twice may make the message twice, or begin it anew; it is never another one.
        prop_assert!(!whole.is_empty());
        prop_assert!(whole.iter().all(|body| *body == message));
    }

    /// MS-SEND-10: the message is what each octet was when it came last, and complete when the end and all before it are there.
    #[test]
    fn of_chunks_that_overlap_anyhow_the_later_octets_are_the_message(
        chunks in prop::collection::vec((1..12usize, 0..6usize, 0..6u8), 1..30),
    ) {
        let mut reassembly = new(LIMIT);
        let (mut octets, mut length) = (std::vec![None; 24], None);
        for (n, (start, len, is_last)) in chunks.into_iter().enumerate() {
            let body = std::vec![u8::try_from(n).unwrap(); len];
            let flag = if is_last == 0 { Continuation::Complete } else { MORE };
            let progress = reassembly.take(&chunk(start, &body, flag));
            let end = start + len;
            let last = octets.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
            let is_beyond = length.is_some_and(|length| end > length || (is_last == 0 && end != length));
            if is_beyond || (is_last == 0 && end < last) {
                prop_assert_eq!(refusal(&progress), Some(ChunkError::BeyondEnd));
                return Ok(());
            }
            octets[start..end].fill(Some(u8::try_from(n).unwrap()));
            length = length.or((is_last == 0).then_some(end));
            prop_assert!(matches!(progress, Progress::Kept(_)), "the first octet is not there: {progress:?}");
        }
        let first = chunk(0, b"x", MORE);
        octets[0] = Some(b'x');
        let expected: Option<Vec<u8>> = length.and_then(|length| octets.into_iter().take(length).collect());
        match reassembly.take(&first) {
            Progress::Complete(whole) => prop_assert_eq!(Some(whole.body.to_vec()), expected),
            Progress::Kept(_) => prop_assert_eq!(expected, None),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    /// MS-SEND-12: whatever is claimed, no more is held than the limits allow.
    #[test]
    fn nothing_makes_it_hold_more_than_its_limits(
        chunks in prop::collection::vec(
            (0..12u8, any::<u64>().prop_map(|n| n % 2000), 0..1200usize, prop::option::of(any::<u64>()), 0..4u8),
            0..60,
        ),
    ) {
        let mut reassembly = new(LIMIT);
        for (id, start, length, total, flag) in chunks {
            let ending = match flag {
                0 => Ending::Flag(Continuation::Complete),
                1 => Ending::Flag(Continuation::Aborted),
                _ => Ending::Flag(Continuation::More),
            };
            let total = total.map(|total| total % 1500);
            let progress = reassembly.take(
                &frame(Some(&format!("{id}")), Some((start + 1, total)), &std::vec![b'x'; length], ending),
            );
            if let Progress::Complete(whole) = progress {
                prop_assert!(whole.body.len() <= LIMIT);
            }
            prop_assert!(reassembly.unfinished.len() <= UNFINISHED);
            prop_assert!(reassembly.held() <= TOGETHER);
            for message in reassembly.unfinished.values() {
                prop_assert!(message.is_in_order(), "disjoint and apart");
            }
        }
    }
}

#[test]
fn of_overlapping_chunks_the_later_wins() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&chunk(0, b"aaaa", Continuation::More));
    reassembly.take(&chunk(2, b"bbbb", Continuation::More));
    let Progress::Complete(whole) = reassembly.take(&chunk(6, b"", Continuation::Complete)) else {
        panic!("not complete");
    };
    assert_eq!(whole.body, "aabbbb".as_bytes());
}

#[test]
fn a_message_in_one_chunk_is_not_copied() {
    let mut reassembly = new(LIMIT);
    let whole = frame(Some("m"), None, b"whole", Ending::Flag(Continuation::Complete));
    let Progress::Complete(complete) = reassembly.take(&whole) else { panic!("not complete") };
    assert_eq!(complete.body.as_ptr(), whole.body.as_ptr());
}

#[test]
fn each_limit_is_met_and_not_exceeded() {
    let mut reassembly = new(10);
    let more = Ending::Flag(Continuation::More);
    let full = chunk(0, &[b'x'; 10], Continuation::Complete);
    assert!(matches!(reassembly.take(&full), Progress::Complete(_)));
    let over = chunk(1, &[b'x'; 10], Continuation::More);
    assert_eq!(refusal(&reassembly.take(&over)), Some(ChunkError::TooLarge));
    let announced = frame(Some("m"), Some((1, Some(11))), b"x", more);
    assert_eq!(refusal(&reassembly.take(&announced)), Some(ChunkError::TooLarge));
    let endless = frame(Some("m"), Some((u64::MAX, None)), b"x", more);
    assert_eq!(refusal(&reassembly.take(&endless)), Some(ChunkError::TooLarge));
    let skipped = frame(Some("m"), Some((1, None)), b"", Ending::TooLarge);
    assert_eq!(refusal(&reassembly.take(&skipped)), Some(ChunkError::TooLarge));
    let nameless = frame(None, Some((1, None)), b"x", more);
    assert_eq!(refusal(&reassembly.take(&nameless)), Some(ChunkError::NoMessageId));
}

#[test]
fn a_refused_chunk_takes_its_message_along() {
    let mut reassembly = new(10);
    reassembly.take(&chunk(0, b"12345", Continuation::More));
    reassembly.take(&chunk(5, b"1234567", Continuation::Complete));
    assert_eq!(reassembly.next_expiry(), None);
}

#[test]
fn an_unfinished_message_is_forgotten_when_its_time_is_over_and_not_before() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&chunk(0, b"12345", Continuation::More));
    let due = reassembly.next_expiry().unwrap();
    assert_eq!(due, Instant::ZERO + PATIENCE);
    assert_eq!(reassembly.expire(Instant::from_micros(due.as_micros() - 1)), []);
    let given_up = reassembly.expire(due);
    assert_eq!(given_up.iter().map(|message| message.received).collect::<Vec<_>>(), [5]);
    assert_eq!(reassembly.next_expiry(), None);
}

#[test]
fn a_long_message_id_is_none() {
    let mut reassembly = new(LIMIT);
    let id = String::from("x").repeat(MAX_MESSAGE_ID + 1);
    let ending = Ending::Flag(Continuation::Complete);
    assert_eq!(refusal(&reassembly.take(&frame(Some(&id), None, b"x", ending))), Some(ChunkError::NoMessageId));
    assert!(matches!(reassembly.take(&frame(id.get(1..), None, b"x", ending)), Progress::Complete(_)));
}

#[test]
fn a_message_in_more_pieces_than_anybody_sends_is_refused() {
    let mut reassembly = new(LIMIT);
    let mut add = |n: usize| reassembly.take(&chunk(2 * n, b"x", Continuation::More));
    for n in 0..MAX_PIECES {
        assert!(matches!(add(n), Progress::Kept(_)), "piece {n}");
    }
    assert_eq!(refusal(&add(MAX_PIECES)), Some(ChunkError::TooMany));
}

fn complete(progress: Progress) -> Whole {
    match progress {
        Progress::Complete(whole) => whole,
        other => panic!("{other:?}"),
    }
}

/// A chunk of `id` that announces `total`.
fn part(id: &str, start: u64, total: Option<u64>, body: &[u8], flag: Continuation) -> Frame {
    frame(Some(id), Some((start, total)), body, Ending::Flag(flag))
}

const MORE: Continuation = Continuation::More;

/// MS-SEND-12.
#[test]
fn a_total_beyond_the_limit_is_refused_before_anything_is_held() {
    for total in [1001, 9_223_372_036_854_775_807, u64::MAX] {
        let mut reassembly = new(LIMIT);
        let first = reassembly.take(&part("m", 1, Some(total), b"x", Continuation::More));
        assert_eq!(refusal(&first), Some(ChunkError::TooLarge), "{total}");
        assert_eq!((reassembly.held(), reassembly.next_expiry()), (0, None));
    }
}

/// MS-SEND-12.
#[test]
fn the_rest_of_a_refused_message_is_refused_at_once() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&part("m", 1, Some(5000), b"x", Continuation::More));
    // None of these would be refused for itself.
    for (start, flag) in [(2, Continuation::More), (1, Continuation::More), (3, Continuation::Complete)] {
        let progress = reassembly.take(&part("m", start, None, b"x", flag));
        assert_eq!(refusal(&progress), Some(ChunkError::TooLarge), "{start} {flag:?}");
        assert_eq!((reassembly.held(), reassembly.next_expiry()), (0, None));
    }
    assert_eq!(complete(reassembly.take(&part("n", 1, None, b"x", Continuation::Complete))).body, "x");
}

/// MS-SEND-02, MS-SEND-12: who wanted silence gets it for the rest as well.
#[test]
fn the_rest_of_a_refused_message_is_answered_as_its_first_chunk_wants() {
    let mut reassembly = new(LIMIT);
    let mut first = part("m", 1, Some(5000), b"x", Continuation::More);
    first.head.failure_report = FailureReport::No;
    reassembly.take(&first);
    let Progress::Refused(_, reports) = reassembly.take(&part("m", 2, None, b"x", Continuation::More)) else {
        panic!("taken")
    };
    assert_eq!(reports.failure, FailureReport::No);
}

/// MS-SEND-11, MS-SEND-12.
#[test]
fn abandoning_a_refused_message_is_no_error_and_forgets_it() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&part("m", 1, Some(5000), b"x", Continuation::More));
    assert!(matches!(reassembly.take(&part("m", 2, None, b"", Continuation::Aborted)), Progress::Abandoned(_)));
    assert!(matches!(reassembly.take(&part("m", 1, None, b"x", Continuation::More)), Progress::Kept(_)));
}

#[test]
fn no_more_refused_messages_are_remembered_than_a_few() {
    let mut reassembly = new(LIMIT);
    for n in 0..100 {
        reassembly.take(&part(&format!("m{n}"), 1, Some(5000), b"x", Continuation::More));
    }
    // The last ones first, since the others are remembered in their place as soon as they come again.
    let mut is_remembered = |n: u32| {
        let progress = reassembly.take(&part(&format!("m{n}"), 2, None, b"", MORE));
        refusal(&progress) == Some(ChunkError::TooLarge)
    };
    let remembered = (0..100).rev().filter(|n| is_remembered(*n)).count();
    assert!((4..20).contains(&remembered), "{remembered}");
}

/// SW-10: whom there was no room for may try again from the beginning, and not in the middle.
#[test]
fn a_message_that_came_at_a_bad_time_may_come_again() {
    let mut reassembly = new(LIMIT);
    for id in ["a", "b", "c", "d"] {
        assert!(matches!(reassembly.take(&part(id, 1, None, b"x", Continuation::More)), Progress::Kept(_)));
    }
    let begin = part("e", 1, None, b"x", Continuation::More);
    let go_on = part("e", 2, None, b"y", Continuation::Complete);
    assert_eq!(refusal(&reassembly.take(&begin)), Some(ChunkError::TooMany));
    complete(reassembly.take(&part("a", 2, None, b"x", Continuation::Complete)));
    assert_eq!(refusal(&reassembly.take(&go_on)), Some(ChunkError::TooMany));
    assert!(matches!(reassembly.take(&begin), Progress::Kept(_)));
    assert_eq!(complete(reassembly.take(&go_on)).body, "xy");
}

/// SW-10.
#[test]
fn the_unfinished_messages_of_a_session_are_bounded_together() {
    let mut reassembly = new(LIMIT);
    let full = [b'x'; LIMIT];
    for id in ["a", "b", "c"] {
        assert!(matches!(reassembly.take(&part(id, 1, Some(1000), &full, Continuation::More)), Progress::Kept(_)));
    }
    assert_eq!(reassembly.held(), TOGETHER);
    let fourth = part("d", 1, None, b"x", Continuation::More);
    assert_eq!(refusal(&reassembly.take(&fourth)), Some(ChunkError::SessionFull));
    // The others are not affected, and what they held is free when they end.
    complete(reassembly.take(&part("a", 1001, None, b"", Continuation::Complete)));
    assert_eq!(reassembly.held(), 2 * LIMIT);
    assert!(matches!(reassembly.take(&fourth), Progress::Kept(_)));
}

/// SW-10.
#[test]
fn what_all_sessions_may_hold_is_taken_only_as_far_as_it_is_left() {
    let mut reassembly = new(LIMIT);
    let mut add = |spare, start, body: &[u8], flag| {
        let before = reassembly.held();
        let progress = reassembly.add(Instant::ZERO, spare, &part("m", start, Some(400), body, flag));
        assert!(reassembly.held() <= before + spare);
        progress
    };
    assert_eq!(refusal(&add(99, 1, &[b'x'; 100], MORE)), Some(ChunkError::NodeFull));
    assert!(matches!(add(100, 1, &[b'x'; 100], MORE), Progress::Kept(_)));
    assert!(matches!(add(150, 101, &[b'x'; 100], MORE), Progress::Kept(_)));
    assert!(matches!(add(0, 201, &[b'x'; 50], MORE), Progress::Kept(_)), "that much is held already");
    assert_eq!(refusal(&add(0, 251, b"x", MORE)), Some(ChunkError::NodeFull));
    assert_eq!(reassembly.held(), 0);
    // A message in one chunk needs none.
    let whole = part("n", 1, None, b"whole", Continuation::Complete);
    assert_eq!(complete(reassembly.add(Instant::ZERO, 0, &whole)).body, "whole");
}

/// MS-SEND-12: an announced total is a hint how much to take at once, and no more than that.
#[test]
fn what_is_held_is_in_proportion_to_what_came() {
    for total in [None, Some(1000), Some(3), Some(0)] {
        let mut reassembly = new(LIMIT);
        for n in 0..100_usize {
            let start = u64::try_from(n * 10 + 1).unwrap();
            assert!(matches!(reassembly.take(&part("m", start, total, &[b'x'; 10], MORE)), Progress::Kept(_)));
            assert!(reassembly.held() <= 2 * (n + 1) * 10, "{total:?} {n}: {}", reassembly.held());
        }
        assert_eq!(reassembly.held(), LIMIT, "never more than a message may have");
    }
}

/// MS-SEND-03: RFC 4975 §7.3.1 says when a chunk is all of a message.
#[test]
fn a_chunk_from_the_first_octet_to_the_end_is_the_message_whatever_came_before() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&chunk(3, b"defghi", Continuation::More));
    assert_eq!(complete(reassembly.take(&chunk(0, b"other", Continuation::Complete))).body, "other");
    assert_eq!((reassembly.held(), reassembly.next_expiry()), (0, None));
}

/// MS-SEND-03.
#[test]
fn a_later_chunk_without_byte_range_is_refused() {
    for flag in [Continuation::More, Continuation::Complete] {
        let mut reassembly = new(LIMIT);
        reassembly.take(&chunk(0, b"abc", Continuation::More));
        let later = frame(Some("m"), None, b"def", Ending::Flag(flag));
        assert_eq!(refusal(&reassembly.take(&later)), Some(ChunkError::NoByteRange));
    }
}

/// MS-SEND-03: the first chunk may lack it.
#[test]
fn a_first_chunk_without_byte_range_begins_at_the_first_octet() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&frame(Some("m"), None, b"abc", Ending::Flag(Continuation::More)));
    assert_eq!(complete(reassembly.take(&chunk(3, b"def", Continuation::Complete))).body, "abcdef");
}

/// MS-SEND-09, MS-SEND-10: neither a total nor a change of it makes a message end or not end.
#[test]
fn the_dollar_sign_fixes_the_length_and_not_a_total() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&part("m", 1, Some(3), b"abc", Continuation::More));
    reassembly.take(&part("m", 4, Some(100), b"def", Continuation::More));
    assert_eq!(complete(reassembly.take(&part("m", 7, Some(2), b"g", Continuation::Complete))).body, "abcdefg");
}

/// MS-SEND-08.
#[test]
fn single_octets_and_none_are_chunks() {
    let mut reassembly = new(LIMIT);
    for (n, octet) in b"abc".iter().enumerate() {
        assert!(matches!(reassembly.take(&chunk(n, &[*octet], Continuation::More)), Progress::Kept(_)));
        assert!(matches!(reassembly.take(&chunk(n, b"", Continuation::More)), Progress::Kept(_)));
    }
    assert_eq!(complete(reassembly.take(&chunk(3, b"", Continuation::Complete))).body, "abc");
    let nothing = frame(Some("n"), Some((1, Some(0))), b"", Ending::Flag(Continuation::Complete));
    assert_eq!(complete(reassembly.take(&nothing)).body, "");
}

/// MS-SEND-10.
#[test]
fn the_end_may_come_before_the_middle_and_nothing_after_the_end() {
    let mut reassembly = new(LIMIT);
    reassembly.take(&chunk(0, b"ab", Continuation::More));
    assert!(matches!(reassembly.take(&chunk(4, b"ef", Continuation::Complete)), Progress::Kept(_)));
    assert_eq!(complete(reassembly.take(&chunk(2, b"cd", Continuation::More))).body, "abcdef");
    for (start, flag) in [(5, Continuation::More), (6, Continuation::More), (3, Continuation::Complete)] {
        let mut reassembly = new(LIMIT);
        reassembly.take(&chunk(4, b"ef", Continuation::Complete));
        let beyond = reassembly.take(&chunk(start, b"xx", flag));
        assert_eq!(refusal(&beyond), Some(ChunkError::BeyondEnd), "{start}");
    }
}

#[test]
fn each_reason_has_its_code() {
    for (error, code) in [
        (ChunkError::NoMessageId, 400),
        (ChunkError::NoByteRange, 400),
        (ChunkError::BeyondEnd, 400),
        (ChunkError::TooLarge, 413),
        (ChunkError::TooMany, 413),
        (ChunkError::SessionFull, 413),
        (ChunkError::NodeFull, 413),
    ] {
        assert_eq!(error.code(), code, "{error}");
    }
}
