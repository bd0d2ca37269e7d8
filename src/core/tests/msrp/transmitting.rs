//! What a connection writes: order, division into chunks, and what becomes of the answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::msrp::content::Content;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::post::{Post, TransactionBase};
use mucfocus_core::msrp::transmitter::{Heard, Mute, Octets, Outcome, Share, Stalled, Transmitter};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::{self, WireFrame};
use mucfocus_core::wire::msrp::frame::{Continuation, Ending, FailureReport, Frame, Path, Start};
use mucfocus_core::wire::msrp::uri::MsrpUri;
use proptest::prelude::*;

struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// A transmitter, and the octets of its peer's side.
struct Wire {
    transmitter: Transmitter,
    ids: Counting,
    now: Instant,
    collector: Collector,
    read: BytesMut,
}

impl Wire {
    fn new() -> Self {
        Self::with(Limits::default(), false)
    }

    fn with(limits: Limits, whole_chunks: bool) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            transmitter: Transmitter::new(now, limits, whole_chunks),
            ids: Counting(0),
            now,
            collector: Collector::new(1 << 24),
            read: BytesMut::new(),
        }
    }

    fn env(&mut self) -> Env<'_> {
        Env { now: self.now, wall: WallClock::from_unix_millis(0), ids: &mut self.ids }
    }

    fn content(&mut self, body: impl Into<Bytes>) -> Arc<Content> {
        Content::cpim(&mut self.env(), "text/plain", body.into()).unwrap()
    }

    fn try_post(&mut self, share: Share, content: &Arc<Content>) -> Result<(), Stalled> {
        self.try_post_to(&format!("msrp://192.0.2.7:7654/peer{share};tcp"), share, content)
    }

    fn try_post_to(&mut self, path: &str, share: Share, content: &Arc<Content>) -> Result<(), Stalled> {
        let uris = path.split(' ').map(|uri| MsrpUri::parse(uri).unwrap()).collect();
        let to = Path::from_uris(uris).unwrap();
        let own = MsrpUri::parse(&format!("msrp://node1.example.com:2855/own{share};tcp")).unwrap();
        let base = TransactionBase::fresh(&mut self.env(), content);
        let (paths, is_relayed) = (encode::paths(&to, &own).unwrap(), !to.is_direct());
        let post = Post { base, paths, is_relayed, content: Arc::clone(content) };
        self.transmitter.post(self.now, share, post)
    }

    fn post(&mut self, share: Share, content: &Arc<Content>) {
        self.try_post(share, content).unwrap();
    }

    fn says(&mut self, share: Share, octets: usize) -> Arc<Content> {
        let content = self.content(vec![b'a' + u8::try_from(octets % 26).unwrap(); octets]);
        self.post(share, &content);
        content
    }

    /// Writes one batch; the frames that ended in it.
    fn writes_some(&mut self) -> Vec<Frame> {
        let mut octets = Octets::new();
        self.transmitter.fill(self.now, &mut octets);
        let len = octets.len();
        let parts = octets.into_parts();
        assert_eq!(parts.iter().map(Bytes::len).sum::<usize>(), len);
        parts.iter().for_each(|part| self.read.extend_from_slice(part));
        self.transmitter.written(self.now);
        let mut frames = Vec::new();
        while let Some(incoming) = self.collector.next(&mut self.read).unwrap() {
            let Incoming::Frame(frame) = incoming else { panic!("{incoming:?}") };
            frames.push(frame);
        }
        frames
    }

    fn writes_all(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while self.transmitter.has_work() {
            frames.extend(self.writes_some());
        }
        assert!(self.collector.is_between_messages() && self.read.is_empty());
        frames
    }

    fn answers(&mut self, share: Share, frame: &Frame, code: u16) -> Option<Outcome> {
        self.transmitter.heard(self.now);
        self.transmitter.answered(self.now, share, frame.head.transaction.as_str(), code)
    }

    /// A frame of the peer that begins like this, whatever its paths.
    fn hears(&mut self, share: Share, start: &str, transaction: &str) -> Heard {
        let octets = format!(
            "{start}To-Path: msrp://node1.example.com:2855/own1;tcp\r\nFrom-Path: msrp://192.0.2.7:7654/peer1;tcp\r\n\
             -------{transaction}$\r\n"
        );
        self.hears_octets(share, &octets)
    }

    fn hears_report(&mut self, share: Share, message_id: &str, status: &str) -> Heard {
        let octets = format!(
            "MSRP rep12345 REPORT\r\nTo-Path: msrp://node1.example.com:2855/own1;tcp\r\n\
             From-Path: msrp://192.0.2.7:7654/peer1;tcp\r\nMessage-ID: {message_id}\r\nByte-Range: 1-1/1\r\n\
             Status: {status}\r\n-------rep12345$\r\n"
        );
        self.hears_octets(share, &octets)
    }

    fn hears_octets(&mut self, share: Share, octets: &str) -> Heard {
        let incoming = Collector::new(1 << 16).next(&mut BytesMut::from(octets.as_bytes())).unwrap();
        let Some(Incoming::Frame(frame)) = incoming else { panic!("{incoming:?}") };
        self.transmitter.hear(self.now, share, &frame)
    }

    fn waits(&mut self, seconds: u64) -> Result<Vec<Outcome>, Mute> {
        self.now = self.now + Duration::from_secs(seconds);
        let mut out = Vec::new();
        self.transmitter.handle_timeout(self.now, &mut out)?;
        Ok(out.into_iter().map(|(_, outcome)| outcome).collect())
    }
}

