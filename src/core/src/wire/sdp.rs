//! SDP with one MSRP stream (RFC 4975 §8, RFC 6135, RFC 6714, RFC 7701 §8): what is offered to us and what we answer, and the
//! other way round, for calls without an offer and for our own client.
//!
//! `sdp-types` reads and writes the lines, and drops CR, LF and NUL from what it writes; what the lines mean is here. Liberal in
//! reading: `v=`, `o=`, `s=`, `t=` and `c=` lines may be missing or in any order (E-04), attributes may stand at session level,
//! and unless both sides know CEMA `a=path` alone says where to connect (E-15, MS-SDP-01). `a=connection` is never looked at and never written (ACM-06).

use alloc::string::String;
use core::net::IpAddr;

use sdp_types::{AddrType, ParserError, Session};

mod carrier;
mod client;
mod conditions;
mod fingerprint;
mod offer;
mod reoffer;
mod stream;
mod write;

pub use carrier::Carrier;
pub use client::{AnswerError, ClientOffer, RemoteAnswer, build_offer};
pub use conditions::{Conditions, OfferError};
pub use fingerprint::{BadFingerprint, Fingerprint, Hash};
pub use offer::{Answer, Offer};
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

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address. One of IPv4 that is written as one of IPv6 is one of IPv4.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// That of a `c=` line (RFC 8866 §5.7).
    const fn named(kind: &AddrType) -> Option<Self> {
        match kind {
            AddrType::Ip4 => Some(Self::V4),
            AddrType::Ip6 => Some(Self::V6),
            AddrType::Other(_) => None,
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

#[cfg(test)]
mod tests;
