//! Media types (RFC 2045 §5.1) and the lists of them that MSRP endpoints accept (RFC 4975 §8.6).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A media type with its parameters. Type, subtype and parameter names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    kind: String,
    subtype: String,
    params: Vec<(String, String)>,
}

/// Why a text is not a media type: MSRP 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media type is malformed")]
pub struct MediaTypeError;

impl MediaType {
    /// `text/plain` without parameters, which stands for a missing Content-Type (RFC 2045 §5.2).
    #[must_use]
    pub fn text_plain() -> Self {
        Self { kind: "text".into(), subtype: "plain".into(), params: Vec::new() }
    }

    /// Reads the value of a Content-Type. `text/cpim`, which some examples write, is `message/cpim` (E-05).
    ///
    /// # Errors
    ///
    /// [`MediaTypeError`] where RFC 2045 §5.1 is broken.
    pub fn parse(text: &str) -> Result<Self, MediaTypeError> {
        let (essence, params) = text.split_at_checked(text.find(';').unwrap_or(text.len())).ok_or(MediaTypeError)?;
        let (kind, subtype) = essence.split_once('/').ok_or(MediaTypeError)?;
        let (kind, subtype) = (kind.trim_matches(BLANKS), subtype.trim_matches(BLANKS));
        if !is_token(kind) || !is_token(subtype) {
            return Err(MediaTypeError);
        }
        let (mut kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        if kind == "text" && subtype == "cpim" {
            kind = "message".into();
        }
        Ok(Self { kind, subtype, params: parse_params(params)? })
    }

    /// Type and subtype, in lower case: `text/plain`.
    #[must_use]
    pub fn essence(&self) -> String {
        format!("{}/{}", self.kind, self.subtype)
    }

    /// The type, in lower case: `text`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The subtype, in lower case: `plain`.
    #[must_use]
    pub fn subtype(&self) -> &str {
        &self.subtype
    }

    /// Whether type and subtype are those of `essence`, in any case.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        essence
            .split_once('/')
            .is_some_and(|(kind, sub)| kind.eq_ignore_ascii_case(&self.kind) && sub.eq_ignore_ascii_case(&self.subtype))
    }

