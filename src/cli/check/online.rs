//! What `check --online` looks at: DNS, a login by each account rule, the rooms. It enters no room and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jid::Jid;
use mucfocus_core::address::sip_uri::SipUri;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde::Serialize;

use super::cure;
use crate::config::Config;
use crate::hub::mail::StreamEnd;
use crate::tls::inspect;
use crate::xmpp::probe::{Info, NoAnswer, Probe, Prober};
use crate::xmpp::settings::{Account, Login, Tls};

/// Most account rules that are tried: a login costs the server some milliseconds, and the rest tells nothing new.
const MOST_LOGINS: usize = 100;
/// Who logs in where a rule names nobody. Nothing is created for him, and he is seen by nobody.
const NOBODY: &str = "mucfocus-check";

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// It works, but not all of it, or not always.
    Warning,
    /// Calls fail.
    Error,
}

impl Grade {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) section: &'static str,
    #[serde(rename = "level")]
    pub(super) grade: Grade,
    pub(super) message: String,
    /// What to do; empty only where nothing is to be done.
    pub(super) help: String,
}

/// Whose a certificate is, and for how long.
fn shown(certificate: &CertificateDer<'_>) -> String {
    let names = inspect::names(certificate);
    let names = if names.is_empty() { "nobody by name".to_owned() } else { names.join(", ") };
    match inspect::days_left(certificate, UnixTime::now()) {
        Some(days) => format!("for {names} and ends in {days} days"),
        None => format!("for {names} and has no end"),
    }
}

pub(super) fn look(config: &Config) -> Vec<Seen> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let mut looked = Look::default();
            looked.error("xmpp", format!("the runtime does not start: {error}"), "try again");
            return looked.seen;
        }
    };
    let seen = runtime.block_on(async {
        let mut look = Look::default();
        look.own_certificate(config);
        look.accounts(config).await;
        look.rooms(config).await;
        for (_, probe) in std::mem::take(&mut look.probes) {
            probe.close().await;
        }
        look.seen
    });
    // Name resolution may still occupy a thread.
    runtime.shutdown_background();
    seen
}

#[derive(Default)]
struct Look {
    seen: Vec<Seen>,
    prober: Prober,
    /// One login for each domain.
    probes: BTreeMap<String, Probe>,
    /// Domains that DNS was asked for.
    located: BTreeSet<String>,
}

impl Look {
    fn ok(&mut self, section: &'static str, message: impl Into<String>) {
        self.seen.push(Seen { section, grade: Grade::Ok, message: message.into(), help: String::new() });
    }

    fn warning(&mut self, section: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.seen.push(Seen { section, grade: Grade::Warning, message: message.into(), help: help.into() });
    }

    fn error(&mut self, section: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.seen.push(Seen { section, grade: Grade::Error, message: message.into(), help: help.into() });
    }

    async fn accounts(&mut self, config: &Config) {
        let rules = config.accounts.rules();
        for (index, rule) in rules.iter().enumerate().take(MOST_LOGINS) {
            let place = config.account_place(index).map(|p| format!("line {}:{}: ", p.line, p.column));
            let place = place.unwrap_or_default();
            match sample(&rule.sip.to_string()).and_then(|caller| config.account_by(index, &caller).ok()) {
                Some(account) if !account.jid.domain().as_str().ends_with(".invalid") => {
                    self.account(&place, &account, config).await;
                }
                _ => {
                    let message = format!("{place}not tried: whoever calls names the domain of his account");
                    self.ok("accounts", message);
                }
            }
        }
        if let Some(more) = rules.len().checked_sub(MOST_LOGINS).filter(|more| *more > 0) {
            self.ok("accounts", format!("{more} more were not tried"));
        }
    }

    async fn account(&mut self, place: &str, account: &Account, config: &Config) {
        let domain = account.jid.domain().as_str().to_owned();
        if account.server.address.is_none() && self.located.insert(domain.clone()) {
            self.locate(&domain, account.server.tls).await;
        }
        match self.prober.log_in(account).await {
            Ok(probe) => {
                let who = match account.login {
                    Login::Anonymous => format!("somebody at {domain}"),
                    _ => account.jid.to_string(),
                };
                self.ok("accounts", format!("{place}{who} can log in"));
                if self.probes.contains_key(&domain) {
                    probe.close().await;
                } else {
                    self.offers(&domain, &probe, config);
                    self.encryption(&domain, account).await;
                    self.probes.insert(domain, probe);
                }
            }
            Err(end) => {
                let section = if matches!(end, StreamEnd::LoginRefused(_)) { "accounts" } else { "xmpp" };
                let message = format!("{place}{} cannot log in: {end}", account.jid);
                self.error(section, message, cure::login(account, &end));
            }
        }
    }

