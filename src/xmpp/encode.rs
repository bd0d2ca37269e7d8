//! Stanzas into bytes. Everything is escaped here and nowhere else, and a stanza that the server would not take is refused
//! before it ends the stream.

use bytes::Bytes;
use mucfocus_core::stanza::{ArchiveFrom, ChatState, Condition, ErrorKind, History, OutStanza, ReceiptKind, Role};
use mucfocus_core::xmpp_stream::xml;

/// The longest stanza that is sent, in octets. Stock servers end the whole stream, with everything else that it carries, at
/// 256 KiB (Prosody `c2s_stanza_size_limit`, ejabberd `max_stanza_size`); the rest is room for the `from` that the server
/// adds before it hands the stanza to the room.
pub const MAX_STANZA: usize = 256 * 1024 - 4096;

/// Why a stanza cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is longer than servers take.
    #[error("the stanza has {size} octets and servers take {limit}: send less text")]
    TooLarge {
        /// Octets of the encoded stanza.
        size: usize,
        /// What would have been fine.
        limit: usize,
    },
    /// A text has a character that XML 1.0 cannot carry.
    #[error("XML cannot carry U+{:04X}: leave it out", u32::from(*.0))]
    IllegalCharacter(char),
}

/// The bytes of `stanza`, without `from`, in the stream's default namespace.
///
/// # Errors
///
/// [`EncodeError`]; nothing has been sent then.
pub fn encode(stanza: &OutStanza) -> Result<Bytes, EncodeError> {
    let mut out = Writer::default();
    match stanza {
        OutStanza::Join { occupant, id, password, history } => {
            // No type and no from: GC-JOIN-10, GC-JOIN-13.
            out.raw("<presence").attribute("to", occupant.as_str())?.attribute("id", id)?;
            out.raw("><x xmlns='http://jabber.org/protocol/muc'>");
            if let Some(password) = password {
                out.raw("<password>").text(password.expose())?.raw("</password>");
            }
            out.raw("<history");
            match history {
                History::Last(count) => out.attribute("maxstanzas", &count.to_string())?,
                History::Since(at) => out.attribute("since", &at.rfc3339())?,
            };
            out.raw("/></x></presence>");
        }
        OutStanza::Rename { occupant, id } => {
            // With the payload of a join it would be one, and ask for the history again.
            out.raw("<presence").attribute("to", occupant.as_str())?.attribute("id", id)?.raw("/>");
        }
        OutStanza::Leave { occupant, status } => {
            out.raw("<presence type='unavailable'").attribute("to", occupant.as_str())?;
            match status {
                None => out.raw("/>"),
                Some(status) => out.raw("><status>").text(status)?.raw("</status></presence>"),
            };
        }
        OutStanza::Groupchat { room, id, body } => {
            out.message("groupchat", room.as_str(), id)?.raw("<body>").text(body)?.raw("</body>");
            // The reflection is known by these two, which are equal (GC-MSG-12).
            out.origin_id(id)?.raw("</message>");
        }
        OutStanza::Private { to, id, body, asks, is_active } => {
            out.message("chat", to.as_str(), id)?.raw("<body>").text(body)?.raw("</body>");
            if asks.received {
                out.raw("<request xmlns='urn:xmpp:receipts'/>");
            }
            if asks.displayed {
                out.raw("<markable xmlns='urn:xmpp:chat-markers:0'/>");
            }
            if *is_active {
                out.raw("<active xmlns='http://jabber.org/protocol/chatstates'/>");
            }
            // The empty payload tells other clients of the account that it is no message to a contact (XEP-0045 §7.5).
            out.origin_id(id)?.raw("<x xmlns='http://jabber.org/protocol/muc#user'/></message>");
        }
        OutStanza::PrivateState { to, id, state } => {
            out.message("chat", to.as_str(), id)?.raw("<").raw(chat_state_name(*state));
            out.raw(" xmlns='http://jabber.org/protocol/chatstates'/>");
            out.raw("<x xmlns='http://jabber.org/protocol/muc#user'/></message>");
        }
        OutStanza::Receipt { to, id, receipt } => {
            out.message("chat", to.as_str(), id)?.raw(match receipt.kind {
                ReceiptKind::Received => "<received xmlns='urn:xmpp:receipts'",
                ReceiptKind::Displayed => "<displayed xmlns='urn:xmpp:chat-markers:0'",
            });
            out.attribute("id", &receipt.id)?.raw("/><x xmlns='http://jabber.org/protocol/muc#user'/></message>");
        }
        OutStanza::ChatState { room, id, state } => {
            out.message("groupchat", room.as_str(), id)?.raw("<").raw(chat_state_name(*state));
            out.raw(" xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/></message>");
        }
        OutStanza::Subject { room, id, subject } => {
            out.message("groupchat", room.as_str(), id)?.raw("<subject>").text(subject)?.raw("</subject></message>");
        }
        OutStanza::Invite { room, id, to, reason } => {
            // Without a type: an invitation is no groupchat message (XEP-0045 §7.8.2).
            out.raw("<message").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><x xmlns='http://jabber.org/protocol/muc#user'><invite").attribute("to", to.as_str())?;
            match reason {
                None => out.raw("/>"),
                Some(reason) => out.raw("><reason>").text(reason)?.raw("</reason></invite>"),
            };
            out.raw("</x></message>");
        }
        OutStanza::Decline { room, to, reason } => {
            out.raw("<message").attribute("to", room.as_str())?;
            out.raw("><x xmlns='http://jabber.org/protocol/muc#user'><decline").attribute("to", to.as_str())?;
            match reason {
                None => out.raw("/>"),
                Some(reason) => out.raw("><reason>").text(reason)?.raw("</reason></decline>"),
            };
            out.raw("</x></message>");
        }
        OutStanza::InvitationError { to, id, error } => {
            out.raw("<message type='error'").attribute("to", to.as_str())?;
            if let Some(id) = id {
                out.attribute("id", id)?;
            }
            let condition = condition_name(error.condition);
            out.raw("><error").attribute("type", kind_name(error.kind))?.raw("><").raw(condition);
            out.raw(" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>");
            out.text(error.address.as_deref().unwrap_or_default())?.raw("</").raw(condition).raw(">");
            if let Some(text) = &error.text {
                out.raw("<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>").text(text)?.raw("</text>");
            }
            out.raw("</error></message>");
        }
        OutStanza::VoiceRequest { room, id } => {
            out.raw("<message").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>");
            out.raw("<value>http://jabber.org/protocol/muc#request</value></field>");
            out.raw("<field var='muc#role' type='list-single'><value>participant</value></field></x></message>");
        }
        OutStanza::SetRole { room, id, nick, role, reason } => {
            out.raw("<iq type='set'").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><query xmlns='http://jabber.org/protocol/muc#admin'><item").attribute("nick", nick)?;
            out.attribute("role", role_name(*role))?;
            match reason {
                None => out.raw("/>"),
                Some(reason) => out.raw("><reason>").text(reason)?.raw("</reason></item>"),
            };
            out.raw("</query></iq>");
        }
        OutStanza::Ping { to, id } => {
            out.raw("<iq type='get'").attribute("to", to.as_str())?.attribute("id", id)?;
            out.raw("><ping xmlns='urn:xmpp:ping'/></iq>");
        }
        OutStanza::InstantRoom { room, id } => {
            out.raw("<iq type='set'").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/>");
            out.raw("</query></iq>");
        }
        OutStanza::Destroy { room, id } => {
            out.raw("<iq type='set'").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>");
        }
        OutStanza::DiscoInfo { room, id, node } => {
            out.raw("<iq type='get'").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><query xmlns='http://jabber.org/protocol/disco#info'");
            if let Some(node) = node {
                out.attribute("node", node)?;
            }
            out.raw("/></iq>");
        }
        OutStanza::Archive { room, id, from, max } => {
            out.raw("<iq type='set'").attribute("to", room.as_str())?.attribute("id", id)?;
            out.raw("><query xmlns='urn:xmpp:mam:2'").attribute("queryid", id)?.raw(">");
            if let ArchiveFrom::Since(at) = from {
                out.raw("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>");
                out.raw("<value>urn:xmpp:mam:2</value></field><field var='start'><value>");
                out.text(&at.rfc3339())?.raw("</value></field></x>");
            }
            out.raw("<set xmlns='http://jabber.org/protocol/rsm'><max>").text(&max.to_string())?.raw("</max>");
            if let ArchiveFrom::After(id) = from {
                out.raw("<after>").text(id)?.raw("</after>");
            }
            out.raw("</set></query></iq>");
        }
        OutStanza::MessageError { to, id, condition, kind, text } => {
            out.raw("<message type='error'").attribute("to", to.as_str())?;
            if let Some(id) = id {
                out.attribute("id", id)?;
            }
            out.raw("><error").attribute("type", kind_name(*kind))?.raw("><").raw(condition_name(*condition));
            out.raw(" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>");
            if !text.is_empty() {
                out.raw("<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>").text(text)?.raw("</text>");
            }
            out.raw("</error></message>");
        }
    }
    out.finish()
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// The start tag of a message.
    fn message(&mut self, kind: &str, to: &str, id: &str) -> Result<&mut Self, EncodeError> {
        Ok(self.raw("<message").attribute("type", kind)?.attribute("to", to)?.attribute("id", id)?.raw(">"))
    }

    /// XEP-0359 §4.
    fn origin_id(&mut self, id: &str) -> Result<&mut Self, EncodeError> {
        Ok(self.raw("<origin-id xmlns='urn:xmpp:sid:0'").attribute("id", id)?.raw("/>"))
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<&mut Self, EncodeError> {
        check(value)?;
        xml::attribute(&mut self.0, name, value);
        Ok(self)
    }

    fn text(&mut self, text: &str) -> Result<&mut Self, EncodeError> {
        check(text)?;
        xml::text(&mut self.0, text);
        Ok(self)
    }

    fn finish(self) -> Result<Bytes, EncodeError> {
        if self.0.len() > MAX_STANZA {
            return Err(EncodeError::TooLarge { size: self.0.len(), limit: MAX_STANZA });
        }
        Ok(self.0.into())
    }
}

fn check(text: &str) -> Result<(), EncodeError> {
    text.chars().find(|c| !xml::is_xml_char(*c)).map_or(Ok(()), |c| Err(EncodeError::IllegalCharacter(c)))
}

/// XEP-0085 §4.
const fn chat_state_name(state: ChatState) -> &'static str {
    match state {
        ChatState::Active => "active",
        ChatState::Composing => "composing",
        ChatState::Paused => "paused",
        ChatState::Inactive => "inactive",
        ChatState::Gone => "gone",
    }
}

