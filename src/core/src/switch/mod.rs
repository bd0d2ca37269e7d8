//! Who may say what to whom in a room (RFC 7701 §6).
//!
//! The switch judges one message of a SIP user: whether it is a CPIM message, whether its From is his, whether its To is the
//! room, and whether the room can carry what is in it. It never delivers anything.

use alloc::string::{String, ToString};

use crate::address::escape::percent_decode_text;
use crate::address::mapping::{RoomMatch, RoomRules};
use crate::address::sip_uri::SipUri;
use crate::msrp::session::{Received, Verdict};
use crate::translate::phrases;
use crate::translate::text::{self, TextError};
use crate::wire::cpim::{Address, Cpim, CpimError};
use crate::wire::media_type::MediaType;

/// Whose message it is and in which room.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// His verified address of record.
    pub caller: &'a SipUri,
    /// His nickname in the room.
    pub nickname: Option<&'a str>,
    /// The room.
    pub room: &'a RoomMatch,
    /// All rules, which know the other spellings of the room's name.
    pub rules: &'a RoomRules,
}

/// Why a message does not go to the room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// SW-01.
    #[error("only message/cpim is taken")]
    NotCpim,
    /// The CPIM cannot be read.
    #[error(transparent)]
    Cpim(#[from] CpimError),
    /// SW-02: From is somebody else.
    #[error("CPIM From is not the sender")]
    NotYou,
    /// SW-03.
    #[error("CPIM To is missing")]
    NoRecipient,
    /// SW-04.
    #[error("more than one recipient")]
    SeveralRecipients,
    /// To is not the room: a private message, which this version does not carry, or an outsider.
    #[error("CPIM To is not the room")]
    NotTheRoom,
    /// MS-SEND-15.
    #[error("a wrapped {0} is not taken")]
    WrappedType(String),
    /// CPIM-12.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl Objection {
    /// What the sender is told.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let code = match self {
            Self::Cpim(error) => error.msrp_code(),
            Self::NoRecipient => 400,
            Self::NotYou | Self::SeveralRecipients | Self::NotTheRoom => 403,
            Self::NotCpim | Self::WrappedType(_) => 415,
            Self::Text(error) => error.msrp_code(),
        };
        // Some objections name what the sender wrote, which may be endless.
        Verdict::Refused { code, comment: phrases::quoted(&self.to_string()).into() }
    }
}

/// What may be published: the text as the room can carry it, or nothing when there is no text at all.
///
/// # Errors
///
/// The objection, which also says what the sender is told.
pub fn judge(received: &Received, speaker: Speaker<'_>) -> Result<Option<String>, Objection> {
    if received.body.is_empty() {
        return Ok(None); // an empty body is a message without content (MS-FRAME-08)
    }
    if !MediaType::parse(&received.content_type).is_ok_and(|t| t.is("message/cpim")) {
        return Err(Objection::NotCpim);
    }
    let cpim = Cpim::parse(&received.body)?;
    // A message without From is its sender's (SW-03, liberal).
    if cpim.from.as_ref().is_some_and(|from| !speaker.is_named_by(from)) {
        return Err(Objection::NotYou);
    }
    if cpim.to.len() + cpim.cc.len() > 1 {
        return Err(Objection::SeveralRecipients);
    }
    let to = cpim.to.first().ok_or(Objection::NoRecipient)?;
    if !speaker.means_the_room(to) {
        return Err(Objection::NotTheRoom);
    }
    if !cpim.content_type.is("text/plain") {
        return Err(Objection::WrappedType(cpim.content_type.essence()));
    }
    let decoded = text::charset_to_utf8(&cpim.content_type, &cpim.content)?;
    let clean = text::xml_clean(&decoded);
    Ok((!clean.is_empty()).then(|| clean.into_owned()))
}

impl Speaker<'_> {
    /// Whether a CPIM From is a name of this speaker: his address of record with or without a resource, his place in the room,
    /// or nobody at all (SW-02).
    fn is_named_by(&self, from: &Address) -> bool {
        let uri = match from.uri.split_once(':') {
            // RFC 3862 §3.1 has `im:` in its examples, and people are the same under each of these schemes.
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("im") || scheme.eq_ignore_ascii_case("pres") => {
                SipUri::parse(&alloc::format!("sip:{rest}"))
            }
            _ => SipUri::parse(&from.uri),
        };
        let Ok(uri) = uri else { return false };
        if uri.same_aor(self.caller) || uri.host() == "anonymous.invalid" {
            return true;
        }
        let behind = from.trailing_gr.as_deref().map(percent_decode_text);
        let within = uri.has_gr().then(|| uri.gr());
        let mut places = behind.into_iter().chain(within).peekable();
        places.peek().is_some()
            && places.all(|place| place.is_some() && place.as_deref() == self.nickname)
            && self.rules.is_room_alias(&uri.without_params(), self.room)
    }

    /// Whether a CPIM To is the room. An address with a `gr`, inside the brackets or behind them, is an occupant and never the
    /// room: read as the room it would publish what was meant for one (E-03).
    fn means_the_room(&self, to: &Address) -> bool {
        let Ok(uri) = SipUri::parse(&to.uri) else { return false };
        to.trailing_gr.is_none()
            && !uri.has_gr()
            && uri.headers().is_none()
            && self.rules.is_room_alias(&uri, self.room)
    }
}

#[cfg(test)]
mod tests;
