//! The door of the driver: every datagram and every message of a stream passes here, before anything is created for it.
//!
//! Decides by source address and by form only. Who is calling is for the dispatcher.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rsipstack::sip::SipMessage;
use rsipstack::sip::prelude::HeadersExt as _;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::SipConnection;

use super::gate::{self, ALLOW, Framing, Verdict, Violation};
use super::head::{Head, parameter};
use super::rate::Buckets;
use super::rewrite;
use super::settings::{Transport, Untrusted};
use super::shared::{DialogId, RETRY_AFTER, Shared, short_id};
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
}

/// Judges messages of all transports.
#[derive(Debug)]
pub(super) struct Door {
    shared: Arc<Shared>,
    requests: Option<Mutex<Buckets>>,
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let requests = shared.settings.requests_per_source.map(|rate| Mutex::new(Buckets::new(rate)));
        Self { shared, requests }
    }

    /// Judges one message.
    pub(super) fn admit(&self, source: SocketAddr, transport: Transport, octets: &[u8]) -> Admission {
        let is_trusted = self.shared.is_trusted(source.ip(), transport);
        if !is_trusted && !self.may_ask(source) {
            self.count("requests_per_source");
            return Admission::Nothing;
        }
        let framing = match transport {
            Transport::Udp => Framing::Datagram,
            Transport::Tcp => Framing::Stream,
        };
        match gate::judge(octets, framing) {
            Verdict::Drop(violation) => {
                self.count(violation.label());
                Admission::Nothing
            }
            Verdict::Refuse { head, .. } if !is_trusted => self.turn_away(&head, source),
            Verdict::Refuse { violation, head } => self.refuse(violation, &head, source),
            Verdict::Pass { head, .. } if !is_trusted && !head.is_response() && !self.is_of_a_call(&head) => {
                self.turn_away(&head, source)
            }
            Verdict::Pass { message, head } => self.pass(message, head, source, transport),
        }
    }

    /// A stranger who knows both tags of a live dialog is a party to it that sends past its proxy.
    fn is_of_a_call(&self, head: &Head) -> bool {
        dialog_of(head).is_some_and(|id| self.shared.calls.contains_key(&id))
    }

    fn may_ask(&self, source: SocketAddr) -> bool {
        self.requests.as_ref().is_none_or(|buckets| {
            buckets.lock().unwrap_or_else(PoisonError::into_inner).take(source.ip(), Instant::now())
        })
    }

    fn count(&self, reason: &'static str) {
        self.shared.observer.refused(reason);
    }

    /// The same for every method, every user part and every mistake.
    fn turn_away(&self, head: &Head, source: SocketAddr) -> Admission {
        self.count("untrusted");
        match self.shared.settings.untrusted {
            Untrusted::Drop => Admission::Nothing,
            Untrusted::Refuse => self.answer(head, source, 403, "Forbidden", "not allowed", &[], false),
        }
    }

    fn refuse(&self, violation: Violation, head: &Head, source: SocketAddr) -> Admission {
        self.count(violation.label());
        let (code, reason) = violation.status();
        let extra: &[_] = if code == 501 { &[("Allow", ALLOW.to_owned())] } else { &[] };
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
        self.answer(head, source, code, reason, &violation.to_string(), extra, closes)
    }

    /// The answer to a datagram that passed the gate but is more than the stack reads.
    pub(super) fn too_large(&self, head: &Head, source: SocketAddr) -> Admission {
        self.refuse(Violation::MessageTooLong, head, source)
    }

    /// The answer to a head at which a stream could not be cut; empty when there is none. The connection is to be closed.
    pub(super) fn refuse_stream(&self, violation: Violation, head: &[u8], source: SocketAddr) -> Vec<u8> {
        let head = Head::parse(head);
        let is_trusted = self.shared.is_trusted(source.ip(), Transport::Tcp);
        let admission = if is_trusted { self.refuse(violation, &head, source) } else { self.turn_away(&head, source) };
        match admission {
            Admission::Answer { octets, .. } => octets,
            Admission::Pass { .. } | Admission::Nothing => Vec::new(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one place where all parts of an answer meet")]
    fn answer(
        &self,
        head: &Head,
        source: SocketAddr,
        code: u16,
        reason: &str,
        why: &str,
        extra: &[(&str, String)],
        closes: bool,
    ) -> Admission {
        let id = short_id();
        let mut fields = extra.to_vec();
        fields.push(("Server", super::SERVER.to_owned()));
        fields.push(("Warning", super::reply::warning(&self.shared.settings.node, why, &id)));
        let seed = format!("{:?}{:?}{:?}", head.first("via"), head.first("call-id"), head.first("cseq"));
        match answer(head, source, &self.shared.tag_for(&seed), &Answer { code, reason, fields: &fields }) {
            Some(octets) => {
                let call_id = head.first("call-id");
                if let Some(kept_back) = LINES.line() {
                    let method = head.method();
                    tracing::info!(%source, code, reason = why, id, %method, call_id, kept_back, "request refused at the door");
                }
                Admission::Answer { octets, closes }
            }
            None if closes => Admission::Answer { octets: Vec::new(), closes },
            None => Admission::Nothing,
        }
    }

    /// Lets a message through that the stack is going to understand as we do.
    fn pass(&self, octets: Vec<u8>, head: Head, source: SocketAddr, transport: Transport) -> Admission {
        // Of these nothing is kept when no transaction has waited for them.
        let is_kept = !head.is_response() && !matches!(head.method(), "ACK" | "CANCEL");
        if is_kept && self.shared.is_overloaded(self.is_of_a_call(&head)) {
            self.count("overloaded");
            let retry = [("Retry-After", RETRY_AFTER.to_string())];
            return self.answer(&head, source, 503, "Service Unavailable", "too busy", &retry, false);
        }
        if let Some(message) = understood(&octets, &head, source, transport) {
            return Admission::Pass { octets, message: Box::new(message), head };
        }
        let octets = rewrite::with_stand_ins(&octets, &head);
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
    let transport = match transport {
        Transport::Udp => rsipstack::sip::Transport::Udp,
        Transport::Tcp => rsipstack::sip::Transport::Tcp,
    };
    let message = SipConnection::update_msg_received(message, source, transport).ok()?;
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
