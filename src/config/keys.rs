//! The table of keys, which is read from the schema of `raw`, and the walk that holds a file against it: unknown keys, keys that
//! are still to come, values of the wrong type. All of them are found, not only the first, and taken out, so that the rest of
//! the file can be looked at.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Level};
use super::schema;

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; also times, sizes and rates.
    Text,
    /// `true` or `false`.
    Flag,
    /// A number.
    Number,
    /// A number, or `"off"`.
    Count,
    /// A list of strings.
    Texts,
    /// `[section]`.
    Table,
    /// `[[section]]`, any number of them.
    Tables,
    /// A table whose keys are names of the user's own choice, each with a table: `[section."name"]`.
    Named,
    /// Promised, and not in this version.
    NotYet,
}

/// One key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where it stands, without indices; `*` for a name of the user's own choice.
    pub path: String,
    /// What stands behind it.
    pub kind: Kind,
    /// A value to show when the type is wrong.
    pub example: String,
}

/// Promised, and not in this version.
const LATER: [&str; 3] = ["xmpp.component", "room_defaults.page_mode", "rooms.page_mode"];

/// Every key that was promised, by its path.
pub static KEYS: LazyLock<BTreeMap<String, Key>> = LazyLock::new(|| {
    let mut keys = BTreeMap::new();
    collect("", &schema::schema(), &mut keys);
    for path in LATER {
        keys.insert(path.to_owned(), Key { path: path.to_owned(), kind: Kind::NotYet, example: String::new() });
    }
    keys
});

fn collect(path: &str, schema: &Value, keys: &mut BTreeMap<String, Key>) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = join(path, name);
        let first = property.get("examples").and_then(|examples| examples.get(0));
        let example = first.or(property.get("default")).map(in_toml).unwrap_or_default();
        let kind = kind(property);
        match kind {
            Kind::Table => collect(&path, property, keys),
            Kind::Tables => collect(&path, property.get("items").unwrap_or(&Value::Null), keys),
            Kind::Named => {
                let inner = join(&path, "*");
                collect(&inner, property.get("additionalProperties").unwrap_or(&Value::Null), keys);
                keys.insert(inner.clone(), Key { path: inner, kind: Kind::Table, example: String::new() });
            }
            _ => {}
        }
        keys.insert(path.clone(), Key { path, kind, example });
    }
}

fn kind(property: &Value) -> Kind {
    let of = |value: &Value| value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match of(property).as_str() {
        "object" if property.get("properties").is_some() => Kind::Table,
        "object" => Kind::Named,
        "array" if property.get("items").map(of).as_deref() == Some("object") => Kind::Tables,
        "array" => Kind::Texts,
        "boolean" => Kind::Flag,
        "integer" => Kind::Number,
        "string" => Kind::Text,
        // The one type that is written in two ways.
        _ => Kind::Count,
    }
}

/// A value of a schema as TOML writes it: the same as JSON but for the blanks in a list.
fn in_toml(value: &Value) -> String {
    match value.as_array() {
        Some(list) => format!("[{}]", list.iter().map(in_toml).collect::<Vec<_>>().join(", ")),
        None => value.to_string(),
    }
}

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Everything wrong.
    pub(super) findings: Vec<Finding>,
    /// Keys that are there but cannot be used, by where their section begins ([`FILE`]: the file): nobody is to say that they
    /// are missing.
    pub(super) unusable: BTreeSet<(usize, String)>,
}

/// Where the file as a whole begins, as no section can.
pub(super) const FILE: usize = usize::MAX;

/// Holds a whole file against [`KEYS`]. What is wrong is taken out; what is misspelled gets its right name, if there is one.
pub(super) fn walk(file: &mut DeTable<'_>) -> Walk {
    let mut walk = Walk::default();
    walk.table(file, FILE, "", "");
    walk
}

impl Walk {
    /// `path` is the table's place in [`KEYS`]; `section` how it is written in the file, where it begins at `start`.
    fn table(&mut self, table: &mut DeTable<'_>, start: usize, path: &str, section: &str) {
        let names: Vec<Spanned<Cow<'_, str>>> = table.keys().cloned().collect();
        for name in names {
            let Some(mut value) = table.remove(&name) else { continue };
            let text: &str = name.get_ref();
            let at = if section.is_empty() { text } else { section };
            let found = match KEYS.get(&join(path, text)) {
                None => {
                    let (what, help, near) = unknown(path, text, value.get_ref());
                    let message = format!("unknown {what} \"{text}\"{}", in_section(section));
                    self.error(at, Some(name.span()), message, help);
                    // What else is wrong with it is said as well, once it stands for nothing else.
                    near.filter(|key| key.kind != Kind::NotYet && !table.contains_key(split(&key.path).1))
                }
                Some(Key { kind: Kind::NotYet, .. }) => {
                    let message = format!("\"{}\" is not yet in this version of mucfocus", join(section, text));
                    self.error(at, Some(name.span()), message, "leave it out; a later version has it".to_owned());
                    None
                }
                Some(key) => Some(key),
            };
            let Some(key) = found else { continue };
            let key_name = split(&key.path).1;
            let span = value.span();
            if self.value(key, &mut value, &join(section, key_name)) {
                table.insert(Spanned::new(name.span(), Cow::Owned(key_name.to_owned())), value);
            } else {
                self.unusable.insert((start, key_name.to_owned()));
                let (wanted, help) = wanted(key, &join(section, key_name));
                self.error(at, Some(span), format!("{} must be {wanted}", join(section, key_name)), help);
            }
        }
    }

