//! The examples of RFC 7702 as they are printed, errors included, and what was decided about each error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests count as tests")]

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use jid::BareJid;
use mucfocus_core::address::name_addr::NameAddr;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::stanza::{Condition, ErrorKind, StanzaError};
use mucfocus_core::translate::{errors, phrases};
use mucfocus_core::wire::conference_info::{About, Document, Fragment, Inside, Part, State, User, full};
use mucfocus_core::wire::cpim::Cpim;
use mucfocus_core::wire::media_type::MediaType;
use mucfocus_core::wire::msrp::decode::{Decoder, Event};
use mucfocus_core::wire::msrp::encode::response;
use mucfocus_core::wire::msrp::frame::{Head, Method, Start};
use mucfocus_core::wire::sdp::{Conditions, Offer, RemoteAnswer, Setup};

const EXAMPLE_27: &str = include_str!("fixtures/rfc7702/example-27-invite-with-offer.sip");
const EXAMPLE_28: &str = include_str!("fixtures/rfc7702/example-28-ok-with-answer.sip");
const EXAMPLE_32: &str = include_str!("fixtures/rfc7702/example-32-participants.sip");
const EXAMPLE_33: &str = include_str!("fixtures/rfc7702/example-33-public-message.msrp");
const EXAMPLE_34: &str = include_str!("fixtures/rfc7702/example-34-groupchat.xml");
const EXAMPLE_35: &str = include_str!("fixtures/rfc7702/example-35-response.msrp");
const EXAMPLE_36: &str = include_str!("fixtures/rfc7702/example-36-private-message.msrp");
const EXAMPLE_38: &str = include_str!("fixtures/rfc7702/example-38-nickname.msrp");
const EXAMPLE_41: &str = include_str!("fixtures/rfc7702/example-41-conflict.msrp");

/// What follows the first blank line, with the line ends of the wire.
fn body(message: &str) -> String {
    message.split_once("\n\n").expect("a body").1.replace('\n', "\r\n")
}

/// The body of an MSRP message, without the end-line.
fn msrp_body(message: &str) -> Bytes {
    let body = body(message);
    Bytes::copy_from_slice(body.split_once("\r\n-------").expect("an end-line").0.as_bytes())
}

/// The head of an MSRP message.
fn msrp_head(message: &str) -> Head {
    let event = Decoder::new().decode(&mut BytesMut::from(message.replace('\n', "\r\n").as_bytes()));
    let Ok(Some(Event::Head(head))) = event else { panic!("{event:?}") };
    head
}

/// What we answer to a request that was sent to the first URI of its To-Path.
fn our_response(request: &Head, code: u16, comment: &str) -> String {
    let frame = response(request, request.to_path.endpoint(), code, comment).expect("a response");
    let octets: Vec<u8> = frame.chunks().flat_map(|part| part.to_vec()).collect();
    String::from_utf8(octets).expect("text").replace("\r\n", "\n")
}

/// The session id at the end of a path.
fn session_of(message: &str, path: &str) -> String {
    let uri = header(message, path);
    uri.rsplit('/').next().and_then(|end| end.split(';').next()).expect("a session id").into()
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("the header")
}

#[test]
fn the_offer_of_example_27_is_taken_though_half_of_its_lines_are_missing() {
    // GC-JOIN-01, E-04 (no v=, o=, s=, t=), E-15 (c= differs from the path: the path is followed)
    let offer = Offer::parse(body(EXAMPLE_27).as_bytes(), &Conditions::default()).unwrap();
    assert_eq!(offer.path().next_hop().to_string(), "msrp://chat.example.org:7313/ansp71weztas;tcp");
    assert!(offer.accepts_cpim());
    assert_eq!(offer.setup(), Setup::Active);
    assert_eq!(offer.chatroom().unwrap(), ["nickname", "private-messages"]);
    assert!(offer.wrapped().accepts(&MediaType::parse("text/html").unwrap()));
}

