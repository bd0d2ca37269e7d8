//! A conference subscriber by the book (RFC 4575 §4.6): applies documents in their order to what it knows, and objects to each that
//! our schema would not have. Shared by all tests of the core, since xmllint is too slow for thousands of documents; that both judge
//! alike is seen where documents are written.
#![allow(dead_code, reason = "each of those who share it needs a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{assert, assert_eq, format};

use roxmltree::{Document, Node};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
const NICKNAME: (&str, &str) = ("urn:ietf:params:xml:ns:xcon-conference-info", "nickname");

/// A room as all documents together show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    pub version: u32,
    /// By entity.
    pub users: BTreeMap<String, User>,
    pub about: Option<About>,
    pub state: Option<State>,
    /// Whether the room is no more.
    pub is_deleted: bool,
    /// Whom the last document took off the list who was not on it.
    pub strangers: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub nickname: String,
    /// What his document says.
    pub text: String,
    pub is_connected: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    pub name: Option<String>,
    pub subject: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub count: usize,
    pub active: bool,
    pub locked: bool,
}

impl Shown {
    /// Who is here, by nickname. Who is shown as leaving is not.
    pub fn nicknames(&self) -> BTreeSet<&str> {
        self.users.values().filter(|user| user.is_connected).map(|user| user.nickname.as_str()).collect()
    }

    /// Who is shown as leaving.
    pub fn leaving(&self) -> BTreeSet<&str> {
        self.users.values().filter(|user| !user.is_connected).map(|user| user.nickname.as_str()).collect()
    }

    /// Whether nothing of the inside is known.
    pub fn is_neutral(&self) -> bool {
        self.users.is_empty() && self.state.is_none() && self.about.as_ref().is_none_or(|a| *a == About::default())
    }

    /// Takes the next document.
    pub fn take(&mut self, text: &str) {
        let objections = objections(text);
        assert!(objections.is_empty(), "{objections:?} in\n{text}");
        let document = Document::parse(text).unwrap();
        let root = document.root_element();
        let version = root.attribute("version").unwrap().parse().unwrap();
        assert!(!self.is_deleted, "something after the end of the room:\n{text}");
        match root.attribute("state").unwrap() {
            "full" => {
                assert!(version > self.version, "CI-03: version {version} after {}", self.version);
                *self = Self::default();
            }
            "partial" => assert_eq!(version, self.version + 1, "CI-03: a gap before\n{text}"),
            _ => *self = Self { is_deleted: true, ..Self::default() },
        }
        self.version = version;
        self.strangers.clear();
        if let Some(about) = child(root, "conference-description") {
            self.about = Some(About { name: text_of(about, "display-text"), subject: text_of(about, "subject") });
        }
        if let Some(state) = child(root, "conference-state") {
            let is = |name| text_of(state, name).unwrap() == "true";
            let count = text_of(state, "user-count").unwrap().parse().unwrap();
            self.state = Some(State { count, active: is("active"), locked: is("locked") });
        }
        let written = text.split("<user ").skip(1).map(|rest| rest.split("</user>").next().unwrap_or_default());
        for (user, written) in child(root, "users").into_iter().flat_map(elements).zip(written) {
            let entity = user.attribute("entity").unwrap().to_string();
            if user.attribute("state") == Some("deleted") {
                if self.users.remove(&entity).is_none() {
                    self.strangers.insert(entity);
                }
                continue;
            }
            let status = text_of(child(user, "endpoint").unwrap(), "status").unwrap();
            let shown = User {
                nickname: user.attribute(NICKNAME).unwrap().to_string(),
                text: written.to_string(),
                is_connected: status != "disconnected",
            };
            self.users.insert(entity, shown);
        }
    }
}

/// What is wrong with a document; nothing if it is one of ours.
pub fn objections(text: &str) -> Vec<String> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return std::vec![error.to_string()],
    };
    let root = document.root_element();
    let mut found = Objections::default();
    found.of_root(root);
    // CI-21: nothing says how somebody is called, by which dialog.
    for node in root.descendants().filter(Node::is_element) {
        found.unless(node.tag_name().name() != "call-info", "nobody's call is anybody's business");
        found.unless(node.tag_name().namespace() == Some(NAMESPACE), "an element of another namespace");
    }
    found.0
}

#[derive(Default)]
struct Objections(Vec<String>);

impl Objections {
    fn unless(&mut self, is_right: bool, what: &str) {
        if !is_right {
            self.0.push(what.to_string());
        }
    }

