//! The address part of From, To, Contact, P-Asserted-Identity and the like (RFC 3261 §20.10, §25.1): a display name, a URI,
//! and header parameters.
//!
//! Written by hand because identity depends on it: what stands in a display name is never read as a URI, be it quoted,
//! escaped, or full of brackets.

use alloc::string::String;
use alloc::vec::Vec;

use super::sip_uri::is_scheme;

/// Header parameters in their order: names as written, values without quotes.
pub type Params = Vec<(String, Option<String>)>;

/// One address of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, without quotes and escapes. `None` when there is none or it is empty.
    pub display_name: Option<String>,
    /// The URI as it is written, of whatever scheme. No white space, control characters or brackets are in it.
    pub uri: String,
    /// The header parameters.
    pub params: Params,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameAddrError {
    /// Longer than [`NameAddr::MAX_LEN`].
    #[error("the header is longer than {} octets", NameAddr::MAX_LEN)]
    TooLong,
    /// CR, LF, NUL or another control character than a tab.
    #[error("the header has control characters")]
    Control,
    /// A quoted string that does not end, or a display name that had to be quoted.
    #[error("the display name is malformed")]
    BadDisplayName,
    /// No `>` follows the `<`, or what is between is not a URI.
    #[error("there is no URI in the address")]
    BadUri,
    /// A URI without brackets that holds a question mark, which RFC 3261 §20.10 forbids.
    #[error("a URI with `?` must stand in angle brackets")]
    NeedsBrackets,
    /// What follows the URI is not a list of parameters.
    #[error("what follows the URI is not a list of parameters")]
    BadParameter,
    /// There are more addresses than were asked for, or than [`NameAddr::MAX_ADDRESSES`].
    #[error("there are too many addresses")]
    TooMany,
}

impl NameAddr {
    /// The longest header value, in octets.
    pub const MAX_LEN: usize = 16 * 1024;
    /// The most addresses in one list.
    pub const MAX_ADDRESSES: usize = 64;

    /// Reads the one address of a From, To, Contact or Refer-To.
    ///
    /// # Errors
    ///
    /// [`NameAddrError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NameAddrError> {
        let mut all = Self::parse_list(text)?;
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(NameAddrError::TooMany),
            (None, _) => Err(NameAddrError::BadUri),
        }
    }

    /// Reads the addresses of a header that may hold several, separated by commas.
    ///
    /// # Errors
    ///
    /// [`NameAddrError`] says what is wrong with the first that is wrong.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, NameAddrError> {
        if text.len() > Self::MAX_LEN {
            return Err(NameAddrError::TooLong);
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(NameAddrError::Control);
        }
        let mut addresses = Vec::new();
        let mut rest = text;
        loop {
            let (address, after) = parse_one(rest)?;
            addresses.push(address);
            match after.strip_prefix(',') {
                Some(_) if addresses.len() >= Self::MAX_ADDRESSES => return Err(NameAddrError::TooMany),
                Some(after) => rest = after,
                None if after.is_empty() => return Ok(addresses),
                None => return Err(NameAddrError::BadParameter),
            }
        }
    }

    /// The value of header parameter `name`, in any case; `Some(None)` when it is there without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        let (_, value) = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value.as_deref())
    }
}

/// Writes `text` as a quoted string of RFC 3261 §25.1. Control characters become spaces.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(if c.is_control() { ' ' } else { c });
    }
    quoted.push('"');
    quoted
}

const BLANKS: [char; 2] = [' ', '\t'];

/// One address, and what follows it with the blanks skipped.
fn parse_one(text: &str) -> Result<(NameAddr, &str), NameAddrError> {
    let text = text.trim_start_matches(BLANKS);
    let (display_name, uri, rest) = if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = unquote(quoted).ok_or(NameAddrError::BadDisplayName)?;
        let rest = rest.trim_start_matches(BLANKS).strip_prefix('<').ok_or(NameAddrError::BadUri)?;
        let (uri, rest) = rest.split_once('>').ok_or(NameAddrError::BadUri)?;
        (Some(name), uri, rest)
    } else {
        // A display name without quotes holds neither colon nor bracket, and a URI starts with a scheme and a colon.
        match text.find([':', '<', '"', ',', ';']).map(|at| text.split_at(at)) {
            Some((name, bracketed)) if bracketed.starts_with('<') => {
                let name = name.trim_end_matches(BLANKS);
                if !name.chars().all(|c| is_token_char(c) || BLANKS.contains(&c) || !c.is_ascii()) {
                    return Err(NameAddrError::BadDisplayName);
                }
                let rest = bracketed.strip_prefix('<').unwrap_or_default();
                let (uri, rest) = rest.split_once('>').ok_or(NameAddrError::BadUri)?;
                (Some(name.into()), uri, rest)
            }
            Some((_, after)) if after.starts_with(':') => {
                let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
                let (uri, rest) = text.split_at_checked(end).ok_or(NameAddrError::BadUri)?;
                if uri.contains('?') {
                    return Err(NameAddrError::NeedsBrackets);
                }
                (None, uri, rest)
            }
            _ => return Err(NameAddrError::BadUri),
        }
    };
    if !is_uri(uri) {
        return Err(NameAddrError::BadUri);
    }
    let (params, rest) = parse_params(rest)?;
    let display_name = display_name.filter(|name: &String| !name.is_empty());
    Ok((NameAddr { display_name, uri: uri.into(), params }, rest))
}