#[test]
fn the_answer_of_example_28_is_read_though_it_has_no_address() {
    let answer = RemoteAnswer::parse(body(EXAMPLE_28).as_bytes()).unwrap();
    assert_eq!(answer.path().endpoint().to_string(), "msrp://chat.example.org:8763/lkjh37s2s20w2a;tcp");
    assert_eq!(answer.setup(), Setup::Passive);
    assert!(answer.accepts_cpim());
}

#[test]
fn the_addresses_of_example_27_keep_what_follows_the_bracket_apart() {
    // E-01
    let from = NameAddr::parse(header(EXAMPLE_27, "From")).unwrap();
    assert_eq!((from.display_name.as_deref(), from.uri.as_str()), (Some("Romeo"), "sip:romeo@example.org"));
    let contact = NameAddr::parse(header(EXAMPLE_27, "Contact")).unwrap();
    assert_eq!(contact.uri, "sip:romeo@example.org");
    assert_eq!(contact.param("gr"), Some(Some("dr4hcr0st3lup4c")));
    let focus = NameAddr::parse(header(EXAMPLE_28, "Contact")).unwrap();
    assert_eq!(focus.param("isfocus"), Some(None));
}

#[test]
fn the_message_of_example_33_is_read_though_the_blank_line_before_content_type_is_missing() {
    // CPIM-02, CPIM-04, E-59
    let cpim = Cpim::parse(&msrp_body(EXAMPLE_33)).unwrap();
    assert_eq!(cpim.to.len(), 1);
    assert_eq!((cpim.to[0].uri.as_str(), cpim.to[0].trailing_gr.as_deref()), ("sip:capulet@rooms.example.com", None));
    let from = cpim.from.unwrap();
    assert_eq!(from.formal_name.as_deref(), Some("Romeo"));
    assert_eq!((from.uri.as_str(), from.trailing_gr.as_deref()), ("sip:romeo@example.org", Some("dr4hcr0st3lup4c")));
    assert_eq!(cpim.date_time.as_deref(), Some("2008-10-15T15:02:31-03:00"));
    assert!(cpim.content_type.is("text/plain"));
    // Example 34 is what becomes of it.
    let text = std::str::from_utf8(&cpim.content).unwrap();
    assert!(EXAMPLE_34.contains(&format!("<body>{text}</body>")));
}

#[test]
fn the_private_message_of_example_36_is_never_taken_for_a_public_one() {
    // E-03: within the brackets stands the URI of the room.
    let cpim = Cpim::parse(&msrp_body(EXAMPLE_36)).unwrap();
    assert_eq!(SipUri::parse(&cpim.to[0].uri).unwrap().to_string(), "sip:capulet@rooms.example.com");
    assert_eq!(cpim.to[0].trailing_gr.as_deref(), Some("JuliC"));
}

#[test]
fn the_response_of_example_35_is_what_we_write_but_for_hosts_and_the_transaction() {
    // MS-RSP-02, E-08 (hosts), E-11 (transaction)
    let request = msrp_head(EXAMPLE_33);
    let ours = our_response(&request, 200, "OK");
    assert!(ours.starts_with("MSRP a786hjs2 200 OK\nTo-Path: ") && ours.ends_with("\n-------a786hjs2$\n"), "{ours}");
    assert!(EXAMPLE_35.starts_with("MSRP d93kswow 200 OK\nTo-Path: "));
    for path in ["To-Path", "From-Path"] {
        assert_eq!(session_of(&ours, path), session_of(EXAMPLE_35, path), "{path}");
    }
    assert_eq!(ours.lines().count(), EXAMPLE_35.lines().count());
}

#[test]
fn the_nickname_of_example_38_is_read_though_its_end_has_no_flag() {
    // SW-22, SW-25, E-10
    let head = msrp_head(EXAMPLE_38);
    assert_eq!((head.start, head.use_nickname.as_deref()), (Start::Request(Method::Nickname), Some("\"montecchi\"")));
    assert_eq!(head.to_path.endpoint().to_string(), "msrp://chat.example.org:7313/ansp71weztas;tcp");
}

