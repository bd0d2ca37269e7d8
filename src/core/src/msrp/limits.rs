//! What one client may cost on its MSRP session.

use core::time::Duration;

use crate::wire::msrp;

/// The limits of one session and its connection. Beyond one the message ends or the leg, never the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of start line and headers.
    pub wire: msrp::Limits,
    /// Octets of one message, all its chunks together; said as `a=max-size` (RFC 4975 §8.6). What XMPP servers take in one stanza
    /// is the bound.
    pub message: usize,
    /// Messages of a session that may be unfinished at a time. Clients interleave at most a file and a text.
    pub unfinished: usize,
    /// Octets of a session's unfinished messages, together.
    pub unfinished_octets: usize,
    /// Octets of the unfinished messages of all sessions of this process, together.
    pub unfinished_octets_total: usize,
    /// How long an unfinished message waits for its next chunk: minutes, since a slow network is no fault (RFC 7701 §6.1).
    pub chunk_patience: Duration,
    /// Messages and answers that wait to be written to one session.
    pub queue: usize,
    /// Octets of them. One larger message goes when nothing else is out.
    pub queue_octets: usize,
    /// How long what is written may wait for the client to read it (RFC 7701 §6.4).
    pub queue_patience: Duration,
    /// Sessions that may share one connection.
    pub sessions: usize,
    /// How long a connection may be without a session (RFC 4975 §14.5), also after its last one ended.
    pub unbound_time: Duration,
    /// How long a client may say nothing, not even a response; `None`: for ever, since the system notices who is gone.
    pub idle_time: Option<Duration>,
}

impl Limits {
    /// Messages that may wait for the session's connection, before it comes or while it is gone. Fewer than may wait to be written
    /// to it: they find room there all at once, with a notice of what was left out, before it is congested.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.queue - self.queue / 4
    }

    /// Octets of them. One larger message waits when nothing else does.
    #[must_use]
    pub const fn waiting_octets(&self) -> usize {
        self.queue_octets - self.queue_octets / 4
    }

    /// The defaults, for messages of at most `message` octets.
    #[must_use]
    pub fn of_messages(message: usize) -> Self {
        Self { message, unfinished_octets: Self::default().unfinished_octets.max(2 * message), ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire: msrp::Limits::default(),
            message: 64 * 1024,
            unfinished: 4,
            unfinished_octets: 256 * 1024,
            unfinished_octets_total: 256 * 1024 * 1024,
            chunk_patience: Duration::from_secs(540),
            queue: 256,
            queue_octets: 512 * 1024,
            queue_patience: Duration::from_secs(60),
            sessions: 1024,
            unbound_time: Duration::from_secs(30),
            idle_time: None,
        }
    }
}
