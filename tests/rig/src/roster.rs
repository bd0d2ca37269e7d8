//! A conference subscription (RFC 6665, RFC 4575) from the watcher's side: applies the documents that come, and has
//! each of them judged by xmllint and the schema.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::sip::{Message, Request, Ua};
use crate::wait::{Picture, wait_for};
use crate::xml::{Builder, Element};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/conference-info.xsd");

/// News are kept back for up to five seconds (RFC 4575 §3.9), on a machine that is busy.
pub const NEWS: Duration = Duration::from_secs(20);

/// The namespace of conference documents.
pub const INFO: &str = "urn:ietf:params:xml:ns:conference-info";

/// Somebody in a room, as the document shows him.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// His address in the room.
    pub entity: String,
    /// What he is called.
    pub display: String,
    /// `participant`, `observer`, `moderator`, `administrator`.
    pub roles: Vec<String>,
    /// Who he really is, where that is shown.
    pub aors: Vec<String>,
    /// `connected`, `muted-via-focus`.
    pub status: String,
    /// `sendrecv`, `recvonly`.
    pub media: String,
}

/// A room, as all documents together show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// By nickname.
    pub users: BTreeMap<String, User>,
    /// Its subject, if any was said.
    pub subject: Option<String>,
    /// `user-count`.
    pub count: Option<usize>,
    /// Whether it can be used.
    pub active: Option<bool>,
    /// Whether only members may enter.
    pub locked: Option<bool>,
    /// How those went who are gone, by entity, as far as that was said.
    pub left: BTreeMap<String, Farewell>,
}

/// How somebody went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Farewell {
    /// `departed`, `booted`, `failed`.
    pub method: String,
    /// A Reason header field.
    pub reason: Option<String>,
    /// The entity of whoever did it.
    pub by: Option<String>,
}

impl Roster {
    /// The nicknames, in order.
    pub fn nicks(&self) -> Vec<&str> {
        self.users.keys().map(String::as_str).collect()
    }
}

/// A subscription to a room.
pub struct Watch {
    ua: Arc<Ua>,
    call_id: String,
    /// The answer to the SUBSCRIBE.
    pub answer: Message,
    /// Documents that were judged already.
    judged: AtomicUsize,
}

/// Also what nobody waited for has to be right.
impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.is_valid();
        }
    }
}

impl Watch {
    /// A SUBSCRIBE that may be sent.
    pub fn request(room: &str) -> Request {
        Self::complete(Request::new("SUBSCRIBE", room))
    }

    /// What makes any request one that watches a room.
    pub fn complete(request: Request) -> Request {
        let request = request.header("Event", "conference").header("Expires", "600");
        request.header("Accept", "application/conference-info+xml")
    }

    /// Subscribes, in a dialog of its own or in that which `request` names; panics when that is refused.
    pub async fn start(ua: Arc<Ua>, request: Request) -> Self {
        let transaction = ua.begin(request);
        let call_id = transaction.request().header("Call-ID").unwrap_or_default().to_owned();
        let answer = transaction.response(crate::sip::TIMER_B).await;
        assert_eq!(answer.code(), Some(200), "{answer}");
        Self { ua, call_id, answer, judged: AtomicUsize::new(0) }
    }

    /// Subscribes once more in the same dialog, for that many seconds; the answer. 0 ends it.
    pub async fn refresh(&self, expires: u32) -> Message {
        let of = |name: &str| self.answer.header(name).unwrap_or_default();
        let sent =
            self.ua.traffic().into_iter().filter(|t| t.sent && t.message.header("Call-ID") == Some(&self.call_id));
        let next = sent.map(|t| t.message).filter(|m| m.method().is_some()).map(|m| m.cseq().0).max().unwrap_or(0) + 1;
        let target = self.answer.contact().unwrap_or_else(|| panic!("no Contact in\n{}", self.answer));
        let request = Request::new("SUBSCRIBE", &target).header("From", of("From")).header("To", of("To"));
        let request = request.header("Call-ID", of("Call-ID")).header("CSeq", &format!("{next} SUBSCRIBE"));
        self.ua.request(request.header("Event", "conference").header("Expires", &expires.to_string())).await
    }

