//! Requests and responses: values to octets and back.

use std::fmt;

/// A request or response as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Transaction id.
    pub id: String,
    /// `SEND`, or a status code such as `200 OK`.
    pub start: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body; an empty one is not the same as none.
    pub body: Option<Vec<u8>>,
    /// `$`, `+` or `#`.
    pub flag: char,
}

impl Frame {
    /// Reads octets that are one frame and nothing else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        decode(bytes).filter(|(_, length)| *length == bytes.len())?.0.ok()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        self.start.get(..3)?.parse().ok()
    }

    /// First line and Message-ID, for logs.
    pub fn summary(&self) -> String {
        format!("MSRP {} {}", self.id, self.start)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("MSRP {} {}\r\n", self.id, self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = text.into_bytes();
        if let Some(body) = &self.body {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("-------{}{}\r\n", self.id, self.flag).as_bytes());
        bytes
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes()).replace("\r\n", "\n"))
    }
}

/// The first frame in `bytes` and how many of them it took, when it is whole; a line that is not MSRP is an error.
pub(super) fn decode(bytes: &[u8]) -> Option<(Result<Frame, String>, usize)> {
    let (first, _) = cut(bytes, b"\r\n")?;
    let line = String::from_utf8_lossy(first).into_owned();
    let start = line.strip_prefix("MSRP ").and_then(|l| l.split_once(' '));
    let Some((id, start)) = start else { return Some((Err(line), first.len() + 2)) };
    let end = format!("\r\n-------{id}");
    let at = first.len() + position(&bytes[first.len()..], end.as_bytes())?;
    let flag = char::from(*bytes.get(at + end.len())?);
    let length = at + end.len() + 3;
    if bytes.len() < length {
        return None;
    }
    let inside = bytes.get(first.len() + 2..at).unwrap_or_default();
    let (head, body) = match cut(inside, b"\r\n\r\n") {
        Some((head, body)) => (head, Some(body.to_vec())),
        None => (inside, None),
    };
    let split = |l: &str| l.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()));
    let headers = String::from_utf8_lossy(head).split("\r\n").filter_map(split).collect();
    let frame = Frame { id: id.to_owned(), start: start.to_owned(), headers, body, flag };
    Some((Ok(frame), length))
}

pub(super) fn cut<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = position(bytes, pattern)?;
    Some((&bytes[..at], &bytes[at + pattern.len()..]))
}

fn position(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|w| w == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<(String, String)> {
        vec![("To-Path".to_owned(), "msrp://127.0.0.1:9/a;tcp".to_owned())]
    }

    #[test]
    fn a_frame_survives_its_own_encoding_and_an_empty_body_is_not_none() {
        for body in [None, Some(Vec::new()), Some(b"a\r\nb".to_vec())] {
            let frame = Frame { id: "abcd".into(), start: "SEND".into(), headers: paths(), body, flag: '+' };
            let bytes = frame.bytes();
            assert_eq!(decode(&bytes), Some((Ok(frame), bytes.len())));
            assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_body_may_hold_an_end_line_of_another_transaction() {
        let body = Some(b"x\r\n-------efgh$\r\ny".to_vec());
        let frame = Frame { id: "abcd".into(), start: "SEND".into(), headers: paths(), body, flag: '$' };
        assert_eq!(decode(&frame.bytes()).unwrap().0.unwrap().body, frame.body);
    }
}
