use std::format;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn parse(inside: &str) -> Result<Imdn, ImdnError> {
    Imdn::parse(format!("<imdn xmlns='{NAMESPACE}'>{inside}</imdn>").as_bytes())
}

fn id(text: &str) -> MessageId {
    MessageId::new(text).unwrap()
}

#[test]
fn the_notification_of_rfc_5438_is_read() {
    // §7.2.1.1
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n   <imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\r\n\
        <message-id>34jk324j</message-id>\r\n<datetime>2008-04-04T12:16:49-05:00</datetime>\r\n\
        <recipient-uri>im:bob@example.com</recipient-uri>\r\n<original-recipient-uri\r\n  >im:bob@example.com</original-recipient-uri>\r\n\
        <delivery-notification>\r\n  <status>\r\n  <delivered/>\r\n </status>\r\n</delivery-notification>\r\n</imdn>";
    let expected = Imdn {
        message_id: id("34jk324j"),
        sent: WallClock::parse_rfc3339("2008-04-04T17:16:49Z"),
        recipient: Some("im:bob@example.com".into()),
        disposition: Some(Disposition::Delivered),
    };
    assert_eq!(Imdn::parse(document.as_bytes()), Ok(expected));
}

#[test]
fn every_disposition_is_written_as_it_is_read() {
    // IMDN-02
    for (kind, status, disposition) in ELEMENTS {
        let written = Imdn {
            message_id: id("a&<b"),
            sent: WallClock::parse_rfc3339("2026-11-21T09:30:00Z"),
            recipient: Some("sip:capulet@rooms.example.com;gr=Ben&Volio".into()),
            disposition: Some(disposition),
        };
        let document = written.render();
        assert!(document.contains(&format!("<{kind}><status><{status}/></status></{kind}></imdn>")), "{document}");
        assert_eq!(Imdn::parse(document.as_bytes()), Ok(written));
    }
}

#[test]
fn what_nobody_knows_is_ignored() {
    let read = parse(
        "<x xmlns='urn:x'><message-id>no</message-id></x><message-id> 1 </message-id><datetime>soon</datetime>\
        <delivery-notification><status><pondered/></status></delivery-notification>",
    );
    assert_eq!(read, Ok(Imdn { message_id: id("1"), sent: None, recipient: None, disposition: None }));
    for odd in [
        "<display-notification><status><delivered/></status></display-notification>",
        "<delivery-notification><status><delivered xmlns='urn:x'/></status></delivery-notification>",
        "<status><delivered/></status>",
    ] {
        assert_eq!(parse(&format!("<message-id>1</message-id>{odd}")).unwrap().disposition, None, "{odd}");
    }
}

#[test]
fn what_is_no_notification_is_refused_by_name() {
    use ImdnError as E;
    for (body, error) in [
        ("<imdn><message-id>1</message-id></imdn>", E::NotImdn),
        ("<imdn", E::NotXml),
        ("", E::NotXml),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><imdn/>", E::NotXml),
    ] {
        assert_eq!(Imdn::parse(body.as_bytes()), Err(error), "{body}");
    }
    for nameless in ["", "<message-id/>", "<message-id>a b</message-id>", "<message-id>\u{e9}</message-id>"] {
        assert_eq!(parse(nameless), Err(E::NoMessageId), "{nameless}");
    }
    assert_eq!(parse(&format!("<message-id>{}</message-id>", "1".repeat(129))), Err(E::NoMessageId));
    assert_eq!(parse(&"<a/>".repeat(300)), Err(E::NotXml));
    assert_eq!(parse(&" ".repeat(Imdn::MAX_LEN)), Err(E::TooLong));
    assert_eq!(Imdn::parse(b"<\xff/>"), Err(E::NotUtf8));
}

#[test]
fn what_is_asked_for_is_read_and_written() {
    // IMDN-02, §10
    let asks = Asks::parse("positive-delivery ,negative-delivery;x=\"y\", DISPLAY, processing, x-read");
    assert_eq!(asks, Asks { positive_delivery: true, negative_delivery: true, display: true });
    assert_eq!(asks.render(), "positive-delivery, negative-delivery, display");
    assert_eq!(Asks::parse(&asks.render()), asks);
    assert!(!Asks::parse("processing").anything() && !Asks::parse("").anything());
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_stumble(body: Vec<u8>, text in "[<>/a-c='!\\[\\]& ]{0,80}") {
        let _ = Imdn::parse(&body);
        let _ = parse(&text);
        let _ = Asks::parse(&text);
    }
}
