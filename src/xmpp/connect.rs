//! From an account to a stream that is logged in: resolve, connect, encrypt, authenticate. Owns what streams share for that, the
//! TLS configurations and the resolver; never sees a stanza.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sasl::common::{ChannelBinding, Credentials};
use secrecy::ExposeSecret;
use tokio::io::BufStream;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_xmpp::error::AuthError;
use tokio_xmpp::parsers::starttls;
use tokio_xmpp::xmlstream::{
    PendingFeaturesRecv, StreamHeader, Timeouts, XmppStream, XmppStreamElement, initiate_stream,
};
use xmpp_parsers::sasl::DefinedCondition;

use super::settings::{Account, Server, Tls};
use super::socket::{QuickAck, Socket};
use crate::hub::mail::StreamEnd;

/// How long it may take until a server has taken the connection, all its addresses together.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take until the account is logged in, from the first question to DNS on.
const LOGIN: Duration = Duration::from_secs(20);
/// How long one address may take, when there are others.
const ATTEMPT: Duration = Duration::from_secs(4);
/// How long DNS may take to say where the server is, before the domain itself is tried.
const RESOLVE: Duration = Duration::from_secs(5);
/// RFC 6120 §14.7.
const PORT: u16 = 5222;
/// What we log in with. tokio-xmpp tries them in this order; ANONYMOUS, which it knows as well, would log somebody else in.
const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
/// Octets that are buffered per direction: stanzas have some 400, and there are thousands of streams.
const READ_BUFFER: usize = 4096;
const WRITE_BUFFER: usize = 2048;

/// A stream that is logged in, after the features that follow login.
pub(super) type LoggedIn = BufStream<Socket>;

/// What logins share.
#[derive(Default)]
pub(super) struct Connector {
    /// By the file with the certificates to trust. TLS sessions are resumed per server name within one.
    tls: Mutex<BTreeMap<Option<PathBuf>, Arc<ClientConfig>>>,
    resolver: OnceCell<TokioResolver>,
}

impl Connector {
    /// Logs `account` in.
    pub(super) async fn login(&self, account: &Account) -> Result<LoggedIn, StreamEnd> {
        timeout(LOGIN, self.attempt(account)).await.unwrap_or_else(|_| Err(unreachable("no login within 20 s")))
    }

    async fn attempt(&self, account: &Account) -> Result<LoggedIn, StreamEnd> {
        let Some(node) = account.jid.node() else {
            return Err(StreamEnd::LoginRefused("the account has no user part".to_owned()));
        };
        let domain = account.jid.domain().as_str();
        let tcp = self.connect(&account.server, domain).await?;
        let socket = match account.server.tls {
            Tls::Off => Socket::Plain(tcp),
            Tls::Starttls => {
                let config = self.tls_config(account.server.ca_file.as_deref()).await?;
                Socket::Tls(Box::new(start_tls(tcp, domain, config).await?))
            }
        };
        let stream = open(socket, domain).await?;
        let (features, stream): (_, XmppStream<_>) =
            stream.recv_features().await.map_err(failed("no stream features"))?;
        let mechanisms: BTreeSet<_> =
            features.sasl_mechanisms.into_iter().filter(|m| MECHANISMS.contains(&m.as_str())).collect();
        // Claiming a channel binding makes the library insist on -PLUS mechanisms, which servers offer and then fail.
        let credentials = Credentials::default()
            .with_username(node.as_str())
            .with_password(account.password.expose_secret())
            .with_channel_binding(ChannelBinding::None);
        let stream = tokio_xmpp::client_login(stream, mechanisms, credentials).await.map_err(login_failed)?;
        let stream = stream.send_header(header(domain)).await.map_err(failed("the stream broke after login"))?;
        let (_, stream): (_, XmppStream<_>) =
            stream.recv_features().await.map_err(failed("no stream features after login"))?;
        // Nothing is lost in the buffers: after its features the server waits to be spoken to.
        Ok(stream.into_inner())
    }

