//! What the operator wants of a room, and what the ladders of its legs are told.

use mucfocus_core::leg::LegId;
use mucfocus_core::room::io::{Input, MembershipId};

use super::RoomTask;
use crate::hub::clock;
use crate::hub::looking::{Ask, LegName, LegReport};
use crate::observe::ladder::{Side, Way};

impl RoomTask {
    /// Who asked may have gone: nobody waits for him.
    pub(super) fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Summary(answer) => drop(answer.send(self.room.summary())),
            Ask::View(answer) => drop(answer.send(self.room.view())),
            Ask::Leg(name, answer) => drop(answer.send(self.report(&name))),
            Ask::Kick(leg, answer) => {
                let is_here = self.legs.contains_key(&leg);
                if is_here {
                    self.input(Input::Kick(leg));
                }
                let _ = answer.send(is_here);
            }
            Ask::Done => {}
        }
    }

    fn report(&self, name: &LegName) -> Option<LegReport> {
        let id = match name {
            LegName::Number(id) => *id,
            LegName::CallId(call_id) => *self.legs.iter().find(|(_, handles)| handles.log.call_id() == call_id)?.0,
        };
        let (leg, membership) = self.room.leg_view(id)?;
        let log = &self.legs.get(&id)?.log;
        let events = log.events(clock::now()).map(|(ago, event)| (ago, event.to_string())).collect();
        Some(LegReport { leg, membership, rule: log.rule().to_owned(), age: log.age(clock::now()), events })
    }

    /// Notes what crossed a connection of a leg.
    pub(super) fn note(&self, leg: LegId, side: Side, way: Way, what: impl FnOnce() -> String) {
        if let Some(ladder) = self.legs.get(&leg).and_then(|handles| handles.ladder.as_ref()) {
            ladder.note(side, way, what());
        }
    }

    /// The same of a stream, which is all legs' of its membership.
    pub(super) fn note_stanza(&self, member: MembershipId, way: Way, what: impl FnOnce() -> String) {
        if !self.shared.ladder.is_on() {
            return;
        }
        let what = what();
        for leg in self.room.legs_of(member) {
            self.note(*leg, Side::Xmpp, way, || what.clone());
        }
    }
}
