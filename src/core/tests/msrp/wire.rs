//! A connection without a network: what is put in, what it writes, and what the peer answers.

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
use mucfocus_core::wire::msrp::frame::{Frame, Path};
use mucfocus_core::wire::msrp::uri::MsrpUri;

pub(crate) struct Counting(pub u128);

impl IdSource for Counting {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// A transmitter, and the octets of its peer's side.
pub(crate) struct Wire {
    pub transmitter: Transmitter,
    pub ids: Counting,
    pub now: Instant,
    pub collector: Collector,
    pub read: BytesMut,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), false)
    }

    pub(crate) fn with(limits: Limits, whole_chunks: bool) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            transmitter: Transmitter::new(now, limits, whole_chunks),
            ids: Counting(0),
            now,
            collector: Collector::new(1 << 24),
            read: BytesMut::new(),
        }
    }

    pub(crate) fn env(&mut self) -> Env<'_> {
        Env { now: self.now, wall: WallClock::from_unix_millis(0), ids: &mut self.ids }
    }

    pub(crate) fn content(&mut self, body: impl Into<Bytes>) -> Arc<Content> {
        Content::cpim(&mut self.env(), "text/plain", body.into()).unwrap()
    }

    pub(crate) fn try_post(&mut self, share: Share, content: &Arc<Content>) -> Result<(), Stalled> {
        self.try_post_to(&format!("msrp://192.0.2.7:7654/peer{share};tcp"), share, content)
    }

    pub(crate) fn try_post_to(&mut self, path: &str, share: Share, content: &Arc<Content>) -> Result<(), Stalled> {
        let uris = path.split(' ').map(|uri| MsrpUri::parse(uri).unwrap()).collect();
        let to = Path::from_uris(uris).unwrap();
        let own = MsrpUri::parse(&format!("msrp://node1.example.com:2855/own{share};tcp")).unwrap();
        let base = TransactionBase::fresh(&mut self.env(), content);
        let (paths, is_relayed) = (encode::paths(&to, &own).unwrap(), !to.is_direct());
        let post = Post { base, paths, is_relayed, content: Arc::clone(content) };
        self.transmitter.post(self.now, share, post)
    }

    pub(crate) fn post(&mut self, share: Share, content: &Arc<Content>) {
        self.try_post(share, content).unwrap();
    }

    pub(crate) fn says(&mut self, share: Share, octets: usize) -> Arc<Content> {
        let content = self.content(vec![b'a' + u8::try_from(octets % 26).unwrap(); octets]);
        self.post(share, &content);
        content
    }

    /// Writes one batch; the frames that ended in it.
    pub(crate) fn writes_some(&mut self) -> Vec<Frame> {
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

    pub(crate) fn writes_all(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while self.transmitter.has_work() {
            frames.extend(self.writes_some());
        }
        assert!(self.collector.is_between_messages() && self.read.is_empty());
        frames
    }

    pub(crate) fn answers(&mut self, share: Share, frame: &Frame, code: u16) -> Option<Outcome> {
        self.transmitter.heard(self.now);
        self.transmitter.answered(self.now, share, frame.head.transaction.as_str(), code)
    }

    /// A frame of the peer that begins like this, whatever its paths.
    pub(crate) fn hears(&mut self, share: Share, start: &str, transaction: &str) -> Heard {
        let octets = format!(
            "{start}To-Path: msrp://node1.example.com:2855/own1;tcp\r\nFrom-Path: msrp://192.0.2.7:7654/peer1;tcp\r\n\
             -------{transaction}$\r\n"
        );
        self.hears_octets(share, &octets)
    }

    pub(crate) fn hears_report(&mut self, share: Share, message_id: &str, status: &str) -> Heard {
        let octets = format!(
            "MSRP rep12345 REPORT\r\nTo-Path: msrp://node1.example.com:2855/own1;tcp\r\n\
             From-Path: msrp://192.0.2.7:7654/peer1;tcp\r\nMessage-ID: {message_id}\r\nByte-Range: 1-1/1\r\n\
             Status: {status}\r\n-------rep12345$\r\n"
        );
        self.hears_octets(share, &octets)
    }

    pub(crate) fn hears_octets(&mut self, share: Share, octets: &str) -> Heard {
        let incoming = Collector::new(1 << 16).next(&mut BytesMut::from(octets.as_bytes())).unwrap();
        let Some(Incoming::Frame(frame)) = incoming else { panic!("{incoming:?}") };
        self.transmitter.hear(self.now, share, &frame)
    }

    pub(crate) fn waits(&mut self, seconds: u64) -> Result<Vec<Outcome>, Mute> {
        self.now = self.now + Duration::from_secs(seconds);
        let mut out = Vec::new();
        self.transmitter.handle_timeout(self.now, &mut out)?;
        Ok(out.into_iter().map(|(_, outcome)| outcome).collect())
    }
}

pub(crate) fn response(transaction: &str) -> WireFrame {
    let octets = format!("MSRP {transaction} 200 OK\r\nTo-Path: msrp://a;tcp\r\nFrom-Path: msrp://b;tcp\r\n");
    let tail = format!("-------{transaction}$\r\n");
    WireFrame { head: octets.into(), body: Bytes::new(), tail: tail.into() }
}

pub(crate) fn range(frame: &Frame) -> String {
    frame.head.byte_range.unwrap().to_string()
}

pub(crate) fn share_of(frame: &Frame) -> Share {
    let id = frame.head.to_path.endpoint().session_id().unwrap();
    id.strip_prefix("peer").unwrap().parse().unwrap()
}