fn response(transaction: &str) -> WireFrame {
    let octets = format!("MSRP {transaction} 200 OK\r\nTo-Path: msrp://a;tcp\r\nFrom-Path: msrp://b;tcp\r\n");
    let tail = format!("-------{transaction}$\r\n");
    WireFrame { head: octets.into(), body: Bytes::new(), tail: tail.into() }
}

fn range(frame: &Frame) -> String {
    frame.head.byte_range.unwrap().to_string()
}

fn share_of(frame: &Frame) -> Share {
    let id = frame.head.to_path.endpoint().session_id().unwrap();
    id.strip_prefix("peer").unwrap().parse().unwrap()
}

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

/// MS-RSP-06, MS-RSP-08: the rest of what was refused is not sent, whether its chunk is open or not.
#[test]
fn the_rest_of_a_refused_message_is_aborted() {
    for code in [400, 403, 413, 415] {
        let mut wire = Wire::new();
        let share = wire.transmitter.attach();
        let content = wire.says(share, 200_000);
        wire.writes_some();
        wire.transmitter.put(wire.now, share, response("abcd1234")).unwrap();
        let first = wire.writes_some().remove(0);
        assert_eq!(first.ending, Ending::Flag(Continuation::More));
        assert_eq!(wire.answers(share, &first, code), Some(Outcome::Refused(code, Arc::clone(content.label()))));
        assert_eq!(wire.answers(share, &first, code), None, "once");
        let next = wire.says(share, 10);
        let frames = wire.writes_all();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].ending, Ending::Flag(Continuation::Aborted));
        assert_eq!(frames[0].head.message_id.as_deref(), Some(content.message_id()));
        assert_eq!(frames[1].head.message_id.as_deref(), Some(next.message_id()), "the session goes on");
    }
}

/// MS-RSP-06 between two chunks, and by a REPORT (MS-REP-04).
#[test]
fn what_is_refused_between_two_chunks_is_aborted_too() {
    for by_report in [false, true] {
        let mut wire = Wire::new();
        let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
        let content = wire.says(a, 9000);
        wire.says(b, 50_000);
        let first = wire.writes_some().remove(0);
        assert_eq!((share_of(&first), first.ending), (a, Ending::Flag(Continuation::More)));
        let outcome = if by_report {
            wire.transmitter.reported(wire.now, a, content.message_id(), 413)
        } else {
            wire.answers(a, &first, 413)
        };
        assert_eq!(outcome, Some(Outcome::Refused(413, Arc::clone(content.label()))));
        let frames = wire.writes_all();
        let last = frames.iter().rfind(|frame| share_of(frame) == a).unwrap();
        assert_eq!(last.ending, Ending::Flag(Continuation::Aborted));
        assert!(frames.iter().filter(|frame| share_of(frame) == a).map(|f| f.body.len()).sum::<usize>() < 9000 - 2048);
    }
}

