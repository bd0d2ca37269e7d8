//! What was said, as people read it: from CPIM to a line, and from a line to CPIM.

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::translate::text::{charset_to_utf8, one_line};
use mucfocus_core::wire::cpim::{self, Address, Cpim};
use xmpp_parsers::date::DateTime;

use super::names::shown;
use crate::hub::clock::wall;

/// The type of what is typed.
const TEXT: &str = "text/plain;charset=utf-8";
/// The header that marks what was said before we came, without its prefix.
const DELAYED: &str = "Delayed";
/// A message that is older than this is shown with its time, in seconds.
const OLD: i64 = 60;

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken {
    /// Who spoke; `None` for the room itself.
    pub(super) nickname: Option<String>,
    /// Whether it was said to us alone.
    pub(super) private: bool,
    /// When, of what is not of now.
    pub(super) when: Option<String>,
    /// Whether it was said before we came, as the room says.
    pub(super) is_history: bool,
    /// What was said; in brackets, what cannot be shown.
    pub(super) text: String,
}

impl Spoken {
    /// Reads a message of `room` that comes at `now`, in seconds since 1970. `None` when there is nothing to show: somebody is
    /// typing.
    pub(super) fn read(body: &Bytes, room: &SipUri, now: i64) -> Option<Self> {
        let Ok(message) = Cpim::parse(body) else {
            let text = "[a message that cannot be read]".to_owned();
            return Some(Self { nickname: None, private: false, when: None, is_history: false, text });
        };
        let kind = &message.content_type;
        let text = match kind.essence().as_str() {
            "application/im-iscomposing+xml" => return None,
            essence if essence.starts_with("text/") => match charset_to_utf8(kind, &message.content) {
                Ok(text) => text.into_owned(),
                Err(_) => String::from_utf8_lossy(&message.content).into_owned(),
            },
            essence => format!("[{essence}, {} octets]", message.content.len()),
        };
        let is_history = is_delayed(body);
        let stamp = message.date_time.as_ref().and_then(|stamp| stamp.parse::<DateTime>().ok());
        let when = stamp.filter(|stamp| is_history || now.saturating_sub(stamp.0.timestamp()) > OLD);
        Some(Self {
            nickname: message.from.as_ref().and_then(|from| nickname(from, room)),
            private: message.to.first().is_some_and(|to| !is_room(to, room)),
            when: when.map(|stamp| stamp.0.to_utc().format("%Y-%m-%d %H:%MZ").to_string()),
            is_history,
            text,
        })
    }
}

impl Spoken {
    /// The name under which we are here, where the room tells us that alone (GC-NICK-06).
    pub(super) fn own_name(&self) -> Option<&str> {
        let is_notice = self.nickname.is_none() && self.private && !self.is_history;
        let name = self.text.strip_prefix("You are known here as ")?.strip_suffix('.')?;
        (is_notice && !name.is_empty()).then_some(name)
    }
}

impl std::fmt::Display for Spoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(when) = &self.when {
            write!(f, "[{when}] ")?;
        }
        match &self.nickname {
            Some(nickname) if self.private => write!(f, "{} (privately): {}", shown(nickname), self.text),
            Some(nickname) => write!(f, "{}: {}", shown(nickname), self.text),
            None => write!(f, "* {}", self.text),
        }
    }
}

/// Whether the room marks a message as one of its history, by the header `Delayed` of whatever prefix.
fn is_delayed(body: &[u8]) -> bool {
    let lines =
        body.split(|b| *b == b'\n').map(|line| String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)));
    let mut headers = lines.take(Cpim::MAX_HEADERS).take_while(|line| !line.is_empty());
    headers.any(|line| {
        let Some((name, value)) = line.split_once(':') else { return false };
        let is_it = name.split_once('.').is_some_and(|(_, name)| name.trim_end().eq_ignore_ascii_case(DELAYED));
        is_it && value.trim().eq_ignore_ascii_case("true")
    })
}

