//! Text on its way between the worlds: charsets, and characters that XML or a header line cannot carry.

use alloc::borrow::Cow;
use alloc::string::String;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::wire::media_type::MediaType;

/// Why content is not text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A charset that nobody here knows: MSRP 415.
    #[error("the charset {0} is not supported; use utf-8")]
    UnknownCharset(String),
    /// Octets that are not text in the charset that was declared, or in UTF-8 when none was: MSRP 400.
    #[error("the content is not {0} text")]
    NotInCharset(&'static str),
}

impl TextError {
    /// The MSRP response code: 415 or 400.
    #[must_use]
    pub const fn msrp_code(&self) -> u16 {
        match self {
            Self::UnknownCharset(_) => 415,
            Self::NotInCharset(_) => 400,
        }
    }
}

/// `content` as text, by the charset of `media` (CPIM-12). Without one it is UTF-8, whatever RFC 2046 says: deployed clients send
/// that, and US-ASCII is part of it.
///
/// # Errors
///
/// [`TextError`]. Nothing is replaced: a sender hears that his text is broken.
pub fn charset_to_utf8<'a>(media: &MediaType, content: &'a [u8]) -> Result<Cow<'a, str>, TextError> {
    let encoding = match media.charset() {
        // The web's reading of this label is Windows-1252; here it is what it says, and what UTF-8 text is often labelled with.
        Some(label) if label.eq_ignore_ascii_case("us-ascii") => UTF_8,
        Some(label) => Encoding::for_label_no_replacement(label.as_bytes())
            .ok_or_else(|| TextError::UnknownCharset(label.into()))?,
        None => UTF_8,
    };
    let not_text = || TextError::NotInCharset(encoding.name());
    if encoding == UTF_8 {
        return core::str::from_utf8(content).map(Cow::Borrowed).map_err(|_| not_text());
    }
    // `utf-16` says nothing about the order of octets; the mark at the start does (RFC 2781 §4.3).
    let (encoding, content) = match content {
        [0xfe, 0xff, rest @ ..] if encoding == UTF_16LE || encoding == UTF_16BE => (UTF_16BE, rest),
        [0xff, 0xfe, rest @ ..] if encoding == UTF_16LE || encoding == UTF_16BE => (UTF_16LE, rest),
        _ => (encoding, content),
    };
    encoding.decode_without_bom_handling_and_without_replacement(content).ok_or_else(not_text)
}

/// `text` without the characters that XML 1.0 cannot carry (§2.2; GC-MSG-08), and with LF for CR LF and for CR, which is what
/// every XML parser makes of them (§2.11), so that the copy that comes back is the text that was sent.
#[must_use]
pub fn xml_clean(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c == '\r' || !is_xml_char(c)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                clean.push('\n');
            }
            c if is_xml_char(c) => clean.push(c),
            _ => {}
        }
    }
    Cow::Owned(clean)
}

/// `text` on one line: controls, line and paragraph separators become spaces, what turns the direction of writing around is left
/// out, and nothing is left at the edges. For display names, reasons, comments and logs.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(|c| breaks(c) || turns(c)) {
        return Cow::Borrowed(text.trim());
    }
    let line: String = text.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c }).collect();
    Cow::Owned(line.trim().into())
}

/// `Char` of XML 1.0 §2.2.
const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(media: &str, content: &'a [u8]) -> Result<Cow<'a, str>, TextError> {
        charset_to_utf8(&MediaType::parse(media).unwrap(), content)
    }

    #[test]
    fn the_declared_charset_is_honoured_and_utf_8_is_assumed() {
        // CPIM-12
        assert_eq!(decode("text/plain;charset=ISO-8859-1", b"Gr\xfc\xdfe").unwrap(), "Gr\u{fc}\u{df}e");
        assert_eq!(decode("text/plain;charset=\"UTF-8\"", "Gr\u{fc}\u{df}e".as_bytes()).unwrap(), "Gr\u{fc}\u{df}e");
        assert_eq!(decode("text/plain", "\u{1f339}".as_bytes()).unwrap(), "\u{1f339}");
        assert_eq!(decode("text/plain;charset=us-ascii", "\u{1f339}".as_bytes()).unwrap(), "\u{1f339}");
        assert_eq!(decode("text/plain;charset=utf-16", b"\xfe\xff\0A\x20\xac").unwrap(), "A\u{20ac}");
        assert_eq!(decode("text/plain;charset=utf-16be", b"\0A").unwrap(), "A");
    }

    #[test]
    fn broken_text_is_refused_not_repaired() {
        assert_eq!(decode("text/plain", b"Gr\xfc\xdfe"), Err(TextError::NotInCharset("UTF-8")));
        assert_eq!(decode("text/plain;charset=utf-16le", b"A"), Err(TextError::NotInCharset("UTF-16LE")));
        let unknown = decode("text/plain;charset=klingon", b"a").unwrap_err();
        assert_eq!((unknown.msrp_code(), &unknown), (415, &TextError::UnknownCharset("klingon".into())));
        assert_eq!(decode("text/plain;charset=iso-2022-kr", b"a").unwrap_err().msrp_code(), 415);
    }

    #[test]
    fn characters_that_xml_cannot_carry_are_removed() {
        // GC-MSG-08
        let all: String = ('\0'..=' ').chain(['\u{fffe}', '\u{ffff}', '\u{fffd}', '\u{1ffff}', '\u{7f}']).collect();
        assert_eq!(xml_clean(&all), "\t\n\n \u{fffd}\u{1ffff}\u{7f}");
        assert!(matches!(xml_clean("Hello\n\tthere"), Cow::Borrowed("Hello\n\tthere")));
    }

    #[test]
    fn line_ends_become_those_of_xml() {
        assert_eq!(xml_clean("a\r\nb\rc\nd\r\r\n\n"), "a\nb\nc\nd\n\n\n");
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(one_line(" Romeo\r\nTo: x\u{2028}\0 "), "Romeo  To: x");
        assert!(matches!(one_line(" Romeo "), Cow::Borrowed("Romeo")));
    }

    proptest! {
        #[test]
        fn clean_text_stays_as_it_is(text: String) {
            let once = xml_clean(&text).into_owned();
            prop_assert!(once.chars().all(|c| is_xml_char(c) && c != '\r'));
            prop_assert_eq!(xml_clean(&once), once.as_str());
        }
    }
}
