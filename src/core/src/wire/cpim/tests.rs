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
        ("Content-Type: text/plain", "Content-Type"),
    ] {
        let text = format!("{header}\r\n{header}\r\n\r\n\r\nx");
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
    assert_eq!(parse("NS: x\r\n\r\n\r\nx"), Err(CpimError::BadHeader));
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
        ("", CpimError::NoContent),
        ("Hello", CpimError::NoContent),
        ("To: <sip:a@h>\r\n", CpimError::NoContent),
        ("To: <sip:a@h>\r\n\r\n", CpimError::NoContent),
        ("To: <sip:a@h>\r\n\r\nContent-Type: text/plain\r\n", CpimError::NoContent),
        ("Hello\r\n\r\n\r\nx", CpimError::BadHeader),
        (": x\r\n\r\n\r\nx", CpimError::BadHeader),
        ("T o: <sip:a@h>\r\n\r\n\r\nx", CpimError::BadHeader),
        ("To: <sip:a@h>\r\n folded\r\n\r\n\r\nx", CpimError::BadHeader),
        ("To: <sip:a@h>\rX: y\r\n\r\n\r\nx", CpimError::BadHeader),
        ("To: <sip:a@h>\0\r\n\r\n\r\nx", CpimError::BadHeader),
        ("To: <sip:a@h>\r\n\r\nHello\r\n\r\nx", CpimError::BadHeader),
        ("\r\nContent-Type: text\r\n\r\nx", CpimError::BadContentType),
        ("\r\nContent-Transfer-Encoding: base64\r\n\r\neA==", CpimError::Encoded("base64".into())),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    let many = "X: y\r\n".repeat(Cpim::MAX_HEADERS + 1);
    assert_eq!(parse(&format!("{many}\r\n\r\nx")), Err(CpimError::TooManyHeaders));
    assert_eq!(Cpim::parse(&Bytes::from_static(b"To\xff: x\r\n\r\n\r\n")), Err(CpimError::BadHeader));
    assert_eq!((CpimError::BadHeader.msrp_code(), CpimError::Encoded("x".into()).msrp_code()), (400, 415));
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
