//! `[ Formal-name ] "<" URI ">"` (RFC 3862 §4.1).

use alloc::string::String;
use alloc::vec::Vec;

use super::CpimError;
use crate::wire::mime::BLANKS;

/// The value of From, To or cc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The formal name without quotes and escapes; anything may be in it, line ends included.
    pub formal_name: Option<String>,
    /// What stands between `<` and `>`: printable ASCII, not empty, of whatever scheme.
    pub uri: String,
    /// The value of a `;gr=` that follows the `>`, as it is written, perhaps empty. Against the grammar, but in every example: it
    /// belongs to the URI, so such an address is an occupant's, never the room's (E-01, E-03).
    pub trailing_gr: Option<String>,
}

impl Address {
    /// An address without a trailing `gr`.
    #[must_use]
    pub fn new(formal_name: Option<&str>, uri: &str) -> Self {
        Self { formal_name: formal_name.map(Into::into), uri: uri.into(), trailing_gr: None }
    }

    /// Reads the value of a header.
    pub(super) fn parse(value: &str) -> Result<Self, CpimError> {
        let (name, rest) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (name, rest) = unquote(quoted).ok_or(CpimError::BadFormalName)?;
                (name, rest.trim_start_matches(BLANKS))
            }
            None => {
                let at = value.find('<').ok_or(CpimError::BadAddress)?;
                let (name, rest) = value.split_at_checked(at).ok_or(CpimError::BadAddress)?;
                (name.trim_end_matches(BLANKS).into(), rest)
            }
        };
        let (uri, rest) = rest.strip_prefix('<').and_then(|r| r.split_once('>')).ok_or(CpimError::BadAddress)?;
        let printable = uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'"'));
        if uri.is_empty() || !printable {
            return Err(CpimError::BadAddress);
        }
        let trailing_gr = parse_trailing(rest.trim_matches(BLANKS))?;
        Ok(Self { formal_name: Some(name).filter(|n: &String| !n.is_empty()), uri: uri.into(), trailing_gr })
    }
}

/// What follows the `>`: nothing, or `;gr` with or without a value.
fn parse_trailing(text: &str) -> Result<Option<String>, CpimError> {
    if text.is_empty() {
        return Ok(None);
    }
    let param = text.strip_prefix(';').ok_or(CpimError::TrailingJunk)?;
    let (name, value) = param.split_once('=').unwrap_or((param, ""));
    let is_value = |b: u8| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'<' | b'>' | b'"');
    if !name.trim_matches(BLANKS).eq_ignore_ascii_case("gr") || !value.bytes().all(is_value) {
        return Err(CpimError::TrailingJunk);
    }
    Ok(Some(value.into()))
}

/// The contents of a String (RFC 3862 §3.6, §2.3.2) whose first quote is gone, and what follows its last.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut contents = String::new();
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        match chars.next()? {
            '"' => return Some((contents, chars.as_str())),
            '\\' => match chars.next()? {
                'u' => {
                    let (c, after) = unescape_utf16(rest)?;
                    contents.push(c);
                    rest = after;
                    continue;
                }
                c => contents.push(match c {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    '\\' | '"' | '\'' => c,
                    _ => return None,
                }),
            },
            c => contents.push(c),
        }
        rest = chars.as_str();
    }
}

/// The character that one `\uXXXX`, or a surrogate pair of them, at the start of `text` stands for, and what follows.
fn unescape_utf16(text: &str) -> Option<(char, &str)> {
    let mut units = Vec::new();
    let mut rest = text;
    while units.len() < 2 {
        let (digits, after) = rest.strip_prefix("\\u")?.split_at_checked(4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        units.push(u16::from_str_radix(digits, 16).ok()?);
        rest = after;
        if let Some(Ok(c)) = char::decode_utf16(units.iter().copied()).next() {
            return Some((c, rest));
        }
    }
    None
}
