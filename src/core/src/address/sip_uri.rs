//! SIP and SIPS URIs (RFC 3261 §19.1 and §25), strict: what this parser accepts, every other parser understands in the same
//! way. Identity is decided on these values, so nothing is repaired.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::domain::to_ascii;
use super::escape::{is_percent_encoded, percent_decode, percent_decode_text, percent_encode};

/// A SIP or SIPS URI.
///
/// `==` compares spellings; two spellings of one person are compared by [`SipUri::same_aor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    secure: bool,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    params: Vec<(String, Option<String>)>,
    headers: Option<String>,
}

/// Why a text is not a SIP URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SipUriError {
    /// A URI of another scheme: 416.
    #[error("the scheme is not supported; use sip:")]
    UnsupportedScheme,
    /// A telephone number (RFC 3966): 416.
    #[error("tel: URIs are not supported; use sip:")]
    Tel,
    /// No scheme, white space, or a control character.
    #[error("not a URI")]
    NotAUri,
    /// More than [`SipUri::MAX_LEN`] octets.
    #[error("the URI is longer than {} octets", SipUri::MAX_LEN)]
    TooLong,
    /// An empty user part, or one with characters that have to be written as %HH.
    #[error("the user part is empty or has characters that must be escaped")]
    BadUser,
    /// The host is no domain name, IPv4 address or bracketed IPv6 address.
    #[error("the host is not a domain name or an IP address")]
    BadHost,
    /// The port is no number from 0 to 65535.
    #[error("the port is not a number below 65536")]
    BadPort,
    /// A parameter that is empty, malformed, or there twice.
    #[error("a URI parameter is malformed or repeated")]
    BadParameter,
    /// Malformed headers after the question mark.
    #[error("the headers after `?` are malformed")]
    BadHeaders,
}

impl SipUriError {
    /// The SIP status with which a request that needs the URI is refused: 416 or 400 (RFC 3261 §8.2.2.1, §21.4.1).
    #[must_use]
    pub const fn sip_code(self) -> u16 {
        match self {
            Self::UnsupportedScheme | Self::Tel => 416,
            _ => 400,
        }
    }
}

impl SipUri {
    /// The longest URI, in octets. A nickname of 1,023 octets, each of them escaped, fits into `gr`.
    pub const MAX_LEN: usize = 4096;

    /// `sip:user@host`, where `user` and `host` are what people read: one is escaped here, the other gets labels of ASCII.
    ///
    /// # Errors
    ///
    /// [`SipUriError::BadUser`] for an empty user, [`SipUriError::BadHost`], [`SipUriError::TooLong`].
    pub fn new(user: Option<&str>, host: &str) -> Result<Self, SipUriError> {
        let user = match user {
            Some("") => return Err(SipUriError::BadUser),
            Some(user) => Some(percent_encode(user.as_bytes(), is_user_char)),
            None => None,
        };
        let host = parse_host(&to_ascii(host).ok_or(SipUriError::BadHost)?).ok_or(SipUriError::BadHost)?;
        if user.as_ref().map_or(0, String::len).saturating_add(host.len()) > Self::MAX_LEN {
            return Err(SipUriError::TooLong);
        }
        Ok(Self { secure: false, user, host, port: None, params: Vec::new(), headers: None })
    }

