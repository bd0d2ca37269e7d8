//! No two callers share an account unless the configuration was said to allow it, a room has one name whatever it is called, and
//! a pattern that covers another matches whatever that one does.
//!
//! An input is lines: two URIs, then two pairs of a pattern and a template.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mucfocus_core::address::mapping::{AccountRule, AccountRules, RoomRule, RoomRules, may_collide};
use mucfocus_core::address::pattern::{Folding, Pattern};
use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::address::template::{NicknameTemplate, Template};

fuzz_target!(|input: &[u8]| {
    let Some(text) = mucfocus_fuzz::text(input) else { return };
    let [one, other, pattern, template, pattern2, template2] = mucfocus_fuzz::lines(text);
    let (Ok(one), Ok(other)) = (SipUri::parse(one), SipUri::parse(other)) else { return };
    check_itself(&one);
    let pairs = [(pattern, template), (pattern2, template2)].into_iter();
    let pairs: Vec<_> =
        pairs.filter_map(|(sip, jid)| Some((Pattern::parse(sip).ok()?, Template::parse(jid).ok()?))).collect();
    for (pattern, _) in &pairs {
        assert_eq!(Pattern::parse(&pattern.to_string()).as_ref(), Ok(pattern));
    }
    if let [(a, _), (b, _)] = pairs.as_slice() {
        check_covering(a, b, &[&one, &other]);
    }
    check_accounts(&pairs, &one, &other);
    check_rooms(pairs, &one);
});

/// An address taken for a pattern matches itself.
fn check_itself(uri: &SipUri) {
    if uri.user_decoded().is_none() {
        return;
    }
    let Ok(pattern) = Pattern::parse(&uri.aor().to_string()) else { return };
    for folding in [Folding::Room, Folding::Account] {
        assert!(pattern.matches(uri, folding).is_some(), "{pattern} does not match {uri} ({folding:?})");
        assert!(pattern.is_covered_by(&pattern, folding), "{pattern} ({folding:?})");
    }
}

fn check_covering(a: &Pattern, b: &Pattern, uris: &[&SipUri]) {
    for folding in [Folding::Room, Folding::Account] {
        for (inner, outer) in [(a, b), (b, a)] {
            for uri in uris {
                let escapes = inner.is_covered_by(outer, folding)
                    && inner.matches(uri, folding).is_some()
                    && outer.matches(uri, folding).is_none();
                assert!(!escapes, "{outer} covers {inner} and does not match {uri} ({folding:?})");
            }
        }
    }
}

fn check_accounts(pairs: &[(Pattern, Template)], one: &SipUri, other: &SipUri) {
    let rules =
        pairs.iter().enumerate().map(|(line, (sip, jid))| AccountRule { sip: sip.clone(), jid: jid.clone(), line });
    let rules = AccountRules::new(rules.collect());
    let (Ok((a, jid)), Ok((b, other_jid))) = (rules.find(one), rules.find(other)) else { return };
    assert_eq!(rules.find(&one.aor()), Ok((a, jid.clone())), "parameters decide nothing");
    if one.same_aor(other) {
        assert_eq!((a, &jid), (b, &other_jid), "{one} and {other} are one person");
    } else if jid == other_jid {
        let (a, b) = (&rules.rules()[a], &rules.rules()[b]);
        assert!(may_collide(a, b), "{one} by {} and {other} by {} are both {jid}", a.sip, b.sip);
    }
}

fn check_rooms(pairs: Vec<(Pattern, Template)>, uri: &SipUri) {
    let rules = pairs.into_iter().filter(|(sip, _)| !sip.has_wildcard_in_user()).map(|(sip, muc)| RoomRule {
        name: sip.to_string(),
        sip,
        muc,
        allow: Vec::new(),
        create: false,
        nickname: NicknameTemplate::default(),
        password: None,
        history: 0,
        private_messages: true,
        receipts: true,
        whole_roster: false,
        tls_only: false,
    });
    let domains = vec!["rooms.example.com".into(), uri.host().into()];
    let rules = RoomRules::new(rules.collect(), domains).with_alias_hosts(["192.0.2.1".into()]);
    let Some(room) = rules.find(uri) else { return };
    assert_eq!(rules.is_room_alias(uri, &room), !uri.has_gr(), "{uri} was found as the room");
    assert!(!rules.is_room_alias(&uri.with_gr("JuliC"), &room));
    let again = rules.find(&room.uri).map(|again| (again.muc, again.uri));
    assert_eq!(again, Some((room.muc, room.uri)), "{uri} has a name that leads elsewhere");
}
