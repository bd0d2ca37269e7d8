//! The runtime of rooms: who owns which room, mailboxes, supervision, shutdown.
//!
//! A room is owned by one task (`room_task`) that awaits nothing but its mailbox and its timer. The [`directory`] finds the
//! task of a room, and keeps two SIP users from acting under one JID.

pub mod accounts;
pub mod bans;
pub mod budget;
pub mod call;
pub mod clock;
pub mod directory;
mod joins;
mod leg_log;
pub mod load;
pub mod looking;
pub mod mail;
pub mod mailbox;
mod moved;
pub mod pacing;
pub mod quota;
mod reception;
mod room_task;
mod speakers;
mod unfinished;
mod watchers;
