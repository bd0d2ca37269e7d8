//! The port between the SIP driver and the focus: what is asked of rooms, and what rooms say back. No type of the SIP stack
//! appears here, so that the stack can be replaced.

use std::time::Duration;

use bytes::Bytes;
use jid::BareJid;
use mucfocus_core::address::sip_uri::SipUri;
pub use mucfocus_core::conference::{Notification, Outcome, Reason, SubscriptionState};
pub use mucfocus_core::leg::LegId;
pub use mucfocus_core::leg::call::{CallCommand, Refusal};
pub use mucfocus_core::room::referral::ReferAnswer;
use tokio::sync::mpsc;

use crate::hub::mailbox::Source;

/// Commands that wait for one call. A call that does not take them is ended.
pub const COMMANDS: usize = 16;

/// Who calls, verified: the one place where identity is decided (design: identity is never taken from a parser's convenience).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The address of record: scheme, user and host only.
    pub aor: SipUri,
    /// Display name of the header that gave the identity.
    pub display_name: Option<String>,
    /// He asks that the room does not learn his address (SW-35): it is for accounts and limits only.
    pub is_anonymous: bool,
}

/// A call that came in and passed every check that needs no room.
#[derive(Debug)]
pub struct Dial {
    /// The Request-URI, which names the room.
    pub request_uri: SipUri,
    /// Who calls.
    pub caller: Caller,
    /// Call-ID, for the log.
    pub call_id: String,
    /// The SDP offer; empty when the INVITE has none.
    pub offer: Bytes,
    /// How the room speaks to this call. Bounded by [`COMMANDS`]; when the sender is dropped before a final answer the driver
    /// answers 500, after it, it sends BYE.
    pub commands: mpsc::Sender<CallCommand>,
    /// Whether the room is one that [`Focus::fresh`] made for this call.
    pub is_fresh: bool,
    /// Whether it takes the place of another call of his in this room, which is hung up then.
    pub replaces: bool,
    /// Our own end of the call as its transport sees it, for the host of `a=path` where nothing else is configured.
    pub local: std::net::IpAddr,
}

/// A call that a room makes, to a SIP user through the outbound proxy (RFC 4579 §5.5).
pub struct Placed {
    /// Who is called: scheme, user and host only.
    pub callee: SipUri,
    /// The room, which calls: its canonical URI.
    pub room: SipUri,
    /// Its leg.
    pub leg: LegId,
    /// Call-ID.
    pub call_id: String,
    /// The SDP offer.
    pub offer: Bytes,
    /// What it is about.
    pub subject: Option<String>,
    /// On whose behalf: the URI of a SIP user, verified, or of who invited on the XMPP side (RFC 3892).
    pub referred_by: Option<String>,
    /// How the room speaks to this call: BYE alone, which before the answer withdraws it. When the sender is dropped, so is the call.
    pub commands: mpsc::Receiver<CallCommand>,
    /// Where what comes of it is told.
    pub source: Source,
}

/// Calls that wait to be made; no more are taken while there are so many.
pub const PLACED: usize = 64;

/// Whether new calls are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// This node is going down: 503.
    Draining,
    /// No more legs fit: 503 with Retry-After.
    Overloaded,
    /// There is more to do than can be done: the same for all that is new.
    Busy,
}

/// A call that was taken.
pub struct Dialled {
    /// Where what the caller does is told.
    pub source: Source,
    /// Its leg, which subscriptions and referrals within the dialog belong to.
    pub leg: LegId,
}

