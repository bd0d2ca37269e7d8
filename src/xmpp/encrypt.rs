//! TLS towards XMPP servers: whom to trust, and how a connection becomes an encrypted one. Owns the TLS configurations, which
//! streams share; never sees an account.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use mucfocus_core::address::domain::to_ascii;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_xmpp::parsers::starttls;
use tokio_xmpp::xmlstream::{XmppStream, XmppStreamElement};

use super::connect::{failed, header, open, unreachable};
use super::settings::{Server, Tls};
use super::socket::{QuickAck, Socket};
use crate::hub::mail::StreamEnd;

/// XEP-0368 §4.
const ALPN: &[u8] = b"xmpp-client";

/// TLS configurations by what they are made of. TLS sessions are resumed per server name within one.
#[derive(Default)]
pub(super) struct Encryption(Mutex<BTreeMap<Wanted, Arc<ClientConfig>>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    /// The file with the certificates to trust.
    ca_file: Option<PathBuf>,
    /// Whether the protocol is named: an XMPP stream may share its port with others.
    alpn: bool,
}

impl Encryption {
    /// Encrypts a connection to the server of `domain` as `server` says.
    pub(super) async fn encrypt(&self, tcp: QuickAck, domain: &str, server: &Server) -> Result<Socket, StreamEnd> {
        if server.tls == Tls::Off {
            return Ok(Socket::Plain(tcp));
        }
        // First what can be wrong at our end.
        let wanted = Wanted { ca_file: server.ca_file.clone(), alpn: server.tls == Tls::Direct };
        let config = self.config(wanted).await?;
        let tcp = if server.tls == Tls::Direct { tcp } else { starttls(tcp, domain).await? };
        Ok(Socket::Tls(Box::new(handshake(tcp, domain, config).await?)))
    }

    async fn config(&self, wanted: Wanted) -> Result<Arc<ClientConfig>, StreamEnd> {
        let mut configs = self.0.lock().await;
        if let Some(config) = configs.get(&wanted) {
            return Ok(Arc::clone(config));
        }
        let path = wanted.ca_file.clone();
        let roots = tokio::task::spawn_blocking(move || roots(path.as_deref())).await;
        let roots = roots.map_err(failed("certificates"))?.map_err(StreamEnd::Unreachable)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed("TLS"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if wanted.alpn {
            config.alpn_protocols.push(ALPN.to_owned());
        }
        let config = Arc::new(config);
        configs.insert(wanted, Arc::clone(&config));
        Ok(config)
    }
}

/// RFC 6120 §5.4, up to the handshake. What the server says in clear text after `<proceed/>` is thrown away.
async fn starttls(tcp: QuickAck, domain: &str) -> Result<QuickAck, StreamEnd> {
    let stream = open(tcp, header(domain)).await?;
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
    Ok(stream.into_inner().into_inner().into_inner())
}

/// The certificate is the domain's, whatever host DNS led to (RFC 6120 §13.7.1.2.1).
async fn handshake(tcp: QuickAck, domain: &str, config: Arc<ClientConfig>) -> Result<TlsStream<QuickAck>, StreamEnd> {
    // Which has its labels in ASCII, whatever letters people read (RFC 6125 §6.4.2).
    let name = to_ascii(domain).unwrap_or(Cow::Borrowed(domain)).into_owned();
    let name = ServerName::try_from(name).map_err(failed(domain))?;
    TlsConnector::from(config).connect(name, tcp).await.map_err(|error| tls_failed(&error))
}

/// What is wrong with a certificate, in words that say what to do.
fn tls_failed(error: &std::io::Error) -> StreamEnd {
    use rustls::{CertificateError, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some(Error::InvalidCertificate(wrong)) = inner else { return unreachable(format!("TLS: {error}")) };
    let why = match wrong {
        // A bad signature is what an authority that was made anew under its old name looks like.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody whom we trust has signed the server's certificate: set ca_file to the certificate of who signed it"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is not for the domain of the account"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the server's certificate has expired",
        // webpki has no word for it: a CA's own certificate, as `openssl req -x509` makes it, shown as a server's.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server shows the certificate of a CA as its own: make it one with basicConstraints=CA:FALSE, or let that \
             CA sign one for the server, and set ca_file to the CA's"
        }
        _ => return unreachable(format!("TLS: {error}")),
    };
    unreachable(format!("TLS: {why}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let error = roots(Some(Path::new("/nonexistent/ca.pem"))).expect_err("no such file");
        assert!(error.starts_with("/nonexistent/ca.pem: "), "{error}");
    }

    /// XEP-0368 §4: on a port that is shared, it says who is meant; after STARTTLS everybody knows.
    #[tokio::test]
    async fn the_protocol_is_named_where_tls_comes_first() {
        let certificate = mucfocus_rig::certificate::Certificate::for_host("xmpp.test");
        let (encryption, ca_file) = (Encryption::default(), Some(certificate.authority()));
        for (alpn, protocols) in [(true, vec![b"xmpp-client".to_vec()]), (false, Vec::new())] {
            let config = encryption.config(Wanted { ca_file: ca_file.clone(), alpn }).await.expect("a certificate");
            assert_eq!(config.alpn_protocols, protocols);
        }
    }
}
