//! A room as its users see it, in virtual time: SIP users who dial and speak real MSRP, and a MUC that answers as told.
//!
//! [`world`] connects them with the room under test and checks after every step what users may rely on, [`story`] is the language
//! in which the other modules tell, one file per behaviour.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that meets something unexpected ends there"
)]

mod caller;
mod muc;
mod story;
mod world;

mod chunks;
mod draft_flows;
mod entering;
mod hearing;
mod leaving;
mod random;
mod refusals;
mod removal;
mod reports;
mod sessions;
mod speaking;
mod streams;
mod turns;
