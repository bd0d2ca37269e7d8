//! What the configuration says to the XMPP driver, checked.

use std::path::PathBuf;
use std::time::Duration;

use jid::BareJid;
use mucfocus_core::room::io::AccountKey;
use secrecy::SecretString;

use crate::sip::settings::Rate;

/// How to reach the XMPP server of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host and port; default: DNS SRV of the account's domain, else the domain itself on port 5222, or 5223 for direct TLS.
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
    /// TLS from the first octet (XEP-0368); DNS is asked for `_xmpps-client` then.
    Direct,
    /// None, towards loopback only.
    Off,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Account {
    /// Names it, or this user's share of it: who has the same key has the same stream.
    pub key: AccountKey,
    /// Who acts under it: the address of record of the SIP user, by which the account is found again after a restart.
    pub user: String,
    /// The account; of an anonymous one the domain.
    pub jid: BareJid,
    /// How he logs in.
    pub login: Login,
    /// Its server.
    pub server: Server,
}

/// How somebody logs in.
#[derive(Debug, Clone)]
pub enum Login {
    /// With a password.
    Password(SecretString),
    /// With a password that is minted from this secret by [`minted::password`](super::minted::password). The octets of the text
    /// are the key; `mod_auth_mucfocus` reads the same from a file.
    Hmac(SecretString),
    /// With a token signed with this secret by [`minted::token`](super::minted::token), which lives for a minute. The octets of
    /// the text are the key; ejabberd reads them from a file that [`minted::key_file`](super::minted::key_file) makes.
    Jwt(SecretString),
    /// Without a name (RFC 4505): the server gives one, which is known when the stream is up.
    Anonymous,
}

impl Login {
    /// What the configuration calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Hmac(_) => "hmac",
            Self::Jwt(_) => "jwt",
            Self::Anonymous => "anonymous",
        }
    }
}

/// What all streams have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this node: start of the XMPP resource.
    pub node: String,
    /// Logins towards one server; `None` lifts the limit.
    pub logins: Option<Rate>,
    /// How long a message is of use after it was sent (`timeouts.reflection`): after that its author has been told that nobody
    /// knows what became of it, and it is not sent once more.
    pub reflection: Duration,
}
