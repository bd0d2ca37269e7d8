use jid::{BareJid, FullJid, Jid};
use mucfocus_core::stanza::{Asks, History, Password, Receipt};
use xmpp_parsers::minidom::Element;

use super::*;

const MUC: &str = "http://jabber.org/protocol/muc";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
const MUC_USER: &str = "http://jabber.org/protocol/muc#user";

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
    let join =
        parsed(&OutStanza::Join { occupant: occupant(), id: "j1".into(), password: None, history: History::Last(0) });
    assert_eq!((join.name(), join.attr("to"), join.attr("id")), ("presence", Some(occupant().as_str()), Some("j1")));
    assert_eq!((join.attr("type"), join.attr("from")), (None, None));
    let x = join.get_child("x", MUC).expect("the MUC element");
    let history = x.get_child("history", MUC).expect("history");
    assert_eq!(history.attr("maxstanzas"), Some("0"));
}

/// GC-JOIN-10.
#[test]
fn a_join_carries_the_password_of_the_room_and_how_much_history_is_wanted() {
    let password = Some(Password::new("<sesame> & 'co'".into()));
    let join = OutStanza::Join { occupant: occupant(), id: "j1".into(), password, history: History::Last(20) };
    assert!(!format!("{join:?}").contains("sesame"));
    let x = parsed(&join).get_child("x", MUC).expect("the MUC element").clone();
    assert_eq!(x.get_child("password", MUC).map(Element::text).as_deref(), Some("<sesame> & 'co'"));
    assert_eq!(x.get_child("history", MUC).and_then(|h| h.attr("maxstanzas")), Some("20"));
}

