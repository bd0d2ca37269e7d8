//! The parts of a multipart body (RFC 2046 §5.1). What the parts mean together is for whoever reads them.

use alloc::vec::Vec;

use bytes::Bytes;

use super::media_type::MediaType;

/// Why a body is not a multipart: MSRP 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// Content-Type has no boundary, or one that cannot be.
    #[error("the multipart has no usable boundary")]
    BadBoundary,
    /// No part begins, or the last one does not end.
    #[error("the multipart does not end with its boundary")]
    NoEnd,
    /// More parts than are read.
    #[error("the multipart has too many parts")]
    TooManyParts,
}

/// The longest boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// The parts of `body`, each with its headers, sharing its memory. `content_type` names the boundary. What stands before the
/// first and behind the last one is nobody's.
///
/// # Errors
///
/// [`MultipartError`], also for more than `at_most` parts.
pub fn parts(content_type: &MediaType, body: &Bytes, at_most: usize) -> Result<Vec<Bytes>, MultipartError> {
    let boundary = content_type.param("boundary").filter(|b| is_boundary(b)).ok_or(MultipartError::BadBoundary)?;
    let mut parts = Vec::new();
    let mut open = None;
    let mut at = 0;
    loop {
        let rest = body.get(at..).filter(|rest| !rest.is_empty()).ok_or(MultipartError::NoEnd)?;
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end.saturating_add(1));
        let next = at.saturating_add(length);
        if let Some(delimiter) = Delimiter::read(rest.get(..length).unwrap_or_default(), boundary) {
            match open.replace(next) {
                Some(_) if parts.len() >= at_most => return Err(MultipartError::TooManyParts),
                Some(start) => parts.push(body.slice(start..end_of_part(body, start, at))),
                None if delimiter == Delimiter::Last => return Err(MultipartError::NoEnd),
                None => {}
            }
            if delimiter == Delimiter::Last {
                return Ok(parts);
            }
        }
        at = next;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Delimiter {
    Between,
    Last,
}

impl Delimiter {
    /// `--boundary` or `--boundary--`, with nothing but blanks behind it. A longer boundary that begins like ours is another.
    fn read(line: &[u8], boundary: &str) -> Option<Self> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?.trim_ascii_end();
        match rest {
            b"" => Some(Self::Between),
            b"--" => Some(Self::Last),
            _ => None,
        }
    }
}

/// The line end before a delimiter belongs to the delimiter (§5.1.1).
fn end_of_part(body: &Bytes, start: usize, delimiter: usize) -> usize {
    let part = body.get(start..delimiter).unwrap_or_default();
    let content = part.strip_suffix(b"\n").unwrap_or(part);
    let content = content.strip_suffix(b"\r").filter(|_| content.len() < part.len()).unwrap_or(content);
    start.saturating_add(content.len())
}

/// `boundary` of RFC 2046 §5.1.1.
fn is_boundary(text: &str) -> bool {
    let is_char = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'\'' | b'(' | b')' | b'+' | b'_' | b',' | b'-' | b'.' | b'/' | b':' | b'=' | b'?' | b' ')
    };
    !text.is_empty() && text.len() <= MAX_BOUNDARY && !text.ends_with(' ') && text.bytes().all(is_char)
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Result<vec::Vec<String>, MultipartError> {
        let media = MediaType::parse("multipart/mixed;boundary=\"b 1\"").unwrap();
        let parts = parts(&media, &Bytes::copy_from_slice(body.as_bytes()), 3)?;
        Ok(parts.iter().map(|part| String::from_utf8(part.to_vec()).unwrap()).collect())
    }

    #[test]
    fn the_parts_are_what_stands_between_the_boundaries() {
        // MS-SEND-14
        let body = "nobody reads this\r\n--b 1\r\n\r\none\r\n\r\n--b 1 \t\r\nX: y\r\n\r\ntwo\r\n--b 12\r\n --b 1\r\n--b 1--\r\nnor this\r\n--b 1\r\n";
        assert_eq!(read(body).unwrap(), ["\r\none\r\n", "X: y\r\n\r\ntwo\r\n--b 12\r\n --b 1"]);
        assert_eq!(read("--b 1\n\none\n--b 1--").unwrap(), ["\none"]);
        assert_eq!(read("--b 1\r\n--b 1--").unwrap(), [""]);
        assert_eq!(read("--b 1\r\n\r\n\r\r\n--b 1--").unwrap(), ["\r\n\r"]);
    }

    #[test]
    fn what_does_not_begin_or_end_is_refused() {
        for body in
            ["", "one", "--b 1--", "--b 1", "--b 1\r\n\r\none", "--b 1\r\n\r\none--b 1--", "--b 1\r\n\r\none\r\n--b 1"]
        {
            assert_eq!(read(body), Err(MultipartError::NoEnd), "{body:?}");
        }
        assert_eq!(read(&format!("{}--b 1--", "--b 1\r\n\r\nx\r\n".repeat(4))), Err(MultipartError::TooManyParts));
        for media in [
            "multipart/mixed",
            "multipart/mixed;boundary=\"\"",
            "multipart/mixed;boundary=\"a \"",
            "multipart/mixed;boundary=\"a\u{e9}\"",
        ] {
            let media = MediaType::parse(media).unwrap();
            assert_eq!(parts(&media, &Bytes::from_static(b"--a\n\n\n--a--"), 3), Err(MultipartError::BadBoundary));
        }
        let long = MediaType::parse(&format!("multipart/mixed;boundary={}", "a".repeat(71))).unwrap();
        assert_eq!(parts(&long, &Bytes::new(), 3), Err(MultipartError::BadBoundary));
    }

    proptest! {
        #[test]
        fn no_part_holds_its_own_boundary(body in "(--b 1(--)?\r?\n|a|\r\n|\n|--| ){0,30}") {
            if let Ok(parts) = read(&body) {
                prop_assert!(parts.iter().all(|part| !part.lines().any(|line| line.trim_end() == "--b 1")));
            }
        }
    }
}
