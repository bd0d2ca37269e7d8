use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};

use super::*;

const ADDRESSES: &str = "From: \"Romeo\" <sip:romeo@example.org>\r\nTo: <sip:capulet@rooms.example.com>\r\n";

fn parse(text: &str) -> Result<Cpim, CpimError> {
    Cpim::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

fn read(text: &str) -> Cpim {
    parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn from(value: &str) -> Result<Address, CpimError> {
    parse(&format!("From: {value}\r\n\r\nContent-Type: text/plain\r\n\r\nx")).map(|cpim| cpim.from.unwrap())
}

#[test]
fn the_strict_form_and_the_forms_of_deployed_clients_are_read_alike() {
    // CPIM-01, 02, 03, 06; E-59
    let strict = format!(
        "{ADDRESSES}DateTime: 2026-11-21T09:30:00Z\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n\r\nthere"
    );
    let expected = read(&strict);
    assert_eq!(&expected.content[..], b"Hello\r\n\r\nthere");
    let variants = [
        strict.replace("Z\r\n\r\nContent", "Z\r\nContent"),
        strict.replace(
            "\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
            "\r\n\nContent-Type: text/plain; charset=utf-8\n\n",
        ),
        strict.replacen("\r\n", "\n", 6),
        strict.replace("From: ", "FROM:  ").replace("To: ", "to:\t").replace("DateTime: ", "datetime:"),
        strict.replace("Content-Type: text/plain;", "content-TYPE:text/plain;\r\n\t"),
        strict.replace(".org>\r\n", ".org>  \r\n").replace("\"Romeo\" <", "\"Romeo\"<"),
        strict.replace("\"Romeo\"", "Romeo"),
        // CPIM-07, CPIM-14
        strict
            .replace("To: ", "X-Foo: 1\r\nTo: ")
            .replace("Content-Type", "Content-Length: 3\r\nContent-ID: <a@b>\r\nContent-Type"),
        strict.replace("Content-Type", "Content-Transfer-Encoding: 8BIT\r\nContent-Type"),
    ];
    for variant in variants {
        assert_ne!(variant, strict);
        assert_eq!(read(&variant), expected, "{variant:?}");
    }
}

#[test]
fn content_is_shared_not_copied_and_may_be_anything() {
    let body = Bytes::from_static(b"From: <sip:a@h>\r\nTo: <sip:b@h>\r\n\r\n\r\n\xff\0\r\n\r\nFrom: <sip:c@h>");
    let cpim = Cpim::parse(&body).unwrap();
    assert_eq!(&cpim.content[..], b"\xff\0\r\n\r\nFrom: <sip:c@h>");
    assert!(body.as_ptr_range().contains(&cpim.content.as_ptr()));
    assert_eq!(cpim.content_type, MediaType::text_plain());
    assert!(read(&format!("{ADDRESSES}Content-Type: text/plain\r\n\r\n")).content.is_empty());
}

#[test]
fn who_it_is_for_is_left_to_the_switch() {
    // SW-03, SW-04, CPIM-09
    let cpim = read("To: <sip:a@h>\r\nTo: <sip:b@h>\r\ncc: <sip:c@h>\r\nSubject:;lang=en Feast\r\n\r\n\r\nx");
    assert_eq!(cpim.from, None);
    assert_eq!(cpim.to.iter().map(|a| a.uri.as_str()).collect::<Vec<_>>(), ["sip:a@h", "sip:b@h"]);
    assert_eq!(cpim.cc[0].uri, "sip:c@h");
    assert_eq!(cpim.subject.as_deref(), Some("Feast"));
    assert!(read("X: y\r\n\r\n\r\nx").to.is_empty());
}

#[test]
fn headers_that_may_be_there_once_may_not_be_there_twice() {
    // CPIM-10
    for (header, name) in [
        ("DateTime: 2026-11-21T09:30:00Z", "DateTime"),
        ("From: <sip:a@h>", "From"),
        ("Subject: a", "Subject"),
        ("Require: From", "Require"),
    ] {
        let text = format!("{header}\r\n{header}\r\n\r\n\r\nx");
        assert_eq!(parse(&text), Err(CpimError::Repeated(name)));
    }
    for name in ["Content-Type", "Content-Transfer-Encoding"] {
        let value = if name == "Content-Type" { "text/plain" } else { "8bit" };
        let text = format!("{name}: {value}\r\n{name}: {value}\r\n\r\nx");
        assert_eq!(parse(&text), Err(MimeError::Repeated(name).into()));
    }
    for name in ["Message-ID", "Disposition-Notification"] {
        let text = format!("NS: i <urn:ietf:params:imdn>\r\ni.{name}: display\r\ni.{name}: display\r\n\r\n\r\nx");
        assert_eq!(parse(&text), Err(CpimError::Repeated(name)));
    }
    assert!(parse("NS: <urn:a>\r\nNS: b <urn:b>\r\n\r\n\r\nx").is_ok());
}

#[test]
fn what_is_required_must_be_understood() {
    // CPIM-08
    assert!(parse("Require: From,To, cc\r\n\r\n\r\nx").is_ok());
    for unknown in ["X.Y", "Vital", "From,X.Y"] {
        let error = parse(&format!("Require: {unknown}\r\n\r\n\r\nx")).unwrap_err();
        assert!(matches!(&error, CpimError::Required(name) if unknown.ends_with(name.as_str())), "{error}");
        assert_eq!(error.msrp_code(), 415);
    }
}

#[test]
fn namespaces_decide_what_a_name_means() {
    // CPIM-09; RFC 3862 §3.4
    let core = read("NS: c <urn:ietf:params:cpim-headers:>\r\nc.From: <sip:a@h>\r\nc.To: <sip:b@h>\r\n\r\n\r\nx");
    assert_eq!((core.from.unwrap().uri.as_str(), core.to.len()), ("sip:a@h", 1));
    let other = read("NS: x <http://example.com/x>\r\nx.To: anything\r\ny.To: anything\r\nTo: <sip:b@h>\r\n\r\n\r\nx");
    assert_eq!(other.to.len(), 1);
    assert!(read("NS: <http://example.com/x>\r\nTo: anything\r\n\r\n\r\nx").to.is_empty());
    assert_eq!(parse("NS: x\r\n\r\n\r\nx"), Err(MimeError::BadHeader.into()));
}

#[test]
fn the_name_of_a_message_and_what_is_asked_of_it_are_read_by_any_prefix() {
    // IMDN-01, CPIM-09
    let rest = "Disposition-Notification: positive-delivery, display\r\n\r\n\r\nx";
    for prefix in ["imdn", "i", "x-y"] {
        let cpim =
            read(&format!("NS: {prefix} <urn:ietf:params:imdn>\r\n{prefix}.Message-ID: 34jk324j\r\n{prefix}.{rest}"));
        assert_eq!(cpim.tracking.message_id.unwrap().as_str(), "34jk324j");
        assert_eq!(cpim.tracking.asks, imdn::Asks { positive_delivery: true, negative_delivery: false, display: true });
    }
    for other in [
        format!("imdn.Message-ID: 1\r\nimdn.{rest}"),
        format!("NS: imdn <urn:x>\r\nimdn.Message-ID: 1\r\nimdn.{rest}"),
        format!("Message-ID: 1\r\n{rest}"),
        format!("NS: imdn <urn:ietf:params:imdn>\r\nimdn.To: 1\r\n\r\n{rest}"),
    ] {
        assert_eq!(read(&other).tracking, Tracking::default(), "{other}");
    }
    assert_eq!(read("NS: i <urn:ietf:params:imdn>\r\ni.Message-ID: a b\r\n\r\n\r\nx").tracking.message_id, None);
    assert!(parse("NS: i <urn:ietf:params:imdn>\r\nRequire: i.Message-ID\r\n\r\n\r\nx").is_ok(), "CPIM-08");
    assert!(parse("Require: i.Message-ID\r\n\r\n\r\nx").is_err());
}

#[test]
fn the_name_of_a_message_is_written_and_left_out_of_its_parts() {
    // IMDN-01
    let room = Address::new(None, "sip:capulet@rooms.example.com");
    let asks = imdn::Asks { positive_delivery: true, negative_delivery: false, display: true };
    let tracking = Tracking { message_id: MessageId::new("x-1"), asks };
    let extras = Extras { delayed: true, tracking: Some(&tracking), notification: false };
    let written = encode_with(&room, &room, "2026-11-21T09:30:00Z", extras, "text/plain;charset=utf-8", "Hello");
    let names = "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: x-1\r\n\
                 imdn.Disposition-Notification: positive-delivery, display\r\n";
    let text = core::str::from_utf8(&written).unwrap();
    assert!(text.contains(&format!("mucfocus.Delayed: true\r\n{names}\r\nContent-Type: ")), "{text}");
    assert_eq!(Cpim::parse(&written).unwrap().tracking, tracking);
    let head = text.strip_suffix("Hello").unwrap();
    assert_eq!(String::from_utf8(without_tracking(head.as_bytes())).unwrap(), head.replace(names, ""));
    let nameless = Tracking { message_id: None, asks };
    let extras = Extras { tracking: Some(&nameless), ..Extras::default() };
    let written = encode_with(&room, &room, "2026-11-21T09:30:00Z", extras, "text/plain;charset=utf-8", "Hello");
    assert_eq!(written, encode(&room, &room, "2026-11-21T09:30:00Z", "text/plain;charset=utf-8", "Hello"));
}

#[test]
fn a_subject_is_read_without_its_parameters_and_with_all_of_its_text() {
    // CPIM-15
    for (header, subject) in [
        ("Subject: The feast", "The feast"),
        ("Subject:;lang=fr La f\u{ea}te", "La f\u{ea}te"),
        ("Subject:;lang=fr;x=y La f\u{ea}te", "La f\u{ea}te"),
        ("Subject: ;) tonight", ";) tonight"),
        ("Subject: ;lang=fr La f\u{ea}te", "La f\u{ea}te"),
        ("Subject:  blanks ", "blanks"),
        ("Subject:;lang=fr", ""),
    ] {
        assert_eq!(read(&format!("{header}\r\n\r\n\r\nx")).subject.as_deref(), Some(subject), "{header}");
    }
}

#[test]
fn content_that_was_encoded_for_transfer_is_decoded() {
    // MS-SEND-17
    let cpim = |encoding: &str, content: &str| {
        read(&format!(
            "{ADDRESSES}\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{content}"
        ))
    };
    assert_eq!(cpim("base64", "SGVs\r\nbG8=\r\n").content, "Hello");
    assert_eq!(cpim("Quoted-Printable", "Hel=\r\nlo=21").content, "Hello!");
    let broken = parse("\r\nContent-Transfer-Encoding: base64\r\n\r\n?").unwrap_err();
    assert_eq!((&broken, broken.msrp_code()), (&MimeError::BadEncoding("base64").into(), 400));
}

#[test]
fn nothing_but_gr_may_follow_the_bracket() {
    // CPIM-04, E-01, E-03
    assert_eq!(from("<sip:a@h>;gr=Juli%20C").unwrap().trailing_gr.as_deref(), Some("Juli%20C"));
    assert_eq!(from("<sip:a@h> ;GR").unwrap().trailing_gr.as_deref(), Some(""));
    assert_eq!(from("<sip:a@h;gr=x>").unwrap().trailing_gr, None);
    for junk in [
        "<sip:a@h>x",
        "<sip:a@h>;x=y",
        "<sip:a@h>;gr=x;y",
        "<sip:a@h>,<sip:b@h>",
        "<sip:a@h>;gr=\"x\"",
        "<sip:a@h>>",
        "<sip:a@h>;gr=a b",
    ] {
        assert_eq!(from(junk), Err(CpimError::TrailingJunk), "{junk}");
    }
}

#[test]
fn a_formal_name_is_unescaped_and_never_read_as_a_uri() {
    // CPIM-05
    for (value, name) in [
        (r#""A \"B\" \\ C" <sip:a@h>"#, r#"A "B" \ C"#),
        (r#""<sip:juliet@h>" <sip:a@h>"#, "<sip:juliet@h>"),
        (r#""\u00e9\ud83d\ude00\t\'" <sip:a@h>"#, "\u{e9}\u{1f600}\t'"),
        ("Depressed Donkey <sip:a@h>", "Depressed Donkey"),
        ("J\u{fc}rgen <sip:a@h>", "J\u{fc}rgen"),
    ] {
        let address = from(value).unwrap();
        assert_eq!((address.formal_name.as_deref(), address.uri.as_str()), (Some(name), "sip:a@h"), "{value}");
    }
    assert_eq!(from("\"\" <sip:a@h>").unwrap().formal_name, None);
    for bad in [
        r#""a <sip:a@h>"#,
        r#""\x" <sip:a@h>"#,
        r#""\u12" <sip:a@h>"#,
        r#""\ud83d" <sip:a@h>"#,
        r#""\u+123" <sip:a@h>"#,
    ] {
        assert_eq!(from(bad), Err(CpimError::BadFormalName), "{bad}");
    }
    for bad in
        ["", "sip:a@h", "<>", "<sip:a@h", "\"a\" sip:a@h", "<sip:a b@h>", "<sip:<a@h>", "<sip:\u{fc}@h>", "a> <sip:"]
    {
        assert_eq!(from(bad), Err(CpimError::BadAddress), "{bad}");
    }
}

#[test]
fn what_is_no_cpim_is_refused_with_its_name() {
    for (text, error) in [
        ("", MimeError::NoContent),
        ("Hello", MimeError::NoContent),
        ("To: <sip:a@h>\r\n", MimeError::NoContent),
        ("To: <sip:a@h>\r\n\r\n", MimeError::NoContent),
        ("To: <sip:a@h>\r\n\r\nContent-Type: text/plain\r\n", MimeError::NoContent),
        ("Hello\r\n\r\n\r\nx", MimeError::BadHeader),
        (": x\r\n\r\n\r\nx", MimeError::BadHeader),
        ("T o: <sip:a@h>\r\n\r\n\r\nx", MimeError::BadHeader),
        ("To: <sip:a@h>\r\n folded\r\n\r\n\r\nx", MimeError::BadHeader),
        ("To: <sip:a@h>\rX: y\r\n\r\n\r\nx", MimeError::BadHeader),
        ("To: <sip:a@h>\0\r\n\r\n\r\nx", MimeError::BadHeader),
        ("To: <sip:a@h>\r\n\r\nHello\r\n\r\nx", MimeError::BadHeader),
        ("\r\nContent-Type: text\r\n\r\nx", MimeError::BadContentType),
        ("\r\nContent-Transfer-Encoding: uuencode\r\n\r\nx", MimeError::UnknownEncoding("uuencode".into())),
    ] {
        assert_eq!(parse(text), Err(error.into()), "{text:?}");
    }
    let many = "X: y\r\n".repeat(Cpim::MAX_HEADERS + 1);
    assert_eq!(parse(&format!("{many}\r\n\r\nx")), Err(MimeError::TooManyHeaders.into()));
    assert_eq!(Cpim::parse(&Bytes::from_static(b"To\xff: x\r\n\r\n\r\n")), Err(MimeError::BadHeader.into()));
    assert_eq!((MimeError::BadHeader.msrp_code(), MimeError::UnknownEncoding("x".into()).msrp_code()), (400, 415));
}

#[test]
fn what_is_written_is_the_strict_form_to_the_octet() {
    // CPIM-01, 03, 06, 10, 12
    let written = encode(
        &Address::new(Some("Ben \"B\" Volio"), "sip:capulet@rooms.example.com;gr=Ben%20Volio"),
        &Address::new(None, "sip:capulet@rooms.example.com"),
        "2026-11-21T09:30:00.123Z",
        "text/plain;charset=utf-8",
        "Hello\nthere",
    );
    let expected = "From: \"Ben \\\"B\\\" Volio\" <sip:capulet@rooms.example.com;gr=Ben%20Volio>\r\n\
                    To: <sip:capulet@rooms.example.com>\r\n\
                    DateTime: 2026-11-21T09:30:00.123Z\r\n\
                    \r\n\
                    Content-Type: text/plain;charset=utf-8\r\n\
                    \r\n\
                    Hello\nthere";
    assert_eq!(core::str::from_utf8(&written).unwrap(), expected);
}

proptest! {
    #[test]
    fn no_argument_can_add_a_header(name in "[\r\n\"\\\\<>\0\u{85}\u{2028}a: ]{0,12}|.*", uri in "[\r\n<>\"a:@ \u{fc}]{1,9}", time in "[\r\n:A0]{0,9}", media in "[\r\na;= ]{0,9}", content in ".*") {
        let sender = Address::new(Some(&name), &uri);
        let room = Address::new(None, "sip:r@h");
        let written = encode(&sender, &room, &time, &(String::from("text/plain;x=y") + &media.replace(['=', ';', ' '], "")), &content);
        let read = Cpim::parse(&written).unwrap();
        let from = read.from.unwrap();
        prop_assert_eq!(from.formal_name.unwrap_or_default(), name);
        prop_assert_eq!(from.trailing_gr, None);
        prop_assert_eq!((read.to.len(), read.cc.len(), read.subject), (1, 0, None));
        prop_assert_eq!(&read.content[..], content.as_bytes());
        let lines = |b: &[u8]| b.iter().filter(|b| **b == b'\n').count();
        prop_assert_eq!(lines(&written) - lines(content.as_bytes()), 6);
    }

    #[test]
    fn nothing_panics(body: std::vec::Vec<u8>, text in "(From|To|NS|Require|content-type|X): ?[\"<>\\\\u0-9a-f;=@: \r\n]{0,40}\r?\n\r?\n\r?\n.*") {
        let _ = Cpim::parse(&Bytes::from(body)).map_err(|e| e.to_string());
        let _ = Cpim::parse(&Bytes::from(text)).map_err(|e| e.to_string());
    }
}
