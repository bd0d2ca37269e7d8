//! From a text to a configuration: the steps in their order, and the list in which findings are collected.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize as _;
use toml::de::DeTable;

use super::finding::{Finding, Findings, Level, Place};
use super::raw::At;
use super::units::Wrong;
use super::{
    Config, Places, accounts, auth, change, finding, keys, msrp, network, outbound, raw, rooms, running, tls, xmpp,
};
use crate::dns::Dns;
use crate::sip::settings::MIN_SESSION;

/// Checks `text`. Relative paths in it are relative to `folder`. All findings come back either way.
pub(super) fn config(text: &str, file_name: &str, folder: &Path) -> Result<(Config, Findings), Findings> {
    let mut report = Report::new(text, folder);
    let file = read(text, &mut report);
    let complete = file.is_some();
    let config = file.and_then(|file| settings(file, &mut report));
    let wrong = report.list.iter().any(|f| f.level == Level::Error);
    let findings = Findings::new(file_name, text, report.list, complete);
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
    report.list.extend(walk.findings);
    report.unusable = walk.unusable;
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

/// Where findings are collected.
pub(super) struct Report<'a> {
    list: Vec<Finding>,
    section: &'static str,
    text: &'a str,
    /// See [`keys::Walk::unusable`].
    unusable: BTreeSet<(usize, String)>,
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, folder: &'a Path) -> Self {
        Self { list: Vec::new(), section: "", text, unusable: BTreeSet::new(), folder }
    }

    /// Says which section the findings that follow belong to.
    pub(super) fn section(&mut self, section: &'static str) -> &mut Self {
        self.section = section;
        self
    }

    pub(super) fn error(&mut self, span: Option<Range<usize>>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Error, span, message.into(), help.into());
    }

    pub(super) fn warning(&mut self, span: Option<Range<usize>>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Warning, span, message.into(), help.into());
    }

    /// Takes the value, or says what is wrong with it.
    pub(super) fn take<T>(&mut self, span: Range<usize>, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.error(Some(span), wrong.problem, wrong.help)).ok()
    }

    /// The value of a key that may be absent, read by `parse`.
    pub(super) fn optional<T>(
        &mut self,
        key: Option<&At<String>>,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let key = key?;
        self.take(key.span(), parse(key.get_ref()))
    }

    /// The value of a key that must be there; else says so where its section begins, at `owner`.
    pub(super) fn required<'k, T>(
        &mut self,
        key: Option<&'k At<T>>,
        owner: &Range<usize>,
        name: &str,
        example: &str,
    ) -> Option<&'k At<T>> {
        if key.is_none() && !self.is_unusable(owner.start, name) {
            let message = format!("{name} is missing in this [[{}]]", self.section);
            self.error(Some(owner.clone()), message, format!("write {name} = {example}"));
        }
        key
    }

    /// Whether this key of the section that begins at `start` is there, but cannot be used, which is said already.
    pub(super) fn is_unusable(&self, start: usize, name: &str) -> bool {
        self.unusable.contains(&(start, name.to_owned()))
    }

    /// Where something stands in the text.
    pub(super) fn place(&self, offset: usize) -> Place {
        finding::place(self.text, offset).unwrap_or(Place { line: 0, column: 0 })
    }

    /// The line, counted from 1, of a place in the text.
    pub(super) fn line(&self, offset: usize) -> usize {
        finding::place(self.text, offset).map_or(0, |place| place.line)
    }

    fn add(&mut self, level: Level, span: Option<Range<usize>>, message: String, help: String) {
        self.list.push(Finding { level, section: self.section.to_owned(), span, message, help });
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let first = error.span().filter(|_| error.message() == "duplicate key");
        if let Some((what, line)) = first.and_then(|span| first_of(self.text, &span)) {
            let help = format!("it stands in line {line} already: leave one of them, with what belongs in both");
            return self.section("").error(error.span(), format!("this {what} stands here twice"), help);
        }
        let help = "this is not TOML: strings need quotes, lists need [ ] and commas, a key may stand once";
        self.section("").error(error.span(), error.message(), help);
    }
}

/// What is written a second time at `span`, a section or a key, and in which line it stands first; `None` where it is written in
/// another way there.
fn first_of(text: &str, span: &Range<usize>) -> Option<(&'static str, usize)> {
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let written = text.get(start..span.end)?.trim_start();
    let is_same = |line: &str| {
        let rest = line.trim_start().strip_prefix(written).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with([']', '=']))
    };
    let before: Vec<&str> = text.get(..start)?.lines().collect();
    let is_section = written.starts_with('[');
    // A key is looked for in its own section only.
    let own = before.iter().rposition(|line| line.trim_start().starts_with('[')).filter(|_| !is_section).unwrap_or(0);
    let at = before.iter().enumerate().skip(own).find(|(_, line)| is_same(line))?.0;
    Some((if is_section { "section" } else { "key" }, at + 1))
}
