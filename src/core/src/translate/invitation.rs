//! What an XMPP user is told whose invitation came to nothing (XM-12).

use alloc::string::String;

use jid::{BareJid, Jid};

use super::{errors, phrases};
use crate::leg::call::Refusal;
use crate::stanza::{OutStanza, Password};

/// An invitation to a room, as it came to an account of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    /// The room.
    pub room: BareJid,
    /// Who invites: whom the room names, or who sent it himself.
    pub from: Jid,
    /// Whether it came through the room (XEP-0045 §7.8.2), and not from him (XEP-0249).
    pub is_mediated: bool,
    /// The id of the stanza.
    pub id: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What opens the room (XM-13).
    pub password: Option<Password>,
}

/// A room passes a decline on, which is all that it has. Who invited himself gets an error, which says more (ERR-04 … 07).
#[must_use]
pub fn refused(invitation: &Invitation, why: &Refusal) -> Option<OutStanza> {
    let error = errors::sip::error(why.code, &why.text, why.contact.as_deref())?;
    let Invitation { room, from, id, .. } = invitation;
    Some(if invitation.is_mediated {
        OutStanza::Decline { room: room.clone(), to: from.clone(), reason: error.text }
    } else {
        OutStanza::InvitationError { to: from.clone(), id: id.clone(), error }
    })
}

/// What a call is about that an invitation leads to.
#[must_use]
pub fn subject(invitation: &Invitation) -> Option<String> {
    invitation.reason.as_deref().map(phrases::quoted).filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Condition;

    fn invitation(is_mediated: bool) -> Invitation {
        Invitation {
            room: BareJid::new("capulet@muc.example.net").unwrap(),
            from: "juliet@example.com/balcony".parse().unwrap(),
            is_mediated,
            id: Some("i1".into()),
            reason: None,
            password: None,
        }
    }

    #[test]
    fn through_the_room_it_is_declined_in_the_words_of_the_phone() {
        // XM-12, ERR-06
        let answer = refused(&invitation(true), &Refusal::new(486, "Busy\r\nHere"));
        let Some(OutStanza::Decline { room, to, reason }) = answer else { panic!("{answer:?}") };
        assert_eq!((room.as_str(), to.as_str()), ("capulet@muc.example.net", "juliet@example.com/balcony"));
        assert_eq!(reason.as_deref(), Some("Busy Here"));
    }

    #[test]
    fn who_invited_himself_gets_the_error_of_the_table() {
        // ERR-04, ERR-05, ERR-07
        for (code, contact, condition, address) in [
            (603, None, Condition::RecipientUnavailable, None),
            (607, None, Condition::NotAllowed, None),
            (499, None, Condition::BadRequest, None),
            (301, Some("sip:t@new.example"), Condition::Gone, Some("sip:t@new.example")),
            (410, Some("sip:t@new.example"), Condition::Gone, None),
        ] {
            let refusal = Refusal { contact: contact.map(Into::into), ..Refusal::new(code, "No") };
            let answer = refused(&invitation(false), &refusal);
            let Some(OutStanza::InvitationError { id, error, .. }) = answer else { panic!("{answer:?}") };
            assert_eq!((id.as_deref(), error.text.as_deref()), (Some("i1"), Some("No")));
            assert_eq!((error.condition, error.address.as_deref()), (condition, address), "{code}");
        }
    }
}
