//! What the room decides, and the answers of the session: one to a request at most, and none that nobody wants.

use mucfocus_core::env::Env;
use mucfocus_core::msrp::session::{Event, Link, Verdict};
use mucfocus_core::time::WallClock;
use mucfocus_core::wire::msrp::encode::WireFrame;
use mucfocus_core::wire::msrp::frame::{FailureReport, Head, Method, Start};

use crate::World;
use crate::wire::read;

impl World {
    pub(super) fn conclude(&mut self, which: usize, code: Option<u16>) {
        if self.received.is_empty() {
            return;
        }
        let (received, owed) = self.received.swap_remove(which % self.received.len());
        if owed.is_over {
            return;
        }
        let verdict = match code {
            None => Verdict::Accepted,
            Some(code) => Verdict::Refused { code: code % 1000, comment: "Why\r\nnot".into() },
        };
        let mut out = Vec::new();
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.conclude(&mut env, &received.reply, &verdict, &mut out);
        let (mut answers, mut reports) = (0, 0);
        for event in &out {
            let Event::Transmit(frame) = event else { panic!("{event:?}") };
            assert_eq!(self.session.link(), Link::Bound);
            let frame = read(frame);
            match &frame.head.start {
                Start::Response { code: told, .. } => {
                    assert_eq!(frame.head.transaction.as_str(), owed.transaction);
                    self.answers(&owed.transaction);
                    assert_eq!(*told, code.map_or(200, |code| code % 1000));
                    answers += 1;
                }
                Start::Request(Method::Report) => {
                    assert_eq!(frame.head.message_id.as_deref(), received.message_id());
                    reports += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        if self.is_unsure {
            return;
        }
        let is_heard = self.session.link() == Link::Bound
            && match verdict {
                Verdict::Accepted => owed.failure == FailureReport::Yes,
                Verdict::Refused { .. } => owed.failure != FailureReport::No,
            };
        assert_eq!(answers, usize::from(is_heard), "{owed:?} {verdict:?}");
        let is_reported = self.session.link() == Link::Bound && owed.success && code.is_none();
        assert_eq!(reports, usize::from(is_reported), "{owed:?} {verdict:?}");
    }

    pub(super) fn conclude_nickname(&mut self, which: usize, code: u16) {
        if self.nicknames.is_empty() {
            return;
        }
        let (request, owed) = self.nicknames.swap_remove(which % self.nicknames.len());
        if owed.is_over {
            return;
        }
        let mut out = Vec::new();
        self.session.conclude_nickname(&request.reply, code % 1000, "So be it", &mut out);
        assert_eq!(out.len(), usize::from(self.session.link() == Link::Bound));
        for event in out {
            let Event::Transmit(frame) = event else { panic!("{event:?}") };
            assert_eq!(read(&frame).head.transaction.as_str(), owed.transaction);
            self.answers(&owed.transaction);
        }
    }

    /// The code of the answer to `request`, which is the first.
    pub(super) fn answer(&mut self, answer: &WireFrame, request: &Head) -> u16 {
        let answer = read(answer);
        let Start::Response { code, .. } = answer.head.start else { panic!("{answer:?} is no answer") };
        assert_eq!(answer.head.transaction, request.transaction);
        assert_eq!(answer.head.to_path.next_hop(), request.from_path.next_hop());
        assert_eq!(answer.head.from_path.endpoint(), self.session.own());
        self.answers(request.transaction.as_str());
        code
    }

    pub(super) fn answers(&mut self, transaction: &str) {
        let left = self.answerable.get_mut(transaction).expect("a transaction of the peer");
        *left = left.checked_sub(1).unwrap_or_else(|| panic!("{transaction} is answered twice"));
    }
}
