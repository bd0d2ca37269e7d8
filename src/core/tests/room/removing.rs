//! Removals by REFER with method BYE: CF-08, CF-10.

use jid::BareJid;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::room::io::{EndCause, Trace};
use mucfocus_core::room::referral::{ReferAnswer, ReferralId};
use mucfocus_core::room::removing::Victim;
use mucfocus_core::stanza::{Condition, ErrorKind, MucItem, OutStanza, PresenceKind, Role};

use crate::muc::error;
use crate::story::{SipUser, Story};

fn occupant(nickname: &str) -> Victim {
    let room = SipUri::parse("sip:capulet@rooms.example.com").unwrap();
    Victim::Occupant { room, nickname: nickname.into() }
}

fn sip(uri: &str) -> Victim {
    Victim::User { sip: Some(SipUri::parse(uri).unwrap()), xmpp: None }
}

fn xmpp(jid: &str) -> Victim {
    Victim::User { sip: None, xmpp: Some(BareJid::new(jid).unwrap()) }
}

fn done() -> Vec<ReferAnswer> {
    vec![ReferAnswer::Accepted, ReferAnswer::Last { code: 200, phrase: "OK".into() }]
}

fn comes_of(story: &Story, referral: ReferralId) -> Vec<ReferAnswer> {
    story.world().referrals[&referral].clone()
}