/// MS-RSP-10, SW-39.
#[test]
fn answers_to_nothing_are_nothing() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.says(share, 10);
    let frame = wire.writes_all().remove(0);
    let known = frame.head.transaction.as_str().to_owned();
    for unknown in ["zzzz", "", &format!("{known}.2"), &format!("{known}x"), &format!("{known}."), &known[1..]] {
        assert_eq!(wire.transmitter.answered(wire.now, share, unknown, 400), None, "{unknown}");
    }
    assert_eq!(wire.transmitter.answered(wire.now, share + 1, &known, 400), None, "another session");
    assert_eq!(wire.transmitter.reported(wire.now, share, "unknown", 413), None);
    assert_eq!(
        wire.transmitter.answered(wire.now, share, &known, 481),
        Some(Outcome::Refused(481, Arc::clone(content.label())))
    );
}

/// MS-RSP-04: from when it was written, not from when it was said.
#[test]
fn an_answer_is_due_thirty_seconds_after_the_last_octet() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    wire.says(share, 10);
    assert_eq!(wire.waits(100), Ok(vec![]), "nothing was written");
    wire.writes_all();
    assert_eq!(wire.transmitter.next_timeout(), Some(wire.now + Duration::from_secs(30)));
    wire.waits(20).unwrap();
    wire.transmitter.heard(wire.now);
    wire.now = wire.now + Duration::from_millis(9_999);
    assert_eq!(wire.waits(0), Ok(vec![]));
    wire.now = wire.now + Duration::from_millis(1);
    assert_eq!(wire.waits(0), Ok(vec![Outcome::Unanswered]), "the client is alive");
    assert_eq!(wire.transmitter.next_timeout(), None);
}

/// MS-RSP-05.
#[test]
fn an_answer_of_408_is_none() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    wire.says(share, 10);
    let frame = wire.writes_all().remove(0);
    assert_eq!(wire.answers(share, &frame, 408), Some(Outcome::Unanswered));
}

/// MS-RSP-04, MS-CONN-08: nothing of what was said to it is lost with such a connection.
#[test]
fn a_peer_that_says_nothing_at_all_is_mute() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.says(share, 10);
    wire.writes_all();
    assert_eq!(wire.waits(29), Ok(vec![]));
    assert_eq!(wire.waits(1), Err(Mute));
    assert_eq!(wire.transmitter.take_back(share), [content]);
}

/// MS-CONN-08: in order, what was answered not, and half a message whole.
#[test]
fn what_was_not_answered_comes_back_in_order() {
    let mut wire = Wire::new();
    let (a, b) = (wire.transmitter.attach(), wire.transmitter.attach());
    let answered = wire.says(a, 1);
    let said: Vec<Arc<Content>> = [2, 3, 100_000, 4, 9000].map(|octets| wire.says(a, octets)).into();
    let trifle = Content::trifle(&mut wire.env(), "application/im-iscomposing+xml", "x".into()).unwrap();
    wire.post(a, &trifle);
    let other = wire.says(b, 5);
    let first = wire.writes_some();
    wire.answers(a, first.iter().find(|f| share_of(f) == a).unwrap(), 200);
    assert_eq!(Arc::strong_count(&answered), 1, "what was answered is let go");
    assert_eq!(wire.transmitter.take_back(a), said);
    wire.transmitter.detach(a);
    wire.writes_all();
    assert_eq!(wire.transmitter.take_back(b), [other], "the other session is another matter");
}

