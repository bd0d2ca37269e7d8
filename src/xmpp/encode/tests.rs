use jid::{BareJid, FullJid, Jid};
use xmpp_parsers::minidom::Element;

use super::*;

fn room() -> BareJid {
    BareJid::new("r&d@muc.test").unwrap_or_else(|_| BareJid::new("rd@muc.test").expect("a JID"))
}

fn occupant() -> FullJid {
    room().with_resource_str("It's <Romeo> & \"co\"").expect("a nickname")
}

/// What an XML parser makes of what we write.
fn parsed(stanza: &OutStanza) -> Element {
    let bytes = encode(stanza).expect("encodes");
    Element::from_reader_with_prefixes(&*bytes, "jabber:client".to_owned()).expect("well-formed")
}

fn groupchat(body: &str) -> OutStanza {
    OutStanza::Groupchat { room: room(), id: "m1".into(), body: body.into() }
}

/// GC-JOIN-10, GC-JOIN-13.
#[test]
fn a_join_has_no_type_no_from_and_asks_for_no_history() {
    let join = parsed(&OutStanza::Join { occupant: occupant(), id: "j1".into() });
    assert_eq!((join.name(), join.attr("to"), join.attr("id")), ("presence", Some(occupant().as_str()), Some("j1")));
    assert_eq!((join.attr("type"), join.attr("from")), (None, None));
    let x = join.get_child("x", "http://jabber.org/protocol/muc").expect("the MUC element");
    let history = x.get_child("history", "http://jabber.org/protocol/muc").expect("history");
    assert_eq!(history.attr("maxstanzas"), Some("0"));
}

#[test]
fn a_leave_is_unavailable_and_may_say_why() {
    let leave = parsed(&OutStanza::Leave { occupant: occupant(), status: Some("<bye>".into()) });
    assert_eq!((leave.attr("type"), leave.attr("to")), (Some("unavailable"), Some(occupant().as_str())));
    assert_eq!(leave.get_child("status", "jabber:client").map(Element::text).as_deref(), Some("<bye>"));
    assert_eq!(parsed(&OutStanza::Leave { occupant: occupant(), status: None }).children().count(), 0);
}

/// GC-MSG-12.
#[test]
fn a_message_to_the_room_has_an_id_and_the_same_origin_id() {
    let body = "a<b>&amp;'\"\r\n\t]]>é\u{1F600} ";
    let message = parsed(&groupchat(body));
    assert_eq!((message.attr("type"), message.attr("to")), (Some("groupchat"), Some(room().as_str())));
    assert_eq!(message.attr("id"), Some("m1"));
    assert_eq!(message.get_child("origin-id", "urn:xmpp:sid:0").and_then(|o| o.attr("id")), Some("m1"));
    assert_eq!(message.get_child("body", "jabber:client").map(Element::text).as_deref(), Some(body));
}

/// XM-07.
#[test]
fn requests_to_a_room_have_their_payload() {
    let instant = parsed(&OutStanza::InstantRoom { room: room(), id: "i".into() });
    assert_eq!((instant.attr("type"), instant.attr("id")), (Some("set"), Some("i")));
    let query = instant.get_child("query", "http://jabber.org/protocol/muc#owner").expect("query");
    assert_eq!(query.get_child("x", "jabber:x:data").and_then(|x| x.attr("type")), Some("submit"));
    let disco = parsed(&OutStanza::DiscoInfo { room: room(), id: "d".into() });
    assert_eq!(disco.attr("type"), Some("get"));
    assert!(disco.has_child("query", "http://jabber.org/protocol/disco#info"));
}

#[test]
fn a_refused_message_gets_its_error_back() {
    let error = parsed(&OutStanza::MessageError {
        to: Jid::from(occupant()),
        id: Some("p'1".into()),
        condition: Condition::FeatureNotImplemented,
        kind: ErrorKind::Cancel,
        text: "not <yet>".into(),
    });
    assert_eq!(
        (error.attr("type"), error.attr("id"), error.attr("to")),
        (Some("error"), Some("p'1"), Some(occupant().as_str()))
    );
    let payload = error.get_child("error", "jabber:client").expect("error");
    assert_eq!(payload.attr("type"), Some("cancel"));
    assert!(payload.has_child("feature-not-implemented", "urn:ietf:params:xml:ns:xmpp-stanzas"));
    let text = payload.get_child("text", "urn:ietf:params:xml:ns:xmpp-stanzas");
    assert_eq!(text.map(Element::text).as_deref(), Some("not <yet>"));
}

#[test]
fn every_condition_and_type_comes_back_as_it_went() {
    use Condition as C;
    use mucfocus_core::stanza::{MessageKind, Stanza};
    for condition in [
        C::BadRequest,
        C::Conflict,
        C::FeatureNotImplemented,
        C::Forbidden,
        C::Gone,
        C::InternalServerError,
        C::ItemNotFound,
        C::JidMalformed,
        C::NotAcceptable,
        C::NotAllowed,
        C::NotAuthorized,
        C::PolicyViolation,
        C::RecipientUnavailable,
        C::Redirect,
        C::RegistrationRequired,
        C::RemoteServerNotFound,
        C::RemoteServerTimeout,
        C::ResourceConstraint,
        C::ServiceUnavailable,
        C::SubscriptionRequired,
        C::UndefinedCondition,
        C::UnexpectedRequest,
    ] {
        for kind in [ErrorKind::Auth, ErrorKind::Cancel, ErrorKind::Continue, ErrorKind::Modify, ErrorKind::Wait] {
            let out = OutStanza::MessageError { to: Jid::from(room()), id: None, condition, kind, text: String::new() };
            let sent = String::from_utf8(encode(&out).expect("encodes").to_vec()).expect("text");
            let received = sent.replacen("to=", "from=", 1);
            let Ok(Stanza::Message(message)) = crate::xmpp::decode::decode(received.as_bytes()) else {
                panic!("{received}")
            };
            let MessageKind::Error(error) = message.kind else { panic!("{received}") };
            assert_eq!((error.condition, error.kind), (condition, kind));
        }
    }
}

#[test]
fn a_stanza_that_servers_would_end_the_stream_for_is_refused() {
    let overhead = encode(&groupchat("")).expect("encodes").len();
    assert_eq!(encode(&groupchat(&"x".repeat(MAX_STANZA - overhead))).map(|bytes| bytes.len()), Ok(MAX_STANZA));
    let refused = encode(&groupchat(&"x".repeat(MAX_STANZA - overhead + 1)));
    assert_eq!(refused, Err(EncodeError::TooLarge { size: MAX_STANZA + 1, limit: MAX_STANZA }));
    // What counts is the size after escaping.
    assert!(matches!(encode(&groupchat(&"&".repeat(MAX_STANZA / 4))), Err(EncodeError::TooLarge { .. })));
}

#[test]
fn what_xml_cannot_carry_is_refused() {
    for c in ['\0', '\u{B}', '\u{1B}', '\u{FFFE}', '\u{FFFF}'] {
        assert_eq!(encode(&groupchat(&format!("a{c}"))), Err(EncodeError::IllegalCharacter(c)));
    }
    assert_eq!(EncodeError::IllegalCharacter('\u{1B}').to_string(), "XML cannot carry U+001B: leave it out");
}
