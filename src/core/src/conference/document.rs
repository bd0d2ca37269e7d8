//! From a roster to documents: the whole of it, and what leads from one revision to another. Decides who is named and how, not to
//! whom it is sent.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::View;
use super::subscription::Point;
use crate::address::sip_uri::SipUri;
use crate::muc::{Departure, Removal};
use crate::roster::{self, Farewell, How, Listed, MAX_LISTED, Occupant};
use crate::stanza::{Affiliation, Role};
use crate::translate::phrases;
use crate::wire::conference_info::{
    self, About, Disconnection, Document, Entry, Fragment, Inside, Joined, Method, Part, Rendered, State, Update, User,
};

/// How many of those who left at once are shown as leaving before they go from the list. Where more do, an outage for one, nobody
/// reads why.
const MAX_FAREWELLS: usize = 64;
/// So many changes are always told as changes, however small the room.
const FEW: usize = 16;

/// The way from what a subscriber knows to what there is.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// There is nothing to tell.
    None,
    /// By this document, which shows some as leaving or not.
    Part { document: Arc<Rendered>, shows_leaving: bool },
    /// By the whole only: too much has happened since.
    Whole,
}

/// What anybody may see whom the room lets subscribe: where it is, and nothing of its inside (EV-17, GC-PRES-04).
pub(super) fn neutral(view: View<'_>, room: &SipUri) -> Rendered {
    conference_info::full(&Document { room, muc: view.muc, inside: None })
}

/// All that an occupant may see.
pub(super) fn full(view: View<'_>, room: &SipUri, users: Vec<Fragment>) -> Rendered {
    let inside = Inside { about: about(view.roster.about()), state: state(view), users };
    conference_info::full(&Document { room, muc: view.muc, inside: Some(inside) })
}

/// What leads from `point` to what there is. `fragment` writes who is here.
pub(super) fn part(view: View<'_>, room: &SipUri, point: Point, fragment: impl FnMut(Listed<'_>) -> Fragment) -> Way {
    let after = point.leaving_since.unwrap_or(point.revision);
    let Some(changes) = view.roster.since(point.revision, point.leaving_since).filter(|_| view.roster.remembers(after))
    else {
        return Way::Whole;
    };
    let users = view.roster.occupants().len().min(MAX_LISTED);
    if changes.here.len().saturating_add(changes.gone.len()) > FEW.max(users / 2) {
        return Way::Whole;
    }
    let says_farewell = changes.gone.len() <= MAX_FAREWELLS;
    // Who was shown as leaving the last time, and has not come back.
    let left = view.roster.departures(after, point.revision);
    let left = left.filter(|(_, gone)| gone.farewell.is_some() && gone.was_listed(after));
    let mut entries: Vec<Entry<'_>> = left.map(|(nickname, _)| Entry::Deleted(nickname)).collect();
    let mut shows_leaving = false;
    for (nickname, gone) in &changes.gone {
        entries.push(match &gone.farewell {
            // Who was shown as leaving, came back and left again before the next document was so once.
            Some(farewell) if says_farewell && gone.was_listed(point.revision) => {
                shows_leaving = true;
                Entry::Full(leaving(room, nickname, farewell))
            }
            _ => Entry::Deleted(nickname),
        });
    }
    entries.extend(changes.here.iter().copied().map(fragment).map(Entry::Full));
    let now = state(view);
    let update = Update {
        room,
        muc: view.muc,
        about: changes.described.then(|| about(view.roster.about())),
        state: (now != point.state).then_some(now),
        users: entries,
    };
    if update.about.is_none() && update.state.is_none() && update.users.is_empty() {
        return Way::None;
    }
    Way::Part { document: Arc::new(conference_info::partial(&update)), shows_leaving }
}

/// Somebody who is here.
pub(super) fn user(room: &SipUri, nickname: &str, occupant: &Occupant) -> Fragment {
    Fragment::of(room, &as_user(nickname, occupant), None)
}

/// How the room is. Who is leaving is not counted.
pub(super) fn state(view: View<'_>) -> State {
    let about = view.roster.about();
    State { user_count: view.roster.occupants().len(), active: !about.unreachable, locked: about.members_only }
}

fn about(about: &roster::About) -> About<'_> {
    About {
        name: about.name.as_deref(),
        subject: about.subject.as_deref(),
        description: about.description.as_deref(),
        logs: about.logs.as_deref(),
    }
}

/// Somebody who is about to go from the list (CI-19, GC-PRES-15).
fn leaving(room: &SipUri, nickname: &str, farewell: &Farewell) -> Fragment {
    let (method, cause, reason, by) = match &farewell.why {
        Departure::Left(words) => (Method::Departed, None, words.as_deref().map(phrases::quoted), None),
        Departure::Removed(removal) => {
            let (method, by) = how(removal);
            (method, Some(removal.sip_cause()), Some(phrases::quoted(&removal.to_string())), by)
        }
    };
    let by = by.filter(|nickname| !nickname.is_empty());
    let gone = Disconnection { method, when: farewell.when, cause, reason: reason.as_deref(), by };
    Fragment::of(room, &as_user(nickname, &farewell.occupant), Some(&gone))
}

/// Whether somebody put him out, and who.
fn how(removal: &Removal) -> (Method, Option<&str>) {
    match removal {
        Removal::Kicked { actor, .. } | Removal::Banned { actor, .. } => (Method::Booted, actor.as_deref()),
        Removal::AffiliationLost { .. } | Removal::MembersOnly { .. } | Removal::Destroyed { .. } => {
            (Method::Booted, None)
        }
        Removal::ServiceShutdown
        | Removal::Technical
        | Removal::NotLetIn(_)
        | Removal::NoSuchRoom
        | Removal::StreamLost(_) => (Method::Failed, None),
    }
}

fn as_user<'a>(nickname: &'a str, occupant: &'a Occupant) -> User<'a> {
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
        dialed_in: occupant.dialed_in.as_ref().map(|joined| match &joined.how {
            How::Dialed => Joined::DialedIn(joined.since),
            How::Called { by } => Joined::DialedOut { since: joined.since, by: by.as_deref() },
        }),
    }
}
