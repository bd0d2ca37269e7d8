//! Templates: what the captures of a pattern are put into, to give a JID; and the template of a nickname.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use jid::{BareJid, NodePart};

use super::domain::to_xmpp;
use super::escape::escape_localpart;
use super::pattern::{Captures, Piece, Side, is_name};
use super::sip_uri::parse_host;

/// A template for bare JIDs: `{room}@muc.example.net`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    node: Option<Vec<Piece>>,
    domain: Vec<Piece>,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its partner, or a name that is none.
    #[error("`{0}` is not a placeholder; write `{{name}}` with the name of a capture")]
    BadPlaceholder(String),
    /// The text around the placeholders is not part of a JID.
    #[error("`{0}` does not give a bare JID")]
    NotAJid(String),
}

/// Why the captures of a URI do not make a JID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// The pattern does not capture this name.
    #[error("nothing is captured as `{{{0}}}`")]
    Unknown(String),
    /// A user part that no localpart can hold, or captured text that is no domain.
    #[error("`{0}` cannot be part of a JID")]
    NotAJid(String),
    /// Case folding or PRECIS would change what was captured, so that two users could become one.
    #[error("`{0}` is not written as XMPP would write it")]
    NotCanonical(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] says what to write instead.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let not_a_jid = || TemplateError::NotAJid(text.into());
        let (node, domain) = match text.split_once('@') {
            Some((node, domain)) => (Some(node), domain),
            None => (None, text),
        };
        let node = node.map(parse_pieces).transpose()?;
        let mut template = Self { text: text.into(), node, domain: parse_pieces(domain)? };
        for piece in template.node.iter_mut().flatten() {
            // Folded once here, so that what differs later comes from what was captured.
            if let Piece::Text(literal) = piece {
                *literal = NodePart::new(literal).map_err(|_| not_a_jid())?.into_owned().into_inner();
            }
        }
        let mut sample = Captures::default();
        for name in template.names() {
            sample.push(name, Side::User, "x");
        }
        template.expand(&sample).map_err(|_| not_a_jid())?;
        Ok(template)
    }

    /// The names of the placeholders, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.node.iter().flatten().chain(&self.domain).filter_map(|piece| match piece {
            Piece::Wild(Some(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Fills in `captures`. What becomes part of a localpart is escaped as XEP-0106 says; what becomes part of a domain has to
    /// be one already.
    ///
    /// # Errors
    ///
    /// [`ExpandError::Unknown`], [`ExpandError::NotAJid`].
    pub fn expand(&self, captures: &Captures) -> Result<BareJid, ExpandError> {
        let domain = self.fill(&self.domain, captures, domain_text)?;
        let domain = to_xmpp(&domain).ok_or_else(|| ExpandError::NotAJid(domain.clone()))?;
        let Some(node) = self.node.as_ref() else {
            return Ok(BareJid::from_parts(None, &domain));
        };
        let node = self.fill(node, captures, escape_localpart)?;
        let node = NodePart::new(&node).map_err(|_| ExpandError::NotAJid(node.clone()))?;
        Ok(BareJid::from_parts(Some(&node), &domain))
    }

    /// As [`Template::expand`], and refuses captures that the JID would not hold exactly as they are (ADDR-06).
    ///
    /// # Errors
    ///
    /// [`ExpandError`].
    pub fn expand_exact(&self, captures: &Captures) -> Result<BareJid, ExpandError> {
        let jid = self.expand(captures)?;
        if let Some(pieces) = self.node.as_ref() {
            let written = self.fill(pieces, captures, escape_localpart)?;
            let changed = jid.node().is_none_or(|node| node.as_str() != written);
            if changed || !self.node_captures(captures).all(is_stable_username) {
                return Err(ExpandError::NotCanonical(written));
            }
        }
        Ok(jid)
    }

    fn node_captures<'a>(&'a self, captures: &'a Captures) -> impl Iterator<Item = &'a str> {
        self.node.iter().flatten().filter_map(|piece| match piece {
            Piece::Wild(Some(name)) => captures.get(name).map(|(_, value)| value),
            _ => None,
        })
    }

    fn fill(
        &self,
        pieces: &[Piece],
        captures: &Captures,
        write: impl Fn(&str) -> Option<Cow<'_, str>>,
    ) -> Result<String, ExpandError> {
        let mut filled = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Wild(name) => {
                    let name = name.as_deref().unwrap_or_default();
                    let (_, value) = captures.get(name).ok_or_else(|| ExpandError::Unknown(name.into()))?;
                    filled.push_str(&write(value).ok_or_else(|| ExpandError::NotAJid(value.into()))?);
                }
            }
        }
        Ok(filled)
    }

    pub(crate) fn node_pieces(&self) -> Option<&[Piece]> {
        self.node.as_deref()
    }

    pub(crate) fn domain_pieces(&self) -> &[Piece] {
        &self.domain
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Captured text within a domain: labels of ASCII, or a whole address.
fn domain_text(text: &str) -> Option<Cow<'_, str>> {
    let is_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let is_right = text.bytes().all(is_label) || parse_host(text).as_deref() == Some(text);
    is_right.then_some(Cow::Borrowed(text))
}

/// Whether the PRECIS profile that XMPP has for localparts (RFC 7622 §3.3) leaves `text` alone. What that profile does not know
/// at all is left to nodeprep, which servers use.
fn is_stable_username(text: &str) -> bool {
    use precis_core::profile::Profile;
    precis_profiles::UsernameCaseMapped::new().enforce(text).map_or(true, |enforced| enforced == text)
}

