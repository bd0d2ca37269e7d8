//! The file as it is written, with the place of every value: the one source of the keys, of their types, and of what the
//! JSON Schema says about them. Nothing is checked here but types; what is absent is `None`. Without `Debug`, since it holds
//! secrets as they were written.
//!
//! The first sentence of a key's doc is its description in the schema; `default` is for the reader, the value itself is set
//! where the key is read; the first of `examples` is shown when the type is wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

pub(super) use super::at::At;

/// A string and where it stands.
pub(super) type Text = At<String>;

/// Configuration of mucfocus: a SIP conference focus and MSRP switch whose rooms mirror XMPP MUC rooms. Times, sizes and
/// rates are strings ("30s", "64KiB", "10/min"); "off" lifts a limit. Relative paths are relative to this file.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip", "msrp"]))]
pub(super) struct File {
    pub(super) node: Node,
    pub(super) tls: Option<At<Tls>>,
    pub(super) sip: Option<At<Sip>>,
    pub(super) msrp: Option<At<Msrp>>,
    pub(super) xmpp: Xmpp,
    pub(super) accounts: Vec<At<Account>>,
    pub(super) room_defaults: RoomDefaults,
    pub(super) rooms: Vec<At<Room>>,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) log: Log,
    pub(super) http: Option<Http>,
    pub(super) control: Option<Control>,
}

/// This node among others.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Node {
    /// Name of this node: XMPP resource, Warning headers, metrics. Unique per node. Default: the host name.
    #[schemars(extend("examples" = ["focus1"]))]
    pub(super) name: Option<Text>,
    /// File with the key of digest nonces, the same on all nodes: 32 octets or more that nobody can guess. Default: random at
    /// start, so that a restart asks callers for their password once more.
    #[schemars(extend("examples" = ["/etc/mucfocus/nonce.key"]))]
    pub(super) nonce_key_file: Option<Text>,
    /// The same from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["nonce.key"]))]
    pub(super) nonce_key_credential: Option<Text>,
}

/// The certificate of this node, for tls: and wss:. Its files are read again when they change; connections go on.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["certificate_file"]))]
pub(super) struct Tls {
    /// PEM file with the certificate, and behind it those of who signed it.
    #[schemars(extend("examples" = ["/etc/mucfocus/tls/fullchain.pem"]))]
    pub(super) certificate_file: Option<Text>,
    /// PEM file with its key, without a pass phrase, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/tls/key.pem"]))]
    pub(super) key_file: Option<Text>,
    /// The key from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["tls.key"]))]
    pub(super) key_credential: Option<Text>,
    /// File with the certificates to trust where we connect to an MSRP client that names no fingerprint. Default: those that this
    /// machine trusts.
    #[schemars(extend("examples" = ["/etc/mucfocus/tls/ca.pem"]))]
    pub(super) ca_file: Option<Text>,
    /// File with the certificates of who vouches for the names of SIP peers: those that come by tls: are asked for one of theirs.
    /// See sip.auth.trusted_peers. Read again when it changes. Default: nobody.
    #[schemars(extend("examples" = ["/etc/mucfocus/tls/peers.pem"]))]
    pub(super) client_ca_file: Option<Text>,
}

/// Where SIP comes in, and which addresses are rooms.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["listen", "domains"]))]
pub(super) struct Sip {
    /// Where to listen: TRANSPORT:ADDRESS:PORT, the transport udp, tcp, tls, ws or wss (WebSocket, for browsers). tls and wss need
    /// [tls]. Port 0 asks the system for one.
    #[schemars(extend("examples" = [["udp:10.0.0.5:5060", "tcp:10.0.0.5:5060"]]))]
    pub(super) listen: Option<At<Vec<Text>>>,
    /// Hosts of the Request-URIs that are rooms. The first stands in canonical URIs where a rule captures the host.
    #[schemars(extend("examples" = [["rooms.example.com"]]))]
    pub(super) domains: Option<At<Vec<Text>>>,
    /// HOST or HOST:PORT of Via and Contact; must lead to this very node. Default: what is listened on.
    #[schemars(extend("examples" = ["focus1.example.com"]))]
    pub(super) advertise: Option<Text>,
    /// Origins of the pages whose browsers may connect by ws and wss; "*" lets in all. Clients that are no browsers need none.
    #[schemars(extend("default" = [], "examples" = [["https://chat.example.com"]]))]
    pub(super) allowed_origins: Option<At<Vec<Text>>>,
    pub(super) auth: Option<At<SipAuth>>,
    pub(super) outbound: Option<At<SipOutbound>>,
}

