//! What a room takes in and puts out.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use jid::{BareJid, FullJid};

use super::Timeouts;
use super::calling::Outgoing;
use super::inviting::InvitationId;
use super::referral::{Action, ReferAnswer, ReferralId};
use super::ring::Known;
use crate::address::mapping::{RoomMatch, RoomRules};
use crate::address::sip_uri::SipUri;
use crate::conference::{Notification, Outcome as Notified, SubscriptionId};
use crate::leg::call::{CallCommand, CallEnd, Refusal};
use crate::leg::{Delivery, Dial, Expectation, LegId, Target};
use crate::msrp::content::Content;
use crate::msrp::post::Post;
use crate::msrp::session::PeerFault;
use crate::msrp::transmitter::Outcome;
use crate::muc::StreamEnd;
use crate::stanza::{OutStanza, Stanza};
use crate::time::Instant;
use crate::wire::msrp::decode::BadFrame;
use crate::wire::msrp::encode::WireFrame;
use crate::wire::msrp::frame::Frame;
use crate::xmpp_stream::framing::Framed;
use crate::xmpp_stream::interest::Interest;

/// Names a membership within its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MembershipId(pub u64);

/// Names an XMPP account, or somebody's share of an anonymous one, so that two callers with one key act as one user, and no others
/// do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey(Arc<str>);

impl AccountKey {
    /// The key of a named account.
    #[must_use]
    pub fn named(jid: &BareJid) -> Self {
        Self(jid.as_str().into())
    }

    /// The key of whoever acts without a name at `domain`: `who` is his own, and nobody else's.
    #[must_use]
    pub fn anonymous(domain: &str, who: &str) -> Self {
        // No JID looks like that: the localpart has no blank.
        Self(alloc::format!("{who} at {domain}").into())
    }
}

impl core::fmt::Display for AccountKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happens to a room.
#[derive(Debug)]
pub enum Input {
    /// A call for this room. The account is the caller's and nobody else's at the moment.
    Dial {
        /// A name that was never used before.
        leg: LegId,
        /// The XMPP account that the caller acts under.
        account: AccountKey,
        /// A nickname made from what is known of him.
        nickname: String,
        /// The call.
        dial: Box<Dial>,
    },
    /// Who is called is told of it, or thinks it over: a provisional response to an INVITE of ours.
    Ringing {
        /// The leg.
        leg: LegId,
        /// Status code, 101 to 199.
        code: u16,
        /// Reason phrase.
        phrase: String,
    },
    /// The caller withdrew his INVITE.
    Cancelled(LegId),
    /// The ACK of our 200 came, or the 2xx to our INVITE, without SDP.
    Confirmed(LegId),
    /// The ACK of our 200 came, or the 2xx to our INVITE, with this SDP, the answer to our offer.
    Answered(LegId, Bytes),
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
        frame: Box<Frame>,
        /// When it came in, which may be a while ago: its sender counts the time until the answer from there.
        arrived: Instant,
        /// When its sender may speak again (`limits.messages_per_user`); `None` is now.
        turn: Option<Instant>,
    },
    /// A frame for the leg's session that could not be read.
    BadFrame(LegId, Box<BadFrame>),
    /// The connection of the leg's session is gone, or could not be made.
    SessionLost {
        /// The leg.
        leg: LegId,
        /// Why.
        why: String,
        /// How long it had been dead when that was noticed.
        ago: Duration,
        /// What was written to it and not answered, in order, and what still waited.
        unsent: Vec<Arc<Content>>,
    },
    /// The connection that there was for the leg's session had the wrong certificate.
    SessionMisfit(LegId),
    /// What became of a message that was sent to the leg.
    Concluded(LegId, Outcome),
    /// What [`Output::TakeBack`] has brought, in order; the answer to it, before anything else of the leg's next connection.
    Returned(LegId, Vec<Arc<Content>>),
    /// The connection of the leg's session does not take what is sent.
    SessionStalled(LegId),
    /// The membership's stream is up under this JID.
    StreamReady(MembershipId, FullJid),
    /// A stanza from the room or one of its occupants, as it came and what it says.
    Stanza(MembershipId, Framed, Box<Stanza>),
    /// Another copy of a message, found by [`Room::recall`](super::Room::recall) a moment ago.
    Again(MembershipId, Known),
    /// A stanza that the room put out is larger than servers take.
    Unsendable {
        /// Whose it was.
        membership: MembershipId,
        /// Its id.
        id: String,
    },
    /// The connection of the membership's stream is gone, and may come back.
    StreamSuspended(MembershipId, StreamEnd),
    /// It came back, and nothing is lost.
    StreamResumed {
        /// Whose.
        membership: MembershipId,
        /// The ids of private messages that have not got anywhere, perhaps to other rooms.
        unhandled: Arc<[String]>,
    },
    /// The server has lost the membership's stream. Another one is coming, of which [`Input::StreamReady`] tells.
    StreamReset {
        /// Which.
        membership: MembershipId,
        /// Why its connection was gone.
        why: StreamEnd,
        /// The ids of stanzas that have never got anywhere, perhaps of other rooms too.
        unhandled: Arc<[String]>,
    },
    /// The membership's stream is gone.
    StreamEnded(MembershipId, StreamEnd),
    /// Somebody wants to watch the room.
    Subscribe {
        /// A name that was never used before.
        subscription: SubscriptionId,
        /// Who.
        watch: Box<Watch>,
    },
    /// A subscription was refreshed.
    Refreshed {
        /// Which.
        subscription: SubscriptionId,
        /// For how long; zero ends it.
        expires: Duration,
        /// How far apart its notifications are wanted now (RFC 6446 §5.1).
        interval: Option<Duration>,
    },
    /// Its subscriber has answered a notification and wants them so far apart from now on; [`Input::Notified`] comes next.
    Wished {
        /// Which.
        subscription: SubscriptionId,
        /// How far; `None` as anybody.
        interval: Option<Duration>,
    },
    /// What became of the notification that was put out last.
    Notified(SubscriptionId, Notified),
    /// The dialog of a subscription is over. Nothing comes of it after that.
    SubscriptionEnded(SubscriptionId),
    /// Somebody wants somebody else invited or removed.
    Refer {
        /// A name that was never used before.
        id: ReferralId,
        /// Who, and what.
        referral: Box<Referral>,
    },
    /// An XMPP user invites a SIP user, who is called.
    Invited {
        /// A name that was never used before.
        id: InvitationId,
        /// The call.
        outgoing: Box<Outgoing>,
    },
    /// The configuration was read again: from now on it is these. What has begun goes on as it began.
    Reconfigured {
        /// All mapping rules.
        rules: Arc<RoomRules>,
        /// How long things may take.
        timeouts: Timeouts,
    },
    /// The operator ends a leg.
    Kick(LegId),
    /// Everybody leaves.
    Drain(Drain),
}

