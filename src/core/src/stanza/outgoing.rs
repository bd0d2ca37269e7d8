//! Stanzas to be sent.

use alloc::string::String;

use jid::{BareJid, FullJid, Jid};

use super::{Asks, ChatState, Condition, ErrorKind, Password, Receipt, Role, StanzaError};
use crate::time::WallClock;

/// Which earlier messages somebody wants who enters a room (XEP-0045 §7.2.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// So many of the last (`maxstanzas`).
    Last(u32),
    /// Those since then (`since`), by the clock of the room.
    Since(WallClock),
}

/// Where in an archive to begin (XEP-0313 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveFrom {
    /// Behind the message with this id (`after`).
    After(String),
    /// With what was said then (`start`), by the clock of the room.
    Since(WallClock),
}

/// A stanza to be sent. `from` is never set: the server knows who we are (GC-JOIN-13, GC-PM-03).
#[derive(Debug, Clone, PartialEq)]
pub enum OutStanza {
    /// Enter a room under a nickname (XEP-0045 §7.2.1, §7.2.5, §7.2.13).
    Join {
        /// The occupant JID that is wanted.
        occupant: FullJid,
        /// `id` of the presence.
        id: String,
        /// The room's password.
        password: Option<Password>,
        /// Which earlier messages are wanted.
        history: History,
    },
    /// Go by another nickname (XEP-0045 §7.6): a presence without the payload of a join.
    Rename {
        /// The occupant JID that is wanted.
        occupant: FullJid,
        /// `id` of the presence.
        id: String,
    },
    /// Leave a room (XEP-0045 §7.14).
    Leave {
        /// The occupant JID that is given up.
        occupant: FullJid,
        /// Text for those who stay.
        status: Option<String>,
    },
    /// Speak to everybody in a room (XEP-0045 §7.4), with `<origin-id/>` equal to `id`.
    Groupchat {
        /// The room.
        room: BareJid,
        /// Fresh, and ours alone.
        id: String,
        /// Text without characters that XML cannot carry.
        body: String,
    },
    /// Speak to one occupant (XEP-0045 §7.5): type `chat`, with an empty muc#user payload.
    Private {
        /// The occupant.
        to: FullJid,
        /// Fresh, and ours alone.
        id: String,
        /// Text without characters that XML cannot carry.
        body: String,
        /// What its author wants to hear of it.
        asks: Asks,
        /// Whether it says that its author is active, which asks for chat states in return (XEP-0085 §5.1).
        is_active: bool,
    },
    /// Tell one occupant what its author is doing (XEP-0085 §4), with an empty muc#user payload.
    PrivateState {
        /// The occupant.
        to: FullJid,
        /// Fresh, and ours alone.
        id: String,
        /// What he is doing.
        state: ChatState,
    },
    /// Tell an occupant what became of his private message (XEP-0184 §5.4, XEP-0333 §4).
    Receipt {
        /// The occupant.
        to: FullJid,
        /// Fresh, and ours alone.
        id: String,
        /// Which message, and what became of it.
        receipt: Receipt,
    },
    /// Tell everybody in a room what its author is doing (XEP-0085 §5.5), with the hint that nobody need store it (XEP-0334).
    ChatState {
        /// The room.
        room: BareJid,
        /// Fresh, and ours alone.
        id: String,
        /// What he is doing.
        state: ChatState,
    },
    /// Change the subject of a room (XEP-0045 §8.1).
    Subject {
        /// The room.
        room: BareJid,
        /// Fresh, and ours alone.
        id: String,
        /// The subject; empty removes it.
        subject: String,
    },
    /// Invite somebody through the room (XEP-0045 §7.8.2).
    Invite {
        /// The room.
        room: BareJid,
        /// Fresh, and ours alone.
        id: String,
        /// Who is invited.
        to: BareJid,
        /// Why.
        reason: Option<String>,
    },
    /// Say through a room that an invitation is not followed (XEP-0045 §7.8.2).
    Decline {
        /// The room.
        room: BareJid,
        /// Who invited, as the room named him.
        to: Jid,
        /// Why.
        reason: Option<String>,
    },
    /// Refuse an invitation that did not come through a room (XEP-0249).
    InvitationError {
        /// Who sent it.
        to: Jid,
        /// The id that it had.
        id: Option<String>,
        /// Why.
        error: StanzaError,
    },
    /// Ask those who moderate a room to let one speak (XEP-0045 §7.13).
    VoiceRequest {
        /// The room.
        room: BareJid,
        /// Fresh, and ours alone.
        id: String,
    },
    /// Give an occupant another role; `none` removes him (XEP-0045 §8.2 … 8.4). Whether we may is the room's to say.
    SetRole {
        /// The room.
        room: BareJid,
        /// `id` of the iq.
        id: String,
        /// Who.
        nick: String,
        /// The role.
        role: Role,
        /// Why.
        reason: Option<String>,
    },
    /// Ask for a sign of life (XEP-0199). Its answer comes behind everything that the room said before.
    Ping {
        /// Whom.
        to: Jid,
        /// `id` of the iq.
        id: String,
    },
    /// Accept the default configuration of a room that this join created (XEP-0045 §10.1.2).
    InstantRoom {
        /// The room.
        room: BareJid,
        /// `id` of the iq.
        id: String,
    },
    /// Destroy a room of ours (XEP-0045 §10.9).
    Destroy {
        /// The room.
        room: BareJid,
        /// `id` of the iq.
        id: String,
    },
    /// Ask what a room is (XEP-0030).
    DiscoInfo {
        /// The room.
        room: BareJid,
        /// `id` of the iq.
        id: String,
        /// What about it; `x-roomuser-item` asks for the nickname that is reserved for us (XEP-0045 §7.12).
        node: Option<&'static str>,
    },
    /// Ask a room for what was said in it, the earliest first (XEP-0313 §4). What it finds comes as [`Archived`](super::Archived)
    /// before the answer.
    Archive {
        /// The room.
        room: BareJid,
        /// `id` of the iq and of the query.
        id: String,
        /// From where on.
        from: ArchiveFrom,
        /// How many messages at most.
        max: u32,
    },
    /// Refuse a message that was sent to us.
    MessageError {
        /// Who sent it.
        to: Jid,
        /// The id that it had.
        id: Option<String>,
        /// Why.
        condition: Condition,
        /// Advice to the sender.
        kind: ErrorKind,
        /// Text for people.
        text: String,
    },
}
