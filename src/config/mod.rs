//! The configuration file: read, checked, explained.
//!
//! A file is looked at three times. `keys` holds it against the one table of keys; `raw` turns it into structs that
//! know where each value stands; the modules named after sections turn those into settings, and collect everything that
//! is wrong on the way. What comes out is right, or is a list of findings, each with its place and what to write
//! instead. Nothing here opens a socket or asks the network.

mod accounts;
mod at;
mod auth;
pub mod change;
mod check;
mod example;
mod finding;
mod keys;
pub mod live;
mod msrp;
mod network;
mod outbound;
mod patterns;
mod raw;
mod report;
mod rooms;
mod running;
mod schema;
mod secret;
#[cfg(test)]
mod tests;
mod tls;
pub mod units;
mod xmpp;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::example::EXAMPLE;
pub use self::finding::{Finding, Findings, Level, Place, Style};
pub use self::keys::{KEYS, Key, Kind};
pub use self::schema::schema;
use jid::BareJid;
use mucfocus_core::address::mapping::{AccountError, AccountRules, RoomRules};
use mucfocus_core::address::pattern::Pattern;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::room::io::AccountKey;

use crate::sip::settings::Rate;
use crate::xmpp::settings::{Account, Login, Server};

/// Where the configuration is read from when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/mucfocus/config.toml";

/// Where the control socket is when nothing else is said.
pub const CONTROL_SOCKET: &str = "/run/mucfocus/control.sock";

/// Longest file that is read, in octets: a bound, so that a mistaken path does not read a disk. Room for 100,000
/// accounts.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this node: XMPP resource, Warning headers, metrics.
    pub node: String,
    /// For the SIP driver.
    pub sip: crate::sip::settings::Settings,
    /// Calls to SIP users; `None`: there are none.
    pub outbound: Option<Outbound>,
    /// For the MSRP driver.
    pub msrp: crate::msrp_net::settings::Settings,
    /// Certificate and key, where there are some.
    pub tls: Option<crate::tls::Settings>,
    /// For all XMPP streams; the server of one domain is [`Config::server_for`].
    pub xmpp: crate::xmpp::settings::Settings,
    /// Who a SIP user is on the XMPP side; with passwords and servers: [`Config::account_for`].
    pub accounts: AccountRules,
    /// Which MUC a room is; the first that matches.
    pub rooms: RoomRules,
    /// How much is let in.
    pub limits: Limits,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// The log.
    pub log: LogSettings,
    /// Where `/live`, `/ready` and `/metrics` are; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Where the socket of `mucfocus ctl` is; `None`: nowhere.
    pub control: Option<PathBuf>,
    /// Of each of `accounts`, in the same order.
    logins: Vec<Login>,
    /// How to reach the XMPP server of any other domain.
    default_server: Server,
    /// How to reach those of some.
    servers: BTreeMap<String, Server>,
    places: Places,
    /// What is written, key by key, to see what changes.
    written: change::Written,
}

/// Where rules stand in the file, each list in the order of its rules.
#[derive(Debug, Clone, Default)]
struct Places {
    accounts: Vec<Place>,
    rooms: Vec<RoomPlace>,
    users: Vec<Place>,
}

/// Where a room rule stands, and where it is said who may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomPlace {
    /// The rule.
    pub rule: Place,
    /// Its `allow`, or that of `[room_defaults]`; `None` where neither is written.
    pub allow: Option<Place>,
}

/// Calls to SIP users (`[sip.outbound]`).
#[derive(Debug, Clone)]
pub struct Outbound {
    /// For the SIP driver.
    pub route: crate::sip::settings::Outbound,
    /// Whom we may call at all.
    pub allow: Vec<Pattern>,
}

/// Limits that are kept by the focus itself. Those of the SIP driver are in its settings, as are those of XMPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Legs at a time; `None` lifts the limit.
    pub legs: Option<usize>,
    /// Legs of one SIP user at a time; `None` lifts the limit.
    pub legs_per_user: Option<usize>,
    /// Calls of one SIP user into rooms; `None` lifts the limit.
    pub joins_per_user: Option<Rate>,
    /// Messages of one SIP user; `None` lifts the limit.
    pub messages_per_user: Option<Rate>,
    /// Conference subscriptions of one SIP user at a time; `None` lifts the limit.
    pub subscriptions_per_user: Option<usize>,
    /// Invitations by one SIP user; `None` lifts the limit.
    pub invitations_per_user: Option<Rate>,
    /// Presences of joins towards one MUC service; `None` lifts the limit.
    pub xmpp_presences: Option<Rate>,
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// INVITE to final response.
    pub join: Duration,
    /// Last chunk to its response. At most 28 s, so that the sender's own 30 s (RFC 4975 §7.1.1) do not run out first.
    pub reflection: Duration,
    /// MSRP connection gone to leaving the room.
    pub lost_leg: Duration,
    /// XMPP gone to BYE.
    pub muc_outage: Duration,
    /// A MUC that says nothing to asking it whether one is still in it.
    pub self_ping: Duration,
    /// SIGTERM to exit.
    pub drain: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Of our own lines.
    pub level: LogLevel,
    /// How lines look.
    pub format: LogFormat,
}

