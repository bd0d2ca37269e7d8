//! From values to octets, in the form that RFC 4975 §9 prints.
//!
//! Owns the certainty that what leaves is one message and means what was given: no value can add a line or end the message
//! early. Never copies a body and never chooses a transaction identifier.

use alloc::string::ToString;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use super::decode::BadFrame;
use super::frame::{Continuation, FailureReport, Head, Method, Path, Start, TransactionId};
use super::uri::MsrpUri;
use super::{HYPHENS, MAX_HEAD, MAX_LINE, MAX_OTHER_BODY, PROTOCOL, is_message_id, is_text};

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
    /// A line longer than [`MAX_LINE`] or a head longer than [`MAX_HEAD`].
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
        if range.start == 0 {
            return Err(EncodeError::Field("Byte-Range"));
        }
        out.header("Byte-Range", &range.to_string())?;
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

/// A head in the making.
struct Out {
    octets: BytesMut,
    line_start: usize,
}

impl Out {
    fn new() -> Self {
        // Room for the usual head, so that most messages take one allocation.
        Self { octets: BytesMut::with_capacity(512), line_start: 0 }
    }

    fn start(&mut self, transaction: &TransactionId, start: &Start) -> Result<(), EncodeError> {
        match start {
            Start::Request(method) => {
                if !method.is_valid() {
                    return Err(EncodeError::Field("method"));
                }
                self.put(PROTOCOL);
                self.put(transaction.as_str());
                self.put(" ");
                self.put(method.as_str());
                self.line_end()
            }
            Start::Response { code, comment } => self.response_start(transaction, *code, comment.as_deref()),
        }
    }

    fn response_start(
        &mut self,
        transaction: &TransactionId,
        code: u16,
        comment: Option<&str>,
    ) -> Result<(), EncodeError> {
        self.put(PROTOCOL);
        self.put(transaction.as_str());
        self.numbers("response", " ", &[code], comment)
    }

    /// `prefix`, numbers of three digits, and the comment if it is not empty.
    fn numbers(
        &mut self,
        field: &'static str,
        prefix: &str,
        numbers: &[u16],
        comment: Option<&str>,
    ) -> Result<(), EncodeError> {
        let comment = comment.unwrap_or_default();
        if numbers.iter().any(|number| *number > 999) || !is_text(comment) {
            return Err(EncodeError::Field(field));
        }
        self.put(prefix);
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 {
                self.put(" ");
            }
            self.put(&alloc::format!("{number:03}"));
        }
        if !comment.is_empty() {
            self.put(" ");
            self.put(comment);
        }
        self.line_end()
    }

    fn path(&mut self, name: &'static str, path: &Path) -> Result<(), EncodeError> {
        self.put(name);
        self.put(":");
        for uri in path.iter() {
            self.put(" ");
            self.put(uri.as_str());
        }
        self.line_end()
    }

    fn header(&mut self, name: &'static str, value: &str) -> Result<(), EncodeError> {
        if !is_text(value) {
            return Err(EncodeError::Field(name));
        }
        self.put(name);
        self.put(": ");
        self.put(value);
        self.line_end()
    }

    fn put(&mut self, text: &str) {
        self.octets.put_slice(text.as_bytes());
    }

    fn line_end(&mut self) -> Result<(), EncodeError> {
        self.put("\r\n");
        let len = self.octets.len();
        if len.saturating_sub(self.line_start) > MAX_LINE || len > MAX_HEAD {
            return Err(EncodeError::HeadTooLong);
        }
        self.line_start = len;
        Ok(())
    }

    fn finish(
        mut self,
        transaction: &TransactionId,
        body: Option<&Bytes>,
        continuation: Continuation,
    ) -> Result<WireFrame, EncodeError> {
        let head_len = self.octets.len();
        if body.is_some() {
            self.put("\r\n");
        }
        let end_line_start = self.octets.len();
        self.put(HYPHENS);
        self.put(transaction.as_str());
        let end_line = self.octets.get(end_line_start..).unwrap_or_default();
        // With any flag, since a relay may cut the message and end it with another one.
        if body.is_some_and(|body| memmem::find(body, end_line).is_some()) {
            return Err(EncodeError::EndLineInBody);
        }
        self.octets.put_u8(continuation.flag());
        self.put("\r\n");
        let tail = self.octets.split_off(head_len).freeze();
        let body = body.cloned().unwrap_or_default();
        Ok(WireFrame { head: self.octets.freeze(), body, tail })
    }
}
