//! The parts of a SEND that is written in pieces, as a connection does that others share (RFC 4975 §7.1.1).

use bytes::Bytes;

use super::EncodeError;
use super::out::Out;
use crate::wire::msrp::end_line::holds_end_line;
use crate::wire::msrp::frame::{Path, TransactionId};
use crate::wire::msrp::uri::MsrpUri;
use crate::wire::msrp::{HYPHENS, PROTOCOL, is_message_id};

/// To-Path and From-Path as all requests of a session have them, each line with its end.
///
/// # Errors
/// [`EncodeError::HeadTooLong`].
pub fn paths(to: &Path, own: &MsrpUri) -> Result<Bytes, EncodeError> {
    let mut out = Out::new();
    out.path("To-Path", to)?;
    out.header("From-Path", own.as_str())?;
    Ok(out.into_octets())
}

/// The header line of a Message-ID, and that of a Content-Type with the empty line behind it.
pub(crate) fn content_lines(message_id: &str, content_type: Option<&str>) -> Result<(Bytes, Bytes), EncodeError> {
    if !is_message_id(message_id) {
        return Err(EncodeError::Field("Message-ID"));
    }
    let (mut id, mut kind) = (Out::new(), Out::new());
    id.header("Message-ID", message_id)?;
    if let Some(content_type) = content_type {
        if content_type.is_empty() {
            return Err(EncodeError::Field("Content-Type"));
        }
        kind.header("Content-Type", content_type)?;
        kind.line_end()?;
    }
    Ok((id.into_octets(), kind.into_octets()))
}

/// Whether a body holds what every end-line begins with.
pub(crate) fn has_hyphens(body: &[u8]) -> bool {
    memchr::memmem::find(body, HYPHENS.as_bytes()).is_some()
}

/// Whether a body holds seven hyphens and the transaction identifier, or the beginning of one.
pub(crate) fn has_end_line(body: &[u8], transaction: &str) -> bool {
    TransactionId::new(transaction).is_none_or(|transaction| holds_end_line(body, &transaction))
}

/// The start line of a SEND but for its identifier, and the end-line likewise: what is before and behind it.
pub(crate) const SEND_LINE: (&str, &str) = (PROTOCOL, " SEND\r\n");
/// What the end-line begins with.
pub(crate) const END_LINE: &str = HYPHENS;
