use jid::BareJid;
use mucfocus_core::stanza::{
    Affiliation, Condition, Decline, Destroy, DiscoInfo, ErrorKind, Identity, Role, StanzaError,
};

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
    assert_eq!(item.occupant_id.as_deref(), Some("o"));
}

/// FT-04
#[test]
fn an_occupant_id_is_one_or_none() {
    let id = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='o'/>";
    let long = format!("<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{}'/>", "o".repeat(129));
    for (ids, expected) in [
        (id.to_owned(), Some("o")),
        (String::new(), None),
        (id.repeat(2), None),
        (long, None),
        (id.replace(" id='o'", ""), None),
        (id.replace("'o'", "''"), None),
        (id.replace(":0", ":1"), None),
    ] {
        let presence = presence_of(&format!(
            "<presence from='r@m/Bob'>{ids}<x xmlns='http://jabber.org/protocol/muc#user'><item role='visitor'/></x></presence>"
        ));
        let item = presence.muc.and_then(|muc| muc.item).expect("an item");
        assert_eq!(item.occupant_id.as_deref(), expected, "{ids}");
    }
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

/// XM-11: whether it means anything is for the membership to say, an occupant can write it himself.
#[test]
fn a_delay_is_reported_whoever_wrote_it_and_whatever_it_says() {
    let delay = |inner: &str| message_of(&format!("<message from='r@m/J'>{inner}</message>")).delay;
    let stamp = |millis| Some(Delay { stamp: Some(WallClock::from_unix_millis(millis)) });
    assert_eq!(delay("<delay xmlns='urn:xmpp:delay' stamp='2026-11-21T09:30:00Z'/>"), stamp(1_795_253_400_000));
    assert_eq!(
        delay("<delay xmlns='urn:xmpp:delay' stamp='2026-11-21T11:30:00.483481+02:00'/>"),
        stamp(1_795_253_400_483)
    );
    assert_eq!(delay("<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>"), Some(Delay { stamp: None }));
    assert_eq!(delay("<delay xmlns='urn:xmpp:delay'/>"), Some(Delay { stamp: None }));
    assert_eq!(delay("<delay xmlns='urn:example' stamp='2026-11-21T09:30:00Z'/>"), None);
}

#[test]
fn of_several_stamps_the_one_of_the_room_counts() {
    let authors = "<delay xmlns='urn:xmpp:delay' from='j@x/a' stamp='2020-01-01T00:00:00Z'/>";
    let rooms = "<delay xmlns='urn:xmpp:delay' from='r@m' stamp='2026-11-21T09:30:00Z'/>";
    let stamp =
        |inner: String| message_of(&format!("<message from='r@m/J'>{inner}</message>")).delay.and_then(|d| d.stamp);
    let expected = Some(WallClock::from_unix_millis(1_795_253_400_000));
    assert_eq!(stamp(format!("{authors}{rooms}")), expected);
    assert_eq!(stamp(format!("{rooms}{authors}")), expected);
    assert_eq!(stamp(format!("{authors}{authors}")), Some(WallClock::from_unix_millis(1_577_836_800_000)));
}

#[test]
fn a_chat_state_says_what_its_author_does() {
    let state =
        |inner: &str| message_of(&format!("<message from='r@m/J' type='groupchat'>{inner}</message>")).chat_state;
    for (name, expected) in [
        ("active", Some(ChatState::Active)),
        ("composing", Some(ChatState::Composing)),
        ("paused", Some(ChatState::Paused)),
        ("inactive", Some(ChatState::Inactive)),
        ("gone", Some(ChatState::Gone)),
        ("dreaming", None),
    ] {
        assert_eq!(state(&format!("<{name} xmlns='http://jabber.org/protocol/chatstates'/>")), expected);
    }
    assert_eq!(state("<composing/><composing xmlns='jabber:x:event'/>"), None);
}

/// NICK-08.
#[test]
fn a_presence_may_say_what_its_occupant_is_called() {
    let name = |inner: &str| presence_of(&format!("<presence from='r@m/J'>{inner}</presence>")).display_name;
    let nick = |text: &str| name(&format!("<nick xmlns='http://jabber.org/protocol/nick'>{text}</nick>"));
    assert_eq!(nick(" Juliet &lt;C&gt; ").as_deref(), Some("Juliet <C>"));
    assert_eq!(nick(" \n"), None);
    assert_eq!(nick(&"x".repeat(1023)).map(|n| n.len()), Some(1023));
    assert_eq!(nick(&"x".repeat(1024)), None);
    assert_eq!(name("<nick>Juliet</nick>"), None);
}

/// GC-INV-08.
#[test]
fn a_decline_says_who_does_not_come_and_why_if_the_room_says_so() {
    let decline = |from: &str, inner: &str| {
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inner}</x>");
        message_of(&format!("<message from='{from}'>{x}</message>")).muc.expect("muc#user").decline
    };
    let nurse = |reason: Option<&str>| Some(Decline { from: jid("nurse@x/a"), reason: reason.map(Into::into) });
    let with_reason = "<decline from='nurse@x/a'><reason>too old</reason></decline>";
    assert_eq!(decline("r@m", with_reason), nurse(Some("too old")));
    assert_eq!(decline("r@m", "<decline from='nurse@x/a'/>"), nurse(None));
    assert_eq!(decline("r@m", "<decline from='nurse@x/a'><reason/></decline>"), nurse(None));
    assert_eq!(decline("r@m", "<decline/>"), None);
    assert_eq!(decline("r@m", "<decline from='@'/>"), None);
    // Otherwise any occupant could speak for somebody else.
    assert_eq!(decline("r@m/Tybalt", with_reason), None);
}

