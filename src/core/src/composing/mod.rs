//! Who is writing (RFC 3994 towards SIP, XEP-0085 towards XMPP), thinned out on the way: clients of both worlds say it more
//! often than the other world wants to hear.
//!
//! [`Typists`] are the occupants of a room as SIP users are told of them; [`Typing`] is one SIP user as his room is told of
//! him, and [`Confidants`] are those occupants who are told of him when he writes to them alone. None of them knows whether
//! anybody wants to hear it: that is the room's configuration (ISC-04).

mod confidants;
mod typing;
mod typists;

pub use confidants::Confidants;
pub use typing::Typing;
pub use typists::{Status, Typists};
