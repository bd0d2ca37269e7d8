//! Log, metrics, the HTTP endpoints for probes, and the ladders of calls.

pub mod http;
mod labels;
pub mod ladder;
pub mod log;
mod messages;
pub mod metrics;
pub mod sparing;
mod stanzas;
