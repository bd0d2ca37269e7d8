//! Whose certificate is taken. That a peer has the key of the certificate that he shows is always verified.

use std::sync::Arc;

use mucfocus_core::wire::sdp::Fingerprint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::{fingerprint, peers};

/// That a peer has the key of his certificate, for whichever of the two traits.
macro_rules! key_is_proved {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

/// Asks clients for a certificate and takes any, or none: MSRP clients sign their own, and the fingerprint in their offer tells
/// whether it is theirs once they name a session (RFC 4975 §14.4). SIP looks for names in it later.
#[derive(Debug)]
pub(super) struct AnyClient {
    algorithms: WebPkiSupportedAlgorithms,
    authorities: Vec<DistinguishedName>,
}

impl AnyClient {
    pub(super) fn new(provider: &Arc<CryptoProvider>) -> Self {
        Self { algorithms: provider.signature_verification_algorithms, authorities: Vec::new() }
    }

    /// The same, which says whose certificates are of use.
    pub(super) fn signed_by(self, authorities: Vec<DistinguishedName>) -> Self {
        Self { authorities, ..self }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authorities
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    key_is_proved!();
}

/// Takes servers that show one of these certificates, whoever signed it and whatever name is in it (RFC 8122 §6.2).
#[derive(Debug)]
pub(super) struct ByFingerprint {
    wanted: Vec<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ByFingerprint {
    pub(super) fn new(wanted: Vec<Fingerprint>, provider: &Arc<CryptoProvider>) -> Self {
        Self { wanted, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.wanted.iter().any(|wanted| fingerprint::of(certificate, wanted.hash) == *wanted) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    key_is_proved!();
}

/// Takes servers that show a certificate of a known authority for exactly this name: one for all names of a domain is nobody's
/// (RFC 5922 §7.2).
#[derive(Debug)]
pub(super) struct ByExactName {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ByExactName {
    pub(super) fn new(roots: Arc<RootCertStore>, provider: &Arc<CryptoProvider>) -> Self {
        Self { roots, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ByExactName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, self.algorithms.all)?;
        let is_his = match name {
            ServerName::DnsName(name) => {
                peers::names_of(certificate).iter().any(|known| known.eq_ignore_ascii_case(name.as_ref()))
            }
            address => verify_server_name(&parsed, address).is_ok(),
        };
        let assertion = is_his.then(ServerCertVerified::assertion);
        assertion.ok_or(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    key_is_proved!();
}

#[cfg(test)]
mod tests {
    use mucfocus_rig::certificate::Certificate;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn roots(certificate: &Certificate) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate.authority()).unwrap()).unwrap();
        Arc::new(roots)
    }

    #[test]
    fn a_certificate_for_all_names_of_a_domain_is_nobodys() {
        // SIP-15: this one is for the host, and for everything below it.
        let (certificate, other) = (Certificate::for_host("proxy.test"), Certificate::for_host("proxy.test"));
        let leaf = CertificateDer::from_pem_file(certificate.files().0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let takes = |roots: &Arc<RootCertStore>, name: &'static str| {
            let verifier = ByExactName::new(Arc::clone(roots), &provider);
            let name = ServerName::try_from(name).unwrap();
            verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now()).is_ok()
        };
        let roots_of_its_own = roots(&certificate);
        assert!(takes(&roots_of_its_own, "proxy.test") && takes(&roots_of_its_own, "PROXY.test"));
        for name in ["a.proxy.test", "test", "other.test", "127.0.0.1"] {
            assert!(!takes(&roots_of_its_own, name), "{name}");
        }
        assert!(!takes(&roots(&other), "proxy.test"), "of an authority that nobody named");
    }
}
