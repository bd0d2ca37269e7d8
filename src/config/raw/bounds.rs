//! `[limits]` and `[timeouts]`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::{At, Text};

/// How much is let in. A user is a verified SIP URI; a source is an address, or a /64 of IPv6. Trusted peers count per user
/// only.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct Limits {
    /// Legs at a time.
    #[schemars(extend("default" = 5000))]
    pub(in crate::config) legs: Option<At<Count>>,
    /// Legs of one user at a time.
    #[schemars(extend("default" = 10))]
    pub(in crate::config) legs_per_user: Option<At<Count>>,
    /// Calls of one user into rooms.
    #[schemars(extend("default" = "30/min"))]
    pub(in crate::config) joins_per_user: Option<Text>,
    /// Messages of one user; more of them wait for their turn.
    #[schemars(extend("default" = "20/s"))]
    pub(in crate::config) messages_per_user: Option<Text>,
    /// Conference subscriptions of one user at a time.
    #[schemars(extend("default" = 20))]
    pub(in crate::config) subscriptions_per_user: Option<At<Count>>,
    /// Invitations by one user.
    #[schemars(extend("default" = "10/h"))]
    pub(in crate::config) invitations_per_user: Option<Text>,
    /// Requests of one source; beyond it: silence for ban_time.
    #[schemars(extend("default" = "30/s"))]
    pub(in crate::config) requests_per_source: Option<Text>,
    /// Connections of one source at a time.
    #[schemars(extend("default" = 20))]
    pub(in crate::config) connections_per_source: Option<At<Count>>,
    /// Failed logins from one source; beyond it: silence for ban_time.
    #[schemars(extend("default" = "10/min"))]
    pub(in crate::config) failed_logins_per_source: Option<Text>,
    /// How long a source that went beyond requests_per_source or failed_logins_per_source hears nothing.
    #[schemars(extend("default" = "10m"))]
    pub(in crate::config) ban_time: Option<Text>,
    /// Logins towards one XMPP server.
    #[schemars(extend("default" = "20/s"))]
    pub(in crate::config) xmpp_logins: Option<Text>,
    /// Presences that joins cost one MUC service: two for each occupant of the room.
    #[schemars(extend("default" = "40000/s"))]
    pub(in crate::config) xmpp_presences: Option<Text>,
}

/// A number, or a string, of which only `"off"` passes the table of keys.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum Count {
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
pub(in crate::config) struct Timeouts {
    /// INVITE to final response.
    #[schemars(extend("default" = "15s"))]
    pub(in crate::config) join: Option<Text>,
    /// Last chunk of a message to 200; then 408. At most 28 s.
    #[schemars(extend("default" = "25s"))]
    pub(in crate::config) reflection: Option<Text>,
    /// MSRP connection gone to leaving the room.
    #[schemars(extend("default" = "45s"))]
    pub(in crate::config) lost_leg: Option<Text>,
    /// XMPP gone to BYE.
    #[schemars(extend("default" = "2m"))]
    pub(in crate::config) muc_outage: Option<Text>,
    /// A MUC that says nothing to asking it whether one is still in it (XEP-0410).
    #[schemars(extend("default" = "15m"))]
    pub(in crate::config) self_ping: Option<Text>,
    /// SIGTERM to exit.
    #[schemars(extend("default" = "5s"))]
    pub(in crate::config) drain: Option<Text>,
}
