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

mod ad_hoc;
mod alone;
mod bytes;
mod caller;
mod calling;
mod document;
mod moved;
mod muc;
mod record;
mod story;
mod watcher;
mod world;

mod being_away;
mod catching_up;
mod chunks;
mod client_limits;
mod connections;
mod costs;
mod delayed_offers;
mod departures;
mod devices;
mod draft_flows;
mod entering;
mod hearing;
mod history;
mod invitations;
mod invited;
mod leaving;
mod lookalikes;
mod nickname_requests;
mod nicknames;
mod observers;
mod operator;
mod private_messages;
mod random;
mod receipts;
mod refusals;
mod removal;
mod removing;
mod reoffers;
mod reports;
mod returned;
mod rosters;
mod scenarios;
mod self_pings;
mod sessions;
mod speaking;
mod standing;
mod streams;
mod suspension;
mod switching;
mod turns;
mod typing;
mod unaware;
