//! What comes before the conversation: names become addresses, addresses connections, and an offer is made.

use std::net::SocketAddr;

use bytes::Bytes;
use mucfocus_core::wire::msrp::uri::MsrpUri;
use mucfocus_core::wire::sdp::{ClientOffer, RemoteAnswer, Setup, build_offer};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::msrp::MAX_MESSAGE;
use super::wire::Wire;
use crate::cli::args::Proxy;
use crate::hub::clock::{RandomIds, env};

/// The port that says that nobody listens (RFC 6135 §4.2.2).
const DISCARD: u16 = 9;

/// Opens the way for SIP; also says under which address it sees us, and what its address is.
pub(super) async fn open(proxy: &Proxy, deadline: Instant) -> Result<(Wire, SocketAddr, SocketAddr), String> {
    let open = async {
        let peer = resolve(&proxy.host, proxy.port).await?;
        let (wire, local) = Wire::open(proxy.transport, peer).await.map_err(|error| error.to_string())?;
        Ok((wire, local, peer))
    };
    let opened = timeout_at(deadline, open).await.unwrap_or_else(|_| Err("no answer".to_owned()));
    opened.map_err(|why| format!("cannot connect to {proxy}: {why}"))
}

/// Makes the MSRP connection that an answer asks for.
pub(super) async fn connect(answer: &Bytes, deadline: Instant) -> Result<(TcpStream, RemoteAnswer), String> {
    let answer = RemoteAnswer::parse(answer).map_err(|error| error.to_string())?;
    if !answer.accepts_cpim() {
        return Err("the other side takes no message/cpim: it is no chat room".to_owned());
    }
    let hop = answer.path().next_hop();
    if hop.secure() {
        return Err("the room wants MSRP over TLS, which is not yet in this version".to_owned());
    }
    let port = hop.port().ok_or("the answer's a=path has no port")?;
    let connect = async {
        let address = resolve(hop.host(), port).await?;
        TcpStream::connect(address).await.map_err(|error| error.to_string())
    };
    let connected = timeout_at(deadline, connect).await.unwrap_or_else(|_| Err("no answer".to_owned()));
    let stream = connected.map_err(|why| format!("cannot connect to the room by MSRP: {why}"))?;
    Ok((stream, answer))
}

/// The first address of a host, whose IPv6 address stands in brackets.
async fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = lookup_host((bare, port)).await.map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

/// Our end of the MSRP session; we connect, and do not listen.
pub(super) fn own_uri(local: SocketAddr) -> Result<MsrpUri, String> {
    let session = env(&mut RandomIds).token();
    MsrpUri::new(false, &local.ip().to_string(), DISCARD, &session).map_err(|error| error.to_string())
}

/// An offer of a session in which we connect.
pub(super) fn offer(own: &MsrpUri) -> Bytes {
    build_offer(&ClientOffer {
        path: own,
        setup: Setup::Active,
        session: u64::from(rand::random::<u32>()),
        max_size: u64::try_from(MAX_MESSAGE).ok(),
        chatroom: &["nickname", "private-messages"],
        wrapped: "text/plain",
        certificate: None,
    })
}
