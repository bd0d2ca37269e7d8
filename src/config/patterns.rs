//! What rules of accounts and rooms have in common: patterns, templates, and rules that never come into play.

use std::collections::BTreeMap;
use std::ops::Range;

use mucfocus_core::address::pattern::{Folding, Pattern};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::address::template::Template;

use super::report::Report;
use super::units::Wrong;

pub(super) fn pattern(text: &str) -> Result<Pattern, Wrong> {
    Pattern::parse(text).map_err(|error| {
        let help = format!("{error}; like sip:romeo@example.org, sip:{{user}}@example.org or sip:*@*");
        Wrong::new(format!("\"{text}\" is not a pattern of SIP addresses"), help)
    })
}

pub(super) fn template(text: &str) -> Result<Template, Wrong> {
    Template::parse(text).map_err(|error| {
        let help = format!("{error}; like romeo@example.net or {{user}}@example.net");
        Wrong::new(format!("\"{text}\" is not a JID with captures in braces"), help)
    })
}

/// Whether the pattern captures all that the template asks for; says so if not.
pub(super) fn captured(pattern: &Pattern, template: &Template, at: Range<usize>, report: &mut Report<'_>) -> bool {
    let captures: Vec<String> = pattern.captures().map(|name| format!("{{{name}}}")).collect();
    let missing = template.names().find(|name| !pattern.captures().any(|c| c == *name));
    let Some(name) = missing else { return true };
    let help = if captures.is_empty() {
        format!("write {{{name}}} in sip where it comes from, in place of * or of a name")
    } else {
        format!("what sip captures: {}", captures.join(", "))
    };
    report.error(Some(at), format!("sip captures no {{{name}}}"), help);
    false
}

/// The rules so far, to see whether another one behind them can ever match.
pub(super) struct Reachable<'a> {
    folding: Folding,
    /// Those that match one address, by that address.
    fixed: BTreeMap<(String, String), usize>,
    open: Vec<(&'a Pattern, usize)>,
}

impl<'a> Reachable<'a> {
    pub(super) fn new(folding: Folding) -> Self {
        Self { folding, fixed: BTreeMap::new(), open: Vec::new() }
    }

    /// Adds the rule in `line`. The line of an earlier rule, if that one matches everything that this one matches.
    pub(super) fn add(&mut self, pattern: &'a Pattern, line: usize) -> Option<usize> {
        let by_open =
            self.open.iter().find(|(other, _)| pattern.is_covered_by(other, self.folding)).map(|(_, line)| *line);
        if !pattern.is_literal() {
            self.open.push((pattern, line));
            return by_open;
        }
        let uri = SipUri::parse(&pattern.to_string()).ok();
        let address = uri.as_ref().and_then(|uri| Some((uri.user_decoded()?, uri.host().to_owned())));
        let Some((user, host)) = address else { return by_open };
        let user = match self.folding {
            Folding::Room => user.to_lowercase(),
            Folding::Account => user.into(),
        };
        let by_fixed = self.fixed.get(&(user.clone(), host.clone())).copied();
        self.fixed.entry((user, host)).or_insert(line);
        by_open.into_iter().chain(by_fixed).min()
    }
}
