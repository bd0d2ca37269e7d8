use proptest::prelude::*;
use std::format;
use std::string::ToString;
use std::vec;

use super::*;
use crate::wire::media_type::MediaType;
use crate::wire::msrp::uri::MsrpUri;
use bytes::Bytes;

const OFFER: &str = "v=0\r\no=romeo 2890844526 7 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\n\
    m=message 7313 TCP/MSRP *\r\nc=IN IP4 192.0.2.7\r\n\
    a=path:msrp://192.0.2.7:7313/ansp71weztas;tcp\r\n\
    a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:actpass\r\na=chatroom:nickname private-messages\r\na=max-size:4096\r\n";

fn read(sdp: &str) -> Offer {
    Offer::parse(sdp.as_bytes(), &Conditions::default()).unwrap_or_else(|error| panic!("{sdp}: {error}"))
}

fn ours() -> MsrpUri {
    MsrpUri::parse("msrp://focus1.example.com:2855/abcdefghijklmnopqrstuvwxyz;tcp").unwrap()
}

fn answer_to(offer: &Offer, chatroom: &[&str]) -> alloc::string::String {
    let path = ours();
    let ours = Answer {
        path: &path,
        host: path.host(),
        active: false,
        session: 42,
        version: 0,
        max_size: Some(65_536),
        chatroom,
        wrapped: "text/plain",
        certificate: None,
    };
    core::str::from_utf8(&offer.answer(&ours)).unwrap().into()
}

#[test]
fn an_offer_is_read() {
    // GC-JOIN-01, MS-SDP-01
    let offer = read(OFFER);
    assert_eq!(offer.path().endpoint().to_string(), "msrp://192.0.2.7:7313/ansp71weztas;tcp");
    assert_eq!((offer.setup(), offer.direction(), offer.max_size()), (Setup::Actpass, Direction::SendRecv, Some(4096)));
    assert_eq!(offer.chatroom().unwrap(), ["nickname", "private-messages"]);
    assert!(offer.wrapped().accepts(&MediaType::text_plain()));
    assert!(read(&OFFER.replace(":nickname private-messages", "")).chatroom().unwrap().is_empty());
    assert_eq!(read(&OFFER.replace("a=chatroom:nickname private-messages\r\n", "")).chatroom(), None, "GC-JOIN-03");
    assert_eq!(read(&OFFER.replace(":4096", ":many")).max_size(), None);
}

#[test]
fn the_answer_is_complete_and_in_order() {
    // GC-JOIN-07, 08; MS-SDP-01, 09; ACM-01, 06
    let offer = read(&(OFFER.to_string() + "a=connection:existing\r\n"));
    let expected = "v=0\r\no=- 42 0 IN IP4 focus1.example.com\r\ns=-\r\nc=IN IP4 focus1.example.com\r\nt=0 0\r\n\
        m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
        a=chatroom\r\na=setup:passive\r\n\
        a=path:msrp://focus1.example.com:2855/abcdefghijklmnopqrstuvwxyz;tcp\r\na=max-size:65536\r\n";
    assert_eq!(answer_to(&offer, &[]), expected);
    assert!(answer_to(&offer, &["nickname", "private-messages"]).contains("a=chatroom:nickname private-messages\r\n"));
    let six = MsrpUri::parse("msrp://[2001:db8::1]:2855/abcdefghijklmnopqrst;tcp").unwrap();
    let answer = offer.answer(&Answer {
        path: &six,
        host: six.host(),
        active: true,
        session: 1,
        version: 0,
        max_size: None,
        chatroom: &[],
        wrapped: "*",
        certificate: None,
    });
    let answer = core::str::from_utf8(&answer).unwrap();
    assert!(answer.contains("c=IN IP6 2001:db8::1\r\n") && answer.contains("a=setup:active\r\n"), "{answer}");
}

#[test]
fn streams_that_we_do_not_take_are_refused_one_by_one() {
    // MS-SDP-07
    let more = OFFER.replace("m=message", "m=audio 49170 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\nm=message")
        + "m=message 7314 TCP/MSRP *\r\na=path:msrp://192.0.2.7:7314/b;tcp\r\na=accept-types:*\r\nm=x-new 9 UDP/NEW a b\r\n";
    let answer = answer_to(&read(&more), &[]);
    let media: vec::Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        ["m=audio 0 RTP/AVP 0 8", "m=message 2855 TCP/MSRP *", "m=message 0 TCP/MSRP *", "m=x-new 0 UDP/NEW a b"]
    );
    assert_eq!(answer.matches("a=path:").count(), 1);
}

#[test]
fn the_first_stream_that_can_be_taken_is_taken() {
    let off = OFFER.replace(
        "m=message",
        "m=message 0 TCP/MSRP *\r\nm=message 7000 TCP/TLS/MSRP *\r\na=path:msrps://h:1/a;tcp\r\nm=message",
    );
    assert_eq!(read(&off).path().endpoint().port(), Some(7313));
}

