//! What was said to everybody lately, as it was rendered: each membership hears its own copy of a message, and all of them send the
//! same octets.
//!
//! Owns nothing that anybody relies on: where it has nothing, a message is rendered once more.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::time::Duration;

use crate::address::sip_uri::SipUri;
use crate::msrp::content::Content;
use crate::time::Instant;
use crate::wire::imdn::Tracking;

/// Messages that are remembered.
const MAX: usize = 64;
/// How long after the first copy the last one comes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest message, in octets, that is kept although nobody has it to send. 64 of them are 256 KiB.
const KEPT: usize = 4 * 1024;

/// Messages in the order in which they were first heard.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    recent: VecDeque<Entry>,
    last: u64,
}

/// Which message of the room a membership heard last: of two that look the same it hears the first and then the second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position(u64);

#[derive(Debug)]
struct Entry {
    number: u64,
    at: Instant,
    about: About,
    body: usize,
    content: Kept,
}

/// What two copies of one message have in common, besides the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) room: SipUri,
    pub(super) nickname: Option<String>,
    pub(super) name: Tracking,
}

#[derive(Debug)]
enum Kept {
    Small(Arc<Content>),
    /// As long as somebody has it to send.
    Large(Weak<Content>),
}

impl Rendered {
    /// The message `body`, which is the next that a membership at `position` hears: as another one has heard it, or by `render`.
    pub(super) fn next(
        &mut self,
        now: Instant,
        position: &mut Position,
        (about, body): (About, &str),
        render: impl FnOnce(&About) -> Option<Arc<Content>>,
    ) -> Option<Arc<Content>> {
        while self.recent.front().is_some_and(|first| first.at + PATIENCE < now) {
            self.recent.pop_front();
        }
        let mut later = self.recent.iter().filter(|entry| entry.number > position.0);
        let known = later.find_map(|entry| Some((entry.number, entry.shows(&about, body)?)));
        if let Some((number, content)) = known {
            *position = Position(number);
            return Some(content);
        }
        let content = render(&about)?;
        self.last = self.last.saturating_add(1);
        *position = Position(self.last);
        if self.recent.len() >= MAX {
            self.recent.pop_front();
        }
        let is_small = content.body().len() <= KEPT;
        let kept = if is_small { Kept::Small(Arc::clone(&content)) } else { Kept::Large(Arc::downgrade(&content)) };
        self.recent.push_back(Entry { number: self.last, at: now, about, body: body.len(), content: kept });
        Some(content)
    }
}

impl Entry {
    /// Its rendering, if it is that of `body`: CPIM ends with what was said, octet for octet.
    fn shows(&self, about: &About, body: &str) -> Option<Arc<Content>> {
        if self.body != body.len() || self.about != *about {
            return None;
        }
        let content = match &self.content {
            Kept::Small(content) => Some(Arc::clone(content)),
            Kept::Large(content) => content.upgrade(),
        };
        content.filter(|content| content.body().ends_with(body.as_bytes()))
    }
}
