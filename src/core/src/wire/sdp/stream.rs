//! What an MSRP stream says of itself, in an offer or an answer: every attribute is read here, once.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use sdp_types::{Media, Session};

use super::{Carrier, Direction, Fingerprint, Setup};
use crate::wire::media_type::{AcceptTypes, MediaType};
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;

/// The port of who does not listen (RFC 4145 §4.1: "discard").
const NOBODY_LISTENS: u16 = 9;
/// Fingerprints that are read of one stream; who has more certificates than that shows another.
const MAX_FINGERPRINTS: usize = 8;

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) carrier: Carrier,
    pub(super) path: Path,
    pub(super) setup: Option<Setup>,
    pub(super) direction: Direction,
    pub(super) accept: AcceptTypes,
    pub(super) accepts_cpim: bool,
    pub(super) wrapped: AcceptTypes,
    pub(super) chatroom: Option<Vec<String>>,
    pub(super) max_size: Option<u64>,
    /// `a=msrp-cema` (RFC 6714 §5).
    pub(super) cema: bool,
    /// Host of the `c=` line and port of the `m=` line; `None` without a `c=` line.
    pub(super) address: Option<(String, u16)>,
    /// Whether there is any `a=fingerprint`.
    pub(super) has_fingerprint: bool,
    /// Those that can be compared.
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// Why a media description is not an MSRP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamError {
    NoPath,
    BadPath,
    SchemeMismatch,
    UnknownTransport,
}

impl Stream {
    pub(super) fn parse(session: &Session, media: &Media) -> Result<Self, StreamError> {
        let path = parse_path(attribute(session, media, "path").ok_or(StreamError::NoPath)?)?;
        let carrier = Carrier::of(path.next_hop()).ok_or(StreamError::UnknownTransport)?;
        // MS-TLS-03. Of the URIs behind a relay nothing is known here, nor need it be.
        if carrier.is_secure() != is_tls(media).unwrap_or(false) {
            return Err(StreamError::SchemeMismatch);
        }
        let accept = AcceptTypes::parse(attribute(session, media, "accept-types").unwrap_or_default());
        let cpim = MediaType::parse("message/cpim").ok();
        let connection = media.connections.first().or(session.connection.as_ref());
        let fingerprints = fingerprints(session, media);
        Ok(Self {
            carrier,
            path,
            setup: attribute(session, media, "setup").and_then(parse_setup),
            direction: direction(session, media),
            accepts_cpim: cpim.is_some_and(|cpim| accept.accepts(&cpim)),
            accept,
            wrapped: AcceptTypes::parse(attribute(session, media, "accept-wrapped-types").unwrap_or_default()),
            chatroom: attribute(session, media, "chatroom")
                .map(|tokens| tokens.split_ascii_whitespace().map(Into::into).collect()),
            max_size: attribute(session, media, "max-size").and_then(|size| size.trim().parse().ok()),
            cema: media.attributes.iter().any(|a| a.attribute == "msrp-cema"),
            address: connection.map(|connection| (connection.connection_address.clone(), media.port)),
            has_fingerprint: !fingerprints.is_empty(),
            fingerprints: fingerprints.iter().filter_map(|value| value.parse().ok()).collect(),
        })
    }

    /// Whether the peer says which certificate he will show. One behind a relay says it of himself, and we meet the relay; a
    /// WebSocket client has none to show.
    pub(super) fn announces_certificate(&self) -> bool {
        self.has_fingerprint && self.carrier == Carrier::Tls && self.path.is_direct()
    }

    /// The certificates that the peer may show, by the strongest of the hash functions that he used, as RFC 8122 §5.1 has it:
    /// else the weakest would decide. Empty where he announced none.
    pub(super) fn fingerprints(&self, with_sha1: bool) -> Vec<Fingerprint> {
        if !self.announces_certificate() {
            return Vec::new();
        }
        let allowed = || self.fingerprints.iter().filter(|f| with_sha1 || f.hash != super::Hash::Sha1);
        let strongest = allowed().map(|f| f.hash).max();
        allowed().filter(|f| Some(f.hash) == strongest).cloned().collect()
    }

    /// Whether we could connect to the peer, as far as he says.
    pub(super) fn is_reachable(&self) -> bool {
        let hop = self.path.next_hop();
        let is_listening = hop.port().is_some_and(|port| port != 0 && port != NOBODY_LISTENS);
        !self.carrier.is_websocket() && is_listening && hop.address().is_none_or(is_of_a_host)
    }

    /// Where to connect when both sides know CEMA.
    pub(super) fn middlebox(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.as_ref()?;
        let is_usable = host.parse().map_or(!host.is_empty(), is_of_a_host) && *port != 0 && *port != NOBODY_LISTENS;
        is_usable.then_some((host.as_str(), *port))
    }

    /// Whether the connection is made to the address of the `c=` and `m=` lines, when we are the active side or not: both sides
    /// know CEMA, and no relay makes the connection (RFC 6714 §4.3).
    pub(super) fn agrees_on_cema(&self, we_are_active: bool) -> bool {
        self.cema && (self.path.is_direct() || we_are_active)
    }

    /// Whether the `c=` and `m=` lines lead elsewhere than any URI of the path (RFC 6714 §4.4). A name and an address may be the
    /// same host: nobody is asked, and nobody is refused for it (CEMA-05).
    pub(super) fn leads_elsewhere(&self) -> bool {
        let Some((host, port)) = &self.address else { return false };
        !self.path.iter().any(|uri| uri.port() == Some(*port) && may_be_same_host(uri, host))
    }
}

/// Not 0.0.0.0, which some say on hold and which leads to ourselves, and not a group.
fn is_of_a_host(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

fn may_be_same_host(uri: &MsrpUri, host: &str) -> bool {
    match (uri.address(), host.parse::<IpAddr>()) {
        (Some(one), Ok(other)) => one.to_canonical() == other.to_canonical(),
        (None, Err(_)) => uri.host().trim_end_matches('.').eq_ignore_ascii_case(host.trim_end_matches('.')),
        _ => true,
    }
}

/// Whether `media` is MSRP over TLS; `None` when it is no MSRP.
pub(super) fn is_tls(media: &Media) -> Option<bool> {
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

/// Those of the stream, or, when it has none, those of the session (RFC 8122 §5).
fn fingerprints<'a>(session: &'a Session, media: &'a Media) -> Vec<&'a str> {
    let of = |attributes: &'a [sdp_types::Attribute]| -> Vec<&'a str> {
        let values = attributes.iter().filter(|a| a.attribute == "fingerprint");
        values.map(|a| a.value.as_deref().unwrap_or_default()).take(MAX_FINGERPRINTS).collect()
    };
    let own = of(&media.attributes);
    if own.is_empty() { of(&session.attributes) } else { own }
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
