//! What the legs of a membership hear (GC-MSG-10, GC-PM-08).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::io::{MembershipId, Trace};
use super::rendered::About;
use super::{Member, Room, Timer};
use crate::composing::Status;
use crate::env::Env;
use crate::leg::{Delivery, Leg, LegId};
use crate::msrp::content::Content;
use crate::msrp::transmitter::Outcome;
use crate::muc::{Heard, Ids, Utterance};
use crate::stanza::ChatState;
use crate::translate::message;
use crate::wire::is_composing::IsComposing;

/// The type of what people say.
pub(super) const TEXT: &str = "text/plain";
/// In larger rooms nobody is told who is typing: every key of one would be a message to all (ISC-04).
const SMALL_ROOM: usize = 20;

impl Room {
    /// An occupant spoke, or the room: every leg of this membership is told.
    pub(super) fn heard_from_room(&mut self, env: &mut Env<'_>, member: MembershipId, heard: Heard) {
        let Some(legs) = self.members.get(&member).map(|m| m.legs.clone()) else { return };
        let Some(dial) = legs.iter().find_map(|id| self.legs.get(id)).map(|p| p.leg.dial()) else { return };
        let uri = dial.room.uri.clone();
        let uri = &uri;
        let is_live = !matches!(heard.utterance, Utterance::Public { earlier: Some(_), .. });
        if let Some(nickname) = heard.nickname.as_ref().filter(|_| is_live) {
            self.spoke(env, member, nickname);
        }
        let Some(dial) = legs.iter().find_map(|id| self.legs.get(id)).map(|p| p.leg.dial()) else { return };
        match heard.utterance {
            Utterance::Public { body, earlier, ids } => {
                if let Some(nickname) = &heard.nickname {
                    self.composing.done(nickname);
                }
                let about = About { room: uri.clone(), nickname: heard.nickname, name: self.named(&ids) };
                let content = match earlier {
                    None => self.said_to_all(env, member, about, &body),
                    Some(stamp) => {
                        let (nickname, stamp) = (about.nickname.as_deref(), stamp.unwrap_or(env.wall));
                        Content::cpim(env, TEXT, message::earlier(uri, nickname, &about.name, &body, stamp))
                    }
                };
                let Some(content) = content else { return };
                for id in legs {
                    self.deliver(env, id, &content);
                }
            }
            Utterance::Private { body, from, id, asks } => {
                let Some(nickname) = heard.nickname else { return };
                let (reader, crosses) = (dial.caller.clone(), dial.room.receipts);
                let legs: Vec<LegId> = legs.into_iter().filter(|id| self.takes_private(*id)).collect();
                if legs.is_empty() {
                    return self.with_member(env, member, |m, _, out| {
                        m.bounce(from, id, "Private messages do not reach this occupant", out);
                    });
                }
                let tells = |id: &LegId| self.legs.get(id).is_some_and(|p| p.leg.capabilities().receipts);
                let (telling, silent): (Vec<LegId>, Vec<LegId>) = legs.into_iter().partition(tells);
                let is_understood = crosses && !telling.is_empty();
                let (asking, plain) = self.tracking_for(env, member, &from, (id.as_deref(), asks), is_understood);
                for (legs, tracking) in [(telling, asking), (silent, plain)] {
                    let cpim = message::private(uri, &nickname, &reader, &tracking, &body, env.wall);
                    let Some(content) = Content::cpim(env, TEXT, cpim) else { return };
                    for id in legs {
                        self.deliver(env, id, &content);
                    }
                }
            }
            Utterance::Receipts(receipts) => {
                if let Some(nickname) = heard.nickname {
                    self.receipts_heard(env, member, &nickname, &receipts);
                }
            }
            Utterance::State(state) => {
                if let Some(nickname) = heard.nickname {
                    self.somebody_types(env, member, &nickname, state);
                }
            }
        }
    }

    /// What somebody says to everybody, rendered once for all who hear it.
    fn said_to_all(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        about: About,
        body: &str,
    ) -> Option<Arc<Content>> {
        let position = &mut self.members.get_mut(&member)?.position;
        self.rendered.next(env.now, position, (about, body), |about| {
            let cpim = message::public(&about.room, about.nickname.as_deref(), &about.name, body, env.wall);
            Content::cpim(env, TEXT, cpim)
        })
    }

    /// Whether private messages are shown on this leg.
    fn takes_private(&self, id: LegId) -> bool {
        let takes = |leg: &Leg| leg.capabilities().private_messages && leg.dial().room.private_messages;
        self.legs.get(&id).is_some_and(|p| takes(&p.leg))
    }

