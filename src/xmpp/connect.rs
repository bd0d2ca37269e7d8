//! From an account to a stream to its server: resolve, connect, encrypt, in this order. Owns what streams share for that; never
//! sees a credential. Logging in is [`login`](super::login)'s.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use mucfocus_core::address::domain::to_ascii;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, BufWriter};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_xmpp::xmlstream::{PendingFeaturesRecv, StreamHeader, Timeouts, XmppStream, initiate_stream};
use xmpp_parsers::stream_features::StreamFeatures;

use super::authenticate::not_offered;
use super::encrypt::Encryption;
use super::locate::{Locator, service};
use super::login::Ways;
use super::settings::{Account, Server, Tls};
use super::socket::{QuickAck, Socket};
use crate::hub::mail::StreamEnd;

/// How long it may take until a server has taken the connection, all its addresses together.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take until the account is logged in, from the first question to DNS on.
pub(super) const LOGIN: Duration = Duration::from_secs(20);
/// How long one address may take, when there are others.
const ATTEMPT: Duration = Duration::from_secs(4);
/// Octets that are buffered per direction during the login; afterwards nothing is.
const READ_BUFFER: usize = 4096;
const WRITE_BUFFER: usize = 2048;

/// What a login reads and writes.
pub(super) type Buffered = BufReader<BufWriter<Socket>>;

/// What logins share.
pub(super) struct Connector {
    locator: Locator,
    encryption: Encryption,
    pub(super) ways: Ways,
}

impl Connector {
    /// For the streams of the node of this name.
    pub(super) fn new(node: &str) -> Self {
        Self { locator: Locator::default(), encryption: Encryption::default(), ways: Ways::new(node) }
    }

    /// Hosts and ports of the server of `domain`, as DNS has them.
    pub(super) async fn locate(&self, domain: &str, tls: Tls) -> Vec<(String, u16)> {
        self.locator.locate(&in_dns(domain), tls).await
    }

    /// A stream to the server of `account`, as safe as it will be, where we are not logged in; and what the server offers.
    pub(super) async fn reach(&self, account: &Account) -> Result<(StreamFeatures, XmppStream<Buffered>), StreamEnd> {
        let domain = account.jid.domain().as_str();
        let socket = self.encrypted(account).await?;
        // Who it is about to be matters to what is offered (XEP-0484 §4.1), and nobody else hears it (RFC 6120 §4.7.1).
        let from = account.jid.node().is_some().then(|| account.jid.as_str());
        let stream = open(socket, StreamHeader { from: from.map(Cow::Borrowed), ..header(domain) }).await?;
        stream.recv_features().await.map_err(|error| not_offered(error, &account.login))
    }

    /// The certificate that the server of an account shows; `None` where nothing is encrypted.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or shows one that is not taken.
    pub(super) async fn certificate(&self, account: &Account) -> Result<Option<CertificateDer<'static>>, StreamEnd> {
        let socket = timeout(LOGIN, self.encrypted(account)).await;
        socket.unwrap_or_else(|_| Err(unreachable("no TLS within 20 s"))).map(|socket| socket.certificate())
    }

    async fn encrypted(&self, account: &Account) -> Result<Socket, StreamEnd> {
        let host = in_dns(account.jid.domain().as_str());
        let tcp = self.connect(&account.server, &host).await?;
        self.encryption.encrypt(tcp, &host, &account.server).await
    }

    async fn connect(&self, server: &Server, domain: &str) -> Result<QuickAck, StreamEnd> {
        let targets = match &server.address {
            Some(target) => vec![target.clone()],
            None => self.locate(domain, server.tls).await,
        };
        let service = service(server.tls);
        let mut last = unreachable(format!("DNS says that {domain} has no service {service} (SRV target \".\")"));
        let tried = timeout(CONNECT, async {
            for (n, (host, port)) in targets.iter().enumerate() {
                let is_last = n + 1 == targets.len();
                match connect_to(host, *port, server.tls, is_last).await {
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

async fn connect_to(host: &str, port: u16, tls: Tls, is_last: bool) -> Result<TcpStream, StreamEnd> {
    let mut last = unreachable(format!("{host} has no address"));
    let mut addresses = lookup_host((host, port)).await.map_err(failed(host))?.peekable();
    while let Some(address) = addresses.next() {
        let patience = if is_last && addresses.peek().is_none() { CONNECT } else { ATTEMPT };
        match timeout(patience, connect_address(address, tls)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(end)) => last = end,
            Err(_) => last = unreachable(format!("{address}: no answer within {} s", patience.as_secs())),
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

/// Opens a stream with this header, up to that of the server.
pub(super) async fn open<Io>(
    io: Io,
    header: StreamHeader<'_>,
) -> Result<PendingFeaturesRecv<BufReader<BufWriter<Io>>>, StreamEnd>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let io = BufReader::with_capacity(READ_BUFFER, BufWriter::with_capacity(WRITE_BUFFER, io));
    let timeouts = Timeouts { read_timeout: LOGIN, response_timeout: LOGIN };
    initiate_stream(io, "jabber:client", header, timeouts).await.map_err(failed("no stream"))
}

/// DNS and certificates have domains in ASCII, XMPP in the letters that people read.
fn in_dns(domain: &str) -> Cow<'_, str> {
    to_ascii(domain).unwrap_or(Cow::Borrowed(domain))
}

/// The header of a stream to the server of `domain`.
pub(super) const fn header(domain: &str) -> StreamHeader<'_> {
    StreamHeader { to: Some(Cow::Borrowed(domain)), from: None, id: None }
}

pub(super) fn unreachable(why: impl Into<String>) -> StreamEnd {
    StreamEnd::Unreachable(why.into())
}

/// Makes of an error what went wrong with `what`.
pub(super) fn failed<E: Display>(what: impl Display) -> impl FnOnce(E) -> StreamEnd {
    move |error| StreamEnd::Unreachable(format!("{what}: {error}"))
}