    /// Whether the value has the type of its key.
    fn value(&mut self, key: &Key, value: &mut Spanned<DeValue<'_>>, shown: &str) -> bool {
        let all_texts = |list: &toml::de::DeArray<'_>| list.iter().all(|v| v.get_ref().is_str());
        let start = value.span().start;
        match (key.kind, value.get_mut()) {
            (Kind::Table, DeValue::Table(inner)) => self.table(inner, start, &key.path, shown),
            (Kind::Tables, DeValue::Array(list)) if list.iter().all(|v| v.get_ref().is_table()) => {
                for inner in list.iter_mut() {
                    let start = inner.span().start;
                    if let DeValue::Table(inner) = inner.get_mut() {
                        self.table(inner, start, &key.path, shown);
                    }
                }
            }
            (Kind::Named, DeValue::Table(inner)) => self.named(key, inner, shown),
            (Kind::Text, DeValue::String(_)) | (Kind::Flag, DeValue::Boolean(_)) => {}
            (Kind::Count | Kind::Number, DeValue::Integer(n)) => {
                return u32::from_str_radix(n.as_str(), n.radix()).is_ok();
            }
            (Kind::Count, DeValue::String(off)) => return off == "off",
            (Kind::Texts, DeValue::Array(list)) => return all_texts(list),
            _ => return false,
        }
        true
    }

    fn named(&mut self, key: &Key, table: &mut DeTable<'_>, shown: &str) {
        let path = join(&key.path, "*");
        let mut wrong = Vec::new();
        for (name, value) in table.iter_mut() {
            let shown = format!("{shown}.\"{}\"", name.get_ref());
            let start = value.span().start;
            if let DeValue::Table(table) = value.get_mut() {
                self.table(table, start, &path, &shown);
            } else {
                let help = format!("write a section [{shown}]");
                self.error(&key.path, Some(name.span()), format!("{shown} must be a section"), help);
                wrong.push(name.clone());
            }
        }
        for name in wrong {
            table.remove(&name);
        }
    }

    fn error(&mut self, section: &str, span: Option<Range<usize>>, message: String, help: String) {
        self.findings.push(Finding { level: Level::Error, section: section.to_owned(), span, message, help });
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn in_section(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!(" in [{section}]") }
}

/// The last part of a path, and what comes before it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// What an unknown key is, what to do about it, and which key was probably meant.
fn unknown(path: &str, name: &str, value: &DeValue<'_>) -> (&'static str, String, Option<&'static Key>) {
    let is_section = value.is_table() || value.as_array().is_some_and(|a| a.iter().any(|v| v.get_ref().is_table()));
    let what = if is_section { "section" } else { "key" };
    let siblings: Vec<&'static Key> = KEYS.values().filter(|k| split(&k.path).0 == path).collect();
    let near = siblings
        .iter()
        .map(|k| (distance(name, split(&k.path).1), *k))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, k)| *d <= (name.len().max(split(&k.path).1.len()) / 3).max(1));
    if let Some((_, key)) = near {
        let soon = if key.kind == Kind::NotYet { " (which is not yet in this version)" } else { "" };
        return (what, format!("did you mean \"{}\"?{soon}", split(&key.path).1), Some(key));
    }
    let elsewhere: Vec<String> = KEYS
        .values()
        .filter(|k| split(&k.path).1 == name && !k.path.contains('*') && k.kind != Kind::NotYet)
        .map(|k| bracketed(split(&k.path).0))
        .collect();
    if !elsewhere.is_empty() {
        return (what, format!("\"{name}\" belongs in {}", elsewhere.join(" or ")), None);
    }
    let all: Vec<&str> = siblings.iter().filter(|k| k.kind != Kind::NotYet).map(|k| split(&k.path).1).collect();
    (what, format!("what can stand here: {}", all.join(", ")), None)
}

/// A section as it is written in a file.
fn bracketed(path: &str) -> String {
    match KEYS.get(path) {
        Some(Key { kind: Kind::Tables, .. }) => format!("[[{path}]]"),
        _ if path.is_empty() => "the top of the file".to_owned(),
        _ => format!("[{path}]"),
    }
}

