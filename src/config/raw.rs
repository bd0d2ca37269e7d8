//! The file as it is written, with the place of every value: the one source of the keys, of their types, and of what the
//! JSON Schema says about them. Nothing is checked here but types; what is absent is `None`. Without `Debug`, since it holds
//! secrets as they were written.
//!
//! The first sentence of a key's doc is its description in the schema; `default` is for the reader, the value itself is set
//! where the key is read; the first of `examples` is shown when the type is wrong.

mod bounds;
mod msrp;
mod rooms;
mod running;
mod sip;
mod xmpp;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::bounds::{Count, Limits, Timeouts};
pub(super) use self::msrp::Msrp;
pub(super) use self::rooms::{Room, RoomDefaults};
pub(super) use self::running::{Control, Http, Log};
pub(super) use self::sip::{Sip, SipAuth, SipOutbound, SipUser};
pub(super) use self::xmpp::{Account, Xmpp, XmppDomain};
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
