//! Which streams we can have: what this node listens for, what its room asks for, and what its operator leaves open.

use alloc::string::String;
use alloc::vec::Vec;

use super::stream::{Stream, StreamError};
use super::{Carrier, Setup};

/// What an offer, or an answer to ours, has to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// What can carry the session here.
    pub carriers: Vec<Carrier>,
    /// Nothing without TLS will do (SW-37).
    pub tls_only: bool,
    /// Who does not say `a=msrp-cema` has `c=` and `m=` lines that lead to his path (CEMA-03).
    pub cema_strict: bool,
    /// Fingerprints by SHA-1 will do (MS-TLS-02).
    pub sha1_fingerprints: bool,
}

impl Default for Conditions {
    /// Plain TCP, and nothing asked for.
    fn default() -> Self {
        Self { carriers: Vec::from([Carrier::Tcp]), tls_only: false, cema_strict: false, sha1_fingerprints: false }
    }
}

/// Why there is nothing to answer: 488, with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Not SDP at all, or not SDP only.
    #[error("the offer is not SDP: {0}")]
    NotSdp(String),
    /// No `m=message` line with TCP/MSRP or TCP/TLS/MSRP and a port other than 0 (MS-SDP-07).
    #[error("the offer has no MSRP stream; offer m=message … TCP/MSRP *")]
    NoMsrp,
    /// GC-JOIN-02.
    #[error("the MSRP stream has no a=path")]
    NoPath,
    /// `a=path` is empty, too long, or holds something else than MSRP URIs with ports, the last with a session-id (MS-SDP-03).
    #[error("a=path is not a list of MSRP URIs with port and session-id")]
    BadPath,
    /// `msrps:` with TCP/MSRP, or `msrp:` with TCP/TLS/MSRP (MS-TLS-03).
    #[error("the scheme in a=path does not fit the m= line: msrp: goes with TCP/MSRP, msrps: with TCP/TLS/MSRP")]
    SchemeMismatch,
    /// The first URI of the path is reached by something else than TCP or WebSocket.
    #[error("the transport in a=path is neither tcp nor ws")]
    UnknownTransport,
    /// GC-JOIN-04.
    #[error("the offer does not accept message/cpim; add it to a=accept-types")]
    NoCpim,
    /// The node listens for no such connections.
    #[error("{}", not_available(*.0))]
    NotAvailable(Carrier),
    /// SW-37.
    #[error("this room takes MSRP under TLS only; offer TCP/TLS/MSRP with an msrps: path")]
    TlsOnly,
    /// There are fingerprints, and none that can be compared or is strong enough: taking anybody instead would be worse than
    /// nothing (MS-TLS-02).
    #[error("no a=fingerprint is of use here; give one by SHA-256")]
    NoUsableFingerprint,
    /// CEMA-03.
    #[error("c= and m= lead elsewhere than a=path; let them agree, or say a=msrp-cema")]
    CemaMissing,
    /// A browser takes no connections (RFC 7977 §5).
    #[error("nobody can connect to a WebSocket client; offer a=setup:active")]
    PassiveWebSocket,
    /// RFC 4145 §4.1: port 9 is that of who does not listen.
    #[error("a=setup:passive with a port where nobody listens; offer the port, or a=setup:active")]
    PassiveWithoutPort,
}

const fn not_available(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Tcp => "plain MSRP is not available here; offer TCP/TLS/MSRP with an msrps: path",
        Carrier::Tls => "MSRP over TLS is not available here; offer TCP/MSRP with an msrp: path",
        Carrier::Ws => "MSRP over WebSocket without TLS is not available here; offer msrps: or TCP",
        Carrier::Wss => "MSRP over WebSocket is not available here; offer a path with ;tcp",
    }
}

impl From<StreamError> for OfferError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::NoPath => Self::NoPath,
            StreamError::BadPath => Self::BadPath,
            StreamError::SchemeMismatch => Self::SchemeMismatch,
            StreamError::UnknownTransport => Self::UnknownTransport,
        }
    }
}

impl Conditions {
    /// Whether we can have this stream.
    pub(super) fn judge(&self, stream: &Stream) -> Result<(), OfferError> {
        if self.tls_only && !stream.carrier.is_secure() {
            return Err(OfferError::TlsOnly);
        }
        if !self.carriers.contains(&stream.carrier) {
            return Err(OfferError::NotAvailable(stream.carrier));
        }
        if !stream.accepts_cpim {
            return Err(OfferError::NoCpim);
        }
        if stream.setup == Some(Setup::Passive) {
            if stream.carrier.is_websocket() {
                return Err(OfferError::PassiveWebSocket);
            }
            if !stream.is_reachable() {
                return Err(OfferError::PassiveWithoutPort);
            }
        }
        if stream.announces_certificate() && stream.fingerprints(self.sha1_fingerprints).is_empty() {
            return Err(OfferError::NoUsableFingerprint);
        }
        if self.cema_strict && !stream.cema && stream.leads_elsewhere() {
            return Err(OfferError::CemaMissing);
        }
        Ok(())
    }
}
