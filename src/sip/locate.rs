//! Where a request goes: from the host of a URI to the addresses to try, in their order (RFC 3263).
//!
//! Knows names and services. Opens nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use super::dialog::{Hop, is_one_host};
use super::settings::Transport;
use crate::dns::{Dns, Naptr};

/// How many addresses are tried at most: each may take as long as a transaction takes to give up.
pub(super) const TARGETS: usize = 4;

/// How long DNS may take to say who offers a service, before the host itself is tried.
const SERVICES: Duration = Duration::from_secs(2);
/// How long a name may take to resolve.
const ADDRESSES: Duration = Duration::from_secs(3);

/// One place where somebody may listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
}

/// Where `hop` leads over the transports `can`, the preferred one first; nowhere where it asks for another. [`TARGETS`] at most.
pub(super) async fn targets(dns: &Dns, hop: &Hop, can: &[Transport]) -> Vec<Target> {
    let Some(&preferred) = can.first() else { return Vec::new() };
    if hop.transport.is_some_and(|wanted| !can.contains(&wanted)) || is_nobody(&hop.host) {
        return Vec::new();
    }
    // RFC 3263 §4.1, §4.2: an address, or a port, is not looked up any further.
    let transport = hop.transport.unwrap_or(preferred);
    if let Ok(ip) = hop.host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, hop.port.unwrap_or(transport.default_port()));
        return vec![Target { transport, address }];
    }
    if let Some(port) = hop.port {
        return addresses(dns, transport, &[(hop.host.clone(), port)]).await;
    }
    let mut found = timeout(SERVICES, by_service(dns, hop, can)).await.unwrap_or_default();
    if found.is_empty() {
        found = addresses(dns, transport, &[(hop.host.clone(), transport.default_port())]).await;
    }
    found.truncate(TARGETS);
    found
}

/// Of the hosts that offer a service those that are found.
async fn by_service(dns: &Dns, hop: &Hop, can: &[Transport]) -> Vec<Target> {
    let mut found = Vec::new();
    for (transport, service) in services(dns, hop, can).await {
        let Some(hosts) = dns.srv(&service).await else { continue };
        found.extend(addresses(dns, transport, &hosts).await);
        if found.len() >= TARGETS {
            break;
        }
    }
    found
}

/// The services to ask for (RFC 3263 §4.1): those that the domain names, else one for each transport.
async fn services(dns: &Dns, hop: &Hop, can: &[Transport]) -> Vec<(Transport, String)> {
    if let Some(wanted) = hop.transport {
        return service(wanted, &hop.host).into_iter().map(|service| (wanted, service)).collect();
    }
    let named = dns.naptr(&hop.host).await;
    let named: Vec<_> = named.into_iter().filter_map(|naptr| of_naptr(naptr, can)).collect();
    if !named.is_empty() {
        return named;
    }
    can.iter().filter_map(|transport| Some((*transport, service(*transport, &hop.host)?))).collect()
}

fn of_naptr(naptr: Naptr, can: &[Transport]) -> Option<(Transport, String)> {
    let transport = match naptr.service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Transport::Udp,
        "SIP+D2T" => Transport::Tcp,
        "SIPS+D2T" => Transport::Tls,
        _ => return None,
    };
    (naptr.flags.eq_ignore_ascii_case("s") && can.contains(&transport)).then_some((transport, naptr.replacement))
}

fn service(transport: Transport, host: &str) -> Option<String> {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        // Nobody is reached by these but on his own connection.
        Transport::Ws | Transport::Wss => return None,
    };
    Some(format!("{service}.{host}"))
}

async fn addresses(dns: &Dns, transport: Transport, hosts: &[(String, u16)]) -> Vec<Target> {
    let mut targets = Vec::new();
    for (host, port) in hosts {
        let ips = match host.parse() {
            Ok(ip) => vec![ip],
            Err(_) => timeout(ADDRESSES, dns.addresses(host)).await.unwrap_or_default(),
        };
        let ips = ips.into_iter().filter(|ip| is_one_host(*ip));
        targets.extend(ips.map(|ip| Target { transport, address: SocketAddr::new(ip, *port) }));
        if targets.len() >= TARGETS {
            break;
        }
    }
    targets
}

/// Browsers have no name, and say so (RFC 7118 §5, RFC 2606 §2).
fn is_nobody(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(host: &str, port: Option<u16>, transport: Option<Transport>) -> Hop {
        Hop { host: host.to_owned(), port, transport }
    }

    async fn of(hop: Hop, can: &[Transport]) -> Vec<String> {
        let found = targets(&Dns::default(), &hop, can).await;
        found.into_iter().map(|Target { transport, address }| format!("{transport}:{address}")).collect()
    }

    const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

    /// SIP-16.
    #[tokio::test]
    async fn an_address_is_where_it_is_on_the_port_of_its_transport() {
        assert_eq!(of(hop("192.0.2.1", None, None), &ALL).await, ["udp:192.0.2.1:5060"]);
        assert_eq!(of(hop("192.0.2.1", None, None), &[Transport::Tcp]).await, ["tcp:192.0.2.1:5060"]);
        assert_eq!(of(hop("2001:db8::1", None, Some(Transport::Tls)), &ALL).await, ["tls:[2001:db8::1]:5061"]);
        assert_eq!(of(hop("192.0.2.1", Some(5080), Some(Transport::Tls)), &ALL).await, ["tls:192.0.2.1:5080"]);
    }

    #[tokio::test]
    async fn what_cannot_be_had_leads_nowhere() {
        assert_eq!(of(hop("192.0.2.1", None, Some(Transport::Tls)), &[Transport::Udp]).await, [""; 0]);
        assert_eq!(of(hop("192.0.2.1", None, Some(Transport::Ws)), &ALL).await, [""; 0]);
        assert_eq!(of(hop("df7jal23ls0d.invalid", None, None), &ALL).await, [""; 0]);
        assert_eq!(of(hop("192.0.2.1", None, None), &[]).await, [""; 0]);
    }
}
