//! `[msrp]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Text};

/// Where MSRP comes in, and what a session may cost: a client that goes beyond loses the message or its leg, nobody else.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["listen"]))]
pub(in crate::config) struct Msrp {
    /// Where to listen: TRANSPORT:ADDRESS:PORT, the transport tcp, tls, ws or wss (WebSocket, for browsers). tls and wss need
    /// [tls]. Port 0 asks the system for one.
    #[schemars(extend("examples" = [["tcp:10.0.0.5:2855"]]))]
    pub(in crate::config) listen: Option<At<Vec<Text>>>,
    /// HOST or HOST:PORT in a=path; a port only where all listeners are of one transport. Default: where the call came in.
    #[schemars(extend("examples" = ["focus1.example.com"]))]
    pub(in crate::config) advertise: Option<Text>,
    /// Origins of the pages whose browsers may connect by ws and wss; "*" lets in all. Clients that are no browsers need none.
    #[schemars(extend("default" = [], "examples" = [["https://chat.example.com"]]))]
    pub(in crate::config) allowed_origins: Option<At<Vec<Text>>>,
    /// Largest message, all its chunks together: what XMPP servers take in one stanza is the bound.
    #[schemars(extend("default" = "64KiB"))]
    pub(in crate::config) max_message_size: Option<Text>,
    /// Start line and headers of one request or response: a peer has this much of our memory before it has said which session it
    /// wants.
    #[schemars(extend("default" = "16KiB"))]
    pub(in crate::config) max_head_size: Option<Text>,
    /// URIs in a path: a client and its relays. Each is written into everything that is sent along the path.
    #[schemars(extend("default" = 8, "minimum" = 1))]
    pub(in crate::config) max_path_length: Option<At<u32>>,
    /// Messages of one session that may be unfinished at a time: clients interleave a file and a text.
    #[schemars(extend("default" = 4, "minimum" = 1))]
    pub(in crate::config) unfinished_messages: Option<At<u32>>,
    /// Octets of them together, per session: max_message_size at least. Default: 256KiB, or twice max_message_size.
    #[schemars(extend("examples" = ["256KiB"]))]
    pub(in crate::config) unfinished_size: Option<Text>,
    /// Octets of the unfinished messages of all sessions together, so that many slow clients cannot fill the memory; "off" lifts
    /// the limit.
    #[schemars(extend("default" = "256MiB"))]
    pub(in crate::config) unfinished_size_total: Option<Text>,
    /// How long an unfinished message waits for its next chunk: minutes, since a slow network is no fault.
    #[schemars(extend("default" = "540s"))]
    pub(in crate::config) chunk_time: Option<Text>,
    /// How long a connection may be without a session: clients ask for theirs at once.
    #[schemars(extend("default" = "30s"))]
    pub(in crate::config) unbound_time: Option<Text>,
    /// How long a client may say nothing, not even that it got a message, before its connection is closed; "off": for ever, since
    /// the system notices who is gone.
    #[schemars(extend("default" = "off"))]
    pub(in crate::config) idle_time: Option<Text>,
    /// Octets that wait to be written to one session; a client that reads too slowly for its room loses its leg.
    #[schemars(extend("default" = "512KiB"))]
    pub(in crate::config) write_queue: Option<Text>,
    /// How long what is written may wait for the client to read it.
    #[schemars(extend("default" = "60s"))]
    pub(in crate::config) write_time: Option<Text>,
    /// Refuse offers whose c= and m= lines lead elsewhere than a=path and that do not say msrp-cema (RFC 6714). Without it the path
    /// counts.
    #[schemars(extend("default" = false))]
    pub(in crate::config) cema_strict: Option<bool>,
    /// Take fingerprints by SHA-1, which is broken, where a client has no better one.
    #[schemars(extend("default" = false))]
    pub(in crate::config) sha1_fingerprints: Option<bool>,
}
