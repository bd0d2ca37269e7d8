//! MSRP over WebSocket (RFC 7977): a connection that carries chunks.
//!
//! Each chunk that we send is one binary message, since a body may be binary. What comes may be text or binary, which is the same
//! (RFC 7977 §4.2), and is read as one run of octets: a peer who puts two chunks into a message, or half of one, is understood
//! all the same, though he should not (§5.1).

mod chunks;
mod stream;

use tokio::io::{AsyncRead, AsyncWrite};

use mucfocus_core::msrp::limits::Limits;

pub(super) use self::stream::Web;
use crate::ws::{Origins, Protocol, Unfit};

/// RFC 7977 §4.1.
const PROTOCOL: Protocol =
    Protocol { name: "msrp", hint: "This is MSRP over WebSocket (RFC 7977): ask for the sub-protocol \"msrp\".\n" };
/// What start line, headers and end line of a chunk may add to its body, beyond `Limits::wire`.
const AROUND: usize = 64;

/// See [`crate::ws::upgrade`].
///
/// # Errors
///
/// It is not for us.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: &Origins,
    limits: &Limits,
) -> Result<Web<S>, Unfit> {
    let longest = limits.message.saturating_add(limits.wire.head).saturating_add(AROUND);
    crate::ws::upgrade(stream, PROTOCOL, origins, longest).await.map(Web::new)
}
