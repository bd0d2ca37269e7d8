//! The MSRP session of a leg: reassembly of what comes in, responses and reports by the rules of RFC 4975 §7, and what goes
//! out. It knows neither rooms nor sockets; the leg tells it when a connection is bound to it. What leaves by a connection is
//! put in order by the connection's transmitter.

pub mod content;
pub mod fault;
pub mod limits;
pub mod nickname;
pub mod outgoing;
pub mod post;
pub mod reassembly;
pub mod session;
pub mod transmitter;
