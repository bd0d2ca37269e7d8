//! What MSRP costs: time, and allocations beside it.
//!
//! What is aimed at, on one core of two gigahertz and more: 1 µs to decode a SEND of 300 octets, half of that to encode one,
//! 1 GB/s for a long message in small chunks, 100,000 messages a second on one connection.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails ends there")]

use bytes::{Bytes, BytesMut};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mucfocus_core::env::{Env, IdSource};
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::msrp::reassembly::{Progress, Reassembly};
use mucfocus_core::msrp::session::{Event, Session, Verdict};
use mucfocus_core::time::{Instant, WallClock};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::Decoder;
use mucfocus_core::wire::msrp::encode::{frame, response};
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, FailureReport, Head, Method, Path, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;

/// Counts allocations, which each benchmark then reports beside its time.
#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

const OWN: &str = "msrp://focus1.example.com:2855/k7x2a4q5w3e6r7t2;tcp";
const PEER: &str = "msrp://192.0.2.17:49152/7f3a9c1e5b;tcp";
/// Messages that come with one read where many are measured at once.
const BURST: usize = 50;

fn head(transaction: &str, total: usize) -> Head {
    let uri = |text| Path::new(MsrpUri::parse(text).unwrap());
    Head {
        transaction: TransactionId::new(transaction).unwrap(),
        start: Start::Request(Method::Send),
        to_path: uri(OWN),
        from_path: uri(PEER),
        message_id: Some(format!("87652491{transaction}")),
        byte_range: Some(ByteRange { start: 1, end: u64::try_from(total).ok(), total: u64::try_from(total).ok() }),
        success_report: false,
        failure_report: FailureReport::Yes,
        status: None,
        use_nickname: None,
        content_type: Some("message/cpim".into()),
    }
}

fn octets(head: &Head, body: &Bytes, flag: Continuation) -> Vec<u8> {
    frame(head, Some(body), flag).unwrap().chunks().flat_map(|part| part.to_vec()).collect()
}

/// A SEND of 300 octets, CPIM inside.
fn short_send(transaction: &str) -> Vec<u8> {
    let cpim = "To: <sip:capulet@example.com>\r\n\r\n\r\n";
    let wrapped = |text: &str| octets(&head(transaction, 99), &[cpim, text].concat().into(), Continuation::Complete);
    let send = wrapped(&"x".repeat(300 - wrapped("").len()));
    assert_eq!(send.len(), 300);
    send
}

fn short_sends() -> Vec<u8> {
    (0..BURST).flat_map(|n| short_send(&format!("a786hjs2d9{n:02}"))).collect()
}

#[divan::bench]
fn decode_sends_of_300_octets(bencher: Bencher<'_, '_>) {
    let wire = short_sends();
    let mut decoder = Decoder::new();
    bencher.counter(ItemsCount::new(BURST)).with_inputs(|| BytesMut::from(&wire[..])).bench_local_refs(|buf| {
        while let Some(event) = decoder.decode(buf).unwrap() {
            black_box(event);
        }
    });
}

#[divan::bench]
fn encode_send(bencher: Bencher<'_, '_>) {
    let (head, body) = (head("a786hjs2d93kswow", 100), Bytes::from(vec![b'x'; 100]));
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| frame(black_box(&head), Some(black_box(&body)), Continuation::Complete).unwrap());
}

#[divan::bench]
fn encode_response(bencher: Bencher<'_, '_>) {
    let (head, own) = (head("a786hjs2d93kswow", 100), MsrpUri::parse(OWN).unwrap());
    bencher.counter(ItemsCount::new(1_usize)).bench(|| response(black_box(&head), &own, 200, "OK").unwrap());
}

