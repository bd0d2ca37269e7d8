//! The SIP driver on real sockets, with a focus that does what the test says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub
)]

mod bans;
mod bodies;
mod calls;
mod client;
mod declined;
mod digest;
mod endings;
mod floods;
mod harness;
mod logs;
mod message;
mod names;
mod notifications;
mod pitfalls;
mod placing;
mod referrals;
mod reflection;
mod refusals;
mod replaces;
mod secure;
mod sharing;
mod stage;
mod subscriptions;
mod timers;
mod web;
