//! What goes out as SEND: at once, or when there is a connection and the peer takes content.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Event, Link, Session};
use crate::env::Env;
use crate::msrp::outgoing::{Content, Delivery, Overflow};
use crate::wire::msrp::encode::{self, EncodeError, WireFrame};
use crate::wire::msrp::frame::{ByteRange, Continuation, FailureReport, Head, Method, Path, Start, TransactionId};

/// Our requests whose responses are still awaited. Of an older one a 481 would be overlooked.
const MAX_UNANSWERED: usize = 256;
/// Above this a body must be interruptible, so that its range-end is `*` (RFC 4975 §5.1).
const INTERRUPTIBLE: usize = 2048;

impl Session {
    /// Opens a session whose active side we are: the first SEND goes at once, without a body (ACM-05, RFC 4975 §5.4).
    pub fn greet(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        // An identifier cannot occur in a body that is not there.
        let head = self.send_head(TransactionId::fresh(env), env.token(), None);
        if let Ok(frame) = encode::frame(&head, None, Continuation::Complete) {
            self.transmit(head.transaction, frame, out);
        }
    }

    /// Sends a message, or keeps it until there is a connection and the peer takes content.
    ///
    /// # Errors
    ///
    /// [`Overflow`] when more waits for a connection than may; the message is not sent.
    pub fn send(
        &mut self,
        env: &mut Env<'_>,
        content_type: &str,
        body: &Bytes,
        out: &mut Vec<Event>,
    ) -> Result<Delivery, Overflow> {
        let takes_content = self.terms.direction.receives();
        match self.link {
            Link::Lost | Link::Removed => {
                self.outgoing.miss();
                return Ok(Delivery::NoConnection);
            }
            Link::Awaited if takes_content && !self.outgoing.has_room_for(body.len()) => return Err(Overflow),
            Link::Awaited | Link::Bound => {}
        }
        let mut head = self.send_head(TransactionId::fresh(env), env.token(), Some((content_type, body)));
        let Some(frame) = encode_with_fresh_id(env, &mut head, Some(body)) else { return Ok(Delivery::TooLarge) };
        if takes_content && self.link == Link::Bound {
            self.transmit(head.transaction, frame, out);
            return Ok(Delivery::Sent);
        }
        let message_id = head.message_id.unwrap_or_default();
        let content = Content {
            transaction: head.transaction,
            message_id,
            content_type: content_type.into(),
            body: body.clone(),
        };
        if takes_content {
            self.outgoing.push(content);
            Ok(Delivery::Sent)
        } else {
            self.outgoing.push_over_oldest(content);
            Ok(Delivery::Held)
        }
    }

    fn transmit(&mut self, transaction: TransactionId, frame: WireFrame, out: &mut Vec<Event>) {
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(transaction);
        out.push(Event::Transmit(frame));
    }

    /// The head of a SEND. A message goes in one chunk: the connection writes others in between only when it has become able to
    /// interrupt.
    fn send_head(&self, transaction: TransactionId, message_id: String, content: Option<(&str, &Bytes)>) -> Head {
        let size = content.map_or(0, |(_, body)| body.len());
        let octets = u64::try_from(size).unwrap_or(u64::MAX);
        let end = (size <= INTERRUPTIBLE).then_some(octets);
        Head {
            transaction,
            start: Start::Request(Method::Send),
            to_path: self.peer.clone(),
            from_path: Path::new(self.own.clone()),
            message_id: Some(message_id),
            byte_range: Some(ByteRange { start: 1, end, total: Some(octets) }),
            success_report: false,
            failure_report: FailureReport::Yes,
            status: None,
            use_nickname: None,
            content_type: content.map(|(content_type, _)| content_type.into()),
        }
    }

    pub(super) fn resume(&mut self, out: &mut Vec<Event>) {
        if self.link != Link::Bound || !self.terms.direction.receives() {
            return;
        }
        match self.outgoing.take_missed() {
            0 => {}
            missed => out.push(Event::Missed(missed)),
        }
        while let Some(content) = self.outgoing.pop() {
            let head =
                self.send_head(content.transaction, content.message_id, Some((&content.content_type, &content.body)));
            // The identifier was drawn for this body; a path that fits no line was refused with its offer.
            if let Ok(frame) = encode::frame(&head, Some(&content.body), Continuation::Complete) {
                self.transmit(head.transaction, frame, out);
            }
        }
    }
}

/// An identifier that occurs in the body would end the frame too early: another is drawn (MS-FRAME-04).
pub(super) fn encode_with_fresh_id(env: &mut Env<'_>, head: &mut Head, body: Option<&Bytes>) -> Option<WireFrame> {
    loop {
        match encode::frame(head, body, Continuation::Complete) {
            Ok(frame) => return Some(frame),
            Err(EncodeError::EndLineInBody) => head.transaction = TransactionId::fresh(env),
            Err(_) => return None,
        }
    }
}
