//! The one socket that SIP goes through.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::sip::framing::{Framer, Unit};
use crate::sip::settings::Transport;

/// The longest datagram that can be.
const DATAGRAM: usize = 65_535;
/// The longest body over TCP: the roster of a room with some thousands of people.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// How long a peer may take to read what we write.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket for datagrams, or a connection.
#[derive(Debug)]
pub(super) enum Wire {
    Udp { socket: UdpSocket, buffer: Vec<u8> },
    Tcp { stream: TcpStream, framer: Framer, peer: SocketAddr },
}

impl Wire {
    /// Opens it towards `peer`; also says under which address `peer` sees it.
    pub(super) async fn open(transport: Transport, peer: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        match transport {
            Transport::Udp => {
                // Not connected, since requests of the dialog may come from elsewhere than the proxy; bound to the address that
                // leads to the peer.
                let any: SocketAddr = match peer {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let probe = UdpSocket::bind(any).await?;
                probe.connect(peer).await?;
                let socket = UdpSocket::bind((probe.local_addr()?.ip(), 0)).await?;
                let local = socket.local_addr()?;
                Ok((Self::Udp { socket, buffer: vec![0; DATAGRAM] }, local))
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(peer).await?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                Ok((Self::Tcp { stream, framer: Framer::with_max_body(MAX_BODY), peer }, local))
            }
            // The command line offers neither.
            Transport::Tls | Transport::Ws | Transport::Wss => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The next message, and where it came from. Can be cancelled without loss.
    pub(super) async fn receive(&mut self) -> io::Result<(Bytes, SocketAddr)> {
        match self {
            Self::Udp { socket, buffer } => loop {
                match socket.recv_from(buffer).await {
                    Ok((length, from)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        return Ok((Bytes::copy_from_slice(datagram), from));
                    }
                    // That nobody listened to an earlier datagram is no end: it is sent again.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error),
                }
            },
            Self::Tcp { stream, framer, peer } => loop {
                match framer.next_unit() {
                    Ok(Some(Unit::Message(message))) => return Ok((message, *peer)),
                    Ok(Some(Unit::Ping)) => {}
                    Ok(None) => {
                        if stream.read_buf(framer.buffer()).await? == 0 {
                            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed it"));
                        }
                    }
                    Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is not SIP")),
                }
            },
        }
    }

    /// Sends a message, to `to` where there is a choice.
    pub(super) async fn send(&mut self, octets: &Bytes, to: SocketAddr) -> io::Result<()> {
        match self {
            Self::Udp { socket, .. } => match socket.send_to(octets, to).await {
                Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
                _ => Ok(()),
            },
            Self::Tcp { stream, .. } => timeout(PATIENCE, stream.write_all(octets)).await?,
        }
    }
}
