//! From an account to a stream that is logged in: resolve, connect, encrypt, authenticate, in this order. Owns what streams share
//! for that; never sees a stanza.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use mucfocus_core::address::domain::to_ascii;
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_xmpp::xmlstream::{PendingFeaturesRecv, StreamHeader, Timeouts, XmppStream, initiate_stream};
use xmpp_parsers::stream_features::StreamFeatures;

use super::authenticate::{authenticate, not_offered};
use super::encrypt::Encryption;
use super::locate::{Locator, service};
use super::settings::{Account, Server, Tls};
use super::socket::{QuickAck, Socket};
use crate::hub::mail::StreamEnd;

/// How long it may take until a server has taken the connection, all its addresses together.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take until the account is logged in, from the first question to DNS on.
const LOGIN: Duration = Duration::from_secs(20);
/// How long one address may take, when there are others.
const ATTEMPT: Duration = Duration::from_secs(4);
/// Octets that are buffered per direction: stanzas have some 400, and there are thousands of streams.
const READ_BUFFER: usize = 4096;
const WRITE_BUFFER: usize = 2048;

/// A stream that is logged in, after the features that follow login.
pub(super) type LoggedIn = BufStream<Socket>;

/// Where a stream is logged in, and what its server offers.
pub(super) struct Connection {
    pub(super) io: LoggedIn,
    /// Whether the server offers to resume streams (XEP-0198 §2).
    pub(super) resumable: bool,
}

/// What logins share.
#[derive(Default)]
pub(super) struct Connector {
    locator: Locator,
    encryption: Encryption,
}

impl Connector {
    /// Logs `account` in; `arrived` is called when the server has answered.
    pub(super) async fn login(&self, account: &Account, arrived: impl Fn()) -> Result<Connection, StreamEnd> {
        let (features, stream) = self.login_with_features(account, arrived).await?;
        // Nothing is lost in the buffers: after its features the server waits to be spoken to.
        Ok(Connection { io: stream.into_inner(), resumable: features.stream_management.is_some() })
    }

    /// The same, with what the server offers from now on.
    pub(super) async fn login_with_features(
        &self,
        account: &Account,
        arrived: impl Fn(),
    ) -> Result<(StreamFeatures, XmppStream<LoggedIn>), StreamEnd> {
        timeout(LOGIN, self.attempt(account, arrived))
            .await
            .unwrap_or_else(|_| Err(unreachable("no login within 20 s")))
    }

    /// Hosts and ports of the server of `domain`, as DNS has them.
    pub(super) async fn locate(&self, domain: &str, tls: Tls) -> Vec<(String, u16)> {
        self.locator.locate(&in_dns(domain), tls).await
    }

    async fn attempt(
        &self,
        account: &Account,
        arrived: impl Fn(),
    ) -> Result<(StreamFeatures, XmppStream<LoggedIn>), StreamEnd> {
        let domain = account.jid.domain().as_str();
        let host = in_dns(domain);
        let tcp = self.connect(&account.server, &host).await?;
        let socket = self.encryption.encrypt(tcp, &host, &account.server).await?;
        let stream = open(socket, domain).await?;
        let (features, stream): (_, XmppStream<_>) =
            stream.recv_features().await.map_err(|error| not_offered(error, &account.login))?;
        arrived();
        let stream = authenticate(stream, features.sasl_mechanisms, account).await?;
        let stream = stream.send_header(header(domain)).await.map_err(failed("the stream broke after login"))?;
        stream.recv_features().await.map_err(failed("no stream features after login"))
    }

    async fn connect(&self, server: &Server, domain: &str) -> Result<QuickAck, StreamEnd> {
        let targets = match &server.address {
            Some(target) => vec![target.clone()],
            None => self.locate(domain, server.tls).await,
        };
        let service = service(server.tls);
        let mut last = unreachable(format!("DNS says that {domain} has no service {service} (SRV target \".\")"));
        let tried = timeout(CONNECT, async {
            for (host, port) in &targets {
                match connect_to(host, *port, server.tls).await {
                    Ok(tcp) => return Some(tcp),
                    Err(end) => last = end,
                }
            }
            None
        });
        match tried.await {
            Ok(Some(tcp)) => Ok(QuickAck(tcp)),
            Ok(None) => Err(last),
            Err(_) => Err(unreachable("no connection within 10 s")),
        }
    }
}

async fn connect_to(host: &str, port: u16, tls: Tls) -> Result<TcpStream, StreamEnd> {
    let mut last = unreachable(format!("{host} has no address"));
    for address in lookup_host((host, port)).await.map_err(failed(host))? {
        match timeout(ATTEMPT, connect_address(address, tls)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(end)) => last = end,
            Err(_) => last = unreachable(format!("{address}: no answer within 4 s")),
        }
    }
    Err(last)
}

async fn connect_address(address: SocketAddr, tls: Tls) -> Result<TcpStream, StreamEnd> {
    if tls == Tls::Off && !address.ip().is_loopback() {
        return Err(unreachable(format!("{address} is not loopback: without encryption only loopback is allowed")));
    }
    let tcp = TcpStream::connect(address).await.map_err(failed(address))?;
    tcp.set_nodelay(true).map_err(failed(address))?;
    Ok(tcp)
}

/// Opens a stream to the server of `domain`, up to its header.
pub(super) async fn open<Io>(io: Io, domain: &str) -> Result<PendingFeaturesRecv<BufStream<Io>>, StreamEnd>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let io = BufStream::with_capacity(READ_BUFFER, WRITE_BUFFER, io);
    let timeouts = Timeouts { read_timeout: LOGIN, response_timeout: LOGIN };
    initiate_stream(io, "jabber:client", header(domain), timeouts).await.map_err(failed("no stream"))
}

/// DNS and certificates have domains in ASCII, XMPP in the letters that people read.
fn in_dns(domain: &str) -> Cow<'_, str> {
    to_ascii(domain).unwrap_or(Cow::Borrowed(domain))
}

const fn header(domain: &str) -> StreamHeader<'_> {
    StreamHeader { to: Some(Cow::Borrowed(domain)), from: None, id: None }
}

pub(super) fn unreachable(why: impl Into<String>) -> StreamEnd {
    StreamEnd::Unreachable(why.into())
}

/// Makes of an error what went wrong with `what`.
pub(super) fn failed<E: Display>(what: impl Display) -> impl FnOnce(E) -> StreamEnd {
    move |error| StreamEnd::Unreachable(format!("{what}: {error}"))
}
