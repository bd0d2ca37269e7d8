//! The MSRP driver: listeners, connections, binding by session-id.
//!
//! One task per connection reads its socket ([`connection`]). Sessions wait in the [`table`] for a connection whose first request
//! names them; from then on the room hears through its mailbox and writes through a [`link::SessionLink`]: what the socket takes
//! at once itself, and the rest by the task of the connection.
//! Nothing here decides about a message: what can be read goes to the room, which owns the session.

pub mod addresses;
pub mod connection;
pub mod credit;
mod dialled;
mod input;
pub mod link;
pub mod listener;
pub mod outbox;
mod per_source;
mod plain;
mod sending;
mod sessions;
pub mod settings;
pub mod table;
mod tls;
pub mod transport;
mod ws;