/// All that we originate to SIP users: without this table, nothing. A REFER then makes the phone of a SIP user ring.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["proxy", "allow"]))]
pub(super) struct SipOutbound {
    /// The proxy that all calls go to, as a SIP URI. It has to stay on the way of a call (Record-Route) and to be one of
    /// sip.auth.trusted_peers, for what phones say within their calls comes through it.
    #[schemars(extend("examples" = ["sip:proxy.example.com;transport=tcp;lr"]))]
    pub(super) proxy: Option<Text>,
    /// Whom we may call at all.
    #[schemars(extend("examples" = [["sip:*@example.org"]]))]
    pub(super) allow: Option<At<Vec<Text>>>,
    /// User name for digest, where the proxy asks who we are.
    #[schemars(extend("examples" = ["mucfocus"]))]
    pub(super) username: Option<Text>,
    /// The password for it. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(super) password: Option<Text>,
    /// File with the password, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/proxy.pw"]))]
    pub(super) password_file: Option<Text>,
    /// The password from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["proxy.pw"]))]
    pub(super) password_credential: Option<Text>,
}

/// Who is believed to be who he says he is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct SipAuth {
    /// Peers that say who is calling: an address or CIDR, believed over tcp and tls. "udp:ADDRESS" has to be said, since a datagram's
    /// source can be forged; for loopback it need not. "tls:NAME" is believed over tls alone, wherever it comes from, with a
    /// certificate that says the name, by an authority in tls.client_ca_file. Nobody is believed over ws and wss: there browsers
    /// come, maybe through a proxy of yours. Default: nobody.
    #[schemars(extend("examples" = [["10.0.0.10"]]))]
    pub(super) trusted_peers: Option<At<Vec<Text>>>,
    /// Where a trusted peer says who is calling; add "from" if it checks From itself.
    #[schemars(extend("default" = ["p-asserted-identity"]))]
    pub(super) identity: Option<At<Vec<Text>>>,
    /// Everybody else: challenge (digest), refuse (403) or drop (silence).
    #[schemars(extend("default" = "challenge", "enum" = ["challenge", "refuse", "drop"]))]
    pub(super) untrusted: Option<Text>,
    /// Realm of digest. Default: the first of sip.domains.
    #[schemars(extend("examples" = ["rooms.example.com"]))]
    pub(super) realm: Option<Text>,
    /// Algorithms of digest, the preferred one first.
    #[schemars(extend("default" = ["SHA-256", "MD5"]))]
    pub(super) algorithms: Option<At<Vec<Text>>>,
    /// SIP users who log in here with a password of their own.
    pub(super) users: Vec<At<SipUser>>,
}

/// A SIP user who logs in here: his name is the user part, or the whole user@host, which is needed where two share a user
/// part.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip"]))]
pub(super) struct SipUser {
    /// Who he is then.
    #[schemars(extend("examples" = ["sip:romeo@example.org"]))]
    pub(super) sip: Option<Text>,
    /// His password. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(super) password: Option<Text>,
    /// File with his password, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/romeo.pw"]))]
    pub(super) password_file: Option<Text>,
    /// His password from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["romeo.pw"]))]
    pub(super) password_credential: Option<Text>,
}

