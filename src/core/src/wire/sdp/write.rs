//! What offers and answers of ours have in common: complete and in the order of RFC 8866 §5.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use bytes::Bytes;
use sdp_types::{AddrType, Attribute, Connection, Media, NetType, Origin, Session, Time};

use super::{Carrier, Direction, Fingerprint, Setup};
use crate::wire::msrp::uri::MsrpUri;

/// The recommended port (RFC 4975 §15.4), should a URI of ours name none, which it never does.
const RECOMMENDED_PORT: u16 = 2855;

/// Our side of an MSRP stream.
pub(super) struct MsrpLines<'a> {
    pub path: &'a MsrpUri,
    pub setup: Setup,
    pub direction: Direction,
    pub max_size: Option<u64>,
    /// `None` where nothing is said of chat rooms.
    pub chatroom: Option<&'a [&'a str]>,
    pub wrapped: &'a str,
    /// Said of streams under TLS only.
    pub certificate: Option<&'a Fingerprint>,
    pub cema: bool,
}

/// A session without media: `v`, `o`, `s`, `c`, and a `t=0 0`. `family` is that of a `host` which is a name; addresses have their
/// own (RFC 8866 §5.7).
pub(super) fn session(host: &str, family: &AddrType, id: u64, version: u64) -> Session {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let family = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => AddrType::Ip4,
        Ok(IpAddr::V6(_)) => AddrType::Ip6,
        Err(_) => family.clone(),
    };
    let origin = Origin::new(id, version, NetType::In, family.clone(), host);
    let mut session = Session::new(origin, "-");
    session.connection = Some(Connection::new(NetType::In, family, host));
    session.times.push(Time::new(0, 0));
    session
}

/// The media description of an MSRP stream whose messages are all `message/cpim`.
pub(super) fn msrp_media(lines: &MsrpLines<'_>) -> Media {
    let mut attributes = Vec::from([
        Attribute::with_value("accept-types", "message/cpim"),
        Attribute::with_value("accept-wrapped-types", lines.wrapped),
    ]);
    match lines.chatroom {
        None => {}
        Some([]) => attributes.push(Attribute::new("chatroom")),
        Some(tokens) => attributes.push(Attribute::with_value("chatroom", tokens.join(" "))),
    }
    attributes.push(Attribute::with_value("setup", lines.setup.as_str()));
    attributes.push(Attribute::with_value("path", lines.path.to_string()));
    if let Some(certificate) = lines.certificate.filter(|_| lines.path.secure()) {
        attributes.push(Attribute::with_value("fingerprint", certificate.to_string()));
    }
    if lines.cema {
        attributes.push(Attribute::new("msrp-cema"));
    }
    if let Some(size) = lines.max_size {
        attributes.push(Attribute::with_value("max-size", size));
    }
    if lines.direction != Direction::SendRecv {
        attributes.push(Attribute::new(lines.direction.as_str()));
    }
    Media {
        media: "message".into(),
        port: lines.path.port().unwrap_or(RECOMMENDED_PORT),
        num_ports: None,
        proto: String::from(Carrier::of(lines.path).unwrap_or(Carrier::Tcp).proto()),
        fmt: "*".into(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes,
    }
}

/// The media description that refuses `offered` (RFC 3264 §6).
pub(super) fn refused(offered: &Media) -> Media {
    Media {
        media: offered.media.clone(),
        port: 0,
        num_ports: None,
        proto: offered.proto.clone(),
        fmt: offered.fmt.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

pub(super) fn write(session: &Session) -> Bytes {
    let mut written = Vec::new();
    // A vector takes everything that is written to it.
    let complete = session.write(&mut written);
    debug_assert!(complete.is_ok(), "{complete:?}");
    Bytes::from(written)
}
