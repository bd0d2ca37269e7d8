//! The two ways of writing characters that an address cannot hold: `%HH` in SIP URIs (RFC 3261 §19.1.2) and `\hh` in the
//! localpart of a JID (XEP-0106).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The characters that XEP-0106 §3 escapes, with their codes. The backslash is escaped only where it would be read as the
/// start of one of these.
const JID_ESCAPES: [(char, &str); 10] = [
    (' ', "20"),
    ('"', "22"),
    ('&', "26"),
    ('\'', "27"),
    ('/', "2f"),
    (':', "3a"),
    ('<', "3c"),
    ('>', "3e"),
    ('@', "40"),
    ('\\', "5c"),
];

/// Writes `text` so that it can stand in a localpart. Two different texts never become the same localpart.
///
/// `None` where XEP-0106 §4.1 knows no way: a space at the beginning or at the end.
#[must_use]
pub fn escape_localpart(text: &str) -> Option<Cow<'_, str>> {
    if text.starts_with(' ') || text.ends_with(' ') {
        return None;
    }
    if !text.contains(|c| JID_ESCAPES.iter().any(|(special, _)| *special == c)) {
        return Some(Cow::Borrowed(text));
    }
    let mut escaped = String::with_capacity(text.len().saturating_mul(2));
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match JID_ESCAPES.iter().find(|(special, _)| *special == c) {
            Some((_, code)) if c != '\\' || starts_with_code(rest.as_str()) => {
                escaped.push('\\');
                escaped.push_str(code);
            }
            _ => escaped.push(c),
        }
    }
    Some(Cow::Owned(escaped))
}

/// Undoes [`escape_localpart`]; a backslash that starts none of the ten codes stands for itself (XEP-0106 §4.2).
#[must_use]
pub fn unescape_localpart(localpart: &str) -> Cow<'_, str> {
    if !localpart.contains('\\') {
        return Cow::Borrowed(localpart);
    }
    let mut text = String::with_capacity(localpart.len());
    let mut rest = localpart;
    while let Some(c) = rest.chars().next() {
        rest = rest.strip_prefix(c).unwrap_or_default();
        let escaped = (c == '\\')
            .then(|| JID_ESCAPES.iter().find_map(|(special, code)| Some((special, rest.strip_prefix(code)?))))
            .flatten();
        match escaped {
            Some((special, after)) => {
                text.push(*special);
                rest = after;
            }
            None => text.push(c),
        }
    }
    Cow::Owned(text)
}

fn starts_with_code(text: &str) -> bool {
    JID_ESCAPES.iter().any(|(_, code)| text.starts_with(code))
}

/// Writes every octet of `text` for which `plain` does not hold as `%HH`.
#[must_use]
pub fn percent_encode(text: &[u8], plain: impl Fn(u8) -> bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 15)).copied().map_or('0', char::from);
    let mut encoded = String::with_capacity(text.len());
    for &octet in text {
        if plain(octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push('%');
            encoded.push(digit(octet >> 4));
            encoded.push(digit(octet));
        }
    }
    encoded
}

/// The octets that `text` stands for; a `%` that two hexadecimal digits do not follow stands for itself.
#[must_use]
pub fn percent_decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match (octet, after) {
            (b'%', [high, low, after @ ..]) if octet_of(*high, *low).is_some() => {
                decoded.push(octet_of(*high, *low).unwrap_or_default());
                rest = after;
            }
            _ => decoded.push(octet),
        }
    }
    Cow::Owned(decoded)
}

fn octet_of(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The text that percent-encoded `text` stands for, `None` when it is not UTF-8. A NUL stays a NUL.
#[must_use]
pub fn percent_decode_text(text: &str) -> Option<Cow<'_, str>> {
    match percent_decode(text) {
        Cow::Borrowed(_) => Some(Cow::Borrowed(text)),
        Cow::Owned(octets) => String::from_utf8(octets).ok().map(Cow::Owned),
    }
}

/// Whether every `%` of `text` starts a `%HH` and every other octet satisfies `plain`.
pub(crate) fn is_percent_encoded(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = match (octet, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            _ if octet != b'%' && plain(octet) => after,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ten_characters_of_xep_0106_are_escaped() {
        // ADDR-01
        assert_eq!(escape_localpart("o'malley").unwrap(), "o\\27malley");
        assert_eq!(escape_localpart("a@b").unwrap(), "a\\40b");
        assert_eq!(escape_localpart("a b\"c&d/e:f<g>h").unwrap(), "a\\20b\\22c\\26d\\2fe\\3af\\3cg\\3eh");
        assert_eq!(escape_localpart("treville").unwrap(), "treville");
    }

    #[test]
    fn a_backslash_is_escaped_only_where_it_could_be_misread() {
        assert_eq!(escape_localpart("c:\\net").unwrap(), "c\\3a\\net");
        assert_eq!(escape_localpart("c:\\cool stuff").unwrap(), "c\\3a\\cool\\20stuff");
        assert_eq!(escape_localpart("a\\20b").unwrap(), "a\\5c20b");
        assert_eq!(escape_localpart("\\5c").unwrap(), "\\5c5c");
        assert_eq!(unescape_localpart("a\\2"), "a\\2");
    }

    #[test]
    fn a_space_at_either_end_has_no_localpart() {
        assert_eq!(escape_localpart(" a"), None);
        assert_eq!(escape_localpart("a "), None);
    }

    #[test]
    fn percent_decoding_leaves_what_is_no_escape() {
        assert_eq!(percent_decode_text("f%C3%BC").unwrap(), "fü");
        assert_eq!(percent_decode_text("50%"), Some("50%".into()));
        assert_eq!(percent_decode_text("%4"), Some("%4".into()));
        assert_eq!(percent_decode_text("%zz%41"), Some("%zzA".into()));
        assert_eq!(percent_decode_text("%ff"), None);
        assert_eq!(percent_decode_text("a%00"), Some("a\0".into()));
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_localpart(text in "\\PC*|[\\\\0-9a-f @:/]*") {
            if let Some(escaped) = escape_localpart(&text) {
                prop_assert!(!escaped.contains(['@', '/', ' ', ':', '<', '>', '"', '&', '\'']));
                prop_assert_eq!(unescape_localpart(&escaped).into_owned(), text.clone());
            }
        }

        #[test]
        fn any_octets_come_back_from_percent_encoding(octets: Vec<u8>) {
            let encoded = percent_encode(&octets, |b| b.is_ascii_alphanumeric());
            prop_assert_eq!(percent_decode(&encoded).into_owned(), octets);
        }
    }
}
