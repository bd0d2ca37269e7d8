//! What a room takes in and puts out.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use jid::{BareJid, FullJid};

use crate::leg::call::{CallCommand, CallEnd};
use crate::leg::{Dial, LegId};
use crate::msrp::session::PeerFault;
use crate::muc::StreamEnd;
use crate::stanza::{OutStanza, Stanza};
use crate::time::Instant;
use crate::wire::msrp::decode::BadFrame;
use crate::wire::msrp::encode::WireFrame;
use crate::wire::msrp::frame::{Frame, Path};

/// Names a membership within its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MembershipId(pub u64);

/// What happens to a room.
#[derive(Debug)]
pub enum Input {
    /// A call for this room. The account is the caller's and nobody else's at the moment.
    Dial {
        /// A name that was never used before.
        leg: LegId,
        /// The XMPP account that the caller acts under.
        account: BareJid,
        /// A nickname made from what is known of him.
        nickname: String,
        /// The call.
        dial: Dial,
    },
    /// The caller withdrew his INVITE.
    Cancelled(LegId),
    /// The ACK of our 200 came.
    Confirmed(LegId),
    /// A re-INVITE or UPDATE with this offer.
    Reoffered(LegId, Bytes),
    /// The dialog is over. Nothing comes of this leg after that.
    CallEnded(LegId, CallEnd),
    /// The leg's session got its connection.
    Bound(LegId),
    /// A frame for the leg's session.
    Frame {
        /// The leg.
        leg: LegId,
        /// The frame.
        frame: Frame,
        /// When it came in, which may be a while ago: its sender counts the time until the answer from there.
        arrived: Instant,
        /// When its sender may speak again (`limits.messages_per_user`); `None` is now.
        turn: Option<Instant>,
    },
    /// A frame for the leg's session that could not be read.
    BadFrame(LegId, BadFrame),
    /// The connection of the leg's session is gone, or could not be made.
    SessionLost {
        /// The leg.
        leg: LegId,
        /// Why.
        why: String,
        /// How long it had been dead when that was noticed.
        ago: Duration,
    },
    /// The connection of the leg's session does not take what is sent.
    SessionStalled(LegId),
    /// The membership's stream is up under this JID.
    StreamReady(MembershipId, FullJid),
    /// A stanza from the room or one of its occupants.
    Stanza(MembershipId, Stanza),
    /// A stanza that the room put out is larger than servers take.
    Unsendable {
        /// Whose it was.
        membership: MembershipId,
        /// Its id.
        id: String,
    },
    /// The membership's stream is gone.
    StreamEnded(MembershipId, StreamEnd),
    /// Everybody leaves: the process ends.
    Drain,
}

/// What a room wants done. Nothing here waits for an answer: answers are inputs.
#[derive(Debug)]
pub enum Output {
    /// Say this to the call.
    Call(LegId, CallCommand),
    /// Let connections bind to this session-id.
    OpenSession(LegId, String),
    /// Make the connection of the session.
    Connect(LegId, Path),
    /// Write this to the session's connection.
    Transmit(LegId, WireFrame),
    /// One more SEND of this leg may come in (upstream credit).
    Credit(LegId),
    /// The session-id is void, its connection is not needed any more.
    CloseSession(LegId, String),
    /// The leg is over and gone; nothing is said of it after this.
    LegGone(LegId),
    /// Attach this membership to the stream of its account, which is opened if there is none.
    OpenStream(MembershipId, BareJid),
    /// Send this on the membership's stream.
    Stanza(MembershipId, OutStanza),
    /// The membership is over: detach it.
    CloseStream(MembershipId),
    /// Something that an operator wants to know.
    Trace(LegId, Trace),
}

/// Who or what ended a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndCause {
    /// The caller withdrew before he was answered.
    Cancelled,
    /// The caller said BYE.
    ByCaller,
    /// A moderator removed him, or the room was destroyed.
    ByRoom,
    /// No ACK came for the 200.
    NoAck,
    /// The MSRP connection was gone for too long, or the client ended its session.
    MsrpLost,
    /// The XMPP stream was lost.
    XmppLost,
    /// He did not take what was sent to him.
    TooSlow,
    /// This node is going down.
    Shutdown,
    /// The call failed for another reason.
    Fault,
}

impl core::fmt::Display for EndCause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::ByCaller => "by the caller",
            Self::ByRoom => "by the room",
            Self::NoAck => "no ACK",
            Self::MsrpLost => "MSRP lost",
            Self::XmppLost => "XMPP lost",
            Self::TooSlow => "too slow",
            Self::Shutdown => "shutdown",
            Self::Fault => "fault",
        })
    }
}

impl core::fmt::Display for Trace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused { code, why } => write!(f, "call refused with {code}: {why}"),
            Self::Entered { nickname } => write!(f, "room entered as {nickname}"),
            Self::Connected => f.write_str("MSRP connected"),
            Self::Disconnected { why } => write!(f, "MSRP connection lost: {why}"),
            Self::MessagePublished => f.write_str("message published"),
            Self::MessageRefused { code, why } => write!(f, "message refused with {code}: {why}"),
            Self::MessageDelivered => f.write_str("message delivered"),
            Self::PeerFault(fault) => write!(f, "the client broke a rule of MSRP: {fault}"),
            Self::Ended { cause, why } => write!(f, "leg ended ({cause}): {why}"),
        }
    }
}

impl EndCause {
    /// Whether something went wrong, rather than somebody leaving.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        !matches!(self, Self::Cancelled | Self::ByCaller | Self::ByRoom | Self::Shutdown)
    }
}

/// Events of consequence, one log line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// The call was refused.
    Refused {
        /// SIP status code.
        code: u16,
        /// Why.
        why: String,
    },
    /// The room was entered and the call answered.
    Entered {
        /// The nickname in force.
        nickname: String,
    },
    /// The MSRP session got its connection.
    Connected,
    /// The MSRP connection is gone.
    Disconnected {
        /// Why.
        why: String,
    },
    /// A message of this leg is in the room.
    MessagePublished,
    /// A message of this leg is not in the room.
    MessageRefused {
        /// MSRP status code.
        code: u16,
        /// Why.
        why: String,
    },
    /// A message of the room was sent to this leg.
    MessageDelivered,
    /// The client broke a rule of MSRP.
    PeerFault(PeerFault),
    /// The leg is over.
    Ended {
        /// By whom or what.
        cause: EndCause,
        /// Why, for people.
        why: String,
    },
}
