//! What is said to one alone (GC-PM).

use mucfocus_core::stanza::{Condition, ErrorKind, MucItem, OutStanza, PresenceKind};

use crate::muc::error;
use crate::story::Story;

fn with_tybalt() -> (Story, crate::story::SipUser, crate::story::SipUser) {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    (story, romeo, tybalt)
}

#[test]
fn one_hears_it_and_nobody_else() {
    // GC-PM-01, GC-PM-08, SW-13
    let (story, romeo, tybalt) = with_tybalt();
    let (first, second) = (romeo.whispers_to("JuliC", "wherefore"), romeo.whispers_to("Tybalt", "peace"));
    romeo.gets_response(&first, 200);
    romeo.gets_response(&second, 200);
    let whispered = story.muc().whispered.clone();
    assert_eq!(whispered[0], ("Romeo".into(), "JuliC".into(), "wherefore".into()));
    assert_eq!(tybalt.sees().whispered, [("Romeo".to_string(), "peace".to_string())]);
    tybalt.has_heard(&[]);
    assert!(story.muc().said.is_empty() && romeo.sees().whispered.is_empty());
}

#[test]
fn the_answer_waits_until_the_room_could_have_refused() {
    // GC-PM-06, GC-PM-07
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let request = romeo.whispers_to("JuliC", "wherefore");
    romeo.gets_no_response(&request);
    story.muc().refuses_private = Some(error(Condition::Forbidden, ErrorKind::Auth));
    story.muc_thaws();
    romeo.gets_response(&request, 403);
    let ping = story.muc().log.iter().any(|(_, stanza)| matches!(stanza, OutStanza::Ping { .. }));
    assert!(ping);
}

#[test]
fn a_room_that_says_nothing_is_408() {
    // GC-PM-07
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let request = romeo.whispers_to("JuliC", "wherefore");
    story.seconds_pass(26);
    romeo.gets_response(&request, 408);
}

#[test]
fn every_refusal_has_its_code() {
    // GC-PM-06, ERR-09
    for (condition, code) in [
        (Condition::ItemNotFound, 404),
        (Condition::Forbidden, 403),
        (Condition::NotAllowed, 403),
        (Condition::ServiceUnavailable, 403),
        (Condition::FeatureNotImplemented, 428),
        (Condition::BadRequest, 400),
    ] {
        let (story, romeo) = Story::with_romeo();
        story.muc().refuses_private = Some(error(condition, ErrorKind::Cancel));
        let request = romeo.whispers_to("JuliC", "wherefore");
        romeo.gets_response(&request, code);
    }
}

#[test]
fn whom_nobody_knows_is_404_without_a_stanza() {
    // GC-PM-04, SW-14
    let (story, romeo) = Story::with_romeo();
    let before = story.muc().log.len();
    let request = romeo.whispers_to("Nobody", "hello");
    romeo.gets_response(&request, 404);
    assert_eq!(story.muc().log.len(), before);
}

#[test]
fn a_client_that_takes_none_gets_none_and_the_sender_hears_why() {
    // GC-PM-09, SW-15
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let tybalt = story.sip_user("Tybalt");
    tybalt.client().offers_instead.push((" private-messages", String::new()));
    tybalt.dials();
    let request = romeo.whispers_to("Tybalt", "psst");
    romeo.gets_response(&request, 428);
    let account = tybalt.account();
    story.muc().whispers(&account, "JuliC", Some("x1".into()), "psst");
    story.settles();
    assert!(tybalt.sees().whispered.is_empty());
    let bounced = story.muc().log.iter().any(|(_, stanza)| {
        matches!(stanza, OutStanza::MessageError { id: Some(id), condition: Condition::FeatureNotImplemented, .. } if id == "x1")
    });
    assert!(bounced);
}

#[test]
fn what_its_addressees_server_sends_back_later_is_reported() {
    // GC-PM-06, MS-REP-03
    for (header, response, expected) in [
        ("", Some(200), &[403][..]),
        ("Failure-Report: yes\r\n", Some(200), &[403]),
        ("Failure-Report: partial\r\n", None, &[]),
        ("Failure-Report: no\r\n", None, &[]),
    ] {
        let (story, romeo) = Story::with_romeo();
        let to_juliet = "sip:capulet@rooms.example.com;gr=JuliC>\r\nDateTime";
        let cpim = romeo.cpim("wherefore").replace("sip:capulet@rooms.example.com>\r\nDateTime", to_juliet);
        let request = romeo.sends(header, &cpim);
        story.settles();
        assert_eq!(romeo.sees().responses.get(&request).copied(), response, "{header:?}");
        let sent = story.muc().log.iter().find_map(|(account, stanza)| match stanza {
            OutStanza::Private { id, .. } => Some((account.clone(), id.clone())),
            _ => None,
        });
        let (account, id) = sent.unwrap();
        for _ in 0..2 {
            story.muc().bounces(account.clone(), id.clone(), error(Condition::ServiceUnavailable, ErrorKind::Cancel));
            story.settles();
        }
        let sees = romeo.sees();
        let reports: Vec<u16> = sees.reports.iter().map(|r| r.head.status.as_ref().unwrap().code).collect();
        assert_eq!(reports, expected, "{header:?}: once, and to who wants to hear of it");
        assert!(sees.reports.iter().all(|r| r.head.byte_range.unwrap().end == u64::try_from(cpim.len()).ok()));
    }
}

