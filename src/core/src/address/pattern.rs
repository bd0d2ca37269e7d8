//! Patterns for SIP URIs, as the configuration writes them: `sip:{room}@rooms.example.com`, `sip:*@*`.
//!
//! `{name}` captures, `*` does not; each stands for one or more characters of the user part or of the host, never across the
//! `@`. Port, parameters and headers are ignored, and `sips` matches as `sip`. Matching takes time linear in the URI for each
//! piece of text of the pattern, whatever the URI is.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::domain::to_ascii;
use super::escape::percent_decode_text;
use super::sip_uri::SipUri;

/// A pattern for SIP URIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    user: Vec<Piece>,
    host: Vec<Piece>,
}

/// How user parts are compared. Hosts are always folded to lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// Unescaped and in lower case: a room has one name.
    Room,
    /// Unescaped, case and all: SIP user parts are case-sensitive (RFC 3261 §19.1.4).
    Account,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not start with `sip:`.
    #[error("a pattern starts with `sip:`")]
    Scheme,
    /// No `@`, or nothing on one side of it.
    #[error("a pattern names a user and a host: `sip:USER@HOST`")]
    UserAndHost,
    /// A brace without its partner, or a name that is none.
    #[error("`{0}` is not a capture; write `{{name}}` with a name of letters, digits and `_`")]
    BadCapture(String),
    /// Two captures of one name.
    #[error("`{{{0}}}` is there twice")]
    Repeated(String),
    /// Nothing separates two wildcards.
    #[error("two wildcards need text between them")]
    Adjacent,
    /// A character that no SIP URI holds at this place.
    #[error("`{0}` cannot be part of a SIP URI")]
    BadCharacter(char),
}

/// Text that stands for itself, or a wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Unescaped; in hosts in lower case.
    Text(String),
    /// The name, if it captures.
    Wild(Option<String>),
}

/// The part of a URI that a capture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The user part, unescaped.
    User,
    /// The host, in lower case.
    Host,
}

/// What the names of a pattern stand for in one URI.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captures(Vec<(String, Side, String)>);