    /// What peers see of us. What is wrong with it is a finding of the file.
    fn own_certificate(&mut self, config: &Config) {
        let Some(tls) = &config.tls else { return };
        match CertificateDer::from_pem_file(&tls.certificate_file) {
            Ok(certificate) => self.ok("tls", format!("the certificate of this node is {}", shown(&certificate))),
            Err(error) => self.error("tls", format!("{}: {error}", tls.certificate_file.display()), cure::CERTIFICATE),
        }
    }

    async fn encryption(&mut self, domain: &str, account: &Account) {
        match self.prober.certificate(account).await {
            Ok(None) => self.ok("xmpp", format!("{domain} is reached without encryption, on this machine")),
            Ok(Some(certificate)) => {
                let message = format!("the certificate of {domain} is {}", shown(&certificate));
                match inspect::is_valid(&certificate, UnixTime::now()) {
                    Ok(()) => self.ok("xmpp", message),
                    Err(_) => self.warning("xmpp", message, cure::THEIR_CERTIFICATE),
                }
            }
            Err(end) => {
                self.warning("xmpp", format!("{domain} answers no second time: {end}"), cure::login(account, &end))
            }
        }
    }

    async fn locate(&mut self, domain: &str, tls: Tls) {
        let targets = self.prober.locate(domain, tls).await;
        if targets.is_empty() {
            return self.error("xmpp", format!("DNS says that {domain} has no XMPP server for clients"), cure::DNS);
        }
        let targets: Vec<String> = targets.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        self.ok("xmpp", format!("{domain} is at {}, by DNS", targets.join(", ")));
    }

    fn offers(&mut self, domain: &str, probe: &Probe, config: &Config) {
        let offers = probe.offers();
        let mut list = Vec::new();
        list.extend(offers.resumption.then_some("resumption (XEP-0198)".to_owned()));
        list.extend(offers.client_state.then_some("client state (XEP-0352)".to_owned()));
        list.extend(offers.max_stanza.map(|octets| format!("stanzas of {octets} octets at most")));
        let features = if list.is_empty() { String::new() } else { format!(", offers {}", list.join(", ")) };
        let features = format!("{domain} answers{features}");
        self.ok("xmpp", features);
        let largest = config.msrp.limits.message;
        if let Some(octets) = offers.max_stanza.filter(|octets| *octets < largest) {
            let message = format!("{domain} takes {octets} octets, and msrp.max_message_size is {largest}");
            self.warning("xmpp", message, cure::STANZA_SIZE);
        }
    }

    async fn rooms(&mut self, config: &Config) {
        let rules = config.rooms.rules();
        // Strangers may not get beyond their own server.
        let anonymous: BTreeSet<String> = config
            .accounts
            .rules()
            .iter()
            .enumerate()
            .filter(|(index, _)| matches!(config.login_of(*index), Some(Login::Anonymous)))
            .map(|(_, rule)| rule.jid.to_string())
            .collect();
        let domain = self.probes.keys().find(|domain| !anonymous.contains(*domain)).or(self.probes.keys().next());
        let Some((domain, mut probe)) = domain.cloned().and_then(|domain| self.probes.remove_entry(&domain)) else {
            if !rules.is_empty() {
                self.warning(
                    "rooms",
                    "not looked at: nobody could log in",
                    "mend the accounts first, then check again",
                );
            }
            return;
        };
        let mut services = BTreeSet::new();
        for (index, rule) in rules.iter().enumerate() {
            let place = config.room_place(index).map(|p| format!("line {}:{}: ", p.rule.line, p.rule.column));
            let place = place.unwrap_or_default();
            let muc = rule.muc.to_string();
            let service = muc.rsplit('@').next().unwrap_or_default().to_owned();
            let Ok(address) = Jid::new(&service) else {
                self.ok("rooms", format!("{place}not looked at: whoever calls names the MUC service"));
                continue;
            };
            if service.contains('{') {
                self.ok("rooms", format!("{place}not looked at: whoever calls names the MUC service"));
                continue;
            }
            let first = services.insert(service.clone());
            if first && !self.service(&place, &address, &mut probe).await {
                continue;
            }
            match Jid::new(&muc) {
                Ok(room) if !muc.contains('{') => self.room(&place, &room, rule, &mut probe).await,
                _ if first => self.any_room(&address, &mut probe).await,
                _ => {}
            }
        }
        self.probes.insert(domain, probe);
    }

    /// Whether there is a MUC service.
    async fn service(&mut self, place: &str, service: &Jid, probe: &mut Probe) -> bool {
        match probe.info(service).await {
            Ok(info) if info.features.contains(MUC) => {
                self.ok("rooms", format!("{service} is a MUC service"));
                true
            }
            Ok(info) => {
                let what = info.identities.first().map_or("nothing that it has a name for", String::as_str);
                self.error("rooms", format!("{place}{service} is no MUC service, but {what}"), cure::SERVICE);
                false
            }
            Err(why) => {
                self.error("rooms", format!("{place}{service} does not answer: {why}"), cure::SERVICE);
                false
            }
        }
    }

