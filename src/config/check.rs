//! From a text to a configuration: the steps in their order, and the list in which findings are collected.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::finding::{Finding, Findings, Level};
use super::units::Wrong;
use super::{Config, accounts, finding, keys, network, raw, rooms, running, xmpp};

/// Checks `text`. Relative paths in it are relative to `folder`. All findings come back either way.
pub(super) fn config(text: &str, file_name: &str, folder: &Path) -> Result<(Config, Findings), Findings> {
    let mut report = Report::new(text, folder);
    let file = read(text, &mut report);
    let complete = file.is_some();
    let config = file.and_then(|file| settings(file, &mut report));
    let wrong = report.list.iter().any(|f| f.level == Level::Error);
    let findings = Findings::new(file_name, text, report.list, complete);
    match config {
        Some(config) if !wrong => Ok((config, findings)),
        _ => Err(findings),
    }
}

/// Syntax, keys and types.
fn read(text: &str, report: &mut Report<'_>) -> Option<raw::File> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // What follows a mistake in the syntax is its consequence: one unclosed bracket is one error.
    if let Some(first) = errors.iter().min_by_key(|error| error.span().map_or(0, |span| span.start)) {
        report.syntax(first);
        return None;
    }
    let walk = keys::walk(table.get_ref());
    report.list.extend(walk.findings);
    // What follows would complain about what is only missing because it has another type.
    if walk.mistyped {
        return None;
    }
    toml::from_str(text).map_err(|error| report.syntax(&error)).ok()
}

/// Meaning. Sections are checked even when others are wrong, so that all is said at once.
fn settings(file: raw::File, report: &mut Report<'_>) -> Option<Config> {
    let node = running::node(file.node, report.section("node"));
    let limits = running::limits(&file.limits, report.section("limits"));
    let sip = network::sip(file.sip, node.clone(), &limits, report);
    let msrp_place = file.msrp.as_ref().map(Spanned::span);
    let msrp = network::msrp(file.msrp, report.section("msrp"));
    network::no_address_twice(sip.as_ref(), msrp.as_ref(), msrp_place, report);
    let (default_server, servers) = xmpp::servers(file.xmpp, report.section("xmpp"));
    let accounts = accounts::accounts(&file.accounts, report.section("accounts"));
    let domains = sip.as_ref().map_or(&[][..], |s| &s.domains);
    let rooms = rooms::rooms(&file.room_defaults, &file.rooms, domains, report);
    let timeouts = running::timeouts(&file.timeouts, report.section("timeouts"));
    let log = running::log(&file.log, report.section("log"));
    let http = running::http(file.http.as_ref(), report.section("http"));
    Some(Config {
        xmpp: crate::xmpp::settings::Settings { node: node.clone(), logins: limits.xmpp_logins },
        node,
        sip: sip?,
        msrp: msrp?,
        accounts: accounts.rules,
        passwords: accounts.passwords,
        rooms,
        limits: limits.focus,
        timeouts,
        log,
        http,
        default_server,
        servers,
    })
}

/// Where findings are collected.
pub(super) struct Report<'a> {
    list: Vec<Finding>,
    section: &'static str,
    text: &'a str,
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, folder: &'a Path) -> Self {
        Self { list: Vec::new(), section: "", text, folder }
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
        key: Option<&Spanned<String>>,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let key = key?;
        self.take(key.span(), parse(key.get_ref()))
    }

    /// The value of a key that must be there; else says so where its section begins, at `owner`.
    pub(super) fn required<'k, T>(
        &mut self,
        key: Option<&'k Spanned<T>>,
        owner: &Range<usize>,
        name: &str,
        example: &str,
    ) -> Option<&'k Spanned<T>> {
        if key.is_none() {
            let message = format!("{name} is missing in this [[{}]]", self.section);
            self.error(Some(owner.clone()), message, format!("write {name} = {example}"));
        }
        key
    }

    /// The line, counted from 1, of a place in the text.
    pub(super) fn line(&self, offset: usize) -> usize {
        finding::place(self.text, offset).map_or(0, |place| place.line)
    }

    fn add(&mut self, level: Level, span: Option<Range<usize>>, message: String, help: String) {
        self.list.push(Finding { level, section: self.section.to_owned(), span, message, help });
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let help = "this is not TOML: strings need quotes, lists need [ ] and commas, a key may stand once";
        self.section("").error(error.span(), error.message(), help);
    }
}
