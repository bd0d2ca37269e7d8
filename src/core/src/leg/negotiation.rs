//! What the caller offers and we answer, at first and whenever he offers again (RFC 3264 §8, RFC 4975 §8.4).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use super::call::{CallCommand, Refusal};
use super::peer::Peer;
use super::{Answered, Dial, Event, Leg, Pending, State};
use crate::env::Env;
use crate::msrp::session::{Link, Session, Terms};
use crate::translate::phrases;
use crate::wire::media_type::MediaType;
use crate::wire::msrp::MAX_LINE;
use crate::wire::msrp::frame::Path;
use crate::wire::msrp::uri::MsrpUri;
use crate::wire::sdp::{Answer, Conditions, Direction, Offer, OfferError, Removal, Reoffer};
use crate::wire::{imdn, is_composing};

/// Wrapped types that are understood (GC-JOIN-07).
pub(super) const WRAPPED_TYPES: &str = "text/plain text/html application/im-iscomposing+xml message/imdn+xml";
/// The longest `a=path`, in octets: its To-Path is a line that every receiver takes.
pub(super) const MAX_PATH: usize = MAX_LINE - 64;

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
    /// It names `message/imdn+xml` among them: it can tell what became of a message.
    pub receipts: bool,
    /// It takes plain text.
    pub text: bool,
}

/// What an offer has to meet in this call.
pub(super) fn conditions(dial: &Dial) -> Conditions {
    Conditions {
        carriers: dial.msrp.carriers(),
        tls_only: dial.room.tls_only,
        cema_strict: dial.policy.cema_strict,
        sha1_fingerprints: dial.policy.sha1_fingerprints,
    }
}

/// An offer that can be answered.
///
/// # Errors
///
/// 488.
pub(super) fn usable(offer: Result<Offer, OfferError>) -> Result<Offer, Refusal> {
    let offer = offer.map_err(|error| Refusal::new(488, phrases::quoted(&error.to_string())))?;
    // It becomes one line of everything that is sent.
    if offer.path_len() > MAX_PATH {
        return Err(Refusal::new(488, "a=path is too long: nothing could be sent along it"));
    }
    Ok(offer)
}

impl Leg {
    /// Answers the call: 200 with our half of the MSRP session, be it the answer or an offer. Of a call that is not ours to answer
    /// nothing comes.
    pub fn accept(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        if !self.is_ringing() {
            return;
        }
        match self.begin(env, out) {
            Some(answer) => out.push(Event::Call(CallCommand::Accept { answer })),
            None => self.reject(unusable_address(), out),
        }
    }

    /// Our half of the MSRP session, as an answer or an offer; `None` where this node has no address for it.
    pub(super) fn begin(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) -> Option<Bytes> {
        let (session_id, own) = self.own_uri(env, self.peer.known())?;
        let origin = (u64::try_from(env.ids.next() >> 65).unwrap_or(1), 0);
        let (peer, pending) = match &self.peer {
            // Until his path is known nothing is sent, and what he sends says where to answer.
            Peer::Silent(_) => (Path::new(own.clone()), Pending::Answer),
            Peer::Known(offer) if self.active => (offer.path().clone(), Pending::Connection),
            Peer::Known(offer) => (offer.path().clone(), Pending::Nothing),
        };
        let mut session = Session::new(own, peer, self.dial.limits);
        session.agree(env, self.terms(), &mut Vec::new());
        let sdp = match &self.peer {
            Peer::Silent(_) => self.first_offer(&session, origin),
            Peer::Known(offer) => offer.answer(&self.ours(&session, origin)),
        };
        self.state = State::Answered(Box::new(Answered { session, sdp: sdp.clone(), origin, pending }));
        // Whose certificate counts is let in when it is known; anybody else may be faster than his ACK.
        if self.peer.known().is_some() || !self.carrier().is_secure() {
            self.open_session_as(session_id, out);
        }
        Some(sdp)
    }

