//! Conference documents (RFC 4575) as far as the terminal shows them: full and partial ones. Owns reading, and remembers nothing.

use roxmltree::{Document, Node, ParsingOptions};

const CONFERENCE: &str = "urn:ietf:params:xml:ns:conference-info";
/// Of the attribute `nickname` (RFC 7701 §7.4).
const XCON: &str = "urn:ietf:params:xml:ns:xcon-conference-info";
/// Nodes of the largest document that is read: some thousands of users.
const MAX_NODES: u32 = 400_000;

/// Why a document cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not XML: {0}")]
    NotXml(String),
    #[error("it is no conference document")]
    NotConference,
}

/// How an element stands to what was known before (RFC 4575 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Full,
    Partial,
    Deleted,
}

/// What a document says. What it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) state: State,
    pub(super) version: Option<u32>,
    /// The subject, empty when there is none; the description comes whole or not at all.
    pub(super) subject: Option<String>,
    /// How many are in the room, where that is said.
    pub(super) count: Option<usize>,
    /// Whether the room can be reached.
    pub(super) active: Option<bool>,
    pub(super) users: Option<(State, Vec<User>)>,
}

/// What a document says of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) entity: String,
    pub(super) state: State,
    pub(super) nickname: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) aors: Option<Vec<String>>,
    /// When somebody has dialled in.
    pub(super) since: Option<String>,
    /// Whether he has gone, and is shown this once to say how (RFC 4575 §5.7.1).
    pub(super) is_leaving: bool,
    /// What he said on going, or what was said of it (RFC 3326).
    pub(super) farewell: Option<String>,
}

impl Update {
    /// Reads a document.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, DocumentError> {
        let text = std::str::from_utf8(octets).map_err(|_| DocumentError::NotUtf8)?;
        // Without a DTD, so that no entity grows; the parser does not recurse, so that depth is no danger.
        let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options);
        let document = document.map_err(|error| DocumentError::NotXml(error.to_string()))?;
        let root = document.root_element();
        if !root.has_tag_name((CONFERENCE, "conference-info")) {
            return Err(DocumentError::NotConference);
        }
        let condition = child(root, "conference-state");
        let condition_text = |name| condition.and_then(|state| text_of(state, name));
        Ok(Self {
            state: state(root),
            version: root.attribute("version").and_then(|version| version.parse().ok()),
            subject: child(root, "conference-description").map(|about| text_of(about, "subject").unwrap_or_default()),
            count: condition_text("user-count").and_then(|count| count.parse().ok()),
            active: condition_text("active").map(|active| matches!(active.as_str(), "true" | "1")),
            users: child(root, "users").map(|users| (state(users), children(users, "user").filter_map(user).collect())),
        })
    }
}

fn user(node: Node<'_, '_>) -> Option<User> {
    let texts = |parent: Node<'_, '_>, pick: fn(Node<'_, '_>) -> Option<String>| -> Vec<String> {
        children(parent, "entry").filter_map(pick).collect()
    };
    let nickname = node.attribute((XCON, "nickname")).map(str::to_owned).or_else(|| text_of(node, "display-text"));
    let mut endpoints = children(node, "endpoint");
    // Another endpoint of his may stay.
    let is_gone = |endpoint: Node<'_, '_>| text_of(endpoint, "status").is_some_and(|status| status == "disconnected");
    let is_leaving = child(node, "endpoint").is_some() && endpoints.all(is_gone);
    let reason = |endpoint| text_of(child(endpoint, "disconnection-info")?, "reason").and_then(|text| words(&text));
    Some(User {
        is_leaving,
        farewell: children(node, "endpoint").find_map(reason).filter(|_| is_leaving),
        entity: node.attribute("entity")?.to_owned(),
        state: state(node),
        nickname: nickname.filter(|nickname| !nickname.trim().is_empty()),
        roles: child(node, "roles").map(|roles| texts(roles, |entry| Some(entry.text()?.trim().to_owned()))),
        aors: child(node, "associated-aors").map(|aors| texts(aors, |entry| text_of(entry, "uri"))),
        since: children(node, "endpoint").find_map(|endpoint| {
            let dialed_in = text_of(endpoint, "joining-method")
                .is_some_and(|method| method == "dialed-in" || method == "dialed-out");
            dialed_in
                .then(|| child(endpoint, "joining-info").and_then(|info| text_of(info, "when")).unwrap_or_default())
        }),
    })
}

