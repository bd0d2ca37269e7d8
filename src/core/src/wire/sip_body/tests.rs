use std::format;
use std::string::String;

use proptest::prelude::*;

use super::*;

const MIXED: &str = "multipart/mixed;boundary=\"b 1\"";
const OURS: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
const LOCATION: &str = "Content-Type: application/pidf+xml\r\n";

/// A body of these parts, each with its head.
fn mixed(parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--b 1\r\n{part}\r\n")).collect();
    format!("who reads this?\r\n{parts}--b 1--\r\nand this?")
}

fn read_as(content_type: &str, disposition: Option<&str>, body: &str) -> Result<Option<String>, BodyError> {
    let description =
        Description { content_type: Some(content_type), content_disposition: disposition, content_encoding: None };
    let found = session_description(description, &Bytes::copy_from_slice(body.as_bytes()))?;
    Ok(found.map(|sdp| String::from_utf8(sdp.to_vec()).unwrap()))
}

fn read(parts: &[&str]) -> Result<Option<String>, BodyError> {
    read_as(MIXED, None, &mixed(parts))
}

fn sdp() -> Result<Option<String>, BodyError> {
    Ok(Some("v=0\r\n".into()))
}

fn unsupported(what: &str) -> Result<Option<String>, BodyError> {
    Err(BodyError::Unsupported(what.into()))
}

#[test]
fn a_body_of_sdp_is_the_session_description() {
    for content_type in ["application/sdp", "Application/SDP ; charset=utf-8", "application/sdp;=;"] {
        assert_eq!(read_as(content_type, None, "v=0\r\n"), sdp(), "{content_type}");
    }
    assert_eq!(read_as("application/sdp", Some("Session;handling=required"), "v=0\r\n"), sdp());
    assert_eq!(session_description(Description::default(), &Bytes::new()), Ok(None));
    let body = Bytes::from_static(b"v=0\r\n");
    let gzip = Description { content_type: Some(SDP), content_encoding: Some("gzip"), content_disposition: None };
    assert_eq!(session_description(gzip, &body), Err(BodyError::Unsupported("application/sdp in an encoding".into())));
    assert_eq!(session_description(Description::default(), &body).unwrap_err().sip_code(), 415);
}

/// SIP-09, RFC 3261 §20.11: who has to be understood refuses, who need not be is not there.
#[test]
fn what_is_not_understood_is_left_out_only_where_that_is_said() {
    let other = |disposition| read_as("application/pidf+xml", disposition, "<presence/>");
    assert_eq!(other(Some("render;handling=optional")), Ok(None));
    assert_eq!(other(Some("render; x=\"a;b\" ; Handling = \"OPTIONAL\"")), Ok(None));
    for disposition in [None, Some("render"), Some("render;handling=required"), Some("render;handling"), Some("")] {
        assert_eq!(other(disposition), unsupported("application/pidf+xml"), "{disposition:?}");
    }
    // RFC 3959: early media is another session.
    assert_eq!(read_as(SDP, Some("early-session;handling=optional"), "v=0\r\n"), Ok(None));
    assert_eq!(
        read_as(SDP, Some("early-session"), "v=0\r\n"),
        unsupported("application/sdp of another disposition than session")
    );
}

