//! `[sip]` and what stands below it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Text};

/// Where SIP comes in, and which addresses are rooms.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["listen", "domains"]))]
pub(in crate::config) struct Sip {
    /// Where to listen: TRANSPORT:ADDRESS:PORT, the transport udp, tcp, tls, ws or wss (WebSocket, for browsers). tls and wss need
    /// [tls]. Port 0 asks the system for one.
    #[schemars(extend("examples" = [["udp:10.0.0.5:5060", "tcp:10.0.0.5:5060"]]))]
    pub(in crate::config) listen: Option<At<Vec<Text>>>,
    /// Hosts of the Request-URIs that are rooms. The first stands in canonical URIs where a rule captures the host.
    #[schemars(extend("examples" = [["rooms.example.com"]]))]
    pub(in crate::config) domains: Option<At<Vec<Text>>>,
    /// HOST or HOST:PORT of Via and Contact; must lead to this very node. Default: what is listened on.
    #[schemars(extend("examples" = ["focus1.example.com"]))]
    pub(in crate::config) advertise: Option<Text>,
    /// Origins of the pages whose browsers may connect by ws and wss; "*" lets in all. Clients that are no browsers need none.
    #[schemars(extend("default" = [], "examples" = [["https://chat.example.com"]]))]
    pub(in crate::config) allowed_origins: Option<At<Vec<Text>>>,
    pub(in crate::config) auth: Option<At<SipAuth>>,
    pub(in crate::config) outbound: Option<At<SipOutbound>>,
}

/// All that we originate to SIP users: without this table, nothing. A REFER then makes the phone of a SIP user ring.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["proxy", "allow"]))]
pub(in crate::config) struct SipOutbound {
    /// The proxy that all calls go to, as a SIP URI. It has to stay on the way of a call (Record-Route) and to be one of
    /// sip.auth.trusted_peers, for what phones say within their calls comes through it.
    #[schemars(extend("examples" = ["sip:proxy.example.com;transport=tcp;lr"]))]
    pub(in crate::config) proxy: Option<Text>,
    /// Whom we may call at all.
    #[schemars(extend("examples" = [["sip:*@example.org"]]))]
    pub(in crate::config) allow: Option<At<Vec<Text>>>,
    /// User name for digest, where the proxy asks who we are.
    #[schemars(extend("examples" = ["mucfocus"]))]
    pub(in crate::config) username: Option<Text>,
    /// The password for it. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(in crate::config) password: Option<Text>,
    /// File with the password, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/proxy.pw"]))]
    pub(in crate::config) password_file: Option<Text>,
    /// The password from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["proxy.pw"]))]
    pub(in crate::config) password_credential: Option<Text>,
}

/// Who is believed to be who he says he is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct SipAuth {
    /// Peers that say who is calling: an address or CIDR, believed over tcp and tls. "udp:ADDRESS" has to be said, since a datagram's
    /// source can be forged; for loopback it need not. "tls:NAME" is believed over tls alone, wherever it comes from, with a
    /// certificate that says the name, by an authority in tls.client_ca_file. Nobody is believed over ws and wss: there browsers
    /// come, maybe through a proxy of yours. Default: nobody.
    #[schemars(extend("examples" = [["10.0.0.10"]]))]
    pub(in crate::config) trusted_peers: Option<At<Vec<Text>>>,
    /// Where a trusted peer says who is calling; add "from" if it checks From itself.
    #[schemars(extend("default" = ["p-asserted-identity"]))]
    pub(in crate::config) identity: Option<At<Vec<Text>>>,
    /// Everybody else: challenge (digest), refuse (403) or drop (silence).
    #[schemars(extend("default" = "challenge", "enum" = ["challenge", "refuse", "drop"]))]
    pub(in crate::config) untrusted: Option<Text>,
    /// Realm of digest. Default: the first of sip.domains.
    #[schemars(extend("examples" = ["rooms.example.com"]))]
    pub(in crate::config) realm: Option<Text>,
    /// Algorithms of digest, the preferred one first.
    #[schemars(extend("default" = ["SHA-256", "MD5"]))]
    pub(in crate::config) algorithms: Option<At<Vec<Text>>>,
    /// SIP users who log in here with a password of their own.
    pub(in crate::config) users: Vec<At<SipUser>>,
}

/// A SIP user who logs in here: his name is the user part, or the whole user@host, which is needed where two share a user
/// part.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip"]))]
pub(in crate::config) struct SipUser {
    /// Who he is then.
    #[schemars(extend("examples" = ["sip:romeo@example.org"]))]
    pub(in crate::config) sip: Option<Text>,
    /// His password. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(in crate::config) password: Option<Text>,
    /// File with his password, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/romeo.pw"]))]
    pub(in crate::config) password_file: Option<Text>,
    /// His password from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["romeo.pw"]))]
    pub(in crate::config) password_credential: Option<Text>,
}
