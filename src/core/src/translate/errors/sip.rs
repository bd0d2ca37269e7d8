//! SIP status codes, and what each is called in XMPP (RFC 7247 §7.2; annex A2 of the requirements; ERR-04 … 07).

use crate::stanza::{Condition, StanzaError};

use super::{error_with, is_usable_uri};

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The status code.
    pub code: u16,
    /// What it is called in XMPP.
    pub condition: Condition,
}

const fn row(code: u16, condition: Condition) -> Row {
    Row { code, condition }
}

/// The codes that have a row of their own, ascending. The others go by [`CLASSES`].
pub const TABLE: [Row; 48] = [
    row(300, Condition::Redirect),
    row(301, Condition::Gone),
    row(302, Condition::Redirect),
    row(305, Condition::Redirect),
    row(380, Condition::NotAcceptable),
    row(400, Condition::BadRequest),
    row(401, Condition::NotAuthorized),
    row(402, Condition::BadRequest),
    row(403, Condition::Forbidden),
    row(404, Condition::ItemNotFound),
    row(405, Condition::FeatureNotImplemented),
    row(406, Condition::NotAcceptable),
    row(407, Condition::RegistrationRequired),
    row(408, Condition::RemoteServerTimeout),
    row(410, Condition::Gone),
    row(413, Condition::PolicyViolation),
    row(414, Condition::PolicyViolation),
    row(415, Condition::NotAcceptable),
    row(416, Condition::NotAcceptable),
    row(420, Condition::FeatureNotImplemented),
    row(421, Condition::NotAcceptable),
    row(423, Condition::ResourceConstraint),
    row(430, Condition::RecipientUnavailable),
    row(439, Condition::FeatureNotImplemented),
    row(440, Condition::PolicyViolation),
    row(480, Condition::RecipientUnavailable),
    row(481, Condition::ItemNotFound),
    row(482, Condition::NotAcceptable),
    row(483, Condition::NotAcceptable),
    row(484, Condition::ItemNotFound),
    row(485, Condition::ItemNotFound),
    row(486, Condition::RecipientUnavailable),
    row(487, Condition::RecipientUnavailable),
    row(488, Condition::NotAcceptable),
    row(489, Condition::PolicyViolation),
    row(491, Condition::UnexpectedRequest),
    row(493, Condition::BadRequest),
    row(500, Condition::InternalServerError),
    row(501, Condition::FeatureNotImplemented),
    row(502, Condition::RemoteServerNotFound),
    row(503, Condition::InternalServerError),
    row(504, Condition::RemoteServerTimeout),
    row(505, Condition::NotAcceptable),
    row(513, Condition::PolicyViolation),
    row(600, Condition::RecipientUnavailable),
    row(603, Condition::RecipientUnavailable),
    row(604, Condition::ItemNotFound),
    row(606, Condition::NotAcceptable),
];

/// Codes younger than RFC 7247 for which the rule of their class says too little: who does not want the call, and says so
/// (RFC 8197, RFC 8688), is not out of reach.
pub const YOUNGER: [Row; 2] = [row(607, Condition::NotAllowed), row(608, Condition::NotAllowed)];

/// What a code without a row is called, by its first digit: the code given here stands for its class.
pub const CLASSES: [Row; 4] = [
    row(300, Condition::Redirect),
    row(400, Condition::BadRequest),
    row(500, Condition::InternalServerError),
    row(600, Condition::RecipientUnavailable),
];

/// What a final response other than 2xx is called. `None` for everything else, which is no error.
#[must_use]
pub fn condition(code: u16) -> Option<Condition> {
    let own = TABLE.iter().chain(&YOUNGER).find(|row| row.code == code);
    own.or_else(|| CLASSES.iter().find(|row| row.code / 100 == code / 100)).map(|row| row.condition)
}

/// The stanza error for a final response with this status: its phrase is the text (ERR-06), its Contact the new address of
/// `gone` and `redirect` (ERR-05; 410 has none). `None` for what is no error.
#[must_use]
pub fn error(code: u16, phrase: &str, contact: Option<&str>) -> Option<StanzaError> {
    let condition = condition(code)?;
    let is_moved = matches!(condition, Condition::Gone | Condition::Redirect) && code != 410;
    let address = contact.filter(|uri| is_moved && is_usable_uri(uri)).map(Into::into);
    Some(StanzaError { address, ..error_with(condition, phrase) })
}
