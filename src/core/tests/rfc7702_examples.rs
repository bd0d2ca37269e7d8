//! The examples of RFC 7702 as they are printed, errors included, and what was decided about each error.

#![allow(clippy::expect_used, reason = "helpers of tests count as tests")]

use bytes::Bytes;
use mucfocus_core::address::name_addr::NameAddr;
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::wire::cpim::Cpim;
use mucfocus_core::wire::media_type::MediaType;
use mucfocus_core::wire::sdp::{Offer, RemoteAnswer, Setup};

const EXAMPLE_27: &str = include_str!("fixtures/rfc7702/example-27-invite-with-offer.sip");
const EXAMPLE_28: &str = include_str!("fixtures/rfc7702/example-28-ok-with-answer.sip");
const EXAMPLE_33: &str = include_str!("fixtures/rfc7702/example-33-public-message.msrp");
const EXAMPLE_34: &str = include_str!("fixtures/rfc7702/example-34-groupchat.xml");
const EXAMPLE_36: &str = include_str!("fixtures/rfc7702/example-36-private-message.msrp");

/// What follows the first blank line, with the line ends of the wire.
fn body(message: &str) -> String {
    message.split_once("\n\n").expect("a body").1.replace('\n', "\r\n")
}

/// The body of an MSRP message, without the end-line.
fn msrp_body(message: &str) -> Bytes {
    let body = body(message);
    Bytes::copy_from_slice(body.split_once("\r\n-------").expect("an end-line").0.as_bytes())
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).expect("the header")
}

#[test]
fn the_offer_of_example_27_is_taken_though_half_of_its_lines_are_missing() {
    // GC-JOIN-01, E-04 (no v=, o=, s=, t=), E-15 (c= differs from the path: the path is followed)
    let offer = Offer::parse(body(EXAMPLE_27).as_bytes()).unwrap();
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
