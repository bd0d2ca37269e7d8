//! The port between the SIP driver and the focus: what is asked of rooms, and what rooms say back. No type of the SIP stack
//! appears here, so that the stack can be replaced.

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;
pub use mucfocus_core::leg::call::{CallCommand, Refusal};
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
    /// Our own end of the call as its transport sees it, for the host of `a=path` where nothing else is configured.
    pub local: std::net::IpAddr,
}

/// Whether new calls are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// This node is going down: 503.
    Draining,
    /// No more legs fit: 503 with Retry-After.
    Overloaded,
}

/// The focus as the SIP driver sees it. Nothing here waits.
pub trait Focus: Send + Sync + 'static {
    /// Whether a rule maps this Request-URI to a room (its host is one of the domains already).
    fn maps(&self, uri: &SipUri) -> bool;

    /// Whether new calls are welcome.
    fn readiness(&self) -> Readiness;

    /// Takes a call. Its further fate is said to the returned source, and comes back through [`Dial::commands`].
    ///
    /// # Errors
    ///
    /// The refusal, when no room will look at the call.
    fn dial(&self, dial: Dial) -> Result<Source, Refusal>;
}
