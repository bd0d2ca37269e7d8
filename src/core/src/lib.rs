//! The pure core of mucfocus.
//!
//! Everything that decides is here, and nothing here does I/O: no socket, clock, thread, randomness or log line. The crate is
//! `no_std` so that the compiler keeps it so.
//!
//! # The drain rule
//!
//! A state machine is driven by `handle(env, input)`. After **every** input the caller takes outputs with `poll()` until it
//! returns `None`, then asks `next_timeout()` and calls `handle_timeout(env)` when that moment has come. Outputs are
//! instructions to drivers; the machine never learns whether they were carried out except by a later input.
//!
//! # Layers
//!
//! [`wire`] turns bytes into values and back, with no policy; [`address`] knows SIP URIs, JIDs, nicknames and the mapping
//! rules between them; [`translate`] holds the pure functions between the two worlds; [`msrp`], [`xmpp_stream`], [`muc`],
//! [`roster`], [`conference`], [`composing`], [`switch`] and [`leg`] are machines of one thing each; [`room`] composes them. Each layer uses
//! only those before it.
#![no_std]
// Nothing that came from a network may take the process down; what the lints of the workspace warn of is an error here.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod address;
pub mod composing;
pub mod conference;
pub mod env;
pub mod leg;
pub mod msrp;
pub mod muc;
pub mod room;
pub mod roster;
mod setbacks;
pub mod stanza;
pub mod switch;
pub mod time;
pub mod timers;
pub mod translate;
pub mod wire;
pub mod xmpp_stream;