/// Why everybody has to leave, which says what they may do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// The process ends, and is back when it is back.
    GoingDown,
    /// The operator has put this node out of service, and goes on with others: they may be called at once.
    OutOfService,
}

/// A wish to watch a room.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Who watches, verified: scheme, user and host only.
    pub caller: SipUri,
    /// The call that the SUBSCRIBE came within. Without one, and without a name that is his own, nobody is known to be in the room.
    pub leg: Option<LegId>,
    /// The room as its rule maps it.
    pub room: RoomMatch,
    /// For how long; zero fetches the state once.
    pub expires: Duration,
    /// How far apart its notifications are wanted (RFC 6446 §5.1).
    pub interval: Option<Duration>,
}

/// A wish to have something done to somebody.
#[derive(Debug, Clone)]
pub struct Referral {
    /// Who wishes, verified: scheme, user and host only.
    pub caller: SipUri,
    /// The call that the REFER came within.
    pub leg: Option<LegId>,
    /// The room as its rule maps it.
    pub room: RoomMatch,
    /// What is to be done, to whom.
    pub action: Action,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What a room wants done. Nothing here waits for an answer: answers are inputs.
#[derive(Debug)]
pub enum Output {
    /// Say this to the call.
    Call(LegId, CallCommand),
    /// Make the call of this leg, with this offer.
    Invite(LegId, Bytes),
    /// Let connections that are as expected bind to this session-id.
    OpenSession(LegId, String, Expectation),
    /// Make the connection of the session.
    Connect(LegId, Target),
    /// Write this response or report to the session's connection, before all messages.
    Transmit(LegId, WireFrame),
    /// Write this message to the session's connection.
    Send(LegId, Post),
    /// The session moves: [`Input::Returned`] follows at once, with what was sent on its connection and not answered.
    TakeBack(LegId),
    /// One more SEND of this leg may come in (upstream credit).
    Credit(LegId),
    /// The session-id is void, its connection is not needed any more.
    CloseSession(LegId, String),
    /// The MUC has answered the join of this membership, which has been named everybody.
    Joined(MembershipId),
    /// The MUC has banned the user of this leg, who will call again.
    Banned(LegId),
    /// The MUC is destroyed, and its people are to go to this one.
    Moved(BareJid),
    /// The leg is over and gone; nothing is said of it after this.
    LegGone(LegId),
    /// Attach this membership to the stream of its account, which is opened if there is none.
    OpenStream(MembershipId, AccountKey),
    /// Send this on the membership's stream.
    Stanza(MembershipId, OutStanza),
    /// From here on, of what its room sends this is all that the membership has a use for. With every stream it begins with
    /// [`Interest::Everything`].
    Listen(MembershipId, Interest),
    /// The membership is over: detach it.
    CloseStream(MembershipId),
    /// Say this to the subscriber. The next comes after [`Input::Notified`].
    Notify(SubscriptionId, Notification),
    /// The subscription is over and gone; nothing is said of it after this.
    SubscriptionGone(SubscriptionId),
    /// Say this to the referrer; nothing follows what is last.
    Referral(ReferralId, ReferAnswer),
    /// What has come of an invitation: he is in the room, or why he is not. Nothing follows.
    Invitation(InvitationId, Result<(), Refusal>),
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
    /// The operator of this node ended it.
    ByOperator,
    /// Another call of the caller took its place (RFC 3891).
    Replaced,
    /// Who was called did not take the call.
    Declined,
    /// No ACK came for the 200.
    NoAck,
    /// Nobody refreshed its session (RFC 4028).
    Expired,
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
            Self::ByOperator => "by the operator",
            Self::Replaced => "replaced",
            Self::Declined => "declined",
            Self::NoAck => "no ACK",
            Self::Expired => "session timer",
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
            Self::PrivateMessageSent => f.write_str("private message sent"),
            Self::MessageDelivered => f.write_str("message delivered"),
            Self::MessageNotDelivered(why) => write!(f, "message not delivered: {why}"),
            Self::Renamed { nickname } => write!(f, "known as {nickname}"),
            Self::NicknameRefused { code, why } => write!(f, "nickname refused with {code}: {why}"),
            Self::Stranded { why, retry, .. } => write!(f, "{why}; tried again in {} ms", retry.as_millis()),
            Self::ThrownOut { retry } => {
                write!(f, "let in by the room and thrown out; tried again in {} ms", retry.as_millis())
            }
            Self::Suspended { why } => write!(f, "stream suspended: {why}"),
            Self::Resumed { away } => write!(f, "stream resumed after {} ms", away.as_millis()),
            Self::Reset { why } => write!(f, "stream reset: {why}"),
            Self::CaughtUp { away, count, is_whole } => {
                let rest = if *is_whole { "nothing is missing" } else { "something may be missing" };
                write!(f, "caught up with {count} messages after {} ms; {rest}", away.as_millis())
            }
            Self::PeerFault(fault) => write!(f, "the client broke a rule of MSRP: {fault}"),
            Self::Ended { cause, why } => write!(f, "leg ended ({cause}): {why}"),
        }
    }
}

