//! `mucfocus check`: the configuration, section by section. Lines on standard output; errors also as pictures on
//! standard error.

mod cure;
mod online;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use self::online::{Grade, Seen};
use super::args::CheckArgs;
use super::{FAILED, WRONG, draw, wrong_configuration};
use crate::config::{Config, ConfigErrors, Finding, Findings, Level};

/// Sections in the order of the documentation.
const SECTIONS: [&str; 13] = [
    "node",
    "tls",
    "sip",
    "sip.auth",
    "msrp",
    "xmpp",
    "accounts",
    "room_defaults",
    "rooms",
    "limits",
    "timeouts",
    "log",
    "http",
];

pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let (config, findings) = match Config::load(&args.config.file) {
        Ok((config, warnings)) => (Some(config), warnings),
        Err(ConfigErrors::Wrong(findings)) => (None, findings),
        Err(unreadable) => return wrong_configuration(&unreadable),
    };
    // What is wrong in the file is mended first.
    let seen = config.filter(|_| args.online).map(|config| online::look(&config));
    let text = if args.json { json(&findings, seen.as_deref()) } else { lines(&findings, seen.as_deref()) };
    let printed = std::io::stdout().lock().write_all(text.as_bytes());
    if !args.json {
        draw(&findings, Level::Error);
    }
    let (errors, warnings) = totals(&findings, seen.as_deref());
    if findings.count(Level::Error) > 0 {
        ExitCode::from(WRONG)
    } else if printed.is_err() || errors > 0 || (args.strict && warnings > 0) {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

/// One line for each section that is fine, and one for each finding; behind those what was seen online.
fn lines(findings: &Findings, seen: Option<&[Seen]>) -> String {
    let mut out = format!("{}\n", findings.file());
    let others = findings.iter().filter(|f| !SECTIONS.iter().any(|s| within(&f.section, s)));
    for finding in others {
        line(&mut out, findings, finding, &finding.section);
    }
    for section in SECTIONS {
        let mut of_section = findings.iter().filter(|f| owner(&f.section) == Some(section)).peekable();
        if of_section.peek().is_none() {
            let state = if findings.is_complete() { "ok" } else { "not looked at before the errors are mended" };
            let _ = writeln!(out, "  {section:<14} {state}");
        }
        for finding in of_section {
            line(&mut out, findings, finding, section);
        }
        for seen in seen.into_iter().flatten().filter(|seen| seen.section == section) {
            let help = if seen.help.is_empty() { String::new() } else { format!("; {}", seen.help) };
            let _ = writeln!(out, "  {section:<14} {}  {}{help}", seen.grade.word(), seen.message);
        }
    }
    let (errors, warnings) = totals(findings, seen);
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(out, "ok"),
        _ => writeln!(out, "{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    out
}

/// Errors and warnings, of the file and seen online.
fn totals(findings: &Findings, seen: Option<&[Seen]>) -> (usize, usize) {
    let count = |grade| seen.into_iter().flatten().filter(|seen| seen.grade == grade).count();
    (findings.count(Level::Error) + count(Grade::Error), findings.count(Level::Warning) + count(Grade::Warning))
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn line(out: &mut String, findings: &Findings, finding: &Finding, section: &str) {
    let section = if section.is_empty() { "file" } else { section };
    let place = findings.place(finding).map(|p| format!("{}:{}: ", p.line, p.column)).unwrap_or_default();
    let level = word(finding.level);
    let _ = writeln!(out, "  {section:<14} {level}  {place}{}; {}", finding.message, finding.help);
}

/// The section of the list that a finding is shown under: the longest that it is within.
fn owner(section: &str) -> Option<&'static str> {
    SECTIONS.into_iter().filter(|s| within(section, s)).max_by_key(|s| s.len())
}

fn within(section: &str, outer: &str) -> bool {
    section.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

#[derive(Serialize)]
struct JsonReport<'a> {
    file: &'a str,
    /// Of the file and seen online.
    errors: usize,
    warnings: usize,
    findings: Vec<JsonFinding<'a>>,
    /// With `--online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<&'a [Seen]>,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    level: &'static str,
    section: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: &'a str,
}

fn json(findings: &Findings, seen: Option<&[Seen]>) -> String {
    let (errors, warnings) = totals(findings, seen);
    let report = JsonReport {
        file: findings.file(),
        errors,
        warnings,
        findings: findings
            .iter()
            .map(|f| {
                let place = findings.place(f);
                JsonFinding {
                    level: word(f.level),
                    section: &f.section,
                    line: place.map(|p| p.line),
                    column: place.map(|p| p.column),
                    message: &f.message,
                    help: &f.help,
                }
            })
            .collect(),
        online: seen,
    };
    // Structs of numbers and strings always have a JSON form.
    serde_json::to_string_pretty(&report).map(|text| text + "\n").unwrap_or_default()
}
