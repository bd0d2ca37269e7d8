//! The table against what was agreed, row by row and in both directions.

use std::vec::Vec;

use super::*;
use ErrorKind::{Cancel, Modify, Wait};

fn error(condition: Condition, kind: ErrorKind) -> StanzaError {
    StanzaError { condition, kind, text: None, address: None }
}

fn named(name: &str) -> Condition {
    TABLE.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no condition {name}")).condition
}

/// ERR-01, ERR-09: SIP, SIP when told to wait (`+` with Retry-After), MSRP for the room, for one occupant, for a nickname; the type
/// of RFC 6120.
const AGREED: &str = "
    bad-request              400 400  400 400 424 Modify
    conflict                 400 400  400 400 425 Cancel
    feature-not-implemented  405 405  400 428 403 Cancel
    forbidden                403 403  403 403 403 Auth
    gone                     410 410  404 404 403 Cancel
    internal-server-error    500 500+ 400 400 403 Cancel
    item-not-found           404 404+ 404 404 403 Cancel
    jid-malformed            400 400  400 400 424 Modify
    not-acceptable           406 406  415 408 425 Modify
    not-allowed              403 403  403 403 403 Cancel
    not-authorized           403 403  403 403 403 Auth
    policy-violation         403 403  413 413 403 Modify
    recipient-unavailable    480 480+ 408 408 408 Wait
    redirect                 404 404+ 400 400 403 Modify
    registration-required    403 403  403 403 403 Auth
    remote-server-not-found  404 404+ 408 408 408 Cancel
    remote-server-timeout    408 408  408 408 408 Wait
    resource-constraint      500 480+ 403 403 403 Wait
    service-unavailable      403 480+ 403 403 403 Cancel
    subscription-required    403 403  403 403 403 Auth
    undefined-condition      400 400  400 400 403 Cancel
    unexpected-request       400 400  400 400 403 Wait";

#[test]
fn every_condition_has_the_codes_that_were_agreed() {
    let mut order = Vec::new();
    for line in AGREED.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, sip, waiting, room, private, nickname, kind] = words[..] else { panic!("{line}") };
        let condition = named(name);
        order.push(condition);
        let number = |word: &str| word.trim_end_matches('+').parse::<u16>().unwrap();
        let refusal = |word: &str| SipRefusal {
            code: number(word),
            retry_after: word.ends_with('+').then_some(RETRY_AFTER),
            contact: None,
        };
        let plain = error(condition, Cancel);
        assert_eq!(sip_for(&plain), refusal(sip), "{name}");
        assert_eq!(sip_for(&error(condition, Wait)), refusal(waiting), "{name}, wait");
        assert_eq!(msrp_for_message(&plain), number(room), "{name}, message");
        assert_eq!(msrp_for_private_message(&plain), number(private), "{name}, private message");
        assert_eq!(msrp_for_nickname(&plain), number(nickname), "{name}, nickname");
        assert_eq!(std::format!("{:?}", row_of(condition).kind), kind, "{name}");
        // GC-INV-05: an invitation ends like a call, but for a room that is full or away.
        let invitation = if name == "service-unavailable" { 480 } else { number(sip) };
        assert_eq!(sip_for_invitation(&plain), invitation, "{name}, invitation");
        assert_eq!(sip_for_invitation(&error(condition, Wait)), number(waiting), "{name}, invitation, wait");
    }
    assert_eq!(order, TABLE.map(|row| row.condition));
    assert!(order.is_sorted() && order.len() == 22);
}

/// ERR-04: RFC 7247 §7.2, one line for each condition.
const BACK: &str = "
    redirect 300 302 305
    gone 301 410
    not-acceptable 380 406 415 416 421 482 483 488 505 606
    bad-request 400 402 493
    not-authorized 401
    forbidden 403
    item-not-found 404 481 484 485 604
    feature-not-implemented 405 420 439 501
    registration-required 407
    remote-server-timeout 408 504
    policy-violation 413 414 440 489 513
    resource-constraint 423
    recipient-unavailable 430 480 486 487 600 603
    unexpected-request 491
    internal-server-error 500 503
    remote-server-not-found 502
    not-allowed 607 608";

