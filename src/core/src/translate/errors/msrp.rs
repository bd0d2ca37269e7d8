//! MSRP status codes, and what each is called in XMPP. No RFC covers this (annex A3 of the requirements; ERR-09).

use crate::stanza::{Condition, StanzaError};

use super::error_with;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The status code of a response or report (RFC 4975 §10, RFC 7701 §10.3).
    pub code: u16,
    /// What it is called in XMPP.
    pub condition: Condition,
    /// Whether the session that it came in is over.
    pub ends_session: bool,
}

const fn row(code: u16, condition: Condition) -> Row {
    Row { code, condition, ends_session: false }
}

const fn last(code: u16, condition: Condition) -> Row {
    Row { code, condition, ends_session: true }
}

/// The codes that have a row of their own, ascending. 408 stands for no response in time as well. Of the others, 4xx is
/// `bad-request` and 5xx `internal-server-error`.
pub const TABLE: [Row; 13] = [
    row(400, Condition::BadRequest),
    row(403, Condition::Forbidden),
    row(404, Condition::ItemNotFound),
    row(408, Condition::RemoteServerTimeout),
    row(413, Condition::PolicyViolation),
    row(415, Condition::NotAcceptable),
    row(423, Condition::ResourceConstraint),
    row(424, Condition::JidMalformed),
    row(425, Condition::Conflict),
    row(428, Condition::FeatureNotImplemented),
    last(481, Condition::ItemNotFound),
    row(501, Condition::FeatureNotImplemented),
    last(506, Condition::ItemNotFound),
];

/// What a response or report with this status is called. `None` for everything that is no error.
#[must_use]
pub fn condition(code: u16) -> Option<Condition> {
    let own = TABLE.iter().find(|row| row.code == code).map(|row| row.condition);
    own.or(match code / 100 {
        4 => Some(Condition::BadRequest),
        5 => Some(Condition::InternalServerError),
        _ => None,
    })
}

/// The stanza error for a response or report with this status, and this text. `None` for what is no error.
#[must_use]
pub fn error(code: u16, comment: &str) -> Option<StanzaError> {
    Some(error_with(condition(code)?, comment))
}

/// The same, as an occupant of a room can send it to another one and stay: a MUC takes some conditions for proof that nobody is
/// behind the occupant who sends them, and puts him out (XEP-0045 §18.1.2). In their place stands `undefined-condition`; the text
/// says which status it was.
#[must_use]
pub fn error_of_occupant(code: u16, comment: &str) -> Option<StanzaError> {
    let condition = condition(code)?;
    let condition = if is_of_a_ghost(condition) { Condition::UndefinedCondition } else { condition };
    Some(error_with(condition, comment))
}

/// Whether a MUC puts out whoever answers another occupant with this condition: those of XEP-0045 §18.1.2, and the others for
/// which Prosody and ejabberd do.
#[must_use]
pub const fn is_of_a_ghost(condition: Condition) -> bool {
    matches!(
        condition,
        Condition::Gone
            | Condition::InternalServerError
            | Condition::ItemNotFound
            | Condition::JidMalformed
            | Condition::RecipientUnavailable
            | Condition::Redirect
            | Condition::RemoteServerNotFound
            | Condition::RemoteServerTimeout
            | Condition::ServiceUnavailable
    )
}
