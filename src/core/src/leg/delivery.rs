//! Messages of the room to the caller, within what his offer says that he takes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::peer::Peer;
use super::{Delivery, Event, Leg, State};
use crate::env::Env;
use crate::msrp::content::Content;
use crate::wire::cpim::{Cpim, without_tracking};

/// Into how many messages one is split at most. A client that takes less than this of a long text is spared it: it would get
/// the same headers hundreds of times, and fill its queue with them.
const MAX_PARTS: usize = 64;

impl Leg {
    /// Sends a CPIM message to the caller, if he takes what is in it. A text that is larger than the largest message that he takes is
    /// split (MS-SEND-18).
    pub fn deliver(&mut self, env: &mut Env<'_>, content: &Arc<Content>, out: &mut Vec<Event>) -> Delivery {
        let awaits = self.awaits_the_first_answer();
        let offer = match &mut self.peer {
            Peer::Silent(held) if awaits && !content.is_trifle() => {
                held.waiting.push_over_oldest(Arc::clone(content));
                return Delivery::Held;
            }
            Peer::Silent(_) => return Delivery::NoConnection,
            Peer::Known(offer) => offer,
        };
        let kind = content.media().filter(|media| offer.accepts_wrapped(media));
        let Some(kind) = kind else { return Delivery::TypeRefused };
        let limit = offer.max_size().map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        if content.body().len() <= limit {
            return self.send(env, content, out);
        }
        let parts = kind.is("text/plain").then(|| split(content.body(), limit)).flatten();
        let Some(parts) = parts else { return Delivery::TooLarge };
        let mut result = Delivery::TooLarge;
        for part in parts {
            let Some(part) = content.part(env, part) else { continue };
            result = self.send(env, &part, out);
        }
        result
    }

    fn send(&mut self, env: &mut Env<'_>, content: &Arc<Content>, out: &mut Vec<Event>) -> Delivery {
        let mut result = Delivery::NoConnection;
        self.with_session(env, out, |session, env, events| result = session.send(env, content, events));
        result
    }

    /// Messages that the caller did not get while he took none, and was not told about.
    #[must_use]
    pub fn missed(&self) -> usize {
        match &self.state {
            State::Answered(answered) => answered.session.missed(),
            State::Ringing | State::Over => 0,
        }
    }
}

/// A text as several messages of at most `limit` octets with the same headers; `None` when not even one character fits, or when
/// there would be more than [`MAX_PARTS`].
fn split(cpim: &Bytes, limit: usize) -> Option<Vec<Bytes>> {
    let content = Cpim::parse(cpim).ok()?.content;
    let head = without_tracking(cpim.get(..cpim.len().checked_sub(content.len())?)?);
    let room = limit.checked_sub(head.len())?;
    let mut rest = core::str::from_utf8(&content).ok()?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let end = (0..=room.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at))?;
        if end == 0 || parts.len() >= MAX_PARTS {
            return None;
        }
        let (part, after) = rest.split_at_checked(end)?;
        parts.push(Bytes::from([head.as_slice(), part.as_bytes()].concat()));
        rest = after;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec;

    use super::*;
    use crate::wire::cpim::{Address, encode};

    fn message(text: &str) -> Bytes {
        let room = Address::new(None, "sip:capulet@rooms.example.com");
        encode(&room, &room, "2026-11-21T09:30:00Z", "text/plain;charset=utf-8", text)
    }

    fn texts(parts: &[Bytes]) -> vec::Vec<String> {
        parts.iter().map(|part| String::from_utf8(Cpim::parse(part).unwrap().content.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_text_is_split_between_characters() {
        // MS-SEND-18
        let head = message("").len();
        let text = "d\u{e9}j\u{e0} vu \u{1f339}!";
        for room in 4..text.len() {
            let parts = split(&message(text), head + room).unwrap();
            assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= head + room), "{room}");
            assert!(parts.iter().all(|part| part.starts_with(&message(""))), "each has the headers");
            assert_eq!(texts(&parts).concat(), text, "{room}");
        }
        assert_eq!(texts(&split(&message(text), head + 5).unwrap())[0], "d\u{e9}j");
    }

    #[test]
    fn a_text_of_which_nothing_fits_is_not_split() {
        let head = message("").len();
        for limit in [0, 10, head - 1, head] {
            assert_eq!(split(&message("abc"), limit), None, "{limit}");
        }
        assert_eq!(split(&message("ab\u{1f339}"), head + 3), None, "not even one character fits");
        assert_eq!(split(&message(&"x".repeat(64)), head + 1).unwrap().len(), 64);
        assert_eq!(split(&message(&"x".repeat(65)), head + 1), None, "a flood of headers");
    }
}
