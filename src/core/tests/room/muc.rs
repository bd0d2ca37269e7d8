//! A scripted MUC that answers like Prosody unless it is told otherwise.

// The benches have this file by its path, which is why the files below it are named by theirs.
#[path = "muc/occupants.rs"]
mod occupants;
#[path = "muc/speech.rs"]
mod speech;

use std::collections::{BTreeMap, VecDeque};

use jid::{BareJid, Jid};
use mucfocus_core::stanza::{
    ChatState, Condition, DiscoInfo, ErrorKind, Identity, Iq, IqAnswer, Message, OutStanza, Password, Receipt, Role,
    Stanza, StanzaError,
};

use mucfocus_core::time::WallClock;

use crate::record::Record;

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
    /// Whom it throws out again as soon as he is let in, without a word why.
    pub throws_out: Option<BareJid>,
    pub loses_messages: bool,
    pub keeps_ids: bool,
    pub lower_cases: bool,
    pub sends_subject: bool,
    /// What it remembers of what was said.
    pub record: Record,
    /// What time it is there.
    pub wall: WallClock,
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
    /// At the next question to its archive.
    pub freezes_at_queries: bool,
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
    pub refuses_voice_requests: Option<StanzaError>,
    /// Who asked to be let speak.
    pub voice_requests: Vec<BareJid>,
    /// From whom, to whom, and what.
    pub whispered: Vec<(String, String, String)>,
    /// From whom, to whom, and what he is doing.
    pub states: Vec<(String, String, ChatState)>,
    /// From whom, to whom, and what became of which message.
    pub receipts: Vec<(String, String, Receipt)>,
    /// Whether it gives its messages ids of its own, and announces that.
    pub gives_ids: bool,
    /// Whether it announces that it gives its occupants ids; their presence has them where they are given in it.
    pub gives_occupant_ids: bool,
    /// What natives have, by nickname.
    occupant_ids: BTreeMap<String, String>,
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
            throws_out: None,
            loses_messages: false,
            keeps_ids: true,
            lower_cases: false,
            sends_subject: true,
            record: Record::default(),
            wall: WallClock::default(),
            history: Vec::new(),
            insists_on_history: false,
            strips_subjects: false,
            gives_back_ids: false,
            stalls: None,
            blocks: None,
            freezes_at_joins: false,
            freezes_at_queries: false,
            reserves: None,
            password: None,
            shows_jids: false,
            is_members_only: false,
            refuses_names: None,
            refuses_private: None,
            refuses_invitations: None,
            refuses_voice_requests: None,
            voice_requests: Vec::new(),
            refuses_removals: None,
            whispered: Vec::new(),
            states: Vec::new(),
            receipts: Vec::new(),
            gives_ids: false,
            gives_occupant_ids: false,
            occupant_ids: BTreeMap::new(),
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

    /// Goes on, and has heard nothing of what it was told while it stood still.
    pub fn forgets_questions(&mut self) {
        self.frozen = None;
    }

    pub fn take(&mut self, account: BareJid, stanza: OutStanza) {
        self.log.push((account.clone(), stanza.clone()));
        if self.freezes_at_joins && matches!(stanza, OutStanza::Join { .. }) {
            self.freezes();
        }
        if matches!(stanza, OutStanza::Archive { .. }) && std::mem::take(&mut self.freezes_at_queries) {
            self.freezes();
        }
        match &mut self.frozen {
            Some(frozen) => frozen.push_back((account, stanza)),
            None => self.answer(account, stanza),
        }
    }

    fn answer(&mut self, account: BareJid, stanza: OutStanza) {
        match stanza {
            OutStanza::Join { occupant, id, history, password } => {
                if self.password.is_some() && self.password.as_deref() != password.as_ref().map(Password::expose) {
                    self.refuses_join(account, &occupant, id, error(Condition::NotAuthorized, ErrorKind::Auth));
                } else {
                    self.join(account, &occupant, id, history);
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
                            .chain(self.record.has_archive.then_some("urn:xmpp:mam:2"))
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
            OutStanza::Private { to, id, body, asks, is_active } => {
                self.private(account, &to, id, &body, asks, is_active.then_some(ChatState::Active));
            }
            OutStanza::PrivateState { to, id, state } => self.private_state(&account, &to, id, state),
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
            OutStanza::VoiceRequest { id, .. } => match self.refuses_voice_requests.clone() {
                Some(error) => self.bounces(account, id, error),
                None => self.voice_requests.push(account),
            },
            OutStanza::Archive { id, from, max, .. } => self.archive(account, id, &from, max),
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

    fn iq(&mut self, account: BareJid, id: String, answer: IqAnswer) {
        let iq = Iq { from: Some(self.room.clone().into()), id, answer };
        self.outbox.push_back((account, Stanza::Iq(iq)));
    }
}