/// Where MSRP comes in, and what a session may cost: a client that goes beyond loses the message or its leg, nobody else.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["listen"]))]
pub(super) struct Msrp {
    /// Where to listen: TRANSPORT:ADDRESS:PORT, the transport tcp, tls, ws or wss (WebSocket, for browsers). tls and wss need
    /// [tls]. Port 0 asks the system for one.
    #[schemars(extend("examples" = [["tcp:10.0.0.5:2855"]]))]
    pub(super) listen: Option<At<Vec<Text>>>,
    /// HOST or HOST:PORT in a=path; a port only where all listeners are of one transport. Default: where the call came in.
    #[schemars(extend("examples" = ["focus1.example.com"]))]
    pub(super) advertise: Option<Text>,
    /// Origins of the pages whose browsers may connect by ws and wss; "*" lets in all. Clients that are no browsers need none.
    #[schemars(extend("default" = [], "examples" = [["https://chat.example.com"]]))]
    pub(super) allowed_origins: Option<At<Vec<Text>>>,
    /// Largest message, all its chunks together: what XMPP servers take in one stanza is the bound.
    #[schemars(extend("default" = "64KiB"))]
    pub(super) max_message_size: Option<Text>,
    /// Start line and headers of one request or response: a peer has this much of our memory before it has said which session it
    /// wants.
    #[schemars(extend("default" = "16KiB"))]
    pub(super) max_head_size: Option<Text>,
    /// URIs in a path: a client and its relays. Each is written into everything that is sent along the path.
    #[schemars(extend("default" = 8, "minimum" = 1))]
    pub(super) max_path_length: Option<At<u32>>,
    /// Messages of one session that may be unfinished at a time: clients interleave a file and a text.
    #[schemars(extend("default" = 4, "minimum" = 1))]
    pub(super) unfinished_messages: Option<At<u32>>,
    /// Octets of them together, per session: max_message_size at least. Default: 256KiB, or twice max_message_size.
    #[schemars(extend("examples" = ["256KiB"]))]
    pub(super) unfinished_size: Option<Text>,
    /// Octets of the unfinished messages of all sessions together, so that many slow clients cannot fill the memory; "off" lifts
    /// the limit.
    #[schemars(extend("default" = "256MiB"))]
    pub(super) unfinished_size_total: Option<Text>,
    /// How long an unfinished message waits for its next chunk: minutes, since a slow network is no fault.
    #[schemars(extend("default" = "540s"))]
    pub(super) chunk_time: Option<Text>,
    /// How long a connection may be without a session: clients ask for theirs at once.
    #[schemars(extend("default" = "30s"))]
    pub(super) unbound_time: Option<Text>,
    /// How long a client may say nothing, not even that it got a message, before its connection is closed; "off": for ever, since
    /// the system notices who is gone.
    #[schemars(extend("default" = "off"))]
    pub(super) idle_time: Option<Text>,
    /// Octets that wait to be written to one session; a client that reads too slowly for its room loses its leg.
    #[schemars(extend("default" = "512KiB"))]
    pub(super) write_queue: Option<Text>,
    /// How long what is written may wait for the client to read it.
    #[schemars(extend("default" = "60s"))]
    pub(super) write_time: Option<Text>,
    /// Refuse offers whose c= and m= lines lead elsewhere than a=path and that do not say msrp-cema (RFC 6714). Without it the path
    /// counts.
    #[schemars(extend("default" = false))]
    pub(super) cema_strict: Option<bool>,
    /// Take fingerprints by SHA-1, which is broken, where a client has no better one.
    #[schemars(extend("default" = false))]
    pub(super) sha1_fingerprints: Option<bool>,
}