impl EndCause {
    /// Whether something went wrong, rather than somebody leaving.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        !matches!(
            self,
            Self::Cancelled | Self::ByCaller | Self::ByRoom | Self::ByOperator | Self::Declined | Self::Shutdown
        )
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
    /// A private message of this leg was taken by the room.
    PrivateMessageSent,
    /// A message of the room was sent to this leg.
    MessageDelivered,
    /// A message of the room has not reached this leg: its client does not take it, is not there, or has not answered it.
    MessageNotDelivered(Delivery),
    /// The user has another nickname.
    Renamed {
        /// The nickname in force.
        nickname: String,
    },
    /// The user has not got the nickname that he wanted.
    NicknameRefused {
        /// MSRP status code.
        code: u16,
        /// Why.
        why: String,
    },
    /// The XMPP stream is gone and is tried again.
    Stranded {
        /// Why it went.
        why: String,
        /// When it is tried again.
        retry: Duration,
        /// Whether it was up before, and not tried in vain.
        is_first: bool,
    },
    /// The room threw the user out a moment after it had let him in, not for the first time, and is entered again later.
    ThrownOut {
        /// How much later.
        retry: Duration,
    },
    /// The XMPP stream has no connection; the server may keep it.
    Suspended {
        /// Why it has none.
        why: String,
    },
    /// It has one again, and nothing was lost.
    Resumed {
        /// How long it had none.
        away: Duration,
    },
    /// The server has not kept it: another takes its place, and the room is entered once more.
    Reset {
        /// Why it had no connection.
        why: String,
    },
    /// Back in the room, what was said meanwhile has been told.
    CaughtUp {
        /// How long the user was out of it.
        away: Duration,
        /// How many messages he was told.
        count: usize,
        /// Whether it is known that nothing is missing.
        is_whole: bool,
    },
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
