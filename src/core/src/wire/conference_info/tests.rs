use std::io::Write;
use std::process::{Command, Stdio};
use std::vec;

use proptest::prelude::*;

use jid::Jid;

use super::*;
use crate::time::WallClock;

#[path = "../../../tests/room/document.rs"]
#[allow(unreachable_pub, reason = "it is shared with tests for which it is public")]
pub(crate) mod document;

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

fn inside<'a>(users: &[User<'_>]) -> Inside<'a> {
    Inside {
        about: About::default(),
        state: State { user_count: users.len(), active: true, locked: false },
        users: users.iter().map(fragment).collect(),
    }
}

fn fragment(user: &User<'_>) -> Fragment {
    Fragment::of(&room(), user, None)
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
    let romeo =
        User { dialed_in: Some(Joined::DialedIn(WallClock::from_unix_millis(1_795_253_400_123))), ..named("Romeo M") };
    let about = About {
        name: Some("Capulet's"),
        subject: Some("Balcony"),
        description: Some("Orchard"),
        logs: Some("https://logs.example.com/capulet?day=1"),
    };
    let state = State { user_count: 2, active: true, locked: true };
    let room = written(Inside { about, state, ..inside(&[juliet, romeo]) });
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
fn who_was_called_is_shown_as_that_and_who_had_it_done() {
    // CI-18, CI-20
    let since = WallClock::from_unix_millis(1_795_253_400_123);
    for (by, referred, info) in [
        (None, "", ""),
        (
            Some("Romeo M"),
            "<referred><when>2026-11-21T09:30:00.123Z</when><by>sip:capulet@rooms.example.com;gr=Romeo%20M</by></referred>",
            "<by>sip:capulet@rooms.example.com;gr=Romeo%20M</by>",
        ),
    ] {
        let tybalt = User { dialed_in: Some(Joined::DialedOut { since, by }), ..named("Tybalt") };
        let written = fragment(&tybalt);
        let joining = format!(
            "{referred}<status>connected</status><joining-method>dialed-out</joining-method>\
             <joining-info><when>2026-11-21T09:30:00.123Z</when>{info}</joining-info><media"
        );
        assert!(written.as_str().contains(&joining), "{}", written.as_str());
    }
}

#[test]
fn a_visitor_listens() {
    // CI-17, GC-PRES-09, FT-09
    let room = written(inside(&[User { part: Part::Observer, ..named("Rosaline") }]));
    assert!(room.contains("<entry>observer</entry>") && room.contains("<status>recvonly</status></media>"));
    assert!(room.contains("<status>muted-via-focus</status>") && !room.contains("<status>connected</status>"));
}

#[test]
fn an_empty_subject_is_not_an_absent_one_and_an_unreachable_room_is_not_active() {
    // GC-PRES-06, CI-04, CI-15
    let room = written(Inside {
        about: About { subject: Some(""), ..About::default() },
        state: State { user_count: 0, active: false, locked: false },
        ..inside(&[])
    });
    assert!(room.contains("<subject></subject>") && room.contains("<active>false</active>"));
    assert!(!written(inside(&[])).contains("subject"));
}

#[test]
fn names_are_escaped_and_what_xml_cannot_carry_is_dropped() {
    // CI-26
    let user = User { display_name: Some("<&\">\0'\u{1}"), ..named("<&\">'[]\t") };
    let room =
        written(Inside { about: About { subject: Some("a\u{8}]]>\u{ffff}b"), ..About::default() }, ..inside(&[user]) });
    assert!(room.contains("<subject>a]]&gt;b</subject>"), "{room}");
    assert!(room.contains("<display-text>&lt;&amp;\"&gt;'</display-text>"), "{room}");
    assert!(room.contains("xcon:nickname='&lt;&amp;\"&gt;&apos;[]&#9;'"), "{room}");
    // Brackets are right in a SIP URI but not in xs:anyURI; `&` and `'` are right in both.
    assert!(room.contains("entity='sip:capulet@rooms.example.com;gr=%3C&amp;%22%3E&apos;%5B%5D%09'"), "{room}");
}

#[test]
fn addresses_of_xmpp_are_escaped() {
    let jid = Jid::new("tybalt\\20\u{fc}@example.com/a b/<?").unwrap();
    let room = written(inside(&[User { jid: Some(&jid), ..named("Tybalt") }]));
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
        let room = written(Inside { about: About { logs: Some(logs), ..About::default() }, ..inside(&[]) });
        let expected = uri.map(|uri| format!("<entry><uri>{uri}</uri><purpose>recording</purpose></entry>"));
        assert_eq!(room.contains("recording"), uri.is_some(), "{logs}");
        assert!(expected.is_none_or(|expected| room.contains(&expected)), "{logs}: {room}");
    }
}

