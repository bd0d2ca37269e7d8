//! XMPP stanzas as values of our own. The driver makes them from bytes (`xmpp::decode`) and makes bytes from them
//! (`xmpp::encode`); the machines see nothing else, so no XML library is named here.

mod outgoing;

pub use outgoing::{ArchiveFrom, History, OutStanza};

use alloc::string::String;
use alloc::vec::Vec;

use jid::{BareJid, Jid};

use crate::time::WallClock;

/// A received stanza, as far as somebody here needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub enum Stanza {
    /// RFC 6121 §4.
    Presence(Presence),
    /// RFC 6121 §5.
    Message(Message),
    /// A message out of an archive.
    Archived(Archived),
    /// RFC 6120 §8.2.3.
    Iq(Iq),
}

/// A received presence.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// Who it is about: an occupant, or the room itself when there is no resource (ejabberd does that; ignore those).
    pub from: Jid,
    /// The `id` attribute.
    pub id: Option<String>,
    /// What it says.
    pub kind: PresenceKind,
    /// The text of `<status/>`, on leaving the reason that the leaver gave.
    pub status: Option<String>,
    /// What the occupant wants to be called beside his nickname (XEP-0172).
    pub display_name: Option<String>,
    /// `<x xmlns='http://jabber.org/protocol/muc#user'/>`.
    pub muc: Option<MucUser>,
}

/// The types of presence that a MUC sends.
#[derive(Debug, Clone, PartialEq)]
pub enum PresenceKind {
    /// No type.
    Available,
    /// `unavailable`.
    Unavailable,
    /// `error`.
    Error(StanzaError),
    /// Subscription handling and the like, which is nothing to a MUC.
    Other,
}

/// The muc#user payload (XEP-0045 §7.2).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MucUser {
    /// Status codes as they came; their order means nothing.
    pub codes: Vec<u16>,
    /// The item; of several the one that says most.
    pub item: Option<MucItem>,
    /// The room is gone (XEP-0045 §10.9).
    pub destroy: Option<Destroy>,
    /// Somebody does not follow an invitation of ours (XEP-0045 §7.8.2).
    pub decline: Option<Decline>,
}

impl MucUser {
    /// Whether status `code` is there.
    #[must_use]
    pub fn has(&self, code: u16) -> bool {
        self.codes.contains(&code)
    }
}

/// An item of the muc#user payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MucItem {
    /// `affiliation`; `None` where it is absent or unknown.
    pub affiliation: Option<Affiliation>,
    /// `role`; `None` where it is absent or unknown.
    pub role: Option<Role>,
    /// Real JID, bare or full, if this copy reveals it.
    pub jid: Option<Jid>,
    /// What he is called by the room, whatever he calls himself (XEP-0421). Only a room that announces such ids takes out those
    /// that its occupants write.
    pub occupant_id: Option<String>,
    /// The new nickname, with status 303.
    pub nick: Option<String>,
    /// Who did it, by nickname.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// XEP-0045 §5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
pub enum Affiliation {
    Owner,
    Admin,
    Member,
    None,
    Outcast,
}

/// XEP-0045 §5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
pub enum Role {
    Moderator,
    Participant,
    Visitor,
    None,
}

/// Room destruction (XEP-0045 §10.9).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Destroy {
    /// The room to go to instead.
    pub alternate: Option<BareJid>,
    /// Why.
    pub reason: Option<String>,
}

/// An invitation declined (XEP-0045 §7.8.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Decline {
    /// Who declined.
    pub from: Jid,
    /// Why.
    pub reason: Option<String>,
}

/// A received message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who sent it: an occupant, or the room itself when there is no resource.
    pub from: Jid,
    /// What it is.
    pub kind: MessageKind,
    /// The `id` attribute.
    pub id: Option<String>,
    /// `<origin-id/>` (XEP-0359).
    pub origin_id: Option<String>,
    /// `<stanza-id/>` that the room itself put there, if it can be believed (XEP-0359 §6): any occupant can write one, and only a room that
    /// announces ids of its own takes those out.
    pub stanza_id: Option<String>,
    /// The text; of several languages the one without, else the first.
    pub body: Option<String>,
    /// The subject. Empty and absent differ (XEP-0045 §8.1).
    pub subject: Option<String>,
    /// `<delay/>` (XEP-0203), whoever put it there. Means something only while joining (XM-11).
    pub delay: Option<Delay>,
    /// Whether its author is typing (XEP-0085).
    pub chat_state: Option<ChatState>,
    /// What its author wants to hear of it.
    pub asks: Asks,
    /// What it says of other messages.
    pub receipts: Vec<Receipt>,
    /// `<x xmlns='http://jabber.org/protocol/muc#user'/>`.
    pub muc: Option<MucUser>,
}

