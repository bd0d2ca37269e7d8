//! Our own offers and their answers: a call that came without an offer gets ours in the 200, and says what it thinks of it in
//! the ACK (RFC 3261 §13.2.1, RFC 3264 §4; MS-SDP-08).
//!
//! We connect where the ACK says, which makes us a tool for whoever wants to have somebody connected to (RFC 4975 §14.5). That
//! costs him a call under his own, verified name each time, and those are paced (`limits.joins_per_user`); what he says within
//! the call is paced by [`Reconnects`](super::connection::Reconnects).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use super::call::Refusal;
use super::negotiation::{MAX_PATH, WRAPPED_TYPES, reply, too_often, unusable_address};
use super::peer::{Held, Peer};
use super::{Dial, Event, Leg, Pending, State};
use crate::env::Env;
use crate::msrp::session::{Link, Session};
use crate::translate::phrases;
use crate::wire::sdp::{AnswerError, Carrier, ClientOffer, Conditions, Offer, Setup, build_offer};

/// What we offer to a caller of whom nothing is known: plain TCP, which every client has, where that is allowed.
///
/// # Errors
///
/// 488 when there is nothing that we could offer.
pub(super) fn carrier_to_offer(dial: &Dial) -> Result<Carrier, Refusal> {
    let mut usual =
        [Carrier::Tcp, Carrier::Tls].into_iter().filter(|carrier| carrier.is_secure() || !dial.room.tls_only);
    usual.find(|carrier| dial.msrp.has(*carrier)).ok_or_else(|| {
        Refusal::new(488, "There is nothing to offer to an INVITE without an offer: offer an MSRP session")
    })
}

impl Leg {
    /// Calls instead of being called: our first offer goes out, and the 2xx brings its answer ([`Leg::answered`]). The call counts as
    /// answered from here on; what it lacks is the other side. False where this node has no address for a session.
    #[must_use]
    pub fn call(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) -> bool {
        let offer = self.begin(env, out);
        let can_call = offer.is_some();
        match offer {
            Some(offer) => out.push(Event::Invite(offer)),
            None => self.state = State::Over,
        }
        can_call
    }

    /// The first offer of the call, which is ours.
    pub(super) fn first_offer(&self, session: &Session, (id, _): (u64, u64)) -> Bytes {
        build_offer(&ClientOffer {
            path: session.own(),
            setup: Setup::Actpass,
            session: id,
            max_size: u64::try_from(self.dial.limits.message).ok(),
            chatroom: self.chatroom(),
            wrapped: WRAPPED_TYPES,
            certificate: self.dial.msrp.certificate.as_ref(),
        })
    }

    /// A re-INVITE without an offer: ours is what stands (RFC 3261 §14.2), or a new session where the old one is lost.
    pub(super) fn offer_again(&mut self, env: &mut Env<'_>, out: &mut Vec<Event>) {
        let State::Answered(answered) = &self.state else { return };
        // His answer, which nobody can refuse, may send us anywhere.
        if !self.reconnects.is_due(env.now) {
            return out.push(reply(Err(too_often())));
        }
        let is_lost = matches!(answered.session.link(), Link::Lost | Link::Removed);
        if is_lost {
            let peer = answered.session.peer().clone();
            match self.own_uri(env, self.peer.known()) {
                Some((session_id, own)) => self.move_session(session_id, (own, peer), out),
                None => return out.push(reply(Err(unusable_address()))),
            }
        }
        let sdp = self.next_sdp(|leg, answered, origin| match leg.peer.known() {
            Some(known) => known.counteroffer(&leg.ours(&answered.session, origin)),
            None => leg.first_offer(&answered.session, origin),
        });
        if let State::Answered(answered) = &mut self.state {
            answered.pending = Pending::Answer;
        }
        out.push(reply(Ok(sdp)));
    }

