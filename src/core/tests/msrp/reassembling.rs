//! From the octets of a connection to whole messages.

use bytes::{Bytes, BytesMut};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::reassembly::{ChunkError, Progress, Reassembly};
use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::frame;
use mucfocus_core::wire::msrp::frame::{ByteRange, Continuation, Head, TransactionId};
use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::a_send;

fn chunk(n: usize, range: ByteRange, body: &[u8], flag: Continuation) -> Vec<u8> {
    let head = Head {
        transaction: TransactionId::new(&format!("tid{n:05}")).unwrap(),
        message_id: Some("m".into()),
        byte_range: Some(range),
        content_type: Some("text/plain".into()),
        ..a_send()
    };
    let frame = frame(&head, Some(&Bytes::copy_from_slice(body)), flag).unwrap();
    frame.chunks().flat_map(|part| part.to_vec()).collect()
}

/// What becomes of the chunks in `wire`, read in pieces of `piece` octets.
fn receive(wire: &[u8], piece: usize, limits: Limits) -> (Vec<Progress>, Reassembly) {
    let mut collector = Collector::with_limits(limits.message, limits.wire);
    let (mut reassembly, mut buf, mut all) = (Reassembly::new(limits), BytesMut::new(), Vec::new());
    for piece in wire.chunks(piece) {
        buf.extend_from_slice(piece);
        while let Some(incoming) = collector.next(&mut buf).unwrap() {
            let Incoming::Frame(frame) = incoming else { panic!("{incoming:?}") };
            all.push(reassembly.add(Instant::ZERO, usize::MAX, &frame));
            assert!(reassembly.held() <= limits.unfinished_octets);
        }
    }
    (all, reassembly)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// MS-SEND-03, MS-SEND-08: with whatever of a Byte-Range a sender may leave open.
    #[test]
    fn a_message_arrives_whole_however_it_is_chunked_and_however_the_octets_are_cut(
        message in vec(any::<u8>(), 1..2000),
        cuts in vec(any::<prop::sample::Index>(), 0..10),
        knows_ends in any::<bool>(),
        knows_total in any::<bool>(),
        piece in 1..700usize,
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(message.len())).collect();
        cuts.sort_unstable();
        let octets = |n: usize| u64::try_from(n).unwrap();
        let mut wire = Vec::new();
        let mut from = 0;
        for (n, to) in cuts.into_iter().chain([message.len()]).enumerate() {
            let range = ByteRange {
                start: octets(from + 1),
                end: knows_ends.then(|| octets(to)),
                total: knows_total.then(|| octets(message.len())),
            };
            let flag = if to == message.len() { Continuation::Complete } else { Continuation::More };
            wire.extend(chunk(n, range, &message[from..to], flag));
            from = to;
        }
        let (mut all, reassembly) = receive(&wire, piece, Limits::default());
        let Some(Progress::Complete(whole)) = all.pop() else { panic!("not complete") };
        prop_assert_eq!(whole.body, message);
        prop_assert!(all.iter().all(|progress| matches!(progress, Progress::Kept(_))));
        prop_assert_eq!(reassembly.held(), 0);
    }
}

/// MS-SEND-12, GC-MSG-09: each chunk is told at once that it is in vain, and nothing is held meanwhile.
#[test]
fn a_message_that_is_announced_too_large_is_refused_chunk_by_chunk() {
    let limits = Limits { message: 1000, ..Limits::default() };
    let more = Continuation::More;
    let wire = [
        chunk(1, ByteRange { start: 1, end: None, total: Some(9_223_372_036_854_775_807) }, b"begin", more),
        chunk(2, ByteRange { start: 6, end: None, total: None }, b"and so on", more),
        chunk(3, ByteRange { start: 15, end: None, total: None }, b"to the end", Continuation::Complete),
    ]
    .concat();
    for piece in [1, 50, wire.len()] {
        let (all, reassembly) = receive(&wire, piece, limits);
        let refused = |progress: &Progress| matches!(progress, Progress::Refused(ChunkError::TooLarge, _));
        assert!(all.len() == 3 && all.iter().all(refused), "{all:?}");
        assert_eq!((reassembly.held(), reassembly.next_expiry()), (0, None));
    }
}

/// MS-SEND-09: ranges that contradict themselves or the octets are only a hint where the octets begin.
#[test]
fn wrong_ranges_do_not_change_what_arrives() {
    for (end, total) in [(Some(25), Some(25)), (Some(0), Some(0)), (Some(3), Some(2)), (Some(u64::MAX), None)] {
        let wire =
            chunk(1, ByteRange { start: 1, end, total }, b"longer than said, or shorter", Continuation::Complete);
        let (all, _) = receive(&wire, wire.len(), Limits::default());
        let [Progress::Complete(whole)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(whole.body, "longer than said, or shorter", "{end:?} {total:?}");
    }
}
