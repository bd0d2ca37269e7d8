//! From a text to a configuration: the steps in their order.

use std::path::Path;

use serde::Deserialize as _;
use toml::de::DeTable;

use super::finding::{Findings, Level};
use super::raw::At;
use super::report::Report;
use super::{Config, Places, accounts, auth, change, keys, msrp, network, outbound, raw, rooms, running, tls, xmpp};
use crate::dns::Dns;
use crate::sip::settings::MIN_SESSION;

/// Checks `text`. Relative paths in it are relative to `folder`. All findings come back either way.
pub(super) fn config(text: &str, file_name: &str, folder: &Path) -> Result<(Config, Findings), Findings> {
    let mut report = Report::new(text, folder);
    let file = read(text, &mut report);
    let complete = file.is_some();
    let config = file.and_then(|file| settings(file, &mut report));
    let list = report.into_list();
    let wrong = list.iter().any(|f| f.level == Level::Error);
    let findings = Findings::new(file_name, text, list, complete);
    match config {
        Some(mut config) if !wrong => {
            config.written = change::written(text, &config);
            Ok((config, findings))
        }
        _ => Err(findings),
    }
}

/// Syntax, keys and types.
fn read(text: &str, report: &mut Report<'_>) -> Option<raw::File> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    // What follows a mistake in the syntax is its consequence: one unclosed bracket is one error.
    if let Some(first) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) {
        report.syntax(first);
        return None;
    }
    let walk = keys::walk(table.get_mut());
    report.walked(walk);
    raw::File::deserialize(toml::de::Deserializer::from(table)).map_err(|error| report.syntax(&error)).ok()
}

/// Meaning. Sections are checked even when others are wrong, so that all is said at once.
fn settings(file: raw::File, report: &mut Report<'_>) -> Option<Config> {
    let running::Node { name: node, nonce_key } = running::node(&file.node, report.section("node"));
    let limits = running::limits(&file.limits, report.section("limits"));
    let tls_wanted = file.tls.is_some();
    let names_authorities = file.tls.as_ref().is_some_and(|tls| tls.get_ref().client_ca_file.is_some());
    let tls = file.tls.and_then(|section| tls::tls(&section, report.section("tls")));
    let sip = network::sip(file.sip, tls_wanted, report);
    let msrp_place = file.msrp.as_ref().map(At::span);
    let msrp = msrp::msrp(file.msrp, tls_wanted, report.section("msrp"));
    tls::is_for_us(tls.as_ref(), &sip, msrp.as_ref(), report.section("tls"));
    network::no_address_twice(&sip.listen, msrp.as_ref(), msrp_place, report);
    let auth = auth::auth(&sip, nonce_key, names_authorities, report.section("sip.auth"));
    let outbound = sip
        .outbound
        .as_ref()
        .and_then(|section| outbound::outbound(section, &sip.listen, report.section("sip.outbound")));
    let (default_server, servers) = xmpp::servers(file.xmpp, report.section("xmpp"));
    let accounts = accounts::accounts(&file.accounts, report.section("accounts"));
    let rooms = rooms::rooms(&file.room_defaults, &file.rooms, &sip.domains, report);
    rooms::can_be_reached(&rooms, msrp.as_ref(), report.section("rooms"));
    let timeouts = running::timeouts(&file.timeouts, report.section("timeouts"));
    let log = running::log(&file.log, report.section("log"));
    let http = running::http(file.http.as_ref(), report.section("http"));
    if let Some(address) = http {
        let place = file.http.as_ref().and_then(|http| http.listen.as_ref()).map(At::span);
        network::http_has_a_port_of_its_own(address, place, &sip.listen, msrp.as_ref(), report);
    }
    let control = running::control(file.control.as_ref(), report.section("control"));
    Some(Config {
        xmpp: crate::xmpp::settings::Settings {
            node: node.clone(),
            logins: limits.xmpp_logins,
            reflection: timeouts.reflection,
        },
        sip: crate::sip::settings::Settings {
            node: node.clone(),
            listen: sip.listen,
            domains: sip.domains,
            advertise: sip.advertise,
            trusted_peers: auth.trusted_peers,
            identity: auth.identity,
            untrusted: auth.untrusted,
            sources: limits.sources,
            min_session: MIN_SESSION,
            trusted_names: auth.trusted_names,
            // Whoever starts the driver makes it of `tls`.
            tls: None,
            allowed_origins: sip.allowed_origins,
            dns: Dns::default(),
        },
        outbound,
        node,
        msrp: msrp?,
        tls: tls.map(|tls| tls.settings),
        accounts: accounts.rules,
        logins: accounts.logins,
        rooms: rooms.rules,
        limits: limits.focus,
        timeouts,
        log,
        http,
        control,
        default_server,
        servers,
        written: change::Written::default(),
        places: Places { accounts: accounts.places, rooms: rooms.places, users: auth.places },
    })
}
