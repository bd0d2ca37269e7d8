//! `[xmpp]`, `[xmpp.domains]` and `[[accounts]]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;

/// How XMPP servers are reached.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct Xmpp {
    /// HOST or HOST:PORT of the server. Default: DNS SRV of the account's domain.
    #[schemars(extend("examples" = ["10.0.0.20:5222"]))]
    pub(in crate::config) server: Option<Text>,
    /// starttls, direct (TLS from the first octet on, XEP-0368) or off (towards loopback only).
    #[schemars(extend("default" = "starttls", "enum" = ["starttls", "direct", "off"]))]
    pub(in crate::config) tls: Option<Text>,
    /// File with the certificates to trust. Default: those that this machine trusts.
    #[schemars(extend("examples" = ["/etc/mucfocus/ca.pem"]))]
    pub(in crate::config) ca_file: Option<Text>,
    /// The same keys for one domain of accounts; what is absent is taken from `xmpp`.
    pub(in crate::config) domains: BTreeMap<String, XmppDomain>,
}

// The keys of `Xmpp` again: `serde(flatten)` would lose the places.

/// How the server of one domain is reached.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct XmppDomain {
    /// HOST or HOST:PORT of the server.
    #[schemars(extend("examples" = ["10.0.0.20:5222"]))]
    pub(in crate::config) server: Option<Text>,
    /// starttls, direct (TLS from the first octet on, XEP-0368) or off (towards loopback only).
    #[schemars(extend("default" = "starttls", "enum" = ["starttls", "direct", "off"]))]
    pub(in crate::config) tls: Option<Text>,
    /// File with the certificates to trust.
    #[schemars(extend("examples" = ["/etc/mucfocus/ca.pem"]))]
    pub(in crate::config) ca_file: Option<Text>,
}

/// Who a SIP user is on the XMPP side. The first rule that matches wins; a caller whom none matches gets 403.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip", "jid"]))]
pub(in crate::config) struct Account {
    /// Which callers: {name} captures, * does not; each stands for one or more characters of the user part or of the host.
    #[schemars(extend("examples" = ["sip:romeo@example.org"]))]
    pub(in crate::config) sip: Option<Text>,
    /// Who they are: a JID, in which {name} is what was captured. With anonymous, a domain alone.
    #[schemars(extend("examples" = ["romeo@example.net"]))]
    pub(in crate::config) jid: Option<Text>,
    /// How to log in: password, hmac (a password made of the secret and the JID, checked by the Prosody module that comes
    /// along), jwt (a token that lives 60 s, for ejabberd), anonymous (a new JID each time).
    #[schemars(extend("default" = "password", "enum" = ["password", "hmac", "jwt", "anonymous"]))]
    pub(in crate::config) login: Option<Text>,
    /// Password of the account. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(in crate::config) password: Option<Text>,
    /// File with the password, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/romeo.xmpp"]))]
    pub(in crate::config) password_file: Option<Text>,
    /// The password from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["romeo.xmpp"]))]
    pub(in crate::config) password_credential: Option<Text>,
    /// Secret of hmac or jwt, 32 octets or more. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["made by: openssl rand -hex 32"]))]
    pub(in crate::config) secret: Option<Text>,
    /// File with the secret of hmac or jwt, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/mint.key"]))]
    pub(in crate::config) secret_file: Option<Text>,
    /// The secret of hmac or jwt from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["mint.key"]))]
    pub(in crate::config) secret_credential: Option<Text>,
}
