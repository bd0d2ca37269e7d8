//! How a leg's session gets its connection: where we connect, and what whoever connects to us has to show.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::agreeing::carrier_to_offer;
use super::{Event, Leg, State};
use crate::env::Env;
use crate::time::Instant;
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;
use crate::wire::sdp::{Carrier, Family, Fingerprint, Offer};

/// The port where a URI names none (RFC 4975 §15.4).
const DEFAULT_PORT: u16 = 2855;

/// Where MSRP connections reach this node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MsrpAddresses {
    /// All that is listened on, those first that fit where the call came in.
    pub places: Vec<MsrpPlace>,
    /// The certificate that we show on the secure ones, as `a=fingerprint` (RFC 8122 §5).
    pub certificate: Option<Fingerprint>,
}

/// What is said of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsrpPlace {
    /// What comes in there. `ws` without TLS is not RFC 7977's: a proxy in front of us may have ended it.
    pub carrier: Carrier,
    /// Host of `a=path`.
    pub host: String,
    /// Port of `a=path`.
    pub port: u16,
    /// Who can connect to it; `None`: clients of both families.
    pub family: Option<Family>,
}

impl MsrpAddresses {
    /// The place for a connection of this kind: of the family that the client has, where that is known and there is such a one
    /// (SIP-19).
    #[must_use]
    pub fn place(&self, carrier: Carrier, family: Option<Family>) -> Option<&MsrpPlace> {
        let of_kind = || self.places.iter().filter(|place| place.carrier == carrier);
        let fits = |place: &&MsrpPlace| family.is_none() || place.family.is_none() || place.family == family;
        of_kind().find(fits).or_else(|| of_kind().next())
    }

    /// Whether such connections are listened for.
    #[must_use]
    pub fn has(&self, carrier: Carrier) -> bool {
        self.place(carrier, None).is_some()
    }

    /// The kinds that are listened for.
    #[must_use]
    pub fn carriers(&self) -> Vec<Carrier> {
        self.places.iter().map(|place| place.carrier).collect()
    }
}

/// What a connection that asks for a session has to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    /// Under TLS: the path that we gave out is `msrps:` (MS-TLS-01).
    pub secure: bool,
    /// Its peer shows a certificate with one of these fingerprints; empty where the peer announced none (RFC 4975 §14.4).
    pub fingerprints: Vec<Fingerprint>,
}

/// Where we connect as the active side, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host of the first URI of the path, or the address of `c=` (CEMA).
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Under TLS.
    pub secure: bool,
    /// Whose certificate it has to be, where no fingerprint says so.
    pub name: String,
    /// The certificates that will do, as the offer names them; empty: one that a known authority gave to `name`.
    pub fingerprints: Vec<Fingerprint>,
}

impl Target {
    /// The first URI of the peer's path, be it his own or that of a relay (MS-SDP-02, ACM-07).
    #[must_use]
    pub fn first_hop(path: &Path) -> Self {
        let hop = path.next_hop();
        let host = hop.host().trim_start_matches('[').trim_end_matches(']');
        Self {
            host: host.into(),
            port: hop.port().unwrap_or(DEFAULT_PORT),
            secure: hop.secure(),
            name: host.into(),
            fingerprints: Vec::new(),
        }
    }
}

/// Connections that we make anew within one call, at the most at once; more are paced. A client moves from one network to the
/// next, but nobody may have us knock at a hundred doors (RFC 4975 §14.5).
const RECONNECTS: u32 = 4;
/// After how long there may be one more.
const RECONNECT_PAUSE: Duration = Duration::from_secs(10);

/// How often we follow a caller who moves.
#[derive(Debug, Default)]
pub(super) struct Reconnects {
    /// When the next would be due if they came evenly.
    next: Instant,
}

impl Reconnects {
    /// Whether there may be another now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next <= now + RECONNECT_PAUSE * (RECONNECTS - 1)
    }

    /// There is another.
    pub(super) fn count(&mut self, now: Instant) {
        self.next = self.next.max(now) + RECONNECT_PAUSE;
    }
}

impl Leg {
    /// What carries the session: what the caller offered, or what we offer him.
    pub(super) fn carrier(&self) -> Carrier {
        let offered = self.peer.known().map(Offer::carrier);
        offered.or_else(|| carrier_to_offer(&self.dial).ok()).unwrap_or(Carrier::Tcp)
    }

    /// A URI of ours for a new session with a peer who says this of himself, and its session-id.
    pub(super) fn own_uri(&self, env: &mut Env<'_>, peer: Option<&Offer>) -> Option<(String, MsrpUri)> {
        let session_id = env.token();
        let carrier = peer.map_or_else(|| self.carrier(), Offer::carrier);
        let place = self.dial.msrp.place(carrier, peer.and_then(Offer::family))?;
        let uri = MsrpUri::new(carrier.is_secure(), &place.host, place.port, &session_id).ok()?;
        if !carrier.is_websocket() {
            return Some((session_id, uri));
        }
        let over_websocket = format!("{};ws", uri.as_str().strip_suffix(";tcp")?);
        Some((session_id, MsrpUri::parse(&over_websocket).ok()?))
    }

    /// Lets the caller's connection bind to the session.
    pub(super) fn open_session(&self, out: &mut Vec<Event>) {
        if let State::Answered(answered) = &self.state
            && let Some(session_id) = answered.session.own().session_id()
        {
            self.open_session_as(session_id.into(), out);
        }
    }

    pub(super) fn open_session_as(&self, session_id: String, out: &mut Vec<Event>) {
        let fingerprints = self.peer.known().map(|known| known.fingerprints(&self.conditions())).unwrap_or_default();
        let secure = self.carrier().is_secure();
        out.push(Event::OpenSession(session_id, Expectation { secure, fingerprints }));
    }

    /// Where we connect: to the first hop of the path, or, where both sides know CEMA, to the address in front of it (CEMA-02).
    pub(super) fn target(&self, known: &Offer) -> Target {
        let mut target = Target::first_hop(known.path());
        if let Some((host, port)) = known.middlebox() {
            (target.host, target.port) = (host.into(), port);
        }
        target.fingerprints = known.fingerprints(&self.conditions());
        target
    }
}
