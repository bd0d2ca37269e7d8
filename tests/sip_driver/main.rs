//! The SIP driver on real sockets, with a focus that does what the test says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub
)]

mod calls;
mod endings;
mod floods;
mod harness;
mod message;
mod pitfalls;
mod refusals;
