//! What a leg and the SIP driver say to each other about one call.

use alloc::string::String;

use bytes::Bytes;

/// What a leg says to its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallCommand {
    /// 183, so that the caller's transaction lives on.
    Progress,
    /// 200 with this SDP.
    Accept {
        /// The answer.
        answer: Bytes,
    },
    /// A final refusal of the INVITE.
    Reject(Refusal),
    /// The answer to the pending re-INVITE or UPDATE: 200 with this SDP, or a refusal after which the session goes on as it was.
    AnswerReinvite(Result<Bytes, Refusal>),
    /// BYE with `Reason: SIP;cause=…;text="…"` (RFC 3326).
    Bye {
        /// A SIP status code.
        cause: u16,
        /// Text for people.
        text: String,
    },
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// SIP status code, 300 to 699.
    pub code: u16,
    /// What the caller reads, in `Warning: 399 <node> "text [id]"`, and the operator finds in the log.
    pub text: String,
    /// Seconds, for `Retry-After`.
    pub retry_after: Option<u32>,
    /// The new address of a redirection (301, 302).
    pub contact: Option<String>,
}

impl Refusal {
    /// A refusal with nothing but a code and a text.
    #[must_use]
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None, contact: None }
    }

    /// The same, with a time after which to try again, in seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Why a dialog is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// The caller said BYE, with the text of its Reason header if it had one (RFC 3326).
    Bye {
        /// The text.
        reason: Option<String>,
    },
    /// We sent a final refusal or a BYE and the transaction is finished.
    ByUs,
    /// No ACK came for our 2xx in 32 s; the driver has sent BYE (RFC 3261 §13.3.1.4).
    NoAck,
    /// Another call of the caller has taken its place; the driver has sent BYE (RFC 3891).
    Replaced,
    /// The session timer ran out, for that reason; the driver has sent BYE (RFC 4028 §10).
    Expired(String),
    /// The INVITE came to nothing for a reason of the transport.
    Failed(String),
    /// The INVITE was ours, and was refused with this final response.
    Refused {
        /// Status code, 300 to 699.
        code: u16,
        /// Its reason phrase.
        phrase: String,
        /// The address of a redirection.
        contact: Option<String>,
    },
}
