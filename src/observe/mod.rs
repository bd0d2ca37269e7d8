//! Log, metrics and the HTTP endpoints for probes.

pub mod http;
mod labels;
pub mod log;
pub mod metrics;
pub mod sparing;
mod stanzas;
