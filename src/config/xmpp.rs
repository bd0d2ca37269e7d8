//! `[xmpp]` and `[xmpp.domains."…"]`: how XMPP servers are reached.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

use mucfocus_core::address::domain::to_ascii;

use super::raw::{self, At};
use super::report::{Report, choice};
use super::units::{self, Wrong};
use crate::xmpp::settings::{Server, Tls};

/// Port of client connections (RFC 6120 §14.7).
const CLIENT_PORT: u16 = 5222;
/// Port of client connections that begin with TLS, by custom (XEP-0368 leaves it to DNS).
const DIRECT_PORT: u16 = 5223;

/// The server of any domain, and those of the domains that have a section of their own.
pub(super) fn servers(xmpp: raw::Xmpp, report: &mut Report<'_>) -> (Server, BTreeMap<String, Server>) {
    let top = raw::XmppDomain { server: xmpp.server, tls: xmpp.tls, ca_file: xmpp.ca_file };
    let default = server(&top, None, report);
    let mut servers = BTreeMap::new();
    for (domain, keys) in &xmpp.domains {
        let one = server(keys, Some(&default), report);
        servers.insert(domain_key(domain), one);
    }
    (default, servers)
}

/// What a domain is found by, in whatever letters it is written.
pub(super) fn domain_key(domain: &str) -> String {
    to_ascii(domain).map_or_else(|| domain.to_ascii_lowercase(), Cow::into_owned)
}

/// What a domain does not say itself it has from `[xmpp]`.
fn server(keys: &raw::XmppDomain, inherited: Option<&Server>, report: &mut Report<'_>) -> Server {
    let tls = report.optional(keys.tls.as_ref(), |text| match text {
        "starttls" => Ok(Tls::Starttls),
        "direct" => Ok(Tls::Direct),
        "off" => Ok(Tls::Off),
        other => Err(choice(other, &["starttls", "direct", "off"], &[])),
    });
    let tls = tls.or(inherited.map(|i| i.tls)).unwrap_or(Tls::Starttls);
    let default_port = if tls == Tls::Direct { DIRECT_PORT } else { CLIENT_PORT };
    let address = report.optional(keys.server.as_ref(), |text| {
        let (host, port) = units::host_and_port(text)?;
        // Brackets are of URIs; a name or address to connect to has none.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok((host, port.unwrap_or(default_port)))
    });
    let ca_file = keys.ca_file.as_ref().and_then(|path| ca_file(path, report));
    let server = Server {
        address: address.or_else(|| inherited.and_then(|i| i.address.clone())),
        tls,
        ca_file: ca_file.or_else(|| inherited.and_then(|i| i.ca_file.clone())),
    };
    // Without a change of its own a domain is as right or wrong as [xmpp], where it is said already.
    if keys.server.is_some() || keys.tls.is_some() {
        plaintext_stays_on_this_machine(&server, keys, report);
    }
    server
}

fn plaintext_stays_on_this_machine(server: &Server, keys: &raw::XmppDomain, report: &mut Report<'_>) {
    if server.tls != Tls::Off {
        return;
    }
    let tls_span = keys.tls.as_ref().map(At::span);
    let server_span: Option<Range<usize>> = keys.server.as_ref().map(At::span);
    match &server.address {
        Some((host, _)) if is_loopback(host) => {}
        Some((host, _)) => report.error(
            tls_span.or(server_span),
            format!("passwords would go to {host} in the clear"),
            "write tls = \"starttls\"; \"off\" is for servers on this machine (127.0.0.1, ::1, localhost)",
        ),
        None if server_span.is_some() => {}
        None => report.error(
            tls_span,
            "passwords would go in the clear to wherever DNS leads",
            "write server = \"127.0.0.1:5222\" too, or tls = \"starttls\"",
        ),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Certificates are read when they are needed; here it is only seen that there are some.
pub(super) fn ca_file(path: &At<String>, report: &mut Report<'_>) -> Option<PathBuf> {
    let file = report.folder.join(path.get_ref());
    let result = std::fs::read(&file)
        .map_err(|error| {
            let help = "write the path of a PEM file with the certificates to trust, readable for mucfocus";
            Wrong::new(format!("cannot read {}: {error}", file.display()), help)
        })
        .and_then(|octets| {
            let marker = b"-----BEGIN CERTIFICATE-----";
            if octets.windows(marker.len()).any(|w| w == marker) {
                Ok(())
            } else {
                let help = "write the path of a PEM file with the certificates to trust";
                Err(Wrong::new(format!("{} holds no PEM certificate", file.display()), help))
            }
        });
    report.take(path.span(), result)?;
    Some(file)
}
