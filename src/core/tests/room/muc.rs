//! A scripted MUC that answers like Prosody unless it is told otherwise.

use std::collections::{BTreeMap, VecDeque};

use jid::{BareJid, FullJid, Jid};
use mucfocus_core::stanza::{
    Asks, Condition, Delay, DiscoInfo, ErrorKind, Identity, Iq, IqAnswer, Message, MessageKind, MucItem, MucUser,
    OutStanza, Password, Presence, PresenceKind, Receipt, ReceiptKind, Role, Stanza, StanzaError,
};
use mucfocus_core::time::WallClock;

/// One MUC and what it knows.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a whim of its own")]
pub struct Muc {
    pub room: BareJid,
    pub exists: bool,
    /// A new room is locked until its configuration was accepted.
    locked: bool,
    /// Nicknames, and the account behind those that are ours.
    pub occupants: BTreeMap<String, Option<BareJid>>,
    /// What came, in its order.
    pub log: Vec<(BareJid, OutStanza)>,
    /// What was said in the room, in the order of the room.
    pub said: Vec<(String, String)>,
    /// What the streams have to carry to us.
    pub outbox: VecDeque<(BareJid, Stanza)>,
    frozen: Option<VecDeque<(BareJid, OutStanza)>>,
    pub refuses_joins: Option<StanzaError>,
    pub refuses_messages: Option<StanzaError>,
    pub answers_disco_with: Option<StanzaError>,
    /// What comes of a ping of one's own occupant, if not what is true.
    pub answers_pings_with: Option<Whim>,
    /// And of a ping of the room itself.
    pub answers_pings_of_itself_with: Option<StanzaError>,
    pub refuses_configuration: bool,
    /// Who destroyed the room.
    pub destroyed_by: Option<BareJid>,
    /// Never answers the configuration.
    pub configuration_is_slow: bool,
    pub says_201: bool,
    pub loses_messages: bool,
    pub keeps_ids: bool,
    pub lower_cases: bool,
    pub sends_subject: bool,
    /// Who said what before we came.
    pub history: Vec<(String, String)>,
    /// Sends all of it, whatever was asked for.
    pub insists_on_history: bool,
    /// Gives a subject back without its id, as Prosody does.
    pub strips_subjects: bool,
    /// Whose own presence bears the id of the join that it answers.
    pub gives_back_ids: bool,
    /// Whose stream stands still: nothing reaches it.
    pub stalls: Option<BareJid>,
    /// What one account does not get: presence of this occupant.
    pub blocks: Option<(BareJid, String)>,
    pub freezes_at_joins: bool,
    /// The nickname that it keeps for whoever asks.
    pub reserves: Option<String>,
    pub password: Option<String>,
    pub shows_jids: bool,
    /// Whether it says so of itself when it is asked.
    pub is_members_only: bool,
    pub refuses_names: Option<StanzaError>,
    pub refuses_private: Option<StanzaError>,
    pub refuses_invitations: Option<StanzaError>,
    pub refuses_removals: Option<StanzaError>,
    /// From whom, to whom, and what.
    pub whispered: Vec<(String, String, String)>,
    /// From whom, to whom, and what became of which message.
    pub receipts: Vec<(String, String, Receipt)>,
    /// Whether it gives its messages ids of its own, and announces that.
    pub gives_ids: bool,
    /// Whether it announces that it gives its occupants ids; their presence has them where they are given in it.
    pub gives_occupant_ids: bool,
    pub invited: Vec<BareJid>,
}

/// What comes instead of an answer.
#[derive(Debug, Clone)]
pub enum Whim {
    Nothing,
    Error(StanzaError),
}

pub fn error(condition: Condition, kind: ErrorKind) -> StanzaError {
    StanzaError { condition, kind, text: None, address: None }
}

