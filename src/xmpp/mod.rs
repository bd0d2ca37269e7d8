//! The XMPP driver: tokio-xmpp connects and logs in, then the stream is ours.
//!
//! One task per account's stream reads and writes its socket; [`pool`] finds the stream that an account has
//! already. [`decode`] and [`encode`] are pure and belong to whoever holds a stanza. Nothing here decides about a room.

pub mod attachment;
mod connect;
pub mod decode;
pub mod encode;
mod link;
pub mod pool;
mod rate;
mod rooms;
pub mod settings;
mod socket;
mod stream;
