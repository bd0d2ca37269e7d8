//! MSRP clients that mean harm, against the running program: with an account, inside the very room that talks, and without one,
//! with nothing but TCP.
//!
//! Beside each of them four SIP users and one of XMPP talk in steady short sentences, forty a second. What is asserted of them,
//! of every attack:
//!
//! - Every sentence is answered with 200 and arrives once at everybody else; nobody's call or connection ends.
//! - The time from SEND to the copies does not double. Compared is the same talk at the same time through processes of its own, so
//!   that what else the machine does, and what the flooding itself takes from it, hits both. An attack has three rounds; slow is one
//!   whose 99th percentile is above twice that of the talk elsewhere, and above [`trickle::FLOOR`], which nobody in a chat
//!   notices; most rounds have to be slow. Even so an attack is tried again before it counts: a busy machine seldom repeats itself,
//!   a defect does.
//! - Memory, during the attack and after it, stays below a bound over what the room alone needs.
//! - What the attacker did wrong is in `/metrics` by name, and where his leg ends the log gives the reason.
//! - Nothing panics, and the attacker's legs and connections are gone when he is.
//!
//! One program and one Prosody serve all attacks of a module, one after another, so that each also shows that those before it left
//! nothing behind. Modules never run at the same time: their rounds would measure each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(
    clippy::cast_precision_loss,
    clippy::string_slice,
    reason = "numbers of metrics, and texts of the test itself"
)]

mod chunks;
mod floods;
mod frames;
mod sessions;
mod sockets;
mod strangers;
mod trickle;
mod verona;

const BINARY: &str = env!("CARGO_BIN_EXE_mucfocus");
