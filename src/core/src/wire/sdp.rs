//! SDP with one MSRP stream (RFC 4975 §8, RFC 6135, RFC 7701 §8): what is offered to us and what we answer, and the other way
//! round for our own client.
//!
//! `sdp-types` reads and writes the lines, and drops CR, LF and NUL from what it writes; what the lines mean is here. Liberal in
//! reading: `v=`, `o=`, `s=`, `t=` and `c=` lines may be missing or in any order (E-04), attributes may stand at session level,
//! and `a=path` alone says where to connect (E-15, MS-SDP-01). `a=connection` is never looked at and never written (ACM-06).

use alloc::string::String;
use alloc::vec::Vec;

use sdp_types::{Media, ParserError, Session};

use super::media_type::{AcceptTypes, MediaType};
use super::msrp::frame::Path;
use super::msrp::uri::MsrpUri;

mod client;
mod offer;
mod reoffer;
mod write;

pub use client::{AnswerError, ClientOffer, RemoteAnswer, build_offer};
pub use offer::{Answer, Offer, OfferError};
pub use reoffer::{Removal, Reoffer};

/// The longest SDP that is read, in octets. Real offers have less than 4 KiB.
pub const MAX_LEN: usize = 64 * 1024;

/// Who connects (RFC 4145 §4, RFC 6135 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// The one who says so connects.
    Active,
    /// The one who says so is connected to.
    Passive,
    /// Either.
    Actpass,
}

impl Setup {
    /// The value of `a=setup`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Actpass => "actpass",
        }
    }
}

/// Who sends content (RFC 8866 §6.7; MS-SDP-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both. The default.
    #[default]
    SendRecv,
    /// The one who says so, alone.
    SendOnly,
    /// The other, alone.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    const ALL: [(Self, &'static str); 4] = [
        (Self::SendRecv, "sendrecv"),
        (Self::SendOnly, "sendonly"),
        (Self::RecvOnly, "recvonly"),
        (Self::Inactive, "inactive"),
    ];

    /// The same as the other side has to say it (RFC 3264 §6.1).
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            same => same,
        }
    }

    /// Whether the one who says so sends content.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the one who says so takes content.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The name of the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(direction, _)| *direction == self).map_or("sendrecv", |(_, name)| *name)
    }
}

/// What an MSRP stream says of itself, in an offer or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    tls: bool,
    path: Path,
    setup: Option<Setup>,
    direction: Direction,
    accept: AcceptTypes,
    accepts_cpim: bool,
    wrapped: AcceptTypes,
    chatroom: Option<Vec<String>>,
    max_size: Option<u64>,
}

/// Why a media description is not an MSRP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamError {
    NoPath,
    BadPath,
    SchemeMismatch,
}

impl Stream {
    fn parse(session: &Session, media: &Media) -> Result<Self, StreamError> {
        let tls = tls(media).unwrap_or(false);
        let path = parse_path(attribute(session, media, "path").ok_or(StreamError::NoPath)?)?;
        if path.next_hop().secure() != tls {
            return Err(StreamError::SchemeMismatch);
        }
        let accept = AcceptTypes::parse(attribute(session, media, "accept-types").unwrap_or_default());
        let cpim = MediaType::parse("message/cpim").ok();
        Ok(Self {
            tls,
            path,
            setup: attribute(session, media, "setup").and_then(parse_setup),
            direction: direction(session, media),
            accepts_cpim: cpim.is_some_and(|cpim| accept.accepts(&cpim)),
            accept,
            wrapped: AcceptTypes::parse(attribute(session, media, "accept-wrapped-types").unwrap_or_default()),
            chatroom: attribute(session, media, "chatroom")
                .map(|tokens| tokens.split_ascii_whitespace().map(Into::into).collect()),
            max_size: attribute(session, media, "max-size").and_then(|size| size.trim().parse().ok()),
        })
    }
}

/// Reads the lines.
fn parse_session(sdp: &[u8]) -> Result<Session, String> {
    if sdp.len() > MAX_LEN {
        return Err(alloc::format!("longer than {MAX_LEN} octets"));
    }
    let session = match Session::parse(sdp) {
        Err(ParserError::NoVersion) => Session::parse(&[b"v=0\r\n", sdp].concat()),
        parsed => parsed,
    };
    session.map_err(|error| alloc::format!("{error}"))
}

/// Whether `media` is MSRP over TLS; `None` when it is no MSRP.
fn tls(media: &Media) -> Option<bool> {
    if !media.media.eq_ignore_ascii_case("message") {
        return None;
    }
    match media.proto.as_str() {
        proto if proto.eq_ignore_ascii_case("TCP/MSRP") => Some(false),
        proto if proto.eq_ignore_ascii_case("TCP/TLS/MSRP") => Some(true),
        _ => None,
    }
}

/// The value of attribute `name` of the stream, else of the session; empty when it has none.
fn attribute<'a>(session: &'a Session, media: &'a Media, name: &str) -> Option<&'a str> {
    let attributes = media.attributes.iter().chain(&session.attributes);
    attributes.into_iter().find(|a| a.attribute == name).map(|a| a.value.as_deref().unwrap_or_default())
}

/// MSRP URIs separated by blanks; several where there are relays (MS-SDP-02).
fn parse_path(value: &str) -> Result<Path, StreamError> {
    let mut uris = Vec::new();
    for word in value.split_ascii_whitespace() {
        if uris.len() >= Path::MAX_LEN {
            return Err(StreamError::BadPath);
        }
        // There is no default port (RFC 4975 §6).
        let uri = MsrpUri::parse(word).ok().filter(|uri| uri.port().is_some());
        uris.push(uri.ok_or(StreamError::BadPath)?);
    }
    // Without a session-id the last URI names a device, not a session on it (§6).
    Path::from_uris(uris).filter(|path| path.endpoint().session_id().is_some()).ok_or(StreamError::BadPath)
}

/// `holdconn` and unknown values are ignored as if the attribute were not there (ACM-02).
fn parse_setup(value: &str) -> Option<Setup> {
    [Setup::Active, Setup::Passive, Setup::Actpass].into_iter().find(|s| s.as_str().eq_ignore_ascii_case(value.trim()))
}

fn direction(session: &Session, media: &Media) -> Direction {
    let attributes = media.attributes.iter().chain(&session.attributes);
    attributes
        .into_iter()
        .find_map(|a| Direction::ALL.iter().find(|(_, name)| a.attribute == *name))
        .map(|(direction, _)| *direction)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