#[test]
fn lines_that_examples_forget_may_be_missing() {
    // E-04, E-15, MS-SDP-09
    let lines: vec::Vec<_> = OFFER.split_inclusive("\r\n").collect();
    for missing in 0..4 {
        let sdp: alloc::string::String =
            lines.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, line)| *line).collect();
        read(&sdp);
    }
    read(&OFFER.replace("c=IN IP4 192.0.2.7\r\n", ""));
    read(&OFFER.replace("v=0\r\n", "v=0\r\nc=IN IP4 elsewhere.example.com\r\n").replace("\r\n", "\n"));
    let only_media: alloc::string::String = lines[4..].concat();
    assert!(answer_to(&read(&only_media), &[]).starts_with("v=0\r\no=- 42 0"));
}

#[test]
fn setup_is_read_and_what_is_unknown_is_ignored() {
    // ACM-02, ACM-04
    for (line, setup) in [
        ("a=setup:active\r\n", Setup::Active),
        ("a=setup:PASSIVE\r\n", Setup::Passive),
        ("a=setup:actpass\r\n", Setup::Actpass),
        ("a=setup:holdconn\r\n", Setup::Active),
        ("a=setup:sideways\r\n", Setup::Active),
        ("", Setup::Active),
    ] {
        let offer = read(&OFFER.replace("a=setup:actpass\r\n", line));
        assert_eq!(offer.setup(), setup, "{line}");
        assert!(!answer_to(&offer, &[]).contains("holdconn"));
    }
}

#[test]
fn a_path_through_relays_starts_with_the_relay() {
    // MS-SDP-02
    let path = "msrp://relay.example.org:9000/r1;tcp msrp://192.0.2.7:7313/ansp71weztas;tcp";
    let offer = read(&OFFER.replace("msrp://192.0.2.7:7313/ansp71weztas;tcp", path));
    assert_eq!(offer.path().next_hop().host(), "relay.example.org");
    assert_eq!(offer.path().endpoint().host(), "192.0.2.7");
}

#[test]
fn every_offer_that_cannot_be_answered_says_why() {
    let path = "a=path:msrp://192.0.2.7:7313/ansp71weztas;tcp";
    for (sdp, error) in [
        (OFFER.replace("a=path:msrp://192.0.2.7:7313/ansp71weztas;tcp\r\n", ""), OfferError::NoPath),
        (OFFER.replace(path, "a=path:http://192.0.2.7:7313/x"), OfferError::BadPath),
        (OFFER.replace(path, "a=path:"), OfferError::BadPath),
        (OFFER.replace(path, "a=path:msrp://192.0.2.7/ansp71weztas;tcp"), OfferError::BadPath),
        (OFFER.replace(path, "a=path:msrp://192.0.2.7:7313;tcp"), OfferError::BadPath),
        (OFFER.replace(path, &format!("a=path:{}", "msrp://h:1/a;tcp ".repeat(9))), OfferError::BadPath),
        (OFFER.replace("a=path:msrp:", "a=path:msrps:"), OfferError::SchemeMismatch),
        (OFFER.replace("TCP/MSRP", "TCP/TLS/MSRP"), OfferError::SchemeMismatch),
        (OFFER.replace("TCP/MSRP", "TCP/TLS/MSRP").replace("msrp:", "msrps:"), OfferError::NotAvailable(Carrier::Tls)),
        (OFFER.replace(";tcp", ";ws"), OfferError::NotAvailable(Carrier::Ws)),
        (OFFER.replace(";tcp", ";sctp"), OfferError::UnknownTransport),
        (OFFER.replace("actpass", "passive").replace(":7313/", ":9/"), OfferError::PassiveWithoutPort),
        (OFFER.replace("actpass", "passive").replace("//192.0.2.7", "//0.0.0.0"), OfferError::PassiveWithoutPort),
        (OFFER.replace("message/cpim ", ""), OfferError::NoCpim),
        (OFFER.replace("a=accept-types:message/cpim text/plain\r\n", ""), OfferError::NoCpim),
        (OFFER.replace("m=message 7313 TCP/MSRP *", "m=message 0 TCP/MSRP *"), OfferError::NoMsrp),
        (OFFER.replace("m=message 7313 TCP/MSRP *", "m=audio 7313 RTP/AVP 0"), OfferError::NoMsrp),
        ("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n".into(), OfferError::NoMsrp),
    ] {
        assert_eq!(Offer::parse(sdp.as_bytes(), &Conditions::default()), Err(error), "{sdp}");
    }
    for junk in ["", "junk", "v=1\r\n", "v=0\r\nm=message 99999 TCP/MSRP *\r\n", "v=0\r\ns=\u{0}\r\n"] {
        assert!(
            matches!(
                Offer::parse(junk.as_bytes(), &Conditions::default()),
                Err(OfferError::NotSdp(_) | OfferError::NoMsrp)
            ),
            "{junk:?}"
        );
    }
    let long = OFFER.to_string() + &"a=x\r\n".repeat(MAX_LEN / 5);
    assert!(matches!(Offer::parse(long.as_bytes(), &Conditions::default()), Err(OfferError::NotSdp(_))));
}

