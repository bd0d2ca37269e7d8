//! What one message costs on the wire layer of MSRP.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that fails ends there")]

use bytes::{Bytes, BytesMut};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::decode::Decoder;
use mucfocus_core::wire::msrp::encode::frame;
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, FailureReport, Head, Method, Path, Start, TransactionId,
};
use mucfocus_core::wire::msrp::uri::MsrpUri;

fn main() {
    divan::main();
}

fn head(transaction: &str, total: usize) -> Head {
    let uri = |text| Path::new(MsrpUri::parse(text).unwrap());
    Head {
        transaction: TransactionId::new(transaction).unwrap(),
        start: Start::Request(Method::Send),
        to_path: uri("msrp://focus1.example.com:2855/k7x2a4q5w3e6r7t2;tcp"),
        from_path: uri("msrp://192.0.2.17:49152/7f3a9c1e5b;tcp"),
        message_id: Some("87652491abcdef01".into()),
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

/// A SEND of 300 octets.
fn short_send() -> Vec<u8> {
    let overhead = octets(&head("a786hjs2d93kswow", 10), &Bytes::new(), Continuation::Complete).len();
    let body = Bytes::from(vec![b'x'; 300 - overhead]);
    octets(&head("a786hjs2d93kswow", 10), &body, Continuation::Complete)
}

#[divan::bench]
fn decode_send_of_300_octets(bencher: Bencher<'_, '_>) {
    let wire = short_send();
    let mut decoder = Decoder::new();
    bencher.counter(ItemsCount::new(1_usize)).with_inputs(|| BytesMut::from(&wire[..])).bench_local_refs(|buf| {
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

/// In chunks of 2 KiB, read 16 KiB at a time.
#[divan::bench(sample_count = 20)]
fn collect_10_megabytes_in_chunks(bencher: Bencher<'_, '_>) {
    let body = Bytes::from("lorem ipsum dolor sit amet,\r\n-- \r\n".repeat(64)).slice(..2048);
    let chunk = octets(&head("a786hjs2d93kswow", 2048), &body, Continuation::More);
    let wire = chunk.repeat(10_000_000 / body.len());
    let mut collector = Collector::new(65_536);
    let mut buf = BytesMut::new();
    bencher.counter(BytesCount::new(wire.len())).bench_local(|| {
        let mut frames = 0_usize;
        for read in wire.chunks(16_384) {
            buf.extend_from_slice(read);
            while let Some(Incoming::Frame(frame)) = collector.next(&mut buf).unwrap() {
                frames += usize::from(!black_box(frame).body.is_empty());
            }
        }
        assert_eq!(frames, 10_000_000 / 2048);
    });
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
