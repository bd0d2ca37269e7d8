//! What a CPIM message holds that a room can carry: text, or something about somebody (MS-SEND-14, MS-SEND-15, CPIM-13).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::Objection;
use crate::translate::html::html_to_text;
use crate::translate::{phrases, text};
use crate::wire::cpim::{Address, Cpim};
use crate::wire::imdn::{self, Imdn};
use crate::wire::is_composing::{self, IsComposing};
use crate::wire::media_type::MediaType;
use crate::wire::mime::Entity;
use crate::wire::multipart;

/// What is in a message.
#[derive(Debug)]
pub(super) enum Content {
    /// A text, if it is not empty.
    Text(Option<String>),
    /// What its author is doing.
    Composing(IsComposing),
    /// What became of another message.
    Notification(Imdn),
}

/// Multiparts and CPIM messages that may stand within each other. Clients that make alternatives of a signed text need three.
const MAX_DEPTH: usize = 4;
/// CPIM messages of those, the outermost included: somebody forwards what he got (CPIM-13).
const MAX_CPIM: usize = 2;
/// Parts of all multiparts together. A text in some languages and forms has fewer.
const MAX_PARTS: usize = 32;

/// What a message holds.
///
/// # Errors
///
/// The objection to the content, or to the best of its alternatives.
pub(super) fn read(cpim: &Cpim) -> Result<Content, Objection> {
    let mut reader = Reader { parts: MAX_PARTS, depth: 0, cpim: 1 };
    reader.content(&cpim.content_type, &cpim.content)
}

/// What of the bounds is used up.
struct Reader {
    parts: usize,
    depth: usize,
    cpim: usize,
}

impl Reader {
    fn content(&mut self, kind: &MediaType, content: &Bytes) -> Result<Content, Objection> {
        match kind.kind() {
            "multipart" => self.within(|reader| reader.multipart(kind, content)),
            "message" if kind.is("message/cpim") => self.within(|reader| reader.forwarded(content)),
            _ => single(kind, content),
        }
    }

    fn within(&mut self, read: impl FnOnce(&mut Self) -> Result<Content, Objection>) -> Result<Content, Objection> {
        if self.depth >= MAX_DEPTH {
            return Err(Objection::TooDeep);
        }
        self.depth += 1;
        let content = read(self);
        self.depth -= 1;
        content
    }

    /// Who gets it is said by the outermost message. Whoever is named inside is told as a claim, within the text.
    fn forwarded(&mut self, content: &Bytes) -> Result<Content, Objection> {
        if self.cpim >= MAX_CPIM {
            return Err(Objection::TooDeep);
        }
        let inner = Cpim::parse(content)?;
        self.cpim += 1;
        let content = self.content(&inner.content_type, &inner.content);
        self.cpim -= 1;
        match (content?, &inner.from) {
            (Content::Text(Some(text)), Some(from)) => Ok(Content::Text(Some(quoted(from, &text)))),
            (content, _) => Ok(content),
        }
    }

    fn multipart(&mut self, kind: &MediaType, content: &Bytes) -> Result<Content, Objection> {
        if kind.is("multipart/encrypted") {
            return Err(Objection::Sealed(kind.essence()));
        }
        let parts = multipart::parts(kind, content, self.parts)?;
        self.parts = self.parts.saturating_sub(parts.len());
        let parts = parts.iter().map(|part| Entity::parse(part).map_err(Objection::from));
        match kind.subtype() {
            "alternative" => self.best(parts.collect()),
            // The other part is the signature (RFC 1847 §2.1), which nobody behind the room could verify.
            "signed" => {
                let signed = parts.take(1).next().ok_or(multipart::MultipartError::NoEnd)??;
                self.content(&signed.content_type, &signed.content)
            }
            // What else there is counts as mixed (RFC 2046 §5.1.7).
            _ => self.all(parts.collect()),
        }
    }

    /// The plain text among alternatives, or the last one that can be read (RFC 2046 §5.1.4).
    fn best(&mut self, parts: Vec<Result<Entity, Objection>>) -> Result<Content, Objection> {
        let is_plain = |part: &Result<Entity, Objection>| part.as_ref().is_ok_and(|p| p.content_type.is("text/plain"));
        let (plain, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_plain);
        let mut otherwise = None;
        for part in plain.into_iter().rev().chain(others.into_iter().rev()) {
            match part.and_then(|part| self.content(&part.content_type, &part.content)) {
                Ok(Content::Text(None)) => otherwise = Some(Ok(Content::Text(None))),
                Ok(content) => return Ok(content),
                Err(objection) => {
                    otherwise.get_or_insert(Err(objection));
                }
            }
        }
        otherwise.unwrap_or(Err(multipart::MultipartError::NoEnd.into()))
    }

    /// All texts, one below the other. What else is there cannot cross; as long as there is a text, a line of its own says so where
    /// it stood, for nothing vanishes unseen.
    fn all(&mut self, parts: Vec<Result<Entity, Objection>>) -> Result<Content, Objection> {
        let (mut texts, mut otherwise) = (Vec::new(), None);
        let mut has_text = false;
        for part in parts {
            match part.and_then(|part| self.content(&part.content_type, &part.content)) {
                Ok(Content::Text(Some(text))) => {
                    has_text = true;
                    texts.push(text);
                }
                other => {
                    if let Err(Objection::WrappedType(kind)) = &other {
                        texts.push(phrases::left_out(kind));
                    }
                    otherwise.get_or_insert(other);
                }
            }
        }
        match otherwise {
            Some(other) if !has_text => other,
            _ => Ok(Content::Text(Some(texts.join("\n")))),
        }
    }
}

/// Content that stands for itself.
fn single(kind: &MediaType, content: &Bytes) -> Result<Content, Objection> {
    if kind.is(is_composing::MEDIA_TYPE) {
        return Ok(Content::Composing(IsComposing::parse(content)?));
    }
    if kind.is(imdn::MEDIA_TYPE) {
        return Ok(Content::Notification(Imdn::parse(content)?));
    }
    if kind.is("application/pkcs7-mime") || kind.is("application/x-pkcs7-mime") {
        return Err(Objection::Sealed(kind.essence()));
    }
    let is_html = kind.is("text/html");
    if !is_html && !kind.is("text/plain") {
        return Err(Objection::WrappedType(kind.essence()));
    }
    let decoded = text::charset_to_utf8(kind, content)?;
    let plain = if is_html { html_to_text(&decoded) } else { decoded.into_owned() };
    let clean = text::xml_clean(&plain);
    Ok(Content::Text((!clean.is_empty()).then(|| clean.into_owned())))
}

/// A text that somebody else is said to have written.
fn quoted(from: &Address, words: &str) -> String {
    let name = from.formal_name.as_deref().map(text::one_line).unwrap_or_default();
    let who = [name.as_ref(), &alloc::format!("<{}>:", from.uri)].join(" ");
    let lines = words.lines().map(|line| alloc::format!("> {line}"));
    core::iter::once(who.trim_start().to_string()).chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
