//! What a call is told when it begins, and what it tells.

use std::net::SocketAddr;

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;

use crate::sip::settings::Transport;

/// Who calls whom, and by which way.
#[derive(Debug, Clone)]
pub(super) struct Parties {
    /// The caller.
    pub(super) from: SipUri,
    /// The name that he wants to be seen under.
    pub(super) display: String,
    /// The room.
    pub(super) room: SipUri,
    /// How SIP goes.
    pub(super) transport: Transport,
    /// Where we are.
    pub(super) local: SocketAddr,
    /// Where everything is sent.
    pub(super) peer: SocketAddr,
}

/// What a call wants, or has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// To be sent to this address; over TCP there is but one.
    Send(Bytes, SocketAddr),
    /// The call is under way: a provisional response other than 100.
    Progress(String),
    /// The call is up; the body of the answer.
    Answered(Bytes),
    /// The call was refused, or cancelled by us.
    Refused(Refusal),
    /// Nobody answered.
    NoAnswer,
    /// The other side has hung up; what it says about it.
    Ended(Vec<String>),
    /// We have hung up, and the other side knows, or never will.
    Left,
}

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Status code.
    pub(super) code: u16,
    /// What stands behind it.
    pub(super) phrase: String,
    /// What Warning and Reason say.
    pub(super) explanations: Vec<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let advice = match self.code {
            300..=399 => Some("the call should go elsewhere; dial the new address"),
            401 | 407 => Some("a password is asked for, which is not yet in this version"),
            _ => None,
        };
        let whys: Vec<&str> = self.explanations.iter().map(String::as_str).chain(advice).collect();
        write!(f, "the call was refused: {} {}", self.code, self.phrase)?;
        if whys.is_empty() { Ok(()) } else { write!(f, ": {}", whys.join("; ")) }
    }
}
