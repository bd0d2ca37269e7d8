//! What is said in the room, to everybody and to one alone, and what becomes of it.

use jid::{BareJid, FullJid, Jid};
use mucfocus_core::stanza::{
    ArchiveFrom, Asks, ChatState, Condition, Delay, ErrorKind, History, Message, MessageKind, OutStanza, Receipt,
    ReceiptKind, Stanza, StanzaError,
};
use mucfocus_core::time::WallClock;

use super::{Muc, error};

impl Muc {
    pub(super) fn private(
        &mut self,
        account: BareJid,
        to: &FullJid,
        id: String,
        body: &str,
        asks: Asks,
        state: Option<ChatState>,
    ) {
        let refused = self.refuses_private.clone();
        let whom = self.occupants.get(to.resource().as_str()).cloned();
        match (refused, whom, self.nickname_of(&account)) {
            (Some(error), _, _) => self.bounces(account, id, error),
            (None, None, _) => self.bounces(account, id, error(Condition::ItemNotFound, ErrorKind::Cancel)),
            (None, _, None) => self.bounces(account, id, error(Condition::NotAcceptable, ErrorKind::Cancel)),
            (None, Some(whom), Some(nick)) => {
                self.whispered.push((nick.clone(), to.resource().as_str().into(), body.into()));
                if let Some(account) = whom {
                    self.asks(&account, &nick, Some(id), body, asks);
                    if let Some((_, Stanza::Message(message))) = self.outbox.back_mut() {
                        message.chat_state = state;
                    }
                }
            }
        }
    }

    /// Somebody speaks to one occupant alone.
    pub fn whispers(&mut self, to: &BareJid, nick: &str, id: Option<String>, body: &str) {
        self.asks(to, nick, id, body, Asks::default());
    }

    /// The same, and wants to hear what becomes of it.
    pub fn asks(&mut self, to: &BareJid, nick: &str, id: Option<String>, body: &str, asks: Asks) {
        let message = Message { kind: MessageKind::Chat, asks, ..self.message(nick, id, body) };
        self.outbox.push_back((to.clone(), Stanza::Message(message)));
    }

    /// Somebody tells one occupant what he is doing, with a text or without.
    pub fn does(&mut self, to: &BareJid, nick: &str, state: ChatState, body: Option<&str>) {
        let body = body.map(String::from);
        let message =
            Message { kind: MessageKind::Chat, body, chat_state: Some(state), ..self.message(nick, None, "") };
        self.outbox.push_back((to.clone(), Stanza::Message(message)));
    }

    pub(super) fn private_state(&mut self, account: &BareJid, to: &FullJid, id: String, state: ChatState) {
        let whom = self.occupants.get(to.resource().as_str()).cloned();
        match (self.nickname_of(account), whom) {
            (Some(nick), Some(whom)) => {
                self.states.push((nick.clone(), to.resource().as_str().into(), state));
                if let Some(account) = whom {
                    self.does(&account, &nick, state, None);
                }
            }
            _ => self.bounces(account.clone(), id, error(Condition::ItemNotFound, ErrorKind::Cancel)),
        }
    }

    /// Somebody tells one occupant what became of his message.
    pub fn tells(&mut self, to: &BareJid, nick: &str, id: &str, kind: ReceiptKind) {
        let receipts = vec![Receipt { id: id.into(), kind }];
        let message = Message { kind: MessageKind::Chat, body: None, receipts, ..self.message(nick, None, "") };
        self.outbox.push_back((to.clone(), Stanza::Message(message)));
    }

    pub(super) fn receipt(&mut self, account: &BareJid, to: &FullJid, id: String, receipt: Receipt) {
        assert_ne!(id, receipt.id);
        let nick = self.nickname_of(account).unwrap();
        self.receipts.push((nick.clone(), to.resource().as_str().into(), receipt.clone()));
        if let Some(Some(account)) = self.occupants.get(to.resource().as_str()).cloned() {
            self.tells(&account, &nick, &receipt.id, receipt.kind);
        }
    }

    pub fn message(&self, nick: &str, id: Option<String>, body: &str) -> Message {
        Message {
            from: self.occupant(nick).into(),
            kind: MessageKind::Groupchat,
            origin_id: id.clone(),
            id,
            stanza_id: None,
            body: Some(body.into()),
            subject: None,
            delay: None,
            chat_state: None,
            asks: Asks::default(),
            receipts: Vec::new(),
            muc: None,
        }
    }

    pub(super) fn groupchat(&mut self, account: BareJid, id: String, body: String) {
        let Some(nick) = self.nickname_of(&account) else {
            let error = error(Condition::NotAcceptable, ErrorKind::Modify);
            return self.bounces(account, id, error);
        };
        if let Some(error) = self.refuses_messages.clone() {
            return self.bounces(account, id, error);
        }
        if !self.loses_messages {
            self.says(&nick, Some(id), &body);
        }
    }

    pub fn bounces(&mut self, account: BareJid, id: String, error: StanzaError) {
        let from = Jid::from(self.room.clone());
        let kind = MessageKind::Error(error);
        let message = Message { from, kind, ..self.message("x", Some(id), "") };
        self.outbox.push_back((account, Stanza::Message(message)));
    }

    /// Somebody speaks, and everybody in the room hears it.
    pub fn says(&mut self, nick: &str, id: Option<String>, body: &str) {
        self.said.push((nick.into(), body.into()));
        let mut message = self.message(nick, id, body);
        if !self.keeps_ids {
            message.id = Some("made-by-the-room".into());
        }
        message.stanza_id = (self.gives_ids && self.record.has_archive).then(|| self.record.next_id());
        self.record.keeps(self.wall, message.clone());
        self.broadcast(&message);
    }

    pub fn broadcast(&mut self, message: &Message) {
        let listeners: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
        for account in listeners {
            self.outbox.push_back((account, Stanza::Message(message.clone())));
        }
    }

    /// The ids of what `account` said, the first first.
    pub fn ids_from(&self, account: &BareJid) -> Vec<String> {
        let of = |(a, stanza): &(BareJid, OutStanza)| match stanza {
            OutStanza::Groupchat { id, .. } if a == account => Some(id.clone()),
            _ => None,
        };
        self.log.iter().filter_map(of).collect()
    }

    pub(super) fn history_for(&self, wanted: History, insists: bool) -> Vec<Message> {
        let count = match wanted {
            History::Since(at) => return self.record.history(Some(at).filter(|_| !insists)),
            History::Last(_) if insists => return self.record.history(None),
            History::Last(count) => usize::try_from(count).unwrap(),
        };
        let told = |(n, (from, body)): (usize, &(String, String))| {
            let stamp = Some(WallClock::from_unix_millis(1_795_000_000_000 + u64::try_from(n).unwrap() * 1000));
            Message { delay: Some(Delay { stamp }), ..self.message(from, None, body) }
        };
        self.history.iter().take(count).enumerate().map(told).collect()
    }

    /// Tells somebody all of its history, who may have it already.
    pub fn tells_history(&mut self, to: &BareJid) {
        let history = self.record.history(None).into_iter();
        self.outbox.extend(history.map(|message| (to.clone(), Stanza::Message(message))));
    }

    pub(super) fn archive(&mut self, account: BareJid, id: String, from: &ArchiveFrom, max: u32) {
        let (page, answer) = self.record.page(&self.room, &id, from, usize::try_from(max).unwrap());
        self.outbox.extend(page.into_iter().map(|archived| (account.clone(), Stanza::Archived(archived))));
        if let Some(answer) = answer {
            self.iq(account, id, answer);
        }
    }
}
