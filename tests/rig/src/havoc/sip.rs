//! A SIP user who talks, and calls again when he is cut off.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ledger::{Heard, Hearing, Ledger};
use super::roads::Roads;
use crate::Member;
use crate::member::Joining;
use crate::msrp::Send;
use crate::roster::Watch;
use crate::sip::{Transport, capital};
use crate::world::World;

/// How long he tries to come back before he tries anew.
const ATTEMPT: Duration = Duration::from_secs(16);

/// Who he is, and his call if he has one.
pub struct SipActor {
    /// His user part; his nickname is the same with a capital.
    pub user: String,
    /// Whether he stays away when he is cut off.
    pub is_patient: bool,
    room: String,
    transport: Transport,
    watches: bool,
    stay: Option<Stay>,
    coming: Option<JoinHandle<Option<Stay>>>,
    open: BTreeMap<String, String>,
    /// Calls whose MSRP connection broke, and that mucfocus has yet to end.
    left: Vec<Stay>,
    said: usize,
    calls: usize,
}

/// One call.
struct Stay {
    // Before the roads, so that the last word of the one goes by the other.
    watch: Option<Watch>,
    member: Member,
    roads: Roads,
    noted: usize,
}

impl SipActor {
    /// One who has not called yet.
    pub fn new(user: &str, room: &str, transport: Transport) -> Self {
        Self {
            user: user.to_owned(),
            is_patient: false,
            room: room.to_owned(),
            transport,
            watches: false,
            stay: None,
            coming: None,
            open: BTreeMap::new(),
            left: Vec::new(),
            said: 0,
            calls: 0,
        }
    }

    /// The same, and he watches the room.
    #[must_use]
    pub fn watching(mut self) -> Self {
        self.watches = true;
        self
    }

    /// His nickname.
    pub fn nick(&self) -> String {
        capital(&self.user)
    }

    /// Whether he is in a call and connected.
    pub fn is_there(&self) -> bool {
        self.stay.is_some()
    }

    /// How many of his former calls have not been ended for him.
    pub fn hanging(&self) -> usize {
        self.left.len()
    }

    /// What his call passes.
    pub fn roads(&self) -> Option<&Roads> {
        Some(&self.stay.as_ref()?.roads)
    }

    /// Whom the documents show him, if he watches and has a call; the error is what is wrong with them.
    pub fn list(&self) -> Option<Result<Vec<String>, String>> {
        let watch = self.stay.as_ref()?.watch.as_ref()?;
        let roster = catch_unwind(AssertUnwindSafe(|| watch.roster()));
        let what_is_wrong = |panic: Box<dyn std::any::Any + std::marker::Send>| {
            let words = panic.downcast_ref::<String>().cloned();
            words.unwrap_or_else(|| "documents that do not fit each other".into())
        };
        let nicks = |roster: Option<crate::roster::Roster>| roster.unwrap_or_default().users.into_keys().collect();
        Some(roster.map(nicks).map_err(what_is_wrong))
    }

    /// Comes back if he is away, and enters into the ledger what became of what he said and what he heard.
    pub async fn lives(&mut self, world: &World, ledger: &mut Ledger) {
        self.takes_note(ledger);
        if self.stay.as_ref().is_some_and(|stay| stay.has_ended() || stay.member.ua.closed()) {
            self.vanishes(ledger);
        }
        if self.stay.as_ref().is_some_and(|stay| stay.member.msrp.closed()) {
            self.open.clear();
            self.left.extend(self.stay.take());
        }
        self.left.retain(|stay| !stay.has_ended() && !stay.member.ua.closed());
        if self.coming.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(coming) = self.coming.take()
            && let Ok(Some(stay)) = coming.await
        {
            self.calls += 1;
            self.stay = Some(stay);
        }
        if self.stay.is_none() && self.coming.is_none() && !self.is_patient {
            let (who, msrp) = (world.who(&self.user, self.transport), world.mucfocus.msrp());
            let (room, watches) = (world.sip(&self.room), self.watches);
            let joins = async move {
                let (roads, who) = Roads::of(who, msrp).await;
                let joining =
                    Joining { transport: who.transport, msrp_through: Some(roads.msrp()), ..Joining::default() };
                let member = Member::join(who, &room, joining).await;
                let watch = if watches { Some(member.watches_inside().await) } else { None };
                Stay { watch, member, roads, noted: 0 }
            };
            // On its own, since a refusal is a panic there and nothing out of the way here.
            self.coming = Some(tokio::spawn(async move { timeout(ATTEMPT, joins).await.ok() }));
        }
    }

    /// Says his next words, if anybody listens.
    pub fn says(&mut self) {
        if let Some(stay) = &self.stay {
            self.said += 1;
            let text = format!("{}-{}", self.user, self.said);
            let id = stay.member.msrp.send(Send::cpim(&stay.member.to_room(&text)));
            self.open.insert(id, text);
        }
    }

    /// How much of what he said in this call has no answer yet.
    pub fn unanswered(&self) -> usize {
        self.open.len()
    }

    fn takes_note(&mut self, ledger: &mut Ledger) {
        let Some(stay) = &mut self.stay else { return };
        self.open.retain(|id, text| match stay.member.msrp.responded(id) {
            None => true,
            Some(answer) => {
                if answer.code() == Some(200) {
                    ledger.was_acknowledged(&self.user, text);
                }
                false
            }
        });
        let hearing = Hearing { who: self.user.clone(), stay: self.calls };
        let messages = stay.member.msrp.messages();
        for message in messages.iter().skip(stay.noted) {
            let is_live = message.cpim_header("mucfocus.Delayed").is_none();
            if let Some(text) = message.text() {
                ledger.is_heard(&hearing, &text, if is_live { Heard::Live } else { Heard::Late });
            }
        }
        stay.noted = messages.len();
    }

    /// His client dies without a word, or his call is over.
    pub fn vanishes(&mut self, ledger: &mut Ledger) {
        self.takes_note(ledger);
        self.open.clear();
        if let Some(coming) = self.coming.take() {
            coming.abort();
        }
        self.stay = None;
    }

    /// mucfocus is dead, and with it every call.
    pub fn is_cut_off(&mut self, ledger: &mut Ledger) {
        self.vanishes(ledger);
        self.left.clear();
    }

    /// Hangs up.
    pub async fn leaves(&mut self, ledger: &mut Ledger) {
        if let Some(stay) = &self.stay {
            let _ = timeout(Duration::from_secs(2), stay.member.leaves()).await;
        }
        self.vanishes(ledger);
    }
}

impl Stay {
    fn has_ended(&self) -> bool {
        self.member.call().has_ended()
    }
}
