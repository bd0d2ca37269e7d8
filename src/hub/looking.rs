//! What an operator asks of the rooms: how they are, and to end a leg. Rooms answer in their turn, like to everybody; nothing
//! here waits inside of one.

use std::time::Duration;

use jid::BareJid;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::leg::LegId;
use mucfocus_core::room::view::{LegView, MembershipView, RoomView, Summary};
use tokio::sync::oneshot;

use super::directory::Directory;
use super::mail::Mail;
use super::mailbox::Address;

/// How long a room is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A question to one room, with where its answer goes.
#[derive(Debug)]
pub enum Ask {
    /// How much there is in it.
    Summary(oneshot::Sender<Summary>),
    /// All of it.
    View(oneshot::Sender<RoomView>),
    /// One leg, if it is in this room.
    Leg(LegName, oneshot::Sender<Option<LegReport>>),
    /// End this leg. The answer is whether it is in this room.
    Kick(LegId, oneshot::Sender<bool>),
    /// Nothing more. The last from its source.
    Done,
}

/// What an operator calls a leg by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegName {
    /// Its number in this process.
    Number(LegId),
    /// The Call-ID of its dialog.
    CallId(String),
}

/// All about a leg.
#[derive(Debug, Clone)]
pub struct LegReport {
    /// The leg.
    pub leg: LegView,
    /// Its membership, if it has one.
    pub membership: Option<MembershipView>,
    /// Name of the rule that its room comes of.
    pub rule: String,
    /// How long ago it called.
    pub age: Duration,
    /// What happened to it last, and how long ago.
    pub events: Vec<(Duration, String)>,
}

/// Which room an operator means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOne {
    /// No room of this name runs.
    #[error("no room {0} is in use on this node; `rooms` lists those that are")]
    None(String),
    /// Several do.
    #[error("several rooms are called {0}; write the whole JID")]
    Several(String),
    /// It did not answer.
    #[error("the room {0} does not answer: it is overloaded, or just ended")]
    Silent(BareJid),
}

impl LegName {
    /// Reads a number, or else a Call-ID.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::CallId(text.to_owned()), |number| Self::Number(LegId(number)))
    }
}

impl Directory {
    /// All rooms that run, by name; those that do not answer without numbers.
    pub async fn rooms(&self) -> Vec<(BareJid, Option<Summary>)> {
        let mut rooms = Vec::new();
        for (muc, address) in self.addresses() {
            rooms.push((muc, ask(&address, Ask::Summary).await));
        }
        rooms
    }

    /// The room that is called `name`: by its JID, by a SIP URI that maps to it, or by its local part alone.
    ///
    /// # Errors
    ///
    /// [`NotOne`] where it is not one room, or one that does not answer.
    pub async fn room(&self, name: &str) -> Result<(BareJid, RoomView), NotOne> {
        let is_meant = self.is_called(name);
        let mut meant = self.addresses().into_iter().filter(|(muc, _)| is_meant(muc));
        let (muc, address) = meant.next().ok_or_else(|| NotOne::None(name.to_owned()))?;
        if meant.next().is_some() {
            return Err(NotOne::Several(name.to_owned()));
        }
        match ask(&address, Ask::View).await {
            Some(view) => Ok((muc, view)),
            None => Err(NotOne::Silent(muc)),
        }
    }

    /// Whether a MUC is what somebody calls `name`: its JID, a SIP URI that maps to it, or its local part.
    pub(super) fn is_called(&self, name: &str) -> impl Fn(&BareJid) -> bool {
        let by_uri = SipUri::parse(name).ok().and_then(|uri| self.muc_of(&uri));
        let wanted = by_uri.map_or_else(|| name.to_owned(), |muc| muc.to_string());
        move |muc| {
            muc.as_str().eq_ignore_ascii_case(&wanted)
                || muc.node().is_some_and(|node| node.as_str().eq_ignore_ascii_case(&wanted))
        }
    }

    /// The leg of this name, and the room that it is in.
    pub async fn leg(&self, name: &LegName) -> Option<(BareJid, LegReport)> {
        for (muc, address) in self.addresses() {
            if let Some(Some(report)) = ask(&address, |answer| Ask::Leg(name.clone(), answer)).await {
                return Some((muc, report));
            }
        }
        None
    }

    /// Ends a leg: a BYE for its caller, and its occupant leaves if that was his last. Whether there is such a leg.
    pub async fn kick(&self, leg: LegId) -> bool {
        for (_, address) in self.addresses() {
            if ask(&address, |answer| Ask::Kick(leg, answer)).await == Some(true) {
                return true;
            }
        }
        false
    }
}

async fn ask<T>(address: &Address, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    let (_, source) = address.source(Mail::Operator(Ask::Done));
    source.try_send(Mail::Operator(question(answer)), 64).ok()?;
    // A room that ends meanwhile drops the question.
    tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
}