    /// What one device of a user said, as his other ones show it.
    pub(super) fn show_to_other_devices(
        &mut self,
        env: &mut Env<'_>,
        member: MembershipId,
        author: LegId,
        (body, ids): (&str, &Ids),
    ) {
        let Some(m) = self.members.get(&member).filter(|m| m.legs.len() > 1) else { return };
        let others: Vec<LegId> = m.legs.iter().copied().filter(|leg| *leg != author).collect();
        let Some(uri) = others.iter().find_map(|id| self.legs.get(id)).map(|p| &p.leg.dial().room.uri) else { return };
        let cpim = message::public(uri, m.membership.nickname(), &self.named(ids), body, env.wall);
        let Some(content) = Content::cpim(env, TEXT, cpim) else { return };
        for id in others {
            self.deliver(env, id, &content);
        }
    }

    /// Shows a CPIM message with a text to the user of a leg.
    pub(super) fn deliver(&mut self, env: &mut Env<'_>, id: LegId, text: &Arc<Content>) {
        let mut sent = Delivery::NoConnection;
        self.with_leg(env, id, |leg, env, out| sent = leg.deliver(env, text, out));
        match sent {
            Delivery::Sent => self.trace(id, Trace::MessageDelivered),
            outcome => self.trace(id, Trace::MessageNotDelivered(outcome)),
        }
    }

    /// What became of a message that was sent to a leg.
    pub(super) fn delivered(&mut self, env: &mut Env<'_>, id: LegId, outcome: &Outcome) {
        if matches!(outcome, Outcome::Greeted | Outcome::Refused(..)) && self.awaits_the_first_word(id) {
            self.timers.clear(Timer::LostLeg(id)); // somebody is there who speaks MSRP
        }
        self.with_leg(env, id, |leg, env, out| leg.concluded(env, outcome, out));
    }

    // --- who is typing ---

    fn is_small(&self) -> bool {
        self.roster.occupants().len() <= SMALL_ROOM
    }

    /// Every membership hears it; the observer's tells all legs.
    fn somebody_types(&mut self, env: &mut Env<'_>, member: MembershipId, nickname: &str, state: ChatState) {
        if self.observer.eyes() != Some(member) || !self.is_small() {
            return;
        }
        if let Some(status) = self.composing.heard(env.now, nickname, state) {
            self.show_status(env, &status);
        }
        self.rearm_composing();
    }

    pub(super) fn composing_timeout(&mut self, env: &mut Env<'_>) {
        let mut due = Vec::new();
        self.composing.handle_timeout(env.now, &mut due);
        for status in due {
            self.show_status(env, &status);
        }
        let members: Vec<MembershipId> = self.members.keys().copied().collect();
        for id in members {
            let state = self.members.get_mut(&id).and_then(|m| m.composing.handle_timeout(env.now));
            if let Some(state) = state {
                self.with_member(env, id, |m, env, out| m.show(env, state, out));
            }
        }
        self.rearm_composing();
    }

    fn show_status(&mut self, env: &mut Env<'_>, status: &Status) {
        let is_his = |m: &Member| m.membership.nickname() == Some(status.nickname.as_str());
        let others: Vec<LegId> =
            self.members.values().filter(|m| !is_his(m)).flat_map(|m| m.legs.iter().copied()).collect();
        for id in others {
            let Some(leg) = self.legs.get(&id).map(|p| &p.leg).filter(|leg| leg.capabilities().composing) else {
                continue;
            };
            let document = status.message.render();
            let cpim = message::composing(&leg.dial().room.uri, &status.nickname, &document, env.wall);
            // It is not worth waiting for a connection, nor ending a call.
            let Some(content) = Content::trifle(env, "application/im-iscomposing+xml", cpim) else { continue };
            self.with_leg(env, id, |leg, env, out| {
                leg.deliver(env, &content, out);
            });
        }
    }

    /// A SIP user is typing, or not any more.
    pub(super) fn typed(&mut self, env: &mut Env<'_>, member: MembershipId, state: &IsComposing) {
        if !self.is_small() {
            return;
        }
        let state = self.members.get_mut(&member).and_then(|m| m.composing.typed(env.now, state));
        if let Some(state) = state {
            self.with_member(env, member, |m, env, out| m.show(env, state, out));
        }
        self.rearm_composing();
    }

    fn rearm_composing(&mut self) {
        let typing = self.members.values().filter_map(|m| m.composing.next_timeout());
        match typing.chain(self.composing.next_timeout()).min() {
            Some(at) => self.timers.set(Timer::Composing, at),
            None => self.timers.clear(Timer::Composing),
        }
    }
}
