//! What a connection writes: order, and division into chunks.

use std::sync::Arc;

use bytes::Bytes;
use mucfocus_core::env::Env;
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::post::TransactionBase;
use mucfocus_core::msrp::transmitter::Share;
use mucfocus_core::time::WallClock;
use mucfocus_core::wire::msrp::frame::{Continuation, Ending, Frame, Start};
use proptest::prelude::*;

use crate::wire::{Counting, Wire, range, response, share_of};

/// MS-SEND-05.
#[test]
fn a_message_alone_is_one_chunk_whatever_its_size() {
    for (octets, expected) in [
        (0, "1-0/0"),
        (1, "1-1/1"),
        (2048, "1-2048/2048"),
        (2049, "1-*/2049"),
        (5000, "1-*/5000"),
        (250_000, "1-*/250000"),
    ] {
        let mut wire = Wire::new();
        let share = wire.transmitter.attach();
        let content = wire.says(share, octets);
        let frames = wire.writes_all();
        assert_eq!(frames.len(), 1, "{octets}");
        assert_eq!((range(&frames[0]).as_str(), &frames[0].body), (expected, content.body()));
        assert_eq!(frames[0].ending, Ending::Flag(Continuation::Complete));
        assert_eq!(frames[0].head.message_id.as_deref(), Some(content.message_id()));
        assert_eq!(frames[0].head.content_type.as_deref(), Some("message/cpim"));
    }
}

/// RLY-01: Kamailio takes no frame of more than 14 KiB, and says nothing of those that it loses.
#[test]
fn along_a_path_with_a_relay_no_chunk_is_longer_than_it_has_to_be() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.content(vec![b'r'; 5000]);
    let path = "msrp://relay.example.org:9000/r1;tcp msrp://192.0.2.7:7654/peer1;tcp";
    wire.try_post_to(path, share, &content).unwrap();
    let frames = wire.writes_all();
    let ranges: Vec<String> = frames.iter().map(range).collect();
    assert_eq!(ranges, ["1-*/5000", "2049-*/5000", "4097-*/5000"]);
    assert_eq!(frames.iter().map(|frame| frame.body.len()).collect::<Vec<_>>(), [2048, 2048, 904]);
    assert_eq!(frames[1].ending, Ending::Flag(Continuation::More));
}

/// MS-SEND-06, MS-SEND-05, MS-SEND-02: a response goes between two chunks, none of which is small.
#[test]
fn a_response_interrupts_a_large_message() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.says(share, 100_000);
    assert!(wire.writes_some().is_empty(), "its first chunk is open");
    wire.transmitter.put(wire.now, share, response("abcd1234")).unwrap();
    let frames = wire.writes_all();
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[0].ending, Ending::Flag(Continuation::More));
    assert!(matches!(frames[1].head.start, Start::Response { code: 200, .. }));
    assert_eq!(frames[2].ending, Ending::Flag(Continuation::Complete));
    assert!(frames[0].body.len() >= 2048 && frames[0].body.len() < 50_000, "soon: {}", frames[0].body.len());
    assert_eq!(range(&frames[2]), format!("{}-*/100000", frames[0].body.len() + 1));
    assert_eq!([&frames[0].body[..], &frames[2].body[..]].concat(), *content.body());
    let (first, second) = (&frames[0].head, &frames[2].head);
    assert_ne!(first.transaction, second.transaction);
    assert!(second.transaction.as_str().len() <= 32);
    let reports = |frame: &Frame| (frame.head.success_report, frame.head.failure_report, frame.head.message_id.clone());
    assert_eq!(reports(&frames[0]), reports(&frames[2]));
}

/// MS-SEND-07.
#[test]
fn large_messages_of_two_sessions_take_turns() {
    let mut wire = Wire::new();
    let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
    let (one, two) = (wire.says(a, 60_000), wire.says(b, 60_001));
    let frames = wire.writes_all();
    assert!(frames.len() > 10, "they alternate");
    let both = frames.iter().rposition(|f| f.head.message_id.as_deref() == Some(one.message_id())).unwrap();
    let turns: Vec<Share> = frames[..both.min(frames.len() - 2)].iter().map(share_of).collect();
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
    for (share, content) in [(a, one), (b, two)] {
        let body: Vec<u8> = frames.iter().filter(|f| share_of(f) == share).flat_map(|f| f.body.to_vec()).collect();
        assert_eq!(body, *content.body());
    }
    let short = frames.iter().filter(|f| f.ending == Ending::Flag(Continuation::More) && f.body.len() < 2048).count();
    assert_eq!(short, 0, "MS-SEND-05");
}