    /// The ACK brought the answer to our offer; one that nobody asked for is none.
    pub fn answered(&mut self, env: &mut Env<'_>, sdp: &[u8], out: &mut Vec<Event>) {
        let State::Answered(answered) = &mut self.state else { return };
        if answered.pending != Pending::Answer {
            return self.confirmed(out);
        }
        answered.pending = Pending::Nothing;
        let carriers = Vec::from([self.carrier()]);
        let conditions = Conditions { carriers, ..self.conditions() };
        match Offer::parse_answer(sdp, &conditions) {
            Ok(offer) if offer.path_len() > MAX_PATH => no_agreement("its a=path is too long", out),
            Ok(offer) => match core::mem::replace(&mut self.peer, Peer::Silent(Held::new(&self.dial.limits))) {
                Peer::Silent(held) => self.agree_first(env, offer, held, out),
                Peer::Known(before) => self.agree_again(env, offer, &before, out),
            },
            Err(AnswerError::Refused) if self.peer.known().is_some() => self.give_up_session(out),
            Err(error) => no_agreement(&phrases::quoted(&error.to_string()), out),
        }
    }

    /// He has said for the first time where he is and what he takes.
    fn agree_first(&mut self, env: &mut Env<'_>, offer: Offer, held: Held, out: &mut Vec<Event>) {
        self.active = offer.makes_the_offerer_active() && !held.is_bound;
        let path = offer.path().clone();
        self.peer = Peer::Known(Box::new(offer));
        if let State::Answered(answered) = &mut self.state {
            let (own, was_lost) = (answered.session.own().clone(), answered.session.link() == Link::Lost);
            answered.session.relocate(own, path);
            if was_lost {
                answered.session.lost(Vec::new()); // its name is spent
            }
        }
        if self.carrier().is_secure() {
            self.open_session(out);
        }
        self.connect_if_active(out);
        self.keep_terms(env, out);
        let Held { mut waiting, is_bound } = held;
        match waiting.take_missed() {
            0 => {}
            missed => out.push(Event::Missed(missed)),
        }
        while let Some(content) = waiting.pop() {
            self.deliver(env, &content, out); // no more than may wait for the session
        }
        if is_bound {
            out.push(Event::BoundBefore);
        }
    }

    /// He has answered an offer within the call. A connection that stands is left alone unless he is elsewhere now.
    fn agree_again(&mut self, env: &mut Env<'_>, offer: Offer, before: &Offer, out: &mut Vec<Event>) {
        let (active, path) = (offer.makes_the_offerer_active(), offer.path().clone());
        let is_elsewhere = path != *before.path();
        let is_same_peer = offer.fingerprints(&self.conditions()) == before.fingerprints(&self.conditions());
        self.peer = Peer::Known(Box::new(offer));
        let State::Answered(answered) = &self.state else { return };
        let (link, own) = (answered.session.link(), answered.session.own().clone());
        if link == Link::Awaited || (matches!(link, Link::Unheard | Link::Bound) && is_elsewhere) {
            self.active = active;
            if let Some(id) = own.session_id().filter(|_| is_elsewhere || !is_same_peer).map(Into::into) {
                self.move_session(id, (own, path), out);
            }
            if self.active {
                self.reconnects.count(env.now);
            }
            self.connect_if_active(out);
        }
        self.keep_terms(env, out);
    }

    pub(super) fn connect_if_active(&mut self, out: &mut Vec<Event>) {
        if let (true, State::Answered(answered), Some(known)) = (self.active, &mut self.state, self.peer.known())
            && answered.session.link() == Link::Awaited
        {
            answered.pending = Pending::Nothing;
            answered.session.dialled();
            let target = self.target(known);
            out.push(Event::Connect(target));
        }
    }
}

/// Neither side can take back what it said, so the call has to end (RFC 6337 §5.2.5).
pub(super) fn no_agreement(why: &str, out: &mut Vec<Event>) {
    out.push(Event::NoAgreement(format!("The answer in the ACK is of no use: {why}")));
}
