//! An XMPP user who talks, and logs in again when he is cut off.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ledger::{Heard, Hearing, Ledger};
use crate::sip::capital;
use crate::world::{PASSWORD, World};
use crate::xmpp::Client;

/// How long he tries to come back before he tries anew.
const ATTEMPT: Duration = Duration::from_secs(16);

/// Who he is, and his client if he is there.
pub struct XmppActor {
    /// His user part; his nickname is the same with a capital.
    pub user: String,
    room: String,
    client: Option<Client>,
    coming: Option<JoinHandle<Option<Client>>>,
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
        if self.client.as_ref().is_some_and(Client::closed) {
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
                let client = Client::login(address, &account, PASSWORD).await;
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
        let hearing = Hearing { who: self.user.clone(), stay: self.logins };
        for message in client.take() {
            if message.kind() == "groupchat"
                && let Some(text) = message.body()
            {
                ledger.is_heard(&hearing, text, Heard::Live);
            }
        }
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
