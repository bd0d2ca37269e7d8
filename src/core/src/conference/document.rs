//! From a roster to a document.

use crate::address::sip_uri::SipUri;
use crate::roster::Occupant;
use crate::stanza::{Affiliation, Role};
use crate::wire::conference_info::{self, Document, Inside, MAX_USERS, Part, Rendered, User};

use super::View;

/// All that an occupant may see.
pub(super) fn full(view: View<'_>, room: &SipUri) -> Rendered {
    let (about, occupants) = (view.roster.about(), view.roster.occupants());
    conference_info::full(&Document {
        room,
        muc: view.muc,
        inside: Some(Inside {
            name: about.name.as_deref(),
            subject: about.subject.as_deref(),
            description: about.description.as_deref(),
            logs: about.logs.as_deref(),
            user_count: occupants.len(),
            active: !about.unreachable,
            locked: about.members_only,
            users: occupants.take(MAX_USERS).map(|(nickname, occupant)| user(nickname, occupant)).collect(),
        }),
    })
}

/// What anybody may see whom the room lets subscribe: where it is, and nothing of its inside (EV-17, GC-PRES-04).
pub(super) fn neutral(view: View<'_>, room: &SipUri) -> Rendered {
    conference_info::full(&Document { room, muc: view.muc, inside: None })
}

fn user<'a>(nickname: &'a str, occupant: &'a Occupant) -> User<'a> {
    User {
        nickname,
        display_name: occupant.display_name.as_deref(),
        jid: occupant.jid.as_ref(),
        part: match occupant.role {
            Role::Moderator => Part::Moderator,
            Role::Participant => Part::Participant,
            Role::Visitor | Role::None => Part::Observer,
        },
        administrator: matches!(occupant.affiliation, Affiliation::Owner | Affiliation::Admin),
        dialed_in: occupant.dialed_in,
    }
}
