//! Out of the room, and nobody says why (status 333 and the like): the way back in begins at once, and nobody need notice. A room that
//! lets us in only to throw us out again is entered less and less often, and in the end no more.

use alloc::vec::Vec;
use core::time::Duration;

use super::membership::{Event, Membership, Phase, REENTRY};
use super::{JoinRefusal, Removal};
use crate::env::Env;
use crate::setbacks;
use crate::time::Instant;

impl<T: Clone> Membership<T> {
    /// The room does not have us any more. What was under way stays awaited until its deadline.
    ///
    /// Where that goes on for as long as a room may be out of reach, without a stay of half a minute, it is hopeless.
    pub(super) fn thrown_out(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        self.refuses_nothing();
        let before = self.setbacks.another(env.now);
        let was_in = self.is_inside() || self.is_returning();
        if self.setbacks.lasting(env.now) >= self.wishes.outage {
            self.phase = Phase::Outside; // as the room says: nobody is there who could leave
            return match was_in {
                true => self.removed(Removal::Technical, out),
                false => self.refused(JoinRefusal::Removed(Removal::Technical), out),
            };
        }
        // The first one answers, for all we know, a leave of our former self.
        let pause = before.checked_sub(1).map_or(Duration::ZERO, |before| setbacks::pause(env, before));
        if was_in {
            self.remember_nickname();
            self.reentry_deadline = Some(env.now + pause + REENTRY);
        }
        if pause.is_zero() {
            return self.enter(env, out);
        }
        self.phase = Phase::Pausing { until: env.now + pause };
        out.push(Event::ThrownOut { retry: pause });
    }

    /// When the room is entered again.
    pub(super) const fn pause_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Pausing { until } => Some(*until),
            _ => None,
        }
    }

    pub(super) fn expire_pause(&mut self, env: &mut Env<'_>, out: &mut Vec<Event<T>>) {
        if self.pause_deadline().is_some_and(|until| until <= env.now) {
            self.enter(env, out);
        }
    }
}
