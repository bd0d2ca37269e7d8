//! What DNS says about services: which hosts they have, in which order to try them, and where those are.
//!
//! Owns the resolver and its cache. Which name to ask for is for the protocol.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::OnceCell;

/// Asks DNS. Clones share one cache.
#[derive(Clone, Default)]
pub struct Dns(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Who is asked in place of those of the system.
    server: Option<SocketAddr>,
    resolver: OnceCell<TokioResolver>,
}

/// A way to reach a domain (RFC 3403), as far as SIP has use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first.
    pub order: u16,
    /// Of the same order, lower ones first.
    pub preference: u16,
    /// What to do with `replacement`: `s` asks for SRV.
    pub flags: String,
    /// The service, like `SIP+D2U`.
    pub service: String,
    /// The next name to ask for.
    pub replacement: String,
}

impl Dns {
    /// Asks this server alone, for tests. Otherwise those of the system are asked, whose configuration is read when it is first
    /// needed.
    #[must_use]
    pub fn asking(server: SocketAddr) -> Self {
        Self(Arc::new(Inner { server: Some(server), resolver: OnceCell::new() }))
    }

    async fn resolver(&self) -> Option<&TokioResolver> {
        let make = async || match self.0.server {
            None => TokioResolver::builder_tokio()?.build(),
            Some(server) => {
                let mut connection = ConnectionConfig::udp();
                connection.port = server.port();
                let server = NameServerConfig::new(server.ip(), true, vec![connection]);
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
            }
        };
        self.0.resolver.get_or_try_init(make).await.ok()
    }

    /// Hosts and ports of a service, like `_sip._tcp.example.org`, in the order in which to try them; empty where DNS says that
    /// there is no such service, and `None` where it says nothing.
    pub async fn srv(&self, service: &str) -> Option<Vec<(String, u16)>> {
        let lookup = self.resolver().await?.srv_lookup(format!("{service}.")).await.ok()?;
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                host: srv.target.to_utf8().trim_end_matches('.').to_owned(),
                port: srv.port,
            }),
            _ => None,
        });
        let records: Vec<_> = records.collect();
        (!records.is_empty()).then(|| in_order(records, |total| rand::random_range(0..=total)))
    }

    /// The ways to reach a domain, in their order.
    pub async fn naptr(&self, domain: &str) -> Vec<Naptr> {
        let Some(resolver) = self.resolver().await else { return Vec::new() };
        let Ok(lookup) = resolver.lookup(format!("{domain}."), RecordType::NAPTR).await else { return Vec::new() };
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_utf8().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        });
        let mut records: Vec<_> = records.collect();
        records.sort_by_key(|naptr| (naptr.order, naptr.preference));
        records
    }

    /// The addresses of a host, of both families. What the system has besides DNS, like its table of hosts, counts.
    pub async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        if self.0.server.is_none() {
            let found = tokio::net::lookup_host((host, 0)).await;
            return found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default();
        }
        let Some(resolver) = self.resolver().await else { return Vec::new() };
        resolver.lookup_ip(format!("{host}.")).await.map(|found| found.iter().collect()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("server", &self.0.server).finish_non_exhaustive()
    }
}

/// What DNS says of one host.
struct Srv {
    priority: u16,
    weight: u16,
    host: String,
    port: u16,
}

/// In which order to try hosts (RFC 2782): by priority, then at random by weight. `random` draws from 0 to its argument. An empty
/// host is the root, which means that there is no service.
fn in_order(mut records: Vec<Srv>, mut random: impl FnMut(u32) -> u32) -> Vec<(String, u16)> {
    records.retain(|srv| !srv.host.is_empty());
    records.sort_by_key(|srv| (srv.priority, srv.weight)); // those without weight first, so that they can be drawn
    let mut targets = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|srv| srv.priority) {
        let same = || records.iter().filter(|srv| srv.priority == priority).map(|srv| u32::from(srv.weight));
        let drawn = random(same().sum());
        let mut sum = 0;
        let at = same().position(|weight| {
            sum += weight;
            sum >= drawn
        });
        let srv = records.remove(at.unwrap_or(0));
        targets.push((srv.host, srv.port));
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, host: &str) -> Srv {
        Srv { priority, weight, host: host.to_owned(), port: 5222 }
    }

    fn hosts(records: Vec<Srv>, random: impl FnMut(u32) -> u32) -> Vec<String> {
        in_order(records, random).into_iter().map(|(host, _)| host).collect()
    }

    #[test]
    fn hosts_are_tried_by_priority_and_at_random_by_weight() {
        let records = || vec![srv(20, 0, "spare"), srv(10, 60, "large"), srv(10, 20, "small"), srv(10, 0, "none")];
        assert_eq!(hosts(records(), |_| 0), ["none", "small", "large", "spare"]);
        assert_eq!(hosts(records(), |total| total), ["large", "small", "none", "spare"]);
        assert_eq!(hosts(records(), |total| total.min(21)), ["large", "small", "none", "spare"]);
        assert_eq!(hosts(records(), |total| total.min(1)), ["small", "large", "none", "spare"]);
    }

    #[test]
    fn a_domain_can_say_that_it_has_no_service() {
        assert!(hosts(vec![srv(0, 0, "")], |_| 0).is_empty());
    }
}
