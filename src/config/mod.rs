//! The configuration file: read, checked, explained.
//!
//! A file is looked at three times. `keys` holds it against the one table of keys; `raw` turns it into structs that
//! know where each value stands; the modules named after sections turn those into settings, and collect everything that
//! is wrong on the way. What comes out is right, or is a list of findings, each with its place and what to write
//! instead. Nothing here opens a socket or asks the network.

mod accounts;
mod check;
mod example;
mod finding;
mod keys;
mod network;
mod patterns;
mod raw;
mod rooms;
mod running;
mod secret;
#[cfg(test)]
mod tests;
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
use mucfocus_core::address::mapping::{AccountError, AccountRules, RoomRules};
use mucfocus_core::address::sip_uri::SipUri;
use secrecy::SecretString;

use crate::sip::settings::Rate;
use crate::xmpp::settings::{Account, Server};

/// Where the configuration is read from when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/mucfocus/config.toml";

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
    /// For the MSRP driver.
    pub msrp: crate::msrp_net::settings::Settings,
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
    /// Of each of `accounts`, in the same order.
    passwords: Vec<SecretString>,
    /// How to reach the XMPP server of any other domain.
    default_server: Server,
    /// How to reach those of some.
    servers: BTreeMap<String, Server>,
}

/// Limits that are kept by the focus itself. Those of the SIP driver are in its settings, as are those of XMPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Legs at a time; `None` lifts the limit.
    pub legs: Option<usize>,
    /// Messages of one SIP user; `None` lifts the limit.
    pub messages_per_user: Option<Rate>,
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
    /// The file cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<(Self, Findings), ConfigErrors> {
        let unreadable = |error| ConfigErrors::Unreadable { file: path.to_owned(), error };
        let mut octets = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut octets));
        let length = u64::try_from(read.map_err(unreadable)?).unwrap_or(u64::MAX);
        if length > MAX_FILE {
            return Err(unreadable(std::io::Error::other("it is too long for a configuration")));
        }
        let text = String::from_utf8(octets).map_err(|e| unreadable(std::io::Error::other(e.utf8_error())))?;
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
        self.servers.get(&domain.to_ascii_lowercase()).unwrap_or(&self.default_server).clone()
    }

    /// Who the SIP user `aor` is on the XMPP side, with all that a login needs.
    ///
    /// # Errors
    ///
    /// No rule gives him an account: 403.
    pub fn account_for(&self, aor: &SipUri) -> Result<Account, AccountError> {
        let (rule, jid) = self.accounts.find(aor)?;
        let password = self.passwords.get(rule).cloned().ok_or(AccountError::NoRule)?;
        let server = self.server_for(jid.domain().as_str());
        Ok(Account { jid, password, server })
    }
}
