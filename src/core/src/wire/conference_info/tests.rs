use std::io::Write;
use std::process::{Command, Stdio};
use std::vec;

use proptest::prelude::*;

use super::*;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/conference-info.xsd");

/// What xmllint says against a document, by our own schema; nothing when it is valid.
fn objections(document: &[u8]) -> String {
    let mut xmllint = Command::new("xmllint")
        .args(["--noout", "--nonet", "--huge", "--schema", SCHEMA, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint is missing: install libxml2-utils, or run `make test`, which does");
    xmllint.stdin.take().unwrap().write_all(document).unwrap();
    let output = xmllint.wait_with_output().unwrap();
    if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() }
}

#[track_caller]
fn is_valid(document: &Bytes) {
    assert_eq!(objections(document), "", "{}", core::str::from_utf8(document).unwrap());
}

fn room() -> SipUri {
    SipUri::parse("sip:capulet@rooms.example.com").unwrap()
}

fn muc() -> BareJid {
    BareJid::new("capulet@muc.example.com").unwrap()
}

const fn named(nickname: &str) -> User<'_> {
    User { nickname, display_name: None, jid: None, part: Part::Participant, administrator: false, dialed_in: None }
}

const fn inside(users: Vec<User<'_>>) -> Inside<'_> {
    Inside {
        name: None,
        subject: None,
        description: None,
        logs: None,
        user_count: users.len(),
        active: true,
        locked: false,
        users,
    }
}

fn written(inside: Inside<'_>) -> String {
    let document = full(&Document { room: &room(), muc: &muc(), inside: Some(inside) }).document(7);
    is_valid(&document);
    String::from_utf8(document.to_vec()).unwrap()
}

#[test]
fn a_room_with_a_caller_and_a_moderator_reads_like_this() {
    // CI-01, 02, 04, 05, 08, 10, 11, 13 to 18, 25; GC-PRES-05 to 11
    let jid = Jid::new("juliet@example.com/balcony").unwrap();
    let juliet = User {
        display_name: Some("Juliet"),
        jid: Some(&jid),
        part: Part::Moderator,
        administrator: true,
        ..named("JuliC")
    };
    let romeo = User { dialed_in: Some(WallClock::from_unix_millis(1_795_253_400_123)), ..named("Romeo M") };
    let room = written(Inside {
        name: Some("Capulet's"),
        subject: Some("Balcony"),
        description: Some("Orchard"),
        logs: Some("https://logs.example.com/capulet?day=1"),
        locked: true,
        ..inside(vec![juliet, romeo])
    });
    let expected = "<?xml version='1.0' encoding='UTF-8'?>\
        <conference-info xmlns='urn:ietf:params:xml:ns:conference-info' \
        xmlns:xcon='urn:ietf:params:xml:ns:xcon-conference-info' entity='sip:capulet@rooms.example.com' \
        state='full' version='7'>\
        <conference-description><display-text>Capulet's</display-text><subject>Balcony</subject>\
        <free-text>Orchard</free-text>\
        <conf-uris><entry><uri>sip:capulet@rooms.example.com</uri><purpose>participation</purpose></entry>\
        <entry><uri>xmpp:capulet@muc.example.com?join</uri><purpose>participation</purpose></entry></conf-uris>\
        <service-uris><entry><uri>sip:capulet@rooms.example.com</uri><purpose>event</purpose></entry>\
        <entry><uri>https://logs.example.com/capulet?day=1</uri><purpose>recording</purpose></entry></service-uris>\
        <available-media><entry label='message'><type>message</type><status>sendrecv</status></entry>\
        </available-media></conference-description>\
        <conference-state><user-count>2</user-count><active>true</active><locked>true</locked></conference-state>\
        <users><user entity='sip:capulet@rooms.example.com;gr=JuliC' xcon:nickname='JuliC'>\
        <display-text>Juliet</display-text>\
        <associated-aors><entry><uri>xmpp:juliet@example.com/balcony</uri></entry></associated-aors>\
        <roles><entry>moderator</entry><entry>administrator</entry></roles>\
        <endpoint entity='sip:capulet@rooms.example.com;gr=JuliC'><status>connected</status>\
        <media id='1'><type>message</type><label>message</label><status>sendrecv</status></media></endpoint></user>\
        <user entity='sip:capulet@rooms.example.com;gr=Romeo%20M' xcon:nickname='Romeo M'>\
        <display-text>Romeo M</display-text><roles><entry>participant</entry></roles>\
        <endpoint entity='sip:capulet@rooms.example.com;gr=Romeo%20M'><status>connected</status>\
        <joining-method>dialed-in</joining-method><joining-info><when>2026-11-21T09:30:00.123Z</when></joining-info>\
        <media id='1'><type>message</type><label>message</label><status>sendrecv</status></media></endpoint></user>\
        </users></conference-info>";
    assert_eq!(room, expected);
}

#[test]
fn who_may_not_look_inside_is_told_where_the_room_is_and_nothing_else() {
    // EV-17, GC-PRES-04
    let document = full(&Document { room: &room(), muc: &muc(), inside: None }).document(1);
    is_valid(&document);
    let expected = "<?xml version='1.0' encoding='UTF-8'?>\
        <conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:capulet@rooms.example.com' \
        state='full' version='1'><conference-description>\
        <conf-uris><entry><uri>sip:capulet@rooms.example.com</uri><purpose>participation</purpose></entry>\
        <entry><uri>xmpp:capulet@muc.example.com?join</uri><purpose>participation</purpose></entry></conf-uris>\
        </conference-description><users></users></conference-info>";
    assert_eq!(document, expected.as_bytes());
}

#[test]
fn a_visitor_listens() {
    // CI-17, GC-PRES-09
    let room = written(inside(vec![User { part: Part::Observer, ..named("Rosaline") }]));
    assert!(room.contains("<entry>observer</entry>") && room.contains("<status>recvonly</status></media>"));
}

#[test]
fn an_empty_subject_is_not_an_absent_one_and_an_unreachable_room_is_not_active() {
    // GC-PRES-06, CI-04, CI-15
    let room = written(Inside { subject: Some(""), active: false, ..inside(vec![]) });
    assert!(room.contains("<subject></subject>") && room.contains("<active>false</active>"));
    assert!(!written(inside(vec![])).contains("subject"));
}

#[test]
fn names_are_escaped_and_what_xml_cannot_carry_is_dropped() {
    // CI-26
    let user = User { display_name: Some("<&\">\0'\u{1}"), ..named("<&\">'[]\t") };
    let room = written(Inside { subject: Some("a\u{8}]]>\u{ffff}b"), ..inside(vec![user]) });
    assert!(room.contains("<subject>a]]&gt;b</subject>"), "{room}");
    assert!(room.contains("<display-text>&lt;&amp;\"&gt;'</display-text>"), "{room}");
    assert!(room.contains("xcon:nickname='&lt;&amp;\"&gt;&apos;[]&#9;'"), "{room}");
    // Brackets are right in a SIP URI but not in xs:anyURI; `&` and `'` are right in both.
    assert!(room.contains("entity='sip:capulet@rooms.example.com;gr=%3C&amp;%22%3E&apos;%5B%5D%09'"), "{room}");
}

#[test]
fn addresses_of_xmpp_are_escaped() {
    let jid = Jid::new("tybalt\\20\u{fc}@example.com/a b/<?").unwrap();
    let room = written(inside(vec![User { jid: Some(&jid), ..named("Tybalt") }]));
    assert!(room.contains("<uri>xmpp:tybalt%5C20%C3%BC@example.com/a%20b%2F%3C%3F</uri>"), "{room}");
}

#[test]
fn a_log_is_an_address_of_the_web_or_left_out() {
    // CI-14
    for (logs, uri) in [
        ("http://h:80/a b?c#d", Some("http://h:80/a%20b?c#d")),
        ("https://example.com", Some("https://example.com")),
        ("https://example.com/%C3%BC\u{fc}<", Some("https://example.com/%C3%BC%C3%BC%3C")),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://u@h/", None),
        ("https://h:+1/", None),
        ("https://h:99999/", None),
        ("https://h/%zz", None),
        ("https://h/#a#b", None),
        ("logs", None),
        ("", None),
    ] {
        let room = written(Inside { logs: Some(logs), ..inside(vec![]) });
        let expected = uri.map(|uri| format!("<entry><uri>{uri}</uri><purpose>recording</purpose></entry>"));
        assert_eq!(room.contains("recording"), uri.is_some(), "{logs}");
        assert!(expected.is_none_or(|expected| room.contains(&expected)), "{logs}: {room}");
    }
}

#[test]
fn a_very_large_room_lists_some_and_counts_all() {
    let nicknames: Vec<String> = (0..5000).map(|i| format!("{i}")).collect();
    let room = written(inside(nicknames.iter().map(|n| named(n)).collect()));
    assert_eq!(room.matches("<user ").count(), MAX_USERS);
    assert!(room.contains("<user-count>5000</user-count>"));

    let long: Vec<String> = (0..2000).map(|i| format!("{i}{}", "\u{1f339}".repeat(250))).collect();
    let room = written(inside(long.iter().map(|n| named(n)).collect()));
    assert!(room.len() < MAX_OCTETS + 32 * 1024 && room.contains("<user-count>2000</user-count>"));
}

#[test]
fn our_schema_is_strict() {
    // CI-01, CI-02, CI-10: a check that finds nothing wrong would be none
    let right = written(inside(vec![named("a"), named("b")]));
    for (from, to) in [
        (" xmlns='urn:ietf:params:xml:ns:conference-info'", ""),
        (";gr=b' xcon", ";gr=a' xcon"),
        ("<status>connected</status>", ""),
        ("version='7'", "version='0'"),
        ("<users>", "<users><sidebar/>"),
        ("<roles><entry>participant</entry></roles>", ""),
        ("id='1'", "id='2'"),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert_eq!(objections(wrong.as_bytes()).is_empty(), wrong == right, "{from}: {wrong}");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&\"'\\[\\]%;?#/ a-z]{0,40}",
        "[\u{5d0}-\u{5ea}\u{202e}\u{1f339}\u{200d}\u{fe0f}]{0,20}",
        Just("\u{1f339}".repeat(255) + "abc"),
        Just("&".repeat(1023)),
    ]
}

prop_compose! {
    fn person()(
        nickname in text().prop_filter("not empty", |n| n.chars().any(xml::is_xml_char)),
        display_name in proptest::option::of(text()),
        resource in proptest::option::of("[ -~]{1,20}"),
        part in prop_oneof![Just(Part::Moderator), Just(Part::Participant), Just(Part::Observer)],
        administrator: bool,
        since in proptest::option::of(0..4_102_444_800_000u64),
    ) -> (String, Option<String>, Option<Jid>, Part, bool, Option<WallClock>) {
        let jid = resource.and_then(|resource| Jid::new(&format!("r@xn--bcher-kva.example/{resource}")).ok());
        (nickname, display_name, jid, part, administrator, since.map(WallClock::from_unix_millis))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// CI-02, CI-10, CI-26
    #[test]
    fn every_document_is_valid(
        people in proptest::collection::btree_map(text(), person(), 0..12),
        about in proptest::collection::vec(proptest::option::of(text()), 4),
        (active, locked) in any::<(bool, bool)>(),
        version in 1..u32::MAX,
    ) {
        let mut users: Vec<User<'_>> = Vec::new();
        for (nickname, display_name, jid, part, administrator, dialed_in) in people.values() {
            if users.iter().all(|user| user.nickname != nickname) {
                let (display_name, jid) = (display_name.as_deref(), jid.as_ref());
                let (part, administrator, dialed_in) = (*part, *administrator, *dialed_in);
                users.push(User { nickname, display_name, jid, part, administrator, dialed_in });
            }
        }
        let entities: Vec<String> = users.iter().map(|user| room().with_gr(user.nickname).to_string()).collect();
        let document = full(&Document {
            room: &room(),
            muc: &muc(),
            inside: Some(Inside {
                name: about[0].as_deref(),
                subject: about[1].as_deref(),
                description: about[2].as_deref(),
                logs: about[3].as_deref(),
                active,
                locked,
                ..inside(users)
            }),
        })
        .document(version);
        let objections = objections(&document);
        prop_assert!(objections.is_empty(), "{}", objections);
        let read = roxmltree::Document::parse(core::str::from_utf8(&document).unwrap()).unwrap();
        let listed: Vec<_> =
            read.descendants().filter(|n| n.has_tag_name("user")).filter_map(|n| n.attribute("entity")).collect();
        prop_assert_eq!(listed, entities);
    }
}