    /// A re-INVITE or UPDATE (MS-SDP-04, SIP-11). The same offer gets the same answer. Another path gets a new session under a new
    /// id, and so does any offer after the connection was lost; what else changes leaves the session and its connection alone.
    /// A refused offer changes nothing.
    pub fn reoffered(&mut self, env: &mut Env<'_>, offer: &[u8], out: &mut Vec<Event>) {
        if !self.is_answered() {
            return out.push(reply(Err(Refusal::new(491, "The call is changing"))));
        }
        if self.awaits_the_first_answer() {
            return out.push(reply(Err(Refusal::new(491, "Our offer has no answer yet"))));
        }
        if offer.is_empty() {
            return self.offer_again(env, out);
        }
        match Reoffer::parse(offer, &self.conditions()) {
            Ok(Reoffer::Removed(removal)) => self.remove_session(&removal, out),
            Ok(Reoffer::Stream(offer)) => self.change_session(env, usable(Ok(*offer)), out),
            Err(error) => self.change_session(env, usable(Err(error)), out),
        }
    }

    fn change_session(&mut self, env: &mut Env<'_>, offer: Result<Offer, Refusal>, out: &mut Vec<Event>) {
        let (State::Answered(answered), Peer::Known(before)) = (&self.state, &self.peer) else { return };
        let offer = match offer {
            Ok(offer) => offer,
            Err(refusal) => return out.push(reply(Err(refusal))),
        };
        let link = answered.session.link();
        let moves = offer.path() != before.path() || matches!(link, Link::Lost | Link::Removed);
        let active = offer.makes_us_active(self.active);
        if !moves && active == self.active && offer.is_same_as(before) {
            let sdp = self.next_sdp(|leg, answered, origin| leg.answer(&answered.session, origin));
            return out.push(reply(Ok(sdp)));
        }
        if moves && self.answers.are_too_many_to_move() {
            let why = "Too many messages are undecided: try again in a few seconds";
            return out.push(reply(Err(Refusal::new(491, why))));
        }
        if moves && active && !self.reconnects.is_due(env.now) {
            return out.push(reply(Err(too_often())));
        }
        let new_uri = if moves { self.own_uri(env, Some(&offer)) } else { None };
        if moves && new_uri.is_none() {
            return out.push(reply(Err(unusable_address())));
        }
        let becomes_active = active && !self.active;
        let path = offer.path().clone();
        (self.peer, self.active) = (Peer::Known(Box::new(offer)), active);
        if let Some((session_id, own)) = new_uri {
            self.move_session(session_id, (own, path), out);
            self.connect_when_confirmed(active);
            if active {
                self.reconnects.count(env.now);
            }
        } else if let State::Answered(answered) = &self.state {
            let connects = answered.pending == Pending::Connection || (becomes_active && link == Link::Awaited);
            self.connect_when_confirmed(active && connects);
        }
        let sdp = self.next_sdp(|leg, answered, origin| leg.answer(&answered.session, origin));
        out.push(reply(Ok(sdp)));
        self.keep_terms(env, out);
    }

    fn connect_when_confirmed(&mut self, connects: bool) {
        if let State::Answered(answered) = &mut self.state {
            answered.pending = if connects { Pending::Connection } else { Pending::Nothing };
        }
    }

    /// The session has to go by what was said last.
    pub(super) fn keep_terms(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        let terms = self.terms();
        self.with_session(env, out, |session, env, events| session.agree(env, terms, events));
    }

    /// The old session is over, the new one goes on where it was.
    pub(super) fn move_session(&mut self, session_id: String, (own, peer): (MsrpUri, Path), out: &mut Vec<Event>) {
        self.answers.forget_session(out);
        if let State::Answered(answered) = &mut self.state {
            out.extend(matches!(answered.session.link(), Link::Unheard | Link::Bound).then_some(Event::TakeBack));
            out.extend(answered.closing());
            answered.session.relocate(own, peer);
        }
        self.open_session_as(session_id, out);
    }

