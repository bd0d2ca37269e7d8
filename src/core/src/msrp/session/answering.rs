//! What the peer is told of his requests: responses and reports (RFC 4975 §7.1.3, §7.1.4, §7.2).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::sending::encode_with_fresh_id;
use super::{Event, Link, PeerFault, Session};
use crate::env::Env;
use crate::msrp::nickname::NicknameReply;
use crate::msrp::reassembly::{GivenUp, Reports};
use crate::wire::msrp::MAX_OTHER_BODY;
use crate::wire::msrp::encode;
use crate::wire::msrp::frame::{ByteRange, FailureReport, Head, Method, Path, ReportStatus, Start, TransactionId};

/// The type of the messages of a chat room.
const CPIM: &str = "message/cpim";

/// An answer that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) request: Head,
    pub(super) reports: Reports,
    pub(super) size: u64,
}

/// What a report is about.
struct About {
    to_path: Path,
    message_id: Option<String>,
    range: ByteRange,
}

/// The fate of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The room has it.
    Accepted,
    /// Nobody got it.
    Refused {
        /// MSRP status code.
        code: u16,
        /// Comment for people, on one line.
        comment: Cow<'static, str>,
    },
}

impl Session {
    /// Tells the sender what became of his message, as far as he wants to hear it (RFC 4975 §7.1.3, §7.1.4, §7.2).
    pub fn conclude(&mut self, env: &mut Env<'_>, reply: &Reply, verdict: &Verdict, out: &mut Vec<Event>) {
        self.conclude_with(env, reply, verdict, None, out);
    }

    /// The same for a private message: the success report says in a CPIM body whose message it was and whom it reached (SW-15).
    /// One of more than [`MAX_OTHER_BODY`] octets is left out.
    pub fn conclude_with(
        &mut self,
        env: &mut Env<'_>,
        reply: &Reply,
        verdict: &Verdict,
        cpim: Option<&Bytes>,
        out: &mut Vec<Event>,
    ) {
        if self.link != Link::Bound {
            return;
        }
        let failure = reply.reports.failure;
        match verdict {
            Verdict::Accepted => {
                self.respond_if(failure == FailureReport::Yes, &reply.request, 200, "OK", out);
                if reply.reports.success {
                    self.report_success(env, reply, cpim, out);
                }
            }
            Verdict::Refused { code, comment } => {
                self.respond_if(failure != FailureReport::No, &reply.request, *code, comment, out);
            }
        }
    }

    /// Answers a NICKNAME (RFC 7701 §7.1): 200, 403, 408, 424 or 425. The response goes the whole way back (SW-23).
    pub fn conclude_nickname(&self, reply: &NicknameReply, code: u16, comment: &str, out: &mut Vec<Event>) {
        self.respond_if(self.link == Link::Bound, &reply.0, code, comment, out);
    }

    fn report_success(&self, env: &mut Env<'_>, reply: &Reply, cpim: Option<&Bytes>, out: &mut Vec<Event>) {
        self.report(env, reply, (200, "OK"), cpim, out);
    }

    /// What was accepted did not arrive after all (RFC 4975 §7.1.4), for those who want to hear of every failure: "partial" asks
    /// for error responses only (MS-REP-03).
    pub(crate) fn report_failure(
        &self,
        env: &mut Env<'_>,
        reply: &Reply,
        (code, comment): (u16, &str),
        cpim: Option<&Bytes>,
        out: &mut Vec<Event>,
    ) {
        if self.link == Link::Bound && reply.reports.failure == FailureReport::Yes {
            self.report(env, reply, (code, comment), cpim, out);
        }
    }

    /// What came of a message, and was never followed by the rest.
    pub(super) fn report_given_up(&self, env: &mut Env<'_>, message: GivenUp, out: &mut Vec<Event>) {
        if self.link != Link::Bound || message.reports.failure != FailureReport::Yes {
            return;
        }
        let end = u64::try_from(message.received).ok();
        let about = About {
            to_path: message.from_path,
            message_id: Some(message.message_id),
            range: ByteRange { start: 1, end, total: None },
        };
        self.send_report(env, about, (408, "The rest of the message did not come in time"), None, out);
    }

    fn report(
        &self,
        env: &mut Env<'_>,
        reply: &Reply,
        status: (u16, &str),
        cpim: Option<&Bytes>,
        out: &mut Vec<Event>,
    ) {
        let about = About {
            to_path: reply.request.from_path.clone(),
            message_id: reply.request.message_id.clone(),
            range: ByteRange { start: 1, end: Some(reply.size), total: Some(reply.size) },
        };
        self.send_report(env, about, status, cpim, out);
    }

    fn send_report(
        &self,
        env: &mut Env<'_>,
        about: About,
        (code, comment): (u16, &str),
        cpim: Option<&Bytes>,
        out: &mut Vec<Event>,
    ) {
        let cpim = cpim.filter(|cpim| cpim.len() <= MAX_OTHER_BODY);
        let mut head = Head {
            transaction: TransactionId::fresh(env),
            start: Start::Request(Method::Report),
            to_path: about.to_path,
            from_path: Path::new(self.own.clone()),
            message_id: about.message_id,
            byte_range: Some(about.range),
            success_report: false,
            failure_report: FailureReport::Yes,
            status: Some(ReportStatus { namespace: 0, code, comment: Some(comment.into()) }),
            use_nickname: None,
            content_type: cpim.map(|_| CPIM.into()),
        };
        if let Some(frame) = encode_with_fresh_id(env, &mut head, cpim) {
            out.push(Event::Transmit(frame));
        }
    }

    pub(super) fn refuse(&self, request: &Head, code: u16, comment: &str, fault: PeerFault, out: &mut Vec<Event>) {
        out.push(Event::Peer(fault));
        self.respond_if(request.failure_report != FailureReport::No, request, code, comment, out);
    }

    pub(super) fn respond_if(&self, wanted: bool, request: &Head, code: u16, comment: &str, out: &mut Vec<Event>) {
        if !wanted {
            return;
        }
        // Our own URI is ours and the request's path was parsed: if anything is refused by the encoder, it is the comment.
        let response = encode::response(request, &self.own, code, comment);
        if let Ok(frame) = response.or_else(|_| encode::response(request, &self.own, code, "")) {
            out.push(Event::Transmit(frame));
        }
    }
}
