use super::super::framing::{Event, Framer};
use super::*;
use alloc::string::ToString;
use alloc::{format, vec};
use proptest::prelude::*;

fn read(xml: &str) -> Reply {
    match Framer::new().push(&mut xml.as_bytes()) {
        Ok(Some(Event::Stanza(element))) => Reply::read(&element),
        other => panic!("{other:?}"),
    }
}

fn succeeds(inside: &str) -> Success {
    match read(&format!("<success xmlns='urn:xmpp:sasl:2'>{inside}</success>")) {
        Reply::Success(success) => success,
        other => panic!("{other:?}"),
    }
}

const PLAIN: Authenticate<'_> = Authenticate {
    mechanism: "PLAIN",
    initial: b"\0romeo\0verona",
    agent: "d4565fa7-4d72-4749-b3d3-740edbf87770",
    bind: None,
    resume: None,
    token: Token::Unmentioned,
};

/// XM-19
#[test]
fn the_first_word_has_everything_that_is_wanted_and_nothing_else() {
    let bare = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AHJvbWVvAHZlcm9uYQ==</initial-response>\
        <user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>mucfocus</software></user-agent>";
    assert_eq!(PLAIN.to_xml(), format!("{bare}</authenticate>"));
    let resume = Some("<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>");
    let all = Authenticate { bind: Some("focus<1>"), resume, token: Token::Wanted("HT-SHA-256-NONE"), ..PLAIN };
    let inline = "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>\
        <bind xmlns='urn:xmpp:bind:0'><tag>focus&lt;1&gt;</tag></bind>\
        <request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/></authenticate>";
    assert_eq!(all.to_xml(), format!("{bare}{inline}"));
    let shown = Authenticate { token: Token::Shown, ..PLAIN };
    assert!(shown.to_xml().ends_with("</user-agent><fast xmlns='urn:xmpp:fast:0'/></authenticate>"));
    assert_eq!(response(b"x"), "<response xmlns='urn:xmpp:sasl:2'>eA==</response>");
}

/// The examples of XEP-0388 §2.
#[test]
fn what_the_server_says_is_told_apart() {
    assert_eq!(
        read("<challenge xmlns='urn:xmpp:sasl:2'>\n  cj0x\n  MjM=\n</challenge>"),
        Reply::Challenge(b"r=123".to_vec())
    );
    let failure = "<failure xmlns='urn:xmpp:sasl:2'><text>No.</text><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
        <other xmlns='urn:something:else'/></failure>";
    assert_eq!(read(failure), Reply::Failure("aborted".into()));
    assert_eq!(read("<failure xmlns='urn:xmpp:sasl:2'/>"), Reply::Failure(String::new()));
    for features in ["<stream:features>", "<features xmlns='http://etherx.jabber.org/streams'>", "<s:features>"] {
        let end = features.get(1..).and_then(|f| f.split([' ', '>']).next()).expect("a name");
        let features = |inside: &str| read(&format!("{features}{inside}</{end}>"));
        assert_eq!(features("<sm xmlns='urn:xmpp:sm:3'/>"), Reply::Features { resumable: true });
        assert_eq!(features("<x><sm xmlns='urn:xmpp:sm:3'/></x>"), Reply::Features { resumable: false });
    }
}

#[test]
fn what_is_not_of_the_exchange_is_named() {
    for (xml, name) in [
        ("<continue xmlns='urn:xmpp:sasl:2'><tasks><task>TOTP</task></tasks></continue>", "continue"),
        ("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "success"),
        ("<message><body>hi</body></message>", "message"),
        ("<challenge xmlns='urn:xmpp:sasl:2'>*</challenge>", "challenge"),
    ] {
        assert_eq!(read(xml), Reply::Other(name.into()));
    }
}

#[test]
fn being_let_in_says_who_one_is_and_what_came_with_it() {
    let success = succeeds(
        "<additional-data>\n dj1z </additional-data>\
         <authorization-identifier>romeo@xmpp.test/focus1~ab&amp;c</authorization-identifier>\
         <bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'><token xmlns='urn:xmpp:fast:0' token='no'/></metadata></bound>\
         <token xmlns='urn:xmpp:fast:0' expiry='2026-12-01T00:00:00Z' token='a&lt;b'/>",
    );
    assert_eq!(success.data.as_deref(), Some(&b"v=s"[..]));
    assert_eq!(success.bound_jid().map(|jid| jid.to_string()).as_deref(), Some("romeo@xmpp.test/focus1~ab&c"));
    let token = success.token.expect("a token");
    assert_eq!((token.token.as_str(), token.expiry.as_str()), ("a<b", "2026-12-01T00:00:00Z"));
    assert!(!format!("{token:?}").contains("a<b"), "it is a secret");
    assert_eq!(success.resumed, None);

    let resumed = succeeds("<resumed xmlns='urn:xmpp:sm:3' h='345' previd='124'/>");
    assert_eq!((resumed.resumed, resumed.bound, resumed.identity), (Some(345), false, None));
}

#[test]
fn a_resource_is_bound_only_if_the_server_says_both_that_and_which() {
    let bound = "<bound xmlns='urn:xmpp:bind:0'/>";
    for inside in [
        "<authorization-identifier>romeo@xmpp.test/focus1</authorization-identifier>".to_string(),
        format!("<authorization-identifier>romeo@xmpp.test</authorization-identifier>{bound}"),
        format!("<authorization-identifier>@</authorization-identifier>{bound}"),
        bound.to_string(),
    ] {
        assert_eq!(succeeds(&inside).bound_jid(), None, "{inside}");
    }
}

#[test]
fn a_token_that_is_empty_or_endless_is_none() {
    for token in [String::new(), "x".repeat(MAX_TOKEN + 1)] {
        assert_eq!(succeeds(&format!("<token xmlns='urn:xmpp:fast:0' token='{token}'/>")).token, None);
    }
    assert_eq!(succeeds("<token xmlns='urn:xmpp:other' token='x'/>").token, None);
}

proptest! {
    /// Whatever a server says, it is read, and nothing is read out of it that is not there.
    #[test]
    fn nothing_that_a_server_says_does_harm(pieces in prop::collection::vec(prop_oneof![
        Just("<success xmlns='urn:xmpp:sasl:2'>".to_string()), Just("</success>".to_string()),
        Just("<challenge xmlns='urn:xmpp:sasl:2'>".to_string()), Just("</challenge>".to_string()),
        Just("<failure xmlns='urn:xmpp:sasl:2'>".to_string()), Just("</failure>".to_string()),
        Just("<bound xmlns='urn:xmpp:bind:0'/>".to_string()), Just("<![CDATA[<bound/>]]>".to_string()),
        Just("<authorization-identifier>".to_string()), Just("</authorization-identifier>".to_string()),
        Just("<token xmlns='urn:xmpp:fast:0' token='t'/>".to_string()), "[a-z@/<>&'\"= ]{0,12}",
    ], 0..12)) {
        let stream = pieces.concat();
        let (mut framer, mut rest) = (Framer::new(), stream.as_bytes());
        while let Ok(Some(event)) = framer.push(&mut rest) {
            let Event::Stanza(element) = event else { continue };
            if let Reply::Success(success) = Reply::read(&element) {
                prop_assert!(element.name() == "success");
                prop_assert!(success.token.is_none() || element.as_str().contains("urn:xmpp:fast:0"));
                prop_assert!(!success.bound || element.as_str().contains("urn:xmpp:bind:0"));
            }
        }
    }
}
