//! The body of a SIP message: the session description in it, alone or among the parts of multiparts, and what else may be there
//! (RFC 3261 §7.4, §8.2.3; RFC 5621).
//!
//! Clients of the IMS and of emergency services send their location beside the SDP, gateways what they know of a telephone
//! network. Nothing of that is for us: what need not be understood is left out, and what has to be refuses the message.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::media_type::MediaType;
use super::mime::{self, BLANKS, Lines, MimeError, split_header};
use super::multipart::{self, MultipartError};

const SDP: &str = "application/sdp";
/// Multiparts within each other. RFC 5621 §4.1 has two for a location beside alternatives.
const MAX_DEPTH: usize = 4;
/// Parts of all multiparts together. Emergency calls have a handful.
const MAX_PARTS: usize = 32;

/// What the header of the message says of its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Description<'a> {
    /// Content-Type.
    pub content_type: Option<&'a str>,
    /// Content-Disposition.
    pub content_disposition: Option<&'a str>,
    /// Content-Encoding.
    pub content_encoding: Option<&'a str>,
}

/// Why a body cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Something that has to be understood is not (RFC 5621 §8.4): SIP 415.
    #[error("{0} is not understood; send {SDP}, and the rest with handling=optional")]
    Unsupported(String),
    /// Multiparts within multiparts, too many: SIP 415.
    #[error("the body has more than {MAX_DEPTH} multiparts within each other")]
    TooDeep,
    /// A multipart that is none: SIP 400.
    #[error("{0}")]
    Multipart(#[from] MultipartError),
    /// The head of a part is malformed: SIP 400.
    #[error("a part of the body: {0}")]
    Part(#[from] MimeError),
    /// Which of them would be meant is nobody's to guess: SIP 400.
    #[error("the body has two session descriptions")]
    TwoSessions,
}

impl BodyError {
    /// The SIP response code.
    #[must_use]
    pub const fn sip_code(&self) -> u16 {
        match self {
            Self::Unsupported(_) | Self::TooDeep => 415,
            Self::Multipart(_) | Self::Part(_) | Self::TwoSessions => 400,
        }
    }
}

/// The session description of a message with this body; `None` where there is none, and nothing that has to be understood.
///
/// # Errors
///
/// [`BodyError`].
pub fn session_description(description: Description<'_>, body: &Bytes) -> Result<Option<Bytes>, BodyError> {
    if body.is_empty() {
        return Ok(None);
    }
    let part = Part {
        what: description.content_type.unwrap_or("a body without Content-Type").to_owned(),
        kind: description.content_type.and_then(kind),
        disposition: Disposition::read(description.content_disposition),
        is_encoded: is_encoded(description.content_encoding),
        content: body.clone(),
    };
    Reader { parts: MAX_PARTS, depth: 0 }.optional(part)
}

/// A body, or a part of one.
struct Part {
    /// Its type as it is written.
    what: String,
    /// `None`: one that nobody can read.
    kind: Option<MediaType>,
    disposition: Disposition,
    is_encoded: bool,
    content: Bytes,
}

/// What a part is for (RFC 3261 §20.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Disposition {
    /// `session`, which SDP has where nothing is said.
    is_session: bool,
    /// Who does not understand the part may not leave it out; so it is where nothing is said.
    is_required: bool,
}

impl Disposition {
    fn read(value: Option<&str>) -> Self {
        let Some(value) = value else { return Self { is_session: true, is_required: true } };
        let (kind, params) = value.split_at_checked(value.find(';').unwrap_or(value.len())).unwrap_or((value, ""));
        // It has the parameters of a media type.
        let params = MediaType::parse(&alloc::format!("x/x{params}"));
        let handling = params.as_ref().ok().and_then(|params| params.param("handling"));
        Self {
            is_session: kind.trim_matches(BLANKS).eq_ignore_ascii_case("session"),
            is_required: !handling.is_some_and(|handling| handling.eq_ignore_ascii_case("optional")),
        }
    }
}

