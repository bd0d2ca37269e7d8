//! One account in one MUC (XEP-0045): entering, nickname, what it said and what became of it, what it hears, leaving. It knows no
//! legs: what it is asked to do comes with a ticket, and the ticket comes back with the outcome.

mod catching_up;
mod departure;
mod entering;
mod hearing;
pub mod membership;
mod memory;
mod pinging;
pub mod reflections;
mod refusing;
mod removal;
mod renaming;
mod speaking;
mod suspension;
mod thrown_out;

pub use departure::Departure;
pub use entering::JoinRefusal;
pub use hearing::{Heard, Ids, Seen, SeenState, Utterance};
pub use membership::{Event, Membership, Wishes};
pub use removal::Removal;
pub use speaking::Errand;

use alloc::string::String;

/// Why the XMPP stream of an account is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamEnd {
    /// The server does not let this account in.
    #[error("the XMPP server refused the login: {0}")]
    LoginRefused(String),
    /// The server cannot be reached or did not answer in time.
    #[error("the XMPP server cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke, or the server closed it, or it broke the rules of XMPP.
    #[error("the XMPP stream was lost: {0}")]
    Lost(String),
    /// The room did not take its stanzas for too long (five seconds).
    #[error("the room took nothing from its XMPP stream for too long")]
    RoomTooSlow,
}

impl StreamEnd {
    /// What a caller reads. The details (addresses, certificates, what the system said) are the operator's: they stand in the
    /// log line of the stream (SIP-22).
    #[must_use]
    pub const fn for_callers(&self) -> &'static str {
        match self {
            Self::LoginRefused(_) => "The XMPP server does not let your account in",
            Self::Unreachable(_) => "The XMPP server cannot be reached",
            Self::Lost(_) => "The connection to the XMPP server was lost",
            Self::RoomTooSlow => "The room is overloaded",
        }
    }
}