/// XEP-0045 §5.1.
const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Moderator => "moderator",
        Role::Participant => "participant",
        Role::Visitor => "visitor",
        Role::None => "none",
    }
}

/// RFC 6120 §8.3.2.
const fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Auth => "auth",
        ErrorKind::Cancel => "cancel",
        ErrorKind::Continue => "continue",
        ErrorKind::Modify => "modify",
        ErrorKind::Wait => "wait",
    }
}

/// RFC 6120 §8.3.3.
const fn condition_name(condition: Condition) -> &'static str {
    match condition {
        Condition::BadRequest => "bad-request",
        Condition::Conflict => "conflict",
        Condition::FeatureNotImplemented => "feature-not-implemented",
        Condition::Forbidden => "forbidden",
        Condition::Gone => "gone",
        Condition::InternalServerError => "internal-server-error",
        Condition::ItemNotFound => "item-not-found",
        Condition::JidMalformed => "jid-malformed",
        Condition::NotAcceptable => "not-acceptable",
        Condition::NotAllowed => "not-allowed",
        Condition::NotAuthorized => "not-authorized",
        Condition::PolicyViolation => "policy-violation",
        Condition::RecipientUnavailable => "recipient-unavailable",
        Condition::Redirect => "redirect",
        Condition::RegistrationRequired => "registration-required",
        Condition::RemoteServerNotFound => "remote-server-not-found",
        Condition::RemoteServerTimeout => "remote-server-timeout",
        Condition::ResourceConstraint => "resource-constraint",
        Condition::ServiceUnavailable => "service-unavailable",
        Condition::SubscriptionRequired => "subscription-required",
        Condition::UndefinedCondition => "undefined-condition",
        Condition::UnexpectedRequest => "unexpected-request",
    }
}

#[cfg(test)]
mod tests;