/// GC-NICK-02.
#[test]
fn a_change_of_nickname_is_no_join() {
    let rename = parsed(&OutStanza::Rename { occupant: occupant(), id: "n1".into() });
    assert_eq!(
        (rename.name(), rename.attr("to"), rename.attr("id")),
        ("presence", Some(occupant().as_str()), Some("n1"))
    );
    assert_eq!((rename.attr("type"), rename.attr("from"), rename.children().count()), (None, None, 0));
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

/// GC-PM-03.
#[test]
fn a_private_message_is_marked_as_one_of_the_room() {
    let private = |is_active| {
        let (id, body) = ("p1".into(), "<psst>".into());
        parsed(&OutStanza::Private { to: occupant(), id, body, asks: Asks::default(), is_active })
    };
    assert!(private(true).has_child("active", "http://jabber.org/protocol/chatstates"));
    let message = private(false);
    assert!(!message.has_child("active", "http://jabber.org/protocol/chatstates"));
    assert_eq!(
        (message.attr("type"), message.attr("to"), message.attr("id")),
        (Some("chat"), Some(occupant().as_str()), Some("p1"))
    );
    assert_eq!(message.attr("from"), None);
    assert_eq!(message.get_child("body", "jabber:client").map(Element::text).as_deref(), Some("<psst>"));
    assert_eq!(message.get_child("origin-id", "urn:xmpp:sid:0").and_then(|o| o.attr("id")), Some("p1"));
    assert_eq!(message.get_child("x", MUC_USER).map(|x| x.children().count()), Some(0));
    assert!(!message.has_child("request", "urn:xmpp:receipts") && !message.has_child("markable", MARKERS));
}

/// IMDN-02.
#[test]
fn what_is_asked_of_a_private_message_and_what_became_of_one_are_written() {
    let asks = Asks { received: true, displayed: true };
    let (to, is_active) = (occupant(), false);
    let message = parsed(&OutStanza::Private { to, id: "p1".into(), body: "psst".into(), asks, is_active });
    assert!(message.has_child("request", "urn:xmpp:receipts") && message.has_child("markable", MARKERS));
    for (kind, name, ns) in
        [(ReceiptKind::Received, "received", "urn:xmpp:receipts"), (ReceiptKind::Displayed, "displayed", MARKERS)]
    {
        let receipt = Receipt { id: "it's <1>".into(), kind };
        let message = parsed(&OutStanza::Receipt { to: occupant(), id: "r1".into(), receipt });
        assert_eq!((message.attr("type"), message.attr("to")), (Some("chat"), Some(occupant().as_str())));
        assert_eq!(message.get_child(name, ns).and_then(|r| r.attr("id")), Some("it's <1>"));
        assert_eq!(message.children().count(), 2, "XEP-0184 §5.4, and whose occupant he is");
        assert!(message.has_child("x", MUC_USER));
    }
}

#[test]
fn a_chat_state_to_one_is_nothing_else_and_says_whose_occupant_he_is() {
    let state = ChatState::Composing;
    let message = parsed(&OutStanza::PrivateState { to: occupant(), id: "c1".into(), state });
    assert_eq!((message.attr("type"), message.attr("to")), (Some("chat"), Some(occupant().as_str())));
    assert!(
        message.has_child("composing", "http://jabber.org/protocol/chatstates") && message.has_child("x", MUC_USER)
    );
    assert_eq!(message.children().count(), 2);
}

#[test]
fn a_chat_state_goes_to_everybody_and_into_nobodys_archive() {
    for (state, name) in [
        (ChatState::Active, "active"),
        (ChatState::Composing, "composing"),
        (ChatState::Paused, "paused"),
        (ChatState::Inactive, "inactive"),
        (ChatState::Gone, "gone"),
    ] {
        let message = parsed(&OutStanza::ChatState { room: room(), id: "c1".into(), state });
        assert_eq!((message.attr("type"), message.attr("to")), (Some("groupchat"), Some(room().as_str())));
        let children: Vec<_> = message.children().map(|c| (c.name(), c.ns())).collect();
        let state = (name, "http://jabber.org/protocol/chatstates".to_owned());
        assert_eq!(children, [state, ("no-store", "urn:xmpp:hints".to_owned())]);
    }
}

/// GC-SUBJ-01.
#[test]
fn a_subject_comes_alone_and_may_be_empty() {
    for subject in ["wherefore & why", ""] {
        let message = parsed(&OutStanza::Subject { room: room(), id: "s1".into(), subject: subject.into() });
        assert_eq!((message.attr("type"), message.attr("id")), (Some("groupchat"), Some("s1")));
        assert_eq!(message.children().count(), 1);
        assert_eq!(message.get_child("subject", "jabber:client").map(Element::text).as_deref(), Some(subject));
    }
}

/// GC-INV-05.
#[test]
fn an_invitation_goes_through_the_room_and_may_say_why() {
    let to = BareJid::new("nurse@x.test").expect("a JID");
    for reason in [Some("come & see"), None] {
        let invite =
            OutStanza::Invite { room: room(), id: "i1".into(), to: to.clone(), reason: reason.map(Into::into) };
        let message = parsed(&invite);
        assert_eq!(
            (message.attr("type"), message.attr("to"), message.attr("id")),
            (None, Some(room().as_str()), Some("i1"))
        );
        let invite =
            message.get_child("x", MUC_USER).and_then(|x| x.get_child("invite", MUC_USER)).expect("an invitation");
        assert_eq!(invite.attr("to"), Some("nurse@x.test"));
        assert_eq!(invite.get_child("reason", MUC_USER).map(Element::text).as_deref(), reason);
    }
}

/// XM-03.
#[test]
fn a_ping_goes_to_whom_it_is_meant() {
    let ping = parsed(&OutStanza::Ping { to: Jid::from(occupant()), id: "q".into() });
    assert_eq!((ping.name(), ping.attr("type"), ping.attr("id")), ("iq", Some("get"), Some("q")));
    assert_eq!(ping.attr("to"), Some(occupant().as_str()));
    assert!(ping.has_child("ping", "urn:xmpp:ping"));
}

/// XM-07.
#[test]
fn requests_to_a_room_have_their_payload() {
    let instant = parsed(&OutStanza::InstantRoom { room: room(), id: "i".into() });
    assert_eq!((instant.attr("type"), instant.attr("id")), (Some("set"), Some("i")));
    let query = instant.get_child("query", "http://jabber.org/protocol/muc#owner").expect("query");
    assert_eq!(query.get_child("x", "jabber:x:data").and_then(|x| x.attr("type")), Some("submit"));
    let disco = parsed(&OutStanza::DiscoInfo { room: room(), id: "d".into(), node: None });
    assert_eq!(disco.attr("type"), Some("get"));
    let query =
        |disco: &Element| disco.get_child("query", "http://jabber.org/protocol/disco#info").cloned().expect("query");
    assert_eq!(query(&disco).attr("node"), None);
    let reserved = OutStanza::DiscoInfo { room: room(), id: "d".into(), node: Some("x-roomuser-item") };
    assert_eq!(query(&parsed(&reserved)).attr("node"), Some("x-roomuser-item"));
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

/// FT-09.
#[test]
fn a_request_to_speak_is_the_form_for_it() {
    let request = OutStanza::VoiceRequest { room: "verona@muc.example.com".parse().unwrap(), id: "v".into() };
    let text = String::from_utf8(encode(&request).unwrap().to_vec()).unwrap();
    assert_eq!(
        text,
        "<message to='verona@muc.example.com' id='v'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#request</value></field>\
         <field var='muc#role' type='list-single'><value>participant</value></field></x></message>"
    );
}

/// CF-08.
#[test]
fn a_removal_takes_the_role_away_and_may_say_why() {
    let removal = |reason: Option<&str>| OutStanza::SetRole {
        room: "verona@muc.example.com".parse().unwrap(),
        id: "r-1".into(),
        nick: "Ty'balt <x>".into(),
        role: mucfocus_core::stanza::Role::None,
        reason: reason.map(Into::into),
    };
    let text = |stanza: OutStanza| String::from_utf8(encode(&stanza).unwrap().to_vec()).unwrap();
    assert_eq!(
        text(removal(Some("Peace & quiet"))),
        "<iq type='set' to='verona@muc.example.com' id='r-1'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item nick='Ty&apos;balt &lt;x&gt;' role='none'><reason>Peace &amp; quiet</reason></item></query></iq>"
    );
    assert!(text(removal(None)).contains("role='none'/></query>"));
    assert_eq!(encode(&removal(Some("\u{0}"))), Err(EncodeError::IllegalCharacter('\0')));
}

/// FT-02, XEP-0313 §4.
#[test]
fn an_archive_is_asked_from_an_id_or_a_time_on() {
    const MAM: &str = "urn:xmpp:mam:2";
    const RSM: &str = "http://jabber.org/protocol/rsm";
    let at = mucfocus_core::time::WallClock::from_unix_millis(1_795_253_400_123);
    for (from, after, start) in [
        (ArchiveFrom::After("<28&482>".into()), Some("<28&482>"), None),
        (ArchiveFrom::Since(at), None, Some("2026-11-21T09:30:00.123Z")),
    ] {
        let iq = parsed(&OutStanza::Archive { room: room(), id: "q1".into(), from, max: 50 });
        assert_eq!((iq.attr("type"), iq.attr("id"), iq.attr("to")), (Some("set"), Some("q1"), Some(room().as_str())));
        let query = iq.get_child("query", MAM).expect("a query");
        assert_eq!(query.attr("queryid"), Some("q1"));
        let set = query.get_child("set", RSM).expect("a set");
        assert_eq!(set.get_child("max", RSM).map(Element::text).as_deref(), Some("50"));
        assert_eq!(set.get_child("after", RSM).map(Element::text).as_deref(), after);
        let form = query.get_child("x", "jabber:x:data");
        let fields = form.into_iter().flat_map(Element::children);
        let values: Vec<String> = fields.flat_map(Element::children).map(Element::text).collect();
        assert_eq!(values, start.map_or(vec![], |start| vec![MAM.to_owned(), start.to_owned()]));
    }
}

/// XM-04
#[test]
fn a_way_back_in_asks_for_what_was_said_since() {
    let history = History::Since(mucfocus_core::time::WallClock::from_unix_millis(1_795_253_400_123));
    let join = parsed(&OutStanza::Join { occupant: occupant(), id: "j1".into(), password: None, history });
    let history = join.get_child("x", MUC).and_then(|x| x.get_child("history", MUC)).expect("history");
    assert_eq!((history.attr("since"), history.attr("maxstanzas")), (Some("2026-11-21T09:30:00.123Z"), None));
}