/// Who is not there is the occupant, not the room.
#[test]
fn why_a_private_message_is_refused_is_said_of_its_recipient() {
    for (condition, kind, words) in [
        (Condition::ItemNotFound, ErrorKind::Cancel, "Nobody of that name is in the room"),
        (Condition::RecipientUnavailable, ErrorKind::Wait, "The recipient is not available"),
        (Condition::ServiceUnavailable, ErrorKind::Cancel, "The recipient is not available"),
        (Condition::Forbidden, ErrorKind::Auth, "The room does not allow private messages of yours"),
    ] {
        let (story, romeo) = Story::with_romeo();
        story.muc().refuses_private = Some(error(condition, kind));
        romeo.whispers_to("JuliC", "wherefore");
        assert_eq!(romeo.sees().comments.last().map(String::as_str), Some(words));
        story.everybody_leaves();
    }
}

#[test]
fn a_reply_comes_from_its_place_in_the_room() {
    // GC-PM-08
    let (story, romeo) = Story::with_romeo();
    let account = romeo.account();
    story.muc().whispers(&account, "JuliC", None, "Romeo, Romeo");
    story.settles();
    assert_eq!(romeo.sees().whispered, [("JuliC".to_string(), "Romeo, Romeo".to_string())]);
}

#[test]
fn a_nickname_that_has_just_changed_hands_gets_nothing_of_what_was_meant_for_another() {
    let (story, romeo, tybalt) = with_tybalt();
    tybalt.wants_to_be("Prince");
    let mercutio = story.sip_user("Mercutio");
    mercutio.dials();
    mercutio.wants_to_be("Tybalt");
    let request = romeo.whispers_to("Tybalt", "for the old one");
    romeo.gets_response(&request, 404);
    assert!(mercutio.sees().whispered.is_empty());
    story.seconds_pass(6);
    let request = romeo.whispers_to("Tybalt", "for the new one");
    romeo.gets_response(&request, 200);
}

/// A native comes or goes, with this occupant-id.
fn nurse_comes(story: &Story, kind: &PresenceKind, id: &str) {
    story.muc().native("Nurse", kind, MucItem { occupant_id: Some(id.into()), ..MucItem::default() });
    story.settles();
}

/// FT-04: who comes back under his name within moments is known by the id that the room gives him, where it gives any.
#[test]
fn whoever_has_the_same_id_is_the_same_one() {
    for (is_announced, id, response) in [(true, "n1", 200), (true, "n2", 404), (false, "n1", 404)] {
        let story = Story::begins();
        story.muc().gives_occupant_ids = is_announced;
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        let comes = |kind, id| nurse_comes(&story, &kind, id);
        comes(PresenceKind::Available, "n1");
        comes(PresenceKind::Unavailable, "n1");
        comes(PresenceKind::Available, id);
        let request = romeo.whispers_to("Nurse", "is it you?");
        romeo.gets_response(&request, response);
        story.seconds_pass(10);
        let request = romeo.whispers_to("Nurse", "you, whoever you are");
        romeo.gets_response(&request, 200);
    }
}

/// NICK-11: while the stream is away names change hands that nobody here hears of. What was said meanwhile is said where it is certain
/// that it reaches whom it was meant for.
#[test]
fn what_waited_for_the_stream_is_not_given_to_whoever_has_the_name_by_then() {
    // Beyond five seconds nobody looks any more, and it waits until somebody has been told of everybody.
    for (is_under_way, seconds) in [(false, 3), (true, 3), (false, 8), (true, 8)] {
        for (is_announced, id, response) in [(true, "n1", 200), (true, "n2", 404), (false, "n1", 404)] {
            let story = Story::begins();
            story.muc().gives_occupant_ids = is_announced;
            let romeo = story.sip_user("Romeo");
            romeo.dials();
            let comes = |kind, id| nurse_comes(&story, &kind, id);
            comes(PresenceKind::Available, "n1");
            let account = romeo.account();
            story.muc().loses_messages = is_under_way;
            story.muc().stalls = is_under_way.then(|| account.clone());
            let request = if is_under_way {
                let request = romeo.whispers_to("Nurse", "for the old one");
                romeo.stream_is_suspended();
                request
            } else {
                romeo.stream_is_suspended();
                romeo.whispers_to("Nurse", "for the old one")
            };
            romeo.gets_no_response(&request);
            story.muc().loses_messages = false;
            story.muc().stalls = None;
            comes(PresenceKind::Unavailable, "n1");
            comes(PresenceKind::Available, id);
            let private = |(_, stanza): &(_, OutStanza)| match stanza {
                OutStanza::Private { id, .. } => Some(id.clone()),
                _ => None,
            };
            let unhandled: Vec<String> = story.muc().log.iter().filter_map(private).collect();
            assert_eq!(unhandled.len(), usize::from(is_under_way));
            story.seconds_pass(seconds);
            romeo.stream_is_resumed_without(&unhandled);
            story.seconds_pass(1);
            romeo.gets_response(&request, response);
            let whispered = story.muc().whispered.iter().filter(|(.., text)| text == "for the old one").count();
            assert_eq!(whispered, usize::from(response == 200) + unhandled.len(), "{is_announced} {id}");
        }
    }
}
