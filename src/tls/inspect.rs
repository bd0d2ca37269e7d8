//! What can be said of a certificate before anybody sees it: how long it is valid, and for which names.

use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

/// No certificate is valid this long: the last second of the year 9999, which X.509 has for "for ever".
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_799);

/// What is left of a certificate when it is time to say so: who renews automatically does it before.
const SOON: u64 = 14 * DAY;
const DAY: u64 = 86_400;

/// Whether a certificate is valid. Clients who know it by its fingerprint take it either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It begins later.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// It has ended, so many days ago.
    #[error("the certificate has expired {0} days ago")]
    Expired(u64),
    /// It is about to end, in so many days.
    #[error("the certificate expires in {0} days")]
    Soon(u64),
}

impl Invalid {
    /// What to do about it.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::NotYet => "see that the clock of this machine is right, or use a certificate that is valid already",
            Self::Expired(_) | Self::Soon(_) => "renew it; a running mucfocus reads the new files by itself",
        }
    }
}

/// Whether the certificate is valid, and goes on to be for two weeks.
///
/// # Errors
///
/// It is not.
pub fn is_valid(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Invalid> {
    if let Some(CertificateError::NotValidYetContext { .. }) = validity(certificate, now) {
        return Err(Invalid::NotYet);
    }
    let Some(end) = end(certificate) else { return Ok(()) };
    match end.as_secs().checked_sub(now.as_secs()) {
        None => Err(Invalid::Expired(now.as_secs().saturating_sub(end.as_secs()) / DAY)),
        Some(left) if left < SOON => Err(Invalid::Soon(left / DAY)),
        Some(_) => Ok(()),
    }
}

/// Whole days that are left of a certificate; `None` where it is for ever.
#[must_use]
pub fn days_left(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<u64> {
    end(certificate).map(|end| end.as_secs().saturating_sub(now.as_secs()) / DAY)
}

/// The names that a certificate is for, patterns among them; addresses are not listed.
#[must_use]
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate);
    certificate.map(|known| known.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// Its validity is the first thing that is looked at, and the error names the end of it.
fn end(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    match validity(certificate, UnixTime::since_unix_epoch(END_OF_TIME)) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => Some(not_after),
        _ => None,
    }
}

fn validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<CertificateError> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], now, algorithms) {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

/// Whether the certificate is for this host; hosts that are no names are taken for right.
#[must_use]
pub fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(name) = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']')) else { return true };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

#[cfg(test)]
mod tests {
    use mucfocus_rig::certificate::Certificate;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn a_certificate_of_two_days_begins_and_ends() {
        let certificate = Certificate::for_host("focus1.example.com");
        let der = CertificateDer::from_pem_file(certificate.files().0).unwrap();
        let now = UnixTime::now().as_secs();
        let at = |seconds: u64| is_valid(&der, UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!(at(now + DAY / 2), Err(Invalid::Soon(1)));
        assert_eq!(at(now + 5 * DAY + DAY / 2), Err(Invalid::Expired(3)));
        assert_eq!(at(now - DAY), Err(Invalid::NotYet));
        assert!(matches!(days_left(&der, UnixTime::since_unix_epoch(Duration::from_secs(now))), Some(1 | 2)));
        assert_eq!(names(&der), ["focus1.example.com", "*.focus1.example.com"]);
        assert!(is_for(&der, "focus1.example.com") && !is_for(&der, "other.example.com"));
    }
}
