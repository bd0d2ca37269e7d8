//! MSRP URIs (RFC 4975 §6): parsing, exact printing, and the comparison that decides whether a request is for a session.
//!
//! Owns the grammar of one URI. Never resolves a host and never chooses a session identifier.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::{format, vec::Vec};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::split_at_octet;

/// An MSRP URI (RFC 4975 §6), kept as it was written, so that echoing it is exact.
///
/// `==` compares the text; whether two URIs mean the same session is [`MsrpUri::is_same_session`]. The text is shared by all
/// clones: a session writes its two URIs into every message.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MsrpUri {
    text: Arc<str>,
    secure: bool,
    host: Part,
    port: Option<u16>,
    session_id: Option<Part>,
    transport: Part,
}

/// Where a part of the text is; [`MsrpUri::MAX_LEN`] fits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Part {
    start: u16,
    end: u16,
}

impl Part {
    /// The part that ends `after` octets before the end of `text`, which `text` is long enough for.
    fn new(text: &str, part: &str, after: usize) -> Self {
        let end = text.len().saturating_sub(after);
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        Self { start: place(end.saturating_sub(part.len())), end: place(end) }
    }

    fn of(self, text: &str) -> &str {
        text.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }
}

/// Why a text is not an MSRP URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// More than [`MsrpUri::MAX_LEN`] octets.
    #[error("the URI is longer than {} octets", MsrpUri::MAX_LEN)]
    TooLong,
    /// Neither `msrp://` nor `msrps://`.
    #[error("the URI does not begin with msrp:// or msrps://")]
    Scheme,
    /// What precedes `@` is not a userinfo (RFC 3986 §3.2.1).
    #[error("the part before the @ holds a character that has to be percent-encoded")]
    UserInfo,
    /// No host, or one that is neither a name nor an address.
    #[error("the host is neither a name, nor an IPv4 address, nor an IPv6 address in brackets")]
    Host,
    /// Not a decimal number below 65536.
    #[error("the port is not a number from 0 to 65535")]
    Port,
    /// Empty, or of other characters than letters, digits and `-._~+=/`.
    #[error("the session-id is empty or holds other characters than letters, digits and -._~+=/")]
    SessionId,
    /// Missing, or of other characters than letters and digits.
    #[error("the transport is missing; write ;tcp at the end")]
    Transport,
    /// Not `token` or `token=token`.
    #[error("a parameter after the transport is not of the form name or name=value")]
    Parameter,
}

impl MsrpUri {
    /// The longest URI that is taken, in octets. RFC 4975 sets no bound; relays make the longest known, at some 300.
    pub const MAX_LEN: usize = 1024;

