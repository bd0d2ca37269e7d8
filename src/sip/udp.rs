//! The UDP socket that the stack reads: what it yields has passed the door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::platform::net::UdpSocket as StackSocket;
use socket2::{Domain, Protocol, Socket, Type};

use super::door::{Admission, Door, Speaker};
use super::outgoing;
use super::settings::Transport;
use super::shared::Shared;

/// The stack reads no more of a datagram; a longer one is answered with 513.
const STACK_BUFFER: usize = 8192;
/// The longest datagram there can be.
const MAX_DATAGRAM: usize = 65_535;
/// Asked of the kernel, so that a burst while we wait for the stack is not lost.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// Between two errors of the system.
const PAUSE: Duration = Duration::from_millis(10);

/// A UDP socket with the door in front.
pub(super) struct Filter {
    socket: tokio::net::UdpSocket,
    /// Where datagrams are read; the stack reads from one task only.
    datagram: tokio::sync::Mutex<Vec<u8>>,
    door: Arc<Door>,
    shared: Arc<Shared>,
}

impl Filter {
    /// Binds `address`.
    pub(super) fn bind(address: SocketAddr, door: Arc<Door>, shared: Arc<Shared>) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // The system may give less; that is no reason not to start.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = tokio::net::UdpSocket::from_std(socket.into())?;
        Ok(Self { socket, datagram: tokio::sync::Mutex::new(vec![0; MAX_DATAGRAM]), door, shared })
    }

    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What of a datagram goes to the stack, if anything does.
    async fn filter(&self, datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
        if datagram.iter().all(u8::is_ascii_whitespace) {
            // A keep-alive (RFC 5626 §3.5.1 asks for STUN here, but CRLF is what phones send) needs no answer.
            return None;
        }
        match self.door.admit(Speaker { source, transport: Transport::Udp, names: &[] }, datagram) {
            Admission::Pass { octets, .. } if octets.len() <= STACK_BUFFER => Some(octets),
            Admission::Pass { head, .. } => {
                if let Admission::Answer { octets, .. } = self.door.too_large(&head, source) {
                    self.answer(&octets, source).await;
                }
                None
            }
            Admission::Answer { octets, .. } => {
                self.answer(&octets, source).await;
                None
            }
            Admission::Nothing | Admission::Close => None,
        }
    }

    async fn answer(&self, octets: &[u8], source: SocketAddr) {
        if !octets.is_empty() {
            // A lost answer is asked for again by the retransmission of its request.
            let _ = self.socket.send_to(octets, source).await;
        }
    }
}

#[async_trait::async_trait]
impl StackSocket for Filter {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        let mut datagram = self.datagram.lock().await;
        loop {
            let (length, source) = match self.socket.recv_from(&mut datagram[..]).await {
                Ok(received) => received,
                Err(error) => {
                    // The stack asks again at once, whatever the error is.
                    tokio::time::sleep(PAUSE).await;
                    return Err(error.into());
                }
            };
            let received = datagram.get(..length).unwrap_or_default();
            let Some(message) = self.filter(received, source).await else { continue };
            let Some(place) = buffer.get_mut(..message.len()) else { continue };
            place.copy_from_slice(&message);
            self.shared.enqueue().await;
            return Ok((message.len(), source));
        }
    }

    async fn send_to(&self, octets: &[u8], to: SocketAddr) -> rsipstack::Result<usize> {
        let wire = outgoing::for_the_wire(octets);
        self.socket.send_to(&wire, to).await?;
        Ok(octets.len())
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}
