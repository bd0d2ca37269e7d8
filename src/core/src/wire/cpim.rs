//! `message/cpim` (RFC 3862): who says what to whom, around a MIME part.
//!
//! Liberal in what it reads where deployed clients are: bare LF, blanks at the edges, header names in any case, and the blank
//! line before Content-Type that the examples of every specification forget. Strict in what it writes.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::media_type::MediaType;

mod address;
mod encode;

pub use address::Address;
pub use encode::{NAMESPACE, encode, encode_delayed, headers};

/// A CPIM message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpim {
    /// Who claims to speak. `None` is for the session to fill in (SW-03).
    pub from: Option<Address>,
    /// To whom. Empty is a violation that the switch answers (SW-03), more than one too (SW-04).
    pub to: Vec<Address>,
    /// To whom else.
    pub cc: Vec<Address>,
    /// DateTime as it is written.
    pub date_time: Option<String>,
    /// Subject as it is written.
    pub subject: Option<String>,
    /// What the content is; `text/plain` when nothing says so. Without a charset it is UTF-8, which holds RFC 2046's US-ASCII.
    pub content_type: MediaType,
    /// The content, shared with what was parsed, octet for octet.
    pub content: Bytes,
}

/// Why a body is not a CPIM message that we understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpimError {
    /// The headers do not end in a blank line.
    #[error("the CPIM headers do not end")]
    NoContent,
    /// A line that is not `Name: value`, or not UTF-8, or has control characters. Folding counts as that in CPIM headers.
    #[error("a CPIM header is malformed")]
    BadHeader,
    /// More than [`Cpim::MAX_HEADERS`] headers.
    #[error("there are more than {} CPIM headers", Cpim::MAX_HEADERS)]
    TooManyHeaders,
    /// A header that may be there once is there twice (CPIM-10).
    #[error("the CPIM header {0} is repeated")]
    Repeated(&'static str),
    /// From, To or cc is no address.
    #[error("a CPIM address is malformed")]
    BadAddress,
    /// Something other than `;gr=` follows the `>` of an address (CPIM-04, E-03).
    #[error("something follows the `>` of a CPIM address")]
    TrailingJunk,
    /// A formal name with an escape that RFC 3862 §2.3.2 does not know, or without its last quote.
    #[error("a formal name is malformed")]
    BadFormalName,
    /// Require names this header, which we do not know (CPIM-08).
    #[error("the CPIM header {0} is required but not understood")]
    Required(String),
    /// Content-Type is malformed.
    #[error("the Content-Type within CPIM is malformed")]
    BadContentType,
    /// The content is encoded for transfer, which MSRP forbids (MS-SEND-17).
    #[error("Content-Transfer-Encoding {0} is not supported; send the content as it is")]
    Encoded(String),
}

impl CpimError {
    /// The MSRP response code: 415 for what is understood but not supported, 400 for what breaks the grammar.
    #[must_use]
    pub const fn msrp_code(&self) -> u16 {
        match self {
            Self::Required(_) | Self::Encoded(_) => 415,
            _ => 400,
        }
    }
}

impl Cpim {
    /// The most headers, those of the MIME part included.
    pub const MAX_HEADERS: usize = 64;

    /// Reads a message. `content` of the result shares the memory of `body`.
    ///
    /// # Errors
    ///
    /// [`CpimError`] names what is wrong with the first thing that is.
    pub fn parse(body: &Bytes) -> Result<Self, CpimError> {
        let mut reader = Reader { body, at: 0, headers: 0 };
        let mut message = Headers::default();
        let mut mime = Mime::default();
        let mut within_mime = false;
        // The headers of the message. RFC 3862 §2 ends them with a blank line, the examples with Content-Type (CPIM-02, E-59).
        while let Some(line) = reader.line()? {
            let (name, value) = split_header(&line)?;
            within_mime |= is_mime_header(name);
            if within_mime {
                mime.take(name, value)?;
            } else {
                message.take(name, value)?;
            }
        }
        if !within_mime {
            while let Some(line) = reader.mime_line()? {
                let (name, value) = split_header(&line)?;
                mime.take(name, value)?;
            }
        }
        if let Some(unknown) = message.required.iter().find(|name| !message.knows(name)) {
            return Err(CpimError::Required(unknown.clone()));
        }
        Ok(Self {
            from: message.from,
            to: message.to,
            cc: message.cc,
            date_time: message.date_time,
            subject: message.subject,
            content_type: mime.content_type.unwrap_or_else(MediaType::text_plain),
            content: if reader.at <= body.len() { body.slice(reader.at..) } else { Bytes::new() },
        })
    }
}

/// The lines of a header block.
struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
    headers: usize,
}

