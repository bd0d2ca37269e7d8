//! What drivers tell a room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jid::FullJid;
pub use mucfocus_core::conference::Outcome;
pub use mucfocus_core::leg::call::CallEnd;
use mucfocus_core::msrp::transmitter::Outcome as Fate;
pub use mucfocus_core::muc::StreamEnd;
use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::decode::BadFrame;
use mucfocus_core::wire::msrp::frame::Frame;
use mucfocus_core::xmpp_stream::framing::Framed;

use crate::hub::call::{NewInvitation, NewLeg, NewReferral, NewSubscription};
pub use crate::hub::looking::Ask;
use crate::hub::pacing::Turn;
use crate::msrp_net::link::SessionLink;

/// One input of a room, from a driver. Which stream, session or call it is about follows from the source it came through.
#[derive(Debug)]
pub enum Mail {
    /// A call for this room. The first from its source, which is its dialog's.
    Dial(Box<NewLeg>),
    /// From the XMPP stream of one membership.
    Stream(StreamMail),
    /// From the MSRP connection of one leg.
    Session(SessionMail),
    /// From the SIP dialog of one leg.
    Call(CallMail),
    /// A subscription to this room. The first from its source.
    Subscribe(Box<NewSubscription>),
    /// From the SIP dialog of one subscription.
    Subscription(SubscriptionMail),
    /// A referral to this room. The first from its source.
    Refer(Box<NewReferral>),
    /// Somebody is invited to this room from the XMPP side. The only one from its source.
    Invited(Box<NewInvitation>),
    /// A join may be sent, now that this is its turn. The end of its source, without one, says so too.
    Turn(Option<Turn>),
    /// Nobody waits for what comes of a referral any more. The last from its source.
    ReferralEnded,
    /// From the operator.
    Operator(Ask),
}

/// What the SIP dialog of a subscription tells its room.
#[derive(Debug)]
pub enum SubscriptionMail {
    /// It was refreshed; 0 ends it.
    Refreshed {
        /// For so many seconds from now.
        expires: u32,
        /// How far apart its notifications are wanted now.
        interval: Option<Duration>,
    },
    /// He has answered a NOTIFY and wants them so far apart from now on, or as anybody. [`SubscriptionMail::Notified`] comes next.
    Wished(Option<Duration>),
    /// What became of the NOTIFY that was given out last.
    Notified(Outcome),
    /// The dialog is over. The last that comes.
    Ended,
}

/// What an XMPP stream tells a room that it serves.
#[derive(Debug)]
pub enum StreamMail {
    /// The stream is up under this JID. First of all, and once more after [`StreamMail::Reset`].
    Ready {
        /// What the server bound.
        bound: FullJid,
    },
    /// A stanza from the room or one of its occupants, exactly as framed: one element, its namespace not repeated.
    Stanza(Framed),
    /// The connection of the stream is gone; another one is being made. What is sent meanwhile waits.
    Suspended(StreamEnd),
    /// The stream goes on, and nothing is lost.
    Resumed {
        /// The ids of private messages that have not got anywhere.
        unhandled: Arc<[String]>,
    },
    /// The server does not have the stream any more, and nobody knows what became of what was sent last. Another stream is made, of
    /// which [`StreamMail::Ready`] tells.
    Reset {
        /// Why its connection was gone.
        why: StreamEnd,
        /// The ids of stanzas that the server says it has never handled.
        unhandled: Arc<[String]>,
    },
    /// The stream is gone, or never came to be. The last that comes.
    Ended(StreamEnd),
}

/// What an MSRP connection tells the room of a session that is bound to it.
#[derive(Debug)]
pub enum SessionMail {
    /// The session got its connection, to which this leads.
    Bound(SessionLink),
    /// A message for this session.
    Frame {
        /// The message.
        frame: Box<Frame>,
        /// When it came in.
        arrived: Instant,
    },
    /// What became of a message that was sent.
    Concluded(Fate),
    /// A message for this session that could be delimited but not understood: it deserves a 400.
    Bad(Box<BadFrame>),
    /// Somebody was there for the session, and the certificate that he has shown is not the one that was announced, or of the name
    /// that was. He was sent away.
    Misfit,
    /// We could not connect to the client. He may yet connect to us.
    Unreachable {
        /// Why.
        why: String,
    },
    /// The connection is gone. The last that comes from this connection.
    Lost {
        /// Why.
        why: String,
        /// How long it had been dead when that was noticed.
        ago: Duration,
    },
}

/// What a SIP dialog tells its room.
#[derive(Debug)]
pub enum CallMail {
    /// The caller withdrew his INVITE; the driver has answered 487 already.
    Cancelled,
    /// A provisional response to an INVITE of ours.
    Ringing {
        /// Status code, 101 to 199.
        code: u16,
        /// Reason phrase.
        phrase: String,
    },
    /// The caller has our last answer: the ACK of our 2xx came without SDP, or the 2xx of an UPDATE went out, which gets none.
    Confirmed,
    /// The ACK of our 2xx came with this SDP, which is the answer if our 2xx made an offer; or so did the 2xx to an INVITE of ours.
    Answered {
        /// The SDP.
        answer: Bytes,
    },
    /// A re-INVITE or UPDATE with this offer, empty when it has none; the room answers with
    /// [`CallCommand::AnswerReinvite`](crate::sip::port::CallCommand::AnswerReinvite).
    Reinvite {
        /// The SDP.
        offer: Bytes,
    },
    /// The dialog is over and nothing needs to be sent any more. The last that comes.
    Ended(CallEnd),
}
