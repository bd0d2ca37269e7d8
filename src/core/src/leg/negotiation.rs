//! What the caller offers and we answer, at first and whenever he offers again (RFC 3264 §8, RFC 4975 §8.4).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::call::{CallCommand, Refusal};
use super::{Answered, Event, Leg, State};
use crate::env::Env;
use crate::msrp::session::{Link, Session, Terms};
use crate::translate::phrases;
use crate::wire::media_type::MediaType;
use crate::wire::msrp::MAX_LINE;
use crate::wire::msrp::uri::MsrpUri;
use crate::wire::sdp::{Answer, Offer, OfferError, Removal, Reoffer};

/// Wrapped types that are understood (GC-JOIN-07).
const WRAPPED_TYPES: &str = "text/plain text/html application/im-iscomposing+xml";
/// The longest `a=path`, in octets: its To-Path is a line that every receiver takes.
const MAX_PATH: usize = MAX_LINE - 64;
/// What is written about typing (RFC 3994).
const COMPOSING: &str = "application/im-iscomposing+xml";

/// What the caller's client can do, by its last offer (SW-31, SW-36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each a token or a type of the offer")]
pub struct Capabilities {
    /// It knows what a chat room is.
    pub aware: bool,
    /// It may send NICKNAME.
    pub nickname: bool,
    /// It can tell private messages from others.
    pub private_messages: bool,
    /// It names `application/im-iscomposing+xml` among the types that it takes; a wildcard is not enough.
    pub composing: bool,
    /// It takes plain text.
    pub text: bool,
}

/// An offer that can be answered.
///
/// # Errors
///
/// 488.
pub(super) fn usable(offer: Result<Offer, OfferError>) -> Result<Offer, Refusal> {
    let offer = offer.map_err(|error| Refusal::new(488, phrases::quoted(&error.to_string())))?;
    // It becomes one line of everything that is sent.
    let path: usize = offer.path().iter().map(|uri| uri.as_str().len() + 1).sum();
    if path > MAX_PATH {
        return Err(Refusal::new(488, "a=path is too long: nothing could be sent along it"));
    }
    Ok(offer)
}

impl Leg {
    /// Answers the call: 200 with our half of the MSRP session.
    pub fn accept(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        let Some((session_id, own)) = self.own_uri(env) else {
            return self.reject(unusable_address(), out);
        };
        let origin = (u64::try_from(env.ids.next() >> 65).unwrap_or(1), 0);
        let mut session = Session::new(own, self.offer.path().clone(), self.dial.max_message_size);
        session.agree(self.terms(), &mut Vec::new());
        let sdp = self.answer(&session, origin);
        self.state = State::Answered(Box::new(Answered { session, sdp: sdp.clone(), origin, connects: self.active }));
        out.push(Event::OpenSession(session_id));
        out.push(Event::Call(CallCommand::Accept { answer: sdp }));
    }

    /// A re-INVITE or UPDATE (MS-SDP-04, SIP-11). The same offer gets the same answer. Another path gets a new session under a new
    /// id, and so does any offer after the connection was lost; what else changes leaves the session and its connection alone.
    /// A refused offer changes nothing.
    pub fn reoffered(&mut self, env: &mut Env<'_>, offer: &[u8], out: &mut Vec<Event>) {
        if !self.is_answered() {
            return out.push(reply(Err(Refusal::new(491, "The call is changing"))));
        }
        // Without an offer we make one, which changes nothing; so the answer in the ACK changes nothing either (RFC 3261 §14.2).
        if let (true, State::Answered(answered)) = (offer.is_empty(), &self.state) {
            return out.push(reply(Ok(answered.sdp.clone())));
        }
        match Reoffer::parse(offer) {
            Ok(Reoffer::Removed(removal)) => self.remove_session(&removal, out),
            Ok(Reoffer::Stream(offer)) => self.change_session(env, usable(Ok(*offer)), out),
            Err(error) => self.change_session(env, usable(Err(error)), out),
        }
    }

    fn change_session(&mut self, env: &mut Env<'_>, offer: Result<Offer, Refusal>, out: &mut Vec<Event>) {
        let State::Answered(answered) = &self.state else { return };
        let offer = match offer {
            Ok(offer) => offer,
            Err(refusal) => return out.push(reply(Err(refusal))),
        };
        let link = answered.session.link();
        let moves = offer.path() != self.offer.path() || matches!(link, Link::Lost | Link::Removed);
        let active = offer.makes_us_active(self.active);
        if !moves && active == self.active && offer.is_same_as(&self.offer) {
            return out.push(reply(Ok(answered.sdp.clone())));
        }
        if moves && self.answers.are_too_many_to_move() {
            let why = "Too many messages are undecided: try again in a few seconds";
            return out.push(reply(Err(Refusal::new(491, why))));
        }
        let new_uri = if moves { self.own_uri(env) } else { None };
        if moves && new_uri.is_none() {
            return out.push(reply(Err(unusable_address())));
        }
        let becomes_active = active && !self.active;
        (self.offer, self.active) = (offer, active);
        if let Some((session_id, own)) = new_uri {
            self.move_session(session_id, own, out);
        } else if let State::Answered(answered) = &mut self.state {
            answered.connects = active && (answered.connects || (becomes_active && link == Link::Awaited));
        }
        let sdp = self.next_sdp(|leg, answered, origin| leg.answer(&answered.session, origin));
        out.push(reply(Ok(sdp)));
        let terms = self.terms();
        self.with_session(env, out, |session, _, events| session.agree(terms, events));
    }

