//! `[[rooms]]` and `[room_defaults]`: which MUC a room is.

use std::ops::Range;

use mucfocus_core::address::mapping::{RoomRule, RoomRules};
use mucfocus_core::address::pattern::{Folding, Pattern};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::address::template::NicknameTemplate;
use toml::Spanned;

use super::check::Report;
use super::patterns::{self, Reachable};
use super::raw;
use super::units::Wrong;

/// What a room has that does not say otherwise.
struct Defaults {
    allow: Vec<Pattern>,
    create: bool,
    nickname: NicknameTemplate,
}

/// A rule that was understood.
struct Read {
    rule: RoomRule,
    line: usize,
    sip_span: Range<usize>,
}

pub(super) fn rooms(
    defaults: &raw::RoomDefaults,
    rooms: &[Spanned<raw::Room>],
    domains: &[String],
    report: &mut Report<'_>,
) -> RoomRules {
    report.section("room_defaults");
    let defaults = Defaults {
        allow: allow(defaults.allow.as_ref(), report)
            .unwrap_or_else(|| patterns::pattern("sip:*@*").into_iter().collect()),
        create: defaults.create.unwrap_or(false),
        nickname: report.optional(defaults.nickname.as_ref(), nickname).unwrap_or_default(),
    };
    report.section("rooms");
    if rooms.is_empty() {
        let help = r#"write [[rooms]] with sip = "sip:{room}@rooms.example.com" and muc = "{room}@muc.example.net""#;
        report.warning(None, "no address is a room, so every call gets 404", help);
    }
    let read: Vec<Read> = rooms.iter().filter_map(|room| rule(room, &defaults, report)).collect();
    rules_that_never_match(&read, domains, report);
    RoomRules::new(read.into_iter().map(|r| r.rule).collect(), domains.to_vec())
}

fn rule(room: &Spanned<raw::Room>, defaults: &Defaults, report: &mut Report<'_>) -> Option<Read> {
    let (keys, owner) = (room.get_ref(), room.span());
    let sip = report.required(keys.sip.as_ref(), &owner, "sip", r#""sip:{room}@rooms.example.com""#);
    let muc = report.required(keys.muc.as_ref(), &owner, "muc", r#""{room}@muc.example.net""#);
    let pattern = sip.and_then(|text| report.optional(Some(text), room_pattern));
    let template = muc.and_then(|text| report.optional(Some(text), room_template));
    let name = keys.name.as_ref().map(|text| report.optional(Some(text), name));
    let allow = keys.allow.as_ref().map(|list| allow(Some(list), report));
    let nickname = keys.nickname.as_ref().map(|text| report.optional(Some(text), nickname));
    let (sip, muc, pattern, template) = (sip?, muc?, pattern?, template?);
    patterns::captured(&pattern, &template, muc.span(), report).then(|| Read {
        line: report.line(owner.start),
        sip_span: sip.span(),
        rule: RoomRule {
            name: name.flatten().unwrap_or_else(|| pattern.to_string()),
            sip: pattern,
            muc: template,
            allow: allow.flatten().unwrap_or_else(|| defaults.allow.clone()),
            create: keys.create.unwrap_or(defaults.create),
            nickname: nickname.flatten().unwrap_or_else(|| defaults.nickname.clone()),
        },
    })
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
    NicknameTemplate::parse(text).map_err(|error| {
        let help = format!("{error}; what there is: {{display_name}} and {{user}}");
        Wrong::new(format!("\"{text}\" is not a template of nicknames"), help)
    })
}

/// `None` when there is no list.
fn allow(list: Option<&Spanned<Vec<raw::Text>>>, report: &mut Report<'_>) -> Option<Vec<Pattern>> {
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
        if let Some(earlier) = seen.add(&read.rule.sip, read.line) {
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
