//! TLS where peers connect to us, and where we connect to them in the same role: the certificate of this node, whom it takes for
//! whom, and what a peer has shown.
//!
//! Owns the files of `[tls]` and what was made of them, also when they change. Never sees a protocol above TLS. Who a peer is, is
//! decided by what offer and answer said of his certificate (RFC 8122): a handshake proves that he has the key of the
//! certificate that he shows, and no more, unless he is looked for by name, or authorities were named that vouch for names.

pub mod fingerprint;
pub mod identity;
pub mod inspect;
mod peers;
mod verify;
mod watch;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use mucfocus_core::wire::sdp::Fingerprint;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use self::identity::{Identity, IdentityError, InForce};
use self::peers::Authorities;
use self::verify::{AnyClient, ByExactName, ByFingerprint};

/// What the configuration says about TLS, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Our certificate and what leads from it to an authority, in PEM.
    pub certificate_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// Whom we believe the names of peers that we connect to; default: whom this machine does.
    pub ca_file: Option<PathBuf>,
    /// Who vouches for the names of peers that connect to us by SIP; default: nobody, and they are not asked for a certificate.
    pub client_ca_file: Option<PathBuf>,
}

/// TLS of this node.
pub struct Tls {
    settings: Settings,
    identity: Arc<InForce>,
    provider: Arc<CryptoProvider>,
    server: Arc<ServerConfig>,
    /// The same for browsers.
    browsers: Arc<ServerConfig>,
    /// The same for peers that may be known by name.
    peers: RwLock<Arc<Peers>>,
    /// For peers who are known by name. Made when it is needed first: most nodes never look for anybody.
    by_name: tokio::sync::OnceCell<Arc<ClientConfig>>,
    /// For those of them who speak SIP.
    by_exact_name: tokio::sync::OnceCell<Arc<ClientConfig>>,
}

/// How peers are met that may be known by name.
struct Peers {
    server: Arc<ServerConfig>,
    authorities: Option<Authorities>,
}

/// A peer whose handshake is over.
#[derive(Debug)]
pub struct Met<S> {
    /// The connection.
    pub stream: S,
    /// What he may be called, in lower case: somebody whom we trust vouches for it.
    pub names: Vec<String>,
    /// Why a certificate that he showed says nothing.
    pub doubt: Option<String>,
}

/// TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// With this certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// rustls does not want what it offers itself.
    #[error("TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl Tls {
    /// Reads the certificate.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub fn new(settings: Settings) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = Identity::load(&settings.certificate_file, &settings.key_file, &provider)?;
        let identity = Arc::new(InForce::new(identity));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClient::new(&provider)))
            .with_cert_resolver(Arc::clone(&identity) as _);
        let browsers = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&identity) as _);
        let (server, browsers) = (Arc::new(server), Arc::new(browsers));
        let peers = Peers::new(settings.client_ca_file.as_deref(), &identity, &browsers, &provider)?;
        let peers = RwLock::new(Arc::new(peers));
        let (by_name, by_exact_name) = Default::default();
        Ok(Arc::new(Self { settings, identity, provider, server, browsers, peers, by_name, by_exact_name }))
    }

    /// The fingerprint of the certificate that is shown now, for `a=fingerprint` (RFC 8122 §5).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.now().fingerprint().clone()
    }

    /// Reads the files again whenever they change, for ever. What cannot be used is logged, and changes nothing.
    pub async fn follow_files(self: Arc<Self>) {
        watch::follow(&self).await;
    }

    /// Reads the authorities of peers again.
    fn read_peers_again(&self) -> Result<(), TlsError> {
        let file = self.settings.client_ca_file.as_deref();
        let peers = Peers::new(file, &self.identity, &self.browsers, &self.provider)?;
        *self.peers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(peers);
        Ok(())
    }

    /// The handshake with a peer who connected to us. He may show any certificate, or none.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<server::TlsStream<S>> {
        TlsAcceptor::from(Arc::clone(&self.server)).accept(stream).await
    }

    /// The same with a browser, which is asked for no certificate: Chromium gives a WebSocket up when it is.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub async fn accept_browser<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<server::TlsStream<S>> {
        TlsAcceptor::from(Arc::clone(&self.browsers)).accept(stream).await
    }

    /// The same with a peer that may show a certificate of an authority in `client_ca_file`. Another certificate says as much as
    /// none: phones show what their maker gave them.
    ///
    /// # Errors
    ///
    /// The handshake fails.
    pub async fn accept_peer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<Met<server::TlsStream<S>>> {
        let peers = Arc::clone(&self.peers.read().unwrap_or_else(PoisonError::into_inner));
        let stream = TlsAcceptor::from(Arc::clone(&peers.server)).accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let names = peers.authorities.as_ref().map_or(Ok(Vec::new()), |who| who.names(chain, UnixTime::now()));
        let (names, doubt) = match names {
            Ok(names) => (names, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Ok(Met { stream, names, doubt })
    }

    /// The handshake with a peer whom we connected to because that is his name. His certificate has to say it in full: one for all
    /// names of a domain says it of nobody (RFC 5922 §7.2).
    ///
    /// # Errors
    ///
    /// It is not he, or the handshake fails.
    pub async fn meet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        name: &str,
    ) -> io::Result<Met<client::TlsStream<S>>> {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| no_name(name))?;
        let stream = TlsConnector::from(self.by_exact_name().await?).connect(server, stream).await?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let names = leaf.map(peers::names_of).unwrap_or_default();
        let names = names.into_iter().filter(|known| known.eq_ignore_ascii_case(name)).collect();
        Ok(Met { stream, names, doubt: None })
    }

    /// The handshake with a peer whom we connected to. He has to show one of the certificates of `fingerprints`; where there is
    /// none, one that a known authority gave to `name` (RFC 4975 §14.4).
    ///
    /// # Errors
    ///
    /// It is not he, or the handshake fails.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        name: &str,
        fingerprints: &[Fingerprint],
    ) -> io::Result<client::TlsStream<S>> {
        let config = if fingerprints.is_empty() { self.by_name().await? } else { self.by_fingerprint(fingerprints)? };
        // Where the fingerprint decides, a host that cannot stand in a certificate will do.
        let server = match ServerName::try_from(name.to_owned()) {
            Ok(server) => server,
            Err(_) if !fingerprints.is_empty() => ServerName::try_from("invalid").map_err(io::Error::other)?,
            Err(_) => return Err(no_name(name)),
        };
        TlsConnector::from(config).connect(server, stream).await
    }

    fn by_fingerprint(&self, fingerprints: &[Fingerprint]) -> io::Result<Arc<ClientConfig>> {
        let verifier = ByFingerprint::new(fingerprints.to_vec(), &self.provider);
        let config = self.client()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(Arc::new(config.with_client_cert_resolver(Arc::clone(&self.identity) as _)))
    }

    async fn by_name(&self) -> io::Result<Arc<ClientConfig>> {
        let make = async || {
            let config = self.client()?.with_root_certificates(self.roots().await?);
            Ok(Arc::new(config.with_client_cert_resolver(Arc::clone(&self.identity) as _)))
        };
        self.by_name.get_or_try_init(make).await.cloned()
    }

    async fn by_exact_name(&self) -> io::Result<Arc<ClientConfig>> {
        let make = async || {
            let verifier = ByExactName::new(self.roots().await?, &self.provider);
            let config = self.client()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
            Ok(Arc::new(config.with_client_cert_resolver(Arc::clone(&self.identity) as _)))
        };
        self.by_exact_name.get_or_try_init(make).await.cloned()
    }

    async fn roots(&self) -> io::Result<Arc<RootCertStore>> {
        let file = self.settings.ca_file.clone();
        let roots = tokio::task::spawn_blocking(move || roots(file.as_deref())).await.map_err(io::Error::other)??;
        Ok(Arc::new(roots))
    }

    fn client(&self) -> io::Result<ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
        ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)
    }
}

impl Peers {
    fn new(
        file: Option<&Path>,
        identity: &Arc<InForce>,
        strangers: &Arc<ServerConfig>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let Some(file) = file else { return Ok(Self { server: Arc::clone(strangers), authorities: None }) };
        let authorities = Authorities::load(file, provider)?;
        let server = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClient::new(provider).signed_by(authorities.subjects())))
            .with_cert_resolver(Arc::clone(identity) as _);
        Ok(Self { server: Arc::new(server), authorities: Some(authorities) })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a handshake failed, for the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFault {
    /// What came is no TLS: plain text on a port for TLS.
    Plain,
    /// The peer's certificate is not his, or not the one that was announced.
    Certificate,
    /// The peer does not take our certificate, or speaks no version of TLS that we do.
    Refused,
    /// Anything else: the connection broke, or the peer broke the rules.
    Broken,
}

impl HandshakeFault {
    /// What kind of failure `error` is.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        use rustls::Error;
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => Self::Plain,
            Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => Self::Certificate,
            Some(Error::AlertReceived(_) | Error::PeerIncompatible(_)) => Self::Refused,
            _ => Self::Broken,
        }
    }
}

fn no_name(name: &str) -> io::Error {
    io::Error::other(format!("{name} cannot be the name of a certificate"))
}

/// The certificates of the authorities in this file, or of those that this machine trusts.
fn roots(file: Option<&Path>) -> io::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) => {
            let bad = |error: &dyn Display| io::Error::other(format!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
                store.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(io::Error::other("there is no authority to trust: set [tls] ca_file"));
    }
    Ok(store)
}
