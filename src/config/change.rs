//! Two configurations held against each other: which keys differ, and which of them a running process can follow.
//!
//! Of values only hashes are kept, whose key is this process's own: the file may hold secrets, and what lies in files that it
//! names is compared as well.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use mucfocus_core::address::mapping::RoomRule;
use secrecy::ExposeSecret as _;

use super::Config;
use crate::sip::settings::Untrusted;
use crate::xmpp::settings::Login;

/// Keys that a running process follows, with all that is below them: what comes after the change goes by it, and what has begun
/// goes on as it began. Whatever is not named here needs a restart.
pub(super) const LIVE: [&str; 22] = [
    "accounts",
    "limits.invitations_per_user",
    "limits.joins_per_user",
    "limits.legs",
    "limits.legs_per_user",
    "limits.messages_per_user",
    "limits.subscriptions_per_user",
    "log.level",
    "room_defaults",
    "rooms",
    "sip.auth.algorithms",
    "sip.auth.identity",
    "sip.auth.realm",
    "sip.auth.trusted_peers",
    "sip.auth.untrusted",
    "sip.auth.users",
    "sip.domains",
    "timeouts",
    "xmpp.ca_file",
    "xmpp.domains",
    "xmpp.server",
    "xmpp.tls",
];

/// Those of them of which a call takes along at its beginning what they say, and keeps it: its rule with all that the room is for it,
/// its account and the way to that account's server, and how much its user may say.
pub(super) const TAKEN_ALONG: [&str; 9] = [
    "accounts",
    "limits.messages_per_user",
    "room_defaults",
    "rooms",
    "sip.domains",
    "xmpp.ca_file",
    "xmpp.domains",
    "xmpp.server",
    "xmpp.tls",
];

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Hashes of the values of a file, by key.
#[derive(Clone, Default)]
pub(super) struct Written(BTreeMap<String, u64>);

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What differs between the configuration that is in force and another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Keys that can be followed.
    pub live: Vec<String>,
    /// Those of them that count for new calls only: who is in a call keeps what he began with.
    pub new_calls: Vec<String>,
    /// Keys that stay as they are until the process starts anew.
    pub restart: Vec<String>,
}

/// Which keys differ between `old`, by which the process runs, and `new`. Keys of `[[sections]]` are named by their section.
#[must_use]
pub fn compare(old: &Config, new: &Config) -> Changes {
    let (old, new) = (&old.written.0, &new.written.0);
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |key: &&String| old.get(*key) != new.get(*key);
    // A section is named where it is all that is new, as `[http]` can be.
    let differing: Vec<&String> = keys.into_iter().filter(differs).collect();
    let has_more =
        |key: &str| differing.iter().any(|other| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')));
    let differing = differing.iter().filter(|key| !has_more(key)).map(|key| (*key).clone());
    let (live, restart): (Vec<String>, Vec<String>) = differing.partition(|key| is_live(key));
    let new_calls = live.iter().filter(|key| is_among(&TAKEN_ALONG, key)).cloned().collect();
    Changes { live, new_calls, restart }
}

/// Says in `new` that what needs a restart is as it was in `old`: by that the process still runs.
pub fn follow(old: &Config, new: &mut Config) {
    new.node.clone_from(&old.node);
    // By these callers may know this node in place of a room's host.
    new.sip.listen.clone_from(&old.sip.listen);
    new.sip.advertise.clone_from(&old.sip.advertise);
    new.outbound.clone_from(&old.outbound);
    new.written.0.retain(|key, _| is_live(key));
    let stays = old.written.0.iter().filter(|(key, _)| !is_live(key));
    new.written.0.extend(stays.map(|(key, hash)| (key.clone(), *hash)));
}

fn is_live(key: &str) -> bool {
    is_among(&LIVE, key)
}

/// Whether it is one of these keys, or below one of them.
fn is_among(keys: &[&str], key: &str) -> bool {
    keys.iter().any(|above| key.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// What is written in `text`, of which `config` was made.
pub(super) fn written(text: &str, config: &Config) -> Written {
    let mut keys = BTreeMap::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        flatten("", &table, &mut keys);
    }
    let mut secret = |key: &str, secrets: Vec<&str>| {
        if secrets.is_empty() {
            return;
        }
        let hash = HASHER.hash_one((keys.get(key), secrets));
        keys.insert(key.to_owned(), hash);
    };
    secret("accounts", config.logins.iter().filter_map(login).collect());
    if let Untrusted::Challenge(digest) = &config.sip.untrusted {
        secret("sip.auth.users", digest.users.iter().map(|user| user.password.expose_secret()).collect());
    }
    secret("rooms", config.rooms.rules().iter().filter_map(password).collect());
    Written(keys)
}

fn login(login: &Login) -> Option<&str> {
    match login {
        Login::Password(secret) | Login::Hmac(secret) | Login::Jwt(secret) => Some(secret.expose_secret()),
        Login::Anonymous => None,
    }
}

fn password(rule: &RoomRule) -> Option<&str> {
    rule.password.as_ref().map(|password| password.expose())
}

fn flatten(path: &str, table: &toml::Table, keys: &mut BTreeMap<String, u64>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => {
                // A section alone can mean something: `[http]`.
                keys.insert(path.clone(), 0);
                flatten(&path, inner, keys);
            }
            value => {
                keys.insert(path, HASHER.hash_one(value.to_string()));
            }
        }
    }
}
