//! XMPP conditions, and what each is called in SIP and in MSRP (annexes A1 and A3 of the requirements; ERR-01 … 03, 09).

use crate::stanza::{Condition, ErrorKind};

/// What an error is answered with, by its type: the same condition means another thing to somebody who is told to wait, or to
/// send something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// Whatever the type, unless it is one of the others.
    pub usual: u16,
    /// For an error of type `wait`.
    pub wait: u16,
    /// For an error of type `modify`.
    pub modify: u16,
}

impl Codes {
    const fn waiting(self, wait: u16) -> Self {
        Self { wait, ..self }
    }

    const fn modifying(self, modify: u16) -> Self {
        Self { modify, ..self }
    }

    /// The code for an error of this type.
    #[must_use]
    pub const fn of(self, kind: ErrorKind) -> u16 {
        match kind {
            ErrorKind::Wait => self.wait,
            ErrorKind::Modify => self.modify,
            ErrorKind::Auth | ErrorKind::Cancel | ErrorKind::Continue => self.usual,
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The condition of RFC 6120 §8.3.3.
    pub condition: Condition,
    /// Its name there.
    pub name: &'static str,
    /// The type that it has when we send it (RFC 6120 §8.3.3).
    pub kind: ErrorKind,
    /// What a call is refused with.
    pub call: Codes,
    /// The same when the error brings an address.
    pub moved: Option<u16>,
    /// What ends a referral.
    pub invitation: Codes,
    /// What an MSRP message for the room is answered with.
    pub message: Codes,
    /// What an MSRP message for one occupant is answered with.
    pub private: Codes,
    /// What an MSRP NICKNAME is answered with.
    pub nickname: Codes,
}

/// All conditions, in the order of [`Condition`].
pub const TABLE: [Row; 22] = [
    row(Condition::BadRequest, "bad-request", ErrorKind::Modify, 400, 400).nickname(424),
    // To a join: somebody has the nickname, and other nicknames have been tried.
    row(Condition::Conflict, "conflict", ErrorKind::Cancel, 400, 400).nickname(425),
    row(Condition::FeatureNotImplemented, "feature-not-implemented", ErrorKind::Cancel, 405, 400).private(428),
    row(Condition::Forbidden, "forbidden", ErrorKind::Auth, 403, 403),
    row(Condition::Gone, "gone", ErrorKind::Cancel, 410, 404).moved(301),
    row(Condition::InternalServerError, "internal-server-error", ErrorKind::Cancel, 500, 400),
    row(Condition::ItemNotFound, "item-not-found", ErrorKind::Cancel, 404, 404),
    row(Condition::JidMalformed, "jid-malformed", ErrorKind::Modify, 400, 400).nickname(424),
    // To a message: it reads as if the sender were no occupant (XEP-0045 §7.4), but the way back in has been tried. To a private
    // message: who is not in the room any more is nobody there; it is no word on the session.
    row(Condition::NotAcceptable, "not-acceptable", ErrorKind::Modify, 406, 415).private(408).nickname(425),
    row(Condition::NotAllowed, "not-allowed", ErrorKind::Cancel, 403, 403),
    // 403 and not 401: a challenge for a room's password is nothing that a SIP client could answer.
    row(Condition::NotAuthorized, "not-authorized", ErrorKind::Auth, 403, 403),
    // To a message: too large, unless the sender is told to wait.
    row(Condition::PolicyViolation, "policy-violation", ErrorKind::Modify, 403, 413).message_waits(403),
    row(Condition::RecipientUnavailable, "recipient-unavailable", ErrorKind::Wait, 480, 408).nickname(408),
    row(Condition::Redirect, "redirect", ErrorKind::Modify, 404, 400).moved(302),
    row(Condition::RegistrationRequired, "registration-required", ErrorKind::Auth, 403, 403),
    row(Condition::RemoteServerNotFound, "remote-server-not-found", ErrorKind::Cancel, 404, 408).nickname(408),
    row(Condition::RemoteServerTimeout, "remote-server-timeout", ErrorKind::Wait, 408, 408).nickname(408),
    // To a message: 413 when a smaller one would help.
    row(Condition::ResourceConstraint, "resource-constraint", ErrorKind::Wait, 500, 403)
        .waits(480)
        .message_modifies(413),
    // Never 503, which would take the whole node out of service (ERR-03).
    row(Condition::ServiceUnavailable, "service-unavailable", ErrorKind::Cancel, 403, 403).waits(480).invitation(480),
    row(Condition::SubscriptionRequired, "subscription-required", ErrorKind::Auth, 403, 403),
    row(Condition::UndefinedCondition, "undefined-condition", ErrorKind::Cancel, 400, 400),
    row(Condition::UnexpectedRequest, "unexpected-request", ErrorKind::Wait, 400, 400),
];

/// The row of a condition.
#[must_use]
pub fn row_of(condition: Condition) -> Row {
    let unknown = row(Condition::UndefinedCondition, "undefined-condition", ErrorKind::Cancel, 400, 400);
    TABLE.iter().find(|row| row.condition == condition).copied().unwrap_or(unknown)
}

const fn codes(usual: u16) -> Codes {
    Codes { usual, wait: usual, modify: usual }
}

/// A row with one code for whatever concerns a call, and one for whatever concerns a message. No nickname but 403.
const fn row(condition: Condition, name: &'static str, kind: ErrorKind, sip: u16, msrp: u16) -> Row {
    let (call, message) = (codes(sip), codes(msrp));
    let nickname = codes(403);
    Row { condition, name, kind, call, moved: None, invitation: call, message, private: message, nickname }
}

impl Row {
    const fn moved(self, code: u16) -> Self {
        Self { moved: Some(code), ..self }
    }

    /// What a call, or an invitation, that may be tried again later is refused with.
    const fn waits(self, code: u16) -> Self {
        Self { call: self.call.waiting(code), invitation: self.invitation.waiting(code), ..self }
    }

    const fn invitation(self, code: u16) -> Self {
        Self { invitation: codes(code), ..self }
    }

    const fn message_waits(self, code: u16) -> Self {
        Self { message: self.message.waiting(code), private: self.private.waiting(code), ..self }
    }

    const fn message_modifies(self, code: u16) -> Self {
        Self { message: self.message.modifying(code), private: self.private.modifying(code), ..self }
    }

    const fn private(self, code: u16) -> Self {
        Self { private: codes(code), ..self }
    }

    const fn nickname(self, code: u16) -> Self {
        Self { nickname: codes(code), ..self }
    }
}
