//! A small SIP user agent over UDP or TCP: INVITE and what follows, RFC 3261's timers for datagrams, and raw bytes.

mod call;
mod message;
mod request;
mod socket;
mod transaction;
mod ua;

pub use call::Call;
pub use message::Message;
pub use request::Request;
pub use socket::Traffic;
pub use transaction::Transaction;
pub use ua::{Ua, Who};

use std::time::Duration;

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Time for a final response: Timer B, as 64 times T1.
pub const TIMER_B: Duration = Duration::from_secs(32);

/// How a user agent reaches its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// One connection, opened by the user agent.
    Tcp,
}

impl Transport {
    pub(super) fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// The word with a capital first letter: the display name, and so the nickname, that a user gets.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
