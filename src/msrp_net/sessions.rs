//! The sessions that share one connection.

use std::collections::VecDeque;
use std::sync::Arc;

use mucfocus_core::time::Instant;
use mucfocus_core::wire::msrp::accepted::Accepted;
use mucfocus_core::wire::msrp::frame::{Frame, Head, Path};

use super::credit::Credit;
use super::outbox::{Outbox, Share};
use crate::hub::mail::{Mail, SessionMail};
use crate::hub::mailbox::{RoomGone, Source};

/// Sessions by id, in order. Most connections have one, for which a tree would take more memory than all the rest of it.
#[derive(Default)]
pub(super) struct Sessions(Vec<(Box<str>, Session)>);

/// A session, as its connection knows it.
pub(super) struct Session {
    pub(super) source: Source,
    pub(super) share: Share,
    pub(super) credit: Arc<Credit>,
    /// Frames that wait for credit or for answers to be written, and what is behind them.
    pub(super) held: VecDeque<Held>,
    pub(super) held_octets: usize,
    /// The To-Path and From-Path of the last answer: all of its answers have the same.
    answers: Option<Box<(Path, Path)>>,
}

/// A frame that waits to be handed over.
pub(super) struct Held {
    pub(super) frame: Box<Frame>,
    pub(super) arrived: Instant,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        let at = self.at(id).ok()?;
        self.0.get_mut(at).map(|(_, session)| session)
    }

    /// Who is answered by this, if its paths are known.
    pub(super) fn answered_by(&self, accepted: &Accepted<'_>) -> Option<&Session> {
        self.iter()
            .find(|session| session.answers.as_ref().is_some_and(|known| accepted.is_between(&known.0, &known.1)))
    }

    pub(super) fn of_share(&self, share: Share) -> Option<&Session> {
        self.iter().find(|session| session.share == share)
    }

    pub(super) fn insert(&mut self, id: &str, session: Session) {
        match self.at(id) {
            Ok(at) => {
                if let Some((_, before)) = self.0.get_mut(at) {
                    *before = session;
                }
            }
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (id.into(), session));
            }
        }
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Session> {
        self.at(id).ok().map(|at| self.0.remove(at).1)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Session) -> bool) {
        self.0.retain(|(_, session)| keep(session));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.0.iter().map(|(_, session)| session)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.0.iter_mut().map(|(_, session)| session)
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = (Box<str>, Session)> {
        self.0.into_iter()
    }

    fn at(&self, id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(id))
    }
}

impl Session {
    pub(super) fn new(source: Source, share: Share, credit: Arc<Credit>) -> Self {
        Self { source, share, credit, held: VecDeque::new(), held_octets: 0, answers: None }
    }

    /// Notes by what paths it is answered, where that is news.
    pub(super) fn note_answer(&mut self, head: &Head) {
        if self.answers.as_ref().is_some_and(|known| (&known.0, &known.1) == (&head.to_path, &head.from_path)) {
            return;
        }
        self.answers = Some(Box::new((head.to_path.clone(), head.from_path.clone())));
    }

    /// Whether the room can be handed this frame. Takes credit for a message.
    pub(super) fn may_take(&self, frame: &Frame, outbox: &Outbox) -> bool {
        outbox.takes_requests(self.share) && (!frame.ends_a_send() || self.credit.take(frame.body.len()))
    }

    pub(super) async fn hand_over(&self, mail: SessionMail) -> Result<(), RoomGone> {
        let weight = match &mail {
            SessionMail::Frame { frame, .. } => frame.body.len() + 256,
            _ => 256,
        };
        self.source.send(Mail::Session(mail), weight).await
    }
}
