//! `message/cpim` (RFC 3862): who says what to whom, around a MIME part.
//!
//! Liberal in what it reads where deployed clients are: bare LF, blanks at the edges, header names in any case, and the blank
//! line before Content-Type that the examples of every specification forget. Strict in what it writes.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::imdn::{self, MessageId, Tracking};
use super::media_type::MediaType;
use super::mime::{self, BLANKS, Entity, Lines, MimeError, split_header};

mod address;
mod encode;

pub use address::Address;
pub use encode::{Extras, NAMESPACE, encode, encode_with, headers, without_tracking};

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
    /// Subject as it is written, without its parameters.
    pub subject: Option<String>,
    /// Its name, and what its sender wants to hear of it (RFC 5438 §6).
    pub tracking: Tracking,
    /// What the content is; `text/plain` when nothing says so. Without a charset it is UTF-8, which holds RFC 2046's US-ASCII.
    pub content_type: MediaType,
    /// The content: shared with what was parsed, octet for octet, unless it was encoded for transfer (MS-SEND-17).
    pub content: Bytes,
}

/// Why a body is not a CPIM message that we understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpimError {
    /// A line that is none, also of the MIME part. Folding counts as that in CPIM headers.
    #[error(transparent)]
    Mime(#[from] MimeError),
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
}

impl CpimError {
    /// The MSRP response code: 415 for what is understood but not supported, 400 for what breaks the grammar.
    #[must_use]
    pub const fn msrp_code(&self) -> u16 {
        match self {
            Self::Required(_) => 415,
            Self::Mime(error) => error.msrp_code(),
            _ => 400,
        }
    }
}

impl Cpim {
    /// The most headers, those of the MIME part included.
    pub const MAX_HEADERS: usize = mime::MAX_HEADERS;

    /// Reads a message. `content` of the result shares the memory of `body` where it can.
    ///
    /// # Errors
    ///
    /// [`CpimError`] names what is wrong with the first thing that is.
    pub fn parse(body: &Bytes) -> Result<Self, CpimError> {
        let mut lines = Lines::new(body);
        let mut message = Headers::default();
        let mut mime = mime::Headers::default();
        let mut within_mime = false;
        // The headers of the message. RFC 3862 §2 ends them with a blank line, the examples with Content-Type (CPIM-02, E-59).
        while let Some(line) = lines.line()? {
            let (name, value) = split_header(&line)?;
            within_mime |= is_mime_header(name);
            if within_mime {
                mime.take(name, value)?;
            } else {
                message.take(name, value)?;
            }
        }
        if !within_mime {
            mime.read(&mut lines)?;
        }
        if let Some(unknown) = message.required.iter().find(|name| !message.knows(name)) {
            return Err(CpimError::Required(unknown.clone()));
        }
        let Entity { content_type, content } = mime.entity(lines.rest())?;
        Ok(Self {
            from: message.from,
            to: message.to,
            cc: message.cc,
            date_time: message.date_time,
            subject: message.subject,
            tracking: Tracking {
                message_id: message.message_id.as_deref().and_then(MessageId::new),
                asks: message.notification.as_deref().map(imdn::Asks::parse).unwrap_or_default(),
            },
            content_type,
            content,
        })
    }
}

/// The namespace of the headers of RFC 3862 §4.
const CORE: &str = "urn:ietf:params:cpim-headers:";

/// The headers that we understand, as they are written out. Those of RFC 5438 are told by their names alone, which RFC 3862 does
/// not use.
const KNOWN: [&str; 9] =
    ["From", "To", "cc", "DateTime", "Subject", "NS", "Require", MESSAGE_ID, DISPOSITION_NOTIFICATION];
const MESSAGE_ID: &str = "Message-ID";
const DISPOSITION_NOTIFICATION: &str = "Disposition-Notification";

/// What a prefix stands for (RFC 3862 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Namespace {
    Core,
    Imdn,
    Other,
}

/// The headers of the message, as far as they have been read.
#[derive(Default)]
struct Headers {
    from: Option<Address>,
    to: Vec<Address>,
    cc: Vec<Address>,
    date_time: Option<String>,
    subject: Option<String>,
    message_id: Option<String>,
    notification: Option<String>,
    required: Vec<String>,
    /// What each prefix, the empty one included, stands for.
    prefixes: BTreeMap<String, Namespace>,
}

impl Headers {
    /// Takes one header. Unknown ones are ignored (CPIM-07).
    fn take(&mut self, name: &str, raw: &str) -> Result<(), CpimError> {
        let Some(name) = self.known(name) else {
            return Ok(());
        };
        let value = raw.trim_matches(BLANKS);
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
            "Subject" => once(&mut self.subject, name, subject(raw).into()),
            MESSAGE_ID => once(&mut self.message_id, name, value.into()),
            DISPOSITION_NOTIFICATION => once(&mut self.notification, name, value.into()),
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
        let (prefix, uri) = value.split_once('<').ok_or(MimeError::BadHeader)?;
        let namespace = match uri.trim_end_matches(BLANKS).strip_suffix('>').ok_or(MimeError::BadHeader)? {
            CORE => Namespace::Core,
            imdn::CPIM_NAMESPACE => Namespace::Imdn,
            _ => Namespace::Other,
        };
        self.prefixes.insert(prefix.trim_matches(BLANKS).into(), namespace);
        Ok(())
    }

    /// The name of a header in the spelling of its specification, if it is one of those that we understand.
    fn known(&self, name: &str) -> Option<&'static str> {
        let (prefix, name) = name.split_once('.').unwrap_or(("", name));
        let unsaid = if prefix.is_empty() { Namespace::Core } else { Namespace::Other };
        let namespace = self.prefixes.get(prefix).copied().unwrap_or(unsaid);
        let belongs = |known: &str| match namespace {
            Namespace::Core => !matches!(known, MESSAGE_ID | DISPOSITION_NOTIFICATION),
            Namespace::Imdn => matches!(known, MESSAGE_ID | DISPOSITION_NOTIFICATION),
            Namespace::Other => false,
        };
        KNOWN.into_iter().find(|known| belongs(known) && known.eq_ignore_ascii_case(name))
    }

    fn knows(&self, name: &str) -> bool {
        self.known(name).is_some()
    }
}

/// The text of a Subject. Parameters stand at the colon, before the blank: `Subject:;lang=fr Bonjour` (RFC 3862 §4.5, CPIM-15).
/// Some write a blank there too; then only a language is taken for a parameter, since anything else may be the text.
fn subject(raw: &str) -> &str {
    let trimmed = raw.trim_matches(BLANKS);
    let is_language = trimmed.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(";lang="));
    if raw.starts_with(';') || is_language {
        return trimmed.split_once(BLANKS).map(|(_, text)| text.trim_start_matches(BLANKS)).unwrap_or_default();
    }
    trimmed
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), CpimError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(CpimError::Repeated(name)),
    }
}

fn is_mime_header(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"))
}

#[cfg(test)]
mod tests;
