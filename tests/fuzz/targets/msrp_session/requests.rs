//! What the peer writes: requests, damaged ones, and responses that nobody asked for.

use bytes::{Bytes, BytesMut};
use mucfocus_core::env::Env;
use mucfocus_core::msrp::session::Event;
use mucfocus_core::time::WallClock;
use mucfocus_core::wire::msrp::collect::{Collector, Incoming};
use mucfocus_core::wire::msrp::encode::frame;
use mucfocus_core::wire::msrp::frame::{
    ByteRange, Continuation, Ending, FailureReport, Frame, Head, Method, Path, ReportStatus, Start, TransactionId,
};

use crate::wire::{octets, read, uri};
use crate::{MAX_MESSAGE, Request, World};

impl World {
    pub(super) fn frame(&mut self, request: &Request) -> Frame {
        self.begun += 1;
        let transaction = format!("t{:05}", self.begun);
        *self.answerable.entry(transaction.clone()).or_default() += 1;
        let methods = [Method::Send, Method::Nickname, Method::Report, Method::Other("AUTH".into())];
        // Most are SENDs, since they are what there is most to say about.
        let method = methods[usize::from(request.method.saturating_sub(200)) % methods.len()].clone();
        let failures = [FailureReport::Yes, FailureReport::Partial, FailureReport::No];
        let own = Path::new(self.session.own().clone());
        let to_path = if request.is_relayed && request.fill > 128 {
            Path::from_uris(vec![self.session.own().clone(), uri("beyond")]).unwrap_or(own)
        } else {
            own
        };
        let body: Vec<u8> = (0..request.len).map(|at| request.fill.wrapping_add(at)).collect();
        let is_too_large = request.is_too_large && request.fill > 240 && method == Method::Send;
        let has_body = request.is_typed && method != Method::Nickname;
        let flags = [Continuation::Complete, Continuation::More, Continuation::Aborted];
        // Few totals are too large, and some chunks reach beyond the largest message.
        let range = |(start, total): (u8, Option<u16>)| ByteRange {
            start: u64::from(start) + 1,
            end: None,
            total: total.map(|total| u64::from(total) % (MAX_MESSAGE as u64 + 8)),
        };
        Frame {
            head: Head {
                transaction: TransactionId::new(&transaction).expect("an identifier"),
                to_path,
                from_path: self.session.peer().clone(),
                message_id: request.message.map(|which| format!("m{}", which % 6)),
                byte_range: request.range.map(range),
                success_report: request.success,
                failure_report: failures[usize::from(request.failure) % failures.len()],
                status: (method == Method::Report).then_some(ReportStatus { namespace: 0, code: 200, comment: None }),
                use_nickname: (method == Method::Nickname && request.is_typed)
                    .then(|| format!("\"n{}\"", request.fill)),
                content_type: has_body.then(|| "message/cpim".into()),
                start: Start::Request(method),
            },
            body: if has_body && !is_too_large { body.into() } else { Bytes::new() },
            ending: match is_too_large {
                true => Ending::TooLarge,
                false => Ending::Flag(flags[usize::from(request.flag) % flags.len()]),
            },
        }
    }

    pub(super) fn receive_damaged(&mut self, request: &Request, at: u16, octet: u8) {
        let Frame { head, body, ending: Ending::Flag(flag) } = self.frame(request) else { return };
        let body = head.content_type.is_some().then_some(&body);
        let Ok(written) = frame(&head, body, flag) else { return };
        let mut octets: BytesMut = octets(&written).as_slice().into();
        let at = usize::from(at) % octets.len();
        octets[at] = octet;
        let mut collector = Collector::new(self.limits.message);
        while let Ok(Some(incoming)) = collector.next(&mut octets) {
            match incoming {
                // What belongs to another session does not get here.
                Incoming::Frame(frame) if frame.head.to_path.next_hop().is_same_session(self.session.own()) => {
                    *self.answerable.entry(frame.head.transaction.as_str().into()).or_default() += 1;
                    self.receive(frame);
                }
                Incoming::Frame(_) => {}
                Incoming::Bad(bad) => {
                    let mut out = Vec::new();
                    self.session.receive_bad(&bad, &mut out);
                    for event in out {
                        match event {
                            Event::Peer(_) => {}
                            Event::Transmit(answer) => {
                                assert!(bad.is_request && bad.method != Some(Method::Report), "{bad:?}");
                                let is_nickname = bad.method == Some(Method::Nickname);
                                assert!(is_nickname || bad.failure_report != FailureReport::No, "{bad:?}");
                                let answer = read(&answer);
                                assert_eq!(answer.head.transaction, bad.transaction);
                            }
                            other => panic!("{other:?} of {bad:?}"),
                        }
                    }
                }
            }
        }
    }

    /// A response to something that we never asked, or have forgotten.
    pub(super) fn respond(&mut self, code: u16, out: &mut Vec<Event>) {
        let mut frame = self.frame(&Request {
            method: 0,
            message: None,
            range: None,
            len: 0,
            flag: 0,
            failure: 0,
            success: false,
            is_typed: false,
            is_relayed: false,
            is_too_large: false,
            fill: 0,
        });
        frame.head.start = Start::Response { code: code % 1000, comment: None };
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.receive(&mut env, frame, out);
        assert!(out.is_empty(), "{out:?}");
    }
}
