//! What goes out as SEND: at once, or when there is a connection and the peer takes content.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Event, Link, Session};
use crate::env::Env;
use crate::msrp::content::Content;
use crate::msrp::outgoing::Delivery;
use crate::msrp::post::{Post, TransactionBase};
use crate::msrp::transmitter::Outcome;
use crate::wire::msrp::encode::{self, EncodeError, WireFrame};
use crate::wire::msrp::frame::{Continuation, Head, TransactionId};

/// Types that a peer has refused and that are remembered. There are not so many that we send.
const MAX_REFUSED: usize = 8;

impl Session {
    /// Opens a session whose active side we are: the first SEND goes at once, without a body (ACM-05, RFC 4975 §5.4).
    pub(super) fn greet(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        if let Ok(greeting) = Content::greeting(&env.token()) {
            self.post(env, Arc::new(greeting), out);
        }
    }

    /// Sends a message, or keeps it until there is a connection and the peer takes content. A trifle is never kept. Of more than
    /// may wait the oldest are let go and counted: a long history keeps nobody out of a room.
    pub fn send(&mut self, env: &mut Env<'_>, content: &Arc<Content>, out: &mut Vec<Event>) -> Delivery {
        if self.refused.iter().any(|kind| kind.eq_ignore_ascii_case(content.kind())) {
            return Delivery::TypeRefused;
        }
        if self.paths.is_none() {
            return Delivery::TooLarge;
        }
        let takes_content = self.terms.direction.receives();
        match self.link {
            Link::Bound if takes_content => {
                self.post(env, Arc::clone(content), out);
                Delivery::Sent
            }
            _ if content.is_trifle() => Delivery::NoConnection,
            Link::Removed => {
                self.outgoing.miss();
                Delivery::NoConnection
            }
            Link::Awaited | Link::Unheard if takes_content => {
                self.outgoing.push_over_oldest(Arc::clone(content));
                Delivery::Sent
            }
            Link::Awaited | Link::Unheard | Link::Bound | Link::Lost => {
                self.outgoing.push_over_oldest(Arc::clone(content));
                Delivery::Held
            }
        }
    }

    /// What the session had given to its connection, in vain, waits again (MS-CONN-08).
    pub fn returned(&mut self, env: &mut Env<'_>, unsent: Vec<Arc<Content>>, out: &mut Vec<Event>) {
        self.outgoing.put_back(unsent);
        match self.link {
            Link::Removed => self.outgoing.give_up(),
            _ => self.resume(env, out),
        }
    }

    /// What became of a message that was given to the connection. 481 ends the session (MS-RSP-07); a type that the peer does not
    /// understand is not sent again (MS-SEND-15).
    pub fn concluded(&mut self, env: &mut Env<'_>, outcome: &Outcome, out: &mut Vec<Event>) {
        match outcome {
            Outcome::Greeted => self.heard(env, out),
            Outcome::Refused(481, _) => out.push(Event::Refused(481)),
            Outcome::Refused(code, label) => {
                self.refuses(*code, label.kind());
                out.push(Event::Failed(Delivery::Refused(*code)));
                self.heard(env, out);
            }
            Outcome::Missed(messages) => {
                out.extend(core::iter::repeat_n(Event::Failed(Delivery::Congested), *messages));
                out.push(Event::Missed(*messages));
            }
            Outcome::Unanswered => out.push(Event::Failed(Delivery::Unanswered)),
        }
    }

    fn refuses(&mut self, code: u16, kind: &str) {
        let is_news = self.refused.iter().all(|known| known != kind);
        if code == 415 && !kind.is_empty() && is_news && self.refused.len() < MAX_REFUSED {
            self.refused.push(kind.into());
        }
    }

    fn post(&self, env: &mut Env<'_>, content: Arc<Content>, out: &mut Vec<Event>) {
        // A path that fits no line was refused with its offer.
        if let Some(paths) = self.paths.clone() {
            let (base, is_relayed) = (TransactionBase::fresh(env, &content), !self.peer.is_direct());
            out.push(Event::Send(Post { base, paths, is_relayed, content }));
        }
    }

    pub(super) fn resume(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        if self.link != Link::Bound || !self.terms.direction.receives() {
            return;
        }
        match self.outgoing.take_missed() {
            0 => {}
            missed => out.push(Event::Missed(missed)),
        }
        while let Some(content) = self.outgoing.pop() {
            self.post(env, content, out);
        }
    }

    pub(super) fn render_paths(&self) -> Option<Bytes> {
        encode::paths(&self.peer, &self.own).ok()
    }
}

/// Types that a peer has refused.
pub(super) type RefusedTypes = Vec<String>;

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