    fn of_root(&mut self, root: Node<'_, '_>) {
        self.unless(root.has_tag_name((NAMESPACE, "conference-info")), "CI-01: the root");
        self.unless(root.attribute("entity").is_some_and(|entity| entity.starts_with("sip")), "the entity");
        let version = root.attribute("version").and_then(|version| version.parse::<u32>().ok());
        self.unless(version.is_some_and(|version| version > 0), "CI-03: the version");
        let state = root.attribute("state").unwrap_or_default();
        self.unless(matches!(state, "full" | "partial" | "deleted"), "the state");
        self.order(root, &["conference-description", "conference-state", "users"]);
        if state == "deleted" {
            return self.unless(root.children().count() == 0, "CI-05: children of what is no more");
        }
        let parts = (child(root, "conference-description"), child(root, "conference-state"), child(root, "users"));
        if state == "full" {
            self.unless(parts.0.is_some() && parts.2.is_some(), "CI-04: a part of a whole");
        } else {
            self.unless(elements(root).next().is_some(), "a document that says nothing");
        }
        for part in [parts.0, parts.1].into_iter().flatten() {
            self.unless(part.attributes().count() == 0, "CI-06: what cannot be partial");
        }
        if let Some(about) = parts.0 {
            self.order(
                about,
                &["display-text", "subject", "free-text", "conf-uris", "service-uris", "available-media"],
            );
            self.unless(child(about, "conf-uris").is_some(), "no address");
        }
        if let Some(now) = parts.1 {
            self.exactly(now, &["user-count", "active", "locked"]);
        }
        if let Some(users) = parts.2 {
            let is_partial = state == "partial";
            self.unless(users.attribute("state") == is_partial.then_some("partial"), "CI-05: the users");
            self.unless(!is_partial || elements(users).next().is_some(), "nobody has changed");
            self.users(users, is_partial);
        }
    }

    fn users(&mut self, users: Node<'_, '_>, is_partial: bool) {
        let mut entities = BTreeSet::new();
        for user in elements(users) {
            self.unless(user.has_tag_name((NAMESPACE, "user")), "no user");
            let entity = user.attribute("entity").unwrap_or_default();
            self.unless(entity.contains(";gr="), "the entity of a user");
            self.unless(entities.insert(entity), "CI-10: one user twice");
            match user.attribute("state") {
                None => self.user(user, entity, is_partial),
                Some("deleted") if is_partial => {
                    self.unless(elements(user).next().is_none(), "children of who is gone");
                }
                Some(_) => self.unless(false, "CI-05: the state of a user"),
            }
        }
    }

    fn user(&mut self, user: Node<'_, '_>, entity: &str, is_partial: bool) {
        self.unless(user.attribute(NICKNAME).is_some_and(|name| !name.is_empty()), "CI-25: the nickname");
        self.order(user, &["display-text", "associated-aors", "roles", "endpoint"]);
        let (Some(roles), Some(endpoint)) = (child(user, "roles"), child(user, "endpoint")) else {
            return self.unless(false, "a user without roles or endpoint");
        };
        self.unless(text_of(user, "display-text").is_some(), "no display-text");
        let mut known = elements(roles).map(|role| role.text().unwrap_or_default());
        let is_known = |role| matches!(role, "moderator" | "participant" | "observer" | "administrator");
        self.unless(known.all(is_known), "a role");
        self.unless(endpoint.attribute("entity") == Some(entity), "CI-11: the endpoint");
        let order = [
            "referred",
            "status",
            "joining-method",
            "joining-info",
            "disconnection-method",
            "disconnection-info",
            "media",
        ];
        self.order(endpoint, &order);
        let status = text_of(endpoint, "status").unwrap_or_default();
        let is_connected = matches!(&*status, "connected" | "muted-via-focus");
        self.unless(is_connected || status == "disconnected", "CI-19: the status");
        let is_muted = child(endpoint, "media").is_some_and(|media| text_of(media, "status").unwrap() == "recvonly");
        self.unless(!is_connected || is_muted == (status == "muted-via-focus"), "FT-09: who may only listen is muted");
        self.unless(is_connected || is_partial, "CI-19: the whole lists who is here");
        self.unless(is_connected == child(endpoint, "media").is_some(), "the medium");
        self.unless(is_connected != child(endpoint, "disconnection-method").is_some(), "the disconnection");
        if let Some(media) = child(endpoint, "media") {
            self.unless(media.attribute("id") == Some("1"), "CI-11: the id of the medium");
            self.exactly(media, &["type", "label", "status"]);
        }
        let is_called = text_of(endpoint, "joining-method").as_deref() == Some("dialed-out");
        self.unless(is_called || child(endpoint, "referred").is_none(), "CI-20: referred, and not called");
        if let Some(info) = child(endpoint, "disconnection-info") {
            self.order(info, &["when", "reason", "by"]);
        }
    }

    /// Each of these at most once, in this order, and nothing else.
    fn order(&mut self, parent: Node<'_, '_>, order: &[&str]) {
        let names: Vec<&str> = elements(parent).map(|node| node.tag_name().name()).collect();
        let mut rest = order.iter();
        let is_right = names.iter().all(|name| rest.any(|expected| expected == name));
        self.unless(is_right, &format!("CI-02: {names:?} in {}", parent.tag_name().name()));
    }

    fn exactly(&mut self, parent: Node<'_, '_>, names: &[&str]) {
        self.unless(elements(parent).map(|node| node.tag_name().name()).eq(names.iter().copied()), "CI-02: not these");
    }
}

fn elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    elements(node).find(|child| child.tag_name().name() == name)
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name).map(|child| child.text().unwrap_or_default().to_string())
}
