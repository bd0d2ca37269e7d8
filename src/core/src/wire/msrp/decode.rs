//! The incremental decoder: octets in, heads and pieces of bodies out.
//!
//! Owns the question where a message begins and ends. Holds no body: a piece is handed over as soon as it is certain not to
//! be the end-line. Never decides whether a message is welcome.

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};

use super::end_line::{Found, Scan, Scanner, look};
use super::frame::{Continuation, Head, TransactionId};
use super::head::Draft;
pub use super::head::{BadFrame, BadReason};
use super::{Limits, MAX_OTHER_BODY, PROTOCOL};

/// What the decoder found.
///
/// A good message is one `Head`, any number of `Body`, one `End`. `Bad` stands for all of a message, except that it can also
/// come after the `Head` and some `Body` of a request that turns out too long ([`BadReason::BodyTooLong`]); no `End` follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Start line and headers.
    Head(Head),
    /// A head that cannot be used. The rest of the message is skipped.
    Bad(BadFrame),
    /// The next octets of the body; never empty. They share memory with the buffer that they came in.
    Body(Bytes),
    /// The end-line.
    End(Continuation),
}

/// Octets of which nothing tells where the message ends: the connection has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Something else than MSRP where a message must begin.
    #[error("what came is not an MSRP message")]
    NotMsrp,
    /// A start line without a transaction identifier of 4 to 32 permitted characters.
    #[error("the start line holds no transaction identifier")]
    NoTransaction,
    /// A line of the head longer than [`Limits::line`].
    #[error("a line of the head is too long")]
    LineTooLong,
    /// A head longer than [`Limits::head`].
    #[error("the head is too long")]
    HeadTooLong,
    /// More headers than [`Limits::headers`].
    #[error("there are too many headers")]
    TooManyHeaders,
    /// A line of the head that ends with LF alone.
    #[error("a line of the head ends with LF in place of CRLF")]
    BareLineFeed,
    /// The next message begins inside a head.
    #[error("a message begins where the end-line of the one before is due")]
    NoEndLine,
}

/// Decodes the octets of one connection.
///
/// Work is linear in the octets, however they are cut; memory is one head.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
    state: State,
    /// The head that is being read: there in [`State::Head`] and [`State::EmptyLine`], and empty after them. It stays in its
    /// place because it is large, and looked at for each line.
    draft: Option<Draft>,
    /// Octets at the beginning of the buffer that are known to hold no LF.
    searched: usize,
    scanner: Scanner,
}

#[derive(Debug, Clone)]
enum State {
    /// Between two messages.
    Between,
    /// Inside a head, of which so many octets are gone.
    Head(usize),
    /// After an empty line that no Content-Type justifies.
    EmptyLine,
    /// Inside a body.
    Body(Body),
    /// The end-line has been read and has to be told.
    Ended(Continuation),
    /// For good.
    Failed(Violation),
}

#[derive(Debug, Clone)]
struct Body {
    transaction: TransactionId,
    /// Nothing of it has been seen, so the CRLF of the empty line is also the one before an end-line.
    is_fresh: bool,
    fate: Fate,
}

#[derive(Debug, Clone)]
enum Fate {
    Deliver,
    /// So many octets more, then it becomes this bad frame.
    DeliverUpTo(usize, Box<BadFrame>),
    Skip,
}

