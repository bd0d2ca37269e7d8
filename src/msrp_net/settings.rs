//! What the configuration says to the MSRP driver, checked.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use mucfocus_core::leg::Policy;
use mucfocus_core::msrp::limits::Limits;

use crate::ws::Origins;

/// Everything the MSRP driver needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; not empty. Port 0 asks the system for one.
    pub listen: Vec<Listen>,
    /// Host and port in `a=path`; default: where the call came in, and the port that is listened on. A port only where all
    /// listeners are of one kind.
    pub advertise: Option<(String, Option<u16>)>,
    /// The pages whose browsers may connect.
    pub allowed_origins: Origins,
    /// What a session and its connection may cost. A message may have 1 KiB at least.
    pub limits: Limits,
    /// What is left open to the operator.
    pub policy: Policy,
}

/// One listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listen {
    /// What comes in.
    pub kind: Kind,
    /// Where.
    pub address: SocketAddr,
}

impl Listen {
    /// Whether IPv4 comes in too where this listens for IPv6: for all addresses, and nobody of `all` has the port for IPv4.
    #[must_use]
    pub fn is_for_both(&self, all: &[Self]) -> bool {
        self.address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !self.shares_its_port(all)
    }

    /// Whether IPv4 has a listener of its own on this port.
    fn shares_its_port(&self, all: &[Self]) -> bool {
        let port = self.address.port();
        port != 0 && all.iter().any(|other| other.address.is_ipv4() && other.address.port() == port)
    }
}

/// What MSRP can be carried by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket without TLS (RFC 7977): on this machine, or behind a proxy that ends TLS.
    Ws,
    /// WebSocket over TLS (RFC 7977). Its clients show no certificate.
    Wss,
}

impl Kind {
    /// Whether it needs a certificate.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether browsers can come this way.
    #[must_use]
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.address)
    }
}
