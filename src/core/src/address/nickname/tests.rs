use proptest::prelude::*;
use std::string::String;

use super::*;

fn by_default(display_name: Option<&str>, user: Option<&str>) -> String {
    temporary(display_name, user, &NicknameTemplate::default(), 17)
}

#[test]
fn the_samples_of_rfc_8266_compare_as_its_table_says() {
    // NICK-03, NICK-04; RFC 8266 §3, table 1. Columns: nickname, what it is compared as.
    let table = [
        ("Foo", "foo"),
        ("foo", "foo"),
        ("Foo Bar", "foo bar"),
        ("foo bar", "foo bar"),
        ("\u{3a3}", "\u{3c3}"),
        ("\u{3c3}", "\u{3c3}"),
        ("\u{3c2}", "\u{3c2}"),
        ("\u{3d4}", "\u{3cb}"),
        ("\u{221e}", "\u{221e}"),
        ("Richard \u{2163}", "richard iv"),
    ];
    for (nick, output) in table {
        assert!(same(nick, output), "{nick} is not {output}");
    }
    for (nick, output) in table {
        assert_eq!(key(nick).as_deref(), Some(output));
    }
    for (a, left) in table {
        for (b, right) in table {
            assert_eq!(same(a, b), left == right, "{a} and {b}");
        }
    }
}

#[test]
fn spaces_are_mapped_trimmed_and_collapsed_and_case_stays() {
    // NICK-02, NICK-05
    assert_eq!(enforce("  Foo\u{3000}\u{a0} Bar ").unwrap(), "Foo Bar");
    assert_eq!(enforce("JuliC").unwrap(), "JuliC");
    assert_eq!(enforce("Richard \u{2163}").unwrap(), "Richard IV");
    assert_eq!(enforce("\u{2163}\u{3d4}").unwrap(), "IV\u{3ab}");
    assert_eq!(enforce("\u{1f600}").unwrap(), "\u{1f600}");
}

#[test]
fn what_is_no_nickname_is_refused() {
    // NICK-01, NICK-06
    assert_eq!(enforce(""), Err(NicknameError::Empty));
    assert_eq!(enforce(" \u{3000} "), Err(NicknameError::Empty));
    for bad in ["a\u{7}", "a\nb", "a\0", "a\u{378}", "\u{e000}", "a\u{200b}", "a\u{202e}b", "\u{fffe}"] {
        assert_eq!(enforce(bad), Err(NicknameError::Disallowed), "{bad:?}");
    }
    assert_eq!(enforce(&"x".repeat(1023)).unwrap().len(), 1023);
    assert_eq!(enforce(&"x".repeat(1024)), Err(NicknameError::TooLong));
    assert_eq!(enforce(&"\u{fc}".repeat(512)), Err(NicknameError::TooLong), "octets, not characters");
    assert_eq!(enforce(&"x".repeat(100_000)), Err(NicknameError::TooLong));
    assert!(!same("a\u{7}", "a\u{7}") && key("a\u{7}").is_none());
}

#[test]
fn xmpp_takes_fewer_nicknames_than_sip() {
    // NICK-07
    assert_eq!(occupant_resource("JuliC").unwrap().as_str(), "JuliC");
    assert_eq!(occupant_resource("\u{1f600}"), Err(NicknameError::NotAResource));
    assert_eq!(occupant_resource("a\u{5d0}"), Err(NicknameError::NotAResource));
    assert_eq!(occupant_resource(&"x".repeat(1024)), Err(NicknameError::NotAResource));
}

#[test]
fn the_display_name_comes_first_then_the_user_then_guest() {
    // GC-JOIN-12
    assert_eq!(by_default(Some(" Romeo  Montague "), Some("romeo")), "Romeo Montague");
    assert_eq!(by_default(None, Some("romeo")), "romeo");
    assert_eq!(by_default(Some(" "), Some("romeo")), "romeo");
    assert_eq!(by_default(Some("\u{7}"), Some("romeo")), "romeo");
    assert_eq!(by_default(None, None), "Guest 17");
    assert_eq!(temporary(None, None, &NicknameTemplate::default(), u64::MAX), "Guest 1615");
}

#[test]
fn a_telephone_number_is_never_shown() {
    for number in [
        "+441632960083",
        "+44-1632-960083",
        "12345",
        "(0163) 296-0083",
        "+1",
        "441632960083;phone-context=+44",
        "\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}",
        "+44 1632 960083",
    ] {
        assert_eq!(by_default(None, Some(number)), "Guest 17", "{number}");
        assert_eq!(by_default(Some(number), Some("romeo")), "romeo", "{number}");
        let user = NicknameTemplate::parse("{user}").unwrap();
        assert_eq!(temporary(Some("Romeo"), Some(number), &user, 17), "Guest 17", "{number}");
    }
    for name in ["1234", "agent47", "R2D2", "2nd floor"] {
        assert_eq!(by_default(None, Some(name)), name);
    }
}