#[test]
fn the_refusal_of_example_41_is_what_we_write_but_for_the_phrase_the_flag_and_the_direction() {
    // GC-NICK-03, MS-RSP-02, E-10, E-37; the print does not turn the paths round.
    let conflict = StanzaError { condition: Condition::Conflict, kind: ErrorKind::Cancel, text: None, address: None };
    let code = errors::msrp_for_nickname(&conflict);
    let ours = our_response(&msrp_head(EXAMPLE_38), code, phrases::explain_nickname(Condition::Conflict));
    assert!(EXAMPLE_41.starts_with(&format!("MSRP a786hjs2 {code} Nickname usage failed\n")));
    assert!(ours.starts_with("MSRP a786hjs2 425 Nickname reserved or already in use\n"), "{ours}");
    assert_eq!(header(&ours, "To-Path"), header(EXAMPLE_41, "From-Path"));
    assert_eq!(header(&ours, "From-Path"), header(EXAMPLE_41, "To-Path"));
    assert!(ours.ends_with("\n-------a786hjs2$\n") && EXAMPLE_41.ends_with("\n-------a786hjs2\n"));
}

/// The texts that both example 32 and we give for each user, by entity and by the path of elements.
fn people(document: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let xml = roxmltree::Document::parse(document).unwrap();
    let named = |name: &'static str| move |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == name;
    let person = |user: roxmltree::Node<'_, '_>| {
        let mut facts = BTreeMap::new();
        let endpoint = user.children().find(named("endpoint")).unwrap();
        facts.insert("endpoint".to_string(), endpoint.attribute("entity").unwrap().to_string());
        for (place, path) in [(user, "display-text"), (user, "entry"), (endpoint, "status"), (endpoint, "type")] {
            // The status of the endpoint, not that of its media.
            let node = place.descendants().find(named(path)).unwrap();
            facts.insert(path.to_string(), node.text().unwrap().trim().to_string());
        }
        (user.attribute("entity").unwrap().to_string(), facts)
    };
    xml.descendants().filter(named("user")).map(person).collect()
}

#[test]
fn the_list_of_example_32_is_what_we_write_and_we_are_in_ours() {
    // GC-PRES-05, GC-PRES-10, CI-01, CI-11, E-20 (no namespace), E-22 (two addresses in one entry), E-26 (Romeo is missing)
    let (room, muc) = (SipUri::parse("sip:capulet@rooms.example.com").unwrap(), "capulet@muc.example.net");
    let user = |nickname| User {
        nickname,
        display_name: None,
        jid: None,
        part: Part::Participant,
        administrator: false,
        dialed_in: None,
    };
    let users = ["Ben", "JuliC", "Romeo"].map(|nickname| Fragment::of(&room, &user(nickname), None)).to_vec();
    let inside = Inside {
        about: About { subject: Some("Today in Verona"), ..About::default() },
        state: State { user_count: users.len(), active: true, locked: false },
        users,
    };
    let muc = BareJid::new(muc).unwrap();
    let ours = full(&Document { room: &room, muc: &muc, inside: Some(inside) }).document(0);
    let ours = std::str::from_utf8(&ours).unwrap();
    let printed = body(EXAMPLE_32);

    let mut ours_without_us = people(ours);
    assert!(ours_without_us.remove("sip:capulet@rooms.example.com;gr=Romeo").is_some());
    assert_eq!(ours_without_us, people(&printed));
    let (ours, printed) = (roxmltree::Document::parse(ours).unwrap(), roxmltree::Document::parse(&printed).unwrap());
    for attribute in ["entity", "version", "state"] {
        let of = |xml: &roxmltree::Document<'_>| xml.root_element().attribute(attribute).map(String::from);
        assert_eq!(of(&ours), of(&printed), "{attribute}");
    }
    let subject = |xml: &roxmltree::Document<'_>| {
        let node = xml.descendants().find(|node| node.tag_name().name() == "subject").unwrap();
        node.text().map(String::from)
    };
    assert_eq!(subject(&ours), subject(&printed));
    assert_eq!(ours.root_element().tag_name().namespace(), Some("urn:ietf:params:xml:ns:conference-info"));
    assert_eq!(printed.root_element().tag_name().namespace(), None);
}