    async fn room(
        &mut self,
        place: &str,
        room: &Jid,
        rule: &mucfocus_core::address::mapping::RoomRule,
        probe: &mut Probe,
    ) {
        let info = match probe.info(room).await {
            Ok(info) => info,
            Err(NoAnswer::Refused(why)) if why == "item-not-found" && rule.create => {
                return self.ok("rooms", format!("{room} is not there; the first caller makes it"));
            }
            Err(NoAnswer::Refused(why)) if why == "item-not-found" => {
                return self.error("rooms", format!("{place}{room} is not there: calls get 404"), cure::NO_ROOM);
            }
            Err(why) => {
                let message = format!("{room} says nothing of itself ({why}); the join decides");
                return self.warning("rooms", message, cure::HIDDEN_ROOM);
            }
        };
        let has = |name: &str| info.features.contains(name);
        if has("muc_passwordprotected") && rule.password.is_none() {
            self.error("rooms", format!("{place}{room} has a password: calls get 403"), cure::ROOM_PASSWORD);
        } else if rule.password.is_some() && !has("muc_passwordprotected") {
            self.warning("rooms", format!("{place}{room} has no password"), cure::NO_ROOM_PASSWORD);
        }
        if has("muc_membersonly") {
            self.warning("rooms", format!("{room} is for members only"), cure::MEMBERS_ONLY);
        }
        if has("muc_moderated") {
            self.warning(
                "rooms",
                format!("{room} is moderated: who enters may be a visitor there, who cannot speak"),
                cure::MODERATED,
            );
        }
        if has("muc_temporary") {
            self.warning("rooms", format!("{room} is gone when the last occupant leaves"), cure::TEMPORARY);
        }
        self.features(&room.to_string(), &info);
    }

    /// Looks at whichever room the service shows, since no rule names one.
    async fn any_room(&mut self, service: &Jid, probe: &mut Probe) {
        let Some(room) = probe.items(service).await.unwrap_or_default().into_iter().next() else {
            return self.ok("rooms", format!("{service} shows no room to look at"));
        };
        if let Ok(info) = probe.info(&room).await {
            self.features(&format!("{service} (as seen at {room})"), &info);
        }
    }

    fn features(&mut self, name: &str, info: &Info) {
        let mut fine = Vec::new();
        let wanted = [
            (MAM, "an archive (XEP-0313)", cure::ARCHIVE),
            (STABLE_ID, "ids that stay (muc#stable_id)", cure::STABLE_ID),
            (OCCUPANT_ID, "occupant ids (XEP-0421)", cure::OCCUPANT_ID),
        ];
        for (feature, what, help) in wanted {
            if info.features.contains(feature) {
                fine.push(what);
            } else {
                self.warning("rooms", format!("{name} has no {}", what.trim_start_matches("an ")), help);
            }
        }
        let has = if fine.is_empty() { String::new() } else { format!(", with {}", fine.join(", ")) };
        self.ok("rooms", format!("{name} is there{has}"));
    }
}

const MUC: &str = "http://jabber.org/protocol/muc";
const MAM: &str = "urn:xmpp:mam:2";
const STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";

/// Somebody whom a pattern matches.
fn sample(pattern: &str) -> Option<SipUri> {
    let (user, host) = pattern.split_once('@')?;
    SipUri::parse(&format!("{}@{}", filled(user, NOBODY), filled(host, "check.invalid"))).ok()
}

/// A part of a pattern with `by` in place of what is open.
fn filled(part: &str, by: &str) -> String {
    let mut out = String::new();
    let mut rest = part;
    while let Some(at) = rest.find(['*', '{']) {
        let (before, open) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        out.push_str(by);
        rest = match open.strip_prefix('{') {
            Some(name) => name.split_once('}').map_or("", |(_, after)| after),
            None => open.strip_prefix('*').unwrap_or_default(),
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_stands_in_where_a_pattern_names_nobody() {
        let of = |pattern| sample(pattern).map(|uri| uri.to_string());
        assert_eq!(of("sip:romeo@example.org").as_deref(), Some("sip:romeo@example.org"));
        assert_eq!(of("sip:x-{user}@example.org").as_deref(), Some("sip:x-mucfocus-check@example.org"));
        assert_eq!(of("sip:*@*").as_deref(), Some("sip:mucfocus-check@check.invalid"));
        assert_eq!(of("sip:{user}@{host}.org").as_deref(), Some("sip:mucfocus-check@check.invalid.org"));
    }
}