/// How XMPP servers are reached.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Xmpp {
    /// HOST or HOST:PORT of the server. Default: DNS SRV of the account's domain.
    #[schemars(extend("examples" = ["10.0.0.20:5222"]))]
    pub(super) server: Option<Text>,
    /// starttls, direct (TLS from the first octet on, XEP-0368) or off (towards loopback only).
    #[schemars(extend("default" = "starttls", "enum" = ["starttls", "direct", "off"]))]
    pub(super) tls: Option<Text>,
    /// File with the certificates to trust. Default: those that this machine trusts.
    #[schemars(extend("examples" = ["/etc/mucfocus/ca.pem"]))]
    pub(super) ca_file: Option<Text>,
    /// The same keys for one domain of accounts; what is absent is taken from `xmpp`.
    pub(super) domains: BTreeMap<String, XmppDomain>,
}

// The keys of `Xmpp` again: `serde(flatten)` would lose the places.
/// How the server of one domain is reached.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct XmppDomain {
    /// HOST or HOST:PORT of the server.
    #[schemars(extend("examples" = ["10.0.0.20:5222"]))]
    pub(super) server: Option<Text>,
    /// starttls, direct (TLS from the first octet on, XEP-0368) or off (towards loopback only).
    #[schemars(extend("default" = "starttls", "enum" = ["starttls", "direct", "off"]))]
    pub(super) tls: Option<Text>,
    /// File with the certificates to trust.
    #[schemars(extend("examples" = ["/etc/mucfocus/ca.pem"]))]
    pub(super) ca_file: Option<Text>,
}

/// Who a SIP user is on the XMPP side. The first rule that matches wins; a caller whom none matches gets 403.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip", "jid"]))]
pub(super) struct Account {
    /// Which callers: {name} captures, * does not; each stands for one or more characters of the user part or of the host.
    #[schemars(extend("examples" = ["sip:romeo@example.org"]))]
    pub(super) sip: Option<Text>,
    /// Who they are: a JID, in which {name} is what was captured. With anonymous, a domain alone.
    #[schemars(extend("examples" = ["romeo@example.net"]))]
    pub(super) jid: Option<Text>,
    /// How to log in: password, hmac (a password made of the secret and the JID, checked by the Prosody module that comes
    /// along), jwt (a token that lives 60 s, for ejabberd), anonymous (a new JID each time).
    #[schemars(extend("default" = "password", "enum" = ["password", "hmac", "jwt", "anonymous"]))]
    pub(super) login: Option<Text>,
    /// Password of the account. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(super) password: Option<Text>,
    /// File with the password, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/romeo.xmpp"]))]
    pub(super) password_file: Option<Text>,
    /// The password from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["romeo.xmpp"]))]
    pub(super) password_credential: Option<Text>,
    /// Secret of hmac or jwt, 32 octets or more. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["made by: openssl rand -hex 32"]))]
    pub(super) secret: Option<Text>,
    /// File with the secret of hmac or jwt, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/mint.key"]))]
    pub(super) secret_file: Option<Text>,
    /// The secret of hmac or jwt from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["mint.key"]))]
    pub(super) secret_credential: Option<Text>,
}

/// What a room has that does not say otherwise.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct RoomDefaults {
    /// Callers who are let in; matched against the verified identity.
    #[schemars(extend("default" = ["sip:*@*"]))]
    pub(super) allow: Option<At<Vec<Text>>>,
    /// May a SIP user bring a MUC into being? Else a room that is not there is 404.
    #[schemars(extend("default" = false))]
    pub(super) create: Option<bool>,
    /// Nickname of those who have not chosen one, made of {display_name} and {user}. Empty: the user part; a telephone number
    /// never: "Guest" and a number.
    #[schemars(extend("default" = "{display_name}"))]
    pub(super) nickname: Option<Text>,
    /// Messages shown on joining.
    #[schemars(extend("default" = 20))]
    pub(super) history: Option<At<u32>>,
    /// May occupants talk to each other in private?
    #[schemars(extend("default" = true))]
    pub(super) private_messages: Option<bool>,
    /// Are MSRP sessions without TLS refused?
    #[schemars(extend("default" = false))]
    pub(super) tls_only: Option<bool>,
    /// Is it told whether private messages arrived and were shown?
    #[schemars(extend("default" = true))]
    pub(super) receipts: Option<bool>,
    /// Are subscribers told what has changed (partial), or each time who is there (full)?
    #[schemars(extend("default" = "partial", "enum" = ["partial", "full"]))]
    pub(super) roster: Option<Text>,
    /// Password of the MUCs. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(super) password: Option<Text>,
    /// File with the password of the MUCs, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/capulet.room"]))]
    pub(super) password_file: Option<Text>,
    /// The password of the MUCs from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["capulet.room"]))]
    pub(super) password_credential: Option<Text>,
}

