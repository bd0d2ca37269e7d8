//! `[log]`, `[http]` and `[control]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;

/// What is logged, and how.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct Log {
    /// Least severe level that is logged; bodies of messages at trace only.
    #[schemars(extend("default" = "info", "enum" = ["error", "warn", "info", "debug", "trace"]))]
    pub(in crate::config) level: Option<Text>,
    /// How lines look.
    #[schemars(extend("default" = "text", "enum" = ["text", "json"]))]
    pub(in crate::config) format: Option<Text>,
}

/// Probes and metrics over HTTP. Without this section, nothing.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct Http {
    /// Where /live, /ready and /metrics are; reads only.
    #[schemars(extend("default" = "127.0.0.1:8085"))]
    pub(in crate::config) listen: Option<Text>,
}

/// The socket that `mucfocus ctl` speaks to. Without this section, nothing.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::config) struct Control {
    /// Where it is. Who may write to it, its owner and its group, may end calls and look at rooms.
    #[schemars(extend("default" = "/run/mucfocus/control.sock"))]
    pub(in crate::config) socket: Option<Text>,
}
