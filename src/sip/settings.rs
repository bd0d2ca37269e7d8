//! What the configuration says to the SIP driver, checked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use mucfocus_core::address::sip_uri::SipUri;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::dns::Dns;
use crate::tls::Tls;
use crate::ws::Origins;

/// A transport of SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// RFC 3261 §18.
    Udp,
    /// RFC 3261 §18.
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2).
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Whether it has connections: it keeps the order, loses nothing, and shows where the peer is.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody between can read it.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it is a WebSocket, which nobody but its client can open.
    #[must_use]
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Its name in the configuration and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Its name in a Via (RFC 3261 §20.42, RFC 7118 §5.2).
    #[must_use]
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// What the `transport` parameter of a URI says (RFC 3261 §19.1.1, RFC 7118 §5.2); none for UDP, which is what a URI without it
    /// means. `tls` is deprecated there and what everybody writes: with `sips` the whole way would have to be secure.
    #[must_use]
    pub const fn uri_parameter(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls => Some("tls"),
            Self::Ws | Self::Wss => Some("ws"),
        }
    }

    /// What the `transport` parameter of somebody else's URI means.
    #[must_use]
    pub fn of_uri_parameter(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(value))
    }

    /// The port of a URI that names none (RFC 3261 §19.1.2, RFC 7118 §5.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    pub(super) const fn of_stack(self) -> rsipstack::sip::Transport {
        match self {
            Self::Udp => rsipstack::sip::Transport::Udp,
            Self::Tcp => rsipstack::sip::Transport::Tcp,
            Self::Tls => rsipstack::sip::Transport::Tls,
            Self::Ws => rsipstack::sip::Transport::Ws,
            Self::Wss => rsipstack::sip::Transport::Wss,
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whom our own calls go to (`[sip.outbound]`).
#[derive(Debug, Clone)]
pub struct Outbound {
    /// The URI of the proxy, with `lr`.
    pub proxy: String,
    /// Who we are to it, where it asks: user name and password.
    pub credentials: Option<(String, SecretString)>,
}

impl Outbound {
    /// The address of the proxy, where it has no name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let uri = SipUri::parse(&self.proxy).ok()?;
        uri.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// One address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// The address; port 0 asks the system for one.
    pub address: SocketAddr,
}

/// A peer that is believed when it says who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPeer {
    /// One address, or a network.
    pub network: IpNet,
    /// Whether datagrams from there are believed as well: a datagram's source can be forged. Loopback is believed on every
    /// transport once it is listed.
    pub over_udp: bool,
}

/// Where a trusted peer says who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// P-Asserted-Identity (RFC 3325).
    PAssertedIdentity,
    /// The From header, for peers that check it themselves.
    From,
}

/// What callers get whom nobody vouches for.
#[derive(Debug, Clone)]
pub enum Untrusted {
    /// 401: whoever knows a password is somebody.
    Challenge(Digest),
    /// 403, the same for every method and every user part.
    Refuse,
    /// Silence.
    Drop,
}

/// Who can say by digest who he is (RFC 3261 §22, RFC 7616, RFC 8760).
#[derive(Debug, Clone)]
pub struct Digest {
    /// The realm of the challenges; part of what is hashed, so all nodes need the same. Without `"`, `\` and control
    /// characters.
    pub realm: String,
    /// What is offered, in the order of our preference, each once; not empty.
    pub algorithms: Vec<Algorithm>,
    /// Who there is. May be empty: then nobody gets in, and nobody learns that.
    pub users: Vec<DigestUser>,
    /// What nonces are made with; nodes that stand in for each other have the same.
    pub nonce_key: NonceKey,
}

/// A hash of the digest. `-sess` and `SHA-512-256` are not offered: no SIP phone asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `SHA-256` (RFC 8760).
    Sha256,
    /// `MD5`, which is all that many phones know.
    Md5,
}

/// One user with his password.
#[derive(Debug, Clone)]
pub struct DigestUser {
    /// His address of record; it has a user part. No two users have the same ([`SipUri::same_aor`]).
    pub aor: SipUri,
    /// His password; not empty.
    pub password: SecretString,
}

/// The key of nonces: any octets, 16 or more of them random.
#[derive(Debug, Clone)]
pub struct NonceKey(SecretSlice<u8>);

impl NonceKey {
    /// The key that is these octets.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(SecretSlice::from(octets.into()))
    }

    /// A key of this node alone, until it stops.
    #[must_use]
    pub fn random() -> Self {
        Self::new(rand::random::<[u8; 32]>())
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// What one source may do that is not trusted. A source is an IPv4 address or the /64 of an IPv6 address. `None` lifts a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// Messages by stream, and as many by datagram; one more, and the source is banned. By datagrams, whose source can be forged,
    /// it is banned from new requests by datagram only: its streams, its dialogs and what it proves by digest are heard on.
    pub requests: Option<Rate>,
    /// Stream connections; one more is closed at once.
    pub connections: Option<usize>,
    /// Wrong credentials; one more, and the source is banned.
    pub failed_logins: Option<Rate>,
    /// How long a banned source meets silence: its datagrams are dropped, its streams closed. Zero: the message that was too much
    /// is dropped, and nothing else.
    pub ban_time: Duration,
}

impl SourceLimits {
    /// No limit at all.
    pub const NONE: Self = Self { requests: None, connections: None, failed_logins: None, ban_time: Duration::ZERO };
}

/// The shortest interval of session timers that is agreed to; RFC 4028 §4 allows no less than 90 s.
pub const MIN_SESSION: Duration = Duration::from_secs(90);

/// Everything the SIP driver needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this node, in Warning headers.
    pub node: String,
    /// Where to listen; not empty.
    pub listen: Vec<Listen>,
    /// Hosts of Request-URIs that are rooms, folded to lower case; not empty.
    pub domains: Vec<String>,
    /// Host and port of Via and Contact; default: what is listened on.
    pub advertise: Option<(String, Option<u16>)>,
    /// Who is believed, wherever a connection of his shows it.
    pub trusted_peers: Vec<TrustedPeer>,
    /// Who is believed by name, under TLS, in lower case.
    pub trusted_names: Vec<String>,
    /// Where to look for the identity, in this order; the first header that is there decides.
    pub identity: Vec<IdentitySource>,
    /// Everybody else.
    pub untrusted: Untrusted,
    /// How much of everybody else is borne.
    pub sources: SourceLimits,
    /// The shortest session interval that is agreed to (RFC 4028); [`MIN_SESSION`] unless a test is in a hurry.
    pub min_session: Duration,
    /// The certificate, without which neither TLS nor WSS is listened on, and nobody is reached by TLS.
    pub tls: Option<Arc<Tls>>,
    /// The pages whose browsers may connect.
    pub allowed_origins: Origins,
    /// Who is asked where peers are.
    pub dns: Dns,
}

/// So many in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long; more than zero.
    pub per: Duration,
}
