//! What a membership does while the connection of its stream is gone and may come back (XEP-0198 §5): nothing, and patiently. What
//! was said before is the stream's, which sends it once more; what is to be said meanwhile waits, so that nothing appears in the
//! room whose author was told that it was too late.

use alloc::string::String;
use alloc::vec::Vec;

use super::membership::{Event, Membership, Phase};
use super::{Removal, StreamEnd};
use crate::env::Env;
use crate::time::Instant;

/// The connection of a stream is gone.
#[derive(Debug)]
pub(super) struct Suspension {
    why: StreamEnd,
    /// When waiting stops being of use.
    pub(super) until: Instant,
}

impl<T: Clone> Membership<T> {
    /// The connection is gone. `until` is when it stops being of use to wait for another.
    pub fn stream_suspended(&mut self, why: StreamEnd, until: Instant) {
        if self.is_inside() || self.is_returning() {
            self.suspended.get_or_insert(Suspension { why, until });
        }
    }

    /// There is another one, and nothing is lost. What was said under the ids `unhandled` was not handled, and is not sent once more
    /// without us.
    pub fn stream_resumed(&mut self, env: &mut Env<'_>, unhandled: &[String], out: &mut Vec<Event<T>>) {
        self.take_back(unhandled);
        if self.suspended.take().is_none() {
            return;
        }
        self.pinging.wait_on(env.now);
        self.catch_on(env.now);
        if !self.is_returning() {
            self.resume_renaming(out);
            self.say_what_waited(env, out);
        }
    }

    /// The server has lost the stream, and another one is coming in its place: in this room we are nobody any more. Stanzas
    /// with the ids `unhandled` it says it has never handled. `until` is when
    /// a way back in stops being of use.
    pub fn stream_reset(&mut self, why: StreamEnd, unhandled: &[String], until: Instant, out: &mut Vec<Event<T>>) {
        if self.is_inside() || self.is_returning() {
            self.take_back(unhandled);
            self.leave_stream(&why, until);
            out.push(Event::Reset(why));
        } else if self.phase != Phase::Outside {
            // Nobody has got in yet: it begins anew.
            self.attempt = 1;
            self.phase = Phase::Connecting;
        }
    }

    /// Whether we are inside, and our stream has a connection.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.is_inside() && self.suspended.is_none()
    }

    pub(super) fn expire_suspension(&mut self, now: Instant, out: &mut Vec<Event<T>>) {
        if let Some(suspension) = self.suspended.take_if(|suspension| suspension.until <= now) {
            // The room has us still, and hears of it when there is a connection again: it is left as after a way back in.
            self.has_reentered = true;
            self.removed(Removal::StreamLost(suspension.why), out);
        }
    }
}
