//! Who may say what to whom in a room (RFC 7701 §6).
//!
//! The switch judges one message of a SIP user: whether it is a CPIM message, whether its From is his, whom its To names, and
//! whether the room can carry what is in it. It never delivers anything.

mod content;
mod recipient;

use alloc::string::{String, ToString};

use bytes::Bytes;

use self::content::Content;
use self::recipient::Recipient;
use crate::address::escape::percent_decode_text;
use crate::address::mapping::{RoomMatch, RoomRules};
use crate::address::sip_uri::SipUri;
use crate::msrp::session::{Received, Verdict};
use crate::roster::Roster;
use crate::time::WallClock;
use crate::translate::phrases;
use crate::translate::text::{self, TextError};
use crate::wire::cpim::{Address, Cpim, CpimError};
use crate::wire::imdn::{self, Asks, Imdn, ImdnError, MessageId};
use crate::wire::is_composing::{IsComposing, IsComposingError};
use crate::wire::media_type::MediaType;
use crate::wire::mime::MimeError;
use crate::wire::multipart::MultipartError;

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
    /// Who is in the room.
    pub roster: &'a Roster,
}

/// What a SIP user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: a message without content.
    Nothing,
    /// To say this to everybody.
    Public {
        /// What is said.
        body: String,
        /// What he wants to hear of it.
        request: Option<Request>,
    },
    /// To say this to one occupant.
    Private {
        /// His nickname.
        to: String,
        /// What is said.
        body: String,
        /// From and To as he wrote them, for reports (SW-15).
        headers: Bytes,
        /// What he wants to hear of it.
        request: Option<Request>,
    },
    /// To tell one occupant what became of a private message of his (IMDN-02).
    Notification {
        /// His nickname.
        to: String,
        /// What became of it.
        imdn: Imdn,
    },
    /// To have everybody know what he is doing.
    Composing(IsComposing),
    /// To have one occupant know it, and nobody else.
    Whispering {
        /// His nickname.
        to: String,
        /// What he is doing.
        state: IsComposing,
    },
    /// To give the room another subject (FT-10).
    Subject(String),
}

/// What the sender of a message wants to hear of it (RFC 5438 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What he calls it.
    pub message_id: MessageId,
    /// What he wants to hear.
    pub asks: Asks,
    /// When he sent it, as he says.
    pub sent: Option<WallClock>,
}

impl Request {
    /// What a message asks for; without a name nothing can be told about it.
    fn of(cpim: &Cpim) -> Option<Self> {
        let message_id = cpim.tracking.message_id.clone().filter(|_| cpim.tracking.asks.anything())?;
        let sent = cpim.date_time.as_deref().and_then(WallClock::parse_rfc3339);
        Some(Self { message_id, asks: cpim.tracking.asks, sent })
    }
}