/// What a step of the decoder came to.
#[expect(clippy::large_enum_variant, reason = "never stored, and the event is what is wanted")]
enum Step {
    Event(Event),
    /// The state has changed; look again.
    Again,
    NeedMore,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the beginning of a connection, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::DEFAULT)
    }

    /// A decoder at the beginning of a connection.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, state: State::Between, draft: None, searched: 0, scanner: Scanner::new() }
    }

    /// Takes what it can from the front of `buf`. Call again until it says `None`, then read more behind what is left, which
    /// is less than [`Limits::line`] octets.
    ///
    /// # Errors
    /// A [`Violation`], again and again: close the connection.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Event>, Violation> {
        loop {
            match self.step(buf) {
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Ok(Step::Again) => {}
                Ok(Step::NeedMore) => return Ok(None),
                Err(violation) => {
                    self.state = State::Failed(violation);
                    return Err(violation);
                }
            }
        }
    }

    /// The message in whose head a [`Violation`] came, as far as it was understood: who sent it can be told before the connection is
    /// closed (MS-FRAME-13). Once.
    pub fn cut_short(&mut self) -> Option<BadFrame> {
        let State::Failed(_) = self.state else { return None };
        let mut draft = self.draft.take()?;
        draft.spoil(BadReason::CutShort);
        draft.finish().err().map(|bad| *bad)
    }

    /// Whether the last message has ended, so that the peer may close the connection without cutting one short.
    #[must_use]
    pub const fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Between)
    }

    fn step(&mut self, buf: &mut BytesMut) -> Result<Step, Violation> {
        match core::mem::replace(&mut self.state, State::Between) {
            State::Between => self.between(buf),
            State::Head(gone) => self.head(buf, gone),
            State::EmptyLine => Ok(self.empty_line(buf)),
            State::Body(body) => Ok(self.body(buf, body)),
            State::Ended(flag) => Ok(Step::Event(Event::End(flag))),
            State::Failed(violation) => Err(violation),
        }
    }

    fn between(&mut self, buf: &mut BytesMut) -> Result<Step, Violation> {
        // Keep-alives between messages (MS-FRAME-15).
        while buf.starts_with(b"\r\n") {
            buf.advance(2);
        }
        if buf.as_ref() == b"\r" {
            return Ok(Step::NeedMore);
        }
        // Whoever speaks something else is told so by its first octets, not after a whole line of it.
        let begun = buf.get(..PROTOCOL.len().min(buf.len())).unwrap_or_default();
        if !PROTOCOL.as_bytes().starts_with(begun) {
            return Err(Violation::NotMsrp);
        }
        let Some(len) = self.line(buf, 0)? else { return Ok(Step::NeedMore) };
        self.draft = Some(Draft::begin(without_crlf(buf, len)).ok_or(Violation::NoTransaction)?);
        buf.advance(len);
        self.head(buf, len)
    }

    /// Reads lines, as many as are there. Of the head `gone` octets are gone.
    fn head(&mut self, buf: &mut BytesMut, mut gone: usize) -> Result<Step, Violation> {
        while let Some(len) = self.line(buf, gone)? {
            // Not reached without a draft.
            let Some(draft) = &mut self.draft else { return Ok(Step::Again) };
            let line = without_crlf(buf, len);
            if line.is_empty() {
                let is_typed = draft.is_typed;
                buf.advance(len);
                if !is_typed {
                    self.state = State::EmptyLine;
                }
                return Ok(if is_typed { self.enter_body() } else { Step::Again });
            }
            let whole_line = buf.get(..len).unwrap_or_default();
            if let Found::EndLine(flag, _) = look(whole_line, &draft.transaction, !draft.is_typed) {
                if draft.is_typed {
                    draft.spoil(BadReason::TypeWithoutBody);
                }
                buf.advance(len);
                return Ok(self.end_without_body(flag));
            }
            if line.starts_with(PROTOCOL.as_bytes()) && Draft::begin(line).is_some() {
                return Err(Violation::NoEndLine);
            }
            draft.header(line, &self.limits);
            if draft.headers > self.limits.headers {
                return Err(Violation::TooManyHeaders);
            }
            buf.advance(len);
            gone = gone.saturating_add(len);
        }
        self.state = State::Head(gone);
        Ok(Step::NeedMore)
    }

    /// A message without body has no empty line, but one is forgiven (MS-FRAME-07).
    fn empty_line(&mut self, buf: &mut BytesMut) -> Step {
        // Not reached without a draft.
        let Some(draft) = &mut self.draft else { return Step::Again };
        match look(buf, &draft.transaction, true) {
            Found::EndLine(flag, len) => {
                buf.advance(len);
                self.end_without_body(flag)
            }
            Found::Beginning => {
                self.state = State::EmptyLine;
                Step::NeedMore
            }
            Found::Other => {
                draft.spoil(BadReason::BodyWithoutType);
                self.enter_body()
            }
        }
    }

    fn end_without_body(&mut self, flag: Continuation) -> Step {
        let Some(draft) = &mut self.draft else { return Step::Again }; // not reached
        match draft.finish() {
            Ok(head) => {
                self.state = State::Ended(flag);
                Step::Event(Event::Head(head))
            }
            Err(bad) => Step::Event(Event::Bad(*bad)),
        }
    }

    fn enter_body(&mut self) -> Step {
        let Some(draft) = &mut self.draft else { return Step::Again }; // not reached
        let is_send = draft.is_send();
        let finished = draft.finish();
        let fate = match &finished {
            Ok(_) if is_send => Fate::Deliver,
            Ok(head) => limited(head),
            Err(_) => Fate::Skip,
        };
        self.state = State::Body(Body { transaction: draft.transaction.clone(), is_fresh: true, fate });
        Step::Event(match finished {
            Ok(head) => Event::Head(head),
            Err(bad) => Event::Bad(*bad),
        })
    }

    fn body(&mut self, buf: &mut BytesMut, mut body: Body) -> Step {
        if body.is_fresh {
            match look(buf, &body.transaction, false) {
                Found::EndLine(flag, len) => {
                    buf.advance(len);
                    return self.end_body(&body.fate, flag);
                }
                Found::Beginning => {
                    self.state = State::Body(body);
                    return Step::NeedMore;
                }
                Found::Other => body.is_fresh = false,
            }
        }
        match self.scanner.scan(buf, &body.transaction) {
            Scan::End { body: 0, skip, flag } => {
                buf.advance(skip);
                self.end_body(&body.fate, flag)
            }
            Scan::End { body: len, .. } | Scan::Data(len) if len > 0 => self.data(buf, body, len),
            _ => {
                self.state = State::Body(body);
                Step::NeedMore
            }
        }
    }

    /// The first `len` octets of `buf` are body.
    fn data(&mut self, buf: &mut BytesMut, mut body: Body, len: usize) -> Step {
        let step = match &mut body.fate {
            Fate::Skip => {
                buf.advance(len);
                Step::Again
            }
            Fate::Deliver => Step::Event(Event::Body(buf.split_to(len).freeze())),
            Fate::DeliverUpTo(0, bad) => {
                let bad = bad.as_ref().clone();
                body.fate = Fate::Skip;
                Step::Event(Event::Bad(bad))
            }
            Fate::DeliverUpTo(left, _) => {
                let len = len.min(*left);
                *left = left.saturating_sub(len);
                Step::Event(Event::Body(buf.split_to(len).freeze()))
            }
        };
        self.state = State::Body(body);
        step
    }

    const fn end_body(&mut self, fate: &Fate, flag: Continuation) -> Step {
        match fate {
            Fate::Skip => Step::Again,
            Fate::Deliver | Fate::DeliverUpTo(..) => Step::Event(Event::End(flag)),
        }
    }

    /// The length of the line at the front of `buf` with its CRLF, once all of it is there.
    fn line(&mut self, buf: &BytesMut, gone: usize) -> Result<Option<usize>, Violation> {
        let unseen = buf.get(self.searched..).unwrap_or_default();
        #[cfg(test)]
        {
            self.scanner.work += memchr::memchr(b'\n', unseen).unwrap_or(unseen.len());
        }
        let feed = memchr::memchr(b'\n', unseen).map(|offset| self.searched.saturating_add(offset));
        let len = feed.map_or(buf.len(), |at| at.saturating_add(1));
        let left = self.limits.head.saturating_sub(gone);
        let (limit, violation) = match left < self.limits.line {
            true => (left, Violation::HeadTooLong),
            false => (self.limits.line, Violation::LineTooLong),
        };
        // A line that fills the limit without having ended goes beyond it.
        if len > limit || (feed.is_none() && len == limit) {
            return Err(violation);
        }
        let Some(at) = feed else {
            self.searched = buf.len();
            return Ok(None);
        };
        self.searched = 0;
        if at.checked_sub(1).and_then(|before| buf.get(before)) != Some(&b'\r') {
            return Err(Violation::BareLineFeed);
        }
        Ok(Some(len))
    }
}