/// `*(SEMI generic-param)`, and what follows.
fn parse_params(text: &str) -> Result<(Params, &str), NameAddrError> {
    let mut params = Vec::new();
    let mut rest = text.trim_start_matches(BLANKS);
    while let Some(after) = rest.strip_prefix(';') {
        let (name, after) = take_while(after.trim_start_matches(BLANKS), is_token_char);
        if name.is_empty() {
            return Err(NameAddrError::BadParameter);
        }
        let after = after.trim_start_matches(BLANKS);
        let (value, after) = match after.strip_prefix('=').map(|v| v.trim_start_matches(BLANKS)) {
            None => (None, after),
            Some(value) => match value.strip_prefix('"') {
                Some(quoted) => {
                    let (value, after) = unquote(quoted).ok_or(NameAddrError::BadParameter)?;
                    (Some(value), after)
                }
                None => {
                    // A token, or a host with brackets and colons.
                    let (value, after) = take_while(value, |c| is_token_char(c) || matches!(c, '[' | ']' | ':'));
                    if value.is_empty() {
                        return Err(NameAddrError::BadParameter);
                    }
                    (Some(value.into()), after)
                }
            },
        };
        params.push((name.into(), value));
        rest = after.trim_start_matches(BLANKS);
    }
    Ok((params, rest))
}

/// The contents of a quoted string whose first quote is gone, and what follows its last.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut contents = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((contents, chars.as_str())),
            '\\' => contents.push(chars.next().filter(char::is_ascii)?),
            c => contents.push(c),
        }
    }
}

