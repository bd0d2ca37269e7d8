//! What was said, as people read it: from CPIM to a line, and from a line to CPIM.

use bytes::Bytes;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::translate::text::charset_to_utf8;
use mucfocus_core::wire::cpim::{self, Address, Cpim};

use crate::hub::clock::wall;

/// The type of what is typed.
const TEXT: &str = "text/plain;charset=utf-8";

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken {
    /// Who spoke; `None` for the room itself.
    pub(super) nickname: Option<String>,
    /// What was said; in brackets, what cannot be shown.
    pub(super) text: String,
}

impl Spoken {
    /// Reads a message to or from `room`. `None` when there is nothing to show: somebody is typing.
    pub(super) fn read(body: &Bytes, room: &SipUri) -> Option<Self> {
        let Ok(message) = Cpim::parse(body) else {
            return Some(Self { nickname: None, text: "[a message that cannot be read]".to_owned() });
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
        Some(Self { nickname: message.from.as_ref().and_then(|from| nickname(from, room)), text })
    }
}

impl std::fmt::Display for Spoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.nickname {
            Some(nickname) => write!(f, "{nickname}: {}", self.text),
            None => write!(f, "* {}", self.text),
        }
    }
}

/// Under which name somebody speaks: the formal name, else the `gr` of an occupant's address, else the user part. `None` is the
/// room itself.
fn nickname(from: &Address, room: &SipUri) -> Option<String> {
    let uri = SipUri::parse(&from.uri);
    let is_room = uri.as_ref().is_ok_and(|uri| !uri.has_gr() && uri.same_aor(room)) && from.trailing_gr.is_none();
    if is_room {
        return None;
    }
    let named = from.formal_name.as_deref().filter(|name| !name.trim().is_empty()).map(str::to_owned);
    let trailing = || from.trailing_gr.clone().filter(|gr| !gr.is_empty());
    let gr = || uri.as_ref().ok().and_then(|uri| uri.gr().map(Into::into));
    let user = || uri.as_ref().ok().and_then(|uri| uri.user_decoded().map(Into::into));
    named.or_else(gr).or_else(trailing).or_else(user).or_else(|| Some(from.uri.clone()))
}

/// A text to the whole room.
pub(super) fn to_room(from: &SipUri, room: &SipUri, text: &str) -> Bytes {
    let from = Address::new(None, &from.without_params().to_string());
    let to = Address::new(None, &room.without_params().to_string());
    cpim::encode(&from, &to, &wall().rfc3339(), TEXT, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &str, kind: &str, content: &str) -> Option<String> {
        let room = SipUri::parse("sip:Capulet@rooms.test;transport=tcp").unwrap();
        let body = format!("From: {from}\r\nTo: <sip:Capulet@rooms.test>\r\n\r\nContent-Type: {kind}\r\n\r\n{content}");
        Spoken::read(&Bytes::from(body), &room).map(|spoken| spoken.to_string())
    }

    #[test]
    fn the_one_who_speaks_is_shown_by_the_best_name_there_is() {
        let shown = |from| read(from, "text/plain", "hi").unwrap();
        assert_eq!(shown("\"Juli C\" <sip:Capulet@rooms.test;gr=JuliC>"), "Juli C: hi");
        assert_eq!(shown("<sip:Capulet@rooms.test;gr=J%20C>"), "J C: hi");
        assert_eq!(shown("<sip:Capulet@rooms.test>;gr=x"), "x: hi");
        assert_eq!(shown("<sip:romeo@sip.test>"), "romeo: hi");
        assert_eq!(shown("<im:somebody@else>"), "im:somebody@else: hi");
        assert_eq!(shown("<sip:Capulet@rooms.test>"), "* hi");
    }

    #[test]
    fn what_is_no_text_is_named_and_typing_is_not_shown() {
        let from = "\"J\" <sip:Capulet@rooms.test;gr=J>";
        assert_eq!(read(from, "image/png", "abc").unwrap(), "J: [image/png, 3 octets]");
        assert_eq!(read(from, "application/im-iscomposing+xml", "<x/>"), None);
        let room = SipUri::parse("sip:a@b").unwrap();
        assert_eq!(
            Spoken::read(&Bytes::from_static(b"x"), &room).unwrap().to_string(),
            "* [a message that cannot be read]"
        );
    }
}