fn is_room(address: &Address, room: &SipUri) -> bool {
    let uri = SipUri::parse(&address.uri);
    address.trailing_gr.is_none() && uri.is_ok_and(|uri| !uri.has_gr() && uri.same_aor(room))
}

/// Under which name somebody speaks: the formal name, else the `gr` of an occupant's address, else the user part. `None` is the
/// room itself.
fn nickname(from: &Address, room: &SipUri) -> Option<String> {
    if is_room(from, room) {
        return None;
    }
    let uri = SipUri::parse(&from.uri).ok();
    let named = from.formal_name.as_deref().filter(|name| !name.trim().is_empty()).map(str::to_owned);
    let trailing = || from.trailing_gr.clone().filter(|gr| !gr.is_empty());
    let gr = || uri.as_ref().and_then(|uri| uri.gr().map(Into::into));
    let user = || uri.as_ref().and_then(|uri| uri.user_decoded().map(Into::into));
    named.or_else(gr).or_else(trailing).or_else(user).or_else(|| Some(from.uri.clone()))
}

/// A text to the whole room, or to the one occupant of that nickname.
pub(super) fn to(nickname: Option<&str>, from: &SipUri, room: &SipUri, text: &str) -> Bytes {
    let from = Address::new(None, &from.without_params().to_string());
    let room = room.without_params();
    let to = nickname.map_or_else(|| room.clone(), |nickname| room.with_gr(nickname));
    cpim::encode(&from, &Address::new(None, &to.to_string()), &wall().rfc3339(), TEXT, text)
}

