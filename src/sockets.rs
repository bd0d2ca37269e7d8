//! What all TCP connections with SIP users have in common.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// After this time without a sign of life the system gives a connection up, with the error "timed out". A client that lost its
/// network says nothing any more; without this its occupant would stay in the room until somebody speaks. Also a client that
/// has taken nothing for so long counts as gone.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);
/// The silence after which the system asks, and how often it asks after that.
const SILENCE: Duration = Duration::from_secs(15);
const PROBES_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// Sends small writes at once, and notices within [`DEAD_AFTER`] that nobody is at the other end.
///
/// # Errors
///
/// What the system says; the connection works all the same.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(SILENCE).with_interval(PROBES_EVERY).with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)?;
    // Keep-alive is silent while something is unacknowledged; this counts then.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_falls_silent_is_asked_after_and_given_up_in_half_a_minute() {
        // GC-EXIT-04: no ghost of a client that lost its network.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        let asked = socket.tcp_keepalive_time().unwrap()
            + socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
        assert_eq!(asked, DEAD_AFTER);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(DEAD_AFTER));
    }
}