/// Least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed that should not.
    Error,
    /// Something is odd.
    Warn,
    /// One line per event of consequence.
    Info,
    /// What decides about one call.
    Debug,
    /// Also what people write in rooms.
    Trace,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ConfigErrors {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is in another encoding, or no text.
    #[error("{}:{line}: this line is not UTF-8", file.display())]
    NotUtf8 {
        /// Which file.
        file: PathBuf,
        /// The first such line, counted from 1.
        line: usize,
    },
    /// The file is wrong. Warnings are in the list as well.
    #[error("{} is wrong in {} places", .0.file(), .0.count(Level::Error))]
    Wrong(Findings),
}

impl Config {
    /// Reads and checks a file; relative paths in it are relative to its folder. The findings that come with a
    /// configuration are warnings.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not UTF-8, or something in it is wrong.
    pub fn load(path: &Path) -> Result<(Self, Findings), ConfigErrors> {
        let unreadable = |error| ConfigErrors::Unreadable { file: path.to_owned(), error };
        let mut octets = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut octets));
        let length = u64::try_from(read.map_err(unreadable)?).unwrap_or(u64::MAX);
        if length > MAX_FILE {
            return Err(unreadable(std::io::Error::other("it is too long for a configuration")));
        }
        let text = String::from_utf8(octets).map_err(|error| {
            let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = before.filter(|octet| **octet == b'\n').count() + 1;
            ConfigErrors::NotUtf8 { file: path.to_owned(), line }
        })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        check::config(&text, &path.display().to_string(), folder).map_err(ConfigErrors::Wrong)
    }

    /// Checks a text; relative paths in it are relative to the current folder.
    ///
    /// # Errors
    ///
    /// Something in it is wrong.
    pub fn parse(text: &str, file_name: &str) -> Result<(Self, Findings), ConfigErrors> {
        check::config(text, file_name, Path::new(".")).map_err(ConfigErrors::Wrong)
    }

    /// How to reach the XMPP server of the accounts of this domain.
    #[must_use]
    pub fn server_for(&self, domain: &str) -> Server {
        self.servers.get(&xmpp::domain_key(domain)).unwrap_or(&self.default_server).clone()
    }

    /// Who the SIP user `aor` is on the XMPP side, with all that a login needs.
    ///
    /// # Errors
    ///
    /// No rule gives him an account: 403.
    pub fn account_for(&self, aor: &SipUri) -> Result<Account, AccountError> {
        let (rule, jid) = self.accounts.find(aor)?;
        self.account(rule, jid, aor)
    }

    /// The same by account rule number `rule`, whether or not another would come first.
    ///
    /// # Errors
    ///
    /// It does not match him, or does not give him an account.
    pub fn account_by(&self, rule: usize, aor: &SipUri) -> Result<Account, AccountError> {
        let only = self.accounts.rules().get(rule).cloned().into_iter().collect();
        let (_, jid) = AccountRules::new(only).find(aor)?;
        self.account(rule, jid, aor)
    }

    fn account(&self, rule: usize, jid: BareJid, aor: &SipUri) -> Result<Account, AccountError> {
        let login = self.logins.get(rule).cloned().ok_or(AccountError::NoRule)?;
        let server = self.server_for(jid.domain().as_str());
        let key = match login {
            Login::Anonymous => AccountKey::anonymous(jid.domain().as_str(), &aor.aor_key()),
            _ => AccountKey::named(&jid),
        };
        Ok(Account { key, user: format!("sip:{}", aor.aor_key()), jid, login, server })
    }

    /// The room rules as calls meet them: also an address of this node itself names a room.
    #[must_use]
    pub fn rooms_of_calls(&self) -> RoomRules {
        let hosts = self.sip.advertise.iter().map(|(host, _)| host.clone());
        let listened = self.sip.listen.iter().map(|listen| crate::sockets::literal(listen.address.ip()));
        self.rooms.clone().with_alias_hosts(hosts.chain(listened))
    }

    /// How the callers of account rule number `rule` log in.
    #[must_use]
    pub fn login_of(&self, rule: usize) -> Option<&Login> {
        self.logins.get(rule)
    }

    /// Where account rule number `rule` stands.
    #[must_use]
    pub fn account_place(&self, rule: usize) -> Option<Place> {
        self.places.accounts.get(rule).copied()
    }

    /// Where room rule number `rule` stands.
    #[must_use]
    pub fn room_place(&self, rule: usize) -> Option<RoomPlace> {
        self.places.rooms.get(rule).copied()
    }

    /// Where digest user number `user` stands.
    #[must_use]
    pub fn user_place(&self, user: usize) -> Option<Place> {
        self.places.users.get(user).copied()
    }
}
