//! Throw-away servers and small independent clients for the tests.
//!
//! Nothing here shares a line with the product: a mistake in its parsers must not be repeated in what tests it. The
//! servers ([`Server`], [`Mucfocus`]) live in a directory of their own, listen on free loopback ports and end when
//! they are dropped; the clients ([`xmpp::Client`], [`sip::Ua`], [`msrp::Peer`], [`Member`]) keep all that they saw.
//! [`World`] is one of each server, configured for each other. [`on_both_servers`] runs one test on Prosody and ejabberd.
//!
//! Everything in here fails by panicking with a picture of what was expected and what came: that is how a test fails.
//! Nothing sleeps where a condition can be awaited, see [`until`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test rig fails by panicking"
)]

pub mod browser;
pub mod capture;
pub mod certificate;
pub mod digest;
pub mod dissector;
pub mod ejabberd;
pub mod evil;
pub mod gauge;
pub mod havoc;
pub mod kamailio;
pub mod ladder;
pub mod load;
pub mod member;
pub mod msrp;
pub mod mucfocus;
pub mod openssl;
pub mod phone;
pub mod process;
pub mod prosody;
pub mod proxy;
pub mod roster;
pub mod server;
pub mod sip;
pub mod sipp;
pub mod wait;
pub mod weather;
pub mod websocket;
pub mod world;
pub mod xml;
pub mod xmpp;

pub use member::Member;
pub use mucfocus::Mucfocus;
pub use mucfocus_rig_macros::on_both_servers;
pub use phone::Phone;
pub use server::{Kind, Server};
pub use wait::{SOON, until, wait_for};
pub use world::World;

/// `length` random lower-case hexadecimal digits: ids, tags and branches.
pub fn random(length: usize) -> String {
    (0..length).map(|_| char::from_digit(u32::from(rand::random::<u8>() & 15), 16).unwrap_or('0')).collect()
}
