//! The control socket: what `mucfocus ctl` and the running process say to each other, and the process's side of it.
//!
//! A client writes one line, a [`Request`](protocol::Request) in JSON, and reads lines, each a [`Reply`](protocol::Reply), until
//! the socket is closed. Nothing here decides about a room. No reply holds a text, a credential or a session-id.

pub mod desk;
pub mod protocol;
pub mod server;