impl Captures {
    /// What `name` stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(Side, &str)> {
        self.0.iter().find(|(n, ..)| n == name).map(|(_, side, value)| (*side, value.as_str()))
    }

    /// Adds a capture, for tests and for templates that have no pattern.
    pub(crate) fn push(&mut self, name: &str, side: Side, value: &str) {
        self.0.push((name.into(), side, value.into()));
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`] says what to write instead.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let rest = match text.split_at_checked(4) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip:") => rest,
            _ => return Err(PatternError::Scheme),
        };
        let (user, host) = rest.split_once('@').ok_or(PatternError::UserAndHost)?;
        let host = strip_port_and_params(host);
        if user.is_empty() || host.is_empty() {
            return Err(PatternError::UserAndHost);
        }
        let is_allowed = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '@' | '<' | '>' | '"');
        if let Some(bad) = user.chars().find(|&c| !is_allowed(c)) {
            return Err(PatternError::BadCharacter(bad));
        }
        let user = parse_pieces(user, |text| percent_decode_text(text).map(Cow::into_owned))?;
        let host = ascii_labels(host)?;
        let host_text = |text: &str| {
            let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'[' | b']' | b':');
            text.bytes().all(is_host).then(|| text.to_ascii_lowercase())
        };
        let pattern = Self { text: text.into(), user, host: parse_pieces(&host, host_text)? };
        let names: Vec<_> = pattern.captures().collect();
        match names.iter().enumerate().find(|(i, name)| names.iter().take(*i).any(|n| n == *name)) {
            Some((_, name)) => Err(PatternError::Repeated((*name).into())),
            None => Ok(pattern),
        }
    }

    /// The names that it captures, in their order.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.user.iter().chain(&self.host).filter_map(|piece| match piece {
            Piece::Wild(Some(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether `*` stands in the user part, which a room rule must not have: its canonical URI could not be written.
    #[must_use]
    pub fn has_wildcard_in_user(&self) -> bool {
        self.user.contains(&Piece::Wild(None))
    }

    /// Whether a capture or `*` stands in the host.
    #[must_use]
    pub fn has_open_host(&self) -> bool {
        self.host.iter().any(|piece| matches!(piece, Piece::Wild(_)))
    }

    /// Whether it matches one address of record only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.user.iter().chain(&self.host).all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// What the captures stand for in `uri`, `None` when it does not match. A user part that is not UTF-8 matches nothing.
    #[must_use]
    pub fn matches(&self, uri: &SipUri, folding: Folding) -> Option<Captures> {
        let user = uri.user_decoded()?;
        self.matches_parts(&user, uri.host(), folding)
    }

    /// As [`Pattern::matches`], for a user part that is unescaped already and a host.
    pub(crate) fn matches_parts(&self, user: &str, host: &str, folding: Folding) -> Option<Captures> {
        let mut captures = Captures::default();
        match folding {
            Folding::Room => match_pieces(&fold_pieces(&self.user), &fold(user), Side::User, &mut captures)?,
            Folding::Account => match_pieces(&self.user, user, Side::User, &mut captures)?,
        }
        match_pieces(&self.host, host, Side::Host, &mut captures)?;
        Some(captures)
    }

    /// Whether `other` matches every URI that this one matches, so that a rule behind it never comes into play. Exact for two
    /// patterns; that several others together cover this one is not seen.
    #[must_use]
    pub fn is_covered_by(&self, other: &Self, folding: Folding) -> bool {
        // Where a wildcard of ours is filled with a character that no pattern holds, only a wildcard of the other can take it,
        // and would take anything else in its place.
        let sample = |pieces: &[Piece]| -> String {
            pieces.iter().map(|p| if let Piece::Text(text) = p { text.as_str() } else { "\0" }).collect()
        };
        other.matches_parts(&sample(&self.user), &sample(&self.host), folding).is_some()
    }

    pub(crate) fn user_pieces(&self) -> &[Piece] {
        &self.user
    }

    pub(crate) fn host_pieces(&self) -> &[Piece] {
        &self.host
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `text` in lower case, each character for itself: what a capital sigma becomes does not depend on what follows it.
#[must_use]
pub(crate) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn fold_pieces(pieces: &[Piece]) -> Vec<Piece> {
    let fold_piece = |piece: &Piece| match piece {
        Piece::Text(text) => Piece::Text(fold(text)),
        Piece::Wild(name) => Piece::Wild(name.clone()),
    };
    pieces.iter().map(fold_piece).collect()
}

/// `host` with labels of ASCII, where people write others. Such a label stands for itself alone: no wildcard is a part of one.
fn ascii_labels(host: &str) -> Result<String, PatternError> {
    let mut ascii = String::new();
    for (n, label) in host.split('.').enumerate() {
        let bad = || PatternError::BadCharacter(label.chars().find(|c| !c.is_ascii()).unwrap_or_default());
        let label = match label.is_ascii() {
            true => Cow::Borrowed(label),
            false if label.contains(['*', '{', '}']) => return Err(bad()),
            false => to_ascii(label).ok_or_else(bad)?,
        };
        ascii.push_str(if n > 0 { "." } else { "" });
        ascii.push_str(&label);
    }
    Ok(ascii)
}

fn strip_port_and_params(host: &str) -> &str {
    let host = host.split([';', '?']).next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            // Within brackets the colon belongs to an IPv6 address.
            if name.contains('[') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// Splits `text` at its wildcards; `literal` reads what stands between them.
fn parse_pieces(text: &str, literal: impl Fn(&str) -> Option<String>) -> Result<Vec<Piece>, PatternError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = if let Some(after) = rest.strip_prefix('*') {
            (Piece::Wild(None), after)
        } else if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| PatternError::BadCapture(rest.into()))?;
            if !is_name(name) {
                return Err(PatternError::BadCapture(name.into()));
            }
            (Piece::Wild(Some(name.into())), after)
        } else {
            let (plain, after) =
                rest.split_at_checked(rest.find(['*', '{']).unwrap_or(rest.len())).unwrap_or((rest, ""));
            if plain.contains('}') {
                return Err(PatternError::BadCapture(plain.into()));
            }
            let bad = || PatternError::BadCharacter(plain.chars().next().unwrap_or_default());
            let plain = literal(plain).filter(|p| !p.contains('\0')).ok_or_else(bad)?;
            (Piece::Text(plain), after)
        };
        if let (Some(Piece::Wild(_)), Piece::Wild(_)) = (pieces.last(), &piece) {
            return Err(PatternError::Adjacent);
        }
        pieces.push(piece);
        rest = after;
    }
    Ok(pieces)
}

/// Whether `name` can name a capture.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Matches all of `text`. Each wildcard takes as little as it can, which finds a match wherever there is one: the earlier a
/// piece of text is found, the more is left for the pieces after it.
pub(crate) fn match_pieces(pieces: &[Piece], text: &str, side: Side, captures: &mut Captures) -> Option<()> {
    let mut rest = text;
    let mut pieces = pieces;
    loop {
        match pieces {
            [] => return rest.is_empty().then_some(()),
            [Piece::Text(text), after @ ..] => {
                rest = rest.strip_prefix(text.as_str())?;
                pieces = after;
            }
            [Piece::Wild(name), after @ ..] => {
                let (taken, left) = take_wild(rest, after)?;
                if let Some(name) = name {
                    captures.push(name, side, taken);
                }
                rest = left;
                pieces = after;
            }
        }
    }
}

/// What a wildcard takes of `text` when `after` follows it in the pattern, and what it leaves.
fn take_wild<'a>(text: &'a str, after: &[Piece]) -> Option<(&'a str, &'a str)> {
    let first = text.chars().next()?.len_utf8();
    let end = match after {
        [Piece::Text(last)] => text.strip_suffix(last.as_str())?.len(),
        [Piece::Text(next), ..] => {
            let (_, searched) = text.split_at_checked(first)?;
            searched.find(next.as_str())?.checked_add(first)?
        }
        _ => text.len(),
    };
    if end < first { None } else { text.split_at_checked(end) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::format;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn matches(text: &str, uri: &str, folding: Folding) -> Option<Captures> {
        pattern(text).matches(&SipUri::parse(uri).unwrap(), folding)
    }

    #[test]
    fn captures_stand_for_one_or_more_characters_of_one_side() {
        let captures =
            matches("sip:{room}-x@{sub}.example.com", "sip:a-b-x@one.two.example.com:5060;lr", Folding::Room);
        let captures = captures.unwrap();
        assert_eq!(captures.get("room"), Some((Side::User, "a-b")));
        assert_eq!(captures.get("sub"), Some((Side::Host, "one.two")));
        assert_eq!(captures.get("other"), None);
        assert!(matches("sip:{room}-x@h", "sip:-x@h", Folding::Room).is_none(), "one character at least");
        assert!(matches("sip:*@*", "sip:a@h", Folding::Room).is_some());
        assert!(matches("sip:*@*", "sip:h", Folding::Room).is_none(), "no user part");
        assert!(matches("sip:*@h", "sip:a%40b@h", Folding::Room).is_some(), "an escaped @ is part of the user");
        assert!(matches("sip:a*@b", "sip:a@a.b", Folding::Room).is_none(), "never across the @");
        assert!(matches("sip:a*b*c@h", "sip:a-b-b-c@h", Folding::Room).is_some());
        assert!(matches("sip:a*b*c@h", "sip:abbc@h", Folding::Room).is_none());
        assert!(matches("sip:*aa@h", "sip:aaa@h", Folding::Room).is_some());
        assert!(matches("sip:a*a@h", "sip:aa@h", Folding::Room).is_none());
    }

    #[test]
    fn rooms_fold_users_and_accounts_do_not() {
        // ADDR-06
        assert!(matches("sip:Capulet@Rooms.example.com", "sips:%43apuLET@rooms.EXAMPLE.com", Folding::Room).is_some());
        assert!(matches("sip:romeo@example.org", "sip:Romeo@example.org", Folding::Account).is_none());
        assert!(matches("sip:romeo@example.org", "sip:%72omeo@EXAMPLE.org", Folding::Account).is_some());
        assert!(matches("sip:*@*", "sip:%ff@h", Folding::Account).is_none(), "not UTF-8");
    }

    #[test]
    fn ports_and_parameters_of_a_pattern_are_ignored() {
        assert!(matches("sip:a@example.com:5060;transport=tcp", "sip:a@example.com", Folding::Room).is_some());
        assert!(matches("sip:a@[::1]:5060", "sip:a@[::1]", Folding::Room).is_some());
        assert!(matches("sip:a@[::1]", "sip:a@[0:0::1]:7", Folding::Room).is_some());
    }

    #[test]
    fn each_mistake_has_its_name() {
        for (text, error) in [
            ("capulet@rooms.example.com", PatternError::Scheme),
            ("sips:a@b", PatternError::Scheme),
            ("sip:rooms.example.com", PatternError::UserAndHost),
            ("sip:@h", PatternError::UserAndHost),
            ("sip:a@", PatternError::UserAndHost),
            ("sip:{room@h", PatternError::BadCapture("{room".into())),
            ("sip:{}@h", PatternError::BadCapture("".into())),
            ("sip:{a b}@h", PatternError::BadCharacter(' ')),
            ("sip:{a-b}@h", PatternError::BadCapture("a-b".into())),
            ("sip:a}@h", PatternError::BadCapture("a}".into())),
            ("sip:{a}{b}@h", PatternError::Adjacent),
            ("sip:*{b}@h", PatternError::Adjacent),
            ("sip:{a}-{a}@h", PatternError::Repeated("a".into())),
            ("sip:{a}@{a}", PatternError::Repeated("a".into())),
            ("sip:a@h_x", PatternError::BadCharacter('h')),
            ("sip:a%00@h", PatternError::BadCharacter('a')),
            ("sip:a<b@h", PatternError::BadCharacter('<')),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_pattern_knows_what_covers_it() {
        let covered = |a: &str, b: &str| pattern(a).is_covered_by(&pattern(b), Folding::Room);
        assert!(covered("sip:Capulet@h", "sip:{room}@h"));
        assert!(covered("sip:Capulet@h", "sip:capulet@H"));
        assert!(covered("sip:{a}-{b}@h", "sip:*-*@*"));
        assert!(covered("sip:a{x}b@h", "sip:a*@h"));
        assert!(!covered("sip:{room}@h", "sip:capulet@h"));
        assert!(!covered("sip:a*@h", "sip:a*b@h"));
        assert!(!covered("sip:a@*", "sip:a@*.example.com"));
        assert!(!pattern("sip:A@h").is_covered_by(&pattern("sip:a@h"), Folding::Account));
    }

    proptest! {
        #[test]
        fn a_match_can_be_put_together_again(pieces in proptest::collection::vec("[ab-]{1,3}", 0..4), user in "[ab-]{1,12}") {
            // Against the definition: some choice of one or more characters for each wildcard gives the user part.
            let text = pieces.join("*");
            if text.is_empty() { return Ok(()); }
            let found = matches(&format!("sip:*{text}*@h"), &format!("sip:{user}@h"), Folding::Account).is_some();
            let mut reachable: std::vec::Vec<usize> = (1..=user.len()).collect();
            for (i, piece) in pieces.iter().enumerate() {
                let ends = reachable.iter().filter(|&&at| user.get(at..).unwrap().starts_with(piece.as_str())).map(|at| at + piece.len());
                let ends: std::vec::Vec<usize> = ends.collect();
                let gap = usize::from(i + 1 < pieces.len());
                reachable = if gap == 1 {
                    (0..=user.len()).filter(|at| ends.iter().any(|end| at > end)).collect()
                } else { ends };
            }
            prop_assert_eq!(found, reachable.iter().any(|&at| at < user.len()));
        }
    }
}
