//! The XMPP driver: tokio-xmpp opens streams and logs in the classic way; `login` knows shorter ones. Then the stream is ours.
//!
//! One task per account's stream reads and writes its socket; [`pool`] finds the stream that an account has
//! already. [`decode`] and [`encode`] are pure and belong to whoever holds a stanza. Nothing here decides about a room.

pub mod attachment;
mod authenticate;
mod connect;
pub mod decode;
pub mod encode;
mod encrypt;
pub mod invitations;
pub mod journal;
mod leftovers;
mod link;
mod locate;
mod login;
pub mod minted;
mod opening;
pub mod pool;
pub mod probe;
mod rate;
mod reach;
mod rooms;
mod sasl2;
pub mod settings;
mod socket;
mod stream;
mod turn;
mod wire;
