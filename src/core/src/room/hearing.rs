//! What the legs of a membership hear (GC-MSG-10, GC-PM-08).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::io::{MembershipId, Trace};
use super::receipts::name_of;
use super::ring::{Known, Style};
use super::{Room, Timer};
use crate::env::Env;
use crate::leg::{Delivery, LegId};
use crate::msrp::content::Content;
use crate::msrp::transmitter::Outcome;
use crate::muc::{Heard, Ids, Utterance};
use crate::stanza::{Message, Stanza};
use crate::time::WallClock;
use crate::translate::message;
use crate::xmpp_stream::framing::Framed;

/// The type of what people say.
pub(super) const TEXT: &str = "text/plain";

impl Room {
    /// A stanza came that no other membership has heard, or that only this one was sent.
    pub(super) fn stanza(&mut self, env: &mut Env<'_>, member: MembershipId, raw: Framed, stanza: Stanza) {
        let Stanza::Message(message) = stanza else {
            return self.with_member(env, member, |m, env, out| m.receive(env, stanza, out));
        };
        let message = Arc::new(message);
        if let Some(m) = self.members.get_mut(&member)
            // What was said before this one came is sent to nobody else.
            && !m.membership.is_history(&message)
            && let Some(position) = self.ring.remember(env.now, raw, &message)
        {
            m.position = position;
            self.rearm_ring();
            self.heard_in_room(env, member);
        }
        self.with_member(env, member, |m, env, out| m.message(env, message, out));
    }

    /// A copy came of what another membership has heard.
    pub(super) fn heard_again(&mut self, env: &mut Env<'_>, member: MembershipId, known: &Known) {
        if let Some(m) = self.members.get_mut(&member) {
            m.position = known.position;
        }
        self.heard_in_room(env, member);
        self.with_member(env, member, |m, env, out| m.message(env, Arc::clone(&known.message), out));
    }

    pub(super) fn forget_old_messages(&mut self, env: &Env<'_>) {
        self.ring.forget_old(env.now);
        self.rearm_ring();
    }

    fn rearm_ring(&mut self) {
        match self.ring.next_timeout() {
            Some(at) => self.timers.set(Timer::Ring, at),
            None => self.timers.clear(Timer::Ring),
        }
    }

    /// Somebody spoke to everybody, or the room: every leg of this membership is told.
    pub(super) fn spoken(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        message: &Arc<Message>,
        earlier: Option<Option<WallClock>>,
    ) {
        let Some(legs) = self.members.get(&member).map(|m| m.legs.clone()) else { return };
        if let Some(nickname) = message.from.resource() {
            if earlier.is_none() {
                self.spoke(env, member, nickname.as_str());
            }
            self.composing.done(nickname.as_str());
        }
        let content = match earlier {
            None => self.said_to_all(env, member, message),
            Some(stamp) => self.said_before(env, member, message, stamp.unwrap_or(env.wall)),
        };
        let Some(content) = content else { return };
        for id in legs {
            self.deliver(env, id, &content);
        }
    }

    /// Somebody did something else than to speak to everybody: every leg of this membership is told.
    pub(super) fn heard_from_room(&mut self, env: &mut Env<'_>, member: MembershipId, heard: Heard) {
        self.spoke(env, member, &heard.nickname);
        match heard.utterance {
            Utterance::Private { body, from, id, asks, state } => {
                self.confided(env, member, &heard.nickname, state.is_some());
                self.whispered(env, member, (&heard.nickname, from), (body, id, asks));
            }
            Utterance::Receipts(receipts) => self.receipts_heard(env, member, &heard.nickname, &receipts),
            Utterance::State(state) => self.somebody_types(env, member, &heard.nickname, state),
            Utterance::PrivateState(state) => self.somebody_whispers(env, member, &heard.nickname, state),
        }
    }

    /// What somebody says to everybody, rendered once for all who hear it.
    fn said_to_all(&mut self, env: &mut Env<'_>, member: MembershipId, message: &Arc<Message>) -> Option<Arc<Content>> {
        let m = self.members.get(&member)?;
        let leg = m.legs.iter().find_map(|id| self.legs.get(id))?;
        let (room, by_room_ids) = (&leg.leg.dial().room.uri, self.gives_ids);
        self.ring.rendered(m.position, message, Style { room, by_room_ids }, || {
            let name = name_of(message.stanza_id.as_deref(), message.id.as_deref(), by_room_ids);
            let body = message.body.as_deref().unwrap_or_default();
            Content::cpim(env, TEXT, message::public(room, nickname_of(message), &name, body, env.wall))
        })
    }

    /// What somebody said before this membership came, which is told to nobody else (FT-01).
    fn said_before(
        &self,
        env: &mut Env<'_>,
        member: MembershipId,
        message: &Message,
        stamp: WallClock,
    ) -> Option<Arc<Content>> {
        let legs = &self.members.get(&member)?.legs;
        let room = &legs.iter().find_map(|id| self.legs.get(id))?.leg.dial().room.uri;
        let name = name_of(message.stanza_id.as_deref(), message.id.as_deref(), self.gives_ids);
        let body = message.body.as_deref().unwrap_or_default();
        Content::cpim(env, TEXT, message::earlier(room, nickname_of(message), &name, body, stamp))
    }

    /// What one device of a user said, as his other ones show it.
    pub(super) fn show_to_other_devices(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        author: LegId,
        (body, ids): (&str, &Ids),
    ) {
        let Some(m) = self.members.get(&member) else { return };
        // He may have hung up since, so that it is the only other one.
        let others: Vec<LegId> = m.legs.iter().copied().filter(|leg| *leg != author).collect();
        let Some(uri) = others.iter().find_map(|id| self.legs.get(id)).map(|p| &p.leg.dial().room.uri) else { return };
        let cpim = message::public(uri, m.membership.nickname(), &self.named(ids), body, env.wall);
        let Some(content) = Content::cpim(env, TEXT, cpim) else { return };
        for id in others {
            self.deliver(env, id, &content);
        }
    }

    /// Shows a CPIM message with a text to the user of a leg.
    pub(super) fn deliver(&mut self, env: &mut Env<'_>, id: LegId, text: &Arc<Content>) -> Delivery {
        let mut sent = Delivery::NoConnection;
        self.with_leg(env, id, |leg, env, out| sent = leg.deliver(env, text, out));
        match sent {
            Delivery::Sent => self.trace(id, Trace::MessageDelivered),
            outcome => self.trace(id, Trace::MessageNotDelivered(outcome)),
        }
        sent
    }

    /// What became of a message that was sent to a leg.
    pub(super) fn delivered(&mut self, env: &mut Env<'_>, id: LegId, outcome: &Outcome) {
        if matches!(outcome, Outcome::Greeted | Outcome::Refused(..)) && self.awaits_the_first_word(id) {
            self.timers.clear(Timer::LostLeg(id)); // somebody is there who speaks MSRP
        }
        if let Outcome::Refused(code, label) = outcome {
            self.whisper_refused(env, id, *code, label);
        }
        self.with_leg(env, id, |leg, env, out| leg.concluded(env, outcome, out));
    }
}

/// Who speaks; `None` is the room itself.
fn nickname_of(message: &Message) -> Option<&str> {
    message.from.resource().map(|nickname| nickname.as_str())
}
