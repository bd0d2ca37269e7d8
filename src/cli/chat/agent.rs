//! One call as the one who dials has it (RFC 3261 §13.2, §15, §17.1), as a state machine without I/O: the INVITE, its answer,
//! the dialog, and its end from either side. With it go the subscription to the roster (`subscription`) and invitations
//! (`referral`), which are transactions beside the call (`requests`).
//!
//! Everything goes to one address: the proxy, or the host of the room. Route sets are written, not followed. Owns transactions
//! and dialogs; never looks into a body but a sipfrag, and never decides when to leave.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::address::name_addr::quote;
use mucfocus_core::time::Instant;

use self::dialog::Dialog;
pub(super) use self::dialog::{Order, Own};
use self::referral::Referral;
use self::requests::{Request, Resend};
use self::subscription::Subscription;
use super::call::{Event, Parties, Refusal};
use super::message::{Draft, Message};
use super::serving;
use crate::hub::clock::{RandomIds, env};
use crate::sip::digest::{Credentials, challenging_field};
use crate::sip::head::parameter;

mod dialog;
pub(super) mod referral;
mod requests;
pub(super) mod subscription;

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
    pub(super) own: Own,
    pub(super) state: State,
    pub(super) subscription: Option<Subscription>,
    pub(super) referrals: VecDeque<Referral>,
    credentials: Option<Credentials>,
    requests: Vec<Request>,
    offer: Bytes,
    /// Of the call's last request, and whether that answered a challenge.
    branch: String,
    authorized: bool,
    ack: Bytes,
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

impl Agent {
    /// Dials, with an SDP offer.
    pub(super) fn call(
        parties: Parties,
        credentials: Option<Credentials>,
        offer: &Bytes,
        now: Instant,
        out: &mut Vec<Event>,
    ) -> Self {
        let mut agent = Self {
            parties,
            own: Own::new(),
            state: State::Over,
            subscription: None,
            referrals: VecDeque::new(),
            credentials,
            requests: Vec::new(),
            offer: offer.clone(),
            branch: String::new(),
            authorized: false,
            ack: Bytes::new(),
            leaving: false,
        };
        agent.invite(now, out);
        agent
    }

    fn invite(&mut self, now: Instant, out: &mut Vec<Event>) {
        self.branch = branch();
        self.authorized = self.is_challenged();
        let invite = self.request(&self.own, "INVITE", &self.parties.room.to_string(), &self.to_room(), &self.branch);
        let invite = invite.field("Contact", &self.contact()).field("Allow", serving::ALLOW);
        let invite = invite.field("Accept", "application/sdp").field("Content-Type", "application/sdp");
        let request = self.resend(invite.finish_with(&self.offer), now, out);
        self.state = State::Calling { request, heard: false, cancelled: false };
    }