    async fn connect(&self, server: &Server, domain: &str) -> Result<QuickAck, StreamEnd> {
        let targets = match &server.address {
            Some(target) => vec![target.clone()],
            None => self.locate(domain).await?,
        };
        let mut last = unreachable(format!("{domain} has no XMPP server"));
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

    /// Where the server of a domain is (RFC 6120 §3.2): what DNS says, else the domain itself.
    async fn locate(&self, domain: &str) -> Result<Vec<(String, u16)>, StreamEnd> {
        let records = timeout(RESOLVE, self.srv(domain)).await.unwrap_or_default();
        if records.is_empty() {
            return Ok(vec![(domain.to_owned(), PORT)]);
        }
        let targets = in_order(records, |total| rand::random_range(0..=total));
        if targets.is_empty() {
            return Err(unreachable(format!("DNS says that {domain} has no XMPP service (SRV target \".\")")));
        }
        Ok(targets)
    }

    async fn srv(&self, domain: &str) -> Vec<Srv> {
        let resolver = self.resolver.get_or_try_init(async || TokioResolver::builder_tokio()?.build()).await;
        let Ok(resolver) = resolver else { return Vec::new() };
        let Ok(lookup) = resolver.srv_lookup(format!("_xmpp-client._tcp.{domain}.")).await else { return Vec::new() };
        let srv = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(srv),
            _ => None,
        });
        srv.map(|srv| Srv {
            priority: srv.priority,
            weight: srv.weight,
            host: srv.target.to_utf8().trim_end_matches('.').to_owned(),
            port: srv.port,
        })
        .collect()
    }

    async fn tls_config(&self, ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, StreamEnd> {
        let mut configs = self.tls.lock().await;
        if let Some(config) = configs.get(&ca_file.map(Path::to_owned)) {
            return Ok(Arc::clone(config));
        }
        let path = ca_file.map(Path::to_owned);
        let roots = tokio::task::spawn_blocking(move || roots(path.as_deref())).await;
        let roots = roots.map_err(failed("certificates"))?.map_err(StreamEnd::Unreachable)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed("TLS"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        configs.insert(ca_file.map(Path::to_owned), Arc::clone(&config));
        Ok(config)
    }
}

/// What DNS says of one host.
struct Srv {
    priority: u16,
    weight: u16,
    host: String,
    port: u16,
}

/// In which order to try hosts (RFC 2782): by priority, then at random by weight. `random` draws from 0 to its argument. An empty
/// host is the root, which means that there is no service.
fn in_order(mut records: Vec<Srv>, mut random: impl FnMut(u32) -> u32) -> Vec<(String, u16)> {
    records.retain(|srv| !srv.host.is_empty());
    records.sort_by_key(|srv| (srv.priority, srv.weight)); // those without weight first, so that they can be drawn
    let mut targets = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|srv| srv.priority) {
        let same = || records.iter().filter(|srv| srv.priority == priority).map(|srv| u32::from(srv.weight));
        let drawn = random(same().sum());
        let mut sum = 0;
        let at = same().position(|weight| {
            sum += weight;
            sum >= drawn
        });
        let srv = records.remove(at.unwrap_or(0));
        targets.push((srv.host, srv.port));
    }
    targets
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

/// RFC 6120 §5.4. What the server says in clear text after `<proceed/>` is thrown away.
async fn start_tls(
    tcp: QuickAck,
    domain: &str,
    config: Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<QuickAck>, StreamEnd> {
    let stream = open(tcp, domain).await?;
    let (features, mut stream): (_, XmppStream<_>) =
        stream.recv_features().await.map_err(failed("no stream features"))?;
    if !features.can_starttls() {
        return Err(unreachable("the server does not offer STARTTLS, which is required"));
    }
    let request = XmppStreamElement::Starttls(starttls::Nonza::Request(starttls::Request));
    stream.send(&request).await.map_err(failed("STARTTLS"))?;
    match stream.next().await.map(|read| read.and_then(|element| element.into_read_error())) {
        Some(Ok(XmppStreamElement::Starttls(starttls::Nonza::Proceed(_)))) => {}
        Some(Err(error)) => return Err(unreachable(format!("STARTTLS: {error}"))),
        Some(Ok(_)) | None => return Err(unreachable("the server offers STARTTLS and refuses it")),
    }
    // The certificate is the domain's, whatever host DNS led to (RFC 6120 §13.7.1.2.1).
    let name = ServerName::try_from(domain.to_owned()).map_err(failed(domain))?;
    TlsConnector::from(config).connect(name, stream.into_inner().into_inner()).await.map_err(failed("TLS"))
}

async fn open<Io>(io: Io, domain: &str) -> Result<PendingFeaturesRecv<BufStream<Io>>, StreamEnd>
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let io = BufStream::with_capacity(READ_BUFFER, WRITE_BUFFER, io);
    let timeouts = Timeouts { read_timeout: LOGIN, response_timeout: LOGIN };
    initiate_stream(io, "jabber:client", header(domain), timeouts).await.map_err(failed("no stream"))
}

const fn header(domain: &str) -> StreamHeader<'_> {
    StreamHeader { to: Some(Cow::Borrowed(domain)), from: None, id: None }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let bad = |e: &dyn Display| format!("{}: {e}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
                store.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        let place = ca_file.map_or_else(|| "the system".to_owned(), |path| path.display().to_string());
        return Err(format!("{place} has no certificate to trust: set ca_file"));
    }
    Ok(store)
}

