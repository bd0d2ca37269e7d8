//! A small MSRP peer: connects or listens, sends whole messages, chunks and raw bytes, keeps what came.

mod cpim;
mod frame;
mod peer;
mod send;
mod session;

pub use cpim::Cpim;
pub use frame::Frame;
pub use peer::{Listener, Peer};
pub use send::Send;
pub use session::{Message, Traffic};

use crate::random;

/// An own MSRP URI at `port`; RFC 4975 asks for 80 bits of randomness.
pub fn own_uri(port: u16) -> String {
    format!("msrp://127.0.0.1:{port}/{};tcp", random(24))
}