    /// Parses `text`, all of which must be the URI.
    ///
    /// # Errors
    /// The first part that is not as RFC 4975 §9 has it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > Self::MAX_LEN {
            return Err(UriError::TooLong);
        }
        let (secure, rest) = split_scheme(text).ok_or(UriError::Scheme)?;
        // No part after the userinfo may hold an @, so the only one there is ends it.
        let rest = match split_at_octet(rest, b'@') {
            Some((userinfo, after)) => {
                let fits = userinfo.bytes().all(|b| b == b'%' || b == b':' || is_unreserved(b) || is_sub_delim(b));
                if !fits || percent_decode(userinfo).is_none() {
                    return Err(UriError::UserInfo);
                }
                after
            }
            None => rest,
        };
        let (before_parameters, parameters) = split_at_octet(rest, b';').ok_or(UriError::Transport)?;
        let (authority, session_id) = match split_at_octet(before_parameters, b'/') {
            Some((authority, session_id)) => (authority, Some(session_id)),
            None => (before_parameters, None),
        };
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        if session_id.is_some_and(|id| id.is_empty() || !id.bytes().all(is_session_char)) {
            return Err(UriError::SessionId);
        }
        let (transport, more) = match split_at_octet(parameters, b';') {
            Some((transport, more)) => (transport, Some(more)),
            None => (parameters, None),
        };
        if transport.is_empty() || !transport.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(UriError::Transport);
        }
        if more.is_some_and(|more| !more.split(';').all(is_parameter)) {
            return Err(UriError::Parameter);
        }

        // Counted from the end of the text, where nothing of unknown length follows.
        let after_host = rest.len().saturating_sub(host.len());
        let after_session_id = parameters.len().saturating_add(1);
        let after_transport = parameters.len().saturating_sub(transport.len());
        Ok(Self {
            text: text.into(),
            secure,
            host: Part::new(text, host, after_host),
            port,
            session_id: session_id.map(|id| Part::new(text, id, after_session_id)),
            transport: Part::new(text, transport, after_transport),
        })
    }

    /// Our own URI of a session over TCP or TLS: `msrp[s]://host:port/session_id;tcp`.
    ///
    /// An IPv6 address may come with or without brackets.
    ///
    /// # Errors
    /// The part that does not fit the grammar of RFC 4975 §9.
    pub fn new(secure: bool, host: &str, port: u16, session_id: &str) -> Result<Self, UriError> {
        let scheme = if secure { "msrps" } else { "msrp" };
        check_host(host).or_else(|error| host.parse::<Ipv6Addr>().map(drop).map_err(|_| error))?;
        if session_id.is_empty() || !session_id.bytes().all(is_session_char) {
            return Err(UriError::SessionId);
        }
        let text = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("{scheme}://[{address}]:{port}/{session_id};tcp"),
            Err(_) => format!("{scheme}://{host}:{port}/{session_id};tcp"),
        };
        Self::parse(&text)
    }

    /// Whether the scheme is `msrps`, which requires TLS.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// The host as written; an IPv6 address in its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.of(&self.text)
    }

    /// The host as an address, when it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        parse_address(&percent_decode(self.host())?)
    }

    /// The port, when written. There is no default (RFC 4975 §6).
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The session identifier. Without one the URI names a relay.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.map(|part| part.of(&self.text))
    }

    /// The transport as written, `tcp` as a rule.
    #[must_use]
    pub fn transport(&self) -> &str {
        self.transport.of(&self.text)
    }

    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both mean the same session, by the comparison of RFC 4975 §6.1: userinfo and further parameters do not count.
    #[must_use]
    pub fn is_same_session(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.port == other.port
            && self.session_id() == other.session_id()
            && self.transport().eq_ignore_ascii_case(other.transport())
            && is_same_host(self.host(), other.host())
    }
}

impl fmt::Display for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl core::str::FromStr for MsrpUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// Whether the scheme is `msrps`, and what follows `://`.
fn split_scheme(text: &str) -> Option<(bool, &str)> {
    [("msrp://", false), ("msrps://", true)].into_iter().find_map(|(scheme, secure)| {
        let (begun, rest) = text.split_at_checked(scheme.len())?;
        begun.eq_ignore_ascii_case(scheme).then_some((secure, rest))
    })
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UriError> {
    // The colons of an IPv6 address are inside its brackets.
    let bracket = if authority.starts_with('[') { memchr::memchr(b']', authority.as_bytes()) } else { None };
    let (address, rest) = authority.split_at_checked(bracket.unwrap_or(0)).unwrap_or(("", authority));
    let (host, port) = match memchr::memrchr(b':', rest.as_bytes()).and_then(|at| rest.split_at_checked(at)) {
        Some((before, port)) => {
            let host = authority.get(..address.len().saturating_add(before.len())).unwrap_or_default();
            (host, port.get(1..))
        }
        None => (authority, None),
    };
    let Some(port) = port else { return Ok((host, None)) };
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    port.parse().map(|port| (host, Some(port))).map_err(|_| UriError::Port)
}

fn check_host(host: &str) -> Result<(), UriError> {
    if host.starts_with('[') {
        return parse_address(host).map(drop).ok_or(UriError::Host);
    }
    let fits = host.bytes().all(|b| b == b'%' || is_unreserved(b) || (is_sub_delim(b) && b != b';'));
    (!host.is_empty() && fits && percent_decode(host).is_some()).then_some(()).ok_or(UriError::Host)
}

fn parse_address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn is_same_host(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (percent_decode(one), percent_decode(other)) else { return false };
    match (parse_address(&one), parse_address(&other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.eq_ignore_ascii_case(&other),
    }
}

/// Undoes percent-encoding; `None` when it is broken or hides something that is not UTF-8.
fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'%' {
            let (high, low) = (hex_digit(rest.next()?)?, hex_digit(rest.next()?)?);
            octets.push(high << 4 | low);
        } else {
            octets.push(octet);
        }
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}

fn hex_digit(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_parameter(parameter: &str) -> bool {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(super::is_token_char);
    match parameter.split_once('=') {
        Some((name, value)) => is_token(name) && is_token(value),
        None => is_token(parameter),
    }
}

const fn is_session_char(b: u8) -> bool {
    is_unreserved(b) || matches!(b, b'+' | b'=' | b'/')
}

const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

const fn is_sub_delim(b: u8) -> bool {
    matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}
