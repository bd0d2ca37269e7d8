//! What the configuration says to the MSRP driver, checked.

use std::net::SocketAddr;

/// Everything the MSRP driver needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen, on TCP; not empty. Port 0 asks the system for one.
    pub listen: Vec<SocketAddr>,
    /// Host and port in `a=path`; default: where the call came in, and the port that is listened on.
    pub advertise: Option<(String, Option<u16>)>,
    /// Octets of one message, all its chunks together; offered as `a=max-size` (RFC 4975 §8.6). At least 1 KiB.
    pub max_message_size: usize,
}