/// MS-SEND-07: who has little to say does not wait for who has much.
#[test]
fn a_short_message_of_another_session_comes_soon() {
    let mut wire = Wire::new();
    let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
    wire.says(a, 1_000_000 / 2);
    wire.writes_some();
    wire.says(b, 100);
    let frames = [wire.writes_some(), wire.writes_some()].concat();
    assert!(frames.iter().any(|frame| share_of(frame) == b));
}

#[test]
fn messages_of_one_session_keep_their_order() {
    let mut wire = Wire::new();
    let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
    let said: Vec<Arc<Content>> = [10, 9000, 20, 30_000, 30].map(|octets| wire.says(a, octets)).into();
    wire.says(b, 40_000);
    let frames = wire.writes_all();
    let whole = frames.iter().filter(|f| share_of(f) == a && f.ending == Ending::Flag(Continuation::Complete));
    let ids: Vec<&str> = whole.map(|f| f.head.message_id.as_deref().unwrap()).collect();
    assert_eq!(ids, said.iter().map(|content| content.message_id()).collect::<Vec<_>>());
}

/// What ends goes out to its last octet: a leg's last notice comes before its BYE.
#[test]
fn what_a_session_put_in_before_its_end_is_written() {
    let mut wire = Wire::new();
    let (share, other) = (wire.transmitter.attach(), wire.transmitter.attach());
    wire.says(share, 5);
    wire.transmitter.put(wire.now, share, response("abcd1234")).unwrap();
    wire.transmitter.detach(share);
    assert!(!wire.transmitter.is_attached(share) && wire.transmitter.is_attached(other));
    wire.transmitter.detach(other);
    assert!(!wire.transmitter.is_deserted());
    assert_eq!(wire.writes_all().len(), 2);
    assert!(wire.transmitter.is_deserted());
    assert_eq!(wire.transmitter.next_timeout().map(|_| wire.waits(60)), None, "nobody waits for answers");
}

/// MS-FRAME-04.
#[test]
fn no_transaction_is_called_what_its_body_holds() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let mut next = Counting(wire.ids.0);
    let plain = Content::new("m", "text/plain", "text/plain", "x".into()).unwrap();
    let mut env = Env { now: wire.now, wall: WallClock::from_unix_millis(0), ids: &mut next };
    let drawn = TransactionBase::fresh(&mut env, &plain);
    for hyphens in ["-------", "--------"] {
        let content = wire.content(format!("a\r\n{hyphens}{}$\r\nb", drawn.as_str()));
        wire.ids.0 = next.0 - 1;
        wire.post(share, &content);
        let frames = wire.writes_all();
        assert_eq!((frames.len(), &frames[0].body), (1, content.body()));
        assert_ne!(frames[0].head.transaction.as_str(), drawn.as_str());
    }
}

/// A WebSocket message holds one frame (RFC 7977 §5.3).
#[test]
fn whole_chunks_come_one_by_one() {
    let mut wire = Wire::with(Limits::default(), true);
    let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
    let content = wire.says(a, 100_000);
    wire.says(b, 10);
    wire.transmitter.put(wire.now, a, response("abcd1234")).unwrap();
    let mut body = Vec::new();
    while wire.transmitter.has_work() {
        let frames = wire.writes_some();
        assert!(frames.len() == 1 && wire.read.is_empty() && wire.collector.is_between_messages());
        if frames[0].head.message_id.as_deref() == Some(content.message_id()) {
            body.extend_from_slice(&frames[0].body);
        }
    }
    assert_eq!(body, *content.body());
}

