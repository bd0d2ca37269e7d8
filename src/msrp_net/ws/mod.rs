//! MSRP over WebSocket (RFC 7977): from the HTTP request to a connection that carries chunks.
//!
//! Each chunk that we send is one binary message, since a body may be binary. What comes may be text or binary, which is the same
//! (RFC 7977 §4.2), and is read as one run of octets: a peer who puts two chunks into a message, or half of one, is understood
//! all the same, though he should not (§5.1).

mod chunks;
mod origins;
mod stream;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use mucfocus_core::msrp::limits::Limits;

pub use self::origins::{BadOrigin, Origins};
pub(super) use self::stream::Web;

/// Name of the sub-protocol (RFC 7977 §4.1).
const PROTOCOL: &str = "msrp";
/// Octets that are read at once.
const BUFFER: usize = 4096;
/// What start line, headers and end line of a chunk may add to its body, beyond `Limits::wire`.
const AROUND: usize = 64;

/// Why a request does not become a WebSocket for MSRP.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Another sub-protocol is wanted, or none: 400.
    #[error("the sub-protocol \"msrp\" is not asked for")]
    Protocol,
    /// The page is not one of those that are let in: 403.
    #[error("its origin is not in msrp.allowed_origins")]
    Origin,
    /// It is no request for a WebSocket.
    #[error("{0}")]
    Handshake(Box<Error>),
}

impl Unfit {
    /// For the metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Protocol => "websocket-protocol",
            Self::Origin => "websocket-origin",
            Self::Handshake(_) => "websocket-handshake",
        }
    }
}

/// Answers the HTTP request, which may have 64 KiB. Who calls bounds the time.
///
/// # Errors
///
/// It is not for us. The client has been told with 400 or 403 and a sentence, where he spoke HTTP.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: &Origins,
    limits: &Limits,
) -> Result<Web<S>, Unfit> {
    let mut unfit = None;
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let look = |request: &Request, mut response: Response| match fitness(request, origins) {
        Ok(()) => {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
            Ok(response)
        }
        Err(why) => {
            let refusal = refusal(&why);
            unfit = Some(why);
            Err(refusal)
        }
    };
    let longest = limits.message.saturating_add(limits.wire.head).saturating_add(AROUND);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    let upgraded = accept_hdr_async_with_config(stream, look, Some(config)).await;
    match (upgraded, unfit) {
        (_, Some(why)) => Err(why),
        (Ok(stream), None) => Ok(Web::new(stream)),
        (Err(error), None) => Err(Unfit::Handshake(Box::new(error))),
    }
}

fn fitness(request: &Request, origins: &Origins) -> Result<(), Unfit> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let names = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if !names.into_iter().any(|name| name.trim() == PROTOCOL) {
        return Err(Unfit::Protocol);
    }
    // Who is no browser says no origin, or whatever he likes.
    match request.headers().get(ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.to_str().is_ok_and(|origin| origins.allow(origin)) => Ok(()),
        Some(_) => Err(Unfit::Origin),
    }
}

fn refusal(why: &Unfit) -> ErrorResponse {
    let (status, sentence) = match why {
        Unfit::Origin => (StatusCode::FORBIDDEN, "Pages of this origin may not connect here.\n"),
        _ => (StatusCode::BAD_REQUEST, "This is MSRP over WebSocket (RFC 7977): ask for the sub-protocol \"msrp\".\n"),
    };
    let mut response = ErrorResponse::new(Some(sentence.to_owned()));
    *response.status_mut() = status;
    response
}
