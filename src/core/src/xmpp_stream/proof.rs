//! Whether a server that has resumed a stream reads on where a stanza begins.
//!
//! Prosody 0.12 does not: it goes on in the midst of the stanza in which the old connection was cut off. What follows breaks the
//! stream, or is taken for the content of that stanza, of which no end ever comes, while everything that the server says still
//! gets through. So before anything is said once more, the server is asked how far it is. Who answers reads on; twice, since the
//! first answer may be Prosody's last word before the error. Of who does not it is certain that nothing was handled but what
//! `<resumed/>` acknowledges, so that all the rest can be said on another stream.

use alloc::borrow::ToOwned;

use super::io::StreamFault;
use super::machine::{CLOSE, Machine, PATIENCE, State};
use crate::time::Instant;

/// How far that has come; there is none while nothing is to be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The server has been asked, the last time if it has answered once, and answers until this moment.
    Asked { is_last: bool, until: Instant },
    /// It has not, so that its end of the stream was closed: inside of half a stanza that is an error, which rids the server of
    /// it, and of us in its rooms. At this moment the connection is given up.
    Closed { until: Instant },
}

impl Proof {
    pub(super) const fn until(self) -> Instant {
        match self {
            Self::Asked { until, .. } | Self::Closed { until } => until,
        }
    }
}

impl Machine {
    /// Asks for it.
    pub(super) fn ask_for_proof(&mut self, now: Instant) {
        self.ask(false, now + PATIENCE);
    }

    fn ask(&mut self, is_last: bool, until: Instant) {
        let question = self.management.question();
        self.write(question);
        self.proof = Some(Proof::Asked { is_last, until });
    }

    /// The server says what it has.
    pub(super) fn answered(&mut self, now: Instant, handled: u32) {
        if !self.acknowledged(handled) {
            return;
        }
        match self.proof {
            Some(Proof::Asked { is_last: false, until }) => self.ask(true, until),
            Some(Proof::Asked { is_last: true, .. }) => {
                self.proof = None;
                self.send_once_more(now);
            }
            Some(Proof::Closed { .. }) | None => {}
        }
    }

    /// No answer has come in time.
    pub(super) fn fail_to_prove(&mut self, now: Instant) {
        if let Some(Proof::Asked { .. }) = self.proof {
            self.write("</stream:stream>".to_owned());
            self.proof = Some(Proof::Closed { until: now + CLOSE });
        } else {
            self.spoil(now, StreamFault::Deaf);
        }
    }

    /// The server keeps the stream, if it does, in a state that is of no use.
    pub(super) fn spoil(&mut self, now: Instant, why: StreamFault) {
        match self.management.spoil() {
            Some(max) if matches!(self.state, State::Up(_)) => self.suspend(now + max, why),
            _ => self.end(why),
        }
    }
}
