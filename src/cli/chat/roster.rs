//! Who is in the room, as conference documents tell it, and the lines that say what has changed. Knows which of them is us, as
//! far as that can be known. Owns no network and no screen.

use std::collections::BTreeMap;

use mucfocus_core::address::nickname;
use mucfocus_core::address::sip_uri::SipUri;

use super::document::{State, Update, User};
use super::names::shown;

/// The most people of whom we keep track: beyond, the newest are not shown.
const MAX_PEOPLE: usize = 10_000;
/// The most names in one line.
const MAX_NAMES: usize = 50;

/// Somebody in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    nickname: String,
    roles: Vec<String>,
    aors: Vec<String>,
    since: Option<String>,
}

/// What is known of the room.
#[derive(Debug)]
pub(super) struct Roster {
    /// By entity.
    people: BTreeMap<String, Person>,
    version: Option<u32>,
    count: Option<usize>,
    subject: String,
    active: bool,
    /// The name that was asked for, until we know which one is in force.
    asked: String,
    me: Option<String>,
}

/// What a document changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// What people read.
    pub(super) lines: Vec<String>,
    /// Something was missed, so that the whole document is needed (RFC 4575 §4.6).
    pub(super) gap: bool,
}

impl Roster {
    pub(super) fn new(asked: &str) -> Self {
        Self {
            people: BTreeMap::new(),
            version: None,
            count: None,
            subject: String::new(),
            active: true,
            asked: asked.to_owned(),
            me: None,
        }
    }

    /// A subscription begins: versions count anew.
    pub(super) const fn restart(&mut self) {
        self.version = None;
    }

    /// Whether anybody is known to be here.
    pub(super) fn is_known(&self) -> bool {
        !self.people.is_empty()
    }

    /// The nickname in force, once it is known.
    pub(super) fn me(&self) -> Option<&str> {
        self.me.as_deref()
    }

    /// Whether those who are here are known, and nobody of that name is among them.
    pub(super) fn lacks(&self, nickname: &str) -> bool {
        let is_it = |person: &Person| person.nickname == nickname || nickname::same(&person.nickname, nickname);
        self.is_known() && !self.people.values().any(is_it)
    }

    /// The room has given us this nickname.
    pub(super) fn is_me(&mut self, nickname: &str) {
        self.me = Some(nickname::enforce(nickname).unwrap_or_else(|_| nickname.to_owned()));
    }

    /// The topic; empty when there is none.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Takes a document.
    pub(super) fn take(&mut self, update: Update) -> News {
        let mut news = News::default();
        match (self.version, update.version) {
            // Seen already; the same again repeats a full one.
            (Some(last), Some(version)) if version < last || (version == last && update.state != State::Full) => {
                return news;
            }
            (last, version) if update.state == State::Partial && last.map(|last| last.saturating_add(1)) != version => {
                news.gap = true;
                return news;
            }
            _ => {}
        }
        self.version = update.version;
        if update.state == State::Deleted {
            self.people.clear();
            news.lines.push("* the conference is over".to_owned());
            return news;
        }
        let is_first = self.people.is_empty();
        self.count = update.count.or(self.count.filter(|_| update.state == State::Partial));
        if let Some((state, users)) = update.users {
            // The list is empty only while the room does not know it, since we are in it ourselves.
            if state != State::Full || !users.is_empty() {
                self.take_users(state, users, is_first, &mut news.lines);
            }
        }
        if let Some(subject) = update.subject.filter(|subject| *subject != self.subject) {
            news.lines.push(match subject.as_str() {
                "" => "* there is no topic any more".to_owned(),
                subject => format!("* the topic is: {subject}"),
            });
            self.subject = subject;
        }
        if let Some(active) = update.active.filter(|active| *active != self.active) {
            let line = if active { "* the room can be reached again" } else { "* the room cannot be reached" };
            news.lines.push(line.to_owned());
            self.active = active;
        }
        news
    }

    fn take_users(&mut self, state: State, users: Vec<User>, is_first: bool, lines: &mut Vec<String>) {
        let before = self.people.clone();
        if state != State::Partial {
            self.people.clear();
        }
        let mut farewells = BTreeMap::new();
        for mut user in users {
            if user.is_leaving {
                farewells.insert(user.entity.clone(), user.farewell.take());
            }
            self.take_user(user, &before);
        }
        self.find_me();
        if is_first {
            lines.extend(self.list());
        } else {
            self.compare(&before, &farewells, lines);
        }
    }

    fn take_user(&mut self, user: User, before: &BTreeMap<String, Person>) {
        if user.state == State::Deleted || user.is_leaving {
            self.people.remove(&user.entity);
            return;
        }
        if self.people.len() >= MAX_PEOPLE && !self.people.contains_key(&user.entity) {
            return;
        }
        // What a partial element does not say stays as it was.
        let known = before.get(&user.entity).filter(|_| user.state == State::Partial).cloned();
        let known = known.unwrap_or_else(|| Person {
            nickname: name_of(&user.entity),
            roles: Vec::new(),
            aors: Vec::new(),
            since: None,
        });
        let person = Person {
            nickname: user.nickname.unwrap_or(known.nickname),
            roles: user.roles.unwrap_or(known.roles),
            aors: user.aors.unwrap_or(known.aors),
            since: user.since.or(known.since),
        };
        self.people.insert(user.entity, person);
    }