/// A topic for the room: a Subject, and nothing said.
pub(super) fn topic(from: &SipUri, room: &SipUri, topic: &str) -> Bytes {
    let message = to(None, from, room, "");
    // A value that begins with `;` would be a language (RFC 3862 §4.5).
    let topic = one_line(topic);
    let language = if topic.starts_with(';') { ";lang=und " } else { "" };
    let subject = format!("\r\nSubject: {language}{topic}");
    let headers = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len());
    let (before, after) = message.split_at_checked(headers).unwrap_or((&message, &[]));
    [before, subject.as_bytes(), after].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T13:00:00Z
    const NOW: i64 = 1_795_266_000;

    fn room() -> SipUri {
        SipUri::parse("sip:Capulet@rooms.test;transport=tcp").unwrap()
    }

    fn shown(headers: &str, kind: &str, content: &str) -> Option<Spoken> {
        let body = format!("{headers}\r\n\r\nContent-Type: {kind}\r\n\r\n{content}");
        Spoken::read(&Bytes::from(body), &room(), NOW)
    }

    fn read(from: &str, kind: &str, content: &str) -> Option<String> {
        let headers = format!("From: {from}\r\nTo: <sip:Capulet@rooms.test>");
        shown(&headers, kind, content).map(|spoken| spoken.to_string())
    }

    #[test]
    fn the_one_who_speaks_is_shown_by_the_best_name_there_is() {
        let shown = |from| read(from, "text/plain", "hi").unwrap();
        assert_eq!(shown("\"Juli C\" <sip:Capulet@rooms.test;gr=JuliC>"), "Juli C: hi");
        assert_eq!(shown("<sip:Capulet@rooms.test;gr=J%20C>"), "J C: hi");
        assert_eq!(shown("<sip:Capulet@rooms.test>;gr=x"), "x: hi");
        assert_eq!(shown("<sip:romeo@sip.test>"), "romeo: hi");
        assert_eq!(shown("<im:somebody@else>"), "\"im:somebody@else\": hi");
        assert_eq!(shown("\"* the topic is\" <sip:Capulet@rooms.test;gr=x>"), "\"* the topic is\": hi");
        assert_eq!(shown("<sip:Capulet@rooms.test>"), "* hi");
    }

    /// GC-PM-08: what is private goes to the user's own address.
    #[test]
    fn a_private_message_is_shown_as_such_and_a_notice_of_the_room_is_one() {
        let to_me = |from: &str| {
            shown(&format!("From: {from}\r\nTo: <sip:romeo@sip.test>"), "text/plain", "hi").unwrap().to_string()
        };
        assert_eq!(to_me("<sip:Capulet@rooms.test;gr=Juliet>"), "Juliet (privately): hi");
        assert_eq!(to_me("<sip:Capulet@rooms.test>"), "* hi");
    }

    /// GC-NICK-06. The words are those of the focus; nobody else can say them.
    #[test]
    fn only_the_room_tells_us_our_name_and_us_alone() {
        let told = |from: &str, to: &str, text: &str| {
            let headers = format!("From: {from}\r\nTo: <{to}>");
            shown(&headers, "text/plain", text).unwrap().own_name().map(str::to_owned)
        };
        let (room, me) = ("<sip:Capulet@rooms.test>", "sip:romeo@sip.test");
        let notice = mucfocus_core::translate::notices::known_as("Dr. Romeo");
        assert_eq!(told(room, me, &notice).as_deref(), Some("Dr. Romeo"));
        assert_eq!(told("<sip:Capulet@rooms.test;gr=Tybalt>", me, &notice), None);
        assert_eq!(told(room, "sip:Capulet@rooms.test", &notice), None);
        assert_eq!(told(room, me, "You are known here as ."), None);
    }

    /// FT-01.
    #[test]
    fn what_is_not_of_now_is_shown_with_its_time() {
        let spoken = |more: &str| {
            let headers = format!("From: <sip:Capulet@rooms.test;gr=J>\r\nTo: <sip:Capulet@rooms.test>\r\n{more}");
            shown(&headers, "text/plain", "hi").unwrap()
        };
        let history = "DateTime: 2026-11-20T23:30:00.5+02:00\r\nNS: mucfocus <urn:x>\r\nmucfocus.Delayed: true";
        assert_eq!(spoken(history).to_string(), "[2026-11-20 21:30Z] J: hi");
        assert!(spoken(history).is_history);
        let old = spoken("DateTime: 2026-11-21T12:58:59Z");
        assert_eq!((old.to_string().as_str(), old.is_history), ("[2026-11-21 12:58Z] J: hi", false));
        assert_eq!(spoken("DateTime: 2026-11-21T12:59:30Z").to_string(), "J: hi");
        assert_eq!(spoken("DateTime: yesterday").to_string(), "J: hi");
        assert!(!spoken("mucfocus.Delayed: false").is_history);
    }

    #[test]
    fn what_is_no_text_is_named_and_typing_is_not_shown() {
        let from = "\"J\" <sip:Capulet@rooms.test;gr=J>";
        assert_eq!(read(from, "image/png", "abc").unwrap(), "J: [image/png, 3 octets]");
        assert_eq!(read(from, "application/im-iscomposing+xml", "<x/>"), None);
        assert_eq!(
            Spoken::read(&Bytes::from_static(b"x"), &room(), NOW).unwrap().to_string(),
            "* [a message that cannot be read]"
        );
    }

    #[test]
    fn a_topic_is_a_subject_without_a_body_that_cannot_add_a_header() {
        let from = SipUri::parse("sip:romeo@sip.test").unwrap();
        let message = Cpim::parse(&topic(&from, &room(), "Bal\r\ncony")).unwrap();
        assert_eq!(message.subject.as_deref(), Some("Bal  cony"));
        assert_eq!(message.content, "");
        assert_eq!(message.content_type.essence(), "text/plain");
        assert_eq!(Cpim::parse(&topic(&from, &room(), ";lang=x y")).unwrap().subject.as_deref(), Some(";lang=x y"));
    }

    /// GC-PM-01.
    #[test]
    fn what_is_said_to_one_goes_to_his_address_in_the_room() {
        let from = SipUri::parse("sip:romeo@sip.test").unwrap();
        let message = Cpim::parse(&to(Some("Juli C"), &from, &room(), "hi")).unwrap();
        assert_eq!(message.to, [Address::new(None, "sip:Capulet@rooms.test;gr=Juli%20C")]);
        assert_eq!(
            Cpim::parse(&to(None, &from, &room(), "hi")).unwrap().to,
            [Address::new(None, "sip:Capulet@rooms.test")]
        );
    }
}