fn wanted(key: &Key, shown: &str) -> (&'static str, String) {
    let wanted = match key.kind {
        Kind::Text => "a string",
        Kind::Flag => "true or false, without quotes",
        Kind::Number => "a whole number, 0 or more",
        Kind::Count => "a whole number, 0 or more, or \"off\" to lift the limit",
        Kind::Texts => "a list of strings",
        Kind::Table | Kind::Named => "a section",
        Kind::Tables => "a section in double brackets",
        Kind::NotYet => "absent",
    };
    let help = match key.kind {
        Kind::Table => format!("write [{shown}]"),
        Kind::Named => format!("write [{shown}.\"example.net\"]"),
        Kind::Tables => format!("write [[{shown}]]"),
        _ => format!("write {} = {}", split(&key.path).1, key.example),
    };
    (wanted, help)
}

/// The name in `among` that `written` was probably meant to be.
pub(super) fn nearest<'a>(written: &str, among: &[&'a str]) -> Option<&'a str> {
    let near = among.iter().map(|a| (distance(written, a), *a)).min_by_key(|(d, _)| *d)?;
    (near.0 <= (written.len().max(near.1.len()) / 3).max(1)).then_some(near.1)
}

/// Letters to add, drop, change or swap with their neighbour (optimal string alignment), case set aside. Keys are
/// short; what is written is cut to 64 characters, so the work is bounded.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| s.chars().take(64).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut two_back: Vec<usize> = Vec::new();
    let mut back: Vec<usize> = (0..=b.len()).collect();
    let mut before: Option<char> = None;
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut left = i + 1;
        let mut y_before: Option<char> = None;
        for (j, &y) in b.iter().enumerate() {
            let diagonal = back.get(j).copied().unwrap_or(usize::MAX);
            let above = back.get(j + 1).copied().unwrap_or(usize::MAX);
            let mut best = diagonal.saturating_add(usize::from(x != y)).min(above.saturating_add(1)).min(left + 1);
            if before == Some(y) && y_before == Some(x) {
                let swapped = j.checked_sub(1).and_then(|j| two_back.get(j)).copied().unwrap_or(usize::MAX);
                best = best.min(swapped.saturating_add(1));
            }
            row.push(best);
            (left, y_before) = (best, Some(y));
        }
        two_back = std::mem::replace(&mut back, row);
        before = Some(x);
    }
    back.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(String, String)> {
        walk(DeTable::parse(text).unwrap().get_mut()).findings.into_iter().map(|f| (f.message, f.help)).collect()
    }

    #[test]
    fn a_misspelled_section_or_key_names_the_one_that_was_meant() {
        let found = findings("[xmmp]\n[sip]\nlistne = []\n[sip.auth]\ntrusted_peer = []\n[[room]]\n");
        let text: Vec<String> = found.into_iter().map(|(m, h)| format!("{m}: {h}")).collect();
        assert!(text.contains(&r#"unknown section "xmmp": did you mean "xmpp"?"#.to_owned()), "{text:#?}");
        assert!(text.contains(&r#"unknown key "listne" in [sip]: did you mean "listen"?"#.to_owned()), "{text:#?}");
        assert!(
            text.contains(&r#"unknown key "trusted_peer" in [sip.auth]: did you mean "trusted_peers"?"#.to_owned()),
            "{text:#?}"
        );
        assert!(text.contains(&r#"unknown section "room": did you mean "rooms"?"#.to_owned()), "{text:#?}");
    }

    #[test]
    fn a_key_in_the_wrong_section_is_told_where_it_belongs() {
        assert_eq!(
            findings("trusted_peers = []"),
            [(r#"unknown key "trusted_peers""#.to_owned(), r#""trusted_peers" belongs in [sip.auth]"#.to_owned())]
        );
        assert_eq!(findings("[http]\nmuc = ''").first().unwrap().1, r#""muc" belongs in [[rooms]]"#);
    }

    #[test]
    fn a_promised_key_is_not_yet_there_and_is_not_called_unknown() {
        for text in ["[[rooms]]\npage_mode = true", "[room_defaults]\npage_mode = true", "[xmpp.component]\njid = ''"] {
            let found = findings(text);
            assert!(found.iter().any(|(m, _)| m.contains("not yet in this version")), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_value_of_another_type_shows_one_that_fits() {
        let found = findings("[sip]\nlisten = 'udp:1.2.3.4:5060'\n[limits]\nlegs = -1\n[room_defaults]\ncreate = 'no'");
        let helps: Vec<&str> = found.iter().map(|(_, h)| h.as_str()).collect();
        assert!(helps.contains(&r#"write listen = ["udp:10.0.0.5:5060", "tcp:10.0.0.5:5060"]"#), "{found:?}");
        assert!(helps.contains(&"write legs = 5000"), "{found:?}");
        assert!(helps.contains(&"write create = false"), "{found:?}");
        assert_eq!(findings("[rooms]\nsip = ''").first().unwrap().1, "write [[rooms]]");
    }

    #[test]
    fn distance_counts_a_swap_of_neighbours_as_one() {
        assert_eq!(distance("xmmp", "xmpp"), 1);
        assert_eq!(distance("lisetn", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
