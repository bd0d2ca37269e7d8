//! Private messages that no client of their addressee took go back to their authors (ERR-09); what everybody is told never does.

use mucfocus_core::stanza::{Condition, OutStanza};

use crate::story::{SipUser, Story};
use crate::world::{Mail, Source};

/// Lets a client answer what it was sent last, in a response or in a report of failure.
fn answers(reader: &SipUser, code: u16, by_report: bool) {
    let (transaction, id) = (reader.sees().last_request.clone(), reader.sees().last_message.clone());
    let (to, path) = ("msrp://node1.example.com:2855/x;tcp", reader.sees().path());
    let octets = if by_report {
        format!(
            "MSRP rep12345 REPORT\r\nTo-Path: {to}\r\nFrom-Path: {path}\r\nMessage-ID: {id}\r\n\
             Byte-Range: 1-1/1\r\nStatus: 000 {code} No\r\n-------rep12345$\r\n"
        )
    } else {
        format!("MSRP {transaction} {code} No\r\nTo-Path: {to}\r\nFrom-Path: {path}\r\n-------{transaction}$\r\n")
    };
    reader.story.world().post(Source::Msrp(reader.leg), Mail::Octets(reader.leg, octets));
    reader.story.settles();
}

/// What went back: the id of the message, and why.
fn returned(story: &Story) -> Vec<(Option<String>, Condition)> {
    let error = |stanza: &OutStanza| match stanza {
        OutStanza::MessageError { id, condition, .. } => Some((id.clone(), *condition)),
        _ => None,
    };
    story.muc().log.iter().filter_map(|(_, stanza)| error(stanza)).collect()
}

fn whispers(story: &Story, reader: &SipUser, id: &str, text: &str) {
    let account = reader.account();
    story.muc().whispers(&account, "JuliC", Some(id.into()), text);
    story.settles();
}

fn with_mute_romeo() -> (Story, SipUser) {
    let (story, romeo) = Story::with_romeo();
    romeo.client().responds = false;
    (story, romeo)
}

/// ERR-09. A MUC takes some conditions for proof that nobody is there any more: those are never sent (XEP-0045 §18.1.2).
#[test]
fn its_author_hears_once_why_a_client_refuses_it() {
    for (code, condition) in [
        (400, Condition::BadRequest),
        (403, Condition::Forbidden),
        (404, Condition::UndefinedCondition),
        (413, Condition::PolicyViolation),
        (415, Condition::NotAcceptable),
        (423, Condition::ResourceConstraint),
        (424, Condition::UndefinedCondition),
        (428, Condition::FeatureNotImplemented),
        (501, Condition::FeatureNotImplemented),
        (599, Condition::UndefinedCondition),
    ] {
        for by_report in [false, true] {
            let (story, romeo) = with_mute_romeo();
            whispers(&story, &romeo, "w1", "Romeo, Romeo");
            for _ in 0..2 {
                answers(&romeo, code, by_report);
                assert_eq!(returned(&story), [(Some("w1".into()), condition)], "{code}, by report: {by_report}");
            }
            romeo.is_called("Romeo");
            story.everybody_leaves();
        }
    }
}

/// ERR-09: what has arrived has arrived, whatever a relay says of another message; and who never answers may have shown it.
#[test]
fn what_may_have_been_read_does_not_go_back() {
    let (story, romeo) = with_mute_romeo();
    whispers(&story, &romeo, "w1", "one");
    answers(&romeo, 200, false);
    answers(&romeo, 415, false);
    whispers(&story, &romeo, "w2", "two");
    answers(&romeo, 408, false);
    whispers(&story, &romeo, "w3", "three");
    story.seconds_pass(20);
    assert_eq!(returned(&story), []);
    story.everybody_leaves();
}

/// ERR-09: a relay answers for itself first, and says later that the message went no further.
#[test]
fn what_a_relay_gives_back_later_goes_back() {
    let (story, romeo) = with_mute_romeo();
    whispers(&story, &romeo, "w1", "one");
    answers(&romeo, 200, false);
    answers(&romeo, 403, true);
    assert_eq!(returned(&story), [(Some("w1".into()), Condition::Forbidden)]);
    story.everybody_leaves();
}

