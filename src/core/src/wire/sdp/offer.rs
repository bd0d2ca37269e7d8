//! The offer of a caller, or his answer to ours: what he says of himself; and what we say of ourselves in return.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use sdp_types::{AddrType, Media, Session};

use super::client::AnswerError;
use super::stream::{Stream, is_tls};
use super::write::{MsrpLines, msrp_media, refused, session, write};
use super::{Carrier, Conditions, Direction, Family, Fingerprint, OfferError, Setup, parse_session};
use crate::wire::media_type::{AcceptTypes, MediaType};
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;

/// What a caller says of himself, in an offer or in an answer, with an MSRP stream that we can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    session: Session,
    /// Which of the media descriptions is ours.
    index: usize,
    stream: Stream,
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
    /// The certificate that we show, for streams under TLS (MS-TLS-02).
    pub certificate: Option<&'a Fingerprint>,
}

impl Offer {
    /// Reads an offer and picks the first MSRP stream that we can take.
    ///
    /// # Errors
    ///
    /// [`OfferError`], that of the first MSRP stream where there are several.
    pub fn parse(sdp: &[u8], conditions: &Conditions) -> Result<Self, OfferError> {
        Self::pick(parse_session(sdp).map_err(OfferError::NotSdp)?, conditions)
    }

    /// Reads the answer to an offer of ours.
    ///
    /// # Errors
    ///
    /// [`AnswerError`], that of the first MSRP stream where there are several.
    pub fn parse_answer(sdp: &[u8], conditions: &Conditions) -> Result<Self, AnswerError> {
        let session = parse_session(sdp).map_err(AnswerError::NotSdp)?;
        Self::pick(session, conditions).map_err(|error| match error {
            OfferError::NoMsrp => AnswerError::Refused,
            error => AnswerError::Unusable(error),
        })
    }

    pub(super) fn pick(session: Session, conditions: &Conditions) -> Result<Self, OfferError> {
        let mut first_error = None;
        for (index, media) in session.medias.iter().enumerate() {
            // No MSRP stream, or one that is switched off.
            if media.port == 0 || is_tls(media).is_none() {
                continue;
            }
            let stream = Stream::parse(&session, media).map_err(OfferError::from);
            match stream.and_then(|stream| conditions.judge(&stream).map(|()| stream)) {
                Ok(stream) => return Ok(Self { index, stream, session }),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or(OfferError::NoMsrp))
    }

    /// Where the caller is.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.stream.path
    }

    /// Octets of the path, which becomes a line of everything that is sent.
    #[must_use]
    pub fn path_len(&self) -> usize {
        self.path().iter().map(|uri| uri.as_str().len() + 1).sum()
    }

    /// Who the caller thinks will connect. Without `a=setup` the offerer is active (RFC 4975 §8.5; ACM-04); `holdconn` and
    /// unknown values are ignored, that is, read as if nothing were said (ACM-02).
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.stream.setup.unwrap_or(Setup::Active)
    }

    /// Whether we are to make the connection, when until now we were (`active`) or were not: either stays as it is where the
    /// caller leaves the choice (RFC 4145 §4.1) and can be connected to.
    #[must_use]
    pub fn makes_us_active(&self, active: bool) -> bool {
        match self.stream.setup {
            Some(Setup::Passive) => true,
            Some(Setup::Active) => false,
            Some(Setup::Actpass) | None => active && self.stream.is_reachable(),
        }
    }

    /// The same of an answer to our offer: who offers is active unless the other says that he is (RFC 4975 §8.5, MS-SDP-08).
    #[must_use]
    pub fn makes_the_offerer_active(&self) -> bool {
        self.makes_us_active(true)
    }

    /// What carries the session.
    #[must_use]
    pub const fn carrier(&self) -> Carrier {
        self.stream.carrier
    }

    /// Where to connect instead of to the path, when we do and both sides know CEMA (CEMA-02): host and port.
    #[must_use]
    pub fn middlebox(&self) -> Option<(&str, u16)> {
        self.stream.middlebox().filter(|_| self.stream.agrees_on_cema(true))
    }

    /// The address family that the caller has, as far as he says: that of the path, which says where he is (MS-SDP-01), or of the
    /// address in front of it where that is connected to or from (CEMA-02); where that is a name, what `c=` says of it.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        let media = self.session.medias.get(self.index);
        let connection = media.and_then(|media| media.connections.first()).or(self.session.connection.as_ref());
        let said = connection.and_then(|connection| Family::named(&connection.addrtype));
        let of_path = self.stream.path.next_hop().address().map(Family::of);
        if self.stream.cema { said.or(of_path) } else { of_path.or(said) }
    }

    /// The certificates that the caller may show; empty when he announced none (MS-TLS-01).
    #[must_use]
    pub fn fingerprints(&self, conditions: &Conditions) -> Vec<Fingerprint> {
        self.stream.fingerprints(conditions.sha1_fingerprints)
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
        let setup = if ours.active { Setup::Active } else { Setup::Passive };
        // RFC 3264 §6: the time is that of the offer.
        let mut answer = self.describe(ours, setup, self.stream.direction.mirrored());
        answer.times.clone_from(&self.session.times);
        write(&answer)
    }

    /// An offer of ours to somebody who said this: as many media descriptions as there are (RFC 3264 §8), everything that we
    /// can, and the choice who connects (ACM-03).
    #[must_use]
    pub fn counteroffer(&self, ours: &Answer<'_>) -> Bytes {
        write(&self.describe(ours, Setup::Actpass, Direction::SendRecv))
    }

    fn describe(&self, ours: &Answer<'_>, setup: Setup, direction: Direction) -> Session {
        let mut described = session(ours.host, &family(&self.session), ours.session, ours.version);
        for (index, theirs) in self.session.medias.iter().enumerate() {
            if index != self.index {
                described.medias.push(refused(theirs));
                continue;
            }
            let lines = MsrpLines {
                path: ours.path,
                setup,
                direction,
                max_size: ours.max_size,
                chatroom: Some(ours.chatroom),
                wrapped: ours.wrapped,
                certificate: ours.certificate,
                cema: setup != Setup::Actpass && self.stream.agrees_on_cema(ours.active),
            };
            described.medias.push(Media { proto: theirs.proto.clone(), ..msrp_media(&lines) });
        }
        described
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