#[test]
fn a_new_offer_that_changes_nothing_is_recognised() {
    // MS-SDP-04
    let before = read(OFFER);
    assert!(read(OFFER).is_same_as(&before));
    assert!(read(&OFFER.replace("526 7 ", "526 8 ")).is_same_as(&before), "only the version counts on");
    assert!(read(&OFFER.replace("526 7 ", "526 8 ").replace("actpass", "active")).is_same_as(&before));
    for (what, with) in [
        ("7313/ansp", "7314/ansp"),
        ("a=max-size:4096", "a=sendonly"),
        ("text/plain\r\na=setup", "text/html\r\na=setup"),
        (":nickname private-messages", ""),
    ] {
        let changed = read(&OFFER.replace("526 7 ", "526 8 ").replace(what, with));
        assert!(!changed.is_same_as(&before), "{what}");
        assert!(!before.is_same_as(&changed), "{what}");
    }
    assert!(!read(&(OFFER.replace("526 7 ", "526 8 ") + "m=audio 9 RTP/AVP 0\r\n")).is_same_as(&before));
    let moved = read(&OFFER.replace("7313/ansp", "7314/ansp"));
    assert!(!moved.is_same_as(&before), "a client that counts versions in seconds moved its path within one");
}

#[test]
fn the_direction_is_mirrored() {
    // MS-SDP-06, RFC 3264 §6.1
    for (offered, answered) in
        [("recvonly", "a=sendonly\r\n"), ("sendonly", "a=recvonly\r\n"), ("inactive", "a=inactive\r\n")]
    {
        assert!(answer_to(&read(&OFFER.replace("max-size:4096", offered)), &[]).ends_with(answered), "{offered}");
    }
}

#[test]
fn our_client_and_our_room_understand_each_other() {
    let path = MsrpUri::parse("msrp://127.0.0.1:9/zyxwvutsrqponmlkjihg;tcp").unwrap();
    let sdp = build_offer(&ClientOffer {
        path: &path,
        setup: Setup::Active,
        session: 7,
        max_size: None,
        chatroom: &["nickname"],
        wrapped: "text/plain",
        certificate: None,
    });
    let offer = Offer::parse(&sdp, &Conditions::default()).unwrap();
    assert_eq!((offer.setup(), offer.path().endpoint()), (Setup::Active, &path));
    let answer = RemoteAnswer::parse(answer_to(&offer, &["nickname"]).as_bytes()).unwrap();
    assert_eq!((answer.setup(), answer.path().endpoint(), answer.max_size()), (Setup::Passive, &ours(), Some(65_536)));
    assert!(answer.accepts_cpim() && answer.wrapped().accepts(&MediaType::text_plain()));
    assert_eq!(answer.chatroom().unwrap(), ["nickname"]);
}

#[test]
fn an_answer_without_a_stream_is_of_no_use() {
    assert_eq!(RemoteAnswer::parse(OFFER.replace(" 7313 TCP", " 0 TCP").as_bytes()), Err(AnswerError::Refused));
    assert_eq!(RemoteAnswer::parse(OFFER.replace("a=path", "a=way").as_bytes()), Err(AnswerError::BadPath));
    assert!(matches!(RemoteAnswer::parse(b"v=7\r\n"), Err(AnswerError::NotSdp(_))));
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_offered_cannot_add_lines(at in 0usize..OFFER.len(), junk in proptest::collection::vec(any::<u8>(), 0..12), cut in 0usize..20) {
        let mut sdp = OFFER.as_bytes().to_vec();
        let end = (at + cut).min(sdp.len());
        sdp.splice(at..end, junk);
        if let Ok(offer) = Offer::parse(&sdp, &Conditions::default()) {
            let offered = sdp.split(|b| *b == b'\n').filter(|line| line.starts_with(b"m=")).count();
            let answer = answer_to(&offer, &[]);
            prop_assert_eq!(answer.lines().filter(|line| line.starts_with("m=")).count(), offered);
            prop_assert_eq!(answer.matches("a=path").count(), 1);
            prop_assert!(RemoteAnswer::parse(answer.as_bytes()).is_ok());
        }
        let _ = RemoteAnswer::parse(&Bytes::from(sdp));
    }
}