#[test]
fn no_document_grows_without_end() {
    let long: Vec<String> = (0..2000).map(|i| format!("{i}{}", "\u{1f339}".repeat(250))).collect();
    let room = written(inside(&long.iter().map(|n| named(n)).collect::<Vec<_>>()));
    assert!(room.len() < MAX_OCTETS + 32 * 1024 && room.contains("<user-count>2000</user-count>"));
}

#[test]
fn a_change_is_told_in_parts() {
    // CI-06, CI-19, GC-PRES-12, GC-PRES-13, GC-PRES-14, GC-PRES-15
    let gone = Disconnection {
        method: Method::Booted,
        when: WallClock::from_unix_millis(1_795_253_400_123),
        cause: Some(403),
        reason: Some("removed by Capulet: \"No\\\u{7}\""),
        by: Some("Capulet"),
    };
    let juliet =
        User { dialed_in: Some(Joined::DialedIn(WallClock::from_unix_millis(1_795_253_300_000))), ..named("JuliC") };
    let users = vec![
        Entry::Deleted("Nurse & Co"),
        Entry::Full(Fragment::of(&room(), &juliet, Some(&gone))),
        Entry::Full(fragment(&named("Romeo"))),
    ];
    let state = Some(State { user_count: 2, active: true, locked: false });
    let expected = "<?xml version='1.0' encoding='UTF-8'?>\
        <conference-info xmlns='urn:ietf:params:xml:ns:conference-info' \
        xmlns:xcon='urn:ietf:params:xml:ns:xcon-conference-info' entity='sip:capulet@rooms.example.com' \
        state='partial' version='8'>\
        <conference-state><user-count>2</user-count><active>true</active><locked>false</locked></conference-state>\
        <users state='partial'>\
        <user entity='sip:capulet@rooms.example.com;gr=Nurse%20&amp;%20Co' state='deleted'/>\
        <user entity='sip:capulet@rooms.example.com;gr=JuliC' xcon:nickname='JuliC'>\
        <display-text>JuliC</display-text><roles><entry>participant</entry></roles>\
        <endpoint entity='sip:capulet@rooms.example.com;gr=JuliC'><status>disconnected</status>\
        <joining-method>dialed-in</joining-method><joining-info><when>2026-11-21T09:28:20.000Z</when></joining-info>\
        <disconnection-method>booted</disconnection-method><disconnection-info><when>2026-11-21T09:30:00.123Z</when>\
        <reason>Reason: SIP;cause=403;text=\"removed by Capulet: \\\"No\\\\ \\\"\"</reason>\
        <by>sip:capulet@rooms.example.com;gr=Capulet</by></disconnection-info></endpoint></user>\
        <user entity='sip:capulet@rooms.example.com;gr=Romeo' xcon:nickname='Romeo'>\
        <display-text>Romeo</display-text><roles><entry>participant</entry></roles>\
        <endpoint entity='sip:capulet@rooms.example.com;gr=Romeo'><status>connected</status>\
        <media id='1'><type>message</type><label>message</label><status>sendrecv</status></media></endpoint></user>\
        </users></conference-info>";
    assert_eq!(changed(None, state, users), expected);
}

#[test]
fn what_the_room_says_of_itself_is_never_told_in_parts() {
    // CI-06: a new subject brings all the rest with it, and nobody.
    let about = About { name: Some("Capulet's"), subject: Some("Orchard"), ..About::default() };
    let update = changed(Some(about), None, Vec::new());
    assert!(update.contains("<display-text>Capulet's</display-text><subject>Orchard</subject><conf-uris>"), "{update}");
    assert!(
        !update.contains("<users") && !update.contains("<conference-state") && !update.contains("xcon"),
        "{update}"
    );
}

#[test]
fn of_a_room_that_is_no_more_nothing_is_left_but_its_name() {
    // CI-05, CI-22
    let document = deleted(&room()).document(9);
    is_valid(&document);
    let expected = "<?xml version='1.0' encoding='UTF-8'?>\
        <conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:capulet@rooms.example.com' \
        state='deleted' version='9'/>";
    assert_eq!(document, expected.as_bytes());
}

fn changed(about: Option<About<'_>>, state: Option<State>, users: Vec<Entry<'_>>) -> String {
    let document = partial(&Update { room: &room(), muc: &muc(), about, state, users }).document(8);
    is_valid(&document);
    String::from_utf8(document.to_vec()).unwrap()
}

