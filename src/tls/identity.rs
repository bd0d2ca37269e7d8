//! The certificate of this node and its key: read from files, and replaced while connections go on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use mucfocus_core::wire::sdp::{Fingerprint, Hash};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureScheme};

use super::fingerprint;

/// A certificate and its key, which belong together.
#[derive(Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
}

/// Certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read, or is no PEM.
    #[error("cannot read {}: {why}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// There is no certificate in it.
    #[error("{} holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in it, or none without a pass phrase.
    #[error("{} holds no PEM key that can be read without a pass phrase", .0.display())]
    NoKey(PathBuf),
    /// The key is of a kind that cannot be used, or a certificate is broken.
    #[error("{}: {why}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// Others can read or change the key.
    #[error("others can read or change {} (mode {mode:03o})", file.display())]
    Exposed {
        /// The file of the key.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key is of another certificate.
    #[error("the key in {} is not the one of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// That of the key.
        key: PathBuf,
    },
}

impl IdentityError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "write the path of a PEM file that the user mucfocus runs as may read",
            Self::NoCertificate(_) => {
                "write the path of the PEM file with the certificate of this node, and behind it those of who signed it"
            }
            Self::NoKey(_) => "write the path of the PEM file with the certificate's key, without a pass phrase",
            Self::Unusable { .. } => {
                "use a certificate with an ECDSA (P-256, P-384), Ed25519 or RSA key of 2048 bits or more"
            }
            Self::Exposed { .. } => "let nobody else read it (chmod 600), and make another key if somebody may have",
            Self::Mismatch { .. } => {
                "let both files be of one certificate, the one of this node first; openssl x509 -noout -pubkey -in CERTIFICATE \
                 and openssl pkey -pubout -in KEY print the same then"
            }
        }
    }
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// One of them cannot be used, or they do not belong together.
    pub fn load(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Self, IdentityError> {
        let chain = chain(certificate)?;
        let private = private_key(key)?;
        let Some(first) = chain.first() else { return Err(IdentityError::NoCertificate(certificate.to_owned())) };
        let fingerprint = fingerprint::of(first, Hash::Sha256);
        let key = CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                IdentityError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            Error::InvalidCertificate(why) => {
                IdentityError::Unusable { file: certificate.to_owned(), why: why.to_string() }
            }
            other => IdentityError::Unusable { file: key.to_owned(), why: other.to_string() },
        })?;
        Ok(Self { key: Arc::new(key), fingerprint })
    }

    /// The fingerprint of the certificate, by SHA-256.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The certificate, and behind it those of who signed it.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }
}

/// Looks whether the key is still a secret: what replaces it is often made by a script.
///
/// # Errors
///
/// Others can read or change it.
pub fn is_kept_secret(key: &Path) -> Result<(), IdentityError> {
    match std::fs::metadata(key).map(|meta| meta.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o066 != 0 => Err(IdentityError::Exposed { file: key.to_owned(), mode }),
        // What cannot be looked at cannot be read either, which says more.
        _ => Ok(()),
    }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let unreadable = |why: String| IdentityError::Unreadable { file: file.to_owned(), why };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(|error| unreadable(in_words(&error)))?;
    if chain.is_empty() { Err(IdentityError::NoCertificate(file.to_owned())) } else { Ok(chain) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        Error::NoItemsFound => IdentityError::NoKey(file.to_owned()),
        error => IdentityError::Unreadable { file: file.to_owned(), why: in_words(&error) },
    })
}

/// What the system says, without what the library calls it.
fn in_words(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The identity that is shown now. Handshakes take what is there when they begin.
#[derive(Debug)]
pub struct InForce(RwLock<Arc<Identity>>);

impl InForce {
    /// Shows this one.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(RwLock::new(Arc::new(identity)))
    }

    /// What is shown now.
    #[must_use]
    pub fn now(&self) -> Arc<Identity> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows another from now on.
    pub fn replace(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now().key))
    }
}

impl ResolvesClientCert for InForce {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now().key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