/// What may happen to a connection.
#[derive(Debug, Clone)]
enum Step {
    Says(usize, usize),
    Responds(usize),
    Writes,
    Answers(usize, u16),
    Ends(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 0..3000_usize, 2 => 3000..40_000_usize, 1 => 40_000..90_000_usize];
    let step = prop_oneof![
        4 => (0..3_usize, size).prop_map(|(who, octets)| Step::Says(who, octets)),
        2 => (0..3_usize).prop_map(Step::Responds),
        5 => Just(Step::Writes),
        1 => (any::<usize>(), prop::sample::select(vec![200, 200, 413, 408])).prop_map(|(n, code)| Step::Answers(n, code)),
        1 => (0..3_usize).prop_map(Step::Ends),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens in whatever order: the peer gets each message whole, once, unless it refused it, and those of one session
    /// in their order.
    #[test]
    fn every_message_arrives_whole_and_once(steps in steps(), whole_chunks in any::<bool>()) {
        use mucfocus_core::msrp::reassembly::{Progress, Reassembly};
        use std::collections::BTreeMap;
        let limits = Limits {
            queue: 1000,
            queue_octets: 1 << 24,
            message: 1 << 24,
            unfinished_octets: 1 << 24,
            ..Limits::default()
        };
        let mut wire = Wire::with(limits, whole_chunks);
        let shares = [wire.transmitter.attach(), wire.transmitter.attach(), wire.transmitter.attach()];
        let mut said: BTreeMap<Share, Vec<Arc<Content>>> = BTreeMap::new();
        let mut refused: Vec<String> = Vec::new();
        let (mut got, mut responses, mut ended) = (Vec::new(), (0, 0), [false; 3]);
        for step in steps {
            match step {
                Step::Says(who, octets) if !ended[who] => {
                    let content = wire.says(shares[who], octets);
                    said.entry(shares[who]).or_default().push(content);
                }
                Step::Responds(who) if !ended[who] => {
                    responses.0 += 1;
                    wire.transmitter.put(wire.now, shares[who], response("abcd1234")).unwrap();
                }
                Step::Says(..) | Step::Responds(_) => {}
                Step::Writes => got.extend(wire.writes_some()),
                Step::Answers(n, code) => {
                    let sends: Vec<Frame> =
                        got.iter().filter(|f: &&Frame| f.head.message_id.is_some()).cloned().collect();
                    if let Some(frame) = n.checked_rem(sends.len()).map(|n| &sends[n])
                        && wire.answers(share_of(frame), frame, code).is_some()
                    {
                        refused.extend(frame.head.message_id.clone());
                    }
                }
                Step::Ends(who) => {
                    wire.transmitter.detach(shares[who]);
                    ended[who] = true;
                }
            }
        }
        got.extend(wire.writes_all());
        let mut arrived: BTreeMap<Share, Vec<(String, Bytes)>> = BTreeMap::new();
        let mut peers: BTreeMap<Share, Reassembly> = BTreeMap::new();
        for frame in &got {
            if frame.head.message_id.is_none() {
                responses.1 += 1;
                continue;
            }
            if frame.ending == Ending::Flag(Continuation::More) {
                prop_assert!(frame.body.len() >= 2048);
            }
            let share = share_of(frame);
            match peers.entry(share).or_insert_with(|| Reassembly::new(limits)).add(wire.now, usize::MAX, frame) {
                Progress::Complete(whole) => arrived.entry(share).or_default().push((whole.message_id, whole.body)),
                Progress::Kept(_) | Progress::Abandoned(_) => {}
                Progress::Refused(error, _) => prop_assert!(false, "{error}"),
            }
        }
        prop_assert_eq!(responses.0, responses.1);
        for (share, said) in said {
            let arrived = arrived.remove(&share).unwrap_or_default();
            let ids: Vec<&String> = arrived.iter().map(|(id, _)| id).collect();
            let wanted = |c: &&Arc<Content>| ids.contains(&&c.message_id().to_owned()) || !refused.contains(&c.message_id().to_owned());
            let expected: Vec<(String, Bytes)> =
                said.iter().filter(wanted).map(|c| (c.message_id().to_owned(), c.body().clone())).collect();
            prop_assert_eq!(arrived, expected);
        }
    }
}