/// Which MUC a room is. The first rule that matches wins.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["sip", "muc"]))]
pub(super) struct Room {
    /// Name of the rule, in logs and metrics. Default: the pattern.
    #[schemars(extend("examples" = ["capulet"]))]
    pub(super) name: Option<Text>,
    /// Which addresses: {name} captures one or more characters of the user part or of the host.
    #[schemars(extend("examples" = ["sip:capulet@rooms.example.com"]))]
    pub(super) sip: Option<Text>,
    /// The MUC: a JID, in which {name} is what was captured.
    #[schemars(extend("examples" = ["capulet@muc.example.net"]))]
    pub(super) muc: Option<Text>,
    /// Does each call to this address make a room (RFC 4579 §5.4)? Then {token} in muc stands for what makes it a new one, and another
    /// rule gives it its address. The room ends with whom it was made for.
    #[schemars(extend("default" = false, "examples" = [true]))]
    pub(super) factory: Option<bool>,
    /// Callers who are let in; matched against the verified identity. Default: that of [room_defaults].
    #[schemars(extend("examples" = [["sip:*@*"]]))]
    pub(super) allow: Option<At<Vec<Text>>>,
    /// May a SIP user bring the MUC into being? Default: that of [room_defaults].
    #[schemars(extend("examples" = [false]))]
    pub(super) create: Option<bool>,
    /// Nickname of those who have not chosen one. Default: that of [room_defaults].
    #[schemars(extend("examples" = ["{display_name}"]))]
    pub(super) nickname: Option<Text>,
    /// Messages shown on joining. Default: that of [room_defaults].
    #[schemars(extend("examples" = [20]))]
    pub(super) history: Option<At<u32>>,
    /// May occupants talk to each other in private? Default: that of [room_defaults].
    #[schemars(extend("examples" = [true]))]
    pub(super) private_messages: Option<bool>,
    /// Are MSRP sessions without TLS refused? Default: that of [room_defaults].
    #[schemars(extend("examples" = [false]))]
    pub(super) tls_only: Option<bool>,
    /// Is it told whether private messages arrived and were shown? Default: that of [room_defaults].
    #[schemars(extend("examples" = [true]))]
    pub(super) receipts: Option<bool>,
    /// Are subscribers told what has changed (partial), or each time who is there (full)? Default: that of [room_defaults].
    #[schemars(extend("examples" = ["partial"], "enum" = ["partial", "full"]))]
    pub(super) roster: Option<Text>,
    /// Password of the MUC. Better in a file: backups and people see it here.
    #[schemars(extend("examples" = ["secret"]))]
    pub(super) password: Option<Text>,
    /// File with the password of the MUC, which others cannot read.
    #[schemars(extend("examples" = ["/etc/mucfocus/capulet.room"]))]
    pub(super) password_file: Option<Text>,
    /// The password of the MUC from systemd (LoadCredential=NAME:PATH).
    #[schemars(extend("examples" = ["capulet.room"]))]
    pub(super) password_credential: Option<Text>,
}