fn parse_pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('{') {
            let bad = || TemplateError::BadPlaceholder(rest.into());
            let (name, after) = after.split_once('}').filter(|(name, _)| is_name(name)).ok_or_else(bad)?;
            pieces.push(Piece::Wild(Some(name.into())));
            rest = after;
        } else {
            let (literal, after) = rest.split_at_checked(rest.find('{').unwrap_or(rest.len())).unwrap_or((rest, ""));
            if literal.contains('}') {
                return Err(TemplateError::BadPlaceholder(literal.into()));
            }
            pieces.push(Piece::Text(literal.into()));
            rest = after;
        }
    }
    Ok(pieces)
}

/// A template for nicknames: `{display_name}`, `{user}`, and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicknameTemplate {
    text: String,
    pieces: Vec<Piece>,
}

impl NicknameTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError::BadPlaceholder`] for a name other than `display_name` and `user`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let pieces = parse_pieces(text)?;
        for piece in &pieces {
            if let Piece::Wild(Some(name)) = piece
                && !matches!(name.as_str(), "display_name" | "user")
            {
                return Err(TemplateError::BadPlaceholder(format!("{{{name}}}")));
            }
        }
        Ok(Self { text: text.into(), pieces })
    }

    /// The text with the placeholders filled in, `None` when one that is there has nothing to stand for.
    #[must_use]
    pub fn expand(&self, display_name: Option<&str>, user: Option<&str>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Wild(Some(name)) if name == "user" => filled.push_str(user?),
                Piece::Wild(_) => filled.push_str(display_name?),
            }
        }
        Some(filled)
    }
}

impl Default for NicknameTemplate {
    /// `{display_name}`.
    fn default() -> Self {
        Self { text: "{display_name}".into(), pieces: [Piece::Wild(Some("display_name".into()))].into() }
    }
}

impl fmt::Display for NicknameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn user(name: &str, value: &str) -> Captures {
        let mut captures = Captures::default();
        captures.push(name, Side::User, value);
        captures
    }

    fn expand(template: &str, value: &str) -> Result<String, ExpandError> {
        Template::parse(template).unwrap().expand(&user("room", value)).map(|jid| jid.to_string())
    }

    #[test]
    fn what_was_captured_is_escaped_and_folded_into_a_room() {
        assert_eq!(expand("{room}@muc.example.net", "Capulet").unwrap(), "capulet@muc.example.net");
        assert_eq!(expand("{room}@muc.example.net", "o'malley").unwrap(), "o\\27malley@muc.example.net");
        assert_eq!(
            expand("{room}@muc.example.net", "a@evil.example/x").unwrap(),
            "a\\40evil.example\\2fx@muc.example.net"
        );
        assert_eq!(expand("SIP-{room}@Muc.example.net", "x").unwrap(), "sip-x@muc.example.net");
        assert_eq!(expand("x@{room}.example.net", "sub").unwrap(), "x@sub.example.net");
        assert_eq!(expand("{room}@h", "+15551234").unwrap(), "+15551234@h", "ADDR-09");
    }

    #[test]
    fn what_no_jid_can_hold_is_refused() {
        for bad in ["a\0b", "a\nb", " a", "a ", "\u{e000}"] {
            assert_eq!(expand("{room}@h", bad), Err(ExpandError::NotAJid(bad.into())), "{bad:?}");
        }
        assert!(expand("{room}@h", &"x".repeat(1024)).is_err());
        for bad in ["a@b", "a/b", "ü", "a b", "-"] {
            assert!(expand("x@{room}.example.net", bad).is_err(), "{bad:?}");
        }
        assert_eq!(expand("{other}@h", "x"), Err(ExpandError::Unknown("other".into())));
    }

    #[test]
    fn an_account_is_refused_where_folding_would_change_the_user() {
        // ADDR-06
        let template = Template::parse("Sip-{user}@phones.example.net").unwrap();
        let exact = |value| template.expand_exact(&user("user", value)).map(|jid| jid.to_string());
        assert_eq!(exact("romeo").unwrap(), "sip-romeo@phones.example.net");
        assert_eq!(exact("o'malley").unwrap(), "sip-o\\27malley@phones.example.net");
        assert_eq!(exact("f\u{fc}r").unwrap(), "sip-f\u{fc}r@phones.example.net");
        // Case, composition, width, a ligature, and a character that is mapped to nothing.
        for folded in ["Romeo", "fu\u{308}r", "\u{ff52}omeo", "\u{fb01}n", "ro\u{ad}meo", "stra\u{df}e", "\u{130}"] {
            assert!(matches!(exact(folded), Err(ExpandError::NotCanonical(_))), "{folded:?}: {:?}", exact(folded));
        }
    }

    #[test]
    fn each_mistake_has_its_name() {
        for bad in ["{room@h", "{}@h", "{a-b}@h", "a}@h"] {
            assert!(matches!(Template::parse(bad), Err(TemplateError::BadPlaceholder(_))), "{bad}");
        }
        for bad in ["", "@h", "{room}@", "a@h/r", "a b@h", "{room}@h/x", "a@h@i"] {
            assert_eq!(Template::parse(bad), Err(TemplateError::NotAJid(bad.into())), "{bad}");
        }
        assert_eq!(NicknameTemplate::parse("{room}"), Err(TemplateError::BadPlaceholder("{room}".into())));
        assert_eq!(Template::parse("{a}-{b}@{c}.example.net").unwrap().names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(
            Template::parse("anon.example.net").unwrap().expand(&Captures::default()).unwrap().to_string(),
            "anon.example.net"
        );
    }
}
