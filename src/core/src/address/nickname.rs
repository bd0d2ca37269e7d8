//! Nicknames: the profile of RFC 8266, what a MUC takes as an occupant's resource, and the temporary nickname of somebody who
//! has not chosen one.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use jid::ResourcePart;
use precis_core::profile::{Profile, Rules, stabilize};
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use super::template::NicknameTemplate;

/// The longest nickname, in octets of UTF-8 (RFC 7701 §7.1, RFC 7622 §3.4).
pub const MAX_LEN: usize = 1023;

/// Why a text is not a nickname: MSRP 424.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NicknameError {
    /// Nothing is left once the profile is applied.
    #[error("the nickname is empty")]
    Empty,
    /// More than [`MAX_LEN`] octets.
    #[error("the nickname is longer than {MAX_LEN} octets")]
    TooLong,
    /// A control character, or another that RFC 8266 §2.2 does not allow.
    #[error("the nickname has characters that no nickname can have")]
    Disallowed,
    /// XMPP has no such resource (RFC 6122 appendix B).
    #[error("the nickname cannot be used in XMPP")]
    NotAResource,
}

/// Applies the profile (RFC 8266 §2.3): spaces are mapped, trimmed and collapsed, NFKC is applied, case stays.
///
/// # Errors
///
/// [`NicknameError`], [`NicknameError::NotAResource`] excepted.
pub fn enforce(text: &str) -> Result<String, NicknameError> {
    // Before the profile, so that hostile text costs little; NFKC can make text longer, so again after it.
    if text.len() > MAX_LEN.saturating_mul(4) {
        return Err(NicknameError::TooLong);
    }
    if text.trim().is_empty() {
        return Err(NicknameError::Empty);
    }
    let nick = precis_profiles::Nickname::new().enforce(text).map_err(|_| NicknameError::Disallowed)?;
    match nick.len() {
        0 => Err(NicknameError::Empty),
        1..=MAX_LEN => Ok(nick.into_owned()),
        _ => Err(NicknameError::TooLong),
    }
}

/// What `nick` is compared by (RFC 8266 §2.4): texts with one key are one nickname to a human reader. `None` for what is no
/// nickname, which is the same as nothing.
#[must_use]
pub fn key(nick: &str) -> Option<String> {
    // The rules leave nothing else of these, and most names are of them.
    if (1..=MAX_LEN).contains(&nick.len()) && nick.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Some(nick.to_ascii_lowercase());
    }
    let nick = enforce(nick).ok()?;
    let profile = precis_profiles::Nickname::new();
    let compared = stabilize(nick.as_str(), |text| {
        let text = profile.prepare(text)?;
        let text = profile.additional_mapping_rule(text)?;
        let text = profile.case_mapping_rule(text)?;
        profile.normalization_rule(text)
    });
    let key = compared.ok().map(Cow::into_owned);
    // With some texts that does not come to an end. Such a one is nobody's key but its own.
    Some(key.unwrap_or(nick))
}

/// What `nick` looks like (UTS 39 §4): names that share one of these are taken for one another, be it by case (RFC 8266 §2.4) or
/// by characters that look alike, whatever script they are of. One or two, the first of all small letters; none for what is no
/// nickname.
#[must_use]
pub fn likenesses(nick: &str) -> Vec<String> {
    let Some(key) = key(nick) else { return Vec::new() };
    // Of these none looks like another, and most names are of them.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'1' | b'I' | b'm' | b'M');
    if nick.bytes().all(is_plain) {
        return vec![key];
    }
    let looks = |text: &str| skeleton(text).flat_map(char::to_lowercase).collect::<String>();
    let (small, written) = (looks(&key), looks(nick));
    if small == written { vec![small] } else { vec![small, written] }
}

/// Whether both are one nickname to a human reader (RFC 8266 §2.4). Texts that are no nicknames are never the same.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    key(a).is_some_and(|a| key(b) == Some(a))
}

/// The resource of the occupant `nick` (RFC 6122 §2.4).
///
/// # Errors
///
/// [`NicknameError::NotAResource`]: resourceprep knows Unicode 3.2 only, so emoji are not possible, nor is what mixes directions.
pub fn occupant_resource(nick: &str) -> Result<ResourcePart, NicknameError> {
    ResourcePart::new(nick).map(Cow::into_owned).map_err(|_| NicknameError::NotAResource)
}