/// How much is let in. A user is a verified SIP URI; a source is an address, or a /64 of IPv6. Trusted peers count per user
/// only.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Limits {
    /// Legs at a time.
    #[schemars(extend("default" = 5000))]
    pub(super) legs: Option<At<Count>>,
    /// Legs of one user at a time.
    #[schemars(extend("default" = 10))]
    pub(super) legs_per_user: Option<At<Count>>,
    /// Calls of one user into rooms.
    #[schemars(extend("default" = "30/min"))]
    pub(super) joins_per_user: Option<Text>,
    /// Messages of one user; more of them wait for their turn.
    #[schemars(extend("default" = "20/s"))]
    pub(super) messages_per_user: Option<Text>,
    /// Conference subscriptions of one user at a time.
    #[schemars(extend("default" = 20))]
    pub(super) subscriptions_per_user: Option<At<Count>>,
    /// Invitations by one user.
    #[schemars(extend("default" = "10/h"))]
    pub(super) invitations_per_user: Option<Text>,
    /// Requests of one source; beyond it: silence for ban_time.
    #[schemars(extend("default" = "30/s"))]
    pub(super) requests_per_source: Option<Text>,
    /// Connections of one source at a time.
    #[schemars(extend("default" = 20))]
    pub(super) connections_per_source: Option<At<Count>>,
    /// Failed logins from one source; beyond it: silence for ban_time.
    #[schemars(extend("default" = "10/min"))]
    pub(super) failed_logins_per_source: Option<Text>,
    /// How long a source that went beyond requests_per_source or failed_logins_per_source hears nothing.
    #[schemars(extend("default" = "10m"))]
    pub(super) ban_time: Option<Text>,
    /// Logins towards one XMPP server.
    #[schemars(extend("default" = "20/s"))]
    pub(super) xmpp_logins: Option<Text>,
    /// Presences that joins cost one MUC service: two for each occupant of the room.
    #[schemars(extend("default" = "40000/s"))]
    pub(super) xmpp_presences: Option<Text>,
}

/// A number, or a string, of which only `"off"` passes the table of keys.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Count {
    Number(u32),
    Off(#[expect(dead_code, reason = "tells a string from a number")] String),
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "off" }] })
    }
}

/// How long is waited for what.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Timeouts {
    /// INVITE to final response.
    #[schemars(extend("default" = "15s"))]
    pub(super) join: Option<Text>,
    /// Last chunk of a message to 200; then 408. At most 28 s.
    #[schemars(extend("default" = "25s"))]
    pub(super) reflection: Option<Text>,
    /// MSRP connection gone to leaving the room.
    #[schemars(extend("default" = "45s"))]
    pub(super) lost_leg: Option<Text>,
    /// XMPP gone to BYE.
    #[schemars(extend("default" = "2m"))]
    pub(super) muc_outage: Option<Text>,
    /// A MUC that says nothing to asking it whether one is still in it (XEP-0410).
    #[schemars(extend("default" = "15m"))]
    pub(super) self_ping: Option<Text>,
    /// SIGTERM to exit.
    #[schemars(extend("default" = "5s"))]
    pub(super) drain: Option<Text>,
}

/// What is logged, and how.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Log {
    /// Least severe level that is logged; bodies of messages at trace only.
    #[schemars(extend("default" = "info", "enum" = ["error", "warn", "info", "debug", "trace"]))]
    pub(super) level: Option<Text>,
    /// How lines look.
    #[schemars(extend("default" = "text", "enum" = ["text", "json"]))]
    pub(super) format: Option<Text>,
}

/// Probes and metrics over HTTP. Without this section, nothing.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Http {
    /// Where /live, /ready and /metrics are; reads only.
    #[schemars(extend("default" = "127.0.0.1:8085"))]
    pub(super) listen: Option<Text>,
}

/// The socket that `mucfocus ctl` speaks to. Without this section, nothing.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Control {
    /// Where it is. Who may write to it, its owner and its group, may end calls and look at rooms.
    #[schemars(extend("default" = "/run/mucfocus/control.sock"))]
    pub(super) socket: Option<Text>,
}