#[test]
fn every_sip_status_has_the_condition_that_was_agreed_and_its_usual_type() {
    let mut listed = Vec::new();
    for line in BACK.lines().filter(|line| !line.is_empty()) {
        let (name, codes) = line.trim().split_once(' ').unwrap();
        for code in codes.split(' ').map(|code| code.parse::<u16>().unwrap()) {
            listed.push(code);
            let error = sip::error(code, "", None).unwrap();
            assert_eq!((error.condition, error.kind), (named(name), row_of(named(name)).kind), "{code}");
        }
    }
    listed.sort_unstable();
    let rows: Vec<u16> = sip::TABLE.iter().chain(&sip::YOUNGER).map(|row| row.code).collect();
    assert_eq!(listed, rows);
}

#[test]
fn a_sip_status_that_nobody_listed_goes_by_its_class() {
    // ERR-07
    let classes = [(3, "redirect"), (4, "bad-request"), (5, "internal-server-error"), (6, "recipient-unavailable")];
    for (class, name) in classes {
        assert_eq!(sip::condition(class * 100 + 99), Some(named(name)));
    }
    for code in [422, 424, 428, 433, 436, 437, 438, 469, 470, 494] {
        assert_eq!(sip::condition(code), Some(Condition::BadRequest), "{code}");
    }
    assert_eq!(sip::condition(555), Some(Condition::InternalServerError));
    for no_error in [0, 100, 183, 200, 299, 700, u16::MAX] {
        assert_eq!(sip::error(no_error, "Fine", None), None, "{no_error}");
    }
}

#[test]
fn who_moved_says_where_to_and_who_is_gone_does_not() {
    // ERR-05
    let uri = "sip:capulet@verona.example.com";
    let address = |code, contact| {
        let error = sip::error(code, "Moved", contact).unwrap();
        (error.condition, error.address)
    };
    assert_eq!(address(301, Some(uri)), (Condition::Gone, Some(uri.into())));
    assert_eq!(address(301, None), (Condition::Gone, None));
    assert_eq!(address(302, Some(uri)), (Condition::Redirect, Some(uri.into())));
    assert_eq!(address(302, Some("sip:a>;b")), (Condition::Redirect, None));
    assert_eq!(address(410, Some(uri)), (Condition::Gone, None));
    assert_eq!(address(403, Some(uri)), (Condition::Forbidden, None));
}

#[test]
fn a_moved_room_comes_back_as_it_was() {
    // ERR-02 and ERR-05 are each other's inverse.
    let uri = "xmpp:verona@muc.example.net";
    for condition in [Condition::Gone, Condition::Redirect] {
        let there = StanzaError { address: Some(uri.into()), ..error(condition, Cancel) };
        let refusal = sip_for(&there);
        let back = sip::error(refusal.code, "", refusal.contact.as_deref()).unwrap();
        assert_eq!((back.condition, back.address), (condition, there.address));
    }
}

#[test]
fn the_reason_phrase_is_the_text() {
    // ERR-06
    let text = |phrase| sip::error(403, phrase, None).unwrap().text;
    assert_eq!(text("No robots").as_deref(), Some("No robots"));
    assert_eq!(text(""), None);
    assert_eq!(text("two\r\nlines\u{0}\u{ffff}").as_deref(), Some("two lines"));
    assert_eq!(text(&"x".repeat(5000)).unwrap().chars().count(), 121);
}

/// ERR-09.
const MSRP_BACK: &str = "400 bad-request
    403 forbidden
    404 item-not-found
    408 remote-server-timeout
    413 policy-violation
    415 not-acceptable
    423 resource-constraint
    424 jid-malformed
    425 conflict
    428 feature-not-implemented
    481 item-not-found ends
    501 feature-not-implemented
    506 item-not-found ends";

