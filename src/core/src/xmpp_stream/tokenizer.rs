//! Finds where a child of the stream root ends, byte by byte, and whether it keeps to the limits. Holds no part of the stanza
//! but the names of its open elements.

use alloc::vec::Vec;
use core::ops::Range;

use super::framing::{Fault, MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_DEPTH, MAX_NAME, MAX_SKIPPED, MAX_STANZA, Violation};
use super::xml;

/// What ended with the last byte that was consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Stanza,
    Stream,
}

/// Where the parts of the root's start tag are, counted from the first byte of the stanza.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Root {
    pub(super) name: Range<usize>,
    pub(super) from: Option<Range<usize>>,
    pub(super) to: Option<Range<usize>>,
    pub(super) kind: Option<Range<usize>>,
    pub(super) id: Option<Range<usize>>,
}

/// Where a reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Value(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Text,
    Tag,
    Name,
    /// In a start tag, after a name or a value; whether white space came since.
    Inside(bool),
    AttributeName,
    AfterAttributeName,
    BeforeValue,
    Value(u8),
    Reference(Place),
    Slash,
    EndName,
    EndSpace,
    /// After `<!` and so many bytes of `[CDATA[`, or one of `--`.
    Bang(usize),
    BangDash,
    /// In a CDATA section, after so many `]`, at most 2.
    Cdata(u8),
    /// In a comment, after so many `-`, at most 2.
    Comment(u8),
    /// In a processing instruction; whether `?` was last.
    Instruction(bool),
}

/// The longest name of a reference.
pub(super) const MAX_REFERENCE: usize = 12;

const CDATA: &[u8] = b"[CDATA[";
const STREAM: &[u8] = b"stream:stream";

/// A buffer for something short of which only the start matters.
#[derive(Debug, Clone, Default)]
struct Short {
    bytes: [u8; MAX_REFERENCE],
    len: usize,
}

impl Short {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(space) = self.bytes.get_mut(self.len..end) {
            space.copy_from_slice(bytes);
        }
        self.len = end;
    }

    /// `None` if it did not fit.
    fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len)
    }
}

#[derive(Debug)]
pub(super) struct Tokenizer {
    state: State,
    /// Bytes of this stanza before the slice at hand.
    consumed: usize,
    /// Names of the open elements, one after the other, and where each of them ends.
    names: Vec<u8>,
    ends: Vec<usize>,
    /// Open elements beyond [`MAX_DEPTH`], whose names are not kept.
    beyond: usize,
    /// Bytes of the name at hand.
    token: usize,
    /// Where the value at hand began.
    value_at: usize,
    attributes: usize,
    attribute_name: Short,
    reference: Short,
    root: Root,
    fault: Option<Fault>,
}

impl Tokenizer {
    pub(super) fn new() -> Self {
        Self {
            state: State::Between,
            consumed: 0,
            names: Vec::new(),
            ends: Vec::new(),
            beyond: 0,
            token: 0,
            value_at: 0,
            attributes: 0,
            attribute_name: Short::default(),
            reference: Short::default(),
            root: Root::default(),
            fault: None,
        }
    }

    /// The first thing that is wrong with the stanza at hand, whatever the segmentation.
    pub(super) const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// What is known of the root's start tag; nothing is added after a fault.
    pub(super) const fn root(&self) -> &Root {
        &self.root
    }

    /// Ready for the next stanza.
    pub(super) fn reset(&mut self) {
        let (mut names, mut ends) = (core::mem::take(&mut self.names), core::mem::take(&mut self.ends));
        names.clear();
        names.shrink_to(MAX_NAME);
        ends.clear();
        *self = Self { names, ends, ..Self::new() };
    }