/// Why a message goes nowhere.
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
    /// To is not an address, or one with something behind it that is none either (E-03).
    #[error("CPIM To cannot be read")]
    BadRecipient,
    /// To is nobody here (SW-14).
    #[error("nobody here has that address")]
    NobodyHere,
    /// The nickname was somebody else's a moment ago, and the sender may mean him.
    #[error("that nickname has just changed hands: look at the list again")]
    ChangedHands,
    /// The same, where nobody can tell.
    #[error("the room was out of sight, and that nickname may be somebody else's now: look at the list again")]
    OutOfSight,
    /// SW-16.
    #[error("private messages are not carried in this room")]
    NoPrivateMessages,
    /// MS-SEND-15.
    #[error("a wrapped {0} is not taken")]
    WrappedType(String),
    /// SEC-08: it cannot be read here, and a signature would not survive the room.
    #[error("{0} cannot cross into the room: send the text as it is")]
    Sealed(String),
    /// CPIM-13.
    #[error("the content is wrapped too often")]
    TooDeep,
    /// A part of a multipart is malformed.
    #[error(transparent)]
    Part(#[from] MimeError),
    /// MS-SEND-14.
    #[error(transparent)]
    Multipart(#[from] MultipartError),
    /// IMDN-02.
    #[error(transparent)]
    Imdn(#[from] ImdnError),
    /// CPIM-12.
    #[error(transparent)]
    Text(#[from] TextError),
    /// ISC-01.
    #[error(transparent)]
    IsComposing(#[from] IsComposingError),
}

impl Objection {
    /// What the sender is told.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let code = match self {
            Self::Cpim(error) => error.msrp_code(),
            Self::Part(error) => error.msrp_code(),
            Self::NoRecipient | Self::BadRecipient | Self::IsComposing(_) | Self::Imdn(_) | Self::Multipart(_) => 400,
            Self::NotYou | Self::SeveralRecipients | Self::NoPrivateMessages => 403,
            Self::NobodyHere | Self::ChangedHands | Self::OutOfSight => 404,
            Self::NotCpim | Self::WrappedType(_) | Self::Sealed(_) | Self::TooDeep => 415,
            Self::Text(error) => error.msrp_code(),
        };
        // Some objections name what the sender wrote, which may be endless.
        Verdict::Refused { code, comment: phrases::quoted(&self.to_string()).into() }
    }
}

/// What a message asks for.
///
/// # Errors
///
/// The objection, which also says what the sender is told.
pub fn judge(received: &Received, speaker: Speaker<'_>) -> Result<Wish, Objection> {
    if received.body.is_empty() {
        return Ok(Wish::Nothing); // an empty body is a message without content (MS-FRAME-08)
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
    let recipient = recipient::find(to, speaker);
    if cpim.content_type.is(imdn::MEDIA_TYPE) {
        return notification(&cpim, recipient);
    }
    match recipient? {
        Recipient::Everybody => to_everybody(&cpim),
        Recipient::Occupant(_) if !speaker.room.private_messages => Err(Objection::NoPrivateMessages),
        Recipient::Occupant(nickname) => match content::read(&cpim)? {
            Content::Composing(state) => Ok(Wish::Whispering { to: nickname, state }),
            Content::Text(None) => Ok(Wish::Nothing),
            Content::Notification(imdn) => Ok(Wish::Notification { to: nickname, imdn }),
            Content::Text(Some(body)) => {
                let from =
                    cpim.from.as_ref().map_or_else(|| Address::new(None, &speaker.caller.to_string()), Clone::clone);
                let headers = crate::wire::cpim::headers(&from, to);
                Ok(Wish::Private { to: nickname, body, headers, request: Request::of(&cpim) })
            }
        },
    }
}

fn to_everybody(cpim: &Cpim) -> Result<Wish, Objection> {
    match content::read(cpim)? {
        Content::Composing(state) => Ok(Wish::Composing(state)),
        // A room is told nothing about single messages: everybody would tell everybody.
        Content::Notification(_) => Ok(Wish::Nothing),
        Content::Text(Some(body)) => Ok(Wish::Public { body, request: Request::of(cpim) }),
        // A subject that stands alone is meant as that; one beside a text is the text's (CPIM-15).
        Content::Text(None) => Ok(match &cpim.subject {
            Some(subject) => Wish::Subject(text::xml_clean(subject).into_owned()),
            None => Wish::Nothing,
        }),
    }
}

/// A notification that is for nobody here is dropped: its sender could do nothing about it.
fn notification(cpim: &Cpim, recipient: Result<Recipient, Objection>) -> Result<Wish, Objection> {
    let imdn = Imdn::parse(&cpim.content)?;
    match recipient {
        Ok(Recipient::Occupant(to)) => Ok(Wish::Notification { to, imdn }),
        Ok(Recipient::Everybody) | Err(Objection::NobodyHere) => Ok(Wish::Nothing),
        Err(objection) => Err(objection),
    }
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
}

#[cfg(test)]
mod tests;
