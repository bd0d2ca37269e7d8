//! What the caller hears when the room says no: annex A1 of the requirement matrix (GC-JOIN-14, ERR-01 … 03).

use mucfocus_core::muc::StreamEnd;
use mucfocus_core::stanza::Condition::{self, *};
use mucfocus_core::stanza::{ErrorKind, StanzaError};

use crate::muc::error;
use crate::story::{SipUser, Story};

fn refused_with(error: StanzaError, code: u16) -> SipUser {
    let story = Story::begins();
    story.muc().refuses_joins = Some(error);
    let romeo = story.sip_user("Romeo");
    romeo.dials();
    let text = romeo.is_refused_with(code);
    assert!(!text.is_empty(), "Warning says why");
    story.everybody_leaves();
    romeo
}

#[test]
fn every_refusal_of_the_room_has_its_sip_code() {
    let table: [(Condition, u16); 22] = [
        (BadRequest, 400),
        (Conflict, 400),
        (FeatureNotImplemented, 405),
        (Forbidden, 403),
        (Gone, 410),
        (InternalServerError, 500),
        (ItemNotFound, 404),
        (JidMalformed, 400),
        (NotAcceptable, 406),
        (NotAllowed, 403),
        (NotAuthorized, 403),
        (PolicyViolation, 403),
        (RecipientUnavailable, 480),
        (Redirect, 404),
        (RegistrationRequired, 403),
        (RemoteServerNotFound, 404),
        (RemoteServerTimeout, 408),
        (ResourceConstraint, 500),
        (ServiceUnavailable, 403),
        (SubscriptionRequired, 403),
        (UndefinedCondition, 400),
        (UnexpectedRequest, 400),
    ];
    for (condition, code) in table {
        refused_with(error(condition, ErrorKind::Cancel), code);
    }
}

#[test]
fn a_full_room_says_when_to_try_again() {
    let romeo = refused_with(error(ServiceUnavailable, ErrorKind::Wait), 480);
    assert_eq!(romeo.sees().refusal.as_ref().unwrap().retry_after, Some(30));
}

#[test]
fn a_room_that_moved_says_where() {
    let moved = StanzaError { address: Some("xmpp:orchard@muc.example.net".into()), ..error(Gone, ErrorKind::Cancel) };
    let romeo = refused_with(moved, 301);
    assert_eq!(romeo.sees().refusal.as_ref().unwrap().contact.as_deref(), Some("xmpp:orchard@muc.example.net"));
}

#[test]
fn the_words_of_the_room_are_what_the_caller_reads() {
    let banned = StanzaError { text: Some("No Montagues".into()), ..error(Forbidden, ErrorKind::Auth) };
    let romeo = refused_with(banned, 403);
    assert_eq!(romeo.sees().refusal.as_ref().unwrap().text, "No Montagues");
}

/// A text of somebody else's becomes a header field: one line, and not a long one.
#[test]
fn the_words_of_a_hostile_room_are_one_short_line() {
    let text = format!("No\r\nVia: SIP/2.0/TCP evil\u{0}{}", "x".repeat(100_000));
    let romeo = refused_with(StanzaError { text: Some(text), ..error(Forbidden, ErrorKind::Auth) }, 403);
    let sees = romeo.sees();
    let text = &sees.refusal.as_ref().unwrap().text;
    assert!(text.len() <= 512 && !text.chars().any(char::is_control), "{} octets", text.len());
}

#[test]
fn an_account_that_cannot_log_in_is_refused() {
    for (end, code, retry) in [
        (StreamEnd::LoginRefused("not-authorized".into()), 403, None),
        (StreamEnd::Unreachable("no route".into()), 480, Some(30)),
        (StreamEnd::Lost("reset".into()), 480, Some(30)),
        (StreamEnd::RoomTooSlow, 480, Some(30)),
    ] {
        let story = Story::begins();
        story.world().connects_streams = false;
        let romeo = story.sip_user("Romeo");
        romeo.dials();
        romeo.loses_stream(end);
        romeo.is_refused_with(code);
        assert_eq!(romeo.sees().refusal.as_ref().unwrap().retry_after, retry);
        story.everybody_leaves();
    }
}