fn take_while(text: &str, allowed: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !allowed(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_uri(text: &str) -> bool {
    let printable = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'));
    printable && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

/// `token` of RFC 3261 §25.1.
const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '!' | '%' | '*' | '_' | '+' | '`' | '\'' | '~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    use super::*;

    fn read(text: &str) -> NameAddr {
        NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_uri_is_never_taken_from_the_display_name() {
        for (text, name, uri) in [
            (
                "\"<sip:juliet@example.net>\" <sip:mallory@evil.example>",
                "<sip:juliet@example.net>",
                "sip:mallory@evil.example",
            ),
            (
                "\"a\\\" <sip:juliet@example.net>\" <sip:m@evil.example>",
                "a\" <sip:juliet@example.net>",
                "sip:m@evil.example",
            ),
            ("\"sip:juliet@example.net\"<sip:m@evil.example>;tag=1", "sip:juliet@example.net", "sip:m@evil.example"),
            ("Romeo Montague <sip:romeo@example.org>", "Romeo Montague", "sip:romeo@example.org"),
            ("J\u{fc}rgen <sip:j@example.org>", "J\u{fc}rgen", "sip:j@example.org"),
            ("caller<sip:caller@example.com>", "caller", "sip:caller@example.com"),
        ] {
            let address = read(text);
            assert_eq!((address.display_name.as_deref(), address.uri.as_str()), (Some(name), uri), "{text}");
        }
    }

    #[test]
    fn parameters_of_the_uri_and_of_the_header_are_kept_apart() {
        // RFC 3261 §20.10
        let bare = read("sip:romeo@example.org;tag=abc ; x = \"a;b,<c>\"");
        assert_eq!((bare.uri.as_str(), bare.display_name.as_deref()), ("sip:romeo@example.org", None));
        assert_eq!((bare.param("TAG"), bare.param("x")), (Some(Some("abc")), Some(Some("a;b,<c>"))));
        let bracketed = read("\"\" <sip:romeo@example.org;gr=x>;isfocus");
        assert_eq!((bracketed.uri.as_str(), bracketed.display_name.as_deref()), ("sip:romeo@example.org;gr=x", None));
        assert_eq!((bracketed.param("isfocus"), bracketed.param("gr")), (Some(None), None));
        assert_eq!(read("<urn:service:sos>;host=[2001:db8::1]:5060").param("host"), Some(Some("[2001:db8::1]:5060")));
    }

    #[test]
    fn the_headers_of_the_torture_tests_are_understood() {
        // RFC 4475 §3.1.1.1 (wsinv), once the folded lines are joined
        let to = read("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
        assert_eq!(
            (to.uri.as_str(), to.param("tag")),
            ("sip:vivekg@chair-dnrc.example.com", Some(Some("1918181833n")))
        );
        let from = read("\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>   ;   tag = 98asjd8");
        assert_eq!(
            (from.display_name.as_deref(), from.param("tag")),
            (Some("J Rosenberg \\\""), Some(Some("98asjd8")))
        );
        let contact = read(
            "\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =  newvalue ;  secondparam ; q = 0.33",
        );
        assert_eq!((contact.param("secondparam"), contact.param("q")), (Some(None), Some(Some("0.33"))));
        // quotbal, badaspec, regbadct: 400
        assert!(NameAddr::parse("\"Mr. J. User <sip:j.user@example.com>").is_err());
        assert!(NameAddr::parse("\"Watson, Thomas\" < sip:t.watson@example.org >").is_err());
        assert!(NameAddr::parse("sip:user@example.com?Route=%3Csip:sip.example.com%3E").is_err());
    }

    #[test]
    fn lists_are_split_at_the_commas_between_addresses() {
        let list =
            NameAddr::parse_list("\"a, b\" <sip:a@example.org;x=1,2>;q=\"1,2\" , <tel:+1>,sip:c@example.org;tag=1")
                .unwrap();
        let uris: Vec<_> = list.iter().map(|a| a.uri.as_str()).collect();
        assert_eq!(uris, ["sip:a@example.org;x=1,2", "tel:+1", "sip:c@example.org"]);
        assert_eq!(NameAddr::parse("<sip:a@h>, <sip:b@h>"), Err(NameAddrError::TooMany));
        let many = "<sip:a@h>,".repeat(NameAddr::MAX_ADDRESSES) + "<sip:a@h>";
        assert_eq!(NameAddr::parse_list(&many), Err(NameAddrError::TooMany));
    }

    #[test]
    fn each_violation_has_its_name() {
        use NameAddrError::*;
        for (text, error) in [
            ("", BadUri),
            ("\"Romeo", BadDisplayName),
            ("\"Romeo\" sip:romeo@example.org", BadUri),
            ("\"a\\\u{e9}\" <sip:a@h>", BadDisplayName),
            ("a@b <sip:a@h>", BadDisplayName),
            ("Bell, Alexander <sip:a.g.bell@example.com>", BadUri),
            ("<sip:a@h", BadUri),
            ("<>", BadUri),
            ("<sip:>", BadUri),
            ("<romeo@example.org>", BadUri),
            ("romeo@example.org", BadUri),
            ("<sip:a b@h>", BadUri),
            ("<<sip:a@h>>", BadUri),
            ("<sip:a@h><sip:b@h>", BadParameter),
            ("<sip:a@h> junk", BadParameter),
            ("<sip:a@h>;", BadParameter),
            ("<sip:a@h>;x=", BadParameter),
            ("<sip:a@h>;x=\"a", BadParameter),
            ("sip:a@h <sip:b@h>", BadParameter),
            ("<sip:a@h>,", BadUri),
            ("sip:a@h?x=y", NeedsBrackets),
            ("\"a\r\nb\" <sip:a@h>", Control),
            ("<sip:a@h>\0", Control),
        ] {
            assert_eq!(NameAddr::parse_list(text), Err(error), "{text:?}");
        }
        assert_eq!(NameAddr::parse(&format!("<sip:a@h>;x={}", "y".repeat(NameAddr::MAX_LEN))), Err(TooLong));
    }

    proptest! {
        #[test]
        fn whatever_the_name_is_the_uri_stays(name in "\\PC*|[\"\\\\<>,;:@ a]*") {
            let address = read(&format!("{} <sip:romeo@example.org>;tag=1", quote(&name)));
            prop_assert_eq!(address.uri, "sip:romeo@example.org");
            // A backslash quotes ASCII only (RFC 3261 §25.1), so that is all that quote() puts one before.
            prop_assert_eq!(address.display_name.unwrap_or_default(), name);
        }

        #[test]
        fn nothing_panics(text in "[\"\\\\<>,;:@=? asip\u{fc}-]{0,40}") {
            let _ = NameAddr::parse_list(&text).map(|list| list.len().to_string());
        }
    }
}
