//! An XMPP user invites a SIP user, whose phone rings: XM-12.

use mucfocus_core::leg::call::{CallEnd, Refusal};
use mucfocus_core::room::inviting::InvitationId;

use crate::story::{SipUser, Story};

fn outcome(story: &Story, id: InvitationId) -> Option<Result<(), Refusal>> {
    story.world().invitations.get(&id).cloned()
}

fn tybalt_is_invited() -> (Story, SipUser, InvitationId) {
    let story = Story::begins();
    let tybalt = story.sip_user("Tybalt");
    let id = tybalt.is_invited();
    (story, tybalt, id)
}

#[test]
fn who_answers_is_in_the_room_and_nobody_else_need_be() {
    let (story, tybalt, id) = tybalt_is_invited();
    assert!(tybalt.sees().invited.as_ref().is_some_and(|offer| offer.contains("a=setup:actpass")));
    tybalt.rings(180, "Ringing");
    assert_eq!(outcome(&story, id), None);
    tybalt.is_not_in_the_room();
    tybalt.picks_up();
    assert_eq!(outcome(&story, id), Some(Ok(())));
    tybalt.is_called("Tybalt");
    story.in_the_room("JuliC", "Welcome");
    tybalt.has_heard(&[("JuliC", "Welcome")]);
    story.everybody_leaves();
}

#[test]
fn who_refuses_is_quoted_and_leaves_nothing_behind() {
    // ERR-05, ERR-06
    let contact = Some("sip:tybalt@elsewhere.example".to_owned());
    for (code, phrase, contact) in [(486, "Busy Here", None), (603, "Decline", None), (301, "Moved", contact)] {
        let (story, tybalt, id) = tybalt_is_invited();
        let end = CallEnd::Refused { code, phrase: phrase.into(), contact: contact.clone() };
        tybalt.input(mucfocus_core::room::io::Input::CallEnded(tybalt.leg, end));
        let refusal = Refusal { contact, ..Refusal::new(code, phrase) };
        assert_eq!(outcome(&story, id), Some(Err(refusal)));
        assert!(tybalt.sees().is_gone && story.world().room.is_deserted());
    }
}

#[test]
fn a_phone_that_nobody_answers_rings_no_longer_than_any_other() {
    let (story, tybalt, id) = tybalt_is_invited();
    story.seconds_pass(176);
    tybalt.gets_bye(408, "not answered");
    assert!(matches!(outcome(&story, id), Some(Err(refusal)) if refusal.code == 408));
    story.everybody_leaves();
}

#[test]
fn the_phone_of_who_is_in_the_room_does_not_ring() {
    let (story, _romeo) = Story::with_romeo();
    let tablet = story.sip_user("Romeo");
    let id = tablet.is_invited();
    assert_eq!(outcome(&story, id), Some(Ok(())));
    assert!(tablet.sees().is_gone && tablet.sees().invited.is_none());
    story.everybody_leaves();
}

#[test]
fn a_phone_that_rings_is_not_called_once_more() {
    let (story, tybalt, first) = tybalt_is_invited();
    let again = story.sip_user("Tybalt");
    let second = again.is_invited();
    assert!(matches!(outcome(&story, second), Some(Err(refusal)) if refusal.code == 486));
    assert!(again.sees().is_gone && again.sees().invited.is_none());
    tybalt.picks_up();
    assert_eq!(outcome(&story, first), Some(Ok(())));
    story.everybody_leaves();
}

#[test]
fn a_muc_that_does_not_let_him_in_is_quoted() {
    use mucfocus_core::stanza::{Condition, ErrorKind};
    let (story, tybalt, id) = tybalt_is_invited();
    story.muc().refuses_joins = Some(crate::muc::error(Condition::Forbidden, ErrorKind::Auth));
    tybalt.picks_up();
    tybalt.gets_bye(403, "");
    assert!(matches!(outcome(&story, id), Some(Err(refusal)) if refusal.code == 403));
    story.everybody_leaves();
}
