//! The door of the driver: every datagram and every message of a stream passes here, before anything is created for it.
//!
//! Decides by source address and by form. What strangers are let in with is for [`stranger`](super::stranger); who calls of those
//! whom a peer vouches for is for the dispatcher.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::sip::SipMessage;
use rsipstack::sip::prelude::HeadersExt as _;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::SipConnection;

use super::gate::{self, ALLOW, Framing, Verdict, Violation};
use super::head::{Head, parameter};
use super::port::Readiness;
use super::rewrite;
use super::settings::Transport;
use super::shared::{DialogId, RETRY_AFTER, Shared, short_id};
use super::sources::Excess;
use super::stateless::{Answer, answer};
use crate::observe::sparing::Sparing;

/// What strangers are refused. They can send as much as they like, the log need not grow with it.
static LINES: Sparing = Sparing::new(20);

/// What becomes of a message at the door.
#[derive(Debug)]
pub(super) enum Admission {
    /// It goes to the stack.
    Pass {
        /// As the stack likes it.
        octets: Vec<u8>,
        /// The same, parsed, with where it came from noted in its Via.
        message: Box<SipMessage>,
        /// Its head as received.
        head: Head,
    },
    /// It is answered at once.
    Answer {
        /// The response.
        octets: Vec<u8>,
        /// Whether a stream cannot be read any further.
        closes: bool,
    },
    /// Silence.
    Nothing,
    /// Silence, and the end of a stream.
    Close,
}

/// Who speaks, as far as that is proved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker<'a> {
    /// By datagram anybody can say that he is there.
    pub(super) source: SocketAddr,
    pub(super) transport: Transport,
    /// What his certificate says that he is called.
    pub(super) names: &'a [String],
}

/// Judges messages of all transports.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
}

/// An answer of the door.
pub(super) struct Reply<'a> {
    pub(super) code: u16,
    pub(super) reason: &'a str,
    /// What the peer is told of it.
    pub(super) text: &'a str,
    /// What the log is told.
    pub(super) why: &'a str,
    /// Who the client says that it is, for the log.
    pub(super) username: Option<String>,
    /// Whether it is part of what goes well, and no line of the log by default.
    pub(super) is_ordinary: bool,
    pub(super) fields: Vec<(&'a str, String)>,
    /// Whether a stream cannot be read any further.
    pub(super) closes: bool,
}

impl<'a> Reply<'a> {
    /// The peer and the log are told the same.
    pub(super) const fn new(code: u16, reason: &'a str, text: &'a str) -> Self {
        Self { code, reason, text, why: text, username: None, is_ordinary: false, fields: Vec::new(), closes: false }
    }
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Judges one message.
    pub(super) fn admit(&self, speaker: Speaker<'_>, octets: &[u8]) -> Admission {
        let Speaker { source, transport, names } = speaker;
        if !self.shared.is_trusted(source.ip(), transport, names) {
            return self.admit_stranger(source, transport, octets);
        }
        match self.judge(transport, octets) {
            Verdict::Drop(violation) => {
                self.count(violation.label());
                Admission::Nothing
            }
            Verdict::Refuse { violation, head } => self.refuse(violation, &head, source),
            Verdict::Pass { message, head } => self.pass(message, head, source, transport, None),
        }
    }

    pub(super) fn judge(&self, transport: Transport, octets: &[u8]) -> Verdict {
        let framing = match transport {
            // One message in one frame, which says where it ends (RFC 7118 §5.3).
            Transport::Udp | Transport::Ws | Transport::Wss => Framing::Datagram,
            Transport::Tcp | Transport::Tls => Framing::Stream,
        };
        gate::judge(octets, framing)
    }

    fn is_of_a_call(&self, head: &Head) -> bool {
        dialog_of(head).is_some_and(|id| self.shared.dialogs.contains_key(&id))
    }

    pub(super) fn count(&self, reason: &'static str) {
        self.shared.observer.refused(reason);
    }

    pub(super) fn refuse(&self, violation: Violation, head: &Head, source: SocketAddr) -> Admission {
        self.count(violation.label());
        let (code, reason) = violation.status();
        let fields = if code == 501 { vec![("Allow", ALLOW.to_owned())] } else { Vec::new() };
        // Where the next message of a stream begins is known only when this one could be delimited.
        let closes = matches!(
            violation,
            Violation::Unterminated
                | Violation::HeadTooLong
                | Violation::ContentLength
                | Violation::NoContentLength
                | Violation::Repeated
                | Violation::ShortBody
        );
        let why = violation.to_string();
        self.answer(head, source, Reply { fields, closes, ..Reply::new(code, reason, &why) })
    }

    /// The answer to a datagram that passed the gate but is more than the stack reads.
    pub(super) fn too_large(&self, head: &Head, source: SocketAddr) -> Admission {
        self.refuse(Violation::MessageTooLong, head, source)
    }