/// A message out of an archive (XEP-0313 §4.2), as whoever sent it says: that it is the archive which was asked has to be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Archived {
    /// Whose archive: the room.
    pub from: Jid,
    /// The id of the query.
    pub query: Option<String>,
    /// When it was said, where that can be read.
    pub stamp: Option<WallClock>,
    /// The message; its `stanza_id` is the id that it has in the archive.
    pub message: Message,
}

/// A stamp of delayed delivery (XEP-0203).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// When it was said, where that can be read (XEP-0082).
    pub stamp: Option<WallClock>,
}

/// What the author of a message wants to hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
    /// That it arrived: `<request/>` (XEP-0184 §5.3).
    pub received: bool,
    /// That it was shown: `<markable/>` (XEP-0333 §4).
    pub displayed: bool,
}

/// What a reader says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The `id` of that message.
    pub id: String,
    /// What became of it.
    pub kind: ReceiptKind,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptKind {
    /// It arrived: `<received/>` (XEP-0184 §5.4).
    Received,
    /// It was shown: `<displayed/>` (XEP-0333 §4).
    Displayed,
}

/// What an author is doing (XEP-0085).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
pub enum ChatState {
    Active,
    Composing,
    Paused,
    Inactive,
    Gone,
}

/// The type of a message. An unknown type is `normal` (RFC 6121 §5.2.2).
#[derive(Debug, Clone, PartialEq)]
pub enum MessageKind {
    /// `groupchat`.
    Groupchat,
    /// `chat`.
    Chat,
    /// `normal`, or none.
    Normal,
    /// `headline`.
    Headline,
    /// `error`.
    Error(StanzaError),
}

/// A received iq. Requests are answered by the stream itself and do not reach a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Iq {
    /// Who answers; absent means the account's own server.
    pub from: Option<Jid>,
    /// The id of our request.
    pub id: String,
    /// The answer.
    pub answer: IqAnswer,
}

/// The answer to a request of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum IqAnswer {
    /// `result` with what disco#info says (XEP-0030). Empty for any other payload.
    Result(DiscoInfo),
    /// `result` with which a page of an archive ends (XEP-0313 §4.3).
    Fin(Fin),
    /// `error`.
    Error(StanzaError),
}

/// The end of a page of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fin {
    /// Whether there is nothing behind it.
    pub complete: bool,
    /// The id of its last message.
    pub last: Option<String>,
}

/// What an entity says about itself (XEP-0030 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscoInfo {
    /// Its identities.
    pub identities: Vec<Identity>,
    /// The `var` of each feature.
    pub features: Vec<String>,
    /// The fields of the forms that extend it (XEP-0128): `var` and the first value.
    pub fields: Vec<(String, String)>,
}

/// One identity of an entity (XEP-0030 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `category`.
    pub category: String,
    /// `type`.
    pub kind: String,
    /// `name`.
    pub name: Option<String>,
}

/// A password of a room. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Keeps it.
    #[must_use]
    pub const fn new(password: String) -> Self {
        Self(password)
    }

    /// For the stanza that carries it, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Password")
    }
}

/// A stanza error (RFC 6120 §8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    /// The defined condition; an unknown one is `undefined-condition`.
    pub condition: Condition,
    /// The `type` attribute.
    pub kind: ErrorKind,
    /// `<text/>`.
    pub text: Option<String>,
    /// The new address that came with `gone` or `redirect`.
    pub address: Option<String>,
}

/// The `type` of a stanza error (RFC 6120 §8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
pub enum ErrorKind {
    Auth,
    Cancel,
    Continue,
    Modify,
    Wait,
}

/// The conditions of RFC 6120 §8.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the specification's
pub enum Condition {
    BadRequest,
    Conflict,
    FeatureNotImplemented,
    Forbidden,
    Gone,
    InternalServerError,
    ItemNotFound,
    JidMalformed,
    NotAcceptable,
    NotAllowed,
    NotAuthorized,
    PolicyViolation,
    RecipientUnavailable,
    Redirect,
    RegistrationRequired,
    RemoteServerNotFound,
    RemoteServerTimeout,
    ResourceConstraint,
    ServiceUnavailable,
    SubscriptionRequired,
    UndefinedCondition,
    UnexpectedRequest,
}
