//! What the configuration says to the SIP driver, checked.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

/// A transport of SIP that we listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 §18.
    Udp,
    /// RFC 3261 §18.
    Tcp,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    /// 403, the same for every method and every user part.
    Refuse,
    /// Silence.
    Drop,
}

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
    /// Who is believed.
    pub trusted_peers: Vec<TrustedPeer>,
    /// Where to look for the identity, in this order; the first header that is there decides.
    pub identity: Vec<IdentitySource>,
    /// Everybody else.
    pub untrusted: Untrusted,
    /// Requests per second of one source that is not trusted; `None` lifts the limit. A source is an address, or a /64.
    pub requests_per_source: Option<Rate>,
    /// Stream connections of one source that is not trusted; `None` lifts the limit.
    pub connections_per_source: Option<usize>,
}

/// So many in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long; more than zero.
    pub per: Duration,
}
