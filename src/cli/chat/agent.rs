//! One call as the one who dials has it (RFC 3261 §13.2, §15, §17.1), as a state machine without I/O: the INVITE, its answer,
//! the dialog, and its end from either side.
//!
//! Everything goes to one address: the proxy, or the host of the room. Route sets are written, not followed. Owns transactions
//! and the dialog; never looks into a body, and never decides when to leave.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::address::name_addr::quote;
use mucfocus_core::time::Instant;

use super::call::{Event, Parties, Refusal};
use super::message::{Draft, Message};
use super::serving;
use crate::hub::clock::{RandomIds, env};
use crate::sip::head::{parameter, split_outside_quotes, uri_text};
use crate::sip::settings::Transport;

/// Estimate of a round trip (RFC 3261 §17.1.1.1); every timer follows from it.
const T1: Duration = Duration::from_millis(500);
/// The longest pause between two transmissions of a request other than INVITE.
const T2: Duration = Duration::from_secs(4);
/// What we say we are.
pub(super) const PRODUCT: &str = concat!("mucfocus-chat/", env!("CARGO_PKG_VERSION"));

/// A call.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) parties: Parties,
    pub(super) call_id: String,
    pub(super) tag: String,
    sequence: u32,
    branch: String,
    pub(super) state: State,
    leaving: bool,
}

#[derive(Debug)]
pub(super) enum State {
    /// There is no final response yet.
    Calling {
        request: Resend,
        /// Whether there was any response: before that a CANCEL must not be sent (RFC 3261 §9.1).
        heard: bool,
        cancelled: bool,
    },
    /// The call is up.
    Talking(Dialog),
    /// Our BYE is under way.
    Leaving(Dialog, Resend),
    Over,
}

/// What is left of the answer.
#[derive(Debug)]
pub(super) struct Dialog {
    target: String,
    routes: Vec<String>,
    /// To of the answer, tag and all.
    to: String,
    pub(super) remote_tag: String,
    pub(super) remote_sequence: Option<u32>,
    ack: Bytes,
}

/// A request that is sent again until it is answered.
#[derive(Debug)]
pub(super) struct Resend {
    octets: Bytes,
    /// `None` over TCP, and once the other side is known to have it.
    next: Option<Instant>,
    pause: Duration,
    give_up: Instant,
}

impl Agent {
    /// Dials, with an SDP offer.
    pub(super) fn call(parties: Parties, offer: &Bytes, now: Instant, out: &mut Vec<Event>) -> Self {
        let mut agent = Self {
            parties,
            call_id: token(),
            tag: token(),
            sequence: 1,
            branch: branch(),
            state: State::Over,
            leaving: false,
        };
        let (room, to) = (agent.parties.room.to_string(), format!("<{}>", agent.parties.room.without_params()));
        let invite = agent.request("INVITE", &room, &to, &agent.branch);
        let invite = invite.field("Contact", &agent.contact()).field("Allow", serving::ALLOW);
        let invite = invite.field("Accept", "application/sdp").field("Content-Type", "application/sdp");
        let request = agent.resend(invite.finish_with(offer), now, out);
        agent.state = State::Calling { request, heard: false, cancelled: false };
        agent
    }