    /// The old session is over, the new one goes on where it was.
    fn move_session(&mut self, session_id: String, own: MsrpUri, out: &mut Vec<Event>) {
        self.answers.forget_session(out);
        if let State::Answered(answered) = &mut self.state {
            out.extend(answered.closing());
            answered.session.relocate(own, self.offer.path().clone());
            answered.connects = self.active;
        }
        out.push(Event::OpenSession(session_id));
    }

    /// The stream goes, the call stays (RFC 3264 §8.2).
    fn remove_session(&mut self, removal: &Removal, out: &mut Vec<Event>) {
        self.answers.forget_session(out);
        let mut closing = None;
        if let State::Answered(answered) = &mut self.state {
            closing = answered.closing();
            answered.session.remove();
            answered.connects = false;
        }
        let is_news = closing.is_some();
        out.extend(closing);
        let sdp = self.next_sdp(|leg, _, (id, version)| removal.answer(&leg.dial.msrp.host, id, version));
        out.push(reply(Ok(sdp)));
        if is_news {
            out.push(Event::SessionRemoved);
        }
    }

    /// What the caller's client can do, by its last offer.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let tokens = self.offer.chatroom().unwrap_or_default();
        let knows = |name: &str| tokens.iter().any(|token| token.eq_ignore_ascii_case(name));
        Capabilities {
            aware: self.offer.chatroom().is_some(),
            // RFC 7701 says one in its text and the other in its grammar (SW-32).
            nickname: knows("nickname") || knows("nicknames"),
            private_messages: knows("private-messages"),
            composing: MediaType::parse(COMPOSING).is_ok_and(|media| self.offer.names(&media)),
            text: self.offer.accepts_wrapped(&MediaType::text_plain()),
        }
    }

    fn terms(&self) -> Terms {
        Terms { nicknames: self.capabilities().nickname, direction: self.offer.direction() }
    }

    fn own_uri(&self, env: &mut Env<'_>) -> Option<(String, MsrpUri)> {
        let session_id = env.token();
        let uri = MsrpUri::new(false, &self.dial.msrp.host, self.dial.msrp.port, &session_id).ok()?;
        Some((session_id, uri))
    }

    fn answer(&self, session: &Session, (id, version): (u64, u64)) -> Bytes {
        // Each token once, and those of the room, whatever the caller knows (SW-31, SW-33).
        let chatroom: &[&str] =
            if self.dial.room.private_messages { &["nickname", "private-messages"] } else { &["nickname"] };
        self.offer.answer(&Answer {
            path: session.own(),
            host: &self.dial.msrp.host,
            active: self.active,
            session: id,
            version,
            max_size: u64::try_from(self.dial.max_message_size).ok(),
            chatroom,
            wrapped: WRAPPED_TYPES,
        })
    }

    /// What we say now: under the same version while it is the same, else under the next (RFC 3264 §8).
    fn next_sdp(&mut self, write: impl Fn(&Self, &Answered, (u64, u64)) -> Bytes) -> Bytes {
        let State::Answered(answered) = &self.state else { return Bytes::new() };
        let (id, version) = answered.origin;
        let mut origin = (id, version);
        let mut sdp = write(self, answered, origin);
        if sdp != answered.sdp {
            origin = (id, version.saturating_add(1));
            sdp = write(self, answered, origin);
        }
        if let State::Answered(answered) = &mut self.state {
            (answered.origin, answered.sdp) = (origin, sdp.clone());
        }
        sdp
    }
}

impl Answered {
    /// What closes the session, unless it is closed.
    pub(super) fn closing(&self) -> Option<Event> {
        let is_open = self.session.link() != Link::Removed;
        self.session.own().session_id().filter(|_| is_open).map(|id| Event::CloseSession(id.into()))
    }
}

const fn reply(answer: Result<Bytes, Refusal>) -> Event {
    Event::Call(CallCommand::AnswerReinvite(answer))
}

fn unusable_address() -> Refusal {
    Refusal::new(500, "This node's MSRP address is unusable")
}
