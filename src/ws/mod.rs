//! From an HTTP request to a WebSocket (RFC 6455), for the protocols that browsers speak to us: MSRP (RFC 7977) and SIP
//! (RFC 7118).
//!
//! Owns the handshake and which pages are let in. What the frames carry is for the protocol.

mod malformed;
mod origins;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

pub use self::origins::{BadOrigin, Origins};

/// Octets that are read at once.
const BUFFER: usize = 4096;

/// What is spoken over a WebSocket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    /// Name of the sub-protocol.
    pub(crate) name: &'static str,
    /// What somebody is told who asks for something else.
    pub(crate) hint: &'static str,
}

/// Why a request does not become a WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Another sub-protocol is wanted, or none: 400.
    #[error("the sub-protocol \"{0}\" is not asked for")]
    Protocol(&'static str),
    /// The page is not one of those that are let in: 403.
    #[error("its origin is not in {0}.allowed_origins")]
    Origin(&'static str),
    /// It is no request for a WebSocket.
    #[error("{0}")]
    Handshake(Box<Error>),
}

impl Unfit {
    /// For the metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Protocol(_) => "websocket-protocol",
            Self::Origin(_) => "websocket-origin",
            Self::Handshake(_) => "websocket-handshake",
        }
    }
}

/// Answers the HTTP request, which may have 64 KiB; no message and no frame may be longer than `longest` octets from then on. Who
/// calls bounds the time.
///
/// # Errors
///
/// It is not for us. The client has been told so in HTTP, with a sentence.
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    protocol: Protocol,
    origins: &Origins,
    longest: usize,
) -> Result<WebSocketStream<S>, Unfit> {
    let mut unfit = None;
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let look = |request: &Request, mut response: Response| match fitness(request, protocol, origins) {
        Ok(()) => {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol.name));
            Ok(response)
        }
        Err(why) => {
            let refusal = refusal(&why, protocol);
            unfit = Some(why);
            Err(refusal)
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    // Lent, so that there is somebody to answer when it comes to nothing.
    let upgraded = accept_hdr_async_with_config(&mut stream, look, Some(config)).await.map(drop);
    match (upgraded, unfit) {
        (_, Some(why)) => Err(why),
        // Nothing has come behind the request: that would have been an error.
        (Ok(()), None) => Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await),
        (Err(error), None) => {
            if let Some(answer) = malformed::answer(&error, protocol.hint) {
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
            Err(Unfit::Handshake(Box::new(error)))
        }
    }
}

fn fitness(request: &Request, protocol: Protocol, origins: &Origins) -> Result<(), Unfit> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let names = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if !names.into_iter().any(|name| name.trim() == protocol.name) {
        return Err(Unfit::Protocol(protocol.name));
    }
    // Who is no browser says no origin, or whatever he likes.
    match request.headers().get(ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.to_str().is_ok_and(|origin| origins.allow(origin)) => Ok(()),
        Some(_) => Err(Unfit::Origin(protocol.name)),
    }
}

fn refusal(why: &Unfit, protocol: Protocol) -> ErrorResponse {
    let (status, sentence) = match why {
        Unfit::Origin(_) => (StatusCode::FORBIDDEN, "Pages of this origin may not connect here.\n"),
        _ => (StatusCode::BAD_REQUEST, protocol.hint),
    };
    let mut response = ErrorResponse::new(Some(sentence.to_owned()));
    *response.status_mut() = status;
    response
}