#[test]
fn our_schema_is_strict() {
    // CI-01, CI-02, CI-10: a check that finds nothing wrong would be none
    let right = written(inside(&[named("a"), named("b")]));
    for (from, to) in [
        (" xmlns='urn:ietf:params:xml:ns:conference-info'", ""),
        (";gr=b' xcon", ";gr=a' xcon"),
        ("<status>connected</status>", ""),
        ("<status>connected</status>", "<status>on-hold</status>"),
        ("version='7'", "version='0'"),
        ("state='full'", "state='half'"),
        ("<users>", "<users><sidebar/>"),
        ("<users>", "<users state='deleted'>"),
        ("<roles><entry>participant</entry></roles>", ""),
        ("id='1'", "id='2'"),
        ("</media>", "</media><call-info/>"),
        ("<media", "<disconnection-method>busy</disconnection-method><disconnection-info/><media"),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert!(right.contains(from) && wrong != right);
        assert_ne!(objections(wrong.as_bytes()), "", "{from}: {wrong}");
        assert_ne!(document::objections(&wrong), Vec::<String>::new(), "{from}: {wrong}");
    }
}

#[test]
fn what_a_schema_cannot_say_our_subscriber_objects_to() {
    // CI-04, CI-05, CI-06, CI-21
    let (whole, part) = (written(inside(&[named("a")])), changed(None, None, vec![Entry::Deleted("a")]));
    for (right, from, to) in [
        (&whole, "state='full'", "state='deleted'"),
        (&whole, "<users>", "<users state='partial'>"),
        (&whole, " xcon:nickname='a'", " xcon:nickname='a' state='deleted'"),
        (&whole, "<conference-state>", "<conference-state state='partial'>"),
        (&part, "<users state='partial'>", "<users>"),
        (&part, "<user entity='sip:capulet@rooms.example.com;gr=a' state='deleted'/>", ""),
        (&part, " state='deleted'", ""),
    ] {
        assert_eq!(document::objections(right), Vec::<String>::new());
        let wrong = right.replacen(from, to, 1);
        assert!(wrong != *right);
        assert_ne!(document::objections(&wrong), Vec::<String>::new(), "{wrong}");
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
        (active, locked, is_whole, has_about, has_state) in any::<(bool, bool, bool, bool, bool)>(),
        (method, cause, words) in (0..3usize, proptest::option::of(300..700u16), proptest::option::of(text())),
        version in 1..u32::MAX,
    ) {
        let mut users: Vec<User<'_>> = Vec::new();
        for (nickname, display_name, jid, part, administrator, dialed_in) in people.values() {
            if users.iter().all(|user| user.nickname != nickname) {
                let (display_name, jid) = (display_name.as_deref(), jid.as_ref());
                let (part, administrator) = (*part, *administrator);
                let by = users.last().map(|user| user.nickname);
                let dialed_in = dialed_in.map(|since| match part {
                    Part::Moderator => Joined::DialedIn(since),
                    Part::Participant | Part::Observer => Joined::DialedOut { since, by },
                });
                users.push(User { nickname, display_name, jid, part, administrator, dialed_in });
            }
        }
        let entities: Vec<String> = users.iter().map(|user| room().with_gr(user.nickname).to_string()).collect();
        let says = About {
            name: about[0].as_deref(),
            subject: about[1].as_deref(),
            description: about[2].as_deref(),
            logs: about[3].as_deref(),
        };
        let state = State { user_count: users.len(), active, locked };
        let (room, muc) = (room(), muc());
        let document = if is_whole || users.is_empty() {
            let users = users.iter().map(fragment).collect();
            full(&Document { room: &room, muc: &muc, inside: Some(Inside { about: says, state, users }) })
        } else {
            let gone = Disconnection {
                method: [Method::Departed, Method::Booted, Method::Failed][method],
                when: WallClock::from_unix_millis(0),
                cause,
                reason: words.as_deref(),
                by: users.last().map(|user| user.nickname),
            };
            let entries = users.iter().enumerate().map(|(n, user)| match n % 3 {
                0 => Entry::Deleted(user.nickname),
                1 => Entry::Full(fragment(user)),
                _ => Entry::Full(Fragment::of(&room, user, Some(&gone))),
            });
            let (about, state) = (has_about.then_some(says), has_state.then_some(state));
            partial(&Update { room: &room, muc: &muc, about, state, users: entries.collect() })
        }
        .document(version);
        let objections = objections(&document);
        prop_assert!(objections.is_empty(), "{}", objections);
        let text = core::str::from_utf8(&document).unwrap();
        prop_assert_eq!(document::objections(text), Vec::<String>::new());
        let read = roxmltree::Document::parse(text).unwrap();
        let listed: Vec<_> =
            read.descendants().filter(|n| n.has_tag_name("user")).filter_map(|n| n.attribute("entity")).collect();
        prop_assert_eq!(listed, entities);
    }
}
