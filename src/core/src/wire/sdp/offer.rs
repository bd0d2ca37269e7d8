//! The offer of a caller, and our answer.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use sdp_types::{AddrType, Media, Session};

use super::write::{MsrpLines, msrp_media, refused, session, write};
use super::{Direction, Setup, Stream, StreamError, parse_session, tls};
use crate::wire::media_type::{AcceptTypes, MediaType};
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;

/// An offer with an MSRP stream that we can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    session: Session,
    /// Which of the media descriptions is ours.
    index: usize,
    stream: Stream,
}

/// Why there is nothing to answer: 488, with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Not SDP at all, or not SDP only.
    #[error("the offer is not SDP: {0}")]
    NotSdp(String),
    /// No `m=message` line with TCP/MSRP and a port other than 0 (MS-SDP-07).
    #[error("the offer has no MSRP stream; offer m=message … TCP/MSRP *")]
    NoMsrp,
    /// GC-JOIN-02.
    #[error("the MSRP stream has no a=path")]
    NoPath,
    /// `a=path` is empty, too long, or holds something else than MSRP URIs with ports, the last with a session-id (MS-SDP-03).
    #[error("a=path is not a list of MSRP URIs with port and session-id")]
    BadPath,
    /// `msrps:` with TCP/MSRP.
    #[error("the scheme in a=path does not fit the transport of the m= line")]
    SchemeMismatch,
    /// GC-JOIN-04.
    #[error("the offer does not accept message/cpim; add it to a=accept-types")]
    NoCpim,
    /// MSRP over TLS, which we do not have.
    #[error("MSRP over TLS is not available here; offer TCP/MSRP")]
    TlsNotOffered,
}

impl From<StreamError> for OfferError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::NoPath => Self::NoPath,
            StreamError::BadPath => Self::BadPath,
            StreamError::SchemeMismatch => Self::SchemeMismatch,
        }
    }
}

/// Our side of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Our MSRP URI, with a port.
    pub path: &'a MsrpUri,
    /// The host of `c=` and `o=`; that of `path` (MS-SDP-01).
    pub host: &'a str,
    /// Whether we connect, else we are connected to.
    pub active: bool,
    /// The session id of `o=`.
    pub session: u64,
    /// The version of `o=`, which grows with each answer that differs from the last (RFC 3264 §8).
    pub version: u64,
    /// Octets of the largest message that we take.
    pub max_size: Option<u64>,
    /// What the room can do; perhaps nothing, but it is a chat room all the same (GC-JOIN-08).
    pub chatroom: &'a [&'a str],
    /// The value of `a=accept-wrapped-types` (GC-JOIN-07).
    pub wrapped: &'a str,
}

impl Offer {
    /// Reads an offer and picks the first MSRP stream that we can take.
    ///
    /// # Errors
    ///
    /// [`OfferError`], that of the first MSRP stream where there are several.
    pub fn parse(sdp: &[u8]) -> Result<Self, OfferError> {
        Self::pick(parse_session(sdp).map_err(OfferError::NotSdp)?)
    }

    pub(super) fn pick(session: Session) -> Result<Self, OfferError> {
        let mut first_error = None;
        for (index, media) in session.medias.iter().enumerate() {
            match Self::stream_of(&session, media) {
                None => {}
                Some(Ok(stream)) => return Ok(Self { index, stream, session }),
                Some(Err(error)) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or(OfferError::NoMsrp))
    }

    /// The stream that `media` describes, `None` when it is no MSRP stream or is switched off.
    fn stream_of(session: &Session, media: &Media) -> Option<Result<Stream, OfferError>> {
        if media.port == 0 {
            return None;
        }
        if tls(media)? {
            return Some(Err(OfferError::TlsNotOffered));
        }
        Some(match Stream::parse(session, media) {
            Ok(stream) if stream.accepts_cpim => Ok(stream),
            Ok(_) => Err(OfferError::NoCpim),
            Err(error) => Err(error.into()),
        })
    }

    /// Where the caller is.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.stream.path
    }