    /// Consumes bytes up to the end of a stanza, or all of them; says how many, and what ended.
    pub(super) fn advance(&mut self, input: &[u8]) -> Result<(usize, Option<Ended>), Violation> {
        let mut at = 0;
        while let Some((&byte, rest)) = input.get(at..).and_then(<[u8]>::split_first) {
            if let Some(run) = self.plain_run(byte, rest).or_else(|| self.name_run(input.get(at..).unwrap_or_default()))
            {
                at += run;
                continue;
            }
            let ended = self.step(byte, self.consumed + at)?;
            at += 1;
            if ended.is_some() {
                return self.count(at).map(|()| (at, ended));
            }
        }
        self.count(at).map(|()| (at, None))
    }

    fn count(&mut self, bytes: usize) -> Result<(), Violation> {
        self.consumed += bytes;
        if self.consumed > MAX_SKIPPED {
            return Err(Violation::TooLarge);
        }
        if self.consumed > MAX_STANZA {
            self.fault.get_or_insert(Fault::TooLarge);
        }
        Ok(())
    }

    /// How many bytes from here on mean nothing but themselves; `None` if the first one does.
    fn plain_run(&self, first: u8, rest: &[u8]) -> Option<usize> {
        let found = match self.state {
            State::Text if !matches!(first, b'<' | b'&') => memchr::memchr2(b'<', b'&', rest),
            State::Value(quote) if first != quote && !matches!(first, b'<' | b'&') => {
                memchr::memchr3(quote, b'<', b'&', rest)
            }
            State::Cdata(0) if first != b']' => memchr::memchr(b']', rest),
            State::Comment(0) if first != b'-' => memchr::memchr(b'-', rest),
            State::Instruction(false) if first != b'?' => memchr::memchr(b'?', rest),
            _ => return None,
        };
        Some(found.unwrap_or(rest.len()) + 1)
    }

    /// Takes what comes next of the name at hand at once, with what [`Tokenizer::step`] would make of it byte by byte; `None` where
    /// that has to look.
    fn name_run(&mut self, input: &[u8]) -> Option<usize> {
        let fits = MAX_NAME.saturating_sub(self.token);
        let run = || input.iter().take(fits).take_while(|b| is_name(**b)).count();
        let run = match self.state {
            State::Name if self.beyond == 0 => {
                let run = run();
                self.names.extend_from_slice(input.get(..run)?);
                *self.ends.last_mut()? = self.names.len();
                run
            }
            State::AttributeName => {
                let run = run();
                self.attribute_name.extend(input.get(..run)?);
                run
            }
            State::EndName if self.beyond == 0 => {
                let left = self.expected_name().get(self.token..)?;
                if input.starts_with(left) { left.len() } else { 0 }
            }
            _ => 0,
        };
        self.token += run;
        (run > 0).then_some(run)
    }

