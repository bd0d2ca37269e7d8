//! What people read when a room says no.

use alloc::string::String;

use super::text;
use crate::stanza::Condition;

/// The most characters of somebody else's words that go into a header field or a comment; people read no more, and a line of
/// MSRP or SIP with that many still fits everywhere.
const MAX_QUOTED: usize = 120;

/// What somebody else said, as it can stand in a Warning, a Reason or the comment of a response: one line, and not a long one.
#[must_use]
pub fn quoted(words: &str) -> String {
    let line = text::one_line(words);
    let mut quoted: String = line.chars().take(MAX_QUOTED).collect();
    if quoted.len() < line.len() {
        quoted.push('…');
    }
    quoted
}

/// What stands in a text where something of the type `kind` stood, which cannot cross.
#[must_use]
pub fn left_out(kind: &str) -> String {
    alloc::format!("[{} left out]", quoted(kind))
}

/// What somebody reads whose private message no client of its addressee took, the status being that of MSRP.
#[must_use]
pub fn refused_by_client(code: u16) -> String {
    alloc::format!("The message was not taken (MSRP {code})")
}

/// The same as [`explain`], as it means to somebody who wants into a room.
#[must_use]
pub const fn explain_join(condition: Condition) -> &'static str {
    match condition {
        Condition::Forbidden => "You are banned from this room",
        other => explain(other),
    }
}

/// The same as [`explain`], as it means to somebody who wants to speak in a room.
#[must_use]
pub const fn explain_message(condition: Condition) -> &'static str {
    match condition {
        Condition::Forbidden => "You may not speak in this room",
        // He is in it.
        Condition::ItemNotFound => "The room does not accept it",
        other => explain(other),
    }
}

/// The same as [`explain`], as it means to somebody who wants to change the subject of a room.
#[must_use]
pub const fn explain_subject(condition: Condition) -> &'static str {
    match condition {
        Condition::Forbidden | Condition::NotAllowed | Condition::NotAuthorized => {
            "You may not change the subject of this room"
        }
        other => explain_message(other),
    }
}

/// The same as [`explain`], as it means to somebody who wants to speak to one occupant.
#[must_use]
pub const fn explain_private(condition: Condition) -> &'static str {
    match condition {
        Condition::Forbidden | Condition::NotAllowed => "The room does not allow private messages of yours",
        Condition::RecipientUnavailable | Condition::ServiceUnavailable => "The recipient is not available",
        other => explain_occupant(other),
    }
}

/// The same as [`explain`], where it is about one occupant.
#[must_use]
pub const fn explain_occupant(condition: Condition) -> &'static str {
    match condition {
        Condition::ItemNotFound | Condition::JidMalformed => "Nobody of that name is in the room",
        other => explain(other),
    }
}

/// The same, to somebody who may only listen.
pub const MAY_ONLY_LISTEN: &str = "You may only listen in this room; write /voice to ask to speak";

/// The same as [`explain`], as it means to somebody who asks to be let speak.
#[must_use]
pub const fn explain_voice(condition: Condition) -> &'static str {
    match condition {
        Condition::Forbidden | Condition::NotAllowed => "The room takes no requests to speak",
        other => explain(other),
    }
}

/// The same as [`explain`], as it means to somebody who wants another nickname.
#[must_use]
pub const fn explain_nickname(condition: Condition) -> &'static str {
    match condition {
        Condition::Conflict => "Nickname reserved or already in use",
        Condition::NotAcceptable => "The room has locked nicknames",
        Condition::JidMalformed | Condition::BadRequest => "The nickname cannot be used",
        other => explain(other),
    }
}

/// One short sentence for a condition of RFC 6120 §8.3.3, as it means to somebody who wants into a room or to speak there.
#[must_use]
pub const fn explain(condition: Condition) -> &'static str {
    match condition {
        Condition::BadRequest => "The room did not understand",
        Condition::Conflict => "The nickname is taken",
        Condition::FeatureNotImplemented => "The room cannot do that",
        Condition::Forbidden => "The room does not allow it",
        Condition::Gone => "The room is gone",
        Condition::InternalServerError => "The room failed",
        Condition::ItemNotFound => "There is no such room",
        Condition::JidMalformed => "The nickname cannot be used",
        Condition::NotAcceptable => "The room does not accept it",
        Condition::NotAllowed => "The room does not allow it",
        Condition::NotAuthorized => "The room asks for a password",
        Condition::PolicyViolation => "The room's policy forbids it",
        Condition::RecipientUnavailable => "The room is not available",
        Condition::Redirect => "The room is elsewhere",
        Condition::RegistrationRequired => "The room is for members only",
        Condition::RemoteServerNotFound => "The room's server cannot be found",
        Condition::RemoteServerTimeout => "The room's server does not answer",
        Condition::ResourceConstraint => "The room is full, or the message is too large",
        Condition::ServiceUnavailable => "The room is not available",
        Condition::SubscriptionRequired => "The room asks for a subscription",
        Condition::UndefinedCondition => "The room refused",
        Condition::UnexpectedRequest => "The room did not expect it",
    }
}
