//! A stanza that has come whole, written as servers write: nearly all of them, read in one go.
//!
//! Owns no judgement. Whatever is unusual, wrong, or not there yet is left to the [`Tokenizer`](super::tokenizer::Tokenizer), which
//! says the same of every stanza that is read here, and looks at every octet for itself.

use super::framing::{MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_NAME, MAX_STANZA};
use super::tokenizer::{MAX_REFERENCE, Root, is_name, is_name_start, is_space};
use super::xml;

/// Open elements; what is nested deeper is unusual.
const MAX_OPEN: usize = 16;

/// The stanza that `input` begins with: how long it is, and where the parts of its root are.
pub(super) fn read(input: &[u8]) -> Option<(usize, Root)> {
    let input = input.get(..MAX_STANZA).unwrap_or(input);
    let mut stanza = Stanza { input, at: 0, open: [(0, 0); MAX_OPEN], depth: 0, root: Root::default() };
    stanza.byte(b'<')?;
    loop {
        if stanza.peek()? == b'/' {
            stanza.end_tag()?;
        } else {
            stanza.start_tag()?;
        }
        if stanza.depth == 0 {
            return Some((stanza.at, stanza.root));
        }
        stanza.text()?;
    }
}

struct Stanza<'a> {
    input: &'a [u8],
    at: usize,
    /// Where the names of the open elements are.
    open: [(usize, usize); MAX_OPEN],
    depth: usize,
    root: Root,
}

impl Stanza<'_> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn rest(&self) -> Option<&[u8]> {
        self.input.get(self.at..)
    }

    /// Behind the next `<`.
    fn text(&mut self) -> Option<()> {
        while self.peek()? != b'<' {
            self.at += memchr::memchr2(b'<', b'&', self.rest()?)?;
            if self.peek()? == b'&' {
                self.reference()?;
            }
        }
        self.byte(b'<')
    }

    fn reference(&mut self) -> Option<()> {
        self.byte(b'&')?;
        let rest = self.rest()?;
        let length = rest.iter().take(MAX_REFERENCE + 1).position(|byte| *byte == b';')?;
        let name = rest.get(..length).filter(|name| name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'#'))?;
        xml::resolve(core::str::from_utf8(name).ok()?)?;
        self.at += length + 1;
        Some(())
    }

    fn name(&mut self) -> Option<(usize, usize)> {
        let begin = self.at;
        if !is_name_start(self.peek()?) {
            return None;
        }
        self.at += self.rest()?.iter().take_while(|byte| is_name(**byte)).count();
        (self.at - begin <= MAX_NAME).then_some((begin, self.at))
    }

    /// From the name of an element on; it is open then, if it is not empty.
    fn start_tag(&mut self) -> Option<()> {
        let name = self.name()?;
        if self.depth == 0 {
            self.root.name = name.0..name.1;
        }
        let mut attributes = 0;
        loop {
            match self.peek()? {
                b'>' => break,
                b'/' => {
                    self.at += 1;
                    return self.byte(b'>');
                }
                byte if is_space(byte) => {
                    self.at += 1;
                    if is_name_start(self.peek()?) {
                        attributes += 1;
                        self.attribute()?;
                    }
                }
                _ => return None,
            }
            if attributes > MAX_ATTRIBUTES {
                return None;
            }
        }
        self.at += 1;
        *self.open.get_mut(self.depth)? = name;
        self.depth += 1;
        Some(())
    }

    fn attribute(&mut self) -> Option<()> {
        let name = self.name()?;
        self.byte(b'=')?;
        let quote = self.peek().filter(|quote| matches!(quote, b'\'' | b'"'))?;
        self.at += 1;
        let begin = self.at;
        loop {
            self.at += memchr::memchr3(quote, b'<', b'&', self.rest()?)?;
            match self.peek()? {
                b'&' => self.reference()?,
                b'<' => return None,
                _ => break,
            }
        }
        let value = begin..self.at;
        self.at += 1;
        if value.len() > MAX_ATTRIBUTE {
            return None;
        }
        if self.depth > 0 {
            return Some(());
        }
        let slot = match self.input.get(name.0..name.1)? {
            b"from" => &mut self.root.from,
            b"to" => &mut self.root.to,
            b"type" => &mut self.root.kind,
            b"id" => &mut self.root.id,
            _ => return Some(()),
        };
        slot.replace(value).is_none().then_some(())
    }

    /// From the `/` of an end tag on.
    fn end_tag(&mut self) -> Option<()> {
        self.at += 1;
        self.depth = self.depth.checked_sub(1)?;
        let (begin, end) = *self.open.get(self.depth)?;
        let expected = self.input.get(begin..end)?;
        if !self.rest()?.starts_with(expected) {
            return None;
        }
        self.at += expected.len();
        self.byte(b'>')
    }
}