    fn step(&mut self, byte: u8, at: usize) -> Result<Option<Ended>, Violation> {
        let next = match (self.state, byte) {
            (State::Between, b'<') => State::Tag,
            (State::Between, _) => return Err(Violation::TextBetweenStanzas),

            (State::Text, b'<') => State::Tag,
            (State::Text, b'&') => self.begin_reference(Place::Text),
            (State::Text, _) => State::Text,

            (State::Tag, b'/') => self.begin_end_tag(),
            (State::Tag, b'!' | b'?') if self.ends.is_empty() => return Err(Violation::Restricted),
            (State::Tag, b'!') => State::Bang(0),
            (State::Tag, b'?') => self.fault_at(Fault::Restricted, at, State::Instruction(false)),
            (State::Tag, b) if is_name_start(b) => self.open(b, at),

            (State::Name, b) if is_name(b) => self.name_byte(b, at),
            (State::Name | State::Inside(_), b'/') => self.end_of_name(at, State::Slash),
            (State::Name | State::Inside(_), b'>') => self.end_of_name(at, State::Text),
            (State::Name | State::Inside(_), b) if is_space(b) => self.end_of_name(at, State::Inside(true)),
            (State::Inside(true), b) if is_name_start(b) => self.attribute(b, at),

            (State::AttributeName, b) if is_name(b) => self.attribute_byte(b, at),
            (State::AttributeName | State::AfterAttributeName, b'=') => State::BeforeValue,
            (State::AttributeName | State::AfterAttributeName, b) if is_space(b) => State::AfterAttributeName,
            (State::BeforeValue, b) if is_space(b) => State::BeforeValue,
            (State::BeforeValue, b'\'' | b'"') => {
                self.value_at = at + 1;
                State::Value(byte)
            }
            (State::Value(quote), b) if b == quote => self.end_of_value(at),
            (State::Value(quote), b'&') => self.begin_reference(Place::Value(quote)),
            (State::Value(quote), _) => self.fault_at(Fault::Malformed, at, State::Value(quote)), // it is '<'

            (State::Reference(place), b) => return self.reference_byte(place, b, at),

            (State::Slash, b'>') => return Ok(self.close()),

            (State::EndName, b) if is_name(b) => self.end_name_byte(b)?,
            (State::EndName, b) if is_space(b) => self.end_name_is_whole(State::EndSpace)?,
            (State::EndName, b'>') => {
                self.end_name_is_whole(State::EndSpace)?;
                return Ok(self.close());
            }
            (State::EndSpace, b) if is_space(b) => State::EndSpace,
            (State::EndSpace, b'>') => return Ok(self.close()),

            (State::Bang(0), b'-') => State::BangDash,
            (State::BangDash, b'-') => self.fault_at(Fault::Restricted, at, State::Comment(0)),
            (State::Bang(matched), b) if CDATA.get(matched) == Some(&b) => {
                if matched + 1 == CDATA.len() {
                    State::Cdata(0)
                } else {
                    State::Bang(matched + 1)
                }
            }
            (State::Bang(0), b'D') => return Err(Violation::Restricted),

            (State::Cdata(_), b']') => State::Cdata(self.run_of_two()),
            (State::Cdata(2), b'>') => State::Text,
            (State::Cdata(_), _) => State::Cdata(0),
            (State::Comment(_), b'-') => State::Comment(self.run_of_two()),
            (State::Comment(2), b'>') => State::Text,
            (State::Comment(_), _) => State::Comment(0),
            (State::Instruction(true), b'>') => State::Text,
            (State::Instruction(_), b) => State::Instruction(b == b'?'),

            _ => return Err(Violation::NotWellFormed),
        };
        self.state = next;
        Ok(None)
    }

    /// One more of the two that a closing sequence needs.
    const fn run_of_two(&self) -> u8 {
        match self.state {
            State::Cdata(0) | State::Comment(0) => 1,
            _ => 2,
        }
    }

    /// Records `fault`, found at the byte `at`; what lies beyond the largest stanza is too large before it is anything else.
    fn fault_at(&mut self, fault: Fault, at: usize, next: State) -> State {
        self.fault.get_or_insert(if at >= MAX_STANZA { Fault::TooLarge } else { fault });
        next
    }

    const fn depth(&self) -> usize {
        self.ends.len() + self.beyond
    }

    fn open(&mut self, first: u8, at: usize) -> State {
        self.token = 1;
        self.attributes = 0;
        if self.depth() == 0 {
            self.root.name = at..at;
        }
        if self.ends.len() == MAX_DEPTH {
            self.beyond += 1;
            return self.fault_at(Fault::TooDeep, at, State::Name);
        }
        self.names.push(first);
        self.ends.push(self.names.len());
        State::Name
    }

    fn name_byte(&mut self, byte: u8, at: usize) -> State {
        self.token += 1;
        if self.token > MAX_NAME {
            return self.fault_at(Fault::NameTooLong, at, State::Name);
        }
        if self.beyond == 0 {
            self.names.push(byte);
            if let Some(end) = self.ends.last_mut() {
                *end = self.names.len();
            }
        }
        State::Name
    }

    fn end_of_name(&mut self, at: usize, next: State) -> State {
        if self.state == State::Name && self.depth() == 1 && self.fault.is_none() {
            self.root.name.end = at;
        }
        next
    }

    fn attribute(&mut self, first: u8, at: usize) -> State {
        self.token = 1;
        self.attribute_name = Short::default();
        self.attribute_name.push(first);
        self.attributes += 1;
        if self.attributes > MAX_ATTRIBUTES {
            return self.fault_at(Fault::TooManyAttributes, at, State::AttributeName);
        }
        State::AttributeName
    }

