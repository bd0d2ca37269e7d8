//! Conference subscriptions (RFC 6665, RFC 4575): who is told what about a room, when, and in which version.
//!
//! [`Conference`] is the machine of all subscriptions of one room. Who may subscribe, for how long, and when somebody is an
//! occupant is decided by the room; dialogs and transactions are the driver's.

mod document;
mod documents;
mod pace;
mod subscription;
mod subscriptions;

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use jid::BareJid;

use crate::address::sip_uri::SipUri;
use crate::roster::Roster;

pub use self::pace::PACE;
pub use self::subscriptions::Conference;

/// Names a subscription within its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// One NOTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Subscription-State.
    pub state: SubscriptionState,
    /// A document of type application/conference-info+xml.
    pub document: Option<Bytes>,
}

/// Subscription-State (RFC 6665 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionState {
    /// It goes on.
    Active {
        /// For so many seconds more.
        expires: u32,
        /// How far apart the notifications are kept because the subscriber wants it so, in seconds as RFC 6446 §5.2 has it: the
        /// reciprocal of `max-rate`.
        interval: Option<Duration>,
    },
    /// It is over; nothing comes after this.
    Terminated {
        /// Why, for machines.
        reason: Reason,
        /// When to try again, in seconds.
        retry_after: Option<u32>,
        /// Why, for people and logs.
        text: Option<String>,
        /// The SIP status that says why a call ended for the same reason, where that is not what `reason` is by itself.
        cause: Option<u16>,
    },
}

/// What somebody wants to be told of a room.
#[derive(Debug, Clone)]
pub struct Interest {
    /// The room's canonical URI.
    pub room: SipUri,
    /// For how long; with zero he wants to know once (EV-05, EV-08).
    pub expires: Duration,
    /// Whether he is an occupant.
    pub sees: bool,
    /// How far apart he wants what he is told (RFC 6446).
    pub interval: Option<Duration>,
    /// Whether he is told the whole each time (CI-08).
    pub whole: bool,
}

/// How a subscription ends.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Why, for machines.
    pub reason: Reason,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
    /// Why, for people and logs.
    pub text: Option<String>,
    /// The SIP status of a call that ends for the same reason, where that is not what `reason` is by itself.
    pub cause: Option<u16>,
    /// Whether it ends because the room is no more, which a last document says (CI-22).
    pub room_is_gone: bool,
}

/// Why a subscription is over (RFC 6665 §4.1.3, EV-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Subscribe again at once: this node drains.
    Deactivated,
    /// Try again later.
    Probation,
    /// He may not: kicked, banned, or the document does not fit his transport.
    Rejected,
    /// It was not refreshed, or ended by its subscriber.
    Timeout,
    /// The room is gone, or he has left it.
    Noresource,
}

/// What became of a NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with 2xx.
    Delivered,
    /// The subscriber did not take it, and goes on: the next document is a whole one.
    Refused,
    /// It does not fit any transport that the subscriber has (CI-28).
    TooLarge,
    /// The subscription is gone, by its answer or by none (EV-10).
    Failed,
}

/// What subscriptions are about, lent to the machine with each input.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Who is in the room.
    pub roster: &'a Roster,
    /// The MUC.
    pub muc: &'a BareJid,
    /// Whether the roster is the whole one (GC-PRES-03). While it is not, nobody is shown it: who subscribes or refreshes gets
    /// a neutral document, and the others keep what they were shown before. A MUC out of reach is something else: its last
    /// roster is shown, and the room as not active.
    pub complete: bool,
}

/// What the machine wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Say this to the subscriber. Nothing more comes for him until [`Conference::notified`], which must come for each of
    /// these, or [`Conference::forget`].
    Notify(SubscriptionId, Notification),
    /// The subscription is over and forgotten.
    Gone(SubscriptionId),
}