#[test]
fn characters_that_xmpp_refuses_are_dropped_and_the_rest_is_a_name() {
    assert_eq!(by_default(Some("Romeo \u{1f339}\u{fe0f} Montague"), None), "Romeo Montague");
    assert_eq!(by_default(Some("\u{1f600}"), Some("romeo")), "romeo");
    assert_eq!(by_default(Some("R\u{200b}o\u{202e}meo\u{7}"), None), "Romeo");
    assert_eq!(by_default(Some("\u{1d4e1}omeo"), None), "Romeo");
    assert_eq!(by_default(Some("\u{5e8}\u{5d5}\u{5de}\u{5d0}\u{5d5}"), None), "\u{5e8}\u{5d5}\u{5de}\u{5d0}\u{5d5}");
    assert_eq!(by_default(Some("Romeo \u{5d0}\u{5d5}"), None), "Romeo", "mixed directions");
    assert_eq!(by_default(Some("R \u{5e8}\u{5d5}\u{5de}\u{5d0}\u{5d5}"), None), "\u{5e8}\u{5d5}\u{5de}\u{5d0}\u{5d5}");
    assert_eq!(by_default(Some("..."), Some("romeo")), "romeo");
}

#[test]
fn templates_put_text_around_names() {
    let template = NicknameTemplate::parse("{display_name} (SIP, {user})").unwrap();
    assert_eq!(temporary(Some("Romeo"), Some("rm"), &template, 1), "Romeo (SIP, rm)");
    assert_eq!(temporary(None, Some("rm"), &template, 1), "rm (SIP, rm)");
    assert_eq!(temporary(Some("Romeo"), Some("+4412345"), &template, 1), "Guest 1");
}

#[test]
fn a_variant_has_a_number_and_still_fits() {
    // GC-NICK-06
    assert_eq!(variant("Romeo", 2), "Romeo 2");
    let long = variant(&"\u{fc}".repeat(511), 4_294_967_295);
    assert!(long.len() <= MAX_LEN && long.ends_with("\u{fc} 4294967295"), "{long}");
    assert_eq!(enforce(&long).unwrap(), long);
}

#[test]
fn a_nickname_is_the_same_as_itself_whatever_its_letters_do() {
    // Found by fuzzing: lower case of a Cherokee letter, and marks in another order.
    for odd in ["U\u{13b3}\u{31b}\u{323}", "\u{13b3}"] {
        if let Ok(nick) = enforce(odd) {
            assert!(same(&nick, &nick) && same(odd, &nick), "{odd:?}");
            assert_eq!(key(&nick), Some(nick));
        }
    }
}

#[test]
fn plain_letters_and_digits_look_like_themselves() {
    // NICK-12: what the quick way takes for granted.
    for c in ('a'..='z').chain('A'..='Z').chain('0'..='9').filter(|c| !"01ImM".contains(*c)) {
        let look: String = skeleton(&c.to_string()).flat_map(char::to_lowercase).collect();
        assert_eq!(look, c.to_ascii_lowercase().to_string());
    }
}

proptest! {
    #[test]
    fn a_key_is_its_own_key(text in "\\PC{0,40}|.{0,40}") {
        if let Some(key) = key(&text) {
            prop_assert!(same(&text, &key));
            prop_assert_eq!(super::key(&key), Some(key.clone()));
        }
    }

    /// What the library says of two texts, where it says something.
    #[test]
    fn keys_are_equal_where_the_library_says_so(a in "[a-dA-D\u{3a3}\u{3c3}\u{3c2}\u{130}\u{1e9e} ]{1,4}", b in "[a-dA-D\u{3a3}\u{3c3}\u{3c2}\u{130}\u{1e9e} ]{1,4}") {
        if let Ok(one) = precis_profiles::Nickname::new().compare(&a, &b) {
            prop_assert_eq!(same(&a, &b), one);
        }
    }

    /// NICK-12: what RFC 8266 takes for one name looks like one name, and the quick way says what the slow one says.
    #[test]
    fn names_that_are_the_same_look_alike(a in "[a-dA-DiImM01lO\u{3a3}\u{3c3}\u{3c2}\u{130} ]{1,4}", b in "[a-dA-DiImM01lO\u{3a3}\u{3c3}\u{3c2}\u{130} ]{1,4}") {
        let look_alike = likenesses(&a).iter().any(|look| likenesses(&b).contains(look));
        prop_assert!(!same(&a, &b) || look_alike);
        // A blank at the end is trimmed, and no name of letters and digits alone any more.
        prop_assert_eq!(likenesses(&a).first().cloned(), likenesses(&format!("{a} ")).first().cloned());
    }

    #[test]
    fn a_temporary_nickname_is_always_usable(name in "\\PC{0,300}|.{0,40}", user in "\\PC{0,20}", n: u64) {
        let nick = temporary(Some(&name), Some(&user), &NicknameTemplate::default(), n);
        prop_assert_eq!(enforce(&nick).unwrap(), nick.as_str());
        let resource = occupant_resource(&nick).unwrap();
        prop_assert_eq!(resource.as_str(), nick.as_str());
    }
}