    fn attribute_byte(&mut self, byte: u8, at: usize) -> State {
        self.token += 1;
        self.attribute_name.push(byte);
        if self.token > MAX_NAME {
            return self.fault_at(Fault::NameTooLong, at, State::AttributeName);
        }
        State::AttributeName
    }

    fn end_of_value(&mut self, at: usize) -> State {
        // Measured where it ends, so that the place where a slice was cut makes no difference.
        if at - self.value_at > MAX_ATTRIBUTE {
            return self.fault_at(Fault::AttributeTooLong, at, State::Inside(false));
        }
        if self.depth() != 1 || self.fault.is_some() {
            return State::Inside(false);
        }
        let slot = match self.attribute_name.get() {
            Some(b"from") => &mut self.root.from,
            Some(b"to") => &mut self.root.to,
            Some(b"type") => &mut self.root.kind,
            Some(b"id") => &mut self.root.id,
            _ => return State::Inside(false),
        };
        if slot.replace(self.value_at..at).is_some() {
            return self.fault_at(Fault::Malformed, at, State::Inside(false)); // which of the two would a parser believe?
        }
        State::Inside(false)
    }

    fn begin_reference(&mut self, place: Place) -> State {
        self.reference = Short::default();
        State::Reference(place)
    }

    fn reference_byte(&mut self, place: Place, byte: u8, at: usize) -> Result<Option<Ended>, Violation> {
        if byte.is_ascii_alphanumeric() || byte == b'#' {
            self.reference.push(byte);
            return Ok(None);
        }
        self.state = match place {
            Place::Text => State::Text,
            Place::Value(quote) => State::Value(quote),
        };
        let name = self.reference.get().and_then(|name| core::str::from_utf8(name).ok());
        if byte == b';' && name.and_then(xml::resolve).is_some() {
            return Ok(None);
        }
        self.state = self.fault_at(Fault::Malformed, at, self.state);
        if byte == b';' { Ok(None) } else { self.step(byte, at) }
    }

    /// The element at hand is over; says whether the stanza or the stream is.
    fn close(&mut self) -> Option<Ended> {
        self.state = State::Text;
        if self.beyond > 0 {
            self.beyond -= 1;
            return None;
        }
        if self.ends.pop().is_none() {
            self.state = State::Between;
            return Some(Ended::Stream);
        }
        self.names.truncate(self.ends.last().copied().unwrap_or(0));
        self.ends.is_empty().then(|| {
            self.state = State::Between;
            Ended::Stanza
        })
    }

    /// The name that the end tag at hand must have: of the element that was opened last, else of the stream itself.
    fn expected_name(&self) -> &[u8] {
        let Some(&end) = self.ends.last() else { return STREAM };
        let start = self.ends.len().checked_sub(2).and_then(|i| self.ends.get(i)).copied().unwrap_or(0);
        self.names.get(start..end).unwrap_or_default()
    }

    const fn begin_end_tag(&mut self) -> State {
        self.token = 0;
        State::EndName
    }

    fn end_name_byte(&mut self, byte: u8) -> Result<State, Violation> {
        let expected = self.expected_name().get(self.token).copied();
        self.token += 1;
        // Of a name that is too long only the start was kept.
        let unknown = self.beyond > 0 || (self.token > MAX_NAME && expected.is_none());
        if unknown || expected == Some(byte) { Ok(State::EndName) } else { Err(Violation::NotWellFormed) }
    }

    fn end_name_is_whole(&mut self, next: State) -> Result<State, Violation> {
        let whole = self.beyond > 0 || self.token >= self.expected_name().len();
        if whole { Ok(next) } else { Err(Violation::NotWellFormed) }
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// XML 1.0 §2.3, `NameStartChar`, taking every byte beyond ASCII for part of a letter.
pub(super) const fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..)
}

/// XML 1.0 §2.3, `NameChar`, likewise.
pub(super) const fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}
