//! Names on their whole way: from a JID to what a SIP client reads, and back from what it writes (ADDR-02, ADDR-03, ADDR-05,
//! ADDR-11).
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that meets something unexpected ends there")]

use bytes::Bytes;
use jid::{BareJid, NodePart};
use mucfocus_core::address::domain::{self, jid_of};
use mucfocus_core::address::escape::{escape_localpart, unescape_localpart};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::time::WallClock;
use mucfocus_core::translate::message;
use mucfocus_core::wire::cpim::Cpim;
use mucfocus_core::wire::imdn::Tracking;
use proptest::prelude::*;

const NOON: WallClock = WallClock::from_unix_millis(1_795_253_400_123);

fn room() -> SipUri {
    SipUri::parse("sip:capulet@rooms.example.com").unwrap()
}

/// What a client reads of who spoke: his name, and his address.
fn sender(cpim: &Bytes) -> (String, String) {
    let from = Cpim::parse(cpim).unwrap().from.unwrap();
    (from.formal_name.unwrap_or_default(), from.uri)
}

/// The occupant `nick` speaks; what is read of him leads back to him.
fn whole_way(nick: &str) {
    let muc = BareJid::new("capulet@muc.example.net").unwrap();
    let Ok(occupant) = muc.with_resource_str(nick) else { return };
    let nick = occupant.resource().as_str();
    let said = message::public(&room(), Some(nick), &Tracking::default(), "hello", NOON);
    let (name, address) = sender(&said);
    assert_eq!(name, nick);
    assert!(address.is_ascii() && !address.contains(['<', '>', '"', ' ', '\r', '\n']), "{address}");
    let read = SipUri::parse(&address).unwrap();
    assert_eq!(muc.with_resource_str(&read.gr().unwrap()).unwrap(), occupant);
    assert_eq!(read.to_string(), room().with_gr(nick).to_string(), "the same octets each time");
    // Of one who speaks to one reader alone, too, and nothing of the name becomes a line of its own.
    let reader = SipUri::parse("sip:romeo@example.org").unwrap();
    let whispered = message::private(&room(), nick, &reader, &Tracking::default(), "psst", NOON);
    assert_eq!(sender(&whispered), (name, address));
    let lines = |cpim: &Bytes| cpim.split(|octet| *octet == b'\n').count();
    let plain = message::private(&room(), "JuliC", &reader, &Tracking::default(), "psst", NOON);
    assert_eq!(lines(&whispered), lines(&plain));
}

#[test]
fn a_name_of_what_addresses_are_made_of_comes_back() {
    for nick in [
        "#%[\\]^`{|}",
        "%4aulic",
        ";gr=Romeo",
        ">;gr=Romeo",
        "<sip:romeo@example.org>",
        "\"\\\"",
        "a@b/c",
        "\u{5d9}\u{5d5}\u{5dc}\u{5d9}\u{5d4}",
        "R\u{43e}meo",
    ] {
        whole_way(nick);
    }
    whole_way(&"x".repeat(1023));
    whole_way(&"\u{fc}".repeat(511));
}

#[test]
fn a_user_of_one_side_is_the_user_of_the_other() {
    // ADDR-02: RFC 7247 §6.5
    for (node, user) in [
        ("m\\26m", "m&m"),
        ("tsch\u{fc}ss", "tsch%C3%BCss"),
        ("a\\20b", "a%20b"),
        ("#%[\\]^`{|}", "%23%25%5B%5C%5D%5E%60%7B%7C%7D"),
    ] {
        let uri = SipUri::new(Some(&unescape_localpart(node)), "example.org").unwrap();
        assert_eq!(uri.user(), Some(user));
        assert_eq!(escape_localpart(&uri.user_decoded().unwrap()).unwrap(), node);
    }
}

proptest! {
    #[test]
    fn whoever_can_be_an_occupant_is_found_by_his_address(nick in "\\PC{1,60}|[ -~]{1,60}|[\u{200b}-\u{206f}a-c\u{590}-\u{5ff}]{1,8}") {
        whole_way(&nick);
    }

    #[test]
    fn the_longest_names_too(c in "\\PC", count in 200usize..1023) {
        whole_way(&c.repeat(count));
    }

    /// ADDR-07: a domain that people read comes back from what SIP writes, and nobody else's does.
    #[test]
    fn whoever_has_a_domain_of_other_letters_comes_back_from_it(
        domain in "([a-z\u{e0}-\u{ff}\u{3b1}-\u{3c9}\u{430}-\u{44f}\u{5d0}-\u{5ea}\u{4e00}-\u{4e20}]{1,8}\\.){0,2}[a-z\u{df}-\u{f6}]{1,6}",
        other in "[a-z\u{df}-\u{f6}\u{3c2}\u{3c3}]{1,6}",
    ) {
        let ascii = |text: &str| SipUri::new(Some("juliet"), text).ok();
        let (Some(uri), Some(second)) = (ascii(&domain), ascii(&other)) else { return Ok(()) };
        prop_assert!(uri.to_string().is_ascii());
        let jid = jid_of(&uri).unwrap();
        prop_assert_eq!(ascii(jid.domain().as_str()).unwrap().to_string(), uri.to_string(), "{} is {}", domain, jid);
        prop_assert_eq!(jid_of(&SipUri::parse(&uri.to_string()).unwrap()), Some(jid.clone()));
        prop_assert_eq!(jid_of(&second) == Some(jid), second.same_aor(&uri));
    }

    /// Whatever stands in place of a domain, nothing breaks, and what is taken is ASCII in SIP.
    #[test]
    fn any_text_is_a_domain_or_none(text in "\\PC{0,20}|[a-z.\u{fc}-]{0,20}|xn--[a-z0-9-]{0,12}") {
        let (host, xmpp) = (domain::host(&text), domain::to_xmpp(&text));
        prop_assert!(host.is_none_or(|host| host.is_ascii() && !host.contains(['@', '/', ' ', ';'])));
        prop_assert!(xmpp.is_none_or(|domain| domain::to_xmpp(domain.as_str()).as_ref() == Some(&domain)));
    }

    /// A JID that is one comes back from its SIP URI; of texts that differ by nothing but escapes each comes back as itself.
    #[test]
    fn whoever_has_a_jid_comes_back_from_his_sip_uri(text in "[!-~]{1,30}|\\PC{1,20}") {
        let Some(node) = escape_localpart(&text).and_then(|node| NodePart::new(&node).map(|n| n.to_string()).ok()) else {
            return Ok(());
        };
        let uri = SipUri::new(Some(&unescape_localpart(&node)), "example.org").unwrap();
        let read = SipUri::parse(&uri.to_string()).unwrap();
        let back = read.user_decoded().unwrap();
        prop_assert_eq!(escape_localpart(&back).unwrap(), node.as_str());
    }
}
