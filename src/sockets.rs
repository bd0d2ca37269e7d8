//! What SIP and MSRP have in common below their protocols.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// After this time without a sign of life the system gives a connection up, with the error "timed out". A client that lost its
/// network says nothing any more; without this its occupant would stay in the room until somebody speaks. Also a client that
/// has taken nothing for so long counts as gone.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);
/// The silence after which the system asks, and how often it asks after that.
const SILENCE: Duration = Duration::from_secs(15);
const PROBES_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// Connections that the system keeps for a listener until it accepts them.
const BACKLOG: i32 = 1024;

/// Listens on `address`. One of IPv6 takes IPv4 too where it is `for_both`; otherwise both families can have a socket of their own.
///
/// # Errors
///
/// What the system says.
pub fn listen(address: SocketAddr, for_both: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!for_both)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

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

/// Octets that are read at a time.
const READ: usize = 16 * 1024;

/// Reads once, through a buffer on the stack: thousands of connections wait most of the time, and none keeps a buffer for that. Ready
/// with what `take` makes of what came, which is nothing at the end.
///
/// # Errors
///
/// The connection is broken.
pub fn poll_read_with<T>(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    let mut octets = [const { MaybeUninit::uninit() }; READ];
    let mut octets = ReadBuf::uninit(&mut octets);
    ready!(Pin::new(io).poll_read(cx, &mut octets))?;
    Poll::Ready(Ok(take(octets.filled())))
}

/// What limits per source count as one: an IPv4 address, also where a socket for both families shows it as an IPv6 one, or the
/// /64 of an IPv6 address.
#[must_use]
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// An address as it stands in a URI.
#[must_use]
pub fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_clients_of_a_socket_for_both_families_are_sources_of_their_own() {
        let source = |text: &str| source_of(text.parse().unwrap()).to_string();
        assert_eq!(source("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(source("::ffff:192.0.2.1"), source("::ffff:192.0.2.2"));
        assert_eq!(source("2001:db8:1:2::3"), source("2001:db8:1:2:ffff::4"));
    }

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
