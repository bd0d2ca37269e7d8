//! What a call answers to requests: the other side's BYE and OPTIONS, and refusals of all else.

use std::net::SocketAddr;

use bytes::Bytes;
use mucfocus_core::time::Instant;

use super::agent::{Agent, Order, PRODUCT, State, referral};
use super::call::Event;
use super::message::{Draft, Message};
use crate::sip::head::parameter;

/// The methods that make sense towards us.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, UPDATE";
/// Methods that exist (IANA's registry), whether or not they make sense here: 405, where another gets 501.
const KNOWN: [&str; 6] = ["INFO", "MESSAGE", "PRACK", "PUBLISH", "REFER", "REGISTER"];

impl Agent {
    /// Answers a request, whatever it is; an ACK gets no answer.
    pub(super) fn serve(&mut self, request: &Message, source: SocketAddr, now: Instant, out: &mut Vec<Event>) {
        let Some(method) = request.method().filter(|method| *method != "ACK") else { return };
        let Some((sequence, _)) = request.cseq() else { return };
        let mut news = Vec::new();
        let is_ours = self.is_in_dialog(request);
        let (code, extra) = if let Some(unsupported) = request.field("require").filter(|_| method != "CANCEL") {
            ("420 Bad Extension", Some(("Unsupported", unsupported)))
        } else if !is_ours {
            let of_roster = method == "NOTIFY";
            match of_roster.then(|| self.hear_of_roster(request, now, &mut news)).flatten() {
                Some(code) => (code, None),
                None => without_dialog(method, request),
            }
        } else {
            match (self.order(sequence), method) {
                (Order::Late, _) => ("500 Server Internal Error", None),
                (order, "NOTIFY") => (self.notified(request, order, &mut news), None),
                (_, "BYE" | "OPTIONS") => ("200 OK", Some(("Allow", ALLOW))),
                (_, "UPDATE") if request.body.is_empty() => ("200 OK", None),
                // The session stays as it is (RFC 3261 §14.2, RFC 3311 §5.2).
                (_, "INVITE" | "UPDATE") => ("488 Not Acceptable Here", None),
                _ => without_dialog(method, request),
            }
        };
        out.push(Event::Send(self.reply(request, source, code, extra), source));
        out.append(&mut news);
        if is_ours && method == "BYE" && code.starts_with("200") && matches!(self.state, State::Talking(_)) {
            self.state = State::Over;
            out.push(Event::Ended(request.explanations()));
            self.unsubscribe(now, out);
        }
    }

    /// A NOTIFY within the call is about an invitation; there is nothing else that we ask for there.
    fn notified(&mut self, request: &Message, order: Order, out: &mut Vec<Event>) -> &'static str {
        let event = request.field("event").unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        let is_known = package.eq_ignore_ascii_case(referral::PACKAGE)
            && (order == Order::Again || self.hear_of_referral(request, event, out));
        if is_known { "200 OK" } else { "481 Subscription Does Not Exist" }
    }

    /// Whether a request belongs to the call, by all three parts of its identifier (RFC 3261 §12).
    fn is_in_dialog(&self, request: &Message) -> bool {
        let (State::Talking(dialog) | State::Leaving(dialog, _)) = &self.state else { return false };
        let tag = |name| request.field(name).and_then(|value| parameter(value, "tag")).unwrap_or_default();
        request.field("call-id") == Some(&self.own.call_id)
            && tag("to") == self.own.tag
            && tag("from") == dialog.remote_tag
    }

    /// The same request again is a retransmission, and gets the same answer.
    fn order(&mut self, sequence: u32) -> Order {
        let (State::Talking(dialog) | State::Leaving(dialog, _)) = &mut self.state else { return Order::Next };
        dialog.takes(sequence)
    }

    fn reply(&self, request: &Message, source: SocketAddr, code: &str, extra: Option<(&str, &str)>) -> Bytes {
        let mut reply = Draft::new(&format!("SIP/2.0 {code}"));
        for (index, via) in request.head.all("via").enumerate() {
            // RFC 3581 §4.
            let wanted = index == 0 && parameter(via, "rport") == Some("");
            let seen = format!(";rport={};received={}", source.port(), source.ip());
            let via = if wanted { via.replacen(";rport", &seen, 1) } else { via.to_owned() };
            reply = reply.field("Via", &via);
        }
        let to = request.field("to").unwrap_or_default();
        let to = match parameter(to, "tag") {
            Some(_) => to.to_owned(),
            None => format!("{to};tag={}", self.own.tag),
        };
        let reply = reply.fields("From", request.field("from")).field("To", &to);
        let reply = reply.fields("Call-ID", request.field("call-id")).fields("CSeq", request.field("cseq"));
        let reply = extra.into_iter().fold(reply, |reply, (name, value)| reply.field(name, value));
        reply.field("User-Agent", PRODUCT).finish()
    }
}

/// What a request gets that is not of our call, or that no call of ours takes.
fn without_dialog(method: &str, request: &Message) -> (&'static str, Option<(&'static str, &'static str)>) {
    let has_tag = request.field("to").is_some_and(|to| parameter(to, "tag").is_some());
    match method {
        "BYE" | "CANCEL" | "NOTIFY" | "UPDATE" => ("481 Call/Transaction Does Not Exist", None),
        "INVITE" if has_tag => ("481 Call/Transaction Does Not Exist", None),
        "INVITE" => ("486 Busy Here", None),
        "OPTIONS" => ("200 OK", Some(("Allow", ALLOW))),
        "SUBSCRIBE" => ("489 Bad Event", None),
        method if KNOWN.contains(&method) => ("405 Method Not Allowed", Some(("Allow", ALLOW))),
        _ => ("501 Not Implemented", None),
    }
}