/// The code of a REFER that is refused at once.
fn refused_with(story: &Story, referral: ReferralId) -> u16 {
    match &comes_of(story, referral)[..] {
        [ReferAnswer::Refused(refusal)] => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

fn romeo_and_tybalt() -> (Story, SipUser, SipUser) {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    tybalt.is_answered();
    (story, romeo, tybalt)
}

#[test]
fn a_moderator_removes_another_by_his_place_in_the_room() {
    // CF-08, CF-10
    let (story, romeo, tybalt) = romeo_and_tybalt();
    let referral = romeo.removes(occupant("Tybalt"), Some("Peace, ho!"));
    assert_eq!(comes_of(&story, referral), done());
    tybalt.gets_bye(403, "removed from the room by Romeo: Peace, ho!");
    assert_eq!(romeo.sees().bye, None);
    let by = romeo.account();
    let asked = story.muc().log.iter().any(|(account, stanza)| {
        *account == by
            && matches!(stanza, OutStanza::SetRole { nick, role: Role::None, reason: Some(why), .. }
                if nick == "Tybalt" && why == "Peace, ho!")
    });
    assert!(asked, "{:?}", story.muc().log);
    story.everybody_leaves();
}

#[test]
fn the_same_by_his_sip_address() {
    // CF-10
    let (story, romeo, tybalt) = romeo_and_tybalt();
    let uri = tybalt.sees().uri();
    let referral = romeo.removes(sip(&uri), None);
    assert_eq!(comes_of(&story, referral), done());
    tybalt.gets_bye(403, "removed from the room by Romeo");
    story.everybody_leaves();
}

#[test]
fn the_same_by_the_jid_that_the_room_shows() {
    // CF-10
    let (story, romeo) = Story::with_romeo();
    let item = MucItem { jid: Some("juliet@example.com/balcony".parse().unwrap()), ..MucItem::default() };
    story.muc().native("JuliC", &PresenceKind::Available, item.clone());
    story.settles();
    // Only some see it.
    let hidden = romeo.removes(xmpp("juliet@example.com"), None);
    assert_eq!(refused_with(&story, hidden), 404);
    story.everybody_leaves();

    let story = Story::begins();
    story.muc().shows_jids = true;
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    story.muc().native("Nurse", &PresenceKind::Available, item.clone());
    story.settles();
    let shown = romeo.removes(xmpp("juliet@example.com"), None);
    assert_eq!(comes_of(&story, shown), done());
    assert!(!story.muc().occupants.contains_key("Nurse"));
    // Of two nobody knows which one is meant.
    story.muc().native("Nurse", &PresenceKind::Available, item.clone());
    story.muc().native("Peter", &PresenceKind::Available, item);
    story.settles();
    let both = romeo.removes(xmpp("juliet@example.com"), None);
    assert_eq!(refused_with(&story, both), 485);
    story.everybody_leaves();
}

#[test]
fn who_is_no_moderator_is_told_so_by_the_room() {
    // CF-08
    for (condition, code) in [(Condition::Forbidden, 403), (Condition::NotAllowed, 403)] {
        let (story, romeo, tybalt) = romeo_and_tybalt();
        story.muc().refuses_removals = Some(error(condition, ErrorKind::Auth));
        let referral = romeo.removes(occupant("Tybalt"), None);
        let answers = comes_of(&story, referral);
        assert!(
            matches!(&answers[..], [ReferAnswer::Accepted, ReferAnswer::Last { code: got, .. }] if *got == code),
            "{answers:?}"
        );
        assert_eq!(tybalt.sees().bye, None);
        story.everybody_leaves();
    }
}

#[test]
fn who_has_gone_meanwhile_is_said_not_to_be_there() {
    // CF-08
    let (story, romeo, _tybalt) = romeo_and_tybalt();
    story.muc().refuses_removals = Some(error(Condition::ItemNotFound, ErrorKind::Cancel));
    let referral = romeo.removes(occupant("Tybalt"), None);
    let last = ReferAnswer::Last { code: 404, phrase: "Nobody of that name is in the room".into() };
    assert_eq!(comes_of(&story, referral), [ReferAnswer::Accepted, last]);
    story.everybody_leaves();
}

#[test]
fn everybody_may_remove_himself_and_nobody_asks_the_room() {
    // CF-08
    for by_place in [false, true] {
        let (story, romeo, tybalt) = romeo_and_tybalt();
        story.muc().refuses_removals = Some(error(Condition::Forbidden, ErrorKind::Auth));
        let uri = romeo.sees().uri();
        let referral = romeo.removes(if by_place { occupant("Romeo") } else { sip(&uri) }, None);
        assert_eq!(comes_of(&story, referral), done());
        romeo.gets_bye(200, "himself");
        romeo.is_not_in_the_room();
        let ended = |trace: &Trace| matches!(trace, Trace::Ended { cause: EndCause::ByCaller, .. });
        assert!(romeo.sees().traces.iter().any(ended));
        assert_eq!(tybalt.sees().bye, None);
        story.everybody_leaves();
    }
}

#[test]
fn an_outsider_removes_nobody_not_even_himself() {
    // CF-08
    let (story, _romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    let uri = tybalt.sees().uri();
    for victim in [occupant("Romeo"), sip(&uri)] {
        assert_eq!(refused_with(&story, tybalt.removes(victim, None)), 403);
    }
    assert!(!story.muc().log.iter().any(|(_, stanza)| matches!(stanza, OutStanza::SetRole { .. })));
}

#[test]
fn nobody_is_found_under_a_name_of_another_room_or_of_nobody() {
    // CF-10
    let (story, romeo) = Story::with_romeo();
    let elsewhere = SipUri::parse("sip:montague@rooms.example.com").unwrap();
    let victims = [
        occupant("Mercutio"),
        Victim::Occupant { room: elsewhere, nickname: "JuliC".into() },
        sip("sip:mercutio@example.com"),
        xmpp("juliet@example.com"),
        Victim::User { sip: None, xmpp: None },
    ];
    for victim in victims {
        assert_eq!(refused_with(&story, romeo.removes(victim.clone(), None)), 404, "{victim:?}");
    }
    assert!(story.muc().occupants.contains_key("JuliC"));
}

#[test]
fn a_nickname_that_has_just_changed_hands_is_nobodys_for_a_moment() {
    let (story, romeo, tybalt) = romeo_and_tybalt();
    tybalt.hangs_up();
    story.muc().native("Tybalt", &PresenceKind::Available, MucItem::default());
    story.settles();
    assert_eq!(refused_with(&story, romeo.removes(occupant("Tybalt"), None)), 480);
    story.seconds_pass(10);
    let referral = romeo.removes(occupant("Tybalt"), None);
    assert_eq!(comes_of(&story, referral), done());
}

/// CF-08, CF-10: nothing has changed hands where one SIP user gives a nickname up and takes it again.
#[test]
fn who_was_removed_and_calls_again_is_the_same_one_still() {
    for by_place in [true, false] {
        let (story, romeo, tybalt) = romeo_and_tybalt();
        let victim = || if by_place { occupant("Tybalt") } else { sip(&tybalt.sees().uri()) };
        assert_eq!(comes_of(&story, romeo.removes(victim(), None)), done());
        let again = story.sip_user("Tybalt");
        again.dials();
        again.is_called("Tybalt");
        let request = romeo.whispers_to("Tybalt", "is it you?");
        romeo.gets_response(&request, 200);
        assert_eq!(again.sees().whispered, [("Romeo".to_string(), "is it you?".to_string())]);
        assert_eq!(comes_of(&story, romeo.removes(victim(), None)), done());
        again.gets_bye(403, "removed from the room by Romeo");
        story.everybody_leaves();
    }
}

/// CF-10: whose nickname it was does not matter where somebody is named by what is his alone.
#[test]
fn an_address_of_record_is_the_same_ones_whatever_he_is_called() {
    for shows_jids in [true, false] {
        let story = Story::begins();
        story.muc().shows_jids = shows_jids;
        let (romeo, tybalt) = (story.sip_user("Romeo"), story.sip_user("Tybalt"));
        romeo.dials();
        tybalt.dials();
        tybalt.hangs_up();
        let victim = if shows_jids {
            let item = MucItem { jid: Some("juliet@example.com/balcony".parse().unwrap()), ..MucItem::default() };
            story.muc().native("Tybalt", &PresenceKind::Available, item);
            story.settles();
            xmpp("juliet@example.com")
        } else {
            let mercutio = story.sip_user("Mercutio");
            mercutio.dials();
            mercutio.wants_to_be("Tybalt");
            sip(&mercutio.sees().uri())
        };
        assert_eq!(refused_with(&story, romeo.removes(occupant("Tybalt"), None)), 480);
        assert_eq!(comes_of(&story, romeo.removes(victim, None)), done());
        assert!(!story.muc().occupants.contains_key("Tybalt"));
        story.everybody_leaves();
    }
}

/// The same real JID is the same one, where the room shows it.
#[test]
fn a_native_whose_jid_is_shown_is_known_when_he_comes_back() {
    for (jid, is_he) in [("tybalt@example.com/other", true), ("mercutio@example.com/phone", false)] {
        let story = Story::begins();
        story.muc().shows_jids = true;
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        let comes = |kind, jid: &str| {
            story.muc().native("Tybalt", &kind, MucItem { jid: Some(jid.parse().unwrap()), ..MucItem::default() });
            story.settles();
        };
        comes(PresenceKind::Available, "tybalt@example.com/phone");
        comes(PresenceKind::Unavailable, "tybalt@example.com/phone");
        comes(PresenceKind::Available, jid);
        let request = romeo.whispers_to("Tybalt", "is it you?");
        romeo.gets_response(&request, if is_he { 200 } else { 404 });
        let referral = romeo.removes(occupant("Tybalt"), None);
        match is_he {
            true => assert_eq!(comes_of(&story, referral), done()),
            false => assert_eq!(refused_with(&story, referral), 480),
        }
        story.everybody_leaves();
    }
}

#[test]
fn a_room_that_does_not_answer_is_504_and_a_late_answer_changes_nothing() {
    let (story, romeo, _tybalt) = romeo_and_tybalt();
    story.muc().freezes();
    let referral = romeo.removes(occupant("Tybalt"), None);
    story.seconds_pass(11);
    let answers = comes_of(&story, referral);
    assert!(matches!(&answers[..], [ReferAnswer::Accepted, ReferAnswer::Last { code: 504, .. }]), "{answers:?}");
    story.muc_thaws();
    assert_eq!(comes_of(&story, referral).len(), 2);
    story.everybody_leaves();
}

/// Ids of what the room was asked to do, and has not done.
fn asked(story: &Story) -> Vec<String> {
    let removal = |(_, stanza): &(BareJid, OutStanza)| match stanza {
        OutStanza::SetRole { id, .. } => Some(id.clone()),
        _ => None,
    };
    story.muc().log.iter().filter_map(removal).collect()
}

/// CF-08: while the stream is away names change hands that nobody here hears of. What the server has not handled is not asked for once
/// more, be the name still the same one's or not; who asked is told, and may look and ask again.
#[test]
fn a_removal_that_a_break_has_held_up_removes_nobody() {
    for has_changed_hands in [false, true] {
        // Beyond five seconds somebody has to be told of everybody first.
        for seconds in [3, 8] {
            let (story, romeo) = Story::with_romeo();
            story.muc().native("Tybalt", &PresenceKind::Available, MucItem::default());
            story.settles();
            story.muc().freezes();
            let referral = romeo.removes(occupant("Tybalt"), Some("Peace, ho!"));
            romeo.stream_is_suspended();
            story.muc().forgets_questions();
            let unhandled = asked(&story);
            if has_changed_hands {
                for kind in [PresenceKind::Unavailable, PresenceKind::Available] {
                    story.muc().native("Tybalt", &kind, MucItem::default());
                }
            }
            story.seconds_pass(seconds);
            assert_eq!(comes_of(&story, referral), [ReferAnswer::Accepted], "it waits");
            romeo.stream_is_resumed_without(&unhandled);
            story.seconds_pass(1);
            let answers = comes_of(&story, referral);
            assert!(
                matches!(&answers[..], [ReferAnswer::Accepted, ReferAnswer::Last { code: 404, .. }]),
                "{answers:?} {has_changed_hands} {seconds}"
            );
            assert_eq!(asked(&story), unhandled, "it is asked for once");
            assert!(story.muc().occupants.contains_key("Tybalt"));
            story.seconds_pass(10);
            let again = romeo.removes(occupant("Tybalt"), None);
            assert_eq!(comes_of(&story, again), done());
            assert!(!story.muc().occupants.contains_key("Tybalt"));
            story.everybody_leaves();
        }
    }
}

/// The same where the server has lost the stream, so that the room is entered anew.
#[test]
fn nor_does_one_whose_stream_was_lost() {
    let (story, romeo) = Story::with_romeo();
    story.muc().native("Tybalt", &PresenceKind::Available, MucItem::default());
    story.settles();
    story.muc().freezes();
    let referral = romeo.removes(occupant("Tybalt"), None);
    let unhandled = asked(&story);
    story.muc().forgets_questions();
    romeo.stream_is_suspended();
    romeo.stream_is_reset_without(&unhandled);
    story.seconds_pass(3);
    romeo.is_called("Romeo");
    let answers = comes_of(&story, referral);
    assert!(matches!(&answers[..], [ReferAnswer::Accepted, ReferAnswer::Last { code: 404, .. }]), "{answers:?}");
    assert_eq!(asked(&story), unhandled);
    assert!(story.muc().occupants.contains_key("Tybalt"));
    story.everybody_leaves();
}