/// A SUBSCRIBE to the conference package that passed every check that needs no room (event, formats, expiry).
#[derive(Debug)]
pub struct Subscribe {
    /// The Request-URI, which names the room; within a call, that of its INVITE.
    pub request_uri: SipUri,
    /// Who subscribes.
    pub caller: Caller,
    /// The call that it came within.
    pub leg: Option<LegId>,
    /// Call-ID, for the log.
    pub call_id: String,
    /// For how long, in seconds; 0 fetches the state once.
    pub expires: u32,
    /// How far apart notifications are wanted (RFC 6446 §5.1).
    pub interval: Option<Duration>,
    /// What is to be notified. Bounded by [`NOTIFICATIONS`]: there is one at a time, and the next comes after the mail about the one
    /// before. When the sender is dropped without a last notification the driver says `terminated;reason=noresource`.
    pub notifications: mpsc::Sender<Notification>,
}

/// Notifications that wait for one subscription: the one that is due, and the last.
pub const NOTIFICATIONS: usize = 2;

/// A REFER to a room that passed every check that needs no room: one Refer-To with a URI of a known scheme, method INVITE or BYE.
#[derive(Debug)]
pub struct Refer {
    /// The Request-URI, which names the room; within a call, that of its INVITE.
    pub request_uri: SipUri,
    /// Who refers.
    pub caller: Caller,
    /// The call that it came within, or that its Target-Dialog names (RFC 4538).
    pub leg: Option<LegId>,
    /// Call-ID, for the log.
    pub call_id: String,
    /// What he wants.
    pub aim: Aim,
    /// Why, for people (RFC 3326).
    pub reason: Option<String>,
    /// Our own end of the dialog, as its transport sees it.
    pub local: std::net::IpAddr,
    /// What comes of it. Bounded by [`ANSWERS`]; when the sender is dropped early the driver says 500.
    pub answers: mpsc::Sender<ReferAnswer>,
}

/// What a REFER is for, by the method of its Refer-To.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Somebody is to be invited (method INVITE, or none).
    Invite(Person),
    /// A participant is to be removed (method BYE; RFC 4579 §5.11).
    Remove(Person),
}

/// Whom a Refer-To names (GC-INV-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// A `sip:` or `im:` URI: scheme, user and host only.
    Sip(SipUri),
    /// The same with `gr`: the place of a participant in a room.
    Occupant {
        /// Scheme, user and host.
        room: SipUri,
        /// His nickname.
        nickname: String,
    },
    /// An `xmpp:` URI: the bare JID.
    Xmpp(BareJid),
}

/// Answers that wait for one referral: one more than the room ever gives (see [`ReferAnswer`]).
pub const ANSWERS: usize = 12;

/// The focus as the SIP driver sees it. Nothing here waits.
pub trait Focus: Send + Sync + 'static {
    /// Whether a rule maps this Request-URI to a room (its host is one of the domains already).
    fn maps(&self, uri: &SipUri) -> bool;

    /// The address of a new room, where `uri` makes one for each call (RFC 4579 §5.4). Of itself a focus has no such address.
    ///
    /// # Errors
    ///
    /// The refusal, for whom it makes none.
    fn fresh(&self, _uri: &SipUri, _caller: &Caller) -> Result<Option<SipUri>, Refusal> {
        Ok(None)
    }

    /// Whether new calls are welcome.
    fn readiness(&self) -> Readiness;

    /// Takes a call. Its further fate is said to the returned source, and comes back through [`Dial::commands`].
    ///
    /// # Errors
    ///
    /// The refusal, when no room will look at the call.
    fn dial(&self, dial: Dial) -> Result<Dialled, Refusal>;

    /// Takes a subscription, which is answered with 200 then. Its further fate ([`SubscriptionMail`](crate::hub::mail::SubscriptionMail))
    /// is said to the returned source; the first notification follows at once.
    ///
    /// # Errors
    ///
    /// The refusal: 404 where no rule maps, 403 where he may not enter, and what limits say.
    fn subscribe(&self, subscribe: Subscribe) -> Result<Source, Refusal>;

    /// Takes a referral. Whether it is accepted comes through [`Refer::answers`]; the source is only held while somebody waits.
    ///
    /// # Errors
    ///
    /// The refusal, when no room will look at it.
    fn refer(&self, refer: Refer) -> Result<Source, Refusal>;
}