/// What the server said of our credentials, apart from everything that can go wrong on the way.
fn login_failed(error: tokio_xmpp::Error) -> StreamEnd {
    match error {
        tokio_xmpp::Error::Auth(AuthError::Fail(DefinedCondition::TemporaryAuthFailure)) => {
            unreachable("login: the server says temporary-auth-failure")
        }
        tokio_xmpp::Error::Auth(AuthError::Fail(condition)) => {
            StreamEnd::LoginRefused(sasl_name(&condition).to_owned())
        }
        tokio_xmpp::Error::Auth(AuthError::NoMechanism) => {
            StreamEnd::LoginRefused(format!("the server offers none of {}", MECHANISMS.join(", ")))
        }
        tokio_xmpp::Error::Auth(error) => StreamEnd::LoginRefused(error.to_string()),
        error => unreachable(format!("login: {error}")),
    }
}

/// RFC 6120 §6.5.
const fn sasl_name(condition: &DefinedCondition) -> &'static str {
    match condition {
        DefinedCondition::Aborted => "aborted",
        DefinedCondition::AccountDisabled => "account-disabled",
        DefinedCondition::CredentialsExpired => "credentials-expired",
        DefinedCondition::EncryptionRequired => "encryption-required",
        DefinedCondition::IncorrectEncoding => "incorrect-encoding",
        DefinedCondition::InvalidAuthzid => "invalid-authzid",
        DefinedCondition::InvalidMechanism => "invalid-mechanism",
        DefinedCondition::MalformedRequest => "malformed-request",
        DefinedCondition::MechanismTooWeak => "mechanism-too-weak",
        DefinedCondition::NotAuthorized => "not-authorized",
        DefinedCondition::TemporaryAuthFailure => "temporary-auth-failure",
    }
}

fn unreachable(why: impl Into<String>) -> StreamEnd {
    StreamEnd::Unreachable(why.into())
}

fn failed<E: Display>(what: impl Display) -> impl FnOnce(E) -> StreamEnd {
    move |error| StreamEnd::Unreachable(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, host: &str) -> Srv {
        Srv { priority, weight, host: host.to_owned(), port: 5222 }
    }

    fn hosts(records: Vec<Srv>, random: impl FnMut(u32) -> u32) -> Vec<String> {
        in_order(records, random).into_iter().map(|(host, _)| host).collect()
    }

    #[test]
    fn hosts_are_tried_by_priority_and_at_random_by_weight() {
        let records = || vec![srv(20, 0, "spare"), srv(10, 60, "large"), srv(10, 20, "small"), srv(10, 0, "none")];
        assert_eq!(hosts(records(), |_| 0), ["none", "small", "large", "spare"]);
        assert_eq!(hosts(records(), |total| total), ["large", "small", "none", "spare"]);
        assert_eq!(hosts(records(), |total| total.min(21)), ["large", "small", "none", "spare"]);
        assert_eq!(hosts(records(), |total| total.min(1)), ["small", "large", "none", "spare"]);
    }

    #[test]
    fn a_domain_can_say_that_it_has_no_service() {
        assert!(hosts(vec![srv(0, 0, "")], |_| 0).is_empty());
    }

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let error = roots(Some(Path::new("/nonexistent/ca.pem"))).expect_err("no such file");
        assert!(error.starts_with("/nonexistent/ca.pem: "), "{error}");
    }

    #[test]
    fn a_server_that_cannot_check_a_password_now_has_not_refused_it() {
        let failed = |condition| login_failed(tokio_xmpp::Error::Auth(AuthError::Fail(condition)));
        assert!(matches!(failed(DefinedCondition::TemporaryAuthFailure), StreamEnd::Unreachable(_)));
        assert_eq!(failed(DefinedCondition::AccountDisabled), StreamEnd::LoginRefused("account-disabled".into()));
        assert!(matches!(login_failed(tokio_xmpp::Error::Auth(AuthError::NoMechanism)), StreamEnd::LoginRefused(_)));
        assert!(matches!(login_failed(tokio_xmpp::Error::Disconnected), StreamEnd::Unreachable(_)));
    }
}
