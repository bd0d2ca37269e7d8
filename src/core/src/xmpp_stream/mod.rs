//! One XMPP client stream after login: framing, limits, binding, liveness, answers to requests.
//!
//! [`framing`] cuts the stream into stanzas and [`machine`] decides what becomes of each, also when the connection breaks; what
//! little XML they read and write themselves is that of [`crate::wire::xml`]. [`interest`] says which of them a room has a use for.
//! [`sasl2`] is the way in that spares round trips. What a stanza says to a room is nobody's business here.

mod answer;
pub mod framing;
pub mod interest;
pub mod io;
pub mod machine;
mod management;
mod proof;
mod resumption;
pub mod sasl2;
mod tokenizer;
mod whole;
pub use crate::wire::xml;
