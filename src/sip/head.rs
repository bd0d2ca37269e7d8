//! The head of a SIP message as text: start line and header fields, unfolded, with their names made comparable.
//!
//! Owns splitting and nothing else; whether the message is a good one is decided in [`gate`](super::gate).

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Long form, lower case.
    pub name: String,
    /// As it was written, without white space around it.
    pub written: String,
    /// Unfolded, without white space around it.
    pub value: String,
}

/// Start line and fields, in the order of the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// All lines that have the form of a header field.
    pub fields: Vec<Field>,
    /// Whether there were lines that do not have it.
    pub has_stray_lines: bool,
}

impl Head {
    /// Splits a head, which ends before the empty line. Octets that are not UTF-8 become U+FFFD, so that a parser behind us
    /// never stops at them.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets);
        let mut lines = text.split("\r\n");
        let mut head = Self { start: lines.next().unwrap_or_default().to_owned(), ..Self::default() };
        for line in lines {
            if line.starts_with([' ', '\t']) {
                head.continue_last(line.trim());
            } else if let Some((written, value)) = line.split_once(':') {
                let written = written.trim_end_matches([' ', '\t']);
                head.fields.push(Field {
                    name: long_name(written),
                    written: written.to_owned(),
                    value: value.trim_matches([' ', '\t']).to_owned(),
                });
            } else {
                head.has_stray_lines = true;
            }
        }
        head
    }

    fn continue_last(&mut self, more: &str) {
        let Some(last) = self.fields.last_mut() else {
            self.has_stray_lines = true;
            return;
        };
        if !last.value.is_empty() && !more.is_empty() {
            last.value.push(' ');
        }
        last.value.push_str(more);
    }

    /// Values of all fields of that name (long, lower case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| f.value.as_str())
    }

    /// Value of the first field of that name.
    #[must_use]
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Whether this is a response.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.start.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("SIP/"))
    }

    /// What stands before the first blank of the start line: of a request, its method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.start.split([' ', '\t']).next().unwrap_or_default()
    }
}

/// The long form of a header name in lower case (RFC 3261 §7.3.3 and the registry of compact forms).
#[must_use]
pub fn long_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let long = match lower.as_str() {
        "b" => "referred-by",
        "c" => "content-type",
        "e" => "content-encoding",
        "f" => "from",
        "i" => "call-id",
        "k" => "supported",
        "l" => "content-length",
        "m" => "contact",
        "o" => "event",
        "r" => "refer-to",
        "s" => "subject",
        "t" => "to",
        "u" => "allow-events",
        "v" => "via",
        "x" => "session-expires",
        _ => return lower,
    };
    long.to_owned()
}

/// The pieces of `value` between `separator`, where that is neither quoted nor within `<` and `>`.
#[must_use]
pub fn split_outside_quotes(value: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = value;
    while let Some(at) = find_outside_quotes(rest, separator) {
        let Some((piece, more)) = rest.split_at_checked(at) else { break };
        pieces.push(piece.trim());
        rest = more.strip_prefix(separator).unwrap_or_default();
    }
    pieces.push(rest.trim());
    pieces
}

/// Where `wanted` stands outside of quotes and of `<` and `>`.
fn find_outside_quotes(value: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, c) in value.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' if !bracketed => quoted = !quoted,
            _ if quoted => {}
            c if c == wanted && !bracketed => return Some(at),
            '<' => bracketed = true,
            '>' => bracketed = false,
            _ => {}
        }
    }
    None
}

/// The URI of a name-addr or addr-spec, exactly as written (RFC 3261 §20.10).
#[must_use]
pub fn uri_text(value: &str) -> Option<&str> {
    let Some(open) = find_outside_quotes(value, '<') else {
        let bare = value.split(';').next()?.trim();
        return (!bare.is_empty() && !bare.contains(['"', ' ', '\t', '>'])).then_some(bare);
    };
    let (_, after) = value.split_at_checked(open + 1)?;
    let (uri, _) = after.split_once('>')?;
    let uri = uri.trim();
    (!uri.is_empty()).then_some(uri)
}

/// The value of a header parameter, such as the tag, which never stands inside the URI or the display name.
#[must_use]
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    split_outside_quotes(value, ';').into_iter().skip(1).find_map(|p| {
        let (n, v) = p.split_once('=').unwrap_or((p, ""));
        n.trim().eq_ignore_ascii_case(name).then_some(v.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_folded_and_oddly_spaced_fields_are_read() {
        let head = Head::parse(b"INVITE sip:a@b SIP/2.0\r\nTO :\r\n sip:a@b ;\r\n\ttag = x\r\nl:5");
        assert_eq!(head.first("to"), Some("sip:a@b ; tag = x"));
        assert_eq!(parameter(head.first("to").unwrap(), "tag"), Some("x"));
        assert_eq!(head.first("content-length"), Some("5"));
    }

    #[test]
    fn a_tag_in_a_display_name_or_a_uri_is_none() {
        assert_eq!(parameter("\"x;tag=evil\" <sip:a@b;tag=evil>", "tag"), None);
        assert_eq!(parameter("\"a\\\";tag=evil\" <sip:a@b>;tag=good", "tag"), Some("good"));
    }

    #[test]
    fn the_uri_is_not_looked_for_in_the_display_name() {
        assert_eq!(uri_text("\"<sip:evil@h>\" <sip:x@h>;tag=1"), Some("sip:x@h"));
        assert_eq!(uri_text("sip:x@h;tag=1"), Some("sip:x@h"));
        assert_eq!(uri_text("\"open <sip:x@h>"), None);
    }

    #[test]
    fn lists_split_outside_of_quotes_and_brackets() {
        assert_eq!(split_outside_quotes("<sip:a,b@h>, \"c,d\" <sip:e@h>", ','), ["<sip:a,b@h>", "\"c,d\" <sip:e@h>"]);
    }
}
