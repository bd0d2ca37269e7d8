//! What a call is told when it begins, and what it tells.

use std::net::SocketAddr;

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;

use super::message::Message;
use crate::sip::digest::Credentials;
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
    /// A subscription to the roster begins, the first or another.
    Subscribing,
    /// What the room says of who is in it: a document of RFC 4575.
    Document(Bytes),
    /// There will be no more of that, and why.
    Unsubscribed(String),
    /// What has become of an invitation so far.
    Invitation {
        /// His URI.
        whom: String,
        /// The status: provisional, success or refusal.
        outcome: Refusal,
        /// Whether nothing more will be told of it.
        is_last: bool,
    },
    /// The other side has hung up; what it says about it.
    Ended(Vec<String>),
    /// We have hung up, and the other side knows, or never will.
    Left,
}

/// Why something was refused, or how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Status code.
    pub(super) code: u16,
    /// What stands behind it.
    pub(super) phrase: String,
    /// What Warning and Reason say, and what to do.
    pub(super) explanations: Vec<String>,
}

impl Refusal {
    /// What a response says, to somebody who has or has not given a password.
    pub(super) fn read(code: u16, message: &Message, credentials: Option<&Credentials>) -> Self {
        let no_password = "a password is asked for; give the file that holds it with --password-file";
        let advice = match code {
            300..=399 => Some("the call should go elsewhere; dial the new address".to_owned()),
            401 | 407 => Some(credentials.map_or_else(|| no_password.to_owned(), advice)),
            _ => None,
        };
        let mut explanations = message.explanations();
        explanations.extend(advice);
        Self { code, phrase: message.phrase().to_owned(), explanations }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.phrase)?;
        if self.explanations.is_empty() { Ok(()) } else { write!(f, ": {}", self.explanations.join("; ")) }
    }
}

/// What to do about a 401 or 407 that was not worth another try.
fn advice(credentials: &Credentials) -> String {
    if credentials.is_challenged() {
        let name = mucfocus_core::address::name_addr::quote(credentials.name());
        format!("the password is wrong or the user unknown ({name}); see --from and --password-file")
    } else {
        "a password is asked for, but not by Digest with SHA-256 or MD5; nothing else is known here".to_owned()
    }
}
