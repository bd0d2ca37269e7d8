//! One user of a conference document, with his one endpoint (RFC 4575 §5.6, §5.7; GC-PRES-05, CI-10, CI-11).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use jid::Jid;

use super::uris::{uri, xmpp_uri};
use super::{LABEL, element};
use crate::address::sip_uri::SipUri;
use crate::time::WallClock;
use crate::wire::xml;

/// A user with his one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User<'a> {
    /// His nickname, which makes his address in the room. Not empty, and nobody else's.
    pub nickname: &'a str,
    /// What he is called beside it.
    pub display_name: Option<&'a str>,
    /// Who he really is.
    pub jid: Option<&'a Jid>,
    /// What he may do.
    pub part: Part,
    /// Whether he owns or administers the room.
    pub administrator: bool,
    /// How he came, if through this focus.
    pub dialed_in: Option<Joined<'a>>,
}

/// How a user came (RFC 4575 §5.7.4, §5.7.5; CI-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined<'a> {
    /// He called the focus, at that time.
    DialedIn(WallClock),
    /// The focus called him.
    DialedOut {
        /// When he entered.
        since: WallClock,
        /// The nickname of who referred to him (RFC 4575 §5.7.2; CI-20).
        by: Option<&'a str>,
    },
}

/// What a user may do in a room (GC-PRES-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Speak, and more.
    Moderator,
    /// Speak.
    Participant,
    /// Listen.
    Observer,
}

/// How a user went (RFC 4575 §5.7.6, §5.7.7; CI-19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnection<'a> {
    /// In general.
    pub method: Method,
    /// When.
    pub when: WallClock,
    /// As the status of a SIP request, where there is one that says it.
    pub cause: Option<u16>,
    /// In words: one line.
    pub reason: Option<&'a str>,
    /// The nickname of whoever did it.
    pub by: Option<&'a str>,
}

/// How a user went, in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By himself.
    Departed,
    /// He was put out.
    Booted,
    /// For a technical reason.
    Failed,
}

/// A user as he is written, in full documents and in partial ones. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment(Arc<str>);

impl Fragment {
    /// Writes a user. It says `state` nowhere, since full is what absence means, so that it can stand in a partial document as it
    /// is. `gone` says how he went, of whom that is about to be forgotten.
    #[must_use]
    pub fn of(room: &SipUri, user: &User<'_>, gone: Option<&Disconnection<'_>>) -> Self {
        let mut out = String::new();
        write(&mut out, room, user, gone);
        Self(out.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user who is not listed any more (GC-PRES-13).
pub(super) fn deleted(out: &mut String, room: &SipUri, nickname: &str) {
    out.push_str("<user");
    xml::attribute(out, "entity", &room.with_gr(nickname).to_string());
    out.push_str(" state='deleted'/>");
}

fn write(out: &mut String, room: &SipUri, user: &User<'_>, gone: Option<&Disconnection<'_>>) {
    let entity = room.with_gr(user.nickname).to_string();
    out.push_str("<user");
    xml::attribute(out, "entity", &entity);
    xml::attribute(out, "xcon:nickname", user.nickname);
    out.push('>');
    element(out, "display-text", user.display_name.filter(|name| !name.is_empty()).unwrap_or(user.nickname));
    if let Some(jid) = user.jid {
        out.push_str("<associated-aors>");
        uri(out, &xmpp_uri(jid), None);
        out.push_str("</associated-aors>");
    }
    roles(out, user);
    out.push_str("<endpoint");
    xml::attribute(out, "entity", &entity);
    out.push('>');
    if let Some(Joined::DialedOut { since, by: Some(by) }) = user.dialed_in {
        execution(out, room, "referred", since, Some(by));
    }
    element(out, "status", status(user, gone.is_some()));
    if let Some(joined) = user.dialed_in {
        let (method, since, by) = match joined {
            Joined::DialedIn(since) => ("dialed-in", since, None),
            Joined::DialedOut { since, by } => ("dialed-out", since, by),
        };
        element(out, "joining-method", method);
        execution(out, room, "joining-info", since, by);
    }
    match gone {
        Some(gone) => disconnection(out, room, gone),
        None => medium(out, user),
    }
    out.push_str("</endpoint></user>");
}

/// RFC 4575 §5.7.3: who may only listen is muted by the room. His one medium is all that he has.
const fn status(user: &User<'_>, is_gone: bool) -> &'static str {
    match user.part {
        _ if is_gone => "disconnected",
        Part::Observer => "muted-via-focus",
        Part::Moderator | Part::Participant => "connected",
    }
}

/// When something was done, and by whom (RFC 4575 §5.7.2).
fn execution(out: &mut String, room: &SipUri, name: &str, when: WallClock, by: Option<&str>) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    element(out, "when", &when.rfc3339());
    if let Some(by) = by {
        element(out, "by", &room.with_gr(by).to_string());
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn roles(out: &mut String, user: &User<'_>) {
    out.push_str("<roles>");
    let part = match user.part {
        Part::Moderator => "moderator",
        Part::Participant => "participant",
        Part::Observer => "observer",
    };
    element(out, "entry", part);
    if user.administrator {
        element(out, "entry", "administrator");
    }
    out.push_str("</roles>");
}

fn medium(out: &mut String, user: &User<'_>) {
    out.push_str("<media id='1'><type>message</type>");
    element(out, "label", LABEL);
    element(out, "status", if user.part == Part::Observer { "recvonly" } else { "sendrecv" });
    out.push_str("</media>");
}

fn disconnection(out: &mut String, room: &SipUri, gone: &Disconnection<'_>) {
    let method = match gone.method {
        Method::Departed => "departed",
        Method::Booted => "booted",
        Method::Failed => "failed",
    };
    element(out, "disconnection-method", method);
    out.push_str("<disconnection-info>");
    element(out, "when", &gone.when.rfc3339());
    if gone.cause.is_some() || gone.reason.is_some() {
        element(out, "reason", &reason(gone.cause, gone.reason));
    }
    if let Some(by) = gone.by {
        element(out, "by", &room.with_gr(by).to_string());
    }
    out.push_str("</disconnection-info>");
}

/// RFC 4575 §5.7.7: a Reason header field as it would stand in a message (RFC 3326 §2).
fn reason(cause: Option<u16>, words: Option<&str>) -> String {
    let mut reason = String::from("Reason: SIP");
    if let Some(cause) = cause {
        reason.push_str(&format!(";cause={cause}"));
    }
    if let Some(words) = words {
        reason.push_str(";text=\"");
        for c in words.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if matches!(c, '"' | '\\') {
                reason.push('\\');
            }
            reason.push(c);
        }
        reason.push('"');
    }
    reason
}