    /// Hangs up, or cancels the call.
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        self.unsubscribe(now, out);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Talking(dialog) => self.hang_up(dialog, now, out),
            state => {
                self.state = state;
                self.cancel(out);
            }
        }
    }

    /// Whether nothing more will happen.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.subscription.as_ref().is_none_or(Subscription::is_over)
    }

    /// Takes a message that came from `source`.
    pub(super) fn receive(&mut self, message: &Message, source: SocketAddr, now: Instant, out: &mut Vec<Event>) {
        match message.code() {
            Some(code) if self.is_answered(code, message, now, out) => {}
            Some(code) if message.field("call-id") == Some(&self.own.call_id) => self.response(code, message, now, out),
            Some(_) => {}
            None => self.serve(message, source, now, out),
        }
    }

    /// When [`Agent::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let call = match &self.state {
            State::Calling { request, .. } | State::Leaving(_, request) => Some(request.due()),
            State::Talking(_) | State::Over => None,
        };
        let requests = self.requests.iter().map(|request| request.resend.due()).min();
        let subscription = self.subscription.as_ref().and_then(Subscription::due);
        [call, requests, subscription].into_iter().flatten().min()
    }

    /// Sends again what was not answered (Timers A and E), and gives up in the end (B and F).
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Event>) {
        self.resend_requests(now, out);
        self.keep_subscription(now, out);
        let (request, longest, given_up) = match &mut self.state {
            State::Calling { request, .. } => (request, Duration::MAX, Event::NoAnswer),
            State::Leaving(_, request) => (request, T2, Event::Left),
            State::Talking(_) | State::Over => return,
        };
        match request.poll(now, longest) {
            requests::Poll::GiveUp => {
                self.state = State::Over;
                out.push(given_up);
            }
            requests::Poll::Again(octets) => out.push(Event::Send(octets, self.parties.peer)),
            requests::Poll::Wait => {}
        }
    }

    fn response(&mut self, code: u16, message: &Message, now: Instant, out: &mut Vec<Event>) {
        let Some((_, method)) = message.cseq() else { return };
        match (std::mem::replace(&mut self.state, State::Over), method) {
            (State::Calling { mut request, cancelled, .. }, "INVITE") if message.branch() == Some(&self.branch) => {
                if code < 200 {
                    request.rest();
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
                    self.refused(code, message, now, out);
                }
            }
            (State::Leaving(dialog, _), "BYE") if code >= 200 && message.branch() == Some(&self.branch) => {
                if self.is_worth_another_try(code, message, self.authorized) {
                    self.hang_up(dialog, now, out);
                } else {
                    out.push(Event::Left);
                }
            }
            // The ACK was lost: the answer comes again.
            (state @ (State::Talking(_) | State::Leaving(..)), "INVITE") if (200..300).contains(&code) => {
                let (State::Talking(dialog) | State::Leaving(dialog, _)) = &state else { return };
                let tag = message.field("to").and_then(|to| parameter(to, "tag"));
                if tag == Some(&dialog.remote_tag) {
                    out.push(Event::Send(self.ack.clone(), self.parties.peer));
                }
                self.state = state;
            }
            (state, _) => self.state = state,
        }
    }

    fn answered(&mut self, message: &Message, now: Instant, out: &mut Vec<Event>) {
        let dialog = Dialog::begin(message, &self.parties.room.to_string());
        self.ack = self.within(&self.own, &dialog, "ACK", &branch()).finish();
        out.push(Event::Send(self.ack.clone(), self.parties.peer));
        if self.leaving {
            return self.hang_up(dialog, now, out);
        }
        self.state = State::Talking(dialog);
        out.push(Event::Answered(message.body.clone()));
        let packages = message.head.all("allow-events").flat_map(|value| value.split(','));
        if packages.map(str::trim).any(|package| package.eq_ignore_ascii_case(subscription::PACKAGE)) {
            self.subscribe(now, out);
        }
    }

    fn refused(&mut self, code: u16, message: &Message, now: Instant, out: &mut Vec<Event>) {
        // This ACK belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
        let to = message.field("to").unwrap_or_default();
        let ack = self.request(&self.own, "ACK", &self.parties.room.to_string(), to, &self.branch).finish();
        out.push(Event::Send(ack, self.parties.peer));
        if !self.leaving && self.is_worth_another_try(code, message, self.authorized) {
            self.own.advance();
            return self.invite(now, out);
        }
        let refusal = Refusal::read(code, message, self.credentials.as_ref());
        out.push(Event::Refused(refusal));
    }

    /// Whether this answer asks for a password that we have and have not tried in vain.
    fn is_worth_another_try(&mut self, code: u16, message: &Message, authorized: bool) -> bool {
        let Some(credentials) = self.credentials.as_mut().filter(|_| matches!(code, 401 | 407)) else { return false };
        credentials.challenged(code, message.head.all(challenging_field(code)), authorized)
    }

    fn is_challenged(&self) -> bool {
        self.credentials.as_ref().is_some_and(Credentials::is_challenged)
    }

    fn cancel(&mut self, out: &mut Vec<Event>) {
        let State::Calling { heard: true, cancelled, .. } = &mut self.state else { return };
        if !std::mem::replace(cancelled, true) {
            let room = self.parties.room.to_string();
            let cancel = self.request(&self.own, "CANCEL", &room, &self.to_room(), &self.branch).finish();
            out.push(Event::Send(cancel, self.parties.peer));
        }
    }

    fn hang_up(&mut self, dialog: Dialog, now: Instant, out: &mut Vec<Event>) {
        self.own.advance();
        self.branch = branch();
        self.authorized = self.is_challenged();
        let bye = self.within(&self.own, &dialog, "BYE", &self.branch).finish();
        let request = self.resend(bye, now, out);
        self.state = State::Leaving(dialog, request);
    }

    fn resend(&self, octets: Bytes, now: Instant, out: &mut Vec<Event>) -> Resend {
        out.push(Event::Send(octets.clone(), self.parties.peer));
        Resend::new(octets, self.parties.transport, now)
    }

    /// A request in a dialog.
    fn within(&self, own: &Own, dialog: &Dialog, method: &str, branch: &str) -> Draft {
        let request = self.request(own, method, &dialog.target, &dialog.to, branch);
        request.fields("Route", dialog.routes.iter().map(String::as_str))
    }

    fn request(&self, own: &Own, method: &str, uri: &str, to: &str, branch: &str) -> Draft {
        let Parties { from, display, transport, local, .. } = &self.parties;
        let via = transport.via();
        let draft = Draft::new(&format!("{method} {uri} SIP/2.0"))
            .field("Via", &format!("SIP/2.0/{via} {local};branch={branch};rport"))
            .field("Max-Forwards", "70")
            .field("From", &format!("{} <{}>;tag={}", quote(display), from.without_params(), own.tag))
            .field("To", to)
            // Believed only where this machine is a trusted peer, as From is, and with the default of sip.auth.identity.
            .field("P-Asserted-Identity", &format!("{} <{}>", quote(display), from.without_params()))
            .field("Call-ID", &own.call_id)
            .field("CSeq", &format!("{} {method}", own.sequence))
            .field("User-Agent", PRODUCT);
        // Those two are never challenged (RFC 3261 §22.1).
        let challenged = self.credentials.as_ref().filter(|_| !matches!(method, "ACK" | "CANCEL"));
        match challenged.and_then(|credentials| credentials.answer(method, uri)) {
            Some((name, answer)) => draft.field(name, &answer),
            None => draft,
        }
    }

    /// The room as somebody to whom a request goes.
    fn to_room(&self) -> String {
        format!("<{}>", self.parties.room.without_params())
    }

    /// Where requests of the dialog reach us.
    fn contact(&self) -> String {
        let transport = self.parties.transport.name();
        let user = self.parties.from.user().map(|user| format!("{user}@")).unwrap_or_default();
        format!("<sip:{user}{};transport={transport}>", self.parties.local)
    }
}

pub(super) fn token() -> String {
    env(&mut RandomIds).token()
}

fn branch() -> String {
    format!("z9hG4bK{}", token())
}

#[cfg(test)]
mod tests;