    /// Every NOTIFY that came, in the order of their numbers; what came twice counts once.
    pub fn notifies(&self) -> Vec<Message> {
        let is_ours = |m: &Message| {
            m.method() == Some("NOTIFY")
                && m.header("Call-ID") == Some(&self.call_id)
                && m.header("Event").is_some_and(|e| e.starts_with("conference"))
        };
        let traffic = self.ua.traffic().into_iter().filter(|t| !t.sent && is_ours(&t.message));
        traffic.map(|t| (t.message.cseq().0, t.message)).collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// The documents that came.
    pub fn documents(&self) -> Vec<String> {
        self.notifies().into_iter().filter(|n| !n.body.is_empty()).map(|n| n.text()).collect()
    }

    /// The room as the documents show it; nothing before the first one, or after one that ends it.
    pub fn roster(&self) -> Option<Roster> {
        replay(&self.documents())
    }

    /// Waits until what is shown satisfies `accept`; every document so far has to be valid.
    #[track_caller]
    pub fn until(&self, what: impl Into<String>, accept: impl Fn(&Roster) -> bool) -> impl Future<Output = Roster> {
        // A document of a large room takes long to read, so nothing is read twice.
        let mut read = None;
        let look = move || {
            let heard = Some(self.ua.messages());
            if std::mem::replace(&mut read, heard) == heard { None } else { self.roster().filter(&accept) }
        };
        let waiting = wait_for(look, NEWS, self.picture(what.into()));
        async move {
            let roster = waiting.await;
            self.is_valid();
            roster
        }
    }

    /// Waits until these and nobody else are listed.
    #[track_caller]
    pub fn shows(&self, nicks: &[&str]) -> impl Future<Output = Roster> {
        let mut wanted: Vec<String> = nicks.iter().map(|&n| n.to_owned()).collect();
        wanted.sort();
        let what = format!("a list of {wanted:?}");
        self.until(what, move |roster| roster.nicks() == wanted && roster.count.is_none_or(|n| n == wanted.len()))
    }

    /// Waits for the NOTIFY that ends it, and returns its Subscription-State.
    #[track_caller]
    pub fn ended(&self, timeout: Duration) -> impl Future<Output = String> {
        let state = |n: Message| n.header("Subscription-State").map(str::to_owned);
        let look = move || self.notifies().into_iter().filter_map(state).find(|s| s.starts_with("terminated"));
        wait_for(look, timeout, self.picture("the end of the subscription".into()))
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        let is_last = |n: &Message| n.header("Subscription-State").is_some_and(|s| s.starts_with("terminated"));
        self.notifies().iter().any(is_last)
    }

    /// Panics unless every document that came satisfies the schema.
    #[track_caller]
    pub fn is_valid(&self) {
        let documents = self.documents();
        for document in documents.iter().skip(self.judged.swap(documents.len(), Ordering::Relaxed)) {
            let objections = objections(document);
            assert!(objections.is_empty(), "{objections}\n{document}");
        }
    }

    fn picture(&self, what: String) -> impl std::fmt::Display + '_ {
        Picture(move || {
            let all: Vec<String> = self.notifies().iter().rev().take(4).rev().map(ToString::to_string).collect();
            format!(
                "{what}\nshown: {:#?}\nlast of {} NOTIFYs:\n{}",
                self.roster(),
                self.notifies().len(),
                all.join("\n")
            )
        })
    }
}

/// Applies documents in their order (RFC 4575 §4.4).
fn replay(documents: &[String]) -> Option<Roster> {
    let (mut shown, mut last) = (None::<Roster>, None::<u32>);
    for text in documents {
        let document = parse(text);
        let version: u32 = document.attribute("version").and_then(|v| v.parse().ok()).expect("a version");
        assert!(last.is_none_or(|last| version > last), "version {version} after {last:?}");
        match document.attribute("state").unwrap_or("full") {
            "full" => shown = Some(Roster::default()),
            "partial" => assert_eq!(Some(version), last.map(|v| v + 1), "a gap before\n{text}"),
            _ => shown = None,
        }
        last = Some(version);
        if let Some(roster) = &mut shown {
            apply(roster, &document);
        }
    }
    shown
}

fn apply(roster: &mut Roster, document: &Element) {
    let text = |within: &Element, name: &str| within.child(name, INFO).map(|e| e.text.clone());
    if let Some(description) = document.child("conference-description", INFO) {
        roster.subject = text(description, "subject");
    }
    if let Some(state) = document.child("conference-state", INFO) {
        roster.count = text(state, "user-count").and_then(|n| n.parse().ok()).or(roster.count);
        roster.active = text(state, "active").map(|v| v == "true").or(roster.active);
        roster.locked = text(state, "locked").map(|v| v == "true").or(roster.locked);
    }
    let Some(users) = document.child("users", INFO) else { return };
    for user in users.children.iter().filter(|c| c.name == "user") {
        let entity = user.attribute("entity").expect("a user has an entity");
        let deleted = user.attribute("state") == Some("deleted");
        // Who is disconnected is shown once more to say how he went, and is here no more.
        let status = user.child("endpoint", INFO).and_then(|endpoint| text(endpoint, "status"));
        let leaving = status.as_deref() == Some("disconnected");
        roster.users.retain(|_, known| known.entity != entity);
        if leaving {
            roster.left.insert(entity.to_owned(), farewell(user));
        }
        if !deleted && !leaving {
            let nick = user.attribute("xcon:nickname").expect("a user has a nickname").to_owned();
            roster.users.insert(nick, read_user(entity, user));
        }
    }
}

