//! Where the server of a domain is: what DNS says, else the domain itself (RFC 6120 §3.2, XEP-0368).

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::settings::Tls;

/// How long DNS may take to say where the server is, before the domain itself is tried.
const RESOLVE: Duration = Duration::from_secs(5);

/// Asks DNS. The system's resolver configuration is read when it is first needed.
#[derive(Default)]
pub(super) struct Locator(OnceCell<TokioResolver>);

impl Locator {
    /// Hosts and ports in the order in which to try them; none where DNS says that there is no such service.
    pub(super) async fn locate(&self, domain: &str, tls: Tls) -> Vec<(String, u16)> {
        let Some(records) = timeout(RESOLVE, self.srv(domain, tls)).await.ok().flatten() else {
            return vec![(domain.to_owned(), port(tls))];
        };
        in_order(records, |total| rand::random_range(0..=total))
    }

    /// `None` where DNS says nothing.
    async fn srv(&self, domain: &str, tls: Tls) -> Option<Vec<Srv>> {
        let resolver = self.0.get_or_try_init(async || TokioResolver::builder_tokio()?.build()).await.ok()?;
        let lookup = resolver.srv_lookup(format!("{}._tcp.{domain}.", service(tls))).await.ok()?;
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(srv),
            _ => None,
        });
        let records: Vec<_> = records
            .map(|srv| Srv {
                priority: srv.priority,
                weight: srv.weight,
                host: srv.target.to_utf8().trim_end_matches('.').to_owned(),
                port: srv.port,
            })
            .collect();
        (!records.is_empty()).then_some(records)
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

    #[test]
    fn direct_tls_is_a_service_with_a_name_and_a_port_of_its_own() {
        assert_eq!((service(Tls::Starttls), port(Tls::Starttls)), ("_xmpp-client", 5222));
        assert_eq!((service(Tls::Direct), port(Tls::Direct)), ("_xmpps-client", 5223));
    }
}
