//! Requests beside the call, each a transaction of its own (RFC 3261 §17.1.2), and the repetition of all requests.

use std::time::Duration;

use bytes::Bytes;
use mucfocus_core::time::Instant;

use super::{Agent, T1, T2};
use crate::cli::chat::call::Event;
use crate::cli::chat::message::{Draft, Message};
use crate::sip::settings::Transport;

/// A request that is sent again until it is answered.
#[derive(Debug)]
pub(in crate::cli::chat) struct Resend {
    octets: Bytes,
    /// `None` over TCP, and once the other side is known to have it.
    next: Option<Instant>,
    pause: Duration,
    give_up: Instant,
}

/// What is to be done with a request now.
pub(super) enum Poll {
    Wait,
    Again(Bytes),
    GiveUp,
}

impl Resend {
    pub(super) fn new(octets: Bytes, transport: Transport, now: Instant) -> Self {
        let next = (transport == Transport::Udp).then(|| now + T1);
        Self { octets, next, pause: T1, give_up: now + T1 * 64 }
    }

    /// The other side has it.
    pub(super) const fn rest(&mut self) {
        self.next = None;
    }

    pub(super) fn due(&self) -> Instant {
        self.next.map_or(self.give_up, |next| next.min(self.give_up))
    }

    pub(super) fn poll(&mut self, now: Instant, longest: Duration) -> Poll {
        if self.give_up <= now {
            return Poll::GiveUp;
        }
        if self.next.is_none_or(|next| next > now) {
            return Poll::Wait;
        }
        self.pause = self.pause.saturating_mul(2).min(longest);
        self.next = Some(now + self.pause);
        Poll::Again(self.octets.clone())
    }
}

/// A request beside the call.
#[derive(Debug)]
pub(super) struct Request {
    branch: String,
    what: What,
    /// Whether it answers a challenge.
    authorized: bool,
    pub(super) resend: Resend,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The roster, for so many seconds.
    Subscribe(u32),
    /// Somebody is to be invited.
    Refer(String),
}

/// What became of a request.
pub(super) enum Answer<'a> {
    /// A final response.
    Final(u16, &'a Message),
    /// None came in time (Timer F).
    None,
}

impl Agent {
    /// Sends a request beside the call.
    pub(super) fn ask(&mut self, what: What, branch: String, draft: Draft, now: Instant, out: &mut Vec<Event>) {
        let resend = self.resend(draft.finish(), now, out);
        self.requests.push(Request { branch, what, authorized: self.is_challenged(), resend });
    }

    /// Whether a response belongs to a request beside the call; then it has been taken.
    pub(super) fn is_answered(&mut self, code: u16, message: &Message, now: Instant, out: &mut Vec<Event>) -> bool {
        let Some(at) = self.requests.iter().position(|request| message.branch() == Some(&request.branch)) else {
            return false;
        };
        // Also in `Proceeding` it goes on being sent, as a provisional response to it proves little (RFC 4320 §4.1).
        if code >= 200 {
            let Request { what, authorized, .. } = self.requests.remove(at);
            if self.is_worth_another_try(code, message, authorized) {
                self.ask_again(what, now, out);
            } else {
                self.conclude(what, &Answer::Final(code, message), now, out);
            }
        }
        true
    }

    /// Timers E and F.
    pub(super) fn resend_requests(&mut self, now: Instant, out: &mut Vec<Event>) {
        let mut given_up = Vec::new();
        for request in &mut self.requests {
            match request.resend.poll(now, T2) {
                Poll::Wait => {}
                Poll::Again(octets) => out.push(Event::Send(octets, self.parties.peer)),
                Poll::GiveUp => given_up.push(request.branch.clone()),
            }
        }
        for branch in given_up {
            if let Some(at) = self.requests.iter().position(|request| request.branch == branch) {
                let request = self.requests.remove(at);
                self.conclude(request.what, &Answer::None, now, out);
            }
        }
    }

    fn ask_again(&mut self, what: What, now: Instant, out: &mut Vec<Event>) {
        match what {
            What::Subscribe(expires) => self.ask_for_roster(expires, now, out),
            What::Refer(whom) => self.invite_other(&whom, now, out),
        }
    }

    fn conclude(&mut self, what: What, answer: &Answer<'_>, now: Instant, out: &mut Vec<Event>) {
        match what {
            What::Subscribe(expires) => self.subscribed(expires, answer, now, out),
            What::Refer(whom) => self.referred(whom, answer, out),
        }
    }
}
