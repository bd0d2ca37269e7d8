//! Invitations by REFER (GC-INV).

use jid::BareJid;
use mucfocus_core::room::referral::ReferAnswer;
use mucfocus_core::stanza::{Condition, Decline, ErrorKind, MessageKind, MucUser};

use crate::muc::error;
use crate::story::Story;

#[test]
fn an_occupant_invites_through_the_room() {
    // GC-INV-01, GC-INV-03, GC-INV-04
    let (story, romeo) = Story::with_romeo();
    let referral = romeo.refers("benvolio@example.com");
    let trying = ReferAnswer::Last { code: 100, phrase: "Trying".into() };
    assert_eq!(story.world().referrals[&referral], [ReferAnswer::Accepted, trying]);
    assert_eq!(story.muc().invited, [BareJid::new("benvolio@example.com").unwrap()]);
}

#[test]
fn a_room_that_does_not_let_him_is_quoted() {
    // GC-INV-05
    for (condition, expected) in
        [(Condition::Forbidden, 403), (Condition::ItemNotFound, 404), (Condition::ServiceUnavailable, 480)]
    {
        let (story, romeo) = Story::with_romeo();
        story.muc().refuses_invitations = Some(error(condition, ErrorKind::Auth));
        let referral = romeo.refers("benvolio@example.com");
        let answers = story.world().referrals[&referral].clone();
        assert!(
            matches!(&answers[..], [ReferAnswer::Accepted, ReferAnswer::Last { code, .. }] if *code == expected),
            "{answers:?}"
        );
    }
}

#[test]
fn a_room_that_says_nothing_for_a_second_is_taken_for_trying() {
    // GC-INV-05
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let referral = romeo.refers("benvolio@example.com");
    assert_eq!(story.world().referrals[&referral].len(), 1);
    story.seconds_pass(2);
    let answers = story.world().referrals[&referral].clone();
    assert!(matches!(answers[1], ReferAnswer::Last { code: 100, .. }), "{answers:?}");
}

#[test]
fn an_outsider_invites_nobody() {
    // GC-INV-09
    let (story, _romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    let referral = tybalt.refers("benvolio@example.com");
    let answers = story.world().referrals[&referral].clone();
    assert!(matches!(&answers[..], [ReferAnswer::Refused(refusal)] if refusal.code == 403), "{answers:?}");
    assert!(story.muc().invited.is_empty());
}

#[test]
fn who_declines_is_told_of() {
    // GC-INV-08
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    let mut message = story.muc().message("x", None, "");
    message.from = story.muc().room.clone().into();
    (message.kind, message.body) = (MessageKind::Normal, None);
    let decline = Decline { from: "benvolio@example.com/phone".parse().unwrap(), reason: Some("busy".into()) };
    message.muc = Some(MucUser { decline: Some(decline), ..MucUser::default() });
    story.muc().outbox.push_back((account, mucfocus_core::stanza::Stanza::Message(message)));
    story.settles();
    assert_eq!(romeo.sees().notices, ["benvolio@example.com declined your invitation: busy"]);
}
