//! What a NICKNAME request asks for (RFC 7701 §7.1). Who may have which nickname is not known here.

use alloc::string::String;

use crate::address::nickname::{self, MAX_LEN, NicknameError};
use crate::wire::msrp::frame::Head;

/// A NICKNAME whose syntax is right, and whose fate is to be told by
/// [`Session::conclude_nickname`](super::session::Session::conclude_nickname).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicknameRequest {
    /// The nickname, after the profile of RFC 8266; `None` gives the present one back (RFC 7701 §7.3).
    pub wanted: Option<String>,
    /// What is needed to answer it.
    pub reply: NicknameReply,
}

/// An answer that is owed to a NICKNAME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicknameReply(pub(super) Head);

/// Why the value of Use-Nickname is no nickname: 424.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNickname {
    /// Neither a quoted string, in which only `\\` and `\"` are escapes, nor text without quotes and backslashes.
    #[error("Use-Nickname is not a quoted string")]
    Syntax,
    /// The profile refuses it.
    #[error(transparent)]
    Profile(#[from] NicknameError),
}

/// Reads Use-Nickname. `""` is the release, which the grammar forbids and §7.3 asks for (SW-29); text without quotes is
/// accepted, since deployed clients send it (SW-25).
pub(super) fn read(value: &str) -> Result<Option<String>, BadNickname> {
    let nickname = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None if is_bare(value) => value.into(),
        None => return Err(BadNickname::Syntax),
    };
    match nickname.len() {
        0 => Ok(None),
        // The profile may make it shorter, but this is what the limit is about (NICK-06).
        1..=MAX_LEN => Ok(Some(nickname::enforce(&nickname)?)),
        _ => Err(NicknameError::TooLong.into()),
    }
}

/// The rest of a quoted string after its first quote.
fn unquote(quoted: &str) -> Result<String, BadNickname> {
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next().ok_or(BadNickname::Syntax)? {
            '"' if chars.as_str().is_empty() => return Ok(text),
            '"' => return Err(BadNickname::Syntax),
            '\\' => match chars.next() {
                Some(c @ ('"' | '\\')) => text.push(c),
                _ => return Err(BadNickname::Syntax),
            },
            c => text.push(c),
        }
    }
}

fn is_bare(value: &str) -> bool {
    !value.is_empty() && !value.contains(['"', '\\'])
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_nickname_is_read_in_quotes_and_out_of_them() {
        // SW-25, SW-29, NICK-05
        for (value, wanted) in [
            ("\"JuliC\"", Some("JuliC")),
            ("\"a \\\"b\\\" \\\\c\"", Some("a \"b\" \\c")),
            ("\"  Juliet   Capulet \"", Some("Juliet Capulet")),
            ("\"J\u{fc}li\"", Some("J\u{fc}li")),
            ("bob", Some("bob")),
            ("b-o.b!", Some("b-o.b!")),
            ("Romeo Montague", Some("Romeo Montague")),
            ("\"\"", None),
        ] {
            assert_eq!(read(value), Ok(wanted.map(ToString::to_string)), "{value}");
        }
    }

    #[test]
    fn what_is_no_nickname_says_why() {
        // SW-25, NICK-01
        for value in ["", "\"", "\"bob", "bob\"", "\"bob\" x", "\"a\"b\"", "\"a\\n\"", "\"a\\", "a\\\"b"] {
            assert_eq!(read(value), Err(BadNickname::Syntax), "{value}");
        }
        for (value, error) in [
            ("\"  \"", NicknameError::Empty),
            ("\"a\u{7}b\"", NicknameError::Disallowed),
            ("\"a\tb\"", NicknameError::Disallowed),
            ("\"a\u{378}\"", NicknameError::Disallowed),
        ] {
            assert_eq!(read(value), Err(BadNickname::Profile(error)), "{value}");
        }
    }

    #[test]
    fn a_nickname_has_1023_octets_at_most() {
        // NICK-06: octets of UTF-8, not characters, before the profile and after it
        let just = "\u{e9}".repeat(511) + "e";
        assert_eq!(read(&alloc::format!("\"{just}\"")), Ok(Some(just.clone())));
        let longer = just + "e";
        assert_eq!(read(&longer), Err(NicknameError::TooLong.into()));
        assert_eq!(read(&alloc::format!("\"x{}\"", " ".repeat(1023))), Err(NicknameError::TooLong.into()));
        assert_eq!(
            read(&"\u{fdfa}".repeat(100)),
            Err(NicknameError::TooLong.into()),
            "NFKC makes 18 characters of each"
        );
    }
}