    /// Hangs up, or cancels the call.
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Talking(dialog) => self.hang_up(dialog, now, out),
            state => {
                self.state = state;
                self.cancel(out);
            }
        }
    }

    /// Whether nothing more will happen.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes a message that came from `source`.
    pub(super) fn receive(&mut self, message: &Message, source: SocketAddr, now: Instant, out: &mut Vec<Event>) {
        match message.code() {
            Some(code) if message.field("call-id") == Some(&self.call_id) => self.response(code, message, now, out),
            Some(_) => {}
            None => self.serve(message, source, out),
        }
    }

    /// When [`Agent::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { request, .. } | State::Leaving(_, request) => {
                Some(request.next.map_or(request.give_up, |next| next.min(request.give_up)))
            }
            State::Talking(_) | State::Over => None,
        }
    }

    /// Sends again what was not answered (Timers A and E), and gives up in the end (B and F).
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Event>) {
        let peer = self.parties.peer;
        let (request, longest, given_up) = match &mut self.state {
            State::Calling { request, .. } => (request, Duration::MAX, Event::NoAnswer),
            State::Leaving(_, request) => (request, T2, Event::Left),
            State::Talking(_) | State::Over => return,
        };
        if request.give_up <= now {
            self.state = State::Over;
            out.push(given_up);
        } else if request.next.is_some_and(|next| next <= now) {
            request.pause = request.pause.saturating_mul(2).min(longest);
            request.next = Some(now + request.pause);
            out.push(Event::Send(request.octets.clone(), peer));
        }
    }

    fn response(&mut self, code: u16, message: &Message, now: Instant, out: &mut Vec<Event>) {
        let Some((_, method)) = message.cseq() else { return };
        match (std::mem::replace(&mut self.state, State::Over), method) {
            (State::Calling { mut request, cancelled, .. }, "INVITE") if message.branch() == Some(&self.branch) => {
                if code < 200 {
                    request.next = None;
                    self.state = State::Calling { request, heard: true, cancelled };
                    if code > 100 {
                        out.push(Event::Progress(format!("{code} {}", message.phrase())));
                    }
                    if self.leaving {
                        self.cancel(out);
                    }
                } else if code < 300 {
                    self.answered(message, now, out);
                } else {
                    self.refused(code, message, out);
                }
            }
            (State::Leaving(..), "BYE") if code >= 200 && message.branch() == Some(&self.branch) => {
                out.push(Event::Left)
            }
            // The ACK was lost: the answer comes again.
            (state @ (State::Talking(_) | State::Leaving(..)), "INVITE") if (200..300).contains(&code) => {
                let (State::Talking(dialog) | State::Leaving(dialog, _)) = &state else { return };
                let tag = message.field("to").and_then(|to| parameter(to, "tag"));
                if tag == Some(&dialog.remote_tag) {
                    out.push(Event::Send(dialog.ack.clone(), self.parties.peer));
                }
                self.state = state;
            }
            (state, _) => self.state = state,
        }
    }

    fn answered(&mut self, message: &Message, now: Instant, out: &mut Vec<Event>) {
        let to = message.field("to").unwrap_or_default().to_owned();
        let contact = message.field("contact").map(|value| split_outside_quotes(value, ','));
        let contact = contact.iter().flatten().find_map(|value| uri_text(value));
        let usable = contact.filter(|uri| !uri.contains(char::is_whitespace));
        let routes = message.head.all("record-route").flat_map(|value| split_outside_quotes(value, ','));
        let mut dialog = Dialog {
            target: usable.map_or_else(|| self.parties.room.to_string(), str::to_owned),
            routes: routes.map(str::to_owned).collect(),
            remote_tag: parameter(&to, "tag").unwrap_or_default().to_owned(),
            to,
            remote_sequence: None,
            ack: Bytes::new(),
        };
        // The one who called sees the proxies in reverse (RFC 3261 §12.1.2).
        dialog.routes.reverse();
        dialog.ack = self.within(&dialog, "ACK", &branch());
        out.push(Event::Send(dialog.ack.clone(), self.parties.peer));
        if self.leaving {
            return self.hang_up(dialog, now, out);
        }
        self.state = State::Talking(dialog);
        out.push(Event::Answered(message.body.clone()));
    }

    fn refused(&mut self, code: u16, message: &Message, out: &mut Vec<Event>) {
        // This ACK belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
        let to = message.field("to").unwrap_or_default();
        let ack = self.request("ACK", &self.parties.room.to_string(), to, &self.branch).finish();
        out.push(Event::Send(ack, self.parties.peer));
        let phrase = message.phrase().to_owned();
        out.push(Event::Refused(Refusal { code, phrase, explanations: message.explanations() }));
    }

    fn cancel(&mut self, out: &mut Vec<Event>) {
        let State::Calling { heard: true, cancelled, .. } = &mut self.state else { return };
        if !std::mem::replace(cancelled, true) {
            let (room, to) = (self.parties.room.to_string(), format!("<{}>", self.parties.room.without_params()));
            let cancel = self.request("CANCEL", &room, &to, &self.branch).finish();
            out.push(Event::Send(cancel, self.parties.peer));
        }
    }

    fn hang_up(&mut self, dialog: Dialog, now: Instant, out: &mut Vec<Event>) {
        self.sequence = self.sequence.saturating_add(1);
        self.branch = branch();
        let bye = self.within(&dialog, "BYE", &self.branch);
        let request = self.resend(bye, now, out);
        self.state = State::Leaving(dialog, request);
    }

    fn resend(&self, octets: Bytes, now: Instant, out: &mut Vec<Event>) -> Resend {
        out.push(Event::Send(octets.clone(), self.parties.peer));
        let next = (self.parties.transport == Transport::Udp).then(|| now + T1);
        Resend { octets, next, pause: T1, give_up: now + T1 * 64 }
    }

    /// A request in the dialog, without a body.
    fn within(&self, dialog: &Dialog, method: &str, branch: &str) -> Bytes {
        let request = self.request(method, &dialog.target, &dialog.to, branch);
        request.fields("Route", dialog.routes.iter().map(String::as_str)).finish()
    }

    fn request(&self, method: &str, uri: &str, to: &str, branch: &str) -> Draft {
        let Parties { from, display, transport, local, .. } = &self.parties;
        let via = match transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        Draft::new(&format!("{method} {uri} SIP/2.0"))
            .field("Via", &format!("SIP/2.0/{via} {local};branch={branch};rport"))
            .field("Max-Forwards", "70")
            .field("From", &format!("{} <{}>;tag={}", quote(display), from.without_params(), self.tag))
            .field("To", to)
            // Believed only where this machine is a trusted peer, as From is, and with the default of sip.auth.identity.
            .field("P-Asserted-Identity", &format!("{} <{}>", quote(display), from.without_params()))
            .field("Call-ID", &self.call_id)
            .field("CSeq", &format!("{} {method}", self.sequence))
            .field("User-Agent", PRODUCT)
    }

    /// Where requests of the dialog reach us.
    fn contact(&self) -> String {
        let transport = match self.parties.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        let user = self.parties.from.user().map(|user| format!("{user}@")).unwrap_or_default();
        format!("<sip:{user}{};transport={transport}>", self.parties.local)
    }
}

fn token() -> String {
    env(&mut RandomIds).token()
}

fn branch() -> String {
    format!("z9hG4bK{}", token())
}

#[cfg(test)]
mod tests;
