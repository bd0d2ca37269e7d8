//! Where the server of a domain is: what DNS says, else the domain itself (RFC 6120 §3.2, XEP-0368).

use std::time::Duration;

use tokio::time::timeout;

use super::settings::Tls;
use crate::dns::Dns;

/// How long DNS may take to say where the server is, before the domain itself is tried.
const RESOLVE: Duration = Duration::from_secs(5);

/// Asks DNS.
#[derive(Default)]
pub(super) struct Locator(Dns);

impl Locator {
    /// Hosts and ports in the order in which to try them; none where DNS says that there is no such service.
    pub(super) async fn locate(&self, domain: &str, tls: Tls) -> Vec<(String, u16)> {
        let service = format!("{}._tcp.{domain}", service(tls));
        let found = timeout(RESOLVE, self.0.srv(&service)).await.ok().flatten();
        found.unwrap_or_else(|| vec![(domain.to_owned(), port(tls))])
    }
}

/// The service that speaks TLS from the first octet has a name of its own (XEP-0368 §3).
pub(super) const fn service(tls: Tls) -> &'static str {
    match tls {
        Tls::Starttls | Tls::Off => "_xmpp-client",
        Tls::Direct => "_xmpps-client",
    }
}

/// RFC 6120 §14.7, and what is customary for direct TLS.
const fn port(tls: Tls) -> u16 {
    match tls {
        Tls::Starttls | Tls::Off => 5222,
        Tls::Direct => 5223,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_tls_is_a_service_with_a_name_and_a_port_of_its_own() {
        assert_eq!((service(Tls::Starttls), port(Tls::Starttls)), ("_xmpp-client", 5222));
        assert_eq!((service(Tls::Direct), port(Tls::Direct)), ("_xmpps-client", 5223));
    }
}
