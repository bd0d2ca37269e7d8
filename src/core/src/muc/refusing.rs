//! A room that refuses what is said with `not-acceptable` or `item-not-found` means, as XEP-0045 §7.4 has it, that it does not know
//! us: it lost us and nobody said so. There are rooms that say the same to occupants, of what they do not want to hear. So it is
//! believed once, and the room is entered again; a room that confirms us and still says so refuses what was said, and nothing else.

use alloc::vec::Vec;

use super::membership::{Event, Membership};
use super::speaking::Utterance;
use crate::env::Env;
use crate::stanza::{Condition, Message, StanzaError};

/// What a refusal of this kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusing {
    /// That the room has lost us, for all we know.
    Unheard,
    /// It was believed, and we are on the way back in.
    Believed,
    /// The room has let us back in since, and has taken nothing that we said: it refuses what is said.
    Occupants,
}

impl<T: Clone> Membership<T> {
    /// The room refuses something for everybody in words that it has for who is no occupant. It has not taken the message, so that it
    /// can be said once more when we are back (GC-MSG-06).
    pub(super) fn not_taken(
        &mut self,
        env: &mut Env<'_>,
        mut utterance: Utterance<T>,
        (message, error): (&Message, &StanzaError),
        out: &mut Vec<Event<T>>,
    ) {
        let was_refused = core::mem::replace(&mut utterance.was_refused, true);
        if self.is_returning() {
            return self.put_off(utterance);
        }
        let is_of_the_room = self.is_inside() && message.from.resource().is_none();
        // Who was let back in a moment ago is known there.
        let is_known = self.refusing == Refusing::Occupants || self.setbacks.is_fresh(env.now);
        if is_of_the_room && !was_refused && !is_known {
            self.put_off(utterance);
            self.thrown_out(env, out);
            if self.is_returning() {
                self.refusing = Refusing::Believed;
            }
            return;
        }
        // That it lost us since, and not for the first time, it says itself when it is asked.
        if is_of_the_room && !was_refused && !self.setbacks.is_fresh(env.now) {
            self.doubt(env, out);
        }
        out.push(Event::Concluded(utterance.ticket, Err(error.clone())));
    }

    /// We are in.
    pub(super) fn is_confirmed(&mut self) {
        if self.refusing == Refusing::Believed {
            self.refusing = Refusing::Occupants;
        }
    }

    /// The room has taken something that we said to everybody, or has really lost us.
    pub(super) const fn refuses_nothing(&mut self) {
        self.refusing = Refusing::Unheard;
    }
}

/// Whether a room says so to who is no occupant.
pub(super) const fn is_of_a_stranger(error: &StanzaError) -> bool {
    matches!(error.condition, Condition::NotAcceptable | Condition::ItemNotFound)
}