/// What a room of 400 costs for one message of 1 KiB: a head of its own for each, one body for all.
#[divan::bench]
fn encode_one_body_for_400_recipients(bencher: Bencher<'_, '_>) {
    let body = Bytes::from(vec![b'x'; 1024]);
    let heads: Vec<Head> = (0..400).map(|n| head(&format!("a786hjs2d93k{n:04}"), 1024)).collect();
    bencher.counter(ItemsCount::new(heads.len())).bench(|| {
        for head in &heads {
            black_box(frame(head, Some(&body), Continuation::Complete).unwrap());
        }
    });
}

/// A message of ten million octets in chunks of 2 KiB, read 16 KiB at a time, of lines that begin almost like an end-line.
fn long_message() -> (Vec<u8>, usize) {
    const CHUNK: usize = 2048;
    const CHUNKS: usize = 10_000_000 / CHUNK;
    let body = Bytes::from("lorem ipsum dolor sit amet,\r\n-- \r\n".repeat(64)).slice(..CHUNK);
    let mut wire = Vec::new();
    for n in 0..CHUNKS {
        let start = u64::try_from(n * CHUNK + 1).ok();
        let head = Head {
            transaction: TransactionId::new(&format!("a786hjs2d{n:07}")).unwrap(),
            byte_range: start.map(|start| ByteRange { start, end: None, total: u64::try_from(CHUNKS * CHUNK).ok() }),
            ..head("a786hjs2d93kswow", 0)
        };
        let flag = if n + 1 == CHUNKS { Continuation::Complete } else { Continuation::More };
        wire.extend(octets(&head, &body, flag));
    }
    (wire, CHUNKS * CHUNK)
}

fn each_frame(wire: &[u8], mut take: impl FnMut(Incoming)) {
    let mut collector = Collector::new(16 << 20);
    let mut buf = BytesMut::new();
    for read in wire.chunks(16_384) {
        buf.extend_from_slice(read);
        while let Some(incoming) = collector.next(&mut buf).unwrap() {
            take(incoming);
        }
    }
}

#[divan::bench(sample_count = 50)]
fn collect_10_megabytes(bencher: Bencher<'_, '_>) {
    let (wire, len) = long_message();
    bencher.counter(BytesCount::new(len)).bench_local(|| each_frame(&wire, |frame| drop(black_box(frame))));
}

#[divan::bench(sample_count = 50)]
fn reassemble_10_megabytes(bencher: Bencher<'_, '_>) {
    let (wire, len) = long_message();
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        let octets = 16 << 20;
        let limits = Limits { message: octets, unfinished_octets: octets, ..Limits::default() };
        let mut reassembly = Reassembly::new(limits);
        let mut whole = None;
        each_frame(&wire, |incoming| {
            let Incoming::Frame(frame) = incoming else { return };
            if let Progress::Complete(complete) = reassembly.add(Instant::ZERO, usize::MAX, &frame) {
                whole = Some(complete);
            }
        });
        assert_eq!(whole.unwrap().body.len(), len);
    });
}

struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// From the octets of a connection to those of its responses.
#[divan::bench]
fn answer_sends_of_300_octets(bencher: Bencher<'_, '_>) {
    let wire = short_sends();
    let mut ids = Counting(0);
    let mut env = Env { now: Instant::ZERO, wall: WallClock::from_unix_millis(0), ids: &mut ids };
    let mut session =
        Session::new(MsrpUri::parse(OWN).unwrap(), Path::new(MsrpUri::parse(PEER).unwrap()), Limits::default());
    let mut events = Vec::new();
    session.bound(&mut env, &mut events);
    let mut collector = Collector::new(1 << 16);
    bencher.counter(ItemsCount::new(BURST)).with_inputs(|| BytesMut::from(&wire[..])).bench_local_refs(|buf| {
        let mut answered = 0;
        while let Some(Incoming::Frame(frame)) = collector.next(buf).unwrap() {
            session.receive(&mut env, frame, &mut events);
            let Some(Event::Received(received)) = events.pop() else { return };
            session.conclude(&mut env, &received.reply, &Verdict::Accepted, &mut events);
            answered += black_box(events.drain(..)).len();
        }
        assert_eq!(answered, BURST);
    });
}