impl<'a> Reader<'a> {
    /// The next line without its CRLF or LF, `None` for the blank one that ends the block.
    fn line(&mut self) -> Result<Option<Cow<'a, str>>, CpimError> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).ok_or(CpimError::NoContent)?;
        self.at = self.at.saturating_add(end).saturating_add(1);
        let line = rest.get(..end).unwrap_or_default();
        let line = core::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| CpimError::BadHeader)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.headers = self.headers.saturating_add(1);
        if self.headers > Cpim::MAX_HEADERS {
            return Err(CpimError::TooManyHeaders);
        }
        Ok(Some(Cow::Borrowed(line)))
    }

    /// As [`Reader::line`], with the folded lines after it, which MIME headers may have (RFC 5322 §2.2.3).
    fn mime_line(&mut self) -> Result<Option<Cow<'a, str>>, CpimError> {
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
}

fn split_header(line: &str) -> Result<(&str, &str), CpimError> {
    let (name, value) = line.split_once(':').ok_or(CpimError::BadHeader)?;
    let name = name.trim_end_matches(BLANKS);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    if !is_name || value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(CpimError::BadHeader);
    }
    Ok((name, value))
}

fn is_mime_header(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"))
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The namespace of the headers of RFC 3862 §4.
const CORE: &str = "urn:ietf:params:cpim-headers:";

/// The headers that we understand, as they are written out.
const KNOWN: [&str; 7] = ["From", "To", "cc", "DateTime", "Subject", "NS", "Require"];

/// The headers of the message, as far as they have been read.
#[derive(Default)]
struct Headers {
    from: Option<Address>,
    to: Vec<Address>,
    cc: Vec<Address>,
    date_time: Option<String>,
    subject: Option<String>,
    required: Vec<String>,
    /// Whether each prefix, the empty one included, stands for [`CORE`] (RFC 3862 §3.4).
    prefixes: BTreeMap<String, bool>,
}

impl Headers {
    /// Takes one header. Unknown ones are ignored (CPIM-07).
    fn take(&mut self, name: &str, value: &str) -> Result<(), CpimError> {
        let Some(name) = self.known(name) else {
            return Ok(());
        };
        let value = value.trim_matches(BLANKS);
        match name {
            "From" => once(&mut self.from, name, Address::parse(value)?),
            "To" => {
                self.to.push(Address::parse(value)?);
                Ok(())
            }
            "cc" => {
                self.cc.push(Address::parse(value)?);
                Ok(())
            }
            "DateTime" => once(&mut self.date_time, name, value.into()),
            "Subject" => {
                // `Subject:;lang=fr text` (RFC 3862 §4.5)
                let text = match value.strip_prefix(';') {
                    Some(params) => params.split_once(' ').map(|(_, text)| text.trim_start_matches(BLANKS)),
                    None => Some(value),
                };
                once(&mut self.subject, name, text.unwrap_or_default().into())
            }
            "Require" if self.required.is_empty() => {
                self.required = value.split(',').map(|name| name.trim_matches(BLANKS).into()).collect();
                Ok(())
            }
            "Require" => Err(CpimError::Repeated(name)),
            _ => self.take_namespace(value),
        }
    }

    /// `NS: [prefix] <URI>`
    fn take_namespace(&mut self, value: &str) -> Result<(), CpimError> {
        let (prefix, uri) = value.split_once('<').ok_or(CpimError::BadHeader)?;
        let uri = uri.trim_end_matches(BLANKS).strip_suffix('>').ok_or(CpimError::BadHeader)?;
        self.prefixes.insert(prefix.trim_matches(BLANKS).into(), uri == CORE);
        Ok(())
    }

    /// The name of a header in the core namespace, in the spelling of RFC 3862, if it is one of those that we understand.
    fn known(&self, name: &str) -> Option<&'static str> {
        let (prefix, name) = name.split_once('.').unwrap_or(("", name));
        let is_core = self.prefixes.get(prefix).copied().unwrap_or(prefix.is_empty());
        KNOWN.into_iter().find(|known| is_core && known.eq_ignore_ascii_case(name))
    }

    fn knows(&self, name: &str) -> bool {
        self.known(name).is_some()
    }
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), CpimError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(CpimError::Repeated(name)),
    }
}

/// What we want to know of the headers of the MIME part. Content-Length and the like are not looked at (CPIM-14): the end of
/// the MSRP message is the end of the content.
#[derive(Default)]
struct Mime {
    content_type: Option<MediaType>,
}

impl Mime {
    fn take(&mut self, name: &str, value: &str) -> Result<(), CpimError> {
        let value = value.trim_matches(BLANKS);
        if name.eq_ignore_ascii_case("Content-Type") {
            let media = MediaType::parse(value).map_err(|_| CpimError::BadContentType)?;
            return once(&mut self.content_type, "Content-Type", media);
        }
        let identity = ["7bit", "8bit", "binary"];
        if name.eq_ignore_ascii_case("Content-Transfer-Encoding")
            && !identity.iter().any(|known| known.eq_ignore_ascii_case(value))
        {
            return Err(CpimError::Encoded(value.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
