//! The list in which findings are collected, and what is said in many of them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use super::finding::{self, Finding, Level, Place};
use super::keys::{Walk, nearest};
use super::raw::At;
use super::units::Wrong;

/// Where findings are collected.
pub(super) struct Report<'a> {
    list: Vec<Finding>,
    section: &'static str,
    text: &'a str,
    /// See [`Walk::unusable`].
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

    /// What the keys of the file show before their values are looked at.
    pub(super) fn walked(&mut self, walk: Walk) {
        self.list.extend(walk.findings);
        self.unusable = walk.unusable;
    }

    /// All that was found.
    pub(super) fn into_list(self) -> Vec<Finding> {
        self.list
    }

    fn add(&mut self, level: Level, span: Option<Range<usize>>, message: String, help: String) {
        self.list.push(Finding { level, section: self.section.to_owned(), span, message, help });
    }

    /// What is not TOML.
    pub(super) fn syntax(&mut self, error: &toml::de::Error) {
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

/// A word that is none of `known`, and not one that is to come either.
pub(super) fn choice(written: &str, known: &[&str], later: &[&str]) -> Wrong {
    let all = known.join("\", \"");
    if later.contains(&written) {
        let problem = format!("\"{written}\" is not yet in this version of mucfocus");
        return Wrong::new(problem, format!("a later version has it; this one has \"{all}\""));
    }
    let help = match nearest(written, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write \"{all}\""),
    };
    Wrong::new(format!("\"{written}\" is not one of \"{all}\""), help)
}