/// The fate of a body that must not be longer than [`MAX_OTHER_BODY`].
fn limited(head: &Head) -> Fate {
    let method = match &head.start {
        super::frame::Start::Request(method) => Some(method.clone()),
        super::frame::Start::Response { .. } => None,
    };
    let bad = BadFrame {
        transaction: head.transaction.clone(),
        is_request: method.is_some(),
        method,
        paths: Some((head.to_path.clone(), head.from_path.clone())),
        failure_report: head.failure_report,
        why: BadReason::BodyTooLong,
    };
    Fate::DeliverUpTo(MAX_OTHER_BODY, Box::new(bad))
}

fn without_crlf(buf: &BytesMut, len: usize) -> &[u8] {
    buf.get(..len.saturating_sub(2)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::wire::msrp::MAX_LINE;

    const HEAD: &str =
        "MSRP a786hjs2 SEND\r\nTo-Path: msrp://a.example:2855/x;tcp\r\nFrom-Path: msrp://b.example:1/y;tcp\r\n";

    /// Octets looked at, per octet that came, when `wire` comes in pieces of `piece` octets.
    fn work_per_octet(wire: &[u8], piece: usize) -> usize {
        let mut decoder = Decoder::new();
        let mut buf = BytesMut::new();
        let mut ended = false;
        for piece in wire.chunks(piece) {
            buf.extend_from_slice(piece);
            while let Some(event) = decoder.decode(&mut buf).unwrap() {
                ended = matches!(event, Event::End(Continuation::Complete));
            }
            assert!(buf.len() < MAX_LINE, "the decoder left {} octets", buf.len());
        }
        assert!(ended, "the message did not end");
        decoder.scanner.work.div_ceil(wire.len())
    }

    /// MS-FRAME-02, MS-FRAME-03: nobody can make us search the same octets again and again.
    #[test]
    fn work_is_linear_for_every_way_to_cut_the_octets() {
        const LEN: usize = 256 * 1024;
        // The end-line is at most 7 + 32 + 3 octets and the CRLF before it; that much may be looked at once for each octet.
        const PER_OCTET: usize = 2 * 44;
        let fillers =
            ["x", "\r", "\r\n", "-", "\r\n-------", "\r\n-------a786hjs2", "\r\n-------a786hjs2$\r", "\r\n------"];
        for filler in fillers {
            let body = filler.repeat(LEN / filler.len());
            let wire = [HEAD, "Content-Type: text/plain\r\n\r\n", &body, "\r\n-------a786hjs2$\r\n"].concat();
            for piece in [1, 2, 7, 10, 43, 44, 1460, 65536, usize::MAX] {
                let work = work_per_octet(wire.as_bytes(), piece);
                assert!(work <= PER_OCTET, "{filler:?} in pieces of {piece}: {work} per octet");
            }
        }
    }

    #[test]
    fn a_long_head_line_is_searched_once() {
        let padding = "x".repeat(MAX_LINE - 16);
        let lines: Vec<String> =
            (0..3).map(|i| ["X-", if i == 0 { "A" } else { "B" }, ": ", &padding, "\r\n"].concat()).collect();
        let wire = [HEAD, &lines.concat(), "-------a786hjs2$\r\n"].concat();
        assert!(work_per_octet(wire.as_bytes(), 1) <= 2);
    }
}