    /// Who the caller thinks will connect. Without `a=setup` the offerer is active (RFC 4975 §8.5; ACM-04); `holdconn` and
    /// unknown values are ignored, that is, read as if nothing were said (ACM-02).
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.stream.setup.unwrap_or(Setup::Active)
    }

    /// Whether we are to make the connection, when until now we were (`active`) or were not: either stays as it is where the
    /// caller leaves the choice (RFC 4145 §4.1).
    #[must_use]
    pub const fn makes_us_active(&self, active: bool) -> bool {
        match self.stream.setup {
            Some(Setup::Passive) => true,
            Some(Setup::Active) => false,
            Some(Setup::Actpass) | None => active,
        }
    }

    /// Whether `message/cpim` is accepted, be it as `message/*` or `*`. Always true of an offer that was read.
    #[must_use]
    pub const fn accepts_cpim(&self) -> bool {
        self.stream.accepts_cpim
    }

    /// What is accepted within CPIM; empty when nothing is said.
    #[must_use]
    pub const fn wrapped(&self) -> &AcceptTypes {
        &self.stream.wrapped
    }

    /// Whether `media` may be sent within CPIM: what is said of `a=accept-types` counts for both (RFC 4975 §8.6), and who says
    /// nothing of wrapped types gets plain text (MS-SEND-16, SW-08).
    #[must_use]
    pub fn accepts_wrapped(&self, media: &MediaType) -> bool {
        let Stream { accept, wrapped, .. } = &self.stream;
        accept.accepts(media) || wrapped.accepts(media) || (wrapped.is_empty() && media.is("text/plain"))
    }

    /// Whether `media` is accepted by name, and not only under a wildcard.
    #[must_use]
    pub fn names(&self, media: &MediaType) -> bool {
        self.stream.accept.names(media) || self.stream.wrapped.names(media)
    }

    /// The tokens of `a=chatroom`; `None` for a caller that knows nothing of chat rooms (GC-JOIN-03).
    #[must_use]
    pub fn chatroom(&self) -> Option<&[String]> {
        self.stream.chatroom.as_deref()
    }

    /// Octets of the largest message that the caller takes (RFC 4975 §8.7).
    #[must_use]
    pub const fn max_size(&self) -> Option<u64> {
        self.stream.max_size
    }

    /// Who sends content, as the caller sees it.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.stream.direction
    }

    /// Whether this offer, in a re-INVITE, changes nothing against `before`: it is the same in everything that we look at.
    /// `a=setup` is not, since it says nothing once the connection stands, nor is the `o=` line: clients that count its version
    /// in seconds say "nothing changed" (MS-SDP-04) while they move the path.
    #[must_use]
    pub fn is_same_as(&self, before: &Self) -> bool {
        let layout = |offer: &Self| -> Vec<_> {
            offer.session.medias.iter().map(|m| (m.media.clone(), m.proto.clone(), m.port == 0)).collect()
        };
        let stream = |offer: &Self| Stream { setup: None, ..offer.stream.clone() };
        self.index == before.index && stream(self) == stream(before) && layout(self) == layout(before)
    }

    /// The answer: a media description for each that was offered, in the same order, those that we do not take with port 0
    /// (RFC 3264 §6; MS-SDP-07).
    #[must_use]
    pub fn answer(&self, ours: &Answer<'_>) -> Bytes {
        let mut answer = session(ours.host, &family(&self.session), ours.session, ours.version);
        // RFC 3264 §6: the time is that of the offer.
        answer.times.clone_from(&self.session.times);
        for (index, offered) in self.session.medias.iter().enumerate() {
            let lines = (index == self.index).then(|| MsrpLines {
                path: ours.path,
                setup: if ours.active { Setup::Active } else { Setup::Passive },
                direction: self.stream.direction.mirrored(),
                max_size: ours.max_size,
                chatroom: Some(ours.chatroom),
                wrapped: ours.wrapped,
            });
            answer.medias.push(match lines {
                Some(lines) => Media { proto: offered.proto.clone(), ..msrp_media(&lines) },
                None => refused(offered),
            });
        }
        write(&answer)
    }
}

/// The address family of an offer, which is that of our host as well when that is a name (RFC 6157 §4).
pub(super) fn family(session: &Session) -> AddrType {
    let connection = session.medias.iter().flat_map(|media| &media.connections).next().or(session.connection.as_ref());
    match connection.map(|connection| &connection.addrtype) {
        Some(AddrType::Ip6) => AddrType::Ip6,
        _ => AddrType::Ip4,
    }
}
