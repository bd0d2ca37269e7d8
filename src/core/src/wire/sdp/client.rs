//! Offers that nothing went before, and what our own client reads of the answer.

use alloc::string::String;

use bytes::Bytes;
use sdp_types::AddrType;

use super::stream::{Stream, StreamError, is_tls};
use super::write::{MsrpLines, msrp_media, session, write};
use super::{Direction, Fingerprint, OfferError, Setup, parse_session};
use crate::wire::media_type::AcceptTypes;
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;

/// What is offered first.
#[derive(Debug, Clone, Copy)]
pub struct ClientOffer<'a> {
    /// The MSRP URI of who offers, with a port; port 9 when it will not listen (RFC 6135 §4.2.2).
    pub path: &'a MsrpUri,
    /// Whether it connects or listens.
    pub setup: Setup,
    /// The session id of `o=`.
    pub session: u64,
    /// Octets of the largest message that it takes.
    pub max_size: Option<u64>,
    /// What it knows of chat rooms (RFC 7701 §8).
    pub chatroom: &'a [&'a str],
    /// The value of `a=accept-wrapped-types`.
    pub wrapped: &'a str,
    /// The certificate that it shows, for a stream under TLS.
    pub certificate: Option<&'a Fingerprint>,
}

/// An offer of one MSRP stream, and nothing else.
#[must_use]
pub fn build_offer(offer: &ClientOffer<'_>) -> Bytes {
    let mut sdp = session(offer.path.host(), &AddrType::Ip4, offer.session, 0);
    sdp.medias.push(msrp_media(&MsrpLines {
        path: offer.path,
        setup: offer.setup,
        direction: Direction::SendRecv,
        max_size: offer.max_size,
        chatroom: Some(offer.chatroom),
        wrapped: offer.wrapped,
        certificate: offer.certificate,
        // It would bind us to offer once more where a middlebox does not know it (CEMA-04).
        cema: false,
    }));
    write(&sdp)
}

/// The answer to an offer of one MSRP stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAnswer {
    stream: Stream,
}

/// Why an answer is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not SDP at all.
    #[error("the answer is not SDP: {0}")]
    NotSdp(String),
    /// The stream was refused, or there is none.
    #[error("the answer takes no MSRP stream")]
    Refused,
    /// The stream has no usable `a=path`.
    #[error("the answer has no usable a=path")]
    BadPath,
    /// The stream is not one that we can have.
    #[error("the answer does not fit: {0}")]
    Unusable(OfferError),
}

impl From<StreamError> for AnswerError {
    fn from(_: StreamError) -> Self {
        Self::BadPath
    }
}

impl RemoteAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`].
    pub fn parse(sdp: &[u8]) -> Result<Self, AnswerError> {
        let session = parse_session(sdp).map_err(AnswerError::NotSdp)?;
        let media = session.medias.iter().find(|media| media.port != 0 && is_tls(media).is_some());
        let stream = Stream::parse(&session, media.ok_or(AnswerError::Refused)?)?;
        Ok(Self { stream })
    }

    /// Where the room is.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.stream.path
    }

    /// What the room does; passive when it does not say (RFC 4975 §8.5: the offerer connects).
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.stream.setup.unwrap_or(Setup::Passive)
    }

    /// Whether the room takes `message/cpim`.
    #[must_use]
    pub const fn accepts_cpim(&self) -> bool {
        self.stream.accepts_cpim
    }

    /// What the room takes within CPIM; empty when it does not say.
    #[must_use]
    pub const fn wrapped(&self) -> &AcceptTypes {
        &self.stream.wrapped
    }

    /// What the room can do; `None` when it is no chat room.
    #[must_use]
    pub fn chatroom(&self) -> Option<&[String]> {
        self.stream.chatroom.as_deref()
    }

    /// Whether the room gives nicknames (RFC 7701 §8, which spells the token in two ways).
    #[must_use]
    pub fn takes_nicknames(&self) -> bool {
        let is_it = |token: &String| token.eq_ignore_ascii_case("nickname") || token.eq_ignore_ascii_case("nicknames");
        self.chatroom().is_some_and(|tokens| tokens.iter().any(is_it))
    }

    /// Octets of the largest message that the room takes.
    #[must_use]
    pub const fn max_size(&self) -> Option<u64> {
        self.stream.max_size
    }
}
