//! `[[rooms]]` and `[room_defaults]`: which MUC a room is.

use std::ops::Range;

use super::keys::FILE;
use super::patterns::{self, Reachable};
use super::raw::{self, At, Text};
use super::report::{Report, choice};
use super::secret::{self, Given};
use super::units::Wrong;
use super::{Place, RoomPlace};
use crate::msrp_net;
use mucfocus_core::address::mapping::{RoomRule, RoomRules, TOKEN};
use mucfocus_core::address::pattern::{Folding, Pattern};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::address::template::{NicknameTemplate, Template};
use mucfocus_core::stanza::Password;
use secrecy::ExposeSecret as _;

/// Messages shown on joining when nothing is said.
const HISTORY: u32 = 20;
/// Most that may be said: they are sent one by one before the caller hears what is said now.
const MOST_HISTORY: u32 = 200;

/// What a room has that does not say otherwise.
struct Defaults {
    allow: Vec<Pattern>,
    create: bool,
    nickname: NicknameTemplate,
    password: Option<Password>,
    history: u32,
    private_messages: bool,
    tls_only: bool,
    receipts: bool,
    whole_roster: bool,
    /// Where `allow` stands, if it does.
    allow_place: Option<Place>,
}

/// A rule that was understood.
struct Read {
    rule: RoomRule,
    sip_span: Range<usize>,
    place: RoomPlace,
}

/// The rules, and where they stand, in the same order.
pub(super) struct Rooms {
    pub(super) rules: RoomRules,
    pub(super) places: Vec<RoomPlace>,
    /// Where the `sip` of those stands that take MSRP under TLS only.
    tls_only: Vec<Range<usize>>,
}

pub(super) fn rooms(
    defaults: &raw::RoomDefaults,
    rooms: &[At<raw::Room>],
    domains: &[String],
    report: &mut Report<'_>,
) -> Rooms {
    report.section("room_defaults");
    let password = Given {
        wording: secret::ROOM,
        inline: defaults.password.as_ref(),
        file: defaults.password_file.as_ref(),
        credential: defaults.password_credential.as_ref(),
    };
    let defaults = Defaults {
        password: room_password(&password, report),
        history: defaults.history.as_ref().map_or(HISTORY, |history| self::history(history, report)),
        private_messages: defaults.private_messages.unwrap_or(true),
        tls_only: defaults.tls_only.unwrap_or(false),
        receipts: defaults.receipts.unwrap_or(true),
        whole_roster: whole_roster(defaults.roster.as_ref(), report).unwrap_or(false),
        allow_place: defaults.allow.as_ref().map(|list| report.place(list.span().start)),
        allow: allow(defaults.allow.as_ref(), report)
            .unwrap_or_else(|| patterns::pattern("sip:*@*").into_iter().collect()),
        create: defaults.create.unwrap_or(false),
        nickname: report.optional(defaults.nickname.as_ref(), nickname).unwrap_or_default(),
    };
    report.section("rooms");
    if rooms.is_empty() && !report.is_unusable(FILE, "rooms") {
        let help = r#"write [[rooms]] with sip = "sip:{room}@rooms.example.com" and muc = "{room}@muc.example.net""#;
        report.warning(None, "no address is a room, so every call gets 404", help);
    }
    let read: Vec<Read> = rooms.iter().filter_map(|room| rule(room, &defaults, report)).collect();
    rules_that_never_match(&read, domains, report);
    let places = read.iter().map(|r| r.place).collect();
    let tls_only = read.iter().filter(|r| r.rule.tls_only).map(|r| r.sip_span.clone()).collect();
    let rules = RoomRules::new(read.iter().map(|r| r.rule.clone()).collect(), domains.to_vec());
    factories_lead_somewhere(&read, &rules, report);
    Rooms { rules, places, tls_only }
}