/// SW-21.
#[test]
fn a_queue_is_bounded_and_above_four_fifths_trifles_are_left_out() {
    let limits = Limits { queue: 10, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let (share, other) = (wire.transmitter.attach(), wire.transmitter.attach());
    let trifle = Content::trifle(&mut wire.env(), "application/im-iscomposing+xml", "x".into()).unwrap();
    let content = wire.content("x");
    (0..7).for_each(|_| wire.post(share, &content));
    wire.post(share, &trifle);
    wire.post(share, &trifle);
    (0..2).for_each(|_| wire.post(share, &content));
    assert_eq!(wire.try_post(share, &content), Err(Stalled), "seven, a trifle, two");
    assert_eq!(wire.transmitter.put(wire.now, share, response("abcd1234")), Err(Stalled));
    assert_eq!(wire.try_post(other, &content), Ok(()));
    assert_eq!(wire.writes_all().len(), 11);
    assert_eq!(wire.try_post(share, &content), Ok(()), "what is written makes room");
}

/// SW-21: one message larger than the queue goes when nothing else is out.
#[test]
fn a_message_larger_than_the_queue_goes_alone() {
    let limits = Limits { queue_octets: 10_000, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let share = wire.transmitter.attach();
    let (large, small) = (wire.content(vec![b'x'; 20_000]), wire.content("x"));
    wire.post(share, &large);
    assert_eq!(wire.try_post(share, &small), Err(Stalled));
    wire.writes_all();
    wire.post(share, &small);
    assert_eq!(wire.try_post(share, &large), Err(Stalled));
}

/// RFC 7701 §6.4.
#[test]
fn a_batch_that_is_not_written_for_a_minute_is_a_stall() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let content = wire.content("x");
    wire.post(share, &content);
    wire.transmitter.fill(wire.now, &mut Octets::new());
    wire.now = wire.now + Duration::from_secs(60);
    assert_eq!(wire.try_post(share, &content), Ok(()));
    wire.now = wire.now + Duration::from_micros(1);
    assert_eq!(wire.try_post(share, &content), Err(Stalled));
}

#[test]
fn nothing_is_kept_of_a_large_message_that_four_hundred_have_answered() {
    let mut wire = Wire::new();
    let content = wire.content(vec![b'x'; 250_000]);
    let mut transmitters: Vec<Wire> = (0..400).map(|_| Wire::new()).collect();
    for peer in &mut transmitters {
        let share = peer.transmitter.attach();
        peer.post(share, &content);
        let frame = peer.writes_all().remove(0);
        peer.answers(share, &frame, 200);
    }
    assert_eq!(Arc::strong_count(&content), 1);
    transmitters.iter_mut().for_each(|peer| peer.read = BytesMut::new());
    assert!(content.body().is_unique(), "not even a part of it");
}

/// A client that reads and answers nothing, but is alive, does not make us keep all that it was told.
#[test]
fn what_awaits_its_answer_is_bounded() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    for _ in 0..600 {
        wire.says(share, 5);
        wire.writes_all();
    }
    let unanswered = wire.waits(1).unwrap();
    assert_eq!(unanswered, vec![Outcome::Unanswered; Limits::default().queue], "it can be seen");
    assert_eq!(wire.transmitter.take_back(share).len(), Limits::default().queue);
}

/// SW-20: neither header is written, so that each copy and each of its chunks asks for the answers that are waited for.
#[test]
fn all_chunks_of_a_copy_ask_for_the_same_answers() {
    let mut wire = Wire::new();
    let shares = [wire.transmitter.attach(), wire.transmitter.attach()];
    let content = wire.content(vec![b'x'; 50_000]);
    for share in shares {
        wire.post(share, &content);
    }
    let frames = wire.writes_all();
    assert!(frames.len() > 4);
    for frame in frames {
        assert_eq!((frame.head.success_report, frame.head.failure_report), (false, FailureReport::Yes));
        assert_eq!(frame.head.message_id.as_deref(), Some(content.message_id()));
    }
}

/// MS-REP-04: a relay that has answered 200 may say later that the message went no further. Namespaces that nobody knows say
/// nothing, and so does success.
#[test]
fn a_report_of_failure_counts_after_the_200() {
    for (code, outcome) in [(413, false), (415, false), (481, false), (408, true)] {
        let mut wire = Wire::new();
        let share = wire.transmitter.attach();
        let content = wire.says(share, 10);
        let frame = wire.writes_all().remove(0);
        assert_eq!(wire.answers(share, &frame, 200), None);
        wire.waits(80).unwrap();
        for harmless in ["000 200", "001 500"] {
            assert_eq!(wire.hears_report(share, content.message_id(), harmless), Heard::Answer(None), "{harmless}");
        }
        let refused = Outcome::Refused(code, Arc::clone(content.label()));
        let expected = if outcome { Outcome::Unanswered } else { refused };
        let status = format!("000 {code}");
        assert_eq!(wire.hears_report(share, content.message_id(), &status), Heard::Answer(Some(expected)));
        assert_eq!(wire.hears_report(share, content.message_id(), &status), Heard::Answer(None), "once");
    }
}

