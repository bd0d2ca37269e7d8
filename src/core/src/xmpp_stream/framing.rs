//! Cuts the bytes of a stream into its stanzas, with limits, whatever the segmentation; each byte is looked
//! at once, and once more where a stanza is unusual or comes in pieces.
//!
//! A stanza that is wrong but ends where it says is skipped and reported, since another occupant may have had a hand in it and
//! must not end our stream; what leaves the end of a stanza in doubt is a [`Violation`] and ends it.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;

use super::tokenizer::{Ended, Root, Tokenizer};
use super::{whole, xml};

/// The deepest nesting, the stanza itself counted. Parsers recurse, and real stanzas stay below 20.
pub const MAX_DEPTH: usize = 64;
/// The longest attribute value in octets as written. Parsers stop at 8 KiB; a JID has at most 3,071 (RFC 7622 §3.1).
pub const MAX_ATTRIBUTE: usize = 4096;
/// The longest name of an element or attribute, in octets with its prefix.
pub const MAX_NAME: usize = 256;
/// The most attributes of one element.
pub const MAX_ATTRIBUTES: usize = 64;
/// The largest stanza in octets: twice what stock servers let through.
pub const MAX_STANZA: usize = 512 * 1024;
/// The largest stanza that is skipped; a larger one is an attempt to keep us busy.
pub const MAX_SKIPPED: usize = 8 * 1024 * 1024;
/// What a framer keeps for the next stanza, in octets: a large one leaves nothing behind.
pub const MAX_KEPT: usize = 8 * 1024;

/// What is in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// One complete child of the stream root, within all limits.
    Stanza(Framed),
    /// `<stream:error/>` (RFC 6120 §4.9); nothing but the end follows.
    StreamError(Framed),
    /// A child of the stream root was left out.
    Skipped(Skipped),
    /// `</stream:stream>`.
    StreamEnd,
}

/// The `id` of a stanza of ours, if it has one.
#[must_use]
pub fn id_of(mut stanza: &[u8]) -> Option<String> {
    match Framer::new().push(&mut stanza) {
        Ok(Some(Event::Stanza(stanza))) => stanza.id().map(Cow::into_owned),
        _ => None,
    }
}

/// One complete element, exactly as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// The bytes: UTF-8, nothing before or after the element, the stream's namespaces not repeated. They share no memory with
    /// other stanzas.
    pub bytes: Bytes,
    /// Where the name is, with its prefix.
    pub name: Range<usize>,
    /// Where the value of the attribute `from` is, still escaped.
    pub from: Option<Range<usize>>,
    /// Where the value of `to` is.
    pub to: Option<Range<usize>>,
    /// Where the value of `type` is.
    pub kind: Option<Range<usize>>,
    /// Where the value of `id` is.
    pub id: Option<Range<usize>>,
}

impl Framed {
    /// The element as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// The name with its prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        text_at(&self.bytes, &self.name).unwrap_or_default()
    }

    /// Whether this is its name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.bytes.get(self.name.clone()) == Some(name.as_bytes())
    }

    /// The attribute `from`, unescaped.
    #[must_use]
    pub fn from(&self) -> Option<Cow<'_, str>> {
        self.value(self.from.as_ref())
    }

    /// The attribute `to`, unescaped.
    #[must_use]
    pub fn to(&self) -> Option<Cow<'_, str>> {
        self.value(self.to.as_ref())
    }

    /// The attribute `type`, unescaped.
    #[must_use]
    pub fn kind(&self) -> Option<Cow<'_, str>> {
        self.value(self.kind.as_ref())
    }

    /// The attribute `id`, unescaped.
    #[must_use]
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.value(self.id.as_ref())
    }

    fn value(&self, at: Option<&Range<usize>>) -> Option<Cow<'_, str>> {
        text_at(&self.bytes, at?).map(xml::unescape)
    }

    fn new(bytes: Bytes, root: Root) -> Self {
        let Root { name, from, to, kind, id } = root;
        Self { bytes, name, from, to, kind, id }
    }
}

/// A stanza that was left out, as far as it was understood before it went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub why: Fault,
    /// Its name; empty if that is what was wrong.
    pub name: String,
    /// Its sender.
    pub from: Option<String>,
    /// Its `type`.
    pub kind: Option<String>,
    /// Its `id`.
    pub id: Option<String>,
}

/// What is wrong with a stanza whose end is certain all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More than [`MAX_STANZA`].
    #[error("larger than 512 KiB")]
    TooLarge,
    /// More than [`MAX_DEPTH`].
    #[error("nested deeper than 64 levels")]
    TooDeep,
    /// More than [`MAX_ATTRIBUTE`].
    #[error("an attribute longer than 4096 octets")]
    AttributeTooLong,
    /// More than [`MAX_ATTRIBUTES`].
    #[error("an element with more than 64 attributes")]
    TooManyAttributes,
    /// More than [`MAX_NAME`].
    #[error("a name longer than 256 octets")]
    NameTooLong,
    /// A comment or processing instruction (RFC 6120 §11.1).
    #[error("a comment or processing instruction")]
    Restricted,
    /// An unknown reference, `<` in an attribute, or `from`, `to`, `type` or `id` twice.
    #[error("not well-formed within")]
    Malformed,
    /// Not UTF-8 (RFC 6120 §11.6).
    #[error("not UTF-8")]
    NotUtf8,
}

