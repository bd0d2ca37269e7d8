//! A later offer of a caller who has a stream already: it may change the stream, or take it away (RFC 3264 §8).

use alloc::boxed::Box;

use bytes::Bytes;
use sdp_types::Session;

use super::offer::family;
use super::stream::is_tls;
use super::write::{refused, session, write};
use super::{Conditions, Offer, OfferError, parse_session};

/// What a later offer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reoffer {
    /// A stream, be it the same.
    Stream(Box<Offer>),
    /// No stream any more, while the call goes on (RFC 3264 §8.2).
    Removed(Box<Removal>),
}

/// An offer that takes the MSRP stream away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    session: Session,
}

impl Reoffer {
    /// Reads a later offer.
    ///
    /// # Errors
    ///
    /// [`OfferError`] when there is neither a stream that we can take nor one with port 0.
    pub fn parse(sdp: &[u8], conditions: &Conditions) -> Result<Self, OfferError> {
        let session = parse_session(sdp).map_err(OfferError::NotSdp)?;
        let is_removed = session.medias.iter().any(|media| media.port == 0 && is_tls(media).is_some());
        match Offer::pick(session.clone(), conditions) {
            Err(OfferError::NoMsrp) if is_removed => Ok(Self::Removed(Box::new(Removal { session }))),
            picked => picked.map(|offer| Self::Stream(Box::new(offer))),
        }
    }
}

impl Removal {
    /// The answer of `host`: everything has port 0, in the order of the offer.
    #[must_use]
    pub fn answer(&self, host: &str, id: u64, version: u64) -> Bytes {
        let mut answer = session(host, &family(&self.session), id, version);
        answer.times.clone_from(&self.session.times);
        answer.medias.extend(self.session.medias.iter().map(refused));
        write(&answer)
    }
}