/// One account that is there twice under one nickname.
#[test]
fn of_several_items_the_one_that_says_most_counts() {
    let item = |inner: &str| {
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inner}<status code='110'/></x>");
        presence_of(&format!("<presence from='r@m/B'>{x}</presence>")).muc.and_then(|muc| muc.item).expect("an item")
    };
    let two = ["<item role='none' jid='b@x/1'/>", "<item role='none' jid='b@x/2'><reason>spam</reason></item>"];
    assert_eq!(item(&two.concat()).reason.as_deref(), Some("spam"));
    let [one, other] = two;
    assert_eq!(item(&format!("{other}{one}")).reason.as_deref(), Some("spam"));
    assert_eq!(item("<item role='visitor' jid='b@x/1'/><item role='visitor' jid='b@x/2'/>").jid, Some(jid("b@x/1")));
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
    let IqAnswer::Result(info) = iq.answer else { panic!() };
    assert_eq!(info.features, features);
    let Ok(Stanza::Iq(iq)) = decode(b"<iq type='result' id='p'/>") else { panic!() };
    assert_eq!((iq.from, iq.answer), (None, IqAnswer::Result(DiscoInfo::default())));
}

/// XM-07.
#[test]
fn disco_info_yields_identities_and_the_fields_of_its_forms() {
    let Ok(Stanza::Iq(iq)) = decode(
        b"<iq type='result' id='d' from='r@m'><query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'>\
          <identity category='conference' type='text' name='Capulet&apos;s'/><identity/>\
          <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>f</value></field>\
          <field var='muc#roominfo_subject'/><field><value>nameless</value></field>\
          <field var='muc#roominfo_contactjid'><value>a@x</value><value>b@x</value></field></x></query></iq>",
    ) else {
        panic!()
    };
    let IqAnswer::Result(info) = iq.answer else { panic!() };
    let hall = Identity { category: "conference".into(), kind: "text".into(), name: Some("Capulet's".into()) };
    assert_eq!(info.identities, [hall, Identity::default()]);
    let fields = [("FORM_TYPE", "f"), ("muc#roominfo_subject", ""), ("muc#roominfo_contactjid", "a@x")];
    assert_eq!(info.fields, fields.map(|(var, value)| (var.to_owned(), value.to_owned())));
    assert!(info.features.is_empty());
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

/// IMDN-02.
#[test]
fn what_is_asked_of_a_message_and_what_it_says_of_others_is_read() {
    let message = message_of(
        "<message from='r@m/Juliet' type='chat' id='1'><body>psst</body><request xmlns='urn:xmpp:receipts'/>\
         <markable xmlns='urn:xmpp:chat-markers:0'/></message>",
    );
    assert_eq!((message.asks, message.receipts), (Asks { received: true, displayed: true }, vec![]));
    let receipt = |id: &str, kind| Receipt { id: id.to_owned(), kind };
    let message = message_of(
        "<message from='r@m/Juliet' type='chat'><received xmlns='urn:xmpp:receipts' id='a'/>\
         <displayed xmlns='urn:xmpp:chat-markers:0' id='b'/><displayed xmlns='urn:xmpp:chat-markers:0' id='c'/></message>",
    );
    let expected = vec![receipt("a", ReceiptKind::Received), receipt("b", ReceiptKind::Displayed)];
    assert_eq!((message.asks, message.receipts), (Asks::default(), expected), "each once");
    for nothing in ["<received xmlns='urn:xmpp:receipts'/>", "<received id='a'/>", "<received xmlns='urn:x' id='a'/>"] {
        assert_eq!(message_of(&format!("<message from='r@m/Juliet'>{nothing}</message>")).receipts, vec![]);
    }
}

/// IMDN-01: an occupant can write ids too, and say that they are the room's.
#[test]
fn the_id_that_the_room_gave_is_the_only_one_that_says_so() {
    let id = |ids: &str| message_of(&format!("<message from='r@m/Juliet' type='groupchat'>{ids}</message>")).stanza_id;
    let by = |id: &str, by: &str| format!("<stanza-id xmlns='urn:xmpp:sid:0' id='{id}' by='{by}'/>");
    assert_eq!(id(&by("1", "r@m")).as_deref(), Some("1"));
    assert_eq!(id(&(by("1", "juliet@x") + &by("2", "r@m"))).as_deref(), Some("2"));
    assert_eq!(id(&(by("1", "r@m") + &by("2", "r@m"))), None);
    assert_eq!(id(&by("1", "r@m/Juliet")), None);
    assert_eq!(id(""), None);
}

fn archived(from: &str, kind: &str) -> String {
    format!(
        "<message from='{from}' to='romeo@x.test/a'{kind}><result xmlns='urn:xmpp:mam:2' queryid='q1' id='28482'>\
         <forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-11-21T09:30:00Z'/>\
         <message xmlns='jabber:client' from='r@m.test/Juliet' type='groupchat' id='m1'><body>Romeo?</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='r@m.test' id='forged'/></message></forwarded></result>\
         <body>his own words</body></message>"
    )
}

/// FT-02: what an archive brings bears the id that it has there.
#[test]
fn a_message_out_of_an_archive_is_known_by_query_and_id() {
    let Ok(Stanza::Archived(archived)) = decode(archived("r@m.test", "").as_bytes()) else { panic!() };
    assert_eq!((archived.from, archived.query.as_deref()), (jid("r@m.test"), Some("q1")));
    assert_eq!(archived.stamp, WallClock::parse_rfc3339("2026-11-21T09:30:00Z"));
    let message = archived.message;
    assert_eq!((message.from, message.kind), (jid("r@m.test/Juliet"), MessageKind::Groupchat));
    assert_eq!((message.id.as_deref(), message.stanza_id.as_deref()), (Some("m1"), Some("28482")));
    assert_eq!(message.body.as_deref(), Some("Romeo?"));
}

/// XM-11: nobody can hide his words behind an archive of his own, or take those of another for his.
#[test]
fn what_an_occupant_dresses_up_as_an_archive_is_a_message_of_his() {
    for (from, kind) in
        [("r@m.test/Tybalt", ""), ("r@m.test/Tybalt", " type='groupchat'"), ("r@m.test", " type='groupchat'")]
    {
        let message = message_of(&archived(from, kind));
        assert_eq!((message.from, message.body.as_deref()), (jid(from), Some("his own words")));
    }
}

#[test]
fn a_page_of_an_archive_says_whether_it_is_the_last() {
    use mucfocus_core::stanza::Fin;
    let set = "<set xmlns='http://jabber.org/protocol/rsm'><first>1</first><last>2</last></set>";
    for (attributes, inside, complete, last) in
        [("complete='true'", set, true, Some("2")), ("complete='false'", "", false, None), ("", set, false, Some("2"))]
    {
        let xml = format!(
            "<iq from='r@m.test' type='result' id='q1'><fin xmlns='urn:xmpp:mam:2' {attributes}>{inside}</fin></iq>"
        );
        let Ok(Stanza::Iq(iq)) = decode(xml.as_bytes()) else { panic!("{xml}") };
        assert_eq!(iq.answer, IqAnswer::Fin(Fin { complete, last: last.map(str::to_owned) }));
    }
}