fn farewell(user: &Element) -> Farewell {
    let endpoint = user.child("endpoint", INFO).expect("who is disconnected has an endpoint");
    let info = endpoint.child("disconnection-info", INFO).expect("and there is something to say of it");
    let text = |within: &Element, name: &str| within.child(name, INFO).map(|e| e.text.clone());
    Farewell {
        method: text(endpoint, "disconnection-method").unwrap_or_default(),
        reason: text(info, "reason"),
        by: text(info, "by"),
    }
}

fn read_user(entity: &str, user: &Element) -> User {
    let text = |within: &Element, name: &str| within.child(name, INFO).map(|e| e.text.clone()).unwrap_or_default();
    let list = |name: &str| user.child(name, INFO).map(|l| l.children.clone()).unwrap_or_default();
    let endpoint = user.child("endpoint", INFO);
    let media = endpoint.and_then(|e| e.child("media", INFO));
    User {
        entity: entity.to_owned(),
        display: text(user, "display-text"),
        roles: list("roles").into_iter().map(|e| e.text).collect(),
        aors: list("associated-aors").iter().map(|e| text(e, "uri")).collect(),
        status: endpoint.map(|e| text(e, "status")).unwrap_or_default(),
        media: media.map(|m| text(m, "status")).unwrap_or_default(),
    }
}

fn parse(text: &str) -> Element {
    let (mut reader, mut builder) = (Reader::from_str(text), Builder::default());
    // The builder yields what is directly below a root.
    builder.event(&Event::Start(BytesStart::new("root")));
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e} in\n{text}")) {
            Event::Eof => panic!("no document in\n{text}"),
            event => {
                if let Some(element) = builder.event(&event) {
                    return element;
                }
            }
        }
    }
}

/// What xmllint says against a document; nothing when it is valid.
fn objections(document: &str) -> String {
    let mut xmllint = Command::new("xmllint")
        .args(["--noout", "--nonet", "--huge", "--schema", SCHEMA, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint (apt-get install libxml2-utils)");
    xmllint.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = xmllint.wait_with_output().unwrap();
    if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(state: &str, version: u32, users: &str) -> String {
        format!(
            "<?xml version='1.0' encoding='UTF-8'?><conference-info xmlns='{INFO}' entity='sip:r@h' state='{state}' \
             xmlns:xcon='urn:ietf:params:xml:ns:xcon-conference-info' version='{version}'><users state='{state}'>{users}\
             </users></conference-info>"
        )
    }

    fn user(nick: &str, state: &str) -> String {
        format!("<user entity='sip:r@h;gr={nick}' xcon:nickname='{nick}' state='{state}'/>")
    }

    #[test]
    fn parts_are_applied_to_the_whole() {
        let all = document("full", 1, &(user("a", "full") + &user("b", "full")));
        let change = document("partial", 2, &(user("a", "deleted") + &user("c", "full")));
        assert_eq!(replay(&[all, change]).unwrap().nicks(), ["b", "c"]);
    }

    #[test]
    fn who_is_disconnected_is_here_no_more() {
        let all = document("full", 1, &(user("a", "full") + &user("b", "full")));
        let info = "<disconnection-method>booted</disconnection-method><disconnection-info><reason>Reason: SIP</reason></disconnection-info>";
        let gone = user("a", "full")
            .replace("/>", &format!("><endpoint entity='e'><status>disconnected</status>{info}</endpoint></user>"));
        let roster = replay(&[all, document("partial", 2, &gone)]).unwrap();
        assert_eq!(roster.nicks(), ["b"]);
        assert_eq!(roster.left["sip:r@h;gr=a"].method, "booted");
    }

    #[test]
    #[should_panic(expected = "a gap before")]
    fn a_gap_between_parts_is_a_failure() {
        replay(&[document("full", 1, ""), document("partial", 3, "")]);
    }

    #[test]
    fn what_the_schema_does_not_know_is_objected_to() {
        // That it has nothing against what is right is seen by every test that watches a room.
        assert!(objections(&document("full", 1, "<guest/>")).contains("fails to validate"));
    }
}