#[test]
fn every_msrp_status_has_the_condition_that_was_agreed() {
    let rows: Vec<_> = msrp::TABLE.iter().map(|row| (row.code, row.condition, row.ends_session)).collect();
    let agreed = MSRP_BACK.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[0].parse::<u16>().unwrap(), named(words[1]), words.len() == 3)
    });
    assert_eq!(rows, agreed.collect::<Vec<_>>());
    for row in msrp::TABLE {
        let error = msrp::error(row.code, "why").unwrap();
        assert_eq!((error.condition, error.text.as_deref()), (row.condition, Some("why")));
    }
    assert_eq!(msrp::condition(499), Some(Condition::BadRequest));
    assert_eq!(msrp::condition(599), Some(Condition::InternalServerError));
    assert!([0, 200, 300, 600].iter().all(|code| msrp::error(*code, "").is_none()));
}

#[test]
fn nothing_is_ever_503_nor_a_challenge() {
    // ERR-03
    for row in TABLE {
        for code in [row.call, row.invitation].iter().flat_map(|c| [c.usual, c.wait, c.modify]) {
            assert!(!matches!(code, 401 | 407 | 503), "{}", row.name);
        }
    }
}

#[test]
fn a_room_that_moved_says_where_to_if_that_is_a_uri() {
    // ERR-02
    let moved = |condition, address: &str| {
        let error = StanzaError { address: Some(address.into()), ..error(condition, Cancel) };
        let refusal = sip_for(&error);
        assert_eq!(sip_for_invitation(&error), refusal.code);
        (refusal.code, refusal.contact)
    };
    let uri = "xmpp:verona@muc.example.net";
    assert_eq!(moved(Condition::Gone, uri), (301, Some(uri.into())));
    assert_eq!(moved(Condition::Redirect, uri), (302, Some(uri.into())));
    for unusable in ["", "verona", "xmpp:", "xmpp:a b", "xmpp:a\r\nVia: b", "sip:a@h>;x", "sip:\u{fc}@h"] {
        assert_eq!(moved(Condition::Gone, unusable), (410, None), "{unusable:?}");
        assert_eq!(moved(Condition::Redirect, unusable), (404, None), "{unusable:?}");
    }
    assert_eq!(moved(Condition::Forbidden, uri), (403, None));
}

#[test]
fn too_big_and_too_fast_are_told_apart() {
    // GC-MSG-06, XM-16
    for code in [msrp_for_message, msrp_for_private_message] {
        assert_eq!(code(&error(Condition::PolicyViolation, Modify)), 413);
        assert_eq!(code(&error(Condition::PolicyViolation, Wait)), 403);
        assert_eq!(code(&error(Condition::ResourceConstraint, Modify)), 413);
        assert_eq!(code(&error(Condition::ResourceConstraint, Wait)), 403);
    }
}

#[test]
fn every_status_code_of_a_muc_has_one_row() {
    // XM-06
    let known = [100, 101, 102, 103, 104, 110, 170, 171, 172, 173, 174, 201, 210, 301, 303, 307, 321, 322, 332, 333];
    assert_eq!(status::TABLE.map(|row| row.code), known);
    assert_eq!(status::notice(110), None);
    assert_eq!(status::notice(999), None);
    // FT-11: that everybody sees his address must reach the user.
    assert!(status::notice(172).is_some());
}

#[test]
fn who_is_out_of_the_room_is_told_why_by_the_codes_that_were_agreed() {
    // GC-EXIT-05
    use status::Watching::{Forbidden, Later, Over};
    use status::Why;
    let agreed = [
        (Why::Kicked, 403, Forbidden),
        (Why::Banned, 403, Forbidden),
        (Why::AffiliationLost, 403, Forbidden),
        (Why::MembersOnly, 403, Forbidden),
        (Why::ServiceShutdown, 503, Later),
        (Why::Technical, 503, Later),
        (Why::Destroyed, 410, Over),
        (Why::DestroyedForAnother, 301, Over),
        (Why::StreamLost, 503, Later),
    ];
    assert_eq!(Why::ALL.map(|why| (why, why.sip_cause(), why.watching())), agreed);
}