/// RFC 5621 §5, RFC 6442: the location of an emergency call stands beside its SDP.
#[test]
fn the_sdp_of_a_mixed_body_is_taken_and_what_may_be_left_out_is() {
    let optional = format!("{LOCATION}Content-Disposition: render;\r\n handling=optional\r\n\r\n<presence/>");
    assert_eq!(read(&[OURS]), sdp());
    assert_eq!(read(&[OURS, &optional]), sdp());
    assert_eq!(read(&[&optional, OURS, &optional]), sdp());
    assert_eq!(read(&[&optional]), Ok(None));
    assert_eq!(read_as("multipart/related;boundary=\"b 1\"", None, &mixed(&[OURS, &optional])), sdp());
    let required = format!("{LOCATION}Content-Disposition: render;handling=required\r\n\r\n<presence/>");
    for part in [required, format!("{LOCATION}\r\n<presence/>")] {
        assert_eq!(read(&[OURS, &part]), unsupported("application/pidf+xml"), "{part}");
    }
    // The examples of RFC 6442 §5.1 have no disposition: Geolocation refers to it.
    let referred = format!("{LOCATION}Content-ID: <target123@atlanta.example.com>\r\n\r\n<presence/>");
    assert_eq!(read(&[OURS, &referred]), sdp());
    assert_eq!(
        read(&[OURS, &referred.replace("\r\n\r\n", "\r\nContent-Disposition: by-reference;handling=required\r\n\r\n")]),
        unsupported("application/pidf+xml")
    );
    assert_eq!(read(&[OURS, "\r\nhello"]), unsupported("text/plain"), "a part without Content-Type");
    assert_eq!(read(&[OURS, "Content-Disposition: x;handling=optional\r\n\r\nhello"]), sdp());
    // An optional whole is left out with what is required in it (§8.2).
    assert_eq!(read_as(MIXED, Some("render;handling=optional"), &mixed(&[OURS, "\r\nhello"])), Ok(None));
    assert_eq!(read(&[OURS, OURS]), Err(BodyError::TwoSessions));
}

/// RFC 5621 §4.1: SDP for who knows nothing newer.
#[test]
fn of_alternatives_the_last_that_is_understood_is_taken() {
    let newer = "Content-Type: application/newer\r\nContent-Disposition: session;handling=required\r\n\r\n{}";
    let alternative = |parts: &[&str]| read_as("multipart/alternative;boundary=\"b 1\"", None, &mixed(parts));
    assert_eq!(alternative(&[OURS, newer]), sdp());
    assert_eq!(alternative(&[newer, OURS]), sdp());
    assert_eq!(alternative(&[newer]), unsupported("multipart/alternative;boundary=\"b 1\""));
    let nested =
        format!("Content-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\n{OURS}\r\n--i\r\n{newer}\r\n--i--\r\n");
    let location = format!("{LOCATION}Content-Disposition: render;handling=optional\r\n\r\n<presence/>");
    assert_eq!(read(&[&location, &nested]), sdp());
}

#[test]
fn parts_may_be_encoded_for_transfer_and_not_otherwise() {
    let base64 = "Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0wDQo=";
    assert_eq!(read(&[base64]), sdp());
    for part in [
        base64.replace("base64", "frobnicate"),
        base64.replace("dj0wDQo=", "!"),
        base64.replace("Transfer-Encoding: base64", "Encoding: gzip"),
    ] {
        assert_eq!(read(&[&part]), unsupported("application/sdp in an encoding"), "{part}");
    }
}

#[test]
fn what_is_no_multipart_is_400_and_what_is_too_much_is_bounded() {
    let code = |content_type: &str, body: &str| read_as(content_type, None, body).unwrap_err().sip_code();
    for content_type in ["multipart/mixed", "multipart/mixed;boundary=\"\"", "multipart/mixed;boundary=other"] {
        assert_eq!(code(content_type, &mixed(&[OURS])), 400, "{content_type}");
    }
    assert_eq!(code(MIXED, "--b 1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"), 400);
    assert_eq!(code(MIXED, &mixed(&["no header\r\n\r\nv=0"])), 400);
    assert_eq!(code(MIXED, &mixed(&[OURS; 33])), 400);
    let mut nested = format!("{OURS}\r\n");
    for depth in 0..5 {
        let inner = format!("--d{depth}\r\n{nested}\r\n--d{depth}--\r\n");
        let content_type = format!("multipart/mixed;boundary=d{depth}");
        match read_as(&content_type, None, &inner) {
            Ok(found) => assert!(found.is_some() && depth < 4),
            Err(error) => assert!(error == BodyError::TooDeep && depth == 4),
        }
        nested = format!("Content-Type: {content_type}\r\n\r\n{inner}");
    }
}

proptest! {
    #[test]
    fn whatever_the_octets_are_what_is_found_stands_in_them(
        body in "(--b 1(--)?\r\n|Content-Type: (application/sdp|multipart/(mixed|alternative);boundary=\"b 1\")\r\n|Content-Disposition: session;handling=optional\r\n|\r\n|v=0)*"
    ) {
        if let Ok(Some(found)) = read_as(MIXED, None, &body) {
            prop_assert!(body.contains(&found));
        }
    }
}
