//! Cuts a stream into messages by Content-Length (RFC 3261 §18.3) and finds keep-alives (RFC 5626 §4.4.1). Pure; each octet is
//! looked at a bounded number of times, however the stream is cut.

use bytes::{Bytes, BytesMut};

use super::gate::{MAX_BODY, MAX_HEAD, Violation};
use super::head::Head;

/// One thing that a stream yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// CRLF CRLF between messages: the peer wants a CRLF back.
    Ping,
    /// A whole message.
    Message(Bytes),
}

/// The stream cannot be cut any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Why.
    pub violation: Violation,
    /// The head at which that happened, as far as it came.
    pub head: Bytes,
}

/// What has come of a stream and is not cut yet: at most one message of the largest size, and one read.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    /// Octets of the largest body.
    max_body: usize,
    /// Octets of the head that are known not to begin the empty line.
    scanned: usize,
    /// Length of head with empty line, and of the whole message, once the head is there.
    sizes: Option<usize>,
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_max_body(MAX_BODY)
    }
}

impl Framer {
    /// Takes bodies of up to so many octets.
    #[must_use]
    pub fn with_max_body(max_body: usize) -> Self {
        Self { buffer: BytesMut::new(), max_body, scanned: 0, sizes: None }
    }

    /// Where the next octets go.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next unit; `None` when more octets are needed.
    ///
    /// # Errors
    ///
    /// [`Broken`]; nothing sensible comes after it.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, Broken> {
        if self.scanned == 0 && self.sizes.is_none() {
            if self.buffer.starts_with(b"\r\n\r\n") {
                let _ = self.buffer.split_to(4);
                return Ok(Some(Unit::Ping));
            }
            while self.buffer.len() > 3 && self.buffer.starts_with(b"\r\n") {
                let _ = self.buffer.split_to(2);
            }
            if b"\r\n\r".starts_with(&self.buffer) {
                return Ok(None);
            }
        }
        let Some(size) = self.message_size()? else { return Ok(None) };
        if self.buffer.len() < size {
            return Ok(None);
        }
        let message = self.buffer.split_to(size).freeze();
        self.scanned = 0;
        self.sizes = None;
        if self.buffer.is_empty() {
            // Gives back what a large message needed.
            self.buffer = BytesMut::new();
        }
        Ok(Some(Unit::Message(message)))
    }

    fn message_size(&mut self) -> Result<Option<usize>, Broken> {
        if self.sizes.is_some() {
            return Ok(self.sizes);
        }
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(at) = fresh.windows(4).position(|w| w == b"\r\n\r\n") else {
            self.scanned = self.buffer.len().saturating_sub(3);
            return if self.scanned > MAX_HEAD { Err(self.broken(Violation::HeadTooLong, MAX_HEAD)) } else { Ok(None) };
        };
        let head_length = self.scanned + at;
        if head_length > MAX_HEAD {
            return Err(self.broken(Violation::HeadTooLong, MAX_HEAD));
        }
        let head = Head::parse(self.buffer.get(..head_length).unwrap_or_default());
        let mut lengths = head.all("content-length");
        let Some(length) = lengths.next() else { return Err(self.broken(Violation::NoContentLength, head_length)) };
        if lengths.next().is_some() {
            return Err(self.broken(Violation::Repeated, head_length));
        }
        let is_number = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let Some(length) = is_number.then(|| length.parse::<usize>().unwrap_or(usize::MAX)) else {
            return Err(self.broken(Violation::ContentLength, head_length));
        };
        if length > self.max_body {
            return Err(self.broken(Violation::MessageTooLong, head_length));
        }
        self.sizes = Some(head_length + 4 + length);
        Ok(self.sizes)
    }

    fn broken(&mut self, violation: Violation, head: usize) -> Broken {
        let head = self.buffer.split_to(head.min(self.buffer.len())).freeze();
        Broken { violation, head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(octets: &[u8], step: usize) -> (Vec<Unit>, Option<Violation>) {
        let (mut framer, mut units) = (Framer::default(), Vec::new());
        for chunk in octets.chunks(step) {
            framer.buffer().extend_from_slice(chunk);
            loop {
                match framer.next_unit() {
                    Ok(Some(unit)) => units.push(unit),
                    Ok(None) => break,
                    Err(broken) => return (units, Some(broken.violation)),
                }
            }
        }
        (units, None)
    }

    const ONE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nContent-Length : 4\r\n\r\nbody";

    #[test]
    fn messages_are_cut_alike_however_the_stream_is_segmented() {
        let stream = [ONE, b"\r\n\r\n", b"\r\n", ONE, ONE].concat();
        let whole = units(&stream, stream.len());
        assert_eq!(whole.0.len(), 4);
        assert_eq!(whole.0.iter().filter(|u| **u == Unit::Message(Bytes::from_static(ONE))).count(), 3);
        for step in 1..stream.len() {
            assert_eq!(units(&stream, step), whole, "{step} octets at a time");
        }
    }

    #[test]
    fn a_length_with_blanks_before_the_colon_or_in_compact_form_or_folded_counts() {
        for field in ["Content-Length  : 4", "l:4", "Content-Length:\r\n 4"] {
            let stream = format!("OPTIONS sip:a SIP/2.0\r\n{field}\r\n\r\nbody");
            assert_eq!(units(stream.as_bytes(), 7).0, [Unit::Message(Bytes::from(stream))], "{field}");
        }
    }

    #[test]
    fn what_cannot_be_delimited_ends_the_stream() {
        let of = |field: &str| units(format!("OPTIONS sip:a SIP/2.0\r\n{field}\r\n\r\nbody").as_bytes(), 5).1;
        assert_eq!(of("Subject: x"), Some(Violation::NoContentLength));
        assert_eq!(of("Content-Length: 4\r\nl: 4"), Some(Violation::Repeated));
        assert_eq!(of("Content-Length: -4"), Some(Violation::ContentLength));
        assert_eq!(of("Content-Length: 18446744073709551616"), Some(Violation::MessageTooLong));
        assert_eq!(of("Content-Length: 65537"), Some(Violation::MessageTooLong));
        assert_eq!(units(&vec![b'x'; 20_000], 100).1, Some(Violation::HeadTooLong));
    }
}
