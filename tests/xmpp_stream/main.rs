//! Streams of the XMPP driver as a room sees them: mail in, stanzas out.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod hostile_server;
mod logins;
mod real_server;
mod resumption;
mod room;
mod sasl2;
mod sasl2_scripted;
mod speech;
