use std::format;
use std::string::{String, ToString};
use std::vec;

use super::*;

fn judged(content: &str) -> Result<Content, Objection> {
    let cpim = format!("From: <sip:romeo@example.org>\r\nTo: <sip:capulet@rooms.example.com>\r\n\r\n{content}");
    read(&Cpim::parse(&Bytes::from(cpim)).unwrap())
}

/// The text of something with these headers and this content.
fn text(content: &str) -> Option<String> {
    match judged(content) {
        Ok(Content::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn objection(content: &str) -> Objection {
    judged(content).map(|content| panic!("{content:?}")).unwrap_err()
}

fn part(kind: &str, content: &str) -> String {
    format!("Content-Type: {kind}\r\n\r\n{content}")
}

fn multipart(kind: &str, boundary: &str, parts: &[String]) -> String {
    let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
    part(&format!("multipart/{kind}; boundary=\"{boundary}\""), &format!("{parts}--{boundary}--\r\n"))
}

fn forwarded(from: &str, content: &str) -> String {
    part("message/cpim", &format!("From: {from}\r\nTo: <sip:nobody@example.com>\r\n\r\n{content}"))
}

#[test]
fn the_plain_text_is_the_best_of_the_alternatives() {
    // MS-SEND-14
    let (plain, html) = (part("text/plain", "O Romeo"), part("text/html", "<p>O <b>Juliet</b></p>"));
    let image = part("image/png", "PNG");
    for (parts, best) in [
        (vec![plain.clone(), html.clone()], "O Romeo"),
        (vec![html.clone(), plain.clone()], "O Romeo"),
        (vec![html.clone(), image.clone()], "O Juliet"),
        (vec![part("text/plain", ""), html.clone()], "O Juliet"),
        (vec![part("text/plain;charset=klingon", "x"), html.clone()], "O Juliet"),
        (vec![image.clone(), multipart("mixed", "in", core::slice::from_ref(&plain))], "O Romeo"),
        (vec!["\r\nno headers".to_string()], "no headers"),
    ] {
        assert_eq!(text(&multipart("alternative", "out", &parts)).as_deref(), Some(best), "{parts:?}");
    }
    assert_eq!(text(&multipart("alternative", "out", &[part("text/plain", "")])), None);
    assert_eq!(objection(&multipart("alternative", "out", &[image])), Objection::WrappedType("image/png".into()));
}

#[test]
fn of_mixed_parts_all_texts_are_read() {
    // MS-SEND-14
    let (first, second) = (part("text/plain", "Good night"), part("text/html", "good <i>night</i>"));
    let image = part("image/png", "PNG");
    assert_eq!(
        text(&multipart("mixed", "b", &[image.clone(), first.clone()])).as_deref(),
        Some("[image/png left out]\nGood night")
    );
    let both = [first.clone(), image.clone(), second];
    for kind in ["mixed", "MIXED", "related", "x-unheard-of"] {
        assert_eq!(
            text(&multipart(kind, "b", &both)).as_deref(),
            Some("Good night\n[image/png left out]\ngood night"),
            "{kind}"
        );
    }
    assert_eq!(objection(&multipart("mixed", "b", &[image])), Objection::WrappedType("image/png".into()));
    let encoded =
        "Content-Type: text/plain;charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe";
    assert_eq!(text(&multipart("mixed", "b", &[encoded.into()])).as_deref(), Some("Gr\u{fc}\u{df}e"), "MS-SEND-17");
}

#[test]
fn what_is_signed_is_read_and_what_is_sealed_is_refused() {
    // MS-SEND-14, SEC-08
    let signature = part("application/pkcs7-signature", "MIIB");
    let signed = multipart("signed; micalg=sha-256", "s", &[part("text/plain", "It is I"), signature]);
    assert_eq!(text(&signed).as_deref(), Some("It is I"));
    for kind in ["application/pkcs7-mime; smime-type=enveloped-data", "application/x-pkcs7-mime"] {
        let refused = objection(&part(kind, "MIIB"));
        assert!(matches!(&refused, Objection::Sealed(kind) if kind.ends_with("pkcs7-mime")), "{refused}");
        assert!(refused.to_string().ends_with("cannot cross into the room: send the text as it is"));
    }
    let encrypted = multipart("encrypted", "e", &[part("application/octet-stream", "x")]);
    assert_eq!(objection(&encrypted), Objection::Sealed("multipart/encrypted".into()));
    assert_eq!(objection(&encrypted).verdict(), Objection::Sealed("multipart/encrypted".into()).verdict());
}

#[test]
fn a_message_within_the_message_is_quoted_with_its_sender() {
    // CPIM-13
    let inner = forwarded("\"Ben\\nVolio\" <sip:ben@example.com>", &part("text/plain", "Supper\r\nis done"));
    assert_eq!(text(&inner).as_deref(), Some("Ben Volio <sip:ben@example.com>:\n> Supper\n> is done"));
    let nameless = forwarded("<sip:ben@example.com>", &part("text/plain", "Hi"));
    assert_eq!(text(&nameless).as_deref(), Some("<sip:ben@example.com>:\n> Hi"));
    let anonymous = part("message/cpim", &format!("To: <sip:x@y>\r\n\r\n{}", part("text/plain", "Hi")));
    assert_eq!(text(&anonymous).as_deref(), Some("Hi"));
    assert_eq!(objection(&forwarded("<sip:a@b>", &inner)), Objection::TooDeep, "two are enough");
    assert!(matches!(objection(&part("message/cpim", "Hello")), Objection::Cpim(_)));
}

#[test]
fn a_broken_message_within_does_not_count_against_the_next() {
    // CPIM-13
    let broken = part("message/cpim", "Hello");
    let good = forwarded("<sip:ben@example.com>", &part("text/plain", "Hi"));
    assert_eq!(text(&multipart("mixed", "b", &[broken, good])).as_deref(), Some("<sip:ben@example.com>:\n> Hi"));
}

#[test]
fn there_is_an_end_to_wrapping_and_to_parts() {
    // MS-SEND-14, CPIM-13
    let wrap =
        |times| (0..times).fold(part("text/plain", "x"), |inner, n| multipart("mixed", &format!("b{n}"), &[inner]));
    assert_eq!(text(&wrap(4)).as_deref(), Some("x"));
    assert_eq!(objection(&wrap(5)), Objection::TooDeep);
    let many = |count| vec![part("text/plain", "x"); count];
    assert_eq!(text(&multipart("mixed", "b", &many(32))).map(|text| text.len()), Some(63));
    assert_eq!(
        objection(&multipart("mixed", "b", &many(33))),
        Objection::Multipart(multipart::MultipartError::TooManyParts)
    );
    // The bound is for all of them together.
    let inner = multipart("mixed", "in", &many(8));
    let outer = multipart("mixed", "out", &vec![inner; 4]);
    assert_eq!(text(&outer).map(|text| text.len()), Some(47), "of the last one nothing is left");
}

#[test]
fn a_malformed_multipart_is_malformed() {
    // MS-SEND-14
    for (content, code) in [
        (part("multipart/mixed", "--b\r\n\r\nx\r\n--b--"), 400),
        (part("multipart/mixed;boundary=b", "--b\r\n\r\nx"), 400),
        (multipart("mixed", "b", &["Content-Type: text/plain".into()]), 400),
        (multipart("mixed", "b", &["no header\r\n\r\nx".into()]), 400),
        (multipart("signed", "b", &["no header\r\n\r\nx".into()]), 400),
        (multipart("mixed", "b", &["Content-Transfer-Encoding: uuencode\r\n\r\nx".into()]), 415),
    ] {
        let crate::msrp::session::Verdict::Refused { code: told, .. } = objection(&content).verdict() else { panic!() };
        assert_eq!(told, code, "{content}");
    }
}