/// MS-REP-04: what is remembered of messages that have arrived is bounded, in number and in time, and holds no text.
#[test]
fn what_has_arrived_is_not_remembered_for_ever() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let said: Vec<Arc<Content>> = (0..200).map(|_| wire.says(share, 10)).collect();
    for frame in wire.writes_all() {
        wire.answers(share, &frame, 200);
    }
    assert!(said.iter().all(|content| Arc::strong_count(content) == 1));
    let known = said.iter().filter(|content| Arc::strong_count(content.label()) > 1).count();
    assert_eq!(known, 128);
    let last = said.last().unwrap();
    wire.waits(89).unwrap();
    assert!(wire.transmitter.next_timeout().is_some());
    assert_eq!(Arc::strong_count(last.label()), 2);
    wire.waits(1).unwrap();
    assert!(said.iter().all(|content| Arc::strong_count(content.label()) == 1), "nothing is left");
    assert_eq!(wire.transmitter.reported(wire.now, share, last.message_id(), 413), None);
    assert_eq!(wire.transmitter.next_timeout(), None);
}

/// MS-RSP-07: the message that was refused comes back with the rest.
#[test]
fn what_is_refused_because_the_session_is_elsewhere_comes_back() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let said = [wire.says(share, 10), wire.says(share, 9000)];
    let frame = wire.writes_some().remove(0);
    assert_eq!(wire.hears(share, "MSRP unknown1 506 No\r\n", "unknown1"), Heard::Answer(None));
    let transaction = frame.head.transaction.as_str();
    let start = format!("MSRP {transaction} 506 No\r\n");
    assert_eq!(wire.hears(share, &start, transaction), Heard::Elsewhere);
    assert_eq!(wire.transmitter.take_back(share), said);
}

/// MS-RSP-04: it does not help a peer that answers nothing that so much is said to it that the oldest is always young.
#[test]
fn a_peer_that_says_nothing_is_mute_in_a_busy_room_too() {
    let mut wire = Wire::new();
    let share = wire.transmitter.attach();
    let mut mute_after = None;
    for second in 0..60 {
        for _ in 0..40 {
            wire.says(share, 100);
        }
        wire.writes_all();
        if wire.waits(1).is_err() {
            mute_after = Some(second + 1);
            break;
        }
    }
    assert_eq!(mute_after, Some(30));
    let mut alive = Wire::new();
    let share = alive.transmitter.attach();
    for _ in 0..60 {
        for _ in 0..40 {
            alive.says(share, 100);
        }
        alive.writes_all();
        alive.transmitter.heard(alive.now);
        alive.waits(1).unwrap();
    }
}

/// SW-21: where much waits large messages are left out. The user is told when there is room again.
#[test]
fn a_congested_queue_takes_no_large_messages_and_says_so_later() {
    let limits = Limits { queue: 10, ..Limits::default() };
    let mut wire = Wire::with(limits, false);
    let share = wire.transmitter.attach();
    let (small, large, medium) =
        (wire.content("x"), wire.content(vec![b'x'; 16 * 1024 + 1]), wire.content(vec![b'x'; 16 * 1024]));
    (0..7).for_each(|_| wire.post(share, &small));
    wire.post(share, &large);
    wire.post(share, &large);
    wire.post(share, &large);
    wire.post(share, &medium);
    assert_eq!(wire.waits(5), Ok(vec![]), "nothing has been written");
    let ids: Vec<String> = wire.writes_all().into_iter().filter_map(|frame| frame.head.message_id).collect();
    assert_eq!(ids.iter().filter(|id| *id == large.message_id()).count(), 1, "seven small ones are no congestion");
    assert!(ids.iter().any(|id| id == medium.message_id()));
    assert_eq!(wire.waits(5), Ok(vec![Outcome::Missed(2)]));
    assert_eq!(wire.waits(5), Ok(vec![]), "once");
    wire.post(share, &large);
    assert_eq!(wire.writes_all().len(), 1);
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

/// MS-CONN-08, MS-RSP-08: the peer is not left waiting for the rest.
#[test]
fn half_a_message_that_is_taken_back_between_two_chunks_is_aborted() {
    let mut wire = Wire::with(Limits::default(), true);
    let share = wire.transmitter.attach();
    let large = wire.says(share, 60_000);
    let first = wire.writes_some();
    assert_eq!(first[0].ending, Ending::Flag(Continuation::More));
    assert_eq!(wire.transmitter.take_back(share), [large]);
    let frames = wire.writes_all();
    assert_eq!(frames.iter().map(|f| f.ending).collect::<Vec<_>>(), [Ending::Flag(Continuation::Aborted)]);
}