/// A room that wants TLS needs a listener for it (SW-37).
pub(super) fn can_be_reached(rooms: &Rooms, msrp: Option<&msrp_net::settings::Settings>, report: &mut Report<'_>) {
    if msrp.is_none_or(|msrp| msrp.listen.iter().any(|listen| listen.kind.is_secure())) {
        return;
    }
    for span in &rooms.tls_only {
        let message = "this room is tls_only, and no MSRP is listened for under TLS: every call would get 488";
        let help = r#"add a listener like "tls:0.0.0.0:2856" to [msrp] listen, and [tls]"#;
        report.warning(Some(span.clone()), message, help);
    }
}

fn rule(room: &At<raw::Room>, defaults: &Defaults, report: &mut Report<'_>) -> Option<Read> {
    let (keys, owner) = (room.get_ref(), room.span());
    let sip = report.required(keys.sip.as_ref(), &owner, "sip", r#""sip:{room}@rooms.example.com""#);
    let muc = report.required(keys.muc.as_ref(), &owner, "muc", r#""{room}@muc.example.net""#);
    let pattern = sip.and_then(|text| report.optional(Some(text), room_pattern));
    let template = muc.and_then(|text| report.optional(Some(text), room_template));
    let name = report.optional(keys.name.as_ref(), name);
    let allow = allow(keys.allow.as_ref(), report);
    let nickname = report.optional(keys.nickname.as_ref(), nickname);
    let history = keys.history.as_ref().map(|history| self::history(history, report));
    let whole_roster = whole_roster(keys.roster.as_ref(), report);
    let password = Given {
        wording: secret::ROOM,
        inline: keys.password.as_ref(),
        file: keys.password_file.as_ref(),
        credential: keys.password_credential.as_ref(),
    };
    let password = room_password(&password, report);
    let allow_place = keys.allow.as_ref().map(|list| report.place(list.span().start));
    let (sip, muc, pattern, template) = (sip?, muc?, pattern?, template?);
    let is_factory = keys.factory.unwrap_or(false);
    let is_right = match is_factory {
        true => factory(&pattern, &template, muc, report),
        false => patterns::captured(&pattern, &template, muc.span(), report),
    };
    is_right.then(|| Read {
        sip_span: sip.span(),
        place: RoomPlace { rule: report.place(owner.start), allow: allow_place.or(defaults.allow_place) },
        rule: RoomRule {
            name: name.unwrap_or_else(|| pattern.to_string()),
            sip: pattern,
            muc: template,
            allow: allow.unwrap_or_else(|| defaults.allow.clone()),
            create: keys.create.unwrap_or(defaults.create),
            nickname: nickname.unwrap_or_else(|| defaults.nickname.clone()),
            password: password.or_else(|| defaults.password.clone()),
            history: history.unwrap_or(defaults.history),
            private_messages: keys.private_messages.unwrap_or(defaults.private_messages),
            tls_only: keys.tls_only.unwrap_or(defaults.tls_only),
            receipts: keys.receipts.unwrap_or(defaults.receipts),
            whole_roster: whole_roster.unwrap_or(defaults.whole_roster),
        },
    })
}

/// The rule of a factory: its MUC has what makes each room a new one.
fn factory(pattern: &Pattern, template: &Template, muc: &Text, report: &mut Report<'_>) -> bool {
    let captures = |name: &str| pattern.captures().any(|capture| capture == name);
    let missing = template.names().find(|name| *name != TOKEN && !captures(name));
    let help = r#"write {token} where the rooms differ, like muc = "{token}@muc.example.net""#;
    if captures(TOKEN) || !template.names().any(|name| name == TOKEN) {
        report.error(Some(muc.span()), "this factory would make the same room each time", help);
        return false;
    }
    if let Some(name) = missing {
        report.error(Some(muc.span()), format!("sip captures no {{{name}}}"), help);
    }
    missing.is_none()
}

/// What a factory makes has to have an address.
fn factories_lead_somewhere(read: &[Read], rules: &RoomRules, report: &mut Report<'_>) {
    for (read, rule) in read.iter().zip(rules.rules()).filter(|(_, rule)| rule.is_factory() && rule.sip.is_literal()) {
        let uri = SipUri::parse(&rule.sip.to_string()).ok();
        if uri.is_some_and(|uri| rules.factory(&uri).is_some() && rules.make(&uri, "x").is_none()) {
            let help = r#"write another rule for them, like sip = "sip:{room}@rooms.example.com" and muc = "{room}@muc.example.net""#;
            report.warning(Some(read.sip_span.clone()), "no rule gives an address to the rooms of this factory", help);
        }
    }
}

fn whole_roster(roster: Option<&Text>, report: &mut Report<'_>) -> Option<bool> {
    report.optional(roster, |text| match text {
        "partial" => Ok(false),
        "full" => Ok(true),
        other => Err(choice(other, &["partial", "full"], &[])),
    })
}

fn room_password(given: &Given<'_>, report: &mut Report<'_>) -> Option<Password> {
    given.optional(report).map(|password| Password::new(password.expose_secret().to_owned()))
}

fn history(history: &At<u32>, report: &mut Report<'_>) -> u32 {
    if *history.get_ref() > MOST_HISTORY {
        let help = "write 200 at most: a caller waits until he has seen them all";
        report.error(Some(history.span()), "nobody reads so many messages on joining", help);
    }
    *history.get_ref()
}

fn room_pattern(text: &str) -> Result<Pattern, Wrong> {
    let pattern = patterns::pattern(text)?;
    if pattern.has_wildcard_in_user() {
        let help = "write a capture, like sip:{room}@rooms.example.com";
        return Err(Wrong::new("* in the user part of a room: the room's own address could not be written", help));
    }
    Ok(pattern)
}

fn room_template(text: &str) -> Result<mucfocus_core::address::template::Template, Wrong> {
    if text.contains('@') {
        return patterns::template(text);
    }
    Err(Wrong::new(
        format!("\"{text}\" is not the address of a MUC"),
        "write room@service, like capulet@muc.example.net",
    ))
}

fn name(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Wrong::new(
            "a name without letters, or with line breaks",
            "write a name for logs, like \"capulet\"",
        ));
    }
    Ok(text.to_owned())
}

