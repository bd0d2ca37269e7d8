//! The file as it is written, with the place of every value. Nothing is checked here but types; what is absent is
//! `None`. Without `Debug`, since it holds passwords as they were written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A string and where it stands.
pub(super) type Text = Spanned<String>;

/// The file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) node: Node,
    pub(super) sip: Option<Spanned<Sip>>,
    pub(super) msrp: Option<Spanned<Msrp>>,
    pub(super) xmpp: Xmpp,
    pub(super) accounts: Vec<Spanned<Account>>,
    pub(super) room_defaults: RoomDefaults,
    pub(super) rooms: Vec<Spanned<Room>>,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) log: Log,
    pub(super) http: Option<Http>,
}

/// `[node]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) name: Option<Text>,
}

/// `[sip]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sip {
    pub(super) listen: Option<Spanned<Vec<Text>>>,
    pub(super) domains: Option<Spanned<Vec<Text>>>,
    pub(super) advertise: Option<Text>,
    pub(super) auth: SipAuth,
}

/// `[sip.auth]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SipAuth {
    pub(super) trusted_peers: Option<Spanned<Vec<Text>>>,
    pub(super) identity: Option<Spanned<Vec<Text>>>,
    pub(super) untrusted: Option<Text>,
}

/// `[msrp]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Msrp {
    pub(super) listen: Option<Spanned<Vec<Text>>>,
    pub(super) advertise: Option<Text>,
    pub(super) max_message_size: Option<Text>,
}

/// `[xmpp]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Xmpp {
    pub(super) server: Option<Text>,
    pub(super) tls: Option<Text>,
    pub(super) ca_file: Option<Text>,
    pub(super) domains: BTreeMap<String, XmppDomain>,
}

/// `[xmpp.domains."…"]`: the keys of `[xmpp]` again (`serde(flatten)` would lose the places).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct XmppDomain {
    pub(super) server: Option<Text>,
    pub(super) tls: Option<Text>,
    pub(super) ca_file: Option<Text>,
}

/// `[[accounts]]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    pub(super) sip: Option<Text>,
    pub(super) jid: Option<Text>,
    pub(super) login: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) password_credential: Option<Text>,
}

/// `[room_defaults]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RoomDefaults {
    pub(super) allow: Option<Spanned<Vec<Text>>>,
    pub(super) create: Option<bool>,
    pub(super) nickname: Option<Text>,
}

/// `[[rooms]]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Room {
    pub(super) name: Option<Text>,
    pub(super) sip: Option<Text>,
    pub(super) muc: Option<Text>,
    pub(super) allow: Option<Spanned<Vec<Text>>>,
    pub(super) create: Option<bool>,
    pub(super) nickname: Option<Text>,
}

/// `[limits]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    pub(super) legs: Option<Spanned<Count>>,
    pub(super) messages_per_user: Option<Text>,
    pub(super) requests_per_source: Option<Text>,
    pub(super) connections_per_source: Option<Spanned<Count>>,
    pub(super) xmpp_logins: Option<Text>,
}

/// A number, or a string, of which only `"off"` passes the table of keys.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Count {
    Number(u32),
    Off(#[expect(dead_code, reason = "tells a string from a number")] String),
}

/// `[timeouts]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Timeouts {
    pub(super) join: Option<Text>,
    pub(super) reflection: Option<Text>,
    pub(super) lost_leg: Option<Text>,
    pub(super) drain: Option<Text>,
}

/// `[log]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Log {
    pub(super) level: Option<Text>,
    pub(super) format: Option<Text>,
}

/// `[http]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) listen: Option<Text>,
}
