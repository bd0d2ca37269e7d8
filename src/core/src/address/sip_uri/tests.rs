use proptest::prelude::*;
use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};

use super::*;

fn uri(text: &str) -> SipUri {
    SipUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_part_of_a_uri_is_found() {
    let parsed = uri("sips:al%69ce@Example.COM:5061;transport=tcp;lr?subject=a%20b&to=x");
    assert!(parsed.secure());
    assert_eq!(parsed.user(), Some("al%69ce"));
    assert_eq!(parsed.user_decoded().unwrap(), "alice");
    assert_eq!(parsed.host(), "example.com");
    assert_eq!(parsed.port(), Some(5061));
    assert_eq!(parsed.param("Transport"), Some(Some("tcp")));
    assert_eq!(parsed.param("lr"), Some(None));
    assert_eq!(parsed.param("maddr"), None);
    assert_eq!(parsed.headers(), Some("subject=a%20b&to=x"));
    assert_eq!(parsed.to_string(), "sips:al%69ce@example.com:5061;transport=tcp;lr?subject=a%20b&to=x");
    assert_eq!(parsed.aor().to_string(), "sip:al%69ce@example.com");
}

#[test]
fn a_password_is_dropped_and_a_user_may_hold_what_looks_like_parameters() {
    // ADDR-04; RFC 4475 §3.1.1.13 (semiuri)
    assert_eq!(uri("sip:a:pw@h;x=1?y=2").aor().to_string(), "sip:a@h");
    let semicolon = uri("sip:user;par=u%40example.net@example.com");
    assert_eq!(semicolon.user_decoded().unwrap(), "user;par=u@example.net");
    assert_eq!(semicolon.host(), "example.com");
    assert!(semicolon.params().is_empty());
    assert_eq!(uri("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com").host(), "example.com");
}

#[test]
fn the_addresses_of_the_torture_tests_are_understood() {
    // RFC 4475 §3.1.1 (wsinv, esc01, longreq), RFC 5118 §4
    assert_eq!(uri("sip:vivekg@chair-dnrc.example.com;unknownparam").param("unknownparam"), Some(None));
    assert_eq!(uri("sip:sips%3Auser%40example.com@example.net").user_decoded().unwrap(), "sips:user@example.com");
    let escaped = uri("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31");
    assert_eq!((escaped.param("lr"), escaped.param("name")), (Some(None), Some(Some("v%61lue%25%34%31"))));
    assert_eq!(uri("sip:user@example.com?Route=%3Csip:example.com%3E").headers(), Some("Route=%3Csip:example.com%3E"));
    let ambiguous = uri("sip:[2001:db8::10:5070]");
    assert_eq!((ambiguous.host(), ambiguous.port()), ("[2001:db8::10:5070]", None));
    assert_eq!(uri("sip:user@[2001:db8::192.0.2.1]").host(), "[2001:db8::c000:201]");
    assert!(SipUri::parse("sip:2001:db8::10").is_err());
}

#[test]
fn hosts_are_names_or_addresses() {
    assert_eq!(uri("sip:[2001:DB8:0:0::1]:5060").host(), "[2001:db8::1]");
    assert_eq!(uri("sip:u@[2001:db8:::192.0.2.1]"), uri("sip:u@[2001:db8::192.0.2.1]"));
    assert_eq!(uri("sip:u@192.0.2.1:70").host(), "192.0.2.1");
    assert_eq!(uri("sip:rooms.example.com.").host(), "rooms.example.com");
    for bad in [
        "sip:[2001:db8:::1]",
        "sip:[2001:db8::::192.0.2.1]",
        "sip:",
        "sip:@h",
        "sip:u@",
        "sip:u@h:",
        "sip:u@h:65536",
        "sip:u@h:+1",
        "sip:u@-h",
        "sip:u@h-",
        "sip:u@a..b",
        "sip:u@h_x",
        "sip:u@1.2.3",
        "sip:u@1.2.3.256",
        "sip:u@[::1",
        "sip:u@::1",
        "sip:u@[::1]x",
        "sip:u@[1.2.3.4]",
        "sip:u@[]:5060",
        "sip:u@h%41",
        "sip:u@v@h",
        "sip:u@h:5060:5061",
        "sip:u@[::1]5060",
    ] {
        assert!(SipUri::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn each_violation_has_its_name() {
    use SipUriError::*;
    let long = format!("sip:{}@h", "a".repeat(SipUri::MAX_LEN));
    for (text, error) in [
        ("tel:+441632960083", Tel),
        ("TEL:1", Tel),
        ("nobodyKnowsThisScheme:totallyopaquecontent", UnsupportedScheme),
        ("http://example.com", UnsupportedScheme),
        ("", NotAUri),
        ("romeo@example.org", NotAUri),
        ("<sip:user@example.com>", NotAUri),
        ("sip:user@example.com; lr", NotAUri),
        ("sip:us\ner@example.com", NotAUri),
        ("sip:us\0er@example.com", NotAUri),
        ("sip:j\u{fc}rgen@example.com", NotAUri),
        (long.as_str(), TooLong),
        ("sip:@example.com", BadUser),
        ("sip:a%4@example.com", BadUser),
        ("sip:a%zz@example.com", BadUser),
        ("sip:a\"b@example.com", BadUser),
        ("sip:a#b@example.com", BadUser),
        ("sip:a:p?w@example.com", BadUser),
        ("sip:a@ex_ample.com", BadHost),
        ("sip:a@example.com:99999", BadPort),
        ("sip:a@example.com;", BadParameter),
        ("sip:a@example.com;;lr", BadParameter),
        ("sip:a@example.com;gr=", BadParameter),
        ("sip:a@example.com;gr=x;GR=y", BadParameter),
        ("sip:a@example.com;x=a=b", BadParameter),
        ("sip:a@example.com?", BadHeaders),
        ("sip:a@example.com?a", BadHeaders),
        ("sip:a@example.com?a=b&", BadHeaders),
    ] {
        assert_eq!(SipUri::parse(text), Err(error), "{text:?}");
    }
    assert_eq!((Tel.sip_code(), UnsupportedScheme.sip_code(), BadUser.sip_code()), (416, 416, 400));
}

#[test]
fn one_person_is_recognised_in_every_spelling_and_no_other() {
    let romeo = uri("sip:romeo@example.org");
    for same in ["sips:romeo@EXAMPLE.org", "sip:%72omeo@example.org:5060;transport=tcp", "sip:romeo:pw@example.org."] {
        assert!(romeo.same_aor(&uri(same)), "{same}");
    }
    for other in [
        "sip:Romeo@example.org",
        "sip:romeo%00@example.org",
        "sip:example.org",
        "sip:romeo@example.net",
        "sip:romeo%40example.org@example.org",
    ] {
        assert!(!romeo.same_aor(&uri(other)), "{other}");
    }
    assert!(uri("sip:a%FF@h").same_aor(&uri("sip:a%ff@h")));
    assert!(uri("sip:a%3bb@h").same_aor(&uri("sip:a;b@h")));
}

#[test]
fn an_escaped_nul_is_a_character_of_its_own() {
    // RFC 4475 §3.1.1.4 (escnull)
    assert_eq!(uri("sip:null-%00-null@example.com").user_decoded().unwrap(), "null-\0-null");
    assert_eq!(uri("sip:%ff%fe@example.com").user_decoded(), None);
}

#[test]
fn the_address_of_an_occupant_is_the_room_with_gr() {
    // ADDR-03, ADDR-11
    let room = SipUri::new(Some("capulet"), "rooms.example.com").unwrap();
    assert_eq!(room.with_gr("Ben Volio").to_string(), "sip:capulet@rooms.example.com;gr=Ben%20Volio");
    assert_eq!(room.with_gr("Büro 1;x").to_string(), "sip:capulet@rooms.example.com;gr=B%C3%BCro%201%3Bx");
    let bare = uri("sip:capulet@rooms.example.com;gr");
    assert!(bare.has_gr() && bare.gr().is_none());
    assert!(!room.has_gr());
    let escaped = uri("sip:capulet@rooms.example.com;%67%52=JuliC");
    assert!(escaped.has_gr() && escaped.gr().unwrap() == "JuliC");
    assert_eq!(escaped.with_gr("Romeo").to_string(), "sip:capulet@rooms.example.com;gr=Romeo");
    assert_eq!(SipUri::parse("sip:a@h;gr=x;%67r=y"), Err(SipUriError::BadParameter));
}

#[test]
fn users_that_people_read_are_escaped() {
    // ADDR-02
    assert_eq!(SipUri::new(Some("tschüss"), "h").unwrap().to_string(), "sip:tsch%C3%BCss@h");
    assert_eq!(SipUri::new(Some("a b"), "h").unwrap().to_string(), "sip:a%20b@h");
    assert_eq!(SipUri::new(Some("m&m"), "h").unwrap().to_string(), "sip:m&m@h");
    assert_eq!(
        SipUri::new(Some("#%[\\]^`{|}\"<>:@"), "h").unwrap().user(),
        Some("%23%25%5B%5C%5D%5E%60%7B%7C%7D%22%3C%3E%3A%40")
    );
    assert_eq!(SipUri::new(Some(""), "h"), Err(SipUriError::BadUser));
    assert_eq!(SipUri::new(Some("a"), "h\r\nVia: x"), Err(SipUriError::BadHost));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(user in "\\PC{1,40}", nick in "\\PC{1,40}", port in 0u16..) {
        let room = SipUri::new(Some(&user), "Rooms.example.com").unwrap();
        prop_assert_eq!(room.user_decoded().unwrap(), user.as_str());
        let occupant = room.with_gr(&nick).with_param("p", Some(&port.to_string()));
        let read = SipUri::parse(&occupant.to_string()).unwrap();
        prop_assert_eq!(&read, &occupant);
        prop_assert_eq!(read.gr().unwrap(), nick.as_str());
        prop_assert!(read.same_aor(&room));
    }

    #[test]
    fn nothing_panics_and_what_is_accepted_is_printed_the_same(text in "(sip:|sips:|tel:|)[a-z0-9@:;=?&%.\\[\\]<> \"-]{0,30}") {
        if let Ok(parsed) = SipUri::parse(&text) {
            let printed = parsed.to_string();
            prop_assert_eq!(SipUri::parse(&printed).unwrap(), parsed);
        }
    }

    #[test]
    fn different_users_have_different_keys(users in proptest::collection::btree_set("[a-cA-C%@ ;ü]{1,3}", 1..20)) {
        let keys: BTreeSet<String> = users.iter().map(|u| SipUri::new(Some(u), "h").unwrap().aor_key()).collect();
        prop_assert_eq!(keys.len(), users.len());
    }
}
