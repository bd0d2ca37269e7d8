//! What carries MSRP: TCP or WebSocket, each with or without TLS (RFC 4975 §8.1, RFC 7977 §5.3).

use crate::wire::msrp::uri::MsrpUri;

/// How the connection of a session is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// `msrp:…;tcp`.
    Tcp,
    /// `msrps:…;tcp`.
    Tls,
    /// `msrp:…;ws`, which RFC 7977 does not know: something in front of a client or of us may end its TLS.
    Ws,
    /// `msrps:…;ws`.
    Wss,
}

impl Carrier {
    /// What a connection to `uri` is made of; `None` where nothing is known that could be.
    #[must_use]
    pub fn of(uri: &MsrpUri) -> Option<Self> {
        match uri.transport() {
            tcp if tcp.eq_ignore_ascii_case("tcp") => Some(if uri.secure() { Self::Tls } else { Self::Tcp }),
            ws if ws.eq_ignore_ascii_case("ws") => Some(if uri.secure() { Self::Wss } else { Self::Ws }),
            _ => None,
        }
    }

    /// Whether it is under TLS.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether it is WebSocket, whose clients cannot be connected to and show no certificate.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The protocol of the `m=` line, which is that of TCP for WebSocket too (RFC 7977 §5.3).
    #[must_use]
    pub const fn proto(self) -> &'static str {
        if self.is_secure() { "TCP/TLS/MSRP" } else { "TCP/MSRP" }
    }
}
