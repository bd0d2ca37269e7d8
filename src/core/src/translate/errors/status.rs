//! Status codes of a MUC (XEP-0045 §15.6), and what comes of them on the SIP side (XM-06, FT-11).

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The status code.
    pub code: u16,
    /// What comes of it.
    pub effect: Effect,
}

/// What comes of a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is part of the conversation with the MUC; SIP users see what it leads to, which is said here.
    Inner(&'static str),
    /// SIP users read this.
    Notice(&'static str),
    /// The occupant is out of the room.
    Removal(Why),
    /// It says nothing that matters here.
    Ignored,
}

/// All status codes that a MUC is known to send, ascending.
pub const TABLE: [Row; 20] = [
    row(100, Effect::Notice("Everybody in this room can see your XMPP address.")),
    row(101, Effect::Ignored),
    row(102, Effect::Ignored),
    row(103, Effect::Ignored),
    row(104, Effect::Notice("The configuration of the room has changed.")),
    row(110, Effect::Inner("Own presence: the roster is complete, the call is answered")),
    row(170, Effect::Notice("What is said in this room is logged.")),
    row(171, Effect::Notice("What is said in this room is not logged any more.")),
    row(172, Effect::Notice("From now on everybody in this room can see your XMPP address.")),
    row(173, Effect::Notice("From now on only moderators can see your XMPP address.")),
    row(174, Effect::Notice("From now on nobody in this room can see your XMPP address.")),
    row(
        201,
        Effect::Inner("A new room: it is configured where `create` allows it, else left at once and the call gets 404"),
    ),
    row(210, Effect::Inner("The room changed the nickname: the user is told the one that he has")),
    row(301, Effect::Removal(Why::Banned)),
    row(303, Effect::Inner("Another nickname: one document takes the old user out and puts the new one in")),
    row(307, Effect::Removal(Why::Kicked)),
    row(321, Effect::Removal(Why::AffiliationLost)),
    row(322, Effect::Removal(Why::MembersOnly)),
    row(332, Effect::Removal(Why::ServiceShutdown)),
    row(333, Effect::Removal(Why::Technical)),
];

/// Why an occupant is no longer in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// By a moderator.
    Kicked,
    /// For good.
    Banned,
    /// He is no longer a member.
    AffiliationLost,
    /// The room is for members only now.
    MembersOnly,
    /// The service goes down.
    ServiceShutdown,
    /// An error of the network or the service, and the way back in failed.
    Technical,
    /// The room was destroyed.
    Destroyed,
    /// The room was destroyed, and another is named.
    DestroyedForAnother,
    /// The XMPP stream is lost.
    StreamLost,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Kicked,
        Self::Banned,
        Self::AffiliationLost,
        Self::MembersOnly,
        Self::ServiceShutdown,
        Self::Technical,
        Self::Destroyed,
        Self::DestroyedForAnother,
        Self::StreamLost,
    ];

    /// The cause in the Reason of the BYE (RFC 3326).
    #[must_use]
    pub const fn sip_cause(self) -> u16 {
        match self {
            Self::Kicked | Self::Banned | Self::AffiliationLost | Self::MembersOnly => 403,
            Self::DestroyedForAnother => 301,
            Self::Destroyed => 410,
            Self::ServiceShutdown | Self::Technical | Self::StreamLost => 503,
        }
    }

    /// What becomes of his subscriptions to the roster.
    #[must_use]
    pub const fn watching(self) -> Watching {
        match self {
            Self::Kicked | Self::Banned | Self::AffiliationLost | Self::MembersOnly => Watching::Forbidden,
            Self::Destroyed | Self::DestroyedForAnother => Watching::Over,
            Self::ServiceShutdown | Self::Technical | Self::StreamLost => Watching::Later,
        }
    }
}

/// What becomes of the subscriptions of somebody who is no longer in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// He may not (`rejected`).
    Forbidden,
    /// There is nothing to see any more (`noresource`).
    Over,
    /// He may try again (`probation`, with a time).
    Later,
}

/// What SIP users read when the room says this. `None` for what is not for them.
#[must_use]
pub fn notice(code: u16) -> Option<&'static str> {
    let row = TABLE.iter().find(|row| row.code == code)?;
    match row.effect {
        Effect::Notice(text) => Some(text),
        _ => None,
    }
}

const fn row(code: u16, effect: Effect) -> Row {
    Row { code, effect }
}
