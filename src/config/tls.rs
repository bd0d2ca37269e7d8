//! `[tls]`: the certificate of this node, looked at before anybody sees it.

use std::ops::Range;
use std::path::PathBuf;

use rustls::pki_types::{CertificateDer, UnixTime};

use super::raw::{self, At};
use super::report::Report;
use super::{network, secret, xmpp};
use crate::msrp_net;
use crate::tls::identity::{Identity, IdentityError};
use crate::tls::{Settings, inspect};

/// `[tls]`, as far as it was understood.
pub(super) struct Tls {
    pub(super) settings: Settings,
    certificate: CertificateDer<'static>,
    place: Range<usize>,
}

pub(super) fn tls(section: &At<raw::Tls>, report: &mut Report<'_>) -> Option<Tls> {
    let keys = section.get_ref();
    let certificate = keys.certificate_file.as_ref();
    if certificate.is_none() && !report.is_unusable(section.span().start, "certificate_file") {
        let help = r#"write certificate_file = "/etc/mucfocus/tls/fullchain.pem", or leave [tls] out"#;
        report.error(Some(section.span()), "[tls] has no certificate", help);
    }
    let key_file = key(section, report);
    let ca_file = keys.ca_file.as_ref().and_then(|path| xmpp::ca_file(path, report));
    let client_ca_file = keys.client_ca_file.as_ref().and_then(|path| xmpp::ca_file(path, report));
    let (certificate, key_file) = (certificate?, key_file?);
    let certificate_file = report.folder.join(certificate.get_ref());
    let settings = Settings { certificate_file, key_file, ca_file, client_ca_file };
    let provider = rustls::crypto::ring::default_provider();
    let identity = match Identity::load(&settings.certificate_file, &settings.key_file, &provider) {
        Ok(identity) => identity,
        Err(error) => {
            report.error(Some(at(&error, keys, section.span())), error.to_string(), error.help());
            return None;
        }
    };
    let place = certificate.span();
    let leaf = identity.chain().first()?.clone();
    // Warnings only: clients who know it by its fingerprint take it all the same, and a restart must not end the service.
    if let Err(invalid) = inspect::is_valid(&leaf, UnixTime::now()) {
        report.warning(Some(place.clone()), invalid.to_string(), invalid.help());
    }
    Some(Tls { settings, certificate: leaf, place })
}

/// The key's file: named, or given by systemd.
fn key(section: &At<raw::Tls>, report: &mut Report<'_>) -> Option<PathBuf> {
    let keys = section.get_ref();
    match (&keys.key_file, &keys.key_credential) {
        (Some(_), Some(second)) => {
            report.error(
                Some(second.span()),
                "the key is given more than once",
                "keep one of key_file and key_credential",
            );
            None
        }
        (Some(file), None) => secret::private_file(file, "key", report),
        (None, Some(name)) => secret::credential(name, "key", secret::credentials_folder().as_deref(), report),
        (None, None) => {
            let is_said =
                ["key_file", "key_credential"].iter().any(|key| report.is_unusable(section.span().start, key));
            if !is_said {
                let help = r#"write key_file = "/etc/mucfocus/tls/key.pem", the path of the certificate's key"#;
                report.error(Some(section.span()), "[tls] has no key", help);
            }
            None
        }
    }
}

/// The key of the configuration that an error is about.
fn at(error: &IdentityError, keys: &raw::Tls, section: Range<usize>) -> Range<usize> {
    let of_key = keys.key_file.as_ref().or(keys.key_credential.as_ref()).map(At::span);
    let of_certificate = keys.certificate_file.as_ref().map(At::span);
    let is_of_key = match error {
        IdentityError::NoKey(_) | IdentityError::Exposed { .. } | IdentityError::Mismatch { .. } => true,
        IdentityError::NoCertificate(_) => false,
        // Of the two files the certificate is read first.
        IdentityError::Unreadable { file, .. } | IdentityError::Unusable { file, .. } => {
            let certificate = keys.certificate_file.as_ref().map(At::get_ref);
            !certificate.is_some_and(|certificate| file.ends_with(certificate))
        }
    };
    if is_of_key { of_key } else { of_certificate }.unwrap_or(section)
}

/// Clients whose offer needs no fingerprint look for the host of our path in the certificate (RFC 4975 §14.2), and SIP peers for
/// the host of our Contact (RFC 5922 §7.3).
pub(super) fn is_for_us(
    tls: Option<&Tls>,
    sip: &network::Sip,
    msrp: Option<&msrp_net::settings::Settings>,
    report: &mut Report<'_>,
) {
    let (Some(tls), Some(msrp)) = (tls, msrp) else { return };
    let by_msrp = msrp.listen.iter().any(|listen| listen.kind.is_secure());
    let by_sip = sip.listen.iter().any(|listen| listen.transport.is_secure());
    if !by_msrp && !by_sip {
        let help = r#"add a listener like "tls:0.0.0.0:2856" to [msrp] listen, or leave [tls] out"#;
        return report.warning(Some(tls.place.clone()), "nothing listens with this certificate", help);
    }
    let advertised = [
        msrp.advertise.as_ref().filter(|_| by_msrp).map(|(host, _)| (host, "msrp.advertise")),
        sip.advertise.as_ref().filter(|_| by_sip).map(|(host, _)| (host, "sip.advertise")),
    ];
    for (host, key) in advertised.into_iter().flatten().filter(|(host, _)| !inspect::is_for(&tls.certificate, host)) {
        let message = format!("the certificate is not for {host}, which is {key}");
        let help = "use one that names this host; clients that do not know it by its fingerprint refuse it, and so do browsers";
        report.warning(Some(tls.place.clone()), message, help);
    }
}