/// The text of a Reason, without its quotes.
fn words(reason: &str) -> Option<String> {
    let (_, quoted) = reason.split_once("text=\"")?;
    let (mut words, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next().filter(|c| *c != '"') {
        words.push(if c == '\\' { chars.next()? } else { c });
    }
    (!words.trim().is_empty()).then_some(words)
}

fn state(node: Node<'_, '_>) -> State {
    match node.attribute("state") {
        Some("partial") => State::Partial,
        Some("deleted") => State::Deleted,
        _ => State::Full,
    }
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name((CONFERENCE, name)))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

fn text_of(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    child(node, name).map(|child| child.text().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Update {
        Update::parse(format!("<conference-info xmlns='{CONFERENCE}' {body}</conference-info>").as_bytes()).unwrap()
    }

    /// RFC 7701 figure 7 and RFC 4575 §6.2 in small.
    #[test]
    fn a_document_says_who_is_there_under_which_nickname_and_since_when() {
        let update =
            of("entity='sip:r@x' state='full' version='7' xmlns:x='urn:ietf:params:xml:ns:xcon-conference-info'>
            <!-- a comment --><conference-description><subject> Balcony &amp; more </subject></conference-description>
            <conference-state><user-count>2</user-count><active>false</active></conference-state>
            <users><user entity='sip:r@x;gr=JuliC' x:nickname='JuliC'><display-text>Juliet</display-text>
              <associated-aors><entry><uri>xmpp:juliet@x</uri></entry></associated-aors>
              <roles><entry>participant</entry><entry>administrator</entry></roles>
              <endpoint entity='e'><status>connected</status><joining-method>dialed-in</joining-method>
              <joining-info><when>2026-11-21T13:00:00Z</when></joining-info></endpoint></user>
            <user entity='sip:r@x;gr=Nurse' state='deleted'/></users>");
        assert_eq!(
            (update.state, update.version, update.count, update.active),
            (State::Full, Some(7), Some(2), Some(false))
        );
        assert_eq!(update.subject.as_deref(), Some("Balcony & more"));
        let (state, users) = update.users.unwrap();
        assert_eq!(state, State::Full);
        assert_eq!(users[0].nickname.as_deref(), Some("JuliC"));
        assert_eq!(users[0].aors.as_deref(), Some(&["xmpp:juliet@x".to_owned()][..]));
        assert_eq!(users[0].roles.as_ref().unwrap().len(), 2);
        assert_eq!(users[0].since.as_deref(), Some("2026-11-21T13:00:00Z"));
        assert_eq!((users[1].state, &users[1].nickname, &users[1].since), (State::Deleted, &None, &None));
    }

    /// GC-PRES-13, GC-PRES-15.
    #[test]
    fn who_is_leaving_is_here_no_more_and_says_why() {
        let of = |endpoints: &str| {
            let body =
                "entity='sip:r@x' state='partial' version='8'><users state='partial'><user entity='sip:r@x;gr=a'>";
            of(&format!("{body}{endpoints}</user></users>")).users.unwrap().1.remove(0)
        };
        let gone = |reason: &str| {
            format!(
                "<endpoint><status>disconnected</status><disconnection-info><reason>{reason}</reason></disconnection-info></endpoint>"
            )
        };
        let user = of(&gone("Reason: SIP;text=\"My \\\"love\\\" \\\\\""));
        assert_eq!((user.is_leaving, user.farewell.as_deref()), (true, Some("My \"love\" \\")));
        for nothing in ["", "Reason: SIP;cause=403", "text=\"", "text=\" \"", "text=\"a\\"] {
            let user = of(&gone(nothing));
            assert_eq!((user.is_leaving, user.farewell), (true, None), "{nothing}");
        }
        let stays = of(&format!("{}<endpoint><status>connected</status></endpoint>", gone("text=\"x\"")));
        assert_eq!((stays.is_leaving, stays.farewell), (false, None));
        assert!(!of("").is_leaving);
    }

    /// NICK-09.
    #[test]
    fn who_has_no_nickname_is_called_by_his_display_text() {
        let update = of("entity='sip:r@x' xmlns:x='urn:ietf:params:xml:ns:xcon-conference-info'><users>
            <user entity='sip:r@x;gr=1'><display-text>Juliet</display-text></user>
            <user entity='sip:r@x;gr=2' x:nickname='JuliC'><display-text>Juliet</display-text></user></users>");
        let (_, users) = update.users.unwrap();
        assert_eq!(users.iter().map(|u| u.nickname.as_deref()).collect::<Vec<_>>(), [Some("Juliet"), Some("JuliC")]);
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        let update = of("entity='sip:r@x' state='partial' version='8'>");
        assert_eq!((update.subject, update.active, update.users), (None, None, None));
        assert_eq!(of("entity='sip:r@x'><conference-description/>").subject.as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_document_is_refused_whatever_it_is() {
        let long = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".to_owned();
        for text in [long, entity, "<a/>".to_owned(), String::new()] {
            assert!(Update::parse(text.as_bytes()).is_err());
        }
        assert_eq!(Update::parse(b"\xff"), Err(DocumentError::NotUtf8));
        assert_eq!(Update::parse(b"<a/>"), Err(DocumentError::NotConference));
    }
}
