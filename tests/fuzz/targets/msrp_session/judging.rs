//! What the session makes of a request, held against what its chunks say.

use mucfocus_core::env::Env;
use mucfocus_core::msrp::fault::PeerFault;
use mucfocus_core::msrp::reassembly::ChunkError;
use mucfocus_core::msrp::session::Event;
use mucfocus_core::time::WallClock;
use mucfocus_core::wire::msrp::frame::{Continuation, Ending, FailureReport, Frame, Head, Method, Start};

use crate::{MAX_MESSAGE, Message, Owed, World};

impl World {
    pub(super) fn receive(&mut self, frame: Frame) {
        let link = self.session.link();
        let mut out = Vec::new();
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        self.session.receive(&mut env, frame.clone(), &mut out);
        assert_eq!(self.session.link(), link);

        let head = &frame.head;
        let faults: Vec<_> =
            out.iter().filter_map(|e| if let Event::Peer(fault) = e { Some(*fault) } else { None }).collect();
        let answers: Vec<_> =
            out.iter().filter_map(|e| if let Event::Transmit(f) = e { Some(f) } else { None }).collect();
        assert!(faults.len() <= 1 && answers.len() <= 1, "{out:?}");
        let answer = answers.first().map(|answer| self.answer(answer, head));
        let is_nickname = head.start == Start::Request(Method::Nickname);
        if let Some(code) = answer {
            assert!(
                is_nickname || head.failure_report != FailureReport::No || self.is_known(head),
                "{head:?} gets {code}"
            );
            assert_eq!(faults.is_empty(), code == 200, "{faults:?} and {code}");
        }
        match &head.start {
            Start::Request(Method::Send) if head.to_path.is_direct() && head.content_type.is_some() => {
                self.chunk(&frame, out, faults.first().copied(), answer);
            }
            Start::Request(Method::Nickname) => {
                for event in out {
                    if let Event::Nickname(request) = event {
                        assert_eq!((answer, faults.len()), (None, 0));
                        let owed = Owed {
                            transaction: head.transaction.as_str().into(),
                            failure: FailureReport::Yes,
                            success: false,
                            is_over: false,
                        };
                        self.nicknames.push((*request, owed));
                    }
                }
            }
            Start::Request(Method::Report) | Start::Response { .. } => assert_eq!(answer, None, "{head:?}"),
            Start::Request(_) => assert!(!out.iter().any(|event| matches!(event, Event::Received(_)))),
        }
    }

    /// Whether report headers of an earlier chunk count.
    pub(super) fn is_known(&self, head: &Head) -> bool {
        let id = head.message_id.as_deref().unwrap_or_default();
        self.messages.contains_key(id) || self.refused.contains_key(id)
    }

    /// What the session made of a chunk is what the chunks of its message say.
    pub(super) fn chunk(&mut self, frame: &Frame, out: Vec<Event>, fault: Option<PeerFault>, answer: Option<u16>) {
        let head = &frame.head;
        let received = out.into_iter().find_map(|e| if let Event::Received(whole) = e { Some(*whole) } else { None });
        if fault == Some(PeerFault::NotSending) {
            return assert_eq!(received, None);
        }
        let Some(id) = head.message_id.clone() else {
            return assert_eq!(fault, Some(PeerFault::Chunk(ChunkError::NoMessageId)));
        };
        let start = head.byte_range.map_or(0, |range| range.start as usize - 1);
        let total = head.byte_range.and_then(|range| range.total).unwrap_or_default() as usize;
        let end = start + frame.body.len();
        let known = self.messages.get(&id).cloned();
        let own = (head.failure_report, head.success_report);
        let (failure, success) =
            known.as_ref().map(|m| (m.failure, m.success)).or(self.refused.get(&id).copied()).unwrap_or(own);
        if let Some(PeerFault::Chunk(error)) = fault {
            assert_eq!(received, None);
            let why = match error {
                ChunkError::TooLarge => frame.ending == Ending::TooLarge || end > MAX_MESSAGE || total > MAX_MESSAGE,
                ChunkError::NoByteRange => known.is_some() && head.byte_range.is_none(),
                ChunkError::BeyondEnd => known.as_ref().is_some_and(|m| {
                    m.length.is_some_and(|length| end > length)
                        || m.octets.keys().any(|at| *at >= end)
                        || m.length.is_some()
                }),
                ChunkError::TooMany => known.is_some() || self.messages.len() >= self.limits.unfinished,
                _ => false,
            };
            assert!(why || self.refused.contains_key(&id), "{error:?} for {frame:?} after {known:?}");
            self.messages.remove(&id);
            self.refused.entry(id).or_insert((failure, success));
            self.is_unsure |= self.refused.len() > 8;
            return;
        }
        assert_eq!(fault, None);
        if frame.ending == Ending::Flag(Continuation::Aborted) {
            assert_eq!(received, None);
            self.messages.remove(&id);
            self.refused.remove(&id);
            return;
        }
        assert!(end <= MAX_MESSAGE && total <= MAX_MESSAGE && frame.ending != Ending::TooLarge);
        self.refused.remove(&id);
        let mut message = known.unwrap_or_else(|| Message { failure, success, ..Message::default() });
        message.touched = self.now;
        message.octets.extend((start..end).zip(frame.body.iter().copied()));
        let is_last = frame.ending == Ending::Flag(Continuation::Complete);
        if is_last {
            message.length = Some(end);
        }
        // Begun anew with its first and only chunk, a message is that chunk.
        let is_alone = start == 0 && is_last;
        match received {
            Some(whole) => {
                assert_eq!(answer, None, "the room has not decided");
                let said: Vec<u8> = message.octets.values().copied().collect();
                assert!(is_alone || message.is_complete(), "{message:?}");
                assert_eq!(whole.body, if is_alone { frame.body.to_vec() } else { said });
                assert_eq!(whole.message_id(), Some(id.as_str()));
                self.messages.remove(&id);
                let owed = Owed {
                    transaction: head.transaction.as_str().into(),
                    failure: message.failure,
                    success: message.success,
                    is_over: false,
                };
                self.received.push((whole, owed));
            }
            None => {
                assert!(!message.is_complete(), "nothing was made of {message:?}");
                assert!(
                    self.is_unsure || answer.is_some() == (failure == FailureReport::Yes),
                    "{frame:?} gets {answer:?}"
                );
                self.messages.insert(id, message);
            }
        }
    }
}
