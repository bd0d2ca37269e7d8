//! What the configuration says to the XMPP driver, checked.

use std::path::PathBuf;

use jid::BareJid;
use secrecy::SecretString;

use crate::sip::settings::Rate;

/// How to reach the XMPP server of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host and port; default: DNS SRV of the account's domain, else the domain itself on port 5222.
    pub address: Option<(String, u16)>,
    /// Encryption.
    pub tls: Tls,
    /// Certificates to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Encryption towards the XMPP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS is required.
    Starttls,
    /// None, towards loopback only.
    Off,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub jid: BareJid,
    /// Its password.
    pub password: SecretString,
    /// Its server.
    pub server: Server,
}

/// What all streams have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this node: start of the XMPP resource.
    pub node: String,
    /// Logins towards one server; `None` lifts the limit.
    pub logins: Option<Rate>,
}