    /// Reads a URI as it stands between `<` and `>`. A password is dropped (RFC 3261 §19.1.1 advises against it), a dot at the
    /// end of the host too.
    ///
    /// # Errors
    ///
    /// [`SipUriError`] says which rule of RFC 3261 §25 is broken.
    pub fn parse(text: &str) -> Result<Self, SipUriError> {
        if text.len() > Self::MAX_LEN {
            return Err(SipUriError::TooLong);
        }
        if text.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(SipUriError::NotAUri);
        }
        let (secure, rest) = split_scheme(text)?;
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let user = userinfo.map(parse_userinfo).transpose()?;
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        if headers.is_some_and(|headers| !headers.split('&').all(is_header)) {
            return Err(SipUriError::BadHeaders);
        }
        let (hostport, params) = match rest.split_once(';') {
            Some((hostport, params)) => (hostport, Some(params)),
            None => (rest, None),
        };
        let (host, port) = parse_hostport(hostport)?;
        let params = params.map_or(Ok(Vec::new()), parse_params)?;
        Ok(Self { secure, user, host, port, params, headers: headers.map(Into::into) })
    }

    /// Whether the scheme is `sips`.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// The user part as it is written, `%HH` and all.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The user part as people read it. `None` when there is none, and when it is not UTF-8; a `%00` is a NUL.
    #[must_use]
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        percent_decode_text(self.user.as_deref()?)
    }

    /// The host in lower case: a domain name without a dot at the end, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI parameters in their order, as they are written.
    #[must_use]
    pub fn params(&self) -> &[(String, Option<String>)] {
        &self.params
    }

    /// The value of parameter `name`, in any case and with whatever escapes; `Some(None)` when it is there without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        let (_, value) = self.params.iter().find(|(n, _)| is_same_name(n, name))?;
        Some(value.as_deref())
    }

    /// The headers after the question mark, as they are written.
    #[must_use]
    pub fn headers(&self) -> Option<&str> {
        self.headers.as_deref()
    }

    /// Whether this is a GRUU, with a value or without: one of several instances, or an occupant of a room, never the room.
    #[must_use]
    pub fn has_gr(&self) -> bool {
        self.param("gr").is_some()
    }

    /// The `gr` parameter (RFC 5627 §4) as people read it; `None` also when it has no value or is not UTF-8. Ask
    /// [`SipUri::has_gr`] whether it is there.
    #[must_use]
    pub fn gr(&self) -> Option<Cow<'_, str>> {
        percent_decode_text(self.param("gr")??)
    }

    /// This URI with parameter `name` set, which is what people read and is escaped here. `name` must not be empty.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        // Brackets may stand here by RFC 3261 §25, but not in a URI by RFC 3986 §3.3, and XML schemas look at the latter.
        let encode = |text: &str| percent_encode(text.as_bytes(), |b| is_param_char(b) && !matches!(b, b'[' | b']'));
        let mut changed = self.clone();
        changed.params.retain(|(n, _)| !is_same_name(n, name));
        changed.params.push((encode(name), value.filter(|v| !v.is_empty()).map(encode)));
        changed
    }

    /// The address of the occupant `nick` of this room: its URI with `;gr=` (RFC 7247 §6.5, ADDR-03, ADDR-11).
    #[must_use]
    pub fn with_gr(&self, nick: &str) -> Self {
        self.without_params().with_param("gr", Some(nick))
    }

    /// This URI without parameters and headers.
    #[must_use]
    pub fn without_params(&self) -> Self {
        Self { params: Vec::new(), headers: None, ..self.clone() }
    }

    /// This URI without what a request made of it would have in its header fields and its body.
    #[must_use]
    pub fn without_headers(self) -> Self {
        Self { headers: None, ..self }
    }

    /// The address of record: scheme `sip`, user and host, nothing else.
    #[must_use]
    pub fn aor(&self) -> Self {
        Self { secure: false, port: None, ..self.without_params() }
    }

    /// Whether both name the same person: users equal once unescaped, case and all, and hosts equal. `sip` and `sips` are the
    /// same person (RFC 3261 §19.1), ports, parameters and headers say nothing about it.
    #[must_use]
    pub fn same_aor(&self, other: &Self) -> bool {
        self.aor_key() == other.aor_key()
    }

    /// Equal for two URIs exactly when [`SipUri::same_aor`] holds; has no further meaning.
    #[must_use]
    pub fn aor_key(&self) -> String {
        match &self.user {
            Some(user) => format!("{}@{}", percent_encode(&percent_decode(user), is_user_char), self.host),
            None => self.host.clone(),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for (name, value) in &self.params {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

impl core::str::FromStr for SipUri {
    type Err = SipUriError;

    fn from_str(text: &str) -> Result<Self, SipUriError> {
        Self::parse(text)
    }
}

/// Whether the scheme is `sips`, and what follows its colon.
fn split_scheme(text: &str) -> Result<(bool, &str), SipUriError> {
    let (scheme, rest) = text.split_once(':').ok_or(SipUriError::NotAUri)?;
    if !is_scheme(scheme) {
        return Err(SipUriError::NotAUri);
    }
    match scheme {
        _ if scheme.eq_ignore_ascii_case("sip") => Ok((false, rest)),
        _ if scheme.eq_ignore_ascii_case("sips") => Ok((true, rest)),
        _ if scheme.eq_ignore_ascii_case("tel") => Err(SipUriError::Tel),
        _ => Err(SipUriError::UnsupportedScheme),
    }
}

/// `scheme` of RFC 3261 §25.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn parse_userinfo(userinfo: &str) -> Result<String, SipUriError> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let password_is_right =
        is_percent_encoded(password, |b| is_unreserved(b) || matches!(b, b'&' | b'=' | b'+' | b'$' | b','));
    if user.is_empty() || !is_percent_encoded(user, is_user_char) || !password_is_right {
        return Err(SipUriError::BadUser);
    }
    Ok(user.into())
}

fn parse_hostport(hostport: &str) -> Result<(String, Option<u16>), SipUriError> {
    // The colons of an IPv6 address stand within brackets.
    let after_host = hostport.rfind(']').map_or(hostport, |at| hostport.get(at..).unwrap_or_default());
    let (host, port) = match after_host.split_once(':') {
        Some((_, port)) => {
            let host = hostport.strip_suffix(port).and_then(|h| h.strip_suffix(':')).unwrap_or_default();
            (host, Some(port))
        }
        None => (hostport, None),
    };
    let host = parse_host(host).ok_or(SipUriError::BadHost)?;
    Ok((host, port.map(parse_port).transpose()?))
}

fn parse_port(port: &str) -> Result<u16, SipUriError> {
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SipUriError::BadPort);
    }
    port.parse().map_err(|_| SipUriError::BadPort)
}