/// The nickname of somebody who has not chosen one (GC-JOIN-12): by `template`, else `Guest` and a number made of
/// `discriminator`. An empty display name gives way to the user part (unescaped); a telephone number is never shown.
/// Characters that XMPP does not take are dropped. The result is stable under [`enforce`] and [`occupant_resource`].
#[must_use]
pub fn temporary(
    display_name: Option<&str>,
    user: Option<&str>,
    template: &NicknameTemplate,
    discriminator: u64,
) -> String {
    let presentable = |text: &&str| !is_telephone_number(text) && usable(text).is_some();
    let user = user.filter(presentable);
    let display_name = display_name.filter(presentable).or(user);
    let filled = template.expand(display_name, user);
    filled
        .and_then(|text| usable(&text))
        .filter(|nick| !is_telephone_number(nick))
        .unwrap_or_else(|| format!("Guest {}", discriminator % 10_000))
}

/// `nick` and a number, for when `nick` is taken: `Romeo 2` (GC-NICK-06). Not longer than [`MAX_LEN`].
#[must_use]
pub fn variant(nick: &str, n: u32) -> String {
    let number = format!(" {n}");
    let room = MAX_LEN.saturating_sub(number.len());
    format!("{}{number}", truncate(nick, room).trim_end())
}

/// As much of `text` as fits into `len` octets.
fn truncate(text: &str, len: usize) -> &str {
    let end = (0..=len.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Whether `text` is a number that calls somebody: `+` and digits, or at least five digits, with the visual separators of
/// RFC 3966 and blanks between them, and parameters after them.
fn is_telephone_number(text: &str) -> bool {
    let number = text.trim().split(';').next().unwrap_or_default();
    let (digits, least) = number.strip_prefix('+').map_or((number, 5), |digits| (digits, 1));
    let is_visual = |c: char| matches!(c, '-' | '.' | '(' | ')' | ' ' | '/');
    // Any script's digits: NFKC would make ASCII of them later.
    digits.chars().filter(|c| c.is_numeric()).count() >= least && digits.chars().all(|c| c.is_numeric() || is_visual(c))
}

/// `text` as a nickname that both worlds take, without the characters that one of them refuses.
fn usable(text: &str) -> Option<String> {
    let text = truncate(text, MAX_LEN);
    if let Some(nick) = both(text) {
        return Some(nick);
    }
    // NFKC makes up to eighteen characters of one; no more are looked at than a nickname can have.
    let normalised = text.nfkc().map(|c| if c.is_whitespace() { ' ' } else { c });
    let kept: String = normalised.take(MAX_LEN).filter(|&c| fits(c)).collect();
    let kept = truncate(&kept, MAX_LEN);
    if let Some(nick) = both(kept) {
        return Some(nick);
    }
    // What is left is text that mixes directions (RFC 3454 §6). The longer half is the name.
    let (right_to_left, left_to_right): (String, String) = (
        kept.chars().filter(|&c| c == ' ' || is_right_to_left(c)).collect(),
        kept.chars().filter(|&c| !is_right_to_left(c)).collect(),
    );
    let halves = [both(&left_to_right), both(&right_to_left)];
    halves.into_iter().flatten().max_by_key(|nick| nick.chars().filter(|c| c.is_alphabetic()).count())
}

/// `text` after both profiles, if that is stable.
fn both(text: &str) -> Option<String> {
    let nick = occupant_resource(&enforce(text).ok()?).ok()?.to_string();
    let stable = enforce(&nick).is_ok_and(|again| again == nick) && nick.chars().any(char::is_alphanumeric);
    stable.then_some(nick)
}

fn fits(c: char) -> bool {
    let mut octets = [0; 4];
    let text = &*c.encode_utf8(&mut octets);
    c == ' ' || (enforce(text).is_ok() && occupant_resource(text).is_ok())
}

/// Whether `c` is one of RFC 3454's RandALCat.
fn is_right_to_left(c: char) -> bool {
    let mixed: String = ['a', c].into_iter().collect();
    fits(c) && occupant_resource(&mixed).is_err()
}

#[cfg(test)]
mod tests;
