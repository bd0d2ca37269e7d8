//! One head in the making, line by line.
//!
//! Owns the length of lines and of the head, and that no value has a line break. Knows no order of headers.

use bytes::{BufMut, Bytes, BytesMut};

use super::{EncodeError, WireFrame};
use crate::wire::msrp::end_line::holds_end_line;
use crate::wire::msrp::frame::{ByteRange, Continuation, Path, Start, TransactionId};
use crate::wire::msrp::{HYPHENS, MAX_HEAD, MAX_LINE, PROTOCOL, is_text};

/// A head in the making.
pub(super) struct Out {
    octets: BytesMut,
    line_start: usize,
}

impl Out {
    pub(super) fn new() -> Self {
        // Room for the usual head, so that most messages take one allocation.
        Self { octets: BytesMut::with_capacity(512), line_start: 0 }
    }

    pub(super) fn start(&mut self, transaction: &TransactionId, start: &Start) -> Result<(), EncodeError> {
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

    pub(super) fn response_start(
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
    pub(super) fn numbers(
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
            self.digits(u64::from(*number), 3);
        }
        if !comment.is_empty() {
            self.put(" ");
            self.put(comment);
        }
        self.line_end()
    }

    pub(super) fn path(&mut self, name: &'static str, path: &Path) -> Result<(), EncodeError> {
        self.put(name);
        self.put(":");
        for uri in path.iter() {
            self.put(" ");
            self.put(uri.as_str());
        }
        self.line_end()
    }

    pub(super) fn byte_range(&mut self, range: &ByteRange) -> Result<(), EncodeError> {
        if range.start == 0 {
            return Err(EncodeError::Field("Byte-Range"));
        }
        self.put("Byte-Range: ");
        self.digits(range.start, 1);
        for (separator, number) in [("-", range.end), ("/", range.total)] {
            self.put(separator);
            match number {
                Some(number) => self.digits(number, 1),
                None => self.put("*"),
            }
        }
        self.line_end()
    }

    /// `number` in decimal, with zeros before it as long as it has fewer digits than `least`. Every message has some, and the
    /// formatter of the standard library costs more than all the rest of a head.
    fn digits(&mut self, number: u64, least: usize) {
        let (mut octets, mut rest, mut len) = ([b'0'; 20], number, 0);
        for place in octets.iter_mut().rev() {
            if rest == 0 && len >= least {
                break;
            }
            *place = u8::try_from(rest % 10).unwrap_or(0) | b'0';
            (rest, len) = (rest / 10, len.saturating_add(1));
        }
        self.octets.put_slice(octets.get(octets.len().saturating_sub(len)..).unwrap_or_default());
    }

    pub(super) fn header(&mut self, name: &'static str, value: &str) -> Result<(), EncodeError> {
        // White space at the ends is not part of a value: another one would arrive.
        if !is_text(value) || value.trim_ascii().len() != value.len() {
            return Err(EncodeError::Field(name));
        }
        self.put(name);
        self.put(": ");
        self.put(value);
        self.line_end()
    }

    pub(super) fn put(&mut self, text: &str) {
        self.octets.put_slice(text.as_bytes());
    }

    pub(super) fn line_end(&mut self) -> Result<(), EncodeError> {
        self.put("\r\n");
        let len = self.octets.len();
        if len.saturating_sub(self.line_start) > MAX_LINE || len > MAX_HEAD {
            return Err(EncodeError::HeadTooLong);
        }
        self.line_start = len;
        Ok(())
    }

    /// What was written, without the room that was taken for more.
    pub(super) fn into_octets(self) -> Bytes {
        Bytes::copy_from_slice(&self.octets)
    }

    pub(super) fn finish(
        mut self,
        transaction: &TransactionId,
        body: Option<&Bytes>,
        continuation: Continuation,
    ) -> Result<WireFrame, EncodeError> {
        let head_len = self.octets.len();
        if body.is_some() {
            self.put("\r\n");
        }
        // With any flag, since a relay may cut the message and end it with another one.
        if body.is_some_and(|body| holds_end_line(body, transaction)) {
            return Err(EncodeError::EndLineInBody);
        }
        self.put(HYPHENS);
        self.put(transaction.as_str());
        self.octets.put_u8(continuation.flag());
        self.put("\r\n");
        let tail = self.octets.split_off(head_len).freeze();
        let body = body.cloned().unwrap_or_default();
        Ok(WireFrame { head: self.octets.freeze(), body, tail })
    }
}