    /// Who we are, when nobody has said so: of those who have dialled in under the name that we asked for, or under a variant of
    /// it (`Romeo 2`), the last.
    fn find_me(&mut self) {
        if self.me.is_some() {
            return;
        }
        let is_variant = |name: &str| {
            let cut = name.rsplit_once(' ').filter(|(_, number)| number.parse::<u32>().is_ok());
            nickname::same(name, &self.asked) || cut.is_some_and(|(name, _)| nickname::same(name, &self.asked))
        };
        let like_us = self.people.values().filter(|person| person.since.is_some() && is_variant(&person.nickname));
        self.me = like_us.max_by_key(|person| &person.since).map(|person| person.nickname.clone());
    }

    fn compare(
        &mut self,
        before: &BTreeMap<String, Person>,
        farewells: &BTreeMap<String, Option<String>>,
        lines: &mut Vec<String>,
    ) {
        let is_gone = |(entity, _): &(&String, &Person)| !self.people.contains_key(*entity);
        // Who says good-bye has not changed his name.
        let (left, mut gone): (Vec<_>, Vec<_>) =
            before.iter().filter(is_gone).partition(|(entity, _)| farewells.contains_key(*entity));
        let come: Vec<Person> = self
            .people
            .iter()
            .filter(|(entity, _)| !before.contains_key(*entity))
            .map(|(_, person)| person.clone())
            .collect();
        let one_of_each = gone.len() == 1 && come.len() == 1;
        for person in come {
            // A change of name deletes one user and adds another in one document (GC-PRES-14). What else is known of both has to
            // agree; where nothing is, a single pair is taken for it.
            let is_same = |(_, old): &(&String, &Person)| {
                let says_something = old.since.as_ref().is_some_and(|since| !since.is_empty()) || !old.aors.is_empty();
                old.since == person.since && old.aors == person.aors && (one_of_each || says_something)
            };
            let Some(at) = gone.iter().position(is_same) else {
                lines.push(format!("* {} joined", shown(&person.nickname)));
                continue;
            };
            let old = gone.remove(at).1.nickname.clone();
            if self.me.as_ref().is_some_and(|me| *me == old || *me == person.nickname) {
                lines.push(format!("* you are now known as {}", shown(&person.nickname)));
                self.me = Some(person.nickname);
            } else {
                lines.push(format!("* {} is now known as {}", shown(&old), shown(&person.nickname)));
            }
        }
        for (entity, person) in gone.into_iter().chain(left) {
            let name = shown(&person.nickname);
            lines.push(match farewells.get(entity) {
                Some(Some(words)) => format!("* {name} left: {}", shown(words)),
                _ => format!("* {name} left"),
            });
        }
        for (entity, person) in &self.people {
            if let Some(old) = before.get(entity).filter(|old| old.nickname != person.nickname) {
                lines.push(format!("* {} is now known as {}", shown(&old.nickname), shown(&person.nickname)));
            }
        }
    }

    /// Who is here, in one line; `None` while nobody is known.
    pub(super) fn list(&self) -> Option<String> {
        let mut names: Vec<String> = self.people.values().map(|person| self.entry(person)).collect();
        if names.is_empty() {
            return None;
        }
        names.sort_by_cached_key(|name| name.to_lowercase());
        let count = self.count.unwrap_or_default().max(names.len());
        names.truncate(MAX_NAMES);
        let more = count.saturating_sub(names.len());
        let names = names.join(", ");
        Some(if more == 0 {
            format!("* {count} here: {names}")
        } else {
            format!("* {count} here: {names} and {more} more")
        })
    }

    fn entry(&self, person: &Person) -> String {
        let name = shown(&person.nickname);
        let is_me = self.me.as_ref() == Some(&person.nickname);
        let known = [("administrator", "administrator"), ("moderator", "moderator"), ("observer", "may not speak")];
        let role = known.into_iter().find(|(role, _)| person.roles.iter().any(|r| r == role)).map(|(_, words)| words);
        let notes: Vec<&str> = is_me.then_some("you").into_iter().chain(role).collect();
        if notes.is_empty() { name.into_owned() } else { format!("{name} ({})", notes.join(", ")) }
    }

    /// Splits `NAME TEXT` behind the longest nickname of the room that it begins with, else behind a name in quotes, else behind
    /// the first word. `None` without a text.
    pub(super) fn split_name<'a>(&'a self, line: &'a str) -> Option<(&'a str, &'a str)> {
        let line = line.trim();
        let split = |name: &'a str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(char::is_whitespace).then_some((name, rest.trim_start()))
        };
        let names = self.people.values().map(|person| person.nickname.as_str());
        let known = names.filter_map(split).max_by_key(|(name, _)| name.len());
        let quoted = || line.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let word = || line.split_once(char::is_whitespace);
        let (name, text) = known.or_else(quoted).or_else(word)?;
        let (name, text) = (name.trim(), text.trim());
        (!name.is_empty() && !text.is_empty()).then_some((name, text))
    }
}

/// What an entity says of a name: its `gr`, else its user part.
fn name_of(entity: &str) -> String {
    let uri = SipUri::parse(entity).ok();
    let gr = uri.as_ref().and_then(SipUri::gr).map(Into::into);
    gr.or_else(|| uri.as_ref().and_then(SipUri::user_decoded).map(Into::into)).unwrap_or_else(|| entity.to_owned())
}

#[cfg(test)]
mod tests;
