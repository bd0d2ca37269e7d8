//! What a configuration asks of the XMPP server, whichever it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::xmpp::settings::{Login, Server, Tls};

/// The port that clients come to by custom.
pub(super) const CLIENT_PORT: u16 = 5222;

/// What the XMPP server has to have.
pub(super) struct Half {
    /// What it is the half of, for the first line.
    pub(super) of: String,
    /// Domains of accounts, and how they log in there.
    pub(super) domains: BTreeMap<String, Domain>,
    /// MUC services.
    pub(super) services: BTreeMap<String, Service>,
    /// Ports on which logins begin without TLS: with STARTTLS, or on loopback with nothing.
    pub(super) ports: BTreeSet<u16>,
    /// Ports on which TLS comes first.
    pub(super) direct_ports: BTreeSet<u16>,
    /// Domains and services that callers name in part, so that they cannot be listed.
    pub(super) open: BTreeSet<String>,
    /// Octets of the largest message.
    pub(super) max_message: usize,
}

/// One domain of accounts.
#[derive(Default)]
pub(super) struct Domain {
    /// Accounts that need a password on the server.
    pub(super) named: Vec<String>,
    pub(super) hmac: bool,
    pub(super) jwt: bool,
    pub(super) anonymous: bool,
    /// As `[xmpp] tls` has it.
    pub(super) tls: Option<Tls>,
}

impl Domain {
    fn is_for_strangers(&self) -> bool {
        self.anonymous && !self.hmac && !self.jwt && self.named.is_empty()
    }
}

/// One MUC service.
#[derive(Default)]
pub(super) struct Service {
    /// Whether SIP users may make rooms there.
    pub(super) creates: bool,
    /// The rooms that rules name and that have to be there before the first call.
    pub(super) rooms: Vec<Room>,
}

/// One room.
pub(super) struct Room {
    /// Its JID.
    pub(super) jid: String,
    pub(super) password: bool,
}

impl Half {
    pub(super) fn of(config: &Config, of: String) -> Self {
        let mut half = Self {
            of,
            domains: BTreeMap::new(),
            services: BTreeMap::new(),
            ports: BTreeSet::new(),
            direct_ports: BTreeSet::new(),
            open: BTreeSet::new(),
            max_message: config.msrp.limits.message,
        };
        for (index, rule) in config.accounts.rules().iter().enumerate() {
            let jid = rule.jid.to_string();
            let name = domain_of(&jid);
            let server = config.server_for(name);
            half.connects(&server);
            if name.contains('{') {
                half.open.insert(name.to_owned());
                continue;
            }
            let domain = half.domains.entry(name.to_owned()).or_default();
            domain.tls = Some(server.tls);
            match config.login_of(index) {
                Some(Login::Password(_)) => domain.named.push(jid),
                Some(Login::Hmac(_)) => domain.hmac = true,
                Some(Login::Jwt(_)) => domain.jwt = true,
                Some(Login::Anonymous) => domain.anonymous = true,
                None => {}
            }
        }
        for rule in config.rooms.rules() {
            let muc = rule.muc.to_string();
            let name = domain_of(&muc);
            if name.contains('{') {
                half.open.insert(name.to_owned());
                continue;
            }
            let service = half.services.entry(name.to_owned()).or_default();
            service.creates |= rule.create;
            if !rule.create && !muc.contains('{') {
                service.rooms.push(Room { jid: muc, password: rule.password.is_some() });
            }
        }
        half
    }

    /// Where the accounts are; of several domains that which holds the MUC service, or one that is not only for strangers.
    pub(super) fn home_of(&self, service: &str) -> Option<&str> {
        let is_parent = |name: &str| service.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        let rank = |name: &str, domain: &Domain| (!is_parent(name), domain.is_for_strangers(), domain.named.is_empty());
        self.domains.iter().min_by_key(|(name, domain)| rank(name, domain)).map(|(name, _)| name.as_str())
    }

    fn connects(&mut self, server: &Server) {
        let port = server.address.as_ref().map(|(_, port)| *port);
        match server.tls {
            // Where DNS leads is not known here; these are the ports by custom.
            Tls::Direct => self.direct_ports.insert(port.unwrap_or(5223)),
            Tls::Starttls | Tls::Off => self.ports.insert(port.unwrap_or(CLIENT_PORT)),
        };
    }

    /// Comment lines about what the configuration leaves open.
    pub(super) fn of_open(&self, comment: &str) -> String {
        self.open
            .iter()
            .map(|name| format!("{comment} {name}: each domain that a caller can name there needs the same.\n"))
            .collect()
    }
}

fn domain_of(jid: &str) -> &str {
    jid.rsplit_once('@').map_or(jid, |(_, domain)| domain)
}
