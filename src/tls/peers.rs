//! Peers that are known by a name in their certificate (RFC 5922): whom the authorities of `client_ca_file` vouch for.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use rustls::{DistinguishedName, RootCertStore};
use webpki::{EndEntityCert, KeyUsage};

use super::identity::IdentityError;

/// Who says who a peer is.
#[derive(Debug)]
pub(super) struct Authorities {
    roots: RootCertStore,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl Authorities {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// The file holds none.
    pub(super) fn load(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, IdentityError> {
        let unreadable = |why: String| IdentityError::Unreadable { file: file.to_owned(), why };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| IdentityError::Unusable { file: file.to_owned(), why: error.to_string() })?;
        }
        if roots.is_empty() {
            return Err(IdentityError::NoCertificate(file.to_owned()));
        }
        Ok(Self { roots, algorithms: provider.signature_verification_algorithms.all })
    }

    /// Whose certificates peers are asked for.
    pub(super) fn subjects(&self) -> Vec<DistinguishedName> {
        self.roots.subjects()
    }

    /// The names that they vouch for.
    ///
    /// # Errors
    ///
    /// They do not vouch for this certificate, for that reason.
    pub(super) fn names(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Vec<String>, webpki::Error> {
        let Some((leaf, others)) = chain.split_first() else { return Ok(Vec::new()) };
        let certificate = EndEntityCert::try_from(leaf)?;
        let anchors: &[TrustAnchor<'_>] = &self.roots.roots;
        let verify =
            |usage| certificate.verify_for_usage(self.algorithms, anchors, others, now, usage, None, None).map(|_| ());
        // Public authorities sign for servers alone, and a proxy that connects to us is a server too.
        verify(KeyUsage::client_auth()).or_else(|error| match error {
            webpki::Error::RequiredEkuNotFoundContext(_) => verify(KeyUsage::server_auth()),
            other => Err(other),
        })?;
        Ok(names_in(&certificate))
    }
}

/// The names in a certificate, as far as one can be a peer's (RFC 5922 §7.1), in lower case. A pattern is nobody's name (§7.2).
pub(super) fn names_of(leaf: &CertificateDer<'_>) -> Vec<String> {
    EndEntityCert::try_from(leaf).map(|certificate| names_in(&certificate)).unwrap_or_default()
}

fn names_in(certificate: &EndEntityCert<'_>) -> Vec<String> {
    let uris = certificate.valid_uri_names().filter_map(|uri| {
        let (scheme, host) = uri.split_once(':')?;
        (scheme.eq_ignore_ascii_case("sip") && !host.contains('@')).then_some(host)
    });
    let names = certificate.valid_dns_names().chain(uris).filter(|name| !name.contains('*'));
    names.map(str::to_ascii_lowercase).collect()
}
