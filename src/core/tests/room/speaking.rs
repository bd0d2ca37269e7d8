//! What a SIP user says, and what he is told about it (GC-MSG, MS-RSP, SW, E-03).

use mucfocus_core::stanza::Condition::{self, *};
use mucfocus_core::stanza::ErrorKind;

use crate::muc::error;
use crate::story::{SipUser, Story};

/// GC-MSG-04: the 200 waits for the reflection.
#[test]
fn the_response_waits_for_the_copy_of_the_room() {
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let send = romeo.says("Is anybody there?");
    story.seconds_pass(24);
    romeo.gets_no_response(&send);
    story.muc_thaws();
    romeo.gets_response(&send, 200);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// GC-MSG-04: 408 before the sender's own 30 seconds are over. The copy that comes late is not shown to him.
#[test]
fn a_copy_that_is_overdue_is_neither_awaited_nor_shown() {
    let (story, romeo) = Story::with_romeo();
    story.muc().freezes();
    let send = romeo.says("Is anybody there?");
    story.seconds_pass(26);
    romeo.gets_response(&send, 408);
    romeo.has_all_credit();
    story.muc_thaws();
    romeo.has_heard(&[]);
    let send = romeo.says("And now?");
    romeo.gets_response(&send, 200);
    story.everybody_leaves();
}

/// GC-MSG-03, GC-MSG-12: a room may give a message another id; ours is in `origin-id` too.
#[test]
fn a_room_that_changes_ids_is_understood_by_the_origin_id() {
    let (story, romeo) = Story::with_romeo();
    story.muc().keeps_ids = false;
    let send = romeo.says("Under another number");
    romeo.gets_response(&send, 200);
    romeo.has_heard(&[]);
    story.everybody_leaves();
}

/// GC-MSG-03: never by its text. The same account may be in the room with another client.
#[test]
fn what_the_own_occupant_says_elsewhere_is_shown() {
    let (story, romeo) = Story::with_romeo();
    story.in_the_room("Romeo", "From my desk");
    romeo.has_heard(&[("Romeo", "From my desk")]);
    story.everybody_leaves();
}

/// XM-09: an id of ours in somebody else's message is no reflection.
#[test]
fn a_forged_reflection_is_not_believed() {
    let (story, romeo) = Story::with_romeo();
    story.muc().loses_messages = true;
    let send = romeo.says("Parting is such sweet sorrow");
    let account = romeo.account();
    let id = story.muc().ids_from(&account).remove(0);
    story.muc().says("JuliC", Some(id), "I am you");
    story.settles();
    romeo.gets_no_response(&send);
    romeo.has_heard(&[("JuliC", "I am you")]);
    story.everybody_leaves();
}

/// GC-MSG-06 and annex A3.
#[test]
fn every_error_of_the_room_has_its_msrp_code() {
    let table: [(Condition, ErrorKind, u16); 14] = [
        (Forbidden, ErrorKind::Auth, 403),
        (NotAllowed, ErrorKind::Cancel, 403),
        (NotAuthorized, ErrorKind::Auth, 403),
        (RegistrationRequired, ErrorKind::Auth, 403),
        (PolicyViolation, ErrorKind::Modify, 413),
        (PolicyViolation, ErrorKind::Wait, 403),
        (ResourceConstraint, ErrorKind::Modify, 413),
        (ResourceConstraint, ErrorKind::Wait, 403),
        (RemoteServerTimeout, ErrorKind::Wait, 408),
        (RemoteServerNotFound, ErrorKind::Cancel, 408),
        (RecipientUnavailable, ErrorKind::Wait, 408),
        (BadRequest, ErrorKind::Modify, 400),
        (UndefinedCondition, ErrorKind::Cancel, 400),
        (ServiceUnavailable, ErrorKind::Cancel, 403),
    ];
    let (story, romeo) = Story::with_romeo();
    for (condition, kind, code) in table {
        story.muc().refuses_messages = Some(error(condition, kind));
        let send = romeo.says("May I?");
        story.seconds_pass(3); // a room that asked for quiet got it (XM-16)
        romeo.gets_response(&send, code);
        romeo.has_all_credit();
    }
    story.everybody_leaves();
}

/// XM-09: errors are matched by id and by nothing else, in whatever order they come.
#[test]
fn errors_out_of_order_reach_the_messages_that_they_mean() {
    let (story, romeo) = Story::with_romeo();
    story.muc().loses_messages = true;
    let sends: Vec<String> = ["one", "two", "three"].iter().map(|text| romeo.says(text)).collect();
    let account = romeo.account();
    let ids = story.muc().ids_from(&account);
    story.muc().bounces(account.clone(), ids[2].clone(), error(Forbidden, ErrorKind::Auth));
    story.muc().bounces(account.clone(), "not-ours".into(), error(Forbidden, ErrorKind::Auth));
    story.muc().bounces(account.clone(), ids[0].clone(), error(BadRequest, ErrorKind::Modify));
    story.muc().says("Romeo", Some(ids[1].clone()), "two");
    story.settles();
    romeo.gets_response(&sends[0], 400);
    romeo.gets_response(&sends[1], 200);
    romeo.gets_response(&sends[2], 403);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// A stanza that is larger than servers take comes back as 413 (GC-MSG-09).
#[test]
fn a_message_that_no_server_takes_is_too_large() {
    let (story, romeo) = Story::with_romeo();
    story.world().max_body = 1000;
    let send = romeo.says(&"long ".repeat(300));
    romeo.gets_response(&send, 413);
    let send = romeo.says("short");
    romeo.gets_response(&send, 200);
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// GC-MSG-08.
#[test]
fn what_xml_cannot_carry_is_left_out() {
    let (story, romeo) = Story::with_romeo();
    let send = romeo.sends("", &romeo.cpim("ring\u{7} \u{0}the\u{FFFE} bell\r\nnow \u{1F514}"));
    story.settles();
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said.last().unwrap().1, "ring the bell\nnow \u{1F514}");
    let send = romeo.sends("", &romeo.cpim("\u{7}\u{8}"));
    story.settles();
    romeo.gets_response(&send, 200);
    assert_eq!(story.muc().said.len(), 1, "nothing is left to be said");
    romeo.has_all_credit();
    story.everybody_leaves();
}

/// MS-FRAME-08: a body of nothing, and no body at all.
#[test]
fn who_says_nothing_is_answered_and_nobody_is_bothered() {
    let (story, romeo) = Story::with_romeo();
    let bodiless = romeo.writes("SEND", "Message-ID: a\r\nByte-Range: 1-0/0\r\n", None, '$');
    let empty = romeo.sends("", "");
    story.settles();
    romeo.gets_response(&bodiless, 200);
    romeo.gets_response(&empty, 200);
    assert_eq!(story.muc().said, []);
    romeo.has_all_credit();
    story.everybody_leaves();
}

fn refused(romeo: &SipUser, cpim: &str, code: u16) {
    let send = romeo.sends("", cpim);
    romeo.story.settles();
    romeo.gets_response(&send, code);
    assert_eq!(romeo.story.muc().said, [], "published all the same: {cpim}");
    romeo.has_all_credit();
}

/// E-03: `<sip:room>;gr=nick` is an occupant and never the room.
#[test]
fn what_is_meant_for_one_is_never_published() {
    let (story, romeo) = Story::with_romeo();
    let message = romeo.cpim("for your eyes only");
    let room = "<sip:capulet@rooms.example.com>";
    for (to, code) in [
        ("<sip:capulet@rooms.example.com>;gr=Nobody", 404),
        ("<sip:capulet@rooms.example.com>;gr", 400),
        ("<sip:capulet@rooms.example.com>;GR=julic", 404),
        ("<sip:capulet@rooms.example.com;gr=Nobody>", 404),
        ("<sip:capulet@rooms.example.com;gr>", 400),
        ("<sip:capulet@rooms.example.com;transport=tcp;GR=julic>", 404),
        ("<sip:juliet@example.com>", 404),
        ("<sip:montague@rooms.example.com>", 404),
    ] {
        refused(&romeo, &message.replace(room, to), code);
    }
    refused(&romeo, &message.replace(room, "<sip:capulet@rooms.example.com>;x=y"), 400);
    refused(&romeo, &message.replace(room, "<sip:capulet@rooms.example.com>\r\ncc: <sip:a@b>"), 403);
    story.everybody_leaves();
}

/// SW-01 … SW-04, MS-SEND-15, CPIM-12.
#[test]
fn what_the_room_cannot_carry_is_refused() {
    let (story, romeo) = Story::with_romeo();
    let message = romeo.cpim("hi");
    refused(&romeo, &message.replace("From: <sip:romeo@", "From: <sip:juliet@"), 403);
    refused(&romeo, &message.replace("To: <sip:capulet@rooms.example.com>\r\n", ""), 400);
    refused(&romeo, &message.replace("text/plain", "image/png"), 415);
    refused(&romeo, &message.replace("utf-8", "klingon"), 415);
    refused(&romeo, "no headers at all", 400);
    let send = romeo.writes("SEND", "Message-ID: p\r\nContent-Type: text/plain\r\n", Some("hi"), '$');
    story.settles();
    romeo.gets_response(&send, 415);
    story.everybody_leaves();
}

/// CPIM-12: 400 for octets that are not what their charset says. The text that the transport carries is UTF-8 here, so a charset
/// of two octets to the character shows it.
#[test]
fn text_that_is_not_in_its_charset_is_malformed() {
    let (story, romeo) = Story::with_romeo();
    refused(&romeo, &romeo.cpim("odd").replace("utf-8", "utf-16"), 400);
    story.everybody_leaves();
}

/// What is refused is named in the comment, however long or strange it is; an answer is owed.
#[test]
fn a_refusal_of_something_endless_is_still_a_response() {
    let (story, romeo) = Story::with_romeo();
    let long = "x".repeat(20_000);
    let message = romeo.cpim("hi");
    refused(&romeo, &message.replace("text/plain", &format!("text/{long}")), 415);
    refused(&romeo, &message.replace("DateTime", &format!("Require: {long}\r\nDateTime")), 415);
    let encoded = format!("Content-Transfer-Encoding: {long}\r\nContent-Type");
    refused(&romeo, &message.replace("Content-Type", &encoded), 415);
    refused(&romeo, &message.replace("utf-8", &format!("\"{long}\"")), 415);
    story.everybody_leaves();
}

/// FT-10: who may speak need not be one who may change the subject.
#[test]
fn who_may_not_change_the_subject_is_told_that() {
    for (condition, kind) in [(Forbidden, ErrorKind::Auth), (NotAllowed, ErrorKind::Cancel)] {
        let (story, romeo) = Story::with_romeo();
        story.muc().refuses_messages = Some(error(condition, kind));
        let send = romeo.sends("", &romeo.cpim("").replace("DateTime", "Subject: The feast\r\nDateTime"));
        story.settles();
        romeo.gets_response(&send, 403);
        let said = romeo.sees().comments.last().cloned();
        assert_eq!(said.as_deref(), Some("You may not change the subject of this room"));
        story.everybody_leaves();
    }
}

/// FT-10: the room gives a subject back, with its id or, as Prosody does, without.
#[test]
fn a_subject_is_acknowledged_when_the_room_has_it() {
    for strips in [false, true] {
        let (story, romeo) = Story::with_romeo();
        story.muc().strips_subjects = strips;
        let cpim = romeo.cpim("").replace("DateTime", "Subject: The feast\r\nDateTime");
        let send = romeo.sends("", &cpim);
        story.settles();
        romeo.gets_response(&send, 200);
        assert!(story.muc().said.is_empty());
    }
}
