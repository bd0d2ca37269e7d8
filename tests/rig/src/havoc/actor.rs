//! Somebody on either side who talks, and comes back when he is cut off.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ledger::{Hearing, Ledger};
use crate::member::Joining;
use crate::msrp::Send;
use crate::sip::{Transport, capital};
use crate::world::{PASSWORD, World};
use crate::{Member, xmpp};

/// How long he tries to come back before he tries anew.
const ATTEMPT: Duration = Duration::from_secs(16);

/// A SIP user who talks.
pub struct SipActor {
    /// His user part; his nickname is the same with a capital.
    pub user: String,
    room: String,
    member: Option<Member>,
    coming: Option<JoinHandle<Option<Member>>>,
    open: BTreeMap<String, String>,
    said: usize,
    calls: usize,
}

impl SipActor {
    /// One who has not called yet.
    pub fn new(user: &str, room: &str) -> Self {
        Self {
            user: user.to_owned(),
            room: room.to_owned(),
            member: None,
            coming: None,
            open: BTreeMap::new(),
            said: 0,
            calls: 0,
        }
    }

    /// His nickname.
    pub fn nick(&self) -> String {
        capital(&self.user)
    }

    /// Whether he is in a call and connected.
    pub fn is_there(&self) -> bool {
        self.member.is_some()
    }

    /// Comes back if he is away, and enters into the ledger what became of what he said and what he heard.
    pub async fn lives(&mut self, world: &World, ledger: &mut Ledger) {
        self.takes_note(ledger);
        if self.member.as_ref().is_some_and(|member| member.call().has_ended() || member.msrp.closed()) {
            self.vanishes(ledger);
        }
        if self.coming.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(coming) = self.coming.take()
            && let Ok(Some(member)) = coming.await
        {
            self.calls += 1;
            self.member = Some(member);
        }
        if self.member.is_none() && self.coming.is_none() {
            let (who, room) = (world.who(&self.user, Transport::Udp), world.sip(&self.room));
            let joins = async move { Member::join(who, &room, Joining::default()).await };
            // On its own, since a refusal is a panic there and nothing out of the way here.
            self.coming = Some(tokio::spawn(async move { timeout(ATTEMPT, joins).await.ok() }));
        }
    }

    /// Says his next words, if anybody listens.
    pub fn says(&mut self) {
        if let Some(member) = &self.member {
            self.said += 1;
            let text = format!("{}-{}", self.user, self.said);
            let id = member.msrp.send(Send::cpim(&member.to_room(&text)));
            self.open.insert(id, text);
        }
    }

    /// How much of what he said in this call has no answer yet.
    pub fn unanswered(&self) -> usize {
        self.open.len()
    }

    fn takes_note(&mut self, ledger: &mut Ledger) {
        let Some(member) = &self.member else { return };
        self.open.retain(|id, text| match member.msrp.responded(id) {
            None => true,
            Some(answer) => {
                if answer.code() == Some(200) {
                    ledger.was_acknowledged(&self.user, text);
                }
                false
            }
        });
        let hearing = Hearing { who: self.user.clone(), call: self.calls };
        for message in member.msrp.messages() {
            let is_live = message.cpim_header("mucfocus.Delayed").is_none();
            if let Some(text) = message.text() {
                let id = message.frame.header("Message-ID").unwrap_or_default().to_owned();
                ledger.is_heard(&hearing, &id, &text, is_live);
            }
        }
    }

    /// His client dies without a word, or his call is over.
    pub fn vanishes(&mut self, ledger: &mut Ledger) {
        self.takes_note(ledger);
        self.open.clear();
        self.member = None;
    }

    /// Hangs up.
    pub async fn leaves(&mut self, ledger: &mut Ledger) {
        if let Some(member) = &self.member {
            let _ = timeout(Duration::from_secs(2), member.leaves()).await;
        }
        self.vanishes(ledger);
    }
}

/// An XMPP user who talks.
pub struct XmppActor {
    /// His user part; his nickname is the same with a capital.
    pub user: String,
    room: String,
    client: Option<xmpp::Client>,
    coming: Option<JoinHandle<Option<xmpp::Client>>>,
    said: usize,
    logins: usize,
}

impl XmppActor {
    /// One who has not logged in yet.
    pub fn new(user: &str, room: &str) -> Self {
        Self { user: user.to_owned(), room: room.to_owned(), client: None, coming: None, said: 0, logins: 0 }
    }

    /// His nickname.
    pub fn nick(&self) -> String {
        capital(&self.user)
    }

    /// Whether he is in the room.
    pub fn is_there(&self) -> bool {
        self.client.is_some()
    }

    /// Comes back if he is away, and enters into the ledger what he heard.
    pub async fn lives(&mut self, world: &World, ledger: &mut Ledger) {
        self.takes_note(ledger);
        if self.client.as_ref().is_some_and(xmpp::Client::closed) {
            self.client = None;
        }
        if self.coming.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(coming) = self.coming.take()
            && let Ok(Some(client)) = coming.await
        {
            self.logins += 1;
            self.client = Some(client);
        }
        if self.client.is_none() && self.coming.is_none() {
            let (address, room) = (world.server.address(), world.muc(&self.room));
            let (account, nick) = (format!("{}@{}", self.user, world.server.host()), self.nick());
            let joins = async move {
                let client = xmpp::Client::login(address, &account, PASSWORD).await;
                client.join(&room, &nick).await;
                client
            };
            self.coming = Some(tokio::spawn(async move { timeout(ATTEMPT, joins).await.ok() }));
        }
    }

    /// Says his next words, if he is there.
    pub fn says(&mut self, world: &World) {
        if let Some(client) = &self.client {
            self.said += 1;
            client.say(&world.muc(&self.room), &format!("{}-{}", self.user, self.said));
        }
    }

    fn takes_note(&self, ledger: &mut Ledger) {
        let Some(client) = &self.client else { return };
        let hearing = Hearing { who: self.user.clone(), call: self.logins };
        for message in client.received() {
            if message.kind() == "groupchat"
                && let Some(text) = message.body()
            {
                ledger.is_heard(&hearing, message.attribute("id").unwrap_or_default(), text, true);
            }
        }
        client.forget();
    }

    /// His client dies without a word.
    pub fn vanishes(&mut self, ledger: &mut Ledger) {
        self.takes_note(ledger);
        self.client = None;
    }

    /// Whom he sees in the room, as long as he is there.
    pub fn sees(&self, world: &World) -> Option<Vec<String>> {
        Some(self.client.as_ref()?.nicks(&world.muc(&self.room)))
    }
}