/// `host` of RFC 3261 §25, folded.
pub(crate) fn parse_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return Some(format!("[{}]", parse_ipv6(address)?));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(address.to_string());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(ends)
            && label.ends_with(ends)
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // A last label that starts with a digit would be an address gone wrong.
    let top_starts_with_letter = name.rsplit('.').next()?.starts_with(|c: char| c.is_ascii_alphabetic());
    (name.len() <= 253 && top_starts_with_letter && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}

/// The grammar of RFC 3261 §25.1 lets a third colon stand before an IPv4 address; RFC 5118 §4.10 asks to bear with it.
fn parse_ipv6(address: &str) -> Option<Ipv6Addr> {
    match address.split_once(":::") {
        Some((start, v4)) => format!("{start}::{}", v4.parse::<Ipv4Addr>().ok()?).parse().ok(),
        None => address.parse().ok(),
    }
}

fn parse_params(params: &str) -> Result<Vec<(String, Option<String>)>, SipUriError> {
    let mut parsed: Vec<(String, Option<String>)> = Vec::new();
    for param in params.split(';') {
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        };
        let is_right = |text: &str| !text.is_empty() && is_percent_encoded(text, is_param_char);
        let is_new = !parsed.iter().any(|(n, _)| is_same_name(n, name));
        if !is_right(name) || !value.is_none_or(is_right) || !is_new {
            return Err(SipUriError::BadParameter);
        }
        parsed.push((name.into(), value.map(Into::into)));
    }
    Ok(parsed)
}

/// Whether two parameter names are one: `%67r` is `gr` (RFC 3261 §19.1.4), which decides whether an address is the room's.
fn is_same_name(a: &str, b: &str) -> bool {
    percent_decode(a).eq_ignore_ascii_case(&percent_decode(b))
}

fn is_header(header: &str) -> bool {
    let plain = |b| is_unreserved(b) || matches!(b, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$');
    header.split_once('=').is_some_and(|(name, value)| {
        !name.is_empty() && is_percent_encoded(name, plain) && is_percent_encoded(value, plain)
    })
}

const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

const fn is_user_char(b: u8) -> bool {
    is_unreserved(b) || matches!(b, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

const fn is_param_char(b: u8) -> bool {
    is_unreserved(b) || matches!(b, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

#[cfg(test)]
mod tests;
