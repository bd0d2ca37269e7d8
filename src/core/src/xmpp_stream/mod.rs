//! One XMPP client stream after login: framing, limits, binding, liveness, answers to requests.
//!
//! [`framing`] cuts the stream into stanzas and [`machine`] decides what becomes of each; [`xml`] is the little XML that they
//! read and write themselves. What a stanza says to a room is nobody's business here.

mod answer;
pub mod framing;
pub mod machine;
mod tokenizer;
pub mod xml;
