//! From values to octets, in the form that RFC 4975 §9 prints.
//!
//! Owns the certainty that what leaves is one message and means what was given: no value can add a line or end the message
//! early. Never copies a body and never chooses a transaction identifier.

mod out;
mod pieces;

use bytes::Bytes;

use self::out::Out;
pub use self::pieces::paths;
pub(crate) use self::pieces::{END_LINE, SEND_LINE, content_lines, has_end_line, has_hyphens};
use super::decode::BadFrame;
use super::frame::{Continuation, FailureReport, Head, Method, Path, Start, TransactionId};
use super::uri::MsrpUri;
use super::{MAX_OTHER_BODY, is_message_id};

/// A message ready for a vectored write. The body is shared with whoever else sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireFrame {
    /// Start line, headers and, when there is a body, the empty line.
    pub head: Bytes,
    /// The body.
    pub body: Bytes,
    /// The end-line, and before it the CRLF that ends a body.
    pub tail: Bytes,
}

impl WireFrame {
    /// Octets in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len().saturating_add(self.body.len()).saturating_add(self.tail.len())
    }

    /// Never: there is at least a start line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts in order, without empty ones.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        [&self.head, &self.body, &self.tail].into_iter().filter(|part| !part.is_empty())
    }
}

/// Why something cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A value that the grammar does not allow there: a line break or another control character, a number out of range.
    #[error("the value for {0} cannot be written; leave out control characters and keep to the grammar of RFC 4975")]
    Field(&'static str),
    /// A line longer than [`MAX_LINE`](super::MAX_LINE) or a head longer than [`MAX_HEAD`](super::MAX_HEAD).
    #[error("the head is longer than a receiver takes")]
    HeadTooLong,
    /// The body holds seven hyphens and the transaction identifier.
    #[error("the body holds the end-line; choose another transaction identifier")]
    EndLineInBody,
    /// More than [`MAX_OTHER_BODY`] octets in something that is not a SEND.
    #[error("only SEND takes a body of more than {MAX_OTHER_BODY} octets")]
    BodyTooLong,
    /// A body without Content-Type, or the reverse.
    #[error("a body and its Content-Type come together or not at all")]
    TypeMismatch,
    /// A body in a response.
    #[error("a response has no body")]
    BodyInResponse,
    /// What gets no response: a response or a REPORT (RFC 4975 §7.1.2).
    #[error("neither a response nor a REPORT is answered")]
    NotAnswered,
}

/// Writes one message.
///
/// # Errors
/// What cannot be sent; see [`EncodeError`].
pub fn frame(head: &Head, body: Option<&Bytes>, continuation: Continuation) -> Result<WireFrame, EncodeError> {
    if head.content_type.is_some() != body.is_some() {
        return Err(EncodeError::TypeMismatch);
    }
    let mut out = Out::new();
    out.start(&head.transaction, &head.start)?;
    out.path("To-Path", &head.to_path)?;
    out.path("From-Path", &head.from_path)?;
    if let Some(id) = &head.message_id {
        if !is_message_id(id) {
            return Err(EncodeError::Field("Message-ID"));
        }
        out.header("Message-ID", id)?;
    }
    if let Some(range) = &head.byte_range {
        out.byte_range(range)?;
    }
    if head.success_report {
        out.header("Success-Report", "yes")?;
    }
    if head.failure_report != FailureReport::default() {
        out.header("Failure-Report", head.failure_report.as_str())?;
    }
    if let Some(status) = &head.status {
        let comment = status.comment.as_deref();
        out.numbers("Status", "Status: ", &[status.namespace, status.code], comment)?;
    }
    if let Some(nickname) = &head.use_nickname {
        out.header("Use-Nickname", nickname)?;
    }
    if let Some(content_type) = &head.content_type {
        if content_type.is_empty() {
            return Err(EncodeError::Field("Content-Type"));
        }
        out.header("Content-Type", content_type)?;
        out.line_end()?;
    }
    if let Some(body) = body {
        check_body(head, body)?;
    }
    out.finish(&head.transaction, body, continuation)
}

/// The response to `request` (RFC 4975 §7.2), from the session `own`. An empty `comment` is left out.
///
/// # Errors
/// [`EncodeError::NotAnswered`]; [`EncodeError::Field`] for a code above 999 or a comment that is not text.
pub fn response(request: &Head, own: &MsrpUri, code: u16, comment: &str) -> Result<WireFrame, EncodeError> {
    match &request.start {
        Start::Request(Method::Report) | Start::Response { .. } => Err(EncodeError::NotAnswered),
        Start::Request(method) => answer(&request.transaction, method, &request.from_path, own, code, comment),
    }
}

/// The response to a message that could not be understood; `None` when it gets none or nothing tells where to send it.
#[must_use]
pub fn bad_response(bad: &BadFrame, own: &MsrpUri, code: u16, comment: &str) -> Option<WireFrame> {
    let (_, from_path) = bad.paths.as_ref()?;
    match &bad.method {
        _ if !bad.is_request || bad.failure_report == FailureReport::No => None,
        Some(Method::Report) => None,
        Some(method) => answer(&bad.transaction, method, from_path, own, code, comment).ok(),
        // Answered like a SEND: the next hop is who can make sense of it.
        None => answer(&bad.transaction, &Method::Send, from_path, own, code, comment).ok(),
    }
}

/// The next hop answers a SEND; every other response travels the whole path back (RFC 4975 §7.2).
fn answer(
    transaction: &TransactionId,
    method: &Method,
    from_path: &Path,
    own: &MsrpUri,
    code: u16,
    comment: &str,
) -> Result<WireFrame, EncodeError> {
    let mut out = Out::new();
    out.response_start(transaction, code, Some(comment))?;
    match method {
        Method::Send => out.header("To-Path", from_path.next_hop().as_str())?,
        _ => out.path("To-Path", from_path)?,
    }
    out.header("From-Path", own.as_str())?;
    out.finish(transaction, None, Continuation::Complete)
}

fn check_body(head: &Head, body: &Bytes) -> Result<(), EncodeError> {
    match &head.start {
        Start::Response { .. } => Err(EncodeError::BodyInResponse),
        Start::Request(Method::Send) => Ok(()),
        Start::Request(_) if body.len() > MAX_OTHER_BODY => Err(EncodeError::BodyTooLong),
        Start::Request(_) => Ok(()),
    }
}