impl Part {
    /// Reads a part of a multipart.
    fn read(part: &Bytes) -> Result<Self, MimeError> {
        let mut lines = Lines::new(part);
        let mut transfer = mime::Headers::default();
        let [mut content_type, mut disposition, mut encoding, mut id] = [const { None::<String> }; 4];
        while let Some(line) = lines.unfolded()? {
            let (name, value) = split_header(&line)?;
            let value = value.trim_matches(BLANKS);
            let slot = match &*name.to_ascii_lowercase() {
                "content-type" => &mut content_type,
                "content-disposition" => &mut disposition,
                "content-encoding" => &mut encoding,
                "content-id" => &mut id,
                "content-transfer-encoding" => {
                    // What cannot be decoded is like a type that nobody knows.
                    if transfer.take(name, value).is_err() {
                        encoding = Some(value.to_owned());
                    }
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert_with(|| value.to_owned());
        }
        let mut is_encoded = is_encoded(encoding.as_deref());
        let content = transfer.entity(lines.rest()).map(|entity| entity.content).unwrap_or_else(|_| {
            is_encoded = true;
            Bytes::new()
        });
        let mut read = Disposition::read(disposition.as_deref());
        // It is what a header or another part refers to (RFC 5621 §9.3), as Geolocation does (RFC 6442 §5.1 says nothing of its
        // disposition); who does not know that has no use for it.
        read.is_required &= id.is_none() || disposition.is_some();
        let what = content_type.unwrap_or_else(|| "text/plain".to_owned());
        Ok(Self { kind: kind(&what), what, disposition: read, is_encoded, content })
    }

    fn is_multipart(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.kind() == "multipart") && !self.is_encoded
    }

    fn is_session(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| kind.is(SDP)) && self.disposition.is_session && !self.is_encoded
    }

    /// What it is that is not understood.
    fn described(self) -> String {
        match self.what {
            what if self.is_encoded => what + " in an encoding",
            what if self.kind.is_some_and(|kind| kind.is(SDP)) => what + " of another disposition than session",
            what => what,
        }
    }
}

/// A type, of which what follows may be malformed: SDP has no parameters.
fn kind(text: &str) -> Option<MediaType> {
    MediaType::parse(text).or_else(|_| MediaType::parse(text.split(';').next().unwrap_or_default())).ok()
}

fn is_encoded(encoding: Option<&str>) -> bool {
    encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
}

/// What of the bounds is left.
struct Reader {
    parts: usize,
    depth: usize,
}

impl Reader {
    /// What a part brings; nothing where it cannot be used and need not be.
    fn optional(&mut self, part: Part) -> Result<Option<Bytes>, BodyError> {
        let is_required = part.disposition.is_required;
        self.session(part).or_else(|error| if is_required { Err(error) } else { Ok(None) })
    }

    fn session(&mut self, part: Part) -> Result<Option<Bytes>, BodyError> {
        match part.kind.as_ref().filter(|_| part.is_multipart()) {
            Some(kind) => self.multipart(kind, &part),
            None if part.is_session() => Ok(Some(part.content)),
            None => Err(BodyError::Unsupported(part.described())),
        }
    }

    fn multipart(&mut self, kind: &MediaType, whole: &Part) -> Result<Option<Bytes>, BodyError> {
        if self.depth >= MAX_DEPTH {
            return Err(BodyError::TooDeep);
        }
        let parts = multipart::parts(kind, &whole.content, self.parts)?;
        self.parts = self.parts.saturating_sub(parts.len());
        let parts = parts.iter().map(Part::read).collect::<Result<Vec<_>, _>>()?;
        self.depth += 1;
        let found = match kind.subtype() {
            "alternative" => self.best(parts, whole),
            // What else there is counts as mixed (RFC 5621 §4.2).
            _ => self.only(parts),
        };
        self.depth -= 1;
        found
    }

    /// The last of the alternatives that is understood, whatever is said of their handling (§6.1, §8.3).
    fn best(&mut self, parts: Vec<Part>, whole: &Part) -> Result<Option<Bytes>, BodyError> {
        for part in parts.into_iter().rev() {
            match self.session(part) {
                Ok(None) | Err(BodyError::Unsupported(_)) => {}
                other => return other,
            }
        }
        Err(BodyError::Unsupported(whole.what.clone()))
    }

    /// The one session description among what stands side by side.
    fn only(&mut self, parts: Vec<Part>) -> Result<Option<Bytes>, BodyError> {
        let mut found = None;
        for part in parts {
            if let Some(session) = self.optional(part)?
                && found.replace(session).is_some()
            {
                return Err(BodyError::TwoSessions);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