fn nickname(text: &str) -> Result<NicknameTemplate, Wrong> {
    NicknameTemplate::parse(text).map_err(|_| {
        let help = "what can stand in braces here: {display_name} and {user}, of the caller; nothing else is captured";
        Wrong::new(format!("\"{text}\" is not a template of nicknames"), help)
    })
}

/// `None` when there is no list.
fn allow(list: Option<&At<Vec<raw::Text>>>, report: &mut Report<'_>) -> Option<Vec<Pattern>> {
    let list = list?;
    if list.get_ref().is_empty() {
        let help = r#"write allow = ["sip:*@example.org"], or leave it out to let every caller in"#;
        report.warning(Some(list.span()), "nobody is let in", help);
    }
    Some(list.get_ref().iter().filter_map(|text| report.optional(Some(text), patterns::pattern)).collect())
}

fn rules_that_never_match(all: &[Read], domains: &[String], report: &mut Report<'_>) {
    let mut seen = Reachable::new(Folding::Room);
    for read in all {
        let span = || Some(read.sip_span.clone());
        if let Some(earlier) = seen.add(&read.rule.sip, read.place.rule.line) {
            let message = format!("this rule can never match: that of line {earlier} takes all of its rooms");
            report.warning(span(), message, "put it before that one, or leave it out");
        } else if !domains.is_empty() && !domains.iter().any(|domain| host_matches(&read.rule.sip, domain)) {
            let help = format!("add its host to sip.domains, which is {}", domains.join(", "));
            report.warning(span(), "this rule can never match: its host is none of sip.domains", help);
        }
    }
}

/// Whether the host of `pattern` matches `domain`, whatever its user part.
fn host_matches(pattern: &Pattern, domain: &str) -> bool {
    let text = pattern.to_string();
    let any_user = text.split_once('@').and_then(|(_, host)| Pattern::parse(&format!("sip:*@{host}")).ok());
    let uri = SipUri::new(Some("x"), domain).ok();
    any_user.zip(uri).is_some_and(|(pattern, uri)| pattern.matches(&uri, Folding::Room).is_some())
}
