//! The closed sets that values of labels come from.

use mucfocus_core::conference::Outcome;
use mucfocus_core::leg::Delivery;
use mucfocus_core::room::io::EndCause;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a SIP user, acknowledged by the MUC.
    SipToXmpp,
    /// From the MUC to one SIP user.
    XmppToSip,
}

/// How a login went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Login {
    /// The stream is up.
    Ok,
    /// The server does not let this account in.
    Refused,
    /// No server answered.
    Unreachable,
}

/// Who or what ended an answered call.
pub(super) const fn ended(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Cancelled | EndCause::ByCaller => "by_caller",
        EndCause::ByRoom => "by_room",
        EndCause::ByOperator => "by_operator",
        EndCause::Replaced => "replaced",
        EndCause::Declined => "declined",
        EndCause::NoAck => "no_ack",
        EndCause::Expired => "session_timer",
        EndCause::MsrpLost => "msrp_lost",
        EndCause::XmppLost => "xmpp_lost",
        EndCause::TooSlow => "too_slow",
        EndCause::Shutdown => "shutdown",
        EndCause::Fault => "fault",
    }
}

/// All that [`ended`] says.
pub(super) const ENDS: [&str; 12] = [
    ended(EndCause::ByCaller),
    ended(EndCause::ByRoom),
    ended(EndCause::ByOperator),
    ended(EndCause::Replaced),
    ended(EndCause::Declined),
    ended(EndCause::NoAck),
    ended(EndCause::Expired),
    ended(EndCause::MsrpLost),
    ended(EndCause::XmppLost),
    ended(EndCause::TooSlow),
    ended(EndCause::Shutdown),
    ended(EndCause::Fault),
];

/// Why a SIP user did not get a message; `None` where he did.
pub(super) const fn undelivered(why: Delivery) -> Option<&'static str> {
    Some(match why {
        Delivery::Sent => return None,
        Delivery::Held => "held",
        Delivery::NoConnection => "no_connection",
        Delivery::TypeRefused => "type_refused",
        Delivery::TooLarge => "too_large",
        Delivery::Congested => "congested",
        Delivery::Refused(_) => "refused",
        Delivery::Unanswered => "unanswered",
    })
}

/// All that [`undelivered`] says.
pub(super) const UNDELIVERED: [&str; 7] =
    ["held", "no_connection", "type_refused", "too_large", "congested", "refused", "unanswered"];

/// What became of a NOTIFY.
pub(super) const fn notified(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Refused => "refused",
        Outcome::TooLarge => "too_large",
        Outcome::Failed => "failed",
    }
}

impl Direction {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::SipToXmpp => "sip_to_xmpp",
            Self::XmppToSip => "xmpp_to_sip",
        }
    }
}

impl Login {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Statuses that calls are refused with; a status that is none of them counts as its class.
pub(super) fn sip_status(status: u16) -> &'static str {
    match status {
        100 => "100",
        400 => "400",
        403 => "403",
        404 => "404",
        405 => "405",
        406 => "406",
        408 => "408",
        410 => "410",
        413 => "413",
        415 => "415",
        416 => "416",
        420 => "420",
        480 => "480",
        481 => "481",
        482 => "482",
        483 => "483",
        486 => "486",
        487 => "487",
        488 => "488",
        489 => "489",
        500 => "500",
        501 => "501",
        503 => "503",
        504 => "504",
        505 => "505",
        513 => "513",
        603 => "603",
        _ => match status / 100 {
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "6xx",
        },
    }
}

/// Statuses of RFC 4975 §10 and RFC 7701.
pub(super) fn msrp_status(status: u16) -> &'static str {
    match status {
        400 => "400",
        403 => "403",
        404 => "404",
        408 => "408",
        413 => "413",
        415 => "415",
        423 => "423",
        425 => "425",
        428 => "428",
        481 => "481",
        501 => "501",
        506 => "506",
        _ => "other",
    }
}

/// Methods of the registry of RFC 3261; they are case-sensitive.
pub(super) fn sip_method(method: &str) -> &'static str {
    const METHODS: [&str; 14] = [
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    ];
    METHODS.into_iter().find(|m| *m == method).unwrap_or("other")
}