impl Muc {
    pub fn new() -> Self {
        Self {
            room: BareJid::new("capulet@muc.example.net").unwrap(),
            exists: true,
            locked: false,
            occupants: [("JuliC".to_string(), None)].into(),
            log: Vec::new(),
            said: Vec::new(),
            outbox: VecDeque::new(),
            frozen: None,
            refuses_joins: None,
            refuses_messages: None,
            answers_disco_with: None,
            answers_pings_with: None,
            answers_pings_of_itself_with: None,
            refuses_configuration: false,
            destroyed_by: None,
            configuration_is_slow: false,
            says_201: false,
            loses_messages: false,
            keeps_ids: true,
            lower_cases: false,
            sends_subject: true,
            history: Vec::new(),
            insists_on_history: false,
            strips_subjects: false,
            gives_back_ids: false,
            stalls: None,
            blocks: None,
            freezes_at_joins: false,
            reserves: None,
            password: None,
            shows_jids: false,
            is_members_only: false,
            refuses_names: None,
            refuses_private: None,
            refuses_invitations: None,
            refuses_removals: None,
            whispered: Vec::new(),
            receipts: Vec::new(),
            gives_ids: false,
            gives_occupant_ids: false,
            invited: Vec::new(),
        }
    }

    /// Takes everything and answers nothing until it thaws.
    pub fn freezes(&mut self) {
        self.frozen.get_or_insert_default();
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Answers all that came in the meantime.
    pub fn thaws(&mut self) {
        for (account, stanza) in self.frozen.take().unwrap_or_default() {
            self.answer(account, stanza);
        }
    }

    pub fn take(&mut self, account: BareJid, stanza: OutStanza) {
        self.log.push((account.clone(), stanza.clone()));
        if self.freezes_at_joins && matches!(stanza, OutStanza::Join { .. }) {
            self.freezes();
        }
        match &mut self.frozen {
            Some(frozen) => frozen.push_back((account, stanza)),
            None => self.answer(account, stanza),
        }
    }

    /// The account's stream broke: its occupants are gone.
    pub fn loses(&mut self, account: &BareJid) {
        if let Some(frozen) = &mut self.frozen {
            frozen.retain(|(a, _)| a != account);
        }
        let gone = self.nickname_of(account);
        self.occupants.retain(|_, who| who.as_ref() != Some(account));
        self.outbox.retain(|(a, _)| a != account);
        if let Some(nick) = gone {
            self.tell_others(account, &nick, &PresenceKind::Unavailable);
        }
    }

    pub fn nickname_of(&self, account: &BareJid) -> Option<String> {
        self.occupants.iter().find(|(_, who)| who.as_ref() == Some(account)).map(|(nick, _)| nick.clone())
    }

    pub fn occupant(&self, nick: &str) -> FullJid {
        self.room.with_resource_str(nick).unwrap()
    }

    fn answer(&mut self, account: BareJid, stanza: OutStanza) {
        match stanza {
            OutStanza::Join { occupant, id, history, password } => {
                if self.password.is_some() && self.password.as_deref() != password.as_ref().map(Password::expose) {
                    self.refuses_join(account, &occupant, id, error(Condition::NotAuthorized, ErrorKind::Auth));
                } else {
                    self.join(account, &occupant, id, usize::try_from(history).unwrap());
                }
            }
            OutStanza::Destroy { .. } => self.destroyed_by = Some(account),
            OutStanza::Decline { .. } | OutStanza::InvitationError { .. } => panic!("no room sends {stanza:?}"),
            OutStanza::Leave { .. } => self.leave(&account),
            OutStanza::Groupchat { id, body, .. } => self.groupchat(account, id, body),
            OutStanza::InstantRoom { .. } if self.configuration_is_slow => {}
            OutStanza::InstantRoom { id, .. } => {
                let answer = if self.refuses_configuration {
                    IqAnswer::Error(error(Condition::NotAllowed, ErrorKind::Cancel))
                } else {
                    self.locked = false;
                    IqAnswer::Result(DiscoInfo::default())
                };
                self.iq(account, id, answer);
            }
            OutStanza::DiscoInfo { id, node: Some(_), .. } => {
                let identity = self.reserves.clone().map(|name| Identity {
                    category: "conference".into(),
                    kind: "text".into(),
                    name: Some(name),
                });
                let answer = DiscoInfo { identities: identity.into_iter().collect(), ..DiscoInfo::default() };
                self.iq(account, id, IqAnswer::Result(answer));
            }
            OutStanza::DiscoInfo { id, .. } => {
                let answer = match &self.answers_disco_with {
                    Some(error) => IqAnswer::Error(error.clone()),
                    None if self.exists => IqAnswer::Result(DiscoInfo {
                        features: std::iter::once("http://jabber.org/protocol/muc")
                            .chain(self.is_members_only.then_some("muc_membersonly"))
                            .chain(self.gives_ids.then_some("urn:xmpp:sid:0"))
                            .chain(self.gives_occupant_ids.then_some("urn:xmpp:occupant-id:0"))
                            .map(Into::into)
                            .collect(),
                        ..DiscoInfo::default()
                    }),
                    None => IqAnswer::Error(error(Condition::ItemNotFound, ErrorKind::Cancel)),
                };
                self.iq(account, id, answer);
            }
            OutStanza::Rename { occupant, id } => self.rename(account, &occupant, id),
            OutStanza::Private { to, id, body, asks } => self.private(account, &to, id, &body, asks),
            OutStanza::Receipt { to, id, receipt } => self.receipt(&account, &to, id, receipt),
            OutStanza::ChatState { id, state, .. } => {
                if let Some(nick) = self.nickname_of(&account) {
                    let state = Message { body: None, chat_state: Some(state), ..self.message(&nick, Some(id), "") };
                    self.broadcast(&state);
                }
            }
            OutStanza::Subject { id, subject, .. } => match (self.refuses_messages.clone(), self.nickname_of(&account))
            {
                (Some(error), _) => self.bounces(account, id, error),
                (None, Some(nick)) => {
                    let id = Some(id).filter(|_| !self.strips_subjects);
                    let subject = Message { body: None, subject: Some(subject), ..self.message(&nick, id, "") };
                    self.broadcast(&subject);
                }
                (None, None) => {}
            },
            OutStanza::Invite { id, to, .. } => match self.refuses_invitations.clone() {
                Some(error) => self.bounces(account, id, error),
                None => self.invited.push(to),
            },
            OutStanza::Ping { to, id } => self.pinged(account, &to, id),
            OutStanza::SetRole { id, nick, role, reason, .. } => {
                assert_eq!(role, Role::None);
                self.removal(account, id, &nick, reason);
            }
            OutStanza::MessageError { to, id, condition, .. } => {
                let whose = self.occupants.get(to.resource().map_or("", |nick| nick.as_str())).cloned().flatten();
                if let (Some(account), Some(id)) = (whose, id) {
                    self.bounces(account, id, error(condition, ErrorKind::Cancel));
                }
            }
        }
    }

    /// XEP-0410: an occupant's ping of itself is answered by the room.
    fn pinged(&mut self, account: BareJid, to: &Jid, id: String) {
        let Some(nick) = to.resource() else {
            let answer = IqAnswer::Result(DiscoInfo::default());
            return self.iq(account, id, self.answers_pings_of_itself_with.clone().map_or(answer, IqAnswer::Error));
        };
        let own = self.nickname_of(&account);
        let answer = match (&self.answers_pings_with, own) {
            (Some(Whim::Nothing), _) => return,
            (Some(Whim::Error(error)), _) => IqAnswer::Error(error.clone()),
            (None, Some(own)) if own == nick.as_str() => IqAnswer::Result(DiscoInfo::default()),
            (None, Some(_)) => IqAnswer::Error(error(Condition::ItemNotFound, ErrorKind::Cancel)),
            (None, None) => IqAnswer::Error(error(Condition::NotAcceptable, ErrorKind::Cancel)),
        };
        self.iq(account, id, answer);
    }

    /// It was started again, and knows nobody who was in it; nobody is told.
    pub fn forgets(&mut self, account: &BareJid) {
        self.occupants.retain(|_, who| who.as_ref() != Some(account));
    }

    fn iq(&mut self, account: BareJid, id: String, answer: IqAnswer) {
        let iq = Iq { from: Some(self.room.clone().into()), id, answer };
        self.outbox.push_back((account, Stanza::Iq(iq)));
    }

    fn join(&mut self, account: BareJid, occupant: &FullJid, id: String, history: usize) {
        let wanted = occupant.resource().as_str();
        let nick = if self.lower_cases { wanted.to_lowercase() } else { wanted.to_string() };
        let taken = self.occupants.get(&nick).is_some_and(|who| who.as_ref() != Some(&account));
        let conflict = taken.then(|| error(Condition::Conflict, ErrorKind::Cancel));
        if let Some(error) = self.refuses_joins.clone().or(conflict) {
            return self.refuses_join(account, occupant, id, error);
        }
        if let Some(old) = self.nickname_of(&account).filter(|old| *old != nick) {
            // XEP-0045 §7.6: whoever is in the room changes his nickname in this way.
            let item = Some(MucItem { nick: Some(nick.clone()), ..MucItem::default() });
            let everybody: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
            for to in everybody {
                let codes = if to == account { vec![110, 303] } else { vec![303] };
                let muc = MucUser { codes, item: item.clone(), ..MucUser::default() };
                self.present(&to, &old, PresenceKind::Unavailable, muc);
            }
            self.occupants.remove(&old);
        }
        // Only who comes in is told what he did not want to know.
        let insists = self.insists_on_history && self.nickname_of(&account).is_none();
        let is_new = !self.exists || self.says_201;
        if is_new {
            (self.exists, self.locked) = (true, true);
        }
        let others: Vec<String> = self.occupants.keys().filter(|n| **n != nick).cloned().collect();
        for other in others {
            self.present(&account, &other, PresenceKind::Available, MucUser::default());
        }
        self.occupants.insert(nick.clone(), Some(account.clone()));
        let mut codes = if is_new { vec![110, 201] } else { vec![110] };
        codes.extend(self.shows_jids.then_some(100));
        let id = Some(id).filter(|_| self.gives_back_ids);
        self.present_as(&account, &nick, id, codes);
        self.tell_others(&account, &nick, &PresenceKind::Available);
        let history = if insists { self.history.len() } else { history.min(self.history.len()) };
        for (n, (from, body)) in self.history.clone().into_iter().take(history).enumerate() {
            let mut message = self.message(&from, None, &body);
            let stamp = Some(WallClock::from_unix_millis(1_795_000_000_000 + u64::try_from(n).unwrap() * 1000));
            message.delay = Some(Delay { stamp });
            self.outbox.push_back((account.clone(), Stanza::Message(message)));
        }
        if self.sends_subject {
            let mut message = self.message("JuliC", None, "");
            (message.body, message.subject) = (None, Some("Verona".into()));
            self.outbox.push_back((account, Stanza::Message(message)));
        }
    }

    fn refuses_join(&mut self, account: BareJid, occupant: &FullJid, id: String, error: StanzaError) {
        let kind = PresenceKind::Error(error);
        let from = occupant.clone().into();
        let presence = Presence { from, id: Some(id), kind, status: None, display_name: None, muc: None };
        self.outbox.push_back((account, Stanza::Presence(presence)));
    }

    /// XEP-0045 §7.6.
    fn rename(&mut self, account: BareJid, occupant: &FullJid, id: String) {
        let wanted = occupant.resource().as_str();
        let new = if self.lower_cases { wanted.to_lowercase() } else { wanted.to_string() };
        let taken = self.occupants.get(&new).is_some_and(|who| who.as_ref() != Some(&account));
        let conflict = taken.then(|| error(Condition::Conflict, ErrorKind::Cancel));
        if let Some(error) = self.refuses_names.clone().or(conflict) {
            return self.refuses_join(account, occupant, id, error);
        }
        let Some(old) = self.nickname_of(&account) else { return };
        self.renames(&account, &old, &new);
    }

    /// An occupant is called something else from now on.
    pub fn renames(&mut self, account: &BareJid, old: &str, new: &str) {
        let item = Some(MucItem { nick: Some(new.into()), ..MucItem::default() });
        let muc = |own: bool| MucUser {
            codes: if own { vec![110, 303] } else { vec![303] },
            item: item.clone(),
            ..MucUser::default()
        };
        let who = self.occupants.remove(old).flatten();
        self.occupants.insert(new.into(), who);
        let everybody: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
        for to in everybody {
            let is_own = to == *account;
            self.present(&to, old, PresenceKind::Unavailable, muc(is_own));
            let codes = if is_own { vec![110] } else { vec![] };
            self.present(&to, new, PresenceKind::Available, MucUser { codes, ..MucUser::default() });
        }
    }

    fn private(&mut self, account: BareJid, to: &FullJid, id: String, body: &str, asks: Asks) {
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

    /// Somebody tells one occupant what became of his message.
    pub fn tells(&mut self, to: &BareJid, nick: &str, id: &str, kind: ReceiptKind) {
        let receipts = vec![Receipt { id: id.into(), kind }];
        let message = Message { kind: MessageKind::Chat, body: None, receipts, ..self.message(nick, None, "") };
        self.outbox.push_back((to.clone(), Stanza::Message(message)));
    }

    fn receipt(&mut self, account: &BareJid, to: &FullJid, id: String, receipt: Receipt) {
        assert_ne!(id, receipt.id);
        let nick = self.nickname_of(account).unwrap();
        self.receipts.push((nick.clone(), to.resource().as_str().into(), receipt.clone()));
        if let Some(Some(account)) = self.occupants.get(to.resource().as_str()).cloned() {
            self.tells(&account, &nick, &receipt.id, receipt.kind);
        }
    }

    fn leave(&mut self, account: &BareJid) {
        let Some(nick) = self.nickname_of(account) else { return };
        self.removes(account, &nick, MucUser { codes: vec![110], ..MucUser::default() });
        if self.locked {
            self.exists = false; // nobody ever configured it
        }
    }

    /// XEP-0045 §8.2.
    fn removal(&mut self, account: BareJid, id: String, nick: &str, reason: Option<String>) {
        if let Some(error) = self.refuses_removals.clone() {
            return self.iq(account, id, IqAnswer::Error(error));
        }
        let Some(victim) = self.occupants.get(nick).cloned() else {
            return self.iq(account, id, IqAnswer::Error(error(Condition::NotAcceptable, ErrorKind::Modify)));
        };
        let item = MucItem { actor: self.nickname_of(&account), reason, ..MucItem::default() };
        match victim {
            Some(victim) => {
                self.removes(&victim, nick, MucUser { codes: vec![110, 307], item: Some(item), ..MucUser::default() });
            }
            None => self.native(nick, &PresenceKind::Unavailable, item),
        }
        self.iq(account, id, IqAnswer::Result(DiscoInfo::default()));
    }

    /// Takes an occupant of ours out, saying `muc` to him.
    pub fn removes(&mut self, account: &BareJid, nick: &str, muc: MucUser) {
        self.present(account, nick, PresenceKind::Unavailable, muc);
        self.occupants.remove(nick);
        self.tell_others(account, nick, &PresenceKind::Unavailable);
    }

    fn tell_others(&mut self, account: &BareJid, nick: &str, kind: &PresenceKind) {
        let others: Vec<BareJid> = self.occupants.values().flatten().filter(|a| *a != account).cloned().collect();
        for other in others {
            self.present(&other, nick, kind.clone(), MucUser::default());
        }
    }

    pub fn present(&mut self, to: &BareJid, nick: &str, kind: PresenceKind, mut muc: MucUser) {
        muc.item.get_or_insert_with(MucItem::default);
        if self.blocks.as_ref().is_some_and(|(who, whom)| who == to && whom == nick) {
            return;
        }
        let from = self.occupant(nick).into();
        let presence = Presence { from, id: None, kind, status: None, display_name: None, muc: Some(muc) };
        self.outbox.push_back((to.clone(), Stanza::Presence(presence)));
    }

    /// One of us is here, as he himself is told.
    pub fn present_as(&mut self, to: &BareJid, nick: &str, id: Option<String>, codes: Vec<u16>) {
        self.present(to, nick, PresenceKind::Available, MucUser { codes, ..MucUser::default() });
        if let Some((_, Stanza::Presence(presence))) = self.outbox.back_mut() {
            presence.id = id;
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

    fn groupchat(&mut self, account: BareJid, id: String, body: String) {
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
        self.broadcast(&message);
    }

    pub fn broadcast(&mut self, message: &Message) {
        let listeners: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
        for account in listeners {
            self.outbox.push_back((account, Stanza::Message(message.clone())));
        }
    }

    /// Somebody of the XMPP side comes in, changes or goes.
    pub fn native(&mut self, nick: &str, kind: &PresenceKind, item: MucItem) {
        if *kind == PresenceKind::Available {
            self.occupants.insert(nick.into(), None);
        } else {
            self.occupants.remove(nick);
        }
        let everybody: Vec<BareJid> = self.occupants.values().flatten().cloned().collect();
        for to in everybody {
            self.present(&to, nick, kind.clone(), MucUser { item: Some(item.clone()), ..MucUser::default() });
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
}
