//! The one table of keys, and the walk that holds a file against it: unknown keys, keys that are still to come, values
//! of the wrong type. All of them are found, not only the first.

use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Level};

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; also times, sizes and rates.
    Text,
    /// `true` or `false`.
    Flag,
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
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it stands, without indices; `*` for a name of the user's own choice.
    pub path: &'static str,
    /// What stands behind it.
    pub kind: Kind,
    /// A value to show when the type is wrong.
    pub example: &'static str,
}

const fn key(path: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { path, kind, example }
}

const fn later(path: &'static str) -> Key {
    Key { path, kind: Kind::NotYet, example: "" }
}

/// Every key that was promised.
pub const KEYS: &[Key] = &[
    key("node", Kind::Table, ""),
    key("node.name", Kind::Text, r#""focus1""#),
    later("node.nonce_key_file"),
    later("tls"),
    key("sip", Kind::Table, ""),
    key("sip.listen", Kind::Texts, r#"["udp:10.0.0.5:5060", "tcp:10.0.0.5:5060"]"#),
    key("sip.domains", Kind::Texts, r#"["rooms.example.com"]"#),
    key("sip.advertise", Kind::Text, r#""focus1.example.com""#),
    later("sip.allowed_origins"),
    later("sip.outbound"),
    key("sip.auth", Kind::Table, ""),
    key("sip.auth.trusted_peers", Kind::Texts, r#"["10.0.0.10"]"#),
    key("sip.auth.identity", Kind::Texts, r#"["p-asserted-identity"]"#),
    key("sip.auth.untrusted", Kind::Text, r#""refuse""#),
    later("sip.auth.realm"),
    later("sip.auth.algorithms"),
    later("sip.auth.users"),
    key("msrp", Kind::Table, ""),
    key("msrp.listen", Kind::Texts, r#"["tcp:10.0.0.5:2855"]"#),
    key("msrp.advertise", Kind::Text, r#""focus1.example.com""#),
    key("msrp.max_message_size", Kind::Text, r#""64KiB""#),
    key("xmpp", Kind::Table, ""),
    key("xmpp.server", Kind::Text, r#""10.0.0.20:5222""#),
    key("xmpp.tls", Kind::Text, r#""starttls""#),
    key("xmpp.ca_file", Kind::Text, r#""/etc/mucfocus/ca.pem""#),
    key("xmpp.domains", Kind::Named, ""),
    key("xmpp.domains.*", Kind::Table, ""),
    key("xmpp.domains.*.server", Kind::Text, r#""10.0.0.20:5222""#),
    key("xmpp.domains.*.tls", Kind::Text, r#""starttls""#),
    key("xmpp.domains.*.ca_file", Kind::Text, r#""/etc/mucfocus/ca.pem""#),
    later("xmpp.component"),
    key("accounts", Kind::Tables, ""),
    key("accounts.sip", Kind::Text, r#""sip:romeo@example.org""#),
    key("accounts.jid", Kind::Text, r#""romeo@example.net""#),
    key("accounts.login", Kind::Text, r#""password""#),
    key("accounts.password", Kind::Text, r#""secret""#),
    key("accounts.password_file", Kind::Text, r#""/etc/mucfocus/romeo.xmpp""#),
    key("accounts.password_credential", Kind::Text, r#""romeo.xmpp""#),
    later("accounts.secret"),
    later("accounts.secret_file"),
    later("accounts.secret_credential"),
    key("room_defaults", Kind::Table, ""),
    key("room_defaults.allow", Kind::Texts, r#"["sip:*@*"]"#),
    key("room_defaults.create", Kind::Flag, "false"),
    key("room_defaults.nickname", Kind::Text, r#""{display_name}""#),
    later("room_defaults.history"),
    later("room_defaults.private_messages"),
    later("room_defaults.page_mode"),
    key("rooms", Kind::Tables, ""),
    key("rooms.name", Kind::Text, r#""capulet""#),
    key("rooms.sip", Kind::Text, r#""sip:capulet@rooms.example.com""#),
    key("rooms.muc", Kind::Text, r#""capulet@muc.example.net""#),
    key("rooms.allow", Kind::Texts, r#"["sip:*@*"]"#),
    key("rooms.create", Kind::Flag, "false"),
    key("rooms.nickname", Kind::Text, r#""{display_name}""#),
    later("rooms.history"),
    later("rooms.private_messages"),
    later("rooms.page_mode"),
    later("rooms.password"),
    later("rooms.password_file"),
    later("rooms.password_credential"),
    key("limits", Kind::Table, ""),
    key("limits.legs", Kind::Count, "5000"),
    key("limits.messages_per_user", Kind::Text, r#""20/s""#),
    key("limits.requests_per_source", Kind::Text, r#""30/s""#),
    key("limits.connections_per_source", Kind::Count, "20"),
    key("limits.xmpp_logins", Kind::Text, r#""20/s""#),
    later("limits.legs_per_user"),
    later("limits.joins_per_user"),
    later("limits.subscriptions_per_user"),
    later("limits.invitations_per_user"),
    later("limits.failed_logins_per_source"),
    later("limits.ban_time"),
    key("timeouts", Kind::Table, ""),
    key("timeouts.join", Kind::Text, r#""15s""#),
    key("timeouts.reflection", Kind::Text, r#""25s""#),
    key("timeouts.lost_leg", Kind::Text, r#""45s""#),
    key("timeouts.drain", Kind::Text, r#""5s""#),
    later("timeouts.muc_outage"),
    key("log", Kind::Table, ""),
    key("log.level", Kind::Text, r#""info""#),
    key("log.format", Kind::Text, r#""text""#),
    key("http", Kind::Table, ""),
    key("http.listen", Kind::Text, r#""127.0.0.1:8085""#),
    later("control"),
];

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Everything wrong.
    pub(super) findings: Vec<Finding>,
    /// Whether a value has another type than its key asks for, so that there is no sense in reading on.
    pub(super) mistyped: bool,
}

/// Holds a whole file against [`KEYS`].
pub(super) fn walk(file: &DeTable<'_>) -> Walk {
    let mut walk = Walk::default();
    walk.table(file, "", "");
    walk
}

impl Walk {
    /// `path` is the table's place in [`KEYS`]; `section` how it is written in the file.
    fn table(&mut self, table: &DeTable<'_>, path: &str, section: &str) {
        for (name, value) in table {
            let text: &str = name.get_ref();
            let known = find(&join(path, text));
            let span = Some(name.span());
            match known {
                None => {
                    let (what, help) = unknown(path, text, value.get_ref());
                    let at = if section.is_empty() { text } else { section };
                    self.error(at, span, format!("unknown {what} \"{text}\"{}", in_section(section)), help);
                }
                Some(Key { kind: Kind::NotYet, .. }) => {
                    let at = if section.is_empty() { text } else { section };
                    self.error(
                        at,
                        span,
                        format!("\"{}\" is not yet in this version of mucfocus", join(section, text)),
                        "leave it out; a later version has it".to_owned(),
                    );
                }
                Some(key) => self.value(key, value.get_ref(), value.span(), &join(section, text), section),
            }
        }
    }

    fn value(&mut self, key: &Key, value: &DeValue<'_>, span: std::ops::Range<usize>, shown: &str, section: &str) {
        let all_texts = |list: &toml::de::DeArray<'_>| list.iter().all(|v| v.get_ref().is_str());
        match (key.kind, value) {
            (Kind::Table, DeValue::Table(inner)) => self.table(inner, key.path, shown),
            (Kind::Tables, DeValue::Array(list)) if list.iter().all(|v| v.get_ref().is_table()) => {
                for inner in list.iter().filter_map(|v| v.get_ref().as_table()) {
                    self.table(inner, key.path, shown);
                }
            }
            (Kind::Named, DeValue::Table(inner)) => self.named(key, inner, shown),
            (Kind::Text, DeValue::String(_)) | (Kind::Flag, DeValue::Boolean(_)) => {}
            (Kind::Count, DeValue::Integer(n)) if u32::from_str_radix(n.as_str(), n.radix()).is_ok() => {}
            (Kind::Count, DeValue::String(off)) if off == "off" => {}
            (Kind::Texts, DeValue::Array(list)) if all_texts(list) => {}
            _ => {
                self.mistyped = true;
                let (wanted, help) = wanted(key, shown);
                let at = if section.is_empty() { shown } else { section };
                self.error(at, Some(span), format!("{shown} must be {wanted}"), help);
            }
        }
    }

    fn named(&mut self, key: &Key, table: &DeTable<'_>, shown: &str) {
        let path = join(key.path, "*");
        for (name, value) in table {
            let shown = format!("{shown}.\"{}\"", name.get_ref());
            match (find(&path), value.get_ref()) {
                (Some(inner), DeValue::Table(table)) => self.table(table, inner.path, &shown),
                _ => {
                    self.mistyped = true;
                    let help = format!("write a section [{shown}]");
                    self.error(key.path, Some(name.span()), format!("{shown} must be a section"), help);
                }
            }
        }
    }

    fn error(&mut self, section: &str, span: Option<std::ops::Range<usize>>, message: String, help: String) {
        self.findings.push(Finding { level: Level::Error, section: section.to_owned(), span, message, help });
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}

fn in_section(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!(" in [{section}]") }
}

/// The last part of a path, and what comes before it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// What an unknown key is, and what was probably meant.
fn unknown(path: &str, name: &str, value: &DeValue<'_>) -> (&'static str, String) {
    let is_section = value.is_table() || value.as_array().is_some_and(|a| a.iter().any(|v| v.get_ref().is_table()));
    let what = if is_section { "section" } else { "key" };
    let siblings: Vec<&Key> = KEYS.iter().filter(|k| split(k.path).0 == path).collect();
    let near = siblings
        .iter()
        .map(|k| (distance(name, split(k.path).1), *k))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, k)| *d <= (name.len().max(split(k.path).1.len()) / 3).max(1));
    if let Some((_, key)) = near {
        let soon = if key.kind == Kind::NotYet { " (which is not yet in this version)" } else { "" };
        return (what, format!("did you mean \"{}\"?{soon}", split(key.path).1));
    }
    let elsewhere: Vec<String> = KEYS
        .iter()
        .filter(|k| split(k.path).1 == name && !k.path.contains('*') && k.kind != Kind::NotYet)
        .map(|k| bracketed(split(k.path).0))
        .collect();
    if !elsewhere.is_empty() {
        return (what, format!("\"{name}\" belongs in {}", elsewhere.join(" or ")));
    }
    let all: Vec<&str> = siblings.iter().filter(|k| k.kind != Kind::NotYet).map(|k| split(k.path).1).collect();
    (what, format!("what can stand here: {}", all.join(", ")))
}

/// A section as it is written in a file.
fn bracketed(path: &str) -> String {
    match find(path) {
        Some(Key { kind: Kind::Tables, .. }) => format!("[[{path}]]"),
        _ if path.is_empty() => "the top of the file".to_owned(),
        _ => format!("[{path}]"),
    }
}

fn wanted(key: &Key, shown: &str) -> (&'static str, String) {
    let wanted = match key.kind {
        Kind::Text => "a string",
        Kind::Flag => "true or false, without quotes",
        Kind::Count => "a number, or \"off\" to lift the limit",
        Kind::Texts => "a list of strings",
        Kind::Table | Kind::Named => "a section",
        Kind::Tables => "a section in double brackets",
        Kind::NotYet => "absent",
    };
    let help = match key.kind {
        Kind::Table => format!("write [{shown}]"),
        Kind::Named => format!("write [{shown}.\"example.net\"]"),
        Kind::Tables => format!("write [[{shown}]]"),
        _ => format!("write {} = {}", split(key.path).1, key.example),
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
        walk(DeTable::parse(text).unwrap().get_ref()).findings.into_iter().map(|f| (f.message, f.help)).collect()
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
        for text in
            ["[control]\nsocket = ''", "[[sip.auth.users]]\nsip = ''", "[rooms_]\n[tls]", "[limits]\nban_time = '1m'"]
        {
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