    /// The stream goes, the call stays (RFC 3264 §8.2).
    fn remove_session(&mut self, removal: &Removal, out: &mut Vec<Event>) {
        let is_news = self.close_session(out);
        let sdp =
            self.next_sdp(|_, answered, (id, version)| removal.answer(answered.session.own().host(), id, version));
        out.push(reply(Ok(sdp)));
        if is_news {
            out.push(Event::SessionRemoved);
        }
    }

    /// The same, said in the answer to an offer of ours.
    pub(super) fn give_up_session(&mut self, out: &mut Vec<Event>) {
        if self.close_session(out) {
            out.push(Event::SessionRemoved);
        }
    }

    /// Whether there was a session to close.
    fn close_session(&mut self, out: &mut Vec<Event>) -> bool {
        self.answers.forget_session(out);
        let State::Answered(answered) = &mut self.state else { return false };
        let closing = answered.closing();
        answered.session.remove();
        answered.pending = Pending::Nothing;
        out.extend(closing.clone());
        closing.is_some()
    }

    /// What the caller's client can do, by what he said last. Nothing is denied to whom nothing was asked yet.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let Peer::Known(offer) = &self.peer else {
            return Capabilities {
                aware: true,
                nickname: true,
                private_messages: true,
                composing: false,
                receipts: false,
                text: true,
            };
        };
        let tokens = offer.chatroom().unwrap_or_default();
        let knows = |name: &str| tokens.iter().any(|token| token.eq_ignore_ascii_case(name));
        let names = |kind: &str| MediaType::parse(kind).is_ok_and(|media| offer.names(&media));
        Capabilities {
            aware: offer.chatroom().is_some(),
            // RFC 7701 says one in its text and the other in its grammar (SW-32).
            nickname: knows("nickname") || knows("nicknames"),
            private_messages: knows("private-messages"),
            composing: names(is_composing::MEDIA_TYPE),
            receipts: names(imdn::MEDIA_TYPE),
            text: offer.accepts_wrapped(&MediaType::text_plain()),
        }
    }

    fn terms(&self) -> Terms {
        let direction = self.peer.known().map_or(Direction::SendRecv, Offer::direction);
        Terms { nicknames: self.capabilities().nickname, direction }
    }

    pub(super) fn conditions(&self) -> Conditions {
        conditions(&self.dial)
    }

    fn answer(&self, session: &Session, origin: (u64, u64)) -> Bytes {
        self.peer.known().map(|offer| offer.answer(&self.ours(session, origin))).unwrap_or_default()
    }

    /// What we say of ourselves.
    pub(super) fn ours<'a>(&'a self, session: &'a Session, (id, version): (u64, u64)) -> Answer<'a> {
        Answer {
            path: session.own(),
            host: session.own().host(),
            active: self.active,
            session: id,
            version,
            max_size: u64::try_from(self.dial.limits.message).ok(),
            chatroom: self.chatroom(),
            wrapped: WRAPPED_TYPES,
            certificate: self.dial.msrp.certificate.as_ref(),
        }
    }

    /// Each token once, and those of the room, whatever the caller knows (SW-31, SW-33).
    pub(super) const fn chatroom(&self) -> &'static [&'static str] {
        if self.dial.room.private_messages { &["nickname", "private-messages"] } else { &["nickname"] }
    }

    /// What we say now: under the same version while it is the same, else under the next (RFC 3264 §8).
    pub(super) fn next_sdp(&mut self, write: impl Fn(&Self, &Answered, (u64, u64)) -> Bytes) -> Bytes {
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

pub(super) const fn reply(answer: Result<Bytes, Refusal>) -> Event {
    Event::Call(CallCommand::AnswerReinvite(answer))
}

/// Each time somebody is connected to who may not have asked for it (RFC 4975 §14.5).
pub(super) fn too_often() -> Refusal {
    Refusal::new(491, "You move too often for us to follow: try again in a few seconds")
}

pub(super) fn unusable_address() -> Refusal {
    Refusal::new(500, "This node's MSRP address is unusable")
}
