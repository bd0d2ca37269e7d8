//! A MIME entity (RFC 2045): headers, a blank line, content. So are the inside of CPIM and every part of a multipart.
//!
//! It knows lines, Content-Type and transfer encodings, and nothing of what a type means.

mod transfer;

use alloc::borrow::Cow;
use alloc::string::String;

use bytes::Bytes;

use self::transfer::Encoding;
use super::media_type::MediaType;

/// What a message or a part of one is, and its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What the content is; `text/plain` when nothing says so.
    pub content_type: MediaType,
    /// The content, decoded where it was encoded for transfer, else shared with what was parsed.
    pub content: Bytes,
}

/// Why something is not a MIME entity that we understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// The headers do not end in a blank line.
    #[error("the headers do not end in a blank line")]
    NoContent,
    /// A line that is not `Name: value`, or not UTF-8, or has control characters.
    #[error("a header is malformed")]
    BadHeader,
    /// More than [`MAX_HEADERS`] headers.
    #[error("there are more than {MAX_HEADERS} headers")]
    TooManyHeaders,
    /// A header that may be there once is there twice.
    #[error("the header {0} is repeated")]
    Repeated(&'static str),
    /// Content-Type is malformed.
    #[error("the Content-Type of the content is malformed")]
    BadContentType,
    /// The content is encoded for transfer in a way that nobody here knows.
    #[error("Content-Transfer-Encoding {0} is not supported; send the content as it is")]
    UnknownEncoding(String),
    /// The content is not what its Content-Transfer-Encoding says.
    #[error("the content is not {0}")]
    BadEncoding(&'static str),
}

impl MimeError {
    /// The MSRP response code: 415 for what is understood but not supported, 400 for what breaks the grammar.
    #[must_use]
    pub const fn msrp_code(&self) -> u16 {
        match self {
            Self::UnknownEncoding(_) => 415,
            _ => 400,
        }
    }
}

/// The most headers of one message, those of CPIM around a MIME part included.
pub const MAX_HEADERS: usize = 64;

/// What may stand around a value.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

impl Entity {
    /// Reads a part of a multipart: the headers, which may be none, a blank line, and the content.
    ///
    /// # Errors
    ///
    /// [`MimeError`] names what is wrong with the first thing that is.
    pub fn parse(part: &Bytes) -> Result<Self, MimeError> {
        let mut lines = Lines::new(part);
        let mut headers = Headers::default();
        headers.read(&mut lines)?;
        headers.entity(lines.rest())
    }
}

/// The lines of a block of headers.
pub(super) struct Lines<'a> {
    body: &'a Bytes,
    at: usize,
    headers: usize,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(body: &'a Bytes) -> Self {
        Self { body, at: 0, headers: 0 }
    }

    /// The next line without its CRLF or LF, `None` for the blank one that ends the block.
    pub(super) fn line(&mut self) -> Result<Option<Cow<'a, str>>, MimeError> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).ok_or(MimeError::NoContent)?;
        self.at = self.at.saturating_add(end).saturating_add(1);
        let line = rest.get(..end).unwrap_or_default();
        let line = core::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| MimeError::BadHeader)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.headers = self.headers.saturating_add(1);
        if self.headers > MAX_HEADERS {
            return Err(MimeError::TooManyHeaders);
        }
        Ok(Some(Cow::Borrowed(line)))
    }

    /// As [`Lines::line`], with the folded lines after it, which MIME headers may have (RFC 5322 §2.2.3).
    pub(super) fn unfolded(&mut self) -> Result<Option<Cow<'a, str>>, MimeError> {
        let Some(mut line) = self.line()? else {
            return Ok(None);
        };
        while self.body.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t')) {
            match self.line()? {
                Some(folded) => line.to_mut().push_str(&folded),
                None => break,
            }
        }
        Ok(Some(line))
    }

    /// What follows the lines that were read.
    pub(super) fn rest(&self) -> Bytes {
        if self.at <= self.body.len() { self.body.slice(self.at..) } else { Bytes::new() }
    }
}

/// Name and value of a header, the value as it is written.
pub(super) fn split_header(line: &str) -> Result<(&str, &str), MimeError> {
    let (name, value) = line.split_once(':').ok_or(MimeError::BadHeader)?;
    let name = name.trim_end_matches(BLANKS);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    if !is_name || value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(MimeError::BadHeader);
    }
    Ok((name, value))
}

/// What we want to know of the headers. Content-Length and the like are not looked at (CPIM-14): the end of what was handed
/// over is the end of the content.
#[derive(Default)]
pub(super) struct Headers {
    content_type: Option<MediaType>,
    encoding: Option<Encoding>,
}

impl Headers {
    /// Reads the headers up to the blank line.
    pub(super) fn read(&mut self, lines: &mut Lines<'_>) -> Result<(), MimeError> {
        while let Some(line) = lines.unfolded()? {
            let (name, value) = split_header(&line)?;
            self.take(name, value)?;
        }
        Ok(())
    }

    /// Takes one header.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<(), MimeError> {
        let value = value.trim_matches(BLANKS);
        if name.eq_ignore_ascii_case("Content-Type") {
            let media = MediaType::parse(value).map_err(|_| MimeError::BadContentType)?;
            return once(&mut self.content_type, "Content-Type", media);
        }
        if name.eq_ignore_ascii_case("Content-Transfer-Encoding") {
            let encoding = Encoding::named(value).ok_or_else(|| MimeError::UnknownEncoding(value.into()))?;
            return once(&mut self.encoding, "Content-Transfer-Encoding", encoding);
        }
        Ok(())
    }

    /// The entity whose content is `octets`.
    pub(super) fn entity(self, octets: Bytes) -> Result<Entity, MimeError> {
        let content = self.encoding.unwrap_or(Encoding::Identity).decode(octets)?;
        Ok(Entity { content_type: self.content_type.unwrap_or_else(MediaType::text_plain), content })
    }
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), MimeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MimeError::Repeated(name)),
    }
}