/// What ends a stream, since nobody knows any more where its stanzas begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Tags that cannot be told apart or do not match.
    #[error("the stream is not well-formed XML")]
    NotWellFormed,
    /// A document type, or a comment or processing instruction between stanzas (RFC 6120 §11.1).
    #[error("the stream has XML that XMPP forbids")]
    Restricted,
    /// Something else than white space between two stanzas.
    #[error("the stream has text between its stanzas")]
    TextBetweenStanzas,
    /// A stanza of more than [`MAX_SKIPPED`].
    #[error("the stream has a stanza larger than 8 MiB")]
    TooLarge,
}

/// The framer of one stream, from the first byte after the stream features.
#[derive(Debug)]
pub struct Framer {
    tokenizer: Tokenizer,
    /// The start of the stanza at hand, as far as it came with earlier input and is worth keeping.
    begun: Vec<u8>,
    /// Set once the stanza at hand will be skipped.
    skipped: Option<Skipped>,
    in_stanza: bool,
}

impl Framer {
    /// A framer between two stanzas.
    #[must_use]
    pub fn new() -> Self {
        Self { tokenizer: Tokenizer::new(), begun: Vec::new(), skipped: None, in_stanza: false }
    }

    /// Takes bytes off the front of `input` up to the next event; `None` when they did not suffice, and all are taken then. Call
    /// it until it says `None`.
    ///
    /// # Errors
    ///
    /// A [`Violation`], after which the stream must be given up.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        if !self.in_stanza {
            *input = input.trim_ascii_start(); // white space keeps the stream alive and says nothing
            if input.is_empty() {
                return Ok(None);
            }
            if let Some((taken, root)) = whole::read(input) {
                let (piece, rest) = input.split_at_checked(taken).unwrap_or((input, &[]));
                *input = rest;
                return Ok(Some(event(Bytes::copy_from_slice(piece), root, None)));
            }
            self.in_stanza = true;
        }
        let (taken, ended) = self.tokenizer.advance(input)?;
        let (piece, rest) = input.split_at_checked(taken).unwrap_or((input, &[]));
        *input = rest;
        let Some(ended) = ended else {
            self.keep(piece);
            return Ok(None);
        };
        let event = match ended {
            Ended::Stream => {
                self.begun.clear();
                Event::StreamEnd
            }
            Ended::Stanza => self.finish(piece),
        };
        self.tokenizer.reset();
        self.in_stanza = false;
        Ok(Some(event))
    }

    /// Octets that are held for a stanza which is not complete.
    #[must_use]
    pub fn held(&self) -> usize {
        self.begun.capacity()
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.skipped.is_some() {
            return;
        }
        self.begun.extend_from_slice(piece);
        if let Some(why) = self.tokenizer.fault() {
            self.skipped = Some(skipped(why, &self.begun, self.tokenizer.root()));
            self.begun = Vec::new();
        }
    }

    fn finish(&mut self, piece: &[u8]) -> Event {
        if let Some(skipped) = self.skipped.take() {
            return Event::Skipped(skipped);
        }
        let bytes = if self.begun.is_empty() {
            Bytes::copy_from_slice(piece)
        } else {
            self.begun.extend_from_slice(piece);
            Bytes::copy_from_slice(&self.begun)
        };
        self.begun.clear();
        if self.begun.capacity() > MAX_KEPT {
            self.begun = Vec::new();
        }
        event(bytes, self.tokenizer.root().clone(), self.tokenizer.fault())
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

/// What is to be said of a stanza that is complete.
fn event(bytes: Bytes, root: Root, fault: Option<Fault>) -> Event {
    let fault = fault.or_else(|| core::str::from_utf8(&bytes).is_err().then_some(Fault::NotUtf8));
    if let Some(why) = fault {
        return Event::Skipped(skipped(why, &bytes, &root));
    }
    let framed = Framed::new(bytes, root);
    if framed.is("stream:error") { Event::StreamError(framed) } else { Event::Stanza(framed) }
}

fn skipped(why: Fault, bytes: &[u8], root: &Root) -> Skipped {
    let value = |at: &Option<Range<usize>>| text_at(bytes, at.as_ref()?).map(|raw| xml::unescape(raw).into_owned());
    Skipped {
        why,
        name: text_at(bytes, &root.name).unwrap_or_default().into(),
        from: value(&root.from),
        kind: value(&root.kind),
        id: value(&root.id),
    }
}

fn text_at<'a>(bytes: &'a [u8], at: &Range<usize>) -> Option<&'a str> {
    core::str::from_utf8(bytes.get(at.clone())?).ok()
}

#[cfg(test)]
mod tests;