    /// The value of parameter `name` (in lower case), without quotes.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The charset, as it is written.
    #[must_use]
    pub fn charset(&self) -> Option<&str> {
        self.param("charset")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subtype)?;
        for (name, value) in &self.params {
            if is_token(value) {
                write!(f, ";{name}={value}")?;
            } else {
                write!(f, ";{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

/// The value of `a=accept-types` or `a=accept-wrapped-types`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcceptTypes(Vec<Range>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Range {
    Any,
    Kind(String),
    Only(MediaType),
}

impl AcceptTypes {
    /// Reads types separated by blanks: `type/subtype`, `type/*` or `*`. Parameters are dropped (MS-SDP-05), and so are words
    /// that are no types.
    #[must_use]
    pub fn parse(words: &str) -> Self {
        let range = |word: &str| {
            let essence = word.split(';').next().unwrap_or_default();
            match essence.split_once('/') {
                None if essence == "*" => Some(Range::Any),
                Some(("*", "*")) => Some(Range::Any),
                Some((kind, "*")) if is_token(kind) => Some(Range::Kind(kind.to_ascii_lowercase())),
                _ => MediaType::parse(essence).ok().map(Range::Only),
            }
        };
        Self(words.split_ascii_whitespace().filter_map(range).collect())
    }

    /// Whether a message of type `media` is accepted. Parameters are not looked at.
    #[must_use]
    pub fn accepts(&self, media: &MediaType) -> bool {
        self.0.iter().any(|range| match range {
            Range::Any => true,
            Range::Kind(kind) => *kind == media.kind,
            Range::Only(only) => only.kind == media.kind && only.subtype == media.subtype,
        })
    }

    /// Whether `media` stands there by name, and not only under a wildcard. Parameters are not looked at.
    #[must_use]
    pub fn names(&self, media: &MediaType) -> bool {
        self.0
            .iter()
            .any(|range| matches!(range, Range::Only(only) if only.kind == media.kind && only.subtype == media.subtype))
    }

    /// Whether nothing is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for AcceptTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " " })?;
            match range {
                Range::Any => f.write_str("*")?,
                Range::Kind(kind) => write!(f, "{kind}/*")?,
                Range::Only(only) => write!(f, "{only}")?,
            }
        }
        Ok(())
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// `*(";" parameter)`. An empty parameter, such as a `;` at the end, is let through.
fn parse_params(text: &str) -> Result<Vec<(String, String)>, MediaTypeError> {
    let mut params = Vec::new();
    let mut rest = text.trim_start_matches(BLANKS);
    while let Some(after) = rest.strip_prefix(';') {
        let after = after.trim_start_matches(BLANKS);
        if after.is_empty() || after.starts_with(';') {
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('=').ok_or(MediaTypeError)?;
        let name = name.trim_matches(BLANKS);
        if !is_token(name) {
            return Err(MediaTypeError);
        }
        let (value, after) = parse_value(after.trim_start_matches(BLANKS))?;
        params.push((name.to_ascii_lowercase(), value));
        rest = after.trim_start_matches(BLANKS);
    }
    if rest.is_empty() { Ok(params) } else { Err(MediaTypeError) }
}

/// A token or a quoted string, and what follows.
fn parse_value(text: &str) -> Result<(String, &str), MediaTypeError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut value = String::new();
        let mut chars = quoted.chars();
        loop {
            match chars.next().ok_or(MediaTypeError)? {
                '"' => return Ok((value, chars.as_str())),
                '\\' => value.push(chars.next().ok_or(MediaTypeError)?),
                c => value.push(c),
            }
        }
    }
    let end = text.find(|c: char| c == ';' || BLANKS.contains(&c)).unwrap_or(text.len());
    let (value, after) = text.split_at_checked(end).ok_or(MediaTypeError)?;
    if is_token(value) { Ok((value.into(), after)) } else { Err(MediaTypeError) }
}

/// `token` of RFC 2045 §5.1.
fn is_token(text: &str) -> bool {
    let special = |b| {
        matches!(
            b,
            b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'='
        )
    };
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !special(b))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn media(text: &str) -> MediaType {
        MediaType::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn types_are_read_in_any_case_with_parameters_in_any_form() {
        for text in [
            "text/plain;charset=utf-8",
            "Text/PLAIN ; Charset = \"utf-8\"",
            "text/plain;a=b;charset=utf-8;",
            "text/plain; charset=\"ut\\f-8\" ; x=\"a;b\"",
        ] {
            assert!(media(text).is("TEXT/plain"), "{text}");
            assert_eq!(media(text).charset(), Some("utf-8"), "{text}");
        }
        assert_eq!(media("text/plain").charset(), None);
        assert_eq!(media("text/plain;x=\"a b\\\"\";y=1").to_string(), "text/plain;x=\"a b\\\"\";y=1");
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in [
            "",
            "text",
            "text/",
            "/plain",
            "text/plain/x",
            "te xt/plain",
            "text/plain;charset",
            "text/plain;=x",
            "text/plain;a=",
            "text/plain;a=\"x",
            "text/plain;a=b c",
            "text/plain\r\nX: y",
            "*",
            "t\u{eb}xt/plain",
        ] {
            assert_eq!(MediaType::parse(text), Err(MediaTypeError), "{text:?}");
        }
    }

    #[test]
    fn accept_types_match_by_wildcard_and_without_parameters() {
        // MS-SDP-05, GC-JOIN-04, E-05
        let cpim = media("message/cpim");
        for words in
            ["*", "message/*", "Message/CPIM;x=y", "text/plain message/cpim", "*/*", "text/cpim", "junk message/cpim"]
        {
            assert!(AcceptTypes::parse(words).accepts(&cpim), "{words}");
        }
        for words in ["", "text/plain", "text/*", "message/cpimx", "message", "message/"] {
            assert!(!AcceptTypes::parse(words).accepts(&cpim), "{words}");
        }
        assert!(AcceptTypes::parse("text/plain").accepts(&media("text/plain;charset=utf-8")));
        assert_eq!(AcceptTypes::parse("Text/* * message/CPIM").to_string(), "text/* * message/cpim");
        assert!(AcceptTypes::parse(" ").is_empty());
    }
}