/// ERR-09: one client that takes it is enough.
#[test]
fn it_goes_back_when_the_last_device_has_refused_it() {
    for (tablet_says, expected) in [(200, vec![]), (403, vec![(Some("w1".to_string()), Condition::PolicyViolation)])] {
        let (story, phone) = with_mute_romeo();
        let tablet = story.sip_user("Romeo");
        tablet.dials();
        tablet.client().responds = false;
        whispers(&story, &phone, "w1", "psst");
        answers(&phone, 413, false);
        assert_eq!(returned(&story), []);
        answers(&tablet, tablet_says, false);
        assert_eq!(returned(&story), expected, "and the first reason is what its author hears");
        story.everybody_leaves();
    }
}

/// ERR-09, MS-SEND-15: a client that has refused a type is not sent it again, and what it is not sent goes back at once.
#[test]
fn what_a_client_is_not_even_sent_goes_back_at_once() {
    let (story, romeo) = with_mute_romeo();
    whispers(&story, &romeo, "w1", "one");
    answers(&romeo, 415, false);
    whispers(&story, &romeo, "w2", "two");
    let both = ["w1", "w2"].map(|id| (Some(id.to_string()), Condition::NotAcceptable));
    assert_eq!(returned(&story), both);
    story.everybody_leaves();
}

/// ERR-09, MS-SEND-18: a long one is split, and the refusal of one part is the refusal of the message, told once.
#[test]
fn a_part_that_is_refused_is_the_message() {
    let story = Story::begins();
    let romeo = story.sip_user("Romeo");
    romeo.client().offers_instead.push(("a=setup", "a=max-size:600\r\na=setup".into()));
    romeo.dials();
    romeo.client().responds = false;
    whispers(&story, &romeo, "w1", &"long ".repeat(400));
    assert!(romeo.sees().whispered.len() > 1, "{:?}", romeo.sees().whispered.len());
    for _ in 0..2 {
        answers(&romeo, 413, false);
        assert_eq!(returned(&story), [(Some("w1".into()), Condition::PolicyViolation)]);
    }
    story.everybody_leaves();
}

/// ERR-09: never for what is said to everybody.
#[test]
fn what_was_said_to_everybody_does_not_go_back() {
    let (story, romeo) = with_mute_romeo();
    story.in_the_room("JuliC", "all of you");
    answers(&romeo, 413, false);
    assert_eq!(returned(&story), []);
    story.everybody_leaves();
}

/// ERR-09: nor to whoever has taken its author's name meanwhile.
#[test]
fn who_took_the_name_of_its_author_hears_nothing() {
    let (story, romeo) = with_mute_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    tybalt.whispers_to("Romeo", "peace");
    tybalt.wants_to_be("Prince");
    let mercutio = story.sip_user("Mercutio");
    mercutio.dials();
    mercutio.wants_to_be("Tybalt");
    answers(&romeo, 403, false);
    assert_eq!(returned(&story), []);
    story.everybody_leaves();
}

/// ERR-09: of more than are remembered the oldest are forgotten, and the others still go back.
#[test]
fn so_many_are_remembered_and_no_more() {
    let (story, romeo) = with_mute_romeo();
    let mut sent = Vec::new();
    for n in 0..40 {
        whispers(&story, &romeo, &format!("w{n}"), "psst");
        sent.push((romeo.sees().last_request.clone(), romeo.sees().last_message.clone()));
    }
    for (transaction, message) in sent {
        romeo.client().last_request = transaction;
        romeo.client().last_message = message;
        answers(&romeo, 403, false);
    }
    let ids: Vec<_> = returned(&story).into_iter().filter_map(|(id, _)| id).collect();
    assert_eq!(ids, (8..40).map(|n| format!("w{n}")).collect::<Vec<_>>());
    story.everybody_leaves();
}

/// ERR-09, GC-PM-06: through the room, from one SIP user to another.
#[test]
fn a_sip_user_hears_that_another_one_refused() {
    let (story, romeo) = Story::with_romeo();
    let tybalt = story.sip_user("Tybalt");
    tybalt.dials();
    tybalt.client().responds = false;
    let request = romeo.whispers_to("Tybalt", "peace");
    romeo.gets_response(&request, 200);
    answers(&tybalt, 403, false);
    let codes: Vec<u16> = romeo.sees().reports.iter().map(|r| r.head.status.as_ref().unwrap().code).collect();
    assert_eq!(codes, [403]);
    story.everybody_leaves();
}