    /// The answer to a head at which a stream could not be cut; empty when there is none. The connection is to be closed.
    pub(super) fn refuse_stream(&self, violation: Violation, head: &[u8], speaker: Speaker<'_>) -> Vec<u8> {
        let Speaker { source, transport, names } = speaker;
        let head = Head::parse(head);
        let is_trusted = self.shared.is_trusted(source.ip(), transport, names);
        let admission = if is_trusted {
            self.refuse(violation, &head, source)
        } else if !self.may(Excess::Requests, source) {
            Admission::Close
        } else {
            self.unfit(violation, &head, source)
        };
        match admission {
            Admission::Answer { octets, .. } => octets,
            Admission::Pass { .. } | Admission::Nothing | Admission::Close => Vec::new(),
        }
    }

    pub(super) fn answer(&self, head: &Head, source: SocketAddr, reply: Reply<'_>) -> Admission {
        let id = short_id();
        let Reply { code, reason, text, why, username, is_ordinary, mut fields, closes } = reply;
        fields.push(("Server", super::SERVER.to_owned()));
        fields.push(("Warning", super::reply::warning(&self.shared.settings.node, text, &id)));
        let seed = format!("{:?}{:?}{:?}", head.first("via"), head.first("call-id"), head.first("cseq"));
        match answer(head, source, &self.shared.tag_for(&seed), &Answer { code, reason, fields: &fields }) {
            Some(octets) => {
                let call_id = head.first("call-id");
                let method = head.method();
                if is_ordinary {
                    tracing::debug!(%source, code, reason = why, id, %method, call_id, "request challenged");
                } else if let Some(kept_back) = LINES.line() {
                    tracing::info!(
                        %source, code, reason = why, username, id, %method, call_id, kept_back, "request refused at the door"
                    );
                }
                Admission::Answer { octets, closes }
            }
            None if closes => Admission::Answer { octets: Vec::new(), closes },
            None => Admission::Nothing,
        }
    }

    /// Lets a message through that the stack is going to understand as we do; that of a stranger with who he has proved to be.
    pub(super) fn pass(
        &self,
        octets: Vec<u8>,
        head: Head,
        source: SocketAddr,
        transport: Transport,
        stranger: Option<&str>,
    ) -> Admission {
        let marked = |octets: Vec<u8>| match stranger {
            Some(who) => rewrite::of_stranger(&octets, who),
            None => octets,
        };
        // Of these nothing is kept when no transaction has waited for them.
        let is_kept = !head.is_response() && !matches!(head.method(), "ACK" | "CANCEL");
        let is_of_a_call = is_kept && self.is_of_a_call(&head);
        let has_its_share = || stranger.is_none() && !self.shared.is_within_share(source.ip(), is_of_a_call);
        // A node that is late or short of memory would have to remember what it says later, too.
        let is_busy = || !is_of_a_call && self.shared.focus.readiness() == Readiness::Busy;
        let why = match is_kept {
            true if self.shared.is_overloaded(is_of_a_call) => Some("overloaded"),
            true if is_busy() => Some("busy"),
            true if has_its_share() => Some("peer_share"),
            _ => None,
        };
        if let Some(why) = why {
            self.count(why);
            // Not all at the same time.
            let fields = vec![("Retry-After", rand::random_range(RETRY_AFTER..=6 * RETRY_AFTER).to_string())];
            let (reason, text) = ("Service Unavailable", "too busy");
            return self.answer(&head, source, Reply { fields, ..Reply::new(503, reason, text) });
        }
        let octets = marked(octets);
        if let Some(message) = understood(&octets, &head, source, transport) {
            return Admission::Pass { octets, message: Box::new(message), head };
        }
        let octets = marked(rewrite::with_stand_ins(&octets, &head));
        match understood(&octets, &head, source, transport) {
            Some(message) => Admission::Pass { octets, message: Box::new(message), head },
            None if head.is_response() => Admission::Nothing,
            None => self.refuse(Violation::NotUnderstood, &head, source),
        }
    }
}

/// The dialog that a request from our peer belongs to.
pub(super) fn dialog_of(head: &Head) -> Option<DialogId> {
    Some(DialogId {
        call_id: head.first("call-id")?.to_owned(),
        local_tag: parameter(head.first("to")?, "tag")?.to_owned(),
        remote_tag: parameter(head.first("from")?, "tag")?.to_owned(),
    })
}

/// Parses as the stack will, where it would drop a message without a word, and compares what dialogs hang on.
pub(super) fn understood(octets: &[u8], head: &Head, source: SocketAddr, transport: Transport) -> Option<SipMessage> {
    let message = SipMessage::try_from(octets).ok()?;
    let message = SipConnection::update_msg_received(message, source, transport.of_stack()).ok()?;
    let (from, to) = match &message {
        SipMessage::Request(request) => {
            TransactionKey::from_request(request, TransactionRole::Server).ok()?;
            (request.from_header().ok()?.tag().ok()?, request.to_header().ok()?.tag().ok()?)
        }
        SipMessage::Response(response) => {
            TransactionKey::from_response(response, TransactionRole::Client).ok()?;
            (response.from_header().ok()?.tag().ok()?, response.to_header().ok()?.tag().ok()?)
        }
    };
    let same = |ours: Option<&str>, theirs: Option<&str>| ours == theirs;
    let from_is_same = same(parameter(head.first("from")?, "tag"), from.as_ref().map(|t| t.value()));
    let to_is_same = same(parameter(head.first("to")?, "tag"), to.as_ref().map(|t| t.value()));
    (from_is_same && to_is_same).then_some(message)
}
