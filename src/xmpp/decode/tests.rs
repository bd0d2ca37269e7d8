use super::*;

fn presence_of(xml: &str) -> Presence {
    match decode(xml.as_bytes()) {
        Ok(Stanza::Presence(presence)) => presence,
        other => panic!("{other:?}"),
    }
}

fn message_of(xml: &str) -> Message {
    match decode(xml.as_bytes()) {
        Ok(Stanza::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn jid(text: &str) -> Jid {
    Jid::new(text).expect("a JID")
}

/// XM-06.
#[test]
fn the_presence_of_a_join_says_who_one_is() {
    let presence = presence_of(
        "<presence from='r@m.test/Rom&#233;o' to='romeo@x.test/a' id='j1'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='o'/>\
         <x xmlns='http://jabber.org/protocol/muc#user'><status code='201'/>\
         <item role='moderator' jid='romeo@x.test/a' affiliation='owner'/><status code='110'/></x></presence>",
    );
    assert_eq!((presence.from, presence.id.as_deref()), (jid("r@m.test/Roméo"), Some("j1")));
    assert_eq!(presence.kind, PresenceKind::Available);
    let muc = presence.muc.expect("muc#user");
    assert!(muc.has(110) && muc.has(201) && !muc.has(100));
    let item = muc.item.expect("an item");
    assert_eq!((item.affiliation, item.role), (Some(Affiliation::Owner), Some(Role::Moderator)));
    assert_eq!(item.jid, Some(jid("romeo@x.test/a")));
}

#[test]
fn a_removal_says_who_did_it_and_why_in_either_order() {
    for inner in ["<actor nick='Alice'/><reason>spam</reason>", "<reason>spam</reason><actor jid='a@b' nick='Alice'/>"]
    {
        let presence = presence_of(&format!(
            "<presence type='unavailable' from='r@m/Bob'><x xmlns='http://jabber.org/protocol/muc#user'><status code='307'/>\
             <item role='none' affiliation='none'>{inner}</item></x><status>gone</status></presence>"
        ));
        assert_eq!((presence.kind, presence.status.as_deref()), (PresenceKind::Unavailable, Some("gone")));
        let item = presence.muc.and_then(|muc| muc.item).expect("an item");
        assert_eq!((item.actor.as_deref(), item.reason.as_deref()), (Some("Alice"), Some("spam")));
        assert_eq!((item.role, item.affiliation), (Some(Role::None), Some(Affiliation::None)));
    }
}

#[test]
fn a_destroyed_room_says_where_to_go() {
    let presence = presence_of(
        "<presence type='unavailable' from='r@m/Bob'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <destroy jid='other@m'><reason>moved</reason><password>sesame</password></destroy><item role='none'/></x></presence>",
    );
    let destroy = presence.muc.and_then(|muc| muc.destroy).expect("destroy");
    assert_eq!((destroy.alternate, destroy.reason.as_deref()), (BareJid::new("other@m").ok(), Some("moved")));
    let lone = presence_of(
        "<presence type='unavailable' from='r@m/Bob'><x xmlns='http://jabber.org/protocol/muc#user'><destroy/></x></presence>",
    );
    assert_eq!(lone.muc.and_then(|muc| muc.destroy), Some(Destroy::default()));
}

#[test]
fn nothing_that_an_occupant_writes_makes_him_invisible() {
    for inner in [
        "<show>bananas</show>",
        "<show/><show>away</show>",
        "<priority>300</priority><priority>x</priority>",
        "stray <b>text</b>",
        "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='not a jid@@' role='king' affiliation='vassal'/></x>",
        "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='bare@x'/><status code='999'/><status code='x'/><status/></x>",
        "<x xmlns='http://jabber.org/protocol/muc#user'/>",
        "<x xmlns='vcard-temp:x:update'><photo/></x><c xmlns='http://jabber.org/protocol/caps' node='n'/>",
    ] {
        let presence = presence_of(&format!("<presence from='r@m/Bob'>{inner}</presence>"));
        assert_eq!((presence.from, presence.kind), (jid("r@m/Bob"), PresenceKind::Available), "{inner}");
    }
    assert_eq!(presence_of("<presence from='r@m/B' type='subscribe'/>").kind, PresenceKind::Other);
    for inner in ["<thread>a</thread><thread>b</thread>", "stray", "<subject/><body xmlns='x'>no</body>", "<error/>"] {
        let message =
            message_of(&format!("<message from='r@m/B' type='groupchat' id='1'>{inner}<body>hi</body></message>"));
        assert_eq!((message.kind, message.body.as_deref()), (MessageKind::Groupchat, Some("hi")), "{inner}");
    }
}

#[test]
fn codes_that_nobody_knows_are_kept() {
    let muc = presence_of(
        "<presence from='r@m/B'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/><status code='999'/></x></presence>",
    );
    assert_eq!(muc.muc.expect("muc#user").codes, [110, 999]);
}

#[test]
fn an_affiliation_message_with_a_bare_jid_and_no_role_is_understood() {
    let message = message_of(
        "<message from='r@m'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='bob@x' affiliation='member'/></x></message>",
    );
    assert_eq!((message.kind, message.from), (MessageKind::Normal, jid("r@m")));
    let item = message.muc.and_then(|muc| muc.item).expect("an item");
    assert_eq!((item.jid, item.role, item.affiliation), (Some(jid("bob@x")), None, Some(Affiliation::Member)));
}

#[test]
fn a_groupchat_message_carries_its_ids_and_its_text() {
    let message = message_of(
        "<message to='romeo@x/a' from='r@m/Juliet' type='groupchat' id='m0' xml:lang='en'><body>&lt;b&gt; &amp;\n€<![CDATA[<]]></body>\
         <origin-id xmlns='urn:xmpp:sid:0' id='m0'/><stanza-id by='r@m' xmlns='urn:xmpp:sid:0' id='s'/></message>",
    );
    assert_eq!(message.kind, MessageKind::Groupchat);
    assert_eq!((message.id.as_deref(), message.origin_id.as_deref()), (Some("m0"), Some("m0")));
    assert_eq!(message.body.as_deref(), Some("<b> &\n€<"));
    assert_eq!(message.subject, None);
}

#[test]
fn of_several_languages_the_one_without_wins_else_the_first() {
    let both = message_of("<message from='r@m/J'><body xml:lang='de'>hallo</body><body>hello</body></message>");
    assert_eq!(both.body.as_deref(), Some("hello"));
    let tagged =
        message_of("<message from='r@m/J'><body xml:lang='de'>hallo</body><body xml:lang='fr'>salut</body></message>");
    assert_eq!(tagged.body.as_deref(), Some("hallo"));
}

#[test]
fn an_empty_subject_is_not_an_absent_one() {
    assert_eq!(message_of("<message from='r@m' type='groupchat'><subject/></message>").subject.as_deref(), Some(""));
    assert_eq!(message_of("<message from='r@m' type='groupchat'/>").subject, None);
}

/// Whether it means anything is for the membership to say: an occupant can write it himself.
#[test]
fn a_delay_is_reported_whoever_wrote_it() {
    let delayed = message_of("<message from='r@m/J'><delay xmlns='urn:xmpp:delay' stamp='x'/></message>");
    assert!(delayed.delayed);
    assert!(!message_of("<message from='r@m/J'><delay xmlns='urn:example'/></message>").delayed);
}

#[test]
fn an_unknown_message_type_is_normal() {
    for (kind, expected) in [
        ("chat", MessageKind::Chat),
        ("headline", MessageKind::Headline),
        ("normal", MessageKind::Normal),
        ("carrier-pigeon", MessageKind::Normal),
        ("", MessageKind::Normal),
    ] {
        assert_eq!(message_of(&format!("<message from='r@m/J' type='{kind}'/>")).kind, expected);
    }
}

/// XM-09.
#[test]
fn an_error_says_condition_type_text_and_new_address() {
    let presence = presence_of(
        "<presence type='error' from='r@m/Bob' id='j'><x xmlns='http://jabber.org/protocol/muc'><password>p</password></x>\
         <error by='r@m' type='auth'><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Banned</text>\
         <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
    );
    let error = StanzaError {
        condition: Condition::Forbidden,
        kind: ErrorKind::Auth,
        text: Some("Banned".into()),
        address: None,
    };
    assert_eq!((presence.kind, presence.id.as_deref()), (PresenceKind::Error(error), Some("j")));

    let message = message_of(
        "<message type='error' id='m' from='r@m'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>\
         xmpp:new@m</gone><app xmlns='urn:example'/></error></message>",
    );
    let MessageKind::Error(error) = message.kind else { panic!() };
    assert_eq!((error.condition, error.address.as_deref()), (Condition::Gone, Some("xmpp:new@m")));
}

#[test]
fn an_error_that_says_nothing_known_is_undefined() {
    for inner in ["", "<error/>", "<error type='odd'><odd xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"] {
        let MessageKind::Error(error) = message_of(&format!("<message type='error' from='r@m'>{inner}</message>")).kind
        else {
            panic!()
        };
        assert_eq!((error.condition, error.kind), (Condition::UndefinedCondition, ErrorKind::Cancel), "{inner}");
    }
}

/// XM-07.
#[test]
fn disco_info_yields_the_features_of_a_room() {
    let Ok(Stanza::Iq(iq)) = decode(
        b"<iq type='result' id='d' from='r@m'><query xmlns='http://jabber.org/protocol/disco#info'>\
          <identity category='conference' type='text'/><feature var='http://jabber.org/protocol/muc'/><feature/>\
          <feature var='muc_open'/><x xmlns='jabber:x:data'/></query></iq>",
    ) else {
        panic!()
    };
    assert_eq!((iq.from, iq.id.as_str()), (Some(jid("r@m")), "d"));
    let features = vec!["http://jabber.org/protocol/muc".to_owned(), "muc_open".to_owned()];
    assert_eq!(iq.answer, IqAnswer::Result { features });
    let Ok(Stanza::Iq(iq)) = decode(b"<iq type='result' id='p'/>") else { panic!() };
    assert_eq!((iq.from, iq.answer), (None, IqAnswer::Result { features: vec![] }));
}

#[test]
fn what_is_no_stanza_for_a_room_is_refused_by_name() {
    for (bytes, error) in [
        (&b"<message from='r@m' xmlns='urn:example'/>"[..], DecodeError::NotAStanza("message".into())),
        (b"<foo/>", DecodeError::NotAStanza("foo".into())),
        (b"<presence/>", DecodeError::NoFrom),
        (b"<message/>", DecodeError::NoFrom),
        (b"<message from='@'/>", DecodeError::BadFrom),
        (b"<iq type='result'/>", DecodeError::NoId),
        (b"<iq type='get' id='1'/>", DecodeError::NotAnAnswer),
    ] {
        assert_eq!(decode(bytes), Err(error));
    }
    for bytes in
        [&b""[..], b"<message", b"<message from='r@m'><x:y/></message>", b"<message from='r@m'>\x01</message>", b"\xff"]
    {
        assert!(matches!(decode(bytes), Err(DecodeError::Xml(_))), "{bytes:?}");
    }
}
