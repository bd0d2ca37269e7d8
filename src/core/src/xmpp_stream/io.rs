//! What happens to a stream, and what it wants done.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use jid::{BareJid, FullJid};

use super::framing::{Framed, Skipped, Violation};

/// What happens to a stream.
#[derive(Debug)]
pub enum Input<'a> {
    /// The stream is ours: the server has sent the features that follow login.
    Start {
        /// Whether it is to be resumed when its connection breaks (XEP-0198 §5). The server must offer that, and somebody must
        /// end what it keeps should this process die.
        resumable: bool,
    },
    /// The same, and a resource was bound on the way (XEP-0386).
    StartBound {
        /// Who we are.
        jid: FullJid,
        /// As in [`Input::Start`].
        resumable: bool,
    },
    /// Bytes from the server.
    Received(&'a [u8]),
    /// Send this stanza, after all others.
    Send(Bytes),
    /// The connection is gone, for this reason.
    Disconnected(String),
    /// After [`Output::Suspended`]: there is another connection, and the same account is logged in on it.
    Reconnected {
        /// Whether the server still offers to resume.
        resumable: bool,
    },
    /// The same, and the stream was resumed on the way, as [`Machine::resume`](super::machine::Machine::resume) asked.
    ReconnectedAndResumed {
        /// Stanzas of ours that the server had handled, modulo 2³².
        handled: u32,
    },
    /// The same, but the server does not have the stream any more, and a resource for another was bound on the way.
    ReconnectedAnew {
        /// Who we are.
        jid: FullJid,
        /// Whether the server still offers to resume.
        resumable: bool,
    },
    /// After [`Output::Suspended`]: there will be no other connection, for this reason.
    GivenUp(String),
    /// Stanzas from this room are wanted.
    Enter(BareJid),
    /// What [`Output::Stray`] brought invites nobody to anything.
    NoInvitation(Framed),
    /// They are not wanted any more.
    Leave(&'a BareJid),
    /// End the stream. Everything that was to be sent has been.
    Close,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Write(Bytes),
    /// Send this stanza of [`Input::Send`]; once it is written, it is off our hands.
    Send(Bytes),
    /// The server has so many stanzas of [`Input::Send`], or nobody will ever know: they are off our hands, the oldest first.
    Settled(usize),
    /// The stream is up; after [`Output::Reset`] once more.
    Bound(FullJid),
    /// A room that is wanted, or one of its occupants, said this.
    ToRoom {
        /// The room.
        room: BareJid,
        /// What it said. Never a request.
        stanza: Framed,
    },
    /// Somebody else may invite the account to a room: a message, to be read with care. Where it does not, [`Input::NoInvitation`]
    /// answers it as any other.
    Stray(Framed),
    /// A stanza came that is nothing to anybody here.
    Ignored(Ignored),
    /// The connection is of no use any more: close it without a word, since a word would end the stream for good, and bring
    /// [`Input::Reconnected`] or [`Input::GivenUp`]. What was not written is forgotten. Until then stanzas may be sent, and go out
    /// when the stream is up again.
    Suspended(StreamFault),
    /// The stream goes on as if nothing had been: the server answers, what it had for us has been handed out, and what it had not got
    /// is sent once more.
    Resumed {
        /// The ids of private messages that it had not got and that are not: meanwhile their recipient's nickname may have become
        /// somebody else's.
        unhandled: Vec<String>,
    },
    /// The server does not have the stream any more, or in no state to go on. Another one is being bound in its place; whatever was
    /// not acknowledged may or may not have reached anybody.
    Reset {
        /// Why its connection was gone.
        why: StreamFault,
        /// The ids of stanzas that the server has not handled, where it says so or that is certain.
        unhandled: Vec<String>,
    },
    /// The stream is over. Nothing follows; what was to be written before should be tried, and then the connection closed.
    Ended(StreamFault),
}

/// Why a stanza is nothing to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// From somebody who is not in a room that is wanted, or from nobody.
    NotARoom {
        /// `from`, if there was one.
        from: Option<String>,
    },
    /// Neither message, presence nor iq.
    NotAStanza {
        /// The name of the element.
        name: String,
    },
    /// Before the stream was up, or while it was being closed.
    NotUp,
    /// Beyond the limits of the framer.
    Skipped(Skipped),
}

/// Why a stream is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// We closed it.
    #[error("closed")]
    Closed,
    /// The server closed it with an error (RFC 6120 §4.9.3).
    #[error("the server ended the stream: {condition}{}{}", if text.is_empty() { "" } else { ": " }, text)]
    ServerError {
        /// The defined condition, `conflict` for instance.
        condition: String,
        /// Its text; empty if there is none.
        text: String,
    },
    /// The server closed it without a word.
    #[error("the server ended the stream")]
    ClosedByServer,
    /// The connection is gone.
    #[error("the connection is gone: {0}")]
    Disconnected(String),
    /// The server broke the rules of XML streams.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The server has been silent for [`SILENCE`](super::machine::SILENCE) and [`PATIENCE`](super::machine::PATIENCE).
    #[error("the server does not answer")]
    Silent,
    /// The server has resumed the stream, and nothing that is said on it arrives.
    #[error("the server resumed the stream and does not read on")]
    Deaf,
    /// The server does not let us bind a resource.
    #[error("the server refused to bind a resource: {0}")]
    BindRefused(String),
    /// The server does not answer to that within [`BIND`](super::machine::BIND).
    #[error("the server did not bind a resource in time")]
    BindTimeout,
    /// The server acknowledged stanzas that were never sent (XEP-0198 §4).
    #[error("the server acknowledged stanzas that were never sent")]
    AcknowledgedTooMuch,
}
